"""The exercise on equal tuning, and the mistakes that are made in it."""

from functools import partial
from statistics import median

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


def _mean(scores, which=1):
    return sum(pair[which] for pair in scores) / len(scores)


def _one_side(mine, other, which):
    return max(mine[: len(other)])[which]


def _with(new, old, choose, report=lambda pair: pair[1]):
    n = min(len(new), len(old))
    return report(choose(new[:n])) - report(choose(old[:n]))


def _last(new, old):
    n = min(len(new), len(old))
    return new[-n:], old[-n:]


def _largest_lead(new, old):
    return max(zip(new, old), key=lambda pair: pair[0][0] - pair[1][0])


# Drawn so that each mistake below gives another number in one of the cases at least.
CASES = {
    "five settings against four": (
        [(85.5, 86.4), (84.3, 85.1), (80.1, 87.3), (85.4, 85.2), (87.9, 81.7)],
        [(82.9, 82.2), (85.2, 87.3), (87.6, 84.0), (87.8, 83.7)],
    ),
    "three settings against five": (
        [(85.3, 84.3), (87.5, 85.7), (86.5, 80.1)],
        [(83.4, 87.0), (85.5, 82.5), (85.7, 86.3), (87.3, 82.8), (83.0, 84.4)],
    ),
    "six settings against three": (
        [(86.1, 86.4), (83.4, 81.4), (79.0, 85.0), (83.2, 85.8), (82.4, 85.9), (81.5, 86.2)],
        [(85.6, 82.7), (83.8, 85.1), (80.7, 84.0)],
    ),
}


EQUAL_TUNING = Exercise(
    "5.4", "Equal tuning", see="Equal tuning effort",
    right="Each side had as many chances, and none of them saw the test set.",
    reference=_gain, observe=value,
    cases={name: lambda lists=lists: tuple(map(list, lists)) for name, lists in CASES.items()},
    mistakes=[
        Mistake("unequal number of candidates",
            "The best of many is higher by luck than the best of few. Give both the same number.",
            partial(_gain, equal=False),
            lambda new, old: _gain(new[: len(old)], old, equal=False), lambda new, old: _gain(new, old[: len(new)], equal=False)),
        Mistake("the last candidates of the longer list",
            "As many on both sides, but another choice than was asked for: the first ones, in the order of trying.",
            lambda new, old: _gain(*_last(new, old))),
        Mistake("sorted before cutting", "Sorting changes which candidates come first. Cut in the order of trying.",
            lambda new, old: _gain(sorted(new), sorted(old)), lambda new, old: _gain(*(sorted(x, key=lambda p: p[1]) for x in (new, old)))),
        Mistake("a fixed number of candidates", "How many there are is told by the lists: min(len(new), len(old)).",
            *(lambda new, old, n=n: _gain(new[:n], old[:n], equal=False) for n in (2, 3))),
        Mistake("one candidate too few", "The shorter list counts in full: new[:n] has n entries.",
            lambda new, old: (n := min(len(new), len(old)) - 1) and _gain(new[:n], old[:n]),
            lambda new, old: (n := min(len(new), len(old))) and _gain(new[1:n], old[1:n])),
        Mistake("the worst chosen", "The largest validation accuracy is the best: max.",
            lambda new, old: _with(new, old, min), lambda new, old: min(new)[1] - min(old)[1]),
        Mistake("best on test", "The settings were chosen on the scores that are reported. Choose on validation.",
            partial(_gain, by=1), partial(_gain, by=1, equal=False)),
        Mistake("validation scores reported",
            "The chosen setting's validation score is too good: it was chosen for it. Report its test score.",
            partial(_gain, report=0), partial(_gain, report=0, equal=False)),
        Mistake("validation of one, test of the other", "Both sides report the test score of what was chosen.",
            lambda new, old: _one_side(new, old, 1) - _one_side(old, new, 0), lambda new, old: _one_side(new, old, 0) - _one_side(old, new, 1)),
        Mistake("validation and test mixed", "Validation chooses, and test reports. They are never added.",
            lambda new, old: _with(new, old, max, report=sum), lambda new, old: _with(new, old, max, report=sum) / 2,
            lambda new, old: _with(new, old, partial(max, key=sum)), lambda new, old: _with(new, old, partial(max, key=sum), report=sum)),
        Mistake("one setting for both",
            "Each side chooses its own best setting: the numbers of the settings do not correspond.",
            lambda new, old: _same_setting(new, old, 1), lambda new, old: _same_setting(old, new, -1),
            lambda new, old: max(a[1] - b[1] for a, b in zip(new, old)), lambda new, old: (lead := _largest_lead(new, old)) and lead[0][1] - lead[1][1]),
        Mistake("the other one minus this", "A gain is new minus old.",
            lambda new, old: -_gain(new, old), lambda new, old: -_gain(new, old, equal=False)),
        Mistake("without its sign", "A loss is a gain below 0, and must be told.", lambda new, old: abs(_gain(new, old))),
        Mistake("divided", "The gain is a difference, in points.",
            lambda new, old: _gain(new, old) / _one_side(old, new, 1), lambda new, old: 100 * _gain(new, old) / _one_side(old, new, 1),
            lambda new, old: _one_side(new, old, 1) / _one_side(old, new, 1)),
        Mistake("one side alone", "A gain has two sides: take the old loss's score away.",
            lambda new, old: _one_side(new, old, 1), lambda new, old: (_one_side(new, old, 1), _one_side(old, new, 1)),
            lambda new, old: max(new)[1]),
        Mistake("the old loss not tuned", "The old loss may choose its best setting, too.",
            lambda new, old: _one_side(new, old, 1) - old[0][1], lambda new, old: max(new)[1] - old[0][1],
            lambda new, old: _one_side(new, old, 1) - _mean(old)),
        Mistake("means over all candidates",
            "That compares grids, not losses: a grid with a bad corner loses. Choose first.",
            lambda new, old: _mean(new) - _mean(old),
            lambda new, old: (n := min(len(new), len(old))) and _mean(new[:n]) - _mean(old[:n]),
            lambda new, old: (n := min(len(new), len(old))) and _mean(new[:n], 0) - _mean(old[:n], 0),
            lambda new, old: _mean(new, 0) - _mean(old, 0),
            lambda new, old: median(t for _, t in new) - median(t for _, t in old),
            lambda new, old: (n := min(len(new), len(old))) and median(t for _, t in new[:n]) - median(t for _, t in old[:n])),
        Mistake("nothing chosen",
            "One place in the list speaks for each side. Choose the best on validation.",
            lambda new, old: new[0][1] - old[0][1], lambda new, old: new[-1][1] - old[-1][1],
            lambda new, old: (n := min(len(new), len(old))) and new[n - 1][1] - old[n - 1][1]),
    ],
)  # fmt: skip
