"""Lesson 07: what learners may plausibly write, and what they are told."""

import statistics

import pytest
import torch
from telling import ALL, assert_right, assert_told

from kdlab.exercises.core import UNKNOWN, WRONG
from kdlab.exercises.words import both_in_words


def timed(call, clock, warm_up, runs):
    """Milliseconds of each call, after the warm-up."""
    for _ in range(warm_up):
        call()
    times = []
    for _ in range(runs):
        start = clock()
        call()
        times.append(1000 * (clock() - start))
    return times


def as_a_whole(call, clock, warm_up, runs):
    for _ in range(warm_up):
        call()
    start = clock()
    for _ in range(runs):
        call()
    return 1000 * (clock() - start) / runs


def since_the_start(call, clock, warm_up, runs):
    timed(call, clock, warm_up, 0)
    start, times = clock(), []
    for _ in range(runs):
        call()
        times.append(1000 * (clock() - start))
    return statistics.median(times)


def steps(c):
    low, high = c.min().clamp(max=0), c.max().clamp(min=0)
    scale = (high - low) / 255
    return scale, (-low / scale).round()


def integers(c, x):
    scale, zero = steps(c)
    return ((x / scale).round() + zero).clamp(0, 255)


def with_uint8(c, x):
    scale, zero = steps(c)
    return scale * (integers(c, x).to(torch.uint8) - zero.to(torch.uint8))


def as_uint8(c, x):
    scale, zero = steps(c)
    return scale * (((x / scale).round() + zero).to(torch.int64).to(torch.uint8).float() - zero)


def pruned(first, second, ratio, rank=lambda a, b: a.norm(dim=1)):
    kept = rank(first, second).argsort()[int(ratio * len(first)) :].sort().values
    return first[kept], second[:, kept], first[kept].numel() + second[:, kept].numel()


def rows_of_second(first, second, ratio):
    kept = first.norm(dim=1).argsort()[int(ratio * len(first)) :].sort().values
    return first[kept], second[kept], 0


WRONG_ANSWERS = [
    ("7.1", as_a_whole, "mean in place of median"),
    ("7.1", since_the_start, "the clock read once for all runs"),
    ("7.1", lambda *a: timed(*a), "all times returned"),
    ("7.1", lambda *a: sorted(timed(*a))[-1], "the slowest run in place of the median"),
    ("7.1", lambda *a: (t := timed(*a))[len(t) // 2], "the middle without sorting"),
    ("7.1", lambda c, k, w, r: statistics.median(timed(c, k, 1, r)), "one warm-up call"),
    ("7.1", lambda *a: statistics.quantiles(timed(*a), n=4)[2], "a high quantile in place of the median"),
    ("7.1", lambda *a: round(statistics.median(timed(*a))), "rounded"),
    ("7.1", lambda *a: -statistics.median(timed(*a)), "the clock read the wrong way round"),
    ("7.1", lambda *a: statistics.fmean(sorted(timed(*a))[1:-1]), "another mean in place of the median"),
    ("7.2", lambda m: 100 * m["student", 1, 1] / m["teacher", 1, 1], "the ratio upside down"),
    ("7.2", lambda m: 100 * (m["teacher", 1, 1] / m["student", 1, 1] - 1), "the share saved in place of a ratio"),
    ("7.2", lambda m: m["teacher", 2, 64] / m["student", 1, 1], "other threads and another batch"),
    ("7.2", lambda m: int(m["teacher", 1, 1] / m["student", 1, 1]), "rounded"),
    ("7.2", lambda m: m["teacher", 1, 1] / m["distilled", 1, 1], "an error in your code"),
    ("7.3", lambda c, x: (integers(c, x), *steps(c)), "integers in place of numbers"),
    ("7.3", with_uint8, "8-bit arithmetic on the way back"),
    ("7.3", as_uint8, "wrapped around"),
    ("7.3", lambda c, x: x.clamp(c.min().clamp(max=0), c.max().clamp(min=0)), "not rounded"),
    ("7.3", lambda c, x: steps(c)[0] * (integers(c, x) + steps(c)[1]), "zero point added on the way back"),
    ("7.3", lambda c, x: (integers(c, x) - steps(c)[1]) / steps(c)[0], "divided on the way back"),
    ("7.3", lambda c, x: (s := c.abs().max() / 128) * (x / s).round().clamp(-128, 127), "symmetric range"),
    ("7.4", lambda *a: pruned(*a, rank=lambda f, s: f.abs().sum(1)), "units ranked by the sum of absolute values"),
    ("7.4", lambda *a: pruned(*a, rank=lambda f, s: f.abs().amax(1)), "units ranked by their largest weight"),
    ("7.4", lambda *a: pruned(*a, rank=lambda f, s: s.norm(dim=0)), "units ranked by the next layer"),
    ("7.4", lambda *a: pruned(*a, rank=lambda f, s: torch.arange(len(f))), "units by their place"),
    ("7.4", lambda *a: pruned(*a, rank=lambda f, s: -f.norm(dim=1)), "the largest taken out"),
    ("7.4", lambda *a: (*pruned(*a)[:2], pruned(*a)[0].numel()), "MACs of one layer"),
    ("7.4", lambda *a: (pruned(*a)[0], pruned(*a)[1].T, pruned(*a)[2]), "the second matrix transposed"),
    ("7.4", lambda *a: pruned(*a)[::-1], "MACs first"),
    ("7.4", rows_of_second, "an error in your code"),
]  # fmt: skip


@pytest.mark.parametrize("id, answer, name", WRONG_ANSWERS, ids=lambda x: x if isinstance(x, str) else "")
def test_a_plausible_wrong_answer_is_told_what_it_did(id, answer, name):
    assert_told(id, answer, name)


RIGHT_ANSWERS = [
    ("7.1", lambda *a: float(torch.tensor(timed(*a), dtype=torch.float64).median())),
    ("7.1", lambda *a: sorted(timed(*a))[a[3] // 2]),
    ("7.2", lambda m: torch.tensor(m["teacher", 1, 1]) / m["student", 1, 1]),
    ("7.3", lambda c, x: torch.fake_quantize_per_tensor_affine(x, steps(c)[0].item(), int(steps(c)[1]), 0, 255)),
    ("7.4", lambda *a: pruned(*a, rank=lambda f, s: f.pow(2).sum(1))),
    ("7.4", lambda *a: [*pruned(*a)[:2], torch.tensor(pruned(*a)[2])]),
]  # fmt: skip


@pytest.mark.parametrize("id, answer", RIGHT_ANSWERS)
def test_right_answers_written_otherwise_pass(id, answer):
    assert_right(id, answer)


@pytest.mark.parametrize("power", [0.5, 3, 4])
def test_a_counter_example_shows_a_difference(power):
    """Another norm may take out the same first units: the rows that differ are the ones to show."""
    outcome = ALL["7.4"].diagnose(lambda *a: pruned(*a, rank=lambda f, s: f.abs().pow(power).sum(1)))
    if outcome.status == WRONG and outcome.name == UNKNOWN:
        yours, right = outcome.text.split("value")[1].split(", the definition gives ")
        assert yours.split("shape")[1] != right.split("shape")[1].split(".\n")[0]


def test_rows_that_begin_alike_are_left_out():
    a, b = torch.zeros(4, 5), torch.zeros(4, 5)
    b[2, 1] = 1
    assert both_in_words(a, b) == (
        "[2]",
        "of shape (5,), [0.0, 0.0, 0.0, 0.0, 0.0]",
        "of shape (5,), [0.0, 1.0, 0.0, 0.0, 0.0]",
    )
    long, other = torch.zeros(9), torch.zeros(9)
    other[8] = 2
    assert both_in_words(long, other) == ("[8]", "0", "2")
    assert both_in_words(torch.tensor(1.0), torch.tensor(1.004)) == ("", "1", "1.004")
    assert both_in_words(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0]))[0] == ""
