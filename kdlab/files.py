"""Files that are whole or not there, and a clear word before work starts where none can be written."""

import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path):
    """The path of a file to write; it takes the place of ``path`` when it is complete and on disk.

    Killed or failing at any moment, it leaves what was at ``path`` before as it was. An OSError names it.
    """
    path = Path(path)
    half = path.with_name(f"{path.name}.part")
    try:
        yield half
        with open(half, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(half, path)
    except (OSError, RuntimeError) as error:  # of a full disk the system names no file
        reason = error if isinstance(error, OSError) else error.__context__  # torch's writer hides it
        if error.__cause__ or not isinstance(reason, OSError):
            raise
        raise OSError(f"{path} cannot be written: {reason.strerror or reason}") from error
    finally:
        half.unlink(missing_ok=True)
    sync_folder(path.parent)


@contextmanager
def write_atomically(path):
    """As :func:`replacing`, with the file open to be written in bytes."""
    with replacing(path) as half, open(half, "wb") as file:
        yield file


@contextmanager
def replacing_folder(path):
    """As :func:`replacing`, of a folder: a new one to fill, which takes the place of the one at ``path``."""
    path = Path(path)
    half = path.with_name(f"{path.name}.part")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    try:
        yield half
        for file in half.iterdir():
            with open(file, "rb+") as written:
                os.fsync(written.fileno())
        shutil.rmtree(path, ignore_errors=True)
        half.rename(path)
    finally:
        shutil.rmtree(half, ignore_errors=True)
    sync_folder(path.parent)


def sync_folder(folder):
    """Make a rename in this folder last through a power cut, where the system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        with suppress(OSError):  # some file systems have that of files only
            os.fsync(handle)
    finally:
        os.close(handle)


def check_folder(folder, *, needed=0):
    """Make the folder; raise OSError, in one line, if it cannot be written or lacks the space.

    Parameters
    ----------
    folder : path
    needed : int
        Bytes that the work ahead will write.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"kdlab")
    except OSError as error:
        raise OSError(
            f"the output folder {folder} cannot be written: {error.strerror or error}; "
            f"give another one with --out"
        ) from error
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(
            f"{folder} has {free / 1e9:.2f} GB free, this run writes about {needed / 1e9:.2f} GB: "
            f"free some space, give another --out, or cache fewer views"
        )
