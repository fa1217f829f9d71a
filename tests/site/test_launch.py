"""The doors to the course: README, lessons and set-up cell agree with pyproject.toml."""

import re
import shutil
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))
import launch  # noqa: E402


@pytest.fixture
def fork(tmp_path):
    for path in launch.pages():
        (tmp_path / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / path.relative_to(ROOT))
    return tmp_path


def test_readme_and_lessons_agree_with_the_one_place(capsys):
    assert launch.main(["--check"]) == 0, capsys.readouterr().out


def test_a_fork_is_set_by_one_command_and_back(fork):
    pages = [fork / "README.md", fork / "docs" / "instructors" / "room.md"]
    before = {path: path.read_text(encoding="utf-8") for path in launch.pages(fork)}
    assert launch.main(["--repository", "Lab/course", "--ref", "v1.0"], fork) == 0
    assert launch.where(fork) == ("Lab/course", "v1.0")
    assert launch.main(["--check"], fork) == 0
    assert "Lab%2Fcourse" in pages[1].read_text(encoding="utf-8") and "branch=v1.0" in pages[1].read_text(
        encoding="utf-8"
    )
    for path in [*launch.lessons(fork), pages[0]]:
        text = path.read_text(encoding="utf-8")
        assert "Lab/course/blob/v1.0" in text and "lab.github.io/course" in text
        assert "kdlab/kdlab" not in text
    for path in launch.pages(fork):
        assert not re.search(
            r"github.com/kdlab/kdlab|kdlab.github.io/kdlab", path.read_text(encoding="utf-8")
        ), path
    repository, ref = launch.where(ROOT)
    launch.main(["--repository", repository, "--ref", ref], fork)
    assert {path: path.read_text(encoding="utf-8") for path in before} == before


def test_a_link_that_was_changed_by_hand_is_found(fork, capsys):
    lesson = launch.lessons(fork)[1]
    lesson.write_text(
        lesson.read_text(encoding="utf-8").replace("/blob/main/", "/blob/mine/"), encoding="utf-8"
    )
    assert launch.main(["--check"], fork) == 1
    assert lesson.name in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [["--repository", "no-owner"], ["--ref", "a tag"]], ids=lambda w: w[0])
def test_what_is_no_repository_or_tag_is_refused_before_anything_is_written(fork, wrong):
    before = (fork / "pyproject.toml").read_text(encoding="utf-8")
    with pytest.raises(SystemExit):
        launch.main(wrong, fork)
    assert (fork / "pyproject.toml").read_text(encoding="utf-8") == before


def prose(path):
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def test_each_lesson_names_its_neighbours():
    paths = launch.lessons()
    for i, path in enumerate(paths):
        first = nbformat.read(path, as_version=4).cells[0].source
        assert ("[previous:" in first) == (i > 0) and ("[next:" in first) == (i + 1 < len(paths))


@pytest.mark.parametrize("path", [ROOT / "README.md", *launch.lessons()], ids=lambda p: p.stem)
def test_what_is_linked_to_or_shown_is_there(path):
    text = path.read_text(encoding="utf-8") if path.suffix == ".md" else prose(path)
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert target.startswith("https://") or (path.parent / target).exists(), target


@pytest.mark.parametrize("path", launch.lessons(), ids=lambda p: p.stem)
def test_a_lesson_needs_no_picture_beside_it(path):
    """A copy in Colab's Drive, a student's version or a bundle holds the notebook alone."""
    assert not re.findall(r"!\[|<img|attachment:", prose(path))


def test_the_badges_fetch_nothing_and_have_words():
    for path in (ROOT / "docs" / "badges").glob("*.svg"):
        text = path.read_text(encoding="utf-8")
        assert "aria-label" in text and "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_the_version_is_the_same_wherever_it_is_named():
    import tomllib

    import kdlab

    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert kdlab.__version__ == version
    assert f"version: {version}" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_bundle_leaves_the_platforms_own_and_what_only_they_need():
    import bundle

    names = set(bundle.needed("kdlab"))
    assert {"timm", "anywidget", "pandas", "safetensors"} <= names
    assert not {n for n in names if n in bundle.PLATFORM_OWN or n.startswith(("nvidia", "triton"))}


def test_binders_scripts_are_what_repo2docker_runs():
    for name in ("postBuild", "start"):
        script = ROOT / name
        assert script.read_text(encoding="utf-8").startswith("#!/bin/bash") and script.stat().st_mode & 0o100
    assert 'exec "$@"' in (ROOT / "start").read_text(encoding="utf-8") and "set -e" in (
        ROOT / "postBuild"
    ).read_text(encoding="utf-8")
    assert "- -e ." in (ROOT / "environment.yml").read_text(encoding="utf-8")
