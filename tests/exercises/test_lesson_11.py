"""Lesson 11: what learners plausibly write is told by name, and what is right in other words passes."""

import numpy as np
import pytest
import torch
from telling import ALL, assert_own_study, assert_right, assert_told

from kdlab.exercises.core import UNKNOWN
from kdlab.results import load_results
from kdlab.study import Result

OUT = -torch.inf


def by_counting(tokens, habits):
    said = []
    for place in zip(*tokens.tolist()):
        shares = {}
        for word, share in zip(place, habits.tolist()):
            shares[word] = shares.get(word, 0) + share
        said.append(max(shares, key=shares.get))
    return said


def in_order(tokens, habits):
    alive, said = habits.clone(), []
    for t in range(tokens.shape[1]):
        shares = torch.zeros(20).index_add(0, tokens[:, t], alive)
        said.append(int(shares.argmax()))
        alive = alive * (tokens[:, t] == said[-1])
    return torch.tensor(said)


def step(s, f, done, stop, width, *, mask=True, free=True, combine=lambda s, f: s[:, None] + f):
    f = f.clone()
    if mask:
        own = f[done, stop]
        f[done] = OUT
        f[done, stop] = 0.0 if free else own
    best, place = combine(s, f).flatten().topk(width)
    return best, place // f.shape[1], place % f.shape[1]


def loop_step(s, f, done, stop, width):
    found = []
    for beam, score in enumerate(s.tolist()):
        if done[beam]:
            found.append((score, beam, stop))
        else:
            found += [(score + value, beam, word) for word, value in enumerate(f[beam].tolist())]
    scores, beams, words = zip(*sorted(found, reverse=True)[:width])
    return torch.tensor(scores), torch.tensor(beams), torch.tensor(words)


def greedy_each(s, f, done, stop, width):
    f = f.clone()
    f[done] = OUT
    f[done, stop] = 0.0
    best, words = f.max(dim=1)
    kept, beams = (s + best).topk(min(width, len(s)))
    return kept, beams, words[beams]


def data(t, b, stop, *, nothing=-100, keep_stop=True):
    read = torch.cat([torch.full((len(t), 1), b), t[:, :-1]], dim=1)
    said = t.clone()
    for row in said:
        ends = (row == stop).nonzero()
        if len(ends):
            row[int(ends[0]) + keep_stop :] = nothing
    return read, said


def lists(t, b, stop):
    read, said = [], []
    for row in t.tolist():
        end = row.index(stop) + 1 if stop in row else len(row)
        read.append([b, *row[:-1]])
        said.append(row[:end] + [-100] * (len(row) - end))
    return torch.tensor(read), torch.tensor(said)


def percent(a, b):
    return 100 * (a & b).sum().item() / b.sum().item()


WRONG_ANSWERS = [
    ("11.1", "the commonest rendering", lambda t, h: t[int(h.argmax())]),
    ("11.1", "each word after those before it", in_order),
    ("11.1", "every rendering counted once", lambda t, h: [max(set(p), key=p.count) for p in (c.tolist() for c in t.T)]),
    ("11.1", "numbers of words averaged", lambda t, h: (h @ t.float()).round().long()),
    ("11.1", "numbers of words averaged", lambda t, h: t.float().mean(0)),
    ("11.1", "all shares", lambda t, h: torch.einsum("r,rtw->tw", h, torch.nn.functional.one_hot(t, 9).float())),
    ("11.1", "the share in place of the word", lambda t, h: torch.stack([torch.zeros(9).index_add(0, c, h).max() for c in t.T])),
    ("11.1", "drawn, not the likeliest", lambda t, h: t[torch.multinomial(h, 1)[0]]),
    ("11.1", "the first rendering", lambda t, h: t[len(t) - 1]),
    ("11.2", "finished beginnings go on", lambda *a: step(*a, mask=False)),
    ("11.2", "finished beginnings pay for the stop again", lambda *a: step(*a, free=False)),
    ("11.2", "finished beginnings are dropped", lambda s, f, d, stop, w: step(s, f.masked_fill(d[:, None], -1e9), d, stop, w, mask=False)),
    ("11.2", "finished beginnings may say anything for nothing", lambda s, f, d, stop, w: step(s, f.masked_fill(d[:, None], 0.0), d, stop, w, mask=False)),
    ("11.2", "the last word alone decides", lambda *a: step(*a, combine=lambda s, f: f)),
    ("11.2", "logarithms multiplied", lambda *a: step(*a, mask=False, combine=lambda s, f: s[:, None] * f)),
    ("11.2", "logarithms multiplied", lambda *a: step(*a, combine=lambda s, f: s[:, None] * f)),
    ("11.2", "probabilities added", lambda *a: step(*a, combine=lambda s, f: s[:, None].exp() + f.exp())),
    ("11.2", "one continuation a beginning", greedy_each),
    ("11.2", "probabilities handed back", lambda *a: (lambda s, p, w: (s.exp(), p, w))(*step(*a))),
    ("11.2", "word and beginning exchanged", lambda *a: (lambda s, p, w: (s, w, p))(*step(*a))),
    ("11.2", "places of the flattened table", lambda s, f, d, stop, w: (lambda k, p, x: (k, p, p * f.shape[1] + x))(*step(s, f, d, stop, w))),
    ("11.2", "in another order", lambda *a: (lambda s, p, w: (p, w, s))(*step(*a))),
    ("11.2", "worst first", lambda *a: tuple(x.flip(0) for x in step(*a))),
    ("11.2", "a mean over the two", lambda *a: step(*a, combine=lambda s, f: (s[:, None] + f) / 2)),
    ("11.3", "not shifted", lambda t, b, s: (t, data(t, b, s)[1])),
    ("11.3", "shifted the wrong way", lambda t, b, s: (torch.cat([t[:, 1:], torch.full((len(t), 1), b)], 1), data(t, b, s)[1])),
    ("11.3", "read and said exchanged", lambda t, b, s: data(t, b, s)[::-1]),
    ("11.3", "the last word put in front", lambda t, b, s: (t.roll(1, 1), data(t, b, s)[1])),
    ("11.3", "no beginning", lambda t, b, s: (t[:, :-1], data(t, b, s)[1][:, 1:])),
    ("11.3", "longer by a place", lambda t, b, s: (torch.cat([torch.full((len(t), 1), b), t], 1), data(t, b, s)[1])),
    ("11.3", "what follows the end counts", lambda t, b, s: (data(t, b, s)[0], t)),
    ("11.3", "the end is not learned", lambda t, b, s: data(t, b, s, keep_stop=False)),
    ("11.3", "only the stops left out", lambda t, b, s: (data(t, b, s)[0], t.masked_fill(t == s, -100))),
    ("11.3", "0 or the stop where nothing counts", lambda t, b, s: data(t, b, s, nothing=0)),
    ("11.3", "-100 among what is read", lambda t, b, s: ((m := data(t, b, s)[1]), torch.cat([torch.full((len(t), 1), b), m[:, :-1]], 1))[::-1]),
    ("11.3", "one of the two alone", lambda t, b, s: data(t, b, s)[1]),
    ("11.5", "precision and recall exchanged", lambda k, r, s: (percent(k, r), percent(r, k), percent(k, s))),
    ("11.5", "accuracy", lambda k, r, s: (100 * (k == r).float().mean(), percent(k, r), percent(k, s))),
    ("11.5", "how many are kept", lambda k, r, s: (100 * k.float().mean(), percent(k, r), percent(k, s))),
    ("11.5", "out of all answers", lambda k, r, s: tuple(100 * x.float().mean() for x in (k & r, k & r, k & s))),
    ("11.5", "slips among those kept", lambda k, r, s: (percent(r, k), percent(k, r), percent(s, k))),
    ("11.5", "all faults, not the slip", lambda k, r, s: (percent(r, k), percent(k, r), percent(k, ~r))),
    ("11.5", "slips thrown away", lambda k, r, s: (percent(r, k), percent(k, r), percent(~k, s))),
    ("11.5", "a share in place of percent", lambda k, r, s: (percent(r, k) / 100, percent(k, r) / 100, percent(k, s) / 100)),
    ("11.5", "counts", lambda k, r, s: ((k & r).sum(), (k & r).sum(), (k & s).sum())),
    ("11.5", "the mask turned round", lambda k, r, s: (percent(r, ~k), percent(~k, r), percent(~k, s))),
    ("11.5", "in another order", lambda k, r, s: (percent(k, s), percent(r, k), percent(k, r))),
]  # fmt: skip

RIGHT_ANSWERS = [
    ("11.1", by_counting),
    ("11.1", lambda t, h: np.array(by_counting(t, h.double()))),
    ("11.2", step),
    ("11.2", loop_step),
    ("11.2", lambda s, f, d, stop, w: step(s.double(), f.double(), d, stop, w)),
    ("11.3", data),
    ("11.3", lists),
    ("11.5", lambda k, r, s: (percent(r, k), percent(k, r), percent(k, s))),
    ("11.5", lambda k, r, s: torch.stack([100 * x.float().mean() for x in (r[k], k[r], k[s])])),
    ("11.5", lambda k, r, s: np.array([100 * x.numpy().mean() for x in (r[k], k[r], k[s])])),
]


@pytest.mark.parametrize(("id", "name", "answer"), WRONG_ANSWERS)
def test_a_plausible_wrong_answer_is_told_by_name(id, name, answer):
    assert_told(id, answer, name)


@pytest.mark.parametrize(("id", "answer"), RIGHT_ANSWERS)
def test_right_in_other_words_passes(id, answer):
    assert_right(id, answer)


def test_what_is_not_known_is_not_named():
    answer = lambda t, h: (by_counting(t, h)[0] * torch.arange(t.shape[1])) % 5  # noqa: E731
    assert ALL["11.1"].diagnose(answer).name == UNKNOWN


def study(scores, baseline="references", margin=1):
    return Result(baseline, scores, "log-probability of the likeliest translation, nats", margin=margin)


OWN = {"references": [-15.0, -15.2, -14.9], "rarest style": [-0.3, -0.5, -0.4]}


def test_an_own_study_passes_and_what_makes_it_another_is_said():
    percents = {"references": [0.0, 0.0, 0.0], "rarest style": [99.0, 98.0, 99.5]}
    assert_own_study(
        "11.4",
        study,
        OWN,
        "helps",
        {
            "another margin": study(OWN, margin=5),
            "valid translations in place of nats": study(percents),
        },
    )


def test_the_lessons_own_study_is_no_study_of_ones_own():
    shipped = load_results("translation").results["parallel, valid"].scores
    mine = {"references": shipped["references"], "rarest style": shipped["greedy"]}
    assert ALL["11.4"].diagnose((study(mine), "helps")).name == "the lesson's own study"
