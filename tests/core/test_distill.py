import copy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import kdlab
from kdlab.distill import Term, distill, features, hard_labels, pairing, relations, soft_targets
from kdlab.losses import (
    attention_transfer_loss,
    decoupled_loss,
    relational_angle_loss,
    relational_distance_loss,
    similarity_preserving_loss,
    soft_target_loss,
)
from kdlab.models import MLP, TinyCNN
from kdlab.teachers import load_teacher


@pytest.fixture
def images():
    return torch.rand(40, 1, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def labels():
    return torch.arange(40) % 10


@pytest.fixture
def teacher_logits():
    return torch.randn(40, 10, generator=torch.Generator().manual_seed(1))


def student(seed=0):
    torch.manual_seed(seed)
    return TinyCNN(4)


def test_same_seed_same_weights(images, labels):
    runs = [student() for _ in range(3)]
    for net, seed in zip(runs, (0, 0, 1)):
        distill(net, images, [hard_labels(labels)], steps=4, batch_size=16, seed=seed)
    first, again, other = (net.head.weight for net in runs)
    assert torch.equal(first, again) and not torch.equal(first, other)


class Linear(torch.nn.Module):
    """A linear student with the weight it is given, whatever that lies like in memory."""

    def __init__(self, weight):
        super().__init__()
        self.weight = torch.nn.Parameter(weight)

    def forward(self, images):
        return (images.flatten(1).to(self.weight.dtype) @ self.weight).real.float()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64])
def test_any_weight_is_trained_whatever_it_lies_like_in_memory(images, labels, dtype):
    whole = torch.randn(1024, 20, dtype=dtype, generator=torch.Generator().manual_seed(0))
    before = whole.clone()
    gaps, dense = Linear(whole[:, ::2]), Linear(before[:, ::2].clone())
    for net in (gaps, dense):
        distill(net, images, [hard_labels(labels)], steps=3)
    torch.testing.assert_close(gaps.weight, dense.weight)
    assert torch.equal(whole[:, 1::2], before[:, 1::2]) and not torch.equal(dense.weight, before[:, ::2])


def test_reports_each_term_and_the_weighted_total(images, labels, teacher_logits):
    match = [hard_labels(labels, weight=0.1), soft_targets(teacher_logits, weight=0.9, temperature=2)]
    history = distill(student(), images, match, steps=5)
    assert list(history) == ["hard labels", "soft targets", "total"]
    assert all(curve.shape == (5,) for curve in history.values())
    total = 0.1 * history["hard labels"] + 0.9 * history["soft targets"]
    torch.testing.assert_close(history["total"], total)


def test_first_step_is_the_loss_of_the_first_batch(images, labels, teacher_logits):
    net = student()
    z = copy.deepcopy(net).train()(images)
    match = [hard_labels(labels), soft_targets(teacher_logits)]
    history = distill(net, images, match, steps=1, batch_size=40)
    torch.testing.assert_close(history["hard labels"][0], F.cross_entropy(z, labels))
    torch.testing.assert_close(history["soft targets"][0], soft_target_loss(z, teacher_logits))


def test_a_weight_of_zero_changes_nothing(images, labels, teacher_logits):
    alone, with_zero = student(), student()
    distill(alone, images, [hard_labels(labels)], steps=3)
    distill(with_zero, images, [hard_labels(labels), soft_targets(teacher_logits, weight=0)], steps=3)
    assert torch.equal(alone.head.weight, with_zero.head.weight)


def test_order_does_not_depend_on_what_is_matched(images, labels, teacher_logits):
    seen = []

    def recorder(logits, rows):
        seen.append(rows)
        return logits.sum() * 0

    rows = torch.arange(40, dtype=torch.float32)[:, None].expand(40, 10).contiguous()
    for extra in ([hard_labels(labels)], [soft_targets(teacher_logits)]):
        distill(student(), images, [*extra, Term("rows", rows, recorder)], steps=3, batch_size=8)
    first, second = torch.cat(seen[1:4]), torch.cat(seen[5:8])  # before each run its terms are tried once
    assert torch.equal(first, second)


def test_unlabelled_rows_do_not_count(images, labels):
    few = labels.clone()
    few[10:] = -100
    net = student()
    z = copy.deepcopy(net).train()(images)
    history = distill(net, images, [hard_labels(few)], steps=1, batch_size=40)
    torch.testing.assert_close(history["total"][0], F.cross_entropy(z[:10], labels[:10]))


def test_a_batch_without_any_label_is_no_nan(images):
    few = torch.full((40,), -100)
    few[0] = 3
    assert distill(student(), images, [hard_labels(few)], steps=20, batch_size=2)["total"].isfinite().all()


def test_trains_in_train_mode_and_ends_in_eval_mode(images, labels):
    net = student().eval()
    before = net.stages[0][1].running_mean.clone()
    distill(net, images, [hard_labels(labels)], steps=2)
    assert not torch.equal(net.stages[0][1].running_mean, before)
    assert not net.training


def test_more_steps_than_images_and_batches_larger_than_the_set(images, labels):
    net = MLP(8)
    history = distill(net, images[:3], [hard_labels(labels[:3])], steps=7, batch_size=5)
    assert len(history["total"]) == 7


BAD = [
    (lambda y, z: [hard_labels(y[:9])], "hard labels has 9 targets for 40 inputs"),
    (lambda y, z: [hard_labels(y + 1)], "labels run from 1 to 10, the student has 10 classes"),
    (lambda y, z: [hard_labels(y - 1)], "labels run from -1 to 8, the student has 10 classes"),
    (lambda y, z: [soft_targets(z[:, :7])], r"\(1, 10\) and teacher logits \(1, 7\) differ in classes"),
    (lambda y, z: [soft_targets(z * float("nan"))], "soft targets: 40 of 40 rows are not finite"),
    (lambda y, z: [hard_labels(y, weight=-1)], "weight of hard labels must be finite and at least 0, got -1"),
    (lambda y, z: [hard_labels(y), hard_labels(y)], "two terms share a name"),
    (lambda y, z: [hard_labels(y * 0 - 100)], "all 40 inputs are without a label"),
    (lambda y, z: [], "there is no term: give at least one"),
]


@pytest.mark.parametrize("make, message", BAD)
def test_bad_input_is_named_before_any_training(images, labels, teacher_logits, make, message):
    net = student()
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(ValueError, match=message):
        distill(net, images, make(labels, teacher_logits), steps=2)
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())


@pytest.mark.parametrize("options", [{"steps": 0}, {"batch_size": 0}])
def test_no_steps_or_no_batch(images, labels, options):
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        distill(student(), images, [hard_labels(labels)], **options)


@pytest.mark.parametrize("temperature", [0, float("nan")])
def test_temperature_is_checked_when_it_is_named(teacher_logits, temperature):
    with pytest.raises(ValueError, match="temperature"):
        soft_targets(teacher_logits, temperature=temperature)


@pytest.mark.parametrize("wrong", [torch.rand(40), torch.rand(40, 10), torch.tensor(3)])
def test_labels_must_be_whole_numbers(wrong):
    with pytest.raises(ValueError, match=r"labels must be whole numbers \(N, ...\), got"):
        hard_labels(wrong)


def test_other_integer_labels_are_taken(images, labels):
    runs = [
        distill(student(), images, [hard_labels(y)], steps=2) for y in (labels, labels.int(), labels.byte())
    ]
    assert torch.equal(runs[0]["total"], runs[1]["total"]) and torch.equal(runs[0]["total"], runs[2]["total"])


def test_dropout_follows_the_seed_and_leaves_the_global_state_alone(images, labels):
    def dropping():
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(), torch.nn.Linear(1024, 10))

    first, again = dropping(), dropping()
    distill(first, images, [hard_labels(labels)], steps=3)
    expected = torch.rand(1)
    torch.manual_seed(5)
    distill(again, images, [hard_labels(labels)], steps=3)
    assert torch.equal(first[2].weight, again[2].weight)
    torch.manual_seed(0)
    torch.nn.Linear(1024, 10)
    assert torch.equal(expected, torch.rand(1))


def test_a_loss_that_is_not_finite_is_an_error(images):
    broken = Term("broken", torch.zeros(40, 10), lambda z, t: z.sum() * float("nan"))
    with pytest.raises(FloatingPointError, match="the loss is not finite from step 0 on"):
        distill(student(), images, [broken], steps=2)


def test_whole_number_images(images, labels):
    with pytest.raises(ValueError, match=r"TinyCNN does not take inputs uint8 \(40, 1, 32, 32\): "):
        distill(student(), images.byte(), [hard_labels(labels)])


def test_features_train_through_a_projector_that_stays_out_of_the_student(images):
    teacher = load_teacher("digits-small")
    seen = teacher.outputs(images, layers=(3, -1))
    net = student()
    names = set(net.state_dict())
    hint = features(seen.features[3], 2, weight=10)
    attention = features(seen.features[-1], 1, loss=attention_transfer_loss, project=False)
    before = copy.deepcopy(net.stages[0][0].weight)
    history = distill(net, images, [hint, attention], steps=2)
    assert list(history) == ["hint at 2", "attention transfer at 1", "total"]
    untrained = features(seen.features[3], 2).projector
    torch.manual_seed(0)
    untrained.build((16, 4, 4))
    assert not torch.equal(hint.projector.weights.weight, untrained.weights.weight)
    assert not torch.equal(net.stages[0][0].weight, before)
    assert set(net.state_dict()) == names
    assert sum(p.numel() for p in hint.projector.parameters()) == 16 * seen.features[3].shape[1]


def test_the_pairing_is_a_table_before_training(images, labels):
    net, hint = student(), features(torch.rand(40, 12, 2, 2), 2, name="last")
    match = [hard_labels(labels), hint, relations(torch.rand(40, 5))]
    table = pairing(net, images, match)
    assert table.loc["last"].tolist() == [2, (16, 4, 4), (12, 2, 2), "resized, 1 x 1 convolution"]
    assert table.loc["relational distance"].tolist() == ["embedding", (16,), (5,), "none"]
    assert not list(hint.projector.parameters())


def test_projectors_follow_the_seed(images):
    targets = torch.randn(40, 12, 4, 4, generator=torch.Generator().manual_seed(2))
    runs = []
    for seed in (0, 0, 1):
        term = features(targets, -1)
        distill(student(), images, [term], steps=2, seed=seed)
        runs.append(term.projector.weights.weight)
    assert torch.equal(runs[0], runs[1]) and not torch.equal(runs[0], runs[2])


@pytest.mark.parametrize(
    "loss", [relational_distance_loss, relational_angle_loss, similarity_preserving_loss]
)
def test_relations_train_between_widths(images, loss):
    targets = torch.randn(40, 24, generator=torch.Generator().manual_seed(2))
    net, before = student(), student().stages[0][0].weight
    history = distill(net, images, [relations(targets, loss=loss, weight=100)], steps=2)
    assert history["total"].isfinite().all() and not torch.equal(net.stages[0][0].weight, before)


def test_any_module_can_be_matched_by_the_path_of_a_layer(images):
    net = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(1024, 8), torch.nn.ReLU(), torch.nn.Linear(8, 10)
    )
    history = distill(net, images, [features(torch.rand(40, 5), "2")], steps=2)
    assert history["hint at 2"].isfinite().all()


@pytest.mark.parametrize(
    "term, message",
    [
        (lambda: features(torch.rand(40, 4, 2, 2), 9), "there is no layer 9; TinyCNN has 0 to 2"),
        (lambda: features(torch.rand(40, 4, 2, 2), "stages.7"), "TinyCNN has no layer 'stages.7'"),
        (lambda: features(torch.rand(39, 4, 2, 2), 1), "hint at 1 has 39 targets for 40 inputs"),
        (lambda: features(torch.rand(40, 5, 4, 4), 1, project=False), "differ in shape: a projector must"),
        (lambda: features(torch.rand(40, 5, 4, 4), "embedding"), "have no places to match"),
        (
            lambda: relations(torch.full((40, 3), float("nan"))),
            "relational distance: 40 of 40 rows are not finite",
        ),
    ],
)
def test_features_that_do_not_fit_are_named_before_training(images, term, message):
    net = student()
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(ValueError, match=message):
        distill(net, images, [term()], steps=2)
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())


def test_a_loss_may_ask_for_labels_too(images, labels, teacher_logits):
    net = student()
    z = copy.deepcopy(net).train()(images)
    match = [Term("decoupled", teacher_logits, decoupled_loss, labels=labels)]
    history = distill(net, images, match, steps=1, batch_size=40)
    torch.testing.assert_close(history["decoupled"][0], decoupled_loss(z, teacher_logits, labels))
    with pytest.raises(ValueError, match="decoupled has 9 labels for 40 inputs"):
        distill(net, images, [Term("decoupled", teacher_logits, decoupled_loss, labels=labels[:9])])


def test_smoothing_out_of_range(labels):
    with pytest.raises(ValueError, match="smoothing"):
        hard_labels(labels, smoothing=1.0)


@pytest.mark.parametrize("wrong", [7, -1])
def test_labels_that_a_loss_asks_for_are_checked_before_training(images, labels, teacher_logits, wrong):
    outside = labels.clone()
    outside[5] = wrong if wrong < 0 else 10 + wrong
    match = [Term("decoupled", teacher_logits, decoupled_loss, labels=outside)]
    with pytest.raises(ValueError, match="decoupled: labels run from .*, the student has 10 classes"):
        distill(student(), images, match)


def test_a_loss_that_does_not_take_both_sides_is_named_with_them(images):
    match = [Term("odd", (torch.rand(40, 7),), lambda s, t: (s - t).square().mean())]
    said = r"odd does not take the student's float32 \(2, 10\) and targets \(float32 \(2, 7\)\): "
    with pytest.raises(ValueError, match=said):
        distill(student(), images, match)


def test_one_loop():
    """Every training of the package goes through the one loop: there is one backward."""
    folder = Path(kdlab.__file__).parent
    found = [
        p
        for p in folder.rglob("*.py")
        if "exercises" not in p.parts and ".backward()" in p.read_text(encoding="utf-8")
    ]
    assert [p.name for p in found] == ["training.py"] and found[0].read_text(encoding="utf-8").count(
        ".backward()"
    ) == 1
