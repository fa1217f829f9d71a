"""Pruning, export and int8 on real small networks; and what is said without the extra."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from kdlab import compress, measure, metrics
from kdlab.compress import onnx_model
from kdlab.data import digits
from kdlab.distill import distill, hard_labels, soft_targets
from kdlab.models import MLP, TinyCNN, create_student, forward
from kdlab.teachers import Teacher, load_teacher


def needs(*modules):
    missing = []
    for name in modules:
        try:
            onnx_model.require(name)
        except ImportError as error:
            missing.append(str(error))
    return pytest.mark.skipif(bool(missing), reason="; ".join(missing) or "all there")


pruning = needs("torch_pruning")
deploy = needs("onnx", "onnxscript", "onnxruntime")
IMAGES = digits(50).test.images
RESNET = {"channels": (8, 16, 16, 32), "output_stride": 8}


def student(width=8):
    torch.manual_seed(0)
    return TinyCNN(width).eval()


@torch.no_grad()
def all_maps(network, images, padded=16):
    """Bytes of the images and of every layer's output together, the channels padded to full vectors.

    A runtime may lay maps out in blocks of 8 or 16 channels, and fuse layers or not: which it does is
    the processor's affair, but it never holds more than everything at once.
    """
    sizes = [images.numel()]

    def count(module, inputs, output):
        channels = -(-output.shape[1] // padded) * padded
        sizes.append(output.numel() // output.shape[1] * channels)

    leaves = [module for module in network.modules() if not [*module.children()]]
    hooks = [module.register_forward_hook(count) for module in leaves]
    network(images)
    for hook in hooks:
        hook.remove()
    return 4 * sum(sizes)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    trained, train = student(), digits(650).labelled
    distill(trained, train.images, [hard_labels(train.labels)], steps=100)
    return trained, compress.export_onnx(trained, IMAGES, tmp_path_factory.mktemp("onnx") / "student.onnx")


@pruning
@pytest.mark.parametrize("make", [student, lambda: create_student("resnet10t", **RESNET), lambda: MLP(16)])
def test_a_pruned_network_is_smaller_and_the_original_untouched(make):
    network = make().train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    smaller = compress.prune(network, IMAGES[:2], ratio=0.5)
    assert measure.parameters(smaller) < 0.6 * measure.parameters(network)
    assert measure.multiply_adds(smaller, IMAGES[:1]) < 0.6 * measure.multiply_adds(network, IMAGES[:1])
    assert network.training and not smaller.training
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    outputs = forward(smaller, IMAGES[:3], layers=(-1,))
    assert outputs.logits.shape == (3, 10)
    assert outputs.embedding.shape[1] == smaller.get_classifier().in_features


@pruning
def test_half_of_width_16_has_the_shape_of_width_8():
    shapes = [p.shape for p in compress.prune(student(16), IMAGES[:1]).parameters()]
    assert shapes == [p.shape for p in student(8).parameters()]


@pruning
def test_what_cannot_be_cut_is_refused():
    vit = create_student("test_vit", img_size=32, patch_size=8)
    with pytest.raises(ValueError, match="VisionTransformer cannot be pruned: its layers do not fit"):
        compress.prune(vit, IMAGES[:2], ratio=0.4)
    linear = create_student("resnet10t", **RESNET)
    linear.forward = lambda images: linear.fc(images.mean((2, 3)).expand(-1, 32))
    with pytest.raises(ValueError, match="no layer to prune beside its classifier"):
        compress.prune(linear, IMAGES[:2])


@pruning
def test_the_largest_channels_stay():
    network = student(4)
    with torch.no_grad():
        network.stages[0][0].weight[1] *= 100
    smaller = compress.prune(network, IMAGES[:1], ratio=0.5)
    assert smaller.stages[0][0].weight.abs().amax() == network.stages[0][0].weight[1].abs().max()


@pruning
def test_a_pruned_network_is_repaired_by_its_unpruned_self():
    teacher, train = load_teacher("digits-small"), digits(650).labelled
    unpruned = Teacher(student(16), name="unpruned", num_classes=10, in_chans=1, input_size=32)
    smaller = compress.prune(teacher, IMAGES[:2], ratio=0.5)
    # One small step down the gradient of a loss lowers it on the same images.
    whole = {"steps": 2, "batch_size": len(train), "learning_rate": 1e-3}
    history = distill(smaller, train.images, [soft_targets(teacher(train.images))], **whole)
    assert history["total"][1] < history["total"][0]
    assert measure.parameters(compress.prune(unpruned, IMAGES[:2])) < measure.parameters(unpruned)


@pruning
def test_timm_can_give_a_pruned_network_a_new_classifier():
    smaller = compress.prune(create_student("resnet10t", **RESNET), IMAGES[:2])
    smaller.reset_classifier(3)
    assert smaller(IMAGES[:2]).shape == (2, 3)


@pytest.mark.parametrize("ratio", [0, 1, -0.1, 1.5, float("nan")])
def test_ratios_outside_0_to_1_are_refused(ratio):
    with pytest.raises(ValueError, match=r"ratio=.* must lie in \(0, 1\)"):
        compress.prune(student(), IMAGES[:1], ratio=ratio)


@pruning
def test_a_ratio_that_leaves_nothing_names_the_layer():
    with pytest.raises(
        ValueError, match=r"nothing of layer 'stages.0.0': at most 3 of its 4 channels can go"
    ):
        compress.prune(student(4), IMAGES[:1], ratio=0.9)


def test_a_network_without_a_known_classifier_is_refused():
    with pytest.raises(TypeError, match=r"Sequential has no get_classifier\(\)"):
        compress.prune(nn.Sequential(nn.Flatten(), nn.Linear(1024, 10)), IMAGES[:1])


@deploy
def test_an_export_gives_the_same_class_on_every_test_image(exported):
    trained, file = exported
    ours, theirs = metrics.predict(trained, IMAGES), metrics.predict(file, IMAGES)
    allowed = 1e-4 * max(1.0, ours.abs().max().item())
    torch.testing.assert_close(ours, theirs, rtol=0, atol=allowed)
    first, second = ours.topk(2).values.T
    clear = first - second > 2 * allowed  # a tie may fall either way
    assert clear.any() and torch.equal(ours.argmax(1)[clear], theirs.argmax(1)[clear])


@deploy
@pytest.mark.parametrize("batch", [1, 2, 7, 300])
def test_the_batch_size_is_free(exported, batch):
    assert exported[1](IMAGES[:batch]).shape == (batch, 10)


@deploy
def test_an_export_is_one_file_and_prints_nothing(tmp_path, capfd):
    network = student().train()
    compress.export_onnx(network, IMAGES[:1], tmp_path / "one.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["one.onnx"]
    assert capfd.readouterr() == ("", "") and network.training


@deploy
def test_an_export_names_no_file_of_the_machine_that_made_it(exported, tmp_path):
    _, file = exported
    small = compress.quantise_int8(file.path, IMAGES, tmp_path / "int8.onnx")
    demo = Path(__file__).parents[2] / "docs" / "demo"
    for path in (file.path, small.path, *demo.glob("*.onnx")):
        assert b".py" not in Path(path).read_bytes(), path


@deploy
def test_a_teacher_is_exported_with_its_normalisation(tmp_path):
    teacher = Teacher(
        student(), name="normalised", num_classes=10, in_chans=1, input_size=32, mean=(0.5,), std=(0.25,)
    )
    file = compress.export_onnx(teacher, IMAGES[:4], tmp_path / "teacher.onnx")
    torch.testing.assert_close(file(IMAGES[:4]), teacher(IMAGES[:4]), rtol=1e-4, atol=1e-4)


@deploy
def test_an_exports_costs_are_those_of_the_network(exported):
    trained, file = exported
    assert measure.multiply_adds(file, IMAGES[:3]) == measure.multiply_adds(trained, IMAGES[:3])
    normalisation = sum(m.num_features for m in trained.modules() if isinstance(m, nn.BatchNorm2d))
    assert measure.parameters(file) == measure.parameters(trained) - normalisation
    # The input and the first map have to be there together.
    assert 4 * (32 * 32 + 8 * 16 * 16) <= measure.peak_memory(file, IMAGES[:1])
    assert measure.peak_memory(file, IMAGES[:1]) <= all_maps(trained, IMAGES[:1])


def file_of(nodes, path):
    """An ONNX file of elementwise operators, from the images to ``out``."""
    onnx = onnx_model.require("onnx")
    make, shape = onnx.helper, ("batch", 1, 32, 32)
    ends = [make.make_tensor_value_info(n, onnx.TensorProto.FLOAT, shape) for n in ("images", "out")]
    nodes = [make.make_node(kind, inputs, [output], name=output) for kind, inputs, output in nodes]
    graph = make.make_graph(nodes, "elementwise", ends[:1], ends[1:])
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 18)], ir_version=9), path)
    return compress.OnnxModel(path)


@deploy
@pytest.mark.parametrize("batch", [1, 3])
def test_peak_memory_of_a_file_counts_what_is_alive_together(tmp_path, batch):
    chain = [("Exp", ["images"], "a"), ("Sin", ["a"], "b"), ("Cos", ["b"], "out")]
    skip = [*chain[:2], ("Cos", ["b"], "c"), ("Add", ["a", "c"], "out")]
    sizes = [measure.peak_memory(file_of(n, tmp_path / "f.onnx"), IMAGES[:batch]) for n in (chain, skip)]
    assert sizes == [4 * 32 * 32 * batch * alive for alive in (2, 3)]


@deploy
def test_a_file_runs_with_the_threads_asked_for(exported):
    two = exported[1].with_threads(2)
    assert (two.threads, two._session.get_session_options().intra_op_num_threads) == (2, 2)
    assert exported[1].with_threads(1) is exported[1]


@deploy
def test_int8_is_smaller_and_its_answers_finite(exported, tmp_path):
    _, file = exported
    small = compress.quantise_int8(file, digits(50).labelled.images, tmp_path / "int8.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["int8.onnx"]
    assert small(IMAGES).isfinite().all()
    big = compress.export_onnx(load_teacher("digits-small"), IMAGES[:2], tmp_path / "teacher.onnx")
    smaller = compress.quantise_int8(big.path, IMAGES[:32], tmp_path / "teacher8.onnx")
    assert measure.bytes_on_disk(smaller) < 0.4 * measure.bytes_on_disk(big)
    assert measure.multiply_adds(smaller, IMAGES[:1]) == measure.multiply_adds(big, IMAGES[:1])
    assert measure.parameters(smaller) == measure.parameters(big)
    # The image and its copy in bytes are there together; a map can be there in bytes and, twice, in floats.
    network = load_teacher("digits-small").network
    assert 5 * 32 * 32 <= measure.peak_memory(smaller, IMAGES[:1]) <= 2.25 * all_maps(network, IMAGES[:1])


@deploy
def test_the_cost_table_takes_networks_teachers_and_files(exported):
    trained, file = exported
    models = {"teacher": load_teacher("digits-small"), "student": trained, "file": file}
    table = measure.cost_table(models, IMAGES[:4], seconds=0.05)
    assert list(table.index) == list(models)
    assert (table.drop(columns=["IQR, batch 1", "IQR, batch 4"]) > 0).all(axis=None)


@torch.library.custom_op("kdlab_tests::unheard_of", mutates_args=())
def unheard_of(images: torch.Tensor) -> torch.Tensor:
    return images.clone()


unheard_of.register_fake(torch.empty_like)


class Unknown(nn.Module):
    def forward(self, images):
        return unheard_of(images)


class Branch(nn.Module):
    def forward(self, images):
        return images if images.mean() > 0 else -images


class Flat(nn.Module):
    def __init__(self, *body):
        super().__init__()
        self.body = nn.ModuleList(body)
        self.head = nn.LazyLinear(10)

    def forward(self, images):
        for layer in self.body:
            images = layer(images)
        return self.head(images.flatten(1))


def refused(network, path):
    """The error of an export, its place, and its reason."""
    with pytest.raises(ValueError) as caught:
        compress.export_onnx(network, IMAGES[:2], path)
    said = re.fullmatch(
        r"\w+ cannot be exported to ONNX: (.+?): (.+)\. Put something in its place .*", str(caught.value)
    )
    return caught.value, *said.groups()


def bottom_line(error):
    """What the exporter says, whatever its words are: the first line of the error below all others."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip().splitlines()[0]


@deploy
@pytest.mark.parametrize("layer", [Unknown, Branch], ids=["operator", "branch"])
def test_a_layer_that_cannot_be_exported_is_named(layer, tmp_path, capfd):
    network = Flat(nn.ReLU(), nn.Sequential(nn.ReLU(), layer()))
    network(IMAGES[:2])
    error, place, reason = refused(network, tmp_path / "never.onnx")
    assert place == f"layer 'body.1.1' ({layer.__name__})" and bottom_line(error).startswith(reason)
    assert not list(tmp_path.iterdir()) and capfd.readouterr() == ("", "")


@deploy
def test_a_network_whose_own_forward_cannot_be_exported(tmp_path):
    class Fork(Flat):
        def forward(self, images):
            return super().forward(images if images.mean() > 0 else -images)

    network = Fork(nn.ReLU())
    network(IMAGES[:2])
    error, place, reason = refused(network, tmp_path / "never.onnx")
    assert str(error).startswith("Fork ") and place == "its own forward()"
    assert bottom_line(error).startswith(reason)


class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1024, 10)
        nn.init.zeros_(self.layer.weight)
        nn.init.ones_(self.layer.bias)

    def forward(self, images):
        scale = 1.0 if torch.compiler.is_exporting() else 1.5
        return scale * self.layer(images.flatten(1))


@deploy
def test_a_file_that_answers_differently_is_refused_with_difference_and_tolerance(tmp_path):
    with pytest.raises(ValueError, match=r"largest difference of a logit is 0.5, the tolerance 0.00015"):
        compress.export_onnx(Noisy(), IMAGES[:4], tmp_path / "never.onnx")
    assert not list(tmp_path.iterdir())


@deploy
def test_no_images_to_check_with_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"images \(0, 1, 32, 32\) must be"):
        compress.export_onnx(student(), IMAGES[:0], tmp_path / "never.onnx")


@deploy
@pytest.mark.parametrize(
    "images, said",
    [
        (torch.rand(4, 3, 32, 32), r"\(4, 3, 32, 32\) do not fit .*student.onnx, \(batch, 1, 32, 32\)"),
        (torch.rand(4, 32, 32), r"\(4, 32, 32\) do not fit"),
        (torch.rand(0, 1, 32, 32), r"calibration images \(0, 1, 32, 32\) are empty: give at least 1"),
        (torch.full((2, 1, 32, 32), torch.nan), "2 of 2 calibration images are not finite"),
    ],
    ids=["channels", "no channels", "empty", "nan"],
)  # fmt: skip
def test_calibration_images_that_do_not_fit_are_refused(exported, images, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        compress.quantise_int8(exported[1], images, tmp_path / "never.onnx")
    assert not list(tmp_path.iterdir())


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rows = nn.GRU(32, 8, batch_first=True)
        self.head = nn.Linear(8, 10)

    def forward(self, images):
        return self.head(self.rows(images[:, 0, :4])[0][:, -1])


@deploy
def test_a_layer_that_cannot_be_quantised_is_named(tmp_path):
    file = compress.export_onnx(Recurrent(), IMAGES[:2], tmp_path / "rows.onnx")
    with pytest.raises(
        ValueError, match=r"layer 'rows' cannot be quantised to int8: \w+ has no int8 version. Put conv"
    ):
        compress.quantise_int8(file, IMAGES[:8], tmp_path / "never.onnx")


@deploy
def test_a_network_without_weights_has_nothing_to_quantise(tmp_path):
    pool = nn.Sequential(nn.AdaptiveAvgPool2d((1, 10)), nn.Flatten())
    pool.register_parameter("unused", nn.Parameter(torch.zeros(1)))
    file = compress.export_onnx(pool, IMAGES[:2], tmp_path / "pool.onnx")
    with pytest.raises(ValueError, match="pool.onnx has no weights to quantise; its operators are "):
        compress.quantise_int8(file, IMAGES[:8], tmp_path / "never.onnx")


@deploy
def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file .*none.onnx"):
        compress.quantise_int8(tmp_path / "none.onnx", IMAGES[:8], tmp_path / "never.onnx")


@deploy
def test_no_telemetry_is_written(exported, tmp_path):
    code = (
        "import kdlab.compress as c, torch;"
        f"print(c.OnnxModel({str(exported[1].path)!r})(torch.rand(3, 1, 32, 32)).shape)"
    )
    # CI=true would switch it off by itself, and hide whether kdlab does.
    env = {k: v for k, v in os.environ.items() if k not in ("CI", "ORT_DISABLE_TELEMETRY")}
    env |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert "[3, 10]" in run.stdout, run.stderr
    assert not [p for p in tmp_path.rglob("*") if "icrosoft" in str(p) or "onnxruntime" in str(p)]


@pytest.mark.parametrize(
    "module, call",
    [
        ("torch_pruning", lambda: compress.prune(student(), IMAGES[:1])),
        ("onnxscript", lambda: compress.export_onnx(student(), IMAGES[:2], "never.onnx")),
        ("onnxruntime", lambda: compress.export_onnx(student(), IMAGES[:2], "never.onnx")),
        ("onnx", lambda: compress.quantise_int8("never.onnx", IMAGES[:2], "never8.onnx")),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_without_the_extra_one_line_says_what_to_install(module, call, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    name = module.replace("_", "-")
    with pytest.raises(
        ImportError, match=rf'^{name} is not installed; install it with: pip install "kdlab\[deploy\]"$'
    ):
        call()


def test_whether_the_extra_is_there_is_said(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    assert not compress.extra_installed()
    assert 'pip install "kdlab[deploy]"' in capsys.readouterr().out
