"""Images, what is answered of them, and matrices."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from kdlab.plots import canvas

# As many steps as are not seen; a palette has room for them beside letters.
STEPS = 129
SIGNED = LinearSegmentedColormap.from_list(
    "signed", ["#6B2F00", "#D55E00", "white", "#0072B2", "#00304A"], STEPS
)
FEW = 150  # cells of a matrix, up to which their numbers are written
WIDE = 6.6  # inches, for all matrices of a figure
LETTER = 6.2 / 72  # inches


def images(images, titles, *, columns=10, alt=None):
    """Show images (N, 1, H, W) in rows, dark ink on white, a title above each."""
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    figure, grid = canvas.axes(rows, columns, width=0.85 * columns, height=1.1 * rows, squeeze=False)
    for axis in grid.flat:
        axis.axis("off")
    for axis, image, title in zip(grid.flat, images, titles):
        axis.imshow(image[0], cmap="gray_r", vmin=0, vmax=1)
        axis.set_title(str(title), fontsize=10)
    names = ", ".join(str(title).replace("\n", " ") for title in titles)
    canvas.show(figure, alt or f"{len(images)} handwritten digits: {names}.")


def soft_labels(images, probabilities, *, labels=None, titles=None, alt=None):
    """Each image above the bars of its class probabilities (N, C), the largest in a second colour.

    With ``labels`` (N,) a triangle stands above the bar of each image's label.
    """
    n, classes = probabilities.shape
    options = {"squeeze": False, "height_ratios": (1, 1.2), "sharey": "row"}
    figure, grid = canvas.axes(2, n, width=1.75 * n, height=3.0, **options)
    titles = [""] * n if titles is None else titles
    labels = [None] * n if labels is None else [int(label) for label in labels]
    for (picture, bars), image, p, title, label in zip(grid.T, images, probabilities, titles, labels):
        picture.imshow(image[0], cmap="gray_r", vmin=0, vmax=1)
        picture.axis("off")
        picture.set_title(str(title))
        colours = [canvas.COLOURS[int(c == int(p.argmax()))] for c in range(classes)]
        bars.bar(range(classes), p, color=colours, linestyle="-")
        bars.tick_params(labelsize=8)
        bars.set(xticks=range(classes), ylim=(0, 1), xlabel="class")
        if label is not None:
            bars.plot(label, p[label] + 0.07, marker="v", markersize=6, color="black", clip_on=False)
    grid[1, 0].set_ylabel("probability")
    said = "; ".join(_in_words(p, label) for p, label in zip(probabilities, labels))
    canvas.show(figure, alt or f"{n} digits with their class probabilities as bars: {said}.")


def _in_words(p, label):
    first, second = p.topk(2).indices.tolist()
    truth = "" if label is None else f"label {label}: "
    return f"{truth}{first} with {p[first]:.0%}, then {second} with {p[second]:.0%}"


def matrix(values, rows=None, columns=None, *, label, alt, **options):
    """Show a matrix, or several side by side, in colours, with a colour bar; as :func:`draw_matrix`."""
    canvas.show(draw_matrix(values, rows, columns, label=label, **options), alt)


def draw_matrix(
    values, rows=None, columns=None, *, label, xlabel="", ylabel="", title=None, signed=None, limits=None,
    numbers=None,
):  # fmt: skip
    """The figure of a matrix, or of several with the same limits and one colour bar.

    Parameters
    ----------
    values : array of shape (R, C), or dict of str to array
        A matrix, or several by their titles. A cell that is NaN is left grey, with a cross.
    rows, columns : sequence, optional
        Names; without them, no ticks.
    label : str
        What the colours stand for, with its unit.
    xlabel, ylabel, title : str, optional
    signed : bool, optional
        Whether 0 is white, with a colour to each side and limits that are alike; by default, whether there
        are values below 0. Otherwise the lowest is lightest.
    limits : (float, float), optional
        Of the colours; by default those of the values.
    numbers : bool, optional
        Whether cells hold their numbers; by default where they are named and few.
    """
    several = values if isinstance(values, dict) else {"": values}
    several = {name: np.asarray(one, dtype=float) for name, one in several.items()}
    rows, columns = ([] if names is None else [str(name) for name in names] for names in (rows, columns))
    shape = next(iter(several.values())).shape
    side = [np.clip(0.44 * n, 1.6, min(4.4, WIDE / len(several))) for n in shape]
    cell = side[1] / shape[1]
    beside, below = (LETTER * max(map(len, names), default=0) for names in (rows, columns))
    turned = below > cell
    figure, grid = canvas.axes(
        1, len(several), sharey=True, squeeze=False, width=1.5 + beside + (side[1] + 0.15) * len(several),
        height=0.8 + side[0] + (below if turned else LETTER),
    )  # fmt: skip
    figure.set_layout_engine("compressed")
    if numbers is None:
        numbers = bool(rows and columns) and shape[0] * shape[1] <= FEW and cell > 0.29
    look = _colours(several, signed, limits)
    for axis, (name, shown) in zip(grid[0], several.items()):
        image = axis.imshow(np.ma.masked_invalid(shown), **look)
        _around(axis, shown, rows, columns, cell, turned)
        axis.set_title(name or title or "", loc="left", fontsize=10 if name else 11)
        axis.set_xlabel(xlabel)
        if numbers:
            _write_numbers(axis, shown, image)
    grid[0, 0].set_ylabel(ylabel)
    if len(several) > 1 and title:
        figure.suptitle(title, x=0, ha="left", fontsize=11)
    figure.colorbar(image, ax=grid, label=label)
    return figure


def _colours(several, signed, limits):
    """What all matrices of a figure are coloured by."""
    finite = np.concatenate([shown[np.isfinite(shown)] for shown in several.values()])
    low, high = limits or (finite.min(), finite.max())
    if signed or signed is None and (finite < 0).any():
        colours, low, high = SIGNED, -max(-low, high), max(-low, high)
    else:
        colours = plt.get_cmap("Blues", STEPS)
    # Without mixed colours a matrix of many cells takes a third of the bytes.
    return {"cmap": colours.with_extremes(bad="0.85"), "vmin": low, "vmax": high, "interpolation": "nearest"}


def _around(axis, shown, rows, columns, cell, turned):
    """A frame, names at the cells, and a cross where there is no value."""
    axis.spines[["top", "right"]].set_visible(True)
    axis.plot(*np.argwhere(np.isnan(shown)).T[::-1], "x", color="0.4", markersize=5)
    size = min(10, 64 * cell)
    axis.set_xticks(range(len(columns)), columns, rotation=90 * turned, fontsize=size)
    axis.set_yticks(range(len(rows)), rows, fontsize=size)


def _write_numbers(axis, shown, image):
    """Each number in its cell, black or white, whichever is read on its colour."""
    largest = np.nanmax(np.abs(shown))
    places = int(np.clip(2 - np.ceil(np.log10(largest or 1)), 0, 2))
    sign = "+" if np.nanmin(shown) < 0 else ""
    for (row, column), value in np.ndenumerate(shown):
        if np.isfinite(value):
            dark = image.cmap(image.norm(value))[:3] @ np.array([0.3, 0.59, 0.11]) < 0.5
            text = f"{round(value, places) + 0.0:{sign}.{places}f}"
            axis.text(column, row, text, ha="center", va="center", fontsize=7, color="w" if dark else "k")
