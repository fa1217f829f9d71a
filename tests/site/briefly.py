"""Run in a lesson's kernel before it: a training becomes a few steps of three seeds, a timing a moment.

What a lesson's cells, stubs, solutions and checks do does not depend on how well a student was trained;
the whole of it is run by nbval, on the lessons as they are.
"""

import functools
import math

import torch

import kdlab.data
import kdlab.distill
import kdlab.exercises
import kdlab.measure
import kdlab.photos.report
import kdlab.run
import kdlab.study

STEPS = 2
EPOCHS = 4  # lesson 08 cuts the power in the third
SECONDS = 0.01
SEEDS = 3  # of a study, and what an experiment of the learner's own is then asked for


def few_steps(distill):
    """``distill`` with few steps, whose curves are as long as those of all the steps."""

    @functools.wraps(distill)
    def wrapped(*arguments, steps=300, gradients_every=0, **options):
        brief = {"steps": min(steps, STEPS), "gradients_every": gradients_every}
        curves = distill(*arguments, **brief, **options)
        measured = {name: steps for name in curves}
        if gradients_every:
            measured |= {
                n: math.ceil(steps / gradients_every) for n in curves if n.startswith("gradient of ")
            }
        return {n: torch.cat([v, v[-1:].expand(measured[n] - len(v))]) for n, v in curves.items()}

    return wrapped


def few_stacked(distill_stacked):
    @functools.wraps(distill_stacked)
    def wrapped(*arguments, steps=300, **options):
        return distill_stacked(*arguments, steps=min(steps, STEPS), **options)

    return wrapped


def few_seeds(compare):
    @functools.wraps(compare)
    def wrapped(*arguments, seeds=10, **options):
        chosen = range(seeds) if isinstance(seeds, int) else seeds
        return compare(*arguments, seeds=list(chosen)[:SEEDS], **options)

    return wrapped


def few_epochs(run):
    @functools.wraps(run)
    def wrapped(*arguments, epochs=30, seeds=1, **options):
        epochs = epochs if epochs <= EPOCHS else 1
        return run(*arguments, epochs=epochs, seeds=min(seeds, SEEDS), **options)

    return wrapped


def few_runs(latency):
    @functools.wraps(latency)
    def wrapped(*arguments, seconds=0.5, **options):
        return latency(*arguments, seconds=min(seconds, SECONDS), **options)

    return wrapped


# The same digits again are the same tensors, about which a teacher speaks once.
kdlab.data.digits = functools.lru_cache(8)(kdlab.data.digits)
kdlab.data.cluttered_digits = functools.lru_cache(8)(kdlab.data.cluttered_digits)
kdlab.measure.latency = few_runs(kdlab.measure.latency)
kdlab.distill.distill = kdlab.study.distill = few_steps(kdlab.distill.distill)
kdlab.study.distill_stacked = few_stacked(kdlab.study.distill_stacked)
kdlab.measure.answer_times = few_runs(kdlab.measure.answer_times)
kdlab.study.compare = few_seeds(kdlab.study.compare)
kdlab.run.run = few_epochs(kdlab.run.run)
kdlab.photos.report.export_onnx = lambda network, images, path: None  # lesson 07 exports
for exercise in kdlab.exercises.all_exercises().values():
    if hasattr(exercise, "seeds"):
        object.__setattr__(exercise, "seeds", min(exercise.seeds, SEEDS))
