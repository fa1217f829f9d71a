"""Exercise 1.1: the divergence in PyTorch's own words."""

import torch
import torch.nn.functional as F

from kdlab.exercises.core import Exercise, Mistake
from kdlab.exercises.props import ten_classes, two_rows
from kdlab.losses import soft_target_loss


def _kl(student, teacher, **options):
    return F.kl_div(student, teacher, **{"reduction": "batchmean", **options})


def _gap():
    return torch.tensor([[200.0, 0.0, 1.0]]), torch.tensor([[0.0, 3.0, 200.0]])


EXERCISE = Exercise(
    id="1.1",
    title="The loss in PyTorch's words",
    reference=lambda s, t: soft_target_loss(s, t, temperature=1),
    cases={
        "two rows of three logits": two_rows,
        "four rows of ten logits": ten_classes,
        "a row with a gap of 200": _gap,
    },
    mistakes=[
        Mistake(
            "cross-entropy in place of KL",
            (
                lambda s, t: F.cross_entropy(s, t.softmax(1)),
                lambda s, t: -(t.softmax(1) * s.log_softmax(1)).sum(1).mean(),
            ),
            "This is the cross-entropy with soft labels. It is larger than KL by the teacher's entropy, and has "
            "the same gradient, so it trains the same student. Only the value differs: it is not 0 where both agree.",
            accept=True,
        ),
        Mistake(
            "mean for batchmean",
            (
                lambda s, t: _kl(s.log_softmax(1), t.softmax(1), reduction="mean"),
                lambda s, t: (t.softmax(1) * (t.log_softmax(1) - s.log_softmax(1))).mean(),
            ),
            "reduction='mean' divides by the number of classes too. With ten classes the loss is a tenth of what "
            "it should be, with a hundred a hundredth. (A reduction passed by position is taken for "
            "another argument: name it.)",
        ),
        Mistake(
            "sum over the batch",
            (lambda s, t: _kl(s.log_softmax(1), t.softmax(1), reduction="sum"),),
            "The sum grows with the batch, and the learning rate would have to shrink with it. Take the mean over rows.",
        ),
        Mistake(
            "KL arguments swapped",
            (
                lambda s, t: _kl(t.log_softmax(1), s.softmax(1)),
                lambda s, t: _kl(t.log_softmax(1), s.log_softmax(1), log_target=True),
                lambda s, t: _kl(t.log_softmax(1), s.softmax(1), reduction="mean"),
            ),
            "This is KL(student || teacher). kl_div takes the student first, as log-probabilities, and the "
            "teacher second, as the target.",
        ),
        Mistake(
            "probabilities where log-probabilities belong",
            (
                lambda s, t: _kl(s.softmax(1), t.softmax(1)),
                lambda s, t: _kl(s, t.softmax(1)),
                lambda s, t: _kl(s.softmax(1), t.softmax(1), reduction="mean"),
            ),
            "The first argument of kl_div must be log-probabilities; it does not check. The value here means nothing.",
        ),
        Mistake(
            "log-probabilities as a target without saying so",
            (lambda s, t: _kl(s.log_softmax(1), t.log_softmax(1)),),
            "The target is taken as probabilities unless log_target=True.",
        ),
        Mistake(
            "probabilities as a target called logarithms",
            (lambda s, t: _kl(s.log_softmax(1), t.softmax(1), log_target=True),),
            "With log_target=True the target must be log-probabilities.",
        ),
        Mistake(
            "logits as a target",
            (lambda s, t: _kl(s.log_softmax(1), t),),
            "The teacher's logits are no probabilities: they are not even positive.",
        ),
        Mistake(
            "not reduced to one number",
            (
                lambda s, t: _kl(s.log_softmax(1), t.softmax(1), reduction="none"),
                lambda s, t: _kl(s.log_softmax(1), t.softmax(1), reduction="none").sum(1),
            ),
            "A loss is one number: sum over the classes, then take the mean over the images.",
        ),
        Mistake(
            "cut off from the gradient",
            (lambda s, t: soft_target_loss(s, t, temperature=1).detach(),),
            "The value is right, but nothing flows back to the student: .item(), .detach() or no_grad cuts the graph.",
        ),
        Mistake(
            "logarithm taken after softmax",
            (
                lambda s, t: _kl(s.softmax(1).log(), t.softmax(1)),
                lambda s, t: (t.softmax(1) * (t.softmax(1).log() - s.softmax(1).log())).sum(1).mean(),
            ),
            "Right until a probability underflows to 0: its logarithm is minus infinity. log_softmax stays finite.",
        ),
        Mistake(
            "softmax twice",
            (
                lambda s, t: _kl(s.softmax(1).log_softmax(1), t.softmax(1)),
                lambda s, t: _kl(s.softmax(1).log_softmax(1), t.softmax(1).softmax(1)),
                lambda s, t: _kl(s.log_softmax(1), t.softmax(1).softmax(1)),
            ),
            "One side went through softmax a second time, which flattens it: no class can get more than e times another.",
        ),
        Mistake(
            "softmax over the wrong axis",
            (
                lambda s, t: _kl(s.log_softmax(0), t.softmax(0)),
                lambda s, t: _kl(s.log_softmax(0), t.softmax(1)),
                lambda s, t: _kl(s.log_softmax(1), t.softmax(0)),
            ),
            "Each row must add up to 1. With dim=0 the images compete with one another, not the classes.",
        ),
        Mistake(
            "argmax taken as a soft label",
            (lambda s, t: F.cross_entropy(s, t.argmax(1)),),
            "Only the teacher's top class is used: that is a hard label, made by the teacher.",
        ),
    ],
    right="Summed over the classes, the mean over the images: what PyTorch calls batchmean.",
    see="The loss",
)
