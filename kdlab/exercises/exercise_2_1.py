"""Exercise 2.1: the loss with its temperature."""

import torch.nn.functional as F

from kdlab.exercises.core import Exercise, Mistake
from kdlab.exercises.props import ten_classes, two_rows
from kdlab.losses import soft_target_loss


def _kl(s, t, reduction="batchmean"):
    return F.kl_div(s.log_softmax(1), t.softmax(1), reduction=reduction)


EXERCISE = Exercise(
    id="2.1",
    title="The loss with a temperature",
    reference=lambda s, t, T: soft_target_loss(s, t, temperature=T),
    cases={
        "two rows of three logits at T = 3": lambda: (*two_rows(), 3.0),
        "four rows of ten logits at T = 5": lambda: (*ten_classes(), 5.0),
    },
    mistakes=[
        Mistake(
            "cross-entropy in place of KL",
            (lambda s, t, T: T**2 * F.cross_entropy(s / T, (t / T).softmax(1)),),
            "The same gradient, another value: it is larger by T squared times the teacher's entropy.",
            accept=True,
        ),
        Mistake(
            "missing T squared",
            (lambda s, t, T: _kl(s / T, t / T),),
            "Softened correctly, but the gradient shrinks as T grows, so that T changes the weight of this term as well.",
        ),
        Mistake(
            "T instead of T squared",
            (lambda s, t, T: T * _kl(s / T, t / T),),
            "One T makes up for the 1/T in front of the gradient. The difference of the probabilities shrinks too.",
        ),
        Mistake(
            "temperature on one side only",
            (
                lambda s, t, T: T**2 * _kl(s, t / T),
                lambda s, t, T: T**2 * _kl(s / T, t),
                lambda s, t, T: _kl(s, t / T),
                lambda s, t, T: _kl(s / T, t),
            ),
            "Even a student that equals its teacher would have a loss here: both sides need the same temperature.",
        ),
        Mistake(
            "logits multiplied by T",
            (lambda s, t, T: T**2 * _kl(s * T, t * T), lambda s, t, T: _kl(s * T, t * T)),
            "Multiplying sharpens. Softening divides.",
        ),
        Mistake(
            "probabilities divided by T",
            (
                lambda s, t, T: (
                    T**2 * F.kl_div((s.softmax(1) / T).log(), t.softmax(1) / T, reduction="batchmean")
                ),
                lambda s, t, T: T**2 * _kl(s.softmax(1) / T, t.softmax(1) / T),
            ),
            "The temperature belongs inside softmax, on the logits.",
        ),
        Mistake(
            "mean for batchmean",
            (lambda s, t, T: T**2 * _kl(s / T, t / T, "mean"), lambda s, t, T: _kl(s / T, t / T, "mean")),
            "reduction='mean' divides by the number of classes as well as by the batch.",
        ),
        Mistake(
            "sum over the batch",
            (lambda s, t, T: T**2 * _kl(s / T, t / T, "sum"), lambda s, t, T: _kl(s / T, t / T, "sum")),
            "The sum grows with the batch: take the mean over the images.",
        ),
        Mistake(
            "temperature not used",
            (lambda s, t, T: _kl(s, t), lambda s, t, T: T**2 * _kl(s, t)),
            "Neither side was softened.",
        ),
        Mistake(
            "softmax over the wrong axis",
            (
                lambda s, t, T: (
                    T**2 * F.kl_div((s / T).log_softmax(0), (t / T).softmax(0), reduction="batchmean")
                ),
                lambda s, t, T: F.kl_div((s / T).log_softmax(0), (t / T).softmax(0), reduction="batchmean"),
            ),
            "Each row must add up to 1, not each column.",
        ),
        Mistake(
            "probabilities where log-probabilities belong",
            (
                lambda s, t, T: (
                    T**2 * F.kl_div((s / T).softmax(1), (t / T).softmax(1), reduction="batchmean")
                ),
                lambda s, t, T: F.kl_div((s / T).softmax(1), (t / T).softmax(1), reduction="batchmean"),
            ),
            "kl_div wants the student's log-probabilities; it does not check.",
        ),
        Mistake(
            "the sign turned round",
            (lambda s, t, T: -(T**2) * _kl(s / T, t / T),),
            "A divergence is never negative; minimising yours drives the two apart.",
        ),
        Mistake(
            "cut off from the gradient",
            (lambda s, t, T: soft_target_loss(s, t, temperature=T).detach(),),
            "The value is right, but nothing flows back: .item(), .detach() or no_grad cuts the graph.",
        ),
        Mistake(
            "KL arguments swapped",
            (lambda s, t, T: T**2 * _kl(t / T, s / T), lambda s, t, T: _kl(t / T, s / T)),
            "This is KL(student || teacher): the student goes first into kl_div, the teacher is the target.",
        ),
    ],
    right="Both sides at the same T, and T squared in front.",
    see="Where T squared comes from",
)
