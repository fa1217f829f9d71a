"""What nbval passes in silence: lessons that did not run, hold no outputs, or reach for the network."""

import re
import statistics
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LESSONS = sorted(NOTEBOOKS.glob("*.ipynb"))
CHECKED = "nbval-check-output"


@pytest.fixture(params=LESSONS, ids=lambda p: p.stem)
def lesson(request):
    return nbformat.read(request.param, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def prose(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def outputs(notebook):
    return [output for cell in code(notebook) for output in cell.outputs]


def test_there_are_lessons():
    assert LESSONS[0].stem == "00_start_here"


def test_ran_from_the_top_in_order(lesson):
    assert [cell.execution_count for cell in code(lesson)] == list(range(1, len(code(lesson)) + 1))


def test_no_errors_warnings_or_unfinished_bars(lesson):
    assert not [o for o in outputs(lesson) if o.output_type == "error" or o.get("name") == "stderr"]
    assert "Warning" not in str(outputs(lesson))


def test_checked_cells_exist_and_hold_an_output(lesson):
    checked = [cell for cell in code(lesson) if CHECKED in cell.metadata.get("tags", [])]
    assert checked and all(cell.outputs for cell in checked)


def test_every_figure_has_an_alternative_text(lesson):
    figures = [o for o in outputs(lesson) if "image/png" in o.get("data", {})]
    assert figures
    assert all(len(o.metadata.get("image/png", {}).get("alt", "")) > 20 for o in figures)


def test_the_lesson_keeps_its_shape(lesson):
    lengths = [len(cell.source.splitlines()) for cell in code(lesson)]
    assert statistics.median(lengths) <= 8 and max(lengths) <= 25
    for heading in (
        "After this lesson you can",
        "When it does not help",
        "What held",
        "What to take away",
        "Exit questions",
    ):
        assert heading in prose(lesson), heading
    assert "nbval" not in prose(lesson)
    first_figure = next(i for i, c in enumerate(code(lesson)) if "image/png" in str(c.outputs))
    assert first_figure <= 4


def test_the_set_up_cell_is_the_same_everywhere(lesson):
    first = nbformat.read(LESSONS[0], as_version=4)
    assert code(lesson)[0].source == code(first)[0].source


def test_folded_blocks_are_closed(lesson):
    for cell in lesson.cells:
        assert cell.source.count("<details>") == cell.source.count("</details>")


def test_links_between_lessons_lead_somewhere(lesson):
    for target in re.findall(r"\]\((\w+\.ipynb)\)", prose(lesson)):
        assert (NOTEBOOKS / target).exists(), target


def test_no_measured_number_in_prose(lesson):
    typed = re.findall(r"[^.\n]*\b\d+\.\d+\s?(?:%|points|pp)[^.\n]*", prose(lesson))
    assert not [t for t in typed if not re.search(r"et al|20\d\d", t)]


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)
def test_at_most_600_kb(path):
    assert path.stat().st_size <= 600_000
