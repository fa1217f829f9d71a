"""Exercise 3.1: a hint through a projector."""

import torch
import torch.nn.functional as F
from torch import nn

from kdlab.exercises.core import Exercise, Mistake, value_and_gradient
from kdlab.losses import hint_loss


def _case(n):
    def make():
        random = torch.Generator().manual_seed(n)
        student, teacher = (
            torch.randn(n, 3, 2, 2, generator=random),
            torch.randn(n, 3, 2, 2, generator=random),
        )
        projector = nn.Conv2d(3, 3, 1)  # on equal shapes, so that leaving it out is possible too
        with torch.no_grad():
            for p in projector.parameters():
                p.copy_(torch.randn(p.shape, generator=random))
        return student, teacher.requires_grad_(), projector

    return make


def _observe(function, arguments):
    seen = value_and_gradient(lambda *a: function(*a), arguments)
    loss = function(*arguments)
    flows = (
        loss.requires_grad and torch.autograd.grad(loss.sum(), arguments[1], allow_unused=True)[0] is not None
    )
    seen["a gradient reaches the teacher:"] = torch.tensor(flows)
    return seen


def _reference(s, t, project):
    return hint_loss(project(s), t)


EXERCISE = Exercise(
    id="3.1",
    title="A hint",
    reference=_reference,
    observe=_observe,
    cases={"one image, three channels, 2 x 2 places": _case(1), "four images": _case(4)},
    mistakes=[
        Mistake(
            "features compared without projector",
            (lambda s, t, project: F.mse_loss(s, t.detach()), lambda s, t, project: F.mse_loss(s, t)),
            "Channel 5 of the student need not mean what channel 5 of the teacher means, even where the shapes agree. The "
            "projector is there to translate.",
        ),
        Mistake(
            "projector on the teacher's side",
            (
                lambda s, t, project: F.mse_loss(s, project(t.detach())),
                lambda s, t, project: F.mse_loss(s, project(t)),
            ),
            "A projector that moves the teacher can make both sides 0. The student goes through it.",
        ),
        Mistake(
            "projector on both sides",
            (
                lambda s, t, project: F.mse_loss(project(s), project(t.detach())),
                lambda s, t, project: F.mse_loss(project(s), project(t)),
            ),
            "The same projector on both sides can agree by sending everything to one point.",
        ),
        Mistake(
            "gradient flowing into the teacher",
            (lambda s, t, project: F.mse_loss(project(s), t),),
            "The value is right, but the teacher's features must be detached: it is not to move towards the student.",
        ),
        Mistake(
            "a sum in place of the mean",
            (
                lambda s, t, project: (project(s) - t.detach()).square().sum(),
                lambda s, t, project: (project(s) - t.detach()).square().sum() / len(s),
            ),
            "The mean is over images, channels and places: a sum grows with the size of the map.",
        ),
        Mistake(
            "absolute differences",
            (lambda s, t, project: F.l1_loss(project(s), t.detach()),),
            "Squared differences are asked for.",
        ),
        Mistake(
            "the student cut off",
            (lambda s, t, project: F.mse_loss(project(s.detach()), t.detach()),),
            "The value is right, but nothing flows back to the student.",
        ),
    ],
    right="The student goes through the projector, the teacher stays as it is.",
    see="Hints",
)
