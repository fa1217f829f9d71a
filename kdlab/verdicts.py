"""Scores of a study, the verdicts that follow from them, and what becomes of a lesson's claims."""

import math
from dataclasses import dataclass, field, replace

from kdlab.estimates import GAIN, LEVEL, TREND, Estimate, decimals, holm, in_unit

MANY = 3  # comparisons in a study; where there are more, Holm's correction is shown
ACCURACY_MARGIN = 1.0  # points
LOWER = ", lower is better"
NO_EFFECT = "no effect"  # a baseline whose scores are 0: the other arms' are differences already


@dataclass
class Result:
    """Scores of each arm, a list in the order of the seeds, and what follows from them.

    ``margin`` is the smallest difference that matters, in the metric's units, stated before the run: 1
    point of accuracy by default, and of any other metric it must be given. ``words`` has, by arm, words in
    place of helps and hurts. ValueError if the margin is missing or not above 0.
    """

    baseline: str
    scores: dict
    metric: str = "accuracy, %"
    chosen: dict = field(default_factory=dict)
    planned: int = 0
    students: dict = field(default_factory=dict, repr=False)
    training: dict = field(default_factory=dict)
    higher_is_better: bool = True
    margin: float | None = None
    seed_list: list = field(default_factory=list)
    words: dict = field(default_factory=dict)

    def __post_init__(self):
        if self.margin is None:
            if not ("accuracy" in self.metric and self.unit == "points"):
                raise ValueError(
                    f"the metric {self.metric!r} needs a margin, the smallest difference that matters; "
                    f"only accuracy in % has one by default ({ACCURACY_MARGIN:g})"
                )
            self.margin = ACCURACY_MARGIN
        if not 0 < self.margin < math.inf:
            raise ValueError(f"the margin must be above 0 and finite, got {self.margin}")

    @property
    def seeds(self):
        """Number of seeds that all arms finished."""
        return len(self.scores[self.baseline])

    @property
    def unit(self):
        """The unit of a difference, from the metric's name: points, where that ends in "%"."""
        _, _, unit = self.metric.rpartition(", ")
        return "points" if unit.startswith("%") else unit if unit != self.metric else ""

    @property
    def gain(self):
        """The sign of a difference that is a gain."""
        return 1 if self.higher_is_better else -1

    def differences(self, arm):
        """Paired differences of ``arm`` to the baseline, one a seed, in the metric's units."""
        if arm not in self.scores:
            raise ValueError(f"no arm is called {arm!r}; there are {', '.join(self.scores)}")
        return [a - b for a, b in zip(self.scores[arm], self.scores[self.baseline])]

    def estimate(self, arm):
        """This arm against the baseline, as an :class:`kdlab.estimates.Estimate`."""
        return Estimate.of(
            self.differences(arm), margin=self.margin, unit=self.unit, gain=self.gain,
            words=self.words.get(arm, GAIN), against=self.level(self.baseline),
        )  # fmt: skip

    def verdict(self, arm):
        """*helps*, *hurts*, *same* or *open*: this arm against the baseline."""
        return self.estimate(arm).word

    def level(self, arm):
        """An arm with its mean score, as "hard labels, 75.3 %"."""
        mean = sum(self.scores[arm]) / self.seeds
        unit = self.metric.rpartition(", ")[2] if self.unit else ""
        return f"{arm}, {mean:.{decimals(self.margin)}f} {unit}".rstrip()

    def step(self):
        """What scores move by at least, where that is more than the margin; else 0.

        A score on few examples moves in steps, and ties are then no evidence of sameness.
        """
        values = sorted({score for scores in self.scores.values() for score in scores})
        gaps = [b - a for a, b in zip(values, values[1:])]
        step = min(gaps, default=0.0)
        whole = all(abs(gap / step - round(gap / step)) < 1e-3 for gap in gaps) if step else False
        return step if whole and len(gaps) > 1 and step > self.margin else 0.0

    def _better(self, arm):
        """In how many pairs the arm was better, in words."""
        differences = self.differences(arm)
        return f"{sum(self.gain * d > 0 for d in differences)} of {len(differences)}"

    def against(self, baseline):
        """The same scores compared with another arm."""
        if baseline not in self.scores:
            raise ValueError(f"no arm is called {baseline!r}; there are {', '.join(self.scores)}")
        return replace(self, baseline=baseline)

    def sentence(self, arm):
        """The verdict with the mean paired difference, its interval and the sign count."""
        ties = sum(d == 0 for d in self.differences(arm))
        tied = f", {ties} tied" if ties else ""
        count = "positive" if arm in self.words else "better"
        return f"{arm}: " + self.estimate(arm).told(f", {count} in {self._better(arm)} seeds{tied}")

    def after_holm(self):
        """By arm, its word if it survives Holm's correction for the number of comparisons, else *open*."""
        arms = [arm for arm in self.scores if arm != self.baseline]
        return dict(zip(arms, _words_after_holm([self.estimate(arm) for arm in arms])))

    def table(self):
        """One row an arm: mean score, mean paired difference, interval, sign count, verdict.

        With more than three comparisons also the words that survive Holm's correction for them.
        """
        import pandas as pd

        rows = {}
        for arm, scores in self.scores.items():
            mean = sum(scores) / len(scores) if scores else math.nan
            row = rows[arm] = {self.metric: round(mean, decimals(self.margin))}
            if arm == self.baseline:
                row["verdict"] = "baseline"
            elif scores:
                estimate = self.estimate(arm)
                row |= zip(("difference", "from", "to"), map(float, estimate.numbers()))
                row |= {"better in": self._better(arm), "verdict": estimate.word}
        if self.seeds and len(rows) > MANY + 1:
            for arm, word in self.after_holm().items():
                rows[arm]["after Holm"] = word
        table = pd.DataFrame([*rows.values()], index=pd.Index(rows, name="arm"))
        return table.astype(object).where(table.notna(), "")

    def __str__(self):
        head = f"{self.metric}; {self.seeds} paired seeds; baseline: {self.baseline}"
        lines = [f"{head}; margin: {in_unit(self.margin, self.unit)}"]
        if self.seeds < self.planned:
            lines.append(f"interrupted: {self.seeds} of {self.planned} seeds are finished and kept")
        if self.seeds:
            lines += [self.sentence(arm) for arm in self.scores if arm != self.baseline]
        if step := self.step():
            lines.append(f"coarse: scores move in steps of {in_unit(step, self.unit)}, more than the margin")
        return "\n".join(lines)


def difference_of_gains(after, before, *, words=TREND, margin=None):
    """How much larger a gain is in one setting than in another, with the word for it.

    That a gain was shown in one setting and not in another says nothing about their difference. This
    does. It is paired where both studies ran the same seeds, and Welch's otherwise (Welch 1947).

    Parameters
    ----------
    after, before : (Result, arm)
        The gain of the arm over its study's baseline, taken as better where larger, whichever way the
        metric goes. The gain of ``before`` is subtracted.
    words : pair of str
        For a difference above 0 and below.
    margin : float, optional
        By default that of the two studies.

    Raises
    ------
    ValueError
        If the two differ in metric, in which way is better, or in a margin that is not given.
    """
    a, b = after[0], before[0]
    for what, pair in {
        "metrics": (a.metric, b.metric),
        "directions": (a.higher_is_better, b.higher_is_better),
        "margins": (margin or a.margin, margin or b.margin),
    }.items():
        if pair[0] != pair[1]:
            raise ValueError(f"gains of two {what} cannot be subtracted: {pair[0]!r} and {pair[1]!r}")
    one, two = (_gains(*gain) for gain in (after, before))
    less = Estimate.of([*two.values()], margin=a.margin)
    about = {
        "margin": margin or a.margin, "unit": a.unit, "words": words,
        "against": f"{before[1]}, a gain of {less.numbers()[0]}",
    }  # fmt: skip
    if one.keys() == two.keys():
        return Estimate.of([one[seed] - two[seed] for seed in one], **about)
    more = Estimate.of([*one.values()], margin=a.margin)
    pairs = min(more.pairs, less.pairs)
    se, df = math.hypot(more.se, less.se), 0
    if 0 < se < math.inf:
        df = se**4 / sum(e.se**4 / e.df for e in (more, less) if e.se)
    return Estimate(more.mean - less.mean, se, df, pairs, **about)


def _gains(result, arm):
    """By seed, what the arm gains."""
    seeds = result.seed_list or range(result.seeds)
    return dict(zip(seeds, (result.gain * d for d in result.differences(arm))))


def answered(claims):
    """By claim, its estimate and what becomes of it: *held*, *refuted*, *same* or *open*.

    ``claims`` maps what is claimed to (Result, arm): the study and the arm that tested it; or to an
    :class:`kdlab.estimates.Estimate`, as of :func:`difference_of_gains`. What is claimed is that the arm
    *helps*; where it is another word, that stands last: (Result, arm, "same"), (estimate, "shrinks").
    """
    return {claim: _answer(claim, given) for claim, given in claims.items()}


def _answer(claim, given):
    given = given if isinstance(given, tuple) else (given,)
    if isinstance(given[0], Result):
        result, arm, *said = given
        estimate = result.estimate(arm)
    else:
        estimate, *said = given
    expected = said[0] if said else estimate.words[0]
    if expected not in (*estimate.words, "same"):
        known = ", ".join([*estimate.words, "same"])
        raise ValueError(f"{claim!r} claims {expected!r}; what can be claimed of it: {known}")
    if expected == "same" and estimate.small():
        return estimate, "held"  # a difference smaller than the margin is the same, shown or not
    if estimate.word in ("open", "same"):
        return estimate, estimate.word
    return estimate, "held" if estimate.word == expected else "refuted"


def what_held(claims):
    """A lesson's last table: each claim, whether it held, and the difference that answers it.

    ``claims`` as for :func:`answered`.
    """
    import pandas as pd

    rows = {}
    for claim, (estimate, answer) in answered(claims).items():
        mean, low, high = estimate.numbers()
        rows[claim] = {
            "answer": answer,
            "difference": mean,
            "95 % interval": f"{low} to {high}",
            "margin": in_unit(estimate.margin, estimate.unit) + LOWER * (estimate.gain < 0),
            "pairs": estimate.pairs,
            "compared with": estimate.against,
        }
    return pd.DataFrame(rows).T


def _words_after_holm(estimates):
    different = holm([estimate.p_difference for estimate in estimates])
    alike = holm([estimate.p_same for estimate in estimates])
    kept = []
    for estimate, p_difference, p_same in zip(estimates, different, alike):
        p = p_same if estimate.word == "same" else p_difference
        kept.append(estimate.word if p <= 1 - LEVEL else "open")
    return kept
