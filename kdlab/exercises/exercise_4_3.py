"""Exercise 4.3: similarity matrices."""

import torch.nn.functional as F

from kdlab.exercises.core import Exercise, Mistake
from kdlab.exercises.props import embeddings
from kdlab.losses import similarity_preserving_loss


def _loss(
    s, t, *, rows=lambda g: F.normalize(g, dim=1), prepare=lambda e: e, total=lambda d: d.square().mean()
):
    student, teacher = (rows(prepare(e) @ prepare(e).T) for e in (s, t))
    return total(student - teacher)


def _variant(**options):
    return lambda s, t: _loss(s, t, **options)


EXERCISE = Exercise(
    id="4.3",
    title="Similarities",
    reference=similarity_preserving_loss,
    cases={"three examples": lambda: embeddings(3), "six examples": lambda: embeddings(6)},
    mistakes=[
        Mistake(
            "Gram matrix without row normalisation",
            (_variant(rows=lambda g: g),),
            "Without it the loss compares the lengths of the embeddings, which the two networks need not share.",
        ),
        Mistake(
            "rows normalised by their sum",
            (
                _variant(rows=lambda g: F.normalize(g, p=1, dim=1)),
                _variant(rows=lambda g: g / g.sum(1, keepdim=True)),
            ),
            "Each row should have length 1: the root of its sum of squares. (A published library has this one: the "
            "second argument of normalize is the norm's power, not the axis.)",
        ),
        Mistake(
            "embeddings normalised, not the matrix",
            (_variant(rows=lambda g: g, prepare=lambda e: F.normalize(e, dim=1)),),
            "That gives the matrix of cosines: another method's. Here the rows of the matrix are scaled.",
        ),
        Mistake(
            "divided by B, not by its square",
            (_variant(total=lambda d: d.square().sum() / len(d)),),
            "The matrix has B squared entries.",
        ),
        Mistake(
            "sum over the batch",
            (_variant(total=lambda d: d.square().sum()), _variant(total=lambda d: d.norm())),
            "The mean over all entries is asked for: the sum grows with the square of the batch.",
        ),
    ],
    right="Both matrices are batch by batch, whatever the width: no projector is needed.",
    see="Similarities and neighbourhoods",
)
