"""Exercise 5.1: an interaction from four cells."""

import torch

from kdlab.exercises.core import Exercise, Mistake, value


def _interaction(neither, a, b, both):
    return both - a - b + neither


def _case(seeds):
    def make():
        random = torch.Generator().manual_seed(seeds)
        neither = 60 + 10 * torch.rand(seeds, generator=random)
        gains = 6 * torch.rand(3, seeds, generator=random)
        return neither, neither + gains[0], neither + gains[1] + 1, neither + gains[2]

    return make


EXERCISE = Exercise(
    id="5.1",
    title="An interaction",
    reference=_interaction,
    observe=value,
    cases={"two seeds": _case(2), "six seeds": _case(6)},
    mistakes=[
        Mistake(
            "the joint gain, not the interaction",
            (lambda n, a, b, both: both - n,),
            "That is what both bring together. The two gains apart must still be taken away.",
        ),
        Mistake(
            "the effect of one factor only",
            (
                lambda n, a, b, both: both - b,
                lambda n, a, b, both: both - a,
                lambda n, a, b, both: a - n,
                lambda n, a, b, both: b - n,
            ),
            "That is what one of them brings, with the other on or off. The interaction is the difference of these two.",
        ),
        Mistake(
            "sign turned round",
            (lambda n, a, b, both: a + b - both - n,),
            "More than the sum must come out above 0, less than the sum below.",
        ),
        Mistake(
            "halved",
            (lambda n, a, b, both: (both - a - b + n) / 2, lambda n, a, b, both: (both - a - b + n) / 4),
            "Textbooks on the design of experiments divide it. Here it is the gain of both minus the sum of the gains.",
        ),
        Mistake(
            "the cell with neither left out",
            (lambda n, a, b, both: both - a - b, lambda n, a, b, both: both - (a + b) - n),
            "Gains are differences to the cell with neither. Written out, that cell has a plus sign.",
        ),
        Mistake(
            "compared with the better of the two",
            (lambda n, a, b, both: both - torch.maximum(a, b),),
            "That asks whether adding the other one pays: a good question, but another one.",
        ),
        Mistake(
            "averaged over seeds",
            (lambda n, a, b, both: (both - a - b + n).mean(),),
            "Return one number a seed: their spread makes the interval.",
        ),
        Mistake(
            "the main effect",
            (
                lambda n, a, b, both: ((a - n) + (both - b)) / 2,
                lambda n, a, b, both: ((b - n) + (both - a)) / 2,
            ),
            "The mean of what one brings without and with the other is its main effect. The interaction is their difference.",
        ),
    ],
    right="It is 0 where gains add up, below where the two bring the same thing.",
    see="What adding up means",
)
