"""Exercise 2.5: choosing a temperature, and what may be reported."""

from kdlab.exercises.core import Exercise, Mistake, value

# On validation T = 2 is best, on test T = 8, on the mean of both T = 4.
_small = {2: (93.0, 88.0), 4: (92.0, 90.5), 8: (87.0, 91.0)}
_large = {1: (60.0, 71.0), 2: (71.0, 75.0), 5: (75.0, 69.0), 10: (72.0, 76.5), 20: (70.0, 74.0)}


def _scores(table):
    return lambda: ({T: {"validation": v, "test": t} for T, (v, t) in table.items()},)


def _choose(key, report="test"):
    def code(scores):
        best = max(scores, key=lambda T: key(scores[T]))
        return best, scores[best][report]

    return code


def _validation(s):
    return s["validation"]


def _test(s):
    return s["test"]


EXERCISE = Exercise(
    id="2.5",
    title="Choose, then report",
    reference=_choose(_validation),
    observe=value,
    cases={"temperatures 2, 4 and 8": _scores(_small), "five temperatures": _scores(_large)},
    mistakes=[
        Mistake(
            "test set used to choose",
            (
                _choose(_test),
                _choose(lambda s: s["validation"] + s["test"]),
                _choose(_test, "validation"),
                lambda scores: (_choose(_validation)(scores)[0], max(s["test"] for s in scores.values())),
            ),
            "The test scores had a say in what is reported. The best of several test scores is too good: "
            "part of it is luck that will not come again.",
        ),
        Mistake(
            "validation score reported",
            (_choose(_validation, "validation"),),
            "The choice is right. But the validation score of the winner was the largest of several, so it is "
            "too high; the test score had no part in the choice.",
        ),
        Mistake(
            "accuracy and temperature swapped",
            (lambda scores: _choose(_validation)(scores)[::-1],),
            "The temperature comes first, then the accuracy.",
        ),
        Mistake(
            "the accuracy left out",
            (lambda scores: _choose(_validation)(scores)[0],),
            "The temperature is right; return the accuracy to report as well.",
        ),
        Mistake(
            "the worst chosen",
            (_choose(lambda s: -s["validation"]),),
            "Accuracy is better when larger.",
        ),
        Mistake(
            "the largest temperature chosen",
            (lambda scores: (max(scores), scores[max(scores)]["test"]),),
            "max over a dict compares its keys, the temperatures.",
        ),
    ],
    right="Validation chooses, the test set is read once, for what was chosen.",
    see="When it does not help",
)
