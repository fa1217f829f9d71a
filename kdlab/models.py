"""Students: timm backbones by name, and two small networks written to be read."""

import difflib
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn


class TinyCNN(nn.Module):
    """Three strided convolutions, a mean over places, a linear classifier.

    At 10 classes and one channel: 1,702 parameters at width 4, 6,274 at 8, 24,058 at 16,
    94,186 at 32. Takes any image size of 8 or more.
    """

    def __init__(self, width=8, *, in_chans=1, num_classes=10):
        super().__init__()
        widths = (in_chans, width, 2 * width, 4 * width)
        self.stages = nn.ModuleList(_stage(a, b) for a, b in zip(widths, widths[1:]))
        self.head = nn.Linear(4 * width, num_classes)
        self.num_classes, self.in_chans = num_classes, in_chans

    def forward(self, images):
        return self.forward_head(self.forward_features(images))

    # The four methods below are timm's own protocol, so that every model here speaks it.
    def forward_features(self, images):
        for stage in self.stages:
            images = stage(images)
        return images

    def forward_intermediates(self, images, indices=None):
        maps = []
        for stage in self.stages:
            images = stage(images)
            maps.append(images)
        return images, maps if indices is None else [maps[i] for i in indices]

    def forward_head(self, features, pre_logits=False):
        embedding = features.mean(dim=(2, 3))
        return embedding if pre_logits else self.head(embedding)

    def get_classifier(self):
        return self.head


def _stage(in_chans, out_chans):
    return nn.Sequential(
        nn.Conv2d(in_chans, out_chans, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(out_chans),
        nn.ReLU(),
    )


class MLP(nn.Module):
    """One hidden layer on the pixels: (B, in_chans, input_size, input_size) to (B, num_classes)."""

    def __init__(self, hidden=32, *, in_chans=1, num_classes=10, input_size=32):
        super().__init__()
        self.hidden = nn.Linear(in_chans * input_size**2, hidden)
        self.head = nn.Linear(hidden, num_classes)
        self.num_classes, self.in_chans = num_classes, in_chans

    def forward(self, images):
        return self.forward_head(self.forward_features(images))

    def forward_features(self, images):
        return F.relu(self.hidden(images.flatten(1)))

    def forward_intermediates(self, images, indices=None):
        hidden = self.forward_features(images)
        return hidden, [hidden] if indices is None else [[hidden][i] for i in indices]

    def forward_head(self, features, pre_logits=False):
        return features if pre_logits else self.head(features)

    def get_classifier(self):
        return self.head


OWN = {"tiny_cnn": TinyCNN, "mlp": MLP}


class Outputs(NamedTuple):
    """One forward pass: logits (B, C), the chosen feature maps by index, the embedding (B, D)."""

    logits: torch.Tensor
    features: dict
    embedding: torch.Tensor


def forward(model, images, layers=()):
    """Logits, chosen feature maps and the embedding from a single forward pass.

    Parameters
    ----------
    model : Module
        Any timm classifier, :class:`TinyCNN` or :class:`MLP`.
    images : Tensor of shape (B, channels, height, width)
    layers : sequence of int
        Indices of feature maps, as in timm's ``forward_intermediates``; negative ones count
        from the end.

    Returns
    -------
    Outputs
        The logits are those of ``model(images)``; the embedding is what the classifier sees (in
        train mode: after dropout).

    Raises
    ------
    TypeError
        If the model does not speak timm's protocol or has more than one classifier.
    ValueError
        If there is no such layer.
    """
    classifier = model.get_classifier() if hasattr(model, "get_classifier") else None
    if not isinstance(classifier, nn.Module) or not hasattr(model, "forward_intermediates"):
        raise TypeError(f"{type(model).__name__} is not a timm-style model with a single classifier")
    if layers:
        final, maps = model.forward_intermediates(images)
        for i in layers:
            if not -len(maps) <= i < len(maps):
                raise ValueError(f"there is no layer {i}; {type(model).__name__} has 0 to {len(maps) - 1}")
    else:
        final, maps = model.forward_features(images), []
    # Families differ in what comes before the classifier; what goes into it is the same for all.
    seen = []
    hook = classifier.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        logits = model.forward_head(final)
    finally:
        hook.remove()
    return Outputs(logits, {i: maps[i] for i in layers}, seen[0].flatten(1))


def create_student(name, *, num_classes=10, in_chans=1, **options):
    """An untrained student by name.

    Parameters
    ----------
    name : str
        ``"tiny_cnn"``, ``"mlp"`` or any timm architecture.
    num_classes, in_chans : int
    **options
        To the model: ``width=16`` for the tiny CNN, ``output_stride=8`` for a ResNet, ...

    Raises
    ------
    ValueError
        If there is no such model; the nearest names are suggested.
    """
    if name in OWN:
        return OWN[name](num_classes=num_classes, in_chans=in_chans, **options)
    import timm

    if not timm.is_model(name):
        raise ValueError(f"no model is called {name!r}{nearest(name, [*OWN, *timm.list_models()])}")
    return timm.create_model(name, num_classes=num_classes, in_chans=in_chans, **options)


def nearest(name, names):
    """The end of an error's line: which known names come close, if any."""
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
