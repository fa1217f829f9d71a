"""The verdicts that the lessons printed, gathered by ``python docs/claims.py`` and shipped."""

import json
import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from kdlab.estimates import LEVEL, Estimate, holm
from kdlab.names import nearest
from kdlab.plots.claims import Row
from kdlab.verdicts import LOWER

_PACKAGE = Path(__file__).resolve().parent.parent
# In a wheel they lie inside the package, in a clone beside it.
_IN_WHEEL, _IN_CLONE = _PACKAGE / "shipped" / "checked", _PACKAGE.parent / "data" / "checked"
FOLDER = _IN_WHEEL if _IN_WHEEL.exists() else _IN_CLONE


class Verdict(NamedTuple):
    """A row of a lesson's table of what held, as it is printed there; ``lesson`` is its number."""

    lesson: str
    title: str
    claim: str
    answer: str
    difference: str
    interval: str
    margin: str
    pairs: str
    compared: str

    def row(self, claim=None):
        """As a row of a forest plot, under its own claim or another's words."""
        low, high = self.interval.split(" to ")
        amount, _, unit = self.margin.removesuffix(LOWER).partition(" ")
        return Row(
            claim or self.claim, self.answer, float(self.difference), float(low), float(high), float(amount),
            (self.difference, low, high), "points" if unit == "point" else unit,
            -1 if self.margin.endswith(LOWER) else 1, words=("more", "less"),
        )  # fmt: skip

    def estimate(self):
        """Mean, spread and pairs again, as far as the printed interval tells."""
        row = self.row()
        about = {"margin": row.margin, "unit": row.unit, "gain": row.gain}
        return Estimate.of_interval(row.mean, row.low, row.high, int(self.pairs), **about)

    def told(self):
        """ "held: +4.2 points (+2.4 to +6.1)"."""
        return f"{self.answer}: {self.row().told()}"


@cache
def verdicts(folder=FOLDER):
    """All of them, as a tuple of :class:`Verdict` in the order of the lessons."""
    kept = json.loads((Path(folder) / "verdicts.json").read_text(encoding="utf-8"))
    return tuple(Verdict(*row) for row in kept)


def find(lesson, claim):
    """The lesson's verdict on a claim; a ValueError names the nearest where there is none."""
    of_lesson = {one.claim: one for one in verdicts() if one.lesson == lesson}
    if not of_lesson:
        known = ", ".join(sorted({one.lesson for one in verdicts()}))
        raise ValueError(f"no verdict of a lesson {lesson!r} is stored; there are those of {known}")
    if claim not in of_lesson:
        raise ValueError(f"lesson {lesson} has no verdict on {claim!r}{nearest(claim, of_lesson)}")
    return of_lesson[claim]


def after_holm(found=None):
    """The verdicts, *open* where a word does not survive Holm's correction for all of them.

    A word rests on a difference where the interval leaves 0 out, and otherwise on none that matters.
    """
    found = verdicts() if found is None else found
    adjusted = holm([_p(one) for one in found])
    return tuple(one if p <= 1 - LEVEL else one._replace(answer="open") for one, p in zip(found, adjusted))


def _p(one):
    estimate = one.estimate()
    low, high = estimate.interval()
    return estimate.p_difference if low * high > 0 else estimate.p_same


def read(name):
    """What ``data/checked/NAME.toml`` holds."""
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
