"""How a check finds out which mistake was made: by what the code does to well-chosen inputs.

Every known mistake is itself code. A check runs the learner's function on the exercise's cases,
and looks for the known code that does the same.
"""

import inspect
import sys
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

RIGHT, WRONG, NOT_YET = "right", "wrong", "not yet"
UNKNOWN = "not one of the mistakes we know"
_PACKAGE = str(Path(__file__).resolve().parent.parent)


@dataclass(frozen=True)
class Mistake:
    """A misconception by its name, the code that has it, and what to say about it.

    ``codes`` are one or more functions in the place of the learner's. ``accept`` marks a variant
    that is right in effect: it passes, with a remark. ``sign``, if given, recognises the mistake
    from one observation alone, so that it is found beside other mistakes too.
    """

    name: str
    codes: tuple
    says: str
    accept: bool = False
    sign: Callable | None = None


@dataclass(frozen=True)
class Outcome:
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
    value = _tensor(function(first, *arguments[1:]))
    gradient = torch.zeros_like(first)
    if value.requires_grad:
        gradient = torch.autograd.grad(value.sum(), first, allow_unused=True)[0]
        gradient = torch.zeros_like(first) if gradient is None else gradient
    return {"value": value.detach(), "gradient": gradient}


def value(function, arguments):
    """What a function returns: a number, a tensor, or a tuple of such."""
    returned = function(*arguments)
    if isinstance(returned, tuple | list):
        parts = [_tensor(part).double() for part in returned]
        if len({part.shape for part in parts}) == 1:
            return {"value": torch.stack(parts)}
        return {f"value {i + 1}": part for i, part in enumerate(parts)}
    return {"value": _tensor(returned)}


def _tensor(returned):
    if returned is None or returned is ...:
        raise NothingReturned
    if isinstance(returned, bool | int | float) or hasattr(returned, "__array__"):
        return torch.as_tensor(returned)
    raise NotANumber(f"it returns {type(returned).__name__}, not a number or a tensor.")


@dataclass(frozen=True)
class Exercise:
    """A function to write, checked on ``cases``.

    Parameters
    ----------
    id, title : str
        ``"1.2"`` is the second exercise of lesson 01.
    reference : callable
        A correct solution. It is compared with, never shown.
    cases : dict of str to callable
        Words for the inputs ("two rows of logits, three classes") and a function that makes
        them anew; the smallest first.
    mistakes : list of Mistake
    right : str
        What a right answer has shown.
    see : str
        The heading of the paragraph that helps.
    observe : callable
        ``observe(function, arguments)`` gives a dict of what can be seen: value and gradient by
        default.
    """

    id: str
    title: str
    reference: Callable
    cases: dict
    mistakes: list
    right: str
    see: str
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
            return self._wrong("", f"a function is expected, this is {type(answer).__name__}.")
        try:
            theirs = self.seen(answer)
        except NothingReturned:
            if _is_stub(answer):
                return self._not_yet()
            return self._wrong("nothing returned", "nothing returned. Is there a return at the end?")
        except NotANumber as error:
            return self._wrong("not a number", str(error))
        except (Exception, SystemExit) as error:
            if isinstance(error, NotImplementedError) and _is_stub(answer):
                return self._not_yet()
            return self._wrong("an error in your code", _where(error))
        expected = self.seen(self.reference)
        if _same(theirs, expected):
            return Outcome(RIGHT, "", f"{self.id} right. {self.right}")
        found = [m for m in self.mistakes if self._made(m, theirs, expected)]
        if found and found[0].accept:
            return Outcome(RIGHT, found[0].name, f"{self.id} right, with a remark. {found[0].says}")
        example = self._counter_example(theirs, expected)
        if not found:
            return self._wrong(UNKNOWN, f"{UNKNOWN}.\n  {example}")
        also = f"\n  Beside it: {', '.join(m.name for m in found[1:])}." if found[1:] else ""
        return self._wrong(found[0].name, f"{found[0].name}.\n  {example}\n  {found[0].says}{also}")

    def _made(self, mistake, theirs, expected):
        if mistake.sign is not None:
            return any(mistake.sign(o) for o in theirs) and not any(mistake.sign(o) for o in expected)
        return any(_same(theirs, self.seen(code)) for code in mistake.codes)

    def _counter_example(self, theirs, expected):
        for case, seen, due in zip(self.cases, theirs, expected):
            for what in due:
                if what not in seen or not _close(seen[what], due[what]):
                    yours = _words(seen[what]) if what in seen else "missing"
                    return f"For {case}: {what} {yours}, the definition gives {_words(due[what])}."
        return f"You return {len(theirs[0])} values, the definition {len(expected[0])}."

    def _not_yet(self):
        return Outcome(
            NOT_YET, "", f"{self.id} not yet attempted: fill in the cell above, run it, then this one."
        )

    def _wrong(self, name, text):
        return Outcome(WRONG, name, f"{self.id} wrong: {text}\n  See: {self.see!r}, above.")


@dataclass(frozen=True)
class Experiment:
    """An experiment of the learner's own: a study, and the verdict that they read off it.

    ``arms`` must be compared, over at least ``seeds`` pairs. ``meaning`` says, for each verdict,
    what it means here.
    """

    id: str
    title: str
    arms: tuple
    meaning: dict
    see: str
    seeds: int = 3
    steps: int | None = None

    def diagnose(self, answer):
        """``answer`` is ``(result, verdict)``, with the result of ``kdlab.study.compare``."""
        from kdlab.study import Result, mean_interval

        result, said = answer if isinstance(answer, tuple) and len(answer) == 2 else (answer, ...)
        if result is None or result is ...:
            return Outcome(NOT_YET, "", f"{self.id} not yet attempted: run your study and state its verdict.")
        if not isinstance(result, Result):
            return self._wrong(
                "no study", f"the first part is {type(result).__name__}, not what compare returns."
            )
        missing = [arm for arm in self.arms if arm not in result.scores]
        if missing:
            return self._wrong(
                "an arm is missing", f"there is no arm {missing[0]!r}; yours: {', '.join(result.scores)}."
            )
        if result.seeds < self.seeds:
            return self._wrong("too few seeds", f"{result.seeds} pairs; at least {self.seeds} are needed.")
        first, second = self.arms
        if result.baseline != first:
            return self._wrong(
                "another baseline", f"the baseline is {result.baseline!r}; it should be {first!r}."
            )
        if self.steps and result.training.get("steps", 0) < self.steps:
            return self._wrong(
                "too few steps", f"{result.training.get('steps')} steps; {self.steps} are asked for."
            )
        verdict, (_, low, high) = result.verdict(second), mean_interval(result.differences(second))
        if said is ... or said is None:
            return Outcome(NOT_YET, "", f"{self.id}: the study is there; state its verdict as well.")
        if str(said).strip().lower().replace("_", " ") != verdict:
            return self._wrong(
                "the verdict does not follow from the interval",
                f"you say {said!r}, the interval runs from {low:+.1f} to {high:+.1f}.\n  helps: the whole interval lies above 0; "
                "hurts: below; not shown: it holds 0, which is not the same as no effect.",
            )
        return Outcome(RIGHT, "", f"{self.id} right: {result.sentence(second)}. {self.meaning[verdict]}")

    def _wrong(self, name, text):
        return Outcome(WRONG, name, f"{self.id} wrong: {text}\n  See: {self.see!r}, above.")


def _is_stub(function):
    """Whether a function does nothing yet: it names nothing and has no variables of its own."""
    code = getattr(function, "__code__", None)
    own = code and code.co_nlocals - code.co_argcount - bool(code.co_flags & inspect.CO_VARARGS)
    return code is None or not (set(code.co_names) - {"NotImplementedError"} or own)


def _same(these, those):
    return all(
        a.keys() == b.keys() and all(_close(a[k], b[k]) for k in b) for a, b in zip(these, those, strict=True)
    )


def _close(a, b):
    return a.shape == b.shape and torch.allclose(a.double(), b.double(), rtol=1e-3, atol=1e-6, equal_nan=True)


def _words(seen):
    """A number or a small tensor, short enough to read."""
    if seen.dtype == torch.bool and seen.ndim == 0:
        return "yes" if seen.item() else "no"
    if seen.ndim == 0:
        return f"{seen.item():.3g}"
    first = [float(f"{v:.3g}") for v in seen.double().flatten()[:6].tolist()]
    more = ", ..." if seen.numel() > 6 else ""
    return f"of shape {tuple(seen.shape)}, {str(first)[:-1]}{more}]"


def _where(error):
    """An exception of the learner's code in two lines, with the line of theirs that it came from."""
    what = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
    elsewhere = (_PACKAGE, sys.base_prefix, sys.prefix)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(elsewhere)]
    if not frames:
        return f"your function cannot be called as the exercise asks.\n  {what}"
    return f"your code stops at its line {frames[-1].lineno}: {frames[-1].line}\n  {what}"
