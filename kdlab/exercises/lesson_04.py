"""Lesson 04: relations between examples."""

from functools import partial

import torch
import torch.nn.functional as F

from kdlab.exercises.core import Exercise, Mistake, value
from kdlab.exercises.distances import DISTANCES, distances, of_length_1
from kdlab.exercises.own import OwnStudy
from kdlab.exercises.props import embeddings
from kdlab.exercises.recall import RECALL
from kdlab.losses import similarity_preserving_loss


def _differences(e):
    return e[None] - e[:, None]  # [i, j] leads from i to j


def _cosines(e, *, unit=lambda d: F.normalize(d, dim=2), corner="ij,ik"):
    directions = unit(_differences(e))
    left, right = corner.split(",")
    return torch.einsum(f"{left}d,{right}d->ijk", directions, directions)


def _from_origin(prepare):
    """Angles or products of the embeddings themselves, as a matrix and repeated for each i."""

    def matrix(e):
        return prepare(e) @ prepare(e).T

    return matrix, lambda e: matrix(e).expand(len(e), -1, -1)


ANGLES = Exercise(
    "4.2", "Angles", see="Angles",
    right="Three examples make a triangle, and only its shape counts.",
    reference=_cosines, observe=value,
    cases={"three examples": lambda: embeddings(3)[:1], "five examples": lambda: embeddings(5)[:1]},
    mistakes=[
        Mistake("angle at the wrong vertex", "Entry (i, j, k) is the angle at i: both directions start there.",
            partial(_cosines, corner="ji,jk"), partial(_cosines, corner="ki,kj")),
        Mistake("directions head to tail",
            "One direction ends where the other starts. That gives the outer angle: the sign is turned round.",
            partial(_cosines, corner="ij,jk"), partial(_cosines, corner="ij,ki"), lambda e: -_cosines(e)),
        Mistake("directions not of length 1", "An inner product is a cosine only for vectors of length 1.",
            partial(_cosines, unit=lambda d: d),
            partial(_cosines, unit=lambda d: d / d.square().sum(2, keepdim=True).clamp(min=1e-12)),
            partial(_cosines, unit=lambda d: d / (n := d.norm(dim=2))[n > 0].mean()),
            partial(_cosines, unit=lambda d: d / d.norm(dim=2).mean()), partial(_cosines, unit=lambda d: d / d.norm())),
        Mistake("length 1 along another axis",
            "The coordinates are the last axis: dim=2. (normalize takes axis 1 if it is not told.)",
            partial(_cosines, unit=lambda d: F.normalize(d, dim=1)), partial(_cosines, unit=lambda d: F.normalize(d, dim=0))),
        Mistake("length by the sum of absolute values",
            "The Euclidean length should be 1. (The second argument of normalize is the norm's power, not the axis.)",
            partial(_cosines, unit=lambda d: F.normalize(d, p=1, dim=2))),
        Mistake("0 divided by 0",
            "From an example to itself there is no direction: its length is 0, and the division gives nan. "
            "normalize gives 0 there.",
            partial(_cosines, unit=lambda d: d / d.norm(dim=2, keepdim=True))),
        Mistake("embeddings in place of differences",
            "That is the angle as seen from the origin, the same for each i. It changes when the embedding is shifted.",
            *_from_origin(of_length_1), *_from_origin(lambda e: e), *_from_origin(lambda e: of_length_1(e - e.mean(0)))),
        Mistake("embeddings brought to length 1 first",
            "That moves the corners of the triangle. Only the differences are brought to length 1.",
            lambda e: _cosines(of_length_1(e)), lambda e: _cosines(of_length_1(e), unit=lambda d: d)),
        Mistake("angles in place of cosines", "The cosine itself is compared: its arc has an infinite gradient at 0.",
            lambda e: _cosines(e).clamp(-1, 1).arccos(), lambda e: _cosines(e).clamp(-1, 1).arccos().rad2deg()),
        Mistake("the cosine changed", "The cosine as it is: from -1 over 0, at a right angle, to 1.",
            lambda e: 1 - _cosines(e), lambda e: _cosines(e).abs(), lambda e: (_cosines(e) + 1) / 2,
            lambda e: _cosines(e).square(), lambda e: (1 - _cosines(e).square()).clamp(min=0).sqrt()),
        Mistake("products not added up", "An inner product adds the products of the coordinates: one number for i, j and k.",
            lambda e: (u := F.normalize(_differences(e), dim=2))[:, :, None] * u[:, None]),
        Mistake("fewer than three examples", "Entry (i, j, k) needs two directions from i, to j and to k: shape (B, B, B).",
            lambda e: F.normalize(_differences(e), dim=2).square().sum(2), lambda e: _cosines(e).mean(),
            lambda e: _cosines(e).mean(0), lambda e: _cosines(e).sum(0), lambda e: F.normalize(_differences(e), dim=2)),
    ],
)  # fmt: skip


def _rows(g):
    return F.normalize(g, dim=1)


def _similarity_loss(s, t, *, rows=_rows, prepare=lambda e: e, total=lambda d: d.square().mean()):
    student, teacher = (rows(prepare(e) @ prepare(e).T) for e in (s, t))
    return total(student - teacher)


def _off_diagonal(d):
    return d[~torch.eye(len(d), dtype=bool)]


SIMILARITIES = Exercise(
    "4.3", "Similarities", see="Similarities and neighbourhoods",
    right="Both matrices are batch by batch, whatever the width: no projector is needed.",
    reference=similarity_preserving_loss,
    cases={"three examples": partial(embeddings, 3), "six examples": partial(embeddings, 6)},
    mistakes=[
        Mistake("Gram matrix without row normalisation",
            "Without it the loss compares the lengths of the embeddings, which the two networks need not share.",
            partial(_similarity_loss, rows=lambda g: g), partial(_similarity_loss, rows=lambda g: g, total=lambda d: d.norm())),
        Mistake("one side not normalised", "Student and teacher both have rows of length 1, each by its own.",
            lambda s, t: (_rows(s @ s.T) - t @ t.T).square().mean(), lambda s, t: (s @ s.T - _rows(t @ t.T)).square().mean(),
            lambda s, t: ((s @ s.T - t @ t.T) / (t @ t.T).norm(dim=1, keepdim=True)).square().mean(),
            lambda s, t: ((s @ s.T - t @ t.T) / (s @ s.T).norm(dim=1, keepdim=True)).square().mean(),
            lambda s, t: _rows(s @ s.T - t @ t.T).square().mean()),
        Mistake("rows normalised by their sum",
            "Each row should have length 1: the root of its sum of squares. (An easy "
            "slip: the second argument of normalize is the norm's power, not the axis.)",
            partial(_similarity_loss, rows=lambda g: F.normalize(g, p=1, dim=1)),
            partial(_similarity_loss, rows=lambda g: g / g.sum(1, keepdim=True)),
            partial(_similarity_loss, rows=lambda g: g / g.sum(1))),
        Mistake("another scale than each row's length", "Each row is divided by its own length, the root of its sum of squares.",
            *(partial(_similarity_loss, rows=lambda g, scale=scale: g / scale(g)) for scale in (
                lambda g: g.norm(), lambda g: g.max(), lambda g: g.mean(), lambda g: g.amax(1, keepdim=True),
                lambda g: g.square().sum(1, keepdim=True), lambda g: g.std(1, keepdim=True), lambda g: g.trace(),
                lambda g: g.diagonal()[:, None])),
            lambda s, t: (s @ s.T / s.shape[1] - t @ t.T / t.shape[1]).square().mean()),
        Mistake("embeddings normalised, not the matrix",
            "That gives the matrix of cosines: another method's. Here the rows of the matrix are scaled.",
            partial(_similarity_loss, rows=lambda g: g, prepare=of_length_1)),
        Mistake("embeddings normalised as well", "The embeddings go into the matrix as they are; only its rows are scaled.",
            partial(_similarity_loss, prepare=of_length_1)),
        Mistake("embeddings centred first", "That is what CKA does (lesson 03). This loss looks from the origin.",
            partial(_similarity_loss, prepare=lambda e: e - e.mean(0))),
        Mistake("distances in place of inner products", "The matrix holds the inner products of all pairs: e @ e.T.",
            lambda s, t: (_rows(distances(s)) - _rows(distances(t))).square().mean(),
            lambda s, t: (distances(s) - distances(t)).square().mean()),
        Mistake("rows made into probabilities", "That is nearer to probabilistic transfer. Here each row has length 1.",
            partial(_similarity_loss, rows=lambda g: g.softmax(1)),
            lambda s, t: F.kl_div((s @ s.T).log_softmax(1), (t @ t.T).softmax(1), reduction="batchmean")),
        Mistake("divided by B, not by its square", "The matrix has B squared entries.",
            partial(_similarity_loss, total=lambda d: d.square().sum() / len(d))),
        Mistake("sum over the batch",
            "The mean over all entries is asked for: the sum grows with the square of the batch.",
            partial(_similarity_loss, total=lambda d: d.square().sum())),
        Mistake("the root taken", "Squares are averaged; no root is taken of the mean.",
            *(partial(_similarity_loss, total=total) for total in (
                lambda d: d.norm(), lambda d: d.norm() / len(d), lambda d: d.norm() / len(d) ** 2,
                lambda d: d.norm(dim=1).mean()))),
        Mistake("another difference than the square", "Differences are squared, so that they do not cancel and large ones count.",
            *(partial(_similarity_loss, total=total) for total in (
                lambda d: d.abs().mean(), lambda d: d.mean(), lambda d: d.square().mean() / 2, lambda d: d.abs().sum(),
                lambda d: F.smooth_l1_loss(d, 0 * d, beta=0.1), lambda d: d.square())),
            lambda s, t: (1 - F.cosine_similarity(s @ s.T, t @ t.T, dim=1)).mean()),
        Mistake("diagonal left out", "The mean is over all B squared entries of the matrix, its diagonal among them.",
            partial(_similarity_loss, total=lambda d: _off_diagonal(d).square().mean()),
            partial(_similarity_loss, rows=lambda g: _rows(g - g.diagonal().diag())),
            partial(_similarity_loss, total=lambda d: d[d.new_ones(d.shape).triu(1) > 0].square().mean())),
        Mistake("no gradient reaches the student", "The value is right, but detached: nothing can be learned from it.",
            lambda s, t: _similarity_loss(s.detach(), t)),
        Mistake("the rows' lengths held fixed", "The value is right, but the lengths depend on the student too.",
            partial(_similarity_loss, rows=lambda g: g / g.norm(dim=1, keepdim=True).detach())),
    ],
)  # fmt: skip


class _OwnRelation(OwnStudy):
    shipped, run_here = "relations", ("angles", "angles of the pixels", "with angles")


OWN_RELATION = _OwnRelation(
    "4.5", "Another relation", see="The experiment: what the labels never taught", arms=("hard labels", "neighbourhoods"),
    meaning={
        "helps": "The neighbourhoods carry what the labels do not. Whether they do better than angles, the two intervals say.",
        "hurts": "At your weight the neighbourhoods cost more than they bring. Another weight may do better: look at validation.",
        "same": "At your weight the neighbourhoods change less than the margin.",
        "open": "These pairs cannot tell at your weight. The interval says how much may be there.",
    },
)  # fmt: skip


EXERCISES = [DISTANCES, ANGLES, SIMILARITIES, RECALL, OWN_RELATION]
