"""Stopped at any moment and in any way, a run goes on to the same end."""

import ctypes
import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import traceback
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import pytest
import timm
import torch
from photo_folders import make_photos
from safetensors.torch import load_file

from kdlab import plots
from kdlab.__main__ import main
from kdlab.files import replacing, sync_folder
from kdlab.measure import cost_table
from kdlab.photos import cache, report, run, training
from kdlab.photos.identity import alone

LINE = (
    "kdlab distill --teacher local-dir:{root}/t --adapt finetune --student tiny_cnn --data {root}/photos "
    "--out {out} --student-option width=4 --size 8 --epochs 2 --batch-size 4 --views 2 --threads 1 --every 0 "
    "--baseline"
)
# What a run does beside writing to its folder, as (owner, function).
STEPS = [
    (torch.optim.AdamW, "step"), (cache, "answers_of"), (training, "evaluate"), (run, "evaluate"),
    (report, "export_onnx"), (report, "cost_table"), (os, "fsync"),
]  # fmt: skip
EVERYWHERE = nullcontext()
WRITTEN = {"open", "os.rename", "os.mkdir", "os.remove"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Photos and a teacher."""
    root = tmp_path_factory.mktemp("stops")
    make_photos(root / "photos", classes=2, each=6, side=8)
    torch.manual_seed(0)
    timm.models.save_for_hf(
        timm.create_model("test_resnet", num_classes=3), root / "t", safe_serialization=True
    )
    # What is loaded here need not be in each child.
    with pytest.MonkeyPatch.context() as patch:
        brief(patch)
        assert main([word.format(root=root, out=root / "first") for word in LINE.split()[1:]]) == 0
    return root


def brief(patch):
    """A short end: the exporter and the clock have tests of their own."""

    def quick_onnx(network, images, path):
        with replacing(path) as half:
            half.write_bytes(b"onnx")

    def quick_table(*arguments, **options):
        return cost_table(*arguments, **{**options, "seconds": 1e-3})

    patch.setattr(report, "export_onnx", quick_onnx)
    patch.setattr(report, "cost_table", quick_table)
    patch.setattr(run, "STUDENT_BYTES", 0)
    patch.setattr(plots, "png", lambda figure: (b"png", None, None))


def moments(out, happens):
    """From here on ``happens(what)`` is called at each step, and wherever a file of ``out`` is touched."""

    def heard(event, arguments):
        if event not in WRITTEN or (event == "open" and not (arguments[2] or 0) & WRITING):
            return
        if isinstance(arguments[0], str | os.PathLike) and str(arguments[0]).startswith(f"{out}{os.sep}"):
            happens(f"{event} {os.path.relpath(arguments[0], out)}")

    def told(function):
        def wrapped(*arguments, **options):
            happens(function.__name__)
            return function(*arguments, **options)

        return wrapped

    for owner, name in STEPS:
        setattr(owner, name, told(getattr(owner, name)))
    sys.addaudithook(heard)  # there is no way to take it back: in a child only


def started(root, out, *options, happens=None, line=LINE, within=EVERYWHERE):
    """The exit code of the command in a child, by its signal below 0, and what it said."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 99
        try:
            for number in (1, 2):
                os.dup2(writing, number)
            sys.stdout = sys.stderr = os.fdopen(1, "w", encoding="utf-8")
            signal.signal(signal.SIGINT, signal.default_int_handler)
            brief(pytest.MonkeyPatch())
            if happens:
                moments(out, happens)
            sys.argv = [word.format(root=root, out=out) for word in line.split()] + [*options]
            with within:
                code = main()
            sys.stdout.flush()
        except SystemExit as error:
            code = error.code
        except BaseException:
            os.write(1, traceback.format_exc().encode())
        os._exit(code)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as said:
        text = said.read()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), text


def nth(number, act):
    """``happens`` that acts at one moment."""
    left = iter(range(10**9))
    return lambda what: act(what) if next(left) == number else None


def end(out):
    """All that a run leaves, but for the time it took."""
    facts = json.loads((out / "run.json").read_text(encoding="utf-8"))
    states = [load_file(out / "student" / "model.safetensors")]
    states += [torch.load(path)["weights"] for path in sorted((out / "runs").glob("*/checkpoint.pt"))]
    answers = {str(path.relative_to(out)): path.read_bytes() for path in (out / "cache").rglob("*.npy")}
    return facts["scores"], answers, states


def same(one, other):
    (scores, answers, states), (their_scores, their_answers, their_states) = one, other
    alike = all(
        mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)
        for mine, theirs in zip(states, their_states, strict=True)
    )
    return alike and scores == their_scores and answers == their_answers


@pytest.fixture(scope="module")
def straight(root):
    """The end of a run that nothing stopped, and all its moments in order."""
    heard = root / "moments"

    def happens(what):
        with open(heard, "ab") as file:  # not in the folder that is watched
            file.write(f"{what}\n".encode())

    code, said = started(root, root / "straight", happens=happens)
    assert code == 0, said
    return end(root / "straight"), heard.read_text(encoding="utf-8").splitlines()


# ---- ways to stop


def kill(what):
    os.kill(os.getpid(), signal.SIGKILL)


def ask(what):
    os.kill(os.getpid(), signal.SIGTERM)


def interrupt(what):
    os.kill(os.getpid(), signal.SIGINT)


def fill_the_disk(what):
    """From here on no file takes more than a few bytes: a real error of the system's, wherever it is met."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, resource.RLIM_INFINITY))


STOPS = {kill: (-9,), ask: (143,), interrupt: (130,), fill_the_disk: (0, 2)}


def seen(out):
    """Files that others may read."""
    return [
        path for path in out.rglob("*") if path.is_file() and path.suffix != ".part" and path.name != ".lock"
    ]


def stop(root, out, moment, how, *options):
    """Stop a run at a moment, and see that it ended as it should."""
    code, said = started(root, out, *options, happens=nth(moment, how))
    assert "Traceback" not in said and code in (*STOPS[how], 0), said
    lines = [line for line in said.splitlines() if line.startswith("kdlab: ")]
    if code == 0:
        assert (out / "run.json").exists(), said  # it was at its end already
    elif how in (ask, interrupt):
        assert len(lines) == 1 and lines[0].startswith("kdlab: stopped"), said
    elif how is fill_the_disk:
        assert lines and lines[-1] == said.splitlines()[-1], said
    assert all(path.stat().st_size for path in seen(out)), seen(out)


SPREAD = 10


@pytest.mark.parametrize("place", range(SPREAD))
def test_stopped_again_and_again_it_goes_on_to_the_same_end(root, straight, tmp_path, place):
    expected, heard = straight
    ways, out = [*STOPS], tmp_path / "out"
    stop(root, out, place * len(heard) // SPREAD + place % 5, ways[place % 4])
    stop(root, out, 11 + 7 * (place % 3), ways[(place // 4 + place + 1) % 4], "--resume")
    code, said = started(root, out, "--resume")
    assert code == 0, said
    assert same(end(out), expected)
    assert not [*out.rglob("*.part")]


def test_the_moments_lie_all_over_a_run(straight):
    _, heard = straight
    expected = ["answers_of", "os.rename cache/00000.part", "step", "evaluate", "quick_onnx", "quick_table"]
    expected += ["os.rename runs/teacher/checkpoint.pt.part", "os.rename run.json.part", "fsync"]
    assert {*expected} <= {*heard}, heard


def test_a_disk_that_is_full_at_the_end_keeps_what_was_trained(root, straight, tmp_path):
    expected, heard = straight
    out, first = tmp_path / "out", heard.index("quick_onnx") - 1
    while heard[first] != "evaluate":  # what comes after it is the report
        first -= 1
    code, said = started(root, out, happens=nth(first + 1, fill_the_disk))
    assert code == 2 and said.splitlines()[-1].startswith("kdlab: ") and "File too large" in said
    kept = [path.read_bytes() for path in sorted(out.glob("runs/*/checkpoint.pt"))]
    code, said = started(root, out, "--resume")
    assert code == 0 and same(end(out), expected), said
    assert (
        kept == [path.read_bytes() for path in sorted(out.glob("runs/*/checkpoint.pt"))] or "training" in said
    )


NEW_USER, NEW_MOUNTS = 0x10000000, 0x00020000


def mount_small_disk(folder, size):
    """In a child: a file system of this size at ``folder``, which no other process sees."""
    libc, mine = ctypes.CDLL(None, use_errno=True), {"uid": os.getuid(), "gid": os.getgid()}
    if libc.unshare(NEW_USER | NEW_MOUNTS):
        raise OSError(ctypes.get_errno(), "no namespace of its own")
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    for kind, number in mine.items():
        Path(f"/proc/self/{kind}_map").write_text(f"0 {number} 1", encoding="ascii")
    if libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, f"size={size}".encode()):
        raise OSError(ctypes.get_errno(), "no mount")


def can_mount():
    child = os.fork()
    if child == 0:
        with suppress(Exception):
            mount_small_disk("/mnt", "1m")
            os._exit(0)
        os._exit(1)
    return os.waitpid(child, 0)[1] == 0


@contextmanager
def on_a_small_disk(out, size):
    """In a child: ``out`` lies on a disk of this size; what it holds is there before and after."""
    disk, kept = out.with_suffix(".disk"), out.with_suffix(".kept")
    for folder in (disk, kept):
        folder.mkdir(exist_ok=True)
    mount_small_disk(disk, size)
    shutil.copytree(kept, disk, dirs_exist_ok=True)
    out.unlink(missing_ok=True)
    out.symlink_to(disk)
    yield
    shutil.copytree(disk, kept, dirs_exist_ok=True)
    out.unlink()
    out.symlink_to(kept)


@pytest.mark.skipif(not can_mount(), reason="no file system may be mounted here")
@pytest.mark.parametrize("size", ["60k", "220k"])
def test_a_real_disk_that_is_full(root, straight, tmp_path, size):
    out = tmp_path / "out"
    code, said = started(root, out, within=on_a_small_disk(out, size))
    lines = [line for line in said.splitlines() if line.startswith("kdlab: ")]
    assert code in (0, 2) and "Traceback" not in said, said
    assert lines and all("No space left" in line for line in lines), said
    code, said = started(root, out, "--resume", within=on_a_small_disk(out, "20m"))
    assert code == 0 and same(end(out), straight[0]), said


# ---- photos


@pytest.mark.parametrize("change", ["gone", "another", "no photo"])
def test_a_photo_that_is_gone_in_a_run_is_named(root, tmp_path, change):
    """Photos in memory do not notice; others are needed, and the same ones."""
    shutil.copytree(root / "photos", tmp_path / "photos")
    shutil.copytree(root / "t", tmp_path / "t")
    photo, aside = tmp_path / "photos" / "class 0" / "003.jpg", tmp_path / "003.jpg"
    shutil.copy(photo, aside)

    def act(what):
        if change == "gone":
            photo.unlink()
        else:
            photo.write_bytes(b"no" if change == "no photo" else (photo.parent / "002.jpg").read_bytes())

    little = [*LINE.replace("--baseline", "--memory 0").split()]
    out, line = tmp_path / "out", " ".join(little)
    code, said = started(tmp_path, out, happens=nth(60, act), line=line)
    assert code == 2 and "Traceback" not in said, said
    (told,) = [text for text in said.splitlines() if text.startswith("kdlab: ")]
    assert "class 0/003.jpg" in told and "--resume goes on" in told and " at 0x" not in told
    code, said = started(tmp_path, out, "--resume", line=line)
    assert code == 2 and "is of another run; photos to " in said, said
    shutil.copy(aside, photo)
    code, said = started(tmp_path, out, "--resume", line=line)
    assert code == 0, said
    assert started(tmp_path, tmp_path / "whole")[0] == 0
    both = [load_file(o / "student" / "model.safetensors") for o in (out, tmp_path / "whole")]
    assert all(torch.equal(both[0][name], both[1][name]) for name in both[0])


def test_photos_in_memory_are_not_needed_any_more(root, straight, tmp_path):
    for part in ("photos", "t"):
        shutil.copytree(root / part, tmp_path / part)
    happens = nth(60, lambda what: shutil.rmtree(tmp_path / "photos"))
    code, said = started(tmp_path, tmp_path / "out", happens=happens)
    assert code == 0 and not (tmp_path / "photos").exists(), said
    assert same(end(tmp_path / "out"), straight[0])


# ---- two at once


@pytest.mark.parametrize("place", [1, 3])
def test_a_second_run_ends_in_one_line_and_the_first_goes_on(root, straight, tmp_path, place):
    expected, heard = straight
    out, told = tmp_path / "out", tmp_path / "told"

    def second(what):
        code, said = started(root, out, *["--resume"] * (place > 1))
        told.write_text(f"{code}\n{said}", encoding="utf-8")

    code, said = started(root, out, happens=nth(place * len(heard) // 4, second))
    lines = told.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "2" and len(lines) == 2 and "another run is at work" in lines[1], lines
    assert code == 0 and same(end(out), expected), said


def test_a_cache_whose_writer_is_killed_is_gone_on_with_by_the_run_that_waits(root, straight, tmp_path):
    expected, heard = straight
    shared, go, told = ["--cache", str(tmp_path / "cache")], tmp_path / "go", tmp_path / "told"
    waiting = os.fork()
    if waiting == 0:
        while not go.exists():
            time.sleep(0.01)
        code, said = started(root, tmp_path / "2", *shared)
        told.write_text(f"{code}\n{said}", encoding="utf-8")
        os._exit(0)

    def let_the_other_begin(what):
        go.touch()
        time.sleep(3)
        kill(what)

    at = heard.index("os.mkdir cache/00000.part")
    assert started(root, tmp_path / "1", *shared, happens=nth(at, let_the_other_begin))[0] == -9
    os.waitpid(waiting, 0)
    assert told.read_text(encoding="utf-8").startswith("0\n"), told.read_text(encoding="utf-8")
    code, said = started(root, tmp_path / "1", *shared, "--resume")
    assert code == 0, said
    assert end(tmp_path / "1")[0] == end(tmp_path / "2")[0] == expected[0]


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_where_there_are_no_locks_and_no_folder_is_synced_a_run_goes_on(
    tmp_path, monkeypatch, capsys, number
):
    def refuse(*arguments):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr("fcntl.flock", refuse)
        with alone(tmp_path):
            pass
        patch.setattr(os, "fsync", refuse)
        sync_folder(tmp_path)
    assert "start no second run there" in capsys.readouterr().err or number == errno.ENOSYS
    with alone(tmp_path):
        pass


# ---- real processes


@pytest.mark.parametrize(
    ("number", "code", "when"),
    [(signal.SIGINT, 130, "import"), (signal.SIGTERM, 143, "import"), (signal.SIGINT, 130, "export")],
)
def test_the_program_itself_ends_in_one_line(root, tmp_path, number, code, when):
    """Also while PyTorch is imported, and while the exporter works, which catches whatever is raised."""
    own, module = tmp_path / "sitecustomize.py", {"import": "torch", "export": "onnxscript"}[when]
    own.write_text(SIGNALLED.format(number=int(number), module=module), encoding="utf-8")
    line = ["train", "--student", "tiny_cnn", "--data", f"{root}/photos", "--out", f"{tmp_path}/out"]
    line += ["--size", "8", "--epochs", "1", "--batch-size", "4", "--views", "1"]
    path = os.pathsep.join([str(tmp_path), *(p for p in sys.path if p)])
    done = subprocess.run(
        [sys.executable, "-m", "kdlab", *line], capture_output=True, text=True, encoding="utf-8", timeout=200,
        env={**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert done.returncode == code and "Traceback" not in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("kdlab: stopped"), done.stderr
    assert ("--resume" in done.stderr) is (when == "export")


# In the program's process: a signal when this module is being imported.
SIGNALLED = """
import os, sys

class Signal:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}" and "kdlab.photos.run" in sys.modules:
            os.kill(os.getpid(), {number})

sys.meta_path.insert(0, Signal())
"""
