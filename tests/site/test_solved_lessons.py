"""Every lesson with its solutions put in, from the top, offline; and lesson 07 without its extra."""

from pathlib import Path

import nbformat
import pytest
from execute import run_lesson

from kdlab.classroom import exercise_cells
from kdlab.exercises.core import RIGHT
from kdlab.exercises.questions import QUESTIONS

HERE = Path(__file__).parent
NOTEBOOKS = HERE.parents[1] / "notebooks"
LESSONS = sorted(NOTEBOOKS.glob("*.ipynb"), reverse=True)  # the last ones take longest
MEGABYTES = 400  # above the imports: 300 that a lesson may take, and the data that a brief run keeps
REACH = """import urllib.request
try:
    urllib.request.urlopen("http://192.0.2.1")
except AssertionError as error:
    print(error)
"""


def run(notebook):
    """Text of all outputs after a run of few steps, and the MB above the imports."""
    notebook.cells.append(nbformat.v4.new_code_cell(REACH))
    briefly = (
        f"exec({(HERE / 'briefly.py').read_text(encoding='utf-8')!r}, {{}})"  # its names are not the lesson's
    )
    _, _, megabytes = run_lesson(notebook, NOTEBOOKS, before=briefly)
    return "\n".join(o.get("text", "") for cell in notebook.cells for o in cell.get("outputs", [])), megabytes


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem[:2])
def test_solved_every_check_says_right_with_the_network_off_and_in_little_memory(path):
    solved = nbformat.read(path, as_version=4)
    cells = exercise_cells(solved)
    for stub, solution in cells.values():
        solved.cells[stub].source = solution
    for cell in solved.cells:
        for id, question in QUESTIONS.items():
            cell.source = cell.source.replace(f'answer("{id}", ...)', f'answer("{id}", "{question.right}")')
    said, megabytes = run(solved)
    assert megabytes <= MEGABYTES
    for id in cells:
        assert f"{id} {RIGHT}" in said, said
    total = len(cells) + 3
    assert f"Lesson {path.stem[:2]}: {total} of {total} done" in said
    assert "the lesson reached for the network: ('192.0.2.1', 80)" in said


def test_lesson_07_says_what_to_install_and_runs_without_it():
    notebook = nbformat.read(NOTEBOOKS / "07_compress_and_deploy.ipynb", as_version=4)
    extra = ("onnx", "onnxscript", "onnxruntime", "torch_pruning")
    absent = f"import sys\nsys.modules.update(dict.fromkeys({extra}))"
    notebook.cells.insert(0, nbformat.v4.new_code_cell(absent))
    said, _ = run(notebook)
    assert 'pip install "kdlab[deploy]"' in said
