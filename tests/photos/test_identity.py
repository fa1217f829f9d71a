"""A folder goes on with the run that began in it, and with no other; and one run at a time."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial

import pytest
import torch
from photo_folders import make_photos

from kdlab.measure import cost_table
from kdlab.photos.identity import alone
from kdlab.photos.settings import OPTIONS
from kdlab.run import run

QUICK = {"epochs": 1, "batch_size": 8, "views": 1, "threads": 0, "progress": False, "size": 32}


def brief(patch):
    patch.setattr("kdlab.photos.report.export_onnx", lambda network, images, path: None)
    patch.setattr("kdlab.photos.report.cost_table", partial(cost_table, seconds=0.001))


@pytest.fixture(autouse=True)
def brief_report(monkeypatch):
    brief(monkeypatch)


@pytest.fixture(scope="module")
def began(tmp_path_factory):
    """A finished run, and the options that it was given."""
    root = tmp_path_factory.mktemp("began")
    with pytest.MonkeyPatch.context() as patch:
        brief(patch)
        run(student="test_resnet", data=make_photos(root / "photos"), out=root / "teacher", **QUICK)
        teacher = f"local-dir:{root / 'teacher' / 'student'}"
        options = {**QUICK, "teacher": teacher, "student": "tiny_cnn", "data": root / "photos"}
        run(out=root / "out", **options)
    return root, options


# Another value for each option: a new one has to be added here, or this file fails.
OTHER = {
    "data": "copy", "out": "copy", "student": "test_byobnet", "pretrained": True,
    "student_options": {"width": 4}, "share": 0.3, "memory": 1.0, "teacher": "digits-small",
    "architecture": "resnet10t", "adapt": "probe", "cache": "elsewhere", "verify": True,
    "match": {"hard": 0.5, "soft": 0.5}, "temperature": 8.0, "teacher_layer": 0, "student_layer": 0,
    "baseline": True, "size": 40, "epochs": 2, "batch_size": 4, "learning_rate": 0.1, "optimiser": "sgd",
    "schedule": "cosine", "weight_decay": 0.5, "views": 2, "view_seed": 1, "area": 0.5, "flip": 0.0,
    "seed": 7, "precision": "bfloat16", "compile": True, "smoothing": 0.1, "seeds": 2, "margin": 5.0,
    "resume": False, "every": 1.0, "threads": 1, "device": "cpu", "progress": True,
}  # fmt: skip


def test_every_option_has_another_value_here():
    assert set(OTHER) == set(OPTIONS)


@pytest.mark.parametrize("name", OPTIONS)
def test_another_value_is_refused_with_both_sides_or_may_change(began, tmp_path, name):
    root, options = began
    out = tmp_path / "out"
    shutil.copytree(root / "out", out)
    changed = {**options, "out": out, "resume": True, name: OTHER[name]}
    if OTHER[name] == "copy":
        changed[name] = shutil.copytree({**options, "out": out}[name], tmp_path / "moved")
    if name == "cache":
        changed[name] = tmp_path / "cache"
    checkpoint = out / "runs" / "distilled-0" / "checkpoint.pt"
    before = checkpoint.read_bytes()
    if name == "resume":
        with pytest.raises(ValueError, match="holds a run already: go on by --resume"):
            run(**changed)
    elif OPTIONS[name].metadata["may_change"]:
        run(**changed)
    else:
        with pytest.raises(ValueError, match=rf"is of another run; {name}: there .+, now ") as caught:
            run(**changed)
        assert "\n" not in str(caught.value) and str(OTHER[name]) in str(caught.value)
    assert checkpoint.read_bytes() == before


def test_what_may_change_is_a_short_list():
    free = {name for name, option in OPTIONS.items() if option.metadata["may_change"]}
    assert free == {
        "data", "out", "memory", "cache", "verify", "baseline", "seeds", "resume", "every", "threads",
        "device", "progress",
    }  # fmt: skip


def test_more_pairs_than_planned_are_told(began, tmp_path):
    root, options = began
    shutil.copytree(root / "out", tmp_path / "out")
    run(**{**options, "out": tmp_path / "out", "resume": True, "baseline": True, "seeds": 3})
    assert "1 pairs were planned when the run began; now 3." in (tmp_path / "out" / "report.md").read_text(
        encoding="utf-8"
    )


def add_a_photo(root):
    shutil.copy(root / "photos" / "class 0" / "000.jpg", root / "photos" / "class 0" / "zzz.jpg")


def take_a_photo(root):
    (root / "photos" / "class 1" / "003.jpg").unlink()


def change_a_photo(root):
    shutil.copy(root / "photos" / "class 0" / "001.jpg", root / "photos" / "class 1" / "001.jpg")


def rename_a_class(root):
    (root / "photos" / "class 2").rename(root / "photos" / "class 9")


def train_the_teacher_on(root):
    from safetensors.torch import load_file, save_file

    path = root / "teacher" / "student" / "model.safetensors"
    weights = load_file(path)
    save_file({name: w + 0.01 if w.is_floating_point() else w for name, w in weights.items()}, path)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (add_a_photo, "photos to "), (take_a_photo, "photos to "), (change_a_photo, "photos to "),
        (rename_a_class, "photos to |classes"), (train_the_teacher_on, "teacher's weights"),
    ],
)  # fmt: skip
def test_what_stands_behind_a_name_is_known_by_content(began, tmp_path, change, named):
    root, options = began
    for part in ("out", "photos", "teacher"):
        shutil.copytree(root / part, tmp_path / part)
    change(tmp_path)
    shutil.move(root / "teacher", root / "aside")  # the teacher keeps its name
    shutil.copytree(tmp_path / "teacher", root / "teacher")
    try:
        with pytest.raises(ValueError, match=rf"is of another run; ({named})"):
            run(**{**options, "data": tmp_path / "photos", "out": tmp_path / "out", "resume": True})
    finally:
        shutil.rmtree(root / "teacher")
        shutil.move(root / "aside", root / "teacher")


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"3", b"\xff\xfe", b"null"])
def test_a_damaged_identity_is_one_line(began, tmp_path, content):
    root, options = began
    shutil.copytree(root / "out", tmp_path / "out")
    (tmp_path / "out" / "runs" / "identity.json").write_bytes(content)
    with pytest.raises(ValueError, match="identity.json is damaged .*: delete the folder") as caught:
        run(**{**options, "out": tmp_path / "out", "resume": True})
    assert "\n" not in str(caught.value)


def test_bad_input_leaves_nothing_that_must_be_resumed(began, tmp_path):
    _, options = began
    with pytest.raises(ValueError, match="no layer 9"):
        run(**{**options, "out": tmp_path / "out", "match": {"hint": 1.0}, "student_layer": 9})
    run(**{**options, "out": tmp_path / "out"})


# ---- one run at a time


def hold(folder, ready, seconds):
    with alone(folder):
        ready.set()
        time.sleep(seconds)


def holder(folder, seconds=60.0):
    """Another process that is at work in the folder."""
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=hold, args=(folder, ready, seconds), daemon=True)
    process.start()
    assert ready.wait(30)
    return process


def test_a_second_run_in_the_folder_ends_in_one_line_and_touches_nothing(began, tmp_path):
    root, options = began
    shutil.copytree(root / "out", tmp_path / "out")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*.*") if p.name != ".lock"}
    process = holder(tmp_path / "out")
    try:
        with pytest.raises(ValueError, match="another run is at work in .*: wait for its end") as caught:
            run(**{**options, "out": tmp_path / "out", "resume": True})
        assert "\n" not in str(caught.value)
        assert {p: p.stat().st_mtime_ns for p in before} == before
    finally:
        process.kill()
        process.join()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_dead_run_holds_nothing(tmp_path, how):
    process = holder(tmp_path)
    os.kill(process.pid, how)
    process.join()
    with alone(tmp_path):
        pass


def test_the_lock_is_the_systems_own(tmp_path):
    """A process that never came to Python's exit handlers leaves none behind."""
    code = "import os, pathlib, sys; from kdlab.photos.identity import alone\n"
    code += "with alone(pathlib.Path(sys.argv[1])): os._exit(3)"
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=path).returncode == 3
    with alone(tmp_path):
        pass


def test_a_run_waits_for_the_cache_that_another_one_fills(began, tmp_path, capfd):
    _, options = began
    process = holder(tmp_path / "cache", seconds=2.0)
    run(**{**options, "out": tmp_path / "out", "cache": tmp_path / "cache"})
    process.join()
    assert "another run is at work in the cache" in capfd.readouterr().err


def test_ctrl_c_says_how_to_go_on(began, tmp_path, monkeypatch, capsys):
    _, options = began
    step, count = torch.optim.AdamW.step, iter(range(10**6))

    def interrupted(*arguments, **more):
        if next(count) == 4:
            raise KeyboardInterrupt
        return step(*arguments, **more)

    monkeypatch.setattr(torch.optim.AdamW, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(**{**options, "out": tmp_path / "out", "epochs": 2})
    assert "stopped; the same command with --resume goes on in" in capsys.readouterr().err
