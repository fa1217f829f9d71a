"""Exercise 3.4: how alike two representations are."""

import torch
import torch.nn.functional as F

from kdlab.exercises.core import Exercise, Mistake, value
from kdlab.exercises.props import embeddings
from kdlab.metrics import linear_cka


def _cka(a, b, *, centre=True, unit=True, axis=0):
    if centre:
        a, b = a - a.mean(dim=axis, keepdim=True), b - b.mean(dim=axis, keepdim=True)
    gram_a, gram_b = a @ a.T, b @ b.T
    product = (gram_a * gram_b).sum()
    return product / (gram_a.norm() * gram_b.norm()) if unit else product


def _variant(**options):
    return lambda a, b: _cka(a, b, **options)


EXERCISE = Exercise(
    id="3.4",
    title="How alike",
    reference=linear_cka,
    observe=value,
    cases={
        "four examples, 4 and 7 dimensions": lambda: embeddings(4),
        "nine examples": lambda: embeddings(9),
    },
    mistakes=[
        Mistake(
            "not centred",
            (_variant(centre=False),),
            "Two clouds far from the origin look alike whatever their shape: subtract each dimension's mean first.",
        ),
        Mistake(
            "centred over the wrong axis",
            (_variant(axis=1),),
            "The mean of each dimension over the examples is subtracted, not the mean of each example.",
        ),
        Mistake(
            "not divided by the lengths",
            (_variant(unit=False),),
            "Without it the value grows with the features' size. Both matrices' norms belong below.",
        ),
        Mistake(
            "squared lengths",
            (
                lambda a, b: (lambda p, q, r: p / (q * r))(
                    _cka(a, b, unit=False), _cka(a, a, unit=False), _cka(b, b, unit=False)
                ),
            ),
            "The norms themselves, not their squares: of a representation with itself the value must be 1.",
        ),
        Mistake(
            "the root taken",
            (lambda a, b: _cka(a, b).sqrt(),),
            "No root: the matrices of inner products hold squares already, and their cosine is the value.",
        ),
        Mistake(
            "cosine of single examples",
            (lambda a, b: F.cosine_similarity(a, b[:, :4]).mean(),),
            "Dimension 3 of the one has nothing to do with dimension 3 of the other. Compare examples with examples on each side.",
        ),
        Mistake(
            "correlation of the matrices' entries",
            (lambda a, b: torch.corrcoef(torch.stack([(e @ e.T).flatten() for e in (a, b)]))[0, 1],),
            "Centre the features before the inner products, not the entries after them.",
        ),
    ],
    right="Turning and scaling change nothing: only how the examples lie to one another counts.",
    see="How alike are two networks?",
)
