"""Lesson 14: what learners plausibly write is told by name, and what is right in other words passes."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from telling import ALL, assert_own_study, assert_right, assert_told

from kdlab.exercises.core import UNKNOWN, WRONG
from kdlab.losses import box_distribution_loss, weighted_soft_target_loss
from kdlab.results import load_results
from kdlab.study import Result


def greedy(o, s, least, *, order=None, enough=lambda o, least: o >= least, keep=True, given=True):
    taken, right = set(), [False] * len(s)
    order = sorted(range(len(s)), key=lambda d: -s[d]) if order is None else order(s)
    for d in order:
        best = max(
            (k for k in range(o.shape[1]) if not (keep and k in taken)), key=lambda k: o[d, k], default=None
        )
        if best is not None and enough(o[d, best], least):
            right[d] = True
            taken.add(best)
    return torch.tensor(right if given else [right[d] for d in order])


def voc(o, s, least):
    """As in the PASCAL challenge: a detection stands by its best object, taken or not."""
    taken, right = set(), torch.zeros(len(s), dtype=torch.bool)
    for d in s.argsort(descending=True).tolist():
        k = int(o[d].argmax())
        right[d] = bool(o[d, k] >= least) and k not in taken
        taken |= {k} if right[d] else set()
    return right


def in_numpy(o, s, least):
    o, s = o.numpy().copy(), s.numpy()
    right = np.zeros(len(s), dtype=bool)
    for d in np.argsort(-s):
        k = o[d].argmax()
        if o[d, k] >= least:
            right[d] = True
            o[:, k] = 0
    return right


def kl(s, t, T, dim=-1):
    """Of each row, with T squared."""
    s, t = (s / T).log_softmax(dim), (t / T).log_softmax(dim)
    return T * T * (t.exp() * (t - s)).sum(dim)


def mean(values, w):
    return (w * values).sum() / w.sum()


def ends(z, at, step, sign=(-1, -1, 1, 1)):
    d = (z.softmax(-1) * torch.arange(z.shape[-1])).sum(-1) * step
    return torch.cat([at, at], 1) + d * torch.tensor(sign)


def loop_over_cells(s, t, w, T):
    total, weights = 0, 0
    for ours, theirs, weight in zip(s.flatten(0, -2), t.flatten(0, -2), w.flatten()):
        p = (theirs / T).softmax(0)
        total = total + weight * T**2 * sum(p * (p.log() - (ours / T).log_softmax(0)))
        weights = weights + weight
    return total / weights


WRONG_ANSWERS = [
    ("14.1", "a second box on the same object counts", lambda o, s, least: o.max(dim=1).values >= least),
    ("14.1", "a second box on the same object counts", lambda o, s, least: greedy(o, s, least, keep=False)),
    ("14.1", "in the order given, not by score", lambda o, s, least: greedy(o, s, least, order=lambda s: range(len(s)))),
    ("14.1", "the lowest score first", lambda o, s, least: greedy(o, s, least, order=lambda s: s.argsort().tolist())),
    ("14.1", "more than the threshold", lambda o, s, least: greedy(o, s, least, enough=lambda o, least: o > least)),
    ("14.1", "a taken object still stands in the way", voc),
    ("14.1", "any overlap counts", lambda o, s, least: greedy(o, s, 1e-9)),
    ("14.1", "the best box of each object, not the best score", lambda o, s, least: torch.isin(torch.arange(len(s)), o.argmax(0)[o.amax(0) >= least])),
    ("14.1", "in the order of the scores", lambda o, s, least: greedy(o, s, least, given=False)),
    ("14.1", "how many, not which", lambda o, s, least: greedy(o, s, least).sum()),
    ("14.1", "places, not a mask", lambda o, s, least: greedy(o, s, least).nonzero().flatten()),
    ("14.1", "the wrong ones marked", lambda o, s, least: ~greedy(o, s, least)),
    ("14.1", "objects found, not detections", lambda o, s, least: (o >= least).any(0)),
    ("14.2", "bins, not pixels", lambda z, at, step: ends(z, at, 1)),
    ("14.2", "the likeliest bin", lambda z, at, step: torch.cat([at, at], 1) + z.argmax(-1) * step * torch.tensor([-1, -1, 1, 1])),
    ("14.2", "left and top added", lambda z, at, step: ends(z, at, step, (1, 1, 1, 1))),
    ("14.2", "the signs turned round", lambda z, at, step: ends(z, at, -step)),
    ("14.2", "softmax over the edges", lambda z, at, step: torch.cat([at, at], 1) + (z.softmax(1) * torch.arange(z.shape[-1])).sum(-1) * step * torch.tensor([-1, -1, 1, 1])),
    ("14.2", "logits in place of probabilities", lambda z, at, step: torch.cat([at, at], 1) + (z * torch.arange(z.shape[-1])).sum(-1) * step * torch.tensor([-1, -1, 1, 1])),
    ("14.2", "the first bin counted as 1", lambda z, at, step: ends(z, at, step) + step * torch.tensor([-1, -1, 1, 1])),
    ("14.2", "a mean over the bins twice", lambda z, at, step: ends(z, at, step / z.shape[-1])),
    ("14.2", "x and y exchanged", lambda z, at, step: ends(z, at.flip(1), step)),
    ("14.2", "width and height", lambda z, at, step: torch.cat([(b := ends(z, at, step))[:, :2], b[:, 2:] - b[:, :2]], 1)),
    ("14.2", "distances, not a box", lambda z, at, step: ends(z, 0 * at, step).abs()),
    ("14.2", "rounded to whole pixels", lambda z, at, step: ends(z, at, step).round()),
    ("14.3", "divided by all cells", lambda s, t, w, T: (w * kl(s, t, T)).mean()),
    ("14.3", "a sum over cells", lambda s, t, w, T: (w * kl(s, t, T)).sum()),
    ("14.3", "the weights forgotten", lambda s, t, w, T: kl(s, t, T).mean()),
    ("14.3", "cells with a weight, all alike", lambda s, t, w, T: kl(s, t, T)[w > 0].mean()),
    ("14.3", "the weights turned round", lambda s, t, w, T: mean(kl(s, t, T), 1 - w)),
    ("14.3", "T squared forgotten", lambda s, t, w, T: mean(F.kl_div((s / T).log_softmax(-1), (t / T).softmax(-1), reduction="none").sum(-1), w)),
    ("14.3", "T in place of T squared", lambda s, t, w, T: mean(kl(s, t, T), w) / T),
    ("14.3", "no temperature", lambda s, t, w, T: mean(kl(s, t, 1), w)),
    ("14.3", "only the teacher softened", lambda s, t, w, T: mean(kl(s * T, t, T), w)),
    ("14.3", "the divergence turned round", lambda s, t, w, T: mean(kl(t, s, T), w)),
    ("14.3", "a cross-entropy", lambda s, t, w, T: -T * T * mean(((t / T).softmax(-1) * (s / T).log_softmax(-1)).sum(-1), w)),
    ("14.3", "softmax over the cells", lambda s, t, w, T: mean(T * T * F.kl_div((s / T).log_softmax(1), (t / T).softmax(1), reduction="none").sum(-1), w)),
    ("14.3", "background left out", lambda s, t, w, T: mean(kl(s[..., :-1], t[..., :-1], T), w)),
    ("14.3", "a mean over the classes", lambda s, t, w, T: mean(kl(s, t, T), w) / s.shape[-1]),
    ("14.3", "first a mean in each scene", lambda s, t, w, T: torch.stack([mean(kl(a, b, T), c) for a, b, c in zip(s, t, w)]).mean()),
    ("14.3", "one number a cell", lambda s, t, w, T: w * kl(s, t, T)),
    ("14.3", "the student detached", lambda s, t, w, T: mean(kl(s.detach(), t, T), w)),
    ("14.3", "squared differences of logits", lambda s, t, w, T: mean(F.mse_loss(s, t, reduction="none").mean(-1), w)),
    ("14.3", "divided by how many cells have a weight", lambda s, t, w, T: (w * kl(s, t, T)).sum() / torch.count_nonzero(w)),
    ("14.4", "one softmax over all edges", lambda s, t, w, T: mean(kl(s.reshape(len(s), -1), t.reshape(len(t), -1), T), w)),
    ("14.4", "a sum over the edges", lambda s, t, w, T: mean(kl(s, t, T).sum(1), w)),
    ("14.4", "a mean over the bins", lambda s, t, w, T: mean(kl(s, t, T).mean(1) / s.shape[-1], w)),
    ("14.4", "softmax over the edges", lambda s, t, w, T: mean(kl(s, t, T, dim=1).mean(1), w)),
    ("14.4", "the divergence turned round", lambda s, t, w, T: mean(kl(t, s, T).mean(1), w)),
    ("14.4", "divided by all cells", lambda s, t, w, T: (w * kl(s, t, T).mean(1)).mean()),
    ("14.4", "the weights forgotten", lambda s, t, w, T: kl(s, t, T).mean()),
    ("14.4", "T squared forgotten", lambda s, t, w, T: mean(kl(s, t, T).mean(1), w) / T**2),
    ("14.4", "expected distances compared", lambda s, t, w, T: mean((((s.softmax(-1) - t.softmax(-1)) * torch.arange(s.shape[-1])).sum(-1) ** 2).mean(1), w)),
    ("14.4", "one number an edge", lambda s, t, w, T: (w[:, None] * kl(s, t, T)).sum(0) / w.sum()),
    ("14.4", "the student detached", lambda s, t, w, T: mean(kl(s.detach(), t, T).mean(1), w)),
    ("14.4", "a sum over cells", lambda s, t, w, T: (w * kl(s, t, T).mean(1)).sum()),
]  # fmt: skip

RIGHT_ANSWERS = [
    ("14.1", greedy),
    ("14.1", in_numpy),
    ("14.1", lambda o, s, least: greedy(o, s, least).tolist()),
    ("14.2", ends),
    ("14.2", lambda z, at, step: ends(z.double(), at.double(), step)),
    ("14.2", lambda z, at, step: torch.stack([at[:, k % 2] + (-1 if k < 2 else 1) * step * (z[:, k].softmax(1) @ torch.arange(z.shape[-1]).float()) for k in range(4)], 1)),
    ("14.3", lambda s, t, w, T: mean(kl(s, t, T), w)),
    ("14.3", loop_over_cells),
    ("14.3", lambda s, t, w, T: weighted_soft_target_loss(s, t, w, temperature=T)),
    ("14.3", lambda s, t, w, T: mean(T * T * F.kl_div((s / T).log_softmax(-1), (t / T).log_softmax(-1), log_target=True, reduction="none").sum(-1), w)),
    ("14.4", lambda s, t, w, T: mean(kl(s, t, T).mean(1), w)),
    ("14.4", lambda s, t, w, T: box_distribution_loss(s, t, w, temperature=T)),
    ("14.4", lambda s, t, w, T: loop_over_cells(s, t, w[:, None].expand(-1, 4), T)),
]  # fmt: skip


@pytest.mark.parametrize(("id", "name", "answer"), WRONG_ANSWERS)
def test_a_plausible_wrong_answer_is_told_by_name(id, name, answer):
    assert_told(id, answer, name)


@pytest.mark.parametrize(("id", "answer"), RIGHT_ANSWERS)
def test_right_in_other_words_passes(id, answer):
    assert_right(id, answer)


def test_what_is_not_known_is_not_named():
    odd = ALL["14.3"].diagnose(lambda s, t, w, T: mean(kl(s, t, T), w.sqrt()))
    assert (odd.status, odd.name) == (WRONG, UNKNOWN)


def study(scores, baseline="teacher's boxes", **options):
    return Result(baseline, scores, "AP50 of test scenes, %", **{"margin": 3, **options})


OWN = {"teacher's boxes": [34.0, 33.0, 36.0], "answers on objects": [20.0, 19.5, 21.2]}


def test_an_own_study_passes_and_what_makes_it_another_is_said():
    assert_own_study(
        "14.5",
        study,
        OWN,
        "hurts",
        {
            "another margin": study(OWN, margin=1),
            "another reading": Result("teacher's boxes", OWN, "AP75 of test scenes, %", margin=3),
        },
    )


def test_the_lessons_own_study_is_no_study_of_ones_own():
    shipped = load_results("scenes").results["pool, AP50"].scores
    mine = {"teacher's boxes": shipped["teacher's boxes"], "answers on objects": shipped["answers weighted"]}
    outcome = ALL["14.5"].diagnose((study(mine), "helps"))
    assert (outcome.status, outcome.name) == (WRONG, "the lesson's own study")
