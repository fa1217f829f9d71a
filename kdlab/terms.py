"""What a student can be asked to match: a loss, and the targets it is compared with."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F

from kdlab import rows as tree
from kdlab.losses import (
    attention_transfer_loss,
    binary_soft_target_loss,
    hint_loss,
    relational_distance_loss,
    soft_target_loss,
)
from kdlab.losses.common import NO_LABEL, check_temperature, one_logit, two_logits
from kdlab.metrics.answers import is_estimator, predict
from kdlab.projectors import Projector, tokens_to_map


@dataclass(frozen=True)
class Term:
    """One thing to match: ``weight * loss(something of the student's, targets)``.

    Parameters
    ----------
    name : str
    targets : Tensor, tuple of Tensor, or teacher
        A row for each input, computed before training and only looked up in it; a tuple is several
        arguments of the loss. Or what :func:`kdlab.metrics.predict` can ask: it is asked about each batch.
    loss : callable
        Student's side first, targets second, labels, if there are any, last.
    weight : float
    of : str or int
        What of the student is compared: ``"logits"``, ``"embedding"``, one of several heads by its name or
        place, or a layer as in :func:`kdlab.models.forward`.
    projector : Module, optional
        In between; it trains with the student, and stays in the term.
    labels : Tensor of shape (N, ...), or callable, optional
    rows : Tensor of shape (N, ...), or callable, optional
        Where an input holds many predictions (tokens, cells of a grid): which of them count, as booleans or
        as labels with -100 where one is left out. The loss then sees the rows that count, (rows, C).
    per_input : bool
        The loss of each input's rows that count, then the mean over the inputs that have any: per sequence,
        where the default, one loss of all rows, is per token and hears long inputs most. Needs ``rows``.
    over_batch : bool
        Whether the value depends on which rows stand together in a batch: several processes then gather
        theirs first. Right for any loss; False spares that where the loss is a mean over rows that all count.
    """

    name: str
    targets: object
    loss: Callable
    weight: float = 1.0
    of: str | int = "logits"
    projector: torch.nn.Module | None = None
    labels: object = None
    rows: object = None
    over_batch: bool = True
    per_input: bool = False

    def __post_init__(self):
        if self.per_input and self.rows is None:
            raise ValueError(f"{self.name}: per_input needs rows, which say what of an input counts")

    @property
    def parts(self):
        """What is looked up for each batch: targets, labels and rows."""
        return self.targets, self.labels, self.rows

    def to(self, device):
        """The same term with what is looked up on that device."""
        targets, labels, rows = (p if is_asked(p) else tree.on_device(p, device) for p in self.parts)
        return replace(self, targets=targets, labels=labels, rows=rows)

    def given(self, rows, inputs):
        """Targets, labels and rows of a batch: looked up at ``rows``, or asked about ``inputs``."""
        return tuple(
            predict(part, inputs) if is_asked(part) else tree.take(part, rows) for part in self.parts
        )

    def value(self, side, given):
        """The loss, before weighting, of the student's side of a batch and what is given with it."""
        targets, labels, rows = given
        if rows is not None:
            counted = rows if rows.dtype == torch.bool else rows != NO_LABEL
            if not counted.any():
                return side.sum() * 0.0
            side, targets, labels = (_rows_of(part, counted, self.name) for part in (side, targets, labels))
        arguments = targets if isinstance(targets, tuple | list) else (targets,)
        arguments = (side, *arguments, *(() if labels is None else (labels,)))
        return _mean_over_inputs(self.loss, arguments, counted) if self.per_input else self.loss(*arguments)


def is_asked(part):
    """Whether it is asked about each batch, rather than looked up."""
    return not torch.is_tensor(part) and (callable(part) or is_estimator(part))


def _mean_over_inputs(loss, arguments, counted):
    """Mean of the losses of the inputs that have rows that count; ``arguments`` hold these, (rows, ...)."""
    lengths = [n for n in counted.flatten(1).sum(dim=1).tolist() if n]
    inputs = zip(*(part.split(lengths) for part in arguments))
    return torch.stack([loss(*one) for one in inputs]).mean()


def _rows_of(part, counted, name):
    """The rows that count: (rows, ...) of (B, ..., C), or of (B, C, ...), or of each of a tuple."""
    if part is None or isinstance(part, tuple | list):
        return part if part is None else tuple(_rows_of(p, counted, name) for p in part)
    for whole in (part, part.movedim(1, -1) if part.ndim > 1 else part):
        if whole.shape[: counted.ndim] == counted.shape:
            return whole[counted]
    raise ValueError(f"{name}: rows {tuple(counted.shape)} do not fit {tuple(part.shape)}")


def hard_labels(labels, *, weight=1.0, smoothing=0.0, of="logits"):
    """Match class labels by cross-entropy.

    Parameters
    ----------
    labels : whole-number Tensor of shape (N,) or (N, ...), or callable
        Class of each input, or of each of its tokens or cells; rows at -100 do not count. Logits are
        (N, ..., C), or (N, C, ...) as in PyTorch; or (N, 1), the logit of class 1 against class 0.
    smoothing : float in [0, 1)
        So much probability is spread evenly over all classes (Szegedy et al. 2016, section 7).
    """
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing must lie in [0, 1), got {smoothing}")
    asked = is_asked(labels)
    if not asked:
        labels = as_whole(labels)
        if labels.ndim < 1 or labels.is_floating_point() or labels.is_complex():
            raise ValueError(
                f"labels must be whole numbers (N, ...), got {labels.dtype} {tuple(labels.shape)}"
            )
        labels = labels.long()
    uneven = asked or bool((labels == NO_LABEL).any())  # then a mean over processes is not that over rows
    loss = partial(label_loss, smoothing=smoothing, all_count=not uneven)
    return Term("hard labels", labels, loss, weight, of, over_batch=uneven)


def as_whole(labels):
    """Labels as a tensor; a TypeError says what to do with names."""
    try:
        return torch.as_tensor(labels.to_numpy() if hasattr(labels, "to_numpy") else labels)
    except (TypeError, ValueError, RuntimeError) as error:
        first = next(iter(labels), None)
        raise TypeError(
            f"labels must be whole numbers, got {first!r} among them: give each one's place in the teacher's "
            f"classes_, for example np.searchsorted(teacher.classes_, labels)"
        ) from error


def label_loss(logits, labels, *, smoothing=0.0, all_count=False):
    """Mean cross-entropy of the rows with a label; 0 without any. ``all_count``: every row has one."""
    if all_count and logits.shape[1:] == (1,):
        yes = (1 - smoothing) * labels + smoothing / 2
        return F.binary_cross_entropy_with_logits(logits[:, 0], yes.to(logits.dtype))
    logits = two_logits(logits)
    if logits.ndim > 2 and logits.shape[:-1] == labels.shape:
        logits, labels = logits.flatten(0, -2), labels.flatten()
    elif logits.shape[:1] + logits.shape[2:] != labels.shape:
        raise ValueError(f"labels {tuple(labels.shape)} do not fit logits {tuple(logits.shape)}")
    if all_count:
        return F.cross_entropy(logits, labels, label_smoothing=smoothing)
    total = F.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="sum", ignore_index=NO_LABEL)
    return total / (labels != NO_LABEL).sum().clamp(min=1)


def soft_targets(teacher_logits, *, weight=1.0, temperature=4.0, rows=None, of="logits"):
    """Match the teacher's softened probabilities by :func:`kdlab.losses.soft_target_loss`.

    A student with one logit a row, (N, 1), is asked for class 1 against class 0, by
    :func:`kdlab.losses.binary_soft_target_loss`.

    Parameters
    ----------
    teacher_logits : Tensor of shape (N, C) or (N, ..., C), or teacher
        The teacher's answer to each input, for example ``teacher(images)``; or the teacher itself, to be
        asked about each batch: a network, a scikit-learn classifier, any callable.
    rows : Tensor of shape (N, ...), or callable
        Which of several predictions an input count: needed where there are several.
    """
    check_temperature(temperature)
    if rows is None and getattr(teacher_logits, "ndim", 2) > 2:
        raise ValueError(
            f"teacher logits {tuple(teacher_logits.shape)} hold several predictions an input: say by rows= "
            f"which of them count, for example the labels, -100 where there is none"
        )
    loss = partial(soft_loss, temperature=temperature)
    return Term("soft targets", teacher_logits, loss, weight, of, rows=rows, over_batch=rows is not None)


def soft_loss(student_logits, teacher_logits, *, temperature):
    """:func:`kdlab.losses.soft_target_loss`, or its binary form where the student has one logit a row."""
    if student_logits.shape[-1:] == (1,):
        return binary_soft_target_loss(student_logits, one_logit(teacher_logits), temperature=temperature)
    return soft_target_loss(student_logits, teacher_logits, temperature=temperature)


def values(numbers, *, weight=1.0, of="logits"):
    """Match numbers by their mean squared difference: measured ones, or those of a regressor.

    Parameters
    ----------
    numbers : Tensor of shape (N,) or (N, K), or teacher
        Those of each input, for example ``predict(regressor, table)``; or a fitted scikit-learn regressor, a
        network or any callable, to be asked about each batch. In units in which they are about 1 apart: the
        student begins near 0.
    """
    if not is_asked(numbers):
        numbers = torch.as_tensor(numbers, dtype=torch.float32)
    return Term("values", numbers, value_loss, weight, of, over_batch=False)


def value_loss(student_values, numbers):
    """:func:`kdlab.losses.hint_loss` of (B, K), where one number a row may also come as (B,)."""
    return hint_loss(student_values, numbers[:, None] if numbers.ndim == 1 else numbers)


def features(teacher_features, layer, *, weight=1.0, loss=hint_loss, project=True, name=None, rows=None):
    """Match the teacher's features at one of the student's layers.

    Parameters
    ----------
    teacher_features : Tensor of shape (N, c, H, W), (N, tokens, c) or (N, D)
        For example ``teacher.outputs(images, layers=(2,)).features[2]``. Tokens are a square map, or with
        ``rows`` (N, tokens) compared one by one, those that count.
    layer : int or str
        The student's, as in :func:`kdlab.models.forward`, or ``"embedding"``.
    loss : callable
    project : bool
        Put a :class:`kdlab.projectors.Projector` in between; else ``loss`` must take both shapes as they are.
    name : str, optional
        By default the loss and the layer.
    """
    targets = teacher_features if rows is not None else tokens_to_map(teacher_features)
    shape = targets.shape[-1:] if rows is not None else targets.shape[1:]
    projector = Projector(shape, tokens=rows is not None) if project else None
    name = name or f"{_loss_name(loss)} at {layer}"
    uneven = rows is not None or loss not in (hint_loss, attention_transfer_loss)
    return Term(name, targets, loss, weight, layer, projector, rows=rows, over_batch=uneven)


def relations(teacher_embeddings, *, weight=1.0, loss=relational_distance_loss, layer="embedding"):
    """Match how the teacher's examples relate, at any width and without a projector.

    Teacher's embeddings (N, D), for example ``teacher.outputs(images).embedding``, and a relational loss of
    ``kdlab.losses``. The values of these differ by orders of magnitude, and so do useful weights.
    """
    return Term(_loss_name(loss), teacher_embeddings, loss, weight, layer)


def _loss_name(loss):
    return getattr(loss, "__name__", "features").removesuffix("_loss").replace("_", " ")
