"""Whether two functions did the same, and in which simple way one that is unknown differs."""

import math
from contextlib import suppress

import torch

FACTORS = {
    -1.0: "the sign is turned round", 100.0: "a hundred times too large: percent in place of a share",
    0.01: "a hundredth: a share in place of percent", 1 / math.log(2): "the logarithm is to base 2",
    1 / math.log(10): "the logarithm is to base 10", 2.0: "twice as large", 0.5: "half as large",
}  # fmt: skip
SIZES = {
    "multiplied by {}": lambda n: n, "divided by {}": lambda n: 1 / n, "multiplied by {} squared": lambda n: n * n,
    "divided by {} squared": lambda n: 1 / n**2, "multiplied by the root of {}": lambda n: n**0.5,
    "divided by the root of {}": lambda n: n**-0.5, "divided by {}, less one, where {} is due": lambda n: n / (n - 1),
    "divided by {} where {}, less one, is due": lambda n: (n - 1) / n,
}  # fmt: skip
CHANGES = {
    "the logarithm of what is asked": torch.log, "e to the power of what is asked": torch.exp,
    "the square of what is asked": torch.square, "the root of what is asked": torch.sqrt,
    "1 minus what is asked": lambda x: 1 - x, "1 divided by what is asked": lambda x: 1 / x,
    "the size of what is asked, without its sign": torch.abs, "what is asked, rounded": torch.round,
    "what is asked, in the order turned round": lambda x: x.flip(0) if x.ndim else x,
    "what is asked, sorted": lambda x: x.sort().values if x.ndim == 1 else x,
    "what is asked, with rows and columns exchanged": lambda x: x.T if x.ndim == 2 else x,
}  # fmt: skip


def same(these, those):
    """Whether two functions did the same in each case."""
    return all(
        a.keys() == b.keys() and all(close(a[k], b[k]) for k in b) for a, b in zip(these, those, strict=True)
    )


def close(a, b):
    """Whether two things seen are equal but for rounding."""
    return a.shape == b.shape and torch.allclose(a.double(), b.double(), rtol=1e-3, atol=1e-6, equal_nan=True)


def in_the_wrong_order(seen, answer, expected, made):
    """A sentence if the answer is right once its first two arguments change places; else ""."""
    if len(made[0]) < 2 or not all(isinstance(part, torch.Tensor) for part in made[0][:2]):
        return ""
    with suppress(Exception):
        turned = seen(lambda first, second, *rest: answer(second, first, *rest))
        if all(close(t["value"], e["value"]) for t, e in zip(turned, expected)):
            return "the first two arguments are in the wrong order"
    return ""


def how_it_differs(theirs, expected, mistakes, made):
    """A sentence on what the answer has done to the definition; "" where no simple one fits.

    Parameters
    ----------
    theirs, expected : list of dict of str to Tensor
        What can be seen in each case, of the answer and of the definition.
    mistakes : dict of str to list of dict of str to Tensor
        The same of known mistakes, by name.
    made : list of tuple
        For each case, its inputs.
    """
    sizes = [_sizes(arguments) for arguments in made]
    if not all(a.keys() == b.keys() for a, b in zip(theirs, expected)):
        return ""
    pairs = [(a[k], b[k]) for a, b in zip(theirs, expected) for k in b]
    if said := _not_finite(pairs) or _shape(pairs):
        return said
    if any(a.shape != b.shape for a, b in pairs):
        return ""
    # Where there are few different numbers, more than one thing explains them.
    told = len({round(v, 6) for _, b in pairs for v in b.double().flatten().tolist()})
    for said, change in CHANGES.items() if told > 2 else ():
        changed = [(a, change(b.double())) for a, b in pairs]
        if not all(close(b, c) for (_, b), (_, c) in zip(pairs, changed)) and all(
            close(a, c) for a, c in changed
        ):
            return f"it is {said}"
    if told > 1 and (said := _relation(theirs, expected, sizes, known_only=told == 2)):
        return said
    if _constant(theirs) and not _constant(expected):
        return "it is the same in every case: it does not hang on what your function is given"
    for name, seen in mistakes.items() if told > 2 else ():
        if all(
            a.keys() == b.keys() and all(a[k].shape == b[k].shape for k in b) for a, b in zip(theirs, seen)
        ):
            if said := _relation(theirs, seen, sizes, shifted=False):
                return f"it looks like this mistake: {name}; and {said}"
    return _parts(theirs, expected)


def _sizes(arguments):
    """The lengths of the inputs, by what they are in words."""
    sizes = {}
    for which, argument in zip(("first", "second", "third", "fourth"), arguments):
        if isinstance(argument, list | tuple):
            sizes[f"the length of the {which} input"] = len(argument)
        for axis, length in enumerate(getattr(argument, "shape", ())):
            sizes[f"the length of axis {axis} of the {which} input"] = length
        if isinstance(argument, int | float) and not isinstance(argument, bool):
            sizes[f"the {which} input"] = argument
    return sizes


def _constant(seen):
    return all(a.keys() == seen[0].keys() and all(close(a[k], seen[0][k]) for k in a) for a in seen)


def _relation(theirs, expected, sizes, known_only=False, shifted=True):
    """A factor, one that hangs on the size of an input, or a shift, the same for all that can be seen."""
    ratios = [_ratio(a, b) for a, b in zip(theirs, expected)]
    if None not in ratios:
        if all(math.isclose(r, ratios[0], rel_tol=1e-3) for r in ratios):
            known = next(
                (said for f, said in FACTORS.items() if math.isclose(f, ratios[0], rel_tol=1e-3)), None
            )
            if known or known_only or math.isclose(ratios[0], 1, rel_tol=1e-3):
                return known or ""
            return f"it is {ratios[0]:.3g} times what is due"
        for what in sizes[0] if sizes else ():
            for said, factor in SIZES.items():
                ns = [s.get(what, 0) for s in sizes]
                if all(n > 1 for n in ns) and all(
                    math.isclose(r, factor(n), rel_tol=1e-3) for r, n in zip(ratios, ns)
                ):
                    return f"it is {said.format(what, 'that')}"
    if known_only or not shifted:
        return ""
    shifts = [a[k].double() - b[k].double() for a, b in zip(theirs, expected) for k in b if k != "gradient"]
    first = shifts[0].flatten()[:1]
    if abs(first) > 1e-6 and all(close(s, first.expand_as(s) if s.ndim else first[0]) for s in shifts):
        return f"it is {abs(first.item()):.3g} too {'large' if first > 0 else 'small'} in every case"
    return ""


def _ratio(a, b):
    """The one number that b must be multiplied by to give a; None if there is none."""
    x = torch.cat([a[k].double().flatten() for k in b])
    y = torch.cat([b[k].double().flatten() for k in b])
    if x.shape != y.shape or not y.abs().max() > 1e-9:
        return None
    at = y.abs().argmax()
    ratio = (x[at] / y[at]).item()
    return ratio if ratio and torch.allclose(x, ratio * y, rtol=1e-3, atol=1e-6) else None


def _not_finite(pairs):
    for a, b in pairs:
        if a.dtype.is_floating_point and not a.isfinite().all() and b.isfinite().all():
            what = (
                "not a number (0 / 0, or the logarithm or root of a negative number)"
                if a.isnan().any()
                else "infinite"
            )
            return f"it is {what} where the definition gives a number"
    return ""


def _shape(pairs):
    for a, b in pairs:
        if a.shape == b.shape or not a.numel():
            continue
        if a.numel() == b.numel() and close(a.flatten(), b.flatten()):
            return f"the numbers are right, and of shape {tuple(a.shape)} in place of {tuple(b.shape)}"
        if b.ndim == 0:
            for said, reduce in (("mean", torch.mean), ("sum", torch.sum)):
                if close(reduce(a.double()), b):
                    return f"its {said} is right: take it, and return one number"
            return f"one number is asked for, not {a.numel()}"
        if a.ndim == 0:
            return f"{tuple(b.shape)} values are asked for, not one number"
        return f"its shape is {tuple(a.shape)}, where {tuple(b.shape)} is asked for"
    return ""


def _parts(theirs, expected):
    """What is right about it, if something is."""
    wrong = {k for a, b in zip(theirs, expected) for k in b if not close(a[k], b[k])}
    right = set(expected[0]) - wrong
    if right and wrong == {"gradient"}:
        return "the value is right, and the gradient that flows to the student is not"
    sums = [(a[k].double(), b[k].double()) for a, b in zip(theirs, expected) for k in b if b[k].ndim == 2]
    if sums and all(close(b.sum(1), torch.ones(len(b))) for _, b in sums):
        if not all(close(a.sum(1), torch.ones(len(a))) for a, _ in sums):
            return "its rows do not add up to 1"
    return ""
