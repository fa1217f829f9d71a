"""Lesson 12's workings, labels and filters: right by default, and each option a known mistake."""

import torch

from kdlab.data.reasoning import MARK, questions, worked
from kdlab.exercises.core import value
from kdlab.losses.common import NO_LABEL


def some_digits(count, digits):
    return (questions(count, seed=digits).inputs[:, :-1],)


def as_written(
    *, add=lambda d: d.cumsum(1), over=lambda s: s % 10, part=slice(1, None), answer=lambda d, s: s[:, -1],
    order=lambda s, mark, a: (s, mark, a), front=False,
):  # fmt: skip
    """A function of digits (N, K): what follows the equals sign."""

    def code(digits):
        sums = over(add(digits))
        last = answer(digits, sums)[:, None]
        parts = order(sums[:, part], torch.full_like(last, MARK), last)
        return torch.cat([digits, *parts] if front else [*parts], dim=1)

    return code


def two_lengths(count, digits, padded=0):
    """Questions and their continuations; of the last ones only mark and answer, padded."""
    asked = questions(count, seed=count, digits=digits)
    continuation = worked(asked)
    if padded:
        short = torch.full_like(continuation[-padded:], NO_LABEL)
        short[:, :2] = continuation[-padded:, -2:]
        continuation = torch.cat([continuation[:-padded], short])
    return asked.inputs, continuation


def labels(
    *, shift=1, masked=lambda q: q - 1, mask=NO_LABEL, keep=slice(None), longer=None, last=None, only=0, without=0,
    turned=False, pad=None, in_place=False,
):  # fmt: skip
    """A function of questions (N, Q) and continuations (N, S): labels (N, Q + S - 1)."""

    def code(inputs, continuation):
        n, q = inputs.shape
        if pad is not None:
            continuation = continuation.where(continuation != NO_LABEL, torch.tensor(pad))
        tokens = torch.cat([inputs, continuation], dim=1)
        found = tokens.roll(-shift, dims=1)[:, :-1].clone()
        if shift == 2:
            found[:, -1] = NO_LABEL
        count = masked(q)
        if turned:
            found[:, q - 1 :] = mask
        else:
            found[:, :count] = mask
        if only:
            found[:, :-only] = mask
        if without:
            found[:, found.shape[1] - without :] = mask
        if last is not None:
            found[:, -1] = last
        if longer is not None:
            found = torch.cat([found, torch.full((n, 1), longer)], dim=1)
        if in_place:
            inputs.fill_(NO_LABEL)
        return found[:, keep]

    return code


def changed(function, arguments):
    """What is returned, and whether the first argument was overwritten."""
    before = arguments[0].clone()
    seen = value(function, arguments)
    return {**seen, "the question was overwritten:": torch.tensor(not torch.equal(before, arguments[0]))}


def marked_texts(seed, count):
    """Texts (N, 7) whose mark stands anywhere, twice or not at all, and the answers (N,)."""
    random = torch.Generator().manual_seed(seed)
    written = torch.randint(10, (count, 7), generator=random)
    answers = torch.randint(10, (count,), generator=random)
    for row in range(count):
        kind = row % 8
        place = int(torch.randint(1, 6, (1,), generator=random))
        if kind != 1:  # the second has no mark, and its second token is the answer
            written[row, place] = MARK
        if kind in (0, 3):
            written[row, place + 1] = answers[row]
        if kind == 1:
            written[row, 1] = answers[row]
        if kind == 2:  # the answer stands before the mark, and last
            written[row, place - 1] = written[row, -1] = answers[row]
            written[row, place + 1 if place < 5 else 6] = (answers[row] + 1) % 10
        if kind == 4:  # a second mark, with the answer
            written[row, 1:3] = torch.tensor([MARK, (answers[row] + 2) % 10])
            written[row, 5:7] = torch.tensor([MARK, answers[row]])
        if kind == 5:  # the answer, and a second mark with another one
            written[row, 1:3] = torch.tensor([MARK, answers[row]])
            written[row, 5:7] = torch.tensor([MARK, (answers[row] + 3) % 10])
        if kind in (6, 7):  # nowhere the answer, or before the mark only
            written[row][written[row] == answers[row]] = (answers[row] + 1) % 10
            written[row, place - 1] = answers[row] if kind == 7 else written[row, place - 1]
    return written, answers


def kept(*, at=lambda w: (w == MARK).int().argmax(1) + 1, any_mark=True, turned=False):
    """A function of texts (N, S) and answers (N,): bool (N,)."""

    def code(written, answers):
        found = written.gather(1, at(written).clamp(0, written.shape[1] - 1)[:, None])[:, 0]
        right = found != answers if turned else found == answers
        return right & (written == MARK).any(1) if any_mark else right

    return code


def traces_of(count, digits):
    """Digits (N, K), traces (N, K + 1) of which some have errors, and the answers (N,)."""
    random = torch.Generator().manual_seed(count)
    drawn = torch.randint(10, (count, digits), generator=random)
    drawn[8::12] %= 2  # sums without a carry
    drawn[8] = 1
    sums = drawn.cumsum(1)[:, 1:] % 10
    written = torch.cat([sums, torch.full((count, 1), MARK), sums[:, -1:]], dim=1)
    for row in range(count):
        kind, steps, last = row % 12, written[row, : digits - 1], written[row, -1:]
        step = int(torch.randint(1, digits - 2, (1,), generator=random))
        by = int(torch.randint(1, 9, (1,), generator=random))
        wrong = {
            1: (slice(step, step + 1), by),  # one sum wrong, all else as if it were right
            2: (slice(step, None), by),  # an error, carried on
            3: (slice(-1, None), by),  # the last sum wrong
            4: (slice(None), by),  # the first sum wrong, and carried on
            5: (slice(None), 1 + 2 * (torch.arange(digits - 1) % 2)),  # all wrong
            7: (slice(0, 1), by),
            11: (slice(step, step + 1), by),
            9: (slice(-1, None), by),
        }
        where, off = wrong.get(kind, (slice(0, 0), 0))
        steps[where] = (steps[where] + off) % 10
        if kind in (2, 6, 10):  # with the answer that follows, or with another one
            last[:] = steps[-1] if kind == 2 else (last + by) % 10
    return drawn, written, sums[:, -1]


def wrong_share(
    *, modulo=10, digit=lambda d: d[:, 1:], answer=lambda w: w[:, -1], among=lambda r: r, of=lambda s: (~s).any(1),
    over=lambda wrong, rows: 100 * wrong[rows].double().mean(),
):  # fmt: skip
    """A function of digits, traces and answers: in percent, how many of those kept have a wrong step."""

    def code(digits, written, answers):
        steps = written[:, : digits.shape[1] - 1]
        before = torch.cat([digits[:, :1], steps[:, :-1]], dim=1)
        right = steps == (before + digit(digits)) % modulo
        return over(of(right), among(answer(written) == answers))

    return code


def by_rule(over):
    """The same by the rule's sums: ``over`` is given where those of the kept traces differ from them."""

    def code(digits, written, answers):
        wrong = written[:, :-2] != digits.cumsum(1)[:, 1:] % 10
        return over(wrong[written[:, -1] == answers])

    return code
