"""The report's figures: learning curves, confusion, and photos that are answered better or worse."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.ticker import MaxNLocator

from kdlab import plots
from kdlab.files import write_atomically
from kdlab.names import literal

MOST_CLASSES = 30  # of which a confusion matrix can be read
SHOWN = 6  # photos in a row
NAME = 22  # letters of a class name above a photo


def curves(outcome, path):
    """Validation accuracy over epochs, a line an arm and seed, and the teacher's."""
    figure, axis = plots.axes(height=3.2)
    arms = list(outcome.result.scores)
    for (arm, seed), rows in outcome.logs.items():
        number = arms.index(arm)
        axis.plot(
            [r["epoch"] for r in rows], [r["accuracy, %"] for r in rows], color=plots.COLOURS[number],
            linestyle=plots.DASHES[number], marker="" if len(rows) > 1 else "o",
            label=arm if seed == outcome.recipe.seed else None,
        )  # fmt: skip
    if "teacher, %" in outcome.facts:
        axis.axhline(outcome.facts["teacher, %"], color="0.4", linewidth=1, linestyle=":", label="teacher")
    axis.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    plots.label(axis, "epoch", "validation accuracy, %")
    _save(figure, path)


def confusion(logits, labels, classes, path):
    """Counts (C, C) of each true class, a row, answered as each class; drawn where there are not too many."""
    from sklearn.metrics import confusion_matrix

    matrix = confusion_matrix(labels, logits.argmax(1), labels=range(len(classes)))
    if len(classes) <= MOST_CLASSES:
        share = matrix / matrix.sum(axis=1, keepdims=True).clip(min=1)
        names = [_short(name) for name in classes]
        figure = plots.draw_matrix(
            share, names, names, label="share of the true class", xlabel="answered", ylabel="true class",
            limits=(0, 1),
        )  # fmt: skip
        _save(figure, path)
    return matrix


def changed(before, after, labels):
    """Which rows ``after`` answers right and ``before`` does not, and the reverse; the clearest first.

    Logits (N, C) and labels (N,); without ``before``, no rows and those that ``after`` is surest of and
    answers wrong.
    """
    rows = torch.arange(len(labels))
    now = after.softmax(1)[rows, labels]
    right = after.argmax(1) == labels
    if before is None:
        return [], _ordered(~right, -now)
    then, was_right = before.softmax(1)[rows, labels], before.argmax(1) == labels
    return _ordered(right & ~was_right, now - then), _ordered(was_right & ~right, then - now)


def _ordered(chosen, by):
    rows = chosen.nonzero().flatten()
    return rows[by[rows].argsort(descending=True, stable=True)].tolist()


def examples(groups, photos, path):
    """Photos in rows, ``groups`` a list of (title, rows, captions by row); False where there is none."""
    groups = [(title, rows[:SHOWN], captions) for title, rows, captions in groups if rows]
    if not groups:
        return False
    with plt.rc_context(plots.STYLE):
        figure = plt.figure(figsize=(1.35 * SHOWN, 2.2 * len(groups)), layout="constrained")
    parts = figure.subfigures(len(groups), squeeze=False)[:, 0]
    for part, (title, rows, captions) in zip(parts, groups):
        part.suptitle(title, x=0.01, ha="left", fontsize=10)
        line = part.subplots(1, SHOWN)
        for axis in line:
            axis.axis("off")
        for axis, row in zip(line, rows):
            image = photos.validation.read(row).permute(1, 2, 0).numpy()
            axis.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
            axis.set_title("\n".join(map(_short, captions[row])), fontsize=7)
    _save(figure, path)
    return True


def _short(name):
    text = literal(name)
    return text if len(text) <= NAME else f"{text[: NAME // 2]}…{text[-NAME // 2 + 1 :]}"


def _save(figure, path):
    # Names are drawn as they are, whatever dollars they hold and whether the font has their letters.
    try:
        with warnings.catch_warnings(), write_atomically(path) as file:
            warnings.filterwarnings("ignore", "Glyph .* missing")
            for text in figure.findobj(plt.Text):
                text.set_parse_math(False)
            file.write(plots.png(figure)[0])
    finally:
        plt.close(figure)


def most_confused(matrix, classes, most=5):
    """(true, answered, count) of the pairs that are confused most."""
    wrong = [(int(count), *place) for place, count in np.ndenumerate(matrix) if place[0] != place[1]]
    found = sorted(wrong, key=lambda pair: -pair[0])[:most]
    return [(classes[true], classes[said], count) for count, true, said in found if count]
