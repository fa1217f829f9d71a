"""Exercise 1.4: looking at validation without leaving a trace."""

import torch

from kdlab.exercises.core import Exercise, Mistake, NothingReturned
from kdlab.exercises.props import images, network, statistics_moved


def _case(training):
    return network(1, dropout=0.5).train(training), images(), torch.tensor([0, 1, 2, 0, 1, 2, 2, 1])


def _observe(function, arguments):
    student, _, _ = arguments
    score = function(*arguments)
    if score is None or score is ...:
        raise NothingReturned
    return {
        "the accuracy in percent": torch.as_tensor(score).detach(),
        "the student's running statistics moved:": statistics_moved(student),
        "the student is in train mode afterwards:": torch.tensor(student.training),
        "gradients are recorded afterwards:": torch.tensor(torch.is_grad_enabled()),
    }


def _validate(student, images, labels, *, evaluate=True, restore=True, always=False, factor=100):
    before = student.training
    if evaluate:
        student.eval()
    with torch.no_grad():
        score = factor * (student(images).argmax(1) == labels).float().mean()
    if restore:
        student.train(before or always)
    return score


def _variant(**options):
    return lambda *arguments: _validate(*arguments, **options)


def _grad_off(*arguments):
    score = _validate(*arguments)
    torch.set_grad_enabled(False)
    return score


EXERCISE = Exercise(
    id="1.4",
    title="Validation in between",
    reference=_validate,
    observe=_observe,
    cases={
        "a student in the middle of training": lambda: _case(True),
        "a finished one": lambda: _case(False),
    },
    mistakes=[
        Mistake(
            "student left in eval mode after validation",
            (_variant(restore=False),),
            "The next training step would run with frozen batch statistics and without dropout, and nothing "
            "would say so. The mode it had must come back.",
        ),
        Mistake(
            "validated in train mode",
            (_variant(evaluate=False),),
            "Dropout was at work while you measured, and the validation images changed the student's batch statistics.",
            sign=lambda seen: seen["the student's running statistics moved:"].item(),
        ),
        Mistake(
            "train mode whatever it was before",
            (_variant(always=True),),
            "A finished student was in eval mode and is not any more. Keep what student.training was.",
        ),
        Mistake(
            "gradients switched off for good",
            (_grad_off,),
            "set_grad_enabled(False) as a plain call stays on. Use `with torch.no_grad():`, which ends.",
        ),
        Mistake(
            "a share in place of percent",
            (_variant(factor=1), _variant(factor=1, restore=False), _variant(factor=1, always=True)),
            "1 is one percent here.",
        ),
        Mistake(
            "a count in place of percent",
            (_variant(factor=8),),
            "This is the number of right answers.",
        ),
    ],
    right="It measured in eval mode and left the student in the mode it found.",
    see="The loop",
)
