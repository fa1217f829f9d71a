"""The options of ``kdlab distill`` and ``kdlab train``, read off the settings."""

import argparse
import json
from dataclasses import fields
from types import NoneType
from typing import get_args

from kdlab.names import shown
from kdlab.photos.settings import GROUPS, REQUIRED, Photos, Recipe, Running

DISTILL = """Distil a teacher into a student on your photos.

The teacher answers once, to a few augmented views of every photo, and its answers are kept on disk;
after that a step costs what a step without a teacher costs. A run that is killed goes on with --resume.
"""
EXAMPLES = """examples:
  kdlab distill --teacher resnet50.a1_in1k --adapt probe --student mobilenetv3_small_050 \\
      --data photos/ --out runs/pets --baseline --seeds 3
  kdlab distill --teacher local-dir:runs/teacher/student --student resnet10t --size 32 \\
      --match hard=0.1 soft=0.9 distance=1 --data torchvision:CIFAR10 --out runs/cifar
  torchrun --nproc_per_node 4 -m kdlab distill ...        the same on four GPUs, or CPU processes; on CPUs
                                                          batch normalisation sees a share each, so the
                                                          weights are others than those of one process

photos/ holds a folder a class, or train/ and val/ (or test/) with a folder a class in each.
docs/distill.md says what becomes of odd or bad images, and what a run on millions of them takes.
"""


def add_commands(commands):
    """Add ``distill`` and ``train`` to the subcommands of a parser."""
    look = argparse.RawDescriptionHelpFormatter
    distill = commands.add_parser(
        "distill", help="distil a teacher into a student on photos", description=DISTILL, epilog=EXAMPLES,
        formatter_class=look,
    )  # fmt: skip
    train = commands.add_parser(
        "train", help="train on photos without a teacher, for example a teacher",
        description="Train on photos by hard labels; the result serves as --teacher local-dir:OUT/student.",
        formatter_class=look,
    )  # fmt: skip
    for parser, groups in ((distill, GROUPS), (train, (Photos, Recipe, Running))):
        for group in groups:
            section = parser.add_argument_group(group.__doc__)
            for field in fields(group):
                _add(section, field)


def _add(section, field):
    """Add an option to a section of the help, read as the field's type says."""
    more, default = field.metadata, field.metadata["unset"]
    text = more["help"]
    flag = more.get("flag", f"--{field.name.replace('_', '-')}")
    if isinstance(default, bool):
        switch = "store_false" if default else "store_true"
        section.add_argument(flag, dest=field.name, help=text, action=switch)
        return
    needed = default is REQUIRED or field.name == "teacher"
    if not (needed or default is None or "default:" in text or str(default) in text.split()):
        text = f"{text} (default: {default})".strip()
    kind = next(t for t in get_args(field.type) or (field.type,) if t is not NoneType)
    section.add_argument(
        flag, dest=field.name, help=text, type=more.get("parse", kind), required=needed,
        default=None if needed else default, choices=more.get("choices"), metavar=more.get("metavar"),
        nargs=more.get("nargs"),
    )  # fmt: skip


def run_command(options):
    """What the parsed options ask for."""
    from kdlab.photos.run import run

    given = {name: value for name, value in vars(options).items() if name != "command"}
    for name in ("match", "student_options"):
        if given.get(name):
            given[name] = _pairs(name, given[name])
    return run(**given)


def _pairs(name, texts):
    """KEY=VALUE each, values read as JSON where they are any."""
    found = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not (key and sign):
            raise ValueError(f"{name}: {shown(text, repr)} is no KEY=VALUE")
        if key in found:
            raise ValueError(
                f"{name}: {shown(key)} is given twice, as {shown(found[key])} and {shown(value)}"
            )
        try:
            found[key] = json.loads(value)
        except (ValueError, RecursionError):
            found[key] = value
    return found
