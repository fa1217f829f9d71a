"""Lesson 07: time, bits and pruning."""

import itertools
import math
import statistics
from functools import partial

import torch

from kdlab.exercises.bits_and_units import EIGHT_BITS, PRUNING
from kdlab.exercises.core import Exercise, Experiment, Mistake, value


def _call_and_clock(first, later, warm_up, runs):
    """``call`` and ``clock`` of a network whose calls cost ``first``, then ``later`` round and round."""
    costs = itertools.chain(first, itertools.cycle(later))
    now = 100.0

    def call():
        nonlocal now
        now += next(costs)

    return call, lambda: now, warm_up, runs


def _times(call, clock, runs):
    times = []
    for _ in range(runs):
        start = clock()
        call()
        times.append(1e3 * (clock() - start))
    return times


def _quantile(share, times):
    return torch.tensor(times, dtype=torch.float64).quantile(share).item()


def _pair(one, other, call, clock, warm_up, runs):
    """Both of the same runs: the clock goes on, so they are timed once and played again."""
    for _ in range(warm_up):
        call()
    costs = iter(2 * [t / 1e3 for t in _times(call, clock, runs)])
    again = _call_and_clock(costs, [0.0], 0, runs)
    return one(*again), other(*again)


def _latency(call, clock, warm_up, runs, *, skip=True, count=0, middle=statistics.median, factor=1.0):
    if skip:
        for _ in range(warm_up):
            call()
    return factor * middle(_times(call, clock, runs + warm_up * count))


LATENCY = Exercise(
    "7.1", "Time one pass", see="Measuring honestly",
    right="Warm-up left out, every run by itself, the median over runs.",
    reference=_latency, observe=value,
    cases={
        "a network whose first four calls are slow": partial(
            _call_and_clock, [0.06, 0.04, 0.03, 0.03],
            [0.00226, 0.00195, 0.012, 0.00211, 0.00203, 0.00216, 0.00228], 4, 7),
        "one whose first ten are": partial(
            _call_and_clock, [0.05] * 10, [0.00187, 0.00258, 0.00249, 0.00135, 0.00269], 10, 13),
    },
    mistakes=[
        Mistake("timing without warm-up",
            "The first calls set up memory and choose routines. They are slow, and are made only once in a program's life.",
            partial(_latency, skip=False), partial(_latency, skip=False, count=1),
            partial(_latency, skip=False, middle=statistics.fmean),
            partial(_latency, skip=False, count=1, middle=statistics.fmean)),
        Mistake("warm-up taken out of the runs", "The warm-up comes on top: all `runs` calls after it are timed.",
            partial(_latency, count=-1)),
        Mistake("mean in place of median",
            "One pass that the system interrupted moves the mean, and hardly the median. (A loop timed as a whole gives the mean too.)",
            partial(_latency, middle=statistics.fmean)),
        Mistake("another mean in place of the median", "Cut ends or logarithms help a mean. The median needs neither.",
            partial(_latency, middle=statistics.geometric_mean),
            *[partial(_latency, middle=lambda t, k=k: statistics.fmean(sorted(t)[k:-k])) for k in (1, 2)],
            partial(_latency, middle=lambda t: statistics.fmean(sorted(t)[:-1]))),
        Mistake("median and spread returned", "One number is asked for: the median.",
            partial(_pair, _latency, partial(_latency, middle=lambda t: _quantile(0.75, t) - _quantile(0.25, t))),
            partial(_pair, _latency, partial(_latency, middle=lambda t: (q := statistics.quantiles(t))[2] - q[0]))),
        Mistake("calls per second", "That is throughput. Asked for is the time of one call.",
            lambda *a: 1000 / _latency(*a), lambda *a: 1 / _latency(*a)),
        Mistake("the fastest run in place of the median", "The minimum says what luck allows, not what a user gets.",
            partial(_latency, middle=min)),
        Mistake("the sum of all runs", "One pass is asked for, not all of them together.",
            partial(_latency, middle=sum)),
        Mistake("seconds in place of milliseconds", "The clock counts seconds. Multiply by 1000.",
            partial(_latency, factor=1e-3)),
        Mistake("microseconds in place of milliseconds", "A second has 1000 milliseconds.",
            partial(_latency, factor=1e3)),
        Mistake("the slowest run in place of the median", "The maximum is the machine's worst moment, not the network's time.",
            partial(_latency, middle=max)),
        Mistake("a high quantile in place of the median", "How long slow calls take is another question. Asked for is the middle.",
            *[partial(_latency, middle=partial(_quantile, share)) for share in (0.75, 0.9, 0.95, 0.99)],
            partial(_latency, middle=lambda t: statistics.quantiles(t, n=4)[2])),
        Mistake("the spread in place of the middle", "The interquartile range says how far to trust the median. Return the median.",
            partial(_latency, middle=lambda t: _quantile(0.75, t) - _quantile(0.25, t)), partial(_latency, middle=statistics.stdev)),
        Mistake("the middle without sorting", "The median is the middle of the sorted times.",
            partial(_latency, middle=lambda t: t[len(t) // 2])),
        Mistake("a single run", "All `runs` calls are timed, and the median is taken over them.",
            partial(_latency, middle=lambda t: t[-1]), partial(_latency, middle=lambda t: t[0])),
        Mistake("all times returned", "One number is asked for: their median.", partial(_latency, middle=torch.tensor)),
        Mistake("one warm-up call", "Make `warm_up` calls that do not count: this network needs more than one.",
            lambda call, clock, warm_up, runs: _latency(call, clock, 1, runs)),
        Mistake("the clock read once for all runs", "Read the clock before each call, or a time holds all calls before it.",
            partial(_latency, middle=lambda t: statistics.median(itertools.accumulate(t)))),
        Mistake("the clock read the wrong way round", "End minus start: a time is not negative.", partial(_latency, factor=-1.0)),
        Mistake("rounded", "Do not round: whole milliseconds hide what differs between networks.",
            lambda *a: round(_latency(*a)), lambda *a: round(_latency(*a), 1)),
    ],
)  # fmt: skip


_FIRST = {
    ("teacher", 1, 1): 12.0, ("teacher", 2, 1): 8.0, ("teacher", 1, 64): 240.0, ("teacher", 2, 64): 130.0,
    ("student", 1, 1): 1.5, ("student", 2, 1): 1.25, ("student", 1, 64): 16.0, ("student", 2, 64): 9.0,
}  # fmt: skip
# Here a second thread costs more than it brings, as it does for tiny networks.
_SECOND = {
    ("teacher", 1, 1): 5.0, ("teacher", 2, 1): 4.0, ("teacher", 1, 64): 90.0, ("teacher", 2, 64): 50.0,
    ("student", 1, 1): 0.4, ("student", 2, 1): 0.9, ("student", 1, 64): 7.0, ("student", 2, 64): 6.0,
}  # fmt: skip


def _ratio(measured, *, teacher=(1, 1), student=(1, 1)):
    return measured["teacher", *teacher] / measured["student", *student]


def _of(measured, name):
    return [time for key, time in measured.items() if key[0] == name]


def _each_at_its_best(measured):
    best = {name: min(measured[name, threads, 1] for threads in (1, 2)) for name in ("teacher", "student")}
    return best["teacher"] / best["student"]


SPEED_UP = Exercise(
    "7.2", "How many times faster", see="Work is not time",
    right="Equal threads, equal batch: what is left belongs to the networks.",
    reference=_ratio, observe=value,
    cases={"times of two networks": lambda: (dict(_FIRST),), "times of two others": lambda: (dict(_SECOND),)},
    mistakes=[
        Mistake("comparing on other threads",
            "One network had one thread, the other two. A part of that difference is the second thread's.",
            partial(_ratio, teacher=(2, 1)), partial(_ratio, student=(2, 1)), _each_at_its_best,
            lambda m: min(_of(m, "teacher")) / min(_of(m, "student"))),
        Mistake("other threads and another batch", "The two entries must agree in threads and batch.",
            *[partial(_ratio, teacher=t, student=s) for t, s in itertools.permutations([(1, 1), (2, 64)], 2)],
            *[partial(_ratio, teacher=t, student=s) for t, s in itertools.permutations([(2, 1), (1, 64)], 2)],
            *[partial(_ratio, teacher=t, student=s) for one in ((2, 1), (1, 64)) for t, s in itertools.permutations([one, (2, 64)], 2)]),
        Mistake("everything taken together", "Threads and batch are mixed. Asked for is one image on one thread.",
            lambda m: sum(_of(m, "teacher")) / sum(_of(m, "student")),
            lambda m: statistics.fmean(t / s for t, s in zip(_of(m, "teacher"), _of(m, "student"))),
            lambda m: statistics.median(_of(m, "teacher")) / statistics.median(_of(m, "student"))),
        Mistake("rounded", "Do not round: return the ratio as it is.", lambda m: round(_ratio(m)), lambda m: int(_ratio(m))),
        Mistake("comparing at other batch sizes",
            "In a batch the fixed cost of a call is shared by its images. Both must be asked about one image.",
            partial(_ratio, student=(1, 64)), partial(_ratio, teacher=(1, 64)),
            lambda m: m["teacher", 1, 1] / (m["student", 1, 64] / 64),
            lambda m: m["teacher", 1, 64] / 64 / m["student", 1, 1]),
        Mistake("two threads for both", "Equal, but not what was asked for: one thread, one image.",
            partial(_ratio, teacher=(2, 1), student=(2, 1))),
        Mistake("the batch of 64 for both", "That is throughput. Asked for is how long one image waits.",
            partial(_ratio, teacher=(1, 64), student=(1, 64))),
        Mistake("a logarithm", "How many times faster is the plain ratio.",
            *[lambda m, log=log: log(_ratio(m)) for log in (math.log, math.log2, math.log10)]),
        Mistake("the entry of the example", "Two threads and 64 images: asked for is one image on one thread.",
            partial(_ratio, teacher=(2, 64), student=(2, 64))),
        Mistake("the share saved in place of a ratio", "How many times faster is one time over the other.",
            lambda m: 1 - 1 / _ratio(m), lambda m: 100 * (1 - 1 / _ratio(m)), lambda m: _ratio(m) - 1,
            lambda m: 100 * (_ratio(m) - 1)),
        Mistake("the ratio upside down",
            "The slower time belongs above: 8 times faster means that the teacher takes 8 times as long.",
            lambda m: 1 / _ratio(m), lambda m: 100 / _ratio(m)),
        Mistake("a difference in place of a ratio",
            "Milliseconds saved depend on the machine; the ratio carries over better.",
            lambda m: m["teacher", 1, 1] - m["student", 1, 1], lambda m: m["student", 1, 1] - m["teacher", 1, 1]),
    ],
)  # fmt: skip


FEWER_BITS = Experiment(
    "7.5", "Fewer bits", see="The experiment: do they add up?", arms=("hard labels", "soft targets"),
    meaning={
        "helps": "With your bits the taught student is still ahead. Whether by more or less than in float32, a second study with the plain score would say.",
        "hurts": "With your bits the taught student answers worse: what the teacher gave was lost, and more. Try one bit more.",
        "same": "With your bits the two students are level, to within the margin.",
        "open": "These pairs cannot tell. Coarse weights add their own luck to each student, so that more seeds are needed.",
    },
)  # fmt: skip


EXERCISES = [LATENCY, SPEED_UP, EIGHT_BITS, PRUNING, FEWER_BITS]
