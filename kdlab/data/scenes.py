"""Scenes of several handwritten digits among scraps, with a box around each; everything follows from a seed.

The handwriting is that of :func:`kdlab.data.digits`, and so are the parts: no source in two of them, and the
600 sources of the teachers in none. Scraps are cut from digits of the same part.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F

from kdlab.data.digits import digits, teacher_digits

SIZE, MOST = 48, 4  # pixels a side; objects in a scene, at most
WINDOW, TURN, BEND = (
    (12.0, 24.0),
    math.pi / 9,
    0.15,
)  # pixels a side of a digit's square; radians; of the canvas
SCRAPS, SCRAP, NOISE = 5, 8, 0.15  # in a scene; pixels a side; standard deviation
INK, SMALLEST = 0.3, 3  # what counts as ink, and pixels a side of the smallest box
TRIES, APART = 12, 0.42  # to find a place; of two windows' sides together, how near their middles may be
LABELLED_SOURCES, TEACHER_SEED, CHUNK = 200, 2015, 128


class Scenes(NamedTuple):
    """Images (N, 1, 48, 48) float32 in [0, 1], and four places a scene for an object.

    ``boxes`` are (N, 4, 4) float32, left, top, right and bottom in pixels; ``labels`` (N, 4) int64 and
    ``sources`` (N, 4) int64, of whose handwriting it is. Where there is no object labels are -1.
    """

    inputs: torch.Tensor
    boxes: torch.Tensor
    labels: torch.Tensor
    sources: torch.Tensor

    def take(self, rows):
        """The same tensors at ``rows``: indices, a slice or a mask."""
        return Scenes(*(tensor[rows] for tensor in self))


class Splits(NamedTuple):
    """Three parts that share no source. The pool's boxes are there to compare with, not to train on."""

    labelled: Scenes
    pool: Scenes
    test: Scenes


def scenes(seed=0, *, labelled=200, pool=600, test=300):
    """:class:`Splits` with so many scenes each, of 200, 450 and 397 sources that the seed redraws.

    Raises
    ------
    ValueError
        If the seed is below 0, or a part would be empty.
    """
    parts = digits(LABELLED_SOURCES, seed=seed)
    counts = (parts.labelled, labelled), (parts.pool, pool), (parts.test, test)
    return Splits(*(compose(part, n, seed=3 * seed + i) for i, (part, n) in enumerate(counts)))


def teacher_scenes(count):
    """Scenes of the handwriting that only teachers learn from, the same at every call."""
    return compose(teacher_digits(), count, seed=TEACHER_SEED)


def joined(*parts):
    """The scenes of several parts as one, with as many places as the widest has."""
    places = max(part.labels.shape[1] for part in parts)
    return Scenes(*map(torch.cat, zip(*(_widened(part, places) for part in parts))))


def _widened(part, places):
    more = places - part.labels.shape[1]
    labels, sources = (F.pad(of, (0, more), value=-1) for of in (part.labels, part.sources))
    return Scenes(part.inputs, F.pad(part.boxes, (0, 0, 0, more)), labels, sources)


def with_found(part, found, *, most=8):
    """The same scenes with boxes that a detector found, as if somebody had drawn them.

    Parameters
    ----------
    part : Scenes
    found : kdlab.models.scenes.Found
        Best first; of each scene the first ``most`` are taken.
    """
    boxes, labels = torch.zeros(len(part.inputs), most, 4), torch.full((len(part.inputs), most), -1)
    place = [0] * len(part.inputs)
    for scene, box, label in zip(found.scenes.tolist(), found.boxes, found.labels):
        if place[scene] < most:
            boxes[scene, place[scene]], labels[scene, place[scene]] = box, label
            place[scene] += 1
    return Scenes(part.inputs, boxes, labels, torch.full_like(labels, -1))


def compose(part, count, *, seed=0, scraps=SCRAPS, noise=NOISE):
    """``count`` scenes of a :class:`kdlab.data.Part` of upright digits: one to four, turned, bent and placed.

    ``scraps`` are small windows of digits of the same part, which belong to no object; ``noise`` is the
    standard deviation of the pixels', which are clipped to [0, 1]. ValueError if ``count`` is below 1.
    """
    if count < 1:
        raise ValueError(f"a part of {count} scenes is empty: give at least 1")
    random = torch.Generator().manual_seed(seed)
    made = [_some(part, min(CHUNK, count - i), random, scraps, noise) for i in range(0, count, CHUNK)]
    return joined(*made)


def _some(part, count, random, scraps, noise):
    """In chunks: all digits on canvases of their own take a hundred times the memory of the scenes."""
    rows = torch.randint(len(part), (count, MOST), generator=random)
    side = _uniform(random, *WINDOW, count, MOST)
    centre, placed = _placed(side, torch.randint(1, MOST + 1, (count,), generator=random), random)
    drawn = _drawn(part.images[rows.flatten()], side.flatten(), centre.view(-1, 2), random)
    drawn = drawn.view(count, MOST, SIZE, SIZE)
    boxes, visible = _boxes(drawn)
    there = placed & visible
    canvas = (drawn * there[..., None, None]).amax(dim=1)
    for _ in range(scraps):
        canvas = torch.maximum(canvas, _scrap(drawn.flatten(0, 1), count, random))
    canvas = canvas + noise * torch.randn(canvas.shape, generator=random)
    return Scenes(
        canvas.clamp(0, 1)[:, None],
        boxes * there[..., None],
        part.labels[rows].masked_fill(~there, -1),
        part.sources[rows].masked_fill(~there, -1),
    )


def _uniform(random, low, high, *shape):
    return low + (high - low) * torch.rand(*shape, generator=random)


def _placed(side, wanted, random):
    """Middles (N, 4, 2) of windows that all but do not overlap, and which of the four found a place."""
    count = len(side)
    centre, placed = torch.full((count, MOST, 2), SIZE / 2), torch.zeros(count, MOST, dtype=torch.bool)
    for k in range(MOST):
        for _ in range(TRIES):
            margin = 0.45 * side[:, k, None]
            tried = margin + (SIZE - 2 * margin) * torch.rand(count, 2, generator=random)
            away = (tried[:, None] - centre).abs().amax(dim=2) > APART * (side + side[:, k, None])
            put = (away | ~placed).all(dim=1) & ~placed[:, k] & (k < wanted)
            centre[put, k] = tried[put]
            placed[put, k] = True
    return centre, placed


def _drawn(images, side, centre, random):
    """Each image (n, 1, h, w) on a canvas of its own (n, 48, 48), turned, bent and at its place."""
    angle = _uniform(random, -TURN, TURN, len(images))
    # grid_sample asks, for each output pixel, where to read: the inverse of the placement.
    turn = torch.stack([angle.cos(), angle.sin(), -angle.sin(), angle.cos()], dim=1).view(-1, 2, 2)
    inverse = turn * (SIZE / side)[:, None, None]
    offset = -(inverse @ (centre / SIZE * 2 - 1)[:, :, None])
    grid = F.affine_grid(
        torch.cat([inverse, offset], dim=2), (len(images), 1, SIZE, SIZE), align_corners=False
    )
    bend = _uniform(random, -BEND, BEND, len(images), 2, 3, 3)
    bend = F.interpolate(bend, size=(SIZE, SIZE), mode="bicubic").permute(0, 2, 3, 1)
    return F.grid_sample(images, grid + bend, align_corners=False)[:, 0]


def _boxes(drawn):
    """The tightest boxes (N, 4, 4) around the ink of each canvas, and which are large enough to count."""
    ink = drawn > INK
    sides = []
    for axis in (-2, -1):
        on = ink.any(dim=axis).float()
        sides.append((on.argmax(dim=-1).float(), SIZE - on.flip(-1).argmax(dim=-1).float()))
    (left, right), (top, bottom) = sides
    boxes = torch.stack([left, top, right, bottom], dim=-1)
    width, height = boxes[..., 2] - left, boxes[..., 3] - top
    return boxes, ink.flatten(2).any(dim=2) & (width >= SMALLEST) & (height >= SMALLEST)


def _scrap(drawn, count, random):
    """A small window of another digit, somewhere on each of the canvases (count, 48, 48)."""
    side = torch.arange(SIZE)
    corner = torch.randint(SIZE - SCRAP, (count, 2, 1), generator=random)
    rows, columns = ((side >= corner) & (side < corner + SCRAP)).unbind(1)
    piece = drawn[torch.randint(len(drawn), (count,), generator=random)]
    piece = piece * (rows[:, :, None] & columns[:, None])
    shifts = torch.randint(SIZE, (count, 2), generator=random).tolist()
    return torch.stack([one.roll(shift, dims=(0, 1)) for one, shift in zip(piece, shifts)])
