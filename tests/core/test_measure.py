import pytest
import torch
from torch import nn

from kdlab import measure
from kdlab.models import TinyCNN, create_student
from kdlab.teachers import load_teacher

IMAGES = torch.rand(8, 1, 32, 32)


def test_a_teacher_costs_what_its_network_costs():
    teacher = load_teacher("digits-small")
    for cost in (measure.parameters, measure.bytes_on_disk):
        assert cost(teacher) == cost(teacher.network) > 0
    assert measure.multiply_adds(teacher, IMAGES) == 8 * measure.multiply_adds(teacher, IMAGES[:1]) > 0


def test_bytes_of_a_file(tmp_path):
    path = tmp_path / "anything.onnx"
    path.write_bytes(b"12345")
    assert measure.bytes_on_disk(path) == measure.bytes_on_disk(str(path)) == 5


def test_multiply_adds_of_networks_that_hand_on_parameters_without_gradients():
    network = create_student("test_vit3", img_size=32, patch_size=8)
    counted = measure.multiply_adds(network, IMAGES[:1])
    with torch.no_grad():
        assert measure.multiply_adds(network, IMAGES[:1]) == counted > 0
    tiny = TinyCNN(4)
    with torch.inference_mode():
        assert measure.multiply_adds(tiny, torch.rand(1, 1, 32, 32)) > 0


def test_measuring_leaves_the_mode_of_each_part():
    network = TinyCNN(4).train()
    network.stages[0].eval()
    before = [module.training for module in network.modules()]
    measure.cost_table({"student": network}, IMAGES, seconds=0.01)
    assert [module.training for module in network.modules()] == before


@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("layers, alive", [(1, 2), (2, 3), (5, 3)])
def test_peak_memory_counts_what_is_alive_together(batch, layers, alive):
    # The images, a layer's input and its output; what only earlier layers needed is gone.
    size = 4 * 32 * 32 * batch
    peak = measure.peak_memory(nn.Sequential(*(nn.Sigmoid() for _ in range(layers))), IMAGES[:batch])
    assert alive * size <= peak < (alive + 1) * size


@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("width", [8, 16])
def test_peak_memory_is_at_least_that_of_the_images_and_the_first_map(batch, width):
    # What a processor's library takes for itself comes on top.
    assert measure.peak_memory(TinyCNN(width), IMAGES[:batch]) >= 4 * batch * (32 * 32 + width * 16 * 16)


def test_peak_memory_prints_nothing(capfd):
    measure.peak_memory(TinyCNN(4), IMAGES)
    assert capfd.readouterr() == ("", "")


def test_latency_says_median_and_spread_at_the_threads_asked_for():
    median, spread = measure.latency(TinyCNN(4), IMAGES, threads=1, seconds=0.05)
    assert median > 0 and spread >= 0
    assert torch.get_num_threads() == 1


def test_energy_is_an_estimate_and_says_so():
    energy = measure.estimated_energy(2.0, watts=5)
    assert energy.millijoules == 10
    assert str(energy) == "10 mJ, an estimate: 2 ms at a stated 5 W"
    assert "estimate" in measure.estimated_energy.__doc__ and "estimate" in measure.Energy.__doc__
    with pytest.raises(ValueError, match="watts must be above 0, got 0"):
        measure.estimated_energy(1.0, watts=0)
