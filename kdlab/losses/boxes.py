"""Losses on what a detector answers: at each cell a class, and each edge of a box as a distribution.

A row is a cell. Most cells are background, so a weight a cell says which of them matter.
"""

import torch
import torch.nn.functional as F

from kdlab.losses.common import check_temperature, in_full_precision


@in_full_precision
def weighted_soft_target_loss(student_logits, teacher_logits, weight=None, *, temperature=4.0):
    r"""The soft-target loss with a weight a row, for example how sure the teacher is that something is there.

    .. math:: \frac{T^2}{\sum_i w_i} \sum_i w_i\, \mathrm{KL}\big(p(z^t_i; T) \,\|\, p(z^s_i; T)\big)

    With equal weights it is :func:`kdlab.losses.soft_target_loss`.

    Parameters
    ----------
    student_logits, teacher_logits : Tensor of shape (..., C)
        A row a cell, in as many dimensions as you like: (cells, C) or (B, cells, C).
    weight : Tensor of shape (...), optional
        At least 0. Without any, or with zeros alone, all rows count alike, or none does and the loss is 0.
    temperature : float, default 4.0

    Returns
    -------
    Tensor of shape ()
        In nats; 0 where both sides agree.

    Raises
    ------
    ValueError
        If the shapes differ or are empty, there is not one weight a row, or T is not finite and above 0.

    References
    ----------
    Hinton, Vinyals and Dean (2015), "Distilling the Knowledge in a Neural Network", section 2. That
    background counts less is from Chen et al. (2017), "Learning Efficient Object Detection Models with
    Knowledge Distillation", where all background has one constant.
    """
    _check(student_logits, teacher_logits, weight, temperature, dims=1, what="logits")
    return _mean(_divergences(student_logits, teacher_logits, temperature), weight)


@in_full_precision
def box_distribution_loss(student_edges, teacher_edges, weight=None, *, temperature=1.0):
    r"""Divergence of the student's distributions of a box's edges from the teacher's.

    Localisation distillation:

    .. math:: \frac{T^2}{\sum_i w_i} \sum_i w_i \frac{1}{E} \sum_e
              \mathrm{KL}\big(p(z^t_{ie}; T) \,\|\, p(z^s_{ie}; T)\big)

    Each of the E edges has a softmax of its own over its bins. The mean is over the edges, the weighted mean
    over cells; published code differs in both, and some of it also takes a mean over bins.

    Parameters
    ----------
    student_edges, teacher_edges : Tensor of shape (..., E, bins)
        Logits, for example (cells, 4, 8).
    weight : Tensor of shape (...), optional
        A weight a cell, at least 0. Without any all cells count alike; with zeros alone the loss is 0.
    temperature : float, default 1.0

    Returns
    -------
    Tensor of shape ()
        In nats; 0 where both sides agree.

    Raises
    ------
    ValueError
        If the shapes differ or are empty, there is not one weight a cell, or T is not finite and above 0.

    References
    ----------
    Zheng et al. (2022), "Localization Distillation for Dense Object Detection", equation 4; the distributions
    are those of Li et al. (2020), "Generalized Focal Loss".
    """
    _check(student_edges, teacher_edges, weight, temperature, dims=2, what="edges")
    return _mean(_divergences(student_edges, teacher_edges, temperature).mean(dim=-1), weight)


def _check(student, teacher, weight, temperature, *, dims, what):
    check_temperature(temperature)
    ours, theirs = tuple(student.shape), tuple(teacher.shape)
    if ours != theirs or len(ours) < dims or 0 in ours:
        form = "(..., classes)" if dims == 1 else "(..., edges, bins)"
        sides = f"student {what} {ours} and teacher {what} {theirs}"
        raise ValueError(f"{sides} must be equal, {form}, and not empty")
    if weight is not None and weight.shape != student.shape[:-dims]:
        raise ValueError(f"weights {tuple(weight.shape)} do not fit student {what} {ours}")


def _divergences(student, teacher, temperature):
    """KL divergence along the last axis, times the square of the temperature."""
    student, teacher = ((z / temperature).log_softmax(dim=-1) for z in (student, teacher))
    return F.kl_div(student, teacher, log_target=True, reduction="none").sum(dim=-1) * temperature**2


def _mean(values, weight):
    if weight is None:
        return values.mean()
    weight = weight.detach().to(values.dtype)
    total = weight.sum()
    return (weight * values).sum() / torch.where(total > 0, total, torch.ones_like(total))
