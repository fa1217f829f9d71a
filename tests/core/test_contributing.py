"""CONTRIBUTING's and README's examples are carried out: each block of Python on a copy of the project."""

import ast
import os
import re
import shutil
import subprocess
import sys
import textwrap
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
    for section in (ROOT / page).read_text().split("\n## "):
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
    lines = path.read_text().splitlines() if at["added"] else []
    end = len(lines)
    if at["name"]:
        assigned = (n for n in ast.parse(path.read_text()).body if isinstance(n, ast.Assign))
        end = next(n.end_lineno for n in assigned if ast.unparse(n.targets[0]) == at["name"])
    path.write_text("\n".join([*lines[:end], "", "", *code.splitlines(), *lines[end:]]) + "\n")


def run(house, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(house), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=house, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A copy of what a contributor has, with everything that CONTRIBUTING adds to it."""
    root = tmp_path_factory.mktemp("clone")
    leave = shutil.ignore_patterns("__pycache__", ".*", "_build", "_extra", "node_modules", "notebooks")
    for name in NEEDED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, root / name, **({"ignore": leave} if copy is shutil.copytree else {}))
    (root / "data").symlink_to(ROOT / "data")
    (root / "notebooks").mkdir()
    shutil.copy(ROOT / "notebooks" / "00_start_here.ipynb", root / "notebooks")
    for codes in SECTIONS.values():
        for code in codes:
            write(code, root)
    return root


def test_there_is_an_example_of_each():
    assert [*SECTIONS] == ["Add a loss", "Add a task", "Add an exercise", "Add a lesson"]


def test_nothing_in_the_map_of_the_house_imports_from_above():
    house = re.search(r"```\nkdlab/\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.S)[1]
    rows = [line.split("  ")[2].replace("/", "").split() for line in house.splitlines()]
    at = {room: i for i, row in enumerate(reversed(rows)) for room in row}
    imports = api_pages.imports()
    assert len(at) > 20 and set(at) <= set(imports)
    for room in at:
        assert not [other for other in imports[room] if at.get(other, -1) > at[room]], room


def test_a_loss_passes_what_every_loss_passes(house):
    said = run(house, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/core/test_losses.py", "-k",
               "logit_loss or every_exported_loss")  # fmt: skip
    passed = int(re.search(r"(\d+) passed", said)[1])
    assert passed >= 6 and "failed" not in said, said
    run(house, "-c", "import kdlab, kdlab.losses as l; l.logit_loss; assert 'logit_loss' in l.__all__")


def test_a_task_is_four_files_named_after_it_and_a_study():
    paths = [Path(place(code)["path"]) for code in SECTIONS["Add a task"]]
    assert not any(place(code)["added"] for code in SECTIONS["Add a task"])
    assert len({path.name for path in paths}) == 1
    floors = [str(path.parent) for path in paths]
    assert floors == ["kdlab/data", "kdlab/models", "kdlab/metrics", "kdlab/teachers", "studies"]


def test_a_task_is_found_and_compared(house):
    said = run(
        house,
        "-c",
        "import sys; sys.path.insert(0, 'studies')\n"
        "import kdlab, moons\n"
        "from kdlab.models import own_students\n"
        "print(kdlab.__file__, 'point_network' in own_students())\n"
        "result = moons.study(3)\n"
        "print(result.verdict('taught'), '|', result)",
    )
    first, last = said.split("\n", 1)
    assert str(house) in first and first.endswith("True")
    assert last.split(" |")[0] in ("helps", "hurts", "not shown")
    assert "recall of the worse class, %; 3 paired seeds; baseline: hard labels" in last


def test_an_exercise_passes_what_every_exercise_passes(house):
    said = run(house, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/exercises/test_exercises.py",
               "-k", "99.1")  # fmt: skip
    passed = int(re.search(r"(\d+) passed", said)[1])
    assert passed >= 5 and "failed" not in said, said


def test_an_exercise_names_the_mistake_and_takes_the_solution(house):
    said = run(
        house,
        "-c",
        "from kdlab import exercises\n"
        "from kdlab.exercises.lesson_99 import WORST\n"
        "exercises.check('99.1', lambda z, y: 100 * (z.argmax(1) == y).float().mean())\n"
        "exercises.check('99.1', WORST.reference)\n",
    )
    assert "99.1 wrong: accuracy of all points" in said and "99.1 right. No class hides" in said


def test_a_lesson_gets_its_links_and_runs_from_the_top(house):
    lesson = house / "notebooks" / "99_two_moons.ipynb"
    run(house, "first_draft.py")
    run(house, "docs/launch.py")
    run(house, "docs/launch.py", "--check")
    text = nbformat.read(lesson, as_version=4).cells
    assert "99_two_moons.html" in text[0].source and "(00_start_here.ipynb)" in text[0].source
    assert "find_spec" in text[1].source and "launch.py" not in text[1].source
    run(house, "tests/execute.py", str(lesson))
    ran = nbformat.read(lesson, as_version=4)
    figures = [o for cell in ran.cells for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
    assert figures and all(figure.metadata["image/png"]["alt"] for figure in figures)
    (row,) = claims.lesson_claims(ran)
    assert row[1] in ("helps", "hurts", "not shown") and row[4:] == ["3", "hard labels"]


def test_readmes_examples_that_need_no_photos_run(house):
    examples = [code for codes in blocks("README.md").values() for code in codes if "photos/" not in code]
    assert len(examples) == 2
    study, table = (run(house, "-c", code.replace("seeds=10", "seeds=1, steps=20")) for code in examples)
    assert "1 paired seeds; baseline: hard labels" in study and 0 <= float(table) <= 100
