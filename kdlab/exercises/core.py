"""How a check finds out which mistake was made: by what the code does to well-chosen inputs.

Every known mistake is itself code. A check runs the learner's function on the exercise's cases,
and looks for the known code that does the same. Known code is run once: what it does never changes.
"""

import inspect
import re
import sys
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch

from kdlab.estimates import in_unit
from kdlab.exercises.comparing import close, how_it_differs, in_the_wrong_order, same
from kdlab.exercises.words import both_in_words, in_words

RIGHT, WRONG, NOT_YET = "right", "wrong", "not yet"
UNKNOWN = "not one of the mistakes we know"
_PACKAGE = str(Path(__file__).resolve().parent.parent)


class Mistake:
    """A misconception by its name, what to say to whoever has it, and the code that makes it.

    ``codes`` are one or more functions in the place of the learner's. ``accept`` marks a variant
    that is right in effect: it passes, with a remark. ``sign``, if given, is what one observation
    of the mistake is, ``("a gradient reached the teacher:", True)``: by it the mistake is found beside
    other mistakes too.
    """

    def __init__(self, name, says, *codes, accept=False, sign=None):
        self.name, self.says, self.codes = name, says, codes
        self.accept, self.sign = accept, sign


@dataclass(frozen=True)
class Diagnosis:
    """What a check found: a status, the mistake's name (or ""), and the text for the learner."""

    status: str
    name: str
    text: str


class NothingReturned(Exception):
    """The learner's function came to its end and gave nothing back."""


class NotANumber(Exception):
    """The learner's function returned something that cannot be compared."""


def value_and_gradient(function, arguments):
    """What a loss returns, and its gradient with respect to its first argument."""
    first = arguments[0].clone().requires_grad_()
    value = as_tensor(function(first, *arguments[1:]))
    gradient = torch.zeros_like(first)
    if value.requires_grad:
        gradient = torch.autograd.grad(value.sum(), first, allow_unused=True)[0]
        gradient = torch.zeros_like(first) if gradient is None else gradient
    return {"value": value.detach(), "gradient": gradient}


def value(function, arguments):
    """What a function returns: a number, a tensor, or a tuple of such."""
    answer = function(*arguments)
    if isinstance(answer, tuple | list):
        parts = [as_tensor(part).double() for part in answer]
        if len({part.shape for part in parts}) == 1:
            return {"value": torch.stack(parts)}
        return {f"value {i + 1}": part for i, part in enumerate(parts)}
    return {"value": as_tensor(answer)}


def as_tensor(answer):
    """A number, an array or a tensor as a tensor."""
    if answer is None or answer is ...:
        raise NothingReturned
    if isinstance(answer, bool | int | float) or hasattr(answer, "__array__"):
        return torch.as_tensor(answer)
    raise NotANumber(f"it returns {type(answer).__name__}, not a number or a tensor.")


def returned(function, arguments, kind=object, what=""):
    """What a function returns, which must be something, and of ``kind``; ``what`` says it in words."""
    answer = function(*arguments)
    if answer is None or answer is ...:
        raise NothingReturned
    if not isinstance(answer, kind):
        raise NotANumber(f"it returns {type(answer).__name__}, not {what}.")
    return answer


@dataclass(frozen=True, eq=False)
class Exercise:
    """A function to write, checked on ``cases``.

    Parameters
    ----------
    id, title : str
        ``"1.2"`` is the second exercise of lesson 01.
    see : str
        The heading of the paragraph that helps.
    right : str
        What a right answer has shown.
    reference : callable
        A correct solution. It is compared with, never shown.
    cases : dict of str to callable
        Words for the inputs ("two rows of logits, three classes") and a function that makes
        them anew, since the learner's function may change them; the smallest first.
    mistakes : list of Mistake
    observe : callable
        ``observe(function, arguments)`` gives a dict of what can be seen: value and gradient by
        default. It must not hang on the clock or on what ran before.
    """

    id: str
    title: str
    see: str
    right: str
    reference: Callable
    cases: dict
    mistakes: list
    observe: Callable = value_and_gradient

    def seen(self, function):
        """What ``function`` does in each case."""
        observations = []
        # A mistake that is tried out may warn; the learner would take the warning for their own.
        quiet, same_mode = warnings.catch_warnings(action="ignore"), torch.set_grad_enabled(True)
        with quiet, same_mode, torch.random.fork_rng(devices=[]):
            for make in self.cases.values():
                torch.manual_seed(0)
                seen = self.observe(function, make())
                observations.append({k: v.detach().cpu().to_dense() for k, v in seen.items()})
        return observations

    def diagnose(self, answer):
        """Compare the learner's function with the reference and with every known mistake."""
        if answer is None or answer is ...:
            return self._not_yet()
        if not callable(answer):
            return _wrong(self, "", f"a function is expected, this is {type(answer).__name__}.")
        try:
            theirs = self.seen(answer)
        except NothingReturned:
            if _is_stub(answer):
                return self._not_yet()
            return _wrong(self, "nothing returned", "nothing returned. Is there a return at the end?")
        except NotANumber as error:
            return _wrong(self, "not a number", str(error))
        except (Exception, SystemExit) as error:
            if isinstance(error, NotImplementedError) and _is_stub(answer):
                return self._not_yet()
            return _wrong(self, "an error in your code", _where(error))
        expected = known(self, self.reference)
        if same(theirs, expected):
            return Diagnosis(RIGHT, "", f"{self.id} right. {self.right}")
        found = [m for m in self.mistakes if self._made(m, theirs, expected)]
        if found and found[0].accept:
            return Diagnosis(RIGHT, found[0].name, f"{self.id} right, with a remark. {found[0].says}")
        example = self._counter_example(theirs, expected)
        if not found:
            made = [make() for make in self.cases.values()]
            known_ones = {m.name: known(self, code) for m in self.mistakes for code in m.codes[:1]}
            said = how_it_differs(theirs, expected, known_ones, made)
            said = said or in_the_wrong_order(self.seen, answer, expected, made) or UNKNOWN
            return _wrong(self, said, f"{said}.\n  {example}")
        also = f"\n  Beside it: {', '.join(m.name for m in found[1:])}." if found[1:] else ""
        return _wrong(self, found[0].name, f"{found[0].name}.\n  {example}\n  {found[0].says}{also}")

    def _made(self, mistake, theirs, expected):
        if mistake.sign:
            what, due = mistake.sign
            return any(o[what] == due for o in theirs) and not any(o[what] == due for o in expected)
        return any(same(theirs, known(self, code)) for code in mistake.codes)

    def _counter_example(self, theirs, expected):
        for case, seen, due in zip(self.cases, theirs, expected):
            for what in due:
                if what not in seen:
                    return f"For {case}: {what} missing, the definition gives {in_words(due[what])}."
                if not close(seen[what], due[what]):
                    where, yours, right = both_in_words(seen[what], due[what])
                    return f"For {case}: {what}{where} {yours}, the definition gives {right}."
        return f"You return {len(theirs[0])} values, the definition {len(expected[0])}."

    def _not_yet(self):
        return Diagnosis(
            NOT_YET, "", f"{self.id} not yet attempted: fill in the cell above, run it, then this one."
        )


@cache
def known(exercise, code):
    """What the reference or the code of a known mistake does: the same in each check, so run once."""
    return exercise.seen(code)


@dataclass(frozen=True)
class Experiment:
    """An experiment of the learner's own: a study, and the verdict that they read off it.

    ``arms`` must be compared, over at least ``seeds`` pairs and ``steps`` steps. ``meaning`` says,
    for each verdict, what it means here; its first two words are those of the question.
    """

    id: str
    title: str
    see: str
    arms: tuple
    meaning: dict
    seeds: int = 3
    steps: int = 0

    def diagnose(self, answer):
        """``answer`` is ``(result, verdict)``, with the result of ``kdlab.study.compare``."""
        from kdlab.study import Result

        result, said = answer if isinstance(answer, tuple | list) and len(answer) == 2 else (answer, ...)
        if result is None or result is ...:
            text = f"{self.id} not yet attempted: run your study and state its verdict."
            return Diagnosis(NOT_YET, "", text)
        if not isinstance(result, Result):
            text = f"the first part is {type(result).__name__}, not what compare returns."
            return _wrong(self, "no study", text)
        for name, text in self._faults(result):
            return _wrong(self, name, text)
        if said is ... or said is None:
            return Diagnosis(NOT_YET, "", f"{self.id}: the study is there; state its verdict as well.")
        _, second = self.arms
        up, down, *_ = self.meaning
        estimate = replace(result.estimate(second), words=(up, down))
        if _first_part(said) not in (estimate.word, estimate.word.split()[0]):
            margin = in_unit(estimate.margin, estimate.unit)
            above, below = ("above", "below") if estimate.gain > 0 else ("below", "above")
            return _wrong(
                self, "the verdict does not follow from the interval",
                f"you say {said!r}; {second}: the interval runs from {' to '.join(estimate.numbers()[1:])}, the margin is "
                f"{margin}.\n  {up}: the whole interval lies {above} 0; {down}: {below}; same: it holds 0 and lies within the "
                "margin; open: anything else. It is not the same as no effect.",
            )  # fmt: skip
        return Diagnosis(RIGHT, "", f"{self.id} right: {second}: {estimate}. {self.meaning[estimate.word]}")

    def _faults(self, result):
        """What makes the study another one than was asked for, by name and in words."""
        for arm in self.arms:
            if arm not in result.scores:
                yield "an arm is missing", f"there is no arm {arm!r}; yours: {', '.join(result.scores)}."
        if result.seeds < self.seeds:
            yield "too few seeds", f"{result.seeds} pairs; at least {self.seeds} are needed."
        if result.baseline != self.arms[0]:
            yield "another baseline", f"the baseline is {result.baseline!r}; it should be {self.arms[0]!r}."
        if self.steps and result.training.get("steps", 0) < self.steps:
            yield "too few steps", f"{result.training.get('steps')} steps; {self.steps} are asked for."


def _first_part(said):
    """A verdict as the learner puts it, without what the sentence adds: "Same, within 1.0" is "same"."""
    return re.split("[,(:.]", str(said).strip().lower().replace("_", " "))[0].strip()


def _wrong(exercise, name, text):
    return Diagnosis(WRONG, name, f"{exercise.id} wrong: {text}\n  See: {exercise.see!r}, above.")


def _is_stub(function):
    """Whether a function does nothing yet: it names nothing and has no variables of its own."""
    code = getattr(function, "__code__", None)
    own = code and code.co_nlocals - code.co_argcount - bool(code.co_flags & inspect.CO_VARARGS)
    return code is None or not (set(code.co_names) - {"NotImplementedError"} or own)


def _where(error):
    """An exception of the learner's code in two lines, with the line of theirs that it came from."""
    what = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
    elsewhere = (_PACKAGE, sys.base_prefix, sys.prefix)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(elsewhere)]
    if not frames:
        return f"your function cannot be called as the exercise asks.\n  {what}"
    return f"your code stops at its line {frames[-1].lineno}: {frames[-1].line}\n  {what}"
