"""Folders as people have them: parts by many names, links, copies, photos in odd places."""

import itertools
import os
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from photo_folders import make_photos

from kdlab.photos import load_photos

TRAIN = [
    "train",
    "Train",
    "TRAIN",
    "training",
    "Training",
    "seg_train",
    "train_set",
    "train-images",
    "xray train",
]
HELD = [
    "val",
    "Val",
    "VALID",
    "validation",
    "Validation",
    "dev",
    "test",
    "Test",
    "testing",
    "seg_test",
    "test_set",
]


def load(folder, **options):
    return load_photos(folder, size=32, threads=1, **options)


@pytest.mark.parametrize(
    ("train", "held"), [*itertools.product(TRAIN, ["val", "Test"]), *itertools.product(["train"], HELD)]
)
def test_parts_are_known_by_many_names(tmp_path, train, held):
    found = load(make_photos(tmp_path, classes=2, each=2, parts=(train, held)))
    assert found.classes == ("class 0", "class 1") and len(found.train) == len(found.validation) == 4
    assert all(name.startswith(f"{train}/") for name in found.train.names)
    assert all(name.startswith(f"{held}/") for name in found.validation.names)


def test_training_alone_is_split(tmp_path):
    found = load(make_photos(tmp_path, classes=2, each=5, parts=("Training",)))
    assert len(found.train) == 8 and len(found.validation) == 2


@pytest.mark.parametrize(
    "parts", [("Val", "Test"), ("testing",), ("train_a", "train_b"), ("train", "training")]
)
def test_what_is_doubtful_is_refused_with_what_was_seen(tmp_path, parts):
    make_photos(tmp_path, classes=2, each=1, parts=parts)
    with pytest.raises(ValueError) as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value) and parts[0] in str(caught.value)


def test_parts_without_class_folders_are_no_classes(tmp_path):
    photos = make_photos(tmp_path / "made", classes=1, each=4)
    for part in ("Train", "Val"):
        shutil.copytree(photos / "class 0", tmp_path / "data" / part)
    with pytest.raises(ValueError, match="holds Train/, Val/: are these parts or classes"):
        load(tmp_path / "data")


def test_a_class_may_be_called_train(tmp_path):
    photos = make_photos(tmp_path, classes=3, each=3)
    for old, new in (("class 0", "bus"), ("class 1", "train"), ("class 2", "tram")):
        (photos / old).rename(photos / new)
    assert load(photos).classes == ("bus", "train", "tram")


def test_a_folder_around_the_folder_is_named(tmp_path):
    make_photos(tmp_path / "data" / "pets", classes=2, each=2)
    with pytest.raises(ValueError, match="did you mean .*pets"):
        load(tmp_path / "data")


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(
        st.sampled_from([*TRAIN, *HELD, "cats", "extra"]), min_size=1, max_size=4, unique_by=str.lower
    )
)
def test_no_part_is_ever_taken_for_a_class(tmp_path_factory, names):
    root = make_photos(tmp_path_factory.mktemp("some"), classes=2, each=2, parts=tuple(names))
    try:
        found = load(root)
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        assert set(found.classes) == {"class 0", "class 1"} or not set(names) & {*TRAIN, *HELD}


# ---- left out, and told


def test_photos_outside_of_class_folders_are_counted_and_named(tmp_path):
    photos = make_photos(tmp_path, classes=2, each=3)
    for name in ("a.jpg", "b.PNG"):
        shutil.copy(photos / "class 0" / "000.jpg", photos / name)
    assert "left out, outside of class folders: 2 photos (a.jpg, b.PNG)" in load(photos).notes


def test_photos_beside_parts_and_classes_are_counted(tmp_path):
    photos = make_photos(tmp_path, classes=2, each=3, parts=("train", "val"))
    for folder in (photos, photos / "train", photos / "val"):
        shutil.copy(photos / "train" / "class 0" / "000.jpg", folder / "stray.jpg")
    assert (
        "left out, outside of class folders: 3 photos (train/stray.jpg, val/stray.jpg, stray.jpg)"
        in load(photos).notes
    )


def test_a_link_to_nothing_is_a_bad_photo(tmp_path):
    photos = make_photos(tmp_path, classes=2, each=3)
    (photos / "class 0" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert [name for name, _ in load(photos).bad] == ["class 0/gone.jpg"]


def test_linked_folders_are_read_and_circles_end(tmp_path):
    photos = make_photos(tmp_path / "photos", classes=2, each=2)
    more = make_photos(tmp_path / "more", classes=1, each=6)
    (photos / "class 0" / "more").symlink_to(more / "class 0", target_is_directory=True)
    (photos / "class 0" / "circle").symlink_to(photos / "class 0", target_is_directory=True)
    found = load(photos)
    names = [*found.train.names, *found.validation.names]
    assert sum("class 0/more/" in name for name in names) == 6 and not any("circle" in name for name in names)


# ---- the same photo twice


def together(found):
    """Contents that are on both sides."""
    sides = [
        {bytes(part.read(i).numpy().tobytes()) for i in range(len(part))}
        for part in (found.train, found.validation)
    ]
    return sides[0] & sides[1]


@pytest.mark.parametrize("seed", range(4))
def test_copies_stay_on_one_side_of_the_split(tmp_path, seed):
    photos = make_photos(tmp_path, classes=2, each=6)
    for k in range(4):
        shutil.copy(photos / "class 0" / f"{k:03}.jpg", photos / "class 0" / f"copy {k}.jpg")
    found = load(photos, seed=seed, share=0.5)
    assert not together(found) and len(found.train) + len(found.validation) == 16
    assert any(note.startswith("the same photo more than once: 4") for note in found.notes)


def test_a_photo_of_validation_is_not_trained_on(tmp_path):
    photos = make_photos(tmp_path, classes=2, each=4, parts=("train", "val"))
    shutil.copy(photos / "val" / "class 1" / "000.jpg", photos / "train" / "class 1" / "copy.jpg")
    found = load(photos)
    assert not together(found) and len(found.train) == 8 and len(found.validation) == 8
    assert "in validation as well, and so not trained on: 1 photos (train/class 1/copy.jpg)" in found.notes


def test_a_photo_under_two_classes_is_told(tmp_path):
    photos = make_photos(tmp_path, classes=2, each=5)
    shutil.copy(photos / "class 0" / "000.jpg", photos / "class 1" / "other name.jpg")
    (note,) = [note for note in load(photos).notes if "two classes" in note]
    assert note.startswith(
        "the same photo under two classes: 1; the first is class 0/000.jpg and class 1/other name.jpg"
    )


def test_a_class_of_copies_alone_is_refused(tmp_path):
    photos = make_photos(tmp_path, classes=1, each=2)
    (photos / "copy").mkdir()
    shutil.copy(photos / "class 0" / "000.jpg", photos / "copy" / "a.jpg")
    for seed in range(8):
        try:
            found = load(photos, seed=seed, share=0.5)
        except ValueError as error:
            assert "no photo of the class 'copy' is left to train on" in str(error)
        else:
            assert set(found.train.labels.tolist()) == {0, 1} and not together(found)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_is_no_photo_and_nobody_waits_for_it(tmp_path):
    photos = make_photos(tmp_path, classes=2, each=2)
    os.mkfifo(photos / "class 0" / "pipe.jpg")
    assert [name for name, _ in load(photos).bad] == ["class 0/pipe.jpg"]
