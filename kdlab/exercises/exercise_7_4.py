"""Exercise 7.4: two linear layers with fewer units between them."""

import torch

from kdlab.exercises.core import Exercise, Mistake, value


def _case(units, ratio):
    """Weights (units, 5) and (3, units), and the share of units to take out."""

    def make():
        random = torch.Generator().manual_seed(units)
        return torch.randn(units, 5, generator=random), torch.randn(3, units, generator=random), ratio

    return make


def _kept(first, ratio, *, largest=True, norm=lambda w: w.norm(dim=1), swap=False):
    n = len(first) - int(ratio * len(first))
    n = len(first) - n if swap else n
    return norm(first).topk(n, largest=largest).indices.sort().values


def _prune(first, second, ratio, *, factor=1, **options):
    kept = _kept(first, ratio, **options)
    first, second = first[kept], second[:, kept]
    return first, second, factor * (first.numel() + second.numel())


def _variant(**options):
    return lambda *arguments: _prune(*arguments, **options)


def _zeroed(first, second, ratio, *, only_first=False, count=torch.Tensor.numel):
    mask = torch.zeros(len(first))
    mask[_kept(first, ratio)] = 1
    first, second = first * mask[:, None], second * (1 if only_first else mask)
    return first, second, int(count(first)) + int(count(second))


def _single_weights(first, second, ratio, *, count=torch.Tensor.numel):
    smallest = first.abs().flatten().argsort()[: int(ratio * first.numel())]
    first = first.flatten().index_fill(0, smallest, 0).view_as(first)
    return first, second, int(count(first)) + int(count(second))


def _next_uncut(first, second, ratio, *, factor=1):
    smaller = first[_kept(first, ratio)]
    return smaller, second, factor * (smaller.numel() + second.numel())


EXERCISE = Exercise(
    id="7.4",
    title="Prune two layers",
    reference=_prune,
    observe=value,
    cases={"six units, a third to go": _case(6, 1 / 3), "eight units, a quarter to go": _case(8, 0.25)},
    mistakes=[
        Mistake(
            "pruning that only zeroes",
            tuple(
                lambda *a, f=f, o=o: f(*a, **o)
                for f, o in (
                    (_zeroed, {}),
                    (_zeroed, {"count": torch.count_nonzero}),
                    (_zeroed, {"only_first": True}),
                    (_zeroed, {"only_first": True, "count": torch.count_nonzero}),
                    (_single_weights, {}),
                    (_single_weights, {"count": torch.count_nonzero}),
                )
            ),
            "The matrices have their old shapes: as many bytes, as many multiplications, by 0. Take the rows out.",
        ),
        Mistake(
            "the next layer not cut",
            (_next_uncut, lambda *a: _next_uncut(*a, factor=2)),
            "A unit that is gone sends nothing on: its column in the second matrix must go with it, or the shapes do not fit.",
        ),
        Mistake(
            "the largest taken out",
            (_variant(largest=False),),
            "Rows with a small norm do least; these go.",
        ),
        Mistake(
            "the ratio kept in place of taken out",
            (_variant(swap=True),),
            "The ratio is the share that goes.",
        ),
        Mistake(
            "units ranked by their sum",
            (_variant(norm=lambda w: w.sum(dim=1)), _variant(norm=lambda w: w.mean(dim=1))),
            "Weights of opposite sign cancel in a sum. Rank by the norm.",
        ),
        Mistake(
            "MACs counted as FLOPs",
            (_variant(factor=2),),
            "A multiply-accumulate is one MAC and two floating-point operations. MACs are asked for.",
        ),
    ],
    right="Rows of one matrix, columns of the next: a smaller network, not one with zeros.",
    see="Pruning",
)
