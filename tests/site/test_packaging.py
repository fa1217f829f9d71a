"""The files that say what to install agree, and a wheel carries what it needs."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CORE = [Requirement(r) for r in PROJECT["dependencies"]]
EXTRAS = [Requirement(r) for extra in PROJECT["optional-dependencies"].values() for r in extra]


def pins(name):
    lines = (
        line.partition("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines()
    )
    return dict(line.split("==") for line in lines if line)


def conda():
    """Name and specifier of what environment.yml lists, conda's names turned into pip's."""
    lines = re.findall(
        r"^ +- ([A-Za-z][\w-]*)([>=][^\s]*)?$", (ROOT / "environment.yml").read_text(encoding="utf-8"), re.M
    )
    names = {"pytorch-cpu": "torch", "matplotlib-base": "matplotlib"}
    return {names.get(name, name): specifier for name, specifier in lines}


def test_constraints_pin_all_that_is_named_and_nothing_else():
    assert set(pins("constraints.txt")) == {r.name for r in CORE + EXTRAS}


@pytest.mark.parametrize("requirement", CORE + EXTRAS, ids=lambda r: r.name)
def test_pins_lie_in_the_ranges(requirement):
    assert requirement.specifier.contains(pins("constraints.txt")[requirement.name])


@pytest.mark.parametrize("requirement", CORE, ids=lambda r: r.name)
def test_oldest_versions_are_the_floors(requirement):
    floor = str(requirement.specifier).removeprefix(">=")
    oldest = pins("constraints-oldest.txt")[requirement.name]
    assert oldest == floor or oldest == f"{floor}.0"


def test_conda_environment_has_the_same_ranges():
    listed = conda()
    for requirement in CORE:
        assert listed[requirement.name] == str(requirement.specifier), requirement.name
    assert {"jupyterlab", "ipykernel"} <= set(listed)


def test_python_floor_is_the_one_of_conda_and_make():
    assert PROJECT["requires-python"] == ">=3.11"
    assert conda()["python"] == "=3.11"
    assert "(3, 11)" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_a_wheel_carries_the_teachers_and_works_alone(tmp_path):
    options = ["--quiet", "--no-deps", "--target", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(ROOT)], check=True)
    code = (
        "import torch, kdlab; print(kdlab.__file__); from kdlab.teachers import digits, load_teacher;"
        "print([load_teacher(name)(torch.zeros(1, 1, 32, 32)).shape for name in digits.RECIPES]);"
        "from kdlab.data.text import corpus; corpus()"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert str(tmp_path) in run.stdout and run.stdout.count("[1, 10]") == 7


def test_import_kdlab_brings_no_heavy_library():
    code = "import sys, kdlab, kdlab.losses, kdlab.distill; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert "torch" in loaded
    assert not {"timm", "sklearn", "scipy", "pandas", "matplotlib", "torchvision", "ipywidgets"} & set(loaded)
