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
from kdlab.photos.public_sets import HELD_OUT, Item
from kdlab.photos.views import prefetch
from kdlab.progress_bar import progress_bar

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm"}
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
        parts, classes = _folders(Path(data), notes)
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
    if "validation" not in kept:
        kept["train"], kept["validation"] = _split(kept["train"], share, seed)
    train, validation = (_part(kept[name], decode) for name in ("train", "validation"))
    absent = [classes[i] for i in sorted({*range(len(classes))} - {*validation.labels.tolist()})]
    if absent:
        notes.append(f"not in validation: {_few(absent)}; accuracy says nothing of these")
    return Photos(train, validation, tuple(classes), tuple(bad.items()), tuple(notes))


# ---- listing


def _folders(root, notes):
    if not root.is_dir():
        raise ValueError(
            f"there is no folder {root}; give a folder of class folders, torchvision:NAME or hf:USER/NAME"
        )
    inside = {p.name: p for p in _subfolders(root)}
    parts = {"train": root}
    if "train" in inside and _subfolders(inside["train"]):
        found = [name for name in HELD_OUT if name in inside]
        parts = {"train": inside["train"], **({"validation": inside[found[0]]} if found else {})}
        unused = sorted(set(inside) - {"train", *found[:1]})
        if unused:
            notes.append(f"left alone: {_few([f'{name}/' for name in unused])}")
    classes = [p.name for p in _subfolders(parts["train"])]
    listed, passed = {}, []
    for part, folder in parts.items():
        there, listed[part] = [p.name for p in _subfolders(folder)], []
        unknown = sorted(set(there) - set(classes))
        if unknown:
            raise ValueError(f"{folder} has the class {unknown[0]!r}, {parts['train']} has not")
        for name in there:
            files = sorted(p for p in (folder / name).rglob("*") if p.is_file() and not _hidden(p, folder))
            images = [p for p in files if p.suffix.lower() in SUFFIXES]
            passed += [p.name for p in files if p.suffix.lower() not in SUFFIXES]
            if not images and part == "train":
                raise ValueError(
                    f"the class {name!r} is empty: {folder / name} holds no image; fill or remove it"
                )
            listed[part] += [Item(p.relative_to(root).as_posix(), classes.index(name), p) for p in images]
    if passed:
        notes.append(f"passed over, no images by their names: {_few(passed)}")
    return listed, classes


def _hidden(path, root):
    return any(part.startswith((".", "__MACOSX")) for part in path.relative_to(root).parts)


def _subfolders(folder):
    return sorted(p for p in folder.iterdir() if p.is_dir() and not _hidden(p, folder))


def _few(names):
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


# ---- decoding


def _decode(source, *, size, channels):
    """(digest of the content, uint8 (channels, height, width)); raises on anything that is no image."""
    from PIL import Image, ImageOps
    from torchvision.transforms.v2.functional import pil_to_tensor

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damaged metadata; damaged pixels raise
        if isinstance(source, Path):
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
        mine = [i for i, item in enumerate(items) if item.label == label]
        count = min(max(1, round(share * len(mine))), len(mine) - 1)
        held_out |= {mine[i] for i in torch.randperm(len(mine), generator=random)[:count].tolist()}
    return [[item for i, item in enumerate(items) if (i in held_out) == side] for side in (False, True)]


def _part(items, decode):
    lines = "\n".join(f"{item.name}\t{item.label}\t{item.digest}" for item in items)
    digest = hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    labels = torch.tensor([item.label for item in items], dtype=torch.int64)
    return PhotoList(tuple(item.name for item in items), labels, digest, partial(_read, items, decode))


def _read(items, decode, i):
    return decode(items[i].source)[1] if items[i].pixels is None else items[i].pixels
