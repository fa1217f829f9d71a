import errno
import json
import os
import subprocess
import sys
import types
from functools import partial

import pytest
import timm
import torch
from killing import at, killed
from photo_folders import make_photos

from kdlab import metrics
from kdlab.__main__ import main
from kdlab.measure import cost_table
from kdlab.names import in_markdown
from kdlab.photos.evaluation import evaluate
from kdlab.photos.settings import NAMES
from kdlab.run import run

QUICK = {"epochs": 2, "batch_size": 8, "views": 2, "threads": 0, "progress": False}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def teacher(data, tmp_path_factory):
    """A teacher trained by the command itself, in timm's layout."""
    out = tmp_path_factory.mktemp("teacher")
    command = ["train", "--student", "test_resnet", "--size", "32", "--data", str(data), "--out", str(out)]
    assert main([*command, "--epochs", "1", "--batch-size", "8", "--quiet"]) == 0
    return f"local-dir:{out / 'student'}"


@pytest.fixture
def brief_report(monkeypatch):
    """A report without an ONNX file, and timed for a moment: those of the other tests are whole."""
    monkeypatch.setattr("kdlab.photos.report.export_onnx", lambda network, images, path: None)
    monkeypatch.setattr("kdlab.photos.report.cost_table", partial(cost_table, seconds=0.01))


def test_five_lines_of_python(data, teacher, tmp_path):
    outcome = run(teacher=teacher, student="test_byobnet", data=data, out=tmp_path, **QUICK)
    network = timm.create_model(f"local-dir:{tmp_path / 'student'}", pretrained=True).eval()
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(network(images), outcome.student(images))
    assert network.pretrained_cfg["input_size"] == (3, 32, 32)
    assert network.pretrained_cfg["label_names"] == ["class 0", "class 1", "class 2"]
    answers = evaluate(outcome.teacher, outcome.photos.validation, 32)
    assert outcome.facts["teacher, %"] == metrics.accuracy(answers, outcome.photos.validation.labels)


def words(line, **values):
    """A command line split at its spaces, then filled in."""
    return [word.format(**values) for word in line.split()]


def test_the_command_with_every_term_a_baseline_and_paired_seeds(data, teacher, tmp_path, capsys):
    command = "distill --teacher {teacher} --student tiny_cnn --data {data} --out {out} --student-layer 1"
    options = "--epochs 1 --batch-size 8 --views 1 --threads 0 --seeds 2 --baseline --verify --match"
    line = words(f"{command} {options}", teacher=teacher, data=data, out=tmp_path)
    assert main(line + [f"{name}=0.5" for name in NAMES]) == 0
    said = capsys.readouterr().out
    assert "2 pairs: a verdict needs at least 3" in said and "asking once has cost less" in said
    assert "largest error of a stored logit" in said and "of the validation photos" in said
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    for heading in ("The comparison", "Learning curves", "Confusion", "Cost, on 1 CPU threads"):
        assert f"## {heading}" in report
    assert report.startswith("**Verdict: open (") and "2 pairs: a verdict needs at least 3" in report
    assert {"curves.png", "confusion.png", "run.json"} <= {p.name for p in tmp_path.iterdir()}
    assert len(json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))["scores"]["distilled"]) == 2


def test_kdlabs_own_student_says_how_it_is_made(data, tmp_path, brief_report):
    from safetensors.torch import load_file

    from kdlab.models import create_student

    outcome = run(student="tiny_cnn", student_options={"width": 4}, data=data, out=tmp_path, size=32, **QUICK)
    call = json.loads((tmp_path / "student" / "config.json").read_text(encoding="utf-8"))["create_student"]
    network = create_student(**call)
    network.load_state_dict(load_file(tmp_path / "student" / "model.safetensors"))
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(network.eval()(images), outcome.student(images))


def test_bad_images_are_listed_at_the_end(tmp_path, capsys, brief_report):
    data = make_photos(tmp_path / "photos")
    (data / "class 1" / "empty.png").write_bytes(b"")
    options = {**QUICK, "progress": True}
    run(student="tiny_cnn", data=data, out=tmp_path / "out", size=32, **options)
    assert "1 bad images were left out:\n  class 1/empty.png: the file is empty" in capsys.readouterr().out
    assert "bad: class 1/empty.png: the file is empty" in (tmp_path / "out" / "report.md").read_text(
        encoding="utf-8"
    )


def test_killed_anywhere_resume_gives_the_same_student(data, teacher, tmp_path, brief_report):
    options = {**QUICK, "teacher": teacher, "student": "test_byobnet", "data": data, "baseline": True}
    straight = run(out=tmp_path / "straight", **options)

    def work(die):
        torch.optim.AdamW.step = at(9, die, torch.optim.AdamW.step)  # in the second arm
        run(out=tmp_path / "killed", **options)

    assert killed(work)
    with pytest.raises(ValueError, match="killed holds a run already: go on by --resume"):
        run(out=tmp_path / "killed", **options)
    again = run(out=tmp_path / "killed", resume=True, **options)
    ours, theirs = (o.student.state_dict() for o in (again, straight))
    assert all(torch.equal(a, b) for a, b in zip(ours.values(), theirs.values()))
    assert again.result.scores == straight.result.scores


BAD = [
    ({"student": "test_byobnat"}, "no model is called 'test_byobnat'; did you mean"),
    (
        {"student": "deit_tiny_patch16_224"},
        "student 'deit_tiny_patch16_224' does not take 32 px: .",
    ),
    ({"size": 8, "teacher": "digits-small"}, "classes, the photos have 3|does not take 8 px"),
    ({"teacher": "digits-small"}, "has 10 classes, the photos have 3: give it a new classifier"),
    ({"match": {"sofd": 1.0}}, "no term is called 'sofd'; there are hard, soft"),
    ({"teacher": None, "match": {"soft": 1.0}}, "soft need a teacher"),
    ({"seeds": 0}, "seeds must be at least 1 and at most 10000, got 0"),
    ({"epochs": 0}, "epochs must be at least 1 and at most 1000000, got 0"),
    ({"match": {"hint": 1.0}, "student_layer": 9}, "there is no layer 9"),
    ({"data": "nowhere"}, "there is no folder nowhere"),
]


@pytest.mark.parametrize("changes, message", BAD)
def test_bad_input_is_one_line_before_training(data, teacher, tmp_path, changes, message, monkeypatch):
    monkeypatch.setattr(torch.optim.AdamW, "step", None)
    options = {**QUICK, "teacher": teacher, "student": "test_byobnet", "data": data, "out": tmp_path}
    with pytest.raises((ValueError, OSError), match=message) as caught:
        run(**{**options, **changes})
    assert "\n" not in str(caught.value)


def test_an_output_folder_that_cannot_be_written_is_one_line_at_the_start(
    data, tmp_path, capsys, monkeypatch
):
    def error(out):
        line = "train --student tiny_cnn --data {data} --size 32 --out {out}"
        assert main(words(line, data=data, out=out)) == 2
        return capsys.readouterr().err

    (tmp_path / "file").write_text("", encoding="utf-8")
    said = error(tmp_path / "file" / "out")
    reason = os.strerror(errno.ENOTDIR)
    assert f"cannot be written: {reason}; give another one with --out\n" in said
    assert said.count("\n") == 1
    monkeypatch.setattr("kdlab.files.shutil.disk_usage", lambda folder: types.SimpleNamespace(free=10**6))
    said = error(tmp_path / "full")
    assert "has 0.00 GB free, this run writes about 0.05 GB" in said and said.count("\n") == 1


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_output_folder(data, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match=f"cannot be written: {os.strerror(errno.EACCES)}"):
        run(student="tiny_cnn", data=data, out=tmp_path / "out", size=32, **QUICK)


def test_the_exporter_is_called_and_a_report_comes_without_it(data, tmp_path, monkeypatch, brief_report):
    def missing(network, images, path):
        raise ModuleNotFoundError("No module named 'onnx'")

    def present(network, images, path):
        path.write_bytes(b"onnx")

    for out, exporter in (("1", missing), ("2", present)):
        monkeypatch.setattr("kdlab.photos.report.export_onnx", exporter)
        run(student="tiny_cnn", data=data, out=tmp_path / out, size=32, **QUICK)
    said = "no student.onnx: No module named 'onnx' (pip install 'kdlab[deploy]')"
    assert in_markdown(said) in (tmp_path / "1" / "report.md").read_text(encoding="utf-8")
    assert (tmp_path / "2" / "student.onnx").exists()


def test_an_adapted_teacher_and_one_cache_for_two_runs(data, tmp_path, capsys, brief_report):
    other = tmp_path / "teacher"
    timm.models.save_for_hf(timm.create_model("test_resnet", num_classes=9), other, safe_serialization=True)
    options = {**QUICK, "progress": True, "adapt": "probe", "student": "tiny_cnn", "size": 32}
    for out, asked in (("1", True), ("2", False)):
        folders = {"out": tmp_path / out, "cache": tmp_path / "cache"}
        run(teacher=f"local-dir:{other}", data=data, **folders, **options)
        said = capsys.readouterr().out
        assert ("an answer took" in said) is asked and "teacher, probe: " in said


def test_under_torchrun_the_command_writes_one_report(data, teacher, tmp_path):
    python = "-m torch.distributed.run --standalone --nproc_per_node 2 -m kdlab distill --teacher {teacher}"
    options = "--student test_byobnet --data {data} --out {out} --epochs 2 --batch-size 8 --views 2"
    line = f"{python} {options} --match hard=0.1 soft=0.9 distance=1"
    line = words(line, teacher=teacher, data=data, out=tmp_path)
    result = subprocess.run(
        [sys.executable, *line], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.count("; report: ") == 1 and (tmp_path / "report.md").exists()
