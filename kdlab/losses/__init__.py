"""Distillation losses: pure functions, student first, teacher second, a 0-d tensor back.

No weight is hidden in a function, the teacher's side never receives a gradient, and the
arithmetic is done in float32 or better even under autocast. Losses check shapes; values (finite
targets, labels that are classes) are checked once, before training, by what trains
(:func:`kdlab.distill.distill`): a check of values would stop a GPU in every step. What a loss does where a
side of it degenerates is a table in ``docs/attacks.md``, which a test keeps true.
"""

from kdlab.losses.boxes import box_distribution_loss, weighted_soft_target_loss
from kdlab.losses.divergence import generalized_jsd_loss, reverse_kl_loss, skewed_kl_loss
from kdlab.losses.feature import attention_transfer_loss, hint_loss
from kdlab.losses.lists import (
    collaborative_loss,
    listwise_loss,
    ranked_list_loss,
    ranking_distillation_loss,
)
from kdlab.losses.relation import (
    probabilistic_transfer_loss,
    relational_angle_loss,
    relational_distance_loss,
    similarity_preserving_loss,
)
from kdlab.losses.response import (
    binary_soft_target_loss,
    correlation_loss,
    decoupled_loss,
    soft_target_loss,
    standardised_logits,
)
from kdlab.losses.top import keep_top, top_logits_loss

__all__ = [
    "attention_transfer_loss",
    "binary_soft_target_loss",
    "box_distribution_loss",
    "collaborative_loss",
    "correlation_loss",
    "decoupled_loss",
    "generalized_jsd_loss",
    "hint_loss",
    "keep_top",
    "listwise_loss",
    "probabilistic_transfer_loss",
    "ranked_list_loss",
    "ranking_distillation_loss",
    "relational_angle_loss",
    "relational_distance_loss",
    "reverse_kl_loss",
    "similarity_preserving_loss",
    "skewed_kl_loss",
    "soft_target_loss",
    "standardised_logits",
    "top_logits_loss",
    "weighted_soft_target_loss",
]
