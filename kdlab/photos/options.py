"""One option: its default, what it says, and which values it takes."""

import inspect
import json
import math
import operator
from dataclasses import field, fields
from numbers import Integral, Real
from types import NoneType
from typing import get_args

from kdlab.names import shown

REQUIRED = inspect.Parameter.empty
KINDS = {bool: "True or False", int: "a whole number", float: "a number", str: "text", dict: "a dict"}
BOUNDS = {
    "least": ("at least", operator.ge), "above": ("above", operator.gt),
    "most": ("at most", operator.le), "below": ("below", operator.lt),
}  # fmt: skip


def option(default=REQUIRED, help="", *, may_change="", **more):
    """A field with what its option says, which must be given where there is no default.

    ``may_change`` says why a run may go on with another value: without such a reason it is refused.
    ``unset``: its default as an option, where that is not the field's. Values are those of ``choices``, or
    numbers within bounds: ``least`` and ``most``, or ``above`` and ``below``, which are not reached.
    For the command line there are ``metavar``, ``nargs``, ``flag`` and ``parse``.
    """
    given = {} if default is REQUIRED else {"default": default}
    return field(**given, metadata={"help": help, "may_change": may_change, "unset": default, **more})


def checked(option, value, *, or_unset=False):
    """The value, in the option's own type.

    Parameters
    ----------
    option : dataclasses.Field
        Made by :func:`option`; its type and metadata say what is allowed.
    or_unset : bool
        Whether the option may still be at its default, where that is not the field's.

    Raises
    ------
    ValueError
        Naming the option, what is allowed, and what was given.
    """
    kinds, more = get_args(option.type) or (option.type,), option.metadata
    unset = more["unset"]
    if value is None and (NoneType in kinds or (or_unset and unset is None)):
        return None
    kind = next((kind for kind in kinds if _is_a(kind, value)), None)
    if kind is str and "choices" in more:
        choices = [c for c in more["choices"] if or_unset or c != unset or option.default == unset]
        if value not in choices:
            raise ValueError(f"{option.name} is {shown(value, repr)}; there are {', '.join(choices)}")
    if kind in (int, float):
        value = _number(kind, value)
    if kind is None or not all(holds(value) for holds in _demands(kind, more).values()):
        asked = [KINDS[k] for k in kinds if k is not NoneType] if kind is None else []
        demands = " and ".join(_demands(kind or kinds[0], more))
        allowed = ", ".join(filter(None, (" or ".join(asked), demands)))
        raise ValueError(f"{option.name} must be {allowed}, got {shown(value, repr)}")
    return value


def check_all(settings):
    """Each option of a frozen dataclass, checked: its ``__post_init__``."""
    for option in fields(settings):
        object.__setattr__(settings, option.name, checked(option, getattr(settings, option.name)))


def _is_a(kind, value):
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool)
    return isinstance(value, {int: Integral, float: Real}.get(kind, kind))


def _number(kind, value):
    try:
        return kind(value)
    except OverflowError:  # a whole number beyond any float
        return math.copysign(math.inf, value)


def _demands(kind, more):
    """What is asked of a value of this kind, in words: a test each."""
    if kind is str:
        return {"neither empty nor with a null character": lambda text: text and "\0" not in text}
    if kind is dict:
        return {"plain values by name, finite where they are numbers": _is_plain}
    if kind not in (int, float):
        return {}
    found = {
        f"{word} {more[bound]}": lambda value, holds=holds, limit=more[bound]: holds(value, limit)
        for bound, (word, holds) in BOUNDS.items() if bound in more
    }  # fmt: skip
    return found if kind is int or {"most", "below"} & set(more) else {**found, "finite": math.isfinite}


def _is_plain(values):
    """Whether it comes back from JSON as it went: by its options a run is known."""
    try:
        json.dumps(values, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        return False
    return all(isinstance(name, str) for name in values)
