"""Whether a study that is handed in is the learner's: not one of the lesson's under another name."""

import sys
from itertools import combinations

from kdlab.exercises.core import WRONG, Diagnosis, Experiment
from kdlab.factorial import effects, where
from kdlab.results import load_results
from kdlab.verdicts import Result


class OwnStudy(Experiment):
    """An experiment whose second arm the lesson has not run."""

    shipped = ""  # the lesson's file of results
    run_here = ()  # the arms that the lesson trains

    def lessons(self):
        """(Result, arm) of all that the lesson has shown, shipped or trained in this notebook."""
        for study in load_results(self.shipped).results.values():
            for result in self.views(study):
                yield from ((result, arm) for arm in result.scores if arm != result.baseline)
        for result in list(vars(sys.modules["__main__"]).values()):
            if isinstance(result, Result):
                yield from ((result, arm) for arm in self.run_here if arm in result.scores)

    def views(self, study):
        """The shipped study as it may be handed in."""
        return [study]

    def _faults(self, result):
        yield from super()._faults(result)
        mine = result.differences(self.arms[1])
        if not any(mine):
            yield (
                "both arms alike",
                "all differences are 0: both arms were trained alike. Give the second what sets it apart.",
            )
            return
        for other, arm in self.lessons():
            theirs = other.differences(arm)[: len(mine)]
            if len(theirs) == len(mine) and all(abs(a - b) < 1e-9 for a, b in zip(mine, theirs)):
                text = f"its differences are those of {arm!r} in the lesson, one by one. Train an arm of your own."
                yield "the lesson's own study", text


class NotTheLessons(Experiment):
    """An experiment with the lesson's arms, and not its numbers: the answer also holds the lesson's results."""

    def diagnose(self, answer):
        """``answer`` is ``(result, verdict)`` or ``(result, verdict, the lesson's results)``."""
        mine, lessons = answer, ()
        if isinstance(answer, tuple | list) and len(answer) == 3:
            *mine, lessons = answer
        result, arm = mine[0] if isinstance(mine, tuple | list) and mine else mine, self.arms[1]
        taught = getattr(result, "scores", {}).get(arm)
        for other in lessons:
            pairs = [] if taught is None else list(zip(taught, other.scores[arm], strict=False))
            if pairs and all(a == b for a, b in pairs):
                text = f"{self.id} wrong: these are the lesson's own numbers; change what the exercise lets you choose, and run it."
                return Diagnosis(WRONG, "the lesson's own study", f"{text}\n  See: {self.see!r}, above.")
        return super().diagnose(mine)


class OwnFactor(OwnStudy):
    """One that is handed in as its effects."""

    def views(self, study):
        """Its effects where labels are on, of all factors and of each two of them."""
        inside = where(study, "hard labels")
        factors = {factor for arm in inside.scores for factor in arm.split(" + ")} - {"hard labels"}
        for some in [factors, *combinations(factors, 2)]:
            on = {"hard labels", *some}
            scores = {arm: s for arm, s in inside.scores.items() if set(arm.split(" + ")) <= on}
            if len(some) > 1 and len(scores) == 2 ** len(some):
                yield effects(Result(inside.baseline, scores, margin=inside.margin))
