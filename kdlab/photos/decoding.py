"""One photo: from any file that Pillow opens to uint8 pixels, or the reason why not."""

import hashlib
import io
import math
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch

from kdlab.names import reason

MARGIN = 8 / 7  # photos are kept this much larger than the network's input
WHOLE, CENTRE = 1.0, 7 / 8  # of the shorter side, what is evaluated
FULL_DEPTH = 16  # bits of integer images, where nothing speaks against it


class Decoded(NamedTuple):
    """What was read: ``pixels`` (channels, height, width) uint8, and what tells copies and odd files.

    ``side`` is the shorter one of the pixels, ``brightest`` their largest value, ``top`` that of the file
    where it holds more than 8 bits.
    """

    digest: str
    pixels: torch.Tensor
    side: int
    brightest: int
    top: int | None


def decode(source, *, size, channels, depth=FULL_DEPTH, crop=None):
    """The :class:`Decoded` photo at a path, or that a callable gives; raises on anything that is none.

    Without ``crop`` the whole photo, larger than ``size`` by 8/7 at most. With it what is evaluated: that
    share of the shorter side in the middle, (size, size), as timm's own transform cuts it out of the file.
    ``depth`` are the bits of integer images.
    """
    from PIL import Image, ImageOps
    from torchvision.transforms.v2.functional import pil_to_tensor

    kept = math.floor(size * MARGIN)
    content = _content(source) if isinstance(source, Path) else None
    image = source() if content is None else Image.open(io.BytesIO(content))
    if crop is None and content is not None and image.format == "JPEG":
        image.draft(None, (kept, kept))  # decodes at a half, a quarter ... where that is large enough
    image, top = _as_mode(ImageOps.exif_transpose(image), "RGB" if channels == 3 else "L", depth)
    content = image.tobytes() if content is None else content
    image = _shrunk(image, kept) if crop is None else _centre(image, size, crop)
    digest = hashlib.blake2b(content, digest_size=16).hexdigest()
    pixels = pil_to_tensor(image)
    return Decoded(digest, pixels, min(image.size), int(pixels.max()), top)


def depth_of(tops):
    """The bits of integer images with these largest values: the fewest that hold all, from 8 on."""
    bits = max(tops, default=0).bit_length() or FULL_DEPTH
    return FULL_DEPTH if bits == FULL_DEPTH - 1 else max(8, bits)  # dim ones of 16 bits, not of 15


def why_not(error, source):
    """Why a photo cannot be read, in one line."""
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "it is no image of a kind that Pillow reads"
    return reason(error).replace(str(source), "the file")


@contextmanager
def no_warnings_of_images():
    """Pillow warns of damaged metadata; damaged pixels raise. To be entered in the main thread only."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def _content(path):
    if path.exists() and not path.is_file():
        raise ValueError("it is no file: a pipe, a socket or a device")
    content = path.read_bytes()
    if not content:
        raise ValueError("the file is empty")
    return content


def _as_mode(image, mode, depth):
    """RGB or L from any of Pillow's modes, and the largest value of an integer image."""
    import numpy as np
    from PIL import Image

    top = None
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0:
            raise ValueError(f"values from {values.min()} to {values.max()} have no known range")
        top = int(values.max())
        image = Image.fromarray((values >> (depth - 8)).clip(max=255).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError("floating-point pixels have no known range")
    elif "A" in image.mode or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode), top


def _shrunk(image, side):
    from PIL import Image

    if min(image.size) <= side:
        return image
    ratio = side / min(image.size)
    return image.resize([max(side, round(length * ratio)) for length in image.size], Image.BILINEAR)


def _centre(image, size, crop):
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms import functional as tv

    image = tv.resize(image, math.floor(size / crop), InterpolationMode.BILINEAR)
    return tv.center_crop(image, [size, size])
