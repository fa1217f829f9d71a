"""What a student of cached answers can be asked to match, by the names of the lessons."""

from functools import partial

from kdlab import losses
from kdlab.distill import Term, features, hard_labels, relations, soft_targets
from kdlab.photos.settings import check_match

RELATIONS = {
    "similarity": losses.similarity_preserving_loss,
    "distance": losses.relational_distance_loss,
    "angle": losses.relational_angle_loss,
    "probabilistic": losses.probabilistic_transfer_loss,
}
ON_LOGITS = {"decoupled": losses.decoupled_loss, "correlation": losses.correlation_loss}


def outputs_for(match, teacher_layer):
    """The teacher's outputs that the cache must hold for these terms."""
    needs = {"hint": teacher_layer, "attention": teacher_layer}
    needs |= dict.fromkeys(("embedding", *RELATIONS), "embedding")
    return [*dict.fromkeys(("logits", *(needs.get(name, "logits") for name in match)))]


def terms(match, labels, cache, *, temperature, smoothing, teacher_layer, student_layer):
    """The terms for :func:`kdlab.photos.training.fit`, from weights by name: ``{"hard": 0.1, "soft": 0.9}``.

    Targets are columns of the cache, which is None where only hard labels are matched. Temperature is
    that of losses on logits, smoothing that of the hard labels (N,); maps are compared at the layers.
    """

    def one(name, weight):
        if name == "hard":
            return hard_labels(labels, weight=weight, smoothing=smoothing)
        if name == "soft":
            return soft_targets(cache.column("logits"), weight=weight, temperature=temperature)
        if name in ON_LOGITS:
            loss = partial(ON_LOGITS[name], temperature=temperature)
            asked = {"labels": labels} if name == "decoupled" else {}
            return Term(name, cache.column("logits"), loss, weight, **asked)
        if name == "hint":
            return features(cache.column(teacher_layer), student_layer, weight=weight)
        if name == "attention":
            maps, loss = cache.column(teacher_layer), losses.attention_transfer_loss
            return features(maps, student_layer, weight=weight, loss=loss, project=False)
        if name == "embedding":
            return features(cache.column("embedding"), "embedding", weight=weight)
        return relations(cache.column("embedding"), weight=weight, loss=RELATIONS[name])

    check_match(match)
    return [one(name, float(weight)) for name, weight in match.items()]
