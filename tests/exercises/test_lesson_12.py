"""Lesson 12: what learners plausibly write is told by name, and what is right in other words passes."""

import numpy as np
import pytest
import torch
from telling import ALL, assert_own_study, assert_right, assert_told

from kdlab.data.reasoning import MARK
from kdlab.exercises.core import UNKNOWN
from kdlab.study import Result


def join(*parts):
    return torch.cat([p if p.ndim == 2 else p[:, None] for p in parts], dim=1)


def marks(d):
    return torch.full((len(d), 1), MARK)


def sums(d):
    return d.cumsum(1)[:, 1:] % 10


def loop_of_sums(digits):
    rows = []
    for row in digits.tolist():
        total, out = row[0], []
        for digit in row[1:]:
            total = (total + digit) % 10
            out.append(total)
        rows.append([*out, MARK, total])
    return torch.tensor(rows)


def shifted(i, c):
    return torch.cat([i, c], 1)[:, 1:].clone()


def masked(labels, count, mask=-100):
    labels[:, :count] = mask
    return labels


def loop_of_labels(inputs, continuation):
    q = inputs.shape[1]
    return np.array([[-100] * (q - 1) + row for row in continuation.tolist()])


def overwritten(i, c):
    i[:, :] = -100
    return torch.cat([i, c], 1)[:, 1:]


def behind(w, at=None):
    found = (w == MARK).int().argmax(1) + 1
    return w[torch.arange(len(w)), found.clamp(max=w.shape[1] - 1)]


def loop_of_kept(written, answers):
    kept = []
    for row, answer in zip(written.tolist(), answers.tolist()):
        kept.append(MARK in row[:-1] and row[row.index(MARK) + 1] == answer)
    return kept


def steps_right(d, w, modulo=10):
    s = w[:, : d.shape[1] - 1]
    return s == (torch.cat([d[:, :1], s[:, :-1]], 1) + d[:, 1:]) % modulo


def loop_of_wrong(digits, written, answers):
    wrong = total = 0
    for d, w, a in zip(digits.tolist(), written.tolist(), answers.tolist()):
        if w[-1] == a:
            total += 1
            wrong += w[: len(d) - 1] != [sum(d[: k + 2]) % 10 for k in range(len(d) - 1)]
    return 100 * wrong / total


WRONG_ANSWERS = [
    ("12.1", "the tens carried along", lambda d: join(d.cumsum(1)[:, 1:], marks(d), d.sum(1) % 10)),
    ("12.1", "the first digit written as well", lambda d: join(d.cumsum(1) % 10, marks(d), d.sum(1) % 10)),
    ("12.1", "the last sum left out", lambda d: join(sums(d)[:, :-1], marks(d), sums(d)[:, -1])),
    ("12.1", "the answer first", lambda d: join(marks(d), sums(d)[:, -1], sums(d))),
    ("12.1", "the mark forgotten", lambda d: join(sums(d), sums(d)[:, -1])),
    ("12.1", "the mark forgotten", sums),
    ("12.1", "the mark behind the answer", lambda d: join(sums(d), sums(d)[:, -1], marks(d))),
    ("12.1", "only neighbours added", lambda d: join(s := (d[:, 1:] + d[:, :-1]) % 10, marks(d), s[:, -1])),
    ("12.1", "added over the questions", lambda d: join(s := d.cumsum(0)[:, 1:] % 10, marks(d), s[:, -1])),
    ("12.1", "no sums: the digits again", lambda d: join(d[:, 1:], marks(d), d[:, -1])),
    ("12.1", "the last digit for an answer", lambda d: join(sums(d), marks(d), d[:, -1])),
    ("12.1", "only mark and answer", lambda d: join(marks(d), d.sum(1) % 10)),
    ("12.1", "the question in front", lambda d: join(d, sums(d), marks(d), d.sum(1) % 10)),
    ("12.1", "multiplied, not added", lambda d: join(s := d.cumprod(1)[:, 1:] % 10, marks(d), s[:, -1])),
    ("12.1", "the wrong end cut off", lambda d: join((d.cumsum(1) % 10)[:, :-1], marks(d), d.sum(1) % 10)),
    ("12.1", "no sums: the digits again", lambda d: join(d[:, 1:], marks(d), d.sum(1) % 10)),
    ("12.2", "the question counts too", shifted),
    ("12.2", "not shifted", lambda i, c: masked(torch.cat([i, c], 1)[:, :-1].clone(), i.shape[1])),
    ("12.2", "not shifted", lambda i, c: masked(torch.cat([i, c], 1)[:, :-1].clone(), i.shape[1] - 1)),
    ("12.2", "the first written token does not count", lambda i, c: masked(shifted(i, c), i.shape[1])),
    ("12.2", "the equals sign counts", lambda i, c: masked(shifted(i, c), i.shape[1] - 2)),
    ("12.2", "one place too long", lambda i, c: masked(torch.cat([shifted(i, c), torch.full((len(i), 1), -100)], 1), i.shape[1] - 1)),
    ("12.2", "only the answer counts", lambda i, c: masked(shifted(i, c), -1)),
    ("12.2", "0 or -1 where -100 is due", lambda i, c: masked(shifted(i, c), i.shape[1] - 1, 0)),
    ("12.2", "0 or -1 where -100 is due", lambda i, c: masked(shifted(i, c), i.shape[1] - 1, -1)),
    ("12.2", "padding counts", lambda i, c: masked(shifted(i, c.clamp(min=0)), i.shape[1] - 1)),
    ("12.2", "the question changed in place", overwritten),
    ("12.2", "the last token missing", lambda i, c: masked(shifted(i, c), i.shape[1] - 1)[:, :-1]),
    ("12.2", "True and False", lambda i, c: masked(shifted(i, c), i.shape[1] - 1) >= 0),
    ("12.3", "the last token taken for the answer", lambda w, a: w[:, -1] == a),
    ("12.3", "a text without a mark judged by some token", lambda w, a: behind(w) == a),
    ("12.3", "the answer anywhere", lambda w, a: (w == a[:, None]).any(1)),
    ("12.3", "the last sum, not the answer", lambda w, a: (w[torch.arange(len(w)), (w == MARK).int().argmax(1) - 1] == a) & (w == MARK).any(1)),
    ("12.3", "the mark at a fixed place", lambda w, a: (w[:, -2] == MARK) & (w[:, -1] == a)),
    ("12.3", "the wrong ones kept", lambda w, a: ~torch.tensor(loop_of_kept(w, a))),
    ("12.3", "numbers in place of True and False", lambda w, a: torch.tensor(loop_of_kept(w, a)).nonzero().flatten()),
    ("12.3", "how many are kept", lambda w, a: sum(loop_of_kept(w, a))),
    ("12.3", "the kept texts themselves", lambda w, a: w[torch.tensor(loop_of_kept(w, a))]),
    ("12.3", "any mark", lambda w, a: torch.tensor([any(x == MARK and y == b for x, y in zip(r, r[1:])) for r, b in zip(w.tolist(), a.tolist())])),
    ("12.4", "of all traces", lambda d, w, a: 100 * (~steps_right(d, w)).any(1).float().mean()),
    ("12.4", "of all traces", lambda d, w, a: 100 * ((~steps_right(d, w)).any(1) & (w[:, -1] == a)).float().mean()),
    ("12.4", "those with a wrong answer", lambda d, w, a: 100 * (~steps_right(d, w))[w[:, -1] != a].any(1).float().mean()),
    ("12.4", "a share of steps", lambda d, w, a: 100 * (~steps_right(d, w))[w[:, -1] == a].float().mean()),
    ("12.4", "a share of steps", lambda d, w, a: 100 * (w[:, :-2] != sums(d))[w[:, -1] == a].float().mean()),
    ("12.4", "those without an error", lambda d, w, a: 100 * steps_right(d, w)[w[:, -1] == a].all(1).float().mean()),
    ("12.4", "a share, not percent", lambda d, w, a: loop_of_wrong(d, w, a) / 100),
    ("12.4", "only if all steps are wrong", lambda d, w, a: 100 * (~steps_right(d, w))[w[:, -1] == a].all(1).float().mean()),
    ("12.4", "the tens not taken off", lambda d, w, a: 100 * (~steps_right(d, w, 10**9))[w[:, -1] == a].any(1).float().mean()),
    ("12.4", "only the last step", lambda d, w, a: 100 * (~steps_right(d, w))[w[:, -1] == a][:, -1].float().mean()),
    ("12.4", "one value a trace", lambda d, w, a: (~steps_right(d, w))[w[:, -1] == a].any(1)),
    ("12.4", "the condition turned round", lambda d, w, a: 100 * (w[:, -1] == a)[(~steps_right(d, w)).any(1)].float().mean()),
]  # fmt: skip

RIGHT_ANSWERS = [
    ("12.1", loop_of_sums),
    ("12.1", lambda d: join(sums(d), marks(d), d.sum(1) % 10).double()),
    ("12.1", lambda d: join(torch.stack([d[:, :k].sum(1) % 10 for k in range(2, d.shape[1] + 1)], 1), marks(d), d.sum(1) % 10)),
    ("12.2", loop_of_labels),
    ("12.2", lambda i, c: masked(shifted(i, c), i.shape[1] - 1)),
    ("12.2", lambda i, c: torch.cat([torch.full_like(i[:, 1:], -100), c], 1)),
    ("12.3", loop_of_kept),
    ("12.3", lambda w, a: (behind(w) == a) & (w[:, :-1] == MARK).any(1)),
    ("12.3", lambda w, a: np.array(loop_of_kept(w, a))),
    ("12.3", lambda w, a: torch.tensor(loop_of_kept(w, a)).int()),
    ("12.4", loop_of_wrong),
    ("12.4", lambda d, w, a: 100 * (w[:, : d.shape[1] - 1] != sums(d))[w[:, -1] == a].any(1).float().mean()),
    ("12.4", lambda d, w, a: 100 - 100 * steps_right(d, w)[w[:, -1] == a].all(1).half().float().mean()),
]  # fmt: skip


@pytest.mark.parametrize(("id", "name", "answer"), WRONG_ANSWERS)
def test_a_plausible_wrong_answer_is_told_by_name(id, name, answer):
    assert_told(id, answer, name)


@pytest.mark.parametrize(("id", "answer"), RIGHT_ANSWERS)
def test_right_in_other_words_passes(id, answer):
    assert_right(id, answer)


def test_what_is_not_known_is_not_named():
    assert ALL["12.4"].diagnose(lambda d, w, a: d.double().mean() * w.double().std()).name == UNKNOWN


def study(scores, baseline="working", margin=2, steps=300):
    return Result(baseline, scores, "right answers, %", margin=margin, training={"steps": steps})


OWN = {"working": [100.0, 99.9, 100.0], "every other sum": [12.0, 14.0, 10.5]}


def test_an_own_study_passes_and_what_makes_it_another_is_said():
    assert_own_study(
        "12.5",
        study,
        OWN,
        "hurts",
        {"another margin": study(OWN, margin=5), "too few steps": study(OWN, steps=20)},
    )
