"""Lesson 04: relations between examples."""

from functools import partial

import torch
import torch.nn.functional as F

from kdlab.exercises.core import Exercise, Experiment, Mistake, value
from kdlab.exercises.props import embeddings
from kdlab.losses import relational_distance_loss, similarity_preserving_loss
from kdlab.metrics import recall_at_1


def _distance_loss(s, t, *, scale=lambda d: d[d > 0].mean(), power=1, compare=F.smooth_l1_loss, norm=2):
    sides = (torch.cdist(e, e, p=norm) ** power for e in (s, t))
    return compare(*(d / scale(d) for d in sides))


DISTANCES = Exercise(
    "4.1", "Distances", see="Distances",
    right="Each side in its own unit: neither width nor scale has to agree.",
    reference=relational_distance_loss,
    cases={"three examples": partial(embeddings, 3), "six examples": partial(embeddings, 6)},
    mistakes=[
        Mistake("distances not normalised",
            "Two embeddings of other widths have distances of other sizes. Each side must be divided by its own mean.",
            partial(_distance_loss, scale=lambda d: 1.0)),
        Mistake("diagonal counted",
            "The mean includes the distance of each example to itself, which is always 0: take it over the positive ones.",
            partial(_distance_loss, scale=lambda d: d.mean())),
        Mistake("one mean for both sides",
            "The student's distances were divided by the teacher's mean. Each side has its own unit.",
            lambda s, t: _distance_loss(s, t, scale=lambda _: (d := torch.cdist(t, t))[d > 0].mean())),
        Mistake("squared distances", "The root is missing: far pairs get far too much weight.",
            partial(_distance_loss, power=2)),
        Mistake("another distance",
            "The Euclidean distance is asked for (the root of the sum of squares), not the sum of absolute values.",
            partial(_distance_loss, norm=1)),
        Mistake("squared difference for smooth L1",
            "Smooth L1 is half the square up to a difference of 1, and linear beyond: smooth_l1_loss.",
            partial(_distance_loss, compare=F.mse_loss), partial(_distance_loss, compare=F.l1_loss)),
        Mistake("each pair once, without the diagonal",
            "The value is right but for a factor: the mean is over all B squared entries, yours over the pairs i < j, "
            "which leaves out the zeros on the diagonal.",
            lambda s, t: F.smooth_l1_loss(*((d := torch.pdist(e)) / d.mean() for e in (s, t)))),
        Mistake("the student's mean held fixed",
            "The value is right, but the student's mean distance depends on the student too: its gradient belongs to the loss.",
            partial(_distance_loss, scale=lambda d: d[d > 0].mean().detach())),
    ],
)  # fmt: skip


def _cosines(e, *, unit=True, corner="ij,ik"):
    directions = e[None] - e[:, None]  # [i, j] leads from i to j
    if unit:
        directions = F.normalize(directions, dim=2)
    left, right = corner.split(",")
    return torch.einsum(f"{left}d,{right}d->ijk", directions, directions)


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
            partial(_cosines, corner="ij,jk"), partial(_cosines, corner="ij,ki")),
        Mistake("directions not of length 1", "An inner product is a cosine only for vectors of length 1.",
            partial(_cosines, unit=False)),
        Mistake("embeddings in place of differences",
            "That is the angle as seen from the origin, the same for each i. It changes when the embedding is shifted.",
            lambda e: torch.einsum("jd,kd->jk", *[F.normalize(e, dim=1)] * 2).expand(len(e), -1, -1)),
        Mistake("angles in place of cosines", "The cosine itself is compared: its arc has an infinite gradient at 0.",
            lambda e: _cosines(e).clamp(-1, 1).arccos()),
    ],
)  # fmt: skip


def _similarity_loss(
    s, t, *, rows=lambda g: F.normalize(g, dim=1), prepare=lambda e: e, total=lambda d: d.square().mean()
):
    student, teacher = (rows(prepare(e) @ prepare(e).T) for e in (s, t))
    return total(student - teacher)


SIMILARITIES = Exercise(
    "4.3", "Similarities", see="Similarities and neighbourhoods",
    right="Both matrices are batch by batch, whatever the width: no projector is needed.",
    reference=similarity_preserving_loss,
    cases={"three examples": partial(embeddings, 3), "six examples": partial(embeddings, 6)},
    mistakes=[
        Mistake("Gram matrix without row normalisation",
            "Without it the loss compares the lengths of the embeddings, which the two networks need not share.",
            partial(_similarity_loss, rows=lambda g: g)),
        Mistake("rows normalised by their sum",
            "Each row should have length 1: the root of its sum of squares. (An easy "
            "slip: the second argument of normalize is the norm's power, not the axis.)",
            partial(_similarity_loss, rows=lambda g: F.normalize(g, p=1, dim=1)),
            partial(_similarity_loss, rows=lambda g: g / g.sum(1, keepdim=True))),
        Mistake("embeddings normalised, not the matrix",
            "That gives the matrix of cosines: another method's. Here the rows of the matrix are scaled.",
            partial(_similarity_loss, rows=lambda g: g, prepare=lambda e: F.normalize(e, dim=1))),
        Mistake("divided by B, not by its square", "The matrix has B squared entries.",
            partial(_similarity_loss, total=lambda d: d.square().sum() / len(d))),
        Mistake("sum over the batch",
            "The mean over all entries is asked for: the sum grows with the square of the batch.",
            partial(_similarity_loss, total=lambda d: d.square().sum()),
            partial(_similarity_loss, total=lambda d: d.norm())),
    ],
)  # fmt: skip


def _labelled(n):
    labels = torch.arange(n) % 3
    random = torch.Generator().manual_seed(n)
    return F.one_hot(labels, 5) + torch.randn(n, 5, generator=random), labels


def _recall(e, y, *, itself=torch.inf, pick=lambda d: d.argmin(1), factor=100):
    distances = torch.cdist(e, e).fill_diagonal_(itself)
    return factor * (y[pick(distances)] == y).float().mean()


RECALL = Exercise(
    "4.4", "Recall at 1", see="Classes that were never taught",
    right="No classifier is needed, so that it can be asked of classes that were never taught.",
    reference=recall_at_1, observe=value,
    cases={"twelve embeddings of three classes": partial(_labelled, 12), "thirty embeddings": partial(_labelled, 30)},
    mistakes=[
        Mistake("each example its own neighbour",
            "The nearest example to each one is itself, at distance 0. It must be left out, or the score is always 100.",
            partial(_recall, itself=0.0)),
        Mistake("the farthest in place of the nearest", "argmax finds the largest distance.",
            partial(_recall, itself=-torch.inf, pick=lambda d: d.argmax(1)),
            partial(_recall, itself=0.0, pick=lambda d: d.argmax(1))),
        Mistake("inner products in place of distances",
            "A long vector has a large inner product with everything. Use the Euclidean distance.",
            lambda e, y: 100 * (y[(e @ e.T).fill_diagonal_(-torch.inf).argmax(1)] == y).float().mean(),
            lambda e, y: 100 * (y[(e @ e.T).argmax(1)] == y).float().mean()),
        Mistake("a share in place of percent", "1 is one percent here.",
            partial(_recall, factor=1), partial(_recall, itself=0.0, factor=1)),
    ],
)  # fmt: skip


OWN_RELATION = Experiment(
    "4.5", "Another relation", see="The experiment: what the labels never taught", arms=("hard labels", "neighbourhoods"),
    meaning={
        "helps": "The neighbourhoods carry what the labels do not. Whether they do better than angles, the two intervals say.",
        "hurts": "At your weight the neighbourhoods cost more than they bring. Another weight may do better: look at validation.",
        "same": "At your weight the neighbourhoods change less than the margin.",
        "open": "These pairs cannot tell at your weight. The interval says how much may be there.",
    },
)  # fmt: skip


EXERCISES = [DISTANCES, ANGLES, SIMILARITIES, RECALL, OWN_RELATION]
