"""Exercises in which the learner chooses: each wrong choice has its reason, and the verdict behind it."""

from dataclasses import dataclass
from types import SimpleNamespace

from kdlab.checked.stored import find
from kdlab.exercises.core import NOT_YET, RIGHT, WRONG, Diagnosis


@dataclass(frozen=True)
class Case:
    """The right letter, and for every letter why it is right or wrong and the verdicts that say so.

    ``why`` is a dict of str to (text, (lesson, claim), ...).
    """

    right: str
    why: dict

    def reason(self, letter):
        """The text, and each verdict in a line of its own."""
        says, *pointers = self.why[letter]
        behind = (find(*pointer) for pointer in pointers)
        return "\n".join([says, *(f"    lesson {one.lesson}, {one.claim!r}: {one.told()}" for one in behind)])


@dataclass(frozen=True)
class Cases:
    """Short cases, by name; the answer is a dict of a letter a case."""

    id: str
    title: str
    see: str
    right: str
    cases: dict

    @property
    def mistakes(self):
        """Every wrong choice, as a table of mistakes lists it."""
        return [
            SimpleNamespace(name=f"{name}: {letter}", says=case.why[letter][0], accept=False)
            for name, case in self.cases.items()
            for letter in case.why
            if letter != case.right
        ]

    def diagnose(self, answer):
        """Say of every case that was answered why the choice is right or wrong."""
        if answer is None or answer is ...:
            return self._not_yet(self.cases)
        if not isinstance(answer, dict):
            text = f"a dict of a letter a case is expected, this is {type(answer).__name__}."
            return self._wrong("not a dict", text)
        if unknown := [str(name) for name in answer if name not in self.cases]:
            text = f"there is no case {', '.join(unknown)}; there are {', '.join(self.cases)}."
            return self._wrong("no such case", text)
        given = {name: str(one).strip().lower() for name, one in answer.items() if one not in (None, ..., "")}
        for name, letter in given.items():
            if letter not in self.cases[name].why:
                text = f"case {name} is answered by {', '.join(self.cases[name].why)}, got {answer[name]!r}."
                return self._wrong("no such choice", text)
        wrong = [name for name, letter in given.items() if letter != self.cases[name].right]
        if wrong:
            told = "\n  ".join(f"Case {name}, {given[name]}: {self._why(name, given)}" for name in wrong)
            rest = [name for name in self.cases if name not in wrong]
            good = [name for name in rest if name in given]
            also = f"\n  Right: {', '.join(good)}." * bool(good)
            return self._wrong(f"{wrong[0]}: {given[wrong[0]]}", f"{told}{also}")
        if len(given) < len(self.cases):
            return self._not_yet([name for name in self.cases if name not in given])
        told = "\n  ".join(f"Case {name}: {self._why(name, given)}" for name in self.cases)
        return Diagnosis(RIGHT, "", f"{self.id} right. {self.right}\n  {told}")

    def _why(self, name, given):
        return self.cases[name].reason(given[name])

    def _not_yet(self, left):
        return Diagnosis(NOT_YET, "", f"{self.id} not yet attempted: no letter yet for {', '.join(left)}.")

    def _wrong(self, name, text):
        return Diagnosis(WRONG, name, f"{self.id} wrong: {text}\n  See: {self.see!r}, above.")
