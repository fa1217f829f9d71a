"""Paired differences of a study to its baseline, beside the scores that they are differences of."""

import re
import textwrap

from matplotlib.ticker import MaxNLocator

from kdlab.estimates import in_unit
from kdlab.plots import canvas
from kdlab.verdicts import NO_EFFECT

WIDE = 28  # characters of an arm's name in a line
MEAN = {"color": canvas.COLOURS[0], "linewidth": 3, "linestyle": "-", "marker": ""}


def intervals(result, *, title=None):
    """Paired differences to the baseline: a dot a seed, the mean with its 95 % interval.

    Beside them stand each arm's own mean score, and the word. The shaded band holds the differences within
    the margin.
    """
    arms = _in_order(arm for arm in result.scores if arm != result.baseline)
    figure, axis = canvas.axes(height=1.25 + 0.55 * len(arms))
    axis.axvspan(-result.margin, result.margin, **canvas.BAND)
    axis.axvline(0, **canvas.ZERO)
    for row, arm in enumerate(arms):
        differences = result.differences(arm)
        estimate = result.estimate(arm)
        axis.plot(differences, [row + 0.22] * len(differences), "o", color="0.6", markersize=4, linestyle="")
        if estimate.pairs > 1:
            axis.plot(estimate.interval(), [row, row], **MEAN)
        axis.plot(estimate.mean, row, "D", color=canvas.COLOURS[0], markersize=8)
    axis.set_yticks(range(len(arms)), [textwrap.fill(arm, WIDE) for arm in arms])
    axis.set_ylim(len(arms) - 0.5, -0.5)
    axis.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=2))
    _beside(axis, result, arms)
    figure.suptitle(title or _title(result), x=0, ha="left", fontsize=11)
    axis.set_xlabel(f"{_above(result)}\n{_shaded(result)}")
    said = " ".join(f"{result.sentence(arm)}." for arm in arms)
    canvas.show(figure, f"Interval plot of paired differences. {said}")


def _title(result):
    return f"Mean paired difference with its 95 % interval, {result.seeds} seed{'s' * (result.seeds != 1)}"


def _in_order(arms):
    """Arms that differ in numbers only stand in the order of these, others in the order given."""
    number = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?|\d+(?:\.\d+)?")
    arms = list(arms)
    if len({number.sub("#", arm) for arm in arms}) != 1:
        return arms
    return sorted(arms, key=lambda arm: [float(n.replace(",", "")) for n in number.findall(arm)])


def _beside(axis, result, arms):
    """Columns to the right of the axes: each arm's mean score, and the word."""
    scores = [_mean(result, arm) for arm in arms] if _has_levels(result) else []
    column = 9 + 6.5 * max([len("mean"), *map(len, scores)]) * bool(scores)  # in points
    if scores:
        _write(axis, "mean", column, (1, 1), ha="right", va="bottom", color="0.35", transform=axis.transAxes)
    for row, arm in enumerate(arms):
        if scores:
            _write(axis, scores[row], column, (1, row), ha="right", va="center")
        _write(axis, result.verdict(arm), column + 10, (1, row), va="center", weight="bold")


def _write(axis, text, points, at, *, transform=None, **look):
    """Text that many points to the right of a place."""
    place = {"xycoords": transform or axis.get_yaxis_transform(), "textcoords": "offset points"}
    axis.annotate(text, at, (points, 0), annotation_clip=False, **place, **look)


def _has_levels(result):
    """Not where scores are effects already, against none."""
    return result.baseline != NO_EFFECT


def _mean(result, arm):
    return result.level(arm).rpartition(", ")[2]


def _above(result):
    """What a difference is: "accuracy: points above hard labels (75.3 %)"."""
    name = result.metric.rpartition(", ")[0] if result.unit else result.metric
    level = f" ({_mean(result, result.baseline)})" if _has_levels(result) else ""
    better = "" if result.higher_is_better else "; left is better"
    return f"{name}: {result.unit} above {result.baseline}{level}{better}".replace(":  ", " ")


def _shaded(result):
    return f"shaded: within the margin of {in_unit(result.margin, result.unit)}"


def panels(results, *, xlabel):
    """Studies of the same arms side by side: the mean paired differences with their intervals.

    ``results`` has a :class:`kdlab.study.Result` a panel, titled by its name and the baseline's own
    score; ``xlabel`` says what the arms are. Below each arm stands its own score. The shaded band holds the
    differences within the margin.
    """
    figure, grid = canvas.axes(
        1, len(results), width=2.9 * len(results), height=3.4, sharey=True, squeeze=False
    )
    for axis, (name, result) in zip(grid[0], results.items()):
        _panel(axis, name, result)
    one = next(iter(results.values()))
    same = {result.baseline for result in results.values()} == {one.baseline}
    grid[0, 0].set_ylabel(f"{one.unit} above {one.baseline if same else 'the baseline'}".strip())
    shaded = {_shaded(result) for result in results.values()}
    shaded = shaded.pop() if len(shaded) == 1 else "shaded: within each margin"
    figure.supxlabel(f"{xlabel}\n{shaded}", fontsize=10)
    said = "; ".join(f"{name}: {_words(result)}" for name, result in results.items())
    baselines = dict.fromkeys(repr(result.baseline) for result in results.values())
    canvas.show(figure, f"Intervals of the differences to {' and '.join(baselines)}. {said}.")


def _panel(axis, name, result):
    arms = _in_order(arm for arm in result.scores if arm != result.baseline)
    axis.axhspan(-result.margin, result.margin, **canvas.BAND)
    axis.axhline(0, **canvas.ZERO)
    for place, arm in enumerate(arms):
        estimate = result.estimate(arm)
        if estimate.pairs > 1:
            axis.plot([place] * 2, estimate.interval(), **MEAN)
        axis.plot(place, estimate.mean, "D", color=canvas.COLOURS[0], markersize=7)
    ticks = [arm.split() for arm in arms]
    lines = max(map(len, ticks))  # the scores stand in a line, whatever the names take
    for tick, arm in zip(ticks, arms):
        tick += [""] * (lines - len(tick)) + [_mean(result, arm)] * _has_levels(result)
    axis.set_xticks(range(len(arms)), ["\n".join(tick) for tick in ticks], fontsize=9)
    axis.set_xlim(-0.5, len(arms) - 0.5)
    axis.set_title(f"{name}\n{result.level(result.baseline)}", fontsize=10)


def _words(result):
    return ", ".join(f"{arm} {result.verdict(arm)}" for arm in result.scores if arm != result.baseline)
