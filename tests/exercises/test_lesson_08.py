"""Lesson 08: what learners may plausibly write, and what they are told."""

import math

import pytest
import torch
from telling import ALL, assert_right, assert_told

from kdlab.exercises.core import NOT_YET, RIGHT
from kdlab.study import Result


def split(labels, share, seed, count=round):
    random = torch.Generator().manual_seed(seed)
    train, validation = [], []
    for c in labels.unique():
        mine = (labels == c).nonzero().flatten()
        mine = mine[torch.randperm(len(mine), generator=random)]
        n = count(share * len(mine))
        validation.append(mine[:n])
        train.append(mine[n:])
    return torch.cat(train), torch.cat(validation)


def places(labels, share, seed):
    train, validation = [], []
    for c in labels.unique():
        n = int((labels == c).sum())
        order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
        validation.append(order[: round(share * n)])
        train.append(order[round(share * n) :])
    return torch.cat(train), torch.cat(validation)


def every_fifth(labels, share, seed):
    numbers = torch.arange(len(labels))
    return numbers[numbers % 5 > 0], numbers[numbers % 5 == 0]


def with_replacement(labels, share, seed):
    random, validation = torch.Generator().manual_seed(seed), []
    for c in labels.unique():
        mine = (labels == c).nonzero().flatten()
        validation.append(mine[torch.randint(len(mine), (round(share * len(mine)),), generator=random)])
    held_out = {int(i) for side in validation for i in side}
    return [i for i in range(len(labels)) if i not in held_out], torch.cat(validation)


def return_inside(labels, share, seed):
    for c in labels.unique():
        mine = (labels == c).nonzero().flatten()
        mine = mine[torch.randperm(len(mine), generator=torch.Generator().manual_seed(seed))]
        return mine[round(share * len(mine)) :], mine[: round(share * len(mine))]


def view(stored, epoch):
    return epoch % stored.shape[1]


def stored(z, k, *, T=1, largest=True, rest=None):
    p = (z / T).softmax(dim=1)
    values, classes = p.topk(k, dim=1, largest=largest)
    mass = (1 - values.sum(dim=1, keepdim=True)) / (rest or p.shape[1] - k)
    return mass.expand_as(p).scatter(1, classes, values)


WRONG_ANSWERS = [
    ("8.1", lambda *a: split(*a, count=math.ceil), "not rounded to the nearest"),
    ("8.1", lambda *a: split(*a, count=int), "not rounded to the nearest"),
    ("8.1", lambda *a: split(*a, count=lambda n: max(1, int(n))), "not rounded to the nearest"),
    ("8.1", lambda y, share, seed: [y[side] for side in split(y, share, seed)], "labels in place of numbers"),
    ("8.1", places, "places in place of numbers, or a photo drawn twice"),
    ("8.1", with_replacement, "places in place of numbers, or a photo drawn twice"),
    ("8.1", lambda y, share, seed: (split(y, share, seed + 9)[0], split(y, share, seed)[1]), "leakage"),
    ("8.1", return_inside, "photos lost"),
    ("8.1", lambda y, share, seed: split(y, share, 42), "not by seed"),
    ("8.1", lambda *a: split(*a)[1], "not a number"),
    ("8.1", lambda y, share, seed: split(y, 0.5, seed), "another share"),
    ("8.2", lambda s, i, e: s[i], "all views returned"),
    ("8.2", lambda s, i, e: s[:, view(s, e)], "all photos returned"),
    ("8.2", lambda s, i, e: s[i, min(e, s.shape[1] - 1)], "keyed by the image only"),
    ("8.2", lambda s, i, e: s[i, e], "an error in your code"),
    ("8.2", lambda s, i, e: s[i, view(s, e)].softmax(1), "probabilities in place of logits"),
    ("8.2", lambda s, i, e: s[i, view(s, e)].argmax(1), "classes in place of logits"),
    ("8.2", lambda s, i, e: s[i, (e // s.shape[1]) % s.shape[1]], "divided in place of the remainder"),
    ("8.2", lambda s, i, e: s[i[0], view(s, e)], "one photo for the whole batch"),
    ("8.3", lambda z, k: z.softmax(1), "nothing left out"),
    ("8.3", lambda z, k: stored(z, k, T=4), "another temperature"),
    ("8.3", lambda z, k: stored(z, k, largest=False), "the smallest kept"),
    ("8.3", lambda z, k: stored(z, k, rest=k), "the rest divided by those kept"),
    ("8.3", lambda z, k: stored(z, k + 1), "one more kept, or one fewer"),
    ("8.3", lambda z, k: torch.zeros_like(z).scatter(1, z.topk(k).indices, z.topk(k).values).softmax(1),
     "other logits set, then a softmax"),
    ("8.3", lambda z, k: stored(z, k).log(), "logits or logarithms returned"),
    ("8.4", lambda a, b, k, n, s: a / b, "the look-up alone below"),
    ("8.4", lambda a, b, k, n, s: k * a, "milliseconds in place of epochs"),
    ("8.4", lambda a, b, k, n, s: math.ceil(k * a / (a - b)), "rounded"),
    ("8.4", lambda a, b, k, n, s: k * a / (b - a), "the wrong sign"),
    ("8.4", lambda a, b, k, n, s: k * a / (a - k * b), "one look-up for each view in an epoch"),
    ("8.4", lambda a, b, k, n, s: k * b / (a - b), "the answer not spent"),
]  # fmt: skip


@pytest.mark.parametrize("id, answer, name", WRONG_ANSWERS, ids=lambda x: x if isinstance(x, str) else "")
def test_a_plausible_wrong_answer_is_told_what_it_did(id, answer, name):
    assert_told(id, answer, name)


RIGHT_ANSWERS = [
    ("8.1", split),
    ("8.1", lambda *a: [side.tolist() for side in split(*a)]),
    ("8.1", lambda *a: tuple(side.sort().values for side in split(*a))),
    ("8.2", lambda s, i, e: torch.stack([s[j, view(s, e)] for j in i.tolist()])),
    ("8.2", lambda s, i, e: s[:, view(s, e)][i]),
    ("8.3", stored),
    ("8.4", lambda a, b, k, n, s: k / (1 - b / a)),
    ("8.4", lambda a, b, k, n, s: (k * a * n) / (n * (a - b))),
]  # fmt: skip


@pytest.mark.parametrize("id, answer", RIGHT_ANSWERS)
def test_right_answers_written_otherwise_pass(id, answer):
    assert_right(id, answer)


def study(*taught):
    return Result("hard labels", {"hard labels": [50.0] * len(taught), "distilled": list(taught)})


def test_a_study_of_the_lesson_is_not_the_learners_own():
    first, clean = study(55.0, 54.0, 56.0, 55.5), study(52.0, 53.0, 52.5, 52.0)
    lessons = [first, clean]
    for copied in (first, clean, study(52.0, 53.0, 52.5)):  # the last one has the same seeds, and fewer
        assert ALL["8.5"].diagnose((copied, "helps", lessons)).name == "the lesson's own study"
        assert ALL["8.5"].diagnose((copied, ..., lessons)).name == "the lesson's own study"
    mine = study(55.0, 54.5, 56.0)
    assert ALL["8.5"].diagnose((mine, "helps", lessons)).status == RIGHT
    assert (
        ALL["8.5"].diagnose((mine, "hurts", lessons)).name == "the verdict does not follow from the interval"
    )
    assert ALL["8.5"].diagnose((mine, "helps")).status == RIGHT
    for nothing in ((..., ..., lessons), (mine, ..., lessons)):
        assert ALL["8.5"].diagnose(nothing).status == NOT_YET
