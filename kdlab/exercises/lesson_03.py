"""Lesson 03: features, their maps, and how alike they are."""

import copy
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from kdlab.exercises.core import Exercise, Experiment, Mistake, returned, value, value_and_gradient
from kdlab.exercises.likeness import MISTAKES
from kdlab.exercises.props import embeddings, maps
from kdlab.losses import attention_transfer_loss, hint_loss
from kdlab.metrics import linear_cka


def _maps_and_projector(n):
    random = torch.Generator().manual_seed(n)
    student, teacher = (torch.randn(n, 3, 2, 2, generator=random) for _ in range(2))
    projector = nn.Conv2d(3, 3, 1)  # on equal shapes, so that leaving it out is possible too
    with torch.no_grad():
        for p in projector.parameters():
            p.copy_(torch.randn(p.shape, generator=random))
    return student, teacher.requires_grad_(), projector


def _loss_and_teacher(function, arguments):
    seen, loss = value_and_gradient(function, arguments), function(*arguments)
    reached = (
        loss.requires_grad and torch.autograd.grad(loss.sum(), arguments[1], allow_unused=True)[0] is not None
    )
    return {**seen, "a gradient reaches the teacher:": torch.tensor(reached)}


def _hint(s, t, project):
    return hint_loss(project(s), t)


HINT = Exercise(
    "3.1", "A hint", see="Hints",
    right="The student goes through the projector, the teacher stays as it is.",
    reference=_hint, observe=_loss_and_teacher,
    cases={
        "one image, three channels, 2 x 2 places": partial(_maps_and_projector, 1),
        "four images": partial(_maps_and_projector, 4),
    },
    mistakes=[
        Mistake("features compared without projector",
            "Channel 5 of the student need not mean what channel 5 of the teacher "
            "means, even where the shapes agree. The projector is there to translate.",
            lambda s, t, project: F.mse_loss(s, t.detach()), lambda s, t, project: F.mse_loss(s, t)),
        Mistake("projector on the teacher's side",
            "A projector that moves the teacher can make both sides 0. The student goes through it.",
            lambda s, t, project: F.mse_loss(s, project(t.detach())),
            lambda s, t, project: F.mse_loss(s, project(t)), lambda s, t, project: F.mse_loss(s.detach(), project(t))),
        Mistake("projector on both sides",
            "The same projector on both sides can agree by sending everything to one point.",
            lambda s, t, project: F.mse_loss(project(s), project(t.detach())),
            lambda s, t, project: F.mse_loss(project(s), project(t)), lambda s, t, project: project(s - t.detach()).square().mean()),
        Mistake("projected twice", "Once through the projector is enough.",
            lambda s, t, project: F.mse_loss(project(project(s)), t.detach())),
        Mistake("a projector made inside", "A projector that is new at each call never learns. Use the one that is handed over.",
            lambda s, t, project: F.mse_loss(nn.Conv2d(3, 3, 1)(s), t.detach()),
            lambda s, t, project: F.mse_loss(nn.Conv2d(3, 3, 1, bias=False)(s), t.detach())),
        Mistake("a sum in place of the mean",
            "The mean is over images, channels and places: a sum grows with the size of the map.",
            lambda s, t, project: (project(s) - t.detach()).square().sum(),
            lambda s, t, project: (project(s) - t.detach()).square().sum() / len(s),
            lambda s, t, project: (project(s) - t.detach()).square().sum(1).mean()),
        Mistake("absolute differences", "Squared differences are asked for.",
            lambda s, t, project: F.l1_loss(project(s), t.detach())),
        Mistake("no square", "Without the square positive and negative differences cancel. Square first, then take the mean.",
            lambda s, t, project: (project(s) - t.detach()).mean(), lambda s, t, project: (project(s) - t.detach()).mean().square()),
        Mistake("a root taken", "The mean of the squares is asked for, without a root.",
            lambda s, t, project: F.mse_loss(project(s), t.detach()).sqrt(), lambda s, t, project: (project(s) - t.detach()).norm(),
            lambda s, t, project: (project(s) - t.detach()).flatten(1).norm(dim=1).mean()),
        Mistake("the places averaged out", "A hint compares place by place: the difference comes first, the mean after it.",
            lambda s, t, project: (project(s) - t.detach()).mean(dim=(2, 3)).square().mean()),
        Mistake("scaled to length 1", "A hint matches the features with their size; scaled maps are another loss.",
            *[lambda s, t, project, a=a: F.mse_loss(F.normalize(project(s), dim=a), F.normalize(t.detach(), dim=a)) for a in (1, (1, 2, 3))],
            lambda s, t, project: 1 - F.cosine_similarity(project(s).flatten(1), t.detach().flatten(1)).mean()),
        Mistake("another distance", "Squared differences are asked for, as in the formula of the hint.",
            lambda s, t, project: F.smooth_l1_loss(project(s), t.detach()),
            lambda s, t, project: F.mse_loss(project(s).relu(), t.detach()),
            lambda s, t, project: F.binary_cross_entropy_with_logits(project(s), t.detach().sigmoid()),
            lambda s, t, project: (project(s) - t.detach()).square().amax(),
            lambda s, t, project: F.kl_div(project(s).flatten(1).log_softmax(1), t.detach().flatten(1).softmax(1), reduction="batchmean")),
        Mistake("attention maps in place of features", "Attention maps come further down. A hint compares channel by channel.",
            lambda s, t, project: attention_transfer_loss(s, t), lambda s, t, project: attention_transfer_loss(project(s), t)),
        Mistake("the student cut off", "The value is right, but nothing flows back to the student.",
            lambda s, t, project: F.mse_loss(project(s.detach()), t.detach()), lambda s, t, project: F.mse_loss(project(s.detach()), t),
            lambda s, t, project: F.mse_loss(project(s).detach(), t)),
        Mistake("gradient flowing into the teacher",
            "The teacher's features must be detached: it is not to move towards the student.",
            lambda s, t, project: F.mse_loss(project(s), t), sign=("a gradient reaches the teacher:", True)),
    ],
)  # fmt: skip


def _three_networks():
    return nn.Linear(2, 3), nn.Linear(2, 5), nn.Linear(3, 5)


def _what_is_held(function, arguments):
    """What would move: held, at a learning rate above 0, and asking for a gradient."""
    optimiser = returned(function, arguments, torch.optim.Optimizer, "an optimiser")
    groups = optimiser.param_groups
    held = {id(p) for group in groups for p in group["params"]}
    moved = {id(p) for group in groups if group["lr"] > 0 for p in group["params"] if p.requires_grad}
    student, teacher, projector = ([id(p) for p in network.parameters()] for network in arguments)
    seen = {
        "the whole student is trained:": moved.issuperset(student),
        "some of the student is trained:": not moved.isdisjoint(student),
        "something of the teacher is held:": not held.isdisjoint(teacher),
        "the whole projector is trained:": moved.issuperset(projector),
        "some of the projector is trained:": not moved.isdisjoint(projector),
        "a learning rate is 0:": any(group["lr"] == 0 for group in groups),
        "the loss is made larger:": any(group.get("maximize", False) for group in groups),
        "something else is held:": not held <= {*student, *teacher, *projector},
    }
    return {name: torch.tensor(bool(is_so)) for name, is_so in seen.items()}


def _adam(*networks, lr=1e-3, **options):
    parts = (n.parameters() if isinstance(n, nn.Module) else [n] for n in networks)
    return torch.optim.Adam([p for part in parts for p in part], lr=lr, **options)


def _frozen(network):
    return network.requires_grad_(False)


TRAINED = Exercise(
    "3.2", "What is trained", see="Hints",
    right="The projector learns with the student, and is thrown away afterwards.",
    reference=lambda s, t, project: _adam(s, project), observe=_what_is_held,
    cases={"a student, a teacher and a projector": _three_networks},
    mistakes=[
        Mistake("teacher in the optimiser",
            "A teacher that is trained too moves towards the student, and both may meet at nothing. Even one tensor of it is one too many.",
            lambda s, t, project: _adam(s, t, project), lambda s, t, project: _adam(s, t),
            lambda s, t, project: _adam(s, project, t.weight), lambda s, t, project: _adam(t),
            sign=("something of the teacher is held:", True)),
        Mistake("a learning rate of 0", "What is held at a learning rate of 0 never moves.",
            lambda s, t, project: _adam(s, project, lr=0.0), sign=("a learning rate is 0:", True)),
        Mistake("uphill", "maximize=True makes the loss larger.",
            lambda s, t, project: _adam(s, project, maximize=True), sign=("the loss is made larger:", True)),
        Mistake("something else in the optimiser",
            "The optimiser holds tensors of none of the three networks, copies perhaps: training does not reach what they were copied from.",
            lambda s, t, project: _adam(copy.deepcopy(s), copy.deepcopy(project)), lambda s, t, project: _adam(s, nn.Linear(3, 5)),
            sign=("something else is held:", True)),
        Mistake("projector not trained",
            "The student would have to fit a random projection of itself, which stays random for ever. "
            "This mistake has been made in published code, and turned a comparison of methods round.",
            lambda s, t, project: _adam(s), lambda s, t, project: _adam(s, _frozen(project))),
        Mistake("student not trained", "Only the projector would learn: the student stays what it was.",
            lambda s, t, project: _adam(project), lambda s, t, project: _adam(_frozen(s), project)),
        Mistake("a part of a network left out", "All of a network's tensors must learn, its bias too: pass all its parameters().",
            lambda s, t, project: _adam(s, project.weight), lambda s, t, project: _adam(s.weight, project),
            lambda s, t, project: _adam(s.weight, project.weight), lambda s, t, project: _adam(s.weight), lambda s, t, project: _adam(project.weight)),
    ],
)  # fmt: skip


def _attention(f, *, power=2, axis=1, unit=True, dim=1):
    q = f.abs().pow(power).mean(dim=axis).flatten(1)
    return F.normalize(q, dim=dim) if unit else q


def _map(f):
    """Before its length is made 1: (B, H * W)."""
    return f.square().mean(1).flatten(1)


ATTENTION = Exercise(
    "3.3", "Attention maps", see="Attention maps",
    right="One number a place, whatever the channels: no projector is needed.",
    reference=_attention, observe=value,
    cases={
        "two maps of 3 channels and 4 x 4 places": lambda: (maps()[0],),
        "two maps of 5 channels, some values negative": lambda: (maps()[1] - 0.3,),
    },
    mistakes=[
        Mistake("attention map over the wrong axis",
            "The mean is over channels, so that one number is left for each place. Yours has lost places (or images).",
            partial(_attention, axis=(2, 3)), partial(_attention, axis=2), partial(_attention, axis=3),
            partial(_attention, axis=0), partial(_attention, axis=(1, 2)), partial(_attention, axis=(1, 3))),
        Mistake("channels kept", "The mean over the channels is missing: one number is left for each place.",
            lambda f: F.normalize(f.square().flatten(1), dim=1), lambda f: F.normalize(f.flatten(1), dim=1)),
        Mistake("one channel only", "All channels count.", lambda f: F.normalize(f[:, 0].square().flatten(1), dim=1)),
        Mistake("not scaled to length 1",
            "Without it a network with larger activations would have the larger map everywhere.",
            partial(_attention, unit=False), partial(_attention, power=1, unit=False), lambda f: f.mean(1).flatten(1),
            lambda f: f.square().amax(1).flatten(1), lambda f: f.amax(1).flatten(1), lambda f: f.square().sum(1).flatten(1).sqrt()),
        Mistake("scaled over the batch",
            "Each image's map should have length 1, not each place's column over the images.",
            partial(_attention, dim=0), lambda f: _map(f) / _map(f).norm()),
        Mistake("scaled before the mean over channels", "The length that becomes 1 is that of the finished map, not of the channels or of the features.",
            lambda f: _map(F.normalize(f, dim=1)), lambda f: F.normalize(f, dim=1).square().sum(1).flatten(1),
            lambda f: f.square().sum(1).flatten(1) / f.flatten(1).norm(dim=1, keepdim=True)),
        Mistake("scaled to its largest value", "Length 1 means the root of the sum of squares; the largest value is then below 1.",
            lambda f: _map(f) / _map(f).amax(1, keepdim=True),
            lambda f: (m := _map(f) - _map(f).amin(1, keepdim=True)) / m.amax(1, keepdim=True)),
        Mistake("the squared length", "Divide by the length itself, the root of the sum of squares.",
            lambda f: _map(f) / _map(f).square().sum(1, keepdim=True)),
        Mistake("standardised", "Nothing is subtracted: the map is only divided by its length.",
            lambda f: (_map(f) - _map(f).mean(1, keepdim=True)) / _map(f).std(1, keepdim=True),
            lambda f: F.normalize(_map(f) - _map(f).mean(1, keepdim=True), dim=1), lambda f: F.normalize(f.var(1).flatten(1), dim=1)),
        Mistake("the length in place of the map", "Divide the map by this.", lambda f: _map(f).norm(dim=1)),
        Mistake("squared at the end", "Square each activation, before the mean over channels and before the length.",
            lambda f: F.normalize(f.mean(1).flatten(1), dim=1).square(), lambda f: F.normalize(f.abs().mean(1).flatten(1), dim=1).square()),
        Mistake("another power", "The square is asked for.", partial(_attention, power=4), partial(_attention, power=3)),
        Mistake("no square", "Square first: large activations are to count for much, and small ones for little.",
            partial(_attention, power=1), lambda f: F.normalize(f.mean(1).flatten(1), dim=1),
            lambda f: F.normalize(f.relu().mean(1).flatten(1), dim=1)),
        Mistake("the square after the mean",
            "The mean first lets positive and negative activations cancel. Square, then take the mean over channels.",
            lambda f: F.normalize(f.mean(1).square().flatten(1), dim=1)),
        Mistake("the length over the channels", "That is the root of the sum of squares. No root here: the squares themselves.",
            lambda f: F.normalize(f.norm(dim=1).flatten(1), dim=1)),
        Mistake("the largest channel", "All channels count, not only the largest one of each place.",
            lambda f: F.normalize(f.amax(1).flatten(1), dim=1), lambda f: F.normalize(f.square().amax(1).flatten(1), dim=1),
            lambda f: F.normalize(f.abs().amax(1).flatten(1), dim=1)),
        Mistake("softmax in place of length 1",
            "The map is divided by its length; softmax would change its proportions.",
            lambda f: f.square().mean(1).flatten(1).softmax(1)),
        Mistake("scaled to sum 1", "Length 1 means the root of the sum of squares.",
            lambda f: F.normalize(f.square().mean(1).flatten(1), p=1, dim=1),
            lambda f: _map(f) / f.square().mean(), lambda f: _map(f) / f.square().mean((1, 2, 3))[:, None]),
        Mistake("the median over the channels", "The mean is asked for, or the sum: each channel counts by its size.",
            lambda f: F.normalize(f.square().median(1).values.flatten(1), dim=1), lambda f: F.normalize(f.abs().median(1).values.flatten(1), dim=1)),
        Mistake("places not flattened", "Flatten height and width first: the length is that of the whole map.",
            *[lambda f, a=a: F.normalize(f.square().mean(1), dim=a) for a in (1, 2)],
            *[lambda f, a=a: F.normalize(f.square().mean(1), dim=a).flatten(1) for a in (1, 2)],
            lambda f: F.normalize(_map(f), dim=1).view(-1, *f.shape[2:])),
        Mistake("places in another order", "Rows of the map one after the other, as flatten puts them.",
            lambda f: F.normalize(f.square().mean(1).transpose(1, 2).flatten(1), dim=1)),
    ],
)  # fmt: skip


HOW_ALIKE = Exercise(
    "3.4", "How alike", see="How alike are two networks?",
    right="Turning and scaling change nothing: only how the examples lie to one another counts.",
    reference=linear_cka, observe=value,
    cases={"four examples, 4 and 7 dimensions": lambda: embeddings(4), "nine examples": lambda: embeddings(9)},
    mistakes=MISTAKES,
)  # fmt: skip


OWN_TAP = Experiment(
    "3.5", "Another tap", see="The experiment: what the labels never mentioned", arms=("hard labels", "my hints"),
    meaning={
        "helps": "Your tap hands over something about place and turn that labels do not ask for.",
        "hurts": "From your tap the student learns less about place and turn than from labels alone.",
        "same": "From your tap the student learns no more and no less than from labels, to within the margin.",
        "open": "These pairs cannot tell for your tap. Look at the interval before you call it useless.",
    },
)  # fmt: skip


EXERCISES = [HINT, TRAINED, ATTENTION, HOW_ALIKE, OWN_TAP]
