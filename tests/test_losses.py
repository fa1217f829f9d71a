"""Values and gradients against the reference table, and the corners where public code breaks."""

import pytest
import torch

from kdlab.losses import soft_target_loss


def wave(*shape, a, s=1.0, b=1.3, c=0.11):
    """The reference inputs: s * sin(1 + a n + b sin(c n^2)), row-major, float64."""
    n = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return (s * torch.sin(1 + a * n + b * torch.sin(c * n**2))).view(shape)


STUDENT_LOGITS = wave(6, 10, a=0.7, s=3)
TEACHER_LOGITS = wave(6, 10, a=0.9, s=4, b=0.8, c=0.07)

# loss, student's input, teacher's input, options, value, norm of the gradient (Hinton et al.'s
# definition, computed with the field's benchmark code in float64)
REFERENCE = [
    (soft_target_loss, STUDENT_LOGITS, TEACHER_LOGITS, {"temperature": 1}, 2.537743113, 0.2750670309),
    (soft_target_loss, STUDENT_LOGITS, TEACHER_LOGITS, {"temperature": 4}, 5.518203498, 0.4259423310),
]


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
