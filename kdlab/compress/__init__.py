"""Smaller still: structured pruning, ONNX export checked against PyTorch, int8.

Without the extra ``deploy`` each of these raises ImportError, which says what to install.
"""

from kdlab.compress.export import export_onnx
from kdlab.compress.int8 import quantise_int8
from kdlab.compress.onnx_model import OnnxModel, extra_installed
from kdlab.compress.pruning import prune
from kdlab.compress.trees import tree_as_python

__all__ = ["OnnxModel", "export_onnx", "extra_installed", "prune", "quantise_int8", "tree_as_python"]
