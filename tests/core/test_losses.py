"""Values and gradients against the reference table, and the corners where public code breaks."""

import math
from functools import partial

import pytest
import torch

from kdlab import losses
from kdlab.losses import (
    attention_transfer_loss,
    binary_soft_target_loss,
    box_distribution_loss,
    collaborative_loss,
    correlation_loss,
    decoupled_loss,
    generalized_jsd_loss,
    hint_loss,
    keep_top,
    listwise_loss,
    probabilistic_transfer_loss,
    ranked_list_loss,
    ranking_distillation_loss,
    relational_angle_loss,
    relational_distance_loss,
    reverse_kl_loss,
    similarity_preserving_loss,
    skewed_kl_loss,
    soft_target_loss,
    standardised_logits,
    top_logits_loss,
    weighted_soft_target_loss,
)


def ones(*shape):
    return torch.ones(shape)


def wave(*shape, a, s=1.0, b=1.3, c=0.11):
    """The reference inputs: s * sin(1 + a n + b sin(c n^2)), row-major, float64."""
    n = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return (s * torch.sin(1 + a * n + b * torch.sin(c * n**2))).view(shape)


STUDENT_LOGITS = wave(6, 10, a=0.7, s=3)
TEACHER_LOGITS = wave(6, 10, a=0.9, s=4, b=0.8, c=0.07)

LABELS = torch.tensor([0, 3, 7, 9, 2, 5])
STUDENT_MAPS, TEACHER_MAPS = wave(6, 8, 5, 5, a=0.31), wave(6, 12, 5, 5, a=0.53, b=0.9)
HINT_MAPS = wave(6, 8, 5, 5, a=0.53, b=0.9)
STUDENT_EMBEDDINGS, TEACHER_EMBEDDINGS = wave(6, 16, a=0.37), wave(6, 24, a=0.59, b=0.4)

# three sentences of at most six words out of eight: the 11 places that count, in lengths 6, 4 and 1
LENGTHS = torch.tensor([6, 4, 1])
COUNTED = torch.arange(6) < LENGTHS[:, None]
STUDENT_WORDS, TEACHER_WORDS = wave(3, 6, 8, a=0.7, s=3), wave(3, 6, 8, a=0.9, s=4, b=0.8, c=0.07)
WORDS = STUDENT_WORDS[COUNTED], TEACHER_WORDS[COUNTED]


def top_words(count):
    """The same, and the rest as options."""
    values, classes, rest = keep_top(WORDS[1], count)
    return WORDS[0], values, {"classes": classes, "rest": rest}


def standardised_loss(student, teacher, *, temperature):
    return soft_target_loss(
        standardised_logits(student), standardised_logits(teacher), temperature=temperature
    )


# probabilities .001, .02, .3 and .9 of a rare event, and a student's logits: a row each
RARE = (
    torch.tensor([[-5.0], [-4], [-1], [1]]).double(),
    torch.tensor([[0.001], [0.02], [0.3], [0.9]]).double().logit(),
)


# loss, student's input, teacher's input, options, value, norm of the gradient to the student's input:
# computed in float64 with the authors' or the field's benchmark code
LOGITS = STUDENT_LOGITS, TEACHER_LOGITS
EMBEDDINGS = STUDENT_EMBEDDINGS, TEACHER_EMBEDDINGS
REFERENCE = [
    (soft_target_loss, *LOGITS, {"temperature": 1}, 2.537743113, 0.2750670309),
    (soft_target_loss, *LOGITS, {"temperature": 4}, 5.518203498, 0.4259423310),
    (binary_soft_target_loss, *RARE, {}, 0.0236237519012669, 0.0429696863083393),
    (binary_soft_target_loss, *RARE, {"temperature": 4}, 0.108502121772892, 0.102036889729518),
    (decoupled_loss, *LOGITS, {"labels": LABELS}, 44.25225842, 3.573245630),
    (correlation_loss, *LOGITS, {}, 2.022931823, 0.1614819907),
    (standardised_loss, *LOGITS, {"temperature": 2}, 0.9005507431, 0.04778367799),
    (hint_loss, STUDENT_MAPS, HINT_MAPS, {}, 0.9905029828, 0.05746021762),
    (attention_transfer_loss, STUDENT_MAPS, TEACHER_MAPS, {}, 0.003452655339, 0.001818778657),
    (similarity_preserving_loss, STUDENT_MAPS, TEACHER_MAPS, {}, 0.1698034836, 0.01824207473),
    (relational_distance_loss, *EMBEDDINGS, {}, 0.08906910077, 0.03338700866),
    (relational_angle_loss, *EMBEDDINGS, {}, 0.07851987197, 0.03262462609),
    (probabilistic_transfer_loss, *EMBEDDINGS, {}, 0.04198432616, 0.007161996399),
    # computed in NumPy from the definitions
    (soft_target_loss, *WORDS, {"temperature": 1}, 2.281387428, 0.2151086791),
    (soft_target_loss, *WORDS, {"temperature": 2}, 3.875161255, 0.2898577703),
    (reverse_kl_loss, *WORDS, {}, 2.698103469, 0.2895071344),
    (reverse_kl_loss, *WORDS, {"temperature": 2}, 4.188665643, 0.3017237942),
    (generalized_jsd_loss, *WORDS, {"beta": 0.1}, 0.1558886363, 0.01152523734),
    (generalized_jsd_loss, *WORDS, {}, 0.3626438146, 0.02638494535),
    (generalized_jsd_loss, *WORDS, {"beta": 0.9}, 0.1598968388, 0.01243665385),
    (generalized_jsd_loss, *WORDS, {"beta": 0}, 2.281387428, 0.2151086791),
    (generalized_jsd_loss, *WORDS, {"beta": 1}, 2.698103469, 0.2895071344),
    (generalized_jsd_loss, *WORDS, {"temperature": 2}, 0.823346869, 0.0485900368),
    (skewed_kl_loss, *WORDS, {}, 1.21654446, 0.08833240499),
    (skewed_kl_loss, *WORDS, {"skew": 0}, 2.281387428, 0.2151086791),
    (skewed_kl_loss, *WORDS, {"skew": 0.5}, 0.3658292745, 0.02820886982),
    (top_logits_loss, *top_words(3), 2.134904083, 0.2116654571),
    (top_logits_loss, *top_words(1), 1.287745206, 0.1819723199),
    (top_logits_loss, *top_words(8), 2.281387428, 0.2151086791),
]
# Of the lists below, values in plain Python; gradients by differences of these.
SCORES = (
    torch.tensor([[0.3, 0.8, -0.4, 1.2, 0.1, -1.0]], dtype=torch.float64),
    torch.tensor([[2.0, -1.0, 0.5, 1.5, -0.5, 0.0]], dtype=torch.float64),
)
REFERENCE += [
    (listwise_loss, *SCORES, {}, 0.4526861275, 0.414009069),
    (listwise_loss, *SCORES, {"temperature": 2}, 0.5702194424, 0.445137243),
    (ranked_list_loss, *SCORES, {"top": 3}, 4.6158443208, 1.62013942),
    (ranked_list_loss, *SCORES, {"top": 6}, 8.0269823838, 2.6729585),
    (ranking_distillation_loss, *SCORES, {"top": 3, "decay": 2}, 0.5317657529, 0.252894664),
    (ranking_distillation_loss, *SCORES, {"top": 3, "decay": math.inf}, 0.5768843214, 0.256711438),
    (ranking_distillation_loss, *SCORES, {"top": 3, "decay": 2, "among": True}, 1.7554863636, 0.470079345),
    (collaborative_loss, *SCORES, {"temperature": 2}, 0.7340226134, 0.0776365571),
]
# Of a detector's answers, computed with torch's own kl_div: two scenes of 4 x 4 cells, 11 classes of which
# the last is background, 4 edges of 8 bins; five cells of objects.
STUDENT, TEACHER = {"a": 0.7, "s": 3}, {"a": 0.9, "s": 4, "b": 0.8, "c": 0.07}
CELLS = tuple(wave(2, 11, 4, 4, **how).movedim(1, -1) for how in (STUDENT, TEACHER))
EDGES = tuple(
    side.view(2, 4, 8, 4, 4).permute(0, 3, 4, 1, 2)
    for side in (wave(2, 32, 4, 4, **how) for how in (STUDENT, TEACHER))
)
OBJECTS = torch.zeros(2, 4, 4)
OBJECTS[[0, 0, 0, 1, 1], [1, 1, 2, 0, 3], [1, 2, 1, 3, 2]] = 1
FOREGROUND = 1 - CELLS[1].softmax(-1)[..., -1]
REFERENCE += [
    (weighted_soft_target_loss, *CELLS, {"temperature": 1, "weight": OBJECTS}, 2.437062385, 0.2654703994),
    (weighted_soft_target_loss, *CELLS, {"temperature": 2, "weight": OBJECTS}, 3.932416729, 0.3663513638),
    (weighted_soft_target_loss, *CELLS, {"temperature": 1}, 2.374389975, 0.1037590307),
    (weighted_soft_target_loss, *CELLS, {"temperature": 2}, 3.839350895, 0.14101356),
    (weighted_soft_target_loss, *CELLS, {"temperature": 1, "weight": FOREGROUND}, 2.410446519, 0.1058497091),
    (weighted_soft_target_loss, *CELLS, {"temperature": 2, "weight": FOREGROUND}, 3.879822907, 0.1435118353),
    (box_distribution_loss, *EDGES, {"weight": OBJECTS}, 2.430509069, 0.1510658875),
    (box_distribution_loss, *EDGES, {"weight": OBJECTS, "temperature": 2}, 3.843406905, 0.2057545718),
]
OF_CELLS = [weighted_soft_target_loss, box_distribution_loss]
RANKED = [ranked_list_loss, ranking_distillation_loss]
LISTS = [listwise_loss, partial(ranked_list_loss, top=3), partial(ranking_distillation_loss, top=3),
         partial(ranking_distillation_loss, top=3, among=True), collaborative_loss]  # fmt: skip
RELATIONAL = [
    relational_distance_loss, relational_angle_loss, probabilistic_transfer_loss, similarity_preserving_loss,
]  # fmt: skip


@pytest.mark.parametrize("loss, student, teacher, options, value, norm", REFERENCE)
def test_reference_value_and_gradient(loss, student, teacher, options, value, norm):
    student = student.clone().requires_grad_()
    teacher = teacher.clone().requires_grad_()
    result = loss(student, teacher, **options)
    result.backward()
    assert result.ndim == 0 and result.dtype == torch.float64
    assert result.item() == pytest.approx(value, rel=1e-6)
    assert student.grad.norm().item() == pytest.approx(norm, rel=1e-6)
    assert teacher.grad is None


@pytest.mark.parametrize("loss, student, teacher, options, value, norm", REFERENCE)
def test_gradient_is_the_numerical_one(loss, student, teacher, options, value, norm):
    student = student.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda s: loss(s, teacher, **options), student)


@pytest.mark.parametrize("loss, student, teacher, options, value, norm", REFERENCE)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_inputs_and_autocast(loss, student, teacher, options, value, norm, dtype):
    student, teacher = student.to(dtype), teacher.to(dtype)
    exact = loss(student.double(), teacher.double(), **options)
    with torch.autocast("cpu", dtype=dtype):
        half = loss(student.requires_grad_(), teacher, **options)
    half.backward()
    assert half.dtype == torch.float32
    assert half.item() == pytest.approx(exact.item(), rel=1e-3)
    assert student.grad.isfinite().all()


@pytest.mark.parametrize("temperature", [1, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_finite_at_a_logit_gap_of_1000(temperature, dtype):
    student = torch.tensor([[1000.0, 0, 0], [0, 0, 0]], dtype=dtype, requires_grad=True)
    teacher = torch.tensor([[0.0, 1000, 0], [1000, 0, 0]], dtype=dtype)
    loss = soft_target_loss(student, teacher, temperature=temperature)
    loss.backward()
    assert loss.isfinite() and student.grad.isfinite().all()
    assert loss.item() == pytest.approx(
        soft_target_loss(student.double(), teacher.double(), temperature=temperature).item(), rel=1e-3
    )


def test_against_scipy():
    from scipy.special import rel_entr, softmax

    p, q = (softmax(z.numpy() / 3, axis=1) for z in (TEACHER_LOGITS, STUDENT_LOGITS))
    ours = soft_target_loss(STUDENT_LOGITS, TEACHER_LOGITS, temperature=3).item()
    assert ours == pytest.approx(9 * rel_entr(p, q).sum() / 6, rel=1e-12)


@pytest.mark.parametrize("temperature", [1, 4])
def test_one_logit_is_the_pair_of_zero_and_itself(temperature):
    pairs = [torch.nn.functional.pad(z.view(-1, 1), (1, 0)) for z in LOGITS]
    ours = binary_soft_target_loss(*LOGITS, temperature=temperature).item()
    assert ours == pytest.approx(soft_target_loss(*pairs, temperature=temperature).item(), rel=1e-12)
    assert binary_soft_target_loss(*(LOGITS[:1] * 2)).item() == 0


def test_one_logit_is_finite_at_a_gap_of_1000():
    student = torch.tensor([1000.0, -1000, 0], requires_grad=True)
    loss = binary_soft_target_loss(student, torch.tensor([-1000.0, 1000, 1000]))
    loss.backward()
    assert loss.item() == pytest.approx((2000 + 0.6931472) / 3, rel=1e-6) and student.grad.isfinite().all()


@pytest.mark.parametrize("ours, theirs", [((4, 1), (4,)), ((4, 1), (4, 2)), ((0, 1), (0, 1))])
def test_one_logit_beside_another_shape(ours, theirs):
    with pytest.raises(
        ValueError, match=f"student logits .*{ours[0]}.* and teacher logits .* differ in shape or"
    ):
        binary_soft_target_loss(torch.zeros(ours), torch.zeros(theirs))


def test_zero_for_equal_sides_and_shift_invariant():
    assert soft_target_loss(TEACHER_LOGITS, TEACHER_LOGITS).item() == pytest.approx(0, abs=1e-14)
    shifted = soft_target_loss(STUDENT_LOGITS + 7, TEACHER_LOGITS - 3)
    assert shifted.item() == pytest.approx(soft_target_loss(STUDENT_LOGITS, TEACHER_LOGITS).item(), rel=1e-12)


@pytest.mark.parametrize("temperature", [0, -1, float("nan"), float("inf")])
def test_temperature_out_of_range(temperature):
    with pytest.raises(ValueError, match=f"temperature must be a finite number above 0, got {temperature}"):
        soft_target_loss(STUDENT_LOGITS, TEACHER_LOGITS, temperature=temperature)


@pytest.mark.parametrize(
    "ours, theirs, message",
    [
        ((64, 10), (64, 100), r"student logits \(64, 10\) and teacher logits \(64, 100\) differ in classes"),
        ((64, 10), (32, 10), r"\(64, 10\) and teacher logits \(32, 10\) differ in batch size"),
        ((10,), (10,), r"must both be \(batch, classes\)"),
        ((0, 10), (0, 10), "are empty"),
    ],
)
def test_shapes_that_do_not_fit(ours, theirs, message):
    with pytest.raises(ValueError, match=message):
        soft_target_loss(torch.zeros(ours), torch.zeros(theirs))


def clustered(dimensions, seed):
    """Two tight clusters far from the origin: float32 distances by inner products lose all digits."""
    random = torch.Generator().manual_seed(seed)
    centres = 100 + torch.randn(2, dimensions, generator=random, dtype=torch.float64)
    return centres[torch.arange(8) % 2] + 1e-2 * torch.randn(
        8, dimensions, generator=random, dtype=torch.float64
    )


@pytest.mark.parametrize("loss", RELATIONAL)
def test_clustered_embeddings_in_float32(loss):
    student, teacher = clustered(16, 0).float(), clustered(24, 1).float()
    exact = loss(student.double(), teacher.double()).item()
    assert loss(student, teacher).item() == pytest.approx(exact, rel=1e-3, abs=1e-12)


@pytest.mark.parametrize("loss", RELATIONAL)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_identical_rows_have_a_finite_gradient(loss, dtype):
    student, teacher = (e.to(dtype).clone() for e in EMBEDDINGS)
    student[1] = student[0]
    teacher[3] = teacher[2]
    student.requires_grad_()
    value = loss(student, teacher)
    value.backward()
    assert value.isfinite() and student.grad.isfinite().all()
    assert value.item() == pytest.approx(loss(student.double(), teacher.double()).item(), rel=1e-3)


@pytest.mark.parametrize("loss", RELATIONAL)
@pytest.mark.parametrize("sides", ["student", "teacher", "both"])
def test_all_embeddings_equal_is_finite(loss, sides):
    student, teacher = (e.clone() for e in EMBEDDINGS)
    if sides != "teacher":
        student[:] = student[0]
    if sides != "student":
        teacher[:] = teacher[0]
    student.requires_grad_()
    value = loss(student, teacher)
    value.backward()
    assert value.isfinite() and student.grad.isfinite().all()
    if sides == "both":
        assert value.item() == pytest.approx(0, abs=1e-12)


def test_one_side_equal_is_the_documented_limit():
    flat = torch.ones(6, 16, dtype=torch.float64)
    d = torch.cdist(TEACHER_EMBEDDINGS, TEACHER_EMBEDDINGS)
    expected = torch.nn.functional.smooth_l1_loss(torch.zeros(6, 6).double(), d / d[d > 0].mean())
    assert relational_distance_loss(flat, TEACHER_EMBEDDINGS).item() == pytest.approx(expected.item())


@pytest.mark.parametrize("loss", RELATIONAL)
def test_relations_do_not_change_when_both_sides_are_turned_or_scaled(loss):
    turn = torch.linalg.qr(wave(16, 16, a=0.9))[0]
    expected = loss(*EMBEDDINGS).item()
    assert loss(3 * STUDENT_EMBEDDINGS @ turn, TEACHER_EMBEDDINGS).item() == pytest.approx(expected, rel=1e-9)


def direct_angle_loss(student, teacher):
    """Park et al.'s equations as they stand, with a (B, B, D) tensor."""
    cosines = []
    for e in (student, teacher):
        directions = torch.nn.functional.normalize(e[None] - e[:, None], dim=2)
        cosines.append(directions @ directions.transpose(1, 2))
    return torch.nn.functional.smooth_l1_loss(*cosines)


def test_angles_are_those_of_the_direct_form():
    ours, direct = (f(*EMBEDDINGS).item() for f in (relational_angle_loss, direct_angle_loss))
    assert ours == pytest.approx(direct, rel=1e-12)


def test_decoupled_parts_add_up_to_the_soft_target_loss():
    one = TEACHER_LOGITS[:1], STUDENT_LOGITS[:1]
    y = LABELS[:1]
    not_label = 1 - (one[0] / 4).softmax(1)[0, y].item()
    whole = soft_target_loss(one[1], one[0], temperature=4).item()
    assert decoupled_loss(one[1], one[0], y, beta=not_label).item() == pytest.approx(whole, rel=1e-9)


def test_standardised_logits_forget_size_and_shift():
    torch.testing.assert_close(
        standardised_logits(5 * STUDENT_LOGITS + 2), standardised_logits(STUDENT_LOGITS)
    )


@pytest.mark.parametrize("loss", [decoupled_loss, correlation_loss, standardised_loss])
def test_other_logit_losses_are_finite_at_a_gap_of_1000(loss):
    student = torch.tensor([[1000.0, 0, 0], [0, 0, 1]], requires_grad=True)
    teacher = torch.tensor([[0.0, 1000, 0], [1000, 0, 2]])
    options = {decoupled_loss: {"labels": torch.tensor([0, 1])}, standardised_loss: {"temperature": 2}}
    value = loss(student, teacher, **options.get(loss, {}))
    value.backward()
    exact = loss(student.double(), teacher.double(), **options.get(loss, {})).item()
    assert student.grad.isfinite().all() and value.item() == pytest.approx(exact, rel=1e-3)


def test_attention_maps_of_other_sizes_are_pooled_to_the_smaller():
    large, small = wave(2, 3, 8, 6, a=0.3), wave(2, 5, 4, 3, a=0.5)
    pooled = torch.nn.functional.avg_pool2d(large, 2)
    expected = attention_transfer_loss(pooled, small).item()
    assert attention_transfer_loss(large, small).item() == pytest.approx(expected)
    assert attention_transfer_loss(small, large).item() == pytest.approx(expected)
    assert attention_transfer_loss(large.mT, small).isfinite()


@pytest.mark.parametrize("loss", LISTS)
def test_items_that_do_not_count_are_as_if_they_were_not_there(loss):
    student, teacher = (torch.cat([side, side.flip(1)]).requires_grad_() for side in SCORES)
    counts = torch.tensor([[True, True, True, True, False, True], [True, False, True, True, True, True]])
    value = loss(student, teacher, counts)
    value.backward()
    assert (student.grad[~counts] == 0).all() and student.grad[counts].isfinite().all()
    left = [side.detach()[counts].view(2, 5) for side in (student, teacher)]
    assert value.item() == pytest.approx(loss(*left).item(), rel=1e-12)
    assert loss(student, teacher, torch.ones_like(counts)).item() == pytest.approx(
        loss(student, teacher).item()
    )


@pytest.mark.parametrize("loss", LISTS)
def test_a_list_with_fewer_items_than_the_best_asked_for(loss):
    few = torch.tensor([[True, True, False, False, False, False]])
    student = SCORES[0].clone().requires_grad_()
    value = loss(student, SCORES[1], few)
    value.backward()
    assert value.isfinite() and student.grad.isfinite().all() and (student.grad[~few] == 0).all()
    if getattr(loss, "func", loss) is ranked_list_loss:
        assert value.item() == pytest.approx(loss.func(*(s[:, :2] for s in SCORES), top=2).item())


def test_a_list_of_all_items_is_a_soft_target():
    for temperature in (1, 3):
        ours = listwise_loss(*LOGITS, temperature=temperature)
        torch.testing.assert_close(ours, soft_target_loss(*LOGITS, temperature=temperature))


def test_the_order_below_the_best_does_not_count():
    teacher = torch.tensor([[5.0, 4.0, 3.0, 0.1, 0.2, 0.3]])
    other = torch.tensor([[9.0, 2.0, 1.0, 0.3, 0.2, 0.1]])
    for loss in LISTS[1:4]:
        torch.testing.assert_close(loss(SCORES[0], teacher), loss(SCORES[0], other))
    assert LISTS[1](SCORES[0], teacher) != LISTS[1](SCORES[0], teacher.flip(1))


@pytest.mark.parametrize("loss", LISTS)
def test_lists_are_finite_at_a_gap_of_1000(loss):
    student = torch.tensor([[1000.0, 0, 0, 5], [0, 0, 1, -1000]], requires_grad=True)
    teacher = torch.tensor([[0.0, 1000, 0, -1000], [1000, 0, 2, 1]])
    value = loss(student, teacher)
    value.backward()
    assert student.grad.isfinite().all()
    assert value.item() == pytest.approx(loss(student.double(), teacher.double()).item(), rel=1e-3)


@pytest.mark.parametrize(
    "loss, change, message",
    [
        (listwise_loss, {}, r"student scores \(2, 3\) and teacher scores \(2, 4\) differ in items"),
        (listwise_loss, {"temperature": 0}, "temperature must be a finite number above 0, got 0"),
        (listwise_loss, {"candidates": torch.ones(2, 4)}, r"candidates must be bool \(2, 3\) .* got float32"),
        (listwise_loss, {"candidates": torch.ones(3) > 0}, r"must be bool \(2, 3\) .* got bool \(3,\)"),
        (ranked_list_loss, {"top": 4}, "top must lie between 1 and the 3 items of a list, got 4"),
        (ranking_distillation_loss, {"top": 0}, "top must lie between 1 and the 3 items of a list, got 0"),
        (ranking_distillation_loss, {"top": 2, "decay": 0}, "decay must be a number of ranks above 0, got 0"),
        (collaborative_loss, {"temperature": math.inf}, "temperature must be a finite number above 0"),
    ],
)
def test_lists_that_do_not_fit(loss, change, message):
    teacher = torch.ones(2, 3) if change else torch.ones(2, 4)
    with pytest.raises(ValueError, match=message):
        loss(torch.ones(2, 3), teacher, **change)


def test_equal_weights_are_a_soft_target():
    rows = tuple(side.flatten(0, 2) for side in CELLS)
    for temperature in (1, 4):
        plain = soft_target_loss(*rows, temperature=temperature)
        for weight in (None, torch.full((2, 4, 4), 0.3)):
            ours = weighted_soft_target_loss(*CELLS, weight, temperature=temperature)
            torch.testing.assert_close(ours, plain)
    edges = tuple(side.flatten(0, 3) for side in EDGES)
    torch.testing.assert_close(box_distribution_loss(*EDGES), soft_target_loss(*edges, temperature=1))


@pytest.mark.parametrize("loss, sides", [*zip(OF_CELLS, (CELLS, EDGES))])
def test_cells_of_no_weight_are_as_if_they_were_not_there(loss, sides):
    student = sides[0].clone().requires_grad_()
    value = loss(student, sides[1], OBJECTS)
    value.backward()
    some = OBJECTS > 0
    assert (student.grad[~some] == 0).all() and (student.grad[some] != 0).any()
    torch.testing.assert_close(value, loss(*(side[some] for side in sides)))
    torch.testing.assert_close(value, loss(student, sides[1], 7 * OBJECTS))


@pytest.mark.parametrize("loss, sides", [*zip(OF_CELLS, (CELLS, EDGES))])
def test_where_nothing_has_a_weight_the_loss_is_0(loss, sides):
    student, weight = sides[0].clone().requires_grad_(), torch.zeros(2, 4, 4, requires_grad=True)
    value = loss(student, sides[1], weight)
    value.backward()
    assert value == 0 and (student.grad == 0).all() and weight.grad is None


@pytest.mark.parametrize("loss", OF_CELLS)
def test_cells_are_finite_at_a_gap_of_1000(loss):
    student = torch.tensor([[[1000.0, 0, 0], [0, 0, 0]]], requires_grad=True)
    value = loss(student, torch.tensor([[[0.0, 1000, 0], [1000, 0, 0]]]))
    value.backward()
    assert value.isfinite() and student.grad.isfinite().all()


@pytest.mark.parametrize(
    "loss, shapes, options, message",
    [
        (
            weighted_soft_target_loss,
            [(2, 9, 11), (2, 9, 10)],
            {},
            r"\(2, 9, 11\) and teacher logits \(2, 9, 10\)",
        ),
        (
            weighted_soft_target_loss,
            [(2, 11), (2, 11)],
            {"weight": ones(3)},
            r"weights \(3,\) do not fit student",
        ),
        (weighted_soft_target_loss, [(0, 11), (0, 11)], {}, "must be equal, .* and not empty"),
        (weighted_soft_target_loss, [(2, 11), (2, 11)], {"temperature": 0}, "temperature must be a finite"),
        (box_distribution_loss, [(2, 4, 8), (2, 32)], {}, r"edges \(2, 4, 8\) and teacher edges \(2, 32\)"),
        (
            box_distribution_loss,
            [(2, 4, 8), (2, 4, 8)],
            {"weight": ones(2, 4)},
            r"weights \(2, 4\) do not fit",
        ),
        (box_distribution_loss, [(8,), (8,)], {}, r"must be equal, \(\.\.\., edges, bins\)"),
        (box_distribution_loss, [(2, 4, 8), (2, 4, 8)], {"temperature": -1}, "temperature must be a finite"),
    ],
)
def test_cells_that_do_not_fit(loss, shapes, options, message):
    with pytest.raises(ValueError, match=message):
        loss(*map(torch.zeros, shapes), **options)


@pytest.mark.parametrize(
    "loss, student, teacher, message",
    [
        (
            hint_loss,
            ones(2, 3, 4, 4),
            ones(3, 3, 4, 4),
            r"\(2, 3, 4, 4\) and .* \(3, 3, 4, 4\) differ in batch",
        ),
        (hint_loss, ones(2, 3, 4, 4), ones(2, 5, 4, 4), "differ in shape: a projector must"),
        (attention_transfer_loss, ones(2, 3, 4, 4), ones(4, 3, 4, 4), "differ in batch size"),
        (attention_transfer_loss, ones(2, 3), ones(2, 5), r"must both be \(batch, channels, height, width\)"),
        *[(loss, ones(1, 3), ones(1, 3), "a batch of at least 2, got 1") for loss in RELATIONAL],
        *[(loss, ones(2, 3), ones(3, 3), "differ in batch size") for loss in RELATIONAL],
        (relational_angle_loss, ones(2, 3, 4), ones(2, 3), r"must both be \(batch, dimensions\)"),
        (decoupled_loss, ones(2, 3), ones(2, 4), "differ in classes"),
        (correlation_loss, ones(1, 3), ones(1, 3), "needs at least 2"),
    ],
)
def test_features_that_do_not_fit(loss, student, teacher, message):
    options = {"labels": torch.tensor([0, 1])} if loss is decoupled_loss else {}
    with pytest.raises(ValueError, match=message):
        loss(student, teacher, **options)


def test_decoupled_labels_of_another_number():
    with pytest.raises(ValueError, match=r"labels \(1,\) do not fit student logits \(2, 3\)"):
        decoupled_loss(ones(2, 3), ones(2, 3), torch.tensor([0]))


@pytest.mark.parametrize(
    "loss",
    [getattr(losses, name) for name in losses.__all__ if name.endswith("_loss")],
    ids=lambda f: f.__name__,
)
def test_values_are_not_looked_at_so_that_a_loss_can_be_mapped_over_seeds(loss):
    """A check of values needs a value, which a GPU gives only when asked to wait; vmap has none to give."""
    random = torch.Generator().manual_seed(0)
    shape = (3, 6, 4, 5, 5) if loss is attention_transfer_loss else (3, 6, 4)
    student, teacher = (torch.randn(shape, generator=random, dtype=torch.float64) for _ in range(2))
    given = keep_top(teacher, 2) if loss is top_logits_loss else (teacher,)
    given += (torch.arange(6).expand(3, 6) % 4,) if loss is decoupled_loss else ()
    loss = partial(loss, top=3) if loss in RANKED else loss
    one_by_one = torch.stack([loss(*seed) for seed in zip(student, *given)])
    torch.testing.assert_close(torch.func.vmap(loss)(student, *given), one_by_one)


def test_every_exported_loss_has_a_row_in_the_table():
    rows = {loss.__name__ for loss, *_ in REFERENCE}
    assert rows >= {name for name in losses.__all__ if name.endswith("_loss")} | {"standardised_loss"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("loss, student, teacher, options, value, norm", REFERENCE)
def test_on_a_gpu(loss, student, teacher, options, value, norm):
    options = {k: v.cuda() if isinstance(v, torch.Tensor) else v for k, v in options.items()}
    for dtype in (torch.float16, torch.bfloat16):
        with torch.autocast("cuda", dtype=dtype):
            result = loss(student.float().cuda(), teacher.float().cuda(), **options)
        assert result.item() == pytest.approx(value, rel=1e-3)
