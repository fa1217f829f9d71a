"""Scenes, the detector that is read on them, and average precision: plain counting, and pycocotools."""

import contextlib
import io
import math

import numpy as np
import pytest
import torch

from kdlab.data import digits, teacher_digits
from kdlab.data.scenes import SIZE, Scenes, compose, joined, scenes, with_found
from kdlab.distill import distill
from kdlab.metrics.scenes import THRESHOLDS, mean_average_precision, readings, right_ones
from kdlab.models import create_student
from kdlab.models.scenes import BINS, STEP, Found, around, centres, detections, expected, on_grid
from kdlab.plots.scenes import boxes as draw_boxes
from kdlab.teachers import Teacher, open_teacher
from kdlab.teachers.scenes import boxes, cell_loss, edge_loss


@pytest.fixture(scope="module")
def parts():
    return scenes(3, labelled=40, pool=20, test=30)


def test_scenes_follow_from_their_seed_alone(parts):
    torch.manual_seed(0)
    expected_next = torch.rand(1)
    torch.manual_seed(0)
    again, other = (scenes(seed, labelled=40, pool=20, test=30) for seed in (3, 4))
    assert torch.equal(torch.rand(1), expected_next)
    for mine, same in zip(parts, again):
        assert all(torch.equal(a, b) for a, b in zip(mine, same))
    assert not torch.equal(parts.test.inputs, other.test.inputs)


def test_parts_share_no_handwriting(parts):
    own = [set(part.sources[part.labels >= 0].tolist()) for part in parts]
    allowed = [set(part.sources.tolist()) for part in digits(200, seed=3)]
    assert own[0] <= allowed[0] and own[1] <= allowed[1] and own[2] <= allowed[3]
    assert not set(teacher_digits().sources.tolist()) & set.union(*own)


def test_a_scene_has_one_to_four_objects_and_a_box_holds_its_ink(parts):
    there = parts.labelled.labels >= 0
    assert set(there.sum(dim=1).tolist()) <= {1, 2, 3, 4}
    assert parts.labelled.inputs.dtype == torch.float32 and parts.labelled.inputs.shape[1:] == (1, SIZE, SIZE)
    box = parts.labelled.boxes[there]
    assert (box >= 0).all() and (box <= SIZE).all() and ((box[:, 2:] - box[:, :2]) >= 3).all()
    assert (parts.labelled.boxes[~there] == 0).all()


def test_without_scraps_and_noise_all_ink_is_in_a_box():
    clean = compose(digits(200, seed=0).labelled, 20, seed=5, scraps=0, noise=0.0)
    outside = clean.inputs[:, 0].clone()
    for scene, box in enumerate(clean.boxes):
        for left, top, right, bottom in box.int().tolist():
            outside[scene, top:bottom, left:right] = 0
    assert outside.max() <= 0.3 + 1e-6


def test_parts_that_cannot_be_made():
    with pytest.raises(ValueError, match="a part of 0 scenes is empty"):
        scenes(0, test=0)
    with pytest.raises(ValueError, match="seed=-1 must be at least 0"):
        scenes(-1)


def test_joined_parts_are_as_wide_as_the_widest(parts):
    found = Found(*map(torch.tensor, ([1, 1], [[1.0, 2, 9, 12], [3, 4, 20, 21]], [0.9, 0.8], [4, 7])))
    drawn = with_found(parts.test, found)
    assert drawn.labels[1, :3].tolist() == [4, 7, -1] and (drawn.labels[0] == -1).all()
    assert drawn.boxes[1, 1].tolist() == [3, 4, 20, 21] and torch.equal(drawn.inputs, parts.test.inputs)
    both = joined(parts.labelled, drawn)
    assert len(both.inputs) == 70 and both.labels.shape == (70, 8)
    assert torch.equal(both.labels[:40, :4], parts.labelled.labels) and (both.labels[:40, 4:] == -1).all()
    assert with_found(parts.test, found, most=1).labels[1].tolist() == [4]


# ---- the detector


def test_what_a_detector_answers():
    detector = create_student("detector")
    answers = detector(torch.zeros(2, 1, SIZE, SIZE))
    assert {head: tuple(part.shape) for head, part in answers.items()} == {
        "classes": (2, 144, 11), "edges": (2, 144, 4, BINS), "features": (2, 144, 12),
    }  # fmt: skip
    assert detector.training  # and most cells begin as background
    assert (answers["classes"].argmax(-1) == 10).all()
    small = create_student("detector", num_classes=3, in_chans=3)(torch.zeros(1, 3, 32, 64))
    assert small["classes"].shape == (1, 128, 4)


def test_cells_are_row_after_row():
    assert centres(12).tolist() == [[x, y] for y in (2, 6, 10) for x in (2, 6, 10)]


def test_cells_near_the_middle_are_the_objects_and_say_how_far_its_edges_are(parts):
    some = parts.labelled
    classes, distances = on_grid(some.boxes, some.labels, SIZE)
    at, taken = centres(SIZE), classes < 10
    assert (distances[~taken] == 0).all()
    for scene in range(len(some.inputs)):
        for box, label in zip(some.boxes[scene], some.labels[scene].tolist()):
            if label < 0:
                continue
            middle = (box[:2] + box[2:]) / 2
            near = int((at - middle).abs().sum(-1).argmin())
            assert taken[scene, near]
        for cell in taken[scene].nonzero()[:, 0].tolist():
            box = around(distances[scene, cell], at[cell])
            own = some.boxes[scene][some.labels[scene] == classes[scene, cell]]
            assert (own - box).abs().sum(dim=1).min() < 1e-4 or (distances[scene, cell] == 0).any()


def test_the_smaller_of_two_objects_gets_a_cell():
    both = torch.tensor([[[0.0, 0, 40, 40], [14, 14, 26, 26]]])
    classes, distances = on_grid(both, torch.tensor([[3, 8]]), SIZE)
    middle = 5 * 12 + 4  # 18, 22
    assert classes[0, middle] == 8 and distances[0, middle].tolist() == [4, 8, 8, 4]
    assert (classes == 3).any()


def answers_of(part):
    """As a perfect detector would answer."""
    classes, distances = on_grid(part.boxes, part.labels, SIZE)
    place = distances / STEP
    low = place.floor().clamp(max=BINS - 2)
    share = torch.nn.functional.one_hot(low.long(), BINS) * (low + 1 - place)[..., None]
    share = share + torch.nn.functional.one_hot(low.long() + 1, BINS) * (place - low)[..., None]
    logits = 20.0 * torch.nn.functional.one_hot(classes, 11).float()
    return {"classes": logits, "edges": share.clamp(min=1e-30).log()}


def test_perfect_answers_find_every_object(parts):
    answers = answers_of(parts.test)
    classes, distances = on_grid(parts.test.boxes, parts.test.labels, SIZE)
    near = (classes < 10) & (distances.amax(dim=-1) < 21)
    torch.testing.assert_close(expected(answers["edges"])[near], distances[near], rtol=0, atol=1e-3)
    read = readings(detections(answers, SIZE), parts.test)
    assert read["AP50"] > 95 and read["AP50"] >= read["AP75"] >= 0 and read["AP50"] >= read["AP"]


def test_doubles_are_taken_out_and_scenes_and_classes_kept_apart():
    classes = torch.full((2, 144, 11), -9.0)
    classes[..., 10] = 9
    for scene, cell, kind in ((0, 40, 3), (0, 41, 3), (0, 42, 5), (1, 40, 3)):
        classes[scene, cell, kind] = 12.0 - cell / 10
    edges = torch.zeros(2, 144, 4, BINS)
    edges[..., 4] = 20  # 12 pixels to each side
    answers = {"classes": classes, "edges": edges}
    found = detections(answers, SIZE)
    kept = sorted(zip(found.scenes.tolist(), found.labels.tolist()))
    assert kept == [(0, 3), (0, 5), (1, 3)]
    assert (found.scores.diff() <= 0).all() and (found.boxes >= 0).all() and (found.boxes <= SIZE).all()
    assert len(detections(answers, SIZE, overlap=1).scenes) == 4
    assert len(detections(answers, SIZE, least=0.999).scenes) == 0
    assert len(detections(answers, SIZE, most=1).scenes) == 2


# ---- its losses with boxes as labels


def test_losses_of_boxes_are_their_definitions():
    random = torch.Generator().manual_seed(0)
    logits, classes = torch.randn(2, 9, 11, generator=random), torch.full((2, 9), 10)
    classes[0, 7:], classes[1, 8] = torch.tensor([3, 4]), 0
    by_hand = -logits.log_softmax(-1).gather(-1, classes[..., None]).sum() / 3
    torch.testing.assert_close(cell_loss(logits, classes), by_hand)
    assert cell_loss(logits, torch.full((2, 9), 10)).isfinite()
    edges, d = torch.randn(5, 4, BINS, generator=random), 20 * torch.rand(5, 4, generator=random)
    place, p = d / STEP, edges.log_softmax(-1)
    low = place.floor().long()
    bins = sum(
        -(p[i, e, at] * (1 + at - place[i, e]) + p[i, e, at + 1] * (place[i, e] - at))
        for i, edges_of in enumerate(low.tolist()) for e, at in enumerate(edges_of)
    ) / 5  # fmt: skip
    mine = (edges.softmax(-1) * STEP * torch.arange(BINS)).sum(-1)
    both = torch.minimum(mine, d)
    both = (both[:, 0] + both[:, 2]) * (both[:, 1] + both[:, 3])
    hull = torch.maximum(mine, d)
    hull = (hull[:, 0] + hull[:, 2]) * (hull[:, 1] + hull[:, 3])
    areas = [(x[:, 0] + x[:, 2]) * (x[:, 1] + x[:, 3]) for x in (mine, d)]
    union = areas[0] + areas[1] - both
    fit = (1 - both / union + (hull - union) / hull).mean()
    torch.testing.assert_close(edge_loss(edges, d), 0.25 * bins + fit)


def test_the_bins_loss_is_the_reference():
    n = torch.arange(40, dtype=torch.float64)
    logits = (3 * torch.sin(1 + 0.7 * n + 1.3 * torch.sin(0.11 * n**2))).view(5, 1, BINS).expand(5, 4, BINS)
    d = torch.tensor([0.0, 1, 3, 7.4, 20.9]).double()
    right = [2.121892373, 2.685083885, 10.94170918, 16.28231305, 13.10767271]
    torch.testing.assert_close(expected(logits)[:, 0], torch.tensor(right).double())
    mine, same = expected(logits), d[:, None].expand(5, 4)
    small, large = torch.minimum(mine, same)[:, 0], torch.maximum(mine, same)[:, 0]
    fit = (1 - (small / large) ** 2).mean()  # squares around one point: the hull is the union
    torch.testing.assert_close(edge_loss(logits, same), 0.25 * 4 * 2.039158334 + fit, rtol=1e-4, atol=1e-4)


def test_a_detector_learns_from_boxes(parts):
    torch.manual_seed(0)
    detector = create_student("detector")
    curves = distill(detector, parts.labelled.inputs, boxes(parts.labelled), steps=3, batch_size=4)
    assert set(curves) == {"classes", "edges", "total"} and curves["total"].isfinite().all()
    nothing = parts.labelled._replace(labels=torch.full((40, 4), -1))
    assert all(value.isfinite().all() for value in distill(
        detector, nothing.inputs, boxes(nothing), steps=2, batch_size=4).values())  # fmt: skip


def test_a_teacher_of_several_heads_answers_from_memory():
    teacher = Teacher(create_student("detector"), name="own", num_classes=10, in_chans=1, input_size=SIZE)
    images = torch.rand(3, 1, SIZE, SIZE)
    first = teacher(images)
    first["classes"].zero_()
    second = teacher(images)
    torch.testing.assert_close(second["edges"], first["edges"])
    assert second["classes"].abs().sum() > 0


def test_the_shipped_teacher_finds_what_it_never_saw(parts):
    teacher = open_teacher("scenes")
    assert (teacher.in_chans, teacher.input_size) == (1, SIZE)
    found = detections(teacher(parts.test.inputs), SIZE)
    assert readings(found, parts.test)["AP50"] > 80  # of the file as it is, not of a training


# ---- average precision


def made_up(seed, *, count=12, per=9):
    """Scenes of few classes, and detections some of which are near objects."""
    random = np.random.default_rng(seed)
    corner, sides = random.uniform(0, 30, (count, 4, 2)), random.uniform(4, 18, (count, 4, 2))
    labels = random.integers(-1, 3, (count, 4))
    box = np.concatenate([corner, corner + sides], axis=2) * (labels >= 0)[..., None]
    near = box[:, random.integers(0, 4, per)] + random.normal(0, 1.5, (count, per, 4))
    near[..., 2:] = np.maximum(near[..., 2:], near[..., :2] + 1)
    found = Found(
        torch.arange(count).repeat_interleave(per),
        torch.tensor(near, dtype=torch.float32).flatten(0, 1),
        torch.tensor(random.permutation(count * per) / (count * per), dtype=torch.float32),
        torch.tensor(random.integers(0, 4, count * per)),
    )
    rows = found.scores.argsort(descending=True)
    there = torch.tensor(labels)
    return Found(*(part[rows] for part in found)), Scenes(
        torch.zeros(count, 1, 48, 48), torch.tensor(box, dtype=torch.float32), there, there
    )


def plain(found, truth, threshold):
    """One class and one detection after the other."""
    values = []
    for kind in truth.labels[truth.labels >= 0].unique().tolist():
        objects = {
            (i, k): truth.boxes[i, k].tolist()
            for i in range(len(truth.labels)) for k in range(4) if truth.labels[i, k] == kind
        }  # fmt: skip
        taken, hits = set(), []
        for scene, box, label in zip(found.scenes.tolist(), found.boxes.tolist(), found.labels.tolist()):
            if label != kind:
                continue
            best = max(
                ((overlap(box, other), key) for key, other in objects.items()
                 if key[0] == scene and key not in taken), default=(0, None))  # fmt: skip
            hits.append(best[0] >= threshold)
            if hits[-1]:
                taken.add(best[1])
        precision = [sum(hits[: n + 1]) / (n + 1) for n in range(len(hits))]
        recall = [sum(hits[: n + 1]) / len(objects) for n in range(len(hits))]
        points = [
            max([p for p, r in zip(precision, recall) if r >= at / 100 - 1e-12], default=0)
            for at in range(101)
        ]
        values.append(100 * sum(points) / 101)
    return sum(values) / len(values)


def overlap(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_is_the_definition(seed):
    found, truth = made_up(seed)
    for threshold in (0.3, 0.5, 0.75):
        ours = mean_average_precision(found, truth, threshold)
        assert ours.shape == (1,) and ours[0] == pytest.approx(plain(found, truth, threshold))


def test_a_second_box_on_an_object_is_wrong():
    truth = Scenes(torch.zeros(1, 1, 48, 48), torch.tensor([[[0.0, 0, 10, 10]]]), *[torch.tensor([[2]])] * 2)
    once = torch.tensor([[0.0, 0, 10, 10]])
    twice = Found(torch.tensor([0, 0]), once.repeat(2, 1), torch.tensor([0.9, 0.8]), torch.tensor([2, 2]))
    assert right_ones(twice, truth).tolist() == [True, False]
    assert mean_average_precision(twice, truth, [0.5, 0.95]).tolist() == pytest.approx([100, 100])
    first_wrong = twice._replace(boxes=torch.cat([once + 30, once]))
    assert mean_average_precision(first_wrong, truth, 0.5)[0] == pytest.approx(50)
    assert not right_ones(twice._replace(labels=torch.tensor([1, 1])), truth).any()


def test_nothing_found_is_0_and_nothing_to_find_is_refused(parts):
    none = Found(*(torch.zeros(0, *rest) for rest in ((), (4,), (), ())))
    none = none._replace(scenes=none.scenes.long(), labels=none.labels.long())
    assert readings(none, parts.test) == {"AP50": 0, "AP75": 0, "AP": 0}
    assert right_ones(none, parts.test).shape == (0,)
    with pytest.raises(ValueError, match="none of 30 scenes holds an object"):
        mean_average_precision(none, parts.test._replace(labels=torch.full((30, 4), -1)))
    found = Found(torch.tensor([30]), torch.zeros(1, 4), torch.ones(1), torch.zeros(1).long())
    with pytest.raises(ValueError, match="a detection is of scene 30, the last is 29"):
        mean_average_precision(found, parts.test)


def coco(found, truth):
    """The same by pycocotools: AP, AP50 and AP75 in percent."""
    coco = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")

    def as_coco(box):
        left, top, right, bottom = map(float, box)
        return [left, top, right - left, bottom - top]

    there = (truth.labels >= 0).nonzero().tolist()
    objects = [
        {"id": n, "image_id": i, "category_id": int(truth.labels[i, k]), "bbox": as_coco(truth.boxes[i, k]),
         "area": math.prod(as_coco(truth.boxes[i, k])[2:]), "iscrowd": 0}
        for n, (i, k) in enumerate(there, start=1)
    ]  # fmt: skip
    ours = [
        {"image_id": i, "category_id": label, "bbox": as_coco(box), "score": score}
        for i, box, score, label in zip(*(part.tolist() for part in found))
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        data = coco.COCO()
        data.dataset = {
            "images": [{"id": i} for i in range(len(truth.labels))], "annotations": objects,
            "categories": [{"id": i} for i in range(10)],
        }  # fmt: skip
        data.createIndex()
        run = evaluation.COCOeval(data, data.loadRes(ours), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return [100 * run.stats[i] for i in range(3)]


@pytest.mark.parametrize("seed", range(3))
def test_average_precision_is_that_of_pycocotools(seed):
    found, truth = made_up(seed, count=60)
    theirs = coco(found, truth)
    ours = mean_average_precision(found, truth, THRESHOLDS)
    assert [ours.mean(), ours[0], ours[5]] == pytest.approx(theirs, abs=1e-9)


def test_average_precision_of_a_detector_is_that_of_pycocotools(parts):
    found = detections(open_teacher("scenes")(parts.test.inputs), SIZE)
    ours = mean_average_precision(found, parts.test)
    assert [ours.mean(), ours[0], ours[5]] == pytest.approx(coco(found, parts.test), abs=1e-9)


def test_boxes_are_drawn_beside_the_truth(parts, monkeypatch):
    drawn = []
    monkeypatch.setattr("kdlab.plots.scenes.canvas.show", lambda figure, alt: drawn.append((figure, alt)))
    found = detections(answers_of(parts.test), SIZE)
    draw_boxes(parts.test, [0, 3], {"perfect": found, "nothing": Found(*(p[:0] for p in found))}, alt="said")
    ((figure, alt),) = drawn
    assert alt == "said" and [axis.get_title() for axis in figure.axes[:3]] == ["truth", "perfect", "nothing"]
    objects = int((parts.test.labels[0] >= 0).sum())
    assert len(figure.axes[0].lines) == objects and not figure.axes[2].lines
    right = right_ones(found, parts.test)[(found.scenes == 0) & (found.scores > 0.5)]
    assert [line.get_linestyle() for line in figure.axes[1].lines] == [
        "-" if r else "--" for r in right.tolist()
    ]
