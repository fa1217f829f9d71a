"""Pixels are what the file says: any depth, any mode, and what is evaluated is what timm would show."""

import re
import warnings

import numpy as np
import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from photo_folders import make_photos, stripes
from PIL import Image

from kdlab.photos import load_photos
from kdlab.photos.decoding import CENTRE, WHOLE, decode, depth_of, why_not

GREY = np.asarray(stripes(0, 3).convert("L")).astype(np.float64) / 255


def load(folder, **options):
    return load_photos(folder, **{"size": 32, "threads": 1, **options})


def save_grey(path, top):
    """A grey picture whose values run from 0 to ``top``, as an integer image of 16 or 32 bits."""
    values = np.round((GREY - GREY.min()) / (GREY.max() - GREY.min()) * top)
    Image.fromarray(values.astype(np.uint16 if top < 2**16 else np.int32)).save(path)
    return values / 2 ** depth_of([top]) * 256


def integer_photos(folder, top, *, classes=2, each=4):
    for label in range(classes):
        (folder / f"{label}").mkdir(parents=True)
        for index in range(each):
            expected = save_grey(folder / f"{label}" / f"{index}.tif", top - index - label * each)
    return expected


@given(st.integers(9, 31), st.floats(0.7, 1))
def test_integer_images_of_any_depth_are_scaled_by_their_range(tmp_path_factory, bits, filled):
    folder = tmp_path_factory.mktemp("photos")
    expected = integer_photos(folder, int(filled * (2**bits - 1)))
    found = load(folder, size=64)
    assert not found.bad
    read = found.train.read(0)[0].numpy()
    assert np.abs(read - expected).max() < 8 and read.max() > 64
    assert bits in (15, 16) or "integer photos, the largest value" in " ".join(found.notes)


@given(st.integers(0, 2**32 - 1))
def test_the_depth_holds_the_largest_value(top):
    depth = depth_of([top, 0])
    assert 8 <= depth and top < 2**depth
    assert depth == 8 or top >= 2 ** (depth - (2 if depth == 16 else 1)) or top == 0


@pytest.mark.parametrize("kind", [">u2", "<u2", np.int32, np.uint16])
def test_the_order_of_bytes_does_not_matter(tmp_path, kind):
    values = np.round(GREY * 65535).astype(kind)
    path = tmp_path / "grey.tif"
    Image.fromarray(values).save(path)
    pixels = decode(path, size=64, channels=1).pixels[0].numpy()
    assert np.abs(pixels - GREY * 255).max() <= 1


def test_values_below_zero_are_named(tmp_path):
    make_photos(tmp_path)
    path = tmp_path / "class 0" / "signed.tif"
    Image.fromarray((GREY * 1000 - 500).astype(np.int32)).save(path)
    ((name, why),) = load(tmp_path).bad
    assert name == "class 0/signed.tif" and re.search("values from -.* have no known range", why)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_photo_that_is_nearly_black_is_named_and_others_are_not(tmp_path, mode):
    make_photos(tmp_path)
    assert not load(tmp_path).notes
    dark = np.asarray(stripes(0, 3)) // 8
    Image.fromarray(dark).convert(mode).save(tmp_path / "class 0" / "dark.png")
    (note,) = load(tmp_path).notes
    assert note == "nowhere brighter than a quarter: 1 photos (class 0/dark.png); is that right?"


def test_a_dark_photo_among_integer_ones_is_named(tmp_path):
    integer_photos(tmp_path, 65535)
    save_grey(tmp_path / "0" / "dark.tif", 4095)
    (note,) = load(tmp_path).notes
    assert "0/dark.tif" in note


def timms_answer(path, *, size, crop):
    """uint8, as timm's own transform for evaluation shows the file."""
    config = {
        "input_size": (3, size, size),
        "crop_pct": crop,
        "interpolation": "bilinear",
        "crop_mode": "center",
    }
    cut = timm.data.create_transform(**config, mean=(0, 0, 0), std=(1, 1, 1), is_training=False)
    return (cut(Image.open(path).convert("RGB")) * 255).round().to(torch.uint8)


@pytest.mark.parametrize("side, size, crop", [
    (300, 32, CENTRE), (300, 77, CENTRE), (40, 32, CENTRE), (33, 32, CENTRE),
    (32, 32, WHOLE), (20, 32, WHOLE),
])  # fmt: skip
def test_what_is_evaluated_is_what_timm_shows_of_the_file(tmp_path, side, size, crop):
    found = load(make_photos(tmp_path, side=side), size=size)
    assert found.crop == crop
    for i, name in enumerate(found.validation.names):
        assert torch.equal(found.validation.read(i), timms_answer(tmp_path / name, size=size, crop=crop))


def test_reasons_hold_no_address_and_no_path(tmp_path):
    make_photos(tmp_path)
    for name, content in {"text.jpg": b"Dear Sir", "zeros.png": bytes(100), "cut.gif": b"GIF89a"}.items():
        (tmp_path / "class 1" / name).write_bytes(content)
    bad = dict(load(tmp_path).bad)
    assert len(bad) == 3
    for why in bad.values():
        assert why and "0x" not in why and str(tmp_path) not in why and "\n" not in why


def test_the_processes_filter_of_warnings_is_as_it_was(tmp_path):
    make_photos(tmp_path)
    before = list(warnings.filters)
    load(tmp_path, threads=4)
    assert warnings.filters == before


def test_a_photo_that_is_gone_is_named_before_training(tmp_path, monkeypatch):
    from kdlab.photos import loading

    make_photos(tmp_path)
    split = loading._split

    def lost(items, share, seed):
        train, validation = split(items, share, seed)
        validation[0].source.unlink()
        return train, validation

    monkeypatch.setattr(loading, "_split", lost)
    with pytest.raises(ValueError, match="the photo class 0/.*.jpg cannot be read any more: No such file"):
        load(tmp_path)


def test_nothing_to_validate_with_is_said_before_training(tmp_path):
    make_photos(tmp_path, each=1)
    with pytest.raises(ValueError, match="no photo of .* is left to validate with: a class needs two"):
        load(tmp_path)


def of_mode(mode):
    """A picture in one of Pillow's modes; None where Pillow itself does not make it."""
    picture = stripes(0, 5)
    for through in (None, "RGB", "RGBA", "LA", "L", "I"):
        try:
            return (picture if through is None else picture.convert(through)).convert(mode)
        except ValueError:
            continue
    return None


MODES = [
    "1", "L", "P", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "LAB", "HSV", "LA", "La", "PA", "I", "F",
    "I;16", "I;16L", "I;16B",
]  # fmt: skip


@given(st.sampled_from(MODES), st.sampled_from([1, 3]), st.integers(8, 64))
def test_any_mode_is_read_as_it_looks_or_named(mode, channels, size):
    picture = of_mode(mode)
    if picture is None:
        return
    try:
        found = decode(lambda: picture, size=size, channels=channels, depth=8)
    except Exception as error:
        why = why_not(error, picture)
        assert why and "\n" not in why and "0x" not in why
        return
    pixels = found.pixels.float()
    assert (
        found.pixels.dtype == torch.uint8
        and pixels.shape[0] == channels
        and min(pixels.shape[1:]) >= min(size, 40)
    )
    due = np.asarray(stripes(0, 5).convert("L" if mode not in ("RGB", "RGBA", "CMYK") else "RGB")).mean()
    assert abs(pixels.mean().item() - due) < 30
