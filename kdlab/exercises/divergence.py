"""The mistakes that are made in a divergence from student to teacher, most of them in one call."""

import torch.nn.functional as F
from torch.distributions import Categorical, kl_divergence

from kdlab.exercises.core import Mistake
from kdlab.losses import soft_target_loss


def kl_div(student, teacher, **options):
    """PyTorch's, with the mean over the batch unless another reduction is said."""
    return F.kl_div(student, teacher, **{"reduction": "batchmean", **options})


MISTAKES = [
    Mistake("cross-entropy in place of KL",
        "This is the cross-entropy with soft labels. It is larger than KL by the teacher's entropy, and has the "
        "same gradient, so it trains the same student. Only the value differs: it is not 0 where both agree.",
        lambda s, t: F.cross_entropy(s, t.softmax(1)),
        lambda s, t: -(t.softmax(1) * s.log_softmax(1)).sum(1).mean(), accept=True),
    Mistake("mean for batchmean",
        "reduction='mean' divides by the number of classes too. With ten classes "
        "the loss is a tenth of what it should be, with a hundred a hundredth. (A "
        "reduction passed by position is taken for another argument: name it.)",
        lambda s, t: kl_div(s.log_softmax(1), t.softmax(1), reduction="mean"),
        lambda s, t: (t.softmax(1) * (t.log_softmax(1) - s.log_softmax(1))).mean()),
    Mistake("sum over the batch",
        "The sum grows with the batch, and the learning rate would have to shrink with it. Take the mean over rows.",
        lambda s, t: kl_div(s.log_softmax(1), t.softmax(1), reduction="sum")),
    Mistake("divided by the number of classes", "The sum is divided by the number of images, not of classes.",
        lambda s, t: kl_div(s.log_softmax(1), t.softmax(1), reduction="sum") / t.shape[1]),
    Mistake("KL arguments swapped",
        "This is KL(student || teacher). kl_div takes the student first, "
        "as log-probabilities, and the teacher second, as the target.",
        lambda s, t: kl_div(t.log_softmax(1), s.softmax(1)),
        lambda s, t: kl_div(t.log_softmax(1), s.log_softmax(1), log_target=True),
        lambda s, t: kl_div(t.log_softmax(1), s.softmax(1), reduction="mean")),
    Mistake("probabilities where log-probabilities belong",
        "The first argument of kl_div must be log-probabilities; it does not check. The value here means nothing.",
        lambda s, t: kl_div(s.softmax(1), t.softmax(1)), lambda s, t: kl_div(s, t.softmax(1)),
        lambda s, t: kl_div(s.softmax(1), t.softmax(1), reduction="mean")),
    Mistake("log-probabilities as a target without saying so",
        "The target is taken as probabilities unless log_target=True.",
        lambda s, t: kl_div(s.log_softmax(1), t.log_softmax(1))),
    Mistake("probabilities as a target called logarithms",
        "With log_target=True the target must be log-probabilities.",
        lambda s, t: kl_div(s.log_softmax(1), t.softmax(1), log_target=True)),
    Mistake("logits as a target", "The teacher's logits are no probabilities: they are not even positive.",
        lambda s, t: kl_div(s.log_softmax(1), t)),
    Mistake("not reduced to one number",
        "A loss is one number: sum over the classes, then take the mean over the images.",
        lambda s, t: kl_div(s.log_softmax(1), t.softmax(1), reduction="none"),
        lambda s, t: kl_div(s.log_softmax(1), t.softmax(1), reduction="none").sum(1)),
    Mistake("cut off from the gradient",
        "The value is right, but nothing flows back to the student: .item(), .detach() or no_grad cuts the graph.",
        lambda s, t: soft_target_loss(s, t, temperature=1).detach()),
    Mistake("logarithm taken after softmax",
        "Right until a probability underflows to 0: its logarithm is minus infinity. log_softmax stays finite.",
        lambda s, t: kl_div(s.softmax(1).log(), t.softmax(1)),
        lambda s, t: (t.softmax(1) * (t.softmax(1).log() - s.softmax(1).log())).sum(1).mean(),
        lambda s, t: kl_divergence(Categorical(logits=t), Categorical(logits=s)).mean()),
    Mistake("a squared difference", "That is the mean squared difference, of logits or of probabilities: another loss.",
        F.mse_loss, lambda s, t: F.mse_loss(s.softmax(1), t.softmax(1)), lambda s, t: (s - t).square().sum(1).mean()),
    Mistake("a temperature", "Nothing is to be divided here: the temperature comes in lesson 02.",
        lambda s, t: soft_target_loss(s, t, temperature=4), lambda s, t: kl_div((s / 4).log_softmax(1), (t / 4).softmax(1))),
    Mistake("weighted by the student", "Each difference of logarithms is weighted by the teacher's probability.",
        lambda s, t: (s.softmax(1) * (t.log_softmax(1) - s.log_softmax(1))).sum(1).mean()),
    Mistake("both directions", "One direction is asked for: from the teacher to the student.",
        lambda s, t: (soft_target_loss(s, t, temperature=1) + soft_target_loss(t, s, temperature=1)) / 2,
        lambda s, t: soft_target_loss(s, t, temperature=1) + soft_target_loss(t, s, temperature=1)),
    Mistake("cross-entropy of something else", "cross_entropy takes logits of the student and *probabilities* of the teacher.",
        lambda s, t: F.cross_entropy(s, t), lambda s, t: F.cross_entropy(s.softmax(1), t.softmax(1)),
        lambda s, t: F.cross_entropy(s.log_softmax(1), t.log_softmax(1)), lambda s, t: F.cross_entropy(t, s.softmax(1)),
        lambda s, t: F.binary_cross_entropy_with_logits(s, t.sigmoid()),
        lambda s, t: F.binary_cross_entropy_with_logits(s, t.softmax(1))),
    Mistake("a floor under the probabilities",
        "A small number was added, or small probabilities were cut off. log_softmax needs no such help, and stays right.",
        *(lambda s, t, e=e: kl_div((s.softmax(1) + e).log(), t.softmax(1)) for e in (1e-5, 1e-6, 1e-7, 1e-8, 1e-10, 1e-12)),
        *(lambda s, t, e=e: kl_div(s.softmax(1).clamp(min=e).log(), t.softmax(1)) for e in (1e-6, 1e-7, 1e-8, 1e-10, 1e-12))),
    Mistake("divided by the batch twice", "batchmean has divided by the number of images already.",
        lambda s, t: soft_target_loss(s, t, temperature=1) / len(s)),
    Mistake("softmax twice",
        "One side went through softmax a second time, which flattens it: no class can get more than e times another.",
        lambda s, t: kl_div(s.softmax(1).log_softmax(1), t.softmax(1)),
        lambda s, t: kl_div(s.softmax(1).log_softmax(1), t.softmax(1).softmax(1)),
        lambda s, t: kl_div(s.log_softmax(1), t.softmax(1).softmax(1))),
    Mistake("softmax over the wrong axis",
        "Each row must add up to 1. With dim=0 the images compete with one another, not the classes.",
        lambda s, t: kl_div(s.log_softmax(0), t.softmax(0)), lambda s, t: kl_div(s.log_softmax(0), t.softmax(1)),
        lambda s, t: kl_div(s.log_softmax(1), t.softmax(0))),
    Mistake("argmax taken as a soft label",
        "Only the teacher's top class is used: that is a hard label, made by the teacher.",
        lambda s, t: F.cross_entropy(s, t.argmax(1))),
]  # fmt: skip
