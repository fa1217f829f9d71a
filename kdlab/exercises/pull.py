"""The exercise on how hard a term pulls, and the mistakes that are made in it."""

from functools import partial

import torch
from torch import nn

from kdlab.exercises.core import Exercise, Mistake, value


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


def _backward(loss, weight, student, project, counted=("student",)):
    (weight * loss).backward()
    networks = {"student": student, "projector": project}
    parameters = [p for name in counted for p in networks[name].parameters()]
    return _norm([p.grad for p in parameters if p.grad is not None])


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
        Mistake("the parameters in place of their gradients", "grad returns the gradients; the parameters are what they belong to.",
            lambda loss, w, s, p: _norm([*s.parameters()]), lambda loss, w, s, p: w * _norm([*s.parameters()])),
        Mistake("divided by the parameters' norm", "How far a parameter is from 0 has no part in how hard a term pulls.",
            lambda loss, w, s, p: _pull(loss, w, s, p) / _norm([*s.parameters()])),
        Mistake("divided by the loss", "The norm itself is asked for.",
            lambda loss, w, s, p: _pull(loss, w, s, p) / loss, lambda loss, w, s, p: _pull(loss, w, s, p) / (w * loss)),
        Mistake("the weight twice, or below the line", "The gradient grows with the weight: twice the weight, twice the pull.",
            lambda loss, w, s, p: w * _pull(loss, w, s, p), lambda loss, w, s, p: _norm(_gradients(loss, s)) / w,
            lambda loss, w, s, p: w**0.5 * _norm(_gradients(loss, s))),
        Mistake("the unweighted loss", "The weight is missing: it is what you want to judge.",
            lambda loss, w, s, p: _norm(_gradients(loss, s)),
            lambda loss, w, s, p: _backward(loss, 1, s, p)),
        Mistake("projector counted", "The projector is thrown away. Its gradient does not pull at the student.",
            lambda loss, w, s, p: w * _norm(_gradients(loss, s, p)),
            lambda loss, w, s, p: _norm(_gradients(loss, s, p)), partial(_backward, counted=("student", "projector"))),
        Mistake("the projector's alone", "That is the gradient of what is thrown away.",
            lambda loss, w, s, p: w * _norm(_gradients(loss, p))),
        Mistake("norms summed",
            "All parameters make one long vector. Its norm is the root of the sum of squares, not the sum of norms.",
            lambda loss, w, s, p: w * sum(g.norm() for g in _gradients(loss, s)),
            lambda loss, w, s, p: w * torch.stack([g.norm() for g in _gradients(loss, s)]).mean()),
        Mistake("squared norm", "The root is missing.",
            lambda loss, w, s, p: _pull(loss, w, s, p) ** 2,
            lambda loss, w, s, p: w * (_pull(loss, w, s, p) / w) ** 2),
        Mistake("another norm", "The Euclidean norm of one long vector: the root of the sum of squares.",
            *(lambda loss, w, s, p, of=of: w * of(torch.cat([g.flatten() for g in _gradients(loss, s)])) for of in (
                lambda g: g.abs().sum(), lambda g: g.abs().mean(), lambda g: g.abs().max(), lambda g: g.square().mean().sqrt(),
                lambda g: g.sum(), lambda g: g.mean(), lambda g: g.std(), lambda g: g.square().mean(), lambda g: g.sum().abs()))),
        Mistake("the gradient itself", "Asked is how long it is: one number, its norm.",
            lambda loss, w, s, p: torch.cat([w * g.flatten() for g in _gradients(loss, s)]),
            lambda loss, w, s, p: torch.stack([w * g.norm() for g in _gradients(loss, s)])),
        Mistake("not all parameters", "grad returns one tensor a parameter. All of them count.",
            lambda loss, w, s, p: w * _gradients(loss, s)[0].norm(),
            lambda loss, w, s, p: w * _gradients(loss, s)[-1].norm(),
            lambda loss, w, s, p: w * max(g.norm() for g in _gradients(loss, s)),
            lambda loss, w, s, p: w * _norm([g for g in _gradients(loss, s) if g.ndim > 1]),
            lambda loss, w, s, p: w * _norm(_gradients(loss, s)[-2:]), lambda loss, w, s, p: w * _norm(_gradients(loss, s)[:2])),
    ],
)  # fmt: skip
