"""Which teacher for which student: sizes, teachers trained for less, families of architecture.

``python studies/which_teacher.py`` trains the teachers that are not shipped and writes
data/results/which_teacher.json; about twenty minutes on one free core.
"""

import functools
from types import SimpleNamespace

import torch

from kdlab import data, metrics, models
from kdlab.distill import distill, hard_labels, soft_targets
from kdlab.results import run_studies
from kdlab.study import Result, compare
from kdlab.teachers import Teacher, load_teacher

T = 2
RESNET = {"output_stride": 8, "channels": (16, 32, 64, 128)}
VIT = {"img_size": 32, "patch_size": 8, "depth": 4, "embed_dim": 64, "num_heads": 4}


@functools.cache
def train_teacher(architecture, steps, *, learning_rate=0.01, cluttered=True, **options):
    """A teacher of 600 other sources; trained for fewer steps it still runs through its whole schedule."""
    part = data.teacher_digits(cluttered=cluttered, views=40 if cluttered else 10)
    torch.manual_seed(0)
    network = models.create_student(architecture, **options)
    match = [hard_labels(part.labels)]
    distill(network, part.images, match, steps=steps, batch_size=128, learning_rate=learning_rate)
    name = f"{architecture}, {steps} steps"
    return Teacher(network, name=name, num_classes=data.NUM_CLASSES, in_chans=1, input_size=data.SIZE)


class Staff:
    """A few teachers, and ``data(seed)`` with their answers, made once for all studies of these teachers."""

    def __init__(self, teachers, *, cluttered=True):
        self.teachers, self.cluttered = teachers, cluttered
        self.steps = 500 if cluttered else 200
        self.data = functools.cache(self._data)

    def _data(self, seed):
        splits = data.cluttered_digits(views=8, seed=seed) if self.cluttered else data.digits(650, seed=seed)
        train = splits.labelled
        answers = {name: teacher(train.images) for name, teacher in self.teachers.items()}
        return SimpleNamespace(train=train, answers=answers, validation=splits.validation, test=splits.test)

    def accuracies(self, seeds):
        """How well the teachers themselves read each seed's test images."""
        tests = [self.data(seed).test for seed in range(seeds)]
        scores = {
            name: [metrics.accuracy(teacher(test.images), test.labels) for test in tests]
            for name, teacher in self.teachers.items()
        }
        return Result(next(iter(scores)), scores, metric="the teacher's own accuracy, %", planned=seeds)

    def study(self, seeds, student, *, smoothing=None, learning_rate=0.02):
        arms = {"hard labels": lambda d: (d.train.images, [hard_labels(d.train.labels)])}
        if smoothing:
            arms["label smoothing"] = lambda d: (
                d.train.images,
                [hard_labels(d.train.labels, smoothing=smoothing)],
            )
        for name in self.teachers:
            arms[name] = lambda d, name=name: (d.train.images, [soft_targets(d.answers[name], temperature=T)])
        return compare(
            arms, data=self.data, student=student, baseline="hard labels", seeds=seeds,
            steps=self.steps, batch_size=64, learning_rate=learning_rate,
        )  # fmt: skip


@functools.cache
def sizes():
    return Staff({size: load_teacher(f"cluttered-{size}") for size in ("tiny", "small", "large")})


@functools.cache
def stopped():
    early = {f"{steps} steps": train_teacher("resnet10t", steps, **RESNET) for steps in (100, 300)}
    return Staff({"1500 steps": load_teacher("cluttered-small"), **early})


@functools.cache
def families():
    """On clean digits: a transformer this small learns next to nothing of cluttered ones in so few steps."""
    return Staff(
        {
            "CNN": load_teacher("digits-small"),
            "MLP": train_teacher("mlp", 400, learning_rate=0.003, cluttered=False, hidden=256),
            "ViT": train_teacher("vit_tiny_patch16_224", 400, learning_rate=0.003, cluttered=False, **VIT),
        },
        cluttered=False,
    )


def gap(width):
    return lambda seeds: sizes().study(seeds, lambda: models.TinyCNN(width), smoothing=0.1)


def family(architecture, learning_rate, **options):
    student = functools.partial(models.create_student, architecture, **options)
    return lambda seeds: families().study(seeds, student, learning_rate=learning_rate)


STUDIES = {
    **{f"width {width}": gap(width) for width in (4, 8, 16)},
    "teachers stopped early": lambda seeds: stopped().accuracies(seeds),
    "stopped early": lambda seeds: stopped().study(seeds, lambda: models.TinyCNN(8)),
    "teachers of three families": lambda seeds: families().accuracies(seeds),
    "CNN student": family("tiny_cnn", 0.01, width=8),
    "MLP student": family("mlp", 0.01, hidden=32),
    "ViT student": family(
        "vit_tiny_patch16_224", 0.003, **{**VIT, "depth": 2, "embed_dim": 48, "num_heads": 3}
    ),
}

if __name__ == "__main__":
    run_studies("which_teacher", STUDIES, seeds=5)
