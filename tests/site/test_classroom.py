"""Lessons for a class: no solution leaks, and nbgrader grades what is handed in."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest

from kdlab.__main__ import main
from kdlab.classroom import exercise_cells, export, nbgrader_version, student_version
from kdlab.exercises import require
from kdlab.exercises.questions import QUESTIONS

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
RELATIONS = next(path for path in NOTEBOOKS if path.stem.startswith("04"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda p: p.stem)
def lesson(request):
    return nbformat.read(request.param, as_version=4)


def telling_lines(notebook):
    """Lines of the folded solutions that the lesson shows nowhere else."""
    text = "\n".join(cell.source for cell in notebook.cells)
    before, *folded = text.split("<summary>Solution</summary>")
    shown = before + "".join(block.split("</details>", 1)[1] for block in folded)
    solutions = [solution for _, solution in exercise_cells(notebook).values()]
    lines = {line.strip() for solution in solutions for line in solution.splitlines()}
    return {line for line in lines if len(line) > 12 and line not in shown}


def test_the_students_version_holds_no_solution_and_all_the_rest(lesson):
    assert telling_lines(lesson)
    copy = student_version(lesson)
    text = "\n".join(cell.source for cell in copy.cells)
    assert not [line for line in telling_lines(lesson) if line in text] and "Solution</summary>" not in text
    assert len(copy.cells) == len(lesson.cells) and text.count("<summary>Hint") >= 3
    nbformat.validate(copy)


def test_the_assignment_hides_each_solution_in_a_region_and_grades_each_exercise(lesson):
    copy = nbgrader_version(lesson)
    nbformat.validate(copy)
    marks = [cell.metadata["nbgrader"] for cell in copy.cells if "nbgrader" in cell.metadata]
    assert len({m["grade_id"] for m in marks}) == len(marks)
    exercises, questions = (
        exercise_cells(lesson),
        [q for q in QUESTIONS if q.split(".")[0] == next(iter(exercise_cells(lesson))).split(".")[0]],
    )
    assert sum(m["grade"] for m in marks) == len(exercises) + len(questions)
    assert sum(m["solution"] for m in marks) == len(exercises) + 1
    outside = [re.sub("### BEGIN SOLUTION.*?### END SOLUTION", "", c.source, flags=re.S) for c in copy.cells]
    assert not [line for line in telling_lines(lesson) if line in "\n".join(outside)]
    assert not [cell for cell in copy.cells if cell.get("outputs")]


def test_require_is_an_error_with_the_message_unless_right():
    require("1.q1", "b")
    for wrong in ("a", ..., None):
        with pytest.raises(AssertionError, match="1.q1"):
            require("1.q1", wrong)
    with pytest.raises(AssertionError, match="4.4 not yet attempted"):
        require("4.4", ...)


def test_nothing_is_overwritten_and_what_is_no_lesson_is_refused(tmp_path, capsys):
    assert main(["export", "student", str(RELATIONS), "--out", str(tmp_path)]) == 0
    assert (tmp_path / RELATIONS.name).exists()
    assert main(["export", "student", str(RELATIONS), "--out", str(tmp_path)]) == 2
    assert "is already there" in capsys.readouterr().err
    assert main(["export", "student", "notebooks/99.ipynb", "--out", str(tmp_path)]) == 2
    assert "there is no lesson notebooks/99.ipynb" in capsys.readouterr().err
    empty = tmp_path / "empty.ipynb"
    nbformat.write(nbformat.v4.new_notebook(), empty)
    with pytest.raises(ValueError, match="empty.ipynb is not a lesson of this version: exercises none"):
        export("student", [empty], tmp_path / "out")


# ---- files that have been in other hands

ODD_FILES = {
    "empty": b"", "no JSON": b"Dear colleague", "a list": b"[1, 2]", "a number": b"3", "null": b"null",
    "not UTF-8": b"\xff\xfe{}", "without cells": b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}',
    "cells of another shape": b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": {"a": 1}}',
    "cells that are numbers": b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [1, 2]}',
    "of a version to come": b'{"nbformat": 99, "nbformat_minor": 0, "metadata": {}, "cells": []}',
    "a number for a source": b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": '
    b'"code", "id": "a", "metadata": {}, "outputs": [], "execution_count": null, "source": 3}]}',
    "deep": b"[" * 10**5,
}  # fmt: skip


@pytest.mark.parametrize("content", ODD_FILES.values(), ids=ODD_FILES)
@pytest.mark.parametrize("kind", ["student", "nbgrader"])
def test_what_is_no_notebook_is_one_line_and_nothing_is_written(tmp_path, capsys, content, kind):
    path = tmp_path / "odd\x1b[31m.ipynb"
    path.write_bytes(content)
    assert main(["export", kind, str(RELATIONS), str(path), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "is no" in said and len(said) < 600 and "\x1b" not in said
    assert not (tmp_path / "out").exists()


def code(source, **more):
    return nbformat.v4.new_code_cell(source, **more)


STUB, CHECKED = code("def f(): ..."), code('exercises.check("4.1", f)')
HINTS = nbformat.v4.new_markdown_cell(
    "<details><summary>Solution</summary>\n\n~~~python\nx = 1\n~~~\n</details>"
)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([CHECKED], "needs a cell of code before it"),
        ([STUB, CHECKED], "needs a cell of code before it"),
        ([HINTS, CHECKED, HINTS], "needs a cell of code before it"),
        ([STUB, CHECKED, HINTS, STUB, CHECKED, HINTS], "exercise 4.1 is checked twice"),
        ([STUB, code('exercises.check("99.9", f)'), HINTS], r"exercises \['99.9'\]"),
        ([nbformat.v4.new_markdown_cell(CHECKED.source)], "exercises none"),
    ],
)  # fmt: skip
def test_a_notebook_of_another_shape_is_refused_in_one_line(tmp_path, cells, message):
    path = tmp_path / "lesson.ipynb"
    cells = [nbformat.from_dict({**cell, "id": f"c{number}"}) for number, cell in enumerate(cells)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    for kind in ("student", "nbgrader"):
        with pytest.raises(ValueError, match=f"is not a lesson of this version: .*{message}") as caught:
            export(kind, [path], tmp_path / "out")
        assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()


EVIL = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<table onclick='x()'></table>",
    '<a href="javascript:alert(1)">x</a>', "<style></style/><img src=x onerror=alert(1)></style>",
    "<style>@import 'http://example.org'</style>", '<td style="background:url(x)">', "<svg onload=alert(1)>",
    "<!-- <script> -->", "<TABLE><SCRIPT>x</SCRIPT></TABLE>", "<td\nonclick=x>",
]  # fmt: skip


@pytest.mark.parametrize("html", EVIL)
def test_outputs_and_metadata_of_others_are_not_handed_on(tmp_path, html):
    shown = {
        "text/html": html,
        "application/javascript": "alert(1)",
        "image/svg+xml": html,
        "text/plain": "a b",
    }
    output = nbformat.v4.new_output("display_data", data=shown, metadata={})
    marks = {"nbgrader": {"grade_id": "exercise-4-1", "grade": True}, "tags": ["slow"], "deletable": False}
    first = nbformat.v4.new_code_cell("1", outputs=[output], metadata=marks, id="x" * 64)
    path = tmp_path / "lesson.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[first, STUB, CHECKED, HINTS]), path)
    for kind in ("student", "nbgrader"):
        made = nbformat.read(export(kind, [path], tmp_path / kind)[0], as_version=4)
        nbformat.validate(made)
        text = nbformat.writes(made)
        assert (
            "alert" not in text
            and "onclick" not in text
            and "deletable" not in text
            and "@import" not in text
        )
        assert made.cells[0].metadata.tags == ["slow"] and text.count('"grade": true') == (kind == "nbgrader")
    made = nbformat.read(tmp_path / "student" / path.name, as_version=4)
    assert made.cells[0].outputs[0].data == {"text/plain": "a b"}


def test_a_lesson_s_own_outputs_are_handed_on(lesson):
    kept = [cell.get("outputs") for cell in student_version(lesson).cells]
    assert kept == [cell.get("outputs") for cell in lesson.cells]


def test_ids_that_repeat_or_lack_and_half_letters_are_mended(tmp_path):
    twins = [nbformat.from_dict({**STUB, "id": "same"}), nbformat.from_dict({**CHECKED, "id": "same"}), HINTS]
    twins += [nbformat.v4.new_markdown_cell("half a letter: HALF")]
    path = tmp_path / "lesson.ipynb"
    text = json.dumps(nbformat.v4.new_notebook(cells=twins)).replace("HALF", "\\ud800")
    path.write_text(text, encoding="utf-8")
    for kind in ("student", "nbgrader"):
        made = nbformat.read(export(kind, [path], tmp_path / kind)[0], as_version=4)
        assert len({cell.id for cell in made.cells}) == len(made.cells)
        assert made.cells[-1].source == "half a letter: \ud800"


def test_two_lessons_of_one_name_are_refused(tmp_path):
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / RELATIONS.name
    other.write_bytes(RELATIONS.read_bytes())
    with pytest.raises(ValueError, match="two lessons are called 04_relations.ipynb"):
        export("student", [RELATIONS, other], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_lessons_are_exported_under_an_ascii_locale(tmp_path):
    asked = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    asked["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
    words = ["export", "student", RELATIONS, "--out", tmp_path / "Größe"]
    done = subprocess.run(
        [sys.executable, "-m", "kdlab", *words], env={**os.environ, **asked}, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    made = nbformat.read(tmp_path / "Größe" / RELATIONS.name, as_version=4)
    assert len(made.cells) == len(nbformat.read(RELATIONS, as_version=4).cells)


def only_exercises(notebook):
    """The lesson without its experiments and what they import, so that grading it twice is quick."""
    keep = {i for stub, _ in exercise_cells(notebook).values() for i in range(stub - 1, stub + 3)}
    first, imports = [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"][:2]
    short = nbformat.from_dict(notebook)
    short.cells[imports].source = "from kdlab import exercises"
    short.cells = [
        cell
        for i, cell in enumerate(short.cells)
        if i in keep | {first, imports} or "exercises.answer" in cell.source or "my_result" in cell.source
    ]
    experiment = next(i for i, cell in enumerate(short.cells) if "Exercise 4.5" in cell.source)
    end = next(i for i, cell in enumerate(short.cells) if "exercises.answer" in cell.source)
    del short.cells[experiment:end]
    return short


@pytest.mark.skipif(find_spec("nbgrader") is None, reason="nbgrader is not installed: pip install nbgrader")
def test_nbgrader_generates_it_and_grades_right_wrong_and_empty_answers(tmp_path):
    short = tmp_path / "short" / RELATIONS.name
    short.parent.mkdir()
    nbformat.write(only_exercises(nbformat.read(RELATIONS, as_version=4)), short)
    export("nbgrader", [short], tmp_path / "course")
    course, name = tmp_path / "course", RELATIONS.stem

    def nbgrader(*arguments):
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        run = subprocess.run(
            [sys.executable, "-m", "nbgrader", *arguments],
            cwd=course,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stderr

    nbgrader("generate_assignment", name)
    source, release = (course / folder / name / f"{name}.ipynb" for folder in ("source", "release"))
    assert "SOLUTION" not in release.read_text(encoding="utf-8")
    wrong = release.read_text(encoding="utf-8").replace("# your code here", "return 0 * args[0].sum()", 1)
    wrong = wrong.replace(
        "def my_distance_loss(student_embeddings, teacher_embeddings)", "def my_distance_loss(*args)"
    )
    # Who is wrong about the first exercise leaves all others empty.
    for student, text in {"right": source.read_text(encoding="utf-8"), "wrong": wrong}.items():
        (course / "submitted" / student / name).mkdir(parents=True)
        (course / "submitted" / student / name / f"{name}.ipynb").write_text(text, encoding="utf-8")
    nbgrader("autograde", name)
    nbgrader("export")
    rows = [line.split(",") for line in (course / "grades.csv").read_text(encoding="utf-8").splitlines()]
    table = {row[rows[0].index("student_id")]: dict(zip(rows[0], row)) for row in rows[1:]}
    best = float(table["right"]["max_score"])
    assert best >= 4 + 3 and float(table["right"]["score"]) == best
    assert float(table["wrong"]["score"]) == 0
    graded = (course / "autograded" / "wrong" / name / f"{name}.ipynb").read_text(encoding="utf-8")
    assert "4.1 wrong" in graded and "4.2 not yet attempted" in graded
