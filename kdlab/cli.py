"""The options of ``kdlab distill`` and ``kdlab train``, grouped by what they are about."""

import argparse
import json

from kdlab.adapt import WAYS
from kdlab.matching import NAMES
from kdlab.train import OPTIMISERS, PRECISIONS, SCHEDULES, Recipe

DISTILL = """Distil a teacher into a student on your photos.

The teacher answers once, to a few augmented views of every photo, and its answers are kept on disk;
after that a step costs what a step without a teacher costs. A run that is killed goes on with --resume.
"""
EXAMPLES = """examples:
  kdlab distill --teacher resnet50.a1_in1k --adapt probe --student mobilenetv3_small_050 \\
      --data photos/ --out runs/pets --baseline --seeds 3
  kdlab distill --teacher local-dir:runs/teacher/student --student resnet10t --size 32 \\
      --match hard=0.1 soft=0.9 distance=1 --data torchvision:CIFAR10 --out runs/cifar
  torchrun --nproc_per_node 4 -m kdlab distill ...        the same on four GPUs, or CPU processes

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
    _teacher(distill.add_argument_group("teacher"))
    _photos(distill.add_argument_group("photos and student"))
    _matching(distill.add_argument_group("what to match"))
    _photos(train.add_argument_group("photos and student"))
    for parser in (distill, train):
        _training(parser.add_argument_group("training"))
        _running(parser.add_argument_group("running"))


def _teacher(group):
    group.add_argument(
        "--teacher", required=True,
        help="a timm name, hf-hub:USER/NAME, local-dir:FOLDER, a .safetensors file with its card, a shipped "
        "teacher, or a checkpoint (with --architecture)",
    )  # fmt: skip
    group.add_argument("--architecture", metavar="NAME", help="timm model of a checkpoint (.pth)")
    group.add_argument(
        "--adapt", choices=WAYS, default="none",
        help="a teacher of other classes gets a new classifier: a linear probe, or after it fine-tuning "
        "of all weights (default: none, which refuses such a teacher)",
    )  # fmt: skip
    group.add_argument("--cache", metavar="FOLDER", help="of the teacher's answers (default: OUT/cache)")
    group.add_argument("--verify", action="store_true", help="ask again about a sample of the cache")


def _photos(group):
    group.add_argument(
        "--data", required=True, help="folder of class folders, torchvision:NAME or hf:USER/NAME"
    )
    group.add_argument("--out", required=True, help="folder to write to")
    group.add_argument("--student", required=True, help="a timm name, tiny_cnn or mlp")
    group.add_argument("--pretrained", action="store_true", help="start the student from timm's weights")
    group.add_argument(
        "--student-option", nargs="+", default=[], metavar="KEY=VALUE", dest="student_options",
        help="to the model: width=16, output_stride=8, drop_rate=0.1",
    )  # fmt: skip
    group.add_argument("--size", type=int, help="input in pixels (default: the teacher's, else 224)")
    group.add_argument("--share", type=float, default=0.2, help="for validation, of photos that come unsplit")
    group.add_argument("--memory", type=float, default=4.0, metavar="GB", help="of decoded photos to keep")


def _training(group):
    fields = Recipe.__dataclass_fields__
    help = {
        "epochs": "", "batch_size": "of all processes together", "learning_rate": "the highest",
        "weight_decay": "not of norms and biases", "views": "of each photo, one an epoch in turn",
        "view_seed": "of the views and of the split", "area": "smallest share of a photo that a view shows",
        "flip": "share of views that are mirrored; 0 where left and right matter",
        "seed": "of order and initial weights; the first of --seeds",
    }  # fmt: skip
    for name, text in help.items():
        default = fields[name].default
        group.add_argument(
            _option(name), type=type(default), default=default, help=f"{text} (default: %(default)s)".strip()
        )
    for name, known in (("optimiser", OPTIMISERS), ("schedule", SCHEDULES)):
        group.add_argument(_option(name), choices=known, default=fields[name].default)
    group.add_argument(
        "--precision", choices=["auto", *PRECISIONS], default="auto", help="auto: half on a GPU"
    )
    group.add_argument("--smoothing", type=float, default=0.0, help="of the hard labels")
    group.add_argument(
        "--compile", action="store_true", help="torch.compile the student, where logits alone are matched"
    )


def _matching(group):
    group.add_argument(
        "--match",
        nargs="+",
        metavar="TERM=WEIGHT",
        help=f"default: hard=0.1 soft=0.9; there are {', '.join(NAMES)}",
    )
    group.add_argument("--temperature", type=float, default=4.0, help="of losses on logits")
    group.add_argument("--teacher-layer", default="-1", help="of hint and attention (default: the last map)")
    group.add_argument("--student-layer", default="-1")
    group.add_argument("--baseline", action="store_true", help="hard-label students beside, and a verdict")


def _running(group):
    group.add_argument("--seeds", type=int, default=1, help="students of each kind, paired")
    group.add_argument("--resume", action="store_true", help="go on with what is in OUT")
    group.add_argument("--every", type=float, default=600.0, metavar="S", help="seconds between checkpoints")
    group.add_argument("--threads", type=int, default=2, help="that decode and augment")
    group.add_argument("--device", help="cpu, cuda, cuda:1 (default: the GPU, if there is one)")
    group.add_argument("--quiet", action="store_true")


def _option(name):
    return f"--{name.replace('_', '-')}"


def run_command(options):
    """What the parsed options ask for."""
    from kdlab.run import run

    given = {k: v for k, v in vars(options).items() if k not in ("command", "quiet", "pretrained")}
    given["student_options"] = dict(_pair(text) for text in options.student_options)
    if options.pretrained:
        given["student_options"]["pretrained"] = True
    if given.get("match"):
        given["match"] = dict(_pair(text) for text in options.match)
        for name, weight in given["match"].items():
            if isinstance(weight, bool) or not isinstance(weight, int | float):
                raise ValueError(f"the weight of {name} must be a number, got {weight!r}")
    for name in ("teacher_layer", "student_layer"):
        if name in given and given[name].lstrip("-").isdigit():
            given[name] = int(given[name])
    return run(**given, progress=not options.quiet)


def _pair(text):
    key, sign, value = text.partition("=")
    if not sign:
        raise ValueError(f"{text!r} is no KEY=VALUE")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value
