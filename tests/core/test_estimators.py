"""Whatever of scikit-learn's was fitted can teach, from the table that people have; what cannot is named."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from torch import nn

from kdlab import metrics
from kdlab.distill import distill, hard_labels, soft_targets, values
from kdlab.losses import soft_target_loss
from kdlab.metrics import predict

N = 60


@pytest.fixture(scope="module")
def frame():
    """Numbers with gaps, and categories."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"age": random.normal(40, 10, N), "income": random.normal(3, 1, N)})
    frame.loc[::7, "income"] = np.nan
    frame["city"] = pd.Categorical(random.choice(["Bern", "Oslo", "Rome"], N))
    return frame


@pytest.fixture(scope="module")
def kinds(frame):
    return np.where(frame.age > 45, "old", np.where(frame.city == "Oslo", "north", "south"))


def encoder():
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    return make_column_transformer(
        (numbers, ["age", "income"]), (OneHotEncoder(), ["city"]), sparse_threshold=0
    )


def boosted(kind=HistGradientBoostingClassifier):
    return kind(categorical_features="from_dtype", max_iter=5, min_samples_leaf=5)


@pytest.mark.parametrize(
    "make",
    [
        boosted,
        lambda: make_pipeline(encoder(), LogisticRegression()),
        lambda: CalibratedClassifierCV(make_pipeline(encoder(), LinearSVC()), cv=3),
        lambda: GridSearchCV(
            make_pipeline(encoder(), RandomForestClassifier(5)), {"randomforestclassifier__max_depth": [2, 3]}
        ),
        lambda: VotingClassifier([("a", boosted()), ("b", boosted())], voting="soft"),
    ],
)
def test_a_frame_with_gaps_and_categories_is_asked_as_it_is_and_a_network_learns_it(frame, kinds, make):
    teacher = make().fit(frame, kinds)
    answers = predict(teacher, frame)
    expected = torch.tensor(teacher.predict_proba(frame), dtype=torch.float32)
    torch.testing.assert_close(answers.softmax(1), expected, atol=1e-4, rtol=0)
    inputs = encoder().fit_transform(frame)  # double precision, of NumPy's
    student = nn.Linear(inputs.shape[1], 3)
    labels = hard_labels(np.searchsorted(teacher.classes_, kinds))
    history = distill(student, inputs, [labels, soft_targets(answers, temperature=1)], steps=3)
    assert history["total"].isfinite().all()


def test_two_classes_and_a_student_with_one_logit_or_two(frame, kinds):
    inputs, old = torch.tensor(encoder().fit_transform(frame), dtype=torch.float32), kinds == "old"
    teacher = LogisticRegression().fit(inputs.numpy(), old)
    for given in (predict(teacher, inputs), teacher, predict(teacher, inputs)[:, 1:]):
        torch.manual_seed(0)
        student = nn.Linear(inputs.shape[1], 1)
        z = student(inputs)
        one_hot = soft_targets(given, temperature=1)
        history = distill(student, inputs, [one_hot, hard_labels(old.astype(int))], steps=1, batch_size=N)
        if given is teacher or given.shape[1] == 2:
            pairs = torch.cat([torch.zeros_like(z), z], dim=1)
            due = soft_target_loss(pairs, predict(teacher, inputs), temperature=1)
            torch.testing.assert_close(history["soft targets"][0], due)
        due = nn.functional.binary_cross_entropy_with_logits(z[:, 0], torch.tensor(old).float())
        torch.testing.assert_close(history["hard labels"][0], due)
    labels = torch.tensor(old).long()
    pairs = torch.cat([torch.zeros_like(z), z], dim=1)
    for read in (metrics.accuracy, metrics.negative_log_likelihood, metrics.calibration_error):
        assert read(z, labels) == pytest.approx(read(pairs, labels))
    assert metrics.entropy(z) == pytest.approx(metrics.entropy(pairs)) and metrics.agreement(z, pairs) == 100


def test_scores_of_a_classifier_without_probabilities(frame, kinds):
    inputs = encoder().fit_transform(frame)
    two, three = LinearSVC().fit(inputs, kinds == "old"), LinearSVC().fit(inputs, kinds)
    scores = torch.tensor(two.decision_function(inputs), dtype=torch.float32)
    torch.testing.assert_close(predict(two, inputs), torch.stack([0 * scores, scores], dim=1))
    assert predict(three, inputs).shape == (N, 3)
    assert predict(three, pd.DataFrame(inputs).to_numpy()).argmax(1).tolist() == [
        [*three.classes_].index(kind) for kind in three.predict(inputs)
    ]


@pytest.mark.parametrize(
    "make",
    [lambda: boosted(HistGradientBoostingRegressor), lambda: make_pipeline(encoder(), LinearRegression())],
)
@pytest.mark.parametrize("columns", [1, 2])
def test_a_regressor_teaches_numbers(frame, make, columns):
    numbers = np.stack([frame.age / 10 - 4, frame.age > 40], axis=1)[:, :columns].astype(float)
    if columns == 2:
        teacher = make_pipeline(encoder(), RandomForestRegressor(5)).fit(frame, numbers)
    else:
        teacher = make().fit(frame, numbers[:, 0])
    answers = predict(teacher, frame)
    assert answers.shape == (N, columns) and answers.dtype == torch.float32
    inputs = torch.tensor(encoder().fit_transform(frame), dtype=torch.float32)
    for target in (answers, *([answers[:, 0], numbers[:, 0]] if columns == 1 else [])):
        torch.manual_seed(0)
        student = nn.Linear(inputs.shape[1], columns)
        z = student(inputs)
        history = distill(student, inputs, [values(target)], steps=1, batch_size=N)
        due = (z - torch.as_tensor(target, dtype=torch.float32).view(N, -1)).square().mean()
        torch.testing.assert_close(history["values"][0], due)


def test_a_regressor_is_asked_about_each_batch(frame):
    inputs = torch.tensor(encoder().fit_transform(frame), dtype=torch.float32)
    teacher = LinearRegression().fit(inputs.numpy(), frame.age / 10 - 4)
    weights = []
    for target in (teacher, predict(teacher, inputs)):
        torch.manual_seed(0)
        student = nn.Linear(inputs.shape[1], 1)
        distill(student, inputs, [values(target)], steps=5)
        weights.append(student.weight)
    torch.testing.assert_close(*weights)


@pytest.mark.parametrize(
    "teacher, table, error, message",
    [
        (lambda f, k: boosted().fit(f[["age", "income"]], k), lambda f: f[["income", "age"]], ValueError,
         "does not answer to DataFrame (60, 2): The feature names should match"),
        (lambda f, k: boosted().fit(f, k), lambda f: f[["age"]], ValueError, "to DataFrame (60, 1): "),
        (lambda f, k: boosted(), lambda f: f, ValueError, "is not fitted yet"),
        (lambda f, k: make_pipeline(encoder(), LogisticRegression()).fit(f, k), lambda f: torch.zeros(5, 3),
         ValueError, "Pipeline does not answer to Tensor (5, 3): "),
        (lambda f, k: VotingClassifier([("a", boosted())]).fit(f, k), lambda f: f, TypeError,
         "VotingClassifier gives classes only, neither probabilities nor scores: take hard_labels of them"),
        (lambda f, k: MultiOutputClassifier(LogisticRegression()).fit(f[["age"]], np.stack([k, k], 1)),
         lambda f: f[["age"]], ValueError, "has 2 outputs a row, each with its classes"),
        (lambda f, k: boosted().fit(f, k), lambda f: f[:0], ValueError, "there are no inputs to ask about"),
    ],
)  # fmt: skip
def test_a_teacher_that_cannot_answer_is_one_line(frame, kinds, teacher, table, error, message):
    with pytest.raises(error, match=re.escape(message)) as caught:
        predict(teacher(frame, kinds), table(frame))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "inputs, match, error, message",
    [
        (lambda f: f, lambda k: hard_labels(torch.zeros(N, dtype=torch.int64)), ValueError,
         "inputs are a DataFrame (60, 3): a student takes numbers in an array or a tensor"),
        (lambda f: OneHotEncoder().fit_transform(f[["city"]]), lambda k: hard_labels([0, 1] * 30), ValueError,
         "sparse_threshold=0"),
        (lambda f: f[["age", "income"]].to_numpy(), lambda k: hard_labels([0, 1] * 30), ValueError,
         "inputs: 9 of 60 rows are not finite"),
        (lambda f: f[["age"]].to_numpy(), lambda k: hard_labels(k), TypeError,
         "among them: give each one's place in the teacher's classes_"),
        (lambda f: f[["age"]].to_numpy(), lambda k: hard_labels(pd.Series(k)), TypeError, "classes_"),
        (lambda f: f[["age"]].to_numpy(), lambda k: hard_labels([3] * N), ValueError,
         "labels run from 3 to 3, the student has 2 classes"),
        (lambda f: f[["age"]].to_numpy(), lambda k: soft_targets(torch.zeros(N, 3)),
         ValueError, "differ in classes"),
        (lambda f: f[["age"]].to_numpy(), lambda k: values(torch.zeros(N, 3)), ValueError, "(1, 1) and"),
    ],
)  # fmt: skip
def test_what_a_student_cannot_learn_from_is_named_before_training(
    frame, kinds, inputs, match, error, message
):
    rows = inputs(frame)
    with pytest.raises(error, match=re.escape(message)) as caught:
        distill(nn.Linear(rows.shape[1], 1), rows, [match(kinds)])
    assert "\n" not in str(caught.value)


def test_the_page_on_tables_does_what_it_says(frame, kinds):
    page = (Path(__file__).parents[2] / "docs" / "tables.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.S)
    space = {"frame": frame, "labels": kinds, "teacher": boosted().fit(frame, kinds)}
    exec(code.replace("\ndistill(", "\ncurves = distill("), space)
    assert space["curves"]["total"].isfinite().all() and space["inputs"].shape == (N, 6)
