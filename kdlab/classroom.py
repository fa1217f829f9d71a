"""Lessons for a class: an nbgrader assignment, or a student's version without solutions."""

import re
from pathlib import Path

from kdlab.exercises import all_exercises
from kdlab.exercises.questions import QUESTIONS

CHECK = re.compile(r'exercises\.check\("(?P<id>[\d.]+)", (?P<answer>.*)\)$')
ANSWER = re.compile(r'^exercises\.answer\("(?P<id>\d+\.q\d)", \.\.\.\)$', re.M)
SOLUTION = re.compile(r"<details><summary>Solution</summary>\s*~~~python\n(.*?)~~~\s*</details>\n?", re.S)

# A lesson computes up to 90 s, on a shared machine twice that; nbgrader gives a cell 30 s.
CONFIG = """c = get_config()
c.CourseDirectory.course_id = "kdlab"
c.ClearSolutions.code_stub = {"python": ""}
c.ExecutePreprocessor.timeout = 300
c.ExecutePreprocessor.raise_on_iopub_timeout = False
"""


def exercise_cells(notebook):
    """For each check in a lesson: its id, the index of the stub before it, and the folded solution."""
    found = {}
    for i, cell in enumerate(notebook.cells):
        if match := CHECK.match(cell.source):
            solution = SOLUTION.search(notebook.cells[i + 1].source)
            found[match["id"]] = (i - 1, solution and solution[1])
    return found


def student_version(notebook):
    """A copy of a lesson without its folded solutions; hints, figures and checks stay."""
    import nbformat

    copy = nbformat.from_dict(notebook)
    for cell in copy.cells:
        if cell.cell_type == "markdown":
            cell.source = SOLUTION.sub("", cell.source).strip()
    return copy


def nbgrader_version(notebook):
    """A copy of a lesson as the *source* of an nbgrader assignment.

    Each stub becomes a solution cell, each check is followed by a graded cell worth the exercise's
    stars, and each exit question is worth one point. All other code is locked. The folded
    solutions go; ``nbgrader generate_assignment`` takes the others out.
    """
    import nbformat

    copy = student_version(notebook)
    stubs = {stub: solution for stub, solution in exercise_cells(notebook).values()}
    cells = []
    for i, cell in enumerate(copy.cells):
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if i in stubs:
            # The stub stays outside the region that nbgrader cuts out, so that learners keep it.
            cell.source = f"{cell.source}\n\n### BEGIN SOLUTION\n{stubs[i].rstrip()}\n### END SOLUTION"
            cells.append(_marked(cell, f"answer-{i}", solution=True))
        elif match := CHECK.match(cell.source):
            graded = nbformat.v4.new_code_cell(f'exercises.require("{match["id"]}", {match["answer"]})')
            graded.id = f"{cell.id}-graded"
            points = _stars(copy, i, match["id"])
            cells += [
                _marked(cell, f"check-{i}"),
                _marked(graded, f"exercise-{match['id'].replace('.', '-')}", points=points),
            ]
        elif ids := [match["id"] for match in ANSWER.finditer(cell.source)]:
            cells += _questions(cell, ids)
        else:
            cells.append(_marked(cell, f"given-{i}") if cell.cell_type == "code" else cell)
    copy.cells = cells
    return copy


def _questions(cell, ids):
    """One cell in which the letters are put, and a graded one for each question."""
    import nbformat

    name = {id: "answer_" + id.replace(".", "_") for id in ids}
    stub = "\n".join(f"{name[id]} = ...  # a letter, in quotes" for id in ids)
    right = "\n".join(f'{name[id]} = "{QUESTIONS[id].right}"' for id in ids)
    cell.source = f"{stub}\n\n### BEGIN SOLUTION\n{right}\n### END SOLUTION"
    cells = [_marked(cell, "answer-questions", solution=True)]
    for id in ids:
        graded = nbformat.v4.new_code_cell(f'exercises.require("{id}", {name[id]})')
        graded.id = f"{cell.id}-{id.replace('.', '-')}"
        cells.append(_marked(graded, f"question-{id.replace('.', '-')}", points=1))
    return cells


def _marked(cell, grade_id, *, solution=False, points=None):
    marks = {"schema_version": 3, "grade_id": grade_id, "task": False, "solution": solution}
    marks |= {"locked": not solution, "grade": points is not None}
    cell.metadata["nbgrader"] = marks if points is None else {**marks, "points": points}
    return cell


def _stars(notebook, check, id):
    """The exercise's difficulty, as its heading in the lesson says."""
    for cell in reversed(notebook.cells[:check]):
        if f"### Exercise {id}" in cell.source:
            return max(1, cell.source.count("★"))
    return 1


def export(kind, lessons, folder):
    """Write lessons for a class, and return the paths written.

    Parameters
    ----------
    kind : str
        ``"nbgrader"``: ``folder/source/NAME/NAME.ipynb`` with a configuration beside it;
        ``"student"``: ``folder/NAME.ipynb`` without solutions.
    lessons : list of path
    folder : path

    Raises
    ------
    FileNotFoundError
        If a lesson is not there.
    FileExistsError
        If something would be overwritten; nothing is written then.
    ValueError
        If a file is not a lesson: it holds no exercise.
    """
    import nbformat

    convert = {"nbgrader": nbgrader_version, "student": student_version}
    if kind not in convert:
        raise ValueError(f"kind must be one of {', '.join(convert)}, got {kind!r}")
    folder, texts = Path(folder), {}
    for lesson in map(Path, lessons):
        if not lesson.exists():
            raise FileNotFoundError(f"there is no lesson {lesson}")
        notebook = nbformat.read(lesson, as_version=4)
        unknown = set(exercise_cells(notebook)) - set(all_exercises())
        if not exercise_cells(notebook) or unknown:
            raise ValueError(
                f"{lesson} is not a lesson of this version: exercises {sorted(unknown) or 'none'}"
            )
        path = Path("source", lesson.stem, lesson.name) if kind == "nbgrader" else Path(lesson.name)
        texts[folder / path] = nbformat.writes(convert[kind](notebook)) + "\n"
    if kind == "nbgrader" and not (folder / "nbgrader_config.py").exists():
        texts[folder / "nbgrader_config.py"] = CONFIG
    there = [path for path in texts if path.exists()]
    if there:
        raise FileExistsError(f"{there[0]} is already there; choose another folder, or move it away")
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return list(texts)
