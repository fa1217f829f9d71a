"""Exercise 0.3 asks for a study of the learner's own."""

from types import SimpleNamespace

import pytest

from kdlab.exercises import RIGHT, all_exercises
from kdlab.study import Result

EXERCISE = all_exercises()["0.3"]


def study(shift=0.0, seeds=10):
    labels = [60.0 + 3 * k for k in range(seeds)]
    taught = [score + 5 + k % 3 + shift for k, score in enumerate(labels)]
    return Result("hard labels", {"hard labels": labels, "soft targets": taught})


FEW, FULL = study(), study(-9.0)


@pytest.mark.parametrize("copied", [FEW, FULL, study(seeds=3)])
def test_the_lessons_own_study_is_refused(copied):
    for said in ("helps", "hurts", "open"):
        assert EXERCISE.diagnose((copied, said, [FEW, FULL])).name == "the lesson's own study"


def test_a_study_of_ones_own_passes_with_its_word():
    mine = study(1.0)
    assert EXERCISE.diagnose((mine, "helps", [FEW, FULL])).status == RIGHT
    assert EXERCISE.diagnose((mine, "helps")).status == RIGHT
    assert (
        EXERCISE.diagnose((mine, "hurts", [FEW, FULL])).name
        == "the verdict does not follow from the interval"
    )


def test_what_is_no_study_is_told():
    assert EXERCISE.diagnose((SimpleNamespace(), "helps", [FEW])).name == "no study"
