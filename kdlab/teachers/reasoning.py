"""A teacher of sums that errs: a small transformer that saw a few hundred right workings, and no more."""

from types import SimpleNamespace

import torch
from torch import nn

from kdlab.data.reasoning import DIGITS, TOKENS, examples, questions, worked
from kdlab.distill import distill, hard_labels
from kdlab.generation import generate
from kdlab.metrics.reasoning import percent, right_answers, right_steps
from kdlab.models import create_student

WRITER = {"width": 32, "layers": 1, "heads": 4, "length": 24, "distances": True}
TRAINING = {"steps": 300, "batch_size": 64, "learning_rate": 0.01}
TRACES, STEPS, SEED = 180, 400, 2  # few enough to err: with half as many it learns nothing, with twice all
APART = 10**6  # seeds of no study's


def writer(**options):
    """An untrained student, and an untrained teacher.

    It begins with all places alike: how far back a token stands says more here than where, and is the same
    for each step, so that a step learned is all steps learned.
    """
    network = create_student("causal_transformer", num_classes=TOKENS, **{**WRITER, **options})
    nn.init.zeros_(network.place.weight)
    return network


def write(network, asked, *, temperature=0.0, seed=0):
    """What it writes to each question, as long as working and answer: (N, digits + 1).

    ``asked`` are questions, or their inputs alone. Greedy, or drawn at a temperature, as the seed says.
    """
    inputs = getattr(asked, "inputs", asked)
    random = torch.Generator().manual_seed(seed)
    written = generate(network, inputs, inputs.shape[1], temperature=temperature, generator=random)
    return written[:, inputs.shape[1] :]


def taught(traces=TRACES, *, seed=SEED, steps=STEPS, digits=DIGITS, values=10, progress=False):
    """A network trained on so many questions with their working, drawn for it alone."""
    asked = questions(traces, seed=APART + seed, digits=digits, values=values)
    with torch.random.fork_rng():
        torch.manual_seed(APART + seed)
        network = writer()
    inputs, labels = examples(asked.inputs, worked(asked))
    how = {**TRAINING, "steps": steps, "seed": seed, "progress": progress}
    distill(network, inputs, [hard_labels(labels)], **how)
    return network


def train(*, steps=None, progress=True):
    """The trained network, and what its card says of it alone."""
    steps = STEPS if steps is None else steps
    network = taught(steps=steps, progress=progress)
    return network, {
        "architecture": "causal_transformer",
        "options": WRITER,
        "num_classes": TOKENS,
        "data": f"{TRACES} sums of {DIGITS} digits with their working, by rule, seed {APART + SEED}",
        "steps": steps,
        "learning_rate": TRAINING["learning_rate"],
        "seed": SEED,
    }


def score(teacher):
    """What the card says of the weights as written: of questions that were not trained on."""
    asked = questions(2000, seed=APART - 1)
    written = write(teacher.network, asked)
    answers, steps = (percent(f(written, asked)) for f in (right_answers, right_steps))
    return {
        "accuracy": round(answers, 2),
        "accuracy_of": "answers to 2000 questions, written greedily, percent",
        "steps_right": round(steps, 2),
    }


RECIPES = {"reasoning": SimpleNamespace(train=train, score=score)}
