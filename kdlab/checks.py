"""What is refused before training, in one line that names both sides: values, once, where they enter."""

import copy
import math
from dataclasses import replace

import torch

from kdlab import rows as tree
from kdlab.losses.common import NO_LABEL, check_logits, one_logit
from kdlab.names import reason
from kdlab.terms import is_asked, label_loss
from kdlab.training import first_outputs


def check_terms(student, inputs, terms, *, steps=1, batch_size=1):
    """Raise the ValueErrors of :func:`kdlab.distill.distill` without training anything.

    Parameters
    ----------
    student, inputs, terms, steps, batch_size
        As there.

    Returns
    -------
    Tensor, or tuple or dict of Tensor
        The inputs on the student's device; where they are made as training goes, the first batch.
    """
    sampled = callable(inputs)
    with torch.random.fork_rng():  # whoever writes the batches may draw at random
        first = next(iter(inputs(student))) if sampled else inputs
    inputs = tree.on_device(_numbers(first), next(student.parameters()).device)
    n = tree.count(inputs)
    for name, value in (("steps", steps), ("batch_size", batch_size), ("number of inputs", n)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    for leaf in tree.leaves(inputs):
        if leaf.is_floating_point() and not leaf.isfinite().all():
            raise ValueError(
                f"inputs: {_not_finite(leaf)} of {n} rows are not finite; a network takes no gaps"
            )
    if not terms:
        raise ValueError("there is no term: give at least one, for example hard_labels(labels)")
    names = [term.name for term in terms]
    if len(set(names)) < len(names):
        raise ValueError(f"two terms share a name: {names}")
    outputs = first_outputs(student, inputs, terms)
    for term in terms:
        if not (math.isfinite(term.weight) and term.weight >= 0):
            raise ValueError(f"the weight of {term.name} must be finite and at least 0, got {term.weight}")
        for what, part in zip(("targets", "labels", "rows"), term.parts):
            if part is not None and not is_asked(part):
                _check_part(term.name, what, part, n, sampled)
        _check_value(term, outputs.at(term.of), inputs)
    return inputs


def _numbers(inputs):
    """Arrays in the precision of networks; a table that holds more than numbers is named."""
    if hasattr(inputs, "iloc") or hasattr(inputs, "tocsr"):
        kind = type(inputs).__name__
        raise ValueError(
            f"inputs are a {kind} {tuple(inputs.shape)}: a student takes numbers in an array or a tensor, "
            f"for example of scikit-learn's make_column_transformer(..., sparse_threshold=0)"
        )
    if getattr(getattr(inputs, "dtype", None), "kind", "") == "f":  # NumPy's own is double precision
        return torch.tensor(inputs, dtype=torch.get_default_dtype())
    return inputs


def _not_finite(leaf):
    return int((~leaf.isfinite()).flatten(1).any(1).sum() if leaf.ndim > 1 else (~leaf.isfinite()).sum())


def _check_part(name, what, part, n, sampled):
    if sampled:
        raise ValueError(
            f"{name} has {what} that stand in rows, but the batches are made as training goes: give {what} "
            f"that can be asked about each batch, such as the teacher itself"
        )
    for leaf in map(torch.as_tensor, tree.leaves(part)):
        if len(leaf) != n:
            raise ValueError(f"{name} has {len(leaf)} {what} for {n} inputs")
        if leaf.is_floating_point() and not leaf.isfinite().all():
            raise ValueError(f"{name}: {_not_finite(leaf)} of {n} rows are not finite")


def _check_value(term, ours, inputs):
    """Labels are classes of the student's, and the loss takes both sides."""
    few = tree.take(inputs, slice(2))
    given = term.to(ours.device).given(slice(2), few)
    classes = getattr(term.loss, "func", term.loss) is label_loss
    if classes and not is_asked(term.targets):
        _check_labels(term.name, term.targets, ours)
    if term.labels is not None and not is_asked(term.labels):
        _check_labels(term.name, torch.as_tensor(term.labels), ours)
    if (
        term.of == "logits"
        and torch.is_tensor(given[0])
        and given[0].is_floating_point()
        and given[2] is None
    ):
        theirs = given[0] if ours.shape[-1:] != (1,) else one_logit(given[0])
        check_logits(*(side[:1].view(1, -1) if side.ndim == 1 else side[:1] for side in (ours, theirs)))
    with torch.random.fork_rng(), torch.no_grad():  # a copy: the projector is built with the seed
        trial = replace(term, projector=copy.deepcopy(term.projector))
        try:
            side = ours if trial.projector is None else trial.projector.to(ours.device)(ours)
            trial.value(side, given)
        except (RuntimeError, IndexError, TypeError) as error:
            sides = f"the student's {tree.shapes(ours)} and targets {tree.shapes(given[0])}"
            raise ValueError(f"{term.name} does not take {sides}: {reason(error)}") from error


def _check_labels(name, labels, ours):
    known = labels[labels != NO_LABEL]
    if len(known) == 0:
        raise ValueError(f"{name}: all {len(labels)} inputs are without a label")
    rows = tuple(labels.shape[1:])
    axis = -1 if ours.shape[1:-1] == rows else 1 if ours.shape[2:] == rows else None
    if axis is None:
        raise ValueError(f"{name}: labels {tuple(labels.shape)} do not fit the student's {tuple(ours.shape)}")
    low, high, classes = int(known.min()), int(known.max()), max(2, ours.shape[axis])
    if low < 0 or high >= classes:
        raise ValueError(f"{name}: labels run from {low} to {high}, the student has {classes} classes")
