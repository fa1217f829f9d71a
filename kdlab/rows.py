"""Rows of inputs of any structure: a tensor, or a tuple or dict of such. A row is an example."""

import torch


def leaves(tree):
    """The tensors of a structure, in order."""
    found = []
    each(found.append, tree)
    return found


def each(function, *trees):
    """A structure like the first, of what ``function`` gives for its leaves and those beside them."""
    first = trees[0]
    if isinstance(first, dict):
        return {key: each(function, *(tree[key] for tree in trees)) for key in first}
    if isinstance(first, tuple | list):
        return tuple(each(function, *parts) for parts in zip(*trees, strict=True))
    return function(*trees)


def take(tree, rows):
    """These rows of each tensor. None has no rows, and stays."""
    if tree is None or torch.is_tensor(tree):  # as in nearly every step of every training
        return tree if tree is None else tree[rows]
    return each(lambda leaf: leaf[rows], tree)


def on_device(tree, device):
    """The same structure of tensors on that device; what is not a tensor yet becomes one."""
    return None if tree is None else each(lambda leaf: torch.as_tensor(leaf, device=device), tree)


def count(tree, what="inputs"):
    """How many rows there are; a ValueError names both sides where they differ, a TypeError what has none."""
    found = {}
    for leaf in leaves(tree):
        if getattr(leaf, "ndim", 0) < 1:
            raise TypeError(f"{what} must be tensors with a row an example, got {type(leaf).__name__}")
        found.setdefault(len(leaf), tuple(leaf.shape))
    if len(found) != 1:
        shapes = " and ".join(str(shape) for shape in found.values()) or "nothing"
        raise ValueError(f"{what} must have the same number of rows, got {shapes}")
    return next(iter(found))


def shapes(tree):
    """The structure in words: each tensor's type and shape."""
    if isinstance(tree, dict):
        return ", ".join(f"{key}: {shapes(value)}" for key, value in tree.items())
    if isinstance(tree, tuple | list):
        return f"({', '.join(map(shapes, tree))})"
    return f"{str(tree.dtype).removeprefix('torch.')} {tuple(tree.shape)}"


def batches(tree, size):
    """Consecutive batches of at most ``size`` rows."""
    n = count(tree)
    return (take(tree, slice(start, start + size)) for start in range(0, n, size))


def joined(parts):
    """The rows of several batches as one structure."""
    return each(lambda *leaves: torch.cat(leaves), *parts)
