"""Divergences for language models: other directions than the soft targets', and between the two.

A row is one prediction, and the mean is over rows: padding is left out before, by a term's ``rows``.
:func:`kdlab.losses.soft_target_loss` at T = 1 is the forward direction, KL(teacher || student).
"""

import math

import torch
import torch.nn.functional as F

from kdlab.losses.common import check_logits, check_temperature, in_full_precision


@in_full_precision
def reverse_kl_loss(student_logits, teacher_logits, *, temperature=1.0):
    r"""Divergence of the teacher's softened probabilities from the student's: it seeks modes.

    .. math:: \frac{T^2}{B} \sum_b \mathrm{KL}\big(p(z^s_b; T) \,\|\, p(z^t_b; T)\big)

    What the student holds possible and the teacher does not costs in proportion to the teacher's logits, and
    so does the gradient: it has no bound of its own.

    Parameters
    ----------
    student_logits, teacher_logits : Tensor of shape (B, C)
    temperature : float, default 1.0
        Times :math:`T^2`, as in :func:`kdlab.losses.soft_target_loss`. TRL has no such factor.

    Returns
    -------
    Tensor of shape ()
        In nats.

    Raises
    ------
    ValueError
        If the shapes differ, are not (B, C) or are empty, or T is not finite and above 0.

    References
    ----------
    Gu et al. (2024), "MiniLLM: Knowledge Distillation of Large Language Models", equation 1, at each token
    rather than over whole texts.
    """
    student, teacher = _both(student_logits, teacher_logits, temperature)
    return _kl(student, teacher) * temperature**2


@in_full_precision
def generalized_jsd_loss(student_logits, teacher_logits, *, beta=0.5, temperature=1.0):
    r"""Generalised Jensen-Shannon divergence: both sides against their mixture M.

    .. math:: M = \beta\, p^t + (1 - \beta)\, p^s, \qquad
              \frac{T^2}{B} \sum_b \beta\, \mathrm{KL}(p^t_b \| M_b) + (1 - \beta)\, \mathrm{KL}(p^s_b \| M_b)

    The ends are special cases, not limits: beta = 0 is KL(teacher || student) and beta = 1 is
    KL(student || teacher), as in TRL. Towards an end the formula itself goes to 0, as beta or as 1 - beta;
    divided by that, it goes to the KL of that end. A sweep of beta thus sweeps the size of the gradient too.

    Parameters
    ----------
    student_logits, teacher_logits : Tensor of shape (B, C)
    beta : float in [0, 1]
        The teacher's share of the mixture. DistiLLM's ``lam`` is 1 - beta; torchtune's ``sym_kd_ratio``
        mixes two KLs, with 1 the forward one, and its value has the teacher's entropy in it.
    temperature : float, default 1.0
        Times :math:`T^2`, as in :func:`kdlab.losses.soft_target_loss`. TRL has no such factor.

    Returns
    -------
    Tensor of shape ()
        In nats; for beta between 0 and 1 at most the entropy of beta, times :math:`T^2`.

    Raises
    ------
    ValueError
        If the shapes differ, are not (B, C) or are empty, or beta or T is out of range.

    References
    ----------
    Agarwal et al. (2024), "On-Policy Distillation of Language Models: Learning from Self-Generated
    Mistakes", equation 1.
    """
    if not 0 <= beta <= 1:
        raise ValueError(f"beta must lie in [0, 1], got {beta}")
    student, teacher = _both(student_logits, teacher_logits, temperature)
    if beta in (0, 1):
        return (_kl(teacher, student) if beta == 0 else _kl(student, teacher)) * temperature**2
    mixture = _mixture(teacher, student, beta)
    return (beta * _kl(teacher, mixture) + (1 - beta) * _kl(student, mixture)) * temperature**2


@in_full_precision
def skewed_kl_loss(student_logits, teacher_logits, *, skew=0.1):
    r"""Forward divergence from a student that is mixed with a little of the teacher.

    .. math:: \frac1B \sum_b \mathrm{KL}\big(p^t_b \,\|\, \alpha\, p^t_b + (1 - \alpha)\, p^s_b\big)

    A row costs at most :math:`-\log \alpha`, so that what the student holds impossible does not outweigh all
    else. Both ends are limits: a skew of 0 is KL(teacher || student), and towards 1 nothing is left to learn.

    Parameters
    ----------
    student_logits, teacher_logits : Tensor of shape (B, C)
    skew : float in [0, 1)
        :math:`\alpha`, the teacher's share of the mixture.

    Returns
    -------
    Tensor of shape ()
        In nats. DistiLLM's code has the teacher's entropy in the value, with the same gradient.

    Raises
    ------
    ValueError
        If the shapes differ, are not (B, C) or are empty, or the skew is out of range.

    References
    ----------
    Ko et al. (2024), "DistiLLM: Towards Streamlined Distillation for Large Language Models", equation 4.
    """
    if not 0 <= skew < 1:
        raise ValueError(f"skew must lie in [0, 1), got {skew}: at 1 the teacher is compared with itself")
    student, teacher = _both(student_logits, teacher_logits)
    return _kl(teacher, student if skew == 0 else _mixture(teacher, student, skew))


def _both(student_logits, teacher_logits, temperature=1.0):
    """Log-probabilities (B, C) of both sides."""
    check_logits(student_logits, teacher_logits)
    check_temperature(temperature)
    return (F.log_softmax(z / temperature, dim=1) for z in (student_logits, teacher_logits))


def _kl(p, q):
    """Mean over rows of KL(p || q), from log-probabilities."""
    return F.kl_div(q, p, log_target=True, reduction="batchmean")


def _mixture(teacher, student, share):
    """Log-probabilities of a mixture that is the teacher's to this share, between 0 and 1."""
    return torch.logaddexp(teacher + math.log(share), student + math.log1p(-share))
