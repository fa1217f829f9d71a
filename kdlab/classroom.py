"""Lessons for a class: an nbgrader assignment, or a student's version without solutions."""

import re
from pathlib import Path

from kdlab.exercises import all_exercises
from kdlab.exercises.questions import QUESTIONS
from kdlab.files import write_atomically

CHECK = re.compile(r'exercises\.check\("(?P<id>[\d.]+)", (?P<answer>.*)\)$')
ANSWER = re.compile(r'^exercises\.answer\("(\d+\.q\d)", \.\.\.\)$', re.M)
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
            points = _stars(copy, i, match["id"])
            graded = _graded(f"{cell.id}-graded", "exercise", match["id"], match["answer"], points)
            cells += [_marked(cell, f"check-{i}"), graded]
        elif ids := ANSWER.findall(cell.source):
            cells += _questions(cell, ids)
        else:
            cells.append(_marked(cell, f"given-{i}") if cell.cell_type == "code" else cell)
    copy.cells = cells
    return copy


def _questions(cell, ids):
    """One cell in which the letters are put, and a graded one for each question."""
    name = {id: "answer_" + id.replace(".", "_") for id in ids}
    stub = "\n".join(f"{name[id]} = ...  # a letter, in quotes" for id in ids)
    right = "\n".join(f'{name[id]} = "{QUESTIONS[id].right}"' for id in ids)
    cell.source = f"{stub}\n\n### BEGIN SOLUTION\n{right}\n### END SOLUTION"
    graded = [_graded(f"{cell.id}-{id.replace('.', '-')}", "question", id, name[id], 1) for id in ids]
    return [_marked(cell, "answer-questions", solution=True), *graded]


def _graded(cell_id, kind, id, answer, points):
    import nbformat

    cell = nbformat.v4.new_code_cell(f'exercises.require("{id}", {answer})', id=cell_id)
    return _marked(cell, f"{kind}-{id.replace('.', '-')}", points=points)


def _marked(cell, grade_id, *, solution=False, points=None):
    marks = {"schema_version": 3, "grade_id": grade_id, "task": False, "solution": solution}
    marks |= {"locked": not solution, "grade": points is not None}
    cell.metadata["nbgrader"] = marks if points is None else {**marks, "points": points}
    return cell


def _stars(notebook, check, id):
    """The exercise's difficulty, as its heading in the lesson says."""
    before = reversed([cell.source for cell in notebook.cells[:check]])
    return max(1, next((text.count("★") for text in before if f"### Exercise {id}" in text), 1))


def export(kind, lessons, folder):
    """Write lessons for a class, and return the paths written.

    Of kind ``"nbgrader"``: ``folder/source/NAME/NAME.ipynb`` with a configuration beside it; of kind
    ``"student"``: ``folder/NAME.ipynb`` without solutions. Nothing is written where a lesson is not
    there (FileNotFoundError), something would be overwritten (FileExistsError), or a file is not a
    lesson, since it holds no exercise (ValueError).
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
        found = set(exercise_cells(notebook))
        unknown = sorted(found - set(all_exercises())) or "none"
        if not found or unknown != "none":
            raise ValueError(f"{lesson} is not a lesson of this version: exercises {unknown}")
        path = Path("source", lesson.stem, lesson.name) if kind == "nbgrader" else Path(lesson.name)
        texts[folder / path] = nbformat.writes(convert[kind](notebook)) + "\n"
    if kind == "nbgrader" and not (folder / "nbgrader_config.py").exists():
        texts[folder / "nbgrader_config.py"] = CONFIG
    there = [path for path in texts if path.exists()]
    if there:
        raise FileExistsError(f"{there[0]} is already there; choose another folder, or move it away")
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as file:
            file.write(text.encode())
    return list(texts)
