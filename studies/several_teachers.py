"""Teachers as the unit: stopped early, five as one, through an assistant; and what a student inherits.

``python studies/several_teachers.py`` trains all teachers but one, which is shipped, and writes
data/results/several_teachers.json; about a quarter of an hour on one free core.
"""

import copy
import functools
from statistics import fmean
from types import SimpleNamespace

import torch

from kdlab import data, metrics, models
from kdlab.distill import distill, hard_labels, soft_targets
from kdlab.results import run_studies
from kdlab.study import Result, compare
from kdlab.teachers import load_teacher

TRAINING = {"steps": 500, "batch_size": 64, "learning_rate": 0.02}
STEPS = (150, 600, 2400)
TEACHERS = 5  # that are as one
STUDENTS = 2  # of each teacher: their mean is one score


def student():
    return models.TinyCNN(8)


@functools.cache
def other_sources():
    """Cluttered digits of the 600 handwritings that no student sees, ten views of each."""
    return data.teacher_digits(cluttered=True, views=10)


def convolutional_teacher(seed, steps):
    """Three times as wide as its student; trained for fewer steps it still runs its whole schedule."""
    part = other_sources()
    torch.manual_seed(seed)
    network = models.TinyCNN(24)
    distill(network, part.images, [hard_labels(part.labels)], steps=steps, batch_size=64, seed=seed)
    return network


def probabilities(networks, images):
    """The logarithm of the mean of the networks' probabilities: (N, C), to be used as logits."""
    return torch.stack([metrics.predict(n, images).softmax(dim=1) for n in networks]).mean(dim=0).log()


def taught(d, match):
    """A copy of the seed's untrained student, trained."""
    network = copy.deepcopy(d.untrained)
    distill(network, d.train.images, match, seed=d.seed, **TRAINING)
    return network


def measures(answers, labels, teachers):
    """What is read off a student's answers, beside each teacher's."""
    seen = {
        "accuracy": metrics.accuracy(answers, labels),
        "calibration": metrics.calibration_error(answers, labels),
    }
    for name, logits in teachers.items():
        said = logits.argmax(dim=1)
        wrong = said != labels
        seen[f"agreement, {name}"] = metrics.agreement(answers, logits)
        seen[f"errors, {name}"] = 100 * (answers.argmax(dim=1) == said)[wrong].double().mean().item()
    return seen


def of_one_staff(k, staff, *, own_kind):
    """Mean measures over the students of one staff: {arm: {measure: mean}}, and the teachers' accuracy."""
    rows = []
    for seed in range(1000 * (k + 1), 1000 * (k + 1) + STUDENTS):
        splits = data.cluttered_digits(views=8, seed=seed)
        train, test, teachers = splits.labelled, splits.test, dict(staff)
        torch.manual_seed(seed)
        d = SimpleNamespace(train=train, seed=seed, untrained=student())
        if own_kind:
            torch.manual_seed(seed + STUDENTS)
            teachers["own kind"] = [student()]
            match = [hard_labels(train.labels)]
            distill(teachers["own kind"][0], train.images, match, seed=seed + STUDENTS, **TRAINING)
        arms = {"hard labels": [hard_labels(train.labels)]}
        for name, networks in teachers.items():
            arms[name] = [soft_targets(probabilities(networks, train.images), temperature=2)]
        said = {name: probabilities(networks, test.images) for name, networks in teachers.items()}
        row = {}
        for name, match in arms.items():
            answers = metrics.predict(taught(d, match), test.images)
            row[name] = measures(answers, test.labels, said)
        for name, logits in said.items():
            row[name]["teacher"] = metrics.accuracy(logits, test.labels)
        rows.append(row)
    return {arm: {m: fmean(row[arm][m] for row in rows) for m in rows[0][arm]} for arm in rows[0]}


@functools.cache
def stopped(seeds):
    made = []
    for k in range(seeds):
        staff = {f"{steps} steps": [convolutional_teacher(k, steps)] for steps in STEPS}
        made.append(of_one_staff(k, staff, own_kind=False))
    return made


@functools.cache
def several(seeds):
    made = []
    for k in range(seeds):
        five = [convolutional_teacher(100 + TEACHERS * k + i, 600) for i in range(TEACHERS)]
        made.append(of_one_staff(k + seeds, {"one teacher": five[:1], "mean of five": five}, own_kind=True))
    return made


def read_off(make, measure, baseline, metric, **options):
    """A study of one measure; a pair is a staff of teachers, and its students' mean one score."""

    def study(seeds):
        made = make(seeds)
        arms = [baseline, *(arm for arm in made[0] if arm != baseline and measure in made[0][arm])]
        scores = {arm: [staff[arm][measure] for staff in made] for arm in arms}
        training = TRAINING | {"students of a teacher": STUDENTS}
        return Result(baseline, scores, metric=metric, planned=seeds, training=training, **options)

    return study


def by(name, measure, metric):
    """The same measure beside one teacher: of students that it taught, and of those that saw labels."""

    def study(seeds):
        key = f"{measure}, {name}"
        arms = {"not taught by it": "hard labels", "taught by it": name}
        scores = {arm: [staff[of][key] for staff in several(seeds)] for arm, of in arms.items()}
        return Result("not taught by it", scores, metric=metric, planned=seeds, margin=2, training=TRAINING)

    return study


def assistant(seeds):
    """A large teacher, its student, and a network of medium size in between (Mirzadeh et al. 2020)."""
    large = load_teacher("cluttered-small")

    def with_assistants(seed):
        splits = data.cluttered_digits(views=8, seed=seed)
        train = splits.labelled
        answers = {"teacher": large(train.images)}
        ways = {
            "through an assistant": [soft_targets(answers["teacher"], temperature=2)],
            "assistant taught by labels": [hard_labels(train.labels)],
        }
        for name, match in ways.items():
            torch.manual_seed(5000 + seed)
            middle = models.TinyCNN(24)
            distill(middle, train.images, match, steps=600, batch_size=64, seed=seed)
            answers[name] = metrics.predict(middle, train.images)
        return SimpleNamespace(train=train, answers=answers, validation=splits.validation, test=splits.test)

    arms = {"hard labels": lambda d: (d.train.images, [hard_labels(d.train.labels)])}
    for name in ("teacher", "through an assistant", "assistant taught by labels"):
        arms[name] = lambda d, name=name: (d.train.images, [soft_targets(d.answers[name], temperature=2)])
    return compare(
        arms, data=with_assistants, student=student, baseline="hard labels", seeds=seeds, workers=1,
        **TRAINING,
    )  # fmt: skip


FULL = f"{STEPS[-1]} steps"
OWN = "the teacher's own accuracy, %"
STUDIES = {
    "stopped early": read_off(stopped, "accuracy", "hard labels", "accuracy, %"),
    "teachers stopped early": read_off(stopped, "teacher", FULL, OWN),
    "five as one": read_off(several, "accuracy", "hard labels", "accuracy, %"),
    "five as one, the teachers": read_off(several, "teacher", "one teacher", OWN),
    "calibration": read_off(
        several, "calibration", "hard labels", "calibration error, %", higher_is_better=False, margin=1
    ),
    **{
        f"{measure}, {name}": by(name, measure, metric)
        for measure, metric in {
            "agreement": "agreement with the teacher, %",
            "errors": "the teacher's errors repeated, %",
        }.items()
        for name in ("own kind", "one teacher", "mean of five")
    },
    "assistant": assistant,
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    run_studies("several_teachers", STUDIES, seeds=5)
