"""Exercise 7.3: eight bits, in a range that comes from calibration."""

import torch

from kdlab.exercises.core import Exercise, Mistake, value


def _case(seed, low, high):
    """Values to find the range on, and values to quantise, of which some lie outside it."""

    def make():
        random = torch.Generator().manual_seed(seed)
        calibration = low + (high - low) * torch.rand(40, generator=random)
        return calibration, 1.5 * (low + (high - low) * torch.rand(6, generator=random)) + 0.1 * high

    return make


def _int8(
    calibration, x, *, levels=255, zero=True, whole=True, clip=True, snap=torch.round, own=False, sign=1,
    symmetric=False, with_zero=True,
):  # fmt: skip
    seen = x if own else calibration
    low, high = seen.min(), seen.max()
    if with_zero:
        low, high = low.clamp(max=0), high.clamp(min=0)
    if symmetric:
        scale = torch.maximum(-low, high) / 127
        return scale * (x / scale).round().clamp(-128, 127)
    scale = (high - low) / levels
    zero_point = sign * -low / scale if zero else torch.tensor(0.0)
    zero_point = zero_point.round() if whole else zero_point
    q = snap(x / scale + (0 if whole else zero_point)) + (zero_point if whole else 0)
    return scale * ((q.clamp(0, 255) if clip else q) - zero_point)


def _variant(**options):
    return lambda calibration, x: _int8(calibration, x, **options)


EXERCISE = Exercise(
    id="7.3",
    title="Eight bits",
    reference=_int8,
    observe=value,
    cases={"values around 0": _case(0, -1.0, 3.0), "values above 0, as after a ReLU": _case(2, 0.5, 4.0)},
    mistakes=[
        Mistake(
            "test set used for calibration",
            (_variant(own=True),),
            "The range is part of the network: it comes from calibration images, before any test image is seen.",
        ),
        Mistake(
            "not clipped",
            (_variant(clip=False),),
            "A value outside the range would need more than 8 bits. It becomes 0 or 255.",
        ),
        Mistake(
            "256 steps in place of 255",
            (_variant(levels=256),),
            "256 numbers have 255 steps between them: from 0 to 255.",
        ),
        Mistake(
            "zero point forgotten",
            (_variant(zero=False),),
            "Without it all values below 0 are clipped: the integers begin at 0, the range does not.",
        ),
        Mistake(
            "zero point with the wrong sign",
            (_variant(sign=-1),),
            "The lowest value must become 0: the zero point is minus low divided by the scale.",
        ),
        Mistake(
            "zero point not rounded",
            (_variant(whole=False),),
            "The zero point is one of the 256 integers. Then the number 0, of which padding is made, is kept exactly.",
        ),
        Mistake(
            "cut off in place of rounded",
            (_variant(snap=torch.floor), _variant(snap=torch.trunc)),
            "Cutting off makes errors up to a whole step, all to one side. Rounding makes half of that, to both.",
        ),
        Mistake(
            "symmetric range",
            (_variant(symmetric=True),),
            "That is how weights are stored: no zero point, and the same range on both sides. For values that are rarely negative it wastes half of the integers.",
        ),
        Mistake(
            "range without 0",
            (_variant(with_zero=False),),
            "The range must hold 0, or 0 itself, of which padding is made, cannot be stored.",
        ),
    ],
    right="Scale and zero point from calibration, then round, then clip.",
    see="Eight bits",
)
