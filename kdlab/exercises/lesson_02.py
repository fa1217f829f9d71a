"""Lesson 02: temperature."""

from functools import partial
from operator import itemgetter

import torch
import torch.nn.functional as F

from kdlab.exercises.core import Exercise, Experiment, Mistake, value
from kdlab.exercises.props import ten_classes, two_rows
from kdlab.losses import soft_target_loss
from kdlab.models import TinyCNN

_divergence = partial(F.kl_div, reduction="batchmean")


def _kl(s, t, reduction="batchmean"):
    return F.kl_div(s.log_softmax(1), t.softmax(1), reduction=reduction)


LOSS = Exercise(
    "2.1", "The loss with a temperature", see="Where T squared comes from",
    right="Both sides at the same T, and T squared in front.",
    reference=lambda s, t, T: soft_target_loss(s, t, temperature=T),
    cases={
        "two rows of three logits at T = 3": lambda: (*two_rows(), 3.0),
        "four rows of ten logits at T = 5": lambda: (*ten_classes(), 5.0),
    },
    mistakes=[
        Mistake("cross-entropy in place of KL",
            "The same gradient, another value: it is larger by T squared times the teacher's entropy.",
            lambda s, t, T: T**2 * F.cross_entropy(s / T, (t / T).softmax(1)), accept=True),
        Mistake("missing T squared",
            "Softened correctly, but the gradient shrinks as T grows, so that T changes the weight of this term as well.",
            lambda s, t, T: _kl(s / T, t / T)),
        Mistake("T instead of T squared",
            "One T makes up for the 1/T in front of the gradient. The difference of the probabilities shrinks too.",
            lambda s, t, T: T * _kl(s / T, t / T)),
        Mistake("temperature on one side only",
            "Even a student that equals its teacher would have a loss here: both sides need the same temperature.",
            lambda s, t, T: T**2 * _kl(s, t / T), lambda s, t, T: T**2 * _kl(s / T, t),
            lambda s, t, T: _kl(s, t / T), lambda s, t, T: _kl(s / T, t)),
        Mistake("logits multiplied by T", "Multiplying sharpens. Softening divides.",
            lambda s, t, T: T**2 * _kl(s * T, t * T), lambda s, t, T: _kl(s * T, t * T)),
        Mistake("probabilities divided by T", "The temperature belongs inside softmax, on the logits.",
            lambda s, t, T: T**2 * _divergence((s.softmax(1) / T).log(), t.softmax(1) / T),
            lambda s, t, T: T**2 * _kl(s.softmax(1) / T, t.softmax(1) / T)),
        Mistake("mean for batchmean", "reduction='mean' divides by the number of classes as well as by the batch.",
            lambda s, t, T: T**2 * _kl(s / T, t / T, "mean"), lambda s, t, T: _kl(s / T, t / T, "mean")),
        Mistake("sum over the batch", "The sum grows with the batch: take the mean over the images.",
            lambda s, t, T: T**2 * _kl(s / T, t / T, "sum"), lambda s, t, T: _kl(s / T, t / T, "sum")),
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
            lambda s, t, T: T**2 * _kl(t / T, s / T), lambda s, t, T: _kl(t / T, s / T)),
    ],
)  # fmt: skip


def _norm(loss, z):
    z = z.detach().clone().requires_grad_()
    return torch.autograd.grad(loss(z), z)[0].norm()


def _norms(s, t, y, T):
    soft = partial(soft_target_loss, temperature=T)
    return _norm(lambda z: F.cross_entropy(z, y), s), _norm(lambda z: soft(z, t), s)


def _weight(s, t, y, T):
    hard, soft = _norms(s, t, y, T)
    return hard / soft


WEIGHT = Exercise(
    "2.2", "A weight that balances", see="Where T squared comes from",
    right="With this weight both terms pull equally hard at the start. It says nothing about which one is worth more.",
    reference=_weight, observe=value,
    cases={
        "two rows of three logits at T = 2": lambda: (*two_rows(), torch.tensor([0, 1]), 2.0),
        "four rows of ten logits at T = 6": lambda: (*ten_classes(), torch.tensor([1, 5, 2, 9]), 6.0),
    },
    mistakes=[
        Mistake("weights that do not balance: equal ones",
            "Equal weights do not pull equally: the two gradients have different lengths.",
            lambda s, t, y, T: 1.0, lambda s, t, y, T: 0.5),
        Mistake("weights that do not balance: values compared, not gradients",
            "A loss can be large and nearly flat. What moves the student is the gradient.",
            lambda s, t, y, T: F.cross_entropy(s, y) / soft_target_loss(s, t, temperature=T)),
        Mistake("weights that do not balance: upside down",
            "With your weight the stronger term becomes stronger still.",
            lambda s, t, y, T: 1 / _weight(s, t, y, T)),
        Mistake("weights that do not balance: T squared left out",
            "The soft term was measured without its factor T squared, but it will be used with it.",
            lambda s, t, y, T: T**2 * _weight(s, t, y, T)),
        Mistake("a share in place of a weight",
            "This is a part of the whole, between 0 and 1. Asked is the factor that makes both parts equal.",
            lambda s, t, y, T: (lambda h, k: k / (h + k))(*_norms(s, t, y, T)),
            lambda s, t, y, T: (lambda h, k: h / (h + k))(*_norms(s, t, y, T))),
    ],
)  # fmt: skip


def _size(network):
    return sum(p.numel() for p in network.parameters())


class _OfWidth(Experiment):
    """An experiment that is about the student of this width."""

    width = 2

    def _faults(self, result):
        yield from super()._faults(result)
        due = TinyCNN(self.width)
        student = result.students.get(self.arms[1], due)
        if _size(student) != _size(due):
            text = f"its student has {_size(student):,} weights, TinyCNN({self.width}) has {_size(due):,}."
            yield "another student", text


PATIENCE = _OfWidth(
    "2.3", "Patience", see="The experiment: size or patience?", arms=("hard labels", "T = 20"), seeds=5, steps=800,
    meaning={
        "helps": "With patience T = 20 passes hard labels. Whether the cost shrank is a difference of gains: read on.",
        "hurts": "Some of the cost is left after 800 steps. Whether it shrank is a difference of gains: read on.",
        "same": "After 800 steps no cost is left that matters. Whether it shrank is a difference of gains: read on.",
        "open": "These pairs cannot tell what is left of the cost. That is no sign that it is gone: whether it shrank "
                "is a difference of gains, and the lesson takes it next.",
    },
)  # fmt: skip


AFTER_TRAINING = Exercise(
    "2.4", "After training", see="After training: T = 1",
    right="After training T is 1, whatever it was before.",
    reference=lambda z, T: z.softmax(dim=1), observe=value,
    cases={
        "two rows of three logits, trained at T = 4": lambda: (two_rows()[0], 4.0),
        "four rows of ten logits, trained at T = 8": lambda: (ten_classes()[0], 8.0),
    },
    mistakes=[
        Mistake("temperature kept at inference",
            "The same classes come first, so accuracy cannot show it, but the probabilities are "
            "too flat: the first too low, the others too high. The temperature was for training.",
            lambda z, T: (z / T).softmax(dim=1)),
        Mistake("logits multiplied by T",
            "There is nothing to undo: the student's logits were trained to match at their own size.",
            lambda z, T: (z * T).softmax(dim=1)),
        Mistake("logits returned", "These do not add up to 1: probabilities are asked for.",
            lambda z, T: z, lambda z, T: z / T),
        Mistake("softmax over the wrong axis", "Each image's probabilities must add up to 1, not each class's.",
            lambda z, T: z.softmax(dim=0), lambda z, T: (z / T).softmax(dim=0)),
        Mistake("argmax taken as a probability", "This is the answer without its probability.",
            lambda z, T: F.one_hot(z.argmax(dim=1), z.shape[1]), lambda z, T: z.argmax(dim=1)),
    ],
)  # fmt: skip


def _scores(table):
    return ({T: {"validation": validation, "test": test} for T, (validation, test) in table.items()},)


def _choose(key, report="test"):
    def code(scores):
        best = max(scores, key=lambda T: key(scores[T]))
        return best, scores[best][report]

    return code


_validation, _test = itemgetter("validation"), itemgetter("test")


CHOICE = Exercise(
    "2.5", "Choose, then report", see="When it does not help",
    right="Validation chooses, the test set is read once, for what was chosen.",
    reference=_choose(_validation), observe=value,
    cases={
        # On validation T = 2 is best, on test T = 8, on the mean of both T = 4.
        "temperatures 2, 4 and 8": partial(_scores, {2: (93.0, 88.0), 4: (92.0, 90.5), 8: (87.0, 91.0)}),
        "five temperatures": partial(_scores, {
            1: (60.0, 71.0), 2: (71.0, 75.0), 5: (75.0, 69.0), 10: (72.0, 76.5), 20: (70.0, 74.0),
        }),
    },
    mistakes=[
        Mistake("test set used to choose",
            "The test scores had a say in what is reported. The best of several "
            "test scores is too good: part of it is luck that will not come again.",
            _choose(_test), _choose(lambda s: _validation(s) + _test(s)), _choose(_test, "validation"),
            lambda scores: (_choose(_validation)(scores)[0], max(s["test"] for s in scores.values()))),
        Mistake("validation score reported",
            "The choice is right. But the validation score of the winner was the largest "
            "of several, so it is too high; the test score had no part in the choice.",
            _choose(_validation, "validation")),
        Mistake("accuracy and temperature swapped", "The temperature comes first, then the accuracy.",
            lambda scores: _choose(_validation)(scores)[::-1]),
        Mistake("the accuracy left out", "The temperature is right; return the accuracy to report as well.",
            lambda scores: _choose(_validation)(scores)[0]),
        Mistake("the worst chosen", "Accuracy is better when larger.",
            _choose(lambda s: -_validation(s))),
        Mistake("the largest temperature chosen", "max over a dict compares its keys, the temperatures.",
            lambda scores: (max(scores), scores[max(scores)]["test"])),
    ],
)  # fmt: skip


EXERCISES = [LOSS, WEIGHT, PATIENCE, AFTER_TRAINING, CHOICE]
