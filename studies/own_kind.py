"""A network taught by one of its own kind: for generations, with labels and without, and against noise.

``python studies/own_kind.py`` writes data/results/own_kind.json; about eight minutes on one free core.
"""

from functools import partial
from types import SimpleNamespace

import torch
import torch.nn.functional as F

from kdlab import data, metrics, models
from kdlab.distill import Term, distill, hard_labels, soft_targets
from kdlab.results import run_studies
from kdlab.study import compare

TRAINING = {"steps": 500, "batch_size": 64, "learning_rate": 0.02}
GENERATIONS = 3
WEIGHTS = (0.5, 1, 1.2, 1.5)


def student():
    return models.TinyCNN(8)


def parent_only(d, logits):
    return [soft_targets(logits, temperature=2)]


def labels_and_parent(d, logits):
    """As Furlanello et al. (2018) do: the labels stay beside the parent's answers."""
    labels = hard_labels(d.train.labels, weight=0.5)
    return [labels, soft_targets(logits, temperature=2, weight=0.5)]


LINES = {"parent only": parent_only, "labels and parent": labels_and_parent}


def generations(seeds):
    """Each line starts from the same first parent; from then on parents are of its own line."""

    def with_ancestors(seed):
        splits = data.cluttered_digits(views=8, seed=seed)
        d = SimpleNamespace(train=splits.labelled, validation=splits.validation, test=splits.test, answers={})
        for line, match in LINES.items():
            terms = [hard_labels(d.train.labels)]
            for generation in range(1, GENERATIONS + 1):
                if (line, generation) != ("labels and parent", 1):
                    torch.manual_seed(1000 + GENERATIONS * seed + generation)
                    parent = student()
                    distill(parent, d.train.images, terms, seed=seed, **TRAINING)
                    answers = metrics.predict(parent, d.train.images)
                else:
                    answers = d.answers["parent only", 1]
                d.answers[line, generation] = answers
                terms = match(d, answers)
        return d

    arms = {"hard labels": lambda d: (d.train.images, [hard_labels(d.train.labels)])}
    for line, match in LINES.items():
        for g in range(1, GENERATIONS + 1):
            arms[f"{line}, {g}"] = lambda d, match=match, key=(line, g): (
                d.train.images, match(d, d.answers[key])
            )  # fmt: skip
    return compare(
        arms, data=with_ancestors, student=student, baseline="hard labels", seeds=seeds, workers=1,
        **TRAINING,
    )  # fmt: skip


def blended_loss(logits, teacher_logits, labels, *, weight):
    """Cross-entropy to weight * teacher + (1 - weight) * label, which above 1 is no probability."""
    label = F.one_hot(labels, logits.shape[1]).to(logits.dtype)
    target = weight * teacher_logits.softmax(dim=1) + (1 - weight) * label
    return -(target * logits.log_softmax(dim=1)).sum(dim=1).mean()


def blended(weight):
    """An arm: the answers of a network of the same kind, with this weight (Das and Sanghavi 2023)."""
    loss = partial(blended_loss, weight=weight)
    return lambda d: (d.train.images, [Term("blend", d.own, loss, labels=d.noisy)])


def against_noise(share, *, cluttered=False):
    make = student if cluttered else partial(models.MLP, 32)
    training = TRAINING if cluttered else {}

    def noisy(seed):
        splits = data.cluttered_digits(views=8, seed=seed) if cluttered else data.digits(650, seed=seed)
        train = splits.labelled
        wrong = data.noisy_labels(train, share, seed=seed) if share else train.labels
        torch.manual_seed(100 + seed)
        own = make()
        distill(own, train.images, [hard_labels(wrong)], seed=seed, **training)
        return SimpleNamespace(
            train=train, noisy=wrong, own=metrics.predict(own, train.images),
            validation=splits.validation, test=splits.test,
        )  # fmt: skip

    arms = {"labels alone": lambda d: (d.train.images, [hard_labels(d.noisy)])}
    arms |= {f"weight {weight:g}": blended(weight) for weight in WEIGHTS}
    arms["weight chosen"] = {f"{weight:g}": blended(weight) for weight in WEIGHTS}

    def study(seeds):
        return compare(
            arms, data=noisy, student=make, baseline="labels alone", workers=1,
            seeds=seeds if cluttered else 2 * seeds, **training,
        )  # fmt: skip

    return study


STUDIES = {
    "no noise": against_noise(0),
    "noise 40 %": against_noise(0.4),
    "noise 50 %": against_noise(0.5),
    "noise 40 %, cluttered": against_noise(0.4, cluttered=True),
    "generations": generations,
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    run_studies("own_kind", STUDIES, seeds=8)
