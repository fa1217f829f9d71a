"""Photos in class folders, or a public set by name: listed, checked, decoded once, split by seed."""

import hashlib
import os
import statistics
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch

from kdlab.photos import public_sets
from kdlab.photos.decoding import (
    CENTRE,
    FULL_DEPTH,
    WHOLE,
    decode,
    depth_of,
    no_warnings_of_images,
    why_not,
)
from kdlab.photos.folders import few, listed_folders
from kdlab.photos.views import prefetch
from kdlab.progress_bar import progress_bar

GIGABYTE = 10**9
DARK = 64  # of 255: a photo that is nowhere brighter is named


@dataclass(frozen=True)
class PhotoList:
    """One part of a set of photos, images decoded when asked for or kept in memory.

    ``names`` and ``labels`` (N,) int64 have an entry an image; ``digest`` is a hash of all names and
    contents. ``read(i)`` gives image i as uint8 (channels, height, width): whole if it is there to train
    on, and of validation the centre that is evaluated.
    """

    names: tuple
    labels: torch.Tensor
    digest: str
    read: object = field(repr=False)

    def __len__(self):
        return len(self.names)


@dataclass(frozen=True)
class Photos:
    """Training and validation photos, class names, bad images with the reason, and remarks.

    ``crop`` is the share of a photo's shorter side that is evaluated: all of it where half of the photos
    are no larger than the network's input, else 7/8.
    """

    train: PhotoList
    validation: PhotoList
    classes: tuple
    bad: tuple
    notes: tuple
    crop: float = CENTRE


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
    look = partial(decode, size=size, channels=channels)
    bad, kept = {}, {}
    read = _Reader(threads or min(16, os.cpu_count() or 1), progress, budget)
    with no_warnings_of_images():
        for part, items in parts.items():
            kept[part] = read(look, items, f"reading {part} photos", bad)
            lost = sorted({item.label for item in items} - {item.label for item in kept[part]})
            if lost:
                first = next(item.name for item in items if item.label == lost[0])
                raise ValueError(
                    f"every image of the class {classes[lost[0]]!r} in {data} ({part}) is bad; "
                    f"the first, {first}: {bad[first]}"
                )
        look = _at_their_depth(look, kept, read, notes)
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
    if not kept["validation"]:
        raise ValueError(
            f"no photo of {data} is left to validate with: a class needs two to be split, "
            f"or a folder val/ beside train/"
        )
    _tell_of_copies(kept, notes)
    crop = (
        WHOLE if statistics.median(item.side for part in kept.values() for item in part) <= size else CENTRE
    )
    shown = partial(look, crop=crop)
    with no_warnings_of_images():
        kept["validation"] = read(shown, kept["validation"], "cutting validation photos")
    if read.memory <= 0:
        exceeded = f"the photos exceed {budget / GIGABYTE:g} GB of memory"
        notes.append(f"{exceeded}: the rest is decoded anew each time")
    if dark := [item.name for part in kept.values() for item in part if item.brightest < DARK]:
        notes.append(f"nowhere brighter than a quarter: {len(dark)} photos ({few(dark)}); is that right?")
    train, validation = _part(kept["train"], look), _part(kept["validation"], shown)
    absent = [classes[i] for i in sorted({*range(len(classes))} - {*validation.labels.tolist()})]
    if absent:
        notes.append(f"not in validation: {few(absent)}; accuracy says nothing of these")
    return Photos(train, validation, tuple(classes), tuple(bad.items()), tuple(notes), crop)


class _Reader:
    """Decodes items in threads, and keeps their pixels as long as there is memory."""

    def __init__(self, threads, progress, memory):
        self.threads, self.progress, self.memory = threads, progress, memory

    def __call__(self, look, items, what, bad=None):
        """The items as decoded by ``look``; those that cannot be are put into ``bad``, by default raised."""

        def attempt(item):
            try:
                return look(item.source)
            except Exception as error:  # Pillow's plugins raise whatever they like
                return error

        good = []
        found = prefetch(attempt, items, threads=self.threads)
        for outcome, item in zip(
            progress_bar(found, total=len(items), what=what, unit="photo", shown=self.progress), items
        ):
            if isinstance(outcome, Exception):
                why = why_not(outcome, item.source)
                if bad is None:
                    raise ValueError(f"the photo {item.name} cannot be read any more: {why}") from outcome
                bad[item.name] = why
                continue
            self.memory += 0 if item.pixels is None else item.pixels.numel()
            self.memory -= outcome.pixels.numel()
            item = item._replace(**outcome._asdict())
            good.append(item if self.memory > 0 else item._replace(pixels=None))
        return good


def _at_their_depth(look, kept, read, notes):
    """How to decode, now that the largest value of the integer images is known; they are read again."""
    tops = [item.top for items in kept.values() for item in items if item.top is not None]
    depth = depth_of(tops)
    if depth == FULL_DEPTH:
        return look
    notes.append(f"{len(tops)} integer photos, the largest value {max(tops):,}: read as {depth} bits")
    look = partial(look, depth=depth)
    for part, items in kept.items():
        again = iter(read(look, [item for item in items if item.top is not None], f"scaling {part} photos"))
        kept[part] = [item if item.top is None else next(again) for item in items]
    return look


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


def _part(items, look):
    lines = "\n".join(f"{item.name}\t{item.label}\t{item.digest}" for item in items)
    digest = hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    labels = torch.tensor([item.label for item in items], dtype=torch.int64)
    return PhotoList(tuple(item.name for item in items), labels, digest, partial(_read, items, look))


def _read(items, look, i):
    item = items[i]
    if item.pixels is not None:
        return item.pixels
    try:
        found = look(item.source)
    except Exception as error:
        raise OSError(_GONE.format(item.name, f"read any more: {why_not(error, item.source)}")) from error
    if found.digest != item.digest:
        raise OSError(_GONE.format(item.name, "used: its content has changed"))
    return found.pixels


_GONE = "the photo {} cannot be {}; put it back, and the same command with --resume goes on"
