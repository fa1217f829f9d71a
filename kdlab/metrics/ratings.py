"""What is read off a recommender's scores: whether the right items come first, and which items do at all.

Scores are (U, I), a row a user. ``candidates`` (U, I) bool says what may be recommended: in a fair test all
items that the user has not clicked. With a few drawn ones it is another metric, by which another recommender
may be the best (Krichene and Rendle 2020).
"""

import torch

OUT = -1e30  # the score of what may not be recommended


def ndcg(scores, gains, candidates=None, *, k=10):
    r"""Discounted gain of the k best scores, in percent of the best that is possible, mean over users.

    .. math:: \mathrm{DCG} = \sum_{r=1}^{k} \frac{g_r}{\log_2(r + 1)}

    :math:`g_r` is the gain of the item at rank r: 1 for a held-out click, or how probably it is liked. By
    scikit-learn's ``ndcg_score``, where equal scores share their gains (Järvelin and Kekäläinen 2002).

    Parameters
    ----------
    scores, gains : Tensor of shape (U, I)
        Users without any gain among the candidates are left out.
    candidates : bool Tensor of shape (U, I), optional

    Raises
    ------
    ValueError
        If the shapes differ, there are fewer than k items, a score is not finite, or nobody has a gain.
    """
    from sklearn.metrics import ndcg_score

    unmasked = scores
    scores, gains, some = _lists(scores, gains, candidates, k)
    tied = (unmasked.sort(dim=1).values.diff(dim=1) == 0).any(dim=1)
    total = 0.0
    for rows, none_tied in ((some & ~tied, True), (some & tied, False)):  # without ties there is a short way
        if rows.any():
            mean = ndcg_score(gains[rows].numpy(), scores[rows].numpy(), k=k, ignore_ties=none_tied)
            total += mean * rows.sum().item()
    return 100 * total / some.sum().item()


def found(scores, wanted, candidates=None, *, k=10):
    """Recall at k: the share of a user's wanted items (U, I) among the k best, in percent, mean over users.

    Where more than k are wanted, k are the most that can be found. Errors as for :func:`ndcg`.
    """
    scores, wanted, some = _lists(scores, wanted, candidates, k)
    possible = wanted.sum(dim=1)
    hits = wanted.gather(1, best(scores, k=k)).sum(dim=1)
    return 100 * (hits / possible.clamp(max=k))[some].mean().item()


def best(scores, candidates=None, *, k=10):
    """The k items (U, k) that each user is recommended, best first."""
    if candidates is not None:
        scores = scores.masked_fill(~candidates, OUT)
    return scores.topk(k, dim=1).indices


def coverage(recommended, items):
    """Share of all ``items``, a number, that are recommended (U, k) to anybody, in percent."""
    return 100 * len(recommended.unique()) / items


def gini(recommended, items):
    """How unevenly recommendations (U, k) fall on all ``items``: 0 evenly, near 100 all on a few.

    Gini's coefficient of how often each is recommended, times 100.
    """
    counts = recommended.flatten().bincount(minlength=items).double().sort().values
    rank = torch.arange(1, items + 1, dtype=torch.float64)
    return 100 * ((2 * rank - items - 1) @ counts / (items * counts.sum())).item()


def _lists(scores, gains, candidates, k):
    """Both in float64, without what is no candidate, and which users have a gain."""
    ours, theirs = tuple(scores.shape), tuple(gains.shape)
    if ours != theirs or len(ours) != 2 or 0 in ours:
        raise ValueError(f"scores {ours} and gains {theirs} must both be (users, items)")
    if not 1 <= k <= ours[1]:
        raise ValueError(f"k must lie between 1 and the {ours[1]} items, got {k}")
    scores, gains = scores.double(), gains.double()
    if candidates is not None:
        if candidates.shape != ours or candidates.dtype != torch.bool:
            kind = str(candidates.dtype).removeprefix("torch.")
            raise ValueError(f"candidates must be bool {ours}, got {kind} {tuple(candidates.shape)}")
        scores, gains = scores.masked_fill(~candidates, OUT), gains.masked_fill(~candidates, 0)
    if not scores.isfinite().all():
        bad = int((~scores.isfinite()).any(dim=1).sum())
        raise ValueError(f"{bad} of {len(scores)} rows of scores are not finite")
    some = gains.sum(dim=1) > 0
    if not some.any():
        raise ValueError(f"none of {len(gains)} users has a gain among the candidates")
    return scores, gains, some


def with_drawn(wanted, candidates, count, *, seed=0):
    """Candidates (U, I) of a test by drawn negatives: the wanted items, and ``count`` others, drawn evenly.

    ValueError if a user has not so many others.
    """
    others = candidates & ~wanted
    fewest = int(others.sum(dim=1).min())
    if not 0 <= count <= fewest:
        raise ValueError(f"{count} others cannot be drawn: a user has {fewest}")
    chance = torch.rand(wanted.shape, generator=torch.Generator().manual_seed(seed)).masked_fill(~others, -1)
    drawn = torch.zeros_like(others).scatter(1, chance.topk(count, dim=1).indices, True)
    return wanted & candidates | drawn


def least(counts, share):
    """Which of the things (N,) belong to the share with the lowest counts, bool; equal counts by number."""
    places = counts.argsort(stable=True)[: round(share * len(counts))]
    return torch.zeros(len(counts), dtype=torch.bool).index_fill(0, places, True)


TAIL_USERS, TAIL_ITEMS, DRAWN = 1 / 3, 1 / 2, 20


def readings(scores, world, candidates=None, *, k=10):
    """All that is asked of a recommender in a :func:`world <kdlab.data.ratings.ratings>`, in percent.

    ``candidates`` by default are all that the user has not clicked. *Tail users* are the third with the
    fewest clicks, *tail items* the half that is clicked least. *Drawn* is a test by held-out clicks that each
    stand among 20 others.
    """
    candidates = world.candidates if candidates is None else candidates
    items, recommended = scores.shape[1], best(scores, candidates, k=k)
    users = least(world.clicks.sum(dim=1), TAIL_USERS)
    rare = least(world.clicks.sum(dim=0), TAIL_ITEMS)
    drawn = with_drawn(world.held_out & candidates, candidates, DRAWN)
    return {
        "held-out clicks": ndcg(scores, world.held_out, candidates, k=k),
        "found": found(scores, world.held_out, candidates, k=k),
        "true taste": ndcg(scores, world.likes, candidates, k=k),
        "tail users": ndcg(scores[users], world.likes[users], candidates[users], k=k),
        "tail items": 100 * rare[recommended].double().mean().item(),
        "coverage": coverage(recommended, items),
        "Gini": gini(recommended, items),
        "drawn": ndcg(scores, world.held_out, drawn, k=k),
    }
