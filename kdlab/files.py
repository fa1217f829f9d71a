"""Files that are whole or not there, whose damage is seen, and a clear word where none can be written."""

import json
import os
import shutil
import tempfile
import zlib
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

from kdlab.names import reason

# CRC-32, and no cryptographic hash: what is met here is chance, of which it misses 1 in 4 billion, and no
# change within 32 bits; it reads some five times faster (tests/benchmark_cache.py --digests).
SEAL = b"\nkdlab crc32 "
SEAL_BYTES = len(SEAL) + 9
CHUNK = 2**20


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


@contextmanager
def write_sealed(path, key=""):
    """As :func:`write_atomically`; behind what is written comes a seal, a check sum of that and of ``key``.

    Readers of NumPy's and PyTorch's files pass over it.
    """
    with write_atomically(path) as file:
        crc = zlib.crc32(key.encode())

        def write(part):
            nonlocal crc
            crc = zlib.crc32(part, crc)
            return file.write(part)

        yield SimpleNamespace(write=write, flush=file.flush)
        file.write(_seal(crc))


def check_seal(path, key=""):
    """Raise ValueError unless the file is, to the last byte, what was sealed with this key."""
    crc = zlib.crc32(key.encode())
    with open(path, "rb") as file:
        left = os.fstat(file.fileno()).st_size - SEAL_BYTES
        while left > 0 and (part := file.read(min(left, CHUNK))):
            crc, left = zlib.crc32(part, crc), left - len(part)
        end = file.read()
    if not end.startswith(SEAL):
        raise ValueError("it is cut off, or of a version that wrote no check sums")
    if end != _seal(crc):
        raise ValueError("its bytes are not those that were written here")


def _seal(crc):
    return b"%b%08x\n" % (SEAL, crc)


def read_json(path, remedy, *, what="", check=None):
    """The object in a JSON file; ValueError, with what to do, if it cannot be read, or is none.

    ``what`` names it before its path. ``check(found)`` gives what is wrong with it, or None.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError(f"it holds a {type(found).__name__} where an object is due")
        if wrong := check and check(found):
            raise ValueError(wrong)
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{what}{path} is damaged ({reason(error)}): {remedy}") from error
    return found


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
