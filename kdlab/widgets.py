"""Draw a digit and see what several models answer (needs a running kernel)."""

from pathlib import Path

import anywidget
import ipywidgets
import torch
import torch.nn.functional as F
import traitlets

from kdlab.data import SIZE
from kdlab.metrics import predict


class Pad(anywidget.AnyWidget):
    """A square to draw on. ``ink`` is what was drawn, 32 x 32 values in [0, 1], row by row."""

    _esm = Path(__file__).with_name("pad.js")
    ink = traitlets.List(trait=traitlets.Float()).tag(sync=True)


def as_digit(ink):
    """What was drawn, 1,024 values row by row, in the form of the data; None if nothing was.

    Cut out, centred, 8 x 8 means, shown at 32 x 32: the UCI digits were made this way, a bitmap of
    32 x 32 counted in blocks of 4 x 4. Gives a Tensor of shape (1, 1, 32, 32).
    """
    drawn = torch.as_tensor(ink, dtype=torch.float32).view(1, 1, SIZE, SIZE)
    rows, columns = (drawn[0, 0].amax(dim=d) > 0.1 for d in (1, 0))
    if not rows.any():
        return None
    (top, bottom), (left, right) = ((i.nonzero().min(), i.nonzero().max() + 1) for i in (rows, columns))
    cut = drawn[..., top:bottom, left:right]
    scale = SIZE / max(cut.shape[-2:])
    height, width = (max(1, round(scale * n)) for n in cut.shape[-2:])
    cut = F.interpolate(cut, size=(height, width), mode="bilinear")
    across, down = SIZE - width, SIZE - height
    centred = F.pad(cut, (across // 2, across - across // 2, down // 2, down - down // 2))
    coarse = F.avg_pool2d(centred, 4)
    return F.interpolate(coarse, size=(SIZE, SIZE), mode="bilinear").clamp(0, 1)


def answers(models, image, *, top=3):
    """HTML bars of each model's likeliest classes for one image (1, 1, 32, 32)."""
    blocks = []
    for name, model in models.items():
        p = torch.softmax(predict(model, image)[0], 0)
        bars = "".join(
            f"<div><b>{c}</b> <span style='display: inline-block; height: 0.8em; background: #0072B2; "
            f"width: {120 * p[c]:.0f}px'></span> {p[c]:.0%}</div>"
            for c in p.topk(top).indices.tolist()
        )
        blocks.append(f"<div style='margin-bottom: 0.8em'>{name}{bars}</div>")
    return "".join(blocks)


def draw(models):
    """A pad to draw on, and beside it what each model answers after each stroke.

    ``models`` are classifiers of digits (N, 1, 32, 32) by name.
    """
    pad, said = Pad(), ipywidgets.HTML("Draw a digit, large, in one or more strokes.")

    def respond(change):
        image = as_digit(change["new"])
        said.value = "Draw a digit." if image is None else answers(models, image)

    pad.observe(respond, "ink")
    return ipywidgets.HBox([pad, said])
