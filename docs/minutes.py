"""How long a lesson takes: ``python docs/minutes.py`` writes it into each lesson's first cell.

From what there is to read, and from the minutes that its exercises state. ``--check`` writes nothing, and
fails where a lesson says something else.
"""

import argparse
import re
import sys
from pathlib import Path

import nbformat

LESSONS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("[0-9][0-9]_*.ipynb"))
# Fitted to the times that a new reader took for three lessons; words of a language that is not one's own.
WORDS_A_MINUTE, LINES_A_MINUTE, FIGURES_A_MINUTE, ROUNDED_TO = 80, 12, 1, 5
STATED = re.compile(r"\*\d+ minutes(?:, \d+ with exercises)?(?= ·)")


def minutes(notebook):
    """To read and run the lesson, and with all its exercises."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    unfolded = re.sub("<details>.*?</details>", "", text, flags=re.S)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    lines = sum(bool(line.strip()) for cell in code for line in cell.source.splitlines())
    figures = sum("image/png" in output.get("data", {}) for cell in code for output in cell.outputs)
    reading = len(unfolded.split()) / WORDS_A_MINUTE + lines / LINES_A_MINUTE + figures / FIGURES_A_MINUTE
    exercises = sum(int(n) for n in re.findall(r"^★+ · (\d+) minutes", text, re.M))
    return tuple(ROUNDED_TO * round(n / ROUNDED_TO) for n in (reading, reading + exercises))


def with_minutes(path):
    """The text of the notebook's file as it should be, and what its first cell says now and then."""
    notebook = nbformat.read(path, as_version=4)
    first = notebook.cells[0]
    found = STATED.search(first.source)
    if not found:
        raise ValueError(f"{path}: the first cell has no line '*N minutes, M with exercises · ...'")
    said = "*{} minutes, {} with exercises".format(*minutes(notebook))
    first.source = STATED.sub(said, first.source, count=1)
    return nbformat.writes(notebook) + "\n", found[0].lstrip("*"), said.lstrip("*")


def main(arguments=None, lessons=LESSONS):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    check, wrong = parser.parse_args(arguments).check, 0
    for path in lessons:
        text, says, takes = with_minutes(path)
        print(f"{path.stem}: {takes}" + (f"; it says {says}" if says != takes else ""))
        wrong += says != takes
        if not check and says != takes:
            path.write_text(text, encoding="utf-8")
    if check and wrong:
        print("run python docs/minutes.py")
    return int(check and wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
