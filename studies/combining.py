"""The studies of lesson 05: all combinations of four sources, and of ways to weight them; attention maps."""

from dataclasses import replace
from types import SimpleNamespace

import torch

from kdlab import data, models
from kdlab.distill import features, hard_labels, relations, soft_targets
from kdlab.factorial import JOIN, cells
from kdlab.gradients import balanced
from kdlab.losses import attention_transfer_loss
from kdlab.results import run_studies
from kdlab.study import compare
from kdlab.teachers import load_teacher, untrained_teacher

SEEDS = 8
APART = 1000  # the seed at which weights are balanced: none of the study's
MAPS = range(100, 130)  # seeds for maps: eight others, a first look, had left it open
FACTORS = ("hard labels", "soft targets", "hints", "distances")


def clean(seed):
    return data.digits(100, seed=seed)


def cluttered(seed):
    return data.cluttered_digits(views=3, seed=seed)


SETTINGS = {
    "clean": (clean, "digits-small", 8, {"steps": 300, "batch_size": 32}),
    "cluttered": (cluttered, "cluttered-small", 16, {"steps": 300, "batch_size": 64}),
}


def taught(make, name):
    """The data of a seed with the teacher's answers to the labelled images."""
    teacher = load_teacher(name)

    def load(seed):
        splits = make(seed)
        answers = teacher.outputs(splits.labelled.images, layers=(2,))
        return SimpleNamespace(**splits._asdict(), train=splits.labelled, answers=answers)

    return load


def terms(d, weights=(1, 1, 1, 1)):
    """The four sources, each at its weight."""
    hard, soft, hint, distance = weights
    return {
        "hard labels": hard_labels(d.train.labels, weight=hard),
        "soft targets": soft_targets(d.answers.logits, temperature=4, weight=soft),
        "hints": features(d.answers.features[2], 2, name="hints", weight=hint),
        "distances": relations(d.answers.embedding, weight=distance),
    }


def even(load, width, batch_size, shares=None):
    """Weights of equal, or of these, shares of the gradient, at a seed apart from the study's."""
    d = load(APART)
    torch.manual_seed(APART)
    match = balanced(
        models.TinyCNN(width), d.train.images, [*terms(d).values()], shares=shares, batch_size=batch_size
    )
    return [term.weight for term in match]


def combinations(factors, weights):
    """An arm for each combination of these factors but the empty one."""
    return {
        arm: lambda d, on=on: (d.train.images, [terms(d, weights)[factor] for factor in on])
        for arm, on in cells(factors).items()
    }


def factorial(setting):
    def study(seeds):
        make, name, width, training = SETTINGS[setting]
        load = taught(make, name)
        weights = even(load, width, training["batch_size"])
        return compare(
            combinations(FACTORS, weights),
            data=load,
            student=lambda: models.TinyCNN(width),
            baseline="hard labels",
            seeds=seeds,
            **training,
        )

    return study


def controls(steps, *, halved=False):
    """Hard labels with soft targets, hints or both, on clean digits; and with both at half weight."""

    def study(seeds):
        make, name, width, training = SETTINGS["clean"]
        load = taught(make, name)
        weights = even(load, width, training["batch_size"])
        both = ("hard labels", "soft targets", "hints")
        arms = {arm: made for arm, made in combinations(both, weights).items() if arm.startswith(both[0])}
        if halved:
            half = [weights[0], *(weight / 2 for weight in weights[1:])]
            arms["both at half weight"] = combinations(both, half)[JOIN.join(both)]
        return compare(
            arms,
            data=load,
            student=lambda: models.TinyCNN(width),
            baseline="hard labels",
            seeds=seeds,
            **{**training, "steps": steps},
        )

    return study


def with_maps(setting):
    """The data of a seed with the terms of attention maps: the teacher's, and an untrained one's."""
    make, name, _, _ = SETTINGS[setting]
    load, teacher = taught(make, name), load_teacher(name)

    def loaded(seed):
        d = load(seed)
        control = untrained_teacher(teacher, d.train.images, layers=(2,), seed=seed)
        seen = {
            "attention maps": d.answers,
            "untrained teacher's maps": control.outputs(d.train.images, layers=(2,)),
        }
        d.terms = terms(d) | {
            name: features(answers.features[2], 2, loss=attention_transfer_loss, project=False, name=name)
            for name, answers in seen.items()
        }
        return d

    return loaded


def maps(setting):
    """Attention maps beside labels, and beside labels and soft targets: equal shares, seeds of its own."""
    hard, soft = FACTORS[:2]
    combined = [
        (hard,),
        (hard, soft),
        (hard, "attention maps"),
        (hard, "untrained teacher's maps"),
        (hard, soft, "attention maps"),
    ]

    def study(_):
        _, _, width, training = SETTINGS[setting]
        load = with_maps(setting)

        def weighted(on):
            apart = load(APART)
            torch.manual_seed(APART)
            student, size = models.TinyCNN(width), training["batch_size"]
            match = balanced(student, apart.train.images, [apart.terms[one] for one in on], batch_size=size)
            weights = {one: term.weight for one, term in zip(on, match)}
            return lambda d: (d.train.images, [replace(d.terms[one], weight=weights[one]) for one in on])

        return compare(
            {JOIN.join(on): weighted(on) for on in combined},
            data=load,
            student=lambda: models.TinyCNN(width),
            baseline=hard,
            seeds=[*MAPS],
            **training,
        )

    return study


def weighting(setting):
    def study(seeds):
        make, name, width, training = SETTINGS[setting]
        load = taught(make, name)
        schemes = {
            "balanced": even(load, width, training["batch_size"]),
            "all weights 1": (1, 1, 1, 1),
            "copied weights": (0.1, 0.9, 100, 25),
            "hints at 99 %": even(load, width, training["batch_size"], (1 / 3, 1 / 3, 99, 1 / 3)),
            "hints at 0.1 %": even(load, width, training["batch_size"], (33.3, 33.3, 0.1, 33.3)),
        }
        arms = {"hard labels": lambda d: (d.train.images, [terms(d)["hard labels"]])}
        for scheme, weights in schemes.items():
            arms[scheme] = lambda d, weights=weights: (d.train.images, [*terms(d, weights).values()])
        return compare(
            arms,
            data=load,
            student=lambda: models.TinyCNN(width),
            baseline="balanced",
            seeds=seeds,
            **training,
        )

    return study


if __name__ == "__main__":
    studies = {setting: factorial(setting) for setting in SETTINGS}
    studies |= {f"{setting}, weights": weighting(setting) for setting in SETTINGS}
    studies |= {f"{setting}, maps": maps(setting) for setting in SETTINGS}
    studies |= {"clean, half weights": controls(300, halved=True), "clean, 1200 steps": controls(1200)}
    run_studies("combining", studies, seeds=SEEDS)
