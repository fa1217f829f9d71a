"""Lesson 09: what learners plausibly write is told by name, and what is right in other words passes."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from telling import ALL, assert_right, assert_told

from kdlab.exercises import NOT_YET, RIGHT, WRONG
from kdlab.exercises.core import UNKNOWN
from kdlab.results import load_results
from kdlab.study import Result


def log_odds(z, T):
    """Yes and no as two columns of logarithms."""
    return F.logsigmoid(z / T), F.logsigmoid(-z / T)


def written(s, t, T, *, power=2, both=True, mean=torch.mean):
    (yes_s, no_s), (yes_t, no_t) = log_odds(s, T), log_odds(t, T)
    total = yes_t.exp() * (yes_t - yes_s)
    if both:
        total = total + no_t.exp() * (no_t - no_s)
    return T**power * mean(total)


def as_two(s, t, T):
    pairs = [torch.stack([torch.zeros_like(z), z], dim=1) / T for z in (s, t)]
    return T**2 * F.kl_div(pairs[0].log_softmax(1), pairs[1].softmax(1), reduction="batchmean")


def sliding(row, neighbour, take, noise, s, nominal, *, mean=None, spread=None, names=True, keep=None):
    made = row.clone() if keep is None else keep(row, neighbour)
    for i in range(row.shape[0]):
        for j in range(row.shape[1]):
            if take[i, j]:
                if j in nominal and names:
                    made[i, j] = neighbour[i, j]
                else:
                    sd = (
                        abs(row[i, j] - neighbour[i, j]) / s
                        if spread is None
                        else spread(row[i, j], neighbour[i, j], s)
                    )
                    centre = neighbour[i, j] if mean is None else mean(row[i, j], neighbour[i, j])
                    made[i, j] = centre + sd * noise[i, j]
    return made


WRONG_ANSWERS = [
    ("9.1", "precision in place of recall", lambda z, p, b: 100 * p[z.topk(b).indices].mean()),
    ("9.1", "precision in place of recall", lambda z, p, b: p[z.argsort()[-b:]].mean().item()),
    ("9.1", "the lowest scores", lambda z, p, b: 100 * p[z.sort().indices[:b]].sum() / p.sum()),
    ("9.1", "the first rows", lambda z, p, b: 100 * p[:b].sum() / p.sum()),
    ("9.1", "picked by the true probability", lambda z, p, b: 100 * p.sort(descending=True).values[:b].sum() / p.sum()),
    ("9.1", "the truth thresholded", lambda z, p, b: 100 * (p > 0.5)[z.topk(b).indices].sum() / (p > 0.5).sum()),
    ("9.1", "one payment too many", lambda z, p, b: 100 * p[z >= z.sort(descending=True).values[b]].sum() / p.sum()),
    ("9.1", "one payment too few", lambda z, p, b: 100 * p[z > z.sort(descending=True).values[b - 1]].sum() / p.sum()),
    ("9.1", "a threshold in place of the budget", lambda z, p, b: 100 * p[z.sigmoid() > 0.5].sum() / p.sum()),
    ("9.1", "divided by the number of payments", lambda z, p, b: 100 * p[z.topk(b).indices].sum() / len(p)),
    ("9.1", "not divided", lambda z, p, b: p[z.topk(b).indices].sum()),
    ("9.1", "a share in place of percent", lambda z, p, b: p[z.topk(b).indices].sum() / p.sum()),
    ("9.1", "what is missed", lambda z, p, b: 100 * (1 - p[z.topk(b).indices].sum() / p.sum())),
    ("9.1", "the scores summed", lambda z, p, b: 100 * z.sigmoid().topk(b).values.sum() / z.sigmoid().sum()),
    ("9.1", "the share of rows", lambda z, p, b: 100 * b / len(p)),
    ("9.2", "the logarithm of 0", lambda s, t, T: T**2 * sum(
        (p * (p / q).log()).mean() for p, q in ((torch.sigmoid(t / T), torch.sigmoid(s / T)), (1 - torch.sigmoid(t / T), 1 - torch.sigmoid(s / T))))),
    ("9.2", "missing T squared", lambda s, t, T: written(s, t, T, power=0)),
    ("9.2", "another power of T", lambda s, t, T: written(s, t, T, power=1)),
    ("9.2", "yes alone", lambda s, t, T: written(s, t, T, both=False)),
    ("9.2", "sum over the payments", lambda s, t, T: written(s, t, T, mean=torch.sum)),
    ("9.2", "student and teacher swapped", lambda s, t, T: written(t, s, T)),
    ("9.2", "no temperature", lambda s, t, T: written(s, t, 1.0)),
    ("9.2", "temperature on one side", lambda s, t, T: T**2 * (F.binary_cross_entropy_with_logits(s, (t / T).sigmoid()))),
    ("9.2", "T applied to the probability", lambda s, t, T: F.binary_cross_entropy_with_logits(s, t.sigmoid() / T)),
    ("9.2", "logits where probabilities belong", lambda s, t, T: T**2 * F.binary_cross_entropy_with_logits(s / T, t / T)),
    ("9.2", "sigmoid twice", lambda s, t, T: T**2 * F.binary_cross_entropy_with_logits((s / T).sigmoid(), (t / T).sigmoid())),
    ("9.2", "softmax over the payments", lambda s, t, T: T**2 * F.kl_div((s / T).log_softmax(0), (t / T).softmax(0), reduction="sum")),
    ("9.2", "the teacher's answer thresholded", lambda s, t, T: F.binary_cross_entropy_with_logits(s, (t.sigmoid() > 0.5).float())),
    ("9.2", "squared differences in place of the divergence", lambda s, t, T: F.mse_loss((s / T).sigmoid(), (t / T).sigmoid())),
    ("9.2", "logarithms to base 2", lambda s, t, T: written(s, t, T) / math.log(2)),
    ("9.2", "its sign turned", lambda s, t, T: -written(s, t, T)),
    ("9.3", "drawn around the row itself", lambda *a: sliding(*a, mean=lambda r, n: r)),
    ("9.3", "drawn around the mean of both", lambda *a: sliding(*a, mean=lambda r, n: (r + n) / 2)),
    ("9.3", "take turned around", lambda r, n, take, *a: sliding(r, n, ~take, *a)),
    ("9.3", "every value taken", lambda r, n, take, *a: sliding(r, n, take | True, *a)),
    ("9.3", "the neighbour where nothing is taken", lambda *a: sliding(*a, keep=lambda r, n: n.clone())),
    ("9.3", "multiplied by s", lambda *a: sliding(*a, spread=lambda r, n, s: abs(r - n) * s)),
    ("9.3", "s left out", lambda *a: sliding(*a, spread=lambda r, n, s: abs(r - n))),
    ("9.3", "the same noise for all", lambda *a: sliding(*a, spread=lambda r, n, s: 1 / s)),
    ("9.3", "variance in place of the standard deviation", lambda *a: sliding(*a, spread=lambda r, n, s: (abs(r - n) / s) ** 0.5)),
    ("9.3", "no noise", lambda *a: sliding(*a, spread=lambda r, n, s: 0)),
    ("9.3", "names with noise", lambda *a: sliding(*a, names=False)),
    ("9.3", "row and neighbour swapped", lambda r, n, *a: sliding(n, r, *a)),
]  # fmt: skip

RIGHT_ANSWERS = [
    ("9.1", lambda z, p, b: 100 * float(np.sort(p.numpy()[np.argsort(-z.numpy())[:b]]).sum()) / float(p.sum())),
    ("9.1", lambda z, p, b: 100 * p[z >= z.sort(descending=True).values[b - 1]].sum() / p.sum()),
    ("9.2", written),
    ("9.2", as_two),
    ("9.2", lambda s, t, T: as_two(s.double(), t.double(), T)),
    ("9.3", sliding),
    ("9.3", lambda *a: sliding(*a).double()),
]  # fmt: skip


@pytest.mark.parametrize(("id", "name", "answer"), WRONG_ANSWERS)
def test_a_plausible_wrong_answer_is_told_by_name(id, name, answer):
    assert_told(id, answer, name)


@pytest.mark.parametrize(("id", "answer"), RIGHT_ANSWERS)
def test_right_in_other_words_passes(id, answer):
    assert_right(id, answer)


def test_what_is_right_in_effect_passes_with_a_remark():
    soft = ALL["9.2"].diagnose(
        lambda s, t, T: T**2 * F.binary_cross_entropy_with_logits(s / T, (t / T).sigmoid())
    )
    turned = ALL["9.3"].diagnose(lambda *a: sliding(*a, spread=lambda r, n, s: (r - n) / s))
    assert soft.status == turned.status == RIGHT and "remark" in soft.text and "remark" in turned.text


def test_what_is_not_known_is_not_named():
    assert ALL["9.3"].diagnose(lambda *a: sliding(*a, mean=lambda r, n: 0.3 * r + 0.7 * n)).name == UNKNOWN


def study(differences, steps=500):
    scores = {"T = 1": [60.0] * len(differences), "T = 8": [60 + d for d in differences]}
    return Result("T = 1", scores, metric="average precision, %", margin=1, training={"steps": steps})


def test_an_experiment_of_ones_own():
    check = ALL["9.4"].diagnose
    assert check((study([-3, -4, -5]), "hurts")).status == RIGHT
    assert check((study([-3, -4, -5]), "same")).name == "the verdict does not follow from the interval"
    assert check((study([-3, -4]), "hurts")).name == "too few seeds"
    assert check((study([-3, -4, -5], steps=50), "hurts")).name == "too few steps"
    assert check((..., ...)).status == NOT_YET


def test_the_lessons_own_temperature_is_refused():
    shipped = load_results("tables").results["losses, 16 hidden"]
    mine = study(shipped.differences("T = 4"))
    outcome = ALL["9.4"].diagnose((mine, mine.verdict("T = 8")))
    assert (outcome.status, outcome.name) == (WRONG, "the lesson's own study")
