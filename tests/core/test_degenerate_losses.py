"""What a loss does where a side of it has nothing to say: no variance, zeros, equal rows, one class, NaN."""

import math
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kdlab import losses
from kdlab.distill import Term, distill

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
import attacks  # noqa: E402

NAMES = attacks.names()


def test_the_page_says_what_the_losses_do():
    assert attacks.PAGE.read_text(encoding="utf-8").endswith(attacks.of_losses())


def test_a_page_that_was_changed_by_hand_is_found(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(attacks, "page", attacks.of_losses)
    page = tmp_path / "attacks.md"
    page.write_text(attacks.of_losses().replace("bounded", "large", 1), encoding="utf-8")
    assert attacks.main(["--check"], page) == 1 and "run python docs/attacks.py" in capsys.readouterr().out
    assert attacks.main([], page) == 0 and page.read_text(encoding="utf-8") == attacks.of_losses()


@pytest.mark.parametrize("name", NAMES)
def test_every_loss_is_tried(name):
    cells = attacks.tried(name)
    assert len(cells) == 12
    for what, both in cells.items():
        for said in both:
            assert "gradient NaN" not in said, what
            if what in ("a NaN", "an infinity"):
                assert said in ("NaN", "infinite"), what
            elif "times" not in what:
                assert said in ("refused", "finite, gradient none", "finite, gradient bounded"), what


@st.composite
def odd_rows(draw):
    """Rows some of which are equal, zero, constant, or apart by next to nothing."""
    rows, columns = draw(st.integers(2, 6)), draw(st.integers(2, 5))
    values = torch.randn(rows, columns, generator=torch.Generator().manual_seed(draw(st.integers(0, 99))))
    for row in range(rows):
        kind = draw(st.sampled_from(["as it is", "zero", "the first", "constant", "next to the first"]))
        if kind == "zero":
            values[row] = 0
        elif kind == "constant":
            values[row] = draw(st.floats(-3, 3, width=32) | st.sampled_from([1e-45, 1e-40, 1e-31, 1e-29]))
        elif kind != "as it is":
            values[row] = values[0] + (kind != "the first") * draw(st.sampled_from([1e-7, 1e-6, 1e-5]))
    return values


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("hint_loss", "attention_transfer_loss")])
@settings(max_examples=100, deadline=None)
@given(student=odd_rows(), teacher=odd_rows())
def test_value_and_gradient_are_finite_whatever_the_rows(name, student, teacher):
    rows, columns = (min(pair) for pair in zip(student.shape, teacher.shape))
    found = attacks.ask(name, student[:rows, :columns], teacher[:rows, :columns])
    value, gradient = found
    assert value.isfinite() and gradient.isfinite().all()


@pytest.mark.parametrize("where", range(6))
@pytest.mark.parametrize("name", NAMES)
def test_a_nan_anywhere_on_either_side_is_a_nan(name, where):
    random = torch.Generator().manual_seed(0)
    good = torch.randn(attacks.shape_of(name), generator=random)
    bad = good.clone()
    bad[where].view(-1)[where % bad[0].numel()] = float("nan")
    for sides in ((bad, good), (good, bad)):
        assert attacks.ask(name, *sides)[0].isnan()


def test_a_student_that_answers_alike_for_all_learns_by_correlation():
    """Its classifier begins at zero: the gradient was 6e36 there, and the classifier never moved."""
    torch.manual_seed(0)
    student = torch.nn.Linear(5, 3)
    torch.nn.init.zeros_(student.weight)
    torch.nn.init.zeros_(student.bias)
    x, y = torch.randn(32, 5), torch.randn(32, 3)
    before = losses.correlation_loss(student(x), y).item()
    distill(student, x, [Term("correlation", y, losses.correlation_loss)], steps=30)
    assert student.weight.abs().max() > 0
    assert losses.correlation_loss(student(x), y).item() < before


def test_one_class_is_refused_by_name():
    with pytest.raises(ValueError, match="1 class; the label and the others need at least 2"):
        losses.decoupled_loss(torch.zeros(2, 1), torch.zeros(2, 1), torch.zeros(2, dtype=torch.int64))


def test_equal_logits_can_be_standardised():
    z = torch.zeros(2, 3, requires_grad=True)
    out = losses.standardised_logits(z)
    out.square().sum().backward()
    assert (out == 0).all() and z.grad.isfinite().all()


def test_a_weight_that_is_not_finite_is_an_error_by_its_name():
    class Broken(torch.autograd.Function):
        """Finite forwards, and not backwards."""

        @staticmethod
        def forward(ctx, z):
            return z.clone()

        @staticmethod
        def backward(ctx, gradient):
            return gradient * math.nan

    x = torch.randn(8, 5)
    broken = Term("broken", torch.zeros(8, 3), lambda s, t: Broken.apply(s).square().sum())
    with pytest.raises(FloatingPointError, match="student.weight is not finite after training"):
        distill(torch.nn.Linear(5, 3), x, [broken], steps=1)
