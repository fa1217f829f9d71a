"""The training loop, and what it can be asked to match."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F

from kdlab.losses import hint_loss, relational_distance_loss, soft_target_loss
from kdlab.losses.common import check_logits, check_temperature
from kdlab.models import Outputs, forward
from kdlab.projectors import Projector, tokens_to_map

NO_LABEL = -100


@dataclass(frozen=True)
class Term:
    """One thing to match: ``weight * loss(something of the student's, targets)``.

    ``targets`` has a row for each training image. It is computed before training, once, and the
    loop only looks rows up: the teacher itself never runs in it. ``of`` says what the loss
    compares: ``"logits"``, ``"embedding"``, or a layer as in :func:`kdlab.models.forward`. A
    projector in between trains with the student, and stays in the term: save it, if at all, by
    its own ``state_dict()``. ``labels`` (N,), if given, are the loss's third argument.
    """

    name: str
    targets: torch.Tensor
    loss: Callable
    weight: float = 1.0
    of: str | int = "logits"
    projector: torch.nn.Module | None = None
    labels: torch.Tensor | None = None

    def look(self, outputs):
        """The part of the student's outputs that this term compares."""
        return getattr(outputs, self.of) if self.of in _HEADS else outputs.features[self.of]

    def value(self, outputs, rows):
        """The loss, before weighting, of the student's outputs for these rows."""
        ours = self.look(outputs)
        if self.projector is not None:
            ours = self.projector(ours)
        return self.loss(ours, self.targets[rows], *(() if self.labels is None else (self.labels[rows],)))

    def to(self, device):
        """The same term with targets and labels on that device."""
        labels = None if self.labels is None else self.labels.to(device)
        return replace(self, targets=self.targets.to(device), labels=labels)


_HEADS = ("logits", "embedding")


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


def features(teacher_features, layer, *, weight=1.0, loss=hint_loss, project=True, name=None):
    """Match the teacher's feature maps at one of the student's layers.

    Parameters
    ----------
    teacher_features : Tensor of shape (N, c, H, W), (N, tokens, c) or (N, D)
        For example ``teacher.outputs(images, layers=(2,)).features[2]``.
    layer : int or str
        The student's layer, as in :func:`kdlab.models.forward`, or ``"embedding"``.
    weight : float
    loss : callable
        From ``kdlab.losses``.
    project : bool
        Put a :class:`kdlab.projectors.Projector` in between; without one, ``loss`` must take the
        two shapes as they are.
    name : str, optional
        By default the loss and the layer.
    """
    targets = tokens_to_map(teacher_features)
    projector = Projector(targets.shape[1:]) if project else None
    return Term(name or f"{_words(loss)} at {layer}", targets, loss, weight, layer, projector)


def relations(teacher_embeddings, *, weight=1.0, loss=relational_distance_loss, layer="embedding"):
    """Match how the teacher's examples relate to one another, at any width and without a projector.

    Parameters
    ----------
    teacher_embeddings : Tensor of shape (N, D)
        For example ``teacher.outputs(images).embedding``.
    weight : float
    loss : callable
        One of ``kdlab.losses``'s relational ones. Their values differ by orders of magnitude, and
        so do useful weights.
    layer : int or str
        Where the student's side is taken.
    """
    return Term(_words(loss), teacher_embeddings, loss, weight, layer)


def _words(loss):
    return getattr(loss, "__name__", "features").removesuffix("_loss").replace("_", " ")


def distill(
    student, images, match, *, steps=300, batch_size=32, learning_rate=0.01, seed=0, gradients_every=0,
    progress=False,
):  # fmt: skip
    """Train ``student`` on ``images`` to match what the terms hold. The last step's weights stay.

    Adam with a one-cycle learning rate. The order of the images follows from ``seed`` and their
    number alone, so that two runs differ only in what they match.

    Parameters
    ----------
    student : Module
        Trained in place, and left in eval mode.
    images : Tensor of shape (N, channels, height, width)
    match : list of Term
        From :func:`hard_labels`, :func:`soft_targets`, :func:`features`, :func:`relations`, or your own.
    steps, batch_size : int
        A batch is drawn from a stream of reshuffled epochs; it may be larger than N.
    learning_rate : float
        The highest of the cycle.
    seed : int
        Of the order of the images, and of dropout in the student.
    gradients_every : int
        Above 0: also measure gradients, at step 0 and every so many. What is trained stays the same.
    progress : bool
        Show a bar with the remaining time and the current loss.

    Returns
    -------
    dict of str to Tensor of shape (steps,)
        Each term's loss before weighting, and ``"total"``, at each step. With ``gradients_every``
        also ``"gradient of ..."``: the norm of the weighted term's, of the student's parameters.

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
    match = [term.to(device) for term in match]
    layers = _layers(match)
    history, gradients = [], []
    # Convolutions train about a fifth faster this way on a CPU; the weights are the same.
    student.train().to(memory_format=torch.channels_last)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)  # for projectors, and for dropout and the like in the student
        projectors = _build_projectors(student, images, match, layers)
        weights = [*student.parameters(), *projectors.parameters()]
        optimiser = torch.optim.Adam(weights, lr=learning_rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, total_steps=steps + 1)
        batches = _batches(len(images), batch_size, steps, seed).to(device)
        for step, rows in enumerate(_progress(batches, progress)):
            outputs = _look(student, images[rows], layers)
            losses = [term.value(outputs, rows) for term in match]
            total = sum(term.weight * loss for term, loss in zip(match, losses))
            if gradients_every and step % gradients_every == 0:
                gradients.append(_gradient_norms(match, losses, [*student.parameters()]))
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
    names = [term.name for term in match]
    names += ["total", *(f"gradient of {name}" for name in names)]
    return dict(zip(names, [*curves.unbind(1), *(torch.tensor(gradients).unbind(1) if gradients else ())]))


def _gradient_norms(match, losses, parameters):
    """The norm of each weighted term's gradient; the graph stays for the step that follows."""
    norms = []
    for term, loss in zip(match, losses):
        find = partial(torch.autograd.grad, inputs=parameters, retain_graph=True, allow_unused=True)
        gradients = [g for g in find(loss) if g is not None] if loss.requires_grad else []
        norms.append(term.weight * torch.nn.utils.get_total_norm(gradients).item())
    return norms


def _layers(match):
    """What the terms look at beside the logits: None, or the layers for one forward pass."""
    asked = {term.of for term in match} - {"logits"}
    return tuple(sorted(asked - {"embedding"}, key=str)) if asked else None


def _look(student, images, layers):
    """A plain call where only logits are matched, so that any Module will do."""
    if layers is None:
        return Outputs(student(images), {}, None)
    return forward(student, images, layers)


@torch.no_grad()
def _first_look(student, images, layers):
    """Outputs for the first two images, in eval mode, the student's modes kept."""
    modes = {module: module.training for module in student.modules()}
    try:
        return _look(student.eval(), images[:2].to(next(student.parameters()).device), layers)
    finally:
        for module, mode in modes.items():
            module.training = mode


def _build_projectors(student, images, match, layers):
    projectors = torch.nn.ModuleList(term.projector for term in match if term.projector is not None)
    if projectors:
        outputs = _first_look(student, images, layers)
        for term in match:
            if term.projector is not None:
                term.projector.train()(term.look(outputs))
    return projectors.to(images.device)


def pairing(student, images, match):
    """What each term compares, and through which projector: a table to read before training.

    Parameters
    ----------
    student, images, match
        As for :func:`distill`. Nothing is trained, and no projector is built.

    Returns
    -------
    pandas.DataFrame
        One row a term: the student's layer and shape, the teacher's shape, and the projector.
    """
    import pandas as pd

    check_match(student, images, match)
    outputs = _first_look(student, images, _layers(match))
    rows = {}
    for term in match:
        ours = tuple(term.look(outputs).shape[1:])
        build = copy.deepcopy(term.projector).build if term.projector is not None else None
        with torch.random.fork_rng():
            way = build(ours).way if build else "none"
        rows[term.name] = {
            "student's": term.of,
            "shape": ours,
            "teacher's shape": tuple(term.targets.shape[1:]),
            "projector": way,
        }
    return pd.DataFrame.from_dict(rows, orient="index")


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
    outputs = _first_look(student, images, _layers(match))
    logits = outputs.logits
    for term in match:
        if not (math.isfinite(term.weight) and term.weight >= 0):
            raise ValueError(f"the weight of {term.name} must be finite and at least 0, got {term.weight}")
        for what, rows in (("targets", term.targets), ("labels", term.labels)):
            if rows is not None and len(rows) != len(images):
                raise ValueError(f"{term.name} has {len(rows)} {what} for {len(images)} images")
        if term.targets.is_floating_point():
            if term.of == "logits":
                check_logits(logits[:1], term.targets[:1])
            if not term.targets.isfinite().all():
                bad = int((~term.targets.isfinite()).flatten(1).any(1).sum())
                raise ValueError(f"{term.name}: {bad} of {len(images)} rows are not finite")
            with torch.random.fork_rng(), torch.no_grad():  # a copy: the projector is built with the seed
                trial = replace(term.to(logits.device), projector=copy.deepcopy(term.projector))
                trial.value(outputs, slice(2))
        else:
            known = term.targets[term.targets != NO_LABEL]
            if len(known) == 0:
                raise ValueError(f"{term.name}: all {len(images)} images are without a label")
            low, high, classes = int(known.min()), int(known.max()), logits.shape[1]
            if low < 0 or high >= classes:
                raise ValueError(
                    f"{term.name}: labels run from {low} to {high}, the student has {classes} classes"
                )
