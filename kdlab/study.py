"""Paired comparisons: the same seeds, data, order and initial weights for every arm; a verdict."""

import copy
import inspect
import math
import operator
import random
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from kdlab import metrics
from kdlab.distill import check_terms, distill
from kdlab.estimates import LEVEL, Estimate, mean_interval, seeds_needed, verdict
from kdlab.progress_bar import progress_bar
from kdlab.stacked import distill_stacked
from kdlab.verdicts import Result, difference_of_gains, what_held
from kdlab.workers import each, how_many

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
    margin=None, progress=True, workers=None, stacked=False, **training,
):  # fmt: skip
    """Train every arm at every seed and compare each with the baseline, pair by pair.

    What torch, NumPy and ``random`` draw in ``data``, arms and ``score`` follows from the seed. So seeds need
    not be trained one after the other, and several processes find the same numbers, bit for bit.

    Parameters
    ----------
    arms : dict of str to callable or dict of callables
        An arm takes the seed's data and returns ``(inputs, terms)`` for
        :func:`kdlab.distill.distill`. A dict of several is a choice: at each seed the one with
        the best *validation* accuracy speaks for the arm, and only that one is tested. A third part,
        ``{"weight_decay": 0.1}`` for example, is training of its own.
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
    workers : int, optional
        Over how many processes to spread the seeds. By default as many as there are cores and free memory
        for; one where a process cannot be copied: not on Linux, where there is a GPU, or where
        ``torch.get_num_threads()`` is above 1, since those threads already use the cores. Asked for, they
        are started anew there: that takes seconds, and half a gigabyte each. What ``data``, arms or
        ``score`` keep from one seed to the next (a list they fill, a generator of their own) stays in
        their process: say ``workers=1`` where it matters.
    stacked : bool
        Train all arms of a seed at once (:func:`kdlab.stacked.distill_stacked`): for students of a few
        hundred weights, and for what can be stacked.
    **training
        To :func:`kdlab.distill.distill`: ``steps``, ``batch_size``, ``learning_rate``, ``weight_decay``.

    Returns
    -------
    Result
        With the students of the last seed. On an interrupt, of the seeds that were finished, if there are
        any: its ``seed_list`` says which.

    Raises
    ------
    ValueError
        Before training, if seeds, candidates, workers, the baseline or a margin are missing; before a
        seed's training, if what any of its arms matches does not fit. An error notes its seed, and carries
        the finished ones as its attribute ``finished``.
    RuntimeError
        If the process of a seed was killed.
    """
    seeds = _seeds(seeds)
    inspect.signature(distill).bind(None, None, None, **training)  # a misspelt option ends here
    if baseline not in arms:
        raise ValueError(f"the baseline {baseline!r} is not an arm; there are {', '.join(map(repr, arms))}")
    choices = {name: arm if isinstance(arm, dict) else {name: arm} for name, arm in arms.items()}
    for name, candidates in choices.items():
        if not candidates:
            raise ValueError(f"the arm {name!r} has no candidates to choose from")
    workers = how_many(len(seeds)) if workers is None else operator.index(workers)
    if workers < 1:
        raise ValueError(f"at least 1 worker is needed, got {workers}")
    runs = len(seeds) * sum(map(len, choices.values()))
    chosen = {name: [] for name, candidates in choices.items() if len(candidates) > 1}
    empty = Result(
        baseline, {name: [] for name in arms}, metric, chosen, planned=len(seeds), training=training,
        higher_is_better=higher_is_better, margin=margin,
    )  # fmt: skip
    train = partial(
        _one_seed, choices=choices, data=data, student=student, score=score or _test_accuracy,
        training=training, as_weights=workers > 1, stacked=stacked,
    )  # fmt: skip
    finished, students = {}, {}
    bar = progress_bar(total=runs, what="training students", unit="student", shown=progress)
    try:
        with closing(each(train, seeds, workers=workers, heard=bar.update, what="seed")) as pairs:
            for place, (scores, trained) in pairs:
                finished[place] = scores
                if place == max(finished):
                    students = trained
    except KeyboardInterrupt:
        if not finished:
            raise
        print(f"interrupted: {len(finished)} of {len(seeds)} seeds are finished and kept")
    except Exception as error:
        error.finished = _gathered(empty, finished, seeds, students, student)
        raise
    finally:
        bar.close()
    return _gathered(empty, finished, seeds, students, student)


def _gathered(empty, finished, seeds, students, student):
    """The result of the finished seeds, in order, with the students of the last."""
    result = replace(empty, seed_list=[seeds[place] for place in sorted(finished)])
    for place in sorted(finished):
        for name, (value, choice) in finished[place].items():
            result.scores[name].append(value)
            if name in result.chosen:
                result.chosen[name].append(choice)
    for name, trained in students.items():
        if not isinstance(trained, torch.nn.Module):
            with _draws_from(result.seed_list[-1]):
                weights, trained = trained, student().eval()
            trained.load_state_dict(weights)
        result.students[name] = trained
    return result


@contextmanager
def _draws_from(seed):
    """What torch, NumPy and ``random`` draw within follows from the seed; the caller's states stay."""
    states = np.random.get_state(), random.getstate()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(states[0])
            random.setstate(states[1])


def _one_seed(seed, tell, **how):
    """Train and score all arms of one seed: {arm: (score, chosen candidate)}, and {arm: student}."""
    try:
        with _draws_from(seed):
            return _trained_and_scored(seed, tell, **how)
    except Exception as error:
        error.add_note(f"at seed {seed}")
        raise


def _trained_and_scored(seed, tell, *, choices, data, student, score, training, as_weights, stacked):
    torch.manual_seed(~seed)  # apart from what the student's weights are drawn from
    shared = data(seed)
    torch.manual_seed(seed)
    initial = student()
    tasks = {name: {label: arm(shared) for label, arm in c.items()} for name, c in choices.items()}
    for candidates in tasks.values():
        for inputs, terms, *_ in candidates.values():
            check_terms(initial, inputs, terms)
    train = _at_once if stacked else _in_turn
    of_arms = train(initial, tasks, tell, seed=seed, **training)
    scores, students = {}, {}
    for name, trained in of_arms.items():
        best = next(iter(trained))
        if len(trained) > 1:
            best = max(trained, key=lambda label: _accuracy(trained[label], shared.validation))
        students[name] = trained[best].state_dict() if as_weights else trained[best]
        value = float(score(trained[best], shared))
        if not math.isfinite(value):
            raise ValueError(f"the score of {name!r} at seed {seed} is {value}: it must be finite")
        scores[name] = (value, best)
    return scores, students


def _in_turn(initial, tasks, tell, *, seed, **training):
    """The students of each arm and candidate, trained one after the other."""
    trained = {name: {} for name in tasks}
    for name, candidates in tasks.items():
        for label, (inputs, terms, *options) in candidates.items():
            trained[name][label] = copy.deepcopy(initial)
            # A projector trains, too: its own for each student, also where arms and seeds share a term.
            projectors = copy.deepcopy([term.projector for term in terms])
            own = [replace(term, projector=projector) for term, projector in zip(terms, projectors)]
            distill(trained[name][label], inputs, own, seed=seed, **{**training, **dict(*options)})
            tell()
    return trained


def _at_once(initial, tasks, tell, *, seed, weight_decay=0.0, **training):
    trained = {name: {label: copy.deepcopy(initial) for label in c} for name, c in tasks.items()}
    flat = [task for candidates in tasks.values() for task in candidates.values()]
    flat = [(inputs, terms, {"weight_decay": weight_decay, **dict(*own)}) for inputs, terms, *own in flat]
    students = [student for candidates in trained.values() for student in candidates.values()]
    distill_stacked(students, flat, seed=seed, **training)
    for _ in students:
        tell()
    return trained


def _seeds(seeds):
    seeds = [*range(seeds)] if hasattr(seeds, "__index__") else [*map(operator.index, seeds)]
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
