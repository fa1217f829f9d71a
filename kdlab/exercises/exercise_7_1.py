"""Exercise 7.1: the time of one pass, by a clock that the check winds itself."""

import statistics

from kdlab.exercises.core import Exercise, Mistake, value


def _case(first, later, warm_up, runs):
    """``call`` and ``clock`` of a network whose calls cost ``first``, then ``later`` round and round."""

    def make():
        state = {"now": 100.0, "calls": 0}

        def call():
            n = state["calls"]
            state["now"] += first[n] if n < len(first) else later[(n - len(first)) % len(later)]
            state["calls"] += 1

        return call, lambda: state["now"], warm_up, runs

    return make


def _times(call, clock, runs):
    times = []
    for _ in range(runs):
        start = clock()
        call()
        times.append(1e3 * (clock() - start))
    return times


def _latency(call, clock, warm_up, runs, *, skip=True, count=False, middle=statistics.median, factor=1.0):
    if skip:
        for _ in range(warm_up):
            call()
    return factor * middle(_times(call, clock, runs + warm_up * count))


def _variant(**options):
    return lambda *arguments: _latency(*arguments, **options)


def _mean(times):
    return sum(times) / len(times)


EXERCISE = Exercise(
    id="7.1",
    title="Time one pass",
    reference=_latency,
    observe=value,
    cases={
        "a network whose first four calls are slow": _case(
            [0.06, 0.04, 0.03, 0.03], [0.0021, 0.0019, 0.002, 0.0022, 0.012], 4, 6
        ),
        "one whose first ten are": _case([0.05] * 10, [0.0015, 0.002, 0.0021, 0.03], 10, 13),
    },
    mistakes=[
        Mistake(
            "timing without warm-up",
            (
                _variant(skip=False),
                _variant(skip=False, count=True),
                _variant(skip=False, middle=_mean),
                _variant(skip=False, count=True, middle=_mean),
            ),
            "The first calls set up memory and choose routines. They are slow, and are made only once in a program's life.",
        ),
        Mistake(
            "mean in place of median",
            (_variant(middle=_mean),),
            "One pass that the system interrupted moves the mean, and hardly the median. (A loop timed as a whole gives the mean too.)",
        ),
        Mistake(
            "the fastest run in place of the median",
            (_variant(middle=min),),
            "The minimum says what luck allows, not what a user gets.",
        ),
        Mistake(
            "the sum of all runs",
            (_variant(middle=sum),),
            "One pass is asked for, not all of them together.",
        ),
        Mistake(
            "seconds in place of milliseconds",
            (_variant(factor=1e-3),),
            "The clock counts seconds. Multiply by 1000.",
        ),
    ],
    right="Warm-up left out, every run by itself, the median over runs.",
    see="Measuring honestly",
)
