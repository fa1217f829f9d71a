"""Train a teacher that one of the files here has a recipe for: ``python -m kdlab teach NAME``."""

import platform
from pathlib import Path

import torch

from kdlab.cards import TEACHERS
from kdlab.names import declared, nearest
from kdlab.teachers.sources import open_teacher, save_teacher


def recipes():
    """Recipes by the teacher's name: ``RECIPES`` of each file here.

    A recipe has ``train(steps=, progress=)``, which gives a network and what its card says of it alone, and
    ``score(teacher)``, which gives what the card says of the file as written.
    """
    return {name: recipe for found in declared(__package__, "RECIPES") for name, recipe in found.items()}


def train_teacher(name, folder=TEACHERS, *, steps=None, progress=True):
    """Train the teacher of that name and write ``folder/name.safetensors`` with its card.

    What the card says of it is read off the file as written, in half precision. Other ``steps`` than the
    recipe's are for trying the command out. Gives the :class:`kdlab.teachers.Teacher`; raises ValueError
    if there is no such recipe.
    """
    known = recipes()
    if name not in known:
        raise ValueError(f"no recipe is called {name!r}{nearest(name, known)}")
    recipe, path = known[name], Path(folder) / f"{name}.safetensors"
    network, card = recipe.train(steps=steps, progress=progress)
    card = {"name": name, **card, **_how(name, network, steps)}
    save_teacher(network, path, card)
    save_teacher(network, path, {**card, **recipe.score(open_teacher(path))})
    return open_teacher(path)


def _how(name, network, steps):
    """What every card says: the command, the size, the versions."""
    return {
        "command": f"python -m kdlab teach {name}" + (f" --steps {steps}" if steps is not None else ""),
        "parameters": sum(p.numel() for p in network.parameters()),
        "precision": "float16",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "threads": torch.get_num_threads(),
    }
