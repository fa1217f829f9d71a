"""Exercise 2.2: a weight that balances two terms."""

import torch
import torch.nn.functional as F

from kdlab.exercises.core import Exercise, Mistake, value
from kdlab.exercises.props import ten_classes, two_rows
from kdlab.losses import soft_target_loss


def _norm(loss, z):
    z = z.detach().clone().requires_grad_()
    return torch.autograd.grad(loss(z), z)[0].norm()


def _norms(s, t, y, T):
    return _norm(lambda z: F.cross_entropy(z, y), s), _norm(
        lambda z: soft_target_loss(z, t, temperature=T), s
    )


def _weight(s, t, y, T):
    hard, soft = _norms(s, t, y, T)
    return hard / soft


EXERCISE = Exercise(
    id="2.2",
    title="A weight that balances",
    reference=_weight,
    observe=value,
    cases={
        "two rows of three logits at T = 2": lambda: (*two_rows(), torch.tensor([0, 1]), 2.0),
        "four rows of ten logits at T = 6": lambda: (*ten_classes(), torch.tensor([1, 5, 2, 9]), 6.0),
    },
    mistakes=[
        Mistake(
            "weights that do not balance: equal ones",
            (lambda s, t, y, T: 1.0, lambda s, t, y, T: 0.5),
            "Equal weights do not pull equally: the two gradients have different lengths.",
        ),
        Mistake(
            "weights that do not balance: values compared, not gradients",
            (lambda s, t, y, T: F.cross_entropy(s, y) / soft_target_loss(s, t, temperature=T),),
            "A loss can be large and nearly flat. What moves the student is the gradient.",
        ),
        Mistake(
            "weights that do not balance: upside down",
            (lambda s, t, y, T: 1 / _weight(s, t, y, T),),
            "With your weight the stronger term becomes stronger still.",
        ),
        Mistake(
            "weights that do not balance: T squared left out",
            (lambda s, t, y, T: T**2 * _weight(s, t, y, T),),
            "The soft term was measured without its factor T squared, but it will be used with it.",
        ),
        Mistake(
            "a share in place of a weight",
            (
                lambda s, t, y, T: (lambda h, k: k / (h + k))(*_norms(s, t, y, T)),
                lambda s, t, y, T: (lambda h, k: h / (h + k))(*_norms(s, t, y, T)),
            ),
            "This is a part of the whole, between 0 and 1. Asked is the factor that makes both parts equal.",
        ),
    ],
    right="With this weight both terms pull equally hard at the start. It says nothing about which one is worth more.",
    see="Where T squared comes from",
)
