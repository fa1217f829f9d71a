"""Smaller still: structured pruning, ONNX export, int8."""

import copy
import logging
import os
import warnings
from pathlib import Path

import torch
from torch import nn

from kdlab.export import export_onnx
from kdlab.onnx_model import OnnxModel, extra_installed, require, stored_weights
from kdlab.teachers import Teacher

__all__ = ["OnnxModel", "export_onnx", "extra_installed", "prune", "quantise_int8"]

CALIBRATION_BATCH = 32


def prune(model, images, *, ratio=0.5):
    """A smaller copy of a network: in each layer the channels of least magnitude are taken out.

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

    Returns
    -------
    Module
        New, with fewer channels, in eval mode, its parameters trainable.

    Raises
    ------
    ValueError
        If the ratio lies outside (0, 1) or leaves a layer without a channel, or the network's layers
        cannot be cut so that they still fit (attention).
    TypeError
        If the model has no ``get_classifier()``: it would not be known what to keep.
    ImportError
        Without the extra ``deploy``.
    """
    if not 0 < ratio < 1:
        raise ValueError(f"ratio={ratio} must lie in (0, 1): the share of channels to take out")
    network = model.network if isinstance(model, Teacher) else model
    if not hasattr(network, "get_classifier"):
        raise TypeError(
            f"{type(network).__name__} has no get_classifier(), as timm's models have: which layer to keep?"
        )
    require("torch_pruning")
    smaller = copy.deepcopy(network).eval().requires_grad_(True)
    classifier = smaller.get_classifier()
    for name, layer in smaller.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer is not classifier:
            channels = layer.weight.shape[0]
            if int(channels * (1 - ratio)) < 1:
                raise ValueError(
                    f"ratio={ratio} leaves nothing of layer {name!r}: at most {channels - 1} of its "
                    f"{channels} channels can go"
                )
    images = images[:2].to(next(smaller.parameters()).device)
    try:
        _take_out(smaller, images, ratio, classifier)
        with torch.no_grad():
            smaller(images)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
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


def _take_out(network, images, ratio, classifier):
    pruning = require("torch_pruning")
    with torch.enable_grad(), warnings.catch_warnings(action="ignore"):
        pruner = pruning.pruner.BasePruner(
            network,
            images,
            importance=pruning.importance.GroupMagnitudeImportance(p=2),
            pruning_ratio=ratio,
            ignored_layers=[classifier],
        )
        pruner.step()


def quantise_int8(onnx_path, calibration_images, path, *, reduce_range=True):
    """Write an int8 version of an exported network; ranges come from calibration images.

    Static quantisation by ONNX Runtime in QDQ format: weights to int8 with a scale for each
    output channel, activations to uint8 with a scale for each tensor (Jacob et al. 2018,
    section 2, describe such a scheme).

    Parameters
    ----------
    onnx_path : str, path or OnnxModel
        In float32, from :func:`export_onnx`.
    calibration_images : Tensor of shape (N, channels, height, width)
        Images to learn from, or of the pool: never of the test set. A hundred are often enough.
    path : str or path
        Where to write.
    reduce_range : bool
        Use 7 of the 8 bits for weights. Processors without VNNI instructions add products in 16
        bits, where full weights overflow: the network then answers worse on them (ONNX Runtime's
        documentation on quantisation, "U8S8").

    Returns
    -------
    OnnxModel

    Raises
    ------
    ValueError
        If the images do not fit the network's input (both shapes are named) or there are none, a
        layer with weights cannot be quantised (it is named), or a range is not finite.
    ImportError
        Without the extra ``deploy``.
    """
    require("onnx", "onnxruntime")
    source = onnx_path if isinstance(onnx_path, OnnxModel) else OnnxModel(onnx_path)
    source.fit_or_raise(calibration_images, "calibration images")
    if not calibration_images.isfinite().all():
        bad = int((~calibration_images.isfinite()).flatten(1).any(1).sum())
        raise ValueError(f"{bad} of {len(calibration_images)} calibration images are not finite")
    _check_layers(source)
    path = Path(path)
    half = path.with_name(f"{path.stem}.part.onnx")
    try:
        _quantise(source, calibration_images, half, reduce_range)
        _check_finite(OnnxModel(half)(calibration_images), source)
        os.replace(half, path)
    finally:
        half.unlink(missing_ok=True)
    return OnnxModel(path)


def _quantise(source, images, path, reduce_range):
    quantization = require("onnxruntime.quantization")

    class Reader(quantization.CalibrationDataReader):
        def __init__(self):
            self.batches = iter(images.cpu().float().split(CALIBRATION_BATCH))

        def get_next(self):
            batch = next(self.batches, None)
            return None if batch is None else {source._input.name: batch.numpy()}

    previous = logging.root.level
    logging.root.setLevel(logging.ERROR)  # it advises a step that the export has done
    try:
        quantization.quantize_static(
            source.path,
            path,
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            reduce_range=reduce_range,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
    finally:
        logging.root.setLevel(previous)


# Operators with weights of their own that ONNX Runtime's static quantisation makes int8.
_QUANTISED = {"Conv", "ConvTranspose", "Gemm", "MatMul", "Gather"}


def _check_layers(source):
    """Raise ValueError for the first layer with a matrix of weights that would stay in float32."""
    graph = require("onnx").load(source.path).graph
    matrices = {t.name for t in stored_weights(graph) if sum(d > 1 for d in t.dims) >= 2}
    nodes = [node for node in graph.node if matrices & set(node.input)]
    if not nodes:
        kinds = ", ".join(sorted({node.op_type for node in graph.node}))
        raise ValueError(f"{source.path.name} has no weights to quantise; its operators are {kinds}")
    for node in nodes:
        if node.op_type not in _QUANTISED:
            raise ValueError(
                f"layer {_layer(node)!r} cannot be quantised to int8: {node.op_type} has no int8 version. "
                "Put convolutions or linear layers in its place, or ship the float32 file."
            )


def _layer(node):
    """The path of the PyTorch layer that a node was made from, or the node's own name."""
    import ast

    for entry in node.metadata_props:
        if entry.key == "pkg.torch.onnx.name_scopes":
            paths = [path for path in ast.literal_eval(entry.value)[:-1] if path]
            return paths[-1] if paths else node.name
    return node.name


def _check_finite(logits, source):
    if not logits.isfinite().all():
        rows = int((~logits.isfinite()).any(1).sum())
        raise ValueError(
            f"the int8 version of {source.path.name} gives logits that are not finite for {rows} of "
            f"{len(logits)} calibration images: look for a layer with very large outputs"
        )
