"""A study of lesson 05: losses on logits beside hard labels, each tuned over as many settings."""

from functools import partial
from types import SimpleNamespace

import torch

from kdlab import data, models
from kdlab.distill import Term, hard_labels
from kdlab.gradients import balanced
from kdlab.losses import correlation_loss, decoupled_loss, soft_target_loss, standardised_logits
from kdlab.results import run_studies
from kdlab.study import compare
from kdlab.teachers import load_teacher

SEEDS = 8
SHARES = (1, 4)  # how much of the gradient the loss has for each part of the labels'
SMOOTHING = (0.0, 0.05, 0.1, 0.2)
SETTINGS = {
    "clean": (lambda seed: data.digits(100, seed=seed), "digits-small", 8, {"steps": 300, "batch_size": 32}),
    "cluttered": (
        lambda seed: data.cluttered_digits(views=3, seed=seed), "cluttered-small", 16,
        {"steps": 300, "batch_size": 64},
    ),
}  # fmt: skip


def standardised_loss(student_logits, teacher_logits, *, temperature):
    sides = (standardised_logits(z) for z in (student_logits, teacher_logits))
    return soft_target_loss(*sides, temperature=temperature)


# Two settings a loss, around its paper's; with two shares each that makes four candidates.
LOSSES = {
    "soft targets": (soft_target_loss, ({"temperature": 2}, {"temperature": 4})),
    "decoupled": (decoupled_loss, ({"beta": 2, "temperature": 4}, {"beta": 8, "temperature": 4})),
    "correlation": (correlation_loss, ({"temperature": 1}, {"temperature": 4})),
    "standardised": (standardised_loss, ({"temperature": 1}, {"temperature": 2})),
}


def added(d, loss, options, share):
    """Hard labels and a loss on logits, at this share of the gradient of a new student."""
    labels = d.train.labels if loss is decoupled_loss else None
    term = Term("logits", d.answers, partial(loss, **options), labels=labels)
    match = [hard_labels(d.train.labels), term]
    return d.train.images, balanced(d.fresh, d.train.images, match, shares=(1, share))


def candidates(loss, settings):
    return {
        f"{options}, {share} to 1": lambda d, options=options, share=share: added(d, loss, options, share)
        for options in settings
        for share in SHARES
    }


def smoothed(amount):
    return lambda d: (d.train.images, [hard_labels(d.train.labels, smoothing=amount)])


# A control of the decoupled loss: a higher temperature, too, gives the other classes more weight.
HOTTER = {
    "soft targets": LOSSES["soft targets"],
    "soft targets, hotter": (soft_target_loss, ({"temperature": 8}, {"temperature": 16})),
    "decoupled": LOSSES["decoupled"],
}


def logits(setting, losses=LOSSES):
    def study(seeds):
        make, name, width, training = SETTINGS[setting]
        teacher = load_teacher(name)
        torch.manual_seed(1000)
        fresh = models.TinyCNN(width)

        def load(seed):
            splits = make(seed)
            answers = teacher(splits.labelled.images)
            return SimpleNamespace(**splits._asdict(), train=splits.labelled, answers=answers, fresh=fresh)

        arms = {}
        if losses is LOSSES:
            arms["hard labels"] = {f"smoothing {amount}": smoothed(amount) for amount in SMOOTHING}
        arms |= {loss: candidates(*how) for loss, how in losses.items()}
        return compare(
            arms, data=load, student=lambda: models.TinyCNN(width), baseline="soft targets", seeds=seeds,
            **training,
        )  # fmt: skip

    return study


if __name__ == "__main__":
    studies = {setting: logits(setting) for setting in SETTINGS}
    run_studies("logit_losses", {**studies, "clean, hotter": logits("clean", HOTTER)}, seeds=SEEDS)
