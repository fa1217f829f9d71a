"""Lesson 08: photos, stored answers and what they cost."""

import math
from functools import partial

import torch

from kdlab.exercises.core import Exercise, Mistake, returned, value
from kdlab.exercises.own import NotTheLessons
from kdlab.exercises.storage import BREAK_EVEN, LARGEST


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


def _one_number_for_all(labels, share, seed):
    """As many photos from each class, and in all as many as there should be."""
    count = round(share * len(labels) / len(labels.unique()))
    return _split(labels, share, seed, whole=lambda _: count)


def _masks(labels, share, seed):
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    held_out[_split(labels, share, seed)[1]] = True
    return ~held_out, held_out


def _places(labels, share, seed):
    """Places within the class in place of the photos' numbers."""
    sides = [], []
    for label in labels.unique():
        own = _split(labels[labels == label], share, seed)
        for side, places in zip(sides, own, strict=True):
            side.append(places)
    return tuple(torch.cat(side) for side in sides)


def _repeated(labels, share, seed):
    """Drawn with replacement."""
    train, validation = _split(labels, share, seed)
    again = torch.cat([validation[:1], validation[:-1]])
    rest = torch.ones(len(labels), dtype=torch.bool)
    rest[again] = False
    return rest.nonzero().flatten(), again


def _one_class(labels, share, seed):
    mine = (labels == labels.unique()[0]).nonzero().flatten()
    return tuple(mine[side] for side in _split(labels[mine], share, seed))


def _numbers(function, arguments):
    train, validation = returned(function, arguments, tuple | list, "two tensors of photo numbers")
    return tuple(torch.as_tensor(side).flatten().tolist() for side in (train, validation))


def _both_sides(function, arguments):
    """What any right split has in common; which photos it draws is its own affair."""
    labels, share, seed = arguments
    train, validation = _numbers(function, (labels, share, seed))
    again, other = (_numbers(function, (labels, share, s))[1] for s in (seed, seed + 1))
    there, held_out = set(range(len(labels))), set(validation)
    known = held_out | set(train) <= there
    classes = [set((labels == label).nonzero().flatten().tolist()) for label in labels.unique()]
    fair = all(len(photos & held_out) == round(share * len(photos)) for photos in classes)
    seen = {
        "photos held out": len(validation),
        "this share of each class": fair,
        "a number of no photo": not known,
        "a photo twice in a list": known and any(len(side) > len(set(side)) for side in (train, validation)),
        "a photo on both sides": known and bool(held_out & set(train)),
        "a photo on neither side": known and bool(there - held_out - set(train)),
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
        Mistake("one number for all classes", "A large class gives more photos than a small one: `round(share * n)` of its `n`.",
            _one_number_for_all),
        Mistake("one photo too few or too many", "`round(share * n)` of each class, and no photo more.",
            partial(_split, whole=lambda n: round(n) - 1), partial(_split, whole=lambda n: round(n) + 1)),
        Mistake("another share", "The share is given: `share` of each class.",
            *[lambda y, share, seed, other=other: _split(y, other, seed) for other in (0.1, 0.3, 0.5)]),
        Mistake("labels in place of numbers", "Return which photos, not of which class they are.",
            lambda y, share, seed: tuple(y[side] for side in _split(y, share, seed))),
        Mistake("masks in place of numbers", "Return the numbers of the photos: `mask.nonzero().flatten()`.", _masks),
        Mistake("not by seed",
            "Every seed holds out the same photos, perhaps the first of each folder, taken on one day. Use the seed.",
            partial(_split, order=lambda n, random: torch.arange(n)), lambda y, share, seed: _split(y, share, 0)),
        Mistake("drawn anew in each call",
            "The same seed gives another split: after a resume, photos that were held out would be trained on.",
            partial(_split, order=lambda n, random: torch.randperm(n))),
        Mistake("the sides swapped", "The share is that of the photos to validate with, which come second.",
            lambda *arguments: _split(*arguments)[::-1]),
        Mistake("places in place of numbers, or a photo drawn twice",
            "A place within the class is not the number of the photo: index `mine` with it. And draw with `randperm`, which repeats nothing.",
            _places, _repeated, sign=("a photo twice in a list", True)),
        Mistake("leakage",
            "Photos to validate with are trained on as well: the accuracy praises what was learned by heart.",
            lambda y, share, seed: (torch.arange(len(y)), _split(y, share, seed)[1]),
            lambda y, share, seed: (_split(y, share, seed + 1)[0], _split(y, share, seed)[1]),
            sign=("a photo on both sides", True)),
        Mistake("photos lost", "Some photos are on neither side. Does the return stand inside the loop?",
            _one_class, lambda y, share, seed: (_split(y, share, seed)[0][1:], _split(y, share, seed)[1]),
            sign=("a photo on neither side", True)),
    ],
)  # fmt: skip


def _batch(photos, views, images, epoch):
    """Stored answers (photos, views, 3), the photos of a batch, and the epoch."""
    random = torch.Generator().manual_seed(photos + views)
    return 3 * torch.randn(photos, views, 3, generator=random), torch.tensor(images), epoch


def _look_up(stored, images, epoch, shift=0):
    return stored[images, (epoch + shift) % stored.shape[1]]


def _softened(stored, images, epoch, temperature):
    return (_look_up(stored, images, epoch) / temperature).softmax(dim=-1)


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
            lambda stored, images, epoch: stored[images].mean(dim=1),
            lambda stored, images, epoch: stored[images].amax(dim=1),
            lambda stored, images, epoch: stored[images].sum(dim=1)),
        Mistake("all views returned", "The student sees one view in an epoch: the number `epoch % K`.",
            lambda stored, images, epoch: stored[images]),
        Mistake("all photos returned", "The batch holds some photos only: their numbers are `images`.",
            lambda stored, images, epoch: stored[:, epoch % stored.shape[1]]),
        Mistake("one photo for the whole batch", "Each row needs the answer to its own photo.",
            lambda stored, images, epoch: _look_up(stored, images[0], epoch),
            lambda stored, images, epoch: _look_up(stored, images[:1], epoch).expand(len(images), -1)),
        Mistake("divided in place of the remainder", "`//` counts the rounds through the views. `%` gives the view.",
            lambda stored, images, epoch: stored[images, epoch // stored.shape[1] % stored.shape[1]]),
        Mistake("another view for each row", "In one epoch all photos show the view of that number.",
            lambda stored, images, epoch: stored[images, (epoch + torch.arange(len(images))) % stored.shape[1]]),
        Mistake("the axes swapped", "`stored` is photo, view, class: the photo comes first.",
            lambda stored, images, epoch: stored[epoch % stored.shape[1], images % stored.shape[1]]),
        Mistake("an axis too many", "Index the view by one number, not by a slice: (B, C) is asked for.",
            lambda stored, images, epoch: _look_up(stored, images, epoch)[:, None]),
        Mistake("probabilities in place of logits", "The loss takes logits, and applies its own temperature.",
            *[partial(_softened, temperature=t) for t in (1.0, 2.0, 4.0)],
            lambda stored, images, epoch: _look_up(stored, images, epoch).log_softmax(-1)),
        Mistake("classes in place of logits", "The largest logit alone is a hard label again. Return all of them.",
            lambda stored, images, epoch: _look_up(stored, images, epoch).argmax(dim=1)),
        Mistake("the view one epoch off", "Epochs and views both count from 0: epoch 0 shows view 0.",
            partial(_look_up, shift=-1), partial(_look_up, shift=1)),
        Mistake("the rows sorted",
            "The rows must stand in the order of the batch, or each photo gets another's answer.",
            lambda stored, images, epoch: _look_up(stored, images.sort().values, epoch),
            lambda stored, images, epoch: _look_up(stored, images.flip(0), epoch)),
    ],
)  # fmt: skip


ONE_THING = NotTheLessons(
    "8.5", "Change one thing", see="The experiment: no mirrored views", arms=("hard labels", "distilled"),
    meaning={
        "helps": "With your setting the teacher is worth its time. Whether your setting did that, a run with the old one at the same epochs would say.",
        "hurts": "With your setting labels alone are better. Are the students trained for long enough to follow the teacher?",
        "same": "With your setting the teacher changes less than the margin: its time buys nothing that you said would matter.",
        "open": "These pairs cannot tell. Before you ship the distilled student, run more seeds, or a longer training.",
    },
)  # fmt: skip


EXERCISES = [SPLIT, LOOK_UP, LARGEST, BREAK_EVEN, ONE_THING]
