"""The tables of all options of ``kdlab distill``: ``python docs/options.py`` writes them into distill.md.

Names and help are those of the command line, defaults those of ``kdlab.run.run``. ``--check`` writes nothing
and fails where the page differs.
"""

import argparse
import inspect
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import launch  # noqa: E402

PAGE = HERE / "distill.md"


def command():
    """The parser of ``kdlab distill``."""
    from kdlab.photos.cli import add_commands

    commands = argparse.ArgumentParser().add_subparsers()
    add_commands(commands)
    return commands.choices["distill"]


def actions(parser):
    """Its options by the groups' titles."""
    groups = {g.title: [a for a in g._group_actions if a.dest != "help"] for g in parser._action_groups}
    return {title: found for title, found in groups.items() if found}


def row(action, default):
    """Name, default and what it says, as cells."""
    flag = action.option_strings[-1]
    named = flag.lstrip("-").replace("-", "_") == action.dest
    usage = f"{flag} {action.metavar}" if action.metavar else flag
    name = f"`{usage}`" if named else f"`{usage}`, in Python `{action.dest}`"
    *first, last = [f"`{choice}`" for choice in action.choices or [""]]
    choices = f"{', '.join(first)} or {last}" if first else ""
    said = (action.help or "").removesuffix(f"(default: {default})").strip()
    said = re.sub(r"(?<![\w-])--[\w-]+", r"`\g<0>`", said)
    if action.required:
        shown = "required" if default is inspect.Parameter.empty else f"required, in Python `{default}`"
    elif isinstance(default, bool):
        shown = "off, in Python `True`" if default else "off"
    else:
        shown = "" if default is None else f"`{default}`"
    return name, shown, "; ".join(filter(None, (choices, said))).replace("|", "\\|")


def tables():
    """A table a group, as Markdown."""
    from kdlab.run import run

    defaults = {name: p.default for name, p in inspect.signature(run).parameters.items()}
    parts = []
    for title, group in actions(command()).items():
        rows = [row(action, defaults[action.dest]) for action in group]
        lines = [f"| {title} | default | what it says |", "|---|---|---|"]
        parts.append("\n".join([*lines, *(f"| {' | '.join(cells)} |" for cells in rows)]))
    return "\n\n".join(parts)


def main(arguments=None, page=PAGE):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail where the page differs")
    options = parser.parse_args(arguments)
    text = launch.between_marks(page, f"\n{tables()}\n", "options")
    differs = text != page.read_text(encoding="utf-8")
    if options.check:
        if differs:
            print(f"{page.name} does not agree with the program; run python docs/options.py")
        return int(differs)
    page.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
