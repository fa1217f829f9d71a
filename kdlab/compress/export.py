"""A network written to one ONNX file, and checked against PyTorch before it counts."""

import io
import logging
import tempfile
import warnings
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import partial
from pathlib import Path

import torch

from kdlab.compress.onnx_model import OnnxModel, require
from kdlab.files import replacing
from kdlab.metrics import predict
from kdlab.models import evaluated
from kdlab.teachers import Teacher

CHECKED_AT_ONCE = 64


def export_onnx(model, images, path, *, tolerance=1e-4):
    """The :class:`OnnxModel` of a network, written to one file, free in batch size, and checked.

    Parameters
    ----------
    model : Module or Teacher
        Exported in eval mode; left as it was.
    images : Tensor of shape (N, channels, height, width), or (N, ...)
        Real inputs: the file is compared with PyTorch on all of them, and on the first alone.
    path : str or path
        Where to write; nothing is left there if the check fails.
    tolerance : float
        Largest difference of a logit that is let pass, as a share of the largest logit (or of 1).

    Raises
    ------
    ValueError
        If an operator cannot be exported (the layer is named), or the file answers differently.
    """
    require("onnx", "onnxscript", "onnxruntime")
    if images.ndim < 2 or len(images) == 0:
        raise ValueError(
            f"images {tuple(images.shape)} must be (N, channels, height, width) or (N, ...), N >= 1"
        )
    if len(images) == 1:
        images = torch.cat([images, images])
    network = _with_normalisation(model)
    expected = predict(network, images, batch_size=CHECKED_AT_ONCE)
    try:
        with evaluated(network), replacing(path) as half:
            _export(network, (images[:2],), half)
            _check_answers(half, images, expected, tolerance)
    except _NotExported as error:
        where, layer = _innermost_failure(network, images[:2])
        place = f"layer {where!r} ({type(layer).__name__})" if where else "its own forward()"
        raise ValueError(
            f"{type(model).__name__} cannot be exported to ONNX: {place}: {error}. Put something in its "
            "place that ONNX has, or leave this part of the network in PyTorch."
        ) from error.__cause__
    return OnnxModel(path)


class _Normalised(torch.nn.Module):
    def __init__(self, teacher):
        super().__init__()
        self.network = teacher.network
        self.register_buffer("mean", teacher.mean)
        self.register_buffer("std", teacher.std)

    def forward(self, images):
        return self.network((images - self.mean) / self.std)


def _with_normalisation(model):
    if not isinstance(model, Teacher):
        return model
    return _Normalised(model) if model.mean.any() or (model.std != 1).any() else model.network


class _NotExported(Exception):
    """Carries the reason in one line."""


def _export(network, inputs, path):
    batch, size = {0: torch.export.Dim("batch")}, len(inputs[0])
    free = tuple(batch if torch.is_tensor(i) and i.shape[:1] == (size,) else None for i in inputs)
    previous = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # the exporter logs its whole graph when it fails
    nowhere = io.StringIO()
    quiet = warnings.catch_warnings(action="ignore"), redirect_stdout(nowhere), redirect_stderr(nowhere)
    try:
        with quiet[0], quiet[1], quiet[2], torch.no_grad():
            program = torch.onnx.export(network, inputs, dynamo=True, dynamic_shapes=free, verbose=False)
            _without_places(program.model)
            program.save(path, external_data=False)
    except OSError:  # of the disk, not of the network
        raise
    except Exception as error:
        raise _NotExported(_reason(error)) from error
    finally:
        logging.disable(previous)


def _without_places(model):
    """Drop where each operator was called from: paths of the machine that exports are nobody else's."""
    for graph in (model.graph, *model.functions.values()):
        for node in graph.all_nodes():
            node.metadata_props.pop("pkg.torch.onnx.stack_trace", None)


def _reason(error):
    """The first line of what lies at the bottom of an exporter's chain of errors."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0].split(" (unhinted")[0] if lines else type(error).__name__).rstrip(". ")


def _check_answers(path, images, expected, tolerance):
    limit = tolerance * max(1.0, expected.abs().max().item())
    file = OnnxModel(path)
    for count in (len(images), 1):
        due = expected[:count]
        try:
            difference = (file(images[:count], batch_size=CHECKED_AT_ONCE).to(due) - due).abs().max().item()
        except Exception as error:
            raise ValueError(
                f"the exported file does not run on {count} images, {CHECKED_AT_ONCE} at once at most: "
                f"{_reason(error)}. Look for a layer that takes the batch size as a fixed number."
            ) from error
        if not difference <= limit:
            raise ValueError(
                f"the exported file answers differently from PyTorch on {count} images: the largest "
                f"difference of a logit is {difference:.2g}, the tolerance {limit:.2g}"
            )


def _innermost_failure(network, images):
    """Path and module of the innermost layer that cannot be exported by itself."""
    seen, layers = {}, [(name, module) for name, module in network.named_modules() if name]
    hooks = [module.register_forward_pre_hook(partial(_remember, seen, name)) for name, module in layers]
    try:
        with torch.no_grad():
            network(images)
    finally:
        for hook in hooks:
            hook.remove()
    where = ""
    while True:
        below = [name for name in seen if name.startswith(f"{where}." if where else "")]
        direct = [n for n in below if n != where and not any(n.startswith(f"{o}.") for o in below)]
        failing = next((n for n in direct if not _exports(network.get_submodule(n), seen[n])), None)
        if failing is None:
            return where, network.get_submodule(where)
        where = failing


def _remember(seen, name, module, inputs):
    seen.setdefault(name, inputs)


def _exports(layer, inputs):
    with tempfile.TemporaryDirectory() as folder, suppress(_NotExported):
        _export(layer, inputs, Path(folder) / "layer.onnx")
        return True
    return False
