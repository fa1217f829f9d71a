"""What becomes of claims, in one picture: a forest plot."""

import math
import textwrap
from collections import Counter
from statistics import median
from typing import NamedTuple

from kdlab.estimates import GAIN, in_unit
from kdlab.plots import canvas
from kdlab.verdicts import answered

# Told apart in grey as well: full or hollow, round, square or pointed.
LOOKS = {
    "held": {"color": canvas.COLOURS[0], "marker": "o", "fill": True},
    "refuted": {"color": "#B34700", "marker": "s", "fill": True},
    "same": {"color": "#00785A", "marker": "D", "fill": False},
    "open": {"color": "0.45", "marker": "o", "fill": False},
}
WIDE = 49  # characters of a claim in a line
LINE = 0.165  # inches, as all that follow
RISE = 0.045  # from the baseline of letters to their middle
GAP = 0.1  # between two rows
CLAIMS, PLOT = 3.4, 2.4  # width of a claim, and of the axes


class Row(NamedTuple):
    """A claim with its answer and what is behind it: also as text, as ``numbers`` are mean, low and high.

    ``gain`` is -1 where lower is better.
    """

    claim: str
    answer: str
    mean: float
    low: float
    high: float
    margin: float
    numbers: tuple
    unit: str = ""
    gain: int = 1
    words: tuple = GAIN

    def told(self, *, unit=True):
        """ "+1.2 points (+0.3 to +2.1)"."""
        mean, low, high = self.numbers
        return f"{mean}{f' {self.unit}' * bool(unit and self.unit)} ({low} to {high})"


def forest(claims, *, title=None):
    """What becomes of each claim: a row with the mean difference, its interval, and the answer.

    Where all claims share unit and margin, the axis is in that unit. Otherwise each difference is divided by
    its own claim's margin. The shaded band holds the differences within the margin. To the right of 0 is what
    the claims' studies call a gain, or more; a metric where lower is better is drawn with its sign turned. An
    arrow stands where an interval, or all of it, is further out than the axis.

    Parameters
    ----------
    claims : dict
        As for :func:`kdlab.verdicts.what_held`.
    title : str, optional
    """
    rows = [_row(claim, *found) for claim, found in answered(claims).items()]
    canvas.show(draw_forest({"": rows}, title=title), f"Forest plot. {in_words(rows)}")


def in_words(rows):
    """Each claim with its answer and its numbers, as sentences."""
    return " ".join(f"{row.claim}: {row.answer}, {row.told()}." for row in rows)


def _row(claim, estimate, answer):
    return Row(
        claim, answer, estimate.mean, *estimate.interval(), estimate.margin, tuple(estimate.numbers()),
        estimate.unit, estimate.gain, estimate.words,
    )  # fmt: skip


def draw_forest(groups, *, title=None, gap=GAP):
    """The figure of :func:`forest`, of lists of :class:`Row` by the headings that they stand under.

    ``gap`` is the space in inches between two rows.
    """
    rows = [row for group in groups.values() for row in group]
    if not rows:
        raise ValueError("a forest plot needs at least one claim, got none")
    places, headings, depth = _places(groups, gap)
    units = {(row.unit, row.margin) for row in rows}
    scaled = [_scaled(row, 1 if len(units) == 1 else row.margin) for row in rows]
    margin = rows[0].margin if len(units) == 1 else 1
    figure, axis = _canvas(depth, title)
    axis.axvspan(-margin, margin, **canvas.BAND)
    axis.axvline(0, **canvas.ZERO)
    axis.set_xlim(_limits(scaled, margin))
    axis.set_xlabel(_xlabel(rows, units), fontsize=9)
    for heading, place in headings.items():
        _text(axis, heading, -CLAIMS, place, weight="bold")
    for row, place, numbers in zip(rows, places, scaled):
        _draw(axis, place, *numbers, LOOKS[row.answer])
        _beside(axis, row, place, len({unit for unit, _ in units}) > 1)
    return figure


def _scaled(row, by):
    """Mean, low and high over ``by``, with a gain to the right."""
    low, high = sorted((row.gain * row.low / by, row.gain * row.high / by))
    return row.gain * row.mean / by, low, high


def _places(groups, gap):
    """How far down in inches each row and each heading stands, and where they end."""
    places, headings, depth = [], {}, gap / 2
    for heading, rows in groups.items():
        if heading:
            depth += GAP
            headings[heading] = depth + LINE / 2
            depth += LINE + gap
        for row in rows:
            height = LINE * len(textwrap.wrap(row.claim, WIDE))
            places.append(depth + height / 2)
            depth += height + gap
    return places, headings, depth


def _canvas(depth, title):
    """Axes of fixed width, whose y is in inches from the top: columns beside them are aligned so."""
    around = 0.9
    with canvas.plt.rc_context(canvas.STYLE):
        figure = canvas.plt.figure(figsize=(8, depth + 2 * around))
        share = depth / (depth + 2 * around)
        axis = figure.add_axes((CLAIMS / 8, (1 - share) / 2, PLOT / 8, share))
    axis.set(ylim=(depth, 0), yticks=[])
    axis.spines["left"].set_visible(False)
    axis.tick_params(labelsize=9)
    if tall := depth > 6:
        axis.tick_params(top=True, labeltop=True)
        axis.spines["top"].set_visible(True)
    if title:
        above = 0.12 + 0.25 * tall
        _text(axis, title, -CLAIMS, -above, fontsize=11)
    return figure, axis


def _limits(scaled, margin):
    """The ends of the axis: a few intervals that are far out are cut, rather than all others squashed."""
    ends = [[end for end in (mean, *ends) if math.isfinite(end)] for mean, *ends in scaled]
    reach = [max(map(abs, row)) for row in ends]
    most = max(3 * median(reach), 4 * margin)
    if max(reach) <= 1.3 * most:
        most = max(reach)
    low = min(-1.5 * margin, max(-most, min(map(min, ends))))
    high = max(1.5 * margin, min(most, max(map(max, ends))))
    pad = 0.04 * (high - low)
    return low - pad, high + pad


def _xlabel(rows, units):
    right = "right: better" if all(row.words == GAIN for row in rows) else "right: better, or more"
    turned = "\nsign turned where lower is better" if any(row.gain < 0 for row in rows) else ""
    if len(units) > 1:
        return f"difference in margins ({right})\nshaded: less than one margin{turned}"
    ((unit, margin),) = units
    inside = f"shaded: within the margin of {in_unit(margin, unit)}"
    return f"difference{f', {unit}' * bool(unit)} ({right})\n{inside}{turned}"


def _draw(axis, place, mean, low, high, look):
    """An interval with its mean; what lies beyond the axis ends in an arrow at its edge."""
    left, right = axis.get_xlim()
    pad = 0.015 * (right - left)
    inside = [min(max(end, left + pad), right - pad) for end in (low, high)]
    line = {"color": look["color"], "clip_on": False}
    axis.plot(inside, [place] * 2, linewidth=2 if look["fill"] else 1.3, linestyle="-", marker="", **line)
    for beyond, end, arrow in ((low < left, inside[0], "<"), (high > right, inside[1], ">")):
        if beyond:
            axis.plot(end, place, arrow, markersize=6, **line)
    if left <= mean <= right:
        face = look["color"] if look["fill"] else "white"
        axis.plot(mean, place, look["marker"], markersize=6, markerfacecolor=face, **line)


def _beside(axis, row, place, with_unit):
    _text(axis, textwrap.fill(row.claim, WIDE), -CLAIMS, place)
    colour = "0.25" if row.answer == "open" else LOOKS[row.answer]["color"]
    _text(axis, row.answer, PLOT + 0.12, place, weight="bold", color=colour)
    _text(axis, row.told(unit=with_unit), PLOT + 0.75, place)


def _text(axis, text, inches, place, **look):
    """Text in a column that many inches to the right of the axes' left edge; its lines around a place."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        down = place + RISE + LINE * (number - (len(lines) - 1) / 2)
        axis.text(inches / PLOT, down, line, transform=axis.get_yaxis_transform(), **{"fontsize": 9, **look})


def summary(rows):
    """How many claims had each answer: "5 held, 2 refuted"."""
    counts = Counter(row.answer for row in rows)
    return ", ".join(f"{counts[answer]} {answer}" for answer in LOOKS if counts[answer])
