"""What is read off written answers (N, S): the answer behind its mark, each step, how much it is."""

import torch

from kdlab.data.reasoning import MARK


def answers_of(written):
    """The token behind the first mark (N,), int64; -1 where there is no mark, or nothing behind it."""
    _check(written)
    marked = written == MARK
    behind = torch.cat([written[:, 1:], torch.full_like(written[:, :1], -1)], dim=1)
    first = behind.gather(1, marked.int().argmax(dim=1, keepdim=True))[:, 0]
    return first.masked_fill(~marked.any(dim=1), -1)


def right_answers(written, asked):
    """Whether the answer is right: bool (N,)."""
    _check(written, asked)
    return answers_of(written) == asked.answers


def right_steps(written, asked):
    """Whether each step follows from what was written before it: bool (N, digits - 1).

    So an error is seen where it was made, and what follows rightly from it is right. A right answer from
    wrong steps has two of them at least, or an answer that forgives, or does not follow.
    """
    _check(written, asked, at_least=asked.sums.shape[1])
    digits = asked.inputs[:, :-1]
    steps = written[:, : digits.shape[1] - 1]
    before = torch.cat([digits[:, :1], steps[:, :-1]], dim=1)
    return steps == (before + digits[:, 1:]) % 10


def tokens_until_answer(written):
    """How many tokens are written until the answer stands there (N,); all of them where it never does."""
    _check(written)
    place = (written == MARK).int().argmax(dim=1) + 2
    return torch.where(answers_of(written) < 0, written.shape[1], place)


def majority(answers):
    """Of several answers to each question (tries, N), the commonest (N,): of equal ones the smallest."""
    return answers.mode(dim=0).values


def percent(right):
    """The share of what is right, in percent: a number."""
    return 100 * right.double().mean().item()


def _check(written, asked=None, at_least=1):
    """Raise ValueError unless there is something written to each question."""
    n = len(written) if asked is None else len(asked.inputs)
    if written.ndim != 2 or len(written) != n or not n or written.shape[1] < at_least:
        want = f"({n}, {at_least} or more)"
        raise ValueError(f"what was written {tuple(written.shape)} must be {want}, a row a question")
