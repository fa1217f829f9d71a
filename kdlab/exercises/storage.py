"""Exercises 8.3 and 8.4: what is kept of an answer, and when keeping it has paid."""

import math
from functools import partial

import torch

from kdlab.exercises.core import Exercise, Mistake, value


def _read(logits, count, *, rest="even", renormalised=False, largest=True, together=False, axis=1):
    p = logits.softmax(dim=axis)
    values, classes = p.topk(count, dim=1, largest=largest)
    mass = 1 - (values.sum() if together else values.sum(dim=1, keepdim=True))
    mass = mass.expand(len(p), 1)
    if renormalised:
        values, mass = values / values.sum(dim=1, keepdim=True), torch.zeros_like(mass)
    others = p.shape[1] - count
    filled = {
        "even": mass / others,
        "none": 0 * mass,
        "all": mass / p.shape[1],
        "whole": mass,
        "kept": mass / max(count, 1),
    }[rest]
    return filled.expand_as(p).scatter(1, classes, values)


def _others_set(logits, others, count):
    """The largest logits as they were, all others set to one number, and a softmax."""
    values, classes = logits.topk(count, dim=1)
    return others.expand_as(logits).scatter(1, classes, values).softmax(dim=1)


def _out_of_place(logits, count):
    stored = _read(logits, count)
    return torch.cat(
        [stored.topk(count, dim=1).values, stored.topk(stored.shape[1], dim=1).values[:, count:]], dim=1
    )


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
                1, z.topk(k, dim=1).indices, z.topk(k, dim=1).values.softmax(dim=1)),
            lambda z, k: (p := _read(z, k, rest="none")) + (p > 0) * (1 - p.sum(dim=1, keepdim=True)) / k),
        Mistake("other logits set, then a softmax",
            "The softmax shares the mass anew, and the kept probabilities change. Keep probabilities, not logits.",
            lambda z, k: _others_set(z, torch.zeros(len(z), 1), k),
            lambda z, k: _others_set(z, (z.sum(1, keepdim=True) - z.topk(k).values.sum(1, keepdim=True)) / (z.shape[1] - k), k),
            lambda z, k: _others_set(z, z.mean(dim=1, keepdim=True), k), lambda z, k: _others_set(z, z.amin(dim=1, keepdim=True), k)),
        Mistake("nothing left out", "These are the probabilities before storage: only `count` of a row are kept as they were.",
            lambda z, k: z.softmax(dim=1)),
        Mistake("none kept", "`count` of each row keep the probability that they had.",
            lambda z, k: torch.full_like(z, 1 / z.shape[1]), lambda z, k: z.softmax(dim=1).mean(dim=0).expand_as(z)),
        Mistake("the hard label", "The kept ones have the probabilities that the teacher gave, and the others share the rest.",
            lambda z, k: torch.zeros_like(z).scatter(1, z.argmax(dim=1, keepdim=True), 1.0),
            lambda z, k: torch.zeros_like(z).scatter(1, z.topk(k).indices, 1 / k), lambda z, k: torch.zeros_like(z).scatter(1, z.topk(k).indices, 1.0)),
        Mistake("another temperature", "Probabilities at T = 1 are asked for.",
            *[lambda z, k, T=T: _read(z / T, k) for T in (2.0, 4.0)]),
        Mistake("the smallest kept", "The largest carry nearly all of the mass: keep these.", partial(_read, largest=False)),
        Mistake("one more kept, or one fewer", "`count` of each row are kept.",
            lambda z, k: _read(z, k + 1), lambda z, k: _read(z, k - 1)),
        Mistake("softmax over the wrong axis", "The probabilities of one row must add up to 1.",
            lambda z, k: _read(z.softmax(dim=0).log(), k), lambda z, k: _read(z, k, axis=0)),
        Mistake("the largest of each column", "The largest are those of a row: `topk(count, dim=1)`.",
            lambda z, k: _read(z.softmax(1).T.log(), min(k, len(z) - 1)).T if len(z) > 1 else z.softmax(1)),
        Mistake("the rest of all rows together", "Each row has a rest of its own: sum over classes, with keepdim=True.",
            partial(_read, together=True)),
        Mistake("the rest divided by those kept", "It goes to those that were not kept: `C - count` of them.",
            partial(_read, rest="kept")),
        Mistake("the kept ones in another place", "A probability belongs to its class: `scatter` puts it back there.",
            _out_of_place),
        Mistake("only the kept ones returned", "A row has a probability for each class, (B, C) as before.",
            lambda z, k: z.softmax(dim=1).topk(k, dim=1).values),
        Mistake("logits or logarithms returned", "Probabilities are asked for: none is negative, and a row sums to 1.",
            lambda z, k: _read(z, k).log(), lambda z, k: z.mean(1, keepdim=True).expand_as(z).scatter(1, z.topk(k).indices, z.topk(k).values),
            lambda z, k: torch.zeros_like(z).scatter(1, z.topk(k).indices, z.topk(k).values)),
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
            lambda a, b, k, n, s: 1 / _break_even(a, b, k, n, s), lambda a, b, k, n, s: k * (a - b) / a,
            lambda a, b, k, n, s: (a - b) / a),
        Mistake("steps in place of epochs",
            "An epoch has `photos / batch_size` steps, and each photo is looked up once in it. Epochs are asked for.",
            lambda a, b, k, n, s: _break_even(a, b, k, n, s) * n / s,
            lambda a, b, k, n, s: _break_even(a, b, k, n, s) * n // s,
            lambda a, b, k, n, s: _break_even(a, b, k, n, s) * math.ceil(n / s), lambda a, b, k, n, s: _break_even(a, b, k, n, s) / s,
            lambda a, b, k, n, s: _break_even(a, b, k, n, s) * s / n),
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
            lambda a, b, k, n, s: k * a / (a + b), lambda a, b, k, n, s: k * (a + b) / (a - b),
            lambda a, b, k, n, s: k * (a + b) / a, lambda a, b, k, n, s: k + b / a),
        Mistake("the look-up alone below", "An epoch saves what an answer costs more than a look-up: the difference.",
            lambda a, b, k, n, s: k * a / b, lambda a, b, k, n, s: a / b, lambda a, b, k, n, s: k * b / a),
        Mistake("the answer not spent", "What is spent once is `views` answers; it stands above.",
            lambda a, b, k, n, s: k / (a - b), lambda a, b, k, n, s: k * b / (a - b), lambda a, b, k, n, s: k * (a - b)),
        Mistake("one look-up for each view in an epoch", "An epoch shows one view of each photo: one look-up.",
            lambda a, b, k, n, s: k * a / (a - k * b)),
        Mistake("milliseconds in place of epochs", "That is what it costs. Divide by what an epoch saves.",
            lambda a, b, k, n, s: k * a, lambda a, b, k, n, s: k * a * n, lambda a, b, k, n, s: n * (a - b), lambda a, b, k, n, s: a - b),
        Mistake("answers in place of epochs", "So many answers are stored. Asked for is after how many epochs they have paid.",
            lambda a, b, k, n, s: k * n, lambda a, b, k, n, s: k * n / s),
        Mistake("one epoch more", "After that many epochs the costs are even; only then does asking once pay.",
            lambda a, b, k, n, s: _break_even(a, b, k, n, s) + 1),
        Mistake("the wrong sign", "A look-up is the cheaper one: answer minus look-up.", lambda a, b, k, n, s: k * a / (b - a)),
        Mistake("one view too few", "The first epoch has answers to be asked for as well: all `views` of them count.",
            lambda a, b, k, n, s: (k - 1) * a / (a - b)),
        Mistake("rounded", "Do not round: the costs are even at a fraction of an epoch.",
            lambda a, b, k, n, s: math.ceil(_break_even(a, b, k, n, s)), lambda a, b, k, n, s: int(_break_even(a, b, k, n, s)),
            lambda a, b, k, n, s: round(_break_even(a, b, k, n, s))),
    ],
)  # fmt: skip
