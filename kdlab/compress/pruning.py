"""Structured pruning: whole channels taken out."""

import copy
import warnings

import torch
from torch import nn

from kdlab.compress.onnx_model import require
from kdlab.teachers import Teacher


def prune(model, images, *, ratio=0.5):
    """A smaller copy of a network, in eval mode: the channels of least magnitude are taken out.

    Channels that depend on one another, through a residual connection for example, go together
    (Fang et al. 2023, section 3); their magnitude is the L2 norm over the group. Right after
    pruning the network answers badly: repair it with :func:`kdlab.distill.distill`, from the
    unpruned one as the teacher.

    Parameters
    ----------
    model : Module or Teacher
        A timm-style classifier; it is not changed.
    images : Tensor of shape (N, channels, height, width)
        One or two are enough: they show how the layers hang together.
    ratio : float in (0, 1)
        The share of each layer's channels to take out. The classifier keeps its classes.

    Raises
    ------
    ValueError
        If the ratio lies outside (0, 1) or leaves a layer without a channel, or the network's layers
        cannot be cut so that they still fit (attention).
    TypeError
        If the model has no ``get_classifier()``: it would not be known what to keep.
    """
    if not 0 < ratio < 1:
        raise ValueError(f"ratio={ratio} must lie in (0, 1): the share of channels to take out")
    network = model.network if isinstance(model, Teacher) else model
    if not hasattr(network, "get_classifier"):
        raise TypeError(
            f"{type(network).__name__} has no get_classifier(), as timm's models have: which layer to keep?"
        )
    pruning = require("torch_pruning")
    smaller = copy.deepcopy(network).eval().requires_grad_(True)
    classifier = smaller.get_classifier()
    for name, layer in smaller.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer is not classifier:
            channels = layer.weight.shape[0]
            if int(channels * (1 - ratio)) < 1:
                most = f"at most {channels - 1} of its {channels} channels can go"
                raise ValueError(f"ratio={ratio} leaves nothing of layer {name!r}: {most}")
    images = images[:2].to(next(smaller.parameters()).device)
    try:
        with torch.enable_grad(), warnings.catch_warnings(action="ignore"):
            pruning.pruner.BasePruner(
                smaller, images, importance=pruning.importance.GroupMagnitudeImportance(p=2),
                pruning_ratio=ratio, ignored_layers=[classifier],
            ).step()  # fmt: skip
        with torch.no_grad():
            smaller(images)
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"{type(network).__name__} cannot be pruned: its layers do not fit afterwards ({reason}). Prune "
            "a convolutional network, or train a smaller one of this kind."
        ) from error
    if sum(p.numel() for p in smaller.parameters()) == sum(p.numel() for p in network.parameters()):
        raise ValueError(f"{type(network).__name__} has no layer to prune beside its classifier")
    for width in ("num_features", "head_hidden_size"):  # what timm reads when it makes a new classifier
        if hasattr(smaller, width):
            setattr(smaller, width, classifier.in_features)
    smaller.zero_grad(set_to_none=True)
    return smaller.eval()
