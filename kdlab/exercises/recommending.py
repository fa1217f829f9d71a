"""Lesson 13's lists, counted and matched: right by default, and each option a known mistake."""

import torch


def expected_hits(
    *, better=lambda r: r - 1, others=lambda i: i - 1, drawn=lambda n: n, most=lambda k: k - 1, kind="cdf",
    back=False, over=lambda p: p.mean(), only_if=lambda k: True,
):  # fmt: skip
    """A function of ranks (N,), items, how many are drawn, and k. Right by default; each option is a mistake."""

    def code(ranks, items, count, k):
        from scipy.stats import binom, hypergeom

        above, pool = better(torch.as_tensor(ranks).double()).numpy(), others(items)
        allowed = most(k) if only_if(k) else k - 1
        law = binom(drawn(count), above / pool) if back else hypergeom(pool, above, drawn(count))
        chance = torch.as_tensor(getattr(law, kind)(allowed))
        return over(chance)

    return code


def first_in(hit):
    """The mean of what is a hit of each rank, without a draw."""
    return lambda ranks, items, count, k: hit(ranks, items, count, k).mean()


def users(users, items, k, seed):
    """Scores, held-out clicks, clicks and k; the best scores are clicked, one user holds nothing out."""
    random = torch.Generator().manual_seed(seed)
    scores = torch.randn(users, items, generator=random)
    clicked = torch.zeros(users, items, dtype=torch.bool).scatter(1, scores.topk(2, dim=1).indices, True)
    held_out = (torch.rand(users, items, generator=random) < 0.25) & ~clicked
    held_out[0] = ~clicked[0] & (torch.arange(items) > 1)  # more than fit into the list
    held_out[-1] = False
    return scores, held_out, clicked, k


def gain(
    scores, held_out, clicked, k, *, taken_out=lambda s, c: s.masked_fill(c, -1e9), later=1, cut=True,
    discount=lambda r: 1 / torch.log2(r), ideal=lambda n, k: n.clamp(max=k), some=True, down=True, mean=None,
):  # fmt: skip
    scores = taken_out(scores.double(), clicked)
    order = scores.argsort(dim=1, descending=down)
    hits = held_out.gather(1, order).double()
    weights = discount(torch.arange(1, scores.shape[1] + 1) + float(later))
    counts = held_out.sum(dim=1)
    gained = (hits * weights)[:, : k if cut else None].sum(dim=1)
    possible = torch.stack([weights[: int(n)].sum() for n in ideal(counts, k)])
    rows = counts > 0 if some else counts >= 0
    gained, possible = gained[rows], possible[rows]
    if mean:
        return 100 * mean(gained, possible, counts[rows])
    return 100 * (gained / possible.where(possible > 0, torch.tensor(1.0).double())).mean()


def two_lists(rows, items, top):
    random = torch.Generator().manual_seed(rows)
    return (*(2 * torch.randn(rows, items, generator=random) for _ in range(2)), top)


def list_loss(
    s, t, top, *, order=lambda s, t: t.argsort(dim=1, descending=True), below=True, others=True, cumulate=None,
    over=lambda terms: terms.sum(dim=1).mean(), whole=False,
):  # fmt: skip
    s = s.gather(1, order(s, t))
    end = s.shape[1] if whole or others else top
    terms = []
    for k in range(s.shape[1] if whole else top):
        if cumulate:
            left = cumulate(s, k, top)
        else:
            left = s[:, k:end] if below else torch.cat([s[:, k : k + 1], s[:, top:]], dim=1)
        terms.append(left.logsumexp(dim=1) - s[:, k])
    return over(torch.stack(terms, dim=1))


def before_after(users):
    """Each user's score before and after, and how often they clicked; all different."""
    random = torch.Generator().manual_seed(users)
    before = 60 + 10 * torch.randn(users, generator=random, dtype=torch.float64)
    counts = 3 * torch.randperm(users, generator=random) ** 2 + 5
    return before, before + torch.randn(users, generator=random, dtype=torch.float64), counts


def tail(
    before,
    after,
    counts,
    *,
    by=lambda b, a, c: c,
    share=3,
    down=False,
    of=lambda b, a, rows, rest: (a - b)[rows].mean(),
):
    order = by(before, after, counts).argsort(descending=down)
    cut = len(order) // share
    return of(before, after, order[:cut], order[cut:])


def matched(
    left, *, order=lambda t: t.argsort(dim=1, descending=True), part=lambda terms, top: terms[:, :top]
):
    """The loss of a ranked list by what is ``left`` (B, I) at each place of scores in order."""

    def code(s, t, top):
        z = s.gather(1, order(t))
        return part(left(z) - z, top).sum(dim=1).mean()

    return code


def right_sums(z):
    return z.flip(1).logcumsumexp(dim=1).flip(1)


def first_hit(scores, held_out, clicked, k, *, worth):
    """Mean over users of what their first hit, at rank 1, 2, ..., is worth."""
    top = scores.masked_fill(clicked, -1e9).topk(k, dim=1).indices
    hits = held_out.gather(1, top)
    ranks = hits.float().argmax(dim=1) + 1
    return 100 * (worth(ranks) * hits.any(dim=1))[held_out.any(dim=1)].mean()
