"""kdlab: knowledge distillation, tested. Its modules load when they are first used."""

import importlib
import os
import pkgutil

# ONNX Runtime's wheel reports usage by default; it reads this when it is first imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.2.0"


def _public():
    """The modules and packages of this folder: what stands here is public."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def __getattr__(name):
    if name == "progress":
        return importlib.import_module("kdlab.exercises").progress
    if not name.startswith("_") and name in _public():
        return importlib.import_module(f"kdlab.{name}")
    raise AttributeError(f"module 'kdlab' has no attribute {name!r}")


def __dir__():
    return [*globals(), *_public(), "progress"]
