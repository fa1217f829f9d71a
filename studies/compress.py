"""Lesson 07: distillation x int8, and the repair of a pruned student. Needs the extra ``deploy``."""

import copy
import functools
import tempfile
from pathlib import Path

import torch

from kdlab import compress, data, metrics, models
from kdlab.distill import distill, hard_labels, soft_targets
from kdlab.results import run_studies
from kdlab.study import Result
from kdlab.teachers import Teacher, load_teacher

torch.set_num_threads(1)
WIDTH, VIEWS, CALIBRATION = 16, 10, 200
TRAINING = {"steps": 600, "batch_size": 64, "learning_rate": 0.03}
REPAIR = {"steps": 200, "batch_size": 64, "learning_rate": 0.01}


@functools.cache
def teacher():
    return load_teacher("cluttered-small")


def train(student, images, match, seed, **training):
    student = copy.deepcopy(student)
    distill(student, images, match, seed=seed, **training)
    return student


@functools.cache
def trained(seed):
    """The teacher's answers, and the two students that learn from labels and from them."""
    part = data.cluttered_digits(views=VIEWS, seed=seed).labelled
    answers = teacher()(part.images)
    torch.manual_seed(seed)
    initial = models.TinyCNN(WIDTH)
    matches = {"hard labels": [hard_labels(part.labels)], "distilled": [soft_targets(answers, temperature=4)]}
    return answers, {name: train(initial, part.images, m, seed, **TRAINING) for name, m in matches.items()}


def accuracy(model, part):
    return metrics.accuracy(metrics.predict(model, part.images), part.labels)


def run(one_seed, seeds, baseline, training):
    """Scores of all arms: ``one_seed(seed)`` gives a dict of them."""
    rows = []
    for seed in range(seeds):
        rows.append(one_seed(seed))
        print(seed, {arm: round(score, 1) for arm, score in rows[-1].items()}, flush=True)
    scores = {arm: [row[arm] for row in rows] for arm in rows[0]}
    return Result(baseline, scores, planned=seeds, training=training)


def int8_at(seed):
    splits, (_, students) = data.cluttered_digits(views=VIEWS, seed=seed), trained(seed)
    scores = {name: accuracy(student, splits.test) for name, student in students.items()}
    with tempfile.TemporaryDirectory() as folder:
        for name, student in students.items():
            file = compress.export_onnx(student, splits.validation.images, Path(folder) / "float32.onnx")
            small = compress.quantise_int8(
                file, splits.labelled.images[:CALIBRATION], Path(folder) / "int8.onnx"
            )
            scores[f"{name}, int8"] = accuracy(small, splits.test)
    return scores


def pruning_at(seed):
    splits, (answers, students) = data.cluttered_digits(views=VIEWS, seed=seed), trained(seed)
    images, labels = splits.labelled.images, splits.labelled.labels
    unpruned = students["distilled"]
    own = Teacher(copy.deepcopy(unpruned), name="unpruned", num_classes=10, in_chans=1, input_size=data.SIZE)
    pruned = compress.prune(unpruned, images[:2], ratio=0.5)
    matches = {
        "repaired by labels": [hard_labels(labels)],
        "repaired by the unpruned": [soft_targets(own(images), temperature=4)],
        "repaired by the teacher": [soft_targets(answers, temperature=4)],
    }
    students = {"unpruned": unpruned, "pruned, not repaired": pruned}
    students |= {name: train(pruned, images, match, seed, **REPAIR) for name, match in matches.items()}
    # Half of the channels of width 16 is width 8: the same network, and as many steps in all.
    torch.manual_seed(seed)
    training = TRAINING | {"steps": TRAINING["steps"] + REPAIR["steps"]}
    students["same size, never pruned"] = train(
        models.TinyCNN(WIDTH // 2), images, matches["repaired by the teacher"], seed, **training
    )
    return {name: accuracy(student, splits.test) for name, student in students.items()}


if __name__ == "__main__":
    run_studies(
        "compress",
        {
            "int8": lambda seeds: run(int8_at, seeds, "hard labels", TRAINING),
            "pruning": lambda seeds: run(pruning_at, seeds, "repaired by labels", REPAIR),
        },
        seeds=10,
    )
