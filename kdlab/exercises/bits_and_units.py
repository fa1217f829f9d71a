"""Exercises 7.3 and 7.4: numbers in eight bits, and two layers without some of their units."""

import math
from functools import partial

import torch

from kdlab.exercises.core import Exercise, Mistake, value


def _values(seed, low, high):
    """Values to find the range on, and values to quantise, of which some lie outside it."""
    random = torch.Generator().manual_seed(seed)
    calibration = low + (high - low) * torch.rand(40, generator=random)
    return calibration, 1.5 * (low + (high - low) * torch.rand(6, generator=random)) + 0.1 * high


def _int8(calibration, x, *, levels=255, zero=True, whole=True, clip=True, snap=torch.round, own=False, sign=1,
          symmetric=0, with_zero=True, ends=(0, 255), wrap=False, divide=torch.div, back=lambda scale, q, zero: scale * (q - zero)):  # fmt: skip
    """Right by default; each option is one mistake."""
    seen = {False: calibration, True: x, "both": torch.cat([calibration, x])}[own]
    low, high = seen.min(), seen.max()
    if with_zero:
        low, high = low.clamp(max=0), high.clamp(min=0)
    if symmetric:
        scale = torch.maximum(-low, high) / symmetric
        return scale * (x / scale).round().clamp(
            0 if symmetric == 255 else -128, 255 if symmetric == 255 else 127
        )
    scale = (high - low) / levels
    zero_point = sign * -low / scale if zero else torch.tensor(0.0)
    zero_point = zero_point.round() if whole else zero_point
    q = snap(divide(x, scale) + (0 if whole else zero_point)) + (zero_point if whole else 0)
    q = q % 256 if wrap else q.clamp(*ends) if clip else q
    return back(scale, q, zero_point)


def _by_deviation(calibration, x):
    """The range is three standard deviations to each side of the mean."""
    mean, reach = calibration.mean(), 3 * calibration.std()
    return _int8(torch.stack([mean - reach, mean + reach]), x)


EIGHT_BITS = Exercise(
    "7.3", "Eight bits", see="Eight bits",
    right="Scale and zero point from calibration, then round, then clip.",
    reference=_int8, observe=value,
    cases={
        "values around 0": partial(_values, 0, -1.0, 3.0),
        "values above 0, as after a ReLU": partial(_values, 2, 0.5, 4.0),
    },
    mistakes=[
        Mistake("test set used for calibration",
            "The range is part of the network: it comes from calibration images, before any test image is seen.",
            partial(_int8, own=True), partial(_int8, own="both")),
        Mistake("not clipped", "A value outside the range would need more than 8 bits. It becomes 0 or 255.",
            partial(_int8, clip=False)),
        Mistake("clipped to signed integers", "The integers run from 0 to 255: the zero point has made them so.",
            partial(_int8, ends=(-128, 127)), partial(_int8, ends=(-127, 127))),
        Mistake("wrapped around", "An integer beyond 0 or 255 comes back at the other end. Clip before you convert to 8 bits.",
            partial(_int8, wrap=True)),
        Mistake("8-bit arithmetic on the way back", "Below the zero point a difference of two uint8 wraps around. Convert to float first.",
            partial(_int8, back=lambda scale, q, zero: scale * ((q - zero) % 256))),
        Mistake("not rounded", "Clipped, and still any number in between. Only 256 of them can be stored.",
            partial(_int8, snap=lambda v: v), lambda c, x: x.clamp(c.min().clamp(max=0), c.max().clamp(min=0))),
        Mistake("256 steps in place of 255", "256 numbers have 255 steps between them: from 0 to 255.",
            partial(_int8, levels=256), partial(_int8, ends=(0, 256)), partial(_int8, levels=256, ends=(0, 256))),
        Mistake("fewer than 8 bits", "Eight bits give 256 integers: 0 to 255.",
            partial(_int8, levels=127, ends=(0, 127)), partial(_int8, levels=7, ends=(0, 7)), partial(_int8, levels=8, ends=(0, 8))),
        Mistake("a fixed step", "The scale follows from the range on `calibration`.",
            lambda c, x: (x * 255).round() / 255, lambda c, x: (x * 256).round() / 256, lambda c, x: x.round(), lambda c, x: x.round().clamp(0, 255)),
        Mistake("the error returned", "Return the numbers that the integers stand for, not how far they are from x.",
            lambda c, x: _int8(c, x) - x, lambda c, x: x - _int8(c, x), lambda c, x: (x - _int8(c, x)).abs()),
        Mistake("zero point forgotten",
            "Without it all values below 0 are clipped: the integers begin at 0, the range does not.",
            partial(_int8, zero=False)),
        Mistake("zero point with the wrong sign",
            "The lowest value must become 0: the zero point is minus low divided by the scale.",
            partial(_int8, sign=-1)),
        Mistake("zero point not rounded",
            "The zero point is one of the 256 integers. Then the number 0, of which padding is made, is kept exactly.",
            partial(_int8, whole=False)),
        Mistake("integers in place of numbers", "The integers are what is stored. Asked for are the numbers they stand for.",
            partial(_int8, back=lambda scale, q, zero: q), partial(_int8, back=lambda scale, q, zero: q - zero),
            partial(_int8, back=lambda scale, q, zero: (q, scale, zero)), partial(_int8, back=lambda scale, q, zero: (scale, zero, q))),
        Mistake("zero point forgotten on the way back", "The zero point stands for 0: take it away before you scale.",
            partial(_int8, back=lambda scale, q, zero: scale * q)),
        Mistake("zero point added on the way back", "On the way there it was added, so on the way back it is taken away.",
            partial(_int8, back=lambda scale, q, zero: scale * (q + zero))),
        Mistake("divided on the way back", "On the way there you divide by the scale, on the way back you multiply.",
            partial(_int8, back=lambda scale, q, zero: (q - zero) / scale)),
        Mistake("multiplied by the scale", "The scale is the length of a step. How many steps are in x? Divide.",
            partial(_int8, divide=torch.mul)),
        Mistake("calibration quantised in place of x", "Calibration gives the range, and no more. Quantise `x` in it.",
            lambda c, x: _int8(c, c)),
        Mistake("a range by standard deviations", "Asked for is the range from the lowest to the highest value of calibration.",
            _by_deviation),
        Mistake("cut off in place of rounded",
            "Cutting off makes errors up to a whole step, all to one side. Rounding makes half of that, to both.",
            partial(_int8, snap=torch.floor), partial(_int8, snap=torch.trunc)),
        Mistake("symmetric range",
            "That is how weights are stored: no zero point, and the same range on both "
            "sides. For values that are rarely negative it wastes half of the integers.",
            partial(_int8, symmetric=127), partial(_int8, symmetric=128), partial(_int8, symmetric=255)),
        Mistake("range without 0", "The range must hold 0, or 0 itself, of which padding is made, cannot be stored.",
            partial(_int8, with_zero=False),
            lambda c, x: (s := (c.max() - c.min()) / 255) * ((x - c.min()) / s).round().clamp(0, 255) + c.min()),
    ],
)  # fmt: skip


def _two_layers(units, ratio):
    """Weights (units, 5) and (3, units), and the share of units to take out."""
    random = torch.Generator().manual_seed(units)
    return torch.randn(units, 5, generator=random), torch.randn(3, units, generator=random), ratio


def _kept(first, ratio, *, largest=True, norm=lambda w: w.norm(dim=1), swap=False, whole=int):
    n = len(first) - whole(ratio * len(first))
    n = len(first) - n if swap else n
    return norm(first).topk(n, largest=largest).indices.sort().values


def _all(first, second, before):
    return first.numel() + second.numel()


def _cut(first, second, kept, *, of_second=None, factor=1, macs=_all):
    before = first.numel() + second.numel()
    first, second = first[kept], second[:, kept if of_second is None else of_second]
    return first, second, factor * macs(first, second, before)


def _prune(first, second, ratio, *, factor=1, macs=_all, **options):
    return _cut(first, second, _kept(first, ratio, **options), factor=factor, macs=macs)


def _by_rank(first, second, ratio, *, falling=False, both=True):
    """The units from the smallest norm to the largest, or the other way round."""
    kept = first.norm(dim=1).argsort()[int(ratio * len(first)) :]
    kept = kept.flip(0) if falling else kept
    return _cut(first, second, kept, of_second=None if both else kept.sort().values)


def _by_columns(first, second, ratio, *, norm=lambda a, b: b, both=True):
    """The units ranked by the weights that leave them; or each matrix by its own."""
    kept = _kept(norm(first.norm(dim=1), second.norm(dim=0))[:, None], ratio)
    return _cut(first, second, kept if both else _kept(first, ratio), of_second=kept)


def _inputs_out(first, second, ratio):
    first = first[:, _kept(first.T, ratio)]
    return first, second, first.numel() + second.numel()


def _first_or_last(first, second, ratio, *, front):
    gone = int(ratio * len(first))
    return _cut(first, second, torch.arange(len(first))[gone:] if front else torch.arange(len(first) - gone))


def _zeroed(first, second, ratio, *, only_first=False, count=torch.Tensor.numel):
    mask = torch.zeros(len(first))
    mask[_kept(first, ratio)] = 1
    first, second = first * mask[:, None], second * (1 if only_first else mask)
    return first, second, int(count(first)) + int(count(second))


def _single_weights(first, second, ratio, *, count=torch.Tensor.numel):
    smallest = first.abs().flatten().argsort()[: int(ratio * first.numel())]
    first = first.flatten().index_fill(0, smallest, 0).view_as(first)
    return first, second, int(count(first)) + int(count(second))


def _next_uncut(first, second, ratio, *, factor=1):
    smaller = first[_kept(first, ratio)]
    return smaller, second, factor * (smaller.numel() + second.numel())


PRUNING = Exercise(
    "7.4", "Prune two layers", see="Pruning",
    right="Rows of one matrix, columns of the next: a smaller network, not one with zeros.",
    reference=_prune, observe=value,
    cases={
        "seven units, two fifths to go": partial(_two_layers, 7, 0.4),
        "ten units, three to go": partial(_two_layers, 10, 0.3),
    },
    mistakes=[
        Mistake("pruning that only zeroes",
            "The matrices have their old shapes: as many bytes, as many multiplications, by 0. Take the rows out.",
            _zeroed, partial(_zeroed, count=torch.count_nonzero),
            partial(_zeroed, only_first=True), partial(_zeroed, only_first=True, count=torch.count_nonzero),
            _single_weights, partial(_single_weights, count=torch.count_nonzero)),
        Mistake("the next layer not cut",
            "A unit that is gone sends nothing on: its column in the second matrix must go with it, or the shapes do not fit.",
            _next_uncut, partial(_next_uncut, factor=2)),
        Mistake("the largest taken out", "Rows with a small norm do least; these go.",
            partial(_prune, largest=False)),
        Mistake("the ratio kept in place of taken out", "The ratio is the share that goes.",
            partial(_prune, swap=True)),
        Mistake("what was taken out is returned", "Return the units that stay.", partial(_prune, swap=True, largest=False)),
        Mistake("one unit too many taken out", "`int` cuts off: of 2.8 units 2 go.",
            partial(_prune, whole=math.ceil), partial(_prune, whole=round)),
        Mistake("inputs taken out", "A unit is a row of `first`. A column of it is an input, and these all stay.", _inputs_out),
        Mistake("units ranked by the next layer", "Asked for is the norm of a unit's row in `first`.",
            _by_columns, partial(_by_columns, norm=lambda a, b: a * b), partial(_by_columns, norm=lambda a, b: a + b)),
        Mistake("each matrix ranked by itself", "The columns that go must be those of the units that went, or they read the wrong unit.",
            partial(_by_columns, both=False)),
        Mistake("units by their place", "The first or the last units are no better and no worse than others: rank by the norm.",
            partial(_first_or_last, front=True), partial(_first_or_last, front=False)),
        Mistake("the second matrix transposed", "`second` is outputs by units, before and after.",
            lambda *a: (_prune(*a)[0], _prune(*a)[1].T, _prune(*a)[2])),
        Mistake("numbers of units returned", "Return the two smaller matrices and their MACs, not which units stay.",
            lambda first, second, ratio: _kept(first, ratio), lambda first, second, ratio: _kept(first, ratio, swap=True, largest=False)),
        Mistake("units ranked by their sum", "Weights of opposite sign cancel in a sum. Rank by the norm.",
            partial(_prune, norm=lambda w: w.sum(dim=1)), partial(_prune, norm=lambda w: w.mean(dim=1))),
        Mistake("units in another order", "Kept units stay in their old order: sort their numbers before you take them.",
            _by_rank, partial(_by_rank, falling=True), partial(_by_rank, both=False), partial(_by_rank, falling=True, both=False)),
        Mistake("units ranked by the sum of absolute values",
            "That is another norm, and ranks some units otherwise. Asked for is the root of the sum of squares.",
            partial(_prune, norm=lambda w: w.abs().sum(dim=1)), partial(_prune, norm=lambda w: w.abs().mean(dim=1))),
        Mistake("units ranked by their largest weight", "One large weight is not the whole row. Rank by the root of the sum of squares.",
            partial(_prune, norm=lambda w: w.abs().amax(dim=1)), partial(_prune, norm=lambda w: w.amax(dim=1))),
        Mistake("units ranked by their spread", "Around its mean a row of large, equal weights has no spread, and does much.",
            partial(_prune, norm=lambda w: w.std(dim=1))),
        Mistake("MACs of the unpruned layers", "Count what is left after the units are gone.",
            partial(_prune, macs=lambda first, second, before: before)),
        Mistake("MACs of one layer", "Two layers are asked for, and both have MACs.",
            partial(_prune, macs=lambda first, second, before: first.numel()),
            partial(_prune, macs=lambda first, second, before: second.numel())),
        Mistake("units below a threshold taken out", "How many go is given: the share `ratio` of the units, the smallest first.",
            lambda a, b, r: _cut(a, b, (a.norm(dim=1) > r * a.norm(dim=1).max()).nonzero().flatten()),
            lambda a, b, r: _cut(a, b, (a.norm(dim=1) > r).nonzero().flatten()),
            lambda a, b, r: _cut(a, b, (a.norm(dim=1) > r * a.norm(dim=1).mean()).nonzero().flatten())),
        Mistake("MACs saved", "Asked for are those that are left.",
            partial(_prune, macs=lambda first, second, before: before - first.numel() - second.numel())),
        Mistake("a share of MACs", "Asked for is their number, not a part of what there was.",
            partial(_prune, macs=lambda first, second, before: (first.numel() + second.numel()) / before),
            partial(_prune, macs=lambda first, second, before: 1 - (first.numel() + second.numel()) / before)),
        Mistake("units counted in place of MACs", "A unit has a MAC for each weight of its row and of its column.",
            partial(_prune, macs=lambda first, second, before: len(first))),
        Mistake("biases counted", "These layers have none, and an added bias is no product: MACs count weights.",
            partial(_prune, macs=lambda first, second, before: first.numel() + second.numel() + len(first) + len(second))),
        Mistake("MACs first", "The matrices come first, the MACs last.", lambda *a: _prune(*a)[::-1], lambda *a: (_prune(*a)[2], *_prune(*a)[:2])),
        Mistake("MACs multiplied", "The layers come one after the other: their MACs add up.",
            partial(_prune, macs=lambda first, second, before: first.numel() * second.numel()),
            partial(_prune, macs=lambda first, second, before: first.numel() * len(second))),
        Mistake("MACs not returned", "Three things are asked for: both matrices, and the MACs that are left.",
            lambda *layers: _prune(*layers)[:2]),
        Mistake("MACs counted as FLOPs",
            "A multiply-accumulate is one MAC and two floating-point operations. MACs are asked for.",
            partial(_prune, factor=2)),
    ],
)  # fmt: skip
