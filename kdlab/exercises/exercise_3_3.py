"""Exercise 3.3: attention maps."""

import torch.nn.functional as F

from kdlab.exercises.core import Exercise, Mistake, value
from kdlab.exercises.props import maps


def _attention(f, *, power=2, axis=1, unit=True, dim=1):
    q = f.abs().pow(power).mean(dim=axis).flatten(1)
    return F.normalize(q, dim=dim) if unit else q


def _variant(**options):
    return lambda f: _attention(f, **options)


EXERCISE = Exercise(
    id="3.3",
    title="Attention maps",
    reference=_attention,
    observe=value,
    cases={
        "two maps of 3 channels and 4 x 4 places": lambda: (maps()[0],),
        "two maps of 5 channels, some values negative": lambda: (maps()[1] - 0.3,),
    },
    mistakes=[
        Mistake(
            "attention map over the wrong axis",
            (_variant(axis=(2, 3)), _variant(axis=2), _variant(axis=3), _variant(axis=0)),
            "The mean is over channels, so that one number is left for each place. Yours has lost places (or images).",
        ),
        Mistake(
            "not scaled to length 1",
            (_variant(unit=False),),
            "Without it a network with larger activations would seem to look harder everywhere.",
        ),
        Mistake(
            "scaled over the batch",
            (_variant(dim=0),),
            "Each image's map should have length 1, not each place's column over the images.",
        ),
        Mistake(
            "no square",
            (_variant(power=1), lambda f: F.normalize(f.mean(1).flatten(1), dim=1)),
            "Square first: large activations are to count for much, and small ones for little.",
        ),
        Mistake(
            "softmax in place of length 1",
            (lambda f: f.square().mean(1).flatten(1).softmax(1),),
            "The map is divided by its length; softmax would change its proportions.",
        ),
        Mistake(
            "scaled to sum 1",
            (lambda f: F.normalize(f.square().mean(1).flatten(1), p=1, dim=1),),
            "Length 1 means the root of the sum of squares.",
        ),
        Mistake(
            "places not flattened",
            (
                lambda f: F.normalize(f.square().mean(1), dim=1),
                lambda f: F.normalize(f.square().mean(1), dim=2),
            ),
            "Flatten height and width first: the length is that of the whole map.",
        ),
    ],
    right="One number a place, whatever the channels: no projector is needed.",
    see="Attention maps",
)
