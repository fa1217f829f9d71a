import pickle
import threading

import numpy as np
import pytest
import torch
from photo_folders import make_photos, stripes
from PIL import Image

from kdlab import hub
from kdlab.photos import load_photos, public_sets
from kdlab.photos.decoding import decode
from kdlab.photos.settings import Recipe
from kdlab.photos.views import central_views, normalise, prefetch, training_views, uniforms


@pytest.fixture
def photos(tmp_path):
    return make_photos(tmp_path / "photos")


def load(data, **options):
    return load_photos(data, **{"size": 32, "threads": 2, **options})


def test_class_folders_are_split_by_seed_and_class(photos):
    first, again, other = load(photos, seed=0), load(photos, seed=0), load(photos, seed=1)
    assert first.classes == ("class 0", "class 1", "class 2")
    assert first.validation.labels.bincount().tolist() == [2, 2, 2]
    assert not set(first.train.names) & set(first.validation.names) and len(first.train) == 24
    assert first.train.names == again.train.names and first.train.digest == again.train.digest
    assert first.train.names != other.train.names


@pytest.mark.parametrize("held_out", ["val", "test"])
def test_train_beside_a_held_out_part(tmp_path, held_out):
    found = load(make_photos(tmp_path, parts=("train", held_out)))
    assert len(found.train) == 30 and len(found.validation) == 30
    assert all(name.startswith(f"{held_out}/") for name in found.validation.names)


def test_val_is_taken_before_test_and_says_so(tmp_path):
    found = load(make_photos(tmp_path, parts=("train", "val", "test")))
    assert found.validation.names[0].startswith("val/") and found.notes == ("left alone: test/",)


def test_images_are_channels_first_and_kept_a_little_larger_than_the_input(tmp_path):
    large = load(make_photos(tmp_path, side=200))
    image = large.train.read(0)
    assert image.dtype == torch.uint8 and tuple(image.shape) == (3, 36, 37)
    assert tuple(load(tmp_path, channels=1).train.read(0).shape) == (1, 36, 37)


def test_beyond_the_memory_budget_images_are_decoded_anew_to_the_same_pixels(photos):
    kept, anew = load(photos), load(photos, budget=10_000)
    assert any("decoded anew" in note for note in anew.notes) and not kept.notes
    for ours, theirs in ((kept.train, anew.train), (kept.validation, anew.validation)):
        assert all(torch.equal(ours.read(i), theirs.read(i)) for i in range(len(ours)))


def odd_images(folder):
    """Readable images of unusual kinds, by name."""
    picture = stripes(0, 7)
    grey = np.asarray(picture.convert("L"))
    picture.convert("L").save(folder / "grey.png")
    picture.convert("CMYK").save(folder / "cmyk.jpg")
    picture.convert("P").save(folder / "palette.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(folder / "sixteen bits.png")
    picture.convert("1").save(folder / "one bit.png")
    transparent = picture.convert("RGBA")
    transparent.putalpha(0)
    transparent.save(folder / "transparent.png")
    picture.save(folder / "turned.JPG", exif=_turned())
    picture.save(folder / "größe 写真 \u00e9.webp")


def _turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def test_grey_cmyk_palette_sixteen_bit_transparent_turned_and_unicode(photos):
    odd_images(photos / "class 0")
    assert not load(photos).bad

    def pixels(name):
        return decode(photos / "class 0" / name, size=32, channels=3).pixels.float()

    assert (pixels("grey.png") - pixels("sixteen bits.png")).abs().max() <= 1
    assert pixels("grey.png").std(dim=0).max() == 0
    assert (pixels("palette.png").mean() - pixels("cmyk.jpg").mean()).abs() < 10
    assert pixels("transparent.png").min() == 255
    assert pixels("turned.JPG").shape[1] > pixels("turned.JPG").shape[2]
    assert pixels("größe 写真 \u00e9.webp").shape == pixels("cmyk.jpg").shape


def spoil(folder):
    whole = (folder / "000.jpg").read_bytes()
    (folder / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "zero bytes.png").write_bytes(b"")
    (folder / "a letter.jpg").write_text("Dear Sir or Madam", encoding="utf-8")
    Image.fromarray(np.random.rand(40, 40).astype(np.float32)).save(folder / "floats.tif")


def test_bad_images_are_listed_with_the_reason_and_the_rest_is_used(photos):
    spoil(photos / "class 1")
    (photos / "class 1" / "notes.txt").write_text("no image", encoding="utf-8")
    (photos / ".ipynb_checkpoints").mkdir()
    found = load(photos)
    reasons = dict(found.bad)
    assert set(reasons) == {f"class 1/{n}" for n in (
        "truncated.jpg", "zero bytes.png", "a letter.jpg", "floats.tif")}  # fmt: skip
    assert all(reason and "\n" not in reason for reason in reasons.values())
    assert reasons["class 1/zero bytes.png"] == "the file is empty"
    assert len(found.train) + len(found.validation) == 30
    assert found.notes == ("passed over, no images by their names: notes.txt",)


def test_a_class_of_bad_images_only_is_fatal(photos):
    for path in (photos / "class 2").iterdir():
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="every image of the class 'class 2' .*000.jpg: the file is empty"):
        load(photos)


def test_an_empty_class_is_fatal(photos):
    (photos / "class 9").mkdir()
    with pytest.raises(ValueError, match="the class 'class 9' is empty"):
        load(photos)


def test_a_class_missing_in_val_is_told_and_one_missing_in_train_is_fatal(tmp_path):
    make_photos(tmp_path, parts=("train", "val"))
    (tmp_path / "val" / "class 1").rename(tmp_path / "elsewhere")
    found = load(tmp_path)
    assert "not in validation: class 1; accuracy says nothing of these" in found.notes
    (tmp_path / "elsewhere").rename(tmp_path / "val" / "class 7")
    with pytest.raises(ValueError, match="val has the class 'class 7', .*train has not"):
        load(tmp_path)


def test_a_class_with_one_image_trains(photos):
    (photos / "single").mkdir()
    stripes(5, 0).save(photos / "single" / "only.png")
    found = load(photos)
    assert "single/only.png" in found.train.names
    assert found.notes == ("not in validation: single; accuracy says nothing of these",)


@pytest.mark.parametrize(
    "name, message",
    [
        ("no/such/folder", "there is no folder no/such/folder; give a folder of class folders"),
        ("torchvision:CIFAR11", "no set called 'CIFAR11' to download; did you mean"),
    ],
)
def test_sets_that_do_not_exist(name, message):
    with pytest.raises(ValueError, match=message):
        load(name)


def test_one_class_is_too_few(tmp_path):
    with pytest.raises(ValueError, match="has 1 class; a classifier needs at least 2"):
        load(make_photos(tmp_path, classes=1))


def cifar10(root):
    """torchvision's own layout of CIFAR-10, with generated pixels; hashes are not checked."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for batch in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        data = random.integers(0, 255, (20, 3072), dtype=np.uint8)
        (folder / batch).write_bytes(pickle.dumps({"data": data, "labels": [*range(10)] * 2}))
    names = [f"name {i}" for i in range(10)]
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))


def test_a_torchvision_set_in_its_own_layout(tmp_path, monkeypatch):
    monkeypatch.setenv("KDLAB_DATA", str(tmp_path))
    monkeypatch.setattr("torchvision.datasets.utils.check_integrity", lambda path, md5=None: path.exists())
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda path, md5=None: True)
    cifar10(tmp_path / "torchvision")
    found = load("torchvision:CIFAR10")
    assert len(found.train) == 100 and len(found.validation) == 20
    assert found.classes[3] == "name 3" and found.train.labels[3] == 3
    assert tuple(found.train.read(0).shape) == (3, 32, 32)


def test_a_hugging_face_set_from_a_folder_in_its_layout(tmp_path, monkeypatch):
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    make_photos(tmp_path / "set", parts=("train", "test"))
    found = load(f"hf:{tmp_path / 'set'}")
    assert len(found.train) == 30 and len(found.validation) == 30
    assert found.classes == ("class 0", "class 1", "class 2")


@pytest.mark.parametrize("name", ["torchvision:CIFAR10", "hf:somebody/photos"])
def test_offline_is_one_line_without_the_hubs_retries(name, tmp_path, monkeypatch, no_connection):
    monkeypatch.setenv("KDLAB_DATA", str(tmp_path))
    monkeypatch.setattr(public_sets, "reachable", lambda url: False)
    with pytest.raises(OSError) as caught:
        load(name)
    assert "\n" not in str(caught.value)


def test_a_host_that_never_answers_costs_the_stated_seconds(monkeypatch):
    silence, asked = threading.Event(), []
    monkeypatch.setattr("urllib.request.urlopen", lambda _, timeout: asked.append(timeout) or silence.wait())
    assert not hub.reachable("http://127.0.0.1", seconds=0.1)  # or this would not end
    assert asked == [0.1]
    silence.set()


def test_a_host_that_accepts_and_says_nothing_is_not_reachable():
    import socket

    with socket.socket() as silent:  # accepts, and says nothing
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert not hub.reachable(f"http://127.0.0.1:{silent.getsockname()[1]}", seconds=0.3)


# ---- views


def test_a_view_depends_on_seed_image_and_number_alone(photos):
    part = load(photos).train
    whole = training_views(part, range(10), 3, size=24, seed=5)
    assert torch.equal(whole[[7, 2]], training_views(part, [7, 2], 3, size=24, seed=5))
    assert not torch.equal(whole, training_views(part, range(10), 4, size=24, seed=5))
    assert not torch.equal(whole, training_views(part, range(10), 3, size=24, seed=6))
    assert tuple(whole.shape) == (10, 3, 24, 24) and whole.dtype == torch.uint8


def test_views_are_mirrored_as_often_as_asked(tmp_path):
    part = load_photos(make_photos(tmp_path / "photos"), size=24).train
    never, half, always = (training_views(part, range(8), 0, size=24, seed=0, flip=f) for f in (0, 0.5, 1))
    assert torch.equal(never, always.flip(3))
    chosen = torch.tensor(uniforms(0, range(8), 0, 5)[:, 4] < 0.5)[:, None, None, None]
    assert torch.equal(half, torch.where(chosen, always, never))
    with pytest.raises(ValueError, match="flip must be at least 0 and at most 1, got 2"):
        Recipe(size=24, flip=2)


def test_draws_are_uniform_and_uncorrelated():
    draws = uniforms(0, range(20_000), 0, 3)
    assert abs(draws.mean(axis=0) - 0.5).max() < 0.01 and abs(draws.var(axis=0) - 1 / 12).max() < 0.002
    assert abs(np.corrcoef(draws.T) - np.eye(3)).max() < 0.03
    assert abs(np.corrcoef(draws[:, 0], uniforms(0, range(20_000), 1, 1)[:, 0])[0, 1]) < 0.03


def test_the_evaluated_view_is_the_centre(tmp_path):
    part = load(make_photos(tmp_path, side=200), size=64).train
    assert tuple(central_views(part, [0, 1], size=64).shape) == (2, 3, 64, 64)
    small = load(make_photos(tmp_path / "small", side=32), size=64).train
    centre = central_views(small, [0], size=32)[0]
    assert torch.equal(centre, small.read(0)[:, :, 4:36])


def test_normalised_images_have_the_channels_statistics_taken_out():
    images = torch.full((1, 3, 2, 2), 51, dtype=torch.uint8)
    assert torch.allclose(
        normalise(images, (0.2, 0.1, 0.0), (1.0, 0.1, 0.2))[0, :, 0, 0], torch.tensor([0.0, 1, 1])
    )


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_ahead_keeps_the_order_and_raises_at_the_place(threads):
    def make(key):
        if key == 7:
            raise ValueError("seven")
        return key

    seen = []
    with pytest.raises(ValueError, match="seven"):
        for value in prefetch(make, range(20), threads=threads):
            seen.append(value)
    assert seen == list(range(7))
