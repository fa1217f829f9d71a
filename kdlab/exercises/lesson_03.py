"""Lesson 03: features, their maps, and how alike they are."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from kdlab.exercises.core import Exercise, Experiment, Mistake, returned, value, value_and_gradient
from kdlab.exercises.props import embeddings, maps
from kdlab.losses import hint_loss
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
            lambda s, t, project: F.mse_loss(s, project(t))),
        Mistake("projector on both sides",
            "The same projector on both sides can agree by sending everything to one point.",
            lambda s, t, project: F.mse_loss(project(s), project(t.detach())),
            lambda s, t, project: F.mse_loss(project(s), project(t))),
        Mistake("gradient flowing into the teacher",
            "The value is right, but the teacher's features must be detached: it is not to move towards the student.",
            lambda s, t, project: F.mse_loss(project(s), t)),
        Mistake("a sum in place of the mean",
            "The mean is over images, channels and places: a sum grows with the size of the map.",
            lambda s, t, project: (project(s) - t.detach()).square().sum(),
            lambda s, t, project: (project(s) - t.detach()).square().sum() / len(s)),
        Mistake("absolute differences", "Squared differences are asked for.",
            lambda s, t, project: F.l1_loss(project(s), t.detach())),
        Mistake("the student cut off", "The value is right, but nothing flows back to the student.",
            lambda s, t, project: F.mse_loss(project(s.detach()), t.detach())),
    ],
)  # fmt: skip


def _three_networks():
    return nn.Linear(2, 3), nn.Linear(2, 5), nn.Linear(3, 5)


def _what_is_held(function, arguments):
    optimiser = returned(function, arguments, torch.optim.Optimizer, "an optimiser")
    held = {id(p) for group in optimiser.param_groups for p in group["params"]}
    names = "the student is trained:", "the teacher is trained:", "the projector is trained:"
    counts = all, any, all  # of the teacher not even one tensor may be held
    return {
        name: torch.tensor(count(id(p) in held for p in network.parameters()))
        for name, count, network in zip(names, counts, arguments)
    }


def _adam(*networks):
    return torch.optim.Adam([p for network in networks for p in network.parameters()])


TRAINED = Exercise(
    "3.2", "What is trained", see="Hints",
    right="The projector learns with the student, and is thrown away afterwards.",
    reference=lambda s, t, project: _adam(s, project), observe=_what_is_held,
    cases={"a student, a teacher and a projector": _three_networks},
    mistakes=[
        Mistake("projector not trained",
            "The student would have to fit a random projection of itself, which stays random for ever. "
            "This mistake has been made in published code, and turned a comparison of methods round.",
            lambda s, t, project: _adam(s)),
        Mistake("teacher in the optimiser",
            "A teacher that is trained too moves towards the student, and both may meet at nothing.",
            lambda s, t, project: _adam(s, t, project), lambda s, t, project: _adam(s, t),
            lambda s, t, project: torch.optim.Adam([*s.parameters(), *project.parameters(), t.weight])),
        Mistake("student not trained", "Only the projector would learn: the student stays what it was.",
            lambda s, t, project: _adam(project)),
    ],
)  # fmt: skip


def _attention(f, *, power=2, axis=1, unit=True, dim=1):
    q = f.abs().pow(power).mean(dim=axis).flatten(1)
    return F.normalize(q, dim=dim) if unit else q


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
            partial(_attention, axis=0)),
        Mistake("not scaled to length 1",
            "Without it a network with larger activations would have the larger map everywhere.",
            partial(_attention, unit=False)),
        Mistake("scaled over the batch",
            "Each image's map should have length 1, not each place's column over the images.",
            partial(_attention, dim=0)),
        Mistake("no square", "Square first: large activations are to count for much, and small ones for little.",
            partial(_attention, power=1), lambda f: F.normalize(f.mean(1).flatten(1), dim=1)),
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
            lambda f: F.normalize(f.square().mean(1).flatten(1), p=1, dim=1)),
        Mistake("places not flattened", "Flatten height and width first: the length is that of the whole map.",
            lambda f: F.normalize(f.square().mean(1), dim=1), lambda f: F.normalize(f.square().mean(1), dim=2)),
    ],
)  # fmt: skip


def _cka(a, b, *, centre=True, unit=True, axis=0):
    if centre:
        a, b = a - a.mean(dim=axis, keepdim=True), b - b.mean(dim=axis, keepdim=True)
    gram_a, gram_b = a @ a.T, b @ b.T
    product = (gram_a * gram_b).sum()
    return product / (gram_a.norm() * gram_b.norm()) if unit else product


HOW_ALIKE = Exercise(
    "3.4", "How alike", see="How alike are two networks?",
    right="Turning and scaling change nothing: only how the examples lie to one another counts.",
    reference=linear_cka, observe=value,
    cases={"four examples, 4 and 7 dimensions": lambda: embeddings(4), "nine examples": lambda: embeddings(9)},
    mistakes=[
        Mistake("not centred",
            "Two clouds far from the origin look alike whatever their shape: subtract each dimension's mean first.",
            partial(_cka, centre=False)),
        Mistake("centred over the wrong axis",
            "The mean of each dimension over the examples is subtracted, not the mean of each example.",
            partial(_cka, axis=1)),
        Mistake("not divided by the lengths",
            "Without it the value grows with the features' size. Both matrices' norms belong below.",
            partial(_cka, unit=False)),
        Mistake("squared lengths",
            "The norms themselves, not their squares: of a representation with itself the value must be 1.",
            lambda a, b: _cka(a, b, unit=False) / _cka(a, a, unit=False) / _cka(b, b, unit=False)),
        Mistake("the root taken",
            "No root: the matrices of inner products hold squares already, and their cosine is the value.",
            lambda a, b: _cka(a, b).sqrt()),
        Mistake("cosine of single examples",
            "Dimension 3 of the one has nothing to do with dimension 3 of the other. Compare examples with examples on each side.",
            lambda a, b: F.cosine_similarity(a, b[:, :4]).mean()),
        Mistake("correlation of the matrices' entries",
            "Centre the features before the inner products, not the entries after them.",
            lambda a, b: torch.corrcoef(torch.stack([(e @ e.T).flatten() for e in (a, b)]))[0, 1]),
    ],
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
