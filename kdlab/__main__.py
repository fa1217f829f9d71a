"""The command line: ``python -m kdlab``."""

import argparse
import os
import signal
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import kdlab
from kdlab.cards import TEACHERS, read_card
from kdlab.names import literal
from kdlab.photos import cli
from kdlab.photos.identity import how_to_go_on


def main(arguments=None):
    """Run the command line and return its exit code.

    Without ``arguments`` it is the program itself: Ctrl-C and SIGTERM end it in one line, and a console that
    cannot show a letter, or takes no more, does not.
    """
    if arguments is not None:
        return _run(arguments)
    console, sys.stderr = _Console(sys.stdout), _Console(sys.stderr)
    sys.stdout = console
    _end_when_asked(lambda: "")
    code = _run(None)
    sys.stdout.flush()
    lost = console.lost
    if lost and not isinstance(lost, BrokenPipeError):  # who reads no further has seen enough
        print(f"kdlab: what was said could not be written: {lost.strerror}", file=sys.stderr)
        return code or 2
    return code


def _run(arguments):
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
            if arguments is None:
                _end_when_asked(partial(how_to_go_on, Path(options.out)))
            cli.run_command(options)
        elif options.command == "teach":
            from kdlab.teachers.teach import train_teacher

            _print_card(train_teacher(options.name, options.out, steps=options.steps).card)
        elif options.command == "export":
            from kdlab.classroom import export

            for path in export(options.kind, options.lessons, options.out):
                print(path)
        else:
            for path in sorted(TEACHERS.glob("*.safetensors"), key=lambda found: found.stem):
                _print_card(read_card(path)[0])
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"kdlab: {literal(error)}", file=sys.stderr)
        return 2
    return 0


def _end_when_asked(advice):
    """From here on Ctrl-C and SIGTERM end the process at once, in one line with this advice.

    Not by an exception: libraries catch those, and threads would be waited for.
    """
    asked = [signal.SIGINT]
    if os.environ.get("WORLD_SIZE", "1") == "1":  # one that waits for others hears no handler
        asked.append(signal.SIGTERM)

    def end(number, frame):
        if os.environ.get("RANK", "0") == "0":
            start = "\n" if os.isatty(2) else ""  # below the bar
            with suppress(OSError):  # not by print(), which it may have come in the middle of
                os.write(2, f"{start}kdlab: stopped{advice()}\n".encode(errors="backslashreplace"))
        os._exit(128 + number)

    for number in asked:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup, or in the background
            signal.signal(number, end)


class _Console:
    """A stream whose reader may have few letters, or be gone, or have a full disk: that ends no work."""

    def __init__(self, stream):
        self._stream, self.lost = stream, None
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def write(self, text):
        self._attempt("write", text)
        return len(text)

    def flush(self):
        self._attempt("flush")

    def _attempt(self, what, *arguments):
        try:
            getattr(self._stream, what, str)(*arguments)  # there is no stream where there is no console
        except OSError as error:
            self.lost = error


def _print_card(card):
    reached = f"{card['accuracy']:5.1f} % on " if "accuracy" in card else ""
    name, size, data = literal(card.get("name", "?")), card.get("parameters", 0), card.get("data", "?")
    print(f"{name:16} {size:>10,} parameters  {reached}{literal(data)}")


if __name__ == "__main__":
    sys.exit(main())
