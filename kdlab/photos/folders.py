"""Class folders on disk: which are parts of a set, which photos are in them, and what is left out."""

import os
import re
from pathlib import Path

from kdlab.names import file_name
from kdlab.photos.public_sets import Item

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm"}
# Of a folder's name in lower case, any word of it: Train, training, seg_train, train-images.
PARTS = {
    "train": ("train", "training", "trn"),
    "validation": ("val", "valid", "validation", "dev", "eval"),
    "test": ("test", "testing", "tst"),
}  # fmt: skip
HELD_OUT = ("validation", "test")  # the first of them that is there serves


def listed_folders(root, notes):
    """Items by part, and class names, of a folder of class folders, or of parts that hold such.

    What is left out is told in ``notes``. ValueError if there is no such folder, a class is empty, parts have
    other classes than training, or it is doubtful what is a part and what a class.
    """
    if not root.is_dir():
        raise ValueError(
            f"there is no folder {root}; give a folder of class folders, torchvision:NAME or hf:USER/NAME"
        )
    parts = _parts(root, notes)
    classes = [p.name for p in _subfolders(parts["train"])]
    if len(classes) == 1 and len(_subfolders(parts["train"] / classes[0])) > 1:
        inner = parts["train"] / classes[0]
        raise ValueError(f"{root} holds one folder, which holds several: did you mean {inner}?")
    listed, passed, stray = {}, [], []
    for part, folder in parts.items():
        there, listed[part] = [p.name for p in _subfolders(folder)], []
        unknown = sorted(set(there) - set(classes))
        if unknown:
            raise ValueError(f"{folder} has the class {unknown[0]!r}, {parts['train']} has not")
        stray += [p.relative_to(root).as_posix() for p in sorted(folder.iterdir()) if _is_photo(p)]
        for name in there:
            files = _files(folder / name)
            images = [p for p in files if p.suffix.lower() in SUFFIXES]
            passed += [p.name for p in files if p.suffix.lower() not in SUFFIXES]
            if not images and part == "train":
                raise ValueError(
                    f"the class {name!r} is empty: {folder / name} holds no image; fill or remove it"
                )
            label = classes.index(name)
            listed[part] += [Item(file_name(p.relative_to(root).as_posix()), label, p) for p in images]
    if root not in parts.values():
        stray += [p.name for p in sorted(root.iterdir()) if _is_photo(p)]
    if passed:
        notes.append(f"passed over, no images by their names: {few(passed)}")
    if stray:
        notes.append(f"left out, outside of class folders: {len(stray)} photos ({few(stray)})")
    return listed, [file_name(name) for name in classes]


def few(names):
    """The first of many names."""
    return ", ".join(map(file_name, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _parts(root, notes):
    """The folder of each part; the whole folder is for training where it has none."""
    inside = _subfolders(root)
    named = {}
    for folder in inside:
        words = set(re.split("[^a-z]+", folder.name.lower()))
        if found := [part for part, names in PARTS.items() if words & {*names}]:
            named.setdefault(found[0], []).append(folder)
    holding = {part: [f for f in folders if _subfolders(f)] for part, folders in named.items()}
    holding = {part: folders for part, folders in holding.items() if folders}
    seen = few([f"{folder.name}/" for folder in inside])
    if "train" not in holding:
        if holding or (named and sum(map(len, named.values())) == len(inside) > 1):
            raise ValueError(
                f"{root} holds {seen}: are these parts or classes? Name the one to train on train/, with a "
                "folder a class in it, or rename them"
            )
        return {"train": root}
    chosen = {}
    for part, folders in holding.items():
        exact = [folder for folder in folders if folder.name.lower() in PARTS[part]] or folders
        if len(exact) > 1:
            raise ValueError(f"{root} has more than one folder for {part}: {few([f.name for f in exact])}")
        chosen[part] = exact[0]
    parts = {"train": chosen["train"]}
    if held_out := next((chosen[part] for part in HELD_OUT if part in chosen), None):
        parts["validation"] = held_out
    unused = [f"{folder.name}/" for folder in inside if folder not in parts.values()]
    if unused:
        notes.append(f"left alone: {few(unused)}")
    return parts


def _files(folder):
    """All files below, in linked folders too, each folder once; links to nothing among them."""
    found, seen = [], set()
    for where, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(where)
        folders[:] = [] if real in seen else sorted(name for name in folders if not _hidden(name))
        found += [] if real in seen else [Path(where, name) for name in files if not _hidden(name)]
        seen.add(real)
    return sorted(found)


def _is_photo(path):
    return path.suffix.lower() in SUFFIXES and not path.is_dir() and not _hidden(path.name)


def _hidden(name):
    return name.startswith((".", "__MACOSX"))


def _subfolders(folder):
    return sorted(p for p in folder.iterdir() if p.is_dir() and not _hidden(p.name))
