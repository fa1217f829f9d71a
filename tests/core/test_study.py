"""Statistics on known cases, and what keeps a comparison paired and honest."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from kdlab import data, study
from kdlab.distill import hard_labels
from kdlab.models import MLP
from kdlab.study import Result, compare


def small(seed):
    return data.digits(20, seed=seed)


def true_labels(splits):
    return splits.labelled.images, [hard_labels(splits.labelled.labels)]


def wrong_labels(splits):
    return splits.labelled.images, [hard_labels((splits.labelled.labels + 1) % 10)]


def run(arms, **options):
    # In one process, since some arms here count their calls; test_workers.py has the others.
    options = {
        "baseline": next(iter(arms)),
        "seeds": 2,
        "steps": 3,
        "progress": False,
        "workers": 1,
        **options,
    }
    return compare(arms, data=small, student=lambda: MLP(8), **options)


def result(**scores):
    return Result("base", scores)


def test_an_arm_identical_to_its_baseline_is_open():
    same = run({"labels": true_labels, "again": true_labels}, seeds=3)
    assert same.differences("again") == [0, 0, 0]
    assert same.verdict("again") == "open"
    assert "no width is no certainty" in same.sentence("again")


def test_another_metric_states_its_margin_before_any_training():
    def fail(seed):
        raise AssertionError("data was made")

    for options in ({"metric": "loss"}, {"margin": 0.0}):
        with pytest.raises(ValueError, match="margin"):
            compare({"a": true_labels}, data=fail, student=lambda: MLP(8), baseline="a", **options)


def test_table_and_sentence():
    r = result(base=[50.0, 60.0, 70.0], arm=[55.0, 64.0, 76.0])
    assert r.table().loc["arm"].to_dict() == {
        "accuracy, %": 65.0, "difference": 5.0, "from": 2.5, "to": 7.5,
        "better in": "3 of 3", "verdict": "helps",
    }  # fmt: skip
    said = "arm: helps (+5.0 points, 95 % interval +2.5 to +7.5, better in 3 of 3 seeds)"
    assert r.sentence("arm") == said


def test_arms_share_data_initial_weights_and_order(monkeypatch):
    calls = []

    def spy(student, images, match, *, steps=0, seed=0):
        options = {"seed": seed}
        calls.append((student.head.weight.clone(), images, options["seed"]))

    monkeypatch.setattr(study, "distill", spy)
    run({"a": true_labels, "b": wrong_labels})
    (first, second), (other, _) = calls[:2], calls[2:]
    assert torch.equal(first[0], second[0]) and first[1] is second[1] and first[2] == second[2] == 0
    assert not torch.equal(first[0], other[0]) and other[2] == 1


def test_a_study_repeats_exactly():
    arms = {"a": true_labels, "b": wrong_labels}
    assert run(arms).scores == run(arms).scores


def shown(seed):
    """Digits whose label is one bright pixel: from zero weights, a step the right way reads them all."""
    parts = [replace(part, images=torch.zeros_like(part.images)) for part in small(seed)]
    for part in parts:
        part.images.flatten(1).scatter_(1, part.labels[:, None], 1.0)
    return data.Splits(*parts)


def blank():
    """A student without an opinion, with a convex loss."""
    student = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(1024, 10))
    for weights in student.parameters():
        torch.nn.init.zeros_(weights)
    return student


def test_choice_uses_validation_and_tests_only_what_it_chose():
    tested = []

    def score(student, splits):
        tested.append(student)
        return study._test_accuracy(student, splits)

    choice = {"wrong": wrong_labels, "true": true_labels}
    arms = {"labels": true_labels, "chosen": choice}
    r = compare(arms, data=shown, student=blank, baseline="labels", seeds=2, steps=1, batch_size=20,
                score=score, progress=False, workers=1)  # fmt: skip
    assert r.chosen["chosen"] == ["true", "true"]
    assert r.scores["chosen"] == [100, 100]
    assert len(tested) == 4  # two seeds, two arms: the two that lost were never tested
    assert r.differences("chosen") == [0, 0]


def test_choice_never_reads_the_test_part():
    class Untouchable:
        def __getattr__(self, name):
            raise AssertionError("the test part was read")

    def splits(seed):
        return small(seed)._replace(test=Untouchable())

    choice = {"wrong": wrong_labels, "true": true_labels}
    arms = {"labels": true_labels, "chosen": choice}
    compare(arms, data=splits, student=lambda: MLP(8), baseline="labels", seeds=1, steps=2,
            score=lambda student, splits: 0.0, progress=False)  # fmt: skip


def test_an_interrupt_keeps_the_finished_seeds():
    def stop_at_two(splits):
        if calls.append(1) or len(calls) > 2:
            raise KeyboardInterrupt
        return true_labels(splits)

    calls = []
    r = run({"labels": true_labels, "stops": stop_at_two}, seeds=5)
    assert r.seeds == 2 and len(r.scores["stops"]) == 2
    assert "interrupted: 2 of 5 seeds are finished and kept" in str(r)


def test_an_interrupt_before_the_first_seed_is_an_interrupt():
    def stop(splits):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run({"labels": stop})


def test_an_error_carries_the_finished_seeds():
    def fails_later(splits):
        if calls.append(1) or len(calls) > 1:
            raise RuntimeError("disk full")
        return true_labels(splits)

    calls = []
    with pytest.raises(RuntimeError, match="disk full") as caught:
        run({"labels": true_labels, "fails": fails_later}, seeds=3)
    assert caught.value.finished.seeds == 1


@pytest.mark.parametrize(
    "options, message",
    [
        ({"seeds": 0}, "no seeds leave nothing to compare"),
        ({"seeds": -3}, "no seeds leave nothing to compare"),
        ({"seeds": []}, "no seeds leave nothing to compare"),
        ({"seeds": [1, 1]}, "2 seeds are given, 1 of them different"),
        ({"baseline": "label"}, "the baseline 'label' is not an arm; there are 'labels'"),
    ],
)
def test_bad_input_before_any_training(monkeypatch, options, message):
    monkeypatch.setattr(study, "_one_seed", None)
    with pytest.raises(ValueError, match=message):
        run({"labels": true_labels}, **options)


def test_an_arm_without_candidates():
    with pytest.raises(ValueError, match="the arm 'none' has no candidates"):
        run({"labels": true_labels, "none": {}})


def test_a_misspelt_option_ends_before_the_data_is_made():
    with pytest.raises(TypeError, match="step"):
        compare({"a": true_labels}, data=None, student=None, baseline="a", step=5)


def test_a_bad_arm_is_found_before_the_first_student_is_trained(monkeypatch):
    trained = []
    monkeypatch.setattr(study, "distill", lambda *_, **__: trained.append(1))

    def bad(splits):
        return splits.labelled.images, [hard_labels(splits.labelled.labels + 1)]

    with pytest.raises(ValueError, match="labels run from 1 to 10"):
        run({"labels": true_labels, "bad": bad})
    assert trained == []


def test_identical_arms_stay_identical_with_dropout():
    def dropping():
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(), torch.nn.Linear(1024, 10))

    same = compare({"a": true_labels, "b": true_labels}, data=small, student=dropping, baseline="a",
                   seeds=3, steps=20, progress=False)  # fmt: skip
    assert same.differences("b") == [0, 0, 0]


def test_the_callers_random_state_is_left_alone():
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    run({"a": true_labels})
    assert torch.equal(torch.rand(1), expected)


def test_a_score_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="the score of 'a' at seed 0 is nan"):
        run({"a": true_labels}, score=lambda *_: float("nan"))


def test_numpy_counts_as_a_number_of_seeds():
    assert run({"a": true_labels}, seeds=np.int64(2)).seeds == 2


def test_unknown_arm_lists_those_there_are():
    with pytest.raises(ValueError, match="no arm is called 'x'; there are base, arm"):
        result(base=[1.0], arm=[2.0]).sentence("x")
