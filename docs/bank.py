"""The question bank: every exit question of the course with its answer, and every exercise, by lesson.

``python docs/bank.py --gift FILE`` writes the exit questions in GIFT, which Moodle and others import;
the site shows them all as a page.
"""

import argparse
import re
import sys
from pathlib import Path
from typing import NamedTuple

import nbformat

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from kdlab.exercises.questions import QUESTIONS  # noqa: E402

HEAD = """# Question bank

Every exit question of the course with its answer and what each option is told; then the exercises and how
long each takes. All of it is read from the lessons. `python docs/bank.py --gift bank.gift` writes the
questions in GIFT, which Moodle and others import. Questions for an exam on paper are [apart](exam.md).
"""
ASKED = re.compile(r"^\*\*(\d+\.q\d)\*\*\s+(.+?)(?=^\*\*\d+\.q\d\*\*|\Z)", re.M | re.S)
OPTION = re.compile(r"^- ([a-z])\) (.+)$", re.M)
EXERCISE = re.compile(r"^#+ Exercise (\d+\.\d)[ ·:]+(.+)$", re.M)
EFFORT = re.compile(r"^(★+) · (\d+) minutes", re.M)


class Asked(NamedTuple):
    """A question with its options by letter."""

    id: str
    text: str
    options: dict


def lessons(folder=ROOT / "notebooks"):
    """(title, the lesson's text) of each."""
    for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")):
        cells = [
            cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"
        ]
        yield cells[0].splitlines()[0].removeprefix("# "), cells


def questions(cells):
    """The exit questions of a lesson."""
    found = []
    for cell in cells:
        for id, text in ASKED.findall(cell):
            options = dict(OPTION.findall(text))
            if options:
                found.append(Asked(id, text.partition("\n- a)")[0].strip(), options))
    return found


def exercises(cells):
    """(id, title, stars, minutes) of each exercise of a lesson."""
    found = []
    for cell in cells:
        title, effort = EXERCISE.search(cell), EFFORT.search(cell)
        if title and effort:
            found.append((*title.groups(), *effort.groups()))
    return found


def page():
    """The bank as Markdown."""
    parts = [HEAD]
    for title, cells in lessons():
        parts.append(f"## {title}")
        for asked in questions(cells):
            answer = QUESTIONS[asked.id]
            options = "\n".join(
                f"- {'**' * (letter == answer.right)}{letter}) {text}{'**' * (letter == answer.right)}: "
                f"{answer.why[letter]}"
                for letter, text in asked.options.items()
            )
            parts.append(f"**{asked.id}** {asked.text}\n\n{options}")
        rows = "\n".join(
            f"| {id} | {name} | {stars} | {time} |" for id, name, stars, time in exercises(cells)
        )
        parts.append(f"| exercise | | | minutes |\n|---|---|---|---|\n{rows}")
    return "\n\n".join(parts) + "\n"


def gift():
    """The exit questions in GIFT: one right option each, and what is said of every option."""
    found = []
    for title, cells in lessons():
        found.append(f"$CATEGORY: kdlab/{title}")
        for asked in questions(cells):
            answer = QUESTIONS[asked.id]
            lines = (
                f"{'=' if letter == answer.right else '~'}{_escaped(text)}#{_escaped(answer.why[letter])}"
                for letter, text in asked.options.items()
            )
            listed = "\n".join(lines)
            found.append(f"::{asked.id}::[markdown]{_escaped(asked.text)}{{\n{listed}\n}}")
    return "\n\n".join(found) + "\n"


def _escaped(text):
    return re.sub(r"([~=#{}:\\])", r"\\\1", text.replace("\n", " "))


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--gift", metavar="FILE", required=True, help="where to write the questions")
    path = Path(parser.parse_args(arguments).gift)
    path.write_text(gift(), encoding="utf-8")
    print(f"{path}: {gift().count('::[markdown]')} questions")


if __name__ == "__main__":
    main()
