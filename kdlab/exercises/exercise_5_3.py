"""Exercise 5.3: weights from gradient norms."""

import torch

from kdlab.exercises.core import Exercise, Mistake, value


def _weights(norms, shares):
    return shares / norms * norms[0] / shares[0]


NORMS = torch.tensor([0.6, 1.8, 0.04])
FOUR = torch.tensor([0.5, 2.0, 0.7, 0.02]), torch.tensor([40.0, 30.0, 20.0, 10.0])

EXERCISE = Exercise(
    id="5.3",
    title="Balance",
    reference=_weights,
    observe=value,
    cases={
        "three terms, shares of 50, 30 and 20": lambda: (NORMS, torch.tensor([50.0, 30.0, 20.0])),
        "four terms, shares of 40, 30, 20 and 10": lambda: FOUR,
    },
    mistakes=[
        Mistake(
            "ratio upside down",
            (
                lambda n, s: s / s[0] * n / n[0],
                lambda n, s: n / n[0],
                lambda n, s: s[0] / s * n / n[0],
            ),
            "A term with a large gradient needs a small weight.",
        ),
        Mistake(
            "shares left out",
            (lambda n, s: n[0] / n,),
            "These weights make the shares equal. Others were asked for.",
        ),
        Mistake(
            "shares upside down",
            (lambda n, s: s[0] / s * n[0] / n,),
            "A larger share needs a larger weight.",
        ),
        Mistake(
            "the first weight is not 1",
            (
                lambda n, s: s / n,
                lambda n, s: s / s.sum() / n,
                lambda n, s: s / s[0] / n,
                lambda n, s: s / n / (s / n).sum(),
                lambda n, s: s * n[0] / n,
            ),
            "The ratios are right. Divide by the first, so that the others are in its units.",
        ),
        Mistake(
            "squared norms",
            (lambda n, s: s / s[0] * (n[0] / n) ** 2,),
            "The norm of a gradient grows with its weight, not with the weight's root.",
        ),
        Mistake(
            "shares in place of weights",
            (
                lambda n, s: s / s[0],
                lambda n, s: s / s.sum(),
                lambda n, s: n * s / (n * s).sum(),
                lambda n, s: n / n.sum(),
            ),
            "The norms at weight 1 are not equal: divide by them.",
        ),
    ],
    right="Once, at the start. Where the shares go from there is seen in training.",
    see="Balancing once",
)
