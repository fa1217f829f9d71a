"""Losses on what the teacher answers: its logits."""

import torch
import torch.nn.functional as F

from kdlab.losses.common import (
    FLOOR,
    check_labels,
    check_logits,
    check_same,
    check_temperature,
    in_full_precision,
)


@in_full_precision
def soft_target_loss(student_logits, teacher_logits, *, temperature=4.0):
    r"""Divergence of the student's softened class probabilities from the teacher's.

    .. math:: \frac{T^2}{B} \sum_b \mathrm{KL}\big(p(z^t_b; T) \,\|\, p(z^s_b; T)\big),
              \qquad p(z; T) = \mathrm{softmax}(z / T)

    The factor :math:`T^2` keeps the size of the gradient roughly independent of the
    temperature. Both sides stay in log space, so the value is finite at any finite logits.

    Parameters
    ----------
    student_logits, teacher_logits : Tensor of shape (B, C)
        Unnormalised scores. The teacher's side receives no gradient.
    temperature : float, default 4.0
        T, without unit, above 0; applied to both sides.

    Returns
    -------
    Tensor of shape ()
        In nats; 0 where both sides agree.

    Raises
    ------
    ValueError
        If the shapes differ, are not (B, C) or are empty, or T is not finite and above 0.

    References
    ----------
    Hinton, Vinyals and Dean (2015), "Distilling the Knowledge in a Neural Network", section 2.
    """
    check_logits(student_logits, teacher_logits)
    check_temperature(temperature)
    student = F.log_softmax(student_logits / temperature, dim=1)
    teacher = F.log_softmax(teacher_logits / temperature, dim=1)
    return F.kl_div(student, teacher, log_target=True, reduction="batchmean") * temperature**2


@in_full_precision
def binary_soft_target_loss(student_logits, teacher_logits, *, temperature=1.0):
    r"""Divergence of softened probabilities of *yes*, where one logit stands for yes against no.

    .. math:: \frac{T^2}{N} \sum_n \mathrm{KL}\big(\mathrm{Bernoulli}(\sigma(z^t_n / T)) \,\|\,
              \mathrm{Bernoulli}(\sigma(z^s_n / T))\big)

    It is :func:`soft_target_loss` of the logits :math:`(0, z)` for no and yes.

    Parameters
    ----------
    student_logits, teacher_logits : Tensor of equal shape (B,), (B, 1) or (B, ...)
        A logit a yes-or-no question; the mean is over all of them.
    temperature : float, default 1.0

    Returns
    -------
    Tensor of shape ()
        In nats; 0 where both sides agree.

    Raises
    ------
    ValueError
        If the shapes differ or are empty, or T is not finite and above 0.

    References
    ----------
    Hinton, Vinyals and Dean (2015), "Distilling the Knowledge in a Neural Network", section 2, for two
    classes.
    """
    check_same(student_logits, teacher_logits)
    check_temperature(temperature)
    student, teacher = student_logits / temperature, teacher_logits / temperature
    probability = teacher.sigmoid()
    cross_entropy, entropy = (F.binary_cross_entropy_with_logits(z, probability) for z in (student, teacher))
    return (cross_entropy - entropy) * temperature**2


@in_full_precision
def decoupled_loss(student_logits, teacher_logits, labels, *, alpha=1.0, beta=8.0, temperature=4.0):
    r"""The soft-target loss in two parts with a weight each: the label, and all the others.

    .. math:: \alpha\, \mathrm{TCKD} + \beta\, \mathrm{NCKD}

    TCKD is the divergence of the pair (p_y, 1 - p_y), NCKD that of the probabilities of the other
    classes among themselves; both softened, times :math:`T^2`, as a mean over the batch. With
    beta weighted by the teacher's :math:`1 - p_y`, row by row, this would be the soft-target loss.

    Parameters
    ----------
    student_logits, teacher_logits : Tensor of shape (B, C), C >= 2
    labels : int64 Tensor of shape (B,)
    alpha, beta : float
    temperature : float

    Raises
    ------
    ValueError
        If the shapes or the temperature are out of range, or there is one class only.

    References
    ----------
    Zhao et al. (2022), "Decoupled Knowledge Distillation", equations 5 to 7.
    """
    check_logits(student_logits, teacher_logits)
    check_labels(student_logits, labels)
    check_temperature(temperature)
    if student_logits.shape[1] < 2:
        raise ValueError("student and teacher logits have 1 class; the label and the others need at least 2")
    student, teacher = (_label_and_others(z / temperature, labels) for z in (student_logits, teacher_logits))
    label, others = (F.kl_div(s, t, log_target=True, reduction="batchmean") for s, t in zip(student, teacher))
    return (alpha * label + beta * others) * temperature**2


def _label_and_others(logits, labels):
    """Log-probabilities (B, 2) of the label and not the label, and (B, C - 1) among the others."""
    places = torch.arange(logits.shape[1] - 1, device=labels.device)
    others = logits.gather(1, places + (places >= labels[:, None]))
    pair = torch.stack([logits.gather(1, labels[:, None])[:, 0], others.logsumexp(dim=1)], dim=1)
    return pair.log_softmax(dim=1), others.log_softmax(dim=1)


@in_full_precision
def correlation_loss(student_logits, teacher_logits, *, beta=1.0, gamma=1.0, temperature=1.0):
    r"""How far class probabilities are from correlating, within each row and within each class.

    .. math:: \beta \big(1 - \overline{r}_{rows}\big) + \gamma \big(1 - \overline{r}_{classes}\big)

    :math:`r` is Pearson's correlation of the student's and the teacher's softened probabilities;
    0 where one side is constant. There is no factor :math:`T^2`. A deviation below a thousandth of the
    probabilities' own size counts as a thousandth, so that a student that is all but uniform gets a bounded
    gradient, which points to the teacher.

    Parameters
    ----------
    student_logits, teacher_logits : Tensor of shape (B, C), B >= 2
    beta, gamma : float
        Weights of the rows and of the classes.
    temperature : float

    Returns
    -------
    Tensor of shape ()
        From 0 to 2 (beta + gamma).

    Raises
    ------
    ValueError
        If the shapes or the temperature are out of range, or B is 1.

    References
    ----------
    Huang et al. (2022), "Knowledge Distillation from A Stronger Teacher".
    """
    check_logits(student_logits, teacher_logits)
    check_temperature(temperature)
    if len(student_logits) < 2:
        raise ValueError(
            "student and teacher logits have 1 row; a correlation within a class needs at least 2"
        )
    student, teacher = ((z / temperature).softmax(dim=1) for z in (student_logits, teacher_logits))
    return beta * (1 - _pearson(student, teacher)) + gamma * (1 - _pearson(student.T, teacher.T))


def _pearson(these, those):
    """Mean over rows of Pearson's correlation."""
    return (_deviations(these) * _deviations(those)).sum(dim=1).mean()


def _deviations(probabilities):
    """Differences from the row's mean, scaled to length 1 unless they are next to nothing."""
    least = (FLOOR * probabilities.detach().norm(dim=1, keepdim=True)).square()
    away = probabilities - probabilities.mean(dim=1, keepdim=True)
    # The root has no gradient at 0, so it never sees one, not even of a class that no row holds possible.
    square = away.square().sum(dim=1, keepdim=True).clamp(min=least.clamp(min=torch.finfo(away.dtype).tiny))
    return away / square.sqrt()


def standardised_logits(logits):
    """Logits (B, C) with mean 0 and standard deviation 1 in each row, for both sides of a loss.

    Only the shape of the teacher's answer is left to match, not its size. Equal logits stay at 0; a
    deviation below 0.001 counts as 0.001.

    References
    ----------
    Sun et al. (2024), "Logit Standardization in Knowledge Distillation".
    """
    deviation = logits.var(dim=1, keepdim=True).clamp(min=FLOOR**2).sqrt()
    return (logits - logits.mean(dim=1, keepdim=True)) / (1e-7 + deviation)
