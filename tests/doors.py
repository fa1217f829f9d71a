"""Try the course's doors without their platforms: ``python tests/doors.py hub|colab|binder|memory``.

Each makes what the platform is known to give, in a folder of its own, and runs lessons there. They take
gigabytes and minutes, so that they are no part of the test command.

hub      an image with torch, torchvision and numpy; the offline bundle installed with --no-index
colab    the versions that Colab publishes; the set-up cell installs the package from an archive
binder   what repo2docker does with environment.yml, postBuild and start, with pip in place of conda
memory   every lesson with two workers, what a container counts of its processes: at most 1.5 GB
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
JUPYTER = ["ipykernel", "nbclient", "nbformat"]
# Colab's own list of 2026-08-19; its Python is 3.13, and its IPython is newer where Python is.
COLAB = [
    "torch==2.11.0", "torchvision==0.26.0", "timm==1.0.28", "numpy==2.1.3", "pandas==2.2.3",
    "scikit-learn==1.6.1", "ipywidgets==7.7.1",
]  # fmt: skip
LIMIT_MB = 1_500


def sh(*command, **options):
    print("$", *command, flush=True)
    subprocess.run([str(part) for part in command], check=True, **options)


def new_environment(folder, *packages):
    """A virtual environment with these packages; its python."""
    sh(sys.executable, "-m", "venv", folder)
    python = Path(folder) / "bin" / "python"
    sh(python, "-m", "pip", "install", "--quiet", *packages)
    return python


def versions(python, *names):
    code = f"import importlib.metadata as m, json; print(json.dumps({{n: m.version(n) for n in {names}}}))"
    return json.loads(subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout)


def run_lessons(python, folder, names):
    """Run lessons of ``folder`` in place, with that python as their kernel."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    code = (
        "import sys, time, nbformat; from nbclient import NotebookClient\n"
        "for path in sys.argv[1:]:\n"
        "    start, nb = time.time(), nbformat.read(path, as_version=4)\n"
        "    NotebookClient(nb, timeout=300, kernel_name='python3').execute(cwd='.')\n"
        "    print(path, f'{time.time() - start:.0f} s', flush=True)"
    )
    sh(python, "-m", "ipykernel", "install", "--sys-prefix")
    sh(python, "-c", code, *names, cwd=folder, env=environment)


def hub(folder, lessons):
    own = ["torch==2.14.1", "torchvision==0.29.1", "numpy==2.4.6"]
    python = new_environment(folder / "hub", *own, *JUPYTER)
    before = versions(python, "torch", "torchvision", "numpy")
    sh(sys.executable, ROOT / "docs" / "bundle.py", "--out", folder / "kdlab-bundle.zip")
    sh(sys.executable, "-m", "zipfile", "-e", folder / "kdlab-bundle.zip", folder)
    wheels = folder / "kdlab-bundle" / "wheels"
    sh(python, "-m", "pip", "install", "--quiet", "--no-index", "--find-links", wheels, "kdlab")
    assert versions(python, "torch", "torchvision", "numpy") == before
    run_lessons(python, folder / "kdlab-bundle" / "notebooks", lessons)


def colab(folder, lessons):
    python = new_environment(folder / "colab", *COLAB, *JUPYTER)
    before = versions(python, "torch", "torchvision", "numpy")
    archive = folder / "main.zip"
    sh("git", "archive", "--format=zip", "--prefix=kdlab-main/", "--output", archive, "HEAD", cwd=ROOT)
    content = folder / "content"
    content.mkdir()
    for name in lessons:
        text = (ROOT / "notebooks" / name).read_text(encoding="utf-8")
        (content / name).write_text(
            re.sub(r"https://github\.com/[^ \"\\]+\.zip", str(archive), text), encoding="utf-8"
        )
    run_lessons(python, content, lessons)
    assert versions(python, "torch", "torchvision", "numpy") == before
    print(versions(python, "torch", "numpy", "timm", "ipywidgets", "kdlab"))


def binder(folder, lessons):
    lines = re.findall(
        r"^ +- ([\w-]+(?:[>=][^\s]*)?)$", (ROOT / "environment.yml").read_text(encoding="utf-8"), re.M
    )
    names = [line.replace("pytorch-cpu", "torch").replace("matplotlib-base", "matplotlib") for line in lines]
    packages = [name for name in names if not name.startswith(("pip", "python", "conda-forge", "nodefaults"))]
    home = folder / "home"
    sh("git", "clone", "--quiet", ROOT, home)
    python = new_environment(folder / "binder", *packages, "nbclient", "-e", home)
    environment = {**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    sh("bash", home / "postBuild", cwd=home, env=environment)
    run_lessons(python, home / "notebooks", lessons)


def processes(pid):
    """This process's children, and theirs."""
    found = []
    for task in Path("/proc", str(pid), "task").glob("*/children"):
        with suppress(OSError):  # it has just ended
            for child in task.read_text(encoding="utf-8").split():
                found += [child, *processes(child)]
    return found


def counted(pids):
    """MB that a container counts of these: pages that they share count once, files as one maps them."""
    own, files = 0, [0]
    for pid in pids:
        with suppress(OSError):
            lines = Path("/proc", pid, "smaps_rollup").read_text(encoding="utf-8").splitlines()[1:]
            kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
            own += kilobytes["Pss_Anon"]
            files.append(kilobytes["Rss"] - kilobytes["Anonymous"])
    return (own + max(files)) / 1024


def memory(folder, lessons):
    sys.path.insert(0, str(ROOT / "tests"))
    import execute

    os.environ["OMP_NUM_THREADS"] = "1"
    # What a container's limit counts is resident memory; limits on a process count what it reserves, too.
    execute.MEMORY = "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    seen, over = [0], threading.Event()

    def watch():
        while not over.wait(0.2):
            seen.append(counted(processes(os.getpid())))

    threading.Thread(target=watch, daemon=True).start()
    for name in lessons:
        seen.clear()
        notebook = nbformat.read(ROOT / "notebooks" / name, as_version=4)
        two = "import joblib\njoblib.cpu_count = lambda: 2"
        seconds, _, kernel = execute.run_lesson(notebook, ROOT / "notebooks", before=two)
        peak = max(kernel, *seen)
        print(f"{name}: {seconds:.0f} s, {kernel:.0f} MB its kernel, {peak:.0f} MB with workers", flush=True)
        assert peak <= LIMIT_MB, f"more than {LIMIT_MB} MB"
    over.set()


def main():
    doors = {"hub": hub, "colab": colab, "binder": binder, "memory": memory}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("door", choices=doors)
    parser.add_argument("lessons", nargs="*", help="names of notebooks; default: all")
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary one")
    options = parser.parse_args()
    lessons = options.lessons or sorted(path.name for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        doors[options.door](folder.resolve(), lessons)


if __name__ == "__main__":
    main()
