"""Teachers from the places and in the formats that people have, with local files in the hub's own layout."""

import pytest
import timm
import torch

from kdlab.teachers import open_teacher


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return timm.create_model("test_resnet", num_classes=7).eval()


def same(teacher, network):
    images = torch.rand(2, 3, teacher.input_size, teacher.input_size)
    torch.testing.assert_close(teacher(images), network((images - 0.5) / 0.5))
    assert teacher.num_classes == 7
    return True


@pytest.mark.parametrize(
    "wrap", [lambda s: s, lambda s: {"state_dict": s}, lambda s: {"model": s, "epoch": 3}]
)
def test_a_checkpoint_of_a_named_architecture(tmp_path, network, wrap):
    torch.save(wrap(network.state_dict()), tmp_path / "best.pth")
    assert same(open_teacher(tmp_path / "best.pth", architecture="test_resnet"), network)


def test_a_checkpoint_written_under_ddp(tmp_path, network):
    state = {f"module.{k}": v for k, v in network.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "best.pth")
    assert same(open_teacher(tmp_path / "best.pth", architecture="test_resnet"), network)


def test_checkpoints_that_do_not_fit_are_one_line(tmp_path, network):
    path = tmp_path / "best.pth"
    torch.save(network.state_dict(), path)
    with pytest.raises(ValueError, match=r"best.pth is a checkpoint: say of which timm model"):
        open_teacher(path)
    with pytest.raises(ValueError, match="best.pth does not fill resnet18: ") as caught:
        open_teacher(path, architecture="resnet18")
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="no model is called 'test_resnat'; did you mean 'test_resnet'"):
        open_teacher(path, architecture="test_resnat")
    path.write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match="best.pth does not fill test_resnet: "):
        open_teacher(path, architecture="test_resnet")


def test_a_hub_id_from_the_hubs_own_cache(tmp_path, network, monkeypatch):
    snapshot = tmp_path / "models--user--birds" / "snapshots" / ("0" * 40)
    timm.models.save_for_hf(
        network, snapshot, safe_serialization=True, model_config={"label_names": list("abcdefg")}
    )
    (tmp_path / "models--user--birds" / "refs").mkdir()
    (tmp_path / "models--user--birds" / "refs" / "main").write_text("0" * 40, encoding="utf-8")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    teacher = open_teacher("hf-hub:user/birds")
    assert same(teacher, network) and teacher.classes == tuple("abcdefg")


def test_offline_a_hub_name_is_one_line_without_the_hubs_retries(tmp_path, monkeypatch, no_connection):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("kdlab.hub.reachable", lambda url: False)
    with pytest.raises(
        OSError, match="the hub cannot be reached; the shipped teachers need no network"
    ) as caught:
        open_teacher("resnet18.a1_in1k")
    assert "\n" not in str(caught.value)
