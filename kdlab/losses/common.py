"""What every loss does before its own arithmetic: check both sides, detach one, leave autocast."""

import functools
import math

import torch

# A length below this share of what it belongs to counts as that share: where nothing is left to give a
# direction (no variance, a row of zeros), a scale-free loss would have a gradient without bound.
FLOOR = 1e-3
NO_LABEL = -100  # PyTorch's own mark of a row that is left out


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


def scaled(features):
    """Features over their largest entry, for a loss that does not depend on their scale.

    Products of 1e-20 or 1e20 under- or overflow. Below 1e-30 they are zeros: their gradient would overflow.
    """
    largest = features.detach().abs().max()
    return features / torch.where(largest < 1e-30, torch.inf, largest)


def check_logits(student_logits, teacher_logits, *, what="logits", of="classes"):
    """Raise ValueError, naming both shapes, unless both are (B, C) with B, C >= 1 and equal."""
    ours, theirs = tuple(student_logits.shape), tuple(teacher_logits.shape)
    sides = f"student {what} {ours} and teacher {what} {theirs}"
    if len(ours) != 2 or len(theirs) != 2:
        raise ValueError(f"{sides} must both be (batch, {of})")
    if ours[1] != theirs[1]:
        raise ValueError(f"{sides} differ in {of}")
    if ours[0] != theirs[0]:
        raise ValueError(f"{sides} differ in batch size")
    if 0 in ours:
        raise ValueError(f"{sides} are empty")


def check_same(student_logits, teacher_logits):
    """Raise ValueError, naming both shapes, unless they are equal and hold at least one logit."""
    ours, theirs = tuple(student_logits.shape), tuple(teacher_logits.shape)
    if ours != theirs or 0 in ours:
        raise ValueError(f"student logits {ours} and teacher logits {theirs} differ in shape or are empty")


def one_logit(logits):
    """Logits (..., 2) of no and yes as one (..., 1), yes against no; one logit (..., 1) stays as it is."""
    return logits[..., 1:] - logits[..., :1] if logits.shape[-1:] == (2,) else logits


def two_logits(logits):
    """One logit (..., 1), yes against no, as (..., 2), of no and of yes; others stay as they are."""
    return torch.nn.functional.pad(logits, (1, 0)) if logits.shape[-1:] == (1,) else logits


def check_labels(logits, labels):
    """Raise ValueError unless ``labels`` are (B,) beside ``logits`` (B, C)."""
    if labels.shape != logits.shape[:1]:
        raise ValueError(f"labels {tuple(labels.shape)} do not fit student logits {tuple(logits.shape)}")


def check_temperature(temperature):
    """Raise ValueError unless ``temperature`` is a finite number above 0."""
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(f"temperature must be a finite number above 0, got {temperature}")


def check_embeddings(student, teacher, *, flat=True):
    """Raise ValueError unless both are (B, D), or (B, ...) if not ``flat``, with equal B >= 2."""
    ours, theirs = tuple(student.shape), tuple(teacher.shape)
    sides = f"student embeddings {ours} and teacher embeddings {theirs}"
    if flat and (len(ours) != 2 or len(theirs) != 2) or min(len(ours), len(theirs)) < 2:
        raise ValueError(f"{sides} must both be (batch, dimensions)")
    if ours[0] != theirs[0]:
        raise ValueError(f"{sides} differ in batch size")
    if ours[0] < 2:
        raise ValueError(f"{sides}: relations need a batch of at least 2, got {ours[0]}")


def check_maps(student, teacher, *, same_shape=False):
    """Raise ValueError unless both are maps (B, c, H, W) of equal B, or of equal shape if asked."""
    ours, theirs = tuple(student.shape), tuple(teacher.shape)
    sides = f"student features {ours} and teacher features {theirs}"
    if ours[:1] != theirs[:1] or not ours or 0 in ours + theirs:
        raise ValueError(f"{sides} differ in batch size or are empty")
    if same_shape and ours != theirs:
        raise ValueError(f"{sides} differ in shape: a projector must bring the student's to the teacher's")
    if not same_shape and (len(ours) != 4 or len(theirs) != 4):
        raise ValueError(f"{sides} must both be (batch, channels, height, width)")
