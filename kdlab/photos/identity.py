"""What a run is: all that decides its outcome. A folder goes on with the same run, and one at a time."""

import hashlib
import json
import sys
from contextlib import contextmanager

from kdlab.files import read_json, write_atomically
from kdlab.names import reason, shown
from kdlab.photos.settings import OPTIONS, REQUIRED

NAME = "identity.json"


def identity_of_run(settings, *, photos, teacher, student, processes):
    """All options that decide, from the settings themselves, and what stands behind names.

    Parameters
    ----------
    settings : dict
        As :func:`kdlab.photos.settings.identity_of` gives them.
    photos : kdlab.photos.Photos
    teacher, student : str
        Digests of the weights; the student's before training.
    processes : int
    """
    classes = hashlib.sha256(json.dumps(photos.classes).encode("ascii", "surrogateescape")).hexdigest()[:16]
    return {
        **settings,
        "photos to train on": photos.train.digest,
        "photos to validate with": photos.validation.digest,
        "classes": f"{len(photos.classes)}, {classes}",
        "teacher's weights": teacher,
        "student's first weights": student,
        "processes": processes,
    }


def refuse_another(path, theirs, ours, remedy):
    """Raise ValueError, naming both sides, unless what is at ``path`` is of the same run."""
    for key, now in ours.items():
        # What was written before an option was there is of a run at its default.
        default = OPTIONS[key].metadata["unset"] if key in OPTIONS else now
        there = theirs.get(key, default)
        if there is not REQUIRED and _plain(there) != _plain(now):
            raise ValueError(
                f"{path} is of another run; {key}: there {shown(there)}, now {shown(now)}; {remedy}"
            )


def refuse_another_run(folder, identity):
    """What the folder's run began with, None if none has; ValueError if what is given here differs."""
    path = folder / NAME
    if not (path.exists() and begun(folder)):
        return None
    known = read_json(path, f"delete the folder {folder}", check=_wrong_pairs)
    refuse_another(path, known, identity, "give another --out, or the options of before")
    return known


def _wrong_pairs(known):
    pairs = known.get("pairs", 1)
    return None if type(pairs) is int and pairs > 0 else f"pairs: {shown(pairs, repr)}"


def keep_identity(folder, identity, pairs):
    """How many pairs were asked for when the run began; its identity is written if it begins now.

    Raises ValueError if the folder is of another run.
    """
    known = refuse_another_run(folder, identity)
    if known is not None:
        return known.get("pairs", pairs)
    folder.mkdir(parents=True, exist_ok=True)
    with write_atomically(folder / NAME) as file:
        file.write(json.dumps({**identity, "pairs": pairs}, indent=1).encode())
    return pairs


def begun(folder):
    """Whether a student or a teacher has been trained here, at least in part."""
    return any(folder.glob("*/checkpoint.pt"))


def how_to_go_on(out):
    """The end of a line on a run that was stopped."""
    if begun(out / "runs"):
        return f"; the same command with --resume goes on in {out}"
    return " before the first checkpoint; the same command starts again"


def _plain(value):
    """As it comes back from a file: tuples are lists there."""
    return json.loads(json.dumps(value))


@contextmanager
def alone(folder, *, wait=False, what="the folder"):
    """Hold a folder while within. The lock is the system's: it is free as soon as its owner is dead.

    Raises ValueError at once if another process has it, or else waits and says so. Where the file system has
    no locks, that is said.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if not wait:
            raise ValueError(
                f"another run is at work in {folder}: wait for its end, or give another --out"
            ) from None
        print(f"kdlab: another run is at work in {what} {folder}; waiting for it", file=sys.stderr)
        lock.acquire()
    except (NotImplementedError, OSError) as error:
        print(f"kdlab: no lock in {folder} ({reason(error)}): start no second run there", file=sys.stderr)
    try:
        yield
    finally:
        lock.release()
