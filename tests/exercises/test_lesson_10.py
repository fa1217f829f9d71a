"""Lesson 10: what learners plausibly write is told by name, and what is right in other words passes."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from telling import ALL, assert_own_study, assert_right, assert_told

from kdlab.exercises.core import UNKNOWN, WRONG
from kdlab.results import load_results
from kdlab.study import Result

LN2 = math.log(2)


def nll(z, y):
    return F.cross_entropy(z.flatten(0, 1), y.flatten())


def bits(z, y, p):
    return nll(z[:, p - 1 : -1], y[:, p:]) / LN2


def loop_of_bits(z, y, p):
    total, n = 0.0, 0
    for row, text in zip(z.numpy().astype(np.float64), y.tolist()):
        for place in range(p, len(text)):
            e = np.exp(row[place - 1])
            total, n = total - np.log2(e[text[place]] / e.sum()), n + 1
    return float(total / n)


def rows(s, t, y, dim=-1):
    p, q = t.softmax(dim), s.log_softmax(dim)
    return (p * (p.log() - q)).sum(-1), y != -100


def right_words(s, t, y):
    kl, m = rows(s, t, y)
    return (kl * m).sum() / m.sum()


def loop_of_words(s, t, y):
    found = [F.kl_div(a.log_softmax(0), b.softmax(0), reduction="sum")
             for i, one in enumerate(y) for a, b, c in zip(s[i], t[i], one) if c >= 0]  # fmt: skip
    return sum(found) / len(found)


def kl(a, b):
    return F.kl_div(b, a, log_target=True, reduction="batchmean")


def jsd(s, t, b, *, m=None, w=None, ends=True):
    s, t = s.log_softmax(1), t.log_softmax(1)
    if ends and b in (0, 1):
        return kl(t, s) if b == 0 else kl(s, t)
    mixture = (m or (lambda t, s, b: b * t + (1 - b) * s))(t.exp(), s.exp(), b).log()
    weight = b if w is None else w(b)
    return weight * kl(t, mixture) + (1 - weight) * kl(s, mixture)


def detached_mixture(s, t, b):
    if b in (0, 1):
        return jsd(s, t, b)
    m = (b * t.softmax(1) + (1 - b) * s.softmax(1)).detach().log()
    return b * kl(t.log_softmax(1), m) + (1 - b) * kl(s.log_softmax(1), m)


def step(student, teacher, prompts, write, *, writer=None, at=None, of=None):
    text = write(writer(student, teacher) if writer else student, prompts)
    at = at or slice(prompts.shape[1] - 1, -1)
    q = student(text)[:, at].log_softmax(-1)
    with torch.no_grad():
        p = teacher(text)[:, at].log_softmax(-1)
    return (of or (lambda p, q: q.exp() * (q - p)))(p, q).sum(-1).mean()


def step_by_package(student, teacher, prompts, write):
    from kdlab.losses import reverse_kl_loss

    with torch.no_grad():
        text = write(student, prompts)
    some = slice(prompts.shape[1] - 1, text.shape[1] - 1)
    return reverse_kl_loss(student(text)[:, some].flatten(0, 1), teacher(text)[:, some].flatten(0, 1))


WRONG_ANSWERS = [
    ("10.1", "not shifted", lambda z, y, p: nll(z[:, p:], y[:, p:]) / LN2),
    ("10.1", "shifted the wrong way", lambda z, y, p: nll(z[:, p + 1 :], y[:, p:-1]) / LN2),
    ("10.1", "shifted the wrong way", lambda z, y, p: nll(z[:, 1:], y[:, :-1]) / LN2),
    ("10.1", "the prompt counted", lambda z, y, p: nll(z[:, :-1], y[:, 1:]) / LN2),
    ("10.1", "the first written character left out", lambda z, y, p: nll(z[:, p:-1], y[:, p + 1 :]) / LN2),
    ("10.1", "one of the prompt counted", lambda z, y, p: nll(z[:, p - 2 : -1], y[:, p - 1 :]) / LN2),
    ("10.1", "in nats", lambda z, y, p: nll(z[:, p - 1 : -1], y[:, p:])),
    ("10.1", "another base", lambda z, y, p: bits(z, y, p) * LN2 / math.log(10)),
    ("10.1", "the perplexity", lambda z, y, p: 2 ** bits(z, y, p)),
    ("10.1", "a sum", lambda z, y, p: bits(z, y, p) * y[:, p:].numel()),
    ("10.1", "a sum", lambda z, y, p: bits(z, y, p) * y[:, p:].shape[1]),
    ("10.1", "the mean of the probabilities", lambda z, y, p: -z[:, p - 1 : -1].softmax(-1).gather(2, y[:, p:, None]).mean().log2()),
    ("10.1", "the sign", lambda z, y, p: -bits(z, y, p)),
    ("10.1", "the likeliest character, not the one that came", lambda z, y, p: -z[:, p - 1 : -1].softmax(-1).amax(-1).log2().mean()),
    ("10.1", "the model's own entropy", lambda z, y, p: torch.distributions.Categorical(logits=z[:, p - 1 : -1]).entropy().mean() / LN2),
    ("10.1", "no softmax", lambda z, y, p: -z[:, p - 1 : -1].gather(2, y[:, p:, None]).mean() / LN2),
    ("10.1", "softmax twice", lambda z, y, p: bits(z.softmax(-1), y, p)),
    ("10.1", "softmax over places", lambda z, y, p: -z.log_softmax(1)[:, p - 1 : -1].gather(2, y[:, p:, None]).mean() / LN2),
    ("10.1", "one number a text", lambda z, y, p: torch.stack([bits(a[None], b[None], p) for a, b in zip(z, y)])),
    ("10.2", "padding counted", lambda s, t, y: rows(s, t, y)[0].mean()),
    ("10.2", "padding set to 0 and still divided by", lambda s, t, y: (rows(s, t, y)[0] * (y != -100)).mean()),
    ("10.2", "divided by sequences", lambda s, t, y: F.kl_div(s.log_softmax(-1), t.softmax(-1), reduction="batchmean")),
    ("10.2", "divided by sequences", lambda s, t, y: rows(s, t, y)[0][y != -100].sum() / len(y)),
    ("10.2", "a mean per sequence", lambda s, t, y: torch.stack([a[b].mean() for a, b in zip(*rows(s, t, y))]).mean()),
    ("10.2", "divided by classes, too", lambda s, t, y: F.kl_div(s[y != -100].log_softmax(-1), t[y != -100].softmax(-1), reduction="mean")),
    ("10.2", "divided by classes, too", lambda s, t, y: F.kl_div(s.log_softmax(-1), t.softmax(-1), reduction="mean")),
    ("10.2", "a sum", lambda s, t, y: right_words(s, t, y) * (y != -100).sum()),
    ("10.2", "the directions are swapped", lambda s, t, y: kl(s[y != -100].log_softmax(-1), t[y != -100].log_softmax(-1))),
    ("10.2", "a cross-entropy", lambda s, t, y: F.cross_entropy(s[y != -100], t[y != -100].softmax(-1))),
    ("10.2", "the labels are matched", lambda s, t, y: F.cross_entropy(s[y != -100], y[y != -100])),
    ("10.2", "the student's logarithm is missing", lambda s, t, y: F.kl_div(s[y != -100].softmax(-1), t[y != -100].softmax(-1), reduction="batchmean")),
    ("10.2", "logarithms as targets", lambda s, t, y: F.kl_div(s[y != -100].log_softmax(-1), t[y != -100].log_softmax(-1), reduction="batchmean")),
    ("10.2", "softmax over places", lambda s, t, y: rows(s, t, y, 1)[0][y != -100].mean()),
    ("10.2", "the padding alone", lambda s, t, y: rows(s, t, y)[0][y == -100].mean()),
    ("10.2", "class 0 taken for padding", lambda s, t, y: rows(s, t, y)[0][y > 0].mean()),
    ("10.2", "one number a character", lambda s, t, y: rows(s, t, y)[0][y != -100]),
    ("10.2", "in bits", lambda s, t, y: right_words(s, t, y) / LN2),
    ("10.2", "the student detached", lambda s, t, y: right_words(s.detach(), t, y)),
    ("10.3", "nothing at the ends", lambda s, t, b: jsd(s, t, b, ends=False)),
    ("10.3", "nothing at the ends", lambda s, t, b: jsd(s, t, min(max(b, 1e-7), 1 - 1e-7))),
    ("10.3", "the ends swapped", lambda s, t, b: jsd(s, t, 1 - b) if b in (0, 1) else jsd(s, t, b)),
    ("10.3", "one KL for both ends", lambda s, t, b: jsd(s, t, 0) if b in (0, 1) else jsd(s, t, b)),
    ("10.3", "the two weights swapped", lambda s, t, b: jsd(s, t, b, w=lambda b: 1 - b)),
    ("10.3", "the mixture swapped", lambda s, t, b: jsd(s, t, b, m=lambda t, s, b: (1 - b) * t + b * s)),
    ("10.3", "beta turned round", lambda s, t, b: jsd(s, t, 1 - b)),
    ("10.3", "a mix of two KLs", lambda s, t, b: (1 - b) * jsd(s, t, 0) + b * jsd(s, t, 1)),
    ("10.3", "a mixture of logits", lambda s, t, b: jsd(s, t, b) if b in (0, 1) else (m := (b * t + (1 - b) * s).log_softmax(1), b * kl(t.log_softmax(1), m) + (1 - b) * kl(s.log_softmax(1), m))[1]),
    ("10.3", "half and half, whatever beta", lambda s, t, b: jsd(s, t, b) if b in (0, 1) else jsd(s, t, 0.5)),
    ("10.3", "divided by beta", lambda s, t, b: jsd(s, t, b) / (b if 0 < b < 1 else 1)),
    ("10.3", "one half of it", lambda s, t, b: jsd(s, t, b) if b in (0, 1) else b * kl(t.log_softmax(1), (b * t.softmax(1) + (1 - b) * s.softmax(1)).log())),
    ("10.3", "the wrong axis", lambda s, t, b: jsd(s.T, t.T, b) * s.shape[1] / s.shape[0]),
    ("10.3", "a sum over rows", lambda s, t, b: jsd(s, t, b) * len(s)),
    ("10.3", "a mean over classes", lambda s, t, b: jsd(s, t, b) / s.shape[1]),
    ("10.3", "in bits", lambda s, t, b: jsd(s, t, b) / LN2),
    ("10.3", "its root", lambda s, t, b: jsd(s, t, b).sqrt()),
    ("10.3", "the student detached", lambda s, t, b: jsd(s.detach(), t, b)),
    ("10.4", "the teacher writes", lambda *a: step(*a, writer=lambda s, t: t)),
    ("10.4", "the prompt counted", lambda *a: step(*a, at=slice(None))),
    ("10.4", "the prompt counted", lambda *a: step(*a, at=slice(0, -1))),
    ("10.4", "one place too late", lambda *a: step(*a, at=slice(a[2].shape[1], None))),
    ("10.4", "the place after the end counted", lambda *a: step(*a, at=slice(a[2].shape[1] - 1, None))),
    ("10.4", "the forward direction", lambda *a: step(*a, of=lambda p, q: p.exp() * (p - q))),
    ("10.4", "asked about the prompts alone", lambda s, t, x, w: step(s, t, x, lambda m, x: x, at=slice(None))),
    ("10.4", "the teacher's word on the tokens alone", lambda s, t, x, w: nll(t(w(s, x))[:, x.shape[1] - 1 : -1], w(s, x)[:, x.shape[1] :])),
    ("10.4", "the student learns its own tokens", lambda s, t, x, w: nll(s(w(s, x))[:, x.shape[1] - 1 : -1], w(s, x)[:, x.shape[1] :])),
    ("10.4", "a sum", lambda *a: step(*a) * len(a[2]) * 4),
    ("10.4", "the student without gradient", lambda *a: step(*a).detach()),
]  # fmt: skip

RIGHT_ANSWERS = [
    ("10.1", bits),
    ("10.1", loop_of_bits),
    ("10.1", lambda z, y, p: bits(z.double(), y, p).numpy()),
    ("10.1", lambda z, y, p: torch.log2(torch.exp(nll(z[:, p - 1 : -1], y[:, p:])))),
    ("10.2", right_words),
    ("10.2", loop_of_words),
    ("10.2", lambda s, t, y: F.cross_entropy(s[y >= 0], t[y >= 0].softmax(-1)) - F.cross_entropy(t[y >= 0], t[y >= 0].softmax(-1))),
    ("10.2", lambda s, t, y: right_words(s.double(), t.double(), y)),
    ("10.3", jsd),
    ("10.3", detached_mixture),  # the mixture is where the sum is least: its gradient is 0
    ("10.3", lambda s, t, b: jsd(s.double(), t.double(), b)),
    ("10.4", step),
    ("10.4", step_by_package),
]  # fmt: skip


@pytest.mark.parametrize(("id", "name", "answer"), WRONG_ANSWERS)
def test_a_plausible_wrong_answer_is_told_by_name(id, name, answer):
    assert_told(id, answer, name)


@pytest.mark.parametrize(("id", "answer"), RIGHT_ANSWERS)
def test_right_in_other_words_passes(id, answer):
    assert_right(id, answer)


def test_what_is_not_known_is_not_named():
    assert ALL["10.1"].diagnose(lambda z, y, p: bits(z, y, p) * (z.std() + 3)).name == UNKNOWN


def with_gradient(over=torch.mean):
    """The teacher is asked with gradients, which changes no value."""

    def code(s, t, x, w):
        text = w(s, x)
        q, p = (m(text)[:, x.shape[1] - 1 : -1].log_softmax(-1) for m in (s, t))
        return over((q.exp() * (q - p)).sum(-1))

    return code


def test_a_teacher_asked_with_gradients_passes_and_a_wrong_value_does_not():
    assert_right("10.4", with_gradient())
    assert_told("10.4", with_gradient(torch.sum), "a sum")
    assert ALL["10.4"].diagnose(with_gradient(lambda rows: 100 * rows.mean())).status == WRONG


def study(scores, baseline="soft targets", **options):
    about = {"margin": 0.05, "higher_is_better": False} | options
    return Result(baseline, scores, "bits a character of held-out text, bits", **about)


OWN = {"soft targets": [2.5, 2.52, 2.48], "T = 2": [2.7, 2.71, 2.66]}


def test_an_own_study_passes_and_what_makes_it_another_is_said():
    assert_own_study(
        "10.5",
        study,
        OWN,
        "hurts",
        {
            "another margin": study(OWN, margin=1),
            "fewer bits are better": study(OWN, higher_is_better=True),
        },
    )


def test_the_lessons_own_study_is_no_study_of_ones_own():
    shipped = load_results("text").results["sources, bits"]
    mine = {
        "soft targets": shipped.scores["corpus"],
        "T = 2": shipped.scores["its text, greedy"],
    }
    outcome = ALL["10.5"].diagnose((study(mine), "hurts"))
    assert (outcome.status, outcome.name) == (WRONG, "the lesson's own study")
