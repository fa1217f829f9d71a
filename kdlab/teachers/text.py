"""A teacher of text: a GRU that has read five times as much as its students."""

from types import SimpleNamespace

import torch

from kdlab.data.text import corpus, encode, windows
from kdlab.distill import distill, hard_labels
from kdlab.metrics.text import bits_per_character
from kdlab.models import create_student

STEPS, BATCH, RATE, LENGTH = 1500, 32, 4e-3, 128  # windows longer than it will be asked about
SEED = 0


def train(*, steps=None, progress=True):
    """The trained network, and what its card says of it alone."""
    steps = steps or STEPS
    pieces = encode(corpus().teacher).unfold(0, LENGTH + 1, LENGTH // 2)
    torch.manual_seed(SEED)
    network = create_student("character_gru")
    distill(
        network, pieces[:, :-1].contiguous(), [hard_labels(pieces[:, 1:].contiguous())], steps=steps,
        batch_size=BATCH, learning_rate=RATE, progress=progress,
    )  # fmt: skip
    return network, {
        "architecture": "character_gru",
        "options": {},
        "num_classes": network.head.out_features,
        "data": f"{len(corpus().teacher):,} characters of Python's documentation, "
        "other topics than students read",
        "steps": steps,
        "learning_rate": RATE,
        "seed": SEED,
    }


def score(teacher):
    """Bits a character on topics that nobody learned from."""
    bits = bits_per_character(teacher, *windows(corpus().held_out))
    return {"bits": round(bits, 4), "bits_of": "characters held out, each after at least 24 others"}


RECIPES = {"text": SimpleNamespace(train=train, score=score)}
