"""Exercise 2.4: what the deployed student answers."""

import torch.nn.functional as F

from kdlab.exercises.core import Exercise, Mistake, value
from kdlab.exercises.props import ten_classes, two_rows

EXERCISE = Exercise(
    id="2.4",
    title="After training",
    reference=lambda z, T: z.softmax(dim=1),
    observe=value,
    cases={
        "two rows of three logits, trained at T = 4": lambda: (two_rows()[0], 4.0),
        "four rows of ten logits, trained at T = 8": lambda: (ten_classes()[0], 8.0),
    },
    mistakes=[
        Mistake(
            "temperature kept at inference",
            (lambda z, T: (z / T).softmax(dim=1),),
            "The same classes come first, so accuracy cannot show it, but the probabilities are too flat: the first too "
            "low, the others too high. "
            "The temperature was for training.",
        ),
        Mistake(
            "logits multiplied by T",
            (lambda z, T: (z * T).softmax(dim=1),),
            "There is nothing to undo: the student's logits were trained to match at their own size.",
        ),
        Mistake(
            "logits returned",
            (lambda z, T: z, lambda z, T: z / T),
            "These do not add up to 1: probabilities are asked for.",
        ),
        Mistake(
            "softmax over the wrong axis",
            (lambda z, T: z.softmax(dim=0), lambda z, T: (z / T).softmax(dim=0)),
            "Each image's probabilities must add up to 1, not each class's.",
        ),
        Mistake(
            "argmax taken as a probability",
            (lambda z, T: F.one_hot(z.argmax(dim=1), z.shape[1]), lambda z, T: z.argmax(dim=1)),
            "This is the answer without its probability.",
        ),
    ],
    right="After training T is 1, whatever it was before.",
    see="After training: T = 1",
)
