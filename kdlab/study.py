"""Paired comparisons: the same seeds, data, order and initial weights for every arm; a verdict."""

import copy
import inspect
import math
from dataclasses import dataclass, field, replace

import torch

from kdlab import metrics
from kdlab.distill import check_match, distill

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
    from scipy import stats

    differences = np.asarray(differences, dtype=float)
    n = len(differences)
    if n == 0:
        raise ValueError("an interval needs at least one difference, got 0")
    mean = float(differences.mean())
    if n == 1:
        return mean, -math.inf, math.inf
    half = float(stats.t.ppf((1 + level) / 2, n - 1) * differences.std(ddof=1) / math.sqrt(n))
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

        rows = []
        for arm, scores in self.scores.items():
            row = {"arm": arm, self.metric: sum(scores) / len(scores) if scores else math.nan}
            if arm != self.baseline and scores:
                differences = self.differences(arm)
                row["difference"], row["from"], row["to"] = mean_interval(differences)
                row["better in"] = self._better(arm)
                row["verdict"] = self.verdict(arm)
            elif arm == self.baseline:
                row["verdict"] = "baseline"
            rows.append(row)
        table = pd.DataFrame(rows).set_index("arm").round(1)
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

    Parameters
    ----------
    claims : dict of str to (Result, str)
        What is claimed, and the study and arm that tested it.

    Returns
    -------
    pandas.DataFrame
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


def compare(
    arms,
    *,
    data,
    student,
    baseline,
    seeds=10,
    score=None,
    metric="accuracy, %",
    higher_is_better=True,
    progress=True,
    **training,
):
    """Train every arm at every seed and compare each with the baseline, pair by pair.

    Parameters
    ----------
    arms : dict of str to callable or dict of callables
        An arm takes the seed's data and returns ``(images, match)`` for
        :func:`kdlab.distill.distill`. A dict of several is a choice: at each seed the one with
        the best *validation* accuracy speaks for the arm, and only that one is tested.
    data : callable
        ``data(seed)`` gives what the arms take, with ``validation`` and ``test`` parts. It is
        called once a seed, so that all arms share it.
    student : callable
        ``student()`` gives a new student. It is called after ``torch.manual_seed(seed)``, once a
        seed; every arm starts from a copy.
    baseline : str
        The arm that the others are compared with.
    seeds : int or sequence of int
        How many, from 0, or which.
    score : callable, optional
        ``score(student, data)`` gives the number to compare; test accuracy in percent by default.
    metric : str
        Name and unit of the score.
    higher_is_better : bool
        Whether a larger score is a better one.
    progress : bool
        Show a bar with the remaining time.
    **training
        To :func:`kdlab.distill.distill`: ``steps``, ``batch_size``, ``learning_rate``.

    Returns
    -------
    Result
        On an interrupt, with the seeds that were finished (if there are any).

    Raises
    ------
    ValueError
        Before training, if there are no seeds, no candidates in an arm, or the baseline is not
        among the arms; before a seed's training, if what any of its arms matches does not fit.
        An error after the first seed carries the finished ones as its attribute ``finished``.
    """
    if hasattr(seeds, "__index__"):
        if seeds < 1:
            raise ValueError(
                f"seeds={seeds} leaves nothing to compare: give at least 1 seed, better 5 or more"
            )
        seeds = range(seeds)
    seeds = list(seeds)
    if len(seeds) == 0:
        raise ValueError(
            "seeds is empty, which leaves nothing to compare: give at least 1 seed, better 5 or more"
        )
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"{len(seeds)} seeds are given, {len(set(seeds))} of them different")
    inspect.signature(distill).bind(None, None, None, **training)  # a misspelt option ends here
    if baseline not in arms:
        raise ValueError(f"the baseline {baseline!r} is not an arm; there are {', '.join(map(repr, arms))}")
    choices = {name: arm if isinstance(arm, dict) else {name: arm} for name, arm in arms.items()}
    for name, candidates in choices.items():
        if not candidates:
            raise ValueError(f"the arm {name!r} has no candidates to choose from")
    score = score or _test_accuracy
    runs = len(seeds) * sum(map(len, choices.values()))
    result = Result(
        baseline,
        scores={name: [] for name in arms},
        metric=metric,
        chosen={name: [] for name, candidates in choices.items() if len(candidates) > 1},
        planned=len(seeds),
        training=training,
        higher_is_better=higher_is_better,
    )
    bar = _bar(runs, progress)
    try:
        for seed in seeds:
            finished = _one_seed(seed, choices, data, student, score, training, bar)
            for name, (value, choice, trained) in finished.items():
                result.scores[name].append(value)
                result.students[name] = trained
                if name in result.chosen:
                    result.chosen[name].append(choice)
    except KeyboardInterrupt:
        if result.seeds == 0:
            raise
        print(f"interrupted: {result.seeds} of {len(seeds)} seeds are finished and kept")
    except Exception as error:
        error.finished = result
        raise
    finally:
        bar.close()
    return result


def _one_seed(seed, choices, data, student, score, training, bar):
    """Train and score all arms of one seed: {arm: (score, chosen candidate, student)}."""
    shared = data(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        initial = student()
    tasks = {name: {label: arm(shared) for label, arm in c.items()} for name, c in choices.items()}
    for candidates in tasks.values():
        for images, match in candidates.values():
            check_match(initial, images, match)
    finished = {}
    for name, candidates in tasks.items():
        trained = {}
        for label, (images, match) in candidates.items():
            trained[label] = copy.deepcopy(initial)
            distill(trained[label], images, match, seed=seed, **training)
            bar.update()
        best = next(iter(trained))
        if len(trained) > 1:
            best = max(trained, key=lambda label: _accuracy(trained[label], shared.validation))
        value = float(score(trained[best], shared))
        if not math.isfinite(value):
            raise ValueError(f"the score of {name!r} at seed {seed} is {value}: it must be finite")
        finished[name] = (value, best, trained[best])
    return finished


def _accuracy(student, part):
    return metrics.accuracy(metrics.predict(student, part.images), part.labels)


def _test_accuracy(student, data):
    return _accuracy(student, data.test)


def _bar(runs, progress):
    from tqdm.auto import tqdm

    return tqdm(total=runs, desc="training students", unit="student", disable=not progress, leave=False)
