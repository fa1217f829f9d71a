"""The time that a lesson announces follows from its words, code, figures and exercises."""

import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
import minutes  # noqa: E402


def lesson(words=800, lines=60, figures=5, exercises=(8, 10), folded=0):
    picture = new_output("display_data", {"image/png": ""})
    tasks = "\n\n".join(
        f"### Exercise 9.{i} · Do\n\n★★ · {m} minutes · goal 1." for i, m in enumerate(exercises)
    )
    hint = f"<details><summary>Hint</summary>\n{'hint ' * folded}\n</details>"
    return new_notebook(
        cells=[
            new_markdown_cell("# 99 · A lesson\n\n*1 minutes · you should know: nothing*"),
            new_markdown_cell(f"{'word ' * words}\n\n{tasks}\n\n{hint}"),
            new_code_cell("x = 1\n" * lines, outputs=[picture] * figures),
        ]
    )


def test_lessons_say_how_long_they_take(capsys):
    assert minutes.main(["--check"]) == 0, capsys.readouterr().out


def test_words_code_and_figures_count_and_what_is_folded_away_does_not():
    assert minutes.minutes(lesson()) == (20, 40)
    assert minutes.minutes(lesson(words=1600)) == (30, 50)
    assert minutes.minutes(lesson(lines=180)) == (30, 50)
    assert minutes.minutes(lesson(figures=15)) == (30, 50)
    assert minutes.minutes(lesson(exercises=(8, 10, 20))) == (20, 60)
    assert minutes.minutes(lesson(folded=5000)) == (20, 40)


def test_a_wrong_time_is_found_and_written_anew(tmp_path, capsys):
    path = tmp_path / "99_a_lesson.ipynb"
    nbformat.write(lesson(), path)
    assert minutes.main(["--check"], [path]) == 1
    assert "it says 1 minutes" in capsys.readouterr().out
    assert minutes.main([], [path]) == 0 and minutes.main(["--check"], [path]) == 0
    assert (
        "*20 minutes, 40 with exercises · you should know: nothing*" in nbformat.read(path, 4).cells[0].source
    )
