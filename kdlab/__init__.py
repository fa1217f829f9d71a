"""kdlab: knowledge distillation, tested. The modules load when first used."""

import importlib

__version__ = "0.1.0"
_ROOMS = (
    "cache",
    "data",
    "distill",
    "losses",
    "measure",
    "metrics",
    "models",
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
