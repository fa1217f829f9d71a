"""The command line: ``python -m kdlab``."""

import argparse
import sys

import kdlab
from kdlab.cards import TEACHERS, read_card
from kdlab.names import literal
from kdlab.photos import cli


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="kdlab", description=__doc__)
    parser.add_argument("--version", action="version", version=f"kdlab {kdlab.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    teach = commands.add_parser("teach", help="train a teacher and write its weights with a card")
    teach.add_argument("name", help="of a recipe, such as digits-small; a wrong one lists those there are")
    teach.add_argument("--out", default=TEACHERS, help="folder to write to (default: %(default)s)")
    teach.add_argument("--steps", type=int, help="fewer or more steps than the recipe's")
    commands.add_parser("teachers", help="list the shipped teachers, checking each file against its card")
    told = "write lessons for a class: nbgrader's source, or without solutions"
    export = commands.add_parser("export", help=told)
    export.add_argument("kind", choices=("nbgrader", "student"))
    lessons = "notebooks/01_hard_and_soft_labels.ipynb ..."
    export.add_argument("lessons", nargs="+", metavar="LESSON", help=lessons)
    export.add_argument("--out", required=True, help="folder to write to; nothing in it is overwritten")
    cli.add_commands(commands)
    options = parser.parse_args(arguments)
    try:
        if options.command in ("distill", "train"):
            cli.run_command(options)
        elif options.command == "teach":
            from kdlab.teachers.teach import train_teacher

            _print_card(train_teacher(options.name, options.out, steps=options.steps).card)
        elif options.command == "export":
            from kdlab.classroom import export

            for path in export(options.kind, options.lessons, options.out):
                print(path)
        else:
            for path in sorted(TEACHERS.glob("*.safetensors")):
                _print_card(read_card(path)[0])
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"kdlab: {error}", file=sys.stderr)
        return 2
    return 0


def _print_card(card):
    reached = f"{card['accuracy']:5.1f} % on " if "accuracy" in card else ""
    name, size, data = literal(card.get("name", "?")), card.get("parameters", 0), card.get("data", "?")
    print(f"{name:16} {size:>10,} parameters  {reached}{literal(data)}")


if __name__ == "__main__":
    sys.exit(main())
