"""Exercises with checks that name the mistake, and a record of what is done.

Each lesson has one module here, ``lesson_01`` and so on, with its ``EXERCISES``: functions to write,
the inputs on which each is checked, and the mistakes that are known, with the code that makes them.
"""

import importlib
import json
import pkgutil
import platform
from datetime import datetime
from pathlib import Path

from kdlab.exercises.core import NOT_YET, RIGHT, WRONG, Diagnosis, Exercise, Experiment, Mistake
from kdlab.exercises.questions import QUESTIONS
from kdlab.files import write_atomically
from kdlab.names import in_markdown, literal, reason, said

__all__ = [
    "Exercise", "Experiment", "Mistake", "Diagnosis", "all_exercises", "answer", "check", "hand_in", "progress", "require",
]  # fmt: skip

LONGEST = 200  # letters of a name on a sheet

_record = {}


def all_exercises():
    """All exercises by id, in the order of the lessons."""
    lessons = [
        importlib.import_module(f"{__name__}.{module.name}")
        for module in pkgutil.iter_modules(__path__)
        if module.name.startswith("lesson_")
    ]
    return {exercise.id: exercise for lesson in lessons for exercise in lesson.EXERCISES}


def check(id, answer):
    """Check the learner's function or value, say what is right or wrong with it, and note it.

    Prints; raises nothing for whatever the learner's code does.

    Parameters
    ----------
    id : str
        ``"1.2"``: lesson 01, exercise 2.
    answer : object
        What the exercise asks for; ``...`` counts as not yet attempted.
    """
    exercises = all_exercises()
    if id not in exercises:
        said(f"there is no exercise {id!r}; there are {', '.join(exercises)}")
        return
    said(_diagnose(exercises[id], answer).text)


def _diagnose(exercise, answer):
    try:
        diagnosis = exercise.diagnose(answer)
    except Exception as error:  # the promise is to raise nothing, whatever was handed in
        text = (
            f"{exercise.id} wrong: the check cannot make sense of what it was given: "
            f"{type(error).__name__}: {reason(error)}"
        )
        diagnosis = Diagnosis(WRONG, "not what was asked for", text)
    _note(exercise.id, diagnosis)
    return diagnosis


def answer(id, choice):
    """Check a choice ("a", "b", ...) in an exit question, and explain it, right or wrong."""
    if id not in QUESTIONS:
        said(f"there is no question {id!r}; there are {', '.join(QUESTIONS)}")
        return
    said(_diagnose(QUESTIONS[id], choice).text)


def require(id, answer):
    """For graded cells: like :func:`check` or :func:`answer`, but anything not right is an AssertionError."""
    diagnosis = _diagnose({**all_exercises(), **QUESTIONS}[id], answer)
    assert diagnosis.status == RIGHT, diagnosis.text


def _note(id, diagnosis):
    entry = _record.pop(id, {"status": NOT_YET, "attempts": 0, "mistakes": []})
    _record[id] = entry  # the last one is the latest
    if diagnosis.status == NOT_YET:
        return
    entry["attempts"] += 1
    if diagnosis.status == WRONG and diagnosis.name not in entry["mistakes"]:
        entry["mistakes"].append(diagnosis.name)
    if entry["status"] != RIGHT:
        entry["status"] = diagnosis.status


def progress(lesson=None):
    """Print which exercises and questions of a lesson are done.

    Parameters
    ----------
    lesson : int, optional
        By default the one that was last checked.
    """
    if lesson is None:
        lesson = int(list(_record)[-1].split(".")[0]) if _record else 0
    ids = [id for id in [*all_exercises(), *QUESTIONS] if id.startswith(f"{lesson}.")]
    done = [id for id in ids if _record.get(id, {}).get("status") == RIGHT]
    open_ones = [id for id in ids if id not in done]
    print(
        f"Lesson {lesson:02}: {len(done)} of {len(ids)} done"
        + (f" ({', '.join(done)})" if done else "")
        + "."
    )
    if open_ones:
        print(f"To do: {', '.join(open_ones)}.")


def hand_in(path, name=""):
    """Write what was checked in this session to a file, as JSON or Markdown by its ending.

    It is a record for the learner and the instructor, and no proof against cheating: the checks
    run on the learner's machine.

    Parameters
    ----------
    path : str or path
        Ending in ``.json`` or ``.md``.
    name : str
        Whose it is.

    Raises
    ------
    ValueError
        If the ending is another.
    OSError
        If the file cannot be written; one that is there stays as it is.
    """
    import torch

    import kdlab

    path = Path(path)
    if path.suffix not in (".json", ".md"):
        raise ValueError(f"{path} must end in .json or .md, not {path.suffix!r}")
    sheet = {
        "name": _of_a_person(name),
        "written": datetime.now().isoformat(timespec="seconds"),
        "versions": {
            "kdlab": kdlab.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "note": "A record of checks that ran on the learner's own machine; no proof against cheating.",
        "results": {id: _record.get(id, {"status": NOT_YET}) for id in [*all_exercises(), *QUESTIONS]},
    }
    text = json.dumps(sheet, indent=2) if path.suffix == ".json" else _as_markdown(sheet)
    with write_atomically(path) as file:
        file.write(text.encode())
    said(f"wrote {path}: {sum(r['status'] == RIGHT for r in sheet['results'].values())} right")


def _of_a_person(name):
    """A name as one line, not without end, that a spreadsheet takes for no formula."""
    name = literal("" if name is None else name).strip()
    name = name if len(name) <= LONGEST else f"{name[:LONGEST]}..."
    return f"'{name}" if name.startswith(tuple("=+-@")) else name


def _as_markdown(sheet):
    versions = ", ".join(f"{k} {v}" for k, v in sheet["versions"].items())
    rows = [
        f"| {id} | {r['status']} | {r.get('attempts', 0)} | {in_markdown(', '.join(r.get('mistakes', [])))} |"
        for id, r in sheet["results"].items()
    ]
    head = ["| exercise | status | attempts | mistakes on the way |", "|---|---|---|---|"]
    title = f"# Exercises: {in_markdown(sheet['name']) or 'no name given'}"
    return "\n".join([title, "", f"{sheet['written']}; {versions}", "", sheet["note"], "", *head, *rows, ""])
