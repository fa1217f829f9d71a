import json
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from killing import at, killed
from photo_folders import make_photos

from kdlab.losses import soft_target_loss
from kdlab.losses.top import keep_top, read_top
from kdlab.photos import cache as room
from kdlab.photos import load_photos
from kdlab.photos.cache import open_cache
from kdlab.photos.views import training_views
from kdlab.teachers import Teacher

MAKE = partial(training_views, size=32, seed=0)


def teacher(seed=0, classes=3):
    torch.manual_seed(seed)
    network = timm.create_model("test_resnet", num_classes=classes)
    return Teacher(network, name="t", num_classes=classes, in_chans=3, input_size=32)


@pytest.fixture(scope="module")
def part(tmp_path_factory):
    return load_photos(make_photos(tmp_path_factory.mktemp("photos")), size=32).train


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(room, "SHARD_BYTES", 100)  # of three fp16 logits and two views: 8 images


def begin(folder, part, who=None, **options):
    options = {"transform": "crop, seed 0", "classes": "abc", "views": 2, **options}
    return open_cache(folder, who or teacher(), part, MAKE, **options)


def test_stored_answers_are_the_teachers_to_half_precision(tmp_path, part, small_shards):
    cache = begin(tmp_path, part, outputs=("embedding", 3))
    cache.write(teacher(), part, MAKE)
    images = [20, 3, 11]
    fresh = teacher().outputs(MAKE(part, images, 1).float() / 255, (3,))
    for name, values in (("logits", fresh.logits), ("embedding", fresh.embedding), (3, fresh.features[3])):
        column = cache.column(name)
        assert column.shape == (24, *values.shape[1:]) and column.ndim == values.ndim
        torch.testing.assert_close(column[images, 1], values, rtol=1e-3, atol=1e-3)
    assert not torch.equal(cache.column("logits")[images, 0], cache.column("logits")[images, 1])
    assert cache.verify(teacher(), part, MAKE) < 1e-2
    assert cache.bytes == sum(np.load(path).nbytes for path in tmp_path.rglob("*.npy"))


def test_a_second_opening_asks_nothing(tmp_path, part, small_shards, monkeypatch):
    cache = begin(tmp_path, part)
    cache.write(teacher(), part, MAKE)
    assert cache.answered == 48 and cache.break_even(0.0) == pytest.approx(2)
    again = begin(tmp_path, part)
    again.write(None, part, None)
    assert again.answered == 0 and again.break_even(0.0) is None
    assert torch.equal(again.column("logits")[range(24), 1], cache.column("logits")[range(24), 1])


def test_ranks_write_disjoint_shards_that_make_one_cache(tmp_path, part, small_shards):
    whole, first, second = (
        begin(tmp_path / "1", part),
        begin(tmp_path / "2", part),
        begin(tmp_path / "2", part),
    )
    whole.write(teacher(), part, MAKE)
    first.write(teacher(), part, MAKE, rank=0, world=2)
    assert len(second.missing()) == 1
    second.write(teacher(), part, MAKE, rank=0, world=1)
    assert torch.equal(first.column("logits")[range(24), 1], whole.column("logits")[range(24), 1])


OTHERS = [
    ({"who": teacher(seed=1)}, "weights: stored [0-9a-f]{16}, now [0-9a-f]{16}"),
    ({"transform": "crop, seed 1"}, "transform: stored crop, seed 0, now crop, seed 1"),
    ({"classes": "abd"}, "classes: stored 3, .* now 3, "),
    ({"views": 3}, "views: stored 2, now 3"),
    ({"outputs": ("embedding",)}, "outputs: stored .* now .*embedding"),
]


@pytest.mark.parametrize("changed, message", OTHERS)
def test_a_cache_of_something_else_is_refused_naming_both(tmp_path, part, changed, message):
    begin(tmp_path, part)
    with pytest.raises(ValueError, match=f"does not fit this run; {message}"):
        begin(tmp_path, part, **changed)


def test_other_photos_and_other_versions_are_refused(tmp_path, part):
    begin(tmp_path / "cache", part)
    fewer = load_photos(make_photos(tmp_path / "photos", each=9), size=32).train
    with pytest.raises(ValueError, match="photos: stored 24 images, .* now 21 images"):
        begin(tmp_path / "cache", fewer)
    header = json.loads((tmp_path / "cache" / "header.json").read_text(encoding="utf-8"))
    header["versions"]["torch"] = "1.0"
    (tmp_path / "cache" / "header.json").write_text(json.dumps(header), encoding="utf-8")
    with pytest.raises(ValueError, match="versions: stored {'torch': '1.0'"):
        begin(tmp_path / "cache", part)


def test_verify_finds_answers_that_are_not_the_teachers(tmp_path, part):
    cache = begin(tmp_path, part)
    cache.write(teacher(seed=1), part, MAKE)
    with pytest.raises(ValueError, match="stored and fresh answers of teacher 't' differ by up to"):
        cache.verify(teacher(), part, MAKE)


def test_a_damaged_shard_is_named(tmp_path, part):
    cache = begin(tmp_path, part)
    cache.write(teacher(), part, MAKE)
    (tmp_path / "00000" / "logits.npy").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="00000 is damaged .*: delete it"):
        begin(tmp_path, part).column("logits")[[0], 0]


def test_logits_beyond_half_precision_are_refused(tmp_path, part):
    huge = teacher()
    huge.network.fc.weight.mul_(1e7)
    with pytest.raises(ValueError, match="logits does not fit half precision"):
        begin(tmp_path, part, huge).write(huge, part, MAKE)


def test_above_a_thousand_classes_the_largest_and_the_rest_are_kept(tmp_path, part, monkeypatch):
    many = teacher(classes=1200)
    many.network.fc.weight.mul_(30)
    cache = begin(tmp_path, part, many)
    cache.write(many, part, MAKE)
    fresh = many(MAKE(part, range(4), 0).float() / 255)
    read = cache.column("logits")[range(4), 0]
    assert read.shape == (4, 1200) and cache.bytes < 24 * 2 * 1200
    torch.testing.assert_close(read.logsumexp(1), fresh.logsumexp(1), rtol=1e-3, atol=1e-2)
    named = fresh.gather(1, read.argmax(1, keepdim=True))[:, 0]
    torch.testing.assert_close(named, fresh.amax(1), rtol=1e-3, atol=1e-3)  # or one that is as large
    assert cache.verify(many, part, MAKE) < 0.05


def test_kept_probabilities_are_exact_and_the_loss_is_near():
    random = torch.Generator().manual_seed(0)
    logits, student = 3 * torch.randn(8, 5000, generator=random), torch.randn(8, 5000, generator=random)
    read = read_top(*keep_top(logits, 64), 5000)
    top = logits.topk(64).indices
    torch.testing.assert_close(read.softmax(1).gather(1, top), logits.softmax(1).gather(1, top))
    exact, near = (soft_target_loss(student, t, temperature=1.0) for t in (logits, read))
    assert abs(near - exact) < 0.2 * exact


PLACES = {
    "asking": (2, lambda die: setattr(room, "answers_of", at(4, die, room.answers_of))),
    "first file": (0, lambda die: setattr(os, "fsync", at(0, die, os.fsync))),
    "later file": (1, lambda die: setattr(os, "fsync", at(3, die, os.fsync))),
    "before a shard's rename": (1, lambda die: setattr(Path, "rename", at(1, die, Path.rename))),
    "after a shard's rename": (2, lambda die: setattr(Path, "rename", at(1, die, Path.rename, after=True))),
}


@pytest.mark.parametrize("place", PLACES)
def test_killed_while_it_is_written_it_goes_on_from_the_last_whole_shard(tmp_path, part, small_shards, place):
    whole, break_in = PLACES[place]

    def work(die):
        cache = begin(tmp_path / "cache", part)
        break_in(die)
        cache.write(teacher(), part, MAKE)

    assert killed(work)
    cache = begin(tmp_path / "cache", part)
    assert len(cache.missing()) == 3 - whole
    cache.write(teacher(), part, MAKE)
    straight = begin(tmp_path / "straight", part)
    straight.write(teacher(), part, MAKE)
    for view in range(2):
        ours, theirs = (c.column("logits")[range(24), view] for c in (cache, straight))
        assert torch.equal(ours, theirs)
    assert not [*tmp_path.rglob("*.part")]


def test_killed_while_the_header_is_written_it_starts_anew(tmp_path, part):
    def work(die):
        os.replace = at(0, die, os.replace)
        begin(tmp_path, part)

    assert killed(work)
    assert not (tmp_path / "header.json").exists() and begin(tmp_path, part).missing() == [0]
