"""What of a detector can be matched, and where: classes, edges, features; everywhere or near objects.

``python studies/scenes.py`` writes data/results/scenes.json; about half an hour on one free core. Every pair
is a seed: its own handwriting in each part, scenes, first weights and order; one teacher. No weight,
temperature or threshold was tuned: each term counts 1, and T = 2 unless its name says otherwise.
"""

from dataclasses import replace
from functools import cache, partial
from types import SimpleNamespace

import torch

from kdlab.data import digits
from kdlab.data.scenes import LABELLED_SOURCES, SIZE, compose, joined, scenes, with_found
from kdlab.distill import Term, features, soft_targets
from kdlab.losses import box_distribution_loss, weighted_soft_target_loss
from kdlab.metrics import predict
from kdlab.metrics.scenes import readings
from kdlab.models import create_student
from kdlab.models.scenes import detections, expected, on_grid
from kdlab.results import run_studies
from kdlab.study import compare
from kdlab.teachers import open_teacher
from kdlab.teachers.scenes import boxes

SEEDS = 5
TRAINING = {"steps": 160, "batch_size": 16, "learning_rate": 0.01, "weight_decay": 0.01}
# The smallest differences that matter, in points, stated before the run.
MARGINS = {"AP50": 3, "AP75": 3, "AP": 2}
METRICS = {what: f"{what} of test scenes, %" for what in MARGINS}
SURE = 0.5  # a cell is near an object if the teacher's background is below


def foreground(answers):
    """The teacher's own 1 - p(background) of each cell, (N, cells)."""
    return 1 - answers["classes"].softmax(dim=-1)[..., -1]


def ring(near):
    """Cells (N, cells) and their eight neighbours."""
    side = round(near.shape[1] ** 0.5)
    grid = near.float().unflatten(1, (1, side, side))
    return torch.nn.functional.max_pool2d(grid, 3, 1, 1).flatten(1) > 0


def asked(teacher, part):
    """Scenes with what the teacher says of them, and which cells matter."""
    answers = teacher.outputs(part.inputs).logits
    weight = foreground(answers)
    return SimpleNamespace(
        scenes=part, inputs=part.inputs, answers=answers, weight=weight, objects=weight > SURE,
        near=ring(weight > SURE), everywhere=torch.ones_like(weight, dtype=torch.bool),
    )  # fmt: skip


@cache
def load(seed):
    parts, teacher = scenes(seed), open_teacher("scenes")
    few = asked(teacher, parts.labelled)
    return SimpleNamespace(few=few, all=asked(teacher, joined(*parts[:2])), parts=parts, test=parts.test)


# What is matched of the teacher's answers, term by term.


def class_map(d, where="weight", *, temperature=2.0, weight=1.0):
    """Of cells by weight, or of some cells that count alike."""
    counts = getattr(d, where)
    if counts.dtype == torch.bool:
        return soft_targets(
            d.answers["classes"], rows=counts, temperature=temperature, of="classes", weight=weight
        )
    loss = partial(weighted_soft_target_loss, temperature=temperature)
    return Term("class map", (d.answers["classes"], counts), loss, weight, of="classes")


def matched(d, **options):
    """Of all cells, so strongly that a cell of an object weighs as much as in the weighted map."""
    return class_map(d, "everywhere", weight=d.weight.numel() / d.weight.sum().item(), **options)


def edges(d, *, temperature=2.0):
    """Localisation distillation, weighted as the map."""
    loss = partial(box_distribution_loss, temperature=temperature)
    return Term("edges", (d.answers["edges"], d.weight), loss, of="edges")


def fit(student, teacher, weight):
    """How badly the boxes of cells fit the teacher's, by GIoU: regression to its boxes."""
    from torchvision.ops import generalized_box_iou_loss

    sign = torch.tensor([-1, -1, 1, 1])  # boxes seen from their cell
    badly = generalized_box_iou_loss(sign * expected(student), sign * expected(teacher))
    return (weight * badly).sum() / weight.sum()


def regression(d):
    return Term("edges", (d.answers["edges"], d.weight), fit, of="edges")


def hint(d, where):
    """The teacher's features, scaled to a mean square of 1, through a projector."""
    maps = d.answers["features"]
    return features(maps / maps.square().mean().sqrt(), "features", rows=getattr(d, where), name="features")


def weighted_labels(part, weight):
    """Boxes as labels, but with the teacher's weights for the cells' classes: what weighting alone does."""
    classes, _ = on_grid(part.boxes, part.labels, SIZE)
    return [Term("classes", (classes, weight), weighted_cross_entropy, of="classes"), boxes(part)[1]]


def weighted_cross_entropy(logits, classes, weight):
    each = torch.nn.functional.cross_entropy(logits.mT, classes, reduction="none")
    return (weight * each).sum() / weight.sum()


def teachers_boxes(d, least=0.5):
    """The labelled scenes as they are, the pool with the teacher's boxes above a score."""
    few, pool = d.parts[:2]
    answers = {head: part[len(few.inputs) :] for head, part in d.all.answers.items()}
    return joined(few, with_found(pool, detections(answers, SIZE, least=least)))


def longer(arm, times):
    return lambda d: (*arm(d), {"steps": times * TRAINING["steps"]})


def few(*terms, smoothing=0.0):
    """Boxes of the labelled scenes, and terms of the teacher's answers beside them."""
    return lambda d: (
        d.few.inputs,
        boxes(d.few.scenes, smoothing=smoothing) + [_apart(t(d.few)) for t in terms],
    )


def _apart(term):
    """Names within an arm must differ: boxes have classes and edges of their own."""
    return replace(term, name=f"teacher's {term.name}")


def every(*terms):
    """The teacher's answers alone, of all scenes; nobody's boxes."""
    return lambda d: (d.all.inputs, [term(d.all) for term in terms])


def drawn(part, **options):
    """Boxes as labels, of scenes that ``part`` makes of the data."""
    return lambda d: (d.all.inputs, boxes(part(d), **options))


def measured(arms, baseline, seeds, *, data=load, **training):
    """By reading, the Result of the same students."""
    seen = []

    def score(student, d):
        seen.append(readings(detections(predict(student, d.test.inputs), SIZE), d.test))
        return seen[-1]["AP50"]

    result = compare(
        arms, data=data, student=lambda: create_student("detector"), seeds=seeds, baseline=baseline,
        score=score, metric=METRICS["AP50"], margin=MARGINS["AP50"], workers=1, **{**TRAINING, **training},
    )  # fmt: skip
    read = {name: seen[i :: len(arms)] for i, name in enumerate(arms)}
    return {
        what: replace(
            result, metric=METRICS[what], margin=MARGINS[what],
            scores={name: [one[what] for one in values] for name, values in read.items()},
        )
        for what in METRICS
    }  # fmt: skip


LABELLED = {
    "boxes": few(),
    "boxes, smoothed": few(smoothing=0.1),
    "boxes, 2 times longer": longer(few(), 2),
    "+ map everywhere": few(partial(class_map, where="everywhere")),
    "+ map everywhere, matched": few(matched),
    "+ map near objects": few(partial(class_map, where="near")),
    "+ map weighted": few(class_map),
    "+ edges": few(edges),
    "+ boxes regressed": few(regression),
    "+ features everywhere": few(partial(hint, where="everywhere")),
    "+ features near objects": few(partial(hint, where="near")),
    "answers alone": lambda d: (d.few.inputs, [class_map(d.few), edges(d.few)]),
}
WEIGHTED, TRUE = every(class_map, edges), drawn(lambda d: d.all.scenes)
FOUND = drawn(teachers_boxes)
POOL = {
    "teacher's boxes": FOUND,
    "teacher's boxes, 0.02": drawn(partial(teachers_boxes, least=0.02)),
    "teacher's boxes, 0.9": drawn(partial(teachers_boxes, least=0.9)),
    "true boxes": TRUE,
    "true boxes, cells weighted": lambda d: (d.all.inputs, weighted_labels(d.all.scenes, d.all.weight)),
    "answers everywhere": every(partial(class_map, where="everywhere"), edges),
    "answers everywhere, matched": every(matched, edges),
    "answers near objects": every(partial(class_map, where="near"), edges),
    "answers weighted": WEIGHTED,
    "answers everywhere, matched, T = 1": every(partial(matched, temperature=1), edges),
    "answers weighted, T = 1": every(partial(class_map, temperature=1), edges),
    "map weighted, boxes regressed": every(class_map, regression),
    "map weighted, teacher's boxes": lambda d: (
        d.all.inputs,
        [class_map(d.all), boxes(teachers_boxes(d))[1]],
    ),
    "answers and features everywhere": every(class_map, edges, partial(hint, where="everywhere")),
    "answers and features near objects": every(class_map, edges, partial(hint, where="near")),
}
SCENES = (200, 800, 1600)  # with boxes, of the handwriting of both parts
TWICE = {"steps": 2 * TRAINING["steps"]}


@cache
def many(seed):
    """The most scenes of the yardstick; fewer are the first of them."""
    parts, d = digits(LABELLED_SOURCES, seed=seed), load(seed)
    shares = [len(part.images) for part in parts[:2]]
    counts = [max(SCENES) * share // sum(shares) for share in shares]
    counts[0] += max(SCENES) - sum(counts)
    mine = [compose(*of, seed=10**6 + 2 * seed + i) for i, of in enumerate(zip(parts[:2], counts))]
    order = torch.randperm(max(SCENES), generator=torch.Generator().manual_seed(seed))
    return SimpleNamespace(**vars(d), many=joined(*mine).take(order))


def yardstick():
    """Boxes of ever more scenes, and the teacher's answers to 800 without any."""

    def of(count):
        return lambda d: (d.many.inputs[:count], boxes(d.many.take(slice(count))))

    return {f"{count} scenes": of(count) for count in SCENES} | {"answers weighted": WEIGHTED}


@cache
def group(name, seeds):
    arms, baseline, how = {
        "pool": (POOL, "teacher's boxes", {}),
        "labelled": (LABELLED, "boxes", {}),
        "yardstick": (yardstick(), "answers weighted", {"data": many, **TWICE}),
    }[name]
    return measured(arms, baseline, seeds, **how)


def part(name, what, seeds):
    return group(name, seeds)[what]


STUDIES = {
    f"{name}, {what}": partial(part, name, what)
    for name in ("pool", "labelled", "yardstick")
    for what in ("AP50", "AP75")
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    run_studies("scenes", STUDIES, seeds=SEEDS)
