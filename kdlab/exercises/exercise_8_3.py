"""Exercise 8.3: the largest probabilities, and the mass of the others."""

import torch

from kdlab.exercises.core import Exercise, Mistake, value


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
    p = logits.softmax(dim=1)
    order = p.argsort(dim=1, descending=True)
    kept = torch.zeros_like(p).scatter(1, order[:, :count], p.gather(1, order[:, :count]))
    mass = 1 - kept.sum(dim=1, keepdim=True)
    return kept.scatter_add(1, order[:, which, None] if which != "best" else order[:, :1], mass)


def _next(logits, count):
    return _to_one(logits, count, which=count)


def _case(rows, classes, count):
    def make():
        random = torch.Generator().manual_seed(classes)
        return 1.5 * torch.randn(rows, classes, generator=random), count

    return make


EXERCISE = Exercise(
    id="8.3",
    title="Keep the largest",
    reference=_read,
    observe=value,
    cases={
        "one row of four logits, 1 kept": lambda: (torch.tensor([[2.0, 1.0, 0.0, -1.0]]), 1),
        "three rows of six logits, 2 kept": _case(3, 6, 2),
        "two rows of nine logits, 3 kept": _case(2, 9, 3),
    },
    mistakes=[
        Mistake(
            "the rest dropped",
            (lambda z, k: _read(z, k, rest="none"),),
            "The row no longer sums to 1. The others are unlikely, not impossible, and their mass is known.",
        ),
        Mistake(
            "the kept ones renormalised",
            (
                lambda z, k: _read(z, k, renormalised=True),
                lambda z, k: torch.zeros_like(z).scatter(
                    1, z.topk(k, dim=1).indices, z.topk(k, dim=1).values.softmax(dim=1)
                ),
            ),
            "The kept probabilities have grown, as if the teacher had been surer than it was.",
        ),
        Mistake(
            "the rest given to one class",
            (_next, lambda z, k: _to_one(z, k, which=-1), lambda z, k: _to_one(z, k, which="best")),
            "One class gets the mass of many. Nothing is known about how it is shared, so share it evenly.",
        ),
        Mistake(
            "the rest divided by all classes",
            (lambda z, k: _read(z, k, rest="all"),),
            "Only the classes that were not kept share it: there are `C - count` of them.",
        ),
        Mistake(
            "the whole rest to each class",
            (lambda z, k: _read(z, k, rest="whole"),),
            "Each of the other classes gets all of the rest. Divide it by their number.",
        ),
    ],
    right="The kept probabilities are exact, and the row still sums to 1.",
    see="What storage costs",
)
