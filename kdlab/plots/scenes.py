"""Scenes with the boxes that are there, and those that were found."""

import torch

from kdlab.metrics.scenes import right_ones
from kdlab.plots import canvas

LEAST = 0.5  # score of a box that is drawn


def boxes(scenes, rows, found, *, alt, least=LEAST):
    """Some scenes, a row each: with the true boxes, and once more for each detector.

    A solid blue box is right, a dashed orange one wrong: another class, a second one, or it does not overlap
    the object by half. The class stands at the box.

    Parameters
    ----------
    scenes : kdlab.data.scenes.Scenes
    rows : sequence of int
    found : dict of str to kdlab.models.scenes.Found
        By title.
    alt : str
    least : float
        Scores from here on are drawn.
    """
    columns = 1 + len(found)
    figure, grid = canvas.axes(
        len(rows), columns, width=1.75 * columns, height=1.9 * len(rows), squeeze=False
    )
    shown = {title: (one, right_ones(one, scenes)) for title, one in found.items()}
    for line, scene in zip(grid, rows):
        there = scenes.labels[scene] >= 0
        _draw(line[0], scenes, scene, scenes.boxes[scene][there], scenes.labels[scene][there])
        for axis, (one, right) in zip(line[1:], shown.values()):
            own = (one.scenes == scene) & (one.scores > least)
            _draw(axis, scenes, scene, one.boxes[own], one.labels[own], right[own])
    for axis, title in zip(grid[0], ["truth", *shown]):
        axis.set_title(title, fontsize=10, pad=12)
    canvas.show(figure, alt)


def _draw(axis, scenes, scene, boxes, labels, right=None):
    axis.imshow(scenes.inputs[scene, 0], cmap="gray_r", vmin=0, vmax=1.6)  # ink is grey below the boxes
    axis.set(xticks=[], yticks=[])
    right = torch.ones(len(boxes), dtype=torch.bool) if right is None else right
    for (left, top, far, low), label, fits in zip(boxes.tolist(), labels.tolist(), right.tolist()):
        look = {"color": canvas.COLOURS[0 if fits else 1], "linestyle": "-" if fits else "--", "marker": ""}
        axis.plot([left, far, far, left, left], [top, top, low, low, top], linewidth=1.6, **look)
        axis.text(left, top, label, color=look["color"], fontsize=9, fontweight="bold", va="bottom")
    size = scenes.inputs.shape[-1]
    axis.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5))
