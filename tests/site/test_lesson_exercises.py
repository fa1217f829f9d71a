"""The exercises as the lessons hold them: stubs, folded solutions, questions, and both ways to run."""

import re
from pathlib import Path

import nbformat
import pytest

from kdlab.classroom import exercise_cells
from kdlab.exercises import all_exercises
from kdlab.exercises.questions import QUESTIONS

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LESSONS = {
    int(path.stem[:2]): nbformat.read(path, as_version=4) for path in sorted(NOTEBOOKS.glob("*.ipynb"))
}


@pytest.fixture(params=LESSONS, ids=lambda n: f"{n:02}")
def lesson(request):
    return request.param


def test_each_lesson_checks_all_its_exercises_in_order(lesson):
    ids = [id for id in all_exercises() if id.startswith(f"{lesson}.")]
    assert list(exercise_cells(LESSONS[lesson])) == ids and 3 <= len(ids) <= 5


def test_every_stub_is_open_and_every_solution_folded(lesson):
    for id, (stub, solution) in exercise_cells(LESSONS[lesson]).items():
        assert "..." in LESSONS[lesson].cells[stub].source and "# " in LESSONS[lesson].cells[stub].source, id
        assert solution, id


def test_each_exercise_is_mapped_to_a_goal_and_points_to_a_heading(lesson):
    text = "\n".join(cell.source for cell in LESSONS[lesson].cells if cell.cell_type == "markdown")
    for id, exercise in all_exercises().items():
        if id.startswith(f"{lesson}."):
            assert re.search(
                rf"### Exercise {id} · {re.escape(exercise.title)}\n\n★.* minutes · goals? \d", text
            ), id
            assert re.search(rf"^##+ {re.escape(exercise.see)}$", text, re.M), (id, exercise.see)


def test_each_lesson_asks_its_three_questions_with_all_options(lesson):
    text = "\n".join(cell.source for cell in LESSONS[lesson].cells)
    asked = [q for q in QUESTIONS.values() if q.id.startswith(f"{lesson}.")]
    assert len(asked) == 3
    for question in asked:
        block = re.split(r"\*\*\d+\.q\d\*\*", text.split(f"**{question.id}**")[1])[0]
        assert re.findall(r"^- (\w)\) ", block, re.M) == list(question.why)
        assert f'exercises.answer("{question.id}", ...)' in text


def said(notebook):
    return "\n".join(o.get("text", "") for cell in notebook.cells for o in cell.get("outputs", []))


def test_stored_outputs_are_those_of_an_unsolved_lesson(lesson):
    cells = exercise_cells(LESSONS[lesson])
    for id in cells:
        assert f"{id} not yet attempted" in said(LESSONS[lesson])
    assert f"Lesson {lesson:02}: 0 of {len(cells) + 3} done." in said(LESSONS[lesson])
