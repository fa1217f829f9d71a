"""The studies of lesson 04: what relations teach about classes without labels, against all controls."""

from dataclasses import replace
from types import SimpleNamespace

import torch

from kdlab import data, metrics, models
from kdlab.distill import hard_labels, relations, soft_targets
from kdlab.losses import relational_angle_loss, similarity_preserving_loss
from kdlab.results import run_studies
from kdlab.study import compare
from kdlab.teachers import load_teacher, set_statistics, untrained_teacher

SEEDS = 8
SOURCES = 650  # all images with a label
WIDTH, TRAINING = 8, {"steps": 300, "batch_size": 32}
teacher = load_teacher("digits-small")


def taught_to_six(seed):
    """0 to 6 to learn from, and 7 to 9 to look at."""
    splits = data.digits(SOURCES, seed=seed)
    train = splits.labelled.take(splits.labelled.labels < 7)
    new = [part.take(part.labels >= 7) for part in (splits.labelled, splits.test)]
    images, labels = (torch.cat([getattr(part, of) for part in new]) for of in ("images", "labels"))
    return SimpleNamespace(
        seed=seed,
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
        "the teacher": metrics.recall_at_1(teacher.outputs(d.new).embedding, d.labels),
    }


def new_classes(seeds):
    found = []

    def load(seed):
        d = taught_to_six(seed)
        found.append(not_taught(d))
        return d

    result = compare(
        {name: lambda d, match=match: (d.train.images, match(d)) for name, match in MATCH.items()},
        data=load,
        student=lambda: models.TinyCNN(WIDTH),
        baseline="hard labels",
        seeds=seeds,
        score=recall,
        metric="Recall@1, %",
        margin=2,
        workers=1,  # what is not taught is noted here
        **TRAINING,
    )
    others = {name: [f[name] for f in found] for name in found[0]}
    last = {"the teacher": others.pop("the teacher")}
    return replace(result, scores=others | result.scores | last)


if __name__ == "__main__":
    torch.set_num_threads(1)
    run_studies("relations", {"clean": new_classes}, seeds=SEEDS)
