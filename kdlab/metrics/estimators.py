"""What an estimator of scikit-learn's answers, as a network would."""

import numpy as np
import torch

TINY = 1e-6  # what an ensemble calls impossible counts as this probable


def is_estimator(model):
    """Whether it is asked by scikit-learn's methods: it predicts, and is no network."""
    if isinstance(model, torch.nn.Module):
        return False
    return hasattr(model, "predict_proba") or (hasattr(model, "predict") and not callable(model))


def answers_of(model, inputs):
    """The answers (N, C) of a fitted scikit-learn classifier, or (N, K) of a regressor, as float32.

    A classifier answers with the logarithms of its probabilities, a column a class in the order of its
    ``classes_``; one that has none, a support vector machine for example, with its scores, which are no
    probabilities: wrap it in scikit-learn's ``CalibratedClassifierCV`` where that matters.

    Parameters
    ----------
    model : fitted estimator
        Also a pipeline or a search that ends in one.
    inputs : DataFrame, array, sparse matrix, or Tensor
        What it was fitted to. Of a Tensor (N, ...) each row is flattened; answers come back on its device.

    Raises
    ------
    TypeError, ValueError
        If it is not fitted to such inputs, has neither probabilities nor scores, gives several outputs a row,
        or answers that are not finite.
    """
    table = inputs.flatten(1).cpu().numpy() if torch.is_tensor(inputs) else inputs
    shape = f"{type(inputs).__name__} {tuple(np.shape(table))}"
    if np.shape(table)[:1] == (0,):
        raise ValueError("there are no inputs to ask about")
    way = next((w for w in ("predict_proba", "decision_function") if hasattr(model, w)), "predict")
    name = type(model).__name__
    if way == "predict" and hasattr(model, "classes_"):
        raise TypeError(
            f"{name} gives classes only, neither probabilities nor scores: take hard_labels of them"
        )
    try:
        found = getattr(model, way)(table)
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{name} does not answer to {shape}: {reason}") from error
    if isinstance(found, list):
        raise ValueError(
            f"{name} has {len(found)} outputs a row, each with its classes: give a teacher of one"
        )
    found = torch.as_tensor(np.asarray(found, dtype=np.float32))
    if not found.isfinite().all():
        bad = int(
            (~found.isfinite()).flatten(1).any(1).sum() if found.ndim > 1 else (~found.isfinite()).sum()
        )
        raise ValueError(f"{name}: {bad} of {len(found)} answers are not finite")
    if way == "predict_proba":
        found = found.clamp(min=TINY).log()
    elif way == "decision_function" and found.ndim == 1:
        found = torch.stack([torch.zeros_like(found), found], dim=1)
    found = found[:, None] if found.ndim == 1 else found
    return found.to(inputs.device) if torch.is_tensor(inputs) else found
