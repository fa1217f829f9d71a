"""Lesson 05: several terms together."""

from functools import partial

import torch
from torch import nn

from kdlab.exercises.core import Exercise, Experiment, Mistake, value
from kdlab.factorial import NO_EFFECT


def _interaction(neither, a, b, both):
    return both - a - b + neither


def _four_cells(seeds):
    random = torch.Generator().manual_seed(seeds)
    neither = 60 + 10 * torch.rand(seeds, generator=random)
    gains = 6 * torch.rand(3, seeds, generator=random)
    return neither, neither + gains[0], neither + gains[1] + 1, neither + gains[2]


INTERACTION = Exercise(
    "5.1", "An interaction", see="What adding up means",
    right="It is 0 where gains add up, below where the two bring the same thing.",
    reference=_interaction, observe=value,
    cases={"two seeds": partial(_four_cells, 2), "six seeds": partial(_four_cells, 6)},
    mistakes=[
        Mistake("the joint gain, not the interaction",
            "That is what both bring together. The two gains apart must still be taken away.",
            lambda n, a, b, both: both - n),
        Mistake("the effect of one factor only",
            "That is what one of them brings, with the other on or off. The interaction is the difference of these two.",
            lambda n, a, b, both: both - b, lambda n, a, b, both: both - a,
            lambda n, a, b, both: a - n, lambda n, a, b, both: b - n),
        Mistake("sign turned round", "More than the sum must come out above 0, less than the sum below.",
            lambda n, a, b, both: a + b - both - n),
        Mistake("halved",
            "Textbooks on the design of experiments divide it. Here it is the gain of both minus the sum of the gains.",
            lambda n, a, b, both: (both - a - b + n) / 2, lambda n, a, b, both: (both - a - b + n) / 4),
        Mistake("the cell with neither left out",
            "Gains are differences to the cell with neither. Written out, that cell has a plus sign.",
            lambda n, a, b, both: both - a - b, lambda n, a, b, both: both - (a + b) - n),
        Mistake("compared with the better of the two",
            "That asks whether adding the other one pays: a good question, but another one.",
            lambda n, a, b, both: both - torch.maximum(a, b)),
        Mistake("averaged over seeds", "Return one number a seed: their spread makes the interval.",
            lambda n, a, b, both: (both - a - b + n).mean()),
        Mistake("the main effect",
            "The mean of what one brings without and with the other is its main effect. The interaction is their difference.",
            lambda n, a, b, both: ((a - n) + (both - b)) / 2, lambda n, a, b, both: ((b - n) + (both - a)) / 2),
    ],
)  # fmt: skip


class _Student(nn.Module):
    """Gives its features; the classifier has no part in a hint, as in a real student."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3))
        self.classifier = nn.Linear(3, 2)

    def forward(self, images):
        return self.body(images)


def _weighted_term(seed, weight):
    torch.manual_seed(seed)
    student, project = _Student(), nn.Linear(3, 5)
    images, seen = torch.randn(8, 6), torch.randn(8, 5)
    return (project(student(images)) - seen).square().mean(), weight, student, project


def _gradients(loss, *networks):
    parameters = [p for network in networks for p in network.parameters()]
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return [g for g in gradients if g is not None]


def _norm(gradients):
    return torch.cat([g.flatten() for g in gradients]).norm()


def _pull(loss, weight, student, project):
    return weight * _norm(_gradients(loss, student))


def _backward(loss, weight, student, project):
    (weight * loss).backward()
    return _norm([p.grad for p in student.parameters() if p.grad is not None])


def _all_used(loss, weight, student, project):
    return _norm(torch.autograd.grad(weight * loss, [*student.parameters()]))


def _norm_and_traces(function, arguments):
    """The norm, whether gradients are left in the student, and whether its classifier ended it."""
    stopped = False
    try:
        seen = value(function, arguments)
    except RuntimeError as error:
        stopped = "not have been used" in str(error)
        if not stopped:
            raise
        seen = {"value": torch.tensor(0.0)}
    left = any(p.grad is not None and bool(p.grad.any()) for p in arguments[2].parameters())
    seen["gradients left in the student:"] = torch.tensor(left)
    return {"an error, since a layer has no part in the loss:": torch.tensor(stopped), **seen}


PULL = Exercise(
    "5.2", "How hard a term pulls", see="How hard each term pulls",
    right="The share of a term is this number over the sum of all terms'.",
    reference=_pull, observe=_norm_and_traces,
    cases={"weight 3": partial(_weighted_term, 1, 3.0), "weight 0.1": partial(_weighted_term, 2, 0.1)},
    mistakes=[
        Mistake("gradients left in the student",
            "The number is right. But backward() adds to the student's .grad, "
            "and the next step would use it: torch.autograd.grad only returns.",
            _backward, accept=True),
        Mistake("a layer has no part in the loss",
            "The classifier does not enter into a hint, and grad refuses what it cannot reach. "
            "With allow_unused=True it gives None there: leave these out.",
            _all_used),
        Mistake("the loss in place of its gradient",
            "A large loss may have a small gradient, and only the gradient moves the student.",
            lambda loss, w, s, p: loss, lambda loss, w, s, p: w * loss),
        Mistake("the unweighted loss", "The weight is missing: it is what you want to judge.",
            lambda loss, w, s, p: _norm(_gradients(loss, s)),
            lambda loss, w, s, p: _backward(loss, 1, s, p)),
        Mistake("projector counted", "The projector is thrown away. Its gradient does not pull at the student.",
            lambda loss, w, s, p: w * _norm(_gradients(loss, s, p)),
            lambda loss, w, s, p: _norm(_gradients(loss, s, p))),
        Mistake("the projector's alone", "That is the gradient of what is thrown away.",
            lambda loss, w, s, p: w * _norm(_gradients(loss, p))),
        Mistake("norms summed",
            "All parameters make one long vector. Its norm is the root of the sum of squares, not the sum of norms.",
            lambda loss, w, s, p: w * sum(g.norm() for g in _gradients(loss, s)),
            lambda loss, w, s, p: w * torch.stack([g.norm() for g in _gradients(loss, s)]).mean()),
        Mistake("squared norm", "The root is missing.",
            lambda loss, w, s, p: _pull(loss, w, s, p) ** 2,
            lambda loss, w, s, p: w * (_pull(loss, w, s, p) / w) ** 2),
        Mistake("only the first layer", "grad returns one tensor a parameter. All of them count.",
            lambda loss, w, s, p: w * _gradients(loss, s)[0].norm(),
            lambda loss, w, s, p: w * _gradients(loss, s)[-1].norm()),
    ],
)  # fmt: skip


def _weights(norms, shares):
    return shares / norms * norms[0] / shares[0]


def _norms_and_shares(*tables):
    return tuple(map(torch.tensor, tables))


BALANCE = Exercise(
    "5.3", "Balance", see="Balancing once",
    right="Once, at the start. Where the shares go from there is seen in training.",
    reference=_weights, observe=value,
    cases={
        "three terms, shares of 50, 30 and 20": partial(_norms_and_shares, [0.6, 1.8, 0.04], [50.0, 30.0, 20.0]),
        "four terms, shares of 40, 30, 20 and 10": partial(
            _norms_and_shares, [0.5, 2.0, 0.7, 0.02], [40.0, 30.0, 20.0, 10.0]),
    },
    mistakes=[
        Mistake("ratio upside down", "A term with a large gradient needs a small weight.",
            lambda n, s: s / s[0] * n / n[0], lambda n, s: n / n[0], lambda n, s: s[0] / s * n / n[0]),
        Mistake("shares left out", "These weights make the shares equal. Others were asked for.",
            lambda n, s: n[0] / n),
        Mistake("shares upside down", "A larger share needs a larger weight.",
            lambda n, s: s[0] / s * n[0] / n),
        Mistake("the first weight is not 1",
            "The ratios are right. Divide by the first, so that the others are in its units.",
            lambda n, s: s / n, lambda n, s: s / s.sum() / n, lambda n, s: s / s[0] / n,
            lambda n, s: s / n / (s / n).sum(), lambda n, s: s * n[0] / n),
        Mistake("squared norms", "The norm of a gradient grows with its weight, not with the weight's root.",
            lambda n, s: s / s[0] * (n[0] / n) ** 2),
        Mistake("shares in place of weights", "The norms at weight 1 are not equal: divide by them.",
            lambda n, s: s / s[0], lambda n, s: s / s.sum(), lambda n, s: n * s / (n * s).sum(),
            lambda n, s: n / n.sum()),
    ],
)  # fmt: skip


def _best(scores, by=0):
    return max(scores, key=lambda pair: pair[by])


def _gain(new, old, *, by=0, report=1, equal=True):
    n = min(len(new), len(old)) if equal else None
    return _best(new[:n], by)[report] - _best(old[:n], by)[report]


def _same_setting(lead, follow, sign):
    n = min(len(lead), len(follow))
    i = max(range(n), key=lambda k: lead[k][0])
    return sign * (lead[i][1] - follow[i][1])


def _mean(scores):
    return sum(test for _, test in scores) / len(scores)


def _five_and_three():
    new = [(80.1, 81.0), (84.0, 82.5), (83.0, 86.0), (79.0, 88.5), (86.5, 83.8)]
    return new, [(82.2, 84.0), (81.0, 83.1), (80.4, 84.9)]


def _two_and_five():
    old = [(81.1, 80.3), (82.7, 82.1), (84.8, 87.2), (83.9, 84.6), (80.0, 81.4)]
    return _five_and_three()[1][:2], old


EQUAL_TUNING = Exercise(
    "5.4", "Equal tuning", see="Equal tuning effort",
    right="Each side had as many chances, and none of them saw the test set.",
    reference=_gain, observe=value,
    cases={"five settings against three": _five_and_three, "two settings against five": _two_and_five},
    mistakes=[
        Mistake("unequal number of candidates",
            "The best of many is higher by luck than the best of few. Give both the same number.",
            partial(_gain, equal=False)),
        Mistake("the last candidates of the longer list",
            "As many on both sides, but another choice than was asked for: the first ones, in the order of trying.",
            lambda new, old: (n := min(len(new), len(old))) and _gain(new[-n:], old[-n:])),
        Mistake("best on test", "The settings were chosen on the scores that are reported. Choose on validation.",
            partial(_gain, by=1), partial(_gain, by=1, equal=False)),
        Mistake("validation scores reported",
            "The chosen setting's validation score is too good: it was chosen for it. Report its test score.",
            partial(_gain, report=0), partial(_gain, report=0, equal=False)),
        Mistake("one setting for both",
            "Each side chooses its own best setting: the numbers of the settings do not correspond.",
            lambda new, old: _same_setting(new, old, 1), lambda new, old: _same_setting(old, new, -1)),
        Mistake("the other one minus this", "A gain is new minus old.",
            lambda new, old: -_gain(new, old), lambda new, old: -_gain(new, old, equal=False)),
        Mistake("means over all candidates",
            "That compares grids, not losses: a grid with a bad corner loses. Choose first.",
            lambda new, old: _mean(new) - _mean(old),
            lambda new, old: (n := min(len(new), len(old))) and _mean(new[:n]) - _mean(old[:n])),
        Mistake("the first candidates, nothing chosen",
            "The first setting speaks for each side. Choose the best on validation.",
            lambda new, old: new[0][1] - old[0][1]),
    ],
)  # fmt: skip


class _OfEffects(Experiment):
    """The study is handed in as its effects."""

    def _faults(self, result):
        if NO_EFFECT not in result.scores:
            text = "this is the study itself, as compare returns it. Hand in what effects(...) makes of it."
            yield "the study in place of its effects", text
        yield from super()._faults(result)


OWN_PAIR = _OfEffects(
    "5.5", "Another pair", see="The experiment: a slice, run here", arms=(NO_EFFECT, "soft targets x mine"),
    meaning={
        "more than the sum": "Together they bring more than what they bring apart.",
        "less than the sum": "In part, the two hand over the same thing.",
        "same": "The two add up, to within the margin: each hands over something of its own.",
        "open": "These pairs cannot tell whether the two add up. An interaction is made of four scores, each with its noise: it takes about four times as many seeds as a main effect of the same size.",
    },
)  # fmt: skip


EXERCISES = [INTERACTION, PULL, BALANCE, EQUAL_TUNING, OWN_PAIR]
