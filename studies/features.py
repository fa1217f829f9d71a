"""The studies of lesson 03: what hints hand over, against all controls, and what they do for accuracy."""

from dataclasses import replace
from functools import cache, partial
from types import SimpleNamespace

import torch

from kdlab import data, metrics, models
from kdlab.distill import features, hard_labels, soft_targets
from kdlab.results import run_studies
from kdlab.study import compare
from kdlab.teachers import load_teacher, set_statistics, untrained_teacher

SEEDS = 16
PROBED = 1500  # images that the probe learns from
WIDTH, STEPS = 16, 200
teacher = load_teacher("cluttered-small")


def cluttered(seed):
    splits = data.cluttered_digits(views=3, seed=seed)
    train, test = splits.labelled, splits.test
    return SimpleNamespace(
        train=train,
        test=test,
        answers=teacher.outputs(train.images, layers=(2,)),
        seen=teacher.outputs(test.images, layers=(2,)).features[2],
        untrained=untrained_teacher(teacher, train.images, layers=(2,), seed=seed),  # another at each seed
    )


def hints(d, targets=None, layer=2, frozen=False):
    term = features(d.answers.features[2] if targets is None else targets, layer, weight=10)
    if frozen:
        term.projector.build((64, 4, 4)).requires_grad_(False)
    return d.train.images, [hard_labels(d.train.labels), term]


ARMS = {
    "hard labels": lambda d: (d.train.images, [hard_labels(d.train.labels)]),
    "soft targets": lambda d: (d.train.images, [soft_targets(d.answers.logits, temperature=4)]),
    "hints": hints,
    "hints, untrained teacher": lambda d: hints(
        d, d.untrained.outputs(d.train.images, layers=(2,)).features[2]
    ),
    "hints, projector frozen": lambda d: hints(d, frozen=True),
    "hints, first map": lambda d: hints(d, layer=0),
}


ORDER = (
    "raw pixels",
    "untrained student",
    *ARMS,
    "the untrained teacher's map",
    "the teacher's map",
)


def last_map(network, images):
    with torch.no_grad():
        return torch.cat([models.forward(network, batch, (2,)).features[2] for batch in images.split(256)])


def pose_read(d, see):
    """What a linear probe reads of place and turn off what ``see`` makes of the images: R squared, in %."""
    few = d.train.take(torch.arange(PROBED))
    read = metrics.probe(see(few.images), few.pose, see(d.test.images), d.test.pose)
    return 100 * sum(read) / len(read)


def not_taught(seed):
    """Place and turn, and likeness, of what this study does not train."""
    d = cluttered(seed)
    torch.manual_seed(seed)
    student = models.TinyCNN(WIDTH)
    set_statistics(student, d.train.images.split(256))  # as untrained, but not handicapped
    maps = {
        "raw pixels": lambda images: images,
        "untrained student": lambda images: last_map(student, images),
        "the untrained teacher's map": lambda images: d.untrained.outputs(images, layers=(2,)).features[2],
        "the teacher's map": lambda images: teacher.outputs(images, layers=(2,)).features[2],
    }
    return {
        name: (pose_read(d, see), 100 * metrics.debiased_cka(see(d.test.images), d.seen))
        for name, see in maps.items()
    }


@cache
def taught(seeds):
    """Accuracy, place and turn, and likeness to the teacher, of the same students."""
    seeds = [*range(seeds)] if isinstance(seeds, int) else seeds
    seen = []

    def score(student, d):
        likeness = metrics.debiased_cka(last_map(student, d.test.images), d.seen)
        seen.append((pose_read(d, lambda images: last_map(student, images)), 100 * likeness))
        return metrics.accuracy(metrics.predict(student, d.test.images), d.test.labels)

    accuracy = compare(
        ARMS,
        data=cluttered,
        student=lambda: models.TinyCNN(WIDTH),
        baseline="hard labels",
        seeds=seeds,
        steps=STEPS,
        batch_size=64,
        score=score,
        workers=1,  # the score keeps what else it read
    )
    others = [not_taught(seed) for seed in seeds]
    pairs = {arm: seen[i :: len(ARMS)] for i, arm in enumerate(ARMS)}
    pairs |= {name: [found[name] for found in others] for name in others[0]}
    pairs = {name: pairs[name] for name in ORDER}
    pose, likeness = ({arm: [pair[k] for pair in both] for arm, both in pairs.items()} for k in (0, 1))
    del likeness["the teacher's map"]
    about = {"margin": 2, "students": {}}
    return {
        "place and turn": replace(accuracy, scores=pose, metric="R squared, %", **about),
        "likeness": replace(accuracy, scores=likeness, metric="debiased CKA, %", **about),
        "accuracy": accuracy,
    }


def part(name, seeds):
    return taught(seeds)[name]


if __name__ == "__main__":
    torch.set_num_threads(1)
    names = ("place and turn", "likeness", "accuracy")
    run_studies("features", {name: partial(part, name) for name in names}, seeds=SEEDS)
