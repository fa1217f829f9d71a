"""Students of one teacher on a few real photos: hard labels, smoothing, soft targets, features, relations.

The photos are not shipped: give a folder with ``train/`` and ``test/`` of class folders. A teacher is
trained on all of ``train/``; the students see a few photos of each class, and are tested on
as many.
"""

import argparse
import shlex
import sys
import time
from pathlib import Path

from kdlab.results import RESULTS, Shipped, load_results, run_card, save_results
from kdlab.run import run
from kdlab.study import Result

TEACHER = {
    "student": "test_resnet", "student_options": {"output_stride": 8}, "epochs": 15, "views": 15,
    "learning_rate": 0.004, "weight_decay": 0.05, "area": 0.5,
}  # fmt: skip
STUDENT = {"student": "tiny_cnn", "student_options": {"width": 16}, "views": 4, "area": 0.5}
ARMS = {
    "hard labels": {"match": {"hard": 1.0}},
    "label smoothing": {"match": {"hard": 1.0}, "smoothing": 0.1},
    "soft targets": {"match": {"hard": 0.1, "soft": 0.9}},
    "features": {"match": {"hard": 1.0, "hint": 10.0}},
    "relations": {"match": {"hard": 1.0, "angle": 10.0}},
}


def few(data, folder, each):
    """A folder that shows the first photos of each class of ``train/`` and of ``test/``."""
    for part in ("train", "test"):
        for kind in sorted(p for p in (data / part).iterdir() if p.is_dir()):
            here = folder / part / kind.name
            here.mkdir(parents=True, exist_ok=True)
            for photo in sorted(kind.iterdir())[:each]:
                if not (here / photo.name).exists():
                    (here / photo.name).symlink_to(photo.resolve())
    return folder


def study(data, work, *, each, epochs, arms, seeds, threads):
    """Train what is not there yet in ``work``; the comparison, and the teacher's accuracy."""
    student = {**STUDENT, "epochs": epochs}
    shared = {"threads": threads, "progress": True, "resume": True}
    teacher = run(data=data, out=work / "teacher", size=32, **TEACHER, **shared)
    photos = few(data, work / f"{each} of each class", each)
    scores = {}
    for arm in arms:
        what = ARMS[arm]
        hard = set(what["match"]) == {"hard"}
        options = {} if hard else {"teacher": f"local-dir:{work / 'teacher' / 'student'}"}
        options["cache"] = None if hard else work / "cache" / arm
        outcome = run(
            data=photos,
            out=work / f"{arm}, {epochs} epochs",
            size=32,
            seeds=seeds,
            **student,
            **what,
            **options,
            **shared,
        )
        scores[arm] = next(iter(outcome.result.scores.values()))
    training = {
        **student,
        "photos of each class": each,
        "teacher, %": teacher.result.scores["hard labels"][0],
    }
    return Result("hard labels", scores, "accuracy on test photos, %", planned=seeds, training=training)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("photos"))
    parser.add_argument("--work", type=Path, default=Path("runs/photos"), help="runs and caches; can go on")
    parser.add_argument("--each", type=int, default=200, help="photos of each class for the students")
    parser.add_argument("--epochs", type=int, default=12, help="of the students")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", default=RESULTS)
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"photos: there is no folder {options.data}, its results stay as they are")
        return
    start, key = time.time(), f"{options.epochs} epochs"
    result = study(
        options.data, options.work, each=options.each, epochs=options.epochs, arms=options.arms,
        seeds=options.seeds, threads=options.threads,
    )  # fmt: skip
    print(result)
    kept = (
        load_results("photos", options.out)
        if (Path(options.out) / "photos.json").exists()
        else Shipped({}, {})
    )
    kept.results[key] = result
    kept.cards[key] = run_card(f"python studies/photos.py {shlex.join(sys.argv[1:])}", time.time() - start)
    print(save_results("photos", kept, options.out))


if __name__ == "__main__":
    main()
