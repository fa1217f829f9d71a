"""How often an item comes first among others that were drawn: the known ways to count it."""

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
