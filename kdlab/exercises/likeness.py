"""The mistakes that are made in CKA, the likeness of two representations."""

import torch
import torch.nn.functional as F

from kdlab.exercises.core import Mistake
from kdlab.metrics import debiased_cka


def _centred(x):
    return x - x.mean(dim=0)


def _cosine(k, m):
    return (k * m).sum() / (k.norm() * m.norm())


def _of_grams(compare, prepare=_centred, other=None):
    """A comparison of the two matrices of inner products, of features prepared in some way."""

    def likeness(a, b):
        a, b = prepare(a), (other or prepare)(b)
        return compare(a @ a.T, b @ b.T)

    return likeness


def _asis(x):
    return x


def _no_diagonal(k):
    return k - k.diag().diag()


MISTAKES = [
    Mistake("not centred",
        "Two clouds far from the origin look alike whatever their shape: subtract each dimension's mean first.",
        _of_grams(_cosine, _asis)),
    Mistake("only one side centred", "Both sides need it: the lengths below see the other one's mean.",
        _of_grams(_cosine, _centred, _asis), _of_grams(_cosine, _asis, _centred)),
    Mistake("centred over the wrong axis",
        "The mean of each dimension over the examples is subtracted, not the mean of each example or of everything.",
        _of_grams(_cosine, lambda x: x - x.mean(dim=1, keepdim=True)), _of_grams(_cosine, lambda x: x - x.mean())),
    Mistake("each dimension standardised", "Centre only. Dividing by the spread changes how the examples lie to one another.",
        _of_grams(_cosine, lambda x: _centred(x) / x.std(dim=0)), _of_grams(_cosine, lambda x: _centred(x) / x.std(dim=0, correction=0))),
    Mistake("each example scaled to length 1", "An example far from the mean is to stay far from it. Only the two matrices are scaled.",
        _of_grams(_cosine, lambda x: F.normalize(_centred(x), dim=1)), _of_grams(_cosine, lambda x: F.normalize(x, dim=1))),
    Mistake("not divided by the lengths",
        "Without it the value grows with the features' size. Both matrices' norms belong below.",
        _of_grams(lambda k, m: (k * m).sum()), _of_grams(lambda k, m: (k * m).mean()),
        _of_grams(lambda k, m: (k * m).sum() / (len(k) - 1) ** 2), _of_grams(lambda k, m: (k * m).sum(), _asis)),
    Mistake("other lengths",
        "Below stand the norms of the two matrices of inner products: the root of the sum of all squared entries, of each.",
        lambda a, b: _of_grams(lambda k, m: (k * m).sum())(a, b) / (_centred(a).norm() * _centred(b).norm()),
        _of_grams(lambda k, m: (k * m).sum() / (k.trace() * m.trace())), _of_grams(lambda k, m: (k * m).sum() / k.norm() ** 2),
        _of_grams(lambda k, m: (k * m).sum() / m.norm() ** 2), _of_grams(lambda k, m: (k * m).sum() / (k.norm() + m.norm())),
        _of_grams(lambda k, m: (k * m).sum() / (k.abs().sum() * m.abs().sum())),
        _of_grams(lambda k, m: (k * m).sum() / (torch.linalg.norm(k, 2) * torch.linalg.norm(m, 2)))),
    Mistake("squared lengths",
        "The norms themselves, not their squares: of a representation with itself the value must be 1.",
        _of_grams(lambda k, m: (k * m).sum() / (k.norm() ** 2 * m.norm() ** 2))),
    Mistake("the root taken",
        "No root: the matrices of inner products hold squares already, and their cosine is the value.",
        _of_grams(lambda k, m: _cosine(k, m).sqrt())),
    Mistake("squared once more", "The cosine of the two matrices itself is the value.", _of_grams(lambda k, m: _cosine(k, m) ** 2)),
    Mistake("a cross product not squared", "Over A transposed B the sum is of squared entries: its norm must be squared.",
        lambda a, b: (_centred(a).T @ _centred(b)).norm() / ((_centred(a).T @ _centred(a)).norm() * (_centred(b).T @ _centred(b)).norm())),
    Mistake("a matrix product", "The two matrices are multiplied entry by entry, not row by column.",
        _of_grams(lambda k, m: (k @ m).sum() / (k.norm() * m.norm())), _of_grams(lambda k, m: k @ m / (k.norm() * m.norm()))),
    Mistake("row by row", "One cosine of the two whole matrices, not the mean of one for each row.",
        _of_grams(lambda k, m: F.cosine_similarity(k, m, dim=1).mean()), _of_grams(lambda k, m: F.cosine_similarity(k, m, dim=1))),
    Mistake("the diagonal left out", "This is on the way to the debiased one. Here the diagonal counts.",
        _of_grams(lambda k, m: _cosine(_no_diagonal(k), _no_diagonal(m))), lambda a, b: torch.tensor(debiased_cka(a, b))),
    Mistake("distances in place of inner products", "The formula compares inner products of centred features.",
        lambda a, b: _cosine(torch.cdist(a, a), torch.cdist(b, b)), lambda a, b: _cosine(torch.cdist(a, a) ** 2, torch.cdist(b, b) ** 2)),
    Mistake("dimensions compared in place of examples", "A @ A.T has a row an example. A.T @ A has a row a dimension, and those of the two networks do not correspond.",
        lambda a, b: _cosine(_centred(a).T @ _centred(a), (_centred(b).T @ _centred(b))[:4, :4])),
    Mistake("cosine of single examples",
        "Dimension 3 of the one has nothing to do with dimension 3 of the other. Compare examples with examples on each side.",
        lambda a, b: F.cosine_similarity(a, b[:, :4]).mean(), lambda a, b: F.cosine_similarity(_centred(a), _centred(b)[:, :4]).mean(),
        lambda a, b: F.cosine_similarity(a.mean(1), b.mean(1), dim=0), lambda a, b: torch.corrcoef(torch.stack([a.mean(1), b.mean(1)]))[0, 1],
        lambda a, b: torch.corrcoef(torch.stack([a.flatten(), b[:, :4].flatten()]))[0, 1]),
    Mistake("how far apart, not how alike", "1 must mean alike.", _of_grams(lambda k, m: 1 - _cosine(k, m)),
        _of_grams(lambda k, m: (k / k.norm() - m / m.norm()).square().mean()), _of_grams(lambda k, m: (k / k.norm() - m / m.norm()).norm())),
    Mistake("correlation of the matrices' entries",
        "Centre the features before the inner products, not the entries after them.",
        lambda a, b: torch.corrcoef(torch.stack([(e @ e.T).flatten() for e in (a, b)]))[0, 1]),
]  # fmt: skip
