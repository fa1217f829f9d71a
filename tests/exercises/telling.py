"""What the tests of all lessons' exercises ask of an answer."""

from kdlab.exercises import RIGHT, all_exercises
from kdlab.exercises.core import WRONG

ALL = all_exercises()


def assert_told(id, answer, name):
    """The answer is wrong, and told by this name."""
    outcome = ALL[id].diagnose(answer)
    assert (outcome.status, outcome.name) == (WRONG, name), outcome.text


def assert_right(id, answer):
    """The answer passes, without a remark."""
    outcome = ALL[id].diagnose(answer)
    assert (outcome.status, outcome.name) == (RIGHT, ""), outcome.text
