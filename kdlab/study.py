"""Paired comparisons: the same seeds, data, order and initial weights for every arm; a verdict."""

import copy
import inspect
import math

import torch

from kdlab import metrics
from kdlab.distill import check_terms, distill
from kdlab.estimates import LEVEL, Estimate, mean_interval, seeds_needed, verdict
from kdlab.progress_bar import progress_bar
from kdlab.verdicts import Result, difference_of_gains, what_held

__all__ = [
    "LEVEL",
    "Estimate",
    "Result",
    "compare",
    "difference_of_gains",
    "mean_interval",
    "seeds_needed",
    "verdict",
    "what_held",
]


def compare(
    arms, *, data, student, baseline, seeds=10, score=None, metric="accuracy, %", higher_is_better=True,
    margin=None, progress=True, **training,
):  # fmt: skip
    """Train every arm at every seed and compare each with the baseline, pair by pair.

    Parameters
    ----------
    arms : dict of str to callable or dict of callables
        An arm takes the seed's data and returns ``(inputs, terms)`` for
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
        Name and unit of the score, with a comma between.
    margin : float, optional
        The smallest difference that matters, in the metric's units. 1 point of accuracy by default; a study
        of anything else must state its own, before it runs.
    higher_is_better, progress : bool
        Whether a larger score is a better one; whether to show a bar with the remaining time.
    **training
        To :func:`kdlab.distill.distill`: ``steps``, ``batch_size``, ``learning_rate``.

    Returns
    -------
    Result
        On an interrupt, with the seeds that were finished (if there are any).

    Raises
    ------
    ValueError
        Before training, if seeds, candidates, the baseline or a margin are missing; before a seed's
        training, if what any of its arms matches does not fit. An error after the first seed carries the
        finished ones as its attribute ``finished``.
    """
    seeds = _seeds(seeds)
    inspect.signature(distill).bind(None, None, None, **training)  # a misspelt option ends here
    if baseline not in arms:
        raise ValueError(f"the baseline {baseline!r} is not an arm; there are {', '.join(map(repr, arms))}")
    choices = {name: arm if isinstance(arm, dict) else {name: arm} for name, arm in arms.items()}
    for name, candidates in choices.items():
        if not candidates:
            raise ValueError(f"the arm {name!r} has no candidates to choose from")
    score = score or _test_accuracy
    runs = len(seeds) * sum(map(len, choices.values()))
    chosen = {name: [] for name, candidates in choices.items() if len(candidates) > 1}
    result = Result(
        baseline, {name: [] for name in arms}, metric, chosen, planned=len(seeds), training=training,
        higher_is_better=higher_is_better, margin=margin,
    )  # fmt: skip
    bar = progress_bar(total=runs, what="training students", unit="student", shown=progress)
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
        for inputs, terms in candidates.values():
            check_terms(initial, inputs, terms)
    finished = {}
    for name, candidates in tasks.items():
        trained = {}
        for label, (inputs, terms) in candidates.items():
            trained[label] = copy.deepcopy(initial)
            distill(trained[label], inputs, terms, seed=seed, **training)
            bar.update()
        best = next(iter(trained))
        if len(trained) > 1:
            best = max(trained, key=lambda label: _accuracy(trained[label], shared.validation))
        value = float(score(trained[best], shared))
        if not math.isfinite(value):
            raise ValueError(f"the score of {name!r} at seed {seed} is {value}: it must be finite")
        finished[name] = (value, best, trained[best])
    return finished


def _seeds(seeds):
    seeds = [*range(seeds)] if hasattr(seeds, "__index__") else [*seeds]
    if not seeds:
        raise ValueError("no seeds leave nothing to compare: give at least 1 seed, better 5 or more")
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"{len(seeds)} seeds are given, {len(set(seeds))} of them different")
    return seeds


def _accuracy(student, part):
    inputs = part.inputs if hasattr(part, "inputs") else part.images
    return metrics.accuracy(metrics.predict(student, inputs), part.labels)


def _test_accuracy(student, data):
    return _accuracy(student, data.test)
