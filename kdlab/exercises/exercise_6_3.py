"""Exercise 6.3: choosing a teacher."""

import torch

from kdlab.exercises.core import Exercise, Mistake, value

# Rows are seeds, columns teachers. Its own accuracy, single seeds, the mean over seeds and the
# test scores each point to another teacher.
_three = (
    [97.0, 99.0, 96.0, 98.0],
    [[80.0, 70.0, 92.0, 76.0], [84.0, 78.0, 70.0, 80.0], [82.0, 77.0, 72.0, 81.0]],
    [[76.0, 71.0, 73.0, 79.0], [78.0, 74.0, 70.0, 82.0], [80.0, 75.0, 71.0, 84.0]],
)
_five = (
    [90.0, 95.0, 93.0],
    [[60.0, 62.0, 68.0], [64.0, 61.0, 63.0], [59.0, 75.0, 66.0], [61.0, 58.0, 65.0], [62.0, 60.0, 64.0]],
    [[66.0, 61.0, 64.0], [67.0, 60.0, 62.0], [68.0, 64.0, 65.0], [66.0, 59.0, 63.0], [69.0, 62.0, 61.0]],
)


def _case(table):
    return lambda: tuple(map(torch.tensor, table))


def _choose(pick, report=lambda validation, test, best: test[:, best].mean()):
    def code(own, validation, test):
        best = int(pick(own, validation, test))
        return best, report(validation, test, best)

    return code


def _validation(own, validation, test):
    return validation.mean(dim=0).argmax()


def _test(own, validation, test):
    return test.mean(dim=0).argmax()


def _each_seed(validation, test, best):
    return test[torch.arange(len(test)), validation.argmax(dim=1)].mean()


EXERCISE = Exercise(
    id="6.3",
    title="Choose the teacher",
    reference=_choose(_validation),
    observe=value,
    cases={"three seeds and four teachers": _case(_three), "five seeds and three teachers": _case(_five)},
    mistakes=[
        Mistake(
            "the best teacher in place of the best student",
            (_choose(lambda own, validation, test: own.argmax()),),
            "You took the teacher with the highest accuracy of its own. What counts is how well its student does.",
        ),
        Mistake(
            "test set used to choose",
            (
                _choose(_test),
                _choose(lambda own, validation, test: (validation + test).mean(dim=0).argmax()),
                _choose(_test, lambda validation, test, best: validation[:, best].mean()),
                lambda own, validation, test: (int(_validation(own, validation, test)), test.mean(dim=0).max()),
            ),
            "The test scores had a say in what is reported. The best of several test scores is too good: "
            "part of it is luck that will not come again.",
        ),
        Mistake(
            "validation score reported",
            (_choose(_validation, lambda validation, test, best: validation[:, best].mean()),),
            "The choice is right. But the winner's validation score was the largest of several, so it is too high.",
        ),
        Mistake(
            "one lucky seed decides",
            (
                _choose(lambda own, validation, test: validation.max(dim=0).values.argmax()),
                _choose(lambda own, validation, test: validation.flatten().argmax() % validation.shape[1],
                        lambda validation, test, best: test.max(dim=0).values[best]),
            ),
            "You looked for the highest single score. Take each teacher's mean over the seeds.",
        ),
        Mistake(
            "another teacher at each seed",
            (_choose(_validation, _each_seed),),
            "The score mixes several teachers, one a seed. You deploy one: report its own mean.",
        ),
        Mistake(
            "mean over the teachers",
            (
                lambda own, validation, test: (
                    (best := int(validation.mean(dim=1).argmax())), test.mean(dim=1)[best]
                ),
            ),
            "Rows are seeds. A mean over each row says which seed was easy, not which teacher is good.",
        ),
    ],
    right="The student's validation score chooses its teacher; the test set is read once.",
    see="Which size, and for how long?",
)  # fmt: skip
