"""The studies of lesson 04: what relations teach about classes without labels, on clean and moved digits."""

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import torch

from kdlab import data, metrics, models
from kdlab.distill import hard_labels, relations, soft_targets
from kdlab.losses import probabilistic_transfer_loss, relational_angle_loss, similarity_preserving_loss
from kdlab.results import run_studies
from kdlab.study import compare
from kdlab.teachers import load_teacher, set_statistics, untrained_teacher

SEEDS = 8
SOURCES = 650  # all images with a label
WIDTH = 8


def clean(seed):
    splits = data.digits(SOURCES, seed=seed)
    return splits.labelled, (splits.labelled, splits.test)


def moved(seed):
    """Turned, bent and placed anywhere, without fragments or noise; eight views of each to learn from."""
    splits = data.cluttered_digits(SOURCES, views=8, seed=seed, fragments=0, noise=0)
    return splits.labelled, (splits.validation, splits.test)


def taught_to_six(seed, parts, teacher):
    """0 to 6 to learn from, and 7 to 9 to look at, each of these in one view."""
    labelled, others = parts(seed)
    train = labelled.take(labelled.labels < 7)
    new = [part.take(part.labels >= 7) for part in others]
    images, labels = (torch.cat([getattr(part, of) for part in new]) for of in ("images", "labels"))
    return SimpleNamespace(
        seed=seed,
        teacher=teacher,
        train=train,
        new=images,
        labels=labels,
        answers=teacher.outputs(train.images),
        untrained=untrained_teacher(teacher, train.images, seed=seed),  # another at each seed
    )


def angles(embedding):
    return [relations(embedding, loss=relational_angle_loss, weight=10)]


def of_other_images(d):
    mixed = torch.Generator().manual_seed(d.seed)
    return d.answers.embedding[torch.randperm(len(d.train), generator=mixed)]


MATCH = {
    "hard labels": lambda d: [hard_labels(d.train.labels)],
    "soft targets": lambda d: [soft_targets(d.answers.logits, temperature=4)],
    "distances": lambda d: [relations(d.answers.embedding, weight=10)],
    "angles": lambda d: angles(d.answers.embedding),
    "similarities": lambda d: [relations(d.answers.embedding, loss=similarity_preserving_loss, weight=100)],
    "neighbourhoods": lambda d: [
        relations(d.answers.embedding, loss=probabilistic_transfer_loss, weight=1000)
    ],
    "angles, shuffled rows": lambda d: angles(of_other_images(d)),
    "angles, untrained teacher": lambda d: angles(d.untrained.outputs(d.train.images).embedding),
    "angles of the pixels": lambda d: angles(d.train.images.flatten(1)),
}


def recall(network, d):
    with torch.no_grad():
        return metrics.recall_at_1(models.forward(network, d.new).embedding, d.labels)


def not_taught(d):
    """Recall of what this study does not train."""
    torch.manual_seed(d.seed)
    student = models.TinyCNN(WIDTH)
    set_statistics(student, d.train.images.split(256))
    return {
        "raw pixels": metrics.recall_at_1(d.new.flatten(1), d.labels),
        "untrained student": recall(student, d),
        "the teacher": metrics.recall_at_1(d.teacher.outputs(d.new).embedding, d.labels),
    }


def new_classes(seeds, *, parts, teacher, steps, without):
    found, teacher = [], load_teacher(teacher)

    def load(seed):
        d = taught_to_six(seed, parts, teacher)
        found.append(not_taught(d))
        return d

    result = compare(
        {
            name: lambda d, match=match: (d.train.images, match(d))
            for name, match in MATCH.items()
            if name != without
        },
        data=load,
        student=lambda: models.TinyCNN(WIDTH),
        baseline="hard labels",
        seeds=seeds,
        score=recall,
        metric="Recall@1, %",
        margin=2,
        workers=1,  # what is not taught is noted here
        steps=steps,
        batch_size=32,
    )
    others = {name: [f[name] for f in found] for name in found[0]}
    last = {"the teacher": others.pop("the teacher")}
    return replace(result, scores=others | result.scores | last)


# "neighbourhoods" on clean digits is the learner's own study, in the lesson's last exercise.
STUDIES = {
    "clean": partial(new_classes, parts=clean, teacher="digits-small", steps=300, without="neighbourhoods"),
    "moved": partial(
        new_classes, parts=moved, teacher="cluttered-small", steps=1000, without="angles, shuffled rows"
    ),
}


if __name__ == "__main__":
    torch.set_num_threads(1)
    run_studies("relations", STUDIES, seeds=SEEDS)
