"""Exercise 4.1: distances in units of their own mean."""

import torch
import torch.nn.functional as F

from kdlab.exercises.core import Exercise, Mistake
from kdlab.exercises.props import embeddings
from kdlab.losses import relational_distance_loss


def _loss(s, t, *, scale=lambda d: d[d > 0].mean(), power=1, compare=F.smooth_l1_loss, norm=2):
    sides = (torch.cdist(e, e, p=norm) ** power for e in (s, t))
    return compare(*(d / scale(d) for d in sides))


def _variant(**options):
    return lambda s, t: _loss(s, t, **options)


EXERCISE = Exercise(
    id="4.1",
    title="Distances",
    reference=relational_distance_loss,
    cases={"three examples": lambda: embeddings(3), "six examples": lambda: embeddings(6)},
    mistakes=[
        Mistake(
            "distances not normalised",
            (_variant(scale=lambda d: 1.0),),
            "Two embeddings of other widths have distances of other sizes. Each side must be divided by its own mean.",
        ),
        Mistake(
            "diagonal counted",
            (_variant(scale=lambda d: d.mean()),),
            "The mean includes the distance of each example to itself, which is always 0: take it over the positive ones.",
        ),
        Mistake(
            "one mean for both sides",
            (
                lambda s, t: F.smooth_l1_loss(
                    *(
                        (d / (u := torch.cdist(t, t))[u > 0].mean())
                        for d in (torch.cdist(s, s), torch.cdist(t, t))
                    )
                ),
            ),
            "The student's distances were divided by the teacher's mean. Each side has its own unit.",
        ),
        Mistake(
            "squared distances",
            (_variant(power=2),),
            "The root is missing: far pairs get far too much weight.",
        ),
        Mistake(
            "another distance",
            (_variant(norm=1),),
            "The Euclidean distance is asked for (the root of the sum of squares), not the sum of absolute values.",
        ),
        Mistake(
            "squared difference for smooth L1",
            (_variant(compare=F.mse_loss), _variant(compare=F.l1_loss)),
            "Smooth L1 is half the square up to a difference of 1, and linear beyond: smooth_l1_loss.",
        ),
        Mistake(
            "the student's mean held fixed",
            (_variant(scale=lambda d: d[d > 0].mean().detach()),),
            "The value is right, but the student's mean distance depends on the student too: its gradient belongs to the loss.",
        ),
    ],
    right="Each side in its own unit: neither width nor scale has to agree.",
    see="Distances",
)
