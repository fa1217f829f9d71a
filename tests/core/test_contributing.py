"""CONTRIBUTING's and README's examples are carried out: each block of Python on a copy of the project."""

import ast
import filecmp
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))
import api_pages  # noqa: E402
import claims  # noqa: E402

BLOCK = re.compile(r"^ *```python\n(.*?)^ *```$", re.M | re.S)
PLACE = re.compile(r"# (?P<added>added to )?(?P<path>[\w/]+\.py)(?:, below (?P<name>\w+))?\n")
NEEDED = ("kdlab", "docs", "tests", "studies", "README.md", "pyproject.toml")


def blocks(page):
    """The page's blocks of Python by its second headings."""
    found = {}
    for section in (ROOT / page).read_text(encoding="utf-8").split("\n## "):
        found[section.splitlines()[0]] = [textwrap.dedent(code) for code in BLOCK.findall(section)]
    return found


SECTIONS = {title: codes for title, codes in blocks("CONTRIBUTING.md").items() if codes}


def place(code):
    found = PLACE.match(code)
    assert found, f"a block must begin with the path it is for, not with {code.splitlines()[0]!r}"
    return found


def write(code, root):
    """Put a block where its first line says."""
    at = place(code)
    path, code = root / at["path"], code[at.end() :]
    assert path.exists() == bool(at["added"]), f"{path}: is it new, or added to?"
    lines = path.read_text(encoding="utf-8").splitlines() if at["added"] else []
    end = len(lines)
    if at["name"]:
        assigned = (n for n in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(n, ast.Assign))
        end = next(n.end_lineno for n in assigned if ast.unparse(n.targets[0]) == at["name"])
    path.write_text(
        "\n".join([*lines[:end], "", "", *code.splitlines(), *lines[end:]]) + "\n", encoding="utf-8"
    )


README = [code for codes in blocks("README.md").values() for code in codes if "photos/" not in code]

# What is done in the copy, in this order, by one process: each that imports PyTorch costs seconds.
DONE = {
    "loss": """
import kdlab
from kdlab import losses
print(kdlab.__file__, losses.logit_loss.__name__ in losses.__all__)
""",
    "teach": "run('-m kdlab teach moons --steps 20 --out data/teachers')",
    "teachers": "run('-m kdlab teachers')",
    "open": """
import torch
from kdlab.data.moons import moons
from kdlab.teachers import open_teacher
from kdlab.teachers.teach import recipes
network, card = recipes()["moons"].train(steps=20)
points = moons().test.inputs
for name in ("moons", "data/teachers/moons.safetensors"):
    teacher = open_teacher(name)
    torch.testing.assert_close(teacher(points), network(points), rtol=1e-2, atol=1e-2)
    assert card.items() <= teacher.card.items() and 0 <= teacher.card["accuracy"] <= 100
print(*recipes())
""",
    "study": """
import sys
sys.path.insert(0, "studies")
import moons
result = moons.study(3)
print(result.verdict("soft targets"), "|", type(result).__name__, result)
""",
    "exercise": """
from kdlab import exercises
from kdlab.exercises.lesson_99 import WORST
exercises.check("99.1", lambda z, y: 100 * (z.argmax(1) == y).float().mean())
exercises.check("99.1", WORST.reference)
""",
    "tests": """
files = "tests/core/test_losses.py tests/core/test_models.py tests/exercises/test_exercises.py"
which = "logit_loss or every_exported_loss or every_shipped_teacher or 99.1"
run(f"-m pytest -v -p no:cacheprovider {files} -k '{which}'")
""",
    "lesson": """
run("first_draft.py")
run("docs/launch.py")
run("docs/launch.py --check")
run("tests/execute.py notebooks/99_two_moons.ipynb")
""",
    **{f"README {i}": code.replace("seeds=10", "seeds=1, steps=20") for i, code in enumerate(README)},
}
RUNNER = """
import contextlib, io, json, runpy, shlex, sys, traceback

def run(line):
    module, sys.argv = line.startswith("-m "), shlex.split(line.removeprefix("-m "))
    try:
        (runpy.run_module if module else runpy.run_path)(sys.argv[0], run_name="__main__")
    except SystemExit as left:
        if left.code:
            raise RuntimeError(f"{line} ends with {left.code}") from None

said = {}
for name, code in json.load(sys.stdin).items():
    out, wrong = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(wrong):
        try:
            exec(code, {"__name__": "__main__", "run": run})
            said[name] = [True]
        except Exception:
            said[name] = [False]
            traceback.print_exc()
            print(wrong.getvalue())
    said[name].append(out.getvalue())
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A copy of what a contributor has, with everything that CONTRIBUTING adds to it."""
    root = tmp_path_factory.mktemp("clone")
    leave = shutil.ignore_patterns("__pycache__", ".*", "_build", "_extra", "node_modules", "notebooks")
    for name in NEEDED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, root / name, **({"ignore": leave} if copy is shutil.copytree else {}))
    (root / "data" / "teachers").mkdir(parents=True)
    for path in (ROOT / "data" / "results", *(ROOT / "data" / "teachers").iterdir()):
        (root / path.relative_to(ROOT)).symlink_to(path)
    (root / "notebooks").mkdir()
    shutil.copy(ROOT / "notebooks" / "00_start_here.ipynb", root / "notebooks")
    for codes in SECTIONS.values():
        for code in codes:
            write(code, root)
    return root


@pytest.fixture(scope="module")
def all_done(house):
    environment = {**os.environ, "PYTHONPATH": str(house), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RUNNER], cwd=house, env=environment, input=json.dumps(DONE),
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def said(all_done):
    """What a piece of DONE printed, if it went through."""

    def printed(name):
        passed, text = all_done[name]
        assert passed, text
        return text

    return printed


def test_there_is_an_example_of_each():
    assert [*SECTIONS] == ["Add a loss", "Add a task", "Add an exercise", "Add a lesson"]


def test_nothing_in_the_map_of_the_house_imports_from_above():
    house = re.search(r"```\nkdlab/\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.S)[
        1
    ]
    rows = [line.split("  ")[2].replace("/", "").split() for line in house.splitlines()]
    at = {room: i for i, row in enumerate(reversed(rows)) for room in row}
    imports = api_pages.imports()
    assert len(at) > 20 and set(at) <= set(imports)
    for room in at:
        assert not [other for other in imports[room] if at.get(other, -1) > at[room]], room


def test_a_loss_is_exported_from_the_copy(house, said):
    assert said("loss") == f"{house / 'kdlab' / '__init__.py'} True\n"


def test_what_is_added_passes_the_tests_of_its_kind(said):
    passed = Counter(re.findall(r"(\w+)\.py::.* PASSED", said("tests")))
    assert passed["test_losses"] >= 6 and passed["test_exercises"] >= 5 and passed["test_models"] == 1


def test_a_task_is_four_files_named_after_it_and_a_study():
    paths = [Path(place(code)["path"]) for code in SECTIONS["Add a task"]]
    assert not any(place(code)["added"] for code in SECTIONS["Add a task"])
    assert len({path.name for path in paths}) == 1
    floors = [str(path.parent) for path in paths]
    assert floors == ["kdlab/data", "kdlab/models", "kdlab/metrics", "kdlab/teachers", "studies"]


def test_no_other_file_is_touched(house, said):
    said("teach")

    def there(root, *folders):
        found = (path for folder in folders for path in (root / folder).rglob("*"))
        return {str(p.relative_to(root)) for p in found if p.is_file() and "__pycache__" not in p.parts}

    code = there(house, "kdlab", "studies", "tests")
    changed = code - there(ROOT, "kdlab", "studies", "tests")
    changed |= {name for name in code - changed if not filecmp.cmp(ROOT / name, house / name)}
    paths = {place(code)["path"] for codes in SECTIONS.values() for code in codes}
    assert changed == {path for path in paths if "/" in path}
    new = there(house, "data/teachers") - there(ROOT, "data/teachers")
    assert new == {"data/teachers/moons.json", "data/teachers/moons.safetensors"}


def test_a_teacher_is_taught_listed_and_opened(said):
    taught, listed = said("teach"), said("teachers")
    assert re.fullmatch(r"moons +642 parameters +[\d.]+ % on points of two half moons\n", taught)
    names = [line.split()[0] for line in listed.splitlines()]
    shipped = [path.stem for path in (ROOT / "data" / "teachers").glob("*.safetensors")]
    assert names == sorted([*shipped, "moons"]) and taught in listed
    assert {"moons", "digits-small", "cluttered-large"} <= {*said("open").split()}


def test_a_task_is_compared(said):
    verdict, result = said("study").split(" | ")
    assert verdict in ("helps", "hurts", "same", "open") and result.startswith("Result ")
    assert "recall of the worse class, %; 3 paired seeds; baseline: hard labels" in result


def test_an_exercise_names_the_mistake_and_takes_the_solution(said):
    checked = said("exercise")
    assert "99.1 wrong: accuracy of all points" in checked and "99.1 right. No class hides" in checked


def test_a_lesson_gets_its_links_and_runs_from_the_top(house, said):
    said("lesson")
    ran = nbformat.read(house / "notebooks" / "99_two_moons.ipynb", as_version=4)
    assert "99_two_moons.html" in ran.cells[0].source and "(00_start_here.ipynb)" in ran.cells[0].source
    assert "find_spec" in ran.cells[1].source and "launch.py" not in ran.cells[1].source
    figures = [o for cell in ran.cells for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
    assert figures and all(figure.metadata["image/png"]["alt"] for figure in figures)
    (row,) = claims.lesson_claims(ran)
    assert row[1] in ("held", "refuted", "same", "open") and row[4:6] == ["2 points", "3"]
    assert row[6].startswith("hard labels, ")


def test_readmes_examples_that_need_no_photos_run(said):
    assert len(README) == 2
    assert "1 paired seeds; baseline: hard labels" in said("README 0") and 0 <= float(said("README 1")) <= 100
