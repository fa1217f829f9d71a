"""Students of one teacher on a few real photos: hard labels, smoothing, soft targets, features, relations.

The photos are those of CIFAR-10 (Krizhevsky 2009), which are not shipped: ``--data`` takes what
``kdlab distill`` takes, a folder with ``train/`` and ``test/`` of class folders, ``torchvision:CIFAR10``
(downloaded where its host answers) or ``hf:USER/NAME``. Of each class 2,000 photos are drawn to learn from.
The teacher learns from one half. The other half is cut into as many disjoint draws as there are pairs,
and the students of a pair see one draw: the pairs differ in photos, order and initial weights, and no
student sees a photo that the teacher has learned from. All are tested on 500 other photos of each class.
"""

import argparse
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torchvision.io import write_png

from kdlab.metrics import accuracy
from kdlab.photos.evaluation import evaluate
from kdlab.photos.loading import PhotoList, load_photos
from kdlab.results import RESULTS, Shipped, run_card, save_results
from kdlab.run import run
from kdlab.study import Result

SIZE, HALF, EACH, TEST, GLANCE = 32, 1000, 200, 500, 10  # pixels; photos of each class
TEACHER = {
    "student": "test_resnet", "student_options": {"output_stride": 8}, "epochs": 15, "views": 15,
    "learning_rate": 0.004, "weight_decay": 0.05, "area": 0.5,
}  # fmt: skip
STUDENT = {"student": "tiny_cnn", "student_options": {"width": 16}, "views": 4, "area": 0.5}
ARMS = {
    "hard labels": {"match": {"hard": 1.0}},
    "soft targets": {"match": {"hard": 0.1, "soft": 0.9}},
    "label smoothing": {"match": {"hard": 1.0}, "smoothing": 0.1},
    "features": {"match": {"hard": 1.0, "hint": 10.0}},
    "relations": {"match": {"hard": 1.0, "angle": 10.0}},
}
STUDIES = {12: list(ARMS), 36: ["hard labels", "soft targets"]}  # epochs: arms


class Draws(NamedTuple):
    """Folders of the teacher's photos and of each pair's, and the photos to test on."""

    teacher: Path
    pairs: list
    test: PhotoList


def drawn(data, work, pairs):
    """The :class:`Draws` of these photos, as folders in ``work``."""
    photos = load_photos(data, size=SIZE, threads=1)
    order = torch.randperm(len(photos.train), generator=torch.Generator().manual_seed(0))
    tested = torch.randperm(len(photos.validation), generator=torch.Generator().manual_seed(1))
    found = {}
    for label, kind in enumerate(photos.classes):
        mine, held_out = (
            rows[part.labels[rows] == label].tolist()
            for part, rows in ((photos.train, order), (photos.validation, tested))
        )
        if len(mine) < HALF + EACH * pairs or len(held_out) < TEST:
            raise ValueError(
                f"{kind!r} has {len(mine)} photos to learn from and {len(held_out)} to test on; "
                f"this study needs {HALF + EACH * pairs} and {TEST}"
            )
        glance = [(photos.validation, held_out[:GLANCE])]
        parts = {"teacher": [(photos.train, mine[:HALF])]}
        parts |= {f"pair {k}": [(photos.train, mine[HALF + EACH * k :][:EACH])] for k in range(pairs)}
        for name, chosen in parts.items():
            for part, ((source, rows),) in {"train": chosen, "val": glance}.items():
                here = work / "photos" / name / part / kind
                here.mkdir(parents=True, exist_ok=True)
                for row in rows:
                    if not (here / f"{row:05}.png").exists():
                        write_png(source.read(row), str(here / f"{row:05}.png"))
        found[label] = held_out[:TEST]
    rows = [row for label in found for row in found[label]]
    whole = photos.validation
    test = PhotoList(
        tuple(whole.names[r] for r in rows), whole.labels[rows], whole.digest, lambda i: whole.read(rows[i])
    )
    return Draws(work / "photos" / "teacher", [work / "photos" / f"pair {k}" for k in range(pairs)], test)


def tested(network, test):
    return accuracy(evaluate(network, test, SIZE), test.labels)


def one(draws, work, k, arm, epochs):
    """The accuracy of pair ``k``'s student of this arm."""
    what, shared = ARMS[arm], {"size": SIZE, "threads": 1, "progress": False, "resume": True}
    options = {}
    if set(what["match"]) != {"hard"}:
        options["teacher"] = f"local-dir:{work / 'teacher' / 'student'}"
        options["cache"] = work / "cache" / f"{arm}, pair {k}"
    outcome = run(
        data=draws.pairs[k], out=work / f"{arm}, {epochs} epochs, pair {k}", seed=k, epochs=epochs,
        **STUDENT, **what, **options, **shared,
    )  # fmt: skip
    score = tested(outcome.student, draws.test)
    print(f"pair {k}, {epochs} epochs, {arm}: {score:.1f} %", flush=True)
    return score


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default="torchvision:CIFAR10", help="default: %(default)s")
    parser.add_argument("--name", default="CIFAR-10 (Krizhevsky 2009)", help="of the photos, in the results")
    parser.add_argument("--work", type=Path, default=Path("runs/photos"), help="runs and caches; can go on")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--out", default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        draws = drawn(options.data, options.work, options.pairs)
    except (OSError, ValueError) as error:
        print(f"photos: {error}; the results stay as they are")
        return
    start, work = time.time(), options.work
    shared = {"size": SIZE, "threads": 1, "progress": True, "resume": True}
    teacher = tested(run(data=draws.teacher, out=work / "teacher", **TEACHER, **shared).student, draws.test)
    print(f"teacher: {teacher:.1f} %", flush=True)
    scores = {epochs: {arm: [] for arm in arms} for epochs, arms in STUDIES.items()}
    for arm in ARMS:  # the two arms of both studies come first: a run that is cut short has them
        for k in range(options.pairs):
            for epochs in (e for e, arms in STUDIES.items() if arm in arms):
                scores[epochs][arm].append(one(draws, work, k, arm, epochs))
    command = f"python studies/photos.py --data {options.data}"
    card, shipped = run_card(command, time.time() - start), Shipped({}, {})
    for epochs in STUDIES:
        training = {
            "photos": options.name, "photos of each class": EACH, "another draw for each pair": "yes",
            "teacher, %": round(teacher, 1), "its photos of each class, which no student sees": HALF,
            "test photos of each class": TEST, **STUDENT, "epochs": epochs,
        }  # fmt: skip
        key = f"{epochs} epochs"
        shipped.results[key] = Result(
            "hard labels", scores[epochs], "accuracy on test photos, %", planned=options.pairs,
            training=training,
        )  # fmt: skip
        shipped.cards[key] = {**card, "minutes": card["minutes"] / len(STUDIES)}
        print(shipped.results[key])
    print(save_results("photos", shipped, options.out))


if __name__ == "__main__":
    main()
