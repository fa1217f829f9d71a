"""Stopped at any moment and in any way, a run goes on to the same end."""

import json
import os
import resource
import signal
import sys
import traceback

import pytest
import timm
import torch
from photo_folders import make_photos
from safetensors.torch import load_file

from kdlab.__main__ import main
from kdlab.files import replacing
from kdlab.measure import cost_table
from kdlab.photos import cache, report, run, training

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


def started(root, out, *options, happens=None, line=LINE):
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


SPREAD = 16


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
