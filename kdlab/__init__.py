"""kdlab: knowledge distillation, tested. The modules load when first used."""

import importlib
import os

# ONNX Runtime's wheel reports usage by default; it reads this when it is first imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
_ROOMS = (
    "compress",
    "cache",
    "data",
    "distill",
    "factorial",
    "gradients",
    "export",
    "losses",
    "measure",
    "metrics",
    "models",
    "onnx_model",
    "photos",
    "plots",
    "run",
    "study",
    "teachers",
    "train",
    "widgets",
)


def __getattr__(name):
    if name in _ROOMS:
        return importlib.import_module(f"kdlab.{name}")
    if name == "progress":
        return importlib.import_module("kdlab.exercises").progress
    raise AttributeError(f"module 'kdlab' has no attribute {name!r}")


def __dir__():
    return [*globals(), *_ROOMS, "progress"]
