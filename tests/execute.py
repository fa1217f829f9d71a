"""Run lessons from the top, offline, and store their outputs: ``python tests/execute.py LESSON ...``

Prints what each cost: seconds, seconds to the first figure, memory above what the imports take.
"""

import os
import sys
import time
from datetime import date
from importlib.metadata import version

import nbformat
from nbclient import NotebookClient

# Runs before the lesson: what every lesson imports is not counted as its memory, and a connection
# to anywhere but this machine is an error.
PRELUDE = """
import resource, socket
import matplotlib.pyplot, pandas, scipy.stats, sklearn.datasets, sklearn.model_selection, timm, torch
import kdlab.study, kdlab.plots, kdlab.widgets

def _connect(self, address, _real=socket.socket.connect):
    local = self.family not in (socket.AF_INET, socket.AF_INET6) or address[0] in ("127.0.0.1", "::1")
    if not local:
        raise AssertionError(f"the lesson reached for the network: {address}")
    return _real(self, address)

socket.socket.connect = _connect
_imported = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
"""
MEMORY = "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - _imported) / 1024)"


def run_lesson(notebook, folder, *, before="", allow_errors=False):
    """Execute in place; returns seconds, seconds to the first figure, MB above the imports.

    ``before`` is code for the kernel to run first.
    """
    lesson = list(notebook.cells)
    prelude, memory = (nbformat.v4.new_code_cell(source) for source in (f"{before}\n{PRELUDE}", MEMORY))
    notebook.cells = [prelude, *lesson, memory]
    client = NotebookClient(
        notebook, timeout=120, record_timing=False, allow_errors=allow_errors,
        resources={"metadata": {"path": str(folder)}},
    )  # fmt: skip
    start, first_figure = time.time(), None
    with client.setup_kernel():
        for i, cell in enumerate(notebook.cells):
            if cell.cell_type == "code":
                client.execute_cell(cell, i)
                if first_figure is None and any("image/png" in o.get("data", {}) for o in cell.outputs):
                    first_figure = time.time() - start
    notebook.cells = lesson
    return time.time() - start, first_figure, float(memory.outputs[0]["text"])


def tidy(notebook):
    """Count cells from 1, note date and versions; drop what only a running kernel can show."""
    notebook.metadata.pop("widgets", None)
    versions = {name: version(name) for name in ("torch", "timm", "kdlab")}
    threads = int(os.environ.get("OMP_NUM_THREADS", 1))
    notebook.metadata["kdlab"] = {
        "date": date.today().isoformat(), "threads": threads, "versions": versions,
    }  # fmt: skip
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for count, cell in enumerate(code, start=1):
        cell.execution_count = count
        cell.outputs = [
            o for o in cell.outputs if "application/vnd.jupyter.widget-view+json" not in o.get("data", {})
        ]
        for output in cell.outputs:
            if "execution_count" in output:
                output["execution_count"] = count


def main(paths):
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        seconds, first, memory = run_lesson(notebook, "notebooks")
        tidy(notebook)
        nbformat.write(notebook, path)
        shown = "no figure" if first is None else f"first figure after {first:.0f} s"
        print(f"{path}: {seconds:.0f} s, {shown}, {memory:.0f} MB above the imports", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
