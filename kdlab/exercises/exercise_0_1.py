"""Exercise 0.1: softmax that survives large logits."""

import torch
import torch.nn.functional as F

from kdlab.exercises.core import Exercise, Mistake, value

EXERCISE = Exercise(
    id="0.1",
    title="Soft labels from logits",
    reference=lambda z: z.softmax(dim=1),
    observe=value,
    cases={
        "two rows of three logits": lambda: (torch.tensor([[1.0, 2.0, 4.0], [3.0, 0.0, 0.5]]),),
        "one row with a logit of 1000": lambda: (torch.tensor([[1000.0, 999.0, 0.0]]),),
        "that row and an ordinary one": lambda: (torch.tensor([[1000.0, 999.0, 0.0], [0.0, 1.0, 2.0]]),),
    },
    mistakes=[
        Mistake(
            "softmax over the wrong axis",
            (lambda z: z.softmax(dim=0), lambda z: z.softmax(0).softmax(0)),
            "The probabilities of one image must add up to 1. Yours add up to 1 down each column, over images.",
        ),
        Mistake(
            "softmax twice",
            (lambda z: z.softmax(dim=1).softmax(dim=1), lambda z: z.log_softmax(1).softmax(1).softmax(1)),
            "The probabilities are squeezed together: softmax was applied to what was already a probability.",
        ),
        Mistake(
            "argmax taken as a soft label",
            (lambda z: F.one_hot(z.argmax(dim=1), z.shape[1]),),
            "That is the hard label, a 1 and zeros. Everything about the other classes is gone.",
        ),
        Mistake(
            "overflow",
            (lambda z: z.exp() / z.exp().sum(dim=1, keepdim=True), lambda z: (z.exp().T / z.exp().sum(1)).T),
            "The formula is right and the arithmetic is not: exp(1000) is infinite. Adding a "
            "constant to all logits of a row changes no probability; which constant keeps exp small?",
        ),
        Mistake(
            "one constant for all rows",
            (lambda z: (e := (z - z.max()).exp()) / e.sum(dim=1, keepdim=True),),
            "The largest logit of all was subtracted. A row far below it becomes 0 / 0: each row needs its own.",
        ),
        Mistake(
            "divided by the sum over everything",
            (lambda z: z.exp() / z.exp().sum(), lambda z: z.flatten().softmax(0).view_as(z)),
            "Each row needs its own sum; keepdim=True keeps the shapes apart.",
        ),
        Mistake(
            "log-probabilities returned",
            (lambda z: z.log_softmax(dim=1),),
            "These are logarithms of probabilities: all negative.",
        ),
    ],
    right="A row's softmax stays the same when a constant is added to its logits.",
    see="The four words",
)
