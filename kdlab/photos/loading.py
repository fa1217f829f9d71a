"""Photos in class folders, or a public set by name: listed, checked, decoded once, split by seed."""

import hashlib
import io
import math
import os
import warnings
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch

from kdlab.photos import public_sets
from kdlab.photos.folders import few, listed_folders
from kdlab.photos.views import prefetch
from kdlab.progress_bar import progress_bar

MARGIN = 8 / 7  # photos are kept this much larger than the network's input
GIGABYTE = 10**9


@dataclass(frozen=True)
class PhotoList:
    """One part of a set of photos, images decoded when asked for or kept in memory.

    ``names`` and ``labels`` (N,) int64 have an entry an image; ``digest`` is a hash of all names and
    contents. ``read(i)`` gives image i as uint8 (channels, height, width).
    """

    names: tuple
    labels: torch.Tensor
    digest: str
    read: object = field(repr=False)

    def __len__(self):
        return len(self.names)


@dataclass(frozen=True)
class Photos:
    """Training and validation photos, class names, bad images with the reason, and remarks."""

    train: PhotoList
    validation: PhotoList
    classes: tuple
    bad: tuple
    notes: tuple


def load_photos(
    data, *, size, channels=3, share=0.2, seed=0, budget=4 * GIGABYTE, threads=None, progress=False
):
    """The :class:`Photos`: every one listed, decoded and checked, and split if they come unsplit.

    Parameters
    ----------
    data : path or str
        A folder of class folders, or one with ``train/`` and perhaps ``val/`` (or ``test/``) of
        class folders; ``"torchvision:CIFAR10"`` and the like; ``"hf:user/name"``.
    size : int
        Side of the network's input in pixels. Larger photos are kept at 8/7 of it.
    channels : int
        3 for colour, 1 for grey.
    share, seed
        The share of each class for validation, where there is no held-out part, and the split's seed.
    budget : float
        Bytes of decoded images to keep in memory; those beyond it are decoded each time.

    Raises
    ------
    ValueError
        If there is no such set, it has fewer than two classes, a class is empty or all of its
        images are bad, or a class is held out that is not in training.
    OSError
        If a public set is neither on this machine nor within reach.
    """
    data = str(data)
    notes = []
    if data.startswith("torchvision:"):
        parts, classes = public_sets.torchvision_set(data.removeprefix("torchvision:"))
    elif data.startswith("hf:"):
        parts, classes = public_sets.hugging_face_set(data.removeprefix("hf:"))
    else:
        parts, classes = listed_folders(Path(data), notes)
    if len(classes) < 2:
        found = f"{len(classes)} class{'es' * (not classes)}"
        raise ValueError(f"{data} has {found}; a classifier needs at least 2")
    decode = partial(_decode, size=math.ceil(size * MARGIN), channels=channels)
    read = partial(_read_all, decode, threads or min(16, os.cpu_count() or 1), progress)
    bad, kept, memory = {}, {}, budget
    for part, items in parts.items():
        kept[part], memory = read(part, items, memory, bad)
        lost = sorted({item.label for item in items} - {item.label for item in kept[part]})
        if lost:
            first = next(item.name for item in items if item.label == lost[0])
            raise ValueError(
                f"every image of the class {classes[lost[0]]!r} in {data} ({part}) is bad; "
                f"the first, {first}: {bad[first]}"
            )
    if memory <= 0:
        exceeded = f"the photos exceed {budget / GIGABYTE:g} GB of memory"
        notes.append(f"{exceeded}: the rest is decoded anew each time")
    if "validation" in kept:
        kept["train"] = _apart(kept["train"], kept["validation"], notes)
    else:
        kept["train"], kept["validation"] = _split(kept["train"], share, seed)
        taught = {item.label for item in kept["train"]}
        if untaught := [item for item in kept["validation"] if item.label not in taught]:
            raise ValueError(
                f"no photo of the class {classes[untaught[0].label]!r} is left to train on: "
                f"{untaught[0].name} and its like are copies of photos of other classes, which validate"
            )
    _tell_of_copies(kept, notes)
    train, validation = (_part(kept[name], decode) for name in ("train", "validation"))
    absent = [classes[i] for i in sorted({*range(len(classes))} - {*validation.labels.tolist()})]
    if absent:
        notes.append(f"not in validation: {few(absent)}; accuracy says nothing of these")
    return Photos(train, validation, tuple(classes), tuple(bad.items()), tuple(notes))


# ---- decoding


def _decode(source, *, size, channels):
    """(digest of the content, uint8 (channels, height, width)); raises on anything that is no image."""
    from PIL import Image, ImageOps
    from torchvision.transforms.v2.functional import pil_to_tensor

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damaged metadata; damaged pixels raise
        if isinstance(source, Path):
            if source.exists() and not source.is_file():
                raise ValueError("it is no file: a pipe, a socket or a device")
            content = source.read_bytes()
            if not content:
                raise ValueError("the file is empty")
            image = Image.open(io.BytesIO(content))
            if image.format == "JPEG":  # decodes at a half, a quarter ... where that is large enough
                image.draft(None, (size, size))
        else:
            image, content = source(), None
        image = _as_mode(ImageOps.exif_transpose(image), "RGB" if channels == 3 else "L")
        content = image.tobytes() if content is None else content
        if min(image.size) > size:
            ratio = size / min(image.size)
            image = image.resize([max(size, round(side * ratio)) for side in image.size], Image.BILINEAR)
    return hashlib.blake2b(content, digest_size=16).hexdigest(), pil_to_tensor(image)


def _as_mode(image, mode):
    """RGB or L from any of Pillow's modes: 16 bits scaled down, transparency on white."""
    import numpy as np
    from PIL import Image

    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(f"values from {values.min()} to {values.max()} are beyond 16 bits")
        image = Image.fromarray((values // 256).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError("floating-point pixels have no known range")
    elif "A" in image.mode or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode)


def _read_all(decode, threads, progress, part, items, memory, bad):
    """The good items with their digests, and pixels while there is memory; what is left of that."""

    def attempt(item):
        try:
            return decode(item.source)
        except Exception as error:  # Pillow's plugins raise whatever they like
            return (str(error) or type(error).__name__).splitlines()[0]

    good, what = [], f"reading {part} photos"
    found = prefetch(attempt, items, threads=threads)
    bar = progress_bar(found, total=len(items), what=what, unit="photo", shown=progress)
    for outcome, item in zip(bar, items):
        if isinstance(outcome, str):
            bad[item.name] = outcome.replace(str(item.source), item.name)
            continue
        digest, pixels = outcome
        memory -= pixels.numel()
        good.append(item._replace(digest=digest, pixels=pixels if memory > 0 else None))
    return good, memory


def _split(items, share, seed):
    """This share of each class for validation; with two images or more, at least one on either side."""
    if not 0 < share < 1:
        raise ValueError(f"the share for validation must lie between 0 and 1, got {share}")
    random = torch.Generator().manual_seed(seed)
    held_out = set()
    for label in sorted({item.label for item in items}):
        mine = [*dict.fromkeys(item.digest for item in items if item.label == label)]
        count = min(max(1, round(share * len(mine))), len(mine) - 1)
        held_out |= {mine[i] for i in torch.randperm(len(mine), generator=random)[:count].tolist()}
    # By content: copies of a photo stay on one side.
    return [[item for item in items if (item.digest in held_out) == side] for side in (False, True)]


def _apart(train, validation, notes):
    """The training photos without those that are in validation as well."""
    held_out = {item.digest for item in validation}
    rest = [item for item in train if item.digest not in held_out]
    if lost := [item.name for item in train if item.digest in held_out]:
        notes.append(f"in validation as well, and so not trained on: {len(lost)} photos ({few(lost)})")
    gone = {item.label for item in train} - {item.label for item in rest}
    if gone:
        raise ValueError(f"every training photo of a class is in validation as well, for instance {lost[0]}")
    return rest


def _tell_of_copies(kept, notes):
    seen = {}
    for item in (*kept["train"], *kept["validation"]):
        seen.setdefault(item.digest, []).append(item)
    copies = [items for items in seen.values() if len(items) > 1]
    if copies:
        notes.append(
            f"the same photo more than once: {len(copies)} ({few([same[0].name for same in copies])})"
        )
    if torn := [items for items in copies if len({item.label for item in items}) > 1]:
        one, other = torn[0][0].name, torn[0][-1].name
        notes.append(f"the same photo under two classes: {len(torn)}; the first is {one} and {other}")


def _part(items, decode):
    lines = "\n".join(f"{item.name}\t{item.label}\t{item.digest}" for item in items)
    digest = hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    labels = torch.tensor([item.label for item in items], dtype=torch.int64)
    return PhotoList(tuple(item.name for item in items), labels, digest, partial(_read, items, decode))


def _read(items, decode, i):
    return decode(items[i].source)[1] if items[i].pixels is None else items[i].pixels
