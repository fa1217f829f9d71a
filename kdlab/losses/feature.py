"""Losses on how the teacher sees: its feature maps."""

import torch.nn.functional as F

from kdlab.losses.common import check_maps, in_full_precision, scaled


@in_full_precision
def hint_loss(student_features, teacher_features):
    r"""Mean squared difference of two feature maps of equal shape.

    Where shapes differ a projector comes first; it belongs to the caller and trains with the
    student.

    Parameters
    ----------
    student_features, teacher_features : Tensor of equal shape (B, ...)

    Raises
    ------
    ValueError
        If the shapes differ.

    References
    ----------
    Romero et al. (2015), "FitNets: Hints for Thin Deep Nets", equation 3 (there as half the sum).
    """
    check_maps(student_features, teacher_features, same_shape=True)
    return F.mse_loss(student_features, teacher_features)


@in_full_precision
def attention_transfer_loss(student_features, teacher_features):
    r"""Difference of where the two networks look.

    The attention map of features :math:`f` is their mean square over channels, flattened and
    scaled to length 1: :math:`Q(f) = N(\mathrm{vec}(\frac1c \sum_c f_c^2))`. The loss is the mean
    over batch and places of :math:`(Q(f^s) - Q(f^t))^2`, as in the authors' code; the paper's
    formula has another factor.

    Parameters
    ----------
    student_features : Tensor of shape (B, c, H, W)
    teacher_features : Tensor of shape (B, c', H', W')
        Channels may differ. The larger side is average-pooled to the smaller height and width.

    Raises
    ------
    ValueError
        If the sides are not maps of equal batch size.

    References
    ----------
    Zagoruyko and Komodakis (2017), "Paying More Attention to Attention", and its code.
    """
    check_maps(student_features, teacher_features)
    sides = zip(student_features.shape[2:], teacher_features.shape[2:])
    size = tuple(min(pair) for pair in sides)
    student, teacher = (_attention(f, size) for f in (student_features, teacher_features))
    return F.mse_loss(student, teacher)


def _attention(features, size):
    if features.shape[2:] != size:
        features = F.adaptive_avg_pool2d(features, size)
    return F.normalize(scaled(features).square().mean(dim=1).flatten(1), dim=1)
