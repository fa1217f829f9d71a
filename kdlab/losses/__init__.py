"""Distillation losses: pure functions, student first, teacher second, a 0-d tensor back.

No weight is hidden in a function, the teacher's side never receives a gradient, and the
arithmetic is done in float32 or better even under autocast.
"""

from kdlab.losses.response import soft_target_loss

__all__ = ["soft_target_loss"]
