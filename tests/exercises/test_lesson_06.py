"""Lesson 06: what learners plausibly write is told by name, and what is right in other words passes."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from telling import ALL, assert_right, assert_told

from kdlab.exercises.core import UNKNOWN


def others(z, y):
    return z[~F.one_hot(y, z.shape[1]).bool()].view(len(z), -1)


def noisy(where=None, new=None):
    def code(y, c, share, seed):
        g = torch.Generator().manual_seed(seed)
        hit = torch.rand(len(y), generator=g) < share if where is None else where(y, share)
        return torch.where(
            hit, (y + torch.randint(1, c, y.shape, generator=g)) % c if new is None else new(y, c, g), y
        )

    return code


def chosen(worth, report=lambda o, v, t, best: t[:, best].mean()):
    return lambda o, v, t: (lambda best: (best, report(o, v, t, best)))(int(worth(o, v, t).argmax()))


def best_of(table):
    return lambda o, v, t: table(v).float()


MEAN = chosen(lambda o, v, t: v.mean(0))


def turns(
    make, train, generations, *, new=None, who=lambda s, t: t, labels=False, back=lambda line, make: line[-1]
):
    line = [make()]
    train(line[0], None)
    for _ in range(generations):
        student = new(line[-1]) if new else make()
        if labels:
            train(student, None)
        train(student, who(student, line))
        line.append(student)
    return back(line, make)


def taught(who):
    return lambda m, t, g: turns(m, t, g, who=who)


WRONG_ANSWERS = [
    ("6.1", "the right class filled with NaN or infinity", lambda z, y: z.masked_fill(F.one_hot(y, z.shape[1]).bool(), -torch.inf).std(1).mean()),
    ("6.1", "the right class counted", lambda z, y: np.std(z.numpy(), axis=1).mean()),
    ("6.1", "SD divided by n instead of n - 1", lambda z, y: np.std(others(z, y).numpy(), axis=1).mean()),
    ("6.1", "one number a row, or their sum", lambda z, y: others(z, y).std(1)),
    ("6.1", "the median of the rows", lambda z, y: others(z, y).std(1).median()),
    ("6.1", "the root taken last", lambda z, y: others(z, y).var(1).mean().sqrt()),
    ("6.1", "rows cut in the wrong place", lambda z, y: others(z, y).reshape(-1, len(z)).std(0).mean()),
    ("6.1", "one column left out, not the label", lambda z, y: z[:, 1:].std(1).mean()),
    ("6.1", "another measure of spread", lambda z, y: (others(z, y).amax(1) - others(z, y).amin(1)).mean()),
    ("6.1", "probabilities in place of logits", lambda z, y: others((z / 4).softmax(1), y).std(1).mean()),
    ("6.2", "the true class drawn again", noisy(new=lambda y, c, g: (y + torch.randint(0, c, y.shape, generator=g)) % c)),
    ("6.2", "one wrong class never put in", noisy(new=lambda y, c, g: (y + torch.randint(1, c - 1, y.shape, generator=g)) % c)),
    ("6.2", "always the same wrong class", noisy(new=lambda y, c, g: torch.zeros_like(y))),
    ("6.2", "always the same wrong class", noisy(new=lambda y, c, g: (y + torch.randint(1, c, (1,), generator=g)) % c)),
    ("6.2", "labels beyond the last class", noisy(new=lambda y, c, g: torch.full_like(y, -100))),
    ("6.2", "labels cut off at the last class", noisy(new=lambda y, c, g: (y + torch.randint(1, c, y.shape, generator=g)).clamp(max=c - 1))),
    ("6.2", "wrong labels at fixed places", noisy(where=lambda y, share: torch.arange(len(y)) % round(1 / share) == 0)),
    ("6.2", "every label replaced", noisy(where=lambda y, share: y >= 0)),
    ("6.2", "the places, not the labels", lambda y, c, share, seed: torch.rand(len(y), generator=torch.Generator().manual_seed(seed)) < share),
    ("6.3", "the median over the seeds", chosen(best_of(lambda v: v.median(0).values))),
    ("6.3", "the median over the seeds", chosen(lambda o, v, t: v.mean(0), lambda o, v, t, best: t[:, best].median())),
    ("6.3", "one lucky seed decides", chosen(best_of(lambda v: v.amax(0)))),
    ("6.3", "the worst seed decides", chosen(best_of(lambda v: v.amin(0)))),
    ("6.3", "one seed only", chosen(best_of(lambda v: v[0]), lambda o, v, t, best: t[0, best])),
    ("6.3", "seeds vote", chosen(best_of(lambda v: v.argmax(1).bincount(minlength=v.shape[1])))),
    ("6.3", "the spread has a say", chosen(best_of(lambda v: v.mean(0) - v.std(0)))),
    ("6.3", "the teacher's own accuracy has a say", chosen(lambda o, v, t: v.mean(0) - o)),
    ("6.3", "the worst chosen", chosen(lambda o, v, t: -v.mean(0))),
    ("6.3", "no mean over the seeds", chosen(lambda o, v, t: v.mean(0), lambda o, v, t, best: t[:, best])),
    ("6.3", "mean over the teachers", chosen(lambda o, v, t: v.mean(0), lambda o, v, t, best: t.mean())),
    ("6.3", "test set used to choose", chosen(lambda o, v, t: t.mean(0), lambda o, v, t, best: t.mean(0).max())),
    ("6.3", "one of the two missing, or their order", lambda *tables: MEAN(*tables)[1]),
    ("6.3", "counted from 1", lambda *tables: (MEAN(*tables)[0] + 1, MEAN(*tables)[1])),
    ("6.4", "weights reused", lambda m, t, g: turns(m, t, g, new=copy.deepcopy, who=lambda s, line: line[-1])),
    ("6.4", "its own untrained copy for a teacher", taught(lambda s, line: s)),
    ("6.4", "always the first teacher", taught(lambda s, line: line[0])),
    ("6.4", "the grandparent for a teacher", taught(lambda s, line: line[max(0, len(line) - 2)])),
    ("6.4", "no teacher in any generation", taught(lambda s, line: None)),
    ("6.4", "trained twice in a generation", lambda m, t, g: turns(m, t, g, labels=True, who=lambda s, line: line[-1])),
    ("6.4", "student and teacher swapped", lambda m, t, g: turns(m, lambda s, by: t(s, by) if by is None else t(by, s), g, who=lambda s, line: line[-1])),
    ("6.4", "another than the last returned", lambda m, t, g: turns(m, t, g, who=lambda s, line: line[-1], back=lambda line, make: line[0])),
    ("6.4", "one generation, however many were asked for", lambda m, t, g: turns(m, t, 1, who=lambda s, line: line[-1])),
    ("6.4", "one generation too few", lambda m, t, g: turns(m, t, g - 1, who=lambda s, line: line[-1])),
]  # fmt: skip


def exactly_that_share(y, c, share, seed):
    g = torch.Generator().manual_seed(seed)
    hit = torch.randperm(len(y), generator=g)[: round(share * len(y))]
    noisy = y.clone()
    noisy[hit] = (y[hit] - torch.randint(1, c, (len(hit),), generator=g)) % c
    return noisy


def all_made_before(make, train, generations):
    line = [make() for _ in range(generations + 1)]
    for student, teacher in zip(line, [None, *line]):
        train(student, teacher)
    return line[-1]


RIGHT_ANSWERS = [
    ("6.1", lambda z, y: others(z.log_softmax(1), y).std(1).mean()),  # a row's own constant leaves the spread
    ("6.2", exactly_that_share),
    ("6.3", lambda o, v, t: [v.sum(0).argmax(), t[:, v.sum(0).argmax()].double().mean().item()]),
    ("6.4", all_made_before),
    ("6.4", taught(lambda s, line: copy.deepcopy(line[-1]))),
]


@pytest.mark.parametrize(("id", "name", "answer"), WRONG_ANSWERS)
def test_a_plausible_wrong_answer_is_told_by_name(id, name, answer):
    assert_told(id, answer, name)


@pytest.mark.parametrize(("id", "answer"), RIGHT_ANSWERS)
def test_right_in_other_words_passes(id, answer):
    assert_right(id, answer)


def test_what_is_not_known_is_not_named():
    assert ALL["6.1"].diagnose(lambda z, y: 3 * others(z, y).std(1).mean()).name == UNKNOWN
