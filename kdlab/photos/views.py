"""Views of a photo: view k of image i under a seed is always the same, whoever asks for it."""

import math
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from kdlab.photos.decoding import CENTRE

RATIO = (3 / 4, 4 / 3)


def uniforms(seed, images, view, count):
    """Numbers in [0, 1), (len(images), count), each a function of seed, image, view and place alone.

    SplitMix64 as a hash of the four (Steele, Lea and Flood 2014): no stream to be at the right place of.
    """
    rows, places = np.asarray(images, dtype=np.uint64)[:, None], np.arange(count, dtype=np.uint64)
    with np.errstate(over="ignore"):
        key = np.uint64(seed)
        for part in (rows, np.uint64(view), places):
            key = _mix(key + _STEP * (part + np.uint64(1)))
    return (key >> np.uint64(11)).astype(np.float64) / 2**53


_STEP = np.uint64(0x9E3779B97F4A7C15)


def _mix(z):
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def training_views(part, images, view, *, size, seed, area=0.35, flip=0.5):
    """View ``view`` of these images of a part: a random crop, resized, and mirrored half of the time.

    ``area`` is the smallest share of the photo that a crop shows; aspect ratios lie between 3 : 4 and
    4 : 3 (Szegedy et al. 2015, section 6). ``flip`` is the share of views that are mirrored.
    Gives uint8 (len(images), channels, size, size).
    """
    from torchvision.transforms.v2 import functional as v2

    draws = uniforms(seed, images, view, 5)
    out = []
    for i, (u_area, u_ratio, u_top, u_left, u_flip) in zip(images, draws.tolist()):
        image = part.read(int(i))
        height, width = image.shape[1:]
        pixels = (area + (1 - area) * u_area) * height * width
        ratio = math.exp(math.log(RATIO[0]) + u_ratio * math.log(RATIO[1] / RATIO[0]))
        w = max(1, min(width, round(math.sqrt(pixels * ratio))))
        h = max(1, min(height, round(math.sqrt(pixels / ratio))))
        top, left = int(u_top * (height - h + 1)), int(u_left * (width - w + 1))
        image = v2.resize(image[:, top : top + h, left : left + w], [size, size], antialias=True)
        out.append(image.flip(2) if u_flip < flip else image)
    return torch.stack(out)


def central_views(part, images, *, size):
    """Photos resized, then their centre, uint8 (len(images), channels, size, size).

    The centre is 7/8 of the shorter side; of a photo no larger than ``size`` it is all of it.
    """
    from torchvision.transforms.v2 import functional as v2

    out = []
    for i in images:
        image = part.read(int(i))
        short = min(image.shape[1:])
        side = size if short <= size else math.floor(size / CENTRE)
        target = [max(side, round(s * side / short)) for s in image.shape[1:]]
        image = v2.resize(image, target, antialias=True) if target != list(image.shape[1:]) else image
        out.append(v2.center_crop(image, [size, size]))
    return torch.stack(out)


def normalise(images, mean, std):
    """uint8 images as float32, with the mean and deviation of each channel taken out."""
    mean, std = (torch.tensor(m, device=images.device).view(-1, 1, 1) for m in (mean, std))
    return (images.float() / 255 - mean) / std


def prefetch(make, keys, *, threads=1, depth=4):
    """``make(key)`` for each key in order, computed by threads while the caller is busy.

    With ``threads=0`` in the caller itself. An error in a thread is raised here, at its place.
    """
    if threads == 0:
        yield from map(make, keys)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque()
        try:
            for key in keys:
                waiting.append(pool.submit(make, key))
                if len(waiting) > max(depth, 2 * threads):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
