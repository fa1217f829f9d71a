import json
import shutil
import warnings

import pytest
import timm
import torch
from torch import nn

from kdlab import teachers
from kdlab.models import MLP, TinyCNN, create_student, forward
from kdlab.teachers import load_teacher, size_ratio
from kdlab.teachers.digits import RECIPES as DIGITS
from kdlab.teachers.teach import recipes

FAMILIES = [
    ("tiny_cnn", {}, (0, 2)),
    ("mlp", {}, (0,)),
    ("test_resnet", {"output_stride": 8}, (1, 3)),
    ("test_efficientnet", {}, (1, -1)),
    ("test_convnext", {}, (0, 3)),
    ("test_byobnet", {}, (2,)),
    ("test_vit", {"img_size": 32, "patch_size": 4}, (0, -1)),
    ("mobilenetv3_small_050", {}, (3,)),
]


@pytest.mark.parametrize("name, options, layers", FAMILIES)
def test_one_pass_gives_logits_features_and_embedding(name, options, layers):
    model = create_student(name, **options).eval()
    images = torch.rand(3, 1, 32, 32)
    outputs = forward(model, images, layers)
    torch.testing.assert_close(outputs.logits, model(images))
    torch.testing.assert_close(forward(model, images).logits, outputs.logits)
    torch.testing.assert_close(model.get_classifier()(outputs.embedding), outputs.logits)
    assert list(outputs.features) == list(layers)
    for i in layers:
        torch.testing.assert_close(forward(model, images, (i,)).features[i], outputs.features[i])


def test_layers_come_back_under_their_own_number_in_any_order():
    model, images = create_student("test_resnet", output_stride=8).eval(), torch.rand(2, 1, 32, 32)
    one, three, last = (forward(model, images, (i,)).features[i] for i in (1, 3, -1))
    features = forward(model, images, (3, -1, 1)).features
    assert (
        torch.equal(features[1], one) and torch.equal(features[3], three) and torch.equal(features[-1], last)
    )


def test_a_layer_that_does_not_exist_lists_those_that_do():
    with pytest.raises(ValueError, match="there is no layer 7; TinyCNN has 0 to 2"):
        forward(TinyCNN(4), torch.rand(1, 1, 32, 32), (7,))


def test_dropout_is_applied_once():
    model = create_student("test_vit", img_size=32, patch_size=4, drop_rate=0.5).train()
    embedding = torch.cat([forward(model, torch.rand(64, 1, 32, 32)).embedding for _ in range(4)])
    assert 0.4 < (embedding == 0).float().mean() < 0.6


@pytest.mark.parametrize("width, parameters", [(4, 1702), (8, 6274), (16, 24058), (32, 94186)])
def test_tiny_cnn_is_as_small_as_its_docstring_says(width, parameters):
    assert sum(p.numel() for p in TinyCNN(width).parameters()) == parameters


def test_own_models_take_other_shapes():
    images = torch.rand(2, 3, 16, 16)
    assert TinyCNN(4, in_chans=3, num_classes=7)(images).shape == (2, 7)
    assert MLP(4, in_chans=3, num_classes=7, input_size=16)(images).shape == (2, 7)


def test_no_timm_style_model():
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    with pytest.raises(TypeError, match="Sequential is not a timm-style model"):
        forward(model, torch.rand(1, 1, 4, 4), (0,))
    outputs = forward(model, torch.rand(2, 1, 4, 4), ("0",))
    assert outputs.features["0"].shape == (2, 16) and outputs.embedding is None


def test_layers_by_path():
    model, images = create_student("test_resnet", output_stride=8).eval(), torch.rand(2, 1, 32, 32)
    outputs = forward(model, images, ("layer2", 2))
    torch.testing.assert_close(outputs.features["layer2"], outputs.features[2])
    assert outputs.features["layer2"].shape[-1] == 32 // 8
    with pytest.raises(ValueError, match="ResNet has no layer 'layer9'; did you mean"):
        forward(model, images, ("layer9",))


def test_unknown_student_suggests_the_nearest():
    with pytest.raises(ValueError, match="no model is called 'resnet18x'; did you mean .*'resnet18'"):
        create_student("resnet18x")


@pytest.fixture(scope="module")
def teacher():
    return load_teacher("digits-small")


@pytest.mark.parametrize("name", DIGITS)
def test_shipped_teachers_of_digits_load_and_answer(name):
    shipped = load_teacher(name)
    assert shipped(torch.rand(2, 1, 32, 32)).shape == (2, 10)
    needed = "architecture options data command seed accuracy sha256 parameters".split()
    assert not [key for key in needed if key not in shipped.card]


def test_every_shipped_teacher_has_a_recipe_and_every_recipe_is_shipped():
    assert set(teachers.shipped_teachers()) == set(recipes())


def test_a_teacher_smaller_than_the_student_is_told_with_both_sizes():
    small, large = TinyCNN(4), TinyCNN(8)
    with pytest.warns(UserWarning, match="the teacher has 1,702 parameters, the student 6,274"):
        assert size_ratio(small, large) < 1
    with warnings.catch_warnings(action="error"):
        assert size_ratio(large, TinyCNN(8)) == 1
        assert size_ratio(load_teacher("digits-small"), small) > 100


def test_shipped_teachers_fit_in_30_mb():
    assert sum(p.stat().st_size for p in teachers.TEACHERS.iterdir()) < 30e6


def test_a_teacher_is_frozen_and_no_part_of_a_student(teacher):
    student = TinyCNN(4)
    before = set(student.state_dict())
    student.teacher = teacher
    student.train()
    assert set(student.state_dict()) == before
    assert len(list(student.parameters())) == 11
    assert not any(p.requires_grad for p in teacher.network.parameters())
    assert list(teacher.parameters()) == []


def test_a_teacher_stays_in_eval_mode_whatever_is_called(teacher):
    images = torch.rand(8, 1, 32, 32)
    expected = teacher(images)
    state = {k: v.clone() for k, v in teacher.network.state_dict().items()}
    teacher.train()
    teacher.train(True).eval()
    teacher.network.train()
    assert torch.equal(teacher(images.clone()), expected)
    assert all(torch.equal(state[k], v) for k, v in teacher.network.state_dict().items())


def test_a_teacher_answers_any_number_of_images_without_gradient(teacher):
    images = torch.rand(9, 1, 32, 32, requires_grad=True)
    answers = teacher(images, batch_size=4)
    assert not answers.requires_grad
    torch.testing.assert_close(answers, teacher(images.clone()), rtol=1e-4, atol=1e-4)
    outputs = teacher.outputs(images, layers=(2, -1), batch_size=4)
    torch.testing.assert_close(outputs.logits, answers, rtol=1e-4, atol=1e-4)
    assert [len(f) for f in outputs.features.values()] == [9, 9] and len(outputs.embedding) == 9


def test_a_teacher_speaks_once_about_the_same_images(teacher, monkeypatch):
    runs = []
    original = teacher.outputs
    monkeypatch.setattr(teacher, "outputs", lambda *a, **o: runs.append(1) or original(*a, **o))
    images = torch.rand(2, 1, 32, 32)
    first = teacher(images)
    first.zero_()  # what the caller does with an answer is the caller's affair
    assert not torch.equal(teacher(images), first) and len(runs) == 1
    images[0] = 0
    torch.testing.assert_close(teacher(images), teacher(images.clone()))
    assert len(runs) == 3


@pytest.mark.parametrize(
    "data, message",
    [
        ({"num_classes": 7}, "teacher 'digits-small' has 10 classes, the data has 7"),
        ({"in_chans": 3}, "has 1 channels, the data has 3"),
        ({"input_size": 64}, "has 32 pixels a side, the data has 64"),
    ],
)
def test_a_teacher_that_does_not_fit_the_data(data, message):
    with pytest.raises(ValueError, match=message):
        load_teacher("digits-small", **data)


@pytest.mark.parametrize(
    "shape", [(2, 3, 32, 32), (2, 1, 28, 28), (2, 1, 32, 28), (0, 1, 32, 32), (1, 32, 32)]
)
def test_images_that_do_not_fit_the_teacher(teacher, shape):
    with pytest.raises(ValueError, match=r"the data has|must be \(N"):
        teacher(torch.rand(shape))


def test_unknown_teacher_suggests_the_nearest():
    with pytest.raises(ValueError, match="no teacher is called 'digit-small'; did you mean 'digits-small'"):
        load_teacher("digit-small")


@pytest.fixture
def copied(tmp_path):
    for suffix in (".safetensors", ".json"):
        shutil.copy(teachers.TEACHERS / f"digits-small{suffix}", tmp_path / f"mine{suffix}")
    return tmp_path / "mine.safetensors"


def test_a_teacher_from_a_file(copied, teacher):
    images = torch.rand(2, 1, 32, 32)
    torch.testing.assert_close(load_teacher(copied)(images), teacher(images))


def test_a_damaged_file_is_named(copied):
    content = bytearray(copied.read_bytes())
    content[-1] ^= 1
    copied.write_bytes(content)
    with pytest.raises(ValueError, match=r"mine\.safetensors is damaged: its sha256 begins .* its card says"):
        load_teacher(copied)


def test_a_truncated_file_is_named(copied):
    copied.write_bytes(copied.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"mine\.safetensors is damaged"):
        load_teacher(copied)


def test_a_damaged_card_is_named(copied):
    for text in ("{", "{}"):
        copied.with_suffix(".json").write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=r"the card .*mine\.json is damaged"):
            load_teacher(copied)


def test_a_card_of_another_architecture_is_named(copied):
    card = json.loads(copied.with_suffix(".json").read_text(encoding="utf-8"))
    card["options"]["channels"] = [8, 16, 32, 64]
    copied.with_suffix(".json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(ValueError, match=r"mine\.safetensors does not fit its card's resnet10t"):
        load_teacher(copied)


def test_weights_without_a_card_are_named(copied):
    copied.with_suffix(".json").unlink()
    with pytest.raises(FileNotFoundError, match=r"mine\.safetensors needs its card .*mine\.json"):
        load_teacher(copied)


def test_a_teacher_can_be_copied_and_pickled(teacher):
    import pickle

    images = torch.rand(2, 1, 32, 32)
    expected = teacher(images)
    torch.testing.assert_close(pickle.loads(pickle.dumps(teacher))(images), expected)
    with torch.inference_mode():
        torch.testing.assert_close(teacher(images * 1), expected)


def test_a_missing_file_is_named(copied):
    copied.unlink()
    with pytest.raises(FileNotFoundError, match=r"mine\.safetensors are not"):
        load_teacher(copied)


def test_a_teacher_without_its_classifier_is_refused(tmp_path, teacher):
    headless = nn.Module()
    state = {k: v for k, v in teacher.network.state_dict().items() if not k.startswith("fc.")}
    headless.state_dict = lambda: state
    card = {k: v for k, v in teacher.card.items() if k != "sha256"}
    teachers.save_teacher(headless, tmp_path / "headless.safetensors", card)
    with pytest.raises(ValueError, match=r"2 tensors are missing \(fc.weight, fc.bias\).*in part random"):
        load_teacher(tmp_path / "headless.safetensors")


@pytest.fixture(scope="module")
def hub_folder(tmp_path_factory):
    """A local folder in the hub's own layout."""
    folder = tmp_path_factory.mktemp("hub")
    overlay = {"input_size": (1, 32, 32), "mean": (0.4,), "std": (0.2,)}
    model = timm.create_model("test_resnet", in_chans=1, num_classes=10, pretrained_cfg_overlay=overlay)
    timm.models.save_for_hf(model, folder, safe_serialization=True)
    return folder, model.eval()


def test_a_timm_teacher_from_a_folder_in_the_hubs_layout(hub_folder):
    folder, model = hub_folder
    images = torch.rand(2, 1, 32, 32)
    answers = load_teacher(f"local-dir:{folder}")(images)
    torch.testing.assert_close(answers, model((images - 0.4) / 0.2))  # normalised as in its training


def test_a_timm_teacher_of_other_classes_is_refused_not_given_a_random_head(hub_folder):
    with pytest.raises(ValueError, match="has 10 classes, the data has 3"):
        load_teacher(f"local-dir:{hub_folder[0]}", num_classes=3)


def test_a_timm_teacher_without_its_classifier_is_refused(hub_folder, tmp_path):
    from safetensors.torch import load_file, save_file

    shutil.copy(hub_folder[0] / "config.json", tmp_path)
    state = load_file(hub_folder[0] / "model.safetensors")
    save_file({k: v for k, v in state.items() if not k.startswith("fc.")}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="do not fill the model"):
        load_teacher(f"local-dir:{tmp_path}")


def test_offline_is_one_line_that_names_what_needs_no_network(monkeypatch):
    def unreachable(*args, **options):
        raise FileNotFoundError("no network")

    monkeypatch.setattr(timm, "create_model", unreachable)
    with pytest.raises(
        OSError, match="hub cannot be reached; the shipped teachers need no network: .*digits-small"
    ):
        load_teacher("resnet18.a1_in1k", num_classes=1000)


def test_training_a_teacher_by_command(tmp_path, capsys):
    from kdlab.__main__ import main

    assert main(["teach", "digits-small", "--out", str(tmp_path), "--steps", "2"]) == 0
    card = json.loads((tmp_path / "digits-small.json").read_text(encoding="utf-8"))
    assert card["command"] == "python -m kdlab teach digits-small --steps 2"
    assert load_teacher(tmp_path / "digits-small.safetensors").card == card
    assert "% on clean digits" in capsys.readouterr().out
    assert main(["teach", "digits-smal", "--out", str(tmp_path)]) == 2
    assert "no recipe is called 'digits-smal'" in capsys.readouterr().err


def test_the_command_lists_the_shipped_teachers(capsys):
    from kdlab.__main__ import main

    assert main(["teachers"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(teachers.shipped_teachers())
