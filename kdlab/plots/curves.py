"""Bars, curves, costs, and one measure against another."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator

from kdlab.estimates import mean_interval
from kdlab.plots import canvas


def bars(names, groups, *, xlabel, ylabel, alt, title=None):
    """Bars side by side above each of the names, told apart by colour and hatching.

    Parameters
    ----------
    names : sequence of str
    groups : dict of str to sequence
        By label, a height for each of the names. Where that is a sequence, of scores over seeds, the bar
        is their mean, with its 95 % interval. Differences between bars may be surer than these say: the
        intervals know nothing of pairs.
    xlabel, ylabel, alt, title : str
    """
    figure, axis = canvas.axes(height=2.8)
    width = 0.8 / len(groups)
    for i, (name, heights) in enumerate(groups.items()):
        means, low, high = zip(*map(_with_interval, heights))
        places = [n + (i - (len(groups) - 1) / 2) * width for n in range(len(names))]
        look = {"color": canvas.COLOURS[i], "hatch": canvas.HATCHES[i], "linestyle": "-"}
        axis.bar(places, means, width, label=name, **look)
        axis.vlines(places, low, high, color="black", linewidth=2)
    axis.axhline(0, **canvas.ZERO)
    axis.set_xticks(range(len(names)), names, fontsize=min(10, 68 / len(names)))
    canvas.label(axis, xlabel, ylabel, title=title, legend=len(groups) > 1)
    canvas.show(figure, alt)


def lines(x, curves, *, xlabel, ylabel, title=None, alt, log=False, every=1):
    """Curves over x, told apart by colour, marker and dash; with a band where they are over seeds.

    Parameters
    ----------
    x : sequence of float
    curves : dict of str to array
        A value for each x; or, of shape (seeds, points), a row a seed: then the curve is their mean, in the
        band of its 95 % intervals, which each hold for one x.
    xlabel, ylabel, title, alt : str
    log : bool or "both"
        Logarithmic x axis, with a tick at each of the values; ``"both"``: y as well.
    every : int
        Points from one marker to the next.
    """
    figure, axis = canvas.axes(height=3.2)
    with plt.rc_context(canvas.STYLE):
        for name, y in curves.items():
            y = np.asarray(y, dtype=float)
            mean, low, high = zip(*map(_with_interval, y.T))
            (line,) = axis.plot(x, mean, label=name, markevery=every)
            if y.ndim > 1:
                axis.fill_between(x, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    if log:
        axis.set_xscale("log")
        axis.set_xticks(x, [f"{v:,.10g}" for v in x])
        axis.minorticks_off()
    if log == "both":
        axis.set_yscale("log")
    canvas.label(axis, xlabel, ylabel, title=title, legend=len(curves) > 1)
    canvas.show(figure, alt)


def _with_interval(value):
    """Value, lower and upper end: of several values the mean's, of one itself."""
    values = np.atleast_1d(np.asarray(value, dtype=float))
    return mean_interval(values) if len(values) > 1 else (values[0],) * 3


def tradeoff(points, *, xlabel, ylabel, alt, title=None):
    """What a network costs against what it gets right; the area of a point is its size.

    ``points`` are (x, y, kilobytes) by name, which stands in the legend; the x axis is logarithmic. Where y
    is a sequence, of scores over seeds, the point stands at its mean, with its 95 % interval.
    """
    figure, axis = canvas.axes(height=3.2)
    largest = max(size for _, _, size in points.values())
    for i, (name, (x, y, size)) in enumerate(points.items()):
        mean, low, high = _with_interval(y)
        axis.vlines(x, low, high, color="0.2", linewidth=1.5)
        axis.scatter(
            x, mean, 40 + 500 * size / largest, color=canvas.COLOURS[i], marker=canvas.MARKERS[i],
            edgecolor="0.2", linestyle="-", alpha=0.85, label=f"{name}, {size:,.0f} kB",
        )  # fmt: skip
    axis.set_xscale("log")
    costs = [x for x, _, _ in points.values()]
    axis.set_xlim(min(costs) / 1.6, max(costs) * 1.6)
    axis.margins(y=0.2)
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.minorticks_off()
    for handle in canvas.label(axis, xlabel, ylabel, title=title).legend_handles:
        handle.set_sizes([50])
    canvas.show(figure, alt)


def measures(across, up, *, alt, beside=None):
    """The same students by two measures: a point an arm at its means, with both 95 % intervals.

    ``across`` and ``up`` are :class:`kdlab.study.Result` of the same arms, ``beside`` says of some of them
    where the name stands: "left", "above" or "below" the point in place of right of it.
    """
    places = {"left": (-8, -3, "right"), "above": (0, 9, "center"), "below": (0, -15, "center")}
    figure, axis = canvas.axes(height=3.8)
    for i, arm in enumerate(across.scores):
        (x, left, right), (y, low, high) = (_with_interval(result.scores[arm]) for result in (across, up))
        colour, marker = canvas.COLOURS[i % len(canvas.COLOURS)], canvas.MARKERS[i % len(canvas.MARKERS)]
        axis.plot([left, right], [y, y], color=colour, linewidth=1.5, marker="")
        axis.plot([x, x], [low, high], color=colour, linewidth=1.5, marker="")
        axis.plot(x, y, color=colour, marker=marker, markersize=7, markeredgecolor="0.2")
        dx, dy, side = places.get((beside or {}).get(arm), (8, -3, "left"))
        axis.annotate(arm, (x, y), (dx, dy), textcoords="offset points", ha=side)
    axis.margins(x=0.15, y=0.12)
    canvas.label(axis, across.metric, up.metric, legend=False)
    canvas.show(figure, alt)
