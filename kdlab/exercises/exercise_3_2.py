"""Exercise 3.2: what the optimiser must hold."""

import torch
from torch import nn

from kdlab.exercises.core import Exercise, Mistake, NotANumber, NothingReturned


def _case():
    return nn.Linear(2, 3), nn.Linear(2, 5), nn.Linear(3, 5)


def _observe(function, arguments):
    optimiser = function(*arguments)
    if optimiser is None or optimiser is ...:
        raise NothingReturned
    if not isinstance(optimiser, torch.optim.Optimizer):
        raise NotANumber(f"it returns {type(optimiser).__name__}, not an optimiser.")
    held = {id(p) for group in optimiser.param_groups for p in group["params"]}
    names = "the student is trained:", "the teacher is trained:", "the projector is trained:"
    return {
        name: torch.tensor(all(id(p) in held for p in network.parameters()))
        for name, network in zip(names, arguments)
    }


def _adam(*networks):
    return torch.optim.Adam([p for network in networks for p in network.parameters()])


EXERCISE = Exercise(
    id="3.2",
    title="What is trained",
    reference=lambda s, t, project: _adam(s, project),
    observe=_observe,
    cases={"a student, a teacher and a projector": _case},
    mistakes=[
        Mistake(
            "projector not trained",
            (lambda s, t, project: _adam(s),),
            "The student would have to fit a random projection of itself, which stays random for ever. This mistake has "
            "been made in published code, and turned a comparison of methods round.",
        ),
        Mistake(
            "teacher in the optimiser",
            (lambda s, t, project: _adam(s, t, project), lambda s, t, project: _adam(s, t)),
            "A teacher that is trained too moves towards the student, and both may meet at nothing.",
        ),
        Mistake(
            "student not trained",
            (lambda s, t, project: _adam(project),),
            "Only the projector would learn: the student stays what it was.",
        ),
    ],
    right="The projector learns with the student, and is thrown away afterwards.",
    see="Hints",
)
