"""What is asked of a detector: average precision, by how well a box must fit."""

import numpy as np
import torch

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)


def mean_average_precision(found, scenes, thresholds=THRESHOLDS):
    r"""Average precision of each threshold (T,), in percent, as COCO counts it: mean over classes.

    Detections of a class go best first. One is right if it overlaps an object of that class, in its scene,
    that no better one has taken, by at least the threshold (intersection over union); a second box on the
    same object is wrong. Then the mean over 101 recalls of the best precision :math:`p` from that recall on:

    .. math:: \mathrm{AP} = \frac{1}{101} \sum_{r \in \{0, 0.01, \ldots, 1\}} \max_{r' \ge r} p(r')

    It is pycocotools' number, for all sizes and up to 100 detections a scene and class.

    Parameters
    ----------
    found : kdlab.models.scenes.Found
    scenes : kdlab.data.scenes.Scenes
    thresholds : sequence of float

    Raises
    ------
    ValueError
        If there is no object to find, or a detection is of a scene that is not there.
    """
    thresholds = np.atleast_1d(np.asarray(thresholds, dtype=float))
    labels, count = scenes.labels.numpy(), len(scenes.labels)
    if not (labels >= 0).any():
        raise ValueError(f"none of {count} scenes holds an object")
    if len(found.scenes) and found.scenes.max() >= count:
        raise ValueError(f"a detection is of scene {int(found.scenes.max())}, the last is {count - 1}")
    precisions = []
    for kind in np.unique(labels[labels >= 0]):
        own = _best_first(found, kind)
        hits = _hits(*_own(found, own), _objects(scenes, kind), thresholds)
        precisions.append(_interpolated(hits, int((labels == kind).sum())))
    return 100 * np.mean(precisions, axis=0)


def _hits(which, boxes, objects, thresholds):
    """Which detections (T, D) are the first on an object."""
    hits = np.zeros((len(thresholds), len(which)), dtype=bool)
    free = {i: np.ones((len(thresholds), len(there)), dtype=bool) for i, there in objects.items()}
    for place, (scene, box) in enumerate(zip(which.tolist(), boxes)):
        if scene in objects:
            overlaps = np.where(free[scene], _overlap(box, objects[scene]), -1)
            best = (
                len(objects[scene]) - 1 - overlaps[:, ::-1].argmax(axis=1)
            )  # of equal ones the last, as there
            fits = overlaps[np.arange(len(thresholds)), best] >= np.minimum(thresholds, 1 - 1e-10)
            hits[fits, place] = True
            free[scene][fits, best[fits]] = False
    return hits


def _overlap(box, others):
    """Intersection over union of a box (4,) with others (K, 4)."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    both = sides.clip(0).prod(axis=1)
    areas = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(axis=1)
    return both / (areas - both)


def _interpolated(hits, objects):
    """Average precision (T,) of hits (T, D) for so many objects."""
    right = hits.cumsum(axis=1)
    precision = right / np.arange(1, hits.shape[1] + 1)
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    best = np.concatenate([best, np.zeros((len(hits), 1))], axis=1)
    places = [np.searchsorted(r / objects, RECALLS) for r in right]
    return np.array([row[at].mean() for row, at in zip(best, places)])


def readings(found, scenes):
    """AP50 and AP75, for a box that fits roughly and one that fits well, and AP, their mean over ten fits."""
    reached = mean_average_precision(found, scenes)
    return {"AP50": float(reached[0]), "AP75": float(reached[5]), "AP": float(reached.mean())}


def right_ones(found, scenes, *, threshold=0.5):
    """Which detections (D,) bool are right, as :func:`mean_average_precision` counts them."""
    right = torch.zeros(len(found.scores), dtype=torch.bool)
    for kind in found.labels.unique().tolist():
        own = _best_first(found, kind)
        right[own] = torch.from_numpy(_hits(*_own(found, own), _objects(scenes, kind), [threshold])[0])
    return right


def _best_first(found, kind):
    """Places of the detections of a class."""
    own = np.flatnonzero(found.labels.numpy() == kind)
    return own[np.argsort(-found.scores.numpy()[own], kind="stable")]


def _own(found, rows):
    """Scenes and boxes of some of the detections."""
    return found.scenes.numpy()[rows], found.boxes.double().numpy()[rows]


def _objects(scenes, kind):
    """Boxes (K, 4) of objects of that class by scene."""
    there = scenes.labels.numpy() == kind
    boxes = scenes.boxes.double().numpy()
    return {i: boxes[i][there[i]] for i in np.flatnonzero(there.any(axis=1)).tolist()}
