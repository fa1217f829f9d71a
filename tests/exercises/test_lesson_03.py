"""Plausible wrong answers to the exercises of lesson 03 are told what they did; right ones are not refused."""

import copy

import pytest
import torch
import torch.nn.functional as F
from telling import ALL, assert_right
from torch import nn
from torch.optim import SGD, Adam, AdamW

from kdlab import metrics
from kdlab.exercises.core import UNKNOWN, WRONG


def both(s, p):
    return [*s.parameters(), *p.parameters()]


def centred(x):
    return x - x.mean(dim=0, keepdim=True)


def grams(a, b):
    return centred(a) @ centred(a).T, centred(b) @ centred(b).T


def frozen(network):
    for parameter in network.parameters():
        parameter.requires_grad = False
    return network


# Exercise, answer, a part of what is said to it.
PLANTED = [
    ("3.1", lambda s, t, p: ((p(s) - t) ** 2).sum(), "gradient flowing into the teacher"),
    ("3.1", lambda s, t, p: F.l1_loss(p(s), t), "gradient flowing into the teacher"),
    ("3.1", lambda s, t, p: torch.dist(p(s), t.detach()), "a root taken"),
    ("3.1", lambda s, t, p: (p(s) - t.detach()).mean() ** 2, "no square"),
    ("3.1", lambda s, t, p: p(s - t.detach()).pow(2).mean(), "projector on both sides"),
    ("3.1", lambda s, t, p: F.mse_loss(p(s.detach()), t.detach()), "the student cut off"),
    ("3.1", lambda s, t, p: 1 - F.cosine_similarity(p(s).flatten(1), t.detach().flatten(1)).mean(), "scaled to length 1"),
    ("3.1", lambda s, t, p: F.mse_loss(p(s).mean((2, 3)), t.detach().mean((2, 3))), "the places averaged out"),
    ("3.1", lambda s, t, p: F.mse_loss(nn.Conv2d(3, 3, 1)(s), t.detach()), "a projector made inside"),
    ("3.2", lambda s, t, p: Adam(both(s, p), lr=0), "a learning rate of 0"),
    ("3.2", lambda s, t, p: SGD([{"params": s.parameters()}, {"params": p.parameters(), "lr": 0.0}], lr=0.1), "a learning rate of 0"),
    ("3.2", lambda s, t, p: Adam([*both(s, p), t.bias]), "teacher in the optimiser"),
    ("3.2", lambda s, t, p: Adam([*both(s, p), *frozen(t).parameters()]), "teacher in the optimiser"),
    ("3.2", lambda s, t, p: Adam(t.parameters()), "teacher in the optimiser"),
    ("3.2", lambda s, t, p: Adam(both(s, frozen(p))), "projector not trained"),
    ("3.2", lambda s, t, p: Adam(both(frozen(s), p)), "student not trained"),
    ("3.2", lambda s, t, p: Adam([s.weight, p.weight]), "a part of a network left out"),
    ("3.2", lambda s, t, p: Adam(both(copy.deepcopy(s), copy.deepcopy(p))), "something else in the optimiser"),
    ("3.2", lambda s, t, p: Adam(both(s, p), maximize=True), "uphill"),
    ("3.3", lambda f: F.normalize((f**2).flatten(1), dim=1), "channels kept"),
    ("3.3", lambda f: (q := f.pow(2).mean(1).flatten(1)) / q.max(1, keepdim=True).values, "scaled to its largest value"),
    ("3.3", lambda f: (q := f.pow(2).mean(1).flatten(1)) / q.norm(), "scaled over the batch"),
    ("3.3", lambda f: (q := f.pow(2).mean(1).flatten(1)) / q.pow(2).sum(1, keepdim=True), "the squared length"),
    ("3.3", lambda f: F.normalize(f, dim=1).pow(2).sum(1).flatten(1), "scaled before"),
    ("3.3", lambda f: F.normalize(f.var(dim=1).flatten(1), dim=1), "standardised"),
    ("3.3", lambda f: F.normalize(f.mean(1).flatten(1), dim=1) ** 2, "squared at the end"),
    ("3.3", lambda f: F.normalize(f.pow(4).sum(1).flatten(1), dim=1), "another power"),
    ("3.4", lambda a, b: F.cosine_similarity(*grams(a, b), dim=1).mean(), "row by row"),
    ("3.4", lambda a, b: torch.trace(grams(a, b)[0] @ grams(a, b)[1]) / (centred(a).norm() ** 2 * centred(b).norm() ** 2), "other lengths"),
    ("3.4", lambda a, b: metrics.debiased_cka(a, b), "the diagonal left out"),
    ("3.4", lambda a, b: F.cosine_similarity(torch.cdist(a, a).flatten(), torch.cdist(b, b).flatten(), dim=0), "distances in place"),
    ("3.4", lambda a, b: metrics.linear_cka((a - a.mean(0)) / a.std(0), (b - b.mean(0)) / b.std(0)), "each dimension standardised"),
    ("3.4", lambda a, b: 1 - metrics.linear_cka(a, b), "1 minus|how far apart"),
    ("3.4", lambda a, b: metrics.linear_cka(a, b) ** 2, "square"),
]  # fmt: skip


@pytest.mark.parametrize(("id", "answer", "said"), PLANTED)
def test_a_wrong_answer_is_told_what_it_did(id, answer, said):
    outcome = ALL[id].diagnose(answer)
    assert outcome.status == WRONG and UNKNOWN not in outcome.text, outcome.text
    assert any(part in outcome.text for part in said.split("|")), outcome.text


VARIANTS = [
    ("3.1", lambda s, t, p: nn.MSELoss()(p(s), t.clone().detach())),
    ("3.1", lambda s, t, p: ((p(s) - t.data) ** 2).sum() / t.numel()),
    ("3.2", lambda s, t, p: SGD(both(s, p), lr=0.1, momentum=0.9)),
    ("3.2", lambda s, t, p: AdamW([{"params": s.parameters()}, {"params": p.parameters(), "lr": 1e-2}])),
    ("3.2", lambda s, t, p: Adam(nn.ModuleList([s, p]).parameters(), lr=torch.tensor(1e-3))),
    ("3.2", lambda s, t, p: (frozen(t), torch.optim.LBFGS(both(s, p)))[1]),
    ("3.3", lambda f: F.normalize(f.pow(2).sum(1).flatten(1), dim=1)),
    ("3.3", lambda f: F.normalize(f.norm(dim=1).square().flatten(1), dim=1).numpy()),
    ("3.4", lambda a, b: (centred(b).T @ centred(a)).norm() ** 2 / ((centred(a).T @ centred(a)).norm() * (centred(b).T @ centred(b)).norm())),
    ("3.4", lambda a, b: torch.corrcoef(torch.stack([g.flatten() for g in grams(a, b)]))[0, 1]),
]  # fmt: skip


@pytest.mark.parametrize(("id", "answer"), VARIANTS)
def test_a_right_answer_written_otherwise_is_right(id, answer):
    assert_right(id, answer)
