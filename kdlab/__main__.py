"""The command line: ``python -m kdlab``."""

import argparse
import sys

from kdlab.teachers import TEACHERS, load_teacher, shipped_teachers


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="kdlab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    teach = commands.add_parser("teach", help="train a teacher and write its weights with a card")
    teach.add_argument("name", help="digits- or cluttered- with small, large or smoothed; or cluttered-tiny")
    teach.add_argument("--out", default=TEACHERS, help="folder to write to (default: %(default)s)")
    teach.add_argument("--steps", type=int, help="fewer or more steps than the recipe's")
    commands.add_parser("teachers", help="list the shipped teachers, checking each file against its card")
    options = parser.parse_args(arguments)
    try:
        if options.command == "teach":
            from kdlab.teach import train_teacher

            _print_card(train_teacher(options.name, options.out, steps=options.steps))
        else:
            for name in shipped_teachers():
                _print_card(load_teacher(name))
    except (ValueError, OSError) as error:
        print(f"kdlab: {error}", file=sys.stderr)
        return 2
    return 0


def _print_card(teacher):
    card = teacher.card
    print(
        f"{card['name']:16} {card['parameters']:>10,} parameters  {card['accuracy']:5.1f} % on {card['data']}"
    )


if __name__ == "__main__":
    sys.exit(main())
