"""Lesson 05: several terms together."""

from functools import partial

import torch

from kdlab.exercises.core import Exercise, Mistake, value
from kdlab.exercises.own import OwnFactor
from kdlab.exercises.pull import PULL
from kdlab.exercises.tuning import EQUAL_TUNING
from kdlab.verdicts import NO_EFFECT


def _interaction(neither, a, b, both):
    return both - a - b + neither


def _four_cells(seeds):
    random = torch.Generator().manual_seed(seeds)
    neither = 60 + 10 * torch.rand(seeds, generator=random)
    gains = 6 * torch.rand(3, seeds, generator=random)
    return neither, neither + gains[0], neither + gains[1] + 1, neither + 3 * gains[2]


INTERACTION = Exercise(
    "5.1", "An interaction", see="What adding up means",
    right="It is 0 where gains add up, below where the two bring the same thing.",
    reference=_interaction, observe=value,
    cases={"two seeds": partial(_four_cells, 2), "six seeds": partial(_four_cells, 6)},
    mistakes=[
        Mistake("the joint gain, not the interaction",
            "That is what both bring together. The two gains apart must still be taken away.",
            lambda n, a, b, both: both - n),
        Mistake("the effect of one factor only",
            "That is what one of them brings, with the other on or off. The interaction is the difference of these two.",
            lambda n, a, b, both: both - b, lambda n, a, b, both: both - a,
            lambda n, a, b, both: a - n, lambda n, a, b, both: b - n, lambda n, a, b, both: (a - n).mean(),
            lambda n, a, b, both: (b - n).mean()),
        Mistake("the two compared with each other", "Which of them brings more is another question.",
            lambda n, a, b, both: a - b, lambda n, a, b, both: b - a),
        Mistake("what adding up would give",
            "That is the sum of the gains, or the score it would lead to. The interaction is how far both together are from it.",
            lambda n, a, b, both: a + b - 2 * n, lambda n, a, b, both: a + b - n),
        Mistake("one gain taken away twice", "Each of the two gains is taken away once.",
            lambda n, a, b, both: both - 2 * a + n, lambda n, a, b, both: both - 2 * b + n),
        Mistake("without its sign", "The sign tells more than the sum from less.",
            lambda n, a, b, both: (both - a - b + n).abs()),
        Mistake("divided", "The interaction is a difference, in the units of the scores.",
            lambda n, a, b, both: (both - a - b + n) / n, lambda n, a, b, both: (both - n) / (a + b - 2 * n),
            lambda n, a, b, both: (both - a - b + n) / (a + b - 2 * n), lambda n, a, b, both: both * n / (a * b),
            lambda n, a, b, both: 100 * (both - a - b + n) / n),
        Mistake("gains multiplied", "Gains that do not touch each other add up.",
            lambda n, a, b, both: both - n - (a - n) * (b - n)),
        Mistake("on the scale of log-odds", "Asked is the interaction in the units of the scores.",
            lambda n, a, b, both: _interaction(*(x.div(100).logit() for x in (n, a, b, both)))),
        Mistake("sign turned round", "More than the sum must come out above 0, less than the sum below.",
            lambda n, a, b, both: a + b - both - n),
        Mistake("halved",
            "Textbooks on the design of experiments divide it. Here it is the gain of both minus the sum of the gains.",
            lambda n, a, b, both: (both - a - b + n) / 2, lambda n, a, b, both: (both - a - b + n) / 4),
        Mistake("the combination with neither left out",
            "Gains are differences to the combination with neither. Written out, it has a plus sign.",
            lambda n, a, b, both: both - a - b),
        Mistake("the combination with neither counted wrongly",
            "Gains are differences to it: once in the gain of both, and twice in the sum of the two gains.",
            *(lambda n, a, b, both, k=k: both - a - b + k * n for k in (-3, -2, -1, 2, 3))),
        Mistake("compared with the better of the two",
            "That asks whether adding the other one pays: a good question, but another one.",
            lambda n, a, b, both: both - torch.maximum(a, b)),
        Mistake("compared with the mean or the weaker of the two", "The two gains are added up, and both are taken away.",
            lambda n, a, b, both: both - torch.minimum(a, b), lambda n, a, b, both: both - (a + b) / 2),
        Mistake("averaged over seeds", "Return one number a seed: their spread makes the interval.",
            lambda n, a, b, both: (both - a - b + n).mean(), lambda n, a, b, both: (both - a - b + n).sum(),
            lambda n, a, b, both: (both - a - b + n).median(), lambda n, a, b, both: (both - a - b + n).std()),
        Mistake("the main effect",
            "The mean of what one brings without and with the other is its main effect. The interaction is their difference.",
            lambda n, a, b, both: ((a - n) + (both - b)) / 2, lambda n, a, b, both: ((b - n) + (both - a)) / 2),
    ],
)  # fmt: skip


def _weights(norms, shares):
    return shares / norms * norms[0] / shares[0]


def _norms_and_shares(*tables):
    return tuple(map(torch.tensor, tables))


BALANCE = Exercise(
    "5.3", "Balance", see="Balancing once",
    right="Once, at the start. Where the shares go from there is seen in training.",
    reference=_weights, observe=value,
    cases={
        "three terms, shares of 50, 30 and 20": partial(_norms_and_shares, [0.6, 1.8, 0.04], [50.0, 30.0, 20.0]),
        "four terms, shares of 40, 30, 20 and 10": partial(
            _norms_and_shares, [0.5, 2.0, 0.7, 0.02], [40.0, 30.0, 20.0, 10.0]),
    },
    mistakes=[
        Mistake("ratio upside down", "A term with a large gradient needs a small weight.",
            lambda n, s: s / s[0] * n / n[0], lambda n, s: n / n[0], lambda n, s: s[0] / s * n / n[0],
            lambda n, s: n * s, lambda n, s: n / s),
        Mistake("shares left out", "These weights make the shares equal. Others were asked for.",
            lambda n, s: n[0] / n, lambda n, s: 1 / n, lambda n, s: n.max() / n, lambda n, s: n.mean() / n,
            lambda n, s: n.sum() / n, lambda n, s: n.min() / n, lambda n, s: n[-1] / n),
        Mistake("shares upside down", "A larger share needs a larger weight.",
            lambda n, s: s[0] / s * n[0] / n),
        Mistake("the first weight is not 1",
            "The ratios are right. Divide by the first, so that the others are in its units.",
            lambda n, s: s / n, lambda n, s: s / s.sum() / n, lambda n, s: s / s[0] / n,
            *(lambda n, s, by=by: s / n / by(n, s) for by in (
                lambda n, s: (s / n).sum(), lambda n, s: 1 / n[0], lambda n, s: (s / n).max(), lambda n, s: (s / n).mean(),
                lambda n, s: (s / n)[-1], lambda n, s: (s / n).min(), lambda n, s: 100.0, lambda n, s: s.sum() / n[0],
                lambda n, s: s.sum() / n.sum(), lambda n, s: 1 / n.sum(), lambda n, s: (s / n).norm()))),
        Mistake("only the first set to 1", "All weights are divided by the first, or their ratios change.",
            lambda n, s: torch.cat([s[:1] / s[:1], (s / n)[1:]]), lambda n, s: torch.cat([s[:1] / s[:1], (s / s.sum() / n)[1:]]),
            lambda n, s: torch.cat([s[:1] / s[:1], (1 / n)[1:]])),
        Mistake("a square or a root", "The norm of a gradient grows with its weight: twice the weight, twice the norm.",
            *(lambda n, s, a=a, b=b: (s / s[0]) ** a * (n[0] / n) ** b
              for a, b in ((1, 2), (1, 0.5), (0.5, 1), (2, 1), (0, 2), (0, 0.5), (0.5, 0.5), (2, 2))),
            lambda n, s: s / n**2),
        Mistake("shares in place of weights", "The norms at weight 1 are not equal: divide by them.",
            lambda n, s: s / s[0], lambda n, s: s / s.sum(), lambda n, s: n * s / (n * s).sum(),
            lambda n, s: n / n.sum(), lambda n, s: s, lambda n, s: s / 100),
        Mistake("a difference in place of a ratio", "A weight multiplies a gradient: divide what is wanted by what is there.",
            lambda n, s: s - n, lambda n, s: s / s.sum() - n / n.sum(), lambda n, s: s - 100 * n / n.sum(),
            lambda n, s: 1 + s / s.sum() - n / n.sum()),
    ],
)  # fmt: skip


class _OwnPair(OwnFactor):
    """The study is handed in as its effects."""

    shipped = "combining"
    run_here = ("soft targets x hints", "soft targets x distances", "hints x distances")

    def _faults(self, result):
        if NO_EFFECT not in result.scores:
            text = "this is the study itself, as compare returns it. Hand in what effects(...) makes of it."
            yield "the study in place of its effects", text
        yield from super()._faults(result)


OWN_PAIR = _OwnPair(
    "5.5", "Another pair", see="The experiment: a slice, run here", arms=(NO_EFFECT, "soft targets x mine"),
    meaning={
        "more than the sum": "Together they bring more than what they bring apart.",
        "less than the sum": "In part, the two hand over the same thing.",
        "same": "The two add up, to within the margin: each hands over something of its own.",
        "open": "These pairs cannot tell whether the two add up. An interaction is made of four scores, each with its noise: it takes about four times as many seeds as a main effect of the same size.",
    },
)  # fmt: skip


EXERCISES = [INTERACTION, PULL, BALANCE, EQUAL_TUNING, OWN_PAIR]
