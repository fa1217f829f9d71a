"""The training loop, and what it can be asked to match."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F

from kdlab.losses import soft_target_loss
from kdlab.losses.common import check_logits, check_temperature
from kdlab.metrics import predict

NO_LABEL = -100


@dataclass(frozen=True)
class Term:
    """One thing to match: ``weight * loss(student logits, targets)``.

    ``targets`` has a row for each training image. It is computed before training, once, and the
    loop only looks rows up: the teacher itself never runs in it.
    """

    name: str
    targets: torch.Tensor
    loss: Callable
    weight: float = 1.0


def hard_labels(labels, *, weight=1.0, smoothing=0.0):
    """Match class labels by cross-entropy.

    Parameters
    ----------
    labels : int64 Tensor of shape (N,)
        Class of each training image; -100 where it is unknown: such rows do not count.
    weight : float
    smoothing : float in [0, 1)
        Label smoothing: this much probability is spread evenly over all classes
        (Szegedy et al. 2016, section 7).
    """
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing must lie in [0, 1), got {smoothing}")
    if labels.ndim != 1 or labels.is_floating_point() or labels.is_complex():
        raise ValueError(
            f"labels must be whole numbers of shape (N,), got {labels.dtype} {tuple(labels.shape)}"
        )
    return Term("hard labels", labels.long(), partial(_cross_entropy, smoothing=smoothing), weight)


def _cross_entropy(logits, labels, smoothing):
    total = F.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="sum", ignore_index=NO_LABEL)
    return total / (labels != NO_LABEL).sum().clamp(min=1)


def soft_targets(teacher_logits, *, weight=1.0, temperature=4.0):
    """Match the teacher's softened probabilities by :func:`kdlab.losses.soft_target_loss`.

    Parameters
    ----------
    teacher_logits : Tensor of shape (N, C)
        The teacher's answer to each training image, for example ``teacher(images)``.
    weight : float
    temperature : float
    """
    check_temperature(temperature)
    return Term("soft targets", teacher_logits, partial(soft_target_loss, temperature=temperature), weight)


def distill(student, images, match, *, steps=300, batch_size=32, learning_rate=0.01, seed=0, progress=False):
    """Train ``student`` on ``images`` to match what the terms hold. The last step's weights stay.

    Adam with a one-cycle learning rate. The order of the images follows from ``seed`` and their
    number alone, so that two runs differ only in what they match.

    Parameters
    ----------
    student : Module
        Trained in place, and left in eval mode.
    images : Tensor of shape (N, channels, height, width)
    match : list of Term
        From :func:`hard_labels`, :func:`soft_targets`, or your own.
    steps, batch_size : int
        A batch is drawn from a stream of reshuffled epochs; it may be larger than N.
    learning_rate : float
        The highest of the cycle.
    seed : int
        Of the order of the images, and of dropout in the student.
    progress : bool
        Show a bar with the remaining time and the current loss.

    Returns
    -------
    dict of str to Tensor of shape (steps,)
        Each term's loss before weighting, and ``"total"``, at each step.

    Raises
    ------
    ValueError
        Before training, if targets and images differ in number, logits and targets in classes,
        or a label, target or weight is out of range.
    FloatingPointError
        After training, if a loss was not finite.
    """
    check_match(student, images, match, steps=steps, batch_size=batch_size)
    device = next(student.parameters()).device
    images = images.to(device)
    match = [replace(term, targets=term.targets.to(device)) for term in match]
    optimiser = torch.optim.Adam(student.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, total_steps=steps + 1)
    history = []
    # Convolutions train about a fifth faster this way on a CPU; the weights are the same.
    student.train().to(memory_format=torch.channels_last)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)  # for dropout and the like in the student
        for rows in _progress(_batches(len(images), batch_size, steps, seed).to(device), progress):
            logits = student(images[rows])
            losses = [term.loss(logits, term.targets[rows]) for term in match]
            total = sum(term.weight * loss for term, loss in zip(match, losses))
            optimiser.zero_grad()
            total.backward()
            optimiser.step()
            schedule.step()
            history.append(torch.stack([*losses, total]).detach())
    student.eval().to(memory_format=torch.contiguous_format)
    curves = torch.stack(history).cpu()
    if not curves.isfinite().all():
        first = int((~curves.isfinite()).any(dim=1).nonzero()[0])
        raise FloatingPointError(f"the loss is not finite from step {first} on; try a lower learning rate")
    return dict(zip([*(term.name for term in match), "total"], curves.unbind(1)))


def _batches(n, batch_size, steps, seed):
    """Row numbers (steps, batch_size) from a stream of reshuffled epochs."""
    random = torch.Generator().manual_seed(seed)
    epochs = math.ceil(steps * batch_size / n)
    stream = torch.cat([torch.randperm(n, generator=random) for _ in range(epochs)])
    return stream[: steps * batch_size].view(steps, batch_size)


def _progress(batches, progress):
    if not progress:
        return batches
    from tqdm.auto import tqdm

    return tqdm(batches, "training", unit="step", leave=False)


def check_match(student, images, match, *, steps=1, batch_size=1):
    """Raise the ValueErrors of :func:`distill` without training anything."""
    for name, value in (("steps", steps), ("batch_size", batch_size), ("number of images", len(images))):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if not images.is_floating_point():
        raise ValueError(f"images must be floating-point numbers, got {images.dtype}")
    if not match:
        raise ValueError("match is empty: give at least one term, for example hard_labels(labels)")
    names = [term.name for term in match]
    if len(set(names)) < len(names):
        raise ValueError(f"two terms share a name: {names}")
    logits = predict(student, images[:1])
    for term in match:
        if not (math.isfinite(term.weight) and term.weight >= 0):
            raise ValueError(f"the weight of {term.name} must be finite and at least 0, got {term.weight}")
        if len(term.targets) != len(images):
            raise ValueError(f"{term.name} has {len(term.targets)} targets for {len(images)} images")
        if term.targets.is_floating_point():
            check_logits(logits, term.targets[:1])
            if not term.targets.isfinite().all():
                bad = int((~term.targets.isfinite()).flatten(1).any(1).sum())
                raise ValueError(f"{term.name}: {bad} of {len(images)} rows are not finite")
        else:
            known = term.targets[term.targets != NO_LABEL]
            if len(known) == 0:
                raise ValueError(f"{term.name}: all {len(images)} images are without a label")
            low, high, classes = int(known.min()), int(known.max()), logits.shape[1]
            if low < 0 or high >= classes:
                raise ValueError(
                    f"{term.name}: labels run from {low} to {high}, the student has {classes} classes"
                )
