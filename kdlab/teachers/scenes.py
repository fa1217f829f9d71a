"""A teacher of scenes: the student's detector, four times as wide, from handwriting of its own."""

from functools import partial
from types import SimpleNamespace

import torch
import torch.nn.functional as F

from kdlab.data import NUM_CLASSES, TEACHER_SOURCES
from kdlab.data.scenes import SIZE, scenes, teacher_scenes
from kdlab.distill import Term, distill
from kdlab.metrics.scenes import readings
from kdlab.models import create_student
from kdlab.models.scenes import BINS, STEP, detections, expected, on_grid

OPTIONS = {"width": 48, "context": 96, "stem": 12}
SCENES, STEPS, BATCH, RATE, DECAY, SEED = 12_000, 3_000, 32, 0.004, 0.02, 2015
BINS_WEIGHT = 0.25  # of the bins' loss beside that of the boxes, as in Li et al. 2020
TESTS = 3  # seeds whose test scenes the card's score is the mean of


def boxes(scenes, *, smoothing=0.0):
    """Match boxes that somebody drew, or a detector: a term of classes and one of edges.

    Parameters
    ----------
    scenes : kdlab.data.scenes.Scenes
    smoothing : float in [0, 1)
        So much of a cell's probability is spread evenly over all classes and background.
    """
    classes, distances = on_grid(scenes.boxes, scenes.labels, SIZE)
    return [
        Term("classes", classes, partial(cell_loss, smoothing=smoothing), of="classes"),
        Term("edges", distances, edge_loss, of="edges", rows=classes < NUM_CLASSES),
    ]


def cell_loss(logits, classes, *, smoothing=0.0):
    """Cross-entropy of all cells, (B, cells, C + 1) logits, divided by how many are an object's."""
    background = logits.shape[-1] - 1
    total = F.cross_entropy(
        logits.flatten(0, 1), classes.flatten(), reduction="sum", label_smoothing=smoothing
    )
    return total / (classes < background).sum().clamp(min=1)


def edge_loss(edges, distances):
    """Of cells of objects: a quarter of the bins' cross-entropy, and how badly the boxes fit (GIoU).

    Logits (cells, 4, bins) and distances (cells, 4) in pixels. Bins: a distance between two bins is shared
    by both (distribution focal loss, Li et al. 2020). Fit: Rezatofighi et al. (2019), by torchvision.
    """
    from torchvision.ops import generalized_box_iou_loss

    place = (distances / STEP).clamp(0, BINS - 1 - 1e-4)
    low = place.floor()
    likely = edges.log_softmax(dim=-1)
    of_low, of_high = (likely.gather(-1, (low.long() + i)[..., None])[..., 0] for i in (0, 1))
    bins = -(of_low * (low + 1 - place) + of_high * (place - low)).sum() / len(edges)
    sign = distances.new_tensor([-1, -1, 1, 1])  # boxes seen from their cell
    fit = generalized_box_iou_loss(sign * expected(edges), sign * distances, reduction="sum") / len(edges)
    return BINS_WEIGHT * bins + fit


def train(*, steps=None, progress=True):
    """The trained network, and what its card says of it alone."""
    steps, own = STEPS if steps is None else steps, teacher_scenes(SCENES)
    torch.manual_seed(SEED)
    network = create_student("detector", **OPTIONS)
    distill(
        network, own.inputs, boxes(own), steps=steps, batch_size=BATCH, learning_rate=RATE,
        weight_decay=DECAY, seed=SEED, progress=progress,
    )  # fmt: skip
    return network, {
        "architecture": "detector",
        "options": OPTIONS,
        "num_classes": NUM_CLASSES,
        "in_chans": 1,
        "input_size": SIZE,
        "data": f"{SCENES:,} scenes of {TEACHER_SOURCES} sources; handwriting: scikit-learn's copy of "
        "the UCI optical digits",
        "steps": steps,
        "batch_size": BATCH,
        "learning_rate": RATE,
        "weight_decay": DECAY,
        "seed": SEED,
    }


def score(teacher):
    """Average precision on scenes of handwriting that it never saw."""
    tests = [scenes(seed, labelled=1, pool=1).test for seed in range(TESTS)]
    read = [readings(detections(teacher.outputs(t.inputs).logits, SIZE), t) for t in tests]
    means = {what.lower(): round(sum(one[what] for one in read) / TESTS, 2) for what in read[0]}
    return {**means, "ap_of": f"test scenes of {TESTS} seeds, percent"}


RECIPES = {"scenes": SimpleNamespace(train=train, score=score)}
