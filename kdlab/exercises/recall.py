"""The exercise on Recall at 1, and the mistakes that are made in it."""

from functools import partial

import torch
import torch.nn.functional as F

from kdlab.exercises.core import Exercise, Mistake, value
from kdlab.exercises.distances import of_length_1
from kdlab.metrics import recall_at_1


def _labelled(n):
    """Embeddings of three classes, of which the first is the most frequent."""
    labels = (torch.arange(n) % 5).clamp(max=2) * (torch.arange(n) % 4 > 0)
    random = torch.Generator().manual_seed(n)
    return F.one_hot(labels, 5) + 0.7 * torch.randn(n, 5, generator=random), labels


def _recall(
    e,
    y,
    *,
    norm=2,
    itself=torch.inf,
    pick=lambda d: d.argmin(1),
    agree=lambda right: 100 * right.float().mean(),
):
    distances = torch.cdist(e, e, p=norm).fill_diagonal_(itself)
    return agree(y[pick(distances)] == y)


def _by_product(e, y, *, prepare=lambda e: e, itself=-torch.inf):
    return 100 * (y[(prepare(e) @ prepare(e).T).fill_diagonal_(itself).argmax(1)] == y).float().mean()


def _several(e, y, *, k, itself=torch.inf, agree):
    near = torch.cdist(e, e).fill_diagonal_(itself).topk(k, largest=False).indices
    return 100 * agree(y[near] == y[:, None]).float().mean()


def _vote(e, y):
    near = torch.cdist(e, e).fill_diagonal_(torch.inf).topk(3, largest=False).indices
    return 100 * (y[near].mode(1).values == y).float().mean()


def _mean_over_classes(right, y):
    return torch.stack([right[y == c].mean() for c in y.unique()]).mean()


def _any(right):
    return right.any(1)


def _center(e, y):
    means = torch.stack([e[y == c].mean(0) for c in y.unique()])
    return 100 * (y.unique()[torch.cdist(e, means).argmin(1)] == y).float().mean()


RECALL = Exercise(
    "4.4", "Recall at 1", see="Classes that were never taught",
    right="No classifier is needed, so that it can be asked of classes that were never taught.",
    reference=recall_at_1, observe=value,
    cases={name: partial(_labelled, n) for name, n in (
        ("twelve embeddings of three classes", 12), ("seventy embeddings", 70), ("ninety-seven embeddings", 97))},
    mistakes=[
        Mistake("each example its own neighbour",
            "The nearest example to each one is itself, at distance 0. It must be left out, or the score is always 100.",
            partial(_recall, itself=0.0), partial(_several, k=2, itself=0.0, agree=_any)),
        Mistake("itself not far enough", "The distance to itself must be larger than all others: inf.",
            partial(_recall, itself=1.0)),
        Mistake("zeros left out, but not all",
            "For larger batches cdist rounds, and the distance to itself is not quite 0. Fill the diagonal.",
            lambda e, y: 100 * (y[(d := torch.cdist(e, e)).masked_fill(d == 0, torch.inf).argmin(1)] == y).float().mean()),
        Mistake("the farthest in place of the nearest", "argmax finds the largest distance.",
            partial(_recall, itself=-torch.inf, pick=lambda d: d.argmax(1)),
            partial(_recall, itself=0.0, pick=lambda d: d.argmax(1)),
            lambda e, y: 100 * (y[(e @ e.T).fill_diagonal_(torch.inf).argmin(1)] == y).float().mean()),
        Mistake("the second nearest", "With itself left out, the nearest is the first.",
            partial(_recall, pick=lambda d: d.argsort(1)[:, 1])),
        Mistake("inner products in place of distances",
            "A long vector has a large inner product with everything. Use the Euclidean distance.",
            _by_product, lambda e, y: 100 * (y[(e @ e.T).argmax(1)] == y).float().mean()),
        Mistake("cosines in place of distances", "The cosine forgets the lengths. Use the Euclidean distance.",
            partial(_by_product, prepare=of_length_1)),
        Mistake("another distance", "The Euclidean distance is asked for (the root of the sum of squares).",
            partial(_recall, norm=1), partial(_recall, norm=torch.inf)),
        Mistake("more than one neighbour", "Recall at 1 asks the nearest neighbour alone.",
            *(partial(_several, k=k, agree=agree) for k in (2, 3, 5) for agree in (_any, lambda right: right)),
            *(partial(_several, k=k, agree=lambda right: right.float().mean(1) > 0.5) for k in (3, 5)),
            _vote),
        Mistake("the nearest mean of a class", "The nearest single example is asked for, not the nearest class.", _center),
        Mistake("a number compared with a label",
            "argmin gives the neighbour's number. Look up its label, then compare.",
            lambda e, y: 100 * (torch.cdist(e, e).fill_diagonal_(torch.inf).argmin(1) == y).float().mean()),
        Mistake("the mean over classes", "Each image counts once: the mean is over images, not over the classes' own recalls.",
            lambda e, y: _recall(e, y, agree=lambda right: 100 * _mean_over_classes(right.float(), y))),
        Mistake("the share of misses", "Counted are the neighbours of the *same* class.",
            *(partial(_recall, agree=lambda right, factor=factor: factor * (~right).float().mean()) for factor in (1, 100))),
        Mistake("a number of hits, not their share", "Divide by the number of images.",
            partial(_recall, agree=lambda right: right.sum()), partial(_recall, agree=lambda right: 100 * right.sum())),
        Mistake("not averaged", "One number for all images: the mean.",
            partial(_recall, agree=lambda right: 100 * right.float()), partial(_recall, agree=lambda right: right)),
        Mistake("a share in place of percent", "1 is one percent here.",
            partial(_recall, agree=lambda right: right.float().mean()),
            partial(_recall, itself=0.0, agree=lambda right: right.float().mean())),
        Mistake("rounded", "Return the percent as they are.", lambda e, y: _recall(e, y).round()),
    ],
)  # fmt: skip
