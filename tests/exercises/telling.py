"""What the tests of all lessons' exercises ask of an answer."""

from kdlab.exercises import RIGHT, all_exercises
from kdlab.exercises.core import NOT_YET, WRONG

ALL = all_exercises()


def assert_told(id, answer, name):
    """The answer is wrong, and told by this name."""
    outcome = ALL[id].diagnose(answer)
    assert (outcome.status, outcome.name) == (WRONG, name), outcome.text


def assert_right(id, answer):
    """The answer passes, without a remark."""
    outcome = ALL[id].diagnose(answer)
    assert (outcome.status, outcome.name) == (RIGHT, ""), outcome.text


def assert_own_study(id, study, scores, word, others):
    """``study(scores, baseline)`` passes with its word; what makes it another study is told by name.

    ``scores`` are of the baseline and the arm, in this order; ``others`` are results by the name of what
    is wrong with each.
    """
    (baseline, mine), (arm, theirs) = scores.items()
    exercise, another = ALL[id], "same" if word != "same" else "helps"
    assert exercise.diagnose((study(scores), word)).status == RIGHT
    unfit = exercise.diagnose((study(scores), another))
    assert unfit.name == "the verdict does not follow from the interval"
    assert exercise.diagnose((..., ...)).status == NOT_YET
    told = {
        "too few seeds": study({baseline: mine[:2], arm: theirs[:2]}),
        "an arm is missing": study({baseline: mine, "something else": theirs}),
        "another baseline": study(scores, arm),
        "both arms alike": study({baseline: mine, arm: mine}),
        **others,
    }
    for name, result in told.items():
        outcome = exercise.diagnose((result, word))
        assert (outcome.status, outcome.name) == (WRONG, name)
