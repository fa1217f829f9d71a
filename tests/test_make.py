"""``make test`` hides no half of what is wrong behind the other."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STUB = '#!/bin/sh\necho "$(basename $0) $*" >> called\ncase "$(basename $0) $*" in $FAILS) exit 1;; esac\n'
# What tells the parts' calls apart, as a pattern of the shell.
PARTS = {"lint": "ruff check*", "unit": "pytest*--dist loadfile", "notebooks": "pytest*--nbval-lax*"}


@pytest.fixture
def clone(tmp_path):
    """A clone whose tools only write down how they were called, and fail where they are told to."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "00_a_lesson.ipynb").touch()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for tool in ("ruff", "pytest"):
        (tmp_path / ".venv" / "bin" / tool).write_text(STUB, encoding="utf-8")
        (tmp_path / ".venv" / "bin" / tool).chmod(0o755)
    for name in ("pyproject.toml", "constraints.txt", ".venv/ready"):
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("failing", [None, *PARTS])
def test_every_part_runs_and_one_that_fails_fails_the_whole(clone, failing):
    inherited = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    environment = {**inherited, "FAILS": PARTS.get(failing, "nothing")}
    run = subprocess.run(["make", "test"], cwd=clone, env=environment, capture_output=True, text=True)
    assert run.returncode == (0 if failing is None else 2), run.stderr
    called = (clone / "called").read_text(encoding="utf-8")
    assert "ruff check ." in called and called.count("pytest ") == 2
    assert called.count("--nbval-lax") == 1 and "notebooks/00_a_lesson.ipynb" in called
