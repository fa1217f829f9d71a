"""Everything for a hub without the network in one zip: ``python docs/bundle.py --out FILE --python 3.12``.

It holds the package, the lessons, and the wheels of what they need, without torch, torchvision,
numpy and what only those need: the hub's own stay as they are.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PLATFORM_OWN = {"torch", "torchvision", "numpy"}
PLATFORMS = (
    "manylinux_2_28_x86_64",
    "manylinux_2_27_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
)


def needed(package, leave=PLATFORM_OWN):
    """What ``package`` needs, with the versions installed here: {name: version}."""
    found, open_ones = {}, [package]
    while open_ones:
        for line in requires(open_ones.pop()) or []:
            requirement = Requirement(line)
            name = re.sub(r"[-_.]+", "-", requirement.name).lower()
            if name in leave or name in found:
                continue
            if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
                continue
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                continue
            open_ones.append(name)
    return found


def pip(*arguments):
    run = subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(f"bundle: pip {arguments[0]} failed: {run.stderr.strip().splitlines()[-1]}")


def bundle(out, python, download=pip):
    """Write the zip and return its size in MB."""
    out = Path(out)
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder) / out.stem
        wheels = top / "wheels"
        wheels.mkdir(parents=True)
        download("wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels), str(ROOT))
        pins = [f"{name}=={number}" for name, number in needed("kdlab").items()]
        platforms = [part for platform in PLATFORMS for part in ("--platform", platform)]
        which = ["--only-binary=:all:", "--python-version", python, *platforms]
        download("download", "--quiet", "--no-deps", *which, "--dest", str(wheels), *pins)
        shutil.copytree(ROOT / "notebooks", top / "notebooks", ignore=shutil.ignore_patterns(".*"))
        for name in ("README.md", "LICENSE"):
            shutil.copy(ROOT / name, top)
        shutil.make_archive(str(out.with_suffix("")), "zip", folder, top.name)
    return out.with_suffix(".zip").stat().st_size / 1e6


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default="kdlab-bundle.zip", help="default: %(default)s")
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    parser.add_argument(
        "--python", default=here, help="the hub's version of Python; default: this one, %(default)s"
    )
    options = parser.parse_args(arguments)
    if not re.fullmatch(r"3\.\d+", options.python):
        parser.error(f"--python must be like 3.12, got {options.python!r}")
    print(f"{options.out}: {bundle(options.out, options.python):.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
