"""Which teacher for which student: sizes, teachers trained for less, families of architecture.

``python studies/which_teacher.py`` trains the teachers that are not shipped and writes
data/results/which_teacher.json; about twenty minutes on one core.
"""

import functools
from types import SimpleNamespace

import torch

from kdlab import data, metrics, models
from kdlab.distill import distill, hard_labels, soft_targets
from kdlab.results import run_studies
from kdlab.study import compare
from kdlab.teachers import Teacher, load_teacher

T = 2
TRAINING = {"steps": 500, "batch_size": 64, "learning_rate": 0.02}
SIZES = ("tiny", "small", "large")
RESNET = {"output_stride": 8, "channels": (16, 32, 64, 128)}
VIT = {"img_size": 32, "patch_size": 8, "depth": 4, "embed_dim": 64, "num_heads": 4}


@functools.cache
def train_teacher(architecture, steps, learning_rate=0.01, **options):
    """A teacher of 600 other sources; trained for fewer steps it still runs through its whole schedule."""
    part = data.teacher_digits(cluttered=True, views=40)
    torch.manual_seed(0)
    network = models.create_student(architecture, **options)
    distill(
        network,
        part.images,
        [hard_labels(part.labels)],
        steps=steps,
        batch_size=128,
        learning_rate=learning_rate,
    )
    name = f"{architecture}, {steps} steps"
    return Teacher(network, name=name, num_classes=data.NUM_CLASSES, in_chans=1, input_size=data.SIZE)


def make_data(teachers):
    """``data(seed)`` with each teacher's answers, made once a seed for all studies of these teachers."""

    @functools.cache
    def cluttered(seed):
        splits = data.cluttered_digits(views=8, seed=seed)
        train, test = splits.labelled, splits.test
        answers = {name: teacher(train.images) for name, teacher in teachers.items()}
        for name, teacher in teachers.items():
            print(f"seed {seed}, {name}: {metrics.accuracy(teacher(test.images), test.labels):.1f} % on test")
        return SimpleNamespace(train=train, answers=answers, validation=splits.validation, test=test)

    return cluttered


def study(seeds, teachers, student, *, controls=(), **training):
    arms = {"hard labels": lambda d: (d.train.images, [hard_labels(d.train.labels)])}
    if "label smoothing" in controls:
        arms["label smoothing"] = lambda d: (d.train.images, [hard_labels(d.train.labels, smoothing=0.1)])
    for name in teachers.names:
        arms[name] = lambda d, name=name: (d.train.images, [soft_targets(d.answers[name], temperature=T)])
    return compare(
        arms,
        data=teachers.data,
        student=student,
        baseline="hard labels",
        seeds=seeds,
        **{**TRAINING, **training},
    )


@functools.cache
def sizes():
    teachers = {size: load_teacher(f"cluttered-{size}") for size in SIZES}
    return SimpleNamespace(names=teachers, data=make_data(teachers))


@functools.cache
def stopped():
    teachers = {f"{steps} steps": train_teacher("resnet10t", steps, **RESNET) for steps in (100, 300)}
    teachers["1500 steps"] = load_teacher("cluttered-small")
    return SimpleNamespace(names=teachers, data=make_data(teachers))


@functools.cache
def families():
    teachers = {
        "CNN": load_teacher("cluttered-small"),
        "ViT": train_teacher("vit_tiny_patch16_224", 800, 0.002, **VIT),
        # A CNN that was trained for less, so that it is no better than the ViT.
        "CNN, trained for less": train_teacher("resnet10t", 100, **RESNET),
    }
    return SimpleNamespace(names=teachers, data=make_data(teachers))


def gap(width):
    return lambda seeds: study(seeds, sizes(), lambda: models.TinyCNN(width), controls=("label smoothing",))


def family(architecture, learning_rate=TRAINING["learning_rate"], **options):
    student = functools.partial(models.create_student, architecture, **options)
    return lambda seeds: study(seeds, families(), student, learning_rate=learning_rate)


STUDIES = {
    **{f"width {width}": gap(width) for width in (4, 8, 16)},
    "stopped early": lambda seeds: study(seeds, stopped(), lambda: models.TinyCNN(8)),
    "CNN student": family("tiny_cnn", width=8),
    "MLP student": family("mlp", 0.003, hidden=64),
    "ViT student": family(
        "vit_tiny_patch16_224", 0.002, img_size=32, patch_size=8, depth=2, embed_dim=48, num_heads=3
    ),
}

if __name__ == "__main__":
    run_studies("which_teacher", STUDIES, seeds=5)
