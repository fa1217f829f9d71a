"""A teacher of recommendations: the student's factorisation, with eight times its columns."""

from types import SimpleNamespace

import torch
import torch.nn.functional as F

from kdlab.data.ratings import ratings
from kdlab.distill import Term, distill
from kdlab.metrics import predict
from kdlab.metrics.ratings import ndcg
from kdlab.models import create_student
from kdlab.teachers.teacher import Teacher

COLUMNS, SMALL = 32, 0.14  # chosen by held-out clicks of other worlds: python studies/ratings.py tuning
STEPS, RATE = 60, 0.2  # of all users at once
WORLD, SEED = 0, 500  # of the shipped teacher, and of the first weights of all teachers


def clicks(clicked, *, weight=1.0):
    """Match clicks (U, I) by softmax over all items: a user counts as often as they clicked.

    The mean over users of the cross-entropy, summed over a user's clicks and divided by the mean number of
    clicks (Liang et al. 2018, "Variational Autoencoders for Collaborative Filtering"). ValueError
    if there is no click.
    """
    if not clicked.any():
        raise ValueError(f"clicks {tuple(clicked.shape)} hold none: there is nothing to learn from")
    shares = clicked.float()
    return Term("clicks", shares / shares.sum(dim=1).mean(), F.cross_entropy, weight)


def small(users, *, weight=0.1):
    """Keep the numbers of a :class:`kdlab.models.ratings.Factorisation` of so many users small."""
    return Term("size", torch.zeros(users), mean_size, weight, of="size")


def mean_size(sizes, _):
    return sizes.mean()


def taught(world, clicked=None, *, seed=SEED, steps=STEPS, columns=COLUMNS, weight=SMALL, progress=False):
    """The network trained on a world's clicks, or on other ``clicked`` (U, I) of its users."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        users, items = world.clicks.shape
        network = create_student("factorisation", columns=columns, users=users, num_classes=items)
    terms = [clicks(world.clicks if clicked is None else clicked), small(users, weight=weight)]
    distill(
        network, world.inputs, terms, steps=steps, batch_size=users, learning_rate=RATE, progress=progress
    )
    return network


def teacher_of(world, clicked=None, **options):
    """A :class:`kdlab.teachers.Teacher` of that world's users, as :func:`taught` trains it: in a second."""
    network = taught(world, clicked, **options)
    return Teacher(network, name="ratings", num_classes=network.num_classes)


def train(*, steps=None, progress=True):
    """The trained network, and what its card says of it alone."""
    steps, world = STEPS if steps is None else steps, ratings(WORLD)
    network = taught(world, steps=steps, progress=progress)
    users, items = world.clicks.shape
    return network, {
        "architecture": "factorisation",
        "options": {"columns": COLUMNS, "users": users},
        "num_classes": items,
        "data": f"clicks of {users} users on {items} items of a made world, seed {WORLD}",
        "steps": steps,
        "learning_rate": RATE,
        "seed": SEED,
    }


def score(teacher):
    """NDCG@10 on clicks that it was not trained on."""
    world = ratings(WORLD)
    reached = ndcg(predict(teacher, world.inputs), world.held_out, world.candidates)
    return {"ndcg": round(reached, 2), "ndcg_of": "held-out clicks, all items ranked, percent"}


RECIPES = {"ratings": SimpleNamespace(train=train, score=score)}
