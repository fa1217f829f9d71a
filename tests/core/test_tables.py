"""Payments and their true probability, made-up rows, rare scores, stacked students, a tree as code."""

import re

import numpy as np
import pytest
import torch
from sklearn import metrics as reference
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from torch import nn

from kdlab import metrics
from kdlab.compress import tree_as_python
from kdlab.data import made_up, tables
from kdlab.distill import Term, distill, features, hard_labels, soft_targets
from kdlab.losses import hint_loss
from kdlab.models import create_student
from kdlab.models.tables import PaymentEncoder, PaymentNetwork, from_payment, in_plain_python
from kdlab.stacked import distill_stacked
from kdlab.study import compare
from kdlab.teachers.tables import encoded

WORLDS = [{}, {"new_pattern": True}, {"drift": 1.0}]


@pytest.fixture(scope="module")
def part():
    return tables.payments(20_000, 3)


# ---- the world


@pytest.mark.parametrize("world", WORLDS)
def test_the_probability_is_that_of_the_labels(world):
    part = tables.payments(40_000, 1, **world)
    for low, high in ((0.0, 0.01), (0.01, 0.1), (0.1, 0.5), (0.5, 1.0)):
        some = (part.probability >= low) & (part.probability <= high)
        p, y = part.probability[some], part.labels[some].double()
        assert len(p) > 50 and abs(y.mean() - p.mean()) < 5 * (p * (1 - p)).sum().sqrt() / len(p)


def test_the_density_of_a_kind_integrates_to_one_over_a_column():
    rows = torch.tensor([3.0, 3.2, 14, 14, 1.2, 0, 1, 0, 0, 6.5, 0, 6.5]).repeat(48_001, 1).double()
    rows[:, 2] = torch.linspace(0, 24, 48_001)
    for kind in tables.kinds(new_pattern=True).values():
        moved = rows.clone()
        moved[:, 2] = 14
        hours = (tables._log_density(kind, rows) - tables._log_density(kind, moved)).exp()
        peak = sum(np.exp(-(((24 * day) / kind.hours) ** 2) / 2) for day in range(-3, 4))
        density = hours * peak / (kind.hours * np.sqrt(2 * np.pi))
        assert torch.trapezoid(density, rows[:, 2]).item() == pytest.approx(1, abs=1e-3)


def test_a_seed_is_a_draw_and_the_world_changes_the_answer(part):
    again = tables.payments(20_000, 3)
    assert all(torch.equal(a, b) for a, b in zip(part, again))
    assert not torch.equal(part.inputs, tables.payments(20_000, 4).inputs)
    few = part.inputs[:50]
    both = tables.fraud_probability(few), tables.fraud_probability(few, new_pattern=True)
    assert (both[1] >= both[0] * 0.99).all() and (both[1] > both[0]).any()
    assert part.take(slice(3)).inputs.shape == (3, len(tables.COLUMNS))
    assert [*tables.kinds(new_pattern=True)][-1] == tables.NEW_PATTERN


def test_bad_payments_are_named():
    with pytest.raises(ValueError, match="at least 1 payment is needed, got 0"):
        tables.payments(0, 0)
    with pytest.raises(ValueError, match=r"payments \(2, 3\) must be \(N, 12\): log amount"):
        tables.fraud_probability(torch.zeros(2, 3))


def test_a_payment_is_encoded_alone_and_midnight_has_no_edge(part):
    encode, rows = PaymentEncoder(), part.inputs[:5]
    torch.testing.assert_close(encode(rows)[2:3], encode(rows[2:3]))
    before, after = rows[:1].clone(), rows[:1].clone()
    before[:, 2], after[:, 2] = 24.0, 0.0
    torch.testing.assert_close(encode(before), encode(after), atol=1e-5, rtol=0)
    assert encode(rows)[:, -len(tables.CATEGORIES) :].argmax(1).tolist() == rows[:, tables.CATEGORY].tolist()
    np.testing.assert_allclose(encoded(rows.numpy()), encode(rows))
    student = create_student("payment_network", hidden=3)
    torch.testing.assert_close(from_payment(student)(rows), student(encode(rows)))
    assert student.get_classifier() is student.head
    plain = [in_plain_python(student)(row) for row in rows.tolist()]
    np.testing.assert_allclose(plain, student(encode(rows))[:, 0].detach(), rtol=1e-4, atol=1e-4)


# ---- made-up rows


def columns_apart(rows, count, *, nominal, seed):
    return made_up.columns_apart(rows, count, seed=seed)


@pytest.mark.parametrize("make", [made_up.noisy_rows, made_up.uniform_rows, made_up.munge, columns_apart])
def test_nominal_values_are_real_ones_and_a_seed_is_a_draw(part, make):
    rows = part.inputs[:200]
    made = make(rows, 500, nominal=tables.NOMINAL, seed=1)
    assert made.shape == (500, 12) and made.isfinite().all()
    for column in tables.NOMINAL:
        assert set(made[:, column].tolist()) <= set(rows[:, column].tolist())
    assert torch.equal(made, make(rows, 500, nominal=tables.NOMINAL, seed=1))
    assert not torch.equal(made, make(rows, 500, nominal=tables.NOMINAL, seed=2))
    assert ((0 <= tables.fraud_probability(tables.as_payments(made))) & made.isfinite().all()).all()


def test_munge_by_its_limits(part):
    rows = part.inputs[:100]
    assert torch.equal(made_up.munge(rows, 100, nominal=tables.NOMINAL, p=0), rows)
    near = made_up.nearest_row(rows, tables.NOMINAL)
    assert (near != torch.arange(100)).all()
    neighbours = made_up.munge(rows, 100, nominal=tables.NOMINAL, p=1, s=1e9)
    torch.testing.assert_close(neighbours, rows[near], atol=1e-4, rtol=1e-4)
    values = torch.tensor([[0.0, 0], [2, 0]])
    made = made_up.munge(values, 20_000, nominal=[1], p=1, s=4)
    ours = made[::2, 0]  # of the first row: the neighbour's 2, and a quarter of the difference 2
    assert ours.mean().item() == pytest.approx(2, abs=0.03) and ours.std().item() == pytest.approx(
        0.5, abs=0.03
    )


def test_columns_apart_keep_what_is_in_a_column_and_lose_what_goes_together(part):
    made = made_up.columns_apart(part.inputs, 20_000)
    torch.testing.assert_close(made.mean(0), part.inputs.mean(0), atol=0.1, rtol=0)
    together = [np.corrcoef(rows[:, 0], rows[:, 1])[0, 1] for rows in (part.inputs, made)]
    assert together[0] > 0.5 and abs(together[1]) < 0.05


@pytest.mark.parametrize("options, message", [({"p": 1.5}, "p = 1.5"), ({"s": 0}, "s = 0"), ({}, "got 1")])
def test_munge_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        made_up.munge(torch.zeros(2 if options else 1, 3), 5, **options)


# ---- scores


def test_scores_are_scikit_learns_on_labels_and_their_means_on_probabilities():
    random = np.random.default_rng(0)
    truth = torch.tensor(random.random(300) ** 3)
    z = torch.tensor(random.normal(size=300) + 2 * truth.numpy()).round(decimals=1)  # with ties
    y = torch.tensor(random.random((400, 300)) < truth.numpy()).long()
    one = y[0]
    assert metrics.average_precision(z, one) == pytest.approx(100 * reference.average_precision_score(one, z))
    assert metrics.brier_score(z, one) == pytest.approx(reference.brier_score_loss(one, z.sigmoid()))
    brier = np.mean([metrics.brier_score(z, labels) for labels in y])
    assert metrics.brier_score(z, truth) == pytest.approx(brier, abs=0.01)
    total = np.mean([metrics.predicted_total(z, labels) for labels in y])
    assert metrics.predicted_total(z, truth) == pytest.approx(total, rel=0.02)
    recall = np.mean([metrics.recall_at_budget(z, labels, share=0.1) for labels in y])
    assert metrics.recall_at_budget(z, truth, share=0.1) == pytest.approx(recall, rel=0.02)
    precision = np.mean([metrics.average_precision(z, labels) for labels in y])
    assert metrics.average_precision(z, truth) == pytest.approx(precision, rel=0.03)


def test_scores_by_hand_and_in_each_form():
    z, y = torch.tensor([3.0, 2, 1, 0, -1]), torch.tensor([1, 0, 1, 0, 0])
    assert metrics.average_precision(z, y) == pytest.approx(100 * (1 / 1 + 2 / 3) / 2)
    assert metrics.recall_at_budget(z, y, share=0.2) == 50 and metrics.recall_at_budget(z, y, share=1) == 100
    assert metrics.recall_at_budget(torch.zeros(5), y, share=0.4) == pytest.approx(
        40
    )  # ties share the budget
    assert metrics.predicted_total(torch.full((5,), 2 / 3).logit(), y) == pytest.approx(5 / 3)
    for score in (metrics.average_precision, metrics.brier_score, metrics.predicted_total):
        both = torch.stack([torch.full((5,), 0.7), z + 0.7], dim=1)
        assert score(z[:, None], y) == pytest.approx(score(z, y)) == pytest.approx(score(both, y))


@pytest.mark.parametrize(
    "z, y, message",
    [
        (torch.zeros(3), torch.zeros(4), r"scores (3,) and truth (4,) must be one a row"),
        (torch.zeros(3, 3), torch.zeros(3), "must be one a row"),
        (torch.tensor([0.0, np.nan]), torch.ones(2), "1 of 2 scores are not finite"),
        (torch.zeros(2), torch.zeros(2), "truth must lie in [0, 1], some of it above 0; it runs from 0 to 0"),
        (torch.zeros(2), torch.tensor([0, 2]), "it runs from 0 to 2"),
    ],
)
def test_scores_that_do_not_fit_are_named(z, y, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        metrics.average_precision(z, y)
    with pytest.raises(ValueError, match="the budget must be a share above 0 and at most 1, got 0"):
        metrics.recall_at_budget(torch.zeros(2), torch.ones(2), share=0)


# ---- stacked students


def tasks(x):
    labels, answers = (
        (x[:, 0] > 0).long(),
        torch.randn(len(x), 2, generator=torch.Generator().manual_seed(2)).double(),
    )
    return [
        (x, [hard_labels(labels)], {"weight_decay": 0.5}),
        (x[:17], [soft_targets(answers[:17], temperature=1)], {}),
        (x, [soft_targets(answers, temperature=3, weight=0.5), hard_labels(labels, weight=0.5)], {}),
        (x, [Term("squared", answers[:, :1], hint_loss)], {"weight_decay": 0.1}),
    ]


def students(count, make=lambda: PaymentNetwork(5)):
    torch.manual_seed(0)
    return [make().double() for _ in range(count)]


def test_stacked_students_are_those_that_are_trained_one_by_one():
    x = torch.randn(40, 21, generator=torch.Generator().manual_seed(1)).double()
    together, alone, training = (
        students(4),
        students(4),
        {"steps": 25, "batch_size": 16, "learning_rate": 0.02},
    )
    distill_stacked(together, tasks(x), seed=3, **training)
    for student, (inputs, terms, options) in zip(alone, tasks(x)):
        distill(student, inputs, terms, seed=3, **training, **options)
    for a, b in zip(together, alone):
        for mine, theirs in zip(a.parameters(), b.parameters()):
            torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-11)
        assert not a.training and mine.requires_grad


def test_compare_stacked_gives_the_scores_of_one_by_one():
    def data(seed):
        random = torch.Generator().manual_seed(seed)
        x = torch.randn(60, 21, generator=random).double()
        return x, tasks(x)

    arms = {f"arm {i}": lambda d, i=i: d[1][i] for i in range(4)}
    results = [
        compare(
            arms, data=data, student=lambda: PaymentNetwork(5).double(), baseline="arm 0", seeds=2, steps=12,
            score=lambda student, d: student(d[0]).mean().item(), metric="mean", margin=1, progress=False,
            workers=1, stacked=stacked,
        )
        for stacked in (False, True)
    ]  # fmt: skip
    for arm in arms:
        assert results[0].scores[arm] == pytest.approx(results[1].scores[arm], rel=1e-7)
    assert isinstance(results[1].students["arm 1"], PaymentNetwork)


NO = torch.zeros(8, dtype=torch.int64)


class Normed(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.head = nn.BatchNorm1d(21), nn.Linear(21, 1)

    def forward(self, x):
        return self.head(self.norm(x))


@pytest.mark.parametrize(
    "make, task, message",
    [
        (Normed, lambda x: (x, [hard_labels(NO)], {}), "BatchNorm1d cannot be trained stacked"),
        (PaymentNetwork, lambda x: ((x,), [hard_labels(NO)], {}), "one tensor, got tuple"),
        (PaymentNetwork, lambda x: (x, [soft_targets(lambda b: b[:, :1])], {}), "soft targets cannot be"),
        (PaymentNetwork, lambda x: (x, [features(torch.zeros(8, 3), "hidden")], {}), "cannot be trained"),
        (PaymentNetwork, lambda x: (x, [hard_labels(NO)], {"steps": 3}), "share their steps"),
    ],
)  # fmt: skip
def test_what_cannot_be_stacked_is_named(make, task, message):
    with pytest.raises(ValueError, match=message):
        distill_stacked([make()], [task(torch.zeros(8, 21))], steps=1)


def test_an_arm_may_train_with_options_of_its_own():
    x = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] > 0).long()
    arms = {
        "free": lambda d: (x, [hard_labels(y)]),
        "held": lambda d: (x, [hard_labels(y)], {"weight_decay": 9.0}),
    }
    result = compare(
        arms, data=lambda seed: None, student=lambda: nn.Linear(4, 2), baseline="free", seeds=1, steps=40,
        score=lambda s, d: s.weight.norm().item(), metric="norm", margin=1, progress=False, workers=1,
    )  # fmt: skip
    assert result.scores["held"][0] < result.scores["free"][0]


# ---- a tree as code


@pytest.mark.parametrize("leaves", [2, 5, 40])
def test_a_tree_as_a_function_answers_as_the_tree(part, leaves):
    rows = part.inputs.numpy()
    tree = DecisionTreeRegressor(max_leaf_nodes=leaves, random_state=0).fit(rows, part.probability.numpy())
    space = {}
    exec(tree_as_python(tree, tables.COLUMNS, name="risk"), space)
    assert [space["risk"](row) for row in rows[:2000].tolist()] == tree.predict(rows[:2000]).tolist()
    short = tree_as_python(tree, tables.COLUMNS, digits=2)
    assert "def answer(row):" in short and not re.search(r"\d\.\d{3}", short)


def test_a_classification_tree_gives_its_last_class():
    x, y = load_iris(return_X_y=True)
    tree, space = DecisionTreeClassifier(max_depth=3, random_state=0).fit(x, y), {}
    exec(tree_as_python(tree, ["a", "b", "c", "petal width (cm)"]), space)
    np.testing.assert_allclose([space["answer"](row) for row in x], tree.predict_proba(x)[:, -1])


@pytest.mark.parametrize(
    "columns, message",
    [
        (["a"], "1 columns are named, the tree has 2"),
        (["a b", "a-b"], "'a b' gives no name of its own"),
        (["class", "b"], "'class' gives no name"),
        (["", "b"], "'' gives no name"),
    ],
)
def test_columns_that_give_no_names(columns, message):
    tree = DecisionTreeRegressor().fit([[0, 1], [1, 0]], [0, 1])
    with pytest.raises(ValueError, match=message):
        tree_as_python(tree, columns)
