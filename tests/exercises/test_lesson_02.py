"""Plausible wrong answers to the exercises of lesson 02 are told what they did; right ones are not refused."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from telling import ALL, assert_right
from torch.distributions import Categorical, kl_divergence

from kdlab.exercises.core import UNKNOWN, WRONG
from kdlab.losses import soft_target_loss


def kl(s, t, **options):
    return F.kl_div(s.log_softmax(1), t.softmax(1), **{"reduction": "batchmean", **options})


def gradients(s, t, y, T):
    z = s.clone().requires_grad_()
    hard = torch.autograd.grad(F.cross_entropy(z, y), z)[0]
    return hard, torch.autograd.grad(soft_target_loss(z, t, temperature=T), z)[0]


def weight(measure):
    return lambda s, t, y, T: measure(*gradients(s, t, y, T))


def reported(choose, report):
    def function(scores):
        best = choose(scores, key=lambda T: report(scores[T]))
        return best, scores[best]["test"]

    return function


# Exercise, answer, a part of what is said to it.
PLANTED = [
    ("2.1", lambda s, t, T: T**2 * F.kl_div(F.log_softmax(s / T, 1), F.log_softmax(t / T, 1), reduction="batchmean"), "log_target forgotten"),
    ("2.1", lambda s, t, T: F.kl_div(F.log_softmax(t / T, 1), F.log_softmax(s / T, 1), reduction="batchmean"), "log_target forgotten"),
    ("2.1", lambda s, t, T: T**2 * soft_target_loss(s / T, t / T, temperature=T) / T**2, "softened twice"),
    ("2.1", lambda s, t, T: soft_target_loss(s / T, t / T, temperature=T), "softened twice"),
    ("2.1", lambda s, t, T: T**2 * kl(s / T, F.softmax(t / T, 1)), "softmax twice"),
    ("2.1", lambda s, t, T: F.mse_loss(s / T, t / T), "squared differences"),
    ("2.1", lambda s, t, T: F.mse_loss(F.softmax(s / T, 1), F.softmax(t / T, 1)), "squared differences"),
    ("2.1", lambda s, t, T: ((s - t) ** 2).mean(), "squared differences"),
    ("2.1", lambda s, t, T: T * F.cross_entropy(s / T, F.softmax(t / T, 1)), "T instead of T squared"),
    ("2.1", lambda s, t, T: kl(s / T, t / T) / T**2, "another power of T"),
    ("2.1", lambda s, t, T: T**2 * F.kl_div(s / T, F.softmax(t / T, 1), reduction="batchmean"), "logits where"),
    ("2.1", lambda s, t, T: F.cross_entropy(s / T, t.argmax(1)) * T**2, "only the teacher's top class"),
    ("2.1", lambda s, t, T: T**2 * kl(s / T, t / T, reduction="none"), "not reduced"),
    ("2.1", lambda s, t, T: T**2 * F.kl_div(F.log_softmax(s, 1) / T, F.softmax(t / T, 1), reduction="batchmean"), "probabilities divided by T"),
    ("2.1", lambda s, t, T: T**2 * kl(s / T, t / T, reduction="sum") / s.shape[1], "divided by the number of classes"),
    ("2.1", lambda s, t, T: T**2 * (F.softmax(s / T, 1) * F.log_softmax(s / T, 1)).sum(1).mean(), "the entropy of one side"),
    ("2.2", weight(lambda h, k: (h.norm(dim=1) / k.norm(dim=1)).mean()), "mean of per-image ratios"),
    ("2.2", weight(lambda h, k: h.norm(dim=1).mean() / k.norm(dim=1).mean()), "mean of per-image ratios"),
    ("2.2", lambda s, t, y, T: T**2, "a power of T"),
    ("2.2", lambda s, t, y, T: 1 / T**2, "a power of T"),
    ("2.2", weight(lambda h, k: h / k), "norm forgotten"),
    ("2.2", weight(lambda h, k: (h / k).mean()), "norm forgotten"),
    ("2.2", weight(lambda h, k: h.abs().mean() / k.abs().mean()), "another norm"),
    ("2.2", weight(lambda h, k: (h**2).sum() / (k**2).sum()), "squared norms"),
    ("2.2", weight(lambda h, k: (h.norm(), k.norm())), "no ratio"),
    ("2.2", lambda s, t, y, T: weight(lambda h, k: h.norm() / k.norm())(s, t, y, 1.0), "another temperature"),
    ("2.2", lambda s, t, y, T: 0.9, "equal ones"),
    ("2.4", lambda z, T: z.log_softmax(1), "logarithm"),
    ("2.4", lambda z, T: z.softmax(1).max(1).values, "only the top class"),
    ("2.4", lambda z, T: z.softmax(1) * T, "T applied to the probabilities"),
    ("2.4", lambda z, T: torch.sigmoid(z), "no softmax"),
    ("2.4", lambda z, T: F.softmax(F.softmax(z, 1), 1), "softmax twice"),
    ("2.5", reported(min, lambda s: s["test"]), "test set used to choose"),
    ("2.5", reported(min, lambda s: abs(s["validation"] - s["test"])), "test set used to choose"),
    ("2.5", reported(max, lambda s: -s["validation"]), "the worst chosen"),
    ("2.5", lambda scores: (min(scores), scores[min(scores)]["test"]), "the first temperature chosen"),
    ("2.5", lambda scores: max(s["validation"] for s in scores.values()), "validation score reported"),
]  # fmt: skip


@pytest.mark.parametrize(("id", "answer", "said"), PLANTED)
def test_a_wrong_answer_is_told_what_it_did(id, answer, said):
    outcome = ALL[id].diagnose(answer)
    assert outcome.status == WRONG and said in outcome.name and UNKNOWN not in outcome.text, outcome.text


VARIANTS = [
    ("2.1", lambda s, t, T: T**2 * kl(s / T, t / T, reduction="none").sum(1).mean()),
    ("2.1", lambda s, t, T: T**2 * kl(s / T, t / T, reduction="sum") / len(s)),
    ("2.1", lambda s, t, T: T**2 * kl_divergence(Categorical(logits=t / T), Categorical(logits=s / T)).mean()),
    ("2.1", lambda s, t, T: T**2 * (F.cross_entropy(s / T, F.softmax(t / T, 1)) - F.cross_entropy(t / T, F.softmax(t / T, 1)))),
    ("2.2", weight(lambda h, k: (h.norm() / k.norm()).item())),
    ("2.2", weight(lambda h, k: torch.tensor([h.norm() / k.norm()]))),
    ("2.2", weight(lambda h, k: np.linalg.norm(h.numpy()) / np.linalg.norm(k.numpy()))),
    ("2.4", lambda z, T: F.softmax(z, dim=-1).numpy()),
    ("2.4", lambda z, T: F.softmax(z, dim=1).tolist()),
    ("2.4", lambda z, T: [row.softmax(0) for row in z]),
    ("2.5", lambda scores: np.array(reported(max, lambda s: s["validation"])(scores))),
]  # fmt: skip


@pytest.mark.parametrize(("id", "answer"), VARIANTS)
def test_a_right_answer_written_otherwise_is_right(id, answer):
    assert_right(id, answer)
