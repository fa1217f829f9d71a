"""Exercise 6.2: wrong labels at a known share."""

import torch

from kdlab.exercises.core import Exercise, Mistake, NotANumber, _tensor

N = 20_000


def _case(classes, share):
    labels = torch.randint(classes, (N,), generator=torch.Generator().manual_seed(7))
    return lambda: (labels.clone(), classes, share, 3)


def _noisy(labels, classes, share, seed, *, new=None, chosen=None, generator=True):
    """Right by default; ``new`` and ``chosen`` change which label is put in, and where."""
    random = torch.Generator().manual_seed(seed) if generator else None
    where = torch.rand(len(labels), generator=random) < share
    if chosen is not None:
        where = chosen(where, share)
    shift = torch.randint(1, classes, (len(labels),), generator=random)
    wrong = (labels + shift) % classes if new is None else new(labels, classes, random)
    return torch.where(where, wrong, labels)


def _variant(**options):
    return lambda labels, classes, share, seed: _noisy(labels, classes, share, seed, **options)


def _in_place(labels, classes, share, seed):
    labels[:] = _noisy(labels, classes, share, seed)
    return labels


def _even(counts):
    """Whether all counts lie within a quarter of their mean."""
    counts = counts.double()
    return bool(((counts - counts.mean()).abs() < counts.mean() / 4).all())


def _observe(function, arguments):
    labels, classes, share, seed = arguments
    handed_in = labels.clone()
    noisy = _tensor(function(handed_in, classes, share, seed)).double()
    if noisy.shape != labels.shape:
        raise NotANumber(f"it returns shape {tuple(noisy.shape)} for {len(labels)} labels.")
    again, other = (_tensor(function(labels.clone(), classes, share, s)).double() for s in (seed, seed + 1))
    whole = bool((noisy == noisy.round()).all() and noisy.min() >= 0 and noisy.max() < classes)
    wrong = noisy != labels
    halves = [half.double().mean().item() for half in wrong.chunk(2)]
    even = False
    if whole and wrong.any():
        new = noisy[wrong].long()
        shift = (new - labels[wrong]) % classes
        even = _even(shift.bincount(minlength=classes)[1:]) and _even(new.bincount(minlength=classes))
    seen = {
        "labels are whole numbers from 0 to the last class:": whole,
        "the share that is wrong is about": round(10 * wrong.double().mean().item()) / 10,
        "every wrong class occurs equally often:": even,
        "the first half has as many as the second:": abs(halves[0] - halves[1]) < 0.05,
        "the same seed gives the same labels:": torch.equal(noisy, again),
        "another seed gives others:": not torch.equal(noisy, other),
        "the labels handed in are left as they were:": torch.equal(handed_in, labels),
    }
    return {what: torch.tensor(answer) for what, answer in seen.items()}


EXERCISE = Exercise(
    id="6.2",
    title="Noisy labels",
    reference=_noisy,
    observe=_observe,
    cases={
        "20,000 labels of five classes, share 0.4": _case(5, 0.4),
        "ten classes, share 0.2": _case(10, 0.2),
    },
    mistakes=[
        Mistake(
            "the true class drawn again",
            (_variant(new=lambda y, classes, random: torch.randint(classes, y.shape, generator=random)),),
            "A label drawn from all classes is the right one now and then: with five classes a share of 0.4 leaves 0.32 wrong. "
            "Papers differ here, and so do their numbers. Add 1 to classes - 1 to the label instead.",
        ),
        Mistake(
            "class 0 never put in",
            (_variant(new=lambda y, classes, random: torch.randint(1, classes, y.shape, generator=random)),),
            "1 to classes - 1 is what must be *added* to the label, modulo the classes. As a label it leaves class 0 out.",
        ),
        Mistake(
            "always the same wrong class",
            (
                _variant(new=lambda y, classes, random: (y + 1) % classes),
                _variant(new=lambda y, classes, random: (y - 1) % classes),
            ),
            "Each class is mistaken for one other only. That is asymmetric noise, another experiment.",
        ),
        Mistake(
            "the kept share in place of the wrong one",
            (_variant(chosen=lambda where, share: ~where),),
            "share is how many are to be wrong, not how many stay.",
        ),
        Mistake(
            "wrong labels all in one place",
            (
                _variant(chosen=lambda where, share: torch.arange(len(where)) < share * len(where)),
                _variant(chosen=lambda where, share: torch.arange(len(where)) >= (1 - share) * len(where)),
            ),
            "The first (or last) labels are all wrong and the others all right. Where data are sorted, that hits some classes only.",
        ),
        Mistake(
            "the seed not used",
            (_variant(generator=False),),
            "The same seed gives other labels each time: then the arms of a study would not share their noise. Give a "
            "torch.Generator with this seed to each random function.",
        ),
        Mistake(
            "one noise for all seeds",
            (lambda labels, classes, share, seed: _noisy(labels, classes, share, 0),),
            "Every seed gives the same noise, so that the interval would not know what noise does.",
        ),
        Mistake(
            "labels changed in place",
            (_in_place,),
            "The labels handed in were overwritten. The arm with clean labels would be trained on noise as well: clone first.",
        ),
    ],
    right="Every wrong class is equally likely, the true one is not among them, and the seed decides.",
    see="Noisy labels and a clean teacher",
)
