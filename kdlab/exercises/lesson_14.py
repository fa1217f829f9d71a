"""Lesson 14: what of a detector can be matched, and where."""

from functools import partial

import torch

from kdlab.exercises.core import Exercise, Mistake, value
from kdlab.exercises.detecting import (
    box,
    by_object,
    cells,
    edges,
    first_that_fits,
    hits,
    matched,
    one_cell,
    overlaps,
    per_scene,
    squares,
    weighted,
)
from kdlab.exercises.own import OwnStudy

HITS = Exercise(
    "14.1", "Which boxes are right", see="What is counted",
    right="Best score first, each object once: a second box on it is as wrong as one beside it.",
    reference=hits(), observe=value,
    cases={
        "four detections, two objects": partial(overlaps, "small"),
        "ten detections, four objects": partial(overlaps, "large"),
    },
    mistakes=[
        Mistake("a second box on the same object counts", "Once an object is taken, further boxes on it are wrong.",
            hits(free=False), lambda o, s, least: (o >= least).any(1)),
        Mistake("in the order given, not by score", "Sort by score: the surest detection chooses first.",
            hits(order=lambda s: torch.arange(len(s)))),
        Mistake("the lowest score first", "argsort sorts upwards. The surest detection chooses first.",
            hits(order=lambda s: s.argsort()), lambda o, s, least: hits()(o, -s, least)),
        Mistake("more than the threshold", "An overlap of exactly the threshold counts.", hits(enough=lambda o, least: o > least)),
        Mistake("a taken object still stands in the way",
            "A detection is compared with the objects that are still free: its second best may be one of them.",
            hits(next_one=False)),
        Mistake("an object is taken by a box that does not fit", "A wrong box takes nothing: the object stays free for the next one.",
            hits(anyway=True)),
        Mistake("any overlap counts", "The overlap must reach the threshold.", hits(enough=lambda o, least: o > 0)),
        Mistake("the best box of each object, not the best score", "Whoever overlaps most is not known at work. The score says who comes first.", by_object),
        Mistake("the first object that fits, not the best", "Of the free objects a detection takes the one that it overlaps most.",
            hits(best=first_that_fits)),
        Mistake("one detection takes every object that it overlaps", "It takes one object: the one that it overlaps most.",
            hits(all_of_them=True)),
        Mistake("in the order of the scores", "The answer stands in the order of the detections as they were given.",
            hits(out=lambda right, places, taken: right[places])),
        Mistake("objects found, not detections", "One entry a detection is asked for.", hits(out=lambda right, places, taken: taken)),
        Mistake("how many, not which", "One entry a detection is asked for: True where it is right.",
            hits(out=lambda right, places, taken: right.sum()), hits(out=lambda right, places, taken: right.double().mean()),
            hits(out=lambda right, places, taken: right.sum() / len(taken))),
        Mistake("places, not a mask", "One entry a detection is asked for: True where it is right.",
            hits(out=lambda right, places, taken: right.nonzero()[:, 0])),
        Mistake("the wrong ones marked", "True stands for a right detection.", hits(out=lambda right, places, taken: ~right)),
        Mistake("running sums", "That is the next step, to precision and recall. Which are right is asked for.",
            hits(out=lambda right, places, taken: right[places].cumsum(0)), hits(out=lambda right, places, taken: right.cumsum(0))),
        Mistake("scores in place of the mask", "True or False is asked for.",
            lambda o, s, least: hits()(o, s, least) * s),
        Mistake("the score must reach the threshold", "The threshold is one of overlap.",
            lambda o, s, least: s >= least, lambda o, s, least: hits()(o, s, least) & (s >= least)),
    ],
)  # fmt: skip


BOX = Exercise(
    "14.2", "A box from four distributions", see="A detector in a hundred lines",
    right="Each edge is a mean over its bins, and left and top are taken off the middle.",
    reference=box(), observe=value,
    cases={"two cells, four bins of 3 pixels": partial(one_cell, 2, 4, 3.0), "five cells, eight bins of 2 pixels": partial(one_cell, 5, 8, 2.0)},
    mistakes=[
        Mistake("bins, not pixels", "A bin is several pixels wide: multiply by step.", box(scale=lambda step, bins: 1)),
        Mistake("the likeliest bin", "The mean over the bins is asked for: it lies between bins, and has a gradient.",
            box(of=lambda z, places: places[z.argmax(-1)])),
        Mistake("left and top added", "Left and top lie before the middle: subtract them.", box(sign=(1, 1, 1, 1))),
        Mistake("the signs turned round", "Left is the middle less the distance, right is the middle and the distance.", box(sign=(1, 1, -1, -1))),
        Mistake("all four subtracted", "Right and bottom lie behind the middle: add them.", box(sign=(-1, -1, -1, -1))),
        Mistake("softmax over the edges", "Each edge has a distribution over its own bins: the last axis.", box(p=lambda z: z.softmax(1))),
        Mistake("softmax over the cells", "Each edge has a distribution over its own bins: the last axis.", box(p=lambda z: z.softmax(0))),
        Mistake("one softmax over all edges", "Each edge has a distribution of its own. Over all bins at once they share one.",
            box(p=lambda z: z.flatten(1).softmax(1).view(z.shape))),
        Mistake("logits in place of probabilities", "A mean needs probabilities: softmax first.", box(p=lambda z: z)),
        Mistake("a sigmoid for each bin", "The bins of an edge compete: softmax.", box(p=lambda z: z.sigmoid()),
            box(p=lambda z: z.sigmoid() / z.sigmoid().sum(-1, keepdim=True))),
        Mistake("the first bin counted as 1", "The first bin stands for a distance of 0.", box(first=1.0)),
        Mistake("the middles of bins", "A bin stands for a distance, not for a stretch: 0, step, 2 step, ...", box(first=0.5)),
        Mistake("a mean over the bins twice", "Probabilities are weights already: add up.", box(scale=lambda step, bins: step / bins)),
        Mistake("x and y exchanged", "The order is left, top, right, bottom: x, y, x, y.",
            box(middle=(1, 0)), box(order=(1, 0, 3, 2)), box(out=lambda b, d, at: b[:, [1, 0, 3, 2]])),
        Mistake("x before y twice", "The order is left, top, right, bottom.", box(out=lambda b, d, at: b[:, [0, 2, 1, 3]])),
        Mistake("width and height", "Two corners are asked for: left, top, right, bottom.",
            box(out=lambda b, d, at: torch.cat([b[:, :2], b[:, 2:] - b[:, :2]], 1)),
            box(out=lambda b, d, at: torch.cat([at, b[:, 2:] - b[:, :2]], 1)),
            box(out=lambda b, d, at: torch.cat([(b[:, :2] + b[:, 2:]) / 2, b[:, 2:] - b[:, :2]], 1))),
        Mistake("distances, not a box", "That is how far the edges are. Where are they, seen from the corner of the scene?", box(out=lambda b, d, at: d)),
        Mistake("rounded to whole pixels", "Leave the pixels as they are: rounding has no gradient, and costs AP75.",
            box(out=lambda b, d, at: b.round()), box(whole=torch.round)),
        Mistake("the median bin", "The mean over the bins is asked for.",
            box(of=lambda z, places: places[(z.softmax(-1).cumsum(-1) < 0.5).sum(-1).clamp(max=z.shape[-1] - 1)])),
        Mistake("the middle taken as the corner", "The distances are from the middle of the cell to both sides.",
            box(out=lambda b, d, at: torch.cat([at, at + d[:, 2:]], 1)), box(out=lambda b, d, at: torch.cat([at, at + d[:, :2] + d[:, 2:]], 1))),
    ],
)  # fmt: skip


def _common(matched=matched, squares=squares):
    """Mistakes of any weighted divergence."""
    return [
        Mistake("divided by all cells", "Where weights are small that makes the term small: divide by the sum of the weights.",
            matched(over=lambda v, w: (w * v).mean())),
        Mistake("a sum over cells", "Divide by the sum of the weights: then the term does not hang on how much a batch holds.",
            matched(over=lambda v, w: (w * v).sum())),
        Mistake("divided by how many cells have a weight", "Divide by the sum of the weights, not by how many are above 0.",
            matched(over=lambda v, w: (w * v).sum() / (w > 0).sum())),
        Mistake("the weights forgotten", "Every cell counts alike here, and most are background.", matched(over=lambda v, w: v.mean())),
        Mistake("cells with a weight, all alike", "The weights are more than a mask.",
            matched(over=lambda v, w: v[w > 0].mean()), matched(over=lambda v, w: v[w > 0.5].mean())),
        Mistake("the weights softened", "The weights are used as they are.",
            matched(over=lambda v, w: (w.flatten().softmax(0) * v.flatten()).sum()), matched(over=lambda v, w: weighted(v, w.square()))),
        Mistake("the weights turned round", "That weighs background. Weigh by w, not by 1 - w.", matched(over=lambda v, w: weighted(v, 1 - w))),
        Mistake("T squared forgotten", "Divided by T, logits have a gradient smaller by T squared: multiply by it.", matched(factor=lambda T: 1)),
        Mistake("T in place of T squared", "The factor is T squared.", matched(factor=lambda T: T)),
        Mistake("no temperature", "Both sides are divided by T.",
            matched(softened=lambda z, T: z, teacher=lambda z, T: z, factor=lambda T: 1), matched(softened=lambda z, T: z, teacher=lambda z, T: z)),
        Mistake("multiplied by T", "Divide the logits by T: that is what softens.", matched(softened=lambda z, T: z * T, teacher=lambda z, T: z * T)),
        Mistake("only the teacher softened", "Both sides are divided by T.", matched(softened=lambda z, T: z)),
        Mistake("only the student softened", "Both sides are divided by T.", matched(teacher=lambda z, T: z)),
        Mistake("the divergence turned round", "The teacher's probabilities are the weights: KL(teacher || student). Are the two sides swapped?", matched(swap=True)),
        Mistake("a cross-entropy", "Its gradient is right, and it is not 0 where both sides agree. The divergence is asked for.", matched(kind="cross-entropy")),
        Mistake("squared differences of logits", "A divergence of distributions is asked for.", squares(), squares(over=lambda v, w: v.mean())),
        Mistake("squared differences of probabilities", "A divergence of distributions is asked for.", matched(kind="squared probabilities"),
            matched(kind="squared probabilities", factor=lambda T: 1)),
        Mistake("the student detached", "The value is right, but no gradient reaches the student.",
            lambda s, t, w, T: matched()(s.detach(), t, w, T)),
        Mistake("probabilities softened, not logits", "Divide logits by T, before the softmax.",
            lambda s, t, w, T: matched()(s.softmax(-1), t.softmax(-1), w, T)),
    ]  # fmt: skip


MAP = Exercise(
    "14.3", "A map with weights", see="Classes: a map, and where it counts",
    right="The weights say where, and their sum keeps the term as large as before.",
    reference=matched(),
    cases={"one scene of three cells, four classes, T = 2": partial(cells, 1, 3, 4, 2.0), "two scenes of nine cells, eleven classes, T = 3": partial(cells, 2, 9, 11, 3.0)},
    mistakes=[
        *_common(),
        Mistake("softmax over the cells", "A cell's classes compete, not the cells: the last axis.", matched(dim=1, added=lambda kl, dim: kl.sum(-1))),
        Mistake("background left out", "Background is a class like others: without it a cell cannot say that nothing is there.",
            matched(change=lambda z: z[..., :-1])),
        Mistake("background left out after the softmax", "Without the last column the divergence is no divergence: it may even be negative.",
            matched(added=lambda kl, dim: kl[..., :-1].sum(-1))),
        Mistake("a mean over the classes", "Over the classes the divergence is a sum.", matched(added=lambda kl, dim: kl.mean(-1))),
        Mistake("first a mean in each scene", "Then a scene with little in it counts as much as a full one. Divide by all weights at once.",
            matched(over=per_scene)),
        Mistake("one number a cell", "The cells' numbers are right. Add them up by weight, and divide by the weights.",
            matched(over=lambda v, w: v), matched(over=lambda v, w: v * w), matched(over=lambda v, w: v * w / w.sum())),
        Mistake("one number a scene", "One number is asked for.", matched(over=lambda v, w: (w * v).sum(-1) / w.sum(-1))),
        Mistake("logits weighted", "Weighting logits makes other distributions. Weigh each cell's divergence.",
            lambda s, t, w, T: matched(over=lambda v, w: v.mean())(s * w[..., None], t * w[..., None], w, T),
            lambda s, t, w, T: matched()(s * w[..., None], t * w[..., None], w, T)),
    ],
)  # fmt: skip


def _mean_of_edges(values):
    return values.mean(-1)


_edges = partial(matched, of=_mean_of_edges)


EDGES = Exercise(
    "14.4", "Edges as distributions", see="Boxes: edges as distributions",
    right="Four distributions a cell, each with a softmax of its own: the teacher says where an edge is, and how sure it is.",
    reference=_edges(),
    cases={"three cells, four bins, T = 2": partial(edges, 3, 4, 2.0), "six cells, eight bins, T = 3": partial(edges, 6, 8, 3.0)},
    mistakes=[
        *_common(_edges, partial(squares, of=_mean_of_edges)),
        Mistake("one softmax over all edges", "The four edges share one distribution here. Each has its own: the last axis alone.",
            lambda s, t, w, T: matched()(s.flatten(1), t.flatten(1), w, T),
            lambda s, t, w, T: matched(factor=lambda T: T * T / 4)(s.flatten(1), t.flatten(1), w, T)),
        Mistake("a sum over the edges", "The four edges are averaged.", matched(of=lambda v: v.sum(-1))),
        Mistake("a mean over the bins", "Over the bins a divergence is a sum. Public code has this, and is so many times weaker.",
            _edges(added=lambda kl, dim: kl.mean(-1)), _edges(added=lambda kl, dim: kl.mean(-1), of=lambda v: v.sum(-1))),
        Mistake("softmax over the edges", "Each edge has a distribution over its own bins: the last axis.",
            matched(dim=1, added=lambda kl, dim: kl.sum(1).mean(-1)), matched(dim=1, added=lambda kl, dim: kl.sum(-1).mean(-1)),
            matched(dim=1, added=lambda kl, dim: kl.sum(1).sum(-1) / 4)),
        Mistake("expected distances compared", "That is regression to the teacher's box. How sure it is gets lost: compare the distributions.",
            *(lambda s, t, w, T, how=how, soft=soft: weighted(
                how(((s / (T if soft else 1)).softmax(-1) - (t / (T if soft else 1)).softmax(-1)) @ torch.arange(s.shape[-1]).to(s)).mean(-1), w)
              for how in (torch.abs, torch.square) for soft in (False, True))),
        Mistake("the largest edge", "The four edges are averaged.", matched(of=lambda v: v.amax(-1))),
        Mistake("one number a cell", "The cells' numbers are right. Add them up by weight, and divide by the weights.",
            _edges(over=lambda v, w: v), _edges(over=lambda v, w: v * w)),
        Mistake("one number an edge", "The mean over the edges is asked for, too.",
            matched(over=lambda v, w: (w[:, None] * v).sum(0) / w.sum())),
    ],
)  # fmt: skip


class _OwnCells(OwnStudy):
    shipped = "scenes"
    run_here = ("answers everywhere, matched", "answers weighted")

    def _faults(self, result):
        yield from super()._faults(result)
        if "AP" in result.metric and result.margin != 3:
            yield "another margin", f"your margin is {result.margin:g}; 3 points are asked for."
        if "75" in result.metric:
            yield "another reading", f"you compare {result.metric}; AP50 is asked for."


ON_OBJECTS = _OwnCells(
    "14.5", "Only where something is", see="The experiment: where to look",
    arms=("teacher's boxes", "answers on objects"), seeds=3,
    meaning={
        "helps": "Cells of objects alone carry it. Whether the others add to that is a difference of gains.",
        "hurts": "Cells of objects alone do not say where nothing is.",
        "same": "Cells of objects alone give what the teacher's boxes give, within the margin.",
        "open": "So few pairs cannot tell. That is not the same as no effect.",
    },
)  # fmt: skip


EXERCISES = [HITS, BOX, MAP, EDGES, ON_OBJECTS]
