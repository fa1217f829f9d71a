"""Losses on what the teacher answers: its logits."""

import torch.nn.functional as F

from kdlab.losses.common import check_logits, check_temperature, in_full_precision


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
