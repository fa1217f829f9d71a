"""Lessons 04 and 05: answers that were not used to write the checks, wrong and right, and studies not one's own."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from kdlab import exercises
from kdlab.exercises.core import RIGHT, WRONG
from kdlab.factorial import effects, where
from kdlab.results import load_results
from kdlab.study import Result

ALL = exercises.all_exercises()


def unit(d):
    return d / d[d > 0].mean()


def d2(e):
    return (e[:, None] - e[None]).square().sum(-1)


def directions(e):
    return F.normalize(e[None] - e[:, None], dim=-1)


def rows(g):
    return g / g.norm(dim=1, keepdim=True)


def near(e):
    return torch.cdist(e, e).fill_diagonal_(torch.inf)


def grads(loss, network):
    found = torch.autograd.grad(loss, [*network.parameters()], allow_unused=True, retain_graph=True)
    return [g for g in found if g is not None]


def length(gs):
    return torch.cat([g.flatten() for g in gs]).norm()


def shorter(new, old):
    return min(len(new), len(old))


# By exercise, wrong answers with a word of what they must be told: nine in ten at least.
WRONG_ANSWERS = {
    "4.1": [
        ("unit", lambda s, t: F.smooth_l1_loss(*((d := torch.cdist(e, e)) / d.max(1, keepdim=True)[0] for e in (s, t)))),
        ("squared", lambda s, t: F.smooth_l1_loss(*(unit(d2(e)) for e in (s, t)))),
        ("one mean", lambda s, t: F.smooth_l1_loss(*(torch.cdist(e, e) / torch.pdist(t).mean() for e in (s, t)))),
        ("diagonal", lambda s, t: F.smooth_l1_loss(*((d := torch.cdist(e, e)) / (d.sum() / d.numel()) for e in (s, t)))),
        ("smooth L1", lambda s, t: F.huber_loss(*(unit(torch.cdist(e, e)) for e in (s, t)), delta=0.5)),
        ("summed", lambda s, t: F.smooth_l1_loss(*(unit(torch.cdist(e, e)) for e in (s, t)), reduction="none").sum()),
        ("length 1", lambda s, t: F.smooth_l1_loss(*(unit(torch.cdist(u := F.normalize(e), u)) for e in (s, t)))),
        ("gradient", lambda s, t: torch.tensor(F.smooth_l1_loss(*(unit(torch.cdist(e, e)) for e in (s, t))).item())),
        ("inner products", lambda s, t: F.smooth_l1_loss(*(1 - F.cosine_similarity(e[None], e[:, None], dim=-1) for e in (s, t)))),
    ],
    "4.2": [
        ("wrong vertex", lambda e: torch.einsum("jid,jkd->ijk", directions(e), directions(e))),
        ("length 1", lambda e: (v := e[None] - e[:, None]) @ v.mT),
        ("differences", lambda e: F.cosine_similarity(e[:, None], e[None], dim=-1)),
        ("angles", lambda e: torch.acos(((u := directions(e)) @ u.mT).clamp(-1, 1))),
        ("another axis", lambda e: (u := F.normalize(e[None] - e[:, None])) @ u.mT),
        ("head to tail", lambda e: torch.einsum("jid,ikd->ijk", directions(e), directions(e))),
        ("0 divided", lambda e: (u := (v := e[None] - e[:, None]) / v.square().sum(-1, keepdim=True).sqrt()) @ u.mT),
    ],
    "4.3": [
        ("row normalisation", lambda s, t: F.mse_loss(s @ s.T, t @ t.T)),
        ("scale", lambda s, t: F.mse_loss(*((g := e @ e.T) / g.square().sum().sqrt() for e in (s, t)))),
        ("sum over", lambda s, t: F.mse_loss(rows(s @ s.T), rows(t @ t.T), reduction="sum")),
        ("difference", lambda s, t: F.l1_loss(rows(s @ s.T), rows(t @ t.T))),
        ("root", lambda s, t: torch.dist(rows(s @ s.T), rows(t @ t.T))),
        ("not the matrix", lambda s, t: F.mse_loss(*(F.cosine_similarity(e[:, None], e[None], dim=-1) for e in (s, t)))),
        ("divided by B", lambda s, t: (rows(s @ s.T) - rows(t @ t.T)).norm() ** 2 / len(s)),
        ("distances", lambda s, t: F.mse_loss(*(rows(torch.cdist(e, e)) for e in (s, t)))),
    ],
    "4.4": [
        ("own neighbour", lambda e, y: 100 * (y[d2(e).argmin(1)] == y).double().mean()),
        ("cosines", lambda e, y: 100 * (y[(F.cosine_similarity(e[:, None], e[None], dim=-1) - 2 * torch.eye(len(e))).argmax(1)] == y).float().mean()),
        ("share", lambda e, y: (y[near(e).min(dim=1).indices] == y).float().mean()),
        ("misses", lambda e, y: 100 * (y[near(e).argmin(1)] - y).bool().float().mean()),
        ("hits", lambda e, y: sum(int(y[j] == y[i]) for i, j in enumerate(near(e).argmin(1)))),
        ("more than one", lambda e, y: 100 * (y[near(e).argsort(1)[:, :5]] == y[:, None]).any(1).float().mean()),
        ("second", lambda e, y: 100 * (y[near(e).argsort(1)[:, 1]] == y).float().mean()),
    ],
    "5.1": [
        ("joint", lambda n, a, b, ab: (ab - a) + (a - n)),
        ("main", lambda n, a, b, ab: (a + ab) / 2 - (n + b) / 2),
        ("sign", lambda n, a, b, ab: (a - n) - (ab - b)),
        ("averaged", lambda n, a, b, ab: ab.mean() - a.mean() - b.mean() + n.mean()),
        ("halved", lambda n, a, b, ab: (ab + n) / 2 - (a + b) / 2),
        ("left out", lambda n, a, b, ab: ab - (a + b)),
        ("better", lambda n, a, b, ab: ab - torch.stack([a, b]).max(0).values),
        ("adding up", lambda n, a, b, ab: n + (a - n) + (b - n)),
    ],
    "5.2": [
        ("unweighted", lambda loss, w, s, p: length(grads(loss, s))),
        ("norms summed", lambda loss, w, s, p: sum((w * g).norm() for g in grads(loss, s))),
        ("squared", lambda loss, w, s, p: sum((w * g).square().sum() for g in grads(loss, s))),
        ("projector", lambda loss, w, s, p: length(grads(w * loss, s) + grads(w * loss, p))),
        ("norm", lambda loss, w, s, p: torch.cat([g.flatten() for g in grads(w * loss, s)]).norm(p=1)),
        ("all parameters", lambda loss, w, s, p: grads(w * loss, s)[-1].norm()),
        ("no part", lambda loss, w, s, p: length(torch.autograd.grad(w * loss, list(s.parameters())))),
        ("loss", lambda loss, w, s, p: (w * loss).abs()),
    ],
    "5.3": [
        ("upside down", lambda g, s: (s * g) / (s * g)[0]),
        ("shares left out", lambda g, s: 1 / (g / g[0])),
        ("not 1", lambda g, s: s / s.sum() * g.sum() / g),
        ("shares in place", lambda g, s: s / s.max()),
        ("square or a root", lambda g, s: torch.sqrt(s / g / (s / g)[0])),
        ("set to 1", lambda g, s: torch.tensor([1.0, *(s / g)[1:].tolist()])),
    ],
    "5.4": [
        ("unequal", lambda new, old: sorted(new)[-1][1] - sorted(old)[-1][1]),
        ("test", lambda new, old: (n := shorter(new, old)) and max(b for _, b in new[:n]) - max(b for _, b in old[:n])),
        ("validation", lambda new, old: (n := shorter(new, old)) and max(new[:n])[0] - max(old[:n])[0]),
        ("other one", lambda new, old: (n := shorter(new, old)) and max(old[:n])[1] - max(new[:n])[1]),
        ("means", lambda new, old: np.mean(new[: shorter(new, old)], axis=0)[1] - np.mean(old[: shorter(new, old)], axis=0)[1]),
        ("nothing chosen", lambda new, old: new[0][-1] - old[0][-1]),
        ("sorted", lambda new, old: (n := shorter(new, old)) and sorted(new)[:n][-1][1] - sorted(old)[:n][-1][1]),
    ],
}  # fmt: skip

RIGHT_ANSWERS = {
    "4.1": [
        lambda s, t: F.huber_loss(unit(torch.cdist(s, s)), unit(torch.cdist(t, t)), delta=1.0),
        lambda s, t: F.smooth_l1_loss(*(d / (d.sum() / (d > 0).sum()) for d in (torch.cdist(s, s), torch.cdist(t, t)))),
        lambda s, t: F.smooth_l1_loss(*(unit(torch.cdist(e.double(), e.double())) for e in (s, t.detach()))),
        lambda s, t: F.smooth_l1_loss(*(torch.cdist(e, e) / torch.pdist(e).mean() for e in (s, t))),
        lambda s, t: F.smooth_l1_loss(*(torch.pdist(e) / torch.pdist(e).mean() for e in (s, t))),
    ],
    "4.2": [
        lambda e: torch.einsum("ijd,ikd->ijk", -directions(e), -directions(e)),
        lambda e: torch.stack([directions(e)[i] @ directions(e)[i].T for i in range(len(e))]),
        lambda e: torch.bmm(directions(e), directions(e).transpose(1, 2)),
    ],
    "4.3": [
        lambda s, t: ((rows(s @ s.T) - rows(t @ t.T)) ** 2).sum() / len(s) ** 2,
        lambda s, t: torch.linalg.matrix_norm(rows(s @ s.T) - rows(t @ t.T)) ** 2 / (len(s) * len(t)),
        lambda s, t: F.mse_loss(*(F.normalize(torch.einsum("id,jd->ij", e, e), p=2, dim=1) for e in (s, t.detach()))),
    ],
    "4.4": [
        lambda e, y: 100.0 * np.mean((y[near(e).argmin(1)] == y).numpy()),
        lambda e, y: 100 * sum(float(y[j] == y[i]) for i, j in enumerate(near(e).argmin(1))) / len(y),
        lambda e, y: (y[(d2(e) + 1e9 * torch.eye(len(e))).argmin(1)] == y).double().mean() * 100,
    ],
    "5.1": [
        lambda n, a, b, ab: [w - x - y + z for w, x, y, z in zip(ab.tolist(), a.tolist(), b.tolist(), n.tolist())],
        lambda n, a, b, ab: (ab - b) - (a - n),
        lambda n, a, b, ab: np.asarray(ab) - np.asarray(a) - np.asarray(b) + np.asarray(n),
    ],
    "5.2": [
        lambda loss, w, s, p: abs(w) * length(grads(loss, s)).item(),
        lambda loss, w, s, p: torch.nn.utils.get_total_norm(grads(w * loss, s)),
        lambda loss, w, s, p: sum((w * g).pow(2).sum() for g in grads(loss, s)) ** 0.5,
    ],
    "5.3": [
        lambda g, s: [float(s[i] * g[0] / (s[0] * g[i])) for i in range(len(g))],
        lambda g, s: (s / s[0]) / (g / g[0]),
        lambda g, s: np.asarray(s / g) / float(s[0] / g[0]),
    ],
    "5.4": [
        lambda new, old: max(new[: len(old)], key=lambda p: p[0])[1] - max(old[: len(new)], key=lambda p: p[0])[1],
        lambda new, old: float(np.subtract(*(sorted(x[: shorter(new, old)])[-1][1] for x in (new, old)))),
    ],
}  # fmt: skip


@pytest.mark.parametrize("id", WRONG_ANSWERS)
def test_wrong_answers_are_told_what_they_did(id):
    unnamed = []
    for word, code in WRONG_ANSWERS[id]:
        outcome = ALL[id].diagnose(code)
        assert outcome.status == WRONG, (word, outcome.text)
        if word not in outcome.name:
            unnamed.append((word, outcome.name))
    assert len(unnamed) * 10 <= len(WRONG_ANSWERS[id]), unnamed


@pytest.mark.parametrize("id", RIGHT_ANSWERS)
def test_right_answers_written_otherwise_pass(id):
    for i, code in enumerate(RIGHT_ANSWERS[id]):
        outcome = ALL[id].diagnose(code)
        assert outcome.status == RIGHT, (i, outcome.text)


def test_pairs_once_pass_with_a_remark():
    text = ALL["4.1"].diagnose(RIGHT_ANSWERS["4.1"][-1]).text
    assert "with a remark" in text and "B / (B - 1)" in text


def renamed(result, old, new, pairs):
    scores = {result.baseline: result.scores[result.baseline][:pairs], new: result.scores[old][:pairs]}
    words = {new: result.words[old]} if old in result.words else {}
    return replace(result, scores=scores, words=words)


def combining(study):
    return where(load_results("combining").results[study], "hard labels")


@pytest.mark.parametrize("pairs", [3, 8])
def test_the_lessons_own_study_is_not_the_learners(pairs):
    relations = load_results("relations").results
    shown = [("4.5", renamed(relations["clean"], "angles", "neighbourhoods", pairs))]
    shown.append(("4.5", renamed(relations["moved"], "neighbourhoods", "neighbourhoods", pairs)))
    whole = combining("clean")
    part = {
        arm.replace("hints", "mine"): s[:pairs] for arm, s in whole.scores.items() if "distances" not in arm
    }
    pair = "soft targets x mine"
    shown.append(("5.5", renamed(effects(whole), "soft targets x distances", pair, pairs)))
    shown.append(("5.5", effects(replace(whole, scores=part))))
    for id, result in shown:
        word = result.verdict(ALL[id].arms[1])
        assert ALL[id].diagnose((result, word)).name == "the lesson's own study", id
        mine = [a + 0.1 * i for i, a in enumerate(result.scores[ALL[id].arms[1]])]
        other = replace(result, scores={**result.scores, ALL[id].arms[1]: mine})
        assert ALL[id].diagnose((other, other.verdict(ALL[id].arms[1]))).status == RIGHT


def test_what_was_trained_in_this_notebook_is_known(monkeypatch):
    import __main__

    scores = {"hard labels": [80.0, 81.0, 82.0], "angles": [91.0, 93.5, 90.0]}
    first = Result("hard labels", scores, metric="Recall@1, %", margin=2)
    mine = renamed(first, "angles", "neighbourhoods", 3)
    assert ALL["4.5"].diagnose((mine, "helps")).status == RIGHT
    monkeypatch.setattr(__main__, "first", first, raising=False)
    assert ALL["4.5"].diagnose((mine, "helps")).name == "the lesson's own study"
    # A learner's earlier run of the same arm, under whatever name, is their own.
    monkeypatch.setattr(__main__, "first", renamed(mine, "neighbourhoods", "my neighbourhoods", 3))
    assert ALL["4.5"].diagnose((mine, "helps")).status == RIGHT
