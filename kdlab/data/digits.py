"""Handwritten digits, clean or cluttered, without a download; everything follows from a seed.

The handwriting is scikit-learn's copy of the UCI optical digits: 1,797 images of 8 x 8 pixels,
shown here at 32 x 32 so that timm backbones fit. Each image keeps the number of its source, and
every split is a split of sources: no handwriting in two parts, whatever was warped from it.
"""

import importlib.util
import math
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from kdlab.data.common import stratified

NUM_CLASSES = 10
SIZE = 32
TEACHER_SEED = 2015
CHUNK = 512


@dataclass(frozen=True)
class Part:
    """Images (N, 1, 32, 32) float32 in [0, 1], labels (N,) int64, source numbers (N,) int64.

    Cluttered digits also hold their pose (N, 3): the centre's x and y in pixels from the middle,
    and the turn in degrees, which no label mentions.
    """

    images: torch.Tensor
    labels: torch.Tensor
    sources: torch.Tensor
    pose: torch.Tensor | None = None

    def __len__(self):
        return len(self.images)

    def take(self, rows):
        """The same tensors at ``rows`` (indices or a mask)."""
        return Part(*(None if tensor is None else tensor[rows] for tensor in vars(self).values()))


class Splits(NamedTuple):
    """Four parts that share no source. The pool's labels are there to score, not to train on."""

    labelled: Part
    pool: Part
    validation: Part
    test: Part


TEACHER_SOURCES, TRANSFER_SOURCES, VALIDATION_SOURCES = 600, 650, 150


def _cut(part, size, seed):
    """Two parts that are stratified as far as that is possible: one of this size, and the rest."""
    if size in (0, len(part)):
        return part.take(slice(size)), part.take(slice(size, None))
    return tuple(part.take(rows) for rows in stratified(part.labels.numpy(), size, seed=seed))


@cache
def _handwriting():
    """All images, 8 x 8, as a part. scikit-learn's file is read without importing what lies around it."""
    package = Path(importlib.util.find_spec("sklearn").origin).parent
    table = np.loadtxt(package / "datasets" / "data" / "digits.csv.gz", delimiter=",")
    images = torch.tensor(table[:, :-1].reshape(-1, 1, 8, 8) / 16.0, dtype=torch.float32)
    labels = torch.tensor(table[:, -1], dtype=torch.int64)
    return Part(images, labels, torch.arange(len(labels)))


def _upright(images):
    return F.interpolate(images, size=(SIZE, SIZE), mode="bilinear").clamp(0, 1)


def _small_splits(labelled, seed):
    """The 8 x 8 splits: first the teacher's own sources (always the same), then the seed's four."""
    if not NUM_CLASSES <= labelled <= TRANSFER_SOURCES:
        raise ValueError(
            f"labelled={labelled} must lie between {NUM_CLASSES} (one of each class) "
            f"and {TRANSFER_SOURCES} (all images that are not the teacher's, validation or test)"
        )
    if seed < 0:
        raise ValueError(f"seed={seed} must be at least 0")
    teacher, rest = _cut(_handwriting(), TEACHER_SOURCES, TEACHER_SEED)
    transfer, rest = _cut(rest, TRANSFER_SOURCES, seed)
    validation, test = _cut(rest, VALIDATION_SOURCES, seed)
    return teacher, Splits(*_cut(transfer, labelled, seed), validation, test)


def digits(labelled=50, *, seed=0):
    """:class:`Splits` of clean digits: 650 to learn from, of which ``labelled`` have labels; 150; 397.

    Parameters
    ----------
    labelled : int from 10 to 650
        How many images come with a label, stratified by class; the others form the pool.
    seed : int
        Redraws which handwriting is labelled, pool, validation and test. The 600 sources that
        the shipped teachers learned from are in none of them, at any seed.
    """
    _, splits = _small_splits(labelled, seed)
    return Splits(*(replace(part, images=_upright(part.images)) for part in splits))


def cluttered_digits(labelled=650, *, views=1, seed=0, fragments=4, noise=0.15):
    """:class:`Splits` of the same handwriting turned, bent, placed anywhere, among fragments of others.

    Parameters
    ----------
    labelled, seed : int
        As in :func:`digits`; the seed redraws every warp too.
    views : int
        Images of each source that is learned from; validation and test always have one.
    fragments, noise : int, float
        As in :func:`clutter`; without either the digits are only turned, bent and moved.
    """
    _, splits = _small_splits(labelled, seed)
    how = {"fragments": fragments, "noise": noise}
    counts = enumerate(zip(splits, (views, views, 1, 1)))
    return Splits(*(clutter(part, views=count, seed=4 * seed + i, **how) for i, (part, count) in counts))


def teacher_digits(*, cluttered=False, views=1):
    """The part that only the shipped teachers learn from: 600 sources, the same at every seed.

    Clean views are shifted by up to two pixels, at random, each its own way.
    """
    teacher, _ = _small_splits(NUM_CLASSES, 0)
    if cluttered:
        return clutter(teacher, views=views, seed=TEACHER_SEED)
    random = torch.Generator().manual_seed(TEACHER_SEED)
    many = teacher.take(torch.arange(len(teacher)).repeat(views))
    shifts = torch.randint(-2, 3, (len(many), 2), generator=random).tolist()
    images = [i.roll(shift, dims=(1, 2)) for i, shift in zip(_upright(many.images), shifts)]
    return replace(many, images=torch.stack(images))


def noisy_labels(part, share, *, seed=0):
    """The part's labels (N,) with this share of them wrong, every wrong class equally likely.

    The noise is drawn by source: all views of one handwriting carry the same label, as they would
    if somebody had mislabelled it once.

    ``share``, from 0 to 1, is that of the sources that get a wrong label on average.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share={share} must lie between 0 and 1")
    random = torch.Generator().manual_seed(seed)
    sources = int(part.sources.max()) + 1
    # A shift of 1 to 9 never leads back to the right class.
    shift = torch.randint(1, NUM_CLASSES, (sources,), generator=random)
    shift = shift * (torch.rand(sources, generator=random) < share)
    return (part.labels + shift[part.sources]) % NUM_CLASSES


def clutter(part, *, views=1, seed=0, fragments=4, noise=0.15):
    """Warp a part's 8 x 8 digits onto a 32 x 32 canvas among fragments cut from its other digits.

    Parameters
    ----------
    views : int
        Images made from each source, all with its label and source number.
    fragments : int
        Distractors an image; each is a small window of another warped digit.
    noise : float
        Standard deviation of the Gaussian pixel noise; images are clipped to [0, 1] afterwards.
    """
    if views < 1:
        raise ValueError(f"views={views} must be at least 1")
    if len(part) == 0:
        return replace(part, images=part.images.new_zeros(0, 1, SIZE, SIZE), pose=torch.zeros(0, 3))
    random = torch.Generator().manual_seed(seed)
    rows = torch.arange(len(part)).repeat(views)
    warped, pose = _warp(part.images[rows], random)
    n = len(rows)
    scraps = [
        (torch.randint(n, (n,), generator=random), torch.randint(SIZE - 8, (n, 2, 1), generator=random))
        for _ in range(fragments)
    ]
    canvases = []
    for some in torch.arange(n).split(CHUNK):
        canvas = warped[some]
        for others, corners in scraps:
            canvas = torch.maximum(canvas, warped[others[some]] * _windows(corners[some]))
        canvas = canvas + noise * torch.randn(canvas.shape, generator=random)
        canvases.append(canvas.clamp(0, 1))
    return Part(torch.cat(canvases), part.labels[rows], part.sources[rows], pose)


def _uniform(random, low, high, *shape):
    return low + (high - low) * torch.rand(*shape, generator=random)


def _warp(images, random):
    """Turn by up to 30 degrees, scale, bend and place each image at random on the canvas."""
    n = len(images)
    angle = _uniform(random, -math.pi / 6, math.pi / 6, n)
    size = _uniform(random, 0.5, 0.8, n)
    centre = _uniform(random, -1, 1, n, 2) * (1 - size)[:, None]
    bend = _uniform(random, -0.12, 0.12, n, 2, 4, 4)
    # grid_sample asks, for each output pixel, where to read: the inverse of the placement.
    rotation = torch.stack([angle.cos(), angle.sin(), -angle.sin(), angle.cos()], 1).view(n, 2, 2)
    inverse = rotation / size[:, None, None]
    offset = -(inverse @ centre[:, :, None])
    # In chunks, as below: all grids at once take a hundred times the memory of the images.
    chunks = zip(*(t.split(CHUNK) for t in (images, torch.cat([inverse, offset], 2), bend)))
    pose = torch.cat([centre * SIZE / 2, angle[:, None].rad2deg()], dim=1)
    return torch.cat([_sample(*chunk) for chunk in chunks]), pose


def _sample(images, affine, bend):
    grid = F.affine_grid(affine, (len(images), 1, SIZE, SIZE), align_corners=False)
    bend = F.interpolate(bend, size=(SIZE, SIZE), mode="bicubic").permute(0, 2, 3, 1)
    return F.grid_sample(images, grid + bend, align_corners=False)


def _windows(corners):
    """Masks (n, 1, 32, 32) that are 1 in one square of 8 x 8 each, from its corner (n, 2, 1)."""
    side = torch.arange(SIZE)
    inside = (side >= corners) & (side < corners + 8)
    return (inside[:, 0, :, None] & inside[:, 1, None, :])[:, None].float()
