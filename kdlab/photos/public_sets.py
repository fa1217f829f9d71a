"""Image sets by name, from torchvision or the Hugging Face hub: what is on this machine first."""

import inspect
import os
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlparse

from kdlab.hub import reachable, stop_waiting_for_the_hub
from kdlab.names import nearest, reason

HELD_OUT = ("val", "validation", "valid", "test")


class Item(NamedTuple):
    """An image to be read, ``source`` a path or a callable; the rest is known when it has been decoded."""

    name: str
    label: int
    source: object
    digest: str | None = None
    pixels: object = None
    side: int = 0
    brightest: int = 0
    top: int | None = None


def torchvision_set(name):
    """One of torchvision's sets: what is on this machine, or a download if its host answers."""
    from torchvision import datasets

    known = [n for n in datasets.__all__ if "download" in inspect.signature(getattr(datasets, n)).parameters]
    if name not in known:
        raise ValueError(f"torchvision has no set called {name!r} to download{nearest(name, known)}")
    kind = getattr(datasets, name)
    takes = inspect.signature(kind).parameters
    if "train" in takes:
        wanted = {"train": {"train": True}, "validation": {"train": False}}
    elif "split" in takes and takes["split"].default != "letters":
        held_out = "val" if name in ("Imagenette", "Places365", "ImageNet") else "test"
        first = "trainval" if name in ("OxfordIIITPet", "FGVCAircraft") else "train"
        wanted = {"train": {"split": first}, "validation": {"split": held_out}}
    else:
        wanted = {"train": {}}
    root = Path(os.environ.get("KDLAB_DATA", Path.home() / ".cache" / "kdlab")) / "torchvision"
    parts = {}
    for part, options in wanted.items():
        try:
            parts[part] = kind(root, download=False, **options)
        except RuntimeError:
            known = (getattr(kind, name, None) for name in ("url", "_URL"))
            url = next((u for u in known if isinstance(u, str)), "https://download.pytorch.org")
            host = urlparse(url).netloc
            if not reachable(f"https://{host}"):
                raise OSError(
                    f"torchvision:{name} is not in {root} and {host} does not answer; give a folder "
                    f"of photos, or put the set there (KDLAB_DATA names another place)"
                ) from None
            root.mkdir(parents=True, exist_ok=True)
            parts[part] = kind(root, download=True, **options)
    labels = {part: _labels(found) for part, found in parts.items()}
    return _items_of(parts, labels, 0, getattr(parts["train"], "classes", None))


def _labels(found):
    known = (getattr(found, name, None) for name in ("targets", "_labels"))
    told = next((labels for labels in known if labels is not None), None)
    return [found[i][1] for i in range(len(found))] if told is None else told


def hugging_face_set(name):
    """An image set of the Hugging Face hub, or a folder in its layout, through ``datasets``."""
    local = Path(name).is_dir()
    if not local and not stop_waiting_for_the_hub():
        os.environ["HF_DATASETS_OFFLINE"] = "1"  # read when datasets is imported
    try:
        import datasets
    except ImportError:
        raise OSError(
            f"hf:{name} needs the package datasets (pip install datasets), which is not here"
        ) from None
    try:
        found = datasets.load_dataset(name)
    except (OSError, datasets.exceptions.DatasetsError) as error:
        raise OSError(
            f"hf:{name} is not on this machine and the hub cannot be reached, or has no such set; "
            f"give a folder of photos ({reason(error)})"
        ) from None
    held_out = next((s for s in HELD_OUT if s in found), None)
    parts = {"train": found["train"], **({"validation": found[held_out]} if held_out else {})}
    kinds = {key: type(kind).__name__ for key, kind in parts["train"].features.items()}
    first = {kind: key for key, kind in reversed(kinds.items())}
    if not {"Image", "ClassLabel"} <= set(first):
        raise ValueError(f"hf:{name} has no pair of an image and a class label; its columns are {kinds}")
    image, label = first["Image"], first["ClassLabel"]
    labels = {part: found[label] for part, found in parts.items()}
    return _items_of(parts, labels, image, parts["train"].features[label].names)


def _items_of(parts, labels, key, classes):
    """Items of sets whose entries hold the image at ``key``; class names, or for want of them numbers."""
    listed = {
        part: [Item(f"{part}/{i}", int(y), partial(_image, parts[part], i, key)) for i, y in enumerate(known)]
        for part, known in labels.items()
    }
    names = classes or [str(c) for c in range(1 + max(item.label for item in listed["train"]))]
    return listed, [" ".join(n) if isinstance(n, tuple) else str(n) for n in names]


def _image(found, i, key):
    return found[i][key]
