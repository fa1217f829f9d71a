"""Exercise 7.2: a speed-up under equal conditions."""

from kdlab.exercises.core import Exercise, Mistake, value

_FIRST = {
    ("teacher", 1, 1): 12.0, ("teacher", 2, 1): 8.0, ("teacher", 1, 64): 240.0, ("teacher", 2, 64): 130.0,
    ("student", 1, 1): 1.5, ("student", 2, 1): 1.25, ("student", 1, 64): 16.0, ("student", 2, 64): 9.0,
}  # fmt: skip
# Here a second thread costs more than it brings, as it does for tiny networks.
_SECOND = {
    ("teacher", 1, 1): 5.0, ("teacher", 2, 1): 4.0, ("teacher", 1, 64): 90.0, ("teacher", 2, 64): 50.0,
    ("student", 1, 1): 0.5, ("student", 2, 1): 0.9, ("student", 1, 64): 7.0, ("student", 2, 64): 6.0,
}  # fmt: skip


def _ratio(measured, *, teacher=(1, 1), student=(1, 1)):
    return measured["teacher", *teacher] / measured["student", *student]


def _variant(**options):
    return lambda measured: _ratio(measured, **options)


def _each_at_its_best(measured):
    best = {name: min(measured[name, threads, 1] for threads in (1, 2)) for name in ("teacher", "student")}
    return best["teacher"] / best["student"]


EXERCISE = Exercise(
    id="7.2",
    title="How many times faster",
    reference=_ratio,
    observe=value,
    cases={"times of two networks": lambda: (dict(_FIRST),), "times of two others": lambda: (dict(_SECOND),)},
    mistakes=[
        Mistake(
            "comparing on other threads",
            (_variant(teacher=(2, 1)), _variant(student=(2, 1)), _each_at_its_best),
            "One network had one thread, the other two. A part of that difference is the second thread's.",
        ),
        Mistake(
            "comparing at other batch sizes",
            (
                _variant(student=(1, 64)),
                _variant(teacher=(1, 64)),
                lambda m: m["teacher", 1, 1] / (m["student", 1, 64] / 64),
                lambda m: m["teacher", 1, 64] / 64 / m["student", 1, 1],
            ),
            "In a batch the fixed cost of a call is shared by its images. Both must be asked about one image.",
        ),
        Mistake(
            "two threads for both",
            (_variant(teacher=(2, 1), student=(2, 1)),),
            "Equal, but not what was asked for: one thread, one image.",
        ),
        Mistake(
            "the batch of 64 for both",
            (_variant(teacher=(1, 64), student=(1, 64)),),
            "That is throughput. Asked for is how long one image waits.",
        ),
        Mistake(
            "the ratio upside down",
            (lambda m: 1 / _ratio(m),),
            "The slower time belongs above: 8 times faster means that the teacher takes 8 times as long.",
        ),
        Mistake(
            "a difference in place of a ratio",
            (lambda m: m["teacher", 1, 1] - m["student", 1, 1],),
            "Milliseconds saved depend on the machine; the ratio carries over better.",
        ),
    ],
    right="Equal threads, equal batch: what is left belongs to the networks.",
    see="Work is not time",
)
