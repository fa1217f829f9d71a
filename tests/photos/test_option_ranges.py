"""An option with a value that it does not take is refused in one line, before anything is opened."""

from dataclasses import make_dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdlab.__main__ import main
from kdlab.models import create_student
from kdlab.photos.options import BOUNDS, check_all, checked, option
from kdlab.photos.settings import NAMES, OPTIONS, Recipe
from kdlab.run import run

GIVEN = {"student": "tiny_cnn", "data": "nowhere", "out": "nothing is written here"}
NUMBERS = {name: known for name, known in OPTIONS.items() if known.type in (int, float)}


@pytest.fixture(autouse=True, scope="module")
def elsewhere(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("here"))
        yield


def refused(**options):
    """The line that a run is refused with."""
    with pytest.raises(ValueError) as caught:
        run(**{**GIVEN, "teacher": "nowhere.safetensors", **options})
    assert not Path(GIVEN["out"]).exists()
    line = str(caught.value)
    assert len(line.splitlines()) == 1, line
    return line


def inside(known, value):
    """Whether a number is within an option's bounds, and no larger than a float may be."""
    if not -1.7e308 < value < 1.7e308:
        return False
    return all(
        holds(value, known.metadata[name]) for name, (_, holds) in BOUNDS.items() if name in known.metadata
    )


def test_every_number_has_bounds_and_is_within_them():
    for name, known in NUMBERS.items():
        assert {"least", "above"} & set(known.metadata), name
        assert known.metadata["unset"] is None or inside(known, known.metadata["unset"]), name


@pytest.mark.parametrize("name", NUMBERS)
@given(data=st.data())
def test_a_number_is_taken_within_its_bounds_and_refused_beyond(name, data):
    known = OPTIONS[name]
    value = data.draw(st.integers() | st.just(10**5000) if known.type is int else st.floats() | st.integers())
    if inside(known, value):
        assert checked(known, value) == known.type(value)
    else:
        assert f"{name} must be " in refused(**{name: value})


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize(
    "value", [b"x", [1], {1, 2}, object(), "", "a\0b", 2.5, float("nan"), {"a": object()}]
)
def test_a_value_of_another_type_is_refused(name, value):
    if isinstance(value, float) and OPTIONS[name].type is float:
        value = "2.5"
    if isinstance(value, float) and value == 2.5 and name in NUMBERS:
        assert "whole number" in refused(**{name: value})
    assert name in refused(**{name: value})


@pytest.mark.parametrize("name", NUMBERS)
def test_true_is_no_number_and_numpys_numbers_are(name):
    known = NUMBERS[name]
    with pytest.raises(ValueError, match=f"{name} must be a "):
        checked(known, True)
    limit = known.metadata.get("most", known.metadata["unset"])
    number = checked(known, {int: np.int64, float: np.float64}[known.type](limit))
    assert number == limit and type(number) is known.type


def test_an_option_that_is_added_tomorrow_is_checked():
    ease, more = option(0.5, "of use", above=0, below=1), {"__post_init__": check_all}
    group = make_dataclass("Group", [("ease", float, ease)], frozen=True, namespace=more)
    assert group().ease == 0.5
    for wrong in (0, 1, -1.0, float("nan"), "0.5", None):
        with pytest.raises(ValueError, match="ease must be .*above 0 and below 1, got "):
            group(wrong)


def test_a_recipe_is_checked_without_a_run():
    with pytest.raises(ValueError, match="smoothing must be at least 0 and below 1, got 1"):
        Recipe(size=8, smoothing=1)
    with pytest.raises(ValueError, match="precision is 'auto'; there are float32, bfloat16, float16"):
        Recipe(size=8, precision="auto")


@pytest.mark.parametrize(
    "match, said",
    [
        ({}, "nothing to match"), ({"sofd": 1}, "no term is called 'sofd'"),
        ({"hard": -1}, "the weight of hard"),
        ({"hard": 0.0, "soft": 0}, "all weights are 0"), ({"soft": float("nan")}, "match must be"),
        ({"soft": "1"}, "the weight of soft must be a number"), ({"soft": True}, "the weight of soft"),
        (["hard", "soft"], "match must be a dict"), ("hard=1", "match must be a dict"),
        ({3: 1}, "match must be"),
        ({"soft": 10**400}, "the weight of soft"),
    ],
)  # fmt: skip
def test_weights_that_are_none(match, said):
    assert said in refused(match=match)


@given(st.dictionaries(st.sampled_from(NAMES), st.floats(), min_size=1))
def test_weights_are_finite_at_least_0_and_not_all_0(match):
    good = all(0 <= weight <= 1e12 for weight in match.values()) and any(match.values())
    if good:
        assert checked(OPTIONS["match"], match) == match
    else:
        assert "match" in refused(match=match)


@pytest.mark.parametrize("name", ["cuda:99", "tpu", "meta", "cpu:x", "mps:7", "privateuseone"])
def test_a_device_that_is_not_there(name):
    assert f"there is no device '{name}' here" in refused(device=name)


LINES = [
    "--size 0",
    "--size -3",
    "--seed -1",
    "--seed 99999999999999999999",
    "--view-seed -5",
    "--area 2",
    "--learning-rate inf",
    "--learning-rate 0",
    "--temperature 0",
    "--temperature inf",
    "--weight-decay -1",
    "--learning-rate nan",
    "--share nan",
    "--memory -1",
    "--smoothing 1",
    "--threads -1",
    "--every nan",
    "--epochs 0",
    "--batch-size 0",
    "--views 0",
    "--seeds 0",
    "--margin 0",
    "--device tpu",
    "--flip 1.5",
    "--match hard=-1",
    "--match hard=NaN",
    "--match hard=1 hard=1",
    "--match hard",
    "--match =1",
    "--match sofd=1",
    "--match hard=0 soft=0",
    "--match hard=one",
    "--match hard=1e999",
    "--student-option width",
    "--student-option width=4 width=8",
    "--student-option num_classes=3",
    "--student-option name=mlp",
    "--student-option in_chans=2",
    "--student-option width=NaN",
    "--student-layer ",
]


@pytest.mark.parametrize("line", LINES)
def test_on_the_command_line_it_is_one_line_too(line, capsys):
    flag, _, values = line.partition(" ")
    teacher = ["--teacher", "nowhere.safetensors"]
    command = ["distill", *teacher, *(w for k, v in GIVEN.items() for w in (f"--{k}", v))]
    assert main([*command, flag, *(values.split() or [""])]) == 2
    said = capsys.readouterr().err
    assert said.startswith("kdlab: ") and said.count("\n") == 1
    assert flag[2:].replace("-", "_").removesuffix("_option") in said.replace("no term", "match")
    assert not Path(GIVEN["out"]).exists()


WRONG_STUDENTS = [
    ({"widht": 4}, "has no option 'widht'; did you mean 'width'?"),
    ({"width": -1}, "cannot be made with .*width=-1"),
    ({"width": "x"}, "cannot be made with .*width='x'"), ({"width": 1.5}, "cannot be made with .*width=1.5"),
]  # fmt: skip


@pytest.mark.parametrize("options, said", WRONG_STUDENTS)
def test_an_option_that_the_student_has_not_or_does_not_take(options, said):
    with pytest.raises(ValueError, match=f"model 'tiny_cnn' {said}") as caught:
        create_student("tiny_cnn", **options)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="has no option 'drop_rat'; did you mean 'drop_rate'"):
        create_student("test_resnet", drop_rat=0.1)


STUDENTS = [
    ({"student_options": {"widht": 4}}, "no option 'widht'; did you mean 'width'"),
    ({"student_options": {"width": 0}}, "has no weights in stages.0.0.weight"),
    ({"student": "test_resnet", "student_options": {"drop_rate": 7.0}}, "does not take 32 px: dropout"),
    ({"student": "mlp", "size": 40}, "student 'mlp' does not take 40 px"),
    ({"match": {"hint": 1}, "student_layer": 9}, "student 'tiny_cnn', layer 9, .*there is no layer 9"),
    ({"match": {"attention": 1}, "teacher_layer": "layr1"}, "'digits-small', layer 'layr1', .*did you mean"),
    ({"match": {"hint": 1}, "teacher_layer": 99}, "teacher 'digits-small', layer 99, .*there is no layer 99"),
]  # fmt: skip


@pytest.mark.parametrize("options, said", STUDENTS)
def test_networks_are_tried_before_a_photo_is_read(tmp_path, monkeypatch, options, said):
    monkeypatch.setattr("kdlab.photos.run.load_photos", None)
    given = {**GIVEN, "out": tmp_path, "teacher": "digits-small", "progress": False, **options}
    with pytest.raises(ValueError, match=said) as caught:
        run(**given)
    assert "\n" not in str(caught.value)
