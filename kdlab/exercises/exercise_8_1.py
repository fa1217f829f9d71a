"""Exercise 8.1: photos to validate with, of each class, drawn by seed."""

import torch

from kdlab.exercises.core import Exercise, Mistake, NothingReturned


def _labels(*counts):
    """Labels with these counts, in an order that is not by class."""
    labels = torch.cat([torch.full((n,), c) for c, n in enumerate(counts)])
    return labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(len(labels)))]


def _split(labels, share, seed, *, seeded=True, rounds=round):
    random = torch.Generator().manual_seed(seed if seeded is True else 0)
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        mine = (labels == label).nonzero().flatten()
        order = torch.randperm(len(mine), generator=random if seeded is not None else None)
        held_out[mine[order[: rounds(share * len(mine))]]] = True
    return (~held_out).nonzero().flatten(), held_out.nonzero().flatten()


def _not_by_class(labels, share, seed):
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    count = round(share * len(labels))
    return order[count:], order[:count]


def _from_the_front(labels, share, seed):
    count = round(share * len(labels))
    return torch.arange(count, len(labels)), torch.arange(count)


def _first_of_each(labels, share, seed):
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        mine = (labels == label).nonzero().flatten()
        held_out[mine[: round(share * len(mine))]] = True
    return (~held_out).nonzero().flatten(), held_out.nonzero().flatten()


def _leaking(labels, share, seed):
    return torch.arange(len(labels)), _split(labels, share, seed)[1]


def _swapped(labels, share, seed):
    return _split(labels, share, seed)[::-1]


def _numbers(function, arguments):
    returned = function(*arguments)
    if returned is None or returned is ...:
        raise NothingReturned
    train, validation = returned
    return tuple(torch.as_tensor(side).flatten().tolist() for side in (train, validation))


def _observe(function, arguments):
    """What any right split has in common; which photos it draws is its own affair."""
    labels, share, seed = arguments
    train, validation = _numbers(function, (labels, share, seed))
    again, other = (_numbers(function, (labels, share, s))[1] for s in (seed, seed + 1))
    photos = range(len(labels))
    held_out = {
        c: sum(i in set(validation) for i in photos if labels[i] == c) for c in labels.unique().tolist()
    }
    fair = all(n == round(share * int((labels == c).sum())) for c, n in held_out.items())
    return {
        "photos held out": torch.tensor(len(validation)),
        "this share of each class": torch.tensor(fair),
        "photos on both sides": torch.tensor(len(set(train) & set(validation))),
        "photos on neither side": torch.tensor(sum(i not in {*train, *validation} for i in photos)),
        "the same seed, the same photos": torch.tensor(sorted(again) == sorted(validation)),
        "another seed, other photos": torch.tensor(sorted(other) != sorted(validation)),
    }


EXERCISE = Exercise(
    id="8.1",
    title="Split by class and by seed",
    reference=_split,
    observe=_observe,
    cases={
        "four classes of 5 to 30 photos, a fifth held out": lambda: (_labels(20, 10, 5, 30), 0.2, 0),
        "five classes of 4 to 40 photos, a quarter held out": lambda: (_labels(40, 8, 12, 4, 20), 0.25, 3),
    },
    mistakes=[
        Mistake(
            "not by class",
            (_not_by_class, _from_the_front),
            "The share of each class is left to luck, and a rare class may be missing. Draw from each class apart.",
        ),
        Mistake(
            "leakage",
            (_leaking,),
            "The photos to validate with are trained on as well: the accuracy praises what was learned by heart.",
        ),
        Mistake(
            "not by seed",
            (_first_of_each, lambda y, share, seed: _split(y, share, seed, seeded=False)),
            "Every seed holds out the same photos, perhaps the first of each folder, taken on one day. Use the seed.",
        ),
        Mistake(
            "drawn anew in each call",
            (lambda y, share, seed: _split(y, share, seed, seeded=None),),
            "The same seed gives another split: after a resume, photos that were held out would be trained on.",
        ),
        Mistake(
            "the sides swapped",
            (_swapped,),
            "The share is that of the photos to validate with, which come second.",
        ),
    ],
    right="Each class gives its share, no photo is on both sides, and the seed alone decides which.",
    see="Photos as they come",
)
