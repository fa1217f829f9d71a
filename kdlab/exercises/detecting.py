"""Lesson 14's cells, boxes and hits: right by default, and each option a known mistake."""

import torch

SURE = 0.5


def cells(scenes, count, classes, temperature):
    """Logits of both sides (scenes, count, classes), weights (scenes, count) with a 0 among them, and T."""
    random = torch.Generator().manual_seed(count)
    student, teacher = (2 * torch.randn(scenes, count, classes, generator=random) for _ in range(2))
    weight = torch.rand(scenes, count, generator=random)
    weight[..., 1] = 0
    return student, teacher, weight, temperature


def edges(count, bins, temperature):
    """Logits of both sides (count, 4, bins), weights (count,), and T."""
    random = torch.Generator().manual_seed(count + bins)
    student, teacher = (2 * torch.randn(count, 4, bins, generator=random) for _ in range(2))
    weight = torch.rand(count, generator=random)
    weight[1] = 0
    return student, teacher, weight, temperature


def weighted(values, weight):
    return (weight * values).sum() / weight.sum()


def matched(
    *, of=lambda values: values, softened=lambda z, T: z / T, teacher=lambda z, T: z / T, factor=lambda T: T * T,
    change=lambda z: z, dim=-1, added=lambda kl, dim: kl.sum(dim), over=weighted, kind="kl", swap=False,
):  # fmt: skip
    """A loss of student's and teacher's logits, a weight a cell, and T. Each option is a mistake."""

    def code(s, t, weight, T):
        ours, theirs = softened(change(s), T).log_softmax(dim), teacher(change(t), T).log_softmax(dim)
        if swap:
            ours, theirs = theirs, ours
        each = {
            "kl": lambda: theirs.exp() * (theirs - ours),
            "cross-entropy": lambda: -theirs.exp() * ours,
            "squared probabilities": lambda: (ours.exp() - theirs.exp()).square(),
        }[kind]()
        return factor(T) * over(of(added(each, dim)), weight)

    return code


def squares(over=weighted, of=lambda values: values):
    return lambda s, t, weight, T: over(of((s - t).square().mean(-1)), weight)


def per_scene(values, weight):
    """Each scene's weighted mean, then the mean over scenes."""
    return ((weight * values).sum(-1) / weight.sum(-1)).mean()


def one_cell(count, bins, step):
    """Logits (count, 4, bins), middles (count, 2) in pixels, and pixels a bin."""
    random = torch.Generator().manual_seed(7 * count)
    middle = torch.tensor([10.0, 30.0]) + 20 * torch.rand(count, 2, generator=random)
    return 2 * torch.randn(count, 4, bins, generator=random), middle, step


def box(
    *, p=lambda z: z.softmax(-1), first=0.0, scale=lambda step, bins: step, of=None, sign=(-1, -1, 1, 1),
    order=(0, 1, 2, 3), middle=(0, 1), whole=lambda d: d, out=lambda b, d, at: b,
):  # fmt: skip
    """Boxes (count, 4) of logits, middles and pixels a bin. Each option is a mistake."""

    def code(z, at, step):
        bins = z.shape[-1]
        places = torch.arange(bins, dtype=z.dtype) + first
        d = of(z, places) if of else (p(z) * places).sum(-1)
        d = whole(d * scale(step, bins))[..., list(order)]
        at = at[..., list(middle)]
        corner = torch.cat([at, at], dim=-1) + d * torch.tensor(sign)
        return out(corner, d, at)

    return code


def overlaps(kind):
    """Overlaps (D, K) with objects, scores (D,), and the least overlap that counts."""
    if kind == "small":
        table = [[0.8, 0.0], [0.9, 0.1], [0.0, 0.3], [0.0, 0.5]]
        return torch.tensor(table), torch.tensor([0.6, 0.9, 0.8, 0.55]), 0.5
    table = [
        [0.55, 0.60, 0.0, 0.0], [0.50, 0.85, 0.0, 0.0], [0.0, 0.2, 0.75, 0.0], [0.0, 0.0, 0.95, 0.0],
        [0.7, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.51, 0.52, 0.0, 0.0], [0.0, 0.9, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.8], [0.0, 0.0, 0.0, 0.4],
    ]  # fmt: skip
    return torch.tensor(table), torch.tensor([0.7, 0.95, 0.9, 0.5, 0.3, 0.85, 0.2, 0.8, 0.25, 0.6]), 0.5


def hits(
    *, order=lambda scores: scores.argsort(descending=True), free=True, enough=lambda o, least: o >= least,
    best=lambda row, least: int(row.argmax()), all_of_them=False, out=None, next_one=True,
    anyway=False,
):  # fmt: skip
    """Which detections (D,) are right. Each option is a mistake."""

    def code(table, scores, least):
        taken = torch.zeros(table.shape[1], dtype=torch.bool)
        right = torch.zeros(len(scores), dtype=torch.bool)
        places = order(scores)
        for d in places.tolist():
            row = table[d].clone()
            if free and next_one:
                row[taken] = -1
            k = best(row, least)
            if anyway and row[k] > 0 and not enough(row[k], least):
                taken[k] = True
            elif enough(row[k], least) and not (free and taken[k]):
                right[d] = True
                taken |= (table[d] >= least) if all_of_them else torch.arange(len(taken)) == k
        return out(right, places, taken) if out else right

    return code


def by_object(table, scores, least):
    """For each object the detection that overlaps it most."""
    right = torch.zeros(len(scores), dtype=torch.bool)
    best = table.max(dim=0)
    right[best.indices[best.values >= least]] = True
    return right


def first_that_fits(row, least):
    fits = (row >= least).nonzero()
    return int(fits[0]) if len(fits) else int(row.argmax())
