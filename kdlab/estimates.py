"""What follows from paired differences: an interval, and a word: helps, hurts, same or open.

A margin, the smallest difference that matters, is stated before the run. It turns a small study's "nothing
was shown" into two different answers: *same* says that any difference is smaller than the margin, *open* that
the study cannot tell.
"""

import math
from dataclasses import dataclass

LEVEL = 0.95
FEWEST = 3  # pairs, for a word
MANY = 3  # comparisons in a study, above which Holm's correction is shown
GAIN = ("helps", "hurts")
TREND = ("grows", "shrinks")
SUM = ("more than the sum", "less than the sum")


def verdict(low, high, *, margin, words=GAIN):
    """The word for an interval of the mean paired difference.

    The first of ``words`` where the interval lies above 0, the second where it lies below. *same* where it
    holds 0 and lies within plus or minus ``margin``: two one-sided tests (Schuirmann 1987), here at 2.5 %
    each. *open* otherwise: the study is too small to tell.
    """
    if low > 0:
        return words[0]
    if high < 0:
        return words[1]
    return "same" if -margin <= low and high <= margin else "open"


@dataclass(frozen=True)
class Estimate:
    """A mean difference, what it may be wrong by, and the word for it.

    ``se`` is the standard error of ``mean`` and ``df`` its degrees of freedom; ``unit`` and ``margin`` are
    those of the metric. ``gain`` is the sign of a difference that is a gain: -1 where lower is better.
    """

    mean: float
    se: float
    df: float
    pairs: int
    margin: float
    unit: str = ""
    words: tuple = GAIN
    gain: int = 1
    against: str = ""

    @classmethod
    def of(cls, differences, **about):
        """The estimate from paired differences; ValueError if there is none."""
        import numpy as np

        differences = np.asarray(differences, dtype=float)
        n = len(differences)
        if n == 0:
            raise ValueError("an interval needs at least one difference, got 0")
        mean = float(differences.mean())
        if n == 1:
            return cls(mean, math.inf, 0, 1, **about)
        alike = np.ptp(differences) <= 1e-9 * max(1.0, abs(mean))
        return cls(mean, 0.0 if alike else float(differences.std(ddof=1)) / math.sqrt(n), n - 1, n, **about)

    @classmethod
    def of_interval(cls, mean, low, high, pairs, **about):
        """The estimate behind a printed 95 % interval of ``pairs`` paired differences, 2 or more.

        As exact as the decimals printed. Of a difference between two studies it is close: that has fewer
        degrees of freedom than ``pairs`` says, or more.
        """
        if pairs < 2 or not low <= mean <= high:
            got = f"{pairs} and {low} <= {mean} <= {high}"
            raise ValueError(f"an interval needs at least 2 pairs and its mean inside, got {got}")
        half = (high - low) / 2
        return cls(mean, half / _t((1 + LEVEL) / 2, pairs - 1), pairs - 1, pairs, **about)

    def interval(self, level=LEVEL):
        """Its lower and upper end, by Student's t; of the *mean*, not of single differences."""
        if self.df == 0:
            return -math.inf, math.inf
        half = _t((1 + level) / 2, self.df) * self.se
        return self.mean - half, self.mean + half

    @property
    def lacking(self):
        """Why there can be no word; empty where there can be one."""
        if self.pairs < FEWEST:
            return f"{self.pairs} pair{'s' * (self.pairs > 1)}: a verdict needs at least {FEWEST}"
        if self.se == 0:
            return f"the same in all {self.pairs} pairs: an interval of no width is no certainty"
        return ""

    @property
    def word(self):
        """The verdict."""
        if self.lacking:
            return "open"
        return verdict(*self._gains(*self.interval()), margin=self.margin, words=self.words)

    def _gains(self, low, high):
        return (low, high) if self.gain > 0 else (-high, -low)

    @property
    def p_difference(self):
        """Of no difference: two-sided, by Student's t; 1 where there can be no word."""
        return 1.0 if self.lacking else 2 * _tail(abs(self.mean) / self.se, self.df)

    @property
    def p_same(self):
        """Of a difference as large as the margin: twice the larger of two one-sided tests.

        Twice, so that it is below 5 % where the *95 %* interval lies within the margin.
        """
        if self.lacking:
            return 1.0
        return min(1.0, 2 * _tail((self.margin - abs(self.mean)) / self.se, self.df))

    @property
    def needed(self):
        """How many pairs would do for a word, if mean and spread stay what they are."""
        width = max(abs(self.mean), self.margin - abs(self.mean))
        return seeds_needed(self.se * math.sqrt(self.pairs), width)

    def numbers(self):
        """Mean, lower and upper end as text, with as many decimals as the margin has and the word needs."""
        low, high = self.interval()
        places = next(p for p in range(decimals(self.margin), 16) if p == 15 or self._told(low, high, p))
        return [f"{round(value, places) + 0.0:+.{places}f}" for value in (self.mean, low, high)]

    def _told(self, low, high, places):
        ends = [round(end, places) for end in (low, high)]
        words = {verdict(*self._gains(*pair), margin=self.margin) for pair in (ends, (low, high))}
        return len(words) == 1 and all(bool(a) == bool(b) for a, b in zip(ends, (low, high)))

    def small(self):
        """ ", by less than 1.0" or ", within 1.0": how the interval lies to the margin; empty if beyond."""
        inside = all(abs(end) <= self.margin for end in self.interval())
        if self.lacking or not inside:
            return ""
        return f", {'within' if self.word == 'same' else 'by less than'} {float(self.margin)}"

    def __str__(self):
        return self.told()

    def told(self, more=""):
        """The word, the numbers behind it, ``more`` about the pairs, and what would settle an open one."""
        mean, low, high = self.numbers()
        unit = f" {self.unit}" * bool(self.unit)
        if self.lacking:
            return f"open ({mean}{unit}; {self.lacking})"
        settle = f"; about {self.needed} pairs would do" * (self.word == "open")
        interval = f"95 % interval {low} to {high}"
        return f"{self.word}{self.small()} ({mean}{unit}, {interval}{more}{settle})"


def mean_interval(differences, *, level=LEVEL):
    """Mean of paired differences and its interval by Student's t: (mean, low, high).

    A single difference has no interval: it reaches from minus to plus infinity.
    """
    estimate = Estimate.of(differences, margin=0)
    return estimate.mean, *estimate.interval(level)


def seeds_needed(spread, width, *, level=LEVEL):
    r"""Fewest pairs whose interval reaches no further than ``width`` from its mean.

    .. math:: n = (t_{n - 1} \, s / w)^2

    With the margin as width, an interval around 0 lies within the margin. With half of it there is a word
    whatever the mean: an interval that holds 0 then lies within the margin.

    Parameters
    ----------
    spread : float or sequence of float
        Standard deviation of the paired differences, or differences of a first study.
    width : float
        Half the wanted width of the interval, in the metric's units.

    Returns
    -------
    int
        3 or more.
    """
    if not 0 < width < math.inf:
        raise ValueError(f"the width of an interval must be above 0 and finite, got {width}")
    if hasattr(spread, "__len__"):
        if len(spread) < 2:
            raise ValueError(f"a spread needs at least 2 differences, got {len(spread)}")
        estimate = Estimate.of(spread, margin=0)
        spread = estimate.se * math.sqrt(estimate.pairs)
    if not 0 <= spread < math.inf:
        raise ValueError(f"the spread must be 0 or more and finite, got {spread}")
    ratio = (spread / width) ** 2
    n = max(FEWEST, math.floor(_t((1 + level) / 2, math.inf) ** 2 * ratio))
    while n < _t((1 + level) / 2, n - 1) ** 2 * ratio:
        n += 1
    return n


def holm(p_values):
    """Holm's step-down correction: p values, adjusted for their number (Holm 1979).

    The smallest is multiplied by their number, the next by one less, and so on; none falls below one
    before it. With those up to 5 % rejected, any false rejection at all comes in at most 5 % of studies.
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def decimals(margin):
    """How many are printed of what is compared with a margin: at least one."""
    return min(15, max(1, math.ceil(-math.log10(margin)))) if margin else 1


def in_unit(value, unit):
    """A value with its unit, as "1 point" or "0.5 points"."""
    return f"{value:g} {'point' if unit == 'points' and value == 1 else unit}".rstrip()


def _t(quantile, df):
    from scipy import special

    return float(special.ndtri(quantile) if df == math.inf else special.stdtrit(df, quantile))


def _tail(t, df):
    """The share of Student's distribution above ``t``."""
    from scipy import special

    return float(special.stdtr(df, -t))
