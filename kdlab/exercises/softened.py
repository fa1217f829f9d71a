"""The mistakes that are made in a divergence between softened answers: of student, teacher and temperature."""

from functools import partial

import torch
import torch.nn.functional as F

from kdlab.exercises.core import Mistake
from kdlab.losses import soft_target_loss

_divergence = partial(F.kl_div, reduction="batchmean")


def _kl(s, t, reduction="batchmean"):
    return F.kl_div(s.log_softmax(1), t.softmax(1), reduction=reduction)


def _each_power(loss, *powers):
    """The loss with T to each of these powers in front."""
    return [lambda s, t, T, power=power: T**power * loss(s, t, T) for power in powers]


def _entropy(z):
    return -(z.softmax(1) * z.log_softmax(1)).sum(1).mean()


MISTAKES = [
    Mistake("cross-entropy in place of KL",
        "The same gradient, another value: it is larger by T squared times the teacher's entropy.",
        lambda s, t, T: T**2 * F.cross_entropy(s / T, (t / T).softmax(1)), accept=True),
    Mistake("missing T squared",
        "Softened correctly, but the gradient shrinks as T grows, so that T changes the weight of this term as well.",
        lambda s, t, T: _kl(s / T, t / T), lambda s, t, T: F.cross_entropy(s / T, (t / T).softmax(1))),
    Mistake("T instead of T squared",
        "One T makes up for the 1/T in front of the gradient. The difference of the probabilities shrinks too.",
        lambda s, t, T: T * _kl(s / T, t / T), lambda s, t, T: T * F.cross_entropy(s / T, (t / T).softmax(1))),
    Mistake("another power of T", "The gradient falls like 1 over T squared, so T squared is the factor.",
        *_each_power(lambda s, t, T: _kl(s / T, t / T), -2, -1, 0.5, 3, 4)),
    Mistake("divided by the number of classes", "The sum is divided by the number of images, not of classes.",
        *_each_power(lambda s, t, T: _kl(s / T, t / T, "sum") / s.shape[1], 0, 2)),
    Mistake("the entropy of one side", "A divergence compares the two: the teacher's probability times the difference of the two logarithms.",
        *[lambda s, t, T, side=side, sign=sign: sign * T**2 * _entropy((s, t)[side] / T) for side in (0, 1) for sign in (1, -1)]),
    Mistake("absolute differences", "KL is the mean difference of the logarithms, not of the probabilities.",
        *_each_power(lambda s, t, T: ((s / T).softmax(1) - (t / T).softmax(1)).abs().sum(1).mean(), 0, 2)),
    Mistake("softened twice", "The logits are divided by T once. Yours were softened, and softened again.",
        *_each_power(lambda s, t, T: _kl(s / T**2, t / T**2), 0, 1, 2, 4)),
    Mistake("softmax twice", "Softmax of probabilities is nearly flat. The second softmax must go.",
        *_each_power(lambda s, t, T: _kl(s / T, (t / T).softmax(1)), 0, 2),
        *_each_power(lambda s, t, T: _kl((s / T).softmax(1), (t / T).softmax(1)), 0, 2)),
    Mistake("log_target forgotten",
        "Your target is in logarithms, and kl_div takes its logarithm once more: nan. Say log_target=True, or give probabilities.",
        *_each_power(lambda s, t, T: _divergence((s / T).log_softmax(1), (t / T).log_softmax(1)), 0, 2),
        *_each_power(lambda s, t, T: _divergence((t / T).log_softmax(1), (s / T).log_softmax(1)), 0, 2)),
    Mistake("log_target without logarithms", "log_target=True promises logarithms; yours are probabilities.",
        *_each_power(lambda s, t, T: _divergence((s / T).log_softmax(1), (t / T).softmax(1), log_target=True), 0, 2)),
    Mistake("logits where probabilities belong", "kl_div knows nothing of logits: softmax is yours to take, on both sides.",
        *_each_power(lambda s, t, T: _divergence((s / T).log_softmax(1), t / T), 0, 2),
        *_each_power(lambda s, t, T: _divergence(s / T, (t / T).softmax(1)), 0, 2),
        *_each_power(lambda s, t, T: _divergence(s / T, t / T), 0, 2)),
    Mistake("squared differences in place of KL",
        "A mean squared error weighs all classes alike. KL weighs them by the teacher's probability; at a very high T the two meet.",
        *_each_power(lambda s, t, T: F.mse_loss(s, t), -2, 0, 2),
        *_each_power(lambda s, t, T: F.mse_loss((s / T).softmax(1), (t / T).softmax(1)), 0, 2),
        *_each_power(lambda s, t, T: ((s / T).softmax(1) - (t / T).softmax(1)).square().sum(1).mean(), 0, 2)),
    Mistake("only the teacher's top class", "argmax leaves a hard label: what the teacher says of the other classes is lost.",
        *_each_power(lambda s, t, T: F.cross_entropy(s / T, t.argmax(1)), 0, 2), lambda s, t, T: F.cross_entropy(s, t.argmax(1))),
    Mistake("not reduced to one number", "A loss is one number: the sum over the classes, the mean over the images.",
        *_each_power(lambda s, t, T: _kl(s / T, t / T, "none"), 0, 2),
        *_each_power(lambda s, t, T: _kl(s / T, t / T, "none").sum(1), 0, 2)),
    Mistake("bits in place of nats", "The logarithm is the natural one.",
        lambda s, t, T: T**2 * _kl(s / T, t / T) / torch.tensor(2.0).log()),
    Mistake("temperature on one side only",
        "Even a student that equals its teacher would have a loss here: both sides need the same temperature.",
        lambda s, t, T: T**2 * _kl(s, t / T), lambda s, t, T: T**2 * _kl(s / T, t),
        *_each_power(lambda s, t, T: _kl(s, t / T), 0, 1), *_each_power(lambda s, t, T: _kl(s / T, t), 0, 1),
        *_each_power(lambda s, t, T: F.cross_entropy(s / T, t.softmax(1)), 0, 2), *_each_power(lambda s, t, T: F.cross_entropy(s, (t / T).softmax(1)), 0, 2)),
    Mistake("logits multiplied by T", "Multiplying sharpens. Softening divides.",
        lambda s, t, T: T**2 * _kl(s * T, t * T), lambda s, t, T: _kl(s * T, t * T)),
    Mistake("probabilities divided by T", "The temperature belongs inside softmax, on the logits.",
        lambda s, t, T: T**2 * _divergence((s.softmax(1) / T).log(), t.softmax(1) / T),
        *_each_power(lambda s, t, T: _divergence(s.log_softmax(1) / T, (t / T).softmax(1)), 0, 2),
        *_each_power(lambda s, t, T: _divergence(s.log_softmax(1) / T, t.softmax(1) / T), 0, 2),
        lambda s, t, T: T**2 * _kl(s.softmax(1) / T, t.softmax(1) / T)),
    Mistake("mean for batchmean", "reduction='mean' divides by the number of classes as well as by the batch.",
        lambda s, t, T: T**2 * _kl(s / T, t / T, "mean"), lambda s, t, T: _kl(s / T, t / T, "mean")),
    Mistake("sum over the batch", "The sum grows with the batch: take the mean over the images.",
        lambda s, t, T: T**2 * _kl(s / T, t / T, "sum"), lambda s, t, T: _kl(s / T, t / T, "sum"),
        lambda s, t, T: T**2 * F.cross_entropy(s / T, (t / T).softmax(1), reduction="sum")),
    Mistake("temperature not used", "Neither side was softened.",
        lambda s, t, T: _kl(s, t), lambda s, t, T: T**2 * _kl(s, t)),
    Mistake("softmax over the wrong axis", "Each row must add up to 1, not each column.",
        lambda s, t, T: T**2 * _divergence((s / T).log_softmax(0), (t / T).softmax(0)),
        lambda s, t, T: _divergence((s / T).log_softmax(0), (t / T).softmax(0))),
    Mistake("probabilities where log-probabilities belong",
        "kl_div wants the student's log-probabilities; it does not check.",
        lambda s, t, T: T**2 * _divergence((s / T).softmax(1), (t / T).softmax(1)),
        lambda s, t, T: _divergence((s / T).softmax(1), (t / T).softmax(1))),
    Mistake("the sign turned round", "A divergence is never negative; minimising yours drives the two apart.",
        lambda s, t, T: -(T**2) * _kl(s / T, t / T)),
    Mistake("cut off from the gradient",
        "The value is right, but nothing flows back: .item(), .detach() or no_grad cuts the graph.",
        lambda s, t, T: soft_target_loss(s, t, temperature=T).detach()),
    Mistake("KL arguments swapped",
        "This is KL(student || teacher): the student goes first into kl_div, the teacher is the target.",
        lambda s, t, T: T**2 * _kl(t / T, s / T), lambda s, t, T: _kl(t / T, s / T),
        lambda s, t, T: T**2 * F.cross_entropy(t / T, (s / T).softmax(1))),
]  # fmt: skip
