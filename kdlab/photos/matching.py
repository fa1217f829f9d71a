"""What a student of cached answers can be asked to match, by the names of the lessons."""

from functools import partial

from kdlab import losses
from kdlab.distill import Term, features, hard_labels, relations, soft_targets

RELATIONS = {
    "similarity": losses.similarity_preserving_loss,
    "distance": losses.relational_distance_loss,
    "angle": losses.relational_angle_loss,
    "probabilistic": losses.probabilistic_transfer_loss,
}
NAMES = ("hard", "soft", "decoupled", "correlation", "hint", "attention", "embedding", *RELATIONS)


def check_names(match):
    """Raise ValueError unless the keys of ``match`` are names that there are."""
    unknown = [name for name in match if name not in NAMES]
    if unknown or not match:
        found = f"no term is called {unknown[0]!r}" if unknown else "there is nothing to match"
        raise ValueError(f"{found}; there are {', '.join(NAMES)}")


def outputs_for(match, teacher_layer):
    """The teacher's outputs that the cache must hold for these terms."""
    needs = {"hint": teacher_layer, "attention": teacher_layer, "hard": "logits", "soft": "logits"}
    needs |= dict.fromkeys(("embedding", *RELATIONS), "embedding")
    return [
        "logits",
        *dict.fromkeys(needs.get(name, "logits") for name in match if needs.get(name) != "logits"),
    ]


def terms(match, labels, cache, *, temperature, smoothing, teacher_layer, student_layer):
    """The terms for :func:`kdlab.photos.training.fit`.

    Parameters
    ----------
    match : dict of str to float
        Weights by name: ``{"hard": 0.1, "soft": 0.9}``. Names: hard, soft, decoupled, correlation;
        hint, attention (feature maps); embedding, similarity, distance, angle, probabilistic.
    labels : int64 Tensor of shape (N,)
    cache : kdlab.photos.cache.Cache or None
        None where only hard labels are matched.
    temperature, smoothing : float
        Of the losses on logits, and of the hard labels.
    teacher_layer, student_layer : int or str
        Where maps are compared.
    """

    def one(name, weight):
        if name == "hard":
            return hard_labels(labels, weight=weight, smoothing=smoothing)
        if name == "soft":
            return soft_targets(cache.column("logits"), weight=weight, temperature=temperature)
        if name == "decoupled":
            loss = partial(losses.decoupled_loss, temperature=temperature)
            return Term("decoupled", cache.column("logits"), loss, weight, labels=labels)
        if name == "correlation":
            loss = partial(losses.correlation_loss, temperature=temperature)
            return Term("correlation", cache.column("logits"), loss, weight)
        if name == "hint":
            return features(cache.column(teacher_layer), student_layer, weight=weight)
        if name == "attention":
            loss = losses.attention_transfer_loss
            maps = cache.column(teacher_layer)
            return features(maps, student_layer, weight=weight, loss=loss, project=False)
        if name == "embedding":
            return features(cache.column("embedding"), "embedding", weight=weight)
        return relations(cache.column("embedding"), weight=weight, loss=RELATIONS[name])

    check_names(match)
    return [one(name, float(weight)) for name, weight in match.items()]
