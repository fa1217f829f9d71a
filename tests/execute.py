"""Run lessons from the top, offline, and store their outputs: ``python tests/execute.py LESSON ...``

Prints what each cost: seconds, seconds to the first figure, memory above what the imports take. With
``--report`` nothing is stored; a table tells the processor's seconds instead: of the whole lesson, to its
first figure, and of its slowest cells. Where cores are shared even these are stretched, by up to two: beside
them stands what the same piece of work took in between, by which lessons of two runs can be compared.
``--table`` runs them on a machine that should be quiet, stores nothing either, and writes what each costs and
holds into CONTRIBUTING, with what the piece of work took before and after each.
"""

import argparse
import os
import re
import statistics
import sys
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

import nbformat
import psutil
import torch
from nbclient import NotebookClient

from kdlab import machine

# Runs before the lesson: a connection to anywhere but this machine is an error.
GUARD = """
import resource, socket

def _connect(self, address, _real=socket.socket.connect):
    local = self.family not in (socket.AF_INET, socket.AF_INET6) or address[0] in ("127.0.0.1", "::1")
    if not local:
        raise AssertionError(f"the lesson reached for the network: {address}")
    return _real(self, address)

socket.socket.connect = _connect
_imported = 0
"""
# And this: what every lesson imports is not counted as its memory.
IMPORTS = """
import matplotlib.pyplot, pandas, scipy.stats, sklearn.datasets, sklearn.model_selection, timm, torch
import kdlab.study, kdlab.plots, kdlab.widgets
_imported = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
"""
CONTRIBUTING = Path(__file__).resolve().parent.parent / "CONTRIBUTING.md"
MARKS = "<!-- lessons -->", "<!-- /lessons -->"
SHOWN = 4  # of a lesson's slowest cells
LONG = 1.0  # CPU seconds of a cell after which the piece of work is done
MEMORY = "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - _imported) / 1024)"


def run_lesson(notebook, folder, *, before="", allow_errors=False, spent=None):
    """Execute in place; returns seconds, seconds to the first figure, MB above the imports.

    ``before`` is code for the kernel to run first. ``spent``, a :class:`Spent`, is told what each cell took,
    and then the lesson does its imports itself, as a reader's does: they count, also as memory.
    """
    lesson = list(notebook.cells)
    prelude = before + GUARD + (IMPORTS if spent is None else "")
    prelude, memory = (nbformat.v4.new_code_cell(source) for source in (prelude, MEMORY))
    notebook.cells = [prelude, *lesson, memory]
    client = NotebookClient(
        notebook, timeout=120 if spent is None else None, record_timing=False, allow_errors=allow_errors,
        resources={"metadata": {"path": str(folder)}},
    )  # fmt: skip
    start, first_figure = time.time(), None
    with client.setup_kernel():
        for i, cell in enumerate(notebook.cells):
            if cell.cell_type == "code":
                begun = cpu_seconds(client.km.provisioner.pid)
                client.execute_cell(cell, i)
                if 0 < i <= len(lesson) and spent is not None:
                    spent.note(i - 1, cpu_seconds(client.km.provisioner.pid) - begun)
                if first_figure is None and has_figure(cell):
                    first_figure = time.time() - start
    notebook.cells = lesson
    return time.time() - start, first_figure, float(memory.outputs[0]["text"])


class Spent:
    """CPU seconds of cells by their place, and of the piece of work done after each long one."""

    def __init__(self):
        self.cells, self.work = {}, []

    def note(self, place, seconds):
        self.cells[place] = seconds
        if seconds > LONG:
            self.work.append(piece_of_work())


def piece_of_work():
    """CPU milliseconds of a training step that no change to the package makes faster or slower."""
    torch.set_num_threads(1)
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 32, 3), torch.nn.ReLU(), torch.nn.Conv2d(32, 16, 3))
    images, times = torch.rand(32, 1, 32, 32), []
    for _ in range(5):
        start = time.process_time()
        net(images).square().mean().backward()
        times.append(1e3 * (time.process_time() - start))
    return statistics.median(times)


def has_figure(cell):
    """Whether its outputs show one."""
    return any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))


def cpu_seconds(pid):
    """Of a process and all that it started, whether they still run or not."""
    kernel, total = psutil.Process(pid), 0.0
    for process in (kernel, *kernel.children(recursive=True)):
        try:
            total += sum(process.cpu_times()[:4])  # its own, and those of children that have ended
        except psutil.NoSuchProcess:  # ended just now: it counts among its parent's
            pass
    return total


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


def report(paths):
    """A row of a Markdown table a lesson; nothing is stored."""
    imports = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(f"{IMPORTS}_imported = 0")])
    _, _, imported = run_lesson(imports, "notebooks", spent=Spent())
    print("| lesson | CPU s | to the first figure | slowest cells | MB above the imports | same work, ms |")
    print("|---|---|---|---|---|---|")
    for path in paths:
        notebook, spent = nbformat.read(path, as_version=4), Spent()
        _, _, memory = run_lesson(notebook, "notebooks", spent=spent)
        figure = next((i for i, cell in enumerate(notebook.cells) if has_figure(cell)), None)
        seconds = spent.cells
        first = "none" if figure is None else f"{sum(s for i, s in seconds.items() if i <= figure):.1f}"
        slowest = sorted(seconds, key=seconds.get, reverse=True)[:SHOWN]
        cells = ", ".join(f"`{notebook.cells[i].id}` {seconds[i]:.1f}" for i in slowest)
        work = f"{statistics.median(spent.work):.1f}" if spent.work else ""
        row = [
            Path(path).stem,
            f"{sum(seconds.values()):.0f}",
            first,
            cells,
            f"{memory - imported:.0f}",
            work,
        ]
        print(f"| {' | '.join(row)} |", flush=True)


def table(paths, place=CONTRIBUTING):
    """Run each lesson, and write what it costs and holds between CONTRIBUTING's two marks."""
    head = (
        "lesson", "s", "first figure, s", "same work, ms", "MB above the imports", "kB", "words", "cells",
        "exercises",
    )  # fmt: skip
    rows, took = [head, ["---"] * len(head)], [piece_of_work()]
    run_lesson(nbformat.v4.new_notebook(), "notebooks")  # the first reads the packages from the disk
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        seconds, first, memory = run_lesson(notebook, "notebooks")
        first = "none" if first is None else f"{first:.0f}"
        took.append(piece_of_work())
        work = f"{statistics.mean(took[-2:]):.0f}"
        rows.append([Path(path).stem, f"{seconds:.0f}", first, work, f"{memory:.0f}", *held(path)])
        print(rows[-1], flush=True)
    lines = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    where = f"{os.cpu_count()} cores of {machine.processor()}"
    least = min(piece_of_work() for _ in range(20))
    said = (
        f"Run one after the other on {date.today().isoformat()}, {where}. The same work is a training step "
        f"that no change makes faster or slower, taken before and after each lesson; at its best it takes "
        f"{least:.0f} ms here. Where it took longer, others used the cores, and seconds are as much too long."
    )
    text = place.read_text(encoding="utf-8")
    before, _, rest = text.partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    place.write_text(f"{before}{MARKS[0]}\n{lines}\n\n{said}\n{MARKS[1]}{after}", encoding="utf-8")


def held(path):
    """A lesson's kilobytes, words that are not folded away, cells and exercises, as text."""
    cells = nbformat.read(path, as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    words = len(re.sub("<details>.*?</details>", "", text, flags=re.S).split())
    exercises = len(re.findall(r"^★+ · \d+ minutes", text, re.M))
    return [f"{n}" for n in (round(Path(path).stat().st_size / 1000), words, len(cells), exercises)]


def store(paths):
    """Run, and write the notebooks with their outputs."""
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        seconds, first, memory = run_lesson(notebook, "notebooks")
        tidy(notebook)
        nbformat.write(notebook, path)
        shown = "no figure" if first is None else f"first figure after {first:.0f} s"
        print(f"{path}: {seconds:.0f} s, {shown}, {memory:.0f} MB above the imports", flush=True)


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "lessons", nargs="+", metavar="LESSON", help="notebooks/01_hard_and_soft_labels.ipynb ..."
    )
    parser.add_argument("--report", action="store_true", help="store nothing, print a table of CPU seconds")
    parser.add_argument("--table", action="store_true", help="store nothing, write CONTRIBUTING's table")
    options = parser.parse_args(arguments)
    (table if options.table else report if options.report else store)(options.lessons)


if __name__ == "__main__":
    main(sys.argv[1:])
