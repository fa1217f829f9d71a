"""Sums of digits modulo 10 with their working, written out by rule; everything follows from a seed.

A question is its digits and an equals sign. Its working holds the running sums, a token each, and behind a
mark stands the answer: the last sum, or which half (or fifth) of 0 to 9 it lies in. The fewer different
answers there are, the more often a wrong working ends in a right one.
"""

from typing import NamedTuple

import torch

from kdlab.losses.common import NO_LABEL

TEXT = "0123456789=#.~"  # a token's number is its place
EQUALS, MARK, FILLER, WORKING = range(10, len(TEXT))
TOKENS = len(TEXT)
DIGITS = 5
VALUES = (2, 5, 10)


class Questions(NamedTuple):
    """Questions (N, digits + 1), their running sums (N, digits - 1) and answers (N,): int64 tokens.

    ``values`` is how many different answers there are.
    """

    inputs: torch.Tensor
    sums: torch.Tensor
    answers: torch.Tensor
    values: int = 10

    def take(self, rows):
        """The same at ``rows`` (indices, a slice or a mask)."""
        return Questions(self.inputs[rows], self.sums[rows], self.answers[rows], self.values)


def questions(count, *, seed, digits=DIGITS, values=10):
    """Questions of so many digits, drawn evenly.

    Raises
    ------
    ValueError
        If there are fewer than 1 question or 2 digits, or not 2, 5 or 10 values.
    """
    if count < 1 or digits < 2 or values not in VALUES:
        raise ValueError(
            f"count={count} and digits={digits} must be at least 1 and 2, values={values} one of {VALUES}"
        )
    drawn = torch.randint(10, (count, digits), generator=torch.Generator().manual_seed(seed))
    sums = drawn.cumsum(dim=1)[:, 1:] % 10
    return Questions(_and(drawn, EQUALS), sums, sums[:, -1] * values // 10, values)


def text(tokens):
    """A row of tokens (T,) as it is read: ``"7 2 5 9 4 = 9 4 3 7 # 7"``."""
    return " ".join(TEXT[token] for token in tokens.tolist())


def only_answers(asked):
    """What follows the questions: mark and answer (N, 2)."""
    return torch.stack([torch.full_like(asked.answers, MARK), asked.answers], dim=1)


def worked(asked, sums=None):
    """Working, mark and answer (N, digits + 1); with other ``sums``, the answer is still the right one."""
    return torch.cat([asked.sums if sums is None else sums, only_answers(asked)], dim=1)


def with_filler(asked):
    """As long, with dots in place of the working: (N, digits + 1)."""
    return worked(asked, torch.full_like(asked.sums, FILLER))


def with_anothers(asked):
    """As long, with the working of the question before: (N, digits + 1)."""
    return worked(asked, asked.sums.roll(1, dims=0))


def answer_first(asked):
    """Mark and answer, and then the working that leads to it: (N, digits + 1)."""
    return worked(asked).roll(2, dims=1)


def two_tasks(asked, working=None):
    """Each question twice, inputs (2 N, Q) and what follows (2 N, digits + 1).

    Behind ``=`` stand mark and answer, padded by -100, which does not count; where ``~`` stands in its place,
    the working, by default the right one (Hsieh et al. 2023, "Distilling Step-by-Step": one network, two
    targets, a prefix that says which).
    """
    working = worked(asked) if working is None else working
    short = torch.full_like(working, NO_LABEL)
    short[:, :2] = only_answers(asked)
    return torch.cat([asked.inputs, to_work(asked.inputs)]), torch.cat([short, working])


def to_work(inputs):
    """The same questions (N, Q), asked for their working."""
    return _and(inputs[:, :-1], WORKING)


def examples(inputs, continuation):
    """What a language model learns from: tokens (N, T) and labels (N, T), at each place what follows.

    The last token is not read, and labels within the question do not count, -100. So T is Q + S - 1 for
    questions (N, Q) and a continuation (N, S), which may hold -100 as well. ValueError if they do not fit.
    """
    if inputs.ndim != 2 or continuation.ndim != 2 or len(inputs) != len(continuation):
        raise ValueError(
            f"questions {tuple(inputs.shape)} and what follows, {tuple(continuation.shape)}, must be (N, Q) "
            f"and (N, S)"
        )
    labels = torch.cat([inputs, continuation], dim=1)[:, 1:]
    labels[:, : inputs.shape[1] - 1] = NO_LABEL
    return torch.cat([inputs, continuation.clamp(min=0)], dim=1)[:, :-1], labels


def _and(tokens, last):
    return torch.cat([tokens, torch.full((len(tokens), 1), last)], dim=1)
