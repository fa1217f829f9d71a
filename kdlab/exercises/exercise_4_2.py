"""Exercise 4.2: angles at the right corner."""

import torch
import torch.nn.functional as F

from kdlab.exercises.core import Exercise, Mistake, value
from kdlab.exercises.props import embeddings


def _cosines(e, *, unit=True, corner="ij,ik"):
    directions = e[None] - e[:, None]  # [i, j] leads from i to j
    if unit:
        directions = F.normalize(directions, dim=2)
    left, right = corner.split(",")
    return torch.einsum(f"{left}d,{right}d->ijk", directions, directions)


def _case(n):
    return lambda: (embeddings(n)[0],)


EXERCISE = Exercise(
    id="4.2",
    title="Angles",
    reference=_cosines,
    observe=value,
    cases={"three examples": _case(3), "five examples": _case(5)},
    mistakes=[
        Mistake(
            "angle at the wrong vertex",
            (
                lambda e: _cosines(e, corner="ji,jk"),
                lambda e: _cosines(e, corner="ki,kj"),
            ),
            "Entry (i, j, k) is the angle at i: both directions start there.",
        ),
        Mistake(
            "directions head to tail",
            (lambda e: _cosines(e, corner="ij,jk"), lambda e: _cosines(e, corner="ij,ki")),
            "One direction ends where the other starts. That gives the outer angle: the sign is turned round.",
        ),
        Mistake(
            "directions not of length 1",
            (lambda e: _cosines(e, unit=False),),
            "An inner product is a cosine only for vectors of length 1.",
        ),
        Mistake(
            "embeddings in place of differences",
            (lambda e: torch.einsum("jd,kd->jk", *[F.normalize(e, dim=1)] * 2).expand(len(e), -1, -1),),
            "That is the angle as seen from the origin, the same for each i. It changes when the embedding is shifted.",
        ),
        Mistake(
            "angles in place of cosines",
            (lambda e: _cosines(e).clamp(-1, 1).arccos(),),
            "The cosine itself is compared: its arc has an infinite gradient at 0.",
        ),
    ],
    right="Three examples make a triangle, and only its shape counts.",
    see="Angles",
)
