"""Lesson 08: photos, stored answers and what they cost."""

import math
from functools import partial

import torch

from kdlab.exercises.core import Exercise, Experiment, Mistake, returned, value


def _labels(*counts):
    """Labels with these counts, in an order that is not by class."""
    labels = torch.cat([torch.full((n,), c) for c, n in enumerate(counts)])
    return labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(len(labels)))]


def _split(labels, share, seed, *, order=lambda n, random: torch.randperm(n, generator=random), whole=round):
    random = torch.Generator().manual_seed(seed)
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        mine = (labels == label).nonzero().flatten()
        held_out[mine[order(len(mine), random)[: whole(share * len(mine))]]] = True
    return (~held_out).nonzero().flatten(), held_out.nonzero().flatten()


def _not_by_class(labels, share, seed):
    """What :func:`_split` does where all photos are of one class."""
    return _split(torch.zeros_like(labels), share, seed)


def _from_the_front(labels, share, seed):
    count = round(share * len(labels))
    return torch.arange(count, len(labels)), torch.arange(count)


def _numbers(function, arguments):
    train, validation = returned(function, arguments)
    return tuple(torch.as_tensor(side).flatten().tolist() for side in (train, validation))


def _both_sides(function, arguments):
    """What any right split has in common; which photos it draws is its own affair."""
    labels, share, seed = arguments
    train, validation = _numbers(function, (labels, share, seed))
    again, other = (_numbers(function, (labels, share, s))[1] for s in (seed, seed + 1))
    there, held_out = set(range(len(labels))), set(validation)
    classes = [set((labels == label).nonzero().flatten().tolist()) for label in labels.unique()]
    fair = all(len(photos & held_out) == round(share * len(photos)) for photos in classes)
    seen = {
        "photos held out": len(validation),
        "this share of each class": fair,
        "photos on both sides": len(held_out & set(train)),
        "photos on neither side": len(there - held_out - set(train)),
        "the same seed, the same photos": sorted(again) == sorted(validation),
        "another seed, other photos": sorted(other) != sorted(validation),
    }
    return {what: torch.tensor(answer) for what, answer in seen.items()}


SPLIT = Exercise(
    "8.1", "Split by class and by seed", see="Photos as they come",
    right="Each class gives its share, no photo is on both sides, and the seed alone decides which.",
    reference=_split, observe=_both_sides,
    cases={
        "four classes of 6 to 33 photos, a fifth held out": lambda: (_labels(23, 11, 6, 33), 0.2, 0),
        "five classes of 4 to 41 photos, a quarter held out": lambda: (_labels(41, 9, 11, 4, 23), 0.25, 3),
    },
    mistakes=[
        Mistake("not by class",
            "The share of each class is left to luck, and a rare class may be missing. Draw from each class apart.",
            _not_by_class, _from_the_front),
        Mistake("not rounded to the nearest", "Asked for is `round`: neither always up nor always down.",
            partial(_split, whole=math.ceil), partial(_split, whole=math.floor)),
        Mistake("leakage",
            "The photos to validate with are trained on as well: the accuracy praises what was learned by heart.",
            lambda y, share, seed: (torch.arange(len(y)), _split(y, share, seed)[1])),
        Mistake("not by seed",
            "Every seed holds out the same photos, perhaps the first of each folder, taken on one day. Use the seed.",
            partial(_split, order=lambda n, random: torch.arange(n)), lambda y, share, seed: _split(y, share, 0)),
        Mistake("drawn anew in each call",
            "The same seed gives another split: after a resume, photos that were held out would be trained on.",
            partial(_split, order=lambda n, random: torch.randperm(n))),
        Mistake("the sides swapped", "The share is that of the photos to validate with, which come second.",
            lambda *arguments: _split(*arguments)[::-1]),
    ],
)  # fmt: skip


def _batch(photos, views, images, epoch):
    """Stored answers (photos, views, 3), the photos of a batch, and the epoch."""
    random = torch.Generator().manual_seed(photos + views)
    return 3 * torch.randn(photos, views, 3, generator=random), torch.tensor(images), epoch


def _look_up(stored, images, epoch, shift=0):
    return stored[images, (epoch + shift) % stored.shape[1]]


def _drawn_anew(stored, images, epoch):
    random = torch.Generator().manual_seed(epoch + 1)
    return stored[images, torch.randint(stored.shape[1], (len(images),), generator=random)]


LOOK_UP = Exercise(
    "8.2", "Look it up", see="The teacher speaks once",
    right="The photo and the view together are the key, and both follow from numbers.",
    reference=_look_up, observe=value,
    cases={
        "photos 3 and 1, epoch 1 of 2 views": partial(_batch, 4, 2, [3, 1], 1),
        "photos 5, 0 and 2, epoch 7 of 3 views": partial(_batch, 6, 3, [5, 0, 2], 7),
        "photos 4, 2, 6 and 1, epoch 6 of 4 views": partial(_batch, 7, 4, [4, 2, 6, 1], 6),
    },
    mistakes=[
        Mistake("keyed by the image only",
            "The student sees another crop in each epoch, and is given the answer to one and the same.",
            lambda stored, images, epoch: stored[images, 0], lambda stored, images, epoch: stored[images, -1]),
        Mistake("keyed by the view only",
            "A row of the batch is no photo: the order is drawn anew in each epoch. The number of the photo is in `images`.",
            lambda stored, images, epoch: _look_up(stored, torch.arange(len(images)), epoch),
            lambda stored, images, epoch: stored[: len(images), epoch % stored.shape[1]]),
        Mistake("a view under another seed",
            "A view that is drawn again is another view. Its number must be the one that the student's pixels were made with.",
            _drawn_anew),
        Mistake("the mean over all views",
            "The mean smooths what differs between views, and belongs to none of them.",
            lambda stored, images, epoch: stored[images].mean(dim=1)),
        Mistake("the view one epoch off", "Epochs and views both count from 0: epoch 0 shows view 0.",
            partial(_look_up, shift=-1), partial(_look_up, shift=1)),
        Mistake("the rows sorted",
            "The rows must stand in the order of the batch, or each photo gets another's answer.",
            lambda stored, images, epoch: _look_up(stored, images.sort().values, epoch)),
    ],
)  # fmt: skip


def _read(logits, count, *, rest="even", renormalised=False):
    p = logits.softmax(dim=1)
    values, classes = p.topk(count, dim=1)
    mass = 1 - values.sum(dim=1, keepdim=True)
    if renormalised:
        values, mass = values / values.sum(dim=1, keepdim=True), torch.zeros_like(mass)
    others = p.shape[1] - count
    filled = {"even": mass / others, "none": 0 * mass, "all": mass / p.shape[1], "whole": mass}[rest]
    return filled.expand_as(p).scatter(1, classes, values)


def _to_one(logits, count, *, which):
    """All of the rest to the class in this place of the order."""
    p, order = logits.softmax(dim=1), logits.argsort(dim=1, descending=True)
    kept = torch.zeros_like(p).scatter(1, order[:, :count], p.gather(1, order[:, :count]))
    return kept.scatter_add(1, order[:, which, None], 1 - kept.sum(dim=1, keepdim=True))


def _logits(rows, classes, count):
    random = torch.Generator().manual_seed(classes)
    return 1.5 * torch.randn(rows, classes, generator=random), count


LARGEST = Exercise(
    "8.3", "Keep the largest", see="What storage costs",
    right="The kept probabilities are exact, and the row still sums to 1.",
    reference=_read, observe=value,
    cases={
        "one row of four logits, 1 kept": lambda: (torch.tensor([[2.0, 1.0, 0.0, -1.0]]), 1),
        "three rows of six logits, 2 kept": partial(_logits, 3, 6, 2),
        "two rows of nine logits, 3 kept": partial(_logits, 2, 9, 3),
    },
    mistakes=[
        Mistake("the rest dropped",
            "The row no longer sums to 1. The others are unlikely, not impossible, and their mass is known.",
            partial(_read, rest="none")),
        Mistake("the kept ones renormalised",
            "The kept probabilities have grown, as if the teacher had been surer than it was.",
            partial(_read, renormalised=True),
            lambda z, k: torch.zeros_like(z).scatter(
                1, z.topk(k, dim=1).indices, z.topk(k, dim=1).values.softmax(dim=1))),
        Mistake("the rest given to one class",
            "One class gets the mass of many. Nothing is known about how it is shared, so share it evenly.",
            lambda z, k: _to_one(z, k, which=k), partial(_to_one, which=-1), partial(_to_one, which=0)),
        Mistake("the rest divided by all classes",
            "Only the classes that were not kept share it: there are `C - count` of them.",
            partial(_read, rest="all")),
        Mistake("the whole rest to each class",
            "Each of the other classes gets all of the rest. Divide it by their number.",
            partial(_read, rest="whole")),
    ],
)  # fmt: skip


def _break_even(answer, look_up, views, photos, batch_size):
    return views * answer / (answer - look_up)


BREAK_EVEN = Exercise(
    "8.4", "Break even", see="What storage costs",
    right="A little more than the number of views: before that, asking always is cheaper.",
    reference=_break_even, observe=value,
    cases={
        "an answer of 4 ms, a look-up of 1 ms, 6 views": lambda: (4.0, 1.0, 6, 100, 20),
        "an answer of 10 ms, a look-up of 2 ms, 3 views": lambda: (10.0, 2.0, 3, 640, 64),
        "an answer of 1 ms, a look-up of 0.2 ms, 8 views": lambda: (1.0, 0.2, 8, 90, 30),
    },
    mistakes=[
        Mistake("upside down", "What is spent once stands above, what each epoch saves below.",
            lambda a, b, k, n, s: 1 / _break_even(a, b, k, n, s), lambda a, b, k, n, s: k * (a - b) / a),
        Mistake("steps in place of epochs",
            "An epoch has `photos / batch_size` steps, and each photo is looked up once in it. Epochs are asked for.",
            lambda a, b, k, n, s: _break_even(a, b, k, n, s) * n / s,
            lambda a, b, k, n, s: _break_even(a, b, k, n, s) * n // s),
        Mistake("photos on one side only",
            "As many photos are answered as are looked up in an epoch: their number cancels.",
            lambda a, b, k, n, s: n * _break_even(a, b, k, n, s),
            lambda a, b, k, n, s: _break_even(a, b, k, n, s) / n),
        Mistake("the look-up for nothing",
            "A stored answer has to be read in each epoch, so an epoch saves a little less than an answer.",
            lambda a, b, k, n, s: k),
        Mistake("one view for all", "The teacher answers once to each view of a photo, not once to each photo.",
            lambda a, b, k, n, s: a / (a - b)),
        Mistake("the look-up added", "An epoch saves an answer and pays a look-up: a difference.",
            lambda a, b, k, n, s: k * a / (a + b)),
    ],
)  # fmt: skip


ONE_THING = Experiment(
    "8.5", "Change one thing", see="The experiment: no mirrored views", arms=("hard labels", "distilled"),
    meaning={
        "helps": "With your setting the teacher is worth its time. Whether your setting did that, a run with the old one at the same epochs would say.",
        "hurts": "With your setting labels alone are better. Are the students trained for long enough to follow the teacher?",
        "same": "With your setting the teacher changes less than the margin: its time buys nothing that you said would matter.",
        "open": "These pairs cannot tell. Before you ship the distilled student, run more seeds, or a longer training.",
    },
)  # fmt: skip


EXERCISES = [SPLIT, LOOK_UP, LARGEST, BREAK_EVEN, ONE_THING]
