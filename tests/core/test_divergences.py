"""Divergences for language models: ends, bounds, what the mean is over, a teacher known by its top."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_losses import COUNTED, STUDENT_WORDS, TEACHER_WORDS, WORDS

from kdlab.distill import Term, distill
from kdlab.losses import (
    generalized_jsd_loss,
    keep_top,
    reverse_kl_loss,
    skewed_kl_loss,
    soft_target_loss,
    top_logits_loss,
)
from kdlab.losses.top import read_top
from kdlab.terms import label_loss, soft_targets

FORWARD, REVERSE = soft_target_loss(*WORDS, temperature=1).item(), reverse_kl_loss(*WORDS).item()
LABELS = ((3 * torch.arange(3)[:, None] + 5 * torch.arange(6)) % 8).masked_fill(~COUNTED, -100)


def gradient(loss, *sides, **options):
    """Of the student's side, on whole sequences (3, 6, 8) or rows."""
    student = sides[0].clone().requires_grad_()
    value = loss(student, *sides[1:], **options)
    return value, *torch.autograd.grad(value, student)


# ---- ends and bounds


@pytest.mark.parametrize("beta, end", [(1e-6, FORWARD), (1 - 1e-6, REVERSE)])
def test_beta_jumps_at_its_ends_and_the_formula_divided_by_beta_does_not(beta, end):
    inside = generalized_jsd_loss(*WORDS, beta=beta).item()
    assert generalized_jsd_loss(*WORDS, beta=round(beta)).item() == pytest.approx(end, rel=1e-12)
    assert inside < 1e-5 * end
    assert inside / min(beta, 1 - beta) == pytest.approx(end, rel=1e-4)


def test_skew_has_limits_at_both_ends():
    assert skewed_kl_loss(*WORDS, skew=1e-9).item() == pytest.approx(FORWARD, rel=1e-6)
    assert skewed_kl_loss(*WORDS, skew=0).item() == pytest.approx(FORWARD, rel=1e-12)
    assert skewed_kl_loss(*WORDS, skew=1 - 1e-9).item() == pytest.approx(0, abs=1e-8)


def test_the_jsd_of_a_half_does_not_care_who_is_who():
    student, teacher = WORDS
    assert generalized_jsd_loss(student, teacher).item() == pytest.approx(
        generalized_jsd_loss(teacher, student).item(), rel=1e-12
    )
    assert generalized_jsd_loss(student, teacher, beta=0.3).item() == pytest.approx(
        generalized_jsd_loss(teacher, student, beta=0.7).item(), rel=1e-12
    )


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf])
def test_a_share_out_of_range_is_refused(value):
    with pytest.raises(ValueError, match=rf"beta must lie in \[0, 1\], got {value}"):
        generalized_jsd_loss(*WORDS, beta=value)
    with pytest.raises(ValueError, match=rf"skew must lie in \[0, 1\), got {value}"):
        skewed_kl_loss(*WORDS, skew=value)


def test_a_skew_of_one_is_refused():
    with pytest.raises(ValueError, match="got 1: at 1 the teacher is compared with itself"):
        skewed_kl_loss(*WORDS, skew=1)


@pytest.mark.parametrize("loss", [reverse_kl_loss, generalized_jsd_loss, skewed_kl_loss])
def test_sides_that_do_not_fit_are_named(loss):
    with pytest.raises(ValueError, match=r"\(2, 151936\) and teacher logits \(2, 152064\) differ in classes"):
        loss(torch.zeros(2, 151936), torch.zeros(2, 152064))
    with pytest.raises(ValueError, match=r"must both be \(batch, classes\)"):
        loss(STUDENT_WORDS, TEACHER_WORDS)


@pytest.mark.parametrize("loss", [reverse_kl_loss, generalized_jsd_loss])
def test_a_temperature_out_of_range_is_refused(loss):
    with pytest.raises(ValueError, match="temperature must be a finite number above 0, got 0"):
        loss(*WORDS, temperature=0)


rows = st.lists(st.lists(st.floats(-1000, 1000, width=32), min_size=4, max_size=4), min_size=1, max_size=4)


@settings(max_examples=200, deadline=None)
@given(rows, rows, st.floats(0, 1) | st.sampled_from([5e-324, 1e-300, 1e-45, 1e-12, 1 - 1e-16]))
def test_bounds_and_finite_gradients_at_any_gap_and_share(ours, theirs, share):
    n, skew = min(len(ours), len(theirs)), min(share, 0.999)
    entropy = -sum(x * math.log(x) for x in (share, 1 - share) if x)
    for loss, options, most in (
        (generalized_jsd_loss, {"beta": share}, entropy if 0 < share < 1 else math.inf),
        (skewed_kl_loss, {"skew": skew}, -math.log(skew) if skew else math.inf),
        (reverse_kl_loss, {}, math.inf),
    ):
        for dtype in (torch.float32, torch.float64):
            sides = (torch.tensor(side[:n], dtype=dtype) for side in (ours, theirs))
            value, flows = gradient(loss, *sides, **options)
            assert value.isfinite() and flows.isfinite().all()
        assert -1e-9 <= value <= most + 1e-9  # in float64: rounding grows with the gap


@pytest.mark.parametrize("loss", [reverse_kl_loss, generalized_jsd_loss, skewed_kl_loss])
def test_nothing_is_lost_where_both_sides_agree_up_to_a_shift(loss):
    value, flows = gradient(loss, TEACHER_WORDS[COUNTED] + 7, TEACHER_WORDS[COUNTED] - 3)
    assert value.item() == pytest.approx(0, abs=1e-14) and flows.abs().max() < 1e-14


# ---- what the mean is over


def in_term(loss, rows=LABELS, **options):
    term = Term("words", TEACHER_WORDS, loss, rows=rows, **options)
    return lambda student, *_: term.value(student, term.parts)


def forward(student, teacher):
    return soft_target_loss(student, teacher, temperature=1)


PER_TOKEN, PER_SEQUENCE = (2.281387428, 0.2151086791), (1.876542081, 0.2586020344)


@pytest.mark.parametrize("rows", [LABELS, COUNTED], ids=["labels", "booleans"])
@pytest.mark.parametrize("per_input, expected", [(False, PER_TOKEN), (True, PER_SEQUENCE)])
def test_mean_per_token_or_per_sequence(rows, per_input, expected):
    value, flows = gradient(in_term(forward, rows, per_input=per_input), STUDENT_WORDS)
    assert (value.item(), flows.norm().item()) == pytest.approx(expected, rel=1e-6)
    assert (flows[~COUNTED] == 0).all()


def test_known_mistakes_have_other_values():
    """Padding counted, the sum over the sequences' number (batchmean of (B, L, V)), divided by the words."""
    student, teacher = STUDENT_WORDS.log_softmax(-1), TEACHER_WORDS.log_softmax(-1)
    each = (teacher.exp() * (teacher - student)).sum(-1)
    total = each[COUNTED].sum().item()
    found = each.mean().item(), total / 18, total / 3, total / 11 / 8
    assert found == pytest.approx((2.425612433, 1.394181206, 8.365087235, 0.2851734285), rel=1e-6)
    assert not {round(x, 4) for x in found} & {round(x, 4) for x, _ in (PER_TOKEN, PER_SEQUENCE)}


@pytest.mark.parametrize("loss", [forward, reverse_kl_loss, generalized_jsd_loss, skewed_kl_loss])
def test_the_mean_per_sequence_is_that_of_its_parts_and_padding_says_nothing(loss):
    whole = in_term(loss, per_input=True)(STUDENT_WORDS)
    parts = [loss(s[:n], t[:n]) for s, t, n in zip(STUDENT_WORDS, TEACHER_WORDS, COUNTED.sum(1))]
    assert whole.item() == pytest.approx(sum(parts).item() / 3, rel=1e-12)
    other = STUDENT_WORDS.masked_fill(~COUNTED[..., None], 1e6)
    for per_input in (True, False):
        masked = in_term(loss, per_input=per_input)
        assert masked(other).item() == masked(STUDENT_WORDS).item()


def test_a_sequence_twice_as_often_weighs_as_its_tokens_or_as_one():
    """Words of the long sentence are heard 6 of 11 times per token, and one of 3 per sequence."""
    flags = torch.tensor([1.0, 0, 0])[:, None, None].expand(3, 6, 1).double()
    shares = [
        Term("share", flags, lambda _, t: t.mean(), rows=LABELS, per_input=per_input).value(
            STUDENT_WORDS, (flags, None, LABELS)
        )
        for per_input in (False, True)
    ]
    assert [share.item() for share in shares] == pytest.approx([6 / 11, 1 / 3])


def test_sequences_without_a_row_are_left_out_and_none_at_all_is_nothing():
    rows = LABELS.clone()
    rows[1] = -100
    some = in_term(forward, rows, per_input=True)(STUDENT_WORDS)
    two = [forward(STUDENT_WORDS[i, :n], TEACHER_WORDS[i, :n]) for i, n in ((0, 6), (2, 1))]
    assert some.item() == pytest.approx(sum(two).item() / 2)
    value, flows = gradient(in_term(forward, torch.full_like(rows, -100), per_input=True), STUDENT_WORDS)
    assert value == 0 and (flows == 0).all()


def test_per_input_without_rows_is_refused():
    with pytest.raises(ValueError, match="soft: per_input needs rows, which say what of an input counts"):
        Term("soft", TEACHER_WORDS, forward, per_input=True)


def test_hard_labels_per_sequence():
    term = Term("hard", LABELS, label_loss, rows=LABELS, per_input=True)
    expected = [
        torch.nn.functional.cross_entropy(s[:n], y[:n])
        for s, y, n in zip(STUDENT_WORDS, LABELS, COUNTED.sum(1))
    ]
    assert term.value(STUDENT_WORDS, term.parts).item() == pytest.approx(sum(expected).item() / 3)


# ---- a teacher known by its largest logits


def tail_within(student, teacher, classes):
    """The teacher's mass outside of its kept classes times the divergence among these, row by row."""
    s, t = (z.scatter(1, classes, -torch.inf) for z in (student, teacher))
    mass = (t.logsumexp(1) - teacher.logsumexp(1)).exp()
    s, t = s.log_softmax(1), t.log_softmax(1)
    return mass * (t.exp() * (t - s)).nan_to_num(0).sum(1)


@pytest.mark.parametrize("count", range(1, 8))
def test_what_is_not_known_is_the_divergence_within_the_tail(count):
    student, teacher = WORDS
    top = keep_top(teacher, count)
    rest = tail_within(student, teacher, top[1]).mean().item()
    assert top_logits_loss(student, *top).item() == pytest.approx(FORWARD - rest, rel=1e-9)
    evenly = read_top(*top, 8).double()
    even = tail_within(student, evenly, top[1]).mean().item()
    assert forward(student, evenly).item() == pytest.approx(
        top_logits_loss(student, *top).item() + even, rel=1e-6
    )


def test_more_kept_is_more_known_up_to_all_of_it():
    student, teacher = WORDS
    values = [top_logits_loss(student, *keep_top(teacher, k)).item() for k in range(1, 9)]
    assert values == sorted(values) and values[-1] == pytest.approx(FORWARD, rel=1e-12)


def test_one_answer_alone_would_teach_nothing_without_its_tail():
    value, flows = gradient(top_logits_loss, WORDS[0], *keep_top(WORDS[1], 1))
    assert value > 0 and flows.norm() > 0.01


def test_within_the_tail_the_student_is_free():
    """Its gradient there follows its own probabilities: their ratios are not pulled."""
    student, teacher = WORDS
    top = keep_top(teacher, 3)
    _, flows = gradient(top_logits_loss, student, *top)
    own = student.softmax(1)
    tail = torch.ones_like(own, dtype=torch.bool).scatter(1, top[1], False)
    for row in range(len(own)):
        pulls = (flows / own)[row, tail[row]]
        assert pulls.tolist() == pytest.approx([pulls[0].item()] * 5, rel=1e-9)


def test_the_teachers_rest_has_no_gradient(loss=top_logits_loss):
    values, classes, rest = (
        part.clone().requires_grad_(part.is_floating_point()) for part in keep_top(WORDS[1], 3)
    )
    loss(WORDS[0].clone().requires_grad_(), values, classes, rest).backward()
    assert values.grad is None and rest.grad is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_top_logits_as_they_are_stored_and_at_a_gap_of_1000(dtype):
    """Kept in half precision and int32, as on disk; a tail of no mass at all."""
    teacher = torch.tensor([[1000.0, 0, -1000, 3], [0.0, 1, 2, 3]])
    student = torch.tensor([[0.0, 1000, 0, 0], [-1000.0, 0, 0, 1000]])
    values, classes, rest = keep_top(teacher, 2)
    stored = values.to(dtype), classes.int(), rest.to(dtype)
    value, flows = gradient(top_logits_loss, student, *stored)
    exact = top_logits_loss(student.double(), values.double(), classes, rest.double())
    assert flows.isfinite().all() and value.item() == pytest.approx(exact.item(), rel=1e-2)


def test_top_logits_of_sequences_are_targets_of_a_term():
    top = keep_top(TEACHER_WORDS, 3)
    term = Term("top", top, top_logits_loss, rows=LABELS)
    assert term.value(STUDENT_WORDS, term.parts).item() == pytest.approx(2.134904083, rel=1e-6)
    apart = replace(term, per_input=True)
    parts = [
        top_logits_loss(s[:n], *(p[i, :n] for p in top))
        for i, (s, n) in enumerate(zip(STUDENT_WORDS, COUNTED.sum(1)))
    ]
    assert apart.value(STUDENT_WORDS, apart.parts).item() == pytest.approx(sum(parts).item() / 3)


@pytest.mark.parametrize("count", [0, -1, 9])
def test_as_many_are_kept_as_there_are(count):
    with pytest.raises(ValueError, match=f"count must be from 1 to the 8 classes, got {count}"):
        keep_top(TEACHER_WORDS, count)


@pytest.mark.parametrize("count", [1, 3, 8])
def test_a_student_learns_from_a_teachers_top_logits(count):
    torch.manual_seed(0)
    inputs, student = torch.randn(64, 5), torch.nn.Linear(5, 8)
    teacher = inputs @ torch.randn(5, 8)
    before = forward(student(inputs), teacher).item()
    distill(
        student, inputs, [Term("top", keep_top(teacher, count), top_logits_loss)], steps=50, progress=False
    )
    assert forward(student(inputs), teacher).item() < before


@pytest.mark.parametrize(
    "student, top, message",
    [
        ((4, 8), ((4, 9), (4, 9), (4,)), r"\(4, 8\) and top logits \(4, 9\): more are kept than the student"),
        ((4, 8), ((5, 3), (5, 3), (5,)), r"\(4, 8\) and top logits \(5, 3\) differ in batch size"),
        ((4, 8), ((4, 3), (4, 2), (4,)), r"classes \(4, 2\) and rest \(4,\) do not fit top logits \(4, 3\)"),
        ((4, 8), ((4, 3), (4, 3), (4, 1)), r"rest \(4, 1\) do not fit"),
        ((4, 8), ((4, 0), (4, 0), (4,)), "are empty"),
        ((2, 4, 8), ((2, 4, 3), (2, 4, 3), (2, 4)), r"must be \(batch, classes\) and \(batch, k\)"),
    ],
)
def test_top_logits_that_do_not_fit(student, top, message):
    values, classes, rest = top
    with pytest.raises(ValueError, match=message):
        top_logits_loss(
            torch.zeros(student), torch.zeros(values), torch.zeros(classes).long(), torch.zeros(rest)
        )


def test_soft_targets_of_sequences_are_the_forward_divergence():
    term = soft_targets(TEACHER_WORDS, temperature=1, rows=LABELS)
    assert term.value(STUDENT_WORDS, term.parts).item() == pytest.approx(FORWARD, rel=1e-12)
