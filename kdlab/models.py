"""Students: timm backbones by name, and two small networks written to be read."""

import difflib
import hashlib
from functools import partial
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
    """One forward pass: logits (B, C), the chosen feature maps by layer, the embedding (B, D)."""

    logits: torch.Tensor
    features: dict
    embedding: torch.Tensor | None


def forward(model, images, layers=()):
    """Logits, chosen feature maps and the embedding from a single forward pass.

    Parameters
    ----------
    model : Module
        Any timm classifier, :class:`TinyCNN` or :class:`MLP`; any other Module if only layers by
        path are asked for.
    images : Tensor of shape (B, channels, height, width)
    layers : sequence of int or str
        Indices of feature maps, as in timm's ``forward_intermediates``, negative ones from the
        end; or paths of submodules, as in ``get_submodule``.

    Returns
    -------
    Outputs
        The logits are those of ``model(images)``; the embedding is what the classifier sees (in
        train mode: after dropout), or None where there is no single classifier.

    Raises
    ------
    TypeError
        If layers are asked for by index and the model does not speak timm's protocol.
    ValueError
        If there is no such layer; those that there are are listed.
    """
    classifier = model.get_classifier() if hasattr(model, "get_classifier") else None
    known = isinstance(classifier, nn.Module) and hasattr(model, "forward_intermediates")
    indices = [i for i in layers if not isinstance(i, str)]
    if indices and not known:
        raise TypeError(f"{type(model).__name__} is not a timm-style model: name its layers by their path")
    features, seen, hooks = {}, [], []
    try:
        for path in layers:
            if isinstance(path, str):
                keep = partial(_keep, features, path)
                hooks.append(_submodule(model, path).register_forward_hook(keep))
        if known:
            # Families differ in what comes before the classifier; what goes into it is the same for all.
            hooks.append(classifier.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0])))
        if indices:
            final, maps = model.forward_intermediates(images)
            for i in indices:
                if not -len(maps) <= i < len(maps):
                    raise ValueError(
                        f"there is no layer {i}; {type(model).__name__} has 0 to {len(maps) - 1}"
                    )
                features[i] = maps[i]
            logits = model.forward_head(final)
        else:
            logits = model(images)
    finally:
        for hook in hooks:
            hook.remove()
    return Outputs(logits, {i: features[i] for i in layers}, seen[0].flatten(1) if seen else None)


def _keep(features, path, module, inputs, output):
    features[path] = output


def _submodule(model, path):
    try:
        return model.get_submodule(path)
    except AttributeError:
        names = [name for name, _ in model.named_modules() if name]
        near = nearest(path, names) or f"; there are {', '.join(n for n in names if '.' not in n)}"
        raise ValueError(f"{type(model).__name__} has no layer {path!r}{near}") from None


@torch.no_grad()
def layer_at_stride(model, stride, images):
    """Index of the last feature map that is ``stride`` times smaller than ``images`` (B, c, H, W).

    Raises ValueError, with the strides that there are, if there is none.
    """
    _, maps = model.forward_intermediates(images[:1])
    strides = [images.shape[-1] // m.shape[-1] if m.ndim == 4 else None for m in maps]
    if stride not in strides:
        raise ValueError(f"{type(model).__name__} has no map of stride {stride}; its strides are {strides}")
    return len(strides) - 1 - strides[::-1].index(stride)


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


def digest_of(network):
    """A hash of a network's weights and buffers."""
    whole = hashlib.sha256()
    for name, values in sorted(network.state_dict().items()):
        whole.update(name.encode())
        whole.update(values.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return whole.hexdigest()[:16]
