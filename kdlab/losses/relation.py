"""Losses on how the teacher's examples relate to one another. Widths may differ: no projector."""

import torch
import torch.nn.functional as F

from kdlab.losses.common import FLOOR, check_embeddings, in_full_precision, scaled

# Squared distances below this share of the mean one are rounding: such rows count as identical.
SAME = 1e-12
ROUNDING = 4  # and so do rows that differ by so many units in the last place


@in_full_precision
def similarity_preserving_loss(student_features, teacher_features):
    r"""Difference of the two batches' similarity matrices.

    With each side flattened to :math:`F` of shape (B, -1), and the rows of :math:`F F^\top`
    scaled to length 1, :math:`G`:

    .. math:: \frac{1}{B^2} \sum_{ij} (G^s_{ij} - G^t_{ij})^2

    Parameters
    ----------
    student_features, teacher_features : Tensor of shape (B, ...)
        Maps or embeddings; only the batch size must agree.

    Raises
    ------
    ValueError
        If the batch sizes differ, or B < 2.

    References
    ----------
    Tung and Mori (2019), "Similarity-Preserving Knowledge Distillation", equation 4.
    """
    check_embeddings(student_features, teacher_features, flat=False)
    student, teacher = (_similarities(f.flatten(1)) for f in (student_features, teacher_features))
    return (student - teacher).square().mean()


def _similarities(features):
    features = scaled(features)
    return _unit_rows(features @ features.T)


def _unit_rows(rows):
    """Rows of length 1; one of next to no length among longer ones has no direction, and stays short."""
    least = (FLOOR * rows.detach().norm(dim=1).mean()).square().clamp(min=torch.finfo(rows.dtype).tiny)
    return rows / rows.square().sum(dim=1, keepdim=True).clamp(min=least).sqrt()


@in_full_precision
def relational_distance_loss(student_embeddings, teacher_embeddings):
    r"""Difference of the distances between examples, each side in units of its own mean distance.

    .. math:: \frac{1}{B^2} \sum_{ij} \mathrm{smooth}_{L1}\big(d^s_{ij} / \mu^s - d^t_{ij} / \mu^t\big)

    :math:`d` are Euclidean distances and :math:`\mu` is the mean of those above 0. Where all
    embeddings are equal there is no such mean, and all of that side's distances count as 0.

    Parameters
    ----------
    student_embeddings, teacher_embeddings : Tensor of shape (B, D)
        D may differ between the sides.

    Raises
    ------
    ValueError
        If the sides are not (B, D) with equal B, or B < 2.

    References
    ----------
    Park et al. (2019), "Relational Knowledge Distillation", equations 5 to 7.
    """
    check_embeddings(student_embeddings, teacher_embeddings)
    student, teacher = (_in_units_of_the_mean(scaled(e)) for e in (student_embeddings, teacher_embeddings))
    return F.smooth_l1_loss(student, teacher)


def _in_units_of_the_mean(embeddings):
    distances, apart = _distances(_gram(embeddings), _rounding(embeddings))
    mean = distances.sum() / apart.sum().clamp(min=1)
    return (distances / torch.where(mean == 0, 1.0, mean)).to(embeddings.dtype)


def _gram(embeddings):
    """Inner products (B, B) of the centred embeddings, in float64.

    Distances come from differences of these. Without centring, and in float32, clustered
    embeddings lose every digit in that difference.
    """
    centred = (embeddings - embeddings.mean(dim=0)).double()
    return centred @ centred.T


def _rounding(embeddings):
    """The squared distance (,) below which two rows differ by rounding alone."""
    size = embeddings.detach().double().square().sum(dim=1).mean()
    return size * (ROUNDING * torch.finfo(embeddings.dtype).eps) ** 2


def _distances(gram, least):
    """Distances (B, B) with exact zeros, and a mask of those above 0; NaN stays NaN."""
    squares = gram.diagonal()
    squared = squares[:, None] + squares[None, :] - 2 * gram
    apart = ~(squared <= (SAME * squares.mean()).maximum(least))
    # sqrt has no gradient at 0, so it never sees one.
    return torch.where(apart, squared, 1.0).sqrt() * apart, apart


@in_full_precision
def relational_angle_loss(student_embeddings, teacher_embeddings):
    r"""Difference of the angles in all triangles of examples.

    With :math:`u_{ij}` the direction from example i to example j:

    .. math:: \frac{1}{B^3} \sum_{ijk} \mathrm{smooth}_{L1}\big(
              u^s_{ij} \cdot u^s_{ik} - u^t_{ij} \cdot u^t_{ik}\big)

    Identical examples have no direction; their angles count as 0. The cosines come from the
    inner products of the embeddings, so memory grows with B^3 but not with D.

    Parameters
    ----------
    student_embeddings, teacher_embeddings : Tensor of shape (B, D)
        D may differ between the sides.

    Raises
    ------
    ValueError
        If the sides are not (B, D) with equal B, or B < 2.

    References
    ----------
    Park et al. (2019), "Relational Knowledge Distillation", equations 8 to 10.
    """
    check_embeddings(student_embeddings, teacher_embeddings)
    student, teacher = (_cosines(scaled(e)) for e in (student_embeddings, teacher_embeddings))
    return F.smooth_l1_loss(student, teacher)


def _cosines(embeddings):
    """Cosine (B, B, B) at i of the directions to j and k."""
    gram = _gram(embeddings)
    distances, apart = _distances(gram, _rounding(embeddings))
    inverse = torch.where(apart, 1 / torch.where(apart, distances, 1.0), 0.0)
    # (e_j - e_i) . (e_k - e_i) = G_jk - G_ij - G_ik + G_ii
    products = gram[None] - gram[:, :, None] - gram[:, None, :] + gram.diagonal()[:, None, None]
    return (products * inverse[:, :, None] * inverse[:, None, :]).to(embeddings.dtype)


@in_full_precision
def probabilistic_transfer_loss(student_embeddings, teacher_embeddings):
    r"""Divergence of the neighbourhoods: how probable it is to pick example j as near to i.

    With cosines mapped to [0, 1] and divided by their row's sum, :math:`S`:

    .. math:: \frac{1}{B^2} \sum_{ij} S^t_{ij} \log \frac{S^t_{ij} + 10^{-7}}{S^s_{ij} + 10^{-7}}

    Parameters
    ----------
    student_embeddings, teacher_embeddings : Tensor of shape (B, D)
        D may differ between the sides.

    Raises
    ------
    ValueError
        If the sides are not (B, D) with equal B, or B < 2.

    References
    ----------
    Passalis and Tefas (2018), "Learning Deep Representations with Probabilistic Knowledge Transfer".
    """
    check_embeddings(student_embeddings, teacher_embeddings)
    student, teacher = (_neighbourhoods(e) for e in (student_embeddings, teacher_embeddings))
    return (teacher * ((teacher + 1e-7) / (student + 1e-7)).log()).mean().to(student_embeddings.dtype)


def _neighbourhoods(embeddings):
    # In float64: within a tight cluster all cosines are 1 but for the last digits of float32.
    directions = _unit_rows(scaled(embeddings).double())
    near = (directions @ directions.T + 1) / 2
    return near / near.sum(dim=1, keepdim=True)
