"""The options of ``kdlab distill`` are the same on its page, on the command line and in Python."""

import inspect
import re
import shutil
import sys
from pathlib import Path

import pytest

from kdlab.__main__ import main
from kdlab.run import run

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))
import options  # noqa: E402

TABLES = re.search("<!-- options -->(.*)<!-- /options -->", options.PAGE.read_text(encoding="utf-8"), re.S)[1]
ACTIONS = [action for group in options.actions(options.command()).values() for action in group]


def test_the_page_holds_the_tables_that_the_program_gives(capsys):
    assert options.main(["--check"]) == 0, capsys.readouterr().out


def test_a_table_that_was_changed_by_hand_is_found_and_written_again(tmp_path, capsys):
    page = tmp_path / "distill.md"
    shutil.copy(options.PAGE, page)
    page.write_text(
        page.read_text(encoding="utf-8").replace("\n| `--temperature` |", "\n| `--heat` |"), encoding="utf-8"
    )
    assert options.main(["--check"], page) == 1 and "run python docs/options.py" in capsys.readouterr().out
    assert options.main([], page) == 0
    assert page.read_text(encoding="utf-8") == options.PAGE.read_text(encoding="utf-8")


def test_python_the_command_line_and_the_page_name_the_same_options(capsys):
    in_python = set(inspect.signature(run).parameters)
    assert {action.dest for action in ACTIONS} == in_python
    flags = re.findall(r"^\| `(--[\w-]+)", TABLES, re.M)
    assert flags == [action.option_strings[-1] for action in ACTIONS]
    other_names = dict(re.findall(r"^\| `(--[\w-]+)[^`]*`, in Python `(\w+)`", TABLES, re.M))
    assert {other_names.get(flag, flag[2:].replace("-", "_")) for flag in flags} == in_python
    with pytest.raises(SystemExit, match="0"):
        main(["distill", "--help"])
    said = capsys.readouterr().out
    assert set(flags) | {"--help"} == set(re.findall(r"^  (?:-h, )?(--[\w-]+)", said, re.M))


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.dest)
def test_an_option_has_one_default_and_says_something(action):
    default = inspect.signature(run).parameters[action.dest].default
    assert action.required or action.default == default
    assert action.help or action.choices, action.dest


def test_an_unknown_option_is_told_the_nearest():
    with pytest.raises(TypeError, match="'temprature'; did you mean 'temperature'"):
        run(teacher="t", student="s", data="d", out="o", temprature=2)
