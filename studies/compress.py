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
def answers(seed):
    """The teacher's answers to the images to learn from."""
    return teacher()(data.cluttered_digits(views=VIEWS, seed=seed).labelled.images)


@functools.cache
def trained(seed, name):
    """The student of this name: it learns from labels or from the teacher's answers."""
    part = data.cluttered_digits(views=VIEWS, seed=seed).labelled
    match = hard_labels(part.labels) if name == "hard labels" else soft_targets(answers(seed), temperature=4)
    torch.manual_seed(seed)
    return train(models.TinyCNN(WIDTH), part.images, [match], seed, **TRAINING)


def accuracy(model, part):
    return metrics.accuracy(metrics.predict(model, part.images), part.labels)


def run(one_seed, seeds, baseline, training):
    """Scores of all arms: ``one_seed(seed)`` gives a dict of them."""
    rows = []
    for seed in seeds:
        rows.append(one_seed(seed))
        print(seed, {arm: round(score, 1) for arm, score in rows[-1].items()}, flush=True)
    scores = {arm: [row[arm] for row in rows] for arm in rows[0]}
    return Result(baseline, scores, planned=len(seeds), training=training, seed_list=[*seeds])


def int8_at(seed):
    splits = data.cluttered_digits(views=VIEWS, seed=seed)
    students = {name: trained(seed, name) for name in ("hard labels", "distilled")}
    scores = {name: accuracy(student, splits.test) for name, student in students.items()}
    with tempfile.TemporaryDirectory() as folder:
        for name, student in students.items():
            file = compress.export_onnx(student, splits.validation.images, Path(folder) / "float32.onnx")
            small = compress.quantise_int8(
                file, splits.labelled.images[:CALIBRATION], Path(folder) / "int8.onnx"
            )
            scores[f"{name}, int8"] = accuracy(small, splits.test)
    return scores


def repaired(seed):
    """The distilled student, the pruned one, and that one repaired in three ways."""
    part, unpruned = data.cluttered_digits(views=VIEWS, seed=seed).labelled, trained(seed, "distilled")
    own = Teacher(copy.deepcopy(unpruned), name="unpruned", num_classes=10, in_chans=1, input_size=data.SIZE)
    pruned = compress.prune(unpruned, part.images[:2], ratio=0.5)
    matches = {
        "repaired by labels": [hard_labels(part.labels)],
        "repaired by the unpruned": [soft_targets(own(part.images), temperature=4)],
        "repaired by the teacher": [soft_targets(answers(seed), temperature=4)],
    }
    students = {"unpruned": unpruned, "pruned, not repaired": pruned}
    return students | {n: train(pruned, part.images, match, seed, **REPAIR) for n, match in matches.items()}


def pruning_at(seed):
    splits, students = data.cluttered_digits(views=VIEWS, seed=seed), repaired(seed)
    # Half of the channels of width 16 is width 8: the same network, and as many steps in all.
    torch.manual_seed(seed)
    training = TRAINING | {"steps": TRAINING["steps"] + REPAIR["steps"]}
    match = [soft_targets(answers(seed), temperature=4)]
    small = train(models.TinyCNN(WIDTH // 2), splits.labelled.images, match, seed, **training)
    students["same size, never pruned"] = small
    return {name: accuracy(student, splits.test) for name, student in students.items()}


def repair_at(seed):
    test = data.cluttered_digits(views=VIEWS, seed=seed).test
    return {name: accuracy(s, test) for name, s in repaired(seed).items() if name.startswith("repaired")}


if __name__ == "__main__":
    run_studies(
        "compress",
        {
            "int8": lambda seeds: run(int8_at, range(seeds), "hard labels", TRAINING),
            "pruning": lambda seeds: run(pruning_at, range(seeds), "repaired by labels", REPAIR),
            # Its number of pairs was chosen from the spread of the ten above, which are not used again.
            "repair": lambda seeds: run(repair_at, range(seeds, 4 * seeds), "repaired by labels", REPAIR),
        },
        seeds=10,
    )
