"""The largest logits and the mass of the rest: what is stored of an answer over many classes."""

import math

import torch
import torch.nn.functional as F

from kdlab.losses.common import in_full_precision


def keep_top(logits, count):
    """The ``count`` largest logits (..., count), their classes, and the log of the others' mass (...).

    ``rest`` is the log of the sum of exp; where nothing is left, the lowest number that there is, so that all
    targets are finite. Raises ValueError unless ``count`` is from 1 to the number of classes.
    """
    if not 1 <= count <= logits.shape[-1]:
        raise ValueError(f"count must be from 1 to the {logits.shape[-1]} classes, got {count}")
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    ordered, classes = logits.sort(dim=-1, descending=True)
    rest = ordered[..., count:].logsumexp(dim=-1).clamp(min=torch.finfo(logits.dtype).min)
    return ordered[..., :count], classes[..., :count], rest


def read_top(values, classes, rest, num_classes):
    """Logits (B, num_classes) again: those that were kept, and the others' mass spread evenly.

    At T = 1 the probabilities of the kept classes are exact. At a higher temperature an even spread
    gives the tail the largest mass that it can have.
    """
    spread = rest.float() - math.log(num_classes - values.shape[1])
    logits = spread[:, None].expand(-1, num_classes).clone()
    return logits.scatter(1, classes.long(), values.float())


@in_full_precision
def top_logits_loss(student_logits, top_logits, classes, rest):
    r"""Divergence from a teacher whose k largest logits are known, and of the others their mass.

    .. math:: \frac1B \sum_b \mathrm{KL}\big(\bar p(z^t_b) \,\|\, \bar p(z^s_b)\big)

    :math:`\bar p` are the probabilities of k + 1 outcomes: the teacher's k classes, and any other. This is
    the full divergence less what is not known: the teacher's mass in the tail times the divergence within
    it. So it is never above the full one, equals it at k = C, is 0 for a student that agrees, and leaves to
    the student how the tail is dealt out. Soft targets from :func:`read_top` ask for an even tail instead: a
    wrong answer, and often a better guess than the student's own. Students of made-up teachers came nearer
    to the full answer by it where the teacher was unsure; where it was sure the two were close, with this
    loss a little ahead at the smallest k. What k costs is the tail's mass: look at it first.
    There is no temperature: at any but 1 the tail's mass is not known.

    Parameters
    ----------
    student_logits : Tensor of shape (B, C)
    top_logits : Tensor of shape (B, k), 1 <= k <= C
    classes : int64 Tensor of shape (B, k)
        Which classes these are, each once.
    rest : Tensor of shape (B,)
        Log of the sum of exp of the other logits. All three are what :func:`keep_top` gives, and a term
        takes them as its targets. Not looked at where k = C.

    Returns
    -------
    Tensor of shape ()
        In nats.

    Raises
    ------
    ValueError
        If the shapes do not fit or are empty.

    References
    ----------
    TRL's distillation from a teacher behind a server: the tail as an outcome of its own, there by
    log(1 - the kept mass).
    """
    _check_top(student_logits, top_logits, classes, rest)
    classes = classes.long()
    student, teacher = student_logits.gather(1, classes), top_logits
    if classes.shape[1] < student_logits.shape[1]:
        others = student_logits.scatter(1, classes, -torch.inf).logsumexp(dim=1)
        student = torch.cat([student, others[:, None]], dim=1)
        teacher = torch.cat([teacher, rest.detach().to(teacher.dtype)[:, None]], dim=1)
    student, teacher = student.log_softmax(dim=1), teacher.log_softmax(dim=1)
    return F.kl_div(student, teacher, log_target=True, reduction="batchmean")


def _check_top(student_logits, top_logits, classes, rest):
    ours, theirs = tuple(student_logits.shape), tuple(top_logits.shape)
    sides = f"student logits {ours} and top logits {theirs}"
    if len(ours) != 2 or len(theirs) != 2:
        raise ValueError(f"{sides} must be (batch, classes) and (batch, k)")
    if ours[0] != theirs[0]:
        raise ValueError(f"{sides} differ in batch size")
    if 0 in ours + theirs:
        raise ValueError(f"{sides} are empty")
    if theirs[1] > ours[1]:
        raise ValueError(f"{sides}: more are kept than the student has classes")
    if classes.shape != theirs or rest.shape != theirs[:1]:
        raise ValueError(
            f"classes {tuple(classes.shape)} and rest {tuple(rest.shape)} do not fit top logits {theirs}"
        )
