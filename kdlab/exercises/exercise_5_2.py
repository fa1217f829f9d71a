"""Exercise 5.2: how hard a term pulls at the student."""

import torch
from torch import nn

from kdlab.exercises.core import Exercise, Mistake, value


def _case(seed, weight):
    def make():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            student = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3))
            project = nn.Linear(3, 5)
            images, seen = torch.randn(8, 6), torch.randn(8, 5)
        return (project(student(images)) - seen).square().mean(), weight, student, project

    return make


def _norm(gradients):
    return torch.cat([g.flatten() for g in gradients]).norm()


def _pull(loss, weight, student, project):
    return weight * _norm(torch.autograd.grad(loss, [*student.parameters()], retain_graph=True))


def _backward(loss, weight, student, project):
    (weight * loss).backward()
    return _norm([p.grad for p in student.parameters()])


def _observe(function, arguments):
    """The norm, and whether gradients are left in the student."""
    returned = value(function, arguments)
    left = any(p.grad is not None and bool(p.grad.any()) for p in arguments[2].parameters())
    return {**returned, "gradients left in the student:": torch.tensor(left)}


def _all(loss, student, project):
    return torch.autograd.grad(loss, [*student.parameters(), *project.parameters()])


EXERCISE = Exercise(
    id="5.2",
    title="How hard a term pulls",
    reference=_pull,
    observe=_observe,
    cases={"weight 3": _case(1, 3.0), "weight 0.1": _case(2, 0.1)},
    mistakes=[
        Mistake(
            "gradients left in the student",
            (_backward,),
            "The number is right. But backward() adds to the student's .grad, and the next step would use it: "
            "torch.autograd.grad only returns.",
            accept=True,
        ),
        Mistake(
            "the loss in place of its gradient",
            (
                lambda loss, w, s, p: loss,
                lambda loss, w, s, p: w * loss,
            ),
            "A large loss may have a small gradient, and only the gradient moves the student.",
        ),
        Mistake(
            "the unweighted loss",
            (
                lambda loss, w, s, p: _norm(torch.autograd.grad(loss, [*s.parameters()])),
                lambda loss, w, s, p: _backward(loss, 1, s, p),
            ),
            "The weight is missing: it is what you want to judge.",
        ),
        Mistake(
            "projector counted",
            (
                lambda loss, w, s, p: w * _norm(_all(loss, s, p)),
                lambda loss, w, s, p: _norm(_all(loss, s, p)),
            ),
            "The projector is thrown away. Its gradient does not pull at the student.",
        ),
        Mistake(
            "the projector's alone",
            (lambda loss, w, s, p: w * _norm(torch.autograd.grad(loss, [*p.parameters()])),),
            "That is the gradient of what is thrown away.",
        ),
        Mistake(
            "norms summed",
            (
                lambda loss, w, s, p: w * sum(g.norm() for g in torch.autograd.grad(loss, [*s.parameters()])),
                lambda loss, w, s, p: (
                    w * torch.stack([g.norm() for g in torch.autograd.grad(loss, [*s.parameters()])]).mean()
                ),
            ),
            "All parameters make one long vector. Its norm is the root of the sum of squares, not the sum of norms.",
        ),
        Mistake(
            "squared norm",
            (
                lambda loss, w, s, p: _pull(loss, w, s, p) ** 2,
                lambda loss, w, s, p: w * (_pull(loss, w, s, p) / w) ** 2,
            ),
            "The root is missing.",
        ),
        Mistake(
            "only the first layer",
            (
                lambda loss, w, s, p: w * torch.autograd.grad(loss, [*s.parameters()])[0].norm(),
                lambda loss, w, s, p: w * torch.autograd.grad(loss, [*s.parameters()])[-1].norm(),
            ),
            "grad returns one tensor a parameter. All of them count.",
        ),
    ],
    right="The share of a term is this number over the sum of all terms'.",
    see="How hard each term pulls",
)
