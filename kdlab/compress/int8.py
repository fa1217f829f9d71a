"""Eight bits in place of 32: static quantisation of an exported network."""

import ast
import logging

from kdlab.compress.onnx_model import OnnxModel, require, stored_weights
from kdlab.files import replacing

CALIBRATION_BATCH = 32


def quantise_int8(onnx_path, calibration_images, path, *, reduce_range=True):
    """Write the int8 :class:`OnnxModel` of an exported network; ranges come from calibration images.

    Static quantisation by ONNX Runtime in QDQ format: weights to int8 with a scale for each output
    channel, activations to uint8 with a scale for each tensor (as in Jacob et al. 2018, section 2).

    Parameters
    ----------
    onnx_path : str, path or OnnxModel
        In float32, from :func:`export_onnx`.
    calibration_images : Tensor of shape (N, channels, height, width)
        Images to learn from, or of the pool: never of the test set. A hundred are often enough.
    path : str or path
    reduce_range : bool
        Use 7 of the 8 bits for weights: processors without VNNI instructions add products in 16 bits,
        where full weights overflow (ONNX Runtime's documentation on quantisation, "U8S8").

    Raises
    ------
    ValueError
        If the images do not fit the network's input (both shapes are named) or there are none, a
        layer with weights cannot be quantised (it is named), or a range is not finite.
    """
    require("onnx", "onnxruntime")
    source = onnx_path if isinstance(onnx_path, OnnxModel) else OnnxModel(onnx_path)
    source.fit_or_raise(calibration_images, "calibration images")
    bad, count = _not_finite(calibration_images), len(calibration_images)
    if bad:
        raise ValueError(f"{bad} of {count} calibration images are not finite")
    _check_layers(source)
    with replacing(path) as half:
        _quantise(source, calibration_images, half, reduce_range)
        bad = _not_finite(OnnxModel(half)(calibration_images))
        if bad:
            raise ValueError(
                f"the int8 version of {source.path.name} gives logits that are not finite for {bad} of "
                f"{count} calibration images: look for a layer with very large outputs"
            )
    return OnnxModel(path)


def _not_finite(rows):
    return int((~rows.isfinite()).flatten(1).any(1).sum())


def _quantise(source, images, path, reduce_range):
    quantization = require("onnxruntime.quantization")

    batches = images.cpu().float().split(CALIBRATION_BATCH)
    feeds = iter([{source.input.name: batch.numpy()} for batch in batches])

    class Reader(quantization.CalibrationDataReader):
        def get_next(self):
            return next(feeds, None)

    previous = logging.root.level
    logging.root.setLevel(logging.ERROR)  # it advises a step that the export has done
    try:
        quantization.quantize_static(
            source.path, path, Reader(), quant_format=quantization.QuantFormat.QDQ, per_channel=True,
            reduce_range=reduce_range, activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )  # fmt: skip
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
    told = {entry.key: entry.value for entry in node.metadata_props}
    paths = ast.literal_eval(told.get("pkg.torch.onnx.name_scopes", "[]"))[:-1]
    return next(filter(None, reversed(paths)), node.name)
