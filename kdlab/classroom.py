"""Lessons for a class: an nbgrader assignment, or a student's version without solutions."""

import re
import warnings
from pathlib import Path

from kdlab.exercises import all_exercises
from kdlab.exercises.questions import QUESTIONS
from kdlab.files import write_atomically
from kdlab.names import reason

CHECK = re.compile(r'exercises\.check\("(?P<id>[\d.]+)", (?P<answer>.*)\)$')
ANSWER = re.compile(r'^exercises\.answer\("(\d+\.q\d)", \.\.\.\)$', re.M)
SOLUTION = re.compile(r"<details><summary>Solution</summary>\s*~~~python\n(.*?)~~~\s*</details>\n?", re.S)

# What a lesson shows; no more of a cell's outputs is handed on. Of HTML, tables such as pandas writes.
KINDS = ("text/plain", "image/png", "text/html")
TABLE = re.compile(
    r"(?:<style scoped>[^<@\\(]*</style>|[^<]"
    r'|</?(?:div|table|thead|tbody|tr|th|td)(?: (?:border|class|style|tabindex)="[\w :;-]*")*>)*'
)

# A lesson computes up to 90 s, on a shared machine twice that; nbgrader gives a cell 30 s.
CONFIG = """c = get_config()
c.CourseDirectory.course_id = "kdlab"
c.ClearSolutions.code_stub = {"python": ""}
c.ExecutePreprocessor.timeout = 300
c.ExecutePreprocessor.raise_on_iopub_timeout = False
"""


def exercise_cells(notebook):
    """For each check in a lesson: its id, the index of the stub before it, and the folded solution.

    ValueError if a check stands twice, or not between a stub and a folded solution.
    """
    found = {}
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and (match := CHECK.match(cell.source)):
            id, around = match["id"], notebook.cells[max(i - 1, 0) : i + 2]
            if id in found:
                raise ValueError(f"exercise {id} is checked twice")
            if [c.cell_type for c in around] != ["code", "code", "markdown"]:
                raise ValueError(
                    f"the check of exercise {id} needs a cell of code before it and its hints after"
                )
            solution = SOLUTION.search(around[-1].source)
            found[id] = (i - 1, solution and solution[1])
    return found


def student_version(notebook):
    """A copy of a lesson without its folded solutions; hints, figures and checks stay.

    Of outputs it keeps pictures, text and plain tables, of a cell's metadata the tags: what else is in a
    file that has been in other hands is not handed on.
    """
    import nbformat

    copy = nbformat.from_dict(notebook)
    for cell in copy.cells:
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k == "tags"})
        if cell.cell_type == "markdown":
            cell.source = SOLUTION.sub("", cell.source).strip()
        for output in cell.get("outputs", []):
            if "data" in output:
                output.data = nbformat.from_dict({k: output.data[k] for k in KINDS if _plain(k, output.data)})
    copy.metadata.pop("widgets", None)
    return copy


def _plain(kind, data):
    """Whether an output has this kind of data; of HTML only what is a table and does nothing."""
    return kind in data and (kind != "text/html" or bool(TABLE.fullmatch(str(data[kind]))))


def nbgrader_version(notebook):
    """A copy of a lesson as the *source* of an nbgrader assignment.

    Each stub becomes a solution cell, each check is followed by a graded cell worth the exercise's
    stars, and each exit question is worth one point. All other code is locked. The folded
    solutions go; ``nbgrader generate_assignment`` takes the others out.
    """
    copy = student_version(notebook)
    stubs = {stub: solution or "" for stub, solution in exercise_cells(notebook).values()}
    cells = []
    for i, cell in enumerate(copy.cells):
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if i in stubs:
            # The stub stays outside the region that nbgrader cuts out, so that learners keep it.
            cell.source = f"{cell.source}\n\n### BEGIN SOLUTION\n{stubs[i].rstrip()}\n### END SOLUTION"
            cells.append(_marked(cell, f"answer-{i}", solution=True))
        elif cell.cell_type != "code":
            cells.append(cell)
        elif match := CHECK.match(cell.source):
            points = _stars(copy, i, match["id"])
            graded = _graded("exercise", match["id"], match["answer"], points)
            cells += [_marked(cell, f"check-{i}"), graded]
        elif ids := ANSWER.findall(cell.source):
            cells += _questions(cell, ids)
        else:
            cells.append(_marked(cell, f"given-{i}"))
    copy.cells = cells
    return copy


def _questions(cell, ids):
    """One cell in which the letters are put, and a graded one for each question."""
    name = {id: "answer_" + id.replace(".", "_") for id in ids}
    stub = "\n".join(f"{name[id]} = ...  # a letter, in quotes" for id in ids)
    right = "\n".join(f'{name[id]} = "{QUESTIONS[id].right}"' for id in ids)
    cell.source = f"{stub}\n\n### BEGIN SOLUTION\n{right}\n### END SOLUTION"
    graded = [_graded("question", id, name[id], 1) for id in ids]
    return [_marked(cell, "answer-questions", solution=True), *graded]


def _graded(kind, id, answer, points):
    import nbformat

    name = f"{kind}-{id.replace('.', '-')}"
    cell = nbformat.v4.new_code_cell(f'exercises.require("{id}", {answer})', id=f"{name}-graded")
    return _marked(cell, name, points=points)


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
    there (FileNotFoundError), something would be overwritten (FileExistsError), or a file is no notebook,
    or not a lesson, since it holds no exercise (ValueError).
    """
    convert = {"nbgrader": nbgrader_version, "student": student_version}
    if kind not in convert:
        raise ValueError(f"kind must be one of {', '.join(convert)}, got {kind!r}")
    folder, texts = Path(folder), {}
    for lesson in map(Path, lessons):
        if not lesson.exists():
            raise FileNotFoundError(f"there is no lesson {lesson}")
        path = Path("source", lesson.stem, lesson.name) if kind == "nbgrader" else Path(lesson.name)
        if folder / path in texts:
            raise ValueError(f"two lessons are called {lesson.name}: export them to two folders")
        texts[folder / path] = _converted(lesson, convert[kind])
    if kind == "nbgrader" and not (folder / "nbgrader_config.py").exists():
        texts[folder / "nbgrader_config.py"] = CONFIG
    there = [path for path in texts if path.exists()]
    if there:
        raise FileExistsError(f"{there[0]} is already there; choose another folder, or move it away")
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as file:
            file.write(text.encode("utf-8", "backslashreplace"))  # half a letter, escaped as JSON has it
    return list(texts)


def _converted(lesson, convert):
    """The text of a lesson's copy; ValueError in one line if it is none."""
    import nbformat

    try:
        with warnings.catch_warnings(
            action="ignore"
        ):  # of ids that are missing or repeat: they are given anew
            notebook = nbformat.read(lesson, as_version=4)
            nbformat.validate(notebook)
    except Exception as error:  # of a file of any shape whatsoever
        raise ValueError(f"{lesson} is no notebook: {_briefly(error)}") from error
    try:
        found = set(exercise_cells(notebook))
        unknown = sorted(found - set(all_exercises())) or "none"
        if not found or unknown != "none":
            raise ValueError(f"exercises {unknown}")
        return nbformat.writes(convert(notebook)) + "\n"
    except ValueError as error:
        raise ValueError(f"{lesson} is not a lesson of this version: {_briefly(error)}") from error


def _briefly(error):
    """The start of a message, which may hold any part of a file."""
    return reason(error)
