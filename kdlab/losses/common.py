"""What every loss does before its own arithmetic: check both sides, detach one, leave autocast."""

import functools
import math

import torch


def in_full_precision(loss):
    """Run ``loss(student, teacher, ...)`` outside autocast, in float32 or better.

    Half precision is not a detail here: Gram matrices overflow in float16, and differences of
    log-probabilities drown in bfloat16. The teacher's side is detached in the same place, so
    that no loss can forget it.
    """

    @functools.wraps(loss)
    def wrapped(student, teacher, *args, **options):
        dtype = torch.promote_types(torch.promote_types(student.dtype, teacher.dtype), torch.float32)
        with torch.autocast(student.device.type, enabled=False):
            return loss(student.to(dtype), teacher.detach().to(dtype), *args, **options)

    return wrapped


def check_logits(student_logits, teacher_logits):
    """Raise ValueError, naming both shapes, unless both are (B, C) with B, C >= 1 and equal."""
    ours, theirs = tuple(student_logits.shape), tuple(teacher_logits.shape)
    sides = f"student logits {ours} and teacher logits {theirs}"
    if len(ours) != 2 or len(theirs) != 2:
        raise ValueError(f"{sides} must both be (batch, classes)")
    if ours[1] != theirs[1]:
        raise ValueError(f"{sides} differ in classes")
    if ours[0] != theirs[0]:
        raise ValueError(f"{sides} differ in batch size")
    if 0 in ours:
        raise ValueError(f"{sides} are empty")


def check_temperature(temperature):
    """Raise ValueError unless ``temperature`` is a finite number above 0."""
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(f"temperature must be a finite number above 0, got {temperature}")
