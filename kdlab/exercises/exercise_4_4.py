"""Exercise 4.4: Recall@1."""

import torch

from kdlab.exercises.core import Exercise, Mistake, value
from kdlab.metrics import recall_at_1


def _case(n):
    def make():
        random = torch.Generator().manual_seed(n)
        labels = torch.arange(n) % 3
        return torch.nn.functional.one_hot(labels, 5) + torch.randn(n, 5, generator=random), labels

    return make


def _recall(e, y, *, itself=torch.inf, pick=lambda d: d.argmin(1), factor=100):
    distances = torch.cdist(e, e).fill_diagonal_(itself)
    return factor * (y[pick(distances)] == y).float().mean()


def _variant(**options):
    return lambda e, y: _recall(e, y, **options)


EXERCISE = Exercise(
    id="4.4",
    title="Recall at 1",
    reference=recall_at_1,
    observe=value,
    cases={"twelve embeddings of three classes": _case(12), "thirty embeddings": _case(30)},
    mistakes=[
        Mistake(
            "each example its own neighbour",
            (_variant(itself=0.0),),
            "The nearest example to each one is itself, at distance 0. It must be left out, or the score is always 100.",
        ),
        Mistake(
            "the farthest in place of the nearest",
            (
                _variant(itself=-torch.inf, pick=lambda d: d.argmax(1)),
                _variant(itself=0.0, pick=lambda d: d.argmax(1)),
            ),
            "argmax finds the largest distance.",
        ),
        Mistake(
            "inner products in place of distances",
            (
                lambda e, y: 100 * (y[(e @ e.T).fill_diagonal_(-torch.inf).argmax(1)] == y).float().mean(),
                lambda e, y: 100 * (y[(e @ e.T).argmax(1)] == y).float().mean(),
            ),
            "A long vector has a large inner product with everything. Use the Euclidean distance.",
        ),
        Mistake(
            "a share in place of percent",
            (_variant(factor=1), lambda e, y: _recall(e, y, itself=0.0, factor=1)),
            "1 is one percent here.",
        ),
    ],
    right="No classifier is needed, so that it can be asked of classes that were never taught.",
    see="Classes that were never taught",
)
