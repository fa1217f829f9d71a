"""Lesson 07: time, bits and pruning."""

import itertools
import statistics
from functools import partial

import torch

from kdlab.exercises.core import Exercise, Experiment, Mistake, value


def _call_and_clock(first, later, warm_up, runs):
    """``call`` and ``clock`` of a network whose calls cost ``first``, then ``later`` round and round."""
    costs = itertools.chain(first, itertools.cycle(later))
    now = 100.0

    def call():
        nonlocal now
        now += next(costs)

    return call, lambda: now, warm_up, runs


def _times(call, clock, runs):
    times = []
    for _ in range(runs):
        start = clock()
        call()
        times.append(1e3 * (clock() - start))
    return times


def _latency(call, clock, warm_up, runs, *, skip=True, count=0, middle=statistics.median, factor=1.0):
    if skip:
        for _ in range(warm_up):
            call()
    return factor * middle(_times(call, clock, runs + warm_up * count))


LATENCY = Exercise(
    "7.1", "Time one pass", see="Measuring honestly",
    right="Warm-up left out, every run by itself, the median over runs.",
    reference=_latency, observe=value,
    cases={
        "a network whose first four calls are slow": partial(
            _call_and_clock, [0.06, 0.04, 0.03, 0.03], [0.0021, 0.0019, 0.002, 0.0022, 0.012], 4, 6),
        "one whose first ten are": partial(_call_and_clock, [0.05] * 10, [0.0015, 0.002, 0.0021, 0.03], 10, 13),
    },
    mistakes=[
        Mistake("timing without warm-up",
            "The first calls set up memory and choose routines. They are slow, and are made only once in a program's life.",
            partial(_latency, skip=False), partial(_latency, skip=False, count=1),
            partial(_latency, skip=False, middle=statistics.fmean),
            partial(_latency, skip=False, count=1, middle=statistics.fmean)),
        Mistake("warm-up taken out of the runs", "The warm-up comes on top: all `runs` calls after it are timed.",
            partial(_latency, count=-1)),
        Mistake("mean in place of median",
            "One pass that the system interrupted moves the mean, and hardly the median. (A loop timed as a whole gives the mean too.)",
            partial(_latency, middle=statistics.fmean)),
        Mistake("the fastest run in place of the median", "The minimum says what luck allows, not what a user gets.",
            partial(_latency, middle=min)),
        Mistake("the sum of all runs", "One pass is asked for, not all of them together.",
            partial(_latency, middle=sum)),
        Mistake("seconds in place of milliseconds", "The clock counts seconds. Multiply by 1000.",
            partial(_latency, factor=1e-3)),
        Mistake("microseconds in place of milliseconds", "A second has 1000 milliseconds.",
            partial(_latency, factor=1e3)),
    ],
)  # fmt: skip


_FIRST = {
    ("teacher", 1, 1): 12.0, ("teacher", 2, 1): 8.0, ("teacher", 1, 64): 240.0, ("teacher", 2, 64): 130.0,
    ("student", 1, 1): 1.5, ("student", 2, 1): 1.25, ("student", 1, 64): 16.0, ("student", 2, 64): 9.0,
}  # fmt: skip
# Here a second thread costs more than it brings, as it does for tiny networks.
_SECOND = {
    ("teacher", 1, 1): 5.0, ("teacher", 2, 1): 4.0, ("teacher", 1, 64): 90.0, ("teacher", 2, 64): 50.0,
    ("student", 1, 1): 0.5, ("student", 2, 1): 0.9, ("student", 1, 64): 7.0, ("student", 2, 64): 6.0,
}  # fmt: skip


def _ratio(measured, *, teacher=(1, 1), student=(1, 1)):
    return measured["teacher", *teacher] / measured["student", *student]


def _each_at_its_best(measured):
    best = {name: min(measured[name, threads, 1] for threads in (1, 2)) for name in ("teacher", "student")}
    return best["teacher"] / best["student"]


SPEED_UP = Exercise(
    "7.2", "How many times faster", see="Work is not time",
    right="Equal threads, equal batch: what is left belongs to the networks.",
    reference=_ratio, observe=value,
    cases={"times of two networks": lambda: (dict(_FIRST),), "times of two others": lambda: (dict(_SECOND),)},
    mistakes=[
        Mistake("comparing on other threads",
            "One network had one thread, the other two. A part of that difference is the second thread's.",
            partial(_ratio, teacher=(2, 1)), partial(_ratio, student=(2, 1)), _each_at_its_best),
        Mistake("comparing at other batch sizes",
            "In a batch the fixed cost of a call is shared by its images. Both must be asked about one image.",
            partial(_ratio, student=(1, 64)), partial(_ratio, teacher=(1, 64)),
            lambda m: m["teacher", 1, 1] / (m["student", 1, 64] / 64),
            lambda m: m["teacher", 1, 64] / 64 / m["student", 1, 1]),
        Mistake("two threads for both", "Equal, but not what was asked for: one thread, one image.",
            partial(_ratio, teacher=(2, 1), student=(2, 1))),
        Mistake("the batch of 64 for both", "That is throughput. Asked for is how long one image waits.",
            partial(_ratio, teacher=(1, 64), student=(1, 64))),
        Mistake("the entry of the example", "Two threads and 64 images: asked for is one image on one thread.",
            partial(_ratio, teacher=(2, 64), student=(2, 64))),
        Mistake("the share saved in place of a ratio", "How many times faster is one time over the other.",
            lambda m: 1 - 1 / _ratio(m), lambda m: 100 * (1 - 1 / _ratio(m)), lambda m: _ratio(m) - 1),
        Mistake("the ratio upside down",
            "The slower time belongs above: 8 times faster means that the teacher takes 8 times as long.",
            lambda m: 1 / _ratio(m)),
        Mistake("a difference in place of a ratio",
            "Milliseconds saved depend on the machine; the ratio carries over better.",
            lambda m: m["teacher", 1, 1] - m["student", 1, 1]),
    ],
)  # fmt: skip


def _values(seed, low, high):
    """Values to find the range on, and values to quantise, of which some lie outside it."""
    random = torch.Generator().manual_seed(seed)
    calibration = low + (high - low) * torch.rand(40, generator=random)
    return calibration, 1.5 * (low + (high - low) * torch.rand(6, generator=random)) + 0.1 * high


def _int8(calibration, x, *, levels=255, zero=True, whole=True, clip=True, snap=torch.round, own=False, sign=1,
          symmetric=False, with_zero=True, back=lambda scale, q, zero: scale * (q - zero)):  # fmt: skip
    """Right by default; each option is one mistake."""
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
    return back(scale, q.clamp(0, 255) if clip else q, zero_point)


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
            partial(_int8, own=True)),
        Mistake("not clipped", "A value outside the range would need more than 8 bits. It becomes 0 or 255.",
            partial(_int8, clip=False)),
        Mistake("256 steps in place of 255", "256 numbers have 255 steps between them: from 0 to 255.",
            partial(_int8, levels=256)),
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
            partial(_int8, back=lambda scale, q, zero: q), partial(_int8, back=lambda scale, q, zero: q - zero)),
        Mistake("zero point forgotten on the way back", "The zero point stands for 0: take it away before you scale.",
            partial(_int8, back=lambda scale, q, zero: scale * q)),
        Mistake("cut off in place of rounded",
            "Cutting off makes errors up to a whole step, all to one side. Rounding makes half of that, to both.",
            partial(_int8, snap=torch.floor), partial(_int8, snap=torch.trunc)),
        Mistake("symmetric range",
            "That is how weights are stored: no zero point, and the same range on both "
            "sides. For values that are rarely negative it wastes half of the integers.",
            partial(_int8, symmetric=True)),
        Mistake("range without 0", "The range must hold 0, or 0 itself, of which padding is made, cannot be stored.",
            partial(_int8, with_zero=False)),
    ],
)  # fmt: skip


def _two_layers(units, ratio):
    """Weights (units, 5) and (3, units), and the share of units to take out."""
    random = torch.Generator().manual_seed(units)
    return torch.randn(units, 5, generator=random), torch.randn(3, units, generator=random), ratio


def _kept(first, ratio, *, largest=True, norm=lambda w: w.norm(dim=1), swap=False):
    n = len(first) - int(ratio * len(first))
    n = len(first) - n if swap else n
    return norm(first).topk(n, largest=largest).indices.sort().values


def _prune(first, second, ratio, *, factor=1, macs=lambda first, second, before: first.numel() + second.numel(),
           **options):  # fmt: skip
    kept, before = _kept(first, ratio, **options), first.numel() + second.numel()
    first, second = first[kept], second[:, kept]
    return first, second, factor * macs(first, second, before)


def _by_rank(first, second, ratio, *, falling=False):
    """The units from the smallest norm to the largest, or the other way round."""
    kept = first.norm(dim=1).argsort()[int(ratio * len(first)) :]
    kept = kept.flip(0) if falling else kept
    return first[kept], second[:, kept], first[kept].numel() + second[:, kept].numel()


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
        "six units, a third to go": partial(_two_layers, 6, 1 / 3),
        "eight units, a quarter to go": partial(_two_layers, 8, 0.25),
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
        Mistake("units ranked by their sum", "Weights of opposite sign cancel in a sum. Rank by the norm.",
            partial(_prune, norm=lambda w: w.sum(dim=1)), partial(_prune, norm=lambda w: w.mean(dim=1))),
        Mistake("units in another order", "Kept units stay in their old order: sort their numbers before you take them.",
            _by_rank, partial(_by_rank, falling=True)),
        Mistake("units ranked by the sum of absolute values",
            "That is another norm, and ranks some units otherwise. Asked for is the root of the sum of squares.",
            partial(_prune, norm=lambda w: w.abs().sum(dim=1)), partial(_prune, norm=lambda w: w.abs().mean(dim=1))),
        Mistake("MACs of the unpruned layers", "Count what is left after the units are gone.",
            partial(_prune, macs=lambda first, second, before: before)),
        Mistake("MACs multiplied", "The layers come one after the other: their MACs add up.",
            partial(_prune, macs=lambda first, second, before: first.numel() * second.numel())),
        Mistake("MACs not returned", "Three things are asked for: both matrices, and the MACs that are left.",
            lambda *layers: _prune(*layers)[:2]),
        Mistake("MACs counted as FLOPs",
            "A multiply-accumulate is one MAC and two floating-point operations. MACs are asked for.",
            partial(_prune, factor=2)),
    ],
)  # fmt: skip


FEWER_BITS = Experiment(
    "7.5", "Fewer bits", see="The experiment: do they add up?", arms=("hard labels", "soft targets"),
    meaning={
        "helps": "With your bits the taught student is still ahead. Whether by more or less than in float32, a second study with the plain score would say.",
        "hurts": "With your bits the taught student answers worse: what the teacher gave was lost, and more. Try one bit more.",
        "same": "With your bits the two students are level, to within the margin.",
        "open": "These pairs cannot tell. Coarse weights add their own luck to each student, so that more seeds are needed.",
    },
)  # fmt: skip


EXERCISES = [LATENCY, SPEED_UP, EIGHT_BITS, PRUNING, FEWER_BITS]
