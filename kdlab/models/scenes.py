"""A detector to be read: what is at each cell of a grid, and how far it is from there to the box's edges.

Without anchors, as FCOS (Tian et al. 2019); each edge is a distribution over bins, as in GFL (Li et al.
2020), so that there is something soft to match about boxes as well. A row is a cell: (B, cells, ...).
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

STRIDE = 4  # pixels a cell
BINS, STEP = 8, 3.0  # of a distance from a cell to an edge, and pixels a bin: 0 to 21
REACH = 0.25  # a cell is an object's if it lies within this share of the box's sides from its middle
BACKGROUND_FIRST = 4.0  # the first bias: most cells are background
OVERLAP, LEAST, MOST = 0.5, 0.02, 40  # of two boxes for one object; score; boxes a scene


class Detector(nn.Module):
    """Images (B, in_chans, H, W) to a dict of ``classes``, ``edges`` and ``features``, H / 4 by W / 4 cells.

    ``classes`` are logits (B, cells, num_classes + 1), the last of them background; ``edges`` logits (B,
    cells, 4, 8) of distances to left, top, right and bottom; ``features`` (B, cells, width) what both are
    read from.

    Parameters
    ----------
    width, context : int
        Channels at four and at eight pixels a cell.
    stem : int
        Channels of the first convolutions.
    backbone : str
        A ResNet of timm's, of which the first two stages are taken.
    """

    def __init__(self, width=12, context=24, *, stem=4, backbone="resnet10t", num_classes=10, in_chans=1):
        super().__init__()
        import timm

        self.backbone = timm.create_model(
            backbone, features_only=True, out_indices=(1, 2), in_chans=in_chans, stem_width=stem,
            stem_type="deep", channels=(width, context, context, context),
        )  # fmt: skip
        self.fine, self.coarse = nn.Conv2d(width, width, 1), nn.Conv2d(context, width, 1)
        self.mixed = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.classes = nn.Conv2d(width, num_classes + 1, 1)
        self.edges = nn.Conv2d(width, 4 * BINS, 1)
        nn.init.constant_(self.classes.bias[num_classes:], BACKGROUND_FIRST)
        self.num_classes, self.in_chans = num_classes, in_chans

    def forward(self, images):
        fine, coarse = self.backbone(images)
        context = F.interpolate(self.coarse(coarse), size=fine.shape[2:])
        features = self.mixed(self.fine(fine) + context)
        classes, edges, features = (
            part.flatten(2).mT for part in (self.classes(features), self.edges(features), features)
        )
        return {"classes": classes, "edges": edges.unflatten(2, (4, BINS)), "features": features}


STUDENTS = {"detector": Detector}


def centres(size):
    """Middles (cells, 2) of the cells of a square scene, x and y in pixels, row after row."""
    along = (torch.arange(size // STRIDE) + 0.5) * STRIDE
    y, x = torch.meshgrid(along, along, indexing="ij")
    return torch.stack([x, y], dim=-1).flatten(0, 1)


def on_grid(boxes, labels, size, *, num_classes=10):
    """What each cell should say: classes (N, cells) int64, and distances (N, cells, 4) in pixels.

    Parameters
    ----------
    boxes : Tensor of shape (N, K, 4)
    labels : int64 Tensor of shape (N, K)
        -1 where there is no object.

    Cells near the middle of a box are the object's, and the nearest to it in any case; where two objects want
    a cell the smaller gets it. All others are background, ``num_classes``, at distance 0.
    """
    at = centres(size)
    middle, sides = (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
    off = (at[:, None] - middle[:, None]).abs()  # (N, cells, K, 2)
    away = off.sum(dim=-1)
    near = (off < REACH * sides[:, None]).all(dim=-1) | (away == away.amin(dim=1, keepdim=True))
    near = near & (labels >= 0)[:, None]
    area = sides.prod(dim=-1)[:, None].expand_as(near).masked_fill(~near, torch.inf)
    whose, taken = area.argmin(dim=-1), near.any(dim=-1)
    classes = labels.gather(1, whose).masked_fill(~taken, num_classes)
    box = boxes.gather(1, whose[..., None].expand(-1, -1, 4))
    distances = torch.cat([at - box[..., :2], box[..., 2:] - at], dim=-1).clamp(min=0)
    return classes, distances * taken[..., None]


def expected(edges):
    """Distances (..., 4) in pixels: the mean of each edge's distribution, logits (..., 4, bins)."""
    return (edges.softmax(dim=-1) * (torch.arange(BINS, device=edges.device) * STEP)).sum(dim=-1)


def around(distances, at):
    """Boxes (..., 4) whose edges lie so far (..., 4) from points (..., 2)."""
    return torch.cat([at - distances[..., :2], at + distances[..., 2:]], dim=-1)


class Found(NamedTuple):
    """Detections, best first: scene (D,), box (D, 4) in pixels, score (D,) and label (D,)."""

    scenes: torch.Tensor
    boxes: torch.Tensor
    scores: torch.Tensor
    labels: torch.Tensor


@torch.no_grad()
def detections(answers, size, *, least=LEAST, overlap=OVERLAP, most=MOST):
    """What a detector finds: the likeliest classes of cells, and of each object only one.

    Boxes of one class that overlap by more than ``overlap`` (intersection over union) are taken for the same
    object: the best stays (``torchvision.ops.batched_nms``). ``overlap=1`` keeps all of them.

    Parameters
    ----------
    answers : dict
        Of :class:`Detector`, for N scenes.
    size : int
        Pixels a side of a scene; boxes end there.
    least : float
        Scores from here on count.
    most : int
        Boxes a scene, before doubles are taken out.
    """
    from torchvision.ops import batched_nms

    scores = answers["classes"].softmax(dim=-1)[..., :-1]
    num_classes = scores.shape[-1]
    scores, places = scores.flatten(1).topk(min(most, scores[0].numel()), dim=1)
    cells, labels = places // num_classes, places % num_classes
    boxes = around(expected(answers["edges"]), centres(size)).clamp(0, size)
    boxes = boxes.gather(1, cells[..., None].expand(-1, -1, 4))
    counts = scores > least
    scenes = torch.arange(len(scores))[:, None].expand_as(scores)[counts]
    found = Found(scenes, boxes[counts], scores[counts], labels[counts])
    if overlap < 1:
        kept = batched_nms(found.boxes, found.scores, found.scenes * num_classes + found.labels, overlap)
    else:
        kept = found.scores.argsort(descending=True, stable=True)
    return Found(*(part[kept] for part in found))
