"""Numbers and tensors in words, short enough to read: a counter-example must show a difference."""

import torch

from kdlab.exercises.comparing import close


def in_words(seen, digits=3):
    """A number or a small tensor: its shape, and the first six numbers."""
    if seen.dtype == torch.bool and seen.ndim == 0:
        return "yes" if seen.item() else "no"
    if seen.ndim == 0:
        return f"{seen.item():.{digits}g}"
    first = [float(f"{v:.{digits}g}") for v in seen.double().flatten()[:6].tolist()]
    more = ", ..." if seen.numel() > 6 else ""
    return f"of shape {tuple(seen.shape)}, {str(first)[:-1]}{more}]"


def both_in_words(theirs, due):
    """Where two observations first look different, as an index such as "[2]" or "", and both in words.

    Rows that begin alike would read the same: then the first row that differs is shown.
    """
    where = ""
    while in_words(theirs) == in_words(due) and theirs.ndim and theirs.shape == due.shape:
        row = next(i for i, (a, b) in enumerate(zip(theirs, due)) if not close(a, b))
        theirs, due, where = theirs[row], due[row], f"{where}[{row}]"
    digits = 3 if in_words(theirs) != in_words(due) else 6
    return where, in_words(theirs, digits), in_words(due, digits)
