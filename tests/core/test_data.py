import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from kdlab import data
from kdlab.data.common import stratified

MAKERS = [data.digits, data.cluttered_digits]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("seed", [0, 1, 7])
def test_no_handwriting_in_two_parts_nor_with_the_teacher(make, seed):
    parts = [*make(50, seed=seed), data.teacher_digits()]
    sources = torch.cat([part.sources for part in parts])
    assert len(sources.unique()) == len(sources) == 1797


def test_views_stay_in_their_part():
    splits = data.cluttered_digits(50, views=3, seed=2)
    assert [len(part) for part in splits] == [150, 1800, 150, 397]
    seen = [set(part.sources.tolist()) for part in splits]
    assert sum(map(len, seen)) == len(set.union(*seen))


@pytest.mark.parametrize("make", MAKERS)
def test_everything_follows_from_the_seed(make):
    first, again, other = make(50, seed=3), make(50, seed=3), make(50, seed=4)
    for a, b, c in zip(first, again, other):
        assert torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels)
        assert not torch.equal(a.sources, c.sources)


def test_the_global_random_state_is_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    data.cluttered_digits(seed=5)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("make", MAKERS)
def test_images_fit_a_timm_backbone(make):
    part = make().test
    assert part.images.shape == (397, 1, 32, 32) and part.images.dtype == torch.float32
    assert part.images.min() >= 0 and part.images.max() <= 1
    assert part.labels.dtype == torch.int64 and set(part.labels.tolist()) == set(range(10))


def test_labelled_images_are_spread_over_the_classes():
    assert data.digits(50).labelled.labels.bincount().tolist() == [5] * 10


def test_cluttered_labels_are_those_of_the_source():
    clean, cluttered = data.digits(seed=1).test, data.cluttered_digits(seed=1).test
    assert torch.equal(clean.sources, cluttered.sources) and torch.equal(clean.labels, cluttered.labels)


def test_all_labelled_leaves_an_empty_pool():
    splits = data.digits(650)
    assert len(splits.labelled) == 650 and len(splits.pool) == 0


@pytest.mark.parametrize("labelled", [0, 9, 651])
def test_labelled_out_of_range_names_both_sides(labelled):
    with pytest.raises(ValueError, match=f"labelled={labelled} .* 10 .* 650"):
        data.digits(labelled)


@pytest.mark.parametrize("labelled", [10, 11, 641, 649, 650])
def test_any_number_of_labels_in_range(labelled):
    splits = data.digits(labelled)
    assert len(splits.labelled) == labelled and len(splits.pool) == 650 - labelled


def test_a_negative_seed():
    with pytest.raises(ValueError, match="seed=-1 must be at least 0"):
        data.digits(seed=-1)


def test_no_views():
    with pytest.raises(ValueError, match="views=0"):
        data.cluttered_digits(views=0)


def test_noisy_labels_are_wrong_at_that_share_and_alike_in_all_views():
    part = data.cluttered_digits(views=2, seed=0).labelled
    noisy = data.noisy_labels(part, 0.4, seed=1)
    wrong = noisy != part.labels
    assert 0.3 < wrong.double().mean() < 0.5
    assert len(torch.stack([part.sources, noisy]).unique(dim=1).T) == len(part.sources.unique())
    assert noisy.min() >= 0 and noisy.max() < data.NUM_CLASSES
    assert len(((noisy - part.labels)[wrong] % data.NUM_CLASSES).unique()) == data.NUM_CLASSES - 1
    assert torch.equal(noisy, data.noisy_labels(part, 0.4, seed=1))
    assert not torch.equal(noisy, data.noisy_labels(part, 0.4, seed=2))
    assert torch.equal(data.noisy_labels(part, 0.0), part.labels)
    assert (data.noisy_labels(part, 1.0) != part.labels).all()


def test_a_share_outside_0_to_1_is_refused():
    with pytest.raises(ValueError, match="share=1.5 must lie between 0 and 1"):
        data.noisy_labels(data.digits(50).labelled, 1.5)


@pytest.mark.parametrize("size", [10, 11, 50, 333, 640, 649, 3])
@pytest.mark.parametrize("seed", [0, 1, 2015])
def test_a_stratified_split_is_scikit_learns(size, seed):
    labels = np.random.default_rng(seed).integers(10, size=650)
    strata = labels if 10 <= size <= 640 else None
    theirs = train_test_split(np.arange(650), train_size=size, stratify=strata, random_state=seed)
    for rows, expected in zip(stratified(labels, size, seed=seed), theirs, strict=True):
        assert rows.tolist() == expected.tolist()


def test_the_handwriting_is_scikit_learns():
    found, part = load_digits(), data.digits().test
    coarse = torch.tensor(found.images / 16, dtype=torch.float32)[part.sources, None]
    assert torch.equal(part.images, F.interpolate(coarse, size=(32, 32), mode="bilinear").clamp(0, 1))
    assert part.labels.tolist() == found.target[part.sources].tolist()


def test_digits_and_an_interval_need_not_import_what_takes_seconds():
    code = (
        "import sys; from kdlab import data, study; data.digits(); study.mean_interval([1.0, 2.0]);"
        "assert not {'sklearn', 'scipy.stats', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
