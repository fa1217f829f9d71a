"""What the machine has free, as a container counts it, and what it is."""

import math
import platform
from contextlib import suppress
from pathlib import Path, PurePosixPath


def free_memory():
    """Bytes that are still to be had: of the machine, and within the limits of containers around."""
    free = [math.inf]
    with suppress(OSError, ValueError):
        free += [1024 * _number("/proc/meminfo", "MemAvailable:")]
    for folder in _memory_groups():
        for limit, used, files in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            with suppress(OSError, ValueError):
                room = int((folder / limit).read_text(encoding="utf-8")) - int(
                    (folder / used).read_text(encoding="utf-8")
                )
                # Files that were read count as used, and make room when it is asked for.
                free.append(room + _number(folder / "memory.stat", files))
    return min(free)


def _memory_groups():
    """The control groups that this process is in, of both versions."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, kinds, path = line.split(":", 2)
            if kinds in ("", "memory"):
                for group in (PurePosixPath(path), *PurePosixPath(path).parents):
                    yield Path("/sys/fs/cgroup", kinds, *group.parts[1:])


def _number(path, name):
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        if line.split()[0] == name:
            return int(line.split()[1])
    raise ValueError(f"{path} has no line {name}")


def processor():
    """Its name, as the machine says it."""
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return platform.processor() or platform.machine()
