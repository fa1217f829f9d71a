"""Intervals of paired differences, the words that follow from them, and the results of a study."""

import math
from dataclasses import dataclass, field, replace

LEVEL = 0.95


def verdict(low, high):
    """*helps*, *hurts* or *not shown*, from a 95 % interval of the mean paired difference."""
    if low > 0:
        return "helps"
    if high < 0:
        return "hurts"
    return "not shown"


def mean_interval(differences, *, level=LEVEL):
    """Mean of paired differences and its interval by Student's t: (mean, low, high).

    The interval is of the mean, not the spread of the seeds. A single difference has no
    interval: it reaches from minus to plus infinity.
    """
    import numpy as np
    from scipy.special import stdtrit

    differences = np.asarray(differences, dtype=float)
    n = len(differences)
    if n == 0:
        raise ValueError("an interval needs at least one difference, got 0")
    mean = float(differences.mean())
    if n == 1:
        return mean, -math.inf, math.inf
    # Student's t as scipy.stats has it, whose import takes over a second.
    half = float(stdtrit(n - 1, (1 + level) / 2) * differences.std(ddof=1) / math.sqrt(n))
    return mean, mean - half, mean + half


@dataclass
class Result:
    """Scores of each arm, a list in the order of the seeds, and what follows from them."""

    baseline: str
    scores: dict
    metric: str = "accuracy, %"
    chosen: dict = field(default_factory=dict)
    planned: int = 0
    students: dict = field(default_factory=dict, repr=False)
    training: dict = field(default_factory=dict)
    higher_is_better: bool = True

    @property
    def seeds(self):
        """Number of seeds that all arms finished."""
        return len(self.scores[self.baseline])

    def differences(self, arm):
        """Paired differences of ``arm`` to the baseline, one a seed, in the metric's units."""
        if arm not in self.scores:
            raise ValueError(f"no arm is called {arm!r}; there are {', '.join(self.scores)}")
        return [a - b for a, b in zip(self.scores[arm], self.scores[self.baseline])]

    def verdict(self, arm):
        """*helps*, *hurts* or *not shown*: this arm against the baseline."""
        _, low, high = mean_interval(self.differences(arm))
        return verdict(low, high) if self.higher_is_better else verdict(-high, -low)

    def _better(self, arm):
        """In how many pairs the arm was better, in words."""
        sign = 1 if self.higher_is_better else -1
        differences = self.differences(arm)
        return f"{sum(sign * d > 0 for d in differences)} of {len(differences)}"

    def against(self, baseline):
        """The same scores compared with another arm."""
        if baseline not in self.scores:
            raise ValueError(f"no arm is called {baseline!r}; there are {', '.join(self.scores)}")
        return replace(self, baseline=baseline)

    def sentence(self, arm):
        """The verdict with the mean paired difference, its interval and the sign count."""
        differences = self.differences(arm)
        mean, low, high = mean_interval(differences)
        ties = sum(d == 0 for d in differences)
        tied = f", {ties} tied" if ties else ""
        return (
            f"{arm}: {self.verdict(arm)} ({mean:+.1f}, 95 % interval {low:+.1f} to {high:+.1f}, "
            f"better in {self._better(arm)} seeds{tied})"
        )

    def table(self):
        """One row an arm: mean score, mean paired difference, interval, sign count, verdict."""
        import pandas as pd

        rows = {}
        for arm, scores in self.scores.items():
            row = rows[arm] = {self.metric: sum(scores) / len(scores) if scores else math.nan}
            if arm == self.baseline:
                row["verdict"] = "baseline"
            elif scores:
                row |= zip(("difference", "from", "to"), mean_interval(self.differences(arm)))
                row |= {"better in": self._better(arm), "verdict": self.verdict(arm)}
        table = pd.DataFrame([*rows.values()], index=pd.Index(rows, name="arm")).round(1)
        return table.astype(object).where(table.notna(), "")

    def __str__(self):
        lines = [f"{self.metric}; {self.seeds} paired seeds; baseline: {self.baseline}"]
        if self.seeds < self.planned:
            lines.append(f"interrupted: {self.seeds} of {self.planned} seeds are finished and kept")
        if self.seeds:
            lines += [self.sentence(arm) for arm in self.scores if arm != self.baseline]
        return "\n".join(lines)


def what_held(claims):
    """A lesson's last table: each claim with the verdict, difference and interval that answer it.

    ``claims`` maps what is claimed to (Result, arm): the study and the arm that tested it.
    """
    import pandas as pd

    rows = {}
    for claim, (result, arm) in claims.items():
        mean, low, high = mean_interval(result.differences(arm))
        rows[claim] = {
            "verdict": result.verdict(arm),
            "difference": f"{mean:+.1f}",
            "95 % interval": f"{low:+.1f} to {high:+.1f}",
            "seeds": result.seeds,
            "compared with": result.baseline,
        }
    return pd.DataFrame(rows).T
