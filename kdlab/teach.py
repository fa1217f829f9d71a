"""How the shipped teachers are made: one recipe each, run by ``python -m kdlab teach NAME``."""

import platform
from dataclasses import dataclass, field
from pathlib import Path

import torch

from kdlab import data, metrics, models, teachers
from kdlab.distill import distill, hard_labels

TEST_SPLITS = 5


@dataclass(frozen=True)
class Recipe:
    """Architecture, data and schedule of one teacher."""

    channels: tuple
    cluttered: bool
    steps: int
    views: int
    learning_rate: float = 0.01
    batch_size: int = 128
    smoothing: float = 0.0
    seed: int = 0
    architecture: str = "resnet10t"
    options: dict = field(default_factory=lambda: {"output_stride": 8})


TINY, SMALL, LARGE = (8, 16, 32, 64), (16, 32, 64, 128), (32, 64, 128, 256)
RECIPES = {
    "digits-small": Recipe(SMALL, cluttered=False, steps=400, views=10),
    "digits-large": Recipe(LARGE, cluttered=False, steps=400, views=10),
    "cluttered-tiny": Recipe(TINY, cluttered=True, steps=1500, views=40),
    "cluttered-small": Recipe(SMALL, cluttered=True, steps=1500, views=40),
    "cluttered-large": Recipe(LARGE, cluttered=True, steps=1500, views=40, learning_rate=0.005),
    "digits-smoothed": Recipe(SMALL, cluttered=False, steps=400, views=10, smoothing=0.1),
    "cluttered-smoothed": Recipe(SMALL, cluttered=True, steps=1500, views=40, smoothing=0.1),
}


def train_teacher(name, folder=teachers.TEACHERS, *, steps=None, progress=True):
    """Train the teacher of that name and write ``folder/name.safetensors`` with its card.

    The accuracy on the card is that of the file as written, in half precision, on test images
    of handwriting that the teacher never saw, over five draws of the split.

    Parameters
    ----------
    name : str
        A key of ``RECIPES``.
    folder : path
    steps : int, optional
        In place of the recipe's, to try the command out.
    progress : bool

    Returns
    -------
    kdlab.teachers.Teacher

    Raises
    ------
    ValueError
        If there is no such recipe.
    """
    if name not in RECIPES:
        raise ValueError(f"no recipe is called {name!r}; there are {', '.join(RECIPES)}")
    recipe = RECIPES[name]
    steps = recipe.steps if steps is None else steps
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    options = {**recipe.options, "channels": recipe.channels}
    torch.manual_seed(recipe.seed)
    network = models.create_student(recipe.architecture, **options)
    part = data.teacher_digits(cluttered=recipe.cluttered, views=recipe.views)
    distill(
        network, part.images, [hard_labels(part.labels, smoothing=recipe.smoothing)],
        steps=steps, batch_size=recipe.batch_size, learning_rate=recipe.learning_rate,
        seed=recipe.seed, progress=progress,
    )  # fmt: skip
    path = folder / f"{name}.safetensors"
    card = {
        "name": name,
        "architecture": recipe.architecture,
        "options": options,
        "num_classes": data.NUM_CLASSES,
        "in_chans": 1,
        "input_size": data.SIZE,
        "data": f"{'cluttered' if recipe.cluttered else 'clean'} digits, {data.TEACHER_SOURCES} sources, "
        f"{recipe.views} views each; handwriting: scikit-learn's copy of the UCI optical digits",
        "command": f"python -m kdlab teach {name}" + (f" --steps {steps}" if steps != recipe.steps else ""),
        "steps": steps,
        "batch_size": recipe.batch_size,
        "learning_rate": recipe.learning_rate,
        "smoothing": recipe.smoothing,
        "seed": recipe.seed,
        "parameters": sum(p.numel() for p in network.parameters()),
        "precision": "float16",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "threads": torch.get_num_threads(),
    }
    teachers.save_teacher(network, path, card)
    teacher = teachers.load_teacher(path)
    card["accuracy"] = round(_accuracy(teacher, recipe.cluttered), 2)
    card["accuracy_of"] = f"test images of {TEST_SPLITS} splits, percent"
    teachers.save_teacher(network, path, card)
    return teachers.load_teacher(path)


def _accuracy(teacher, cluttered):
    make = data.cluttered_digits if cluttered else data.digits
    tests = [make(seed=seed).test for seed in range(TEST_SPLITS)]
    return sum(metrics.accuracy(teacher(test.images), test.labels) for test in tests) / TEST_SPLITS
