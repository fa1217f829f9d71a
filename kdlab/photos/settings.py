"""Every option of ``kdlab distill``, once: from here come ``run()``, the command line, docs and resuming."""

import inspect
from dataclasses import dataclass, fields
from pathlib import Path

from kdlab.names import nearest, shown
from kdlab.photos.options import REQUIRED, check_all, checked, option

# Names alone, and no PyTorch: the command line's help is printed from here.
NAMES = (
    "hard", "soft", "decoupled", "correlation", "hint", "attention", "embedding", "similarity", "distance",
    "angle", "probabilistic",
)  # fmt: skip
WAYS = ("none", "probe", "finetune")
OPTIMISERS, SCHEDULES = ("adamw", "sgd"), ("one-cycle", "cosine")
PRECISIONS = ("float32", "bfloat16", "float16")
CONTENT = "the photos are known by their content, wherever they are"
SEEDS, LAYERS, MOST_WEIGHT = 2**32 - 1, 10_000, 1e12
APART = "arms and pairs do not touch each other"
HOW = "it says how the work is done, not what comes of it"


def layer(text):
    """A layer by its number or its path."""
    return int(text) if text.lstrip("-").isdigit() else text


@dataclass(frozen=True, kw_only=True)
class Photos:
    """photos and student"""

    data: str = option(help="folder of class folders, torchvision:NAME or hf:USER/NAME", may_change=CONTENT)
    out: str = option(help="folder to write to", may_change="a folder may be moved")
    student: str = option(help="a timm name, tiny_cnn or mlp")
    pretrained: bool = option(False, "start the student from timm's weights")
    student_options: dict | None = option(
        None, "to the model: width=16, output_stride=8, drop_rate=0.1",
        metavar="KEY=VALUE", nargs="+", parse=str, flag="--student-option",
    )  # fmt: skip
    share: float = option(0.2, "of each class for validation, where photos come unsplit", above=0, below=1)
    memory: float = option(4.0, "gigabytes of decoded photos to keep", may_change=HOW, metavar="GB", least=0)

    def __post_init__(self):
        check_all(self)
        options = self.student_options or {}
        if given := {"name", "num_classes"} & set(options):
            raise ValueError(f"student_options: {min(given)} follows from student and photos; leave it out")
        if options.get("in_chans", 3) not in (1, 3):
            raise ValueError(
                f"student_options: in_chans must be 1 for grey or 3 for colour, got "
                f"{shown(options['in_chans'], repr)}"
            )


@dataclass(frozen=True, kw_only=True)
class Teaching:
    """teacher, and what to match"""

    teacher: str | None = option(
        None, "a timm name, hf-hub:USER/NAME, local-dir:FOLDER, a .safetensors file with its card, a shipped "
        "teacher, or a checkpoint (with --architecture); without one the student learns hard labels",
    )  # fmt: skip
    architecture: str | None = option(None, "timm model of a checkpoint (.pth)", metavar="NAME")
    adapt: str = option(
        "none", "a teacher of other classes gets a new classifier: a linear probe, or after it fine-tuning "
        "of all weights; none refuses such a teacher", choices=WAYS,
    )  # fmt: skip
    cache: str | None = option(
        None, "of the teacher's answers (default: OUT/cache); runs with the same teacher, photos and views "
        "can share one", may_change="its header says whose answers it holds", metavar="FOLDER",
    )  # fmt: skip
    verify: bool = option(False, "ask again about a sample of the cache", may_change="it only looks")
    match: dict | None = option(
        None, f"weights of the terms (default: hard=0.1 soft=0.9); there are {', '.join(NAMES)}",
        metavar="TERM=WEIGHT", nargs="+", parse=str,
    )  # fmt: skip
    temperature: float = option(4.0, "of losses on logits", least=0.001, most=10_000)
    teacher_layer: int | str = option(
        -1, "of hint and attention; the last map is -1", parse=layer, least=-LAYERS, most=LAYERS
    )
    student_layer: int | str = option(-1, "of hint and attention", parse=layer, least=-LAYERS, most=LAYERS)
    baseline: bool = option(False, "hard-label students beside, and a verdict", may_change=APART)

    def __post_init__(self):
        check_all(self)
        if self.match is not None:
            check_match(self.match)


@dataclass(frozen=True)
class Recipe:
    """training"""

    size: int = option(help="input in pixels (default: the teacher's, else 224)", unset=None, least=1,
        most=10_000)  # fmt: skip
    epochs: int = option(30, "passes over the photos", least=1, most=10**6)
    batch_size: int = option(64, "of all processes together", least=1, most=10**9)
    learning_rate: float = option(0.002, "the highest", above=0, most=1000)
    optimiser: str = option("adamw", choices=OPTIMISERS)
    schedule: str = option("one-cycle", choices=SCHEDULES)
    weight_decay: float = option(0.02, "not of norms and biases", least=0, most=1000)
    views: int = option(8, "of each photo, one an epoch in turn", least=1, most=10**6)
    view_seed: int = option(0, "of the views and of the split", least=0, most=SEEDS)
    area: float = option(0.35, "smallest share of a photo that a view shows", above=0, most=1)
    flip: float = option(
        0.5, "share of views that are mirrored; 0 where left and right matter", least=0, most=1
    )
    seed: int = option(0, "of order and initial weights; the first of --seeds", least=0, most=SEEDS)
    precision: str = option("float32", "auto: half on a GPU", unset="auto", choices=("auto", *PRECISIONS))
    compile: bool = option(False, "torch.compile the student, where logits alone are matched")
    smoothing: float = option(0.0, "of the hard labels", least=0, below=1)

    __post_init__ = check_all

    def make(self, part, images, view):
        """View ``view`` of these images of a part, uint8."""
        from kdlab.photos.views import training_views

        how = {"size": self.size, "seed": self.view_seed, "area": self.area, "flip": self.flip}
        return training_views(part, images, view, **how)

    def transform(self):
        """What :meth:`make` does, in words."""
        flip = "flip" if self.flip == 0.5 else f"flip of {self.flip:g}"
        return f"crop of {self.area:g} to 1 of photos at 8/7, {flip}, {self.size} px, seed {self.view_seed}"


@dataclass(frozen=True, kw_only=True)
class Running:
    """running"""

    seeds: int = option(
        1, "students of each kind, paired; a verdict needs 3",
        may_change=APART + "; the report tells that their number was changed", least=1, most=10_000,
    )  # fmt: skip
    margin: float = option(1.0, "smallest difference that matters, in points of accuracy", above=0)
    resume: bool = option(False, "go on with what is in OUT", may_change=HOW)
    every: float = option(
        600.0, "seconds between checkpoints within an epoch", may_change=HOW, metavar="S", least=0
    )
    threads: int = option(2, "that decode and augment", may_change=HOW, least=0, most=256)
    device: str | None = option(None, "cpu, cuda, cuda:1 (default: the GPU, if there is one)", may_change=HOW)
    progress: bool = option(True, "no bars and no words", may_change=HOW, flag="--quiet")

    def __post_init__(self):
        check_all(self)
        if self.device is not None:
            from kdlab.photos.parallel import check_device

            check_device(self.device)


GROUPS = (Photos, Teaching, Recipe, Running)
OPTIONS = {option.name: option for group in GROUPS for option in fields(group)}


def check_match(match):
    """Raise ValueError unless it gives weights to terms that there are, and not to all of them 0."""
    unknown = [name for name in match if name not in NAMES]
    if unknown or not match:
        found = f"no term is called {shown(unknown[0], repr)}" if unknown else "there is nothing to match"
        raise ValueError(f"{found}; there are {', '.join(NAMES)}")
    for name, weight in match.items():
        number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not (number and 0 <= weight <= MOST_WEIGHT):
            allowed = f"a number, at least 0 and at most {MOST_WEIGHT:g}"
            raise ValueError(f"match: the weight of {name} must be {allowed}, got {shown(weight, repr)}")
    if not any(match.values()):
        raise ValueError(f"match: all weights are 0 ({', '.join(match)}); one must be above it")


def identity_of(*settings):
    """What of these must be the same for a run to go on, by name."""
    return {
        option.name: getattr(group, option.name) for group in settings for option in fields(group)
        if not option.metadata["may_change"]
    }  # fmt: skip


def split(given):
    """Options by name as :class:`Photos`, :class:`Teaching`, the recipe's fields, :class:`Running`.

    TypeError if an option is unknown or missing, near names are suggested; ValueError if a value is not one
    that it takes.
    """
    for name in given:
        if name not in OPTIONS:
            raise TypeError(f"run() has no option {name!r}{nearest(name, OPTIONS)}")
    values = {name: option.metadata["unset"] for name, option in OPTIONS.items()} | given
    missing = [name for name, value in values.items() if value is REQUIRED]
    if missing:
        raise TypeError(f"run() needs {', '.join(missing)}")
    values = {name: str(v) if isinstance(v, Path) else v for name, v in values.items()}
    photos, teaching, recipe, running = ({f.name: values[f.name] for f in fields(group)} for group in GROUPS)
    recipe = {name: checked(OPTIONS[name], value, or_unset=True) for name, value in recipe.items()}
    return Photos(**photos), Teaching(**teaching), recipe, Running(**running)


def with_options(function):
    """Give ``run(**options)`` the signature, and the parameters in its docstring, that follow from here."""
    parameters, told = [], []
    for name, known in OPTIONS.items():
        default, kind = known.metadata["unset"], inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(name, kind, default=default, annotation=known.type))
        said = "required" if default is REQUIRED else f"default {default!r}"
        told.append(f"    {name} : {said}\n        {known.metadata['help']}")
    function.__signature__ = inspect.Signature(parameters)
    function.__doc__ = function.__doc__.replace("    <options>", "\n".join(told))
    return function
