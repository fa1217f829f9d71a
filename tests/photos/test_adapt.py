import math

import pytest
import timm
import torch
import torch.nn.functional as F
from photo_folders import make_photos

from kdlab.photos import load_photos
from kdlab.photos.adapt import adapt, class_mismatch
from kdlab.photos.evaluation import evaluate
from kdlab.photos.settings import Recipe
from kdlab.teachers import Teacher

RECIPE = Recipe(size=32, epochs=2, batch_size=8, views=2)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return load_photos(make_photos(tmp_path_factory.mktemp("photos"), each=20), size=32)


def teacher(architecture="test_resnet", classes=7, names=None):
    torch.manual_seed(0)
    options = {"img_size": 32, "patch_size": 8} if "vit" in architecture else {}
    network = timm.create_model(architecture, num_classes=classes, **options)
    shape = {"num_classes": classes, "in_chans": 3, "input_size": 32}
    return Teacher(network, name="t", mean=(0.5,) * 3, std=(0.5,) * 3, classes=names, **shape)


def improves_on_nothing(probed, photos):
    """Whether the probe fits its photos better than equal answers do, which it is fitted from."""
    return F.cross_entropy(evaluate(probed, photos.train, 32), photos.train.labels) < math.log(
        len(photos.classes)
    )


@pytest.mark.parametrize("architecture", ["test_resnet", "test_vit", "mobilenetv3_small_050"])
def test_a_linear_probe_reads_the_embedding(photos, tmp_path, architecture):
    original = teacher(architecture)
    before = {k: v.clone() for k, v in original.network.state_dict().items()}
    probed = adapt(original, photos, RECIPE, way="probe", folder=tmp_path)
    assert probed.num_classes == 3 and probed.classes == photos.classes and probed.name == "t, probe"
    assert improves_on_nothing(probed, photos)
    assert all(torch.equal(before[k], v) for k, v in original.network.state_dict().items())
    assert not any(p.requires_grad for p in probed.network.parameters()) and not [*tmp_path.iterdir()]


def test_two_classes(tmp_path):
    pair = load_photos(make_photos(tmp_path, classes=2), size=32)
    assert improves_on_nothing(adapt(teacher(), pair, RECIPE, way="probe", folder=tmp_path), pair)


def test_fine_tuning_moves_all_weights_from_the_probe_on(photos, tmp_path):
    probed = adapt(teacher(), photos, RECIPE, way="probe", folder=tmp_path)
    tuned = adapt(teacher(), photos, RECIPE, way="finetune", folder=tmp_path)
    assert tuned.name == "t, finetune" and (tmp_path / "checkpoint.pt").exists()
    first = [next(iter(t.network.parameters())) for t in (probed, tuned, teacher())]
    assert torch.equal(first[0], first[2]) and not torch.equal(first[1], first[2])


def test_a_teacher_that_fits_stays_as_it_is(photos, tmp_path):
    fits, agrees = teacher(classes=3), teacher(classes=3, names=photos.classes)
    assert adapt(fits, photos, RECIPE, way="none", folder=tmp_path) is fits
    assert adapt(agrees, photos, RECIPE, way="probe", folder=tmp_path) is agrees
    assert adapt(fits, photos, RECIPE, way="probe", folder=tmp_path) is not fits  # 3 classes, but which?


def test_fine_tuning_keeps_the_teachers_own_normalisation(photos, tmp_path):
    original = teacher()
    original.mean, original.std = torch.full((3, 1, 1), 0.2), torch.full((3, 1, 1), 0.3)
    tuned = adapt(original, photos, RECIPE, way="finetune", folder=tmp_path)
    assert torch.equal(tuned.mean, original.mean) and torch.equal(tuned.std, original.std)
    assert tuned.network.pretrained_cfg["mean"] == pytest.approx((0.2, 0.2, 0.2))


def test_a_class_mismatch_is_refused_never_silently_random(photos, tmp_path):
    with pytest.raises(
        ValueError, match="'t' has 7 classes, the photos have 3: give it a new classifier with --adapt"
    ):
        adapt(teacher(), photos, RECIPE, way="none", folder=tmp_path)
    renamed = teacher(classes=3, names=("class 0", "class 2", "class 1"))
    assert (
        class_mismatch(renamed, photos.classes)
        == "teacher 't' has the class 'class 2' where the photos have 'class 1'"
    )
    with pytest.raises(ValueError, match="adapt is 'prob'; there are none, probe, finetune"):
        adapt(teacher(), photos, RECIPE, way="prob", folder=tmp_path)


def test_a_teacher_without_a_single_classifier_is_refused(photos, tmp_path):
    torch.manual_seed(0)
    network = timm.create_model("deit_tiny_distilled_patch16_224", img_size=32, num_classes=7, depth=1)
    two = Teacher(network, name="two heads", num_classes=7, in_chans=3, input_size=32)
    with pytest.raises(ValueError, match="'two heads' has no single linear classifier"):
        adapt(two, photos, RECIPE, way="probe", folder=tmp_path)
