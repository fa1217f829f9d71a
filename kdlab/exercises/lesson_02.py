"""Lesson 02: temperature."""

from functools import partial
from operator import itemgetter

import torch
import torch.nn.functional as F

from kdlab.exercises.core import Exercise, Experiment, Mistake, value
from kdlab.exercises.props import ten_classes, two_rows
from kdlab.exercises.softened import MISTAKES
from kdlab.losses import soft_target_loss
from kdlab.models import TinyCNN

LOSS = Exercise(
    "2.1", "The loss with a temperature", see="Where T squared comes from",
    right="Both sides at the same T, and T squared in front.",
    reference=lambda s, t, T: soft_target_loss(s, t, temperature=T),
    cases={
        "two rows of three logits at T = 3": lambda: (*two_rows(), 3.0),
        "four rows of ten logits at T = 5": lambda: (*ten_classes(), 5.0),
    },
    mistakes=MISTAKES,
)  # fmt: skip


def _gradient(loss, z):
    z = z.detach().clone().requires_grad_()
    return torch.autograd.grad(loss(z), z)[0]


def _pull(measure, *, factor=lambda T: 1, hard_T=lambda T: 1, soft_T=lambda T: T, teachers=False):
    """A weight from a measure of the two gradients, the hard term's first."""

    def weight(s, t, y, T):
        s, t = (t, s) if teachers else (s, t)
        hard = _gradient(lambda z: F.cross_entropy(z / hard_T(T), y), s)
        soft = _gradient(lambda z: soft_target_loss(z, t, temperature=soft_T(T)), s)
        return factor(T) * measure(hard, soft)

    return weight


def _ratio(h, k):
    return h.norm() / k.norm()


def _number(function, arguments):
    """One number, also where it is returned in a tensor of one."""
    seen = value(function, arguments)["value"]
    return {"value": seen.squeeze() if seen.numel() == 1 else seen}


WEIGHT = Exercise(
    "2.2", "A weight that balances", see="Where T squared comes from",
    right="With this weight both terms pull equally hard at the start. It says nothing about which one is worth more.",
    reference=_pull(_ratio), observe=_number,
    cases={
        "two rows of three logits at T = 2": lambda: (*two_rows(), torch.tensor([0, 1]), 2.0),
        "four rows of ten logits at T = 6": lambda: (*ten_classes(), torch.tensor([1, 5, 2, 9]), 6.0),
    },
    mistakes=[
        Mistake("weights that do not balance: equal ones",
            "A number chosen beforehand does not balance: how long the two gradients are depends on the logits.",
            *[lambda s, t, y, T, w=w: w for w in (1.0, 0.5, 0.1, 0.9)]),
        Mistake("weights that do not balance: values compared, not gradients",
            "A loss can be large and nearly flat. What moves the student is the gradient.",
            *[lambda s, t, y, T, p=p: T**p * F.cross_entropy(s, y) / soft_target_loss(s, t, temperature=T) for p in (0, 2)],
            lambda s, t, y, T: soft_target_loss(s, t, temperature=T) / F.cross_entropy(s, y)),
        Mistake("weights that do not balance: upside down",
            "With your weight the stronger term becomes stronger still.",
            *[_pull(lambda h, k: 1 / _ratio(h, k), factor=lambda T, p=p: T**p) for p in (0, -2, 2)]),
        Mistake("weights that do not balance: T squared left out",
            "The soft term was measured without its factor T squared, but it will be used with it.",
            _pull(_ratio, factor=lambda T: T**2), _pull(_ratio, factor=lambda T: T)),
        Mistake("weights that do not balance: T squared twice", "soft_target_loss has its factor T squared already.",
            _pull(_ratio, factor=lambda T: T**-2), _pull(_ratio, factor=lambda T: 1 / T)),
        Mistake("a power of T", "The factor T squared keeps the soft gradient comparable between temperatures. How long it is "
            "beside the hard one, only the two gradients tell.", *[lambda s, t, y, T, p=p: T**p for p in (2, 1, -1, -2)]),
        Mistake("mean of per-image ratios",
            "One weight serves the whole batch: take the norm of each whole gradient, then divide once.",
            _pull(lambda h, k: (h.norm(dim=1) / k.norm(dim=1)).mean()), _pull(lambda h, k: h.norm(dim=1) / k.norm(dim=1)),
            _pull(lambda h, k: (k.norm(dim=1) / h.norm(dim=1)).mean()), _pull(lambda h, k: h.norm(dim=1).mean() / k.norm(dim=1).mean()),
            _pull(lambda h, k: (h.norm(dim=1) / k.norm(dim=1)).median())),
        Mistake("the first image only", "The norm is that of the whole gradient, over all images.", _pull(lambda h, k: h[0].norm() / k[0].norm())),
        Mistake("norm forgotten", "The gradients were divided entry by entry. How hard a term pulls is the norm of its gradient.",
            _pull(lambda h, k: h / k), _pull(lambda h, k: (h / k).mean()), _pull(lambda h, k: (h / k).abs().mean())),
        Mistake("another norm", "The norm is the root of the sum of squares.",
            _pull(lambda h, k: h.abs().sum() / k.abs().sum()), _pull(lambda h, k: h.abs().max() / k.abs().max())),
        Mistake("squared norms", "The norms themselves are to be equal: their ratio, not the ratio of their squares.",
            _pull(lambda h, k: _ratio(h, k) ** 2), _pull(lambda h, k: _ratio(k, h) ** 2)),
        Mistake("no ratio", "Two norms are right so far. Asked is the factor that makes the second as large as the first.",
            _pull(lambda h, k: h.norm() - k.norm()), _pull(lambda h, k: k.norm() - h.norm()),
            _pull(lambda h, k: torch.stack([h.norm(), k.norm()]))),
        Mistake("another temperature", "Soften by the T that is given, and only the soft term.",
            *[_pull(_ratio, soft_T=lambda T, other=other: other) for other in (1.0, 4.0)], _pull(_ratio, hard_T=lambda T: T)),
        Mistake("sum over the batch", "Both losses are means over the images.",
            lambda s, t, y, T: len(s) * _pull(_ratio)(s, t, y, T), lambda s, t, y, T: _pull(_ratio)(s, t, y, T) / len(s)),
        Mistake("the teacher's gradient", "The student's logits are what both terms pull at.",
            _pull(_ratio, teachers=True)),
        Mistake("a share in place of a weight",
            "This is a part of the whole, between 0 and 1. Asked is the factor that makes both parts equal.",
            _pull(lambda h, k: k.norm() / (h.norm() + k.norm())), _pull(lambda h, k: h.norm() / (h.norm() + k.norm()))),
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


def _probabilities(function, arguments):
    """Probabilities as a tensor, also where they are returned as lists."""
    return value(
        lambda *a: (
            torch.tensor(p) if isinstance(p := function(*a), list) and p and isinstance(p[0], list) else p
        ),
        arguments,
    )


AFTER_TRAINING = Exercise(
    "2.4", "After training", see="After training: T = 1",
    right="After training T is 1, whatever it was before.",
    reference=lambda z, T: z.softmax(dim=1), observe=_probabilities,
    cases={
        "two rows of three logits, trained at T = 4": lambda: (two_rows()[0], 4.0),
        "four rows of ten logits, trained at T = 8": lambda: (ten_classes()[0], 8.0),
    },
    mistakes=[
        Mistake("temperature kept at inference",
            "The same classes come first, so accuracy cannot show it, but the probabilities are "
            "too flat: the first too low, the others too high. The temperature was for training.",
            lambda z, T: (z / T).softmax(dim=1), lambda z, T: (z / T**2).softmax(dim=1)),
        Mistake("logits multiplied by T",
            "There is nothing to undo: the student's logits were trained to match at their own size.",
            lambda z, T: (z * T).softmax(dim=1)),
        Mistake("logits returned", "These do not add up to 1: probabilities are asked for.",
            lambda z, T: z, lambda z, T: z / T),
        Mistake("softmax over the wrong axis", "Each image's probabilities must add up to 1, not each class's.",
            lambda z, T: z.softmax(dim=0), lambda z, T: (z / T).softmax(dim=0),
            lambda z, T: z.flatten().softmax(0).view_as(z)),
        Mistake("logarithms returned", "The app shows probabilities, not their logarithms.",
            lambda z, T: z.log_softmax(dim=1), lambda z, T: (z / T).log_softmax(dim=1)),
        Mistake("only the top class", "The probability of each class is asked for.",
            lambda z, T: z.softmax(1).amax(1), lambda z, T: (z / T).softmax(1).amax(1),
            lambda z, T: torch.stack([part.float() for part in z.softmax(1).max(1)])),
        Mistake("T applied to the probabilities", "They add up to 1 as they are. Nothing has to be made good.",
            lambda z, T: z.softmax(1) / T, lambda z, T: T * z.softmax(1), lambda z, T: T**2 * (z / T).softmax(1)),
        Mistake("softmax twice", "Softmax of probabilities is nearly flat. The second softmax must go.",
            lambda z, T: z.softmax(1).softmax(1), lambda z, T: (z / T).softmax(1).softmax(1)),
        Mistake("no softmax", "Softmax turns logits into probabilities: exponents, divided by their sum over the classes.",
            lambda z, T: z.sigmoid(), lambda z, T: (z / T).sigmoid(), lambda z, T: z.exp(),
            lambda z, T: z / z.sum(dim=1, keepdim=True)),
        Mistake("a temperature of its own", "No temperature is left after training, whichever it is.",
            *[lambda z, T, own=own: (z / own).softmax(1) for own in (2.0, 20.0)]),
        Mistake("sorted", "Each probability stays in the place of its class.", lambda z, T: z.softmax(1).sort(1, descending=True).values),
        Mistake("percent", "A probability lies between 0 and 1.", lambda z, T: 100 * z.softmax(1)),
        Mistake("argmax taken as a probability", "This is the answer without its probability.",
            lambda z, T: F.one_hot(z.argmax(dim=1), z.shape[1]), lambda z, T: z.argmax(dim=1)),
    ],
)  # fmt: skip


def _scores(table):
    return ({T: {"validation": validation, "test": test} for T, (validation, test) in table.items()},)


def _choose(key, report="test"):
    def code(scores):
        best = max(scores, key=lambda T: key(scores[T]))
        return best, report(scores[best]) if callable(report) else scores[best][report]

    return code


def _mean(score):
    return (score["validation"] + score["test"]) / 2


_validation, _test = itemgetter("validation"), itemgetter("test")


CHOICE = Exercise(
    "2.5", "Choose, then report", see="When it does not help",
    right="Validation chooses, the test set is read once, for what was chosen.",
    reference=_choose(_validation), observe=value,
    cases={
        # On validation T = 2 is best, on test T = 8, on the mean of both T = 4.
        "temperatures 2, 4 and 8": partial(_scores, {2: (93.0, 88.0), 4: (92.0, 90.5), 8: (87.0, 91.0)}),
        "five temperatures": partial(_scores, {
            1: (60.0, 73.0), 2: (71.0, 75.0), 5: (75.0, 72.0), 10: (72.0, 76.5), 20: (70.0, 70.0),
        }),
    },
    mistakes=[
        Mistake("test set used to choose",
            "The test scores had a say in what is reported. The best of several "
            "test scores is too good: part of it is luck that will not come again.",
            _choose(_test), _choose(lambda s: _validation(s) + _test(s)), _choose(_test, "validation"),
            _choose(lambda s: _validation(s) + _test(s), _mean), _choose(lambda s: min(s.values())),
            _choose(lambda s: -abs(_validation(s) - _test(s))), _choose(lambda s: -_test(s)),
            lambda scores: (_choose(_validation)(scores)[0], max(s["test"] for s in scores.values()))),
        Mistake("validation score reported",
            "The choice is right. But the validation score of the winner was the largest "
            "of several, so it is too high; the test score had no part in the choice.",
            _choose(_validation, "validation"), _choose(_validation, _mean),
            lambda scores: max(map(_validation, scores.values()))),
        Mistake("another temperature's test score", "Report the test accuracy of the temperature that was chosen, of no other.",
            lambda scores: (_choose(_validation)(scores)[0], sum(map(_test, scores.values())) / len(scores))),
        Mistake("accuracy and temperature swapped", "The temperature comes first, then the accuracy.",
            lambda scores: _choose(_validation)(scores)[::-1]),
        Mistake("the accuracy left out", "The temperature is right; return the accuracy to report as well.",
            lambda scores: _choose(_validation)(scores)[0]),
        Mistake("the temperature left out", "The accuracy is right; return the temperature before it.",
            lambda scores: _choose(_validation)(scores)[1]),
        Mistake("both accuracies reported", "Two values are asked for: the temperature, and the one accuracy that had no part in choosing it.",
            lambda scores: (*_choose(_validation)(scores), _choose(_validation, "validation")(scores)[1]),
            lambda scores: (*_choose(_validation, "validation")(scores), _choose(_validation)(scores)[1])),
        Mistake("a place in the list", "argmax counts places from 0; return the temperature that stands there.",
            lambda scores: ([*scores].index(_choose(_validation)(scores)[0]), _choose(_validation)(scores)[1])),
        Mistake("the worst chosen", "Accuracy is better when larger.",
            _choose(lambda s: -_validation(s))),
        Mistake("the largest temperature chosen", "max over a dict compares its keys, the temperatures.",
            lambda scores: (max(scores), scores[max(scores)]["test"]),
            lambda scores: (max(scores), scores[max(scores)]["validation"])),
        Mistake("the first temperature chosen", "That is the first, or the smallest, whatever its accuracy.",
            lambda scores: (min(scores), scores[min(scores)]["test"])),
    ],
)  # fmt: skip


EXERCISES = [LOSS, WEIGHT, PATIENCE, AFTER_TRAINING, CHOICE]
