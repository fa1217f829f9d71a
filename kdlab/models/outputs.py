"""One forward pass of any network: what it answers, chosen feature maps, and its embedding."""

from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import torch
from torch import nn

from kdlab.names import nearest


class Outputs(NamedTuple):
    """One forward pass: the answer, the chosen feature maps by layer, the embedding (B, D).

    The answer is what the network gives: logits (B, C), or a dict or tuple of them, its heads.
    """

    logits: torch.Tensor
    features: dict
    embedding: torch.Tensor | None

    def at(self, of):
        """The part of that name: ``"logits"``, ``"embedding"``, a head, or a layer asked for."""
        if of == "logits" and torch.is_tensor(self.logits):
            return self.logits
        if of == "embedding" and self.embedding is not None:
            return self.embedding
        if of in self.features:
            return self.features[of]
        heads = heads_of(self.logits)
        if of in heads:
            return heads[of]
        raise ValueError(f"the student gives nothing called {of!r}; there are {', '.join(map(str, heads))}")


def heads_of(answer):
    """The parts of a network's answer by name: of a dict its keys, of a tuple their places."""
    if isinstance(answer, dict):
        return dict(answer)
    return dict(enumerate(answer)) if isinstance(answer, tuple | list) else {"logits": answer}


def call(function, inputs):
    """``function`` of a tensor, of a tuple's parts, or of a dict's as its keywords."""
    if isinstance(inputs, dict):
        return function(**inputs)
    return function(*inputs) if isinstance(inputs, tuple | list) else function(inputs)


@contextmanager
def evaluated(model):
    """The network in eval mode, each of its parts afterwards in the mode it was in."""
    modules = [*model.modules()] if isinstance(model, nn.Module) else []
    modes = [module.training for module in modules]
    try:
        for module in modules:
            module.training = False
        yield model
    finally:
        for module, mode in zip(modules, modes):
            module.training = mode


def forward(model, inputs, layers=()):
    """The answer, chosen feature maps and the embedding from a single forward pass.

    Parameters
    ----------
    model : Module
        Any timm classifier or student of ours; any other Module if only layers by path are asked for.
    inputs : Tensor of shape (B, channels, height, width), or tuple or dict of Tensor
        A tuple is handed over by place, a dict by keyword.
    layers : sequence of int or str
        Indices of feature maps, as in timm's ``forward_intermediates``; or paths of submodules.

    Returns
    -------
    Outputs
        The embedding is what the classifier sees (in train mode: after dropout), or None without one.

    Raises
    ------
    TypeError, ValueError
        If the model has no layers by index, or no such layer.
    """
    classifier = model.get_classifier() if hasattr(model, "get_classifier") else None
    indices = [i for i in layers if not isinstance(i, str)]
    if indices and not (isinstance(classifier, nn.Module) and hasattr(model, "forward_intermediates")):
        raise TypeError(f"{type(model).__name__} is not a timm-style model: name its layers by their path")
    features, seen, hooks = {}, [], []
    try:
        for path in layers:
            if isinstance(path, str):
                keep = partial(_keep, features, path)
                hooks.append(_submodule(model, path).register_forward_hook(keep))
        if isinstance(classifier, nn.Module):
            # Families differ in what comes before the classifier; what goes into it is the same for all.
            hooks.append(classifier.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0])))
        if indices:
            final, maps = call(model.forward_intermediates, inputs)
            for i in indices:
                if not -len(maps) <= i < len(maps):
                    raise ValueError(
                        f"there is no layer {i}; {type(model).__name__} has 0 to {len(maps) - 1}"
                    )
                features[i] = maps[i]
            logits = model.forward_head(final)
        else:
            logits = call(model, inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return Outputs(logits, {i: features[i] for i in layers}, _embedding(seen[0]) if seen else None)


def _embedding(seen):
    return seen if seen.ndim == 3 else seen.flatten(1)  # a token keeps its own


def _keep(features, path, module, inputs, output):
    features[path] = output


def _submodule(model, path):
    try:
        return model.get_submodule(path)
    except AttributeError:
        names = [name for name, _ in model.named_modules() if name]
        raise ValueError(f"{type(model).__name__} has no layer {path!r}{nearest(path, names)}") from None
