"""Exercise 5.4: a comparison after equal tuning."""

from kdlab.exercises.core import Exercise, Mistake, value


def _best(scores, by=0):
    return max(scores, key=lambda pair: pair[by])


def _gain(new, old, *, by=0, report=1, equal=True):
    n = min(len(new), len(old)) if equal else None
    return _best(new[:n], by)[report] - _best(old[:n], by)[report]


def _same_setting(lead, follow, sign):
    n = min(len(lead), len(follow))
    i = max(range(n), key=lambda k: lead[k][0])
    return sign * (lead[i][1] - follow[i][1])


def _mean(scores):
    return sum(test for _, test in scores) / len(scores)


def _case(turn):
    new = [(80.1, 81.0), (84.0, 82.5), (83.0, 86.0), (79.0, 88.5), (86.5, 83.8)]
    old = [(82.2, 84.0), (81.0, 83.1), (80.4, 84.9)]
    return lambda: (new, old) if not turn else (old[:2], [(81.1, 80.3), (82.7, 82.1), (84.8, 87.2)])


EXERCISE = Exercise(
    id="5.4",
    title="Equal tuning",
    reference=_gain,
    observe=value,
    cases={"five settings against three": _case(False), "two settings against three": _case(True)},
    mistakes=[
        Mistake(
            "unequal number of candidates",
            (lambda new, old: _gain(new, old, equal=False),),
            "The best of many is higher by luck than the best of few. Give both the same number.",
        ),
        Mistake(
            "best on test",
            (lambda new, old: _gain(new, old, by=1), lambda new, old: _gain(new, old, by=1, equal=False)),
            "The settings were chosen on the scores that are reported. Choose on validation.",
        ),
        Mistake(
            "validation scores reported",
            (
                lambda new, old: _gain(new, old, report=0),
                lambda new, old: _gain(new, old, report=0, equal=False),
            ),
            "The chosen setting's validation score is too good: it was chosen for it. Report its test score.",
        ),
        Mistake(
            "one setting for both",
            (
                lambda new, old: _same_setting(new, old, 1),
                lambda new, old: _same_setting(old, new, -1),
            ),
            "Each side chooses its own best setting: the numbers of the settings do not correspond.",
        ),
        Mistake(
            "the other one minus this",
            (lambda new, old: -_gain(new, old), lambda new, old: -_gain(new, old, equal=False)),
            "A gain is new minus old.",
        ),
        Mistake(
            "means over all candidates",
            (
                lambda new, old: _mean(new) - _mean(old),
                lambda new, old: (n := min(len(new), len(old))) and _mean(new[:n]) - _mean(old[:n]),
            ),
            "That compares grids, not losses: a grid with a bad corner loses. Choose first.",
        ),
        Mistake(
            "the first candidates, nothing chosen",
            (lambda new, old: new[0][1] - old[0][1],),
            "The first setting speaks for each side. Choose the best on validation.",
        ),
    ],
    right="Each side had as many chances, and none of them saw the test set.",
    see="Equal tuning effort",
)
