"""What is damaged, cut, or of another shape is named in one line before it is used; nothing of it runs."""

import json
import os
import pickle
import shutil
import tempfile
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from photo_folders import make_photos

from kdlab.cards import CARD, TEACHERS, read_card
from kdlab.distill import hard_labels
from kdlab.files import check_seal, write_sealed
from kdlab.models import TinyCNN
from kdlab.photos import load_photos
from kdlab.photos.cache import open_cache
from kdlab.photos.checkpoints import load_checkpoint
from kdlab.photos.identity import refuse_another_run
from kdlab.photos.parallel import Process
from kdlab.photos.settings import Recipe
from kdlab.photos.training import fit
from kdlab.photos.views import training_views
from kdlab.teachers import Teacher, open_teacher

RECIPE = Recipe(size=8, epochs=2, batch_size=4, views=2)
MAKE = partial(training_views, size=8, seed=0)
few = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def network(seed=0, width=2):
    torch.manual_seed(seed)
    return TinyCNN(width, num_classes=2, in_chans=3)


def refused(work, *named):
    """The line that ``work`` is refused with; it names these."""
    with pytest.raises((ValueError, OSError)) as caught:
        work()
    line = str(caught.value)
    assert len(line.splitlines()) == 1 and " at 0x" not in line, line
    assert all(str(name) in line for name in named), line
    return line


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return load_photos(make_photos(tmp_path_factory.mktemp("photos"), classes=2, each=4, side=8), size=8)


@pytest.fixture(scope="module")
def kept(photos, tmp_path_factory):
    """A cache and a run, each in its folder."""
    root = tmp_path_factory.mktemp("kept")
    begin(root / "cache", photos).write(teacher(), photos.train, MAKE)
    fit(network(), photos, [hard_labels(photos.train.labels)], root / "run", RECIPE)
    return root


@pytest.fixture
def folder(kept, tmp_path):
    return shutil.copytree(kept, tmp_path / "kept")


def teacher(seed=0):
    return Teacher(network(seed), name="t", num_classes=2, in_chans=3, input_size=8)


def begin(folder, photos, who=None):
    return open_cache(
        folder, who or teacher(), photos.train, MAKE, transform="crop", classes=photos.classes, views=2,
        outputs=("embedding",),
    )  # fmt: skip


def resume(folder, photos, student=None):
    labels = photos.train.labels
    return fit(student or network(), photos, [hard_labels(labels)], folder / "run", RECIPE, resume=True)


# ---- every byte counts


@given(st.binary(max_size=200), st.text(max_size=10), st.data())
@few
def test_any_change_to_a_sealed_file_is_seen(tmp_path, content, key, data):
    path = tmp_path / "file"
    with write_sealed(path, key) as file:
        file.write(content[:7])
        file.write(content[7:])
    check_seal(path, key)
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[place] ^= data.draw(st.integers(1, 255))
    for other in (bytes(changed), whole[:place], whole + b"\0", whole[1:]):
        path.write_bytes(other)
        refused(lambda: check_seal(path, key))
    path.write_bytes(whole)
    refused(lambda: check_seal(path, f"{key}."))


@pytest.mark.parametrize("name", ["logits", "embedding"])
def test_a_flip_of_any_byte_of_a_shard_is_named(folder, photos, name):
    path, rows = folder / "cache" / "00000" / f"{name}.npy", [0, 1]
    whole, cache = path.read_bytes(), begin(folder / "cache", photos)
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :])
        refused(lambda: cache.column(name)[rows, 0], "00000 is damaged", name, "delete it")
    path.write_bytes(whole)
    assert cache.column(name)[rows, 0].isfinite().all()


def test_a_flip_of_any_byte_of_a_checkpoint_is_named(folder, photos):
    path = folder / "run" / "checkpoint.pt"
    whole, run = path.read_bytes(), SimpleNamespace(process=Process())
    for place in range(0, len(whole), 1 + len(whole) // 800):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :])
        refused(lambda: load_checkpoint(run, path.parent), f"{path} is damaged", "delete it")
    for end in range(0, len(whole), 1 + len(whole) // 200):
        path.write_bytes(whole[:end])
        refused(lambda: load_checkpoint(run, path.parent), f"{path} is damaged", "delete it")
    path.write_bytes(whole)
    assert len(resume(folder, photos)) == 2


def test_what_is_damaged_may_be_deleted_and_is_made_again(folder, photos):
    before = begin(folder / "cache", photos).column("logits")[[0, 1], 1]
    shutil.rmtree(folder / "cache" / "00000")
    begin(folder / "cache", photos).write(teacher(), photos.train, MAKE)
    assert torch.equal(begin(folder / "cache", photos).column("logits")[[0, 1], 1], before)
    (folder / "run" / "checkpoint.pt").unlink()
    assert len(resume(folder, photos)) == 2


# ---- another shape


ODD_SHARDS = {
    "nothing": lambda path, values: path.write_bytes(b""),
    "not there": lambda path, values: path.unlink(),
    "a folder": lambda path, values: (path.unlink(), path.mkdir()),
    "as of an earlier version": lambda path, values: np.save(path, values),
    "not a number": lambda path, values: np.save(path, values * np.nan),
    "objects": lambda path, values: np.save(path, np.array([{}]), allow_pickle=True),
    "text": lambda path, values: path.write_text("[1, 2]", encoding="utf-8"),
}
SEALED = {
    "another type": lambda values: values.astype(np.float64),
    "too few": lambda values: values[:-1],
    "another shape": lambda values: values.reshape(-1),
    "objects": lambda values: np.array([Poison()], dtype=object),
}


MARK = Path(tempfile.gettempdir()) / f"kdlab-ran-{os.getpid()}"


class Poison:
    """Whoever unpickles it makes a folder."""

    def __reduce__(self):
        return os.mkdir, (str(MARK),)


@pytest.fixture(autouse=True)
def nothing_ran():
    yield
    assert not MARK.exists()


@pytest.mark.parametrize("kind", [*ODD_SHARDS, *(f"sealed, {kind}" for kind in SEALED)])
def test_a_shard_of_another_shape_is_named(folder, photos, kind):
    cache, path = begin(folder / "cache", photos), folder / "cache" / "00000" / "logits.npy"
    values = np.load(path)
    if kind in ODD_SHARDS:
        ODD_SHARDS[kind](path, values)
    else:
        with write_sealed(path, cache._key(0, "logits")) as file:
            np.save(file, SEALED[kind.removeprefix("sealed, ")](values), allow_pickle=True)
    refused(lambda: cache.column("logits")[[0], 0], "00000 is damaged (logits.npy: ", "delete it")


def test_a_file_where_a_shard_should_be(folder, photos):
    shutil.rmtree(folder / "cache" / "00000")
    (folder / "cache" / "00000").write_text("", encoding="utf-8")
    refused(lambda: begin(folder / "cache", photos).column("logits")[[0], 0], "00000 is damaged")


def test_shards_of_another_teacher_are_not_taken_for_this_ones(folder, photos):
    (folder / "cache" / "header.json").unlink()
    cache = begin(folder / "cache", photos, teacher(seed=1))
    refused(lambda: cache.column("logits")[[0], 0], "00000 is damaged")


@given(JSON)
@few
def test_a_header_that_is_json_of_any_shape(kept, photos, found):
    path = kept / "cache" / "header.json"
    whole = path.read_bytes()
    try:
        path.write_text(json.dumps(found), encoding="utf-8")
        refused(lambda: begin(kept / "cache", photos), kept / "cache")
        path.write_text(json.dumps({**json.loads(whole), "views": found}), encoding="utf-8")
        if found != 2:
            refused(lambda: begin(kept / "cache", photos), "views: stored ", "now 2")
    finally:
        path.write_bytes(whole)


NO_JSON = [b"", b"{", b"\xff\xfe{}", b"[" * 100_000, b"{} {}", b'{"a": ' + b"1" * 5000 + b"}"]


@pytest.mark.parametrize("content", NO_JSON)
def test_files_that_hold_no_json(folder, photos, content):
    cards = copied_teacher(folder)
    for path in (folder / "cache" / "header.json", cards, folder / "identity.json"):
        path.write_bytes(content)
    refused(lambda: begin(folder / "cache", photos), "header.json is damaged", "delete the folder")
    refused(lambda: read_card(cards.with_suffix(".safetensors")), f"the card {cards} is damaged")
    refused(lambda: refuse_another_run(folder, {}), "identity.json is damaged", "delete the folder")


@given(JSON)
@few
def test_an_identity_that_is_json_of_any_shape(kept, found):
    path = kept / "identity.json"
    path.write_text(json.dumps(found), encoding="utf-8")
    if not isinstance(found, dict):
        refused(lambda: refuse_another_run(kept, {"photos": "abc"}), path)
    path.write_text(json.dumps({"photos": "abc", "pairs": found}), encoding="utf-8")
    if type(found) is not int or found < 1:
        refused(lambda: refuse_another_run(kept, {"photos": "abc"}), path, "pairs")
    path.write_text(json.dumps({"photos": found}), encoding="utf-8")
    refused(lambda: refuse_another_run(kept, {"photos": "abc"}), path, "photos: there ", "now abc")


# ---- checkpoints that are whole files, but of something else


def state_of(folder):
    return torch.load(folder / "run" / "checkpoint.pt", weights_only=True)


ODD_STATES = {
    "a list": lambda state: [1, 2],
    "a tensor": lambda state: torch.zeros(3),
    "nothing": lambda state: {},
    "a missing part": lambda state: {k: v for k, v in state.items() if k != "optimiser"},
    "weights by other names": lambda state: {**state, "weights": {"x": torch.zeros(1)}},
    "weights of no shape": lambda state: {**state, "weights": dict.fromkeys(state["weights"], 3)},
    "an optimiser of another kind": lambda state: {**state, "optimiser": {"param_groups": [], "state": {}}},
    "a step beyond the end": lambda state: {**state, "step": 10**9},
    "a step below 0": lambda state: {**state, "step": -1},
    "rows that are missing": lambda state: {**state, "rows": []},
    "sums of another length": lambda state: {**state, "sums": torch.zeros(9)},
    "a step that is text": lambda state: {**state, "step": "3"},
    "a run that is a list": lambda state: {**state, "run": [1]},
    "something that runs": lambda state: {**state, "run": Poison()},
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD_STATES)
def test_a_sealed_checkpoint_of_another_shape_is_named(folder, photos, kind):
    state = ODD_STATES[kind](state_of(folder))
    with write_sealed(folder / "run" / "checkpoint.pt") as file:
        torch.save(state, file)
    refused(lambda: resume(folder, photos), folder / "run" / "checkpoint.pt", "delete it")


ODD_FILES = {
    "nothing": b"", "JSON": b"{}", "a list": pickle.dumps([1]), "a zip cut off": b"PK\x03\x04",
    "something that runs": pickle.dumps(Poison()),
}  # fmt: skip


@pytest.mark.parametrize("content", ODD_FILES.values(), ids=ODD_FILES)
def test_a_file_that_is_no_checkpoint_is_named(folder, photos, content):
    path = folder / "run" / "checkpoint.pt"
    path.write_bytes(content)
    refused(lambda: resume(folder, photos), path, "is damaged", "delete it")


def test_a_checkpoint_of_another_student_is_named(folder, photos):
    refused(
        lambda: resume(folder, photos, network(width=3)), "checkpoint.pt does not fit this run", "delete it"
    )


# ---- teachers of others


def copied_teacher(folder):
    for suffix in (".safetensors", ".json"):
        shutil.copy(TEACHERS / f"digits-small{suffix}", folder / f"mine{suffix}")
    return folder / "mine.json"


@given(st.sampled_from([*CARD, "in_chans", "input_size"]), JSON)
@few
def test_a_card_with_a_value_of_any_shape(tmp_path, key, value):
    path = copied_teacher(tmp_path)
    card = json.loads(path.read_text(encoding="utf-8"))
    if value == card[key] or key == "command" or (value is None and key not in CARD):
        return
    path.write_text(json.dumps({**card, key: value}), encoding="utf-8")
    if (key, value) != ("options", {}):
        refused(lambda: open_teacher(path.with_suffix(".safetensors")), tmp_path / "mine")


def test_folders_of_teachers_that_are_none(tmp_path):
    name = f"local-dir:{tmp_path}"
    refused(lambda: open_teacher(name), tmp_path, "no config.json")
    config = tmp_path / "config.json"
    for found in (
        [],
        3,
        {},
        {"architecture": 3},
        {"architecture": "nothing"},
        {"create_student": {"name": "mlp"}},
    ):
        config.write_text(json.dumps(found), encoding="utf-8")
        refused(lambda: open_teacher(name), tmp_path)
    config.write_text(json.dumps({"architecture": "test_resnet", "num_classes": 3}), encoding="utf-8")
    refused(lambda: open_teacher(name), tmp_path)
    for weights in (b"", b"nothing", pickle.dumps(Poison())):
        for file in ("model.safetensors", "pytorch_model.bin"):
            (tmp_path / file).write_bytes(weights)
            refused(lambda: open_teacher(name), tmp_path)
            (tmp_path / file).unlink()
