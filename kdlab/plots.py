"""Figures: one message each, readable in grey, with an alternative text that states the finding."""

import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator, MaxNLocator

from kdlab.estimates import mean_interval

# Okabe and Ito's palette is told apart by colour-blind readers; markers and dashes serve in grey.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
MARKERS = ["o", "s", "^", "D", "v", "P"]
HATCHES = ["", "//", "..", "xx"]
DASHES = ["-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (1, 1))]
ZERO = {"color": "0.4", "linewidth": 1}  # the line of no difference
STYLE = {
    "axes.prop_cycle": plt.cycler(color=COLOURS, marker=MARKERS, linestyle=DASHES),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "figure.dpi": 90,
    "savefig.bbox": "tight",
    "font.size": 10,
    "legend.frameon": False,
}


def show(figure, alt):
    """Show a figure, and close it; its alternative text is the finding, and must not be empty."""
    if not alt.strip():
        raise ValueError("a figure needs an alternative text that states its finding")
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is None:
        plt.show()
    else:
        display(figure, metadata={"image/png": {"alt": alt}})
    plt.close(figure)


def axes(rows=1, columns=1, *, width=7.0, height=3.0, **options):
    """A figure and its axes in the course's style; arguments as in ``plt.subplots``."""
    with plt.rc_context(STYLE):
        return plt.subplots(rows, columns, figsize=(width, height), layout="constrained", **options)


def label(axis, xlabel, ylabel, *, title=None, legend=True):
    """What stands around the only axes of a figure; gives its legend, which is beside it."""
    axis.set(xlabel=xlabel, ylabel=ylabel)
    axis.set_title(title or "", loc="left")
    return axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5)) if legend else None


def images(images, titles, *, columns=10, alt=None):
    """Show images (N, 1, H, W) in rows, dark ink on white, a title above each."""
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    figure, grid = axes(rows, columns, width=0.85 * columns, height=1.1 * rows, squeeze=False)
    for axis in grid.flat:
        axis.axis("off")
    for axis, image, title in zip(grid.flat, images, titles):
        axis.imshow(image[0], cmap="gray_r", vmin=0, vmax=1)
        axis.set_title(str(title), fontsize=10)
    names = ", ".join(str(title).replace("\n", " ") for title in titles)
    show(figure, alt or f"{len(images)} handwritten digits: {names}.")


def soft_labels(images, probabilities, *, titles=None, alt=None):
    """Each image above the bars of its class probabilities (N, C), the largest in a second colour."""
    n, classes = probabilities.shape
    figure, grid = axes(2, n, width=1.75 * n, height=3.0, squeeze=False, height_ratios=(1, 1.2), sharey="row")
    titles = [""] * n if titles is None else titles
    for (picture, bars), image, p, title in zip(grid.T, images, probabilities, titles):
        picture.imshow(image[0], cmap="gray_r", vmin=0, vmax=1)
        picture.axis("off")
        picture.set_title(str(title))
        colours = [COLOURS[int(c == int(p.argmax()))] for c in range(classes)]
        bars.bar(range(classes), p, color=colours, linestyle="-")
        bars.tick_params(labelsize=8)
        bars.set(xticks=range(classes), ylim=(0, 1), xlabel="class")
    grid[1, 0].set_ylabel("probability")
    said = "; ".join(_in_words(p) for p in probabilities)
    show(figure, alt or f"{n} digits with their class probabilities as bars: {said}.")


def _in_words(p):
    first, second = p.topk(2).indices.tolist()
    return f"{first} with {p[first]:.0%}, then {second} with {p[second]:.0%}"


def intervals(result, *, title=None):
    """Paired differences to the baseline: a dot a seed, the mean with its 95 % interval, the verdict."""
    arms = [arm for arm in result.scores if arm != result.baseline]
    figure, axis = axes(height=0.9 + 0.55 * len(arms))
    axis.axvline(0, **ZERO)
    for row, arm in enumerate(arms):
        differences = result.differences(arm)
        mean, low, high = mean_interval(differences)
        axis.plot(differences, [row + 0.22] * len(differences), "o", color="0.6", markersize=4, linestyle="")
        if len(differences) > 1:
            axis.plot([low, high], [row, row], color=COLOURS[0], linewidth=3, linestyle="-", marker="")
        axis.plot(mean, row, "D", color=COLOURS[0], markersize=8)
        beside = axis.get_yaxis_transform()  # a share of the width, and a row
        axis.text(1.02, row, result.verdict(arm), transform=beside, va="center", weight="bold")
    axis.set_yticks(range(len(arms)), arms)
    axis.set_ylim(len(arms) - 0.5, -0.5)
    axis.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=2))
    title = title or f"Mean paired difference with its 95 % interval, {result.seeds} seeds"
    label(axis, f"difference to {result.baseline!r} in {result.metric}", "", title=title, legend=False)
    show(figure, "Interval plot of paired differences. " + " ".join(f"{result.sentence(a)}." for a in arms))


def bars(names, groups, *, xlabel, ylabel, alt, title=None):
    """Bars side by side above each of the names, told apart by colour and hatching.

    ``groups`` has by label a height for each of the names.
    """
    figure, axis = axes(height=2.8)
    width = 0.8 / len(groups)
    for i, (name, heights) in enumerate(groups.items()):
        places = [n + (i - (len(groups) - 1) / 2) * width for n in range(len(names))]
        axis.bar(places, heights, width, label=name, color=COLOURS[i], hatch=HATCHES[i], linestyle="-")
    axis.axhline(0, **ZERO)
    axis.set_xticks(range(len(names)), names)
    label(axis, xlabel, ylabel, title=title, legend=len(groups) > 1)
    show(figure, alt)


def lines(x, curves, *, xlabel, ylabel, title=None, alt, log=False, every=1):
    """Curves over x, told apart by colour, marker and dash.

    Parameters
    ----------
    x : sequence of float
    curves : dict of str to sequence of float
    xlabel, ylabel, title, alt : str
    log : bool or "both"
        Logarithmic x axis, with a tick at each of the values; ``"both"``: y as well.
    every : int
        Points from one marker to the next.
    """
    figure, axis = axes(height=3.2)
    with plt.rc_context(STYLE):
        for name, y in curves.items():
            axis.plot(x, y, label=name, markevery=every)
    if log:
        axis.set_xscale("log")
        axis.set_xticks(x, [f"{v:g}" for v in x])
        axis.minorticks_off()
    if log == "both":
        axis.set_yscale("log")
    label(axis, xlabel, ylabel, title=title, legend=len(curves) > 1)
    show(figure, alt)


def tradeoff(points, *, xlabel, ylabel, alt, title=None):
    """What a network costs against what it gets right; the area of a point is its size.

    ``points`` are (x, y, kilobytes) by name, which stands in the legend; the x axis is logarithmic.
    """
    figure, axis = axes(height=3.2)
    largest = max(size for _, _, size in points.values())
    for i, (name, (x, y, size)) in enumerate(points.items()):
        axis.scatter(
            x, y, 40 + 500 * size / largest, color=COLOURS[i], marker=MARKERS[i], edgecolor="0.2",
            linestyle="-", alpha=0.85, label=f"{name}, {size:,.0f} kB",
        )  # fmt: skip
    axis.set_xscale("log")
    costs = [x for x, _, _ in points.values()]
    axis.set_xlim(min(costs) / 1.6, max(costs) * 1.6)
    axis.margins(y=0.2)
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.minorticks_off()
    for handle in label(axis, xlabel, ylabel, title=title).legend_handles:
        handle.set_sizes([50])
    show(figure, alt)


def panels(results, *, xlabel):
    """Studies of the same arms side by side: the mean paired differences with their intervals.

    ``results`` has a :class:`kdlab.study.Result` a panel, titled by its name and the baseline's own
    score; ``xlabel`` says what the arms are.
    """
    figure, grid = axes(1, len(results), width=2.9 * len(results), height=3.2, sharey=True, squeeze=False)
    said = []
    for axis, (name, result) in zip(grid[0], results.items()):
        arms = [arm for arm in result.scores if arm != result.baseline]
        for place, arm in enumerate(arms):
            mean, low, high = mean_interval(result.differences(arm))
            axis.plot([place] * 2, [low, high], color=COLOURS[0], linewidth=3, linestyle="-", marker="")
            axis.plot(place, mean, "D", color=COLOURS[0], markersize=7)
        axis.axhline(0, **ZERO)
        level = sum(result.scores[result.baseline]) / result.seeds
        axis.set_title(f"{name}\n{result.baseline}: {level:.0f} %", fontsize=10)
        axis.set_xticks(range(len(arms)), [arm.replace(" ", "\n") for arm in arms])
        axis.set_xlim(-0.5, len(arms) - 0.5)
        said.append(f"{name}: " + ", ".join(f"{arm} {result.verdict(arm)}" for arm in arms))
    grid[0, 0].set_ylabel(f"points above {result.baseline}")
    figure.supxlabel(xlabel, fontsize=10)
    show(figure, f"Intervals of the differences to {result.baseline!r}. {'; '.join(said)}.")
