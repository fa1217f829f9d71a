"""Lesson 13: what learners plausibly write is told by name, and what is right in other words passes."""

from math import comb

import numpy as np
import pytest
import torch
from scipy.stats import binom, hypergeom
from telling import ALL, assert_own_study, assert_right, assert_told

from kdlab.exercises.core import RIGHT, UNKNOWN, WRONG
from kdlab.results import load_results
from kdlab.study import Result


def listed(s, c):
    return s.masked_fill(c, -torch.inf)


def gain(
    s,
    h,
    c,
    k,
    *,
    mask=listed,
    n=lambda h, k: h.sum(1).clamp(max=k),
    weight=lambda r: 1 / (r + 1).log2(),
    end=None,
):
    top = mask(s, c).argsort(1, descending=True)[:, : end or k]
    w = weight(torch.arange(1.0, s.shape[1] + 1))
    reached = (h.gather(1, top) * w[: top.shape[1]]).sum(1)
    best = torch.stack([w[: int(m)].sum() for m in n(h, k)])
    held = h.sum(1) > 0
    return 100 * (reached[held] / best[held]).mean()  # fmt: skip


def loop_in_numpy(s, h, c, k):
    values = []
    for scores, held, clicked in zip(s.numpy(), h.numpy(), c.numpy()):
        order = [i for i in np.argsort(-scores) if not clicked[i]][:k]
        best = sum(1 / np.log2(r + 2) for r in range(min(k, held.sum())))
        if held.any():
            values.append(sum(held[i] / np.log2(r + 2) for r, i in enumerate(order)) / best)
    return 100 * float(np.mean(values))


def by_counting(ranks, items, drawn, k):
    ways = comb(items - 1, drawn)
    hits = [
        sum(comb(r - 1, j) * comb(items - r, drawn - j) for j in range(min(k, drawn + 1))) / ways
        for r in ranks.tolist()
    ]
    return sum(hits) / len(hits)


def law(at=lambda k: k - 1, pool=lambda n: n - 1, above=lambda r: r - 1, kind="cdf"):
    return lambda r, n, d, k: getattr(hypergeom, kind)(at(k), pool(n), above(r.numpy()), d).mean()


def ordered(s, t):
    return s.gather(1, t.argsort(dim=1, descending=True))


def ranked(s, t, top, left=lambda z: z.flip(1).logcumsumexp(1).flip(1)):
    z = ordered(s, t)
    return (left(z) - z)[:, :top].sum(1).mean()


def loop_of_softmax(s, t, top):
    total = 0
    for row, other in zip(s, t):
        order = other.argsort(descending=True)
        for k in range(top):
            total = total - row[order[k:]].log_softmax(0)[0]
    return total / len(s)


def tail(c, share=3):
    return c.argsort()[: len(c) // share]


WRONG_ANSWERS = [
    ("13.1", "clicked items recommended again", lambda s, h, c, k: gain(s, h, c, k, mask=lambda s, c: s)),
    ("13.1", "clicked items set to 0, not taken out", lambda s, h, c, k: gain(s, h, c, k, mask=lambda s, c: s * (1 - c.float()))),
    ("13.1", "only clicked items ranked", lambda s, h, c, k: gain(s, h, c, k, mask=lambda s, c: listed(s, ~c))),
    ("13.1", "the best list taken as always full", lambda s, h, c, k: gain(s, h, c, k, n=lambda h, k: [k] * len(h))),
    ("13.1", "the best list not cut at k", lambda s, h, c, k: gain(s, h, c, k, n=lambda h, k: h.sum(1))),
    ("13.1", "one place too far", lambda s, h, c, k: gain(s, h, c, k, weight=lambda r: 1 / (r + 2).log2())),
    ("13.1", "divided by the rank itself", lambda s, h, c, k: gain(s, h, c, k, weight=lambda r: 1 / r)),
    ("13.1", "no discount: recall", lambda s, h, c, k: gain(s, h, c, k, weight=lambda r: r**0)),
    ("13.1", "no discount: precision", lambda s, h, c, k: gain(s, h, c, k, weight=lambda r: r**0, n=lambda h, k: [k] * len(h))),
    ("13.1", "the whole list counted", lambda s, h, c, k: gain(s, h, c, k, end=s.shape[1])),
    ("13.1", "the worst items first", lambda s, h, c, k: gain(-s, h, c, k)),
    ("13.1", "divided by how many were held out", lambda s, h, c, k: 100 * ((h.gather(1, listed(s, c).topk(k, 1).indices) / torch.log2(torch.arange(k) + 2.0)).sum(1) / h.sum(1))[h.sum(1) > 0].mean()),
    ("13.1", "no discount: recall", lambda s, h, c, k: 100 * (h.gather(1, listed(s, c).topk(k, 1).indices).sum(1) / h.sum(1))[h.sum(1) > 0].mean()),
    ("13.1", "clicks of training are gains", lambda s, h, c, k: gain(s, h | c, c, k)),
    ("13.1", "only the first hit counts", lambda s, h, c, k: 100 * h.gather(1, listed(s, c).topk(k, 1).indices).any(1)[h.sum(1) > 0].float().mean()),
    ("13.1", "1 added in the wrong place", lambda s, h, c, k: gain(s, h, c, k, weight=lambda r: 1 / (1 + r.log2()))),
    ("13.2", "the rank has no say", lambda r, n, d, k: torch.tensor(k / (d + 1))),
    ("13.2", "drawn with putting back", lambda r, n, d, k: ((1 - (r.double() - 1) / (n - 1)) ** d).mean()),
    ("13.2", "the item counted before itself", lambda r, n, d, k: hypergeom.cdf(k - 1, n, r.numpy(), d).mean()),
    ("13.2", "the median", lambda r, n, d, k: np.median(hypergeom.cdf(k - 1, n - 1, r.numpy() - 1, d))),
    ("13.2", "the rank among all items", lambda r, n, d, k: (r <= k).float().mean()),
    ("13.2", "the rank scaled down, without chance", lambda r, n, d, k: (r * d / n <= k).float().mean()),
    ("13.2", "drawn with putting back", lambda r, n, d, k: binom.cdf(k - 1, d, (r.numpy() - 1) / (n - 1)).mean()),
    ("13.2", "the item counted before itself", law(above=lambda r: r)),
    ("13.2", "one better item too many allowed", law(at=lambda k: k)),
    ("13.2", "the item drawn against itself", law(pool=lambda n: n)),
    ("13.2", "exactly so many, not at most", law(kind="pmf")),
    ("13.2", "the chance to miss", law(kind="sf")),
    ("13.2", "one number a user", lambda r, n, d, k: hypergeom.cdf(k - 1, n - 1, r.numpy() - 1, d)),
    ("13.2", "the mean rank taken first", lambda r, n, d, k: hypergeom.cdf(k - 1, n - 1, r.float().mean().item() - 1, d)),
    ("13.3", "summed from the best down", lambda s, t, top: ((z := ordered(s, t))[:, :top], torch.stack([torch.cat([z[:, : k + 1], z[:, top:]], 1).logsumexp(1) - z[:, k] for k in range(top)], 1).sum(1).mean())[1]),
    ("13.3", "summed from the best down", lambda s, t, top: ranked(s, t, top, lambda z: z.logcumsumexp(1))),
    ("13.3", "flipped once only", lambda s, t, top: ranked(s, t, top, lambda z: z.flip(1).logcumsumexp(1))),
    ("13.3", "ranks in place of places", lambda s, t, top: ranked(s.gather(1, t.argsort(1, descending=True).argsort(1)), -torch.arange(t.shape[1]).expand(t.shape).float(), top)),
    ("13.3", "one place too many or too few", lambda s, t, top: ranked(s, t, top + 1)),
    ("13.3", "scores added up, not their exponentials", lambda s, t, top: ranked(s, t, top, lambda z: z.flip(1).cumsum(1).flip(1))),
    ("13.3", "all scores matched, no order", lambda s, t, top: torch.nn.functional.kl_div(s.log_softmax(1), t.softmax(1), reduction="batchmean")),
    ("13.3", "the order of the student", lambda s, t, top: ranked(s, s.detach(), top)),
    ("13.3", "the teacher's worst", lambda s, t, top: ranked(s, -t, top)),
    ("13.3", "the others left out", lambda s, t, top: ranked(ordered(s, t)[:, :top], ordered(t, t)[:, :top], top)),
    ("13.3", "the others in order as well", lambda s, t, top: ranked(s, t, s.shape[1])),
    ("13.3", "nothing is taken off the list", lambda s, t, top: -s.log_softmax(1).gather(1, t.topk(top, 1).indices).sum(1).mean()),
    ("13.3", "only the first place", lambda s, t, top: -s.log_softmax(1).gather(1, t.argmax(1, keepdim=True)).mean()),
    ("13.3", "a mean over the places", lambda s, t, top: ranked(s, t, top) / top),
    ("13.3", "a sum over the lists", lambda s, t, top: ranked(s, t, top) * len(s)),
    ("13.3", "student and teacher swapped", lambda s, t, top: ranked(t, s, top)),
    ("13.3", "probabilities in place of scores", lambda s, t, top: ranked(s.softmax(1), t, top)),
    ("13.3", "the student detached", lambda s, t, top: ranked(s.detach(), t, top)),
    ("13.4", "all users", lambda b, a, c: (a - b).mean()),
    ("13.4", "those who click most", lambda b, a, c: (a - b)[c.argsort(descending=True)[: len(c) // 3]].mean()),
    ("13.4", "those who were served worst", lambda b, a, c: (a - b)[b.argsort()[: len(b) // 3]].mean()),
    ("13.4", "those who gained least (or most)", lambda b, a, c: (a - b).sort().values[: len(b) // 3].mean()),
    ("13.4", "the first third in the list", lambda b, a, c: (a - b)[: len(b) // 3].mean()),
    ("13.4", "half of the users", lambda b, a, c: (a - b)[tail(c, 2)].mean()),
    ("13.4", "the score afterwards", lambda b, a, c: a[tail(c)].mean()),
    ("13.4", "a ratio", lambda b, a, c: a[tail(c)].mean() / b[tail(c)].mean()),
    ("13.4", "the median", lambda b, a, c: (a - b)[tail(c)].median()),
    ("13.4", "one number a user", lambda b, a, c: (a - b)[tail(c)]),
    ("13.4", "half of the users", lambda b, a, c: (a - b)[c < c.median()].mean()),
    ("13.4", "weighted by clicks", lambda b, a, c: ((a - b) * c).sum() / c.sum()),
    ("13.4", "the spread", lambda b, a, c: (a - b)[tail(c)].std()),
    ("13.4", "below the mean number of clicks", lambda b, a, c: (a - b)[c < c.float().mean()].mean()),
]  # fmt: skip

RIGHT_ANSWERS = [
    ("13.1", loop_in_numpy),
    ("13.1", lambda s, h, c, k: gain(s.double(), h, c, k)),
    ("13.1", lambda s, h, c, k: gain(s, h, c, k, weight=lambda r: 1 / (r + 1).log())),  # any base: it cancels
    ("13.2", by_counting),
    ("13.2", law()),
    ("13.3", ranked),
    ("13.3", loop_of_softmax),
    ("13.4", lambda b, a, c: a[tail(c)].mean() - b[tail(c)].mean()),
    ("13.4", lambda b, a, c: np.mean((a - b).numpy()[np.argsort(c.numpy())[: len(c) // 3]])),
    ("13.4", lambda b, a, c: (a - b)[c <= c.sort().values[len(c) // 3 - 1]].mean()),
]


@pytest.mark.parametrize(("id", "name", "answer"), WRONG_ANSWERS)
def test_a_plausible_wrong_answer_is_told_by_name(id, name, answer):
    assert_told(id, answer, name)


@pytest.mark.parametrize(("id", "answer"), RIGHT_ANSWERS)
def test_right_in_other_words_passes(id, answer):
    assert_right(id, answer)


def test_what_is_not_known_is_not_named():
    assert ALL["13.4"].diagnose(lambda b, a, c: (a - b)[tail(c)].mean() * (b.mean() + 3)).name == UNKNOWN


def study(scores, baseline="clicks"):
    return Result(baseline, scores, "NDCG@10 of true taste, %", margin=1)


OWN = {"clicks": [58.0, 57.0, 59.0], "ranked list, 30": [60.0, 59.1, 61.2]}


def test_an_own_study_passes_and_what_makes_it_another_is_said():
    assert_own_study("13.5", study, OWN, "helps", {})


def test_the_lessons_own_study_is_no_study_of_ones_own():
    shipped = load_results("ratings").results["lists, true taste"].scores
    mine = {"clicks": shipped["clicks"], "ranked list, 30": shipped["ranked list"]}
    outcome = ALL["13.5"].diagnose((study(mine), "helps"))
    assert (outcome.status, outcome.name) == (WRONG, "the lesson's own study")


def test_a_study_of_another_question_is_told():
    def found(level, margin=1.0):
        clicks = [level, level + 1, level - 1]
        scores = {"clicks": clicks, "ranked list, 30": [s + d for s, d in zip(clicks, (2.1, 1.9, 2.0))]}
        result = Result("clicks", scores, "NDCG@10 of true taste, %", planned=3, margin=margin)
        return ALL["13.5"].diagnose((result, result.verdict("ranked list, 30")))

    assert found(20.0).name == "held-out clicks in place of true taste"
    assert found(58.0, margin=2.0).name == "another margin"
    assert found(58.0).status == RIGHT
