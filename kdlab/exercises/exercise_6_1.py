"""Exercise 6.1: an interaction, pair by pair."""

import math

import numpy as np
from scipy import stats

from kdlab.exercises.core import Exercise, Mistake, value
from kdlab.study import mean_interval

_four = (
    [50.0, 62.0, 41.0, 55.0],
    [58.0, 75.0, 47.0, 70.0],
    [70.0, 84.0, 66.0, 79.0],
    [61.0, 70.0, 60.0, 66.0],
)
_six = (
    [40.0, 45.0, 52.0, 38.0, 49.0, 60.0], [41.0, 49.0, 55.0, 45.0, 50.0, 66.0],
    [55.0, 60.0, 71.0, 50.0, 66.0, 70.0], [54.0, 52.0, 65.0, 49.0, 55.0, 68.0],
)  # fmt: skip


def _of(combine):
    """The interval of ``combine(plain_1, smoothed_1, plain_4, smoothed_4)``, seed by seed."""
    return lambda *scores: mean_interval(combine(*map(np.array, scores)))


def _around(half):
    """The right mean, with another half width."""

    def code(*scores):
        mean = _interaction(*scores)[0]
        return mean, mean - half(*map(np.array, scores)), mean + half(*map(np.array, scores))

    return code


def _unpaired(freedom):
    def half(*scores):
        error = math.sqrt(sum(s.var(ddof=1) / len(s) for s in scores))
        return stats.t.ppf(0.975, freedom(len(scores[0]))) * error

    return _around(half)


def _ends(cross):
    """From the ends of the two effects' own intervals."""

    def code(a, b, c, d):
        (m1, l1, h1), (m4, l4, h4) = (mean_interval(np.array(y) - np.array(x)) for x, y in ((a, b), (c, d)))
        return (m4 - m1, l4 - h1, h4 - l1) if cross else (m4 - m1, l4 - l1, h4 - h1)

    return code


_interaction = _of(lambda a, b, c, d: (d - c) - (b - a))

EXERCISE = Exercise(
    id="6.1",
    title="An interaction",
    reference=_interaction,
    observe=value,
    cases={"four seeds": lambda: tuple(map(list, _four)), "six seeds": lambda: tuple(map(list, _six))},
    mistakes=[
        Mistake(
            "pairs not used",
            (_unpaired(lambda n: 4 * n - 4), _unpaired(lambda n: n - 1), _unpaired(lambda n: 2 * n - 2)),
            "The interval was made from the spread of the four arms. But the arms of one seed share data and weights: take the "
            "differences seed by seed first, and what the seed does to all four drops out.",
        ),
        Mistake(
            "the main effect in place of the interaction",
            (
                _of(lambda a, b, c, d: ((d - c) + (b - a)) / 2),
                _of(lambda a, b, c, d: (d - c) + (b - a)),
            ),
            "You added the two effects. Their mean says what smoothing does on the whole; the interaction says how much "
            "more it does at the one temperature than at the other.",
        ),
        Mistake(
            "the effect at one temperature",
            (_of(lambda a, b, c, d: d - c), _of(lambda a, b, c, d: b - a)),
            "That is what smoothing does at one temperature. The interaction is the difference of two such effects.",
        ),
        Mistake(
            "the effect of the temperature",
            (_of(lambda a, b, c, d: d - b), _of(lambda a, b, c, d: c - a)),
            "That is what the temperature does to one teacher. The interaction needs all four arms.",
        ),
        Mistake(
            "the sign turned round",
            (_of(lambda a, b, c, d: (b - a) - (d - c)),),
            "Asked is the effect at T = 4 minus the effect at T = 1.",
        ),
        Mistake(
            "half of it",
            (_of(lambda a, b, c, d: ((d - c) - (b - a)) / 2),),
            "Some textbooks on designs halve the difference. Here it is asked for whole, so that it is in points.",
        ),
        Mistake(
            "ends of two intervals subtracted",
            (_ends(cross=False), _ends(cross=True)),
            "Intervals cannot be subtracted end by end. Subtract seed by seed, and make one interval of the differences.",
        ),
        Mistake(
            "SD read as the interval of the mean",
            (
                _around(lambda a, b, c, d: ((d - c) - (b - a)).std(ddof=1)),
                _around(lambda a, b, c, d: 1.96 * ((d - c) - (b - a)).std(ddof=1)),
            ),
            "That is where single seeds lie. The mean of n pairs is steadier: see lesson 00.",
        ),
    ],
    right="A difference of differences, seed by seed: an interval around it is the test of 'it depends on T'.",
    see="Smoothing and temperature: does it depend?",
)
