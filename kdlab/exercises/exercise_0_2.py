"""Exercise 0.2: the interval of a mean."""

import math
import statistics

import numpy as np
from scipy import stats

from kdlab.exercises.core import Exercise, Mistake, value
from kdlab.study import mean_interval

_few, _more = [1.0, 3.0, 2.0, 6.0], [0.5, 2.0, -1.0, 3.5, 1.0, 2.5, 0.0, 4.0, 1.5, 1.0]


def _around_mean(half):
    """The interval of half width ``half(differences)`` around the mean."""
    return lambda d: (statistics.fmean(d) - half(d), statistics.fmean(d) + half(d))


def _t(d):
    return stats.t.ppf(0.975, len(d) - 1)


EXERCISE = Exercise(
    id="0.2",
    title="The interval of the mean",
    reference=lambda d: mean_interval(d)[1:],
    observe=value,
    cases={
        "the four differences 1, 3, 2, 6": lambda: (list(_few),),
        "ten differences": lambda: (list(_more),),
    },
    mistakes=[
        Mistake(
            "SD read as the interval of the mean",
            (
                _around_mean(statistics.stdev),
                _around_mean(lambda d: 1.96 * statistics.stdev(d)),
                _around_mean(lambda d: 2 * statistics.stdev(d)),
                _around_mean(lambda d: _t(d) * statistics.stdev(d)),
            ),
            "That is where single pairs lie. The mean of n pairs is steadier than one of them: its "
            "uncertainty shrinks with the square root of n.",
        ),
        Mistake(
            "the standard error without its factor",
            (_around_mean(lambda d: statistics.stdev(d) / math.sqrt(len(d))),),
            "One standard error to each side covers the true mean in about two studies of three, not in 95 of 100.",
        ),
        Mistake(
            "1.96 at a handful of seeds",
            (
                _around_mean(lambda d: 1.96 * statistics.stdev(d) / math.sqrt(len(d))),
                _around_mean(lambda d: 2 * statistics.stdev(d) / math.sqrt(len(d))),
            ),
            "1.96 is for a known standard deviation. It was estimated from these few pairs, and Student's t "
            "pays for that: with four pairs the factor is 3.18.",
        ),
        Mistake(
            "t with n degrees of freedom",
            (_around_mean(lambda d: stats.t.ppf(0.975, len(d)) * statistics.stdev(d) / math.sqrt(len(d))),),
            "The mean was estimated from the same n pairs, which leaves n - 1.",
        ),
        Mistake(
            "a one-sided quantile",
            (
                _around_mean(
                    lambda d: stats.t.ppf(0.95, len(d) - 1) * statistics.stdev(d) / math.sqrt(len(d))
                ),
            ),
            "5 % are left over in all, so 2.5 % on each side: the quantile at 0.975.",
        ),
        Mistake(
            "SD divided by n instead of n - 1",
            (_around_mean(lambda d: _t(d) * statistics.pstdev(d) / math.sqrt(len(d))),),
            "numpy's std divides by n unless ddof=1; torch's divides by n - 1.",
        ),
        Mistake(
            "the ends reversed",
            (lambda d: mean_interval(d)[:0:-1],),
            "The lower end comes first.",
        ),
        Mistake(
            "the variance in place of its root",
            (_around_mean(lambda d: _t(d) * statistics.variance(d) / math.sqrt(len(d))),),
            "s is the standard deviation, the square root of the variance.",
        ),
        Mistake(
            "divided by n, not by its root",
            (_around_mean(lambda d: _t(d) * statistics.stdev(d) / len(d)),),
            "The standard error shrinks with the square root of n.",
        ),
        Mistake(
            "percentiles of the pairs",
            (lambda d: tuple(np.percentile(d, [2.5, 97.5])),),
            "That is where 95 of 100 single pairs lie, not where their mean is known to be.",
        ),
        Mistake(
            "mean and half width",
            (lambda d: (statistics.fmean(d), statistics.fmean(d) - mean_interval(d)[1]),),
            "Asked are the two ends: mean minus and mean plus half the width.",
        ),
        Mistake(
            "smallest and largest pair",
            (lambda d: (min(d), max(d)),),
            "The range of the pairs grows with every pair you add. The interval of the mean must shrink.",
        ),
    ],
    right="The interval is of the mean: more pairs make it narrower, and with few pairs t makes it wider.",
    see="The verdict",
)
