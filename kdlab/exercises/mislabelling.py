"""Labels with noise: how it is made, rightly and wrongly, and what can be seen of it."""

import torch

from kdlab.exercises.core import NotANumber, as_tensor


def labels_of(classes, share):
    """What the exercise hands over: 20,000 labels, the classes, the share and a seed."""
    labels = torch.randint(classes, (20_000,), generator=torch.Generator().manual_seed(7))
    return labels, classes, share, 3


def even_noise(
    labels, classes, share, seed, *, seeded=True, chosen=lambda where, share: where,
    new=lambda y, n, random: (y + torch.randint(1, n, y.shape, generator=random)) % n,
):  # fmt: skip
    """Right by default; ``new`` and ``chosen`` change which label is put in, and where."""
    random = torch.Generator().manual_seed(seed) if seeded else None
    where = chosen(torch.rand(len(labels), generator=random) < share, share)
    return torch.where(where, new(labels, classes, random), labels)


def _even(counts):
    """Whether all counts lie within a quarter of their mean."""
    counts = counts.double()
    return bool(((counts - counts.mean()).abs() < counts.mean() / 4).all())


def what_noise_does(function, arguments):
    """What can be seen of noisy labels, whatever they were drawn with."""
    labels, classes, share, seed = arguments
    handed_in = labels.clone()
    noisy = as_tensor(function(handed_in, classes, share, seed)).double()
    if noisy.shape != labels.shape:
        raise NotANumber(f"it returns shape {tuple(noisy.shape)} for {len(labels)} labels.")
    again, other = (as_tensor(function(labels.clone(), classes, share, s)).double() for s in (seed, seed + 1))
    whole = bool((noisy == noisy.round()).all() and noisy.min() >= 0 and noisy.max() < classes)
    wrong = noisy != labels
    halves = [half.double().mean().item() for half in wrong.chunk(2)]
    even, stand_for = False, torch.zeros(1, dtype=torch.long)
    if whole and wrong.any():
        old, new = labels[wrong], noisy[wrong].long()
        shift = (new - old) % classes
        even = _even(shift.bincount(minlength=classes)[1:]) and _even(new.bincount(minlength=classes))
        pairs = (old * classes + new).bincount(minlength=classes**2).view(classes, classes)
        stand_for = (pairs > 0).sum(dim=1)
    seen = {
        "labels are whole numbers from 0 to the last class:": whole,
        "the share that is wrong is about": round(10 * wrong.double().mean().item()) / 10,
        "every wrong class occurs equally often:": even,
        "classes that stand for another, for one at least:": stand_for.min().item(),
        "classes that stand for another, for one at most:": stand_for.max().item(),
        "the first half has as many as the second:": abs(halves[0] - halves[1]) < 0.05,
        "the same seed gives the same labels:": torch.equal(noisy, again),
        "another seed gives others:": not torch.equal(noisy, other),
        "another seed hits other places:": not torch.equal(wrong, other != labels),
        "the labels handed in are left as they were:": torch.equal(handed_in, labels),
    }
    return {what: torch.tensor(answer) for what, answer in seen.items()}
