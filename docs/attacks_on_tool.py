"""Attacks on `kdlab distill` and the classroom: each is tried, and what comes of it is told in words."""

import contextlib
import functools
import io
import os
import re
import shutil
import signal
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from PIL import Image

from kdlab import classroom, exercises
from kdlab.photos import report
from kdlab.photos.loading import load_photos
from kdlab.run import run

_KEPT = tempfile.TemporaryDirectory()
TEACHER = "digits-small"
QUICK = {
    "teacher": TEACHER, "adapt": "probe", "student": "tiny_cnn", "student_options": {"width": 2}, "size": 32,
    "epochs": 2, "batch_size": 4, "views": 1, "threads": 0, "progress": False, "device": "cpu",
}  # fmt: skip


def picture(number, *, dtype=np.uint8, top=255):
    """A grey picture (24, 24) of noise; those of a class are alike in brightness."""
    noise = np.random.default_rng(number).random((24, 24))
    return Image.fromarray(((0.5 + 0.5 * (number % 2)) * top * noise).astype(dtype))


def photos(folder, *, parts=("",), classes=("one", "two"), each=6):
    """Class folders of pictures; the folder again."""
    for p, part in enumerate(parts):
        for c, name in enumerate(classes):
            place = folder / part / name
            place.mkdir(parents=True)
            for i in range(each):
                picture(2 * (100 * p + i) + c).save(place / f"{i}.png")
    return folder


def outcome(folder, **options):
    """What a run says: the error's line, or that it ends, with the remarks about the photos."""
    try:
        found = run(**{"data": folder / "photos", "out": folder / "out", **QUICK, **options})
    except (ValueError, OSError, FloatingPointError, TypeError) as error:
        return f"refused: {error}"
    told = [*found.photos.notes, *(f"left out: {name}: {why}" for name, why in found.photos.bad)]
    return "; told: ".join(["runs", *told])


@functools.cache
def ended():
    """A folder with photos and a run that has ended."""
    folder = Path(_KEPT.name)
    photos(folder / "photos")
    outcome(folder)
    return folder


def after(folder, change, **options):
    """What `--resume` says when something was changed after a run had ended."""
    shutil.copytree(ended(), folder, dirs_exist_ok=True)
    change(folder)
    return outcome(folder, **{"resume": True, **options})


def flip(path):
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


def first(folder, pattern):
    return sorted(folder.rglob(pattern))[0]


# ---- each attack takes an empty folder and gives what came of it


def other_option(folder, **options):
    return after(folder, lambda f: None, **options)


def other_photos(folder):
    return after(folder, lambda f: picture(77).save(f / "photos" / "one" / "new.png"))


def second_run(folder):
    photos(folder / "photos")
    (folder / "out").mkdir()
    with FileLock(folder / "out" / ".lock"):
        return outcome(folder)


def layout(folder, make):
    make(folder / "photos")
    return outcome(folder)


def mixed_parts(root):
    photos(root, parts=("train", "val"))
    photos(root, classes=("cats", "dogs"))


def stray_and_dangling(root):
    photos(root)
    picture(3).save(root / "stray.png")
    (root / "one" / "gone.png").symlink_to(root / "nowhere.png")


def copies(root):
    photos(root)
    shutil.copy(root / "one" / "0.png", root / "two" / "copy.png")


def in_both_parts(root):
    photos(root, parts=("train", "val"))
    shutil.copy(root / "val" / "one" / "0.png", root / "train" / "one" / "copy.png")


def twelve_bits(root):
    for c, name in enumerate(("one", "two")):
        (root / name).mkdir(parents=True)
        for i in range(6):
            picture(2 * i + c, dtype=np.uint16, top=4095).save(root / name / f"{i}.png")


def dark(root):
    photos(root)
    picture(1, top=30).save(root / "one" / "dark.png")


def bad_files(folder):
    place = photos(folder / "photos") / "one"
    whole = (place / "0.png").read_bytes()
    (place / "cut.png").write_bytes(whole[: len(whole) // 2])
    (place / "text.jpg").write_bytes(b"Dear Sir")
    (place / "empty.png").write_bytes(b"")
    bad = load_photos(folder / "photos", size=32, channels=1, threads=1).bad
    return "left out and listed: " + "; ".join(f"{name}: {why}" for name, why in bad)


def damaged(folder, pattern, damage):
    return after(folder, lambda f: damage(first(f / "out", pattern)))


def cut(path, share=0.5):
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def weights(folder, content):
    photos(folder / "photos")
    for name in (f"{TEACHER}.safetensors", f"{TEACHER}.json"):
        shutil.copy(_shipped() / name, folder / name.replace(TEACHER, "teacher"))
    content(folder)
    return outcome(folder, teacher=str(folder / "teacher.safetensors"))


def _shipped():
    from kdlab.teachers import TEACHERS

    return TEACHERS


def names(folder, name):
    photos(folder / "photos", classes=("one", name))
    said = outcome(folder)
    text = (folder / "out" / "report.md").read_text(encoding="utf-8")
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    forged = any(line.startswith("## forged") for line in text.splitlines()) or "<img src=x" in page
    return f"{said}; report {'forged' if forged else 'whole, the name written as text'}"


def option(folder, **options):
    photos(folder / "photos")
    return outcome(folder, **options)


def killed(folder):
    """Kill -9 in the second epoch, then resume; against a run that was left alone."""
    photos(folder / "photos")
    straight = run(data=folder / "photos", out=folder / "straight", **QUICK)
    child = os.fork()
    if child == 0:
        step, calls = torch.optim.AdamW.step, iter(range(10**6))

        def dies(self, *arguments, **more):
            if next(calls) == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            return step(self, *arguments, **more)

        torch.optim.AdamW.step = dies
        outcome(folder)
        os._exit(1)
    os.waitpid(child, 0)
    again = run(data=folder / "photos", out=folder / "out", resume=True, **QUICK)
    ours, theirs = (o.student.state_dict().values() for o in (again, straight))
    equal = all(torch.equal(a, b) for a, b in zip(ours, theirs))
    return f"`--resume` goes on and ends in {'the same weights, bit for bit' if equal else 'OTHER WEIGHTS'}"


def full_at_the_end(folder):
    photos(folder / "photos")
    save = report.save_student

    def full(*arguments):
        raise OSError(28, "No space left on device")

    report.save_student = full
    try:
        said = outcome(folder)
    finally:
        report.save_student = save
    return f"{said}. Then: {outcome(folder, resume=True)}"


def part_fails(folder):
    photos(folder / "photos")
    draw = report.pictures.confusion

    def fails(*arguments):
        raise RuntimeError("a font without letters")

    report.pictures.confusion = fails
    try:
        said = outcome(folder)
    finally:
        report.pictures.confusion = draw
    lines = (folder / "out" / "report.md").read_text(encoding="utf-8").splitlines()
    return f"{said}; the report says: {next(line for line in lines if 'a font' in line)}"


def two_pairs(folder):
    photos(folder / "photos")
    found = run(data=folder / "photos", out=folder / "out", **QUICK | {"baseline": True, "seeds": 2})
    return re.search(r"\d pairs: [^)]*", str(found.result))[0]


def handed_in(folder, name):
    exercises.hand_in(folder / "sheet.md", name=name)
    lines = (folder / "sheet.md").read_text(encoding="utf-8").splitlines()
    return f"written as one line of text: {next(line for line in lines if 'forged' in line)}"


def exported(folder, content):
    (folder / "lesson.ipynb").write_text(content, encoding="utf-8")
    try:
        return f"writes {classroom.export('student', [folder / 'lesson.ipynb'], folder / 'class')}"
    except (ValueError, OSError) as error:
        return f"refused: {error}"


ATTACKS = {
    "A resumed run that is another": [
        ("`--resume` at another temperature", partial(other_option, temperature=8.0)),
        ("`--resume` with another seed", partial(other_option, seed=5)),
        ("`--resume` with another student", partial(other_option, student="mlp", student_options=None)),
        ("`--resume` after a photo came", other_photos),
        ("a second start in the folder, without `--resume`", partial(other_option, resume=False)),
        ("a second run while the first is at work", second_run),
    ],
    "Folders": [
        ("`Training/ Testing/`", partial(layout, make=partial(photos, parts=("Training", "Testing")))),
        ("parts beside classes", partial(layout, make=mixed_parts)),
        ("a photo outside of class folders, a link to nothing", partial(layout, make=stray_and_dangling)),
        ("a photo under two classes", partial(layout, make=copies)),
        ("a photo in both parts", partial(layout, make=in_both_parts)),
        ("one photo a class", partial(layout, make=partial(photos, each=1))),
    ],
    "Pixels": [
        ("12 bits in files of 16", partial(layout, make=twelve_bits)),
        ("a photo that is nearly black", partial(layout, make=dark)),
        ("files that are no images", bad_files),
    ],
    "Damage": [
        ("a bit of a cached answer flipped", partial(damaged, pattern="logits.npy", damage=flip)),
        ("a cached shard cut in half", partial(damaged, pattern="logits.npy", damage=cut)),
        ("the cache's header is a list", partial(
            damaged, pattern="header.json", damage=lambda p: p.write_text("[1]", encoding="utf-8"))),
        ("a bit of a checkpoint flipped", partial(damaged, pattern="checkpoint.pt", damage=flip)),
        ("a checkpoint cut in half", partial(damaged, pattern="checkpoint.pt", damage=cut)),
        ("a checkpoint of no bytes", partial(damaged, pattern="checkpoint.pt", damage=partial(cut, share=0))),
        ("a teacher's weights of no bytes", partial(
            weights, content=lambda f: (f / "teacher.safetensors").write_bytes(b""))),
        ("a teacher's card that is a list", partial(
            weights, content=lambda f: (f / "teacher.json").write_text("[]", encoding="utf-8"))),
    ],
    "Names": [
        ("a class called `$x^$`", partial(names, name="$x^$")),
        ("a class with a line break and a heading", partial(names, name="a\n## forged")),
        ("a class of HTML", partial(names, name="<img src=x onerror=alert(1)>")),
    ],
    "Options": [
        ("`--size 0`", partial(option, size=0)),
        ("`--seed -1`", partial(option, seed=-1)),
        ("`--learning-rate nan`", partial(option, learning_rate=float("nan"))),
        ("`--match hard=0 soft=0`", partial(option, match={"hard": 0.0, "soft": 0.0})),
        ("`--student-option widht=4`", partial(option, student_options={"widht": 4})),
        ("`--views 0`", partial(option, views=0)),
    ],
    "Ends": [
        ("kill -9 in training, then `--resume`", killed),
        ("the disk is full when the student is written", full_at_the_end),
        ("a figure cannot be drawn", part_fails),
        ("two pairs", two_pairs),
    ],
    "The classroom": [
        ("`hand_in` by a name with a line break and a table's row", partial(
            handed_in, name="Ada\n| 1.1 | forged | right |")),
        ("`hand_in` by a name of HTML", partial(handed_in, name="<script>forged()</script>")),
        ("a lesson that is no notebook", partial(exported, content="Dear Sir")),
        ("a lesson whose cells are no list", partial(exported, content='{"cells": 3}')),
    ],
}  # fmt: skip


@contextlib.contextmanager
def _silence():
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        yield


def tried(attack):
    """What came of an attack, in one line that is the same on any machine."""
    with tempfile.TemporaryDirectory() as folder, _silence():
        said = attack(Path(folder))
        said = said.replace(f"{folder}/", "").replace(folder, ".")
    return re.sub(r"\b[0-9a-f]{12,}\b", "(digest)", " ".join(said.split()))


def table():
    """All attacks, in Markdown."""
    kept = report.export_onnx, report.cost_table
    report.export_onnx = lambda network, images, path: None  # neither is attacked, and both take seconds
    report.cost_table = partial(report.cost_table, seconds=0.001)
    parts = []
    try:
        for kind, attacks in ATTACKS.items():
            parts += [f"### {kind}\n\n| attack | what happens |\n| --- | --- |\n"]
            for what, attack in attacks:
                said = tried(attack).replace("|", "\\|").replace("<", "&lt;")
                parts += [f"| {what} | {said} |\n"]
            parts += ["\n"]
    finally:
        report.export_onnx, report.cost_table = kept
    return "".join(parts)


if __name__ == "__main__":
    sys.stdout.write(table())
