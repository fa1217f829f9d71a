"""What a check says of an answer that is no known mistake: what it has done, if that is simple."""

import math

import numpy as np
import pytest
import torch

from kdlab.exercises.core import RIGHT, UNKNOWN, WRONG, Exercise, Mistake, value


def rows(n, c=3, seed=0):
    return torch.randn(n, c, generator=torch.Generator().manual_seed(seed))


def exercise(reference, **changes):
    fields = {
        "cases": {f"{n} rows": lambda n=n: (rows(n), rows(n, seed=1)) for n in (2, 5, 6)},
        "mistakes": [Mistake("both added", "", lambda a, b: (a + b).square().sum(1).mean())],
        "observe": value,
    }
    return Exercise("0.9", "An exercise", "Nowhere", "As it should be.", reference, **{**fields, **changes})


def squares(a, b):
    return (a - 2 * b).square().sum(1).mean()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda a, b: -squares(a, b), "sign"),
        (lambda a, b: squares(a, b) / math.log(2), "base 2"),
        (lambda a, b: 100 * squares(a, b), "percent"),
        (lambda a, b: 0.37 * squares(a, b), "0.37 times"),
        (lambda a, b: squares(a, b) / 3, "0.333 times"),
        (lambda a, b: squares(a, b) * len(a), "multiplied by the length of axis 0 of the first input"),
        (
            lambda a, b: squares(a, b) / len(a) ** 2,
            "divided by the length of axis 0 of the first input squared",
        ),
        (lambda a, b: squares(a, b) * len(a) / (len(a) - 1), "less one, where that is due"),
        (lambda a, b: squares(a, b) + 2, "2 too large"),
        (lambda a, b: squares(a, b).sqrt(), "the root"),
        (lambda a, b: squares(a, b).log(), "the logarithm"),
        (lambda a, b: 1 - squares(a, b), "1 minus"),
        (lambda a, b: squares(b, a), "wrong order"),
        (lambda a, b: 0.25, "same in every case"),
        (lambda a, b: (a - 2 * b).square().sum(1), "its mean is right"),
        (lambda a, b: (a - 2 * b).square(), "one number is asked for"),
        (lambda a, b: torch.tensor(0.0) / torch.tensor(0.0), "not a number"),
        (lambda a, b: torch.tensor(math.inf), "infinite"),
        (lambda a, b: 4 * (a + b).square().sum(1).mean(), "looks like this mistake: both added"),
    ],
)
def test_a_simple_change_is_told(answer, said):
    found = exercise(squares).diagnose(answer)
    assert found.status == WRONG and said in found.text.splitlines()[0], found.text
    assert "the definition gives" in found.text


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda a, b: (a @ b.T).T, "rows and columns exchanged"),
        (lambda a, b: (a @ b.T).flatten(), "the numbers are right, and of shape"),
        (lambda a, b: (a @ b.T).flip(0), "order turned round"),
        (lambda a, b: (a @ b.T)[:1], "its shape is"),
        (lambda a, b: (a @ b.T).sum(), "values are asked for, not one number"),
    ],
)
def test_shapes_and_orders_are_told(answer, said):
    assert said in exercise(lambda a, b: a @ b.T).diagnose(answer).text.splitlines()[0]


def test_rows_of_probabilities_are_looked_at():
    found = exercise(lambda a, b: a.softmax(1)).diagnose(lambda a, b: a.sigmoid())
    assert "do not add up to 1" in found.name


def test_what_is_not_simple_stays_unknown():
    assert exercise(squares).diagnose(lambda a, b: (a.sin() * b).sum() + len(a)).name == UNKNOWN


def test_two_equal_numbers_give_no_factor():
    """Where the definition is 0.3 in each case, anything constant would be a factor of it."""
    odd = exercise(
        lambda d: 0.3, cases={"one": lambda: (np.ones(3),), "two": lambda: (np.zeros(5),)}, mistakes=[]
    )
    assert odd.diagnose(lambda d: 0.1 if len(d) == 3 else 0.11).name == UNKNOWN


def test_a_right_answer_and_a_known_mistake_come_first():
    task = exercise(squares)
    assert task.diagnose(lambda a, b: ((a - 2 * b) ** 2).sum(dim=-1).mean()).status == RIGHT
    assert task.diagnose(lambda a, b: ((a + b) ** 2).sum(1).mean()).name == "both added"
