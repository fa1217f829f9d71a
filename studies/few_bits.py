"""Lesson 07: training with weights of few bits, on labels or on the teacher; longer repair after pruning.

Polino et al. (2018) let the teacher help while the bits are taken away. Here a student of the teacher gets
weights of few bits: afterwards, or in further training in which each step sees the coarse weights and its
gradient goes straight through the rounding. "pruning" needs the extra ``deploy``.
"""

import copy
import functools

import torch
from torch import nn
from torch.nn.utils import parametrize

from kdlab import compress, data, metrics, models
from kdlab.distill import distill, hard_labels, soft_targets
from kdlab.results import run_studies
from kdlab.study import Result
from kdlab.teachers import load_teacher

torch.set_num_threads(1)
WIDTH, VIEWS, BITS = 16, 4, (4, 3, 2)
TRAINING = {"steps": 400, "batch_size": 64, "learning_rate": 0.03}
FURTHER = {"steps": 200, "batch_size": 64, "learning_rate": 0.01}
LONG = FURTHER | {"steps": 1000}
AFTER, RESET, ON = "quantised afterwards", "and batch norm reset", "trained on, then quantised"
BY_LABELS, BY_TEACHER = "trained in few bits, labels", "trained in few bits, teacher"


class Coarse(nn.Module):
    """Weights rounded to ``bits`` in the layer's own range; the gradient passes as if they were not."""

    def __init__(self, bits):
        super().__init__()
        self.most = 2**bits - 1

    def forward(self, w):
        scale = (w.max() - w.min()).detach() / self.most
        zero = (-w.min().detach() / scale).round()
        coarse = scale * (((w / scale).round() + zero).clamp(0, self.most) - zero)
        return w + (coarse - w).detach()


def in_bits(student, bits):
    """A copy whose convolutions and linear layers use weights of so many bits, in training as well."""
    student = copy.deepcopy(student)
    for layer in [m for m in student.modules() if isinstance(m, nn.Conv2d | nn.Linear)]:
        parametrize.register_parametrization(layer, "weight", Coarse(bits))
    return student


def reset(student, images):
    """The student with batch norm's statistics set anew on images to learn from."""
    norms = [m for m in student.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches
    with torch.no_grad():
        student.train()
        for batch in images.split(256):
            student(batch)
    return student.eval()


@functools.cache
def material(seed):
    """Data, what to match by name, and the student of the teacher."""
    splits = data.cluttered_digits(views=VIEWS, seed=seed)
    part = splits.labelled
    answers = load_teacher("cluttered-small")(part.images)
    matches = {"labels": [hard_labels(part.labels)], "teacher": [soft_targets(answers, temperature=4)]}
    torch.manual_seed(seed)
    return splits, matches, train(models.TinyCNN(WIDTH), part.images, matches["teacher"], seed, TRAINING)


def train(student, images, match, seed, training):
    student = copy.deepcopy(student)
    distill(student, images, match, seed=seed, **training)
    return student


def accuracy(model, part):
    return metrics.accuracy(metrics.predict(model, part.images), part.labels)


@functools.cache
def trained_on(seed):
    splits, matches, student = material(seed)
    return train(student, splits.labelled.images, matches["teacher"], seed, FURTHER)


def bits_at(seed, bits):
    splits, matches, student = material(seed)
    images = splits.labelled.images
    arms = {
        AFTER: in_bits(student, bits),
        RESET: reset(in_bits(student, bits), images),
        ON: in_bits(trained_on(seed), bits),
        BY_LABELS: train(in_bits(student, bits), images, matches["labels"], seed, FURTHER),
        BY_TEACHER: train(in_bits(student, bits), images, matches["teacher"], seed, FURTHER),
        "float32": student,
        "float32, trained on": trained_on(seed),
    }
    return {name: accuracy(model, splits.test) for name, model in arms.items()}


def pruning_at(seed):
    """Half of the channels out; repair as short as in the study ``compress``, and five times as long."""
    splits, matches, student = material(seed)
    images = splits.labelled.images
    pruned = compress.prune(student, images[:2], ratio=0.5)
    arms = {"unpruned": student}
    for training in (FURTHER, LONG):
        for name, match in matches.items():
            arm = f"repaired by {name}, {training['steps']:,} steps"
            arms[arm] = train(pruned, images, match, seed, training)
    torch.manual_seed(seed)
    as_long = TRAINING | {"steps": TRAINING["steps"] + LONG["steps"]}
    small = train(models.TinyCNN(WIDTH // 2), images, matches["teacher"], seed, as_long)
    arms["same size, never pruned"] = small
    return {name: accuracy(model, splits.test) for name, model in arms.items()}


def run(one_seed, seeds, baseline, training):
    """Scores of all arms: ``one_seed(seed)`` gives a dict of them."""
    rows = []
    for seed in range(seeds):
        rows.append(one_seed(seed))
        print(seed, {arm: round(score, 1) for arm, score in rows[-1].items()}, flush=True)
    scores = {arm: [row[arm] for row in rows] for arm in rows[0]}
    return Result(baseline, scores, planned=seeds, training=training)


if __name__ == "__main__":
    studies = {
        f"{bits} bits": functools.partial(
            lambda seeds, bits: run(lambda seed: bits_at(seed, bits), seeds, AFTER, FURTHER), bits=bits
        )
        for bits in BITS
    }
    studies["pruning"] = lambda seeds: run(pruning_at, seeds, "unpruned", TRAINING)
    run_studies("few_bits", studies, seeds=10)
