"""Lesson 00: softmax, and the interval of a mean."""

import math
import statistics

import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import stdtrit

from kdlab.exercises.core import Exercise, Mistake, value
from kdlab.exercises.own import NotTheLessons
from kdlab.study import mean_interval

SOFT_LABELS = Exercise(
    "0.1", "Soft labels from logits", see="The four words",
    right="A row's softmax stays the same when a constant is added to its logits.",
    reference=lambda z: z.softmax(dim=1), observe=value,
    cases={
        "two rows of three logits": lambda: (torch.tensor([[1.0, 2.0, 4.0], [3.0, 0.0, 0.5]]),),
        "one row with a logit of 1000": lambda: (torch.tensor([[1000.0, 999.0, 0.0]]),),
        "that row and an ordinary one": lambda: (torch.tensor([[1000.0, 999.0, 0.0], [0.0, 1.0, 2.0]]),),
    },
    mistakes=[
        Mistake("softmax over the wrong axis",
            "The probabilities of one image must add up to 1. Yours add up to 1 down each column, over images.",
            lambda z: z.softmax(dim=0), lambda z: z.softmax(0).softmax(0)),
        Mistake("softmax twice",
            "The probabilities are squeezed together: softmax was applied to what was already a probability.",
            lambda z: z.softmax(dim=1).softmax(dim=1), lambda z: z.log_softmax(1).softmax(1).softmax(1)),
        Mistake("argmax taken as a soft label",
            "That is the hard label, a 1 and zeros. Everything about the other classes is gone.",
            lambda z: F.one_hot(z.argmax(dim=1), z.shape[1])),
        Mistake("overflow",
            "The formula is right and the arithmetic is not: exp(1000) is infinite. Adding a "
            "constant to all logits of a row changes no probability; which constant keeps exp small?",
            lambda z: z.exp() / z.exp().sum(dim=1, keepdim=True), lambda z: (z.exp().T / z.exp().sum(1)).T),
        Mistake("one constant for all rows",
            "The largest logit of all was subtracted. A row far below it becomes 0 / 0: each row needs its own.",
            lambda z: (e := (z - z.max()).exp()) / e.sum(dim=1, keepdim=True)),
        Mistake("divided by the sum over everything",
            "Each row needs its own sum; keepdim=True keeps the shapes apart.",
            lambda z: z.exp() / z.exp().sum(), lambda z: z.flatten().softmax(0).view_as(z)),
        Mistake("one constant a column", "The largest of each column was subtracted: a row's own largest is due.",
            lambda z: (e := (z - z.max(dim=0).values).exp()) / e.sum(dim=1, keepdim=True),
            lambda z: (e := (z - z.max(1, keepdim=True).values).exp()) / e.sum(dim=0, keepdim=True)),
        Mistake("made smaller by a factor", "Logits may be shifted. Multiplied or divided, they give other probabilities.",
            lambda z: (z / z.max(dim=1, keepdim=True).values).softmax(1), lambda z: (z / 4).softmax(1),
            lambda z: (z / z.max()).softmax(1), lambda z: F.normalize(z).softmax(1), lambda z: (z / 1000).softmax(1)),
        Mistake("another base", "Softmax has e as its base.",
            lambda z: (z * math.log(2)).softmax(1), lambda z: (z * math.log(10)).softmax(1)),
        Mistake("cut off", "Large numbers were cut off, and with them went which of them is the largest. Shift them.",
            lambda z: (e := z.exp().clamp(max=1e30)) / e.sum(dim=1, keepdim=True),
            lambda z: (z.exp() / z.exp().sum(dim=1, keepdim=True)).nan_to_num(), lambda z: z.clamp(max=80).softmax(1),
            lambda z: z.clamp(max=700).softmax(1)),
        Mistake("no exponential", "Logits may be negative. It is exp that makes them positive, before they are divided.",
            lambda z: z / z.sum(dim=1, keepdim=True), lambda z: z - z.max(dim=1, keepdim=True).values,
            lambda z: z.abs() / z.abs().sum(dim=1, keepdim=True), lambda z: F.relu(z) / F.relu(z).sum(1, keepdim=True)),
        Mistake("not divided by the sum", "The exponentials of a row must still be divided by their sum.",
            lambda z: (z - z.max(dim=1, keepdim=True).values).exp(), lambda z: z.exp()),
        Mistake("each class by itself", "A sigmoid looks at one logit alone. Here the classes share one belief.",
            lambda z: z.sigmoid(), lambda z: z.sigmoid() / z.sigmoid().sum(1, keepdim=True)),
        Mistake("log-probabilities returned", "These are logarithms of probabilities: all negative.",
            lambda z: z.log_softmax(dim=1)),
    ],
)  # fmt: skip


def _around_mean(half):
    """The interval of half width ``half(differences)`` around the mean."""
    return lambda d: (statistics.fmean(d) - half(d), statistics.fmean(d) + half(d))


def _t(d):
    return stdtrit(len(d) - 1, 0.975)


def _error(d):
    return statistics.stdev(d) / math.sqrt(len(d))


INTERVAL = Exercise(
    "0.2", "The interval of the mean", see="The verdict",
    right="The interval is of the mean: more pairs make it narrower, and with few pairs t makes it wider.",
    reference=lambda d: mean_interval(d)[1:], observe=value,
    cases={
        "the four differences 1, 3, 2, 6": lambda: ([1.0, 3.0, 2.0, 6.0],),
        "ten differences": lambda: ([0.5, 2.0, -1.0, 3.5, 1.0, 2.5, 0.0, 4.0, 1.5, 1.0],),
    },
    mistakes=[
        Mistake("SD read as the interval of the mean",
            "That is where single pairs lie. The mean of n pairs is steadier than "
            "one of them: its uncertainty shrinks with the square root of n.",
            _around_mean(statistics.stdev), _around_mean(lambda d: 1.96 * statistics.stdev(d)),
            _around_mean(lambda d: 2 * statistics.stdev(d)), _around_mean(lambda d: _t(d) * statistics.stdev(d))),
        Mistake("the standard error without its factor",
            "One standard error to each side covers the true mean in about two studies of three, not in 95 of 100.",
            _around_mean(_error)),
        Mistake("1.96 at a handful of seeds",
            "1.96 is for a known standard deviation. It was estimated from these few "
            "pairs, and Student's t pays for that: with four pairs the factor is 3.18.",
            _around_mean(lambda d: 1.96 * _error(d)), _around_mean(lambda d: 2 * _error(d))),
        Mistake("t with n degrees of freedom", "The mean was estimated from the same n pairs, which leaves n - 1.",
            _around_mean(lambda d: stdtrit(len(d), 0.975) * _error(d))),
        Mistake("a one-sided quantile", "5 % are left over in all, so 2.5 % on each side: the quantile at 0.975.",
            _around_mean(lambda d: stdtrit(len(d) - 1, 0.95) * _error(d))),
        Mistake("SD divided by n instead of n - 1",
            "numpy's std divides by n unless ddof=1; torch's divides by n - 1.",
            _around_mean(lambda d: _t(d) * statistics.pstdev(d) / math.sqrt(len(d)))),
        Mistake("the ends reversed", "The lower end comes first.",
            lambda d: mean_interval(d)[:0:-1]),
        Mistake("the variance in place of its root", "s is the standard deviation, the square root of the variance.",
            _around_mean(lambda d: _t(d) * statistics.variance(d) / math.sqrt(len(d)))),
        Mistake("divided by n, not by its root", "The standard error shrinks with the square root of n.",
            _around_mean(lambda d: _t(d) * statistics.stdev(d) / len(d))),
        Mistake("percentiles of the pairs",
            "That is where 95 of 100 single pairs lie, not where their mean is known to be.",
            lambda d: tuple(np.percentile(d, [2.5, 97.5]))),
        Mistake("mean and half width", "Asked are the two ends: mean minus and mean plus half the width.",
            lambda d: (statistics.fmean(d), statistics.fmean(d) - mean_interval(d)[1])),
        Mistake("the mean left out", "That is half the width to each side of 0. The interval lies around the mean.",
            lambda d: (-_t(d) * _error(d), _t(d) * _error(d))),
        Mistake("n - 1 twice", "s has n - 1 in it already; under the root stands n.",
            _around_mean(lambda d: _t(d) * statistics.stdev(d) / math.sqrt(len(d) - 1))),
        Mistake("around the median", "The interval is of the mean, and lies around it.",
            lambda d: (statistics.median(d) - _t(d) * _error(d), statistics.median(d) + _t(d) * _error(d))),
        Mistake("another level", "95 % are asked for: the quantile at 0.975.",
            *(_around_mean(lambda d, q=q: stdtrit(len(d) - 1, q) * _error(d)) for q in (0.9, 0.99, 0.995, 0.5 + 0.95 / 4))),
        Mistake("t with other degrees of freedom", "There are n - 1 of them: one is used up by the mean.",
            *(_around_mean(lambda d, k=k: stdtrit(k(d), 0.975) * _error(d)) for k in (
                lambda d: len(d) - 2, lambda d: len(d) + 1, lambda d: 9, lambda d: 2 * len(d) - 2))),
        Mistake("the level as a factor", "0.95 is how often the interval is to hold the mean. The factor is t's quantile.",
            _around_mean(lambda d: 0.95 * _error(d)), _around_mean(lambda d: 0.975 * _error(d))),
        Mistake("the variance in place of the standard error", "Both roots are missing: s / sqrt(n), not s^2 / n.",
            _around_mean(lambda d: _t(d) * statistics.variance(d) / len(d)), _around_mean(lambda d: statistics.variance(d) / len(d))),
        Mistake("t alone", "t says how many standard errors to go to each side.", _around_mean(_t)),
        Mistake("half of half the width", "t s / sqrt(n) to *each* side.", _around_mean(lambda d: _t(d) * _error(d) / 2)),
        Mistake("two slips at once", "1.96 in place of t, and a standard deviation that divides by n.",
            _around_mean(lambda d: 1.96 * statistics.pstdev(d) / math.sqrt(len(d))),
            _around_mean(lambda d: _t(d) * statistics.pstdev(d) / len(d)), _around_mean(lambda d: _t(d) * statistics.pstdev(d))),
        Mistake("smallest and largest pair",
            "The range of the pairs grows with every pair you add. The interval of the mean must shrink.",
            lambda d: (min(d), max(d))),
    ],
)  # fmt: skip


OWN_LABELS = NotTheLessons(
    "0.3", "Your own number of labels", see="The verdict", arms=("hard labels", "soft targets"),
    meaning={
        "helps": "At your number of labels the gain is still there.",
        "hurts": "At your number of labels the teacher's answers cost accuracy.",
        "same": "At your number of labels the teacher changes less than a point either way: a negative result.",
        "open": "These pairs cannot tell; the interval says how large the gain may still be, and the line above how many pairs would do.",
    },
)  # fmt: skip


def _looks(d, half=None):
    """Above 0 (1), below (-1) or neither (0) at each number of pairs (studies, pairs); the first two are 0."""
    d = np.asarray(d, dtype=float)
    n = np.arange(1, d.shape[1] + 1)
    mean = d.cumsum(axis=1) / n
    words = np.zeros(d.shape, dtype=int)
    for k in n[1:]:
        t = stdtrit(k - 1, 0.975) if half is None else half
        reach = t * d[:, :k].std(axis=1, ddof=1) / math.sqrt(k)
        words[:, k - 1] = np.where(abs(mean[:, k - 1]) > reach, np.sign(mean[:, k - 1]), 0)
    return words


def _peeked(d):
    return (_looks(d)[:, 2:] != 0).any(axis=1)


def _p_values(d):
    """Of each look from three pairs on, (studies, looks)."""
    from scipy.stats import ttest_1samp

    d = np.asarray(d)
    return np.stack([ttest_1samp(d[:, :k], 0, axis=1).pvalue for k in range(3, d.shape[1] + 1)], axis=1)


def _windows(d):
    from scipy.stats import ttest_1samp

    d = np.asarray(d)
    return np.stack(
        [ttest_1samp(d[:, k - 3 : k], 0, axis=1).pvalue for k in range(3, d.shape[1] + 1)], axis=1
    )


FALSE_ALARMS = Exercise(
    "0.4", "Adding seeds until the word changes", see="Why the number of seeds is fixed before",
    right="Each look is another chance to be wrong. The number of seeds is fixed before the run, and *open* stays *open*.",
    reference=lambda d: _peeked(d).mean(), observe=value,
    cases={
        "30 studies of up to 12 pairs": lambda: (np.random.default_rng(4).normal(size=(30, 12)),),
        "50 studies of up to 20 pairs": lambda: (np.random.default_rng(0).normal(size=(50, 20)) * 3,),
    },
    mistakes=[
        Mistake("only the last look",
            "That is the study with a plan: all pairs, one look. Here one stops at the first look that pleases.",
            lambda d: (_looks(d)[:, -1] != 0).mean()),
        Mistake("only the first look", "With three pairs alone nobody has added any.",
            lambda d: (_looks(d)[:, 2] != 0).mean()),
        Mistake("one side only", "There is no effect: *hurts* is as false as *helps*.",
            lambda d: (_looks(d)[:, 2:] > 0).any(axis=1).mean(), lambda d: (_looks(d)[:, 2:] < 0).any(axis=1).mean()),
        Mistake("the share of looks",
            "A study with one false look among many has told a false word: count studies, not looks.",
            lambda d: (_looks(d)[:, 2:] != 0).mean(), lambda d: (_looks(d) != 0).mean()),
        Mistake("from two pairs on", "The first look is at three pairs: fewer give no verdict.",
            lambda d: (_looks(d) != 0).any(axis=1).mean()),
        Mistake("1.96 at every look", "With few pairs Student's t is larger than 1.96: at three pairs it is 4.30.",
            lambda d: (_looks(d, 1.96)[:, 2:] != 0).any(axis=1).mean()),
        Mistake("studies and pairs swapped", "A row is a study; a look takes its first pairs, from left to right.",
            lambda d: _peeked(np.asarray(d).T).mean()),
        Mistake("a number, not a share", "Divide by the number of studies.",
            lambda d: _peeked(d).sum(), lambda d: 100 * _peeked(d).mean()),
        Mistake("the last look left out", "The looks go up to all pairs: range(3, pairs + 1).",
            lambda d: (_looks(d)[:, 2:-1] != 0).any(axis=1).mean()),
        Mistake("from four pairs on", "The first look is at three pairs.",
            lambda d: (_looks(d)[:, 3:] != 0).any(axis=1).mean()),
        Mistake("along the wrong axis", "A study a row: any(axis=1) asks, for each study, whether some look was false.",
            lambda d: (_looks(d)[:, 2:] != 0).any(axis=0).mean()),
        Mistake("false at every look", "One false look is enough: any, not all.",
            lambda d: (_looks(d)[:, 2:] != 0).all(axis=1).mean()),
        Mistake("the looks that told nothing", "Counted are the studies with some look at which the interval misses 0.",
            lambda d: (_looks(d)[:, 2:] == 0).any(axis=1).mean(), lambda d: (_looks(d)[:, 2:] == 0).mean()),
        Mistake("false looks a study", "A study that is false at three looks counts once.",
            lambda d: (_looks(d)[:, 2:] != 0).sum(axis=1).mean()),
        Mistake("another level", "The 95 % interval misses 0 where the two-sided p is below 0.05.",
            *(lambda d, p=p: (_p_values(d) < p).any(axis=1).mean() for p in (0.1, 0.025, 0.01))),
        Mistake("looks taken as if they were independent", "A look shares its pairs with those before: 1 - 0.95^k is too much.",
            lambda d: 1 - 0.95 ** (d.shape[1] - 2)),
        Mistake("single pairs tested", "The interval is of the mean of the pairs so far, not of a pair.",
            lambda d: (abs(np.asarray(d)) > 1.96).any(axis=1).mean(), lambda d: (abs(np.asarray(d)) > 1.96).mean()),
        Mistake("always three pairs", "A look takes all pairs from the first on, not the last three.",
            lambda d: (_windows(d) < 0.05).any(axis=1).mean(), lambda d: (_windows(d) < 0.05).mean()),
        Mistake("divided by the number of pairs", "The share is of the studies.", lambda d: _peeked(d).sum() / d.shape[1]),
        Mistake("the level itself", "5 % is what one look promises. Count what the looks together do.", lambda d: 0.05),
        Mistake("the studies that stayed open", "That is the other part of them.", lambda d: 1 - _peeked(d).mean()),
    ],
)  # fmt: skip


EXERCISES = [SOFT_LABELS, INTERVAL, OWN_LABELS, FALSE_ALARMS]
