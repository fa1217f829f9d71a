"""A network in an ONNX file, as a callable; and the extra ``deploy`` that runs it."""

import importlib
import json
import math
import tempfile
from pathlib import Path

import torch

RAN = "_kernel_time"  # ends the name of a node in the runtime's profile
EXTRA = ("onnx", "onnxscript", "onnxruntime", "torch_pruning")


def require(*modules):
    """Import the modules of the extra ``deploy`` and return them; one clear line if one is missing."""
    try:
        found = [importlib.import_module(name) for name in modules]
    except ImportError as error:
        name = (error.name or modules[0]).replace("_", "-")
        raise ImportError(f'{name} is not installed; install it with: pip install "kdlab[deploy]"') from error
    return found[0] if len(found) == 1 else found


def extra_installed():
    """Whether export, int8 and pruning can run here; prints what to install if not."""
    try:
        require(*EXTRA)
    except ImportError as error:
        print(f"Left out in this lesson: export, int8 and pruning. {error}")
        return False
    return True


class OnnxModel:
    """A network in an ONNX file, run by ONNX Runtime on this many CPU threads: images in, logits out.

    It can stand where a trained network is asked for an answer: :func:`kdlab.metrics.predict`,
    :func:`kdlab.measure.cost_table`. FileNotFoundError if there is no such file, ImportError without
    the extra ``deploy``.
    """

    asks_in_batches = True

    def __init__(self, path, *, threads=1):
        self.path, self.threads = Path(path), threads
        if not self.path.exists():
            raise FileNotFoundError(f"there is no file {self.path}")
        self._session = self._start()
        self.input = self._session.get_inputs()[0]

    def _start(self, **options):
        runtime = require("onnxruntime")
        settings = runtime.SessionOptions()
        settings.intra_op_num_threads, settings.inter_op_num_threads = self.threads, 1
        settings.log_severity_level = 3  # errors only
        for name, value in options.items():
            setattr(settings, name, value)
        try:
            model = str(self.path).encode() and self.path
        except (
            UnicodeEncodeError
        ):  # letters that the machine is not set to: the runtime cannot open it by name
            model = self.path.read_bytes()
        return runtime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])

    def with_threads(self, threads):
        """The same file, run with another number of threads."""
        return self if threads == self.threads else OnnxModel(self.path, threads=threads)

    def fit_or_raise(self, images, what="images"):
        """Raise ValueError, naming both shapes, where images are not what the file takes."""
        expected = tuple(self.input.shape)
        if images.ndim != len(expected) or tuple(images.shape[1:]) != expected[1:]:
            sides = f"{what} {tuple(images.shape)} do not fit the input of {self.path.name}"
            raise ValueError(f"{sides}, ({', '.join(map(str, expected))})")
        if len(images) == 0:
            raise ValueError(f"{what} {tuple(images.shape)} are empty: give at least 1")

    def __call__(self, images, *, batch_size=64):
        """Logits (N, classes) of images (N, channels, height, width), on the images' device."""
        self.fit_or_raise(images)
        parts = [self._run(self._session, batch) for batch in images.split(batch_size)]
        return torch.cat(parts).to(images.device)

    def _run(self, session, images):
        feed = {self.input.name: images.detach().cpu().float().numpy()}
        return torch.from_numpy(session.run(None, feed)[0])

    def weights(self):
        """Number of weights in the file; scales and zero points of int8 are not weights."""
        graph = require("onnx").load(self.path).graph
        scales = {i for n in graph.node if n.op_type.endswith("uantizeLinear") for i in n.input[1:]}
        return sum(math.prod(t.dims) for t in stored_weights(graph) if t.name not in scales)

    def multiply_adds(self):
        """Multiply-accumulate operations of one image: convolutions and matrix products."""
        onnx = require("onnx")
        graph = onnx.shape_inference.infer_shapes(onnx.load(self.path)).graph
        shapes = {t.name: tuple(t.dims) for t in graph.initializer}
        for value in (*graph.value_info, *graph.input, *graph.output):
            shapes[value.name] = tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
        total = 0
        for node in graph.node:
            if node.op_type == "Conv":
                total += math.prod(shapes[node.output[0]][1:]) * math.prod(shapes[node.input[1]][1:])
            elif node.op_type in ("Gemm", "MatMul"):
                total += math.prod(shapes[node.output[0]][1:]) * shapes[node.input[0]][-1]
        return total

    def peak_memory(self, images):
        """Most bytes of tensors alive at once, without weights, by the runtime's profile of its own graph."""
        onnx = require("onnx")
        with tempfile.TemporaryDirectory() as folder:
            kept = {
                "optimized_model_filepath": f"{folder}/graph.onnx",
                "profile_file_prefix": f"{folder}/run",
            }
            session = self._start(enable_profiling=True, **kept)
            self._run(session, images)
            events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
            nodes = {node.name: node for node in onnx.load(f"{folder}/graph.onnx").graph.node}
        sizes = {e["name"]: int(e["args"]["output_size"]) for e in events if e["name"].endswith(RAN)}
        order = [nodes[name.removesuffix(RAN)] for name in sizes]
        last_use = {name: i for i, node in enumerate(order) for name in node.input}
        alive, peak = {self.input.name: images.numel() * 4}, 0
        for i, (node, size) in enumerate(zip(order, sizes.values())):
            alive |= dict.fromkeys(node.output, size / max(1, len(node.output)))
            peak = max(peak, sum(alive.values()))
            alive = {name: size for name, size in alive.items() if last_use.get(name, -1) > i}
        return int(peak)

    def __repr__(self):
        return f"OnnxModel({str(self.path)!r}, threads={self.threads})"


def stored_weights(graph):
    """The tensors that an ONNX graph stores, but for axes, shapes and indices: those are int64."""
    return [t for t in graph.initializer if t.data_type != require("onnx").TensorProto.INT64]
