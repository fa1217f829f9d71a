"""How a teacher is used: smoothed or not, against noisy labels, and for how long.

``python studies/how_taught.py`` trains the teachers that are not shipped and writes
data/results/how_taught.json; about a quarter of an hour on one core.
"""

from types import SimpleNamespace

import torch

from kdlab import data, models
from kdlab.distill import distill, hard_labels, soft_targets
from kdlab.results import run_studies
from kdlab.study import compare
from kdlab.teachers import Teacher, load_teacher

TRAINING = {"steps": 500, "batch_size": 64, "learning_rate": 0.02}
NOISE = 0.4


def student():
    return models.TinyCNN(8)


def labels_of(d):
    return d.train.images, [hard_labels(d.train.labels)]


def answers_of(name, temperature):
    return lambda d: (d.train.images, [soft_targets(d.answers[name], temperature=temperature)])


def cluttered(seed, teachers):
    splits = data.cluttered_digits(views=8, seed=seed)
    train = splits.labelled
    answers = {name: teacher(train.images) for name, teacher in teachers.items()}
    noisy = data.noisy_labels(train, NOISE, seed=seed)
    return SimpleNamespace(
        train=train, noisy=noisy, answers=answers, validation=splits.validation, test=splits.test
    )


def smoothing(seeds):
    teachers = {"plain": load_teacher("cluttered-small"), "smoothed": load_teacher("cluttered-smoothed")}
    arms = {f"{name}, T = {T}": answers_of(name, T) for T in (1, 4) for name in teachers}
    return compare(
        {"hard labels": labels_of, **arms}, data=lambda seed: cluttered(seed, teachers), student=student,
        baseline="hard labels", seeds=seeds, **TRAINING,
    )  # fmt: skip


def noise_teacher():
    """The recipe of cluttered-small for fewer steps, on labels as noisy as the student's."""
    part = data.teacher_digits(cluttered=True, views=40)
    torch.manual_seed(0)
    network = models.create_student("resnet10t", output_stride=8, channels=(16, 32, 64, 128))
    distill(network, part.images, [hard_labels(data.noisy_labels(part, NOISE))], steps=300, batch_size=128)
    return Teacher(network, name="noisy", num_classes=data.NUM_CLASSES, in_chans=1, input_size=data.SIZE)


def noise(seeds):
    teachers = {"clean": load_teacher("cluttered-small"), "noisy": noise_teacher()}

    def mixed(d):
        targets = soft_targets(d.answers["clean"], temperature=2, weight=0.5)
        return d.train.images, [hard_labels(d.noisy, weight=0.5), targets]

    arms = {
        "noisy labels": lambda d: (d.train.images, [hard_labels(d.noisy)]),
        "noisy labels, smoothed": lambda d: (d.train.images, [hard_labels(d.noisy, smoothing=0.1)]),
        "clean teacher": answers_of("clean", 2),
        "clean teacher and noisy labels": mixed,
        "teacher taught on noisy labels": answers_of("noisy", 2),
        "clean labels": labels_of,
    }
    return compare(
        arms, data=lambda seed: cluttered(seed, teachers), student=student,
        baseline="noisy labels", seeds=seeds, **TRAINING,
    )  # fmt: skip


def patience(steps):
    teacher = load_teacher("digits-small")

    def clean(seed):
        splits = data.digits(650, seed=seed)
        answers = {"teacher": teacher(splits.labelled.images)}
        return SimpleNamespace(
            train=splits.labelled, answers=answers, validation=splits.validation, test=splits.test
        )

    return lambda seeds: compare(
        {"hard labels": labels_of, "soft targets": answers_of("teacher", 4)},
        data=clean, student=lambda: models.MLP(32), baseline="hard labels", seeds=2 * seeds, steps=steps,
    )  # fmt: skip


STUDIES = {
    "smoothing": smoothing,
    "noise": noise,
    **{f"patience, {steps} steps": patience(steps) for steps in (200, 800, 3200)},
}

if __name__ == "__main__":
    run_studies("how_taught", STUDIES, seeds=5)
