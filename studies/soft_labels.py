"""A study of lesson 01: what in a soft label helps, on few images, with as many pairs as a margin of 1 asks for."""

from types import SimpleNamespace

import torch

from kdlab import data, models
from kdlab.distill import hard_labels, soft_targets
from kdlab.results import run_studies
from kdlab.study import compare
from kdlab.teachers import load_teacher

SEEDS = 24
FIRST = 100  # the lesson itself runs the seeds from 0
T = 4


def shuffled(logits):
    """The logits of the wrong classes dealt out anew in each row."""
    random = torch.Generator().manual_seed(0)
    dealt = logits.clone()
    for row, top in zip(dealt, logits.argmax(dim=1)):
        wrong = torch.tensor([c for c in range(10) if c != top])
        row[wrong] = row[wrong[torch.randperm(9, generator=random)]]
    return dealt


def confidence_only(logits):
    """Each image keeps its largest probability; the others share the rest evenly."""
    p = (logits / T).softmax(dim=1)
    top, answer = p.max(dim=1, keepdim=True)
    return T * ((1 - top) / 9).repeat(1, 10).scatter(1, answer, top).log()


def class_means(logits, labels):
    """Each image gets the mean probabilities of its class."""
    p = (logits / T).softmax(dim=1)
    means = torch.stack([p[labels == c].mean(dim=0) for c in range(10)])
    return T * means[labels].log()


def as_soft(logits):
    """The smoothing that leaves a label what the teacher's largest probability is on average."""
    top = (logits / T).softmax(dim=1).max(dim=1).values.mean().item()
    return (1 - top) / 0.9


def soft(change=lambda d: d.answers):
    return lambda d: (d.labelled.images, [soft_targets(change(d), temperature=T)])


def smoothed(amount):
    return lambda d: (d.labelled.images, [hard_labels(d.labelled.labels, smoothing=amount(d))])


ARMS = {
    "hard labels": smoothed(lambda d: 0.0),
    "smoothing, as soft": smoothed(lambda d: as_soft(d.answers)),
    "confidence only": soft(lambda d: confidence_only(d.answers)),
    "shuffled": soft(lambda d: shuffled(d.answers)),
    "class means": soft(lambda d: class_means(d.answers, d.labelled.labels)),
    "soft targets": soft(),
}


def few(images, arms=ARMS):
    def study(seeds):
        teacher = load_teacher("digits-small")

        def load(seed):
            splits = data.digits(images, seed=seed)
            return SimpleNamespace(**splits._asdict(), answers=teacher(splits.labelled.images))

        return compare(
            {arm: ARMS[arm] for arm in arms}, data=load, student=lambda: models.TinyCNN(8),
            baseline="hard labels", seeds=range(FIRST, FIRST + seeds), steps=200,
        )  # fmt: skip

    return study


if __name__ == "__main__":
    studies = {"50 images": few(50), "20 images": few(20, ("hard labels", "soft targets"))}
    run_studies("soft_labels", studies, seeds=SEEDS)
