"""The exercise on distances between examples, and the mistakes that are made in it."""

from functools import partial

import torch
import torch.nn.functional as F

from kdlab.exercises.core import Exercise, Mistake
from kdlab.exercises.props import embeddings
from kdlab.losses import relational_distance_loss


def _mean(d):
    return d[d > 0].mean()


def distances(e, norm=2):
    return torch.cdist(e, e, p=norm)


def _distance_loss(s, t, *, of=distances, scale=_mean, compare=F.smooth_l1_loss):
    return compare(*(d / scale(d) for d in map(of, (s, t))))


def _on_one_scale(scale):
    def loss(s, t):
        unit = scale(*map(distances, (s, t)))
        return _distance_loss(s, t, scale=lambda d: unit)

    return loss


def of_length_1(e):
    return F.normalize(e, dim=1)


def _far_apart():
    """Five examples, of which the student sees one far from all others, and the teacher another."""
    student, teacher = embeddings(5)
    return student + 40 * F.one_hot(torch.tensor(0), len(student))[:, None], teacher


def _each_pair_once(reduction):
    def loss(s, t):
        return F.smooth_l1_loss(*((d := torch.pdist(e)) / d.mean() for e in (s, t)), reduction=reduction)

    return loss


DISTANCES = Exercise(
    "4.1", "Distances", see="Distances",
    right="Each side in its own unit: neither width nor scale has to agree.",
    reference=relational_distance_loss,
    cases={
        "three examples": partial(embeddings, 3), "six examples": partial(embeddings, 6),
        "five examples, one far from the others": _far_apart,
    },
    mistakes=[
        Mistake("distances not normalised",
            "Two embeddings of other widths have distances of other sizes. Each side must be divided by its own mean.",
            partial(_distance_loss, scale=lambda d: 1.0),
            lambda s, t: F.smooth_l1_loss(*(distances(e) / e.shape[1] ** 0.5 for e in (s, t)))),
        Mistake("one side not normalised", "Student and teacher are both divided, each by its own mean.",
            lambda s, t: F.smooth_l1_loss((d := distances(s)) / _mean(d), distances(t)),
            lambda s, t: F.smooth_l1_loss(distances(s), (d := distances(t)) / _mean(d))),
        Mistake("diagonal counted",
            "The mean includes the distance of each example to itself, which is always 0: take it over the positive ones.",
            partial(_distance_loss, scale=lambda d: d.mean())),
        Mistake("one mean for both sides",
            "Both sides were divided by the same number. Each side has its own unit: its own mean.",
            _on_one_scale(lambda s, t: _mean(t)), _on_one_scale(lambda s, t: _mean(s)),
            _on_one_scale(lambda s, t: _mean(torch.stack([s, t]))),
            _on_one_scale(lambda s, t: (_mean(s) * _mean(t)).sqrt())),
        Mistake("another unit",
            "The unit is the mean of all distances above 0, one number for the whole batch.",
            *(partial(_distance_loss, scale=scale) for scale in (
                lambda d: d.max(), lambda d: d.amax(1, keepdim=True), lambda d: d[d > 0].median(), lambda d: d[d > 0].std(), lambda d: d.std(),
                lambda d: d.sum(), lambda d: d.norm(), lambda d: d[d > 0].min(),
                lambda d: d.mean(1, keepdim=True), lambda d: d.sum(1, keepdim=True) / (len(d) - 1),
                lambda d: d.triu(1).sum() / d.numel(), lambda d: d.norm(dim=1, keepdim=True)))),
        Mistake("squared distances", "The root is missing: far pairs get far too much weight.",
            partial(_distance_loss, of=lambda e: distances(e) ** 2),
            partial(_distance_loss, of=lambda e: distances(e) ** 2, scale=lambda d: _mean(d.sqrt())),
            partial(_distance_loss, of=lambda e: distances(e) ** 2, scale=lambda d: 1.0)),
        Mistake("another distance",
            "The Euclidean distance is asked for (the root of the sum of squares), not the sum of absolute values.",
            partial(_distance_loss, of=partial(distances, norm=1))),
        Mistake("embeddings brought to length 1",
            "That throws their lengths away. Only the distances are brought to a common unit.",
            partial(_distance_loss, of=lambda e: distances(of_length_1(e))),
            partial(_distance_loss, of=lambda e: distances(of_length_1(e)), scale=lambda d: 1.0)),
        Mistake("inner products in place of distances", "Asked is how far two embeddings lie apart: cdist.",
            partial(_distance_loss, of=lambda e: e @ e.T), partial(_distance_loss, of=lambda e: e @ e.T, scale=lambda d: 1.0),
            partial(_distance_loss, of=lambda e: 1 - of_length_1(e) @ of_length_1(e).T),
            partial(_distance_loss, of=lambda e: of_length_1(e) @ of_length_1(e).T, scale=lambda d: 1.0),
            partial(_distance_loss, of=lambda e: 1 - of_length_1(e) @ of_length_1(e).T, scale=lambda d: 1.0)),
        Mistake("another difference than smooth L1",
            "Smooth L1 is half the square up to a difference of 1, and linear beyond: smooth_l1_loss.",
            *(partial(_distance_loss, compare=compare) for compare in (
                F.mse_loss, F.l1_loss, lambda a, b: F.mse_loss(a, b) / 2, lambda a, b: (a - b).norm(),
                lambda a, b: (a - b).mean(), lambda a, b: F.mse_loss(a, b).sqrt(),
                partial(F.huber_loss, delta=0.5), partial(F.smooth_l1_loss, beta=0.5)))),
        Mistake("summed, not averaged", "The mean over all B squared entries is asked for: a sum grows with the batch.",
            *(partial(_distance_loss, compare=compare) for compare in (
                partial(F.smooth_l1_loss, reduction="sum"), partial(F.smooth_l1_loss, reduction="none"),
                lambda a, b: F.smooth_l1_loss(a, b, reduction="sum") / len(a))),
            _each_pair_once("sum")),
        Mistake("each pair once, without the diagonal",
            "Over the pairs i < j the loss is B / (B - 1) times the mean over all B squared entries, which "
            "counts the zeros on the diagonal. The weight makes up for a factor.",
            _each_pair_once("mean"), accept=True),
        Mistake("half of the matrix", "The mean is over all entries, and each pair stands in the matrix twice.",
            partial(_distance_loss, compare=lambda a, b: F.smooth_l1_loss(a.triu(), b.triu()))),
        Mistake("no gradient reaches the student",
            "The value is right, but detached: nothing can be learned from it. Only the teacher is held fixed.",
            lambda s, t: _distance_loss(s.detach(), t)),
        Mistake("the student's mean held fixed",
            "The value is right, but the student's mean distance depends on the student too: its gradient belongs to the loss.",
            partial(_distance_loss, scale=lambda d: _mean(d).detach())),
    ],
)  # fmt: skip
