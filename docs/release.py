"""What a maintainer fills in before a release: ``python docs/release.py`` lists what is missing.

All of it stands in ``pyproject.toml``: the version, ``[project.urls] Repository``, and under ``[tool.kdlab]``
the ``doi`` that an archive gave, and the ``released`` date. ``--write`` brings it to ``kdlab/__init__.py``
and ``CITATION.cff``. Without ``--write`` nothing is written, and the exit code is 1 where a file says
something else or a thing is missing.
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACEHOLDER = "kdlab/kdlab"  # until somebody publishes it
DOI = re.compile(r"10\.\d{4,9}/\S+")


def settings(root=ROOT):
    """The version, the repository's owner and name, the DOI or "", the date or ""."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    own = project["tool"]["kdlab"]
    repository = project["project"]["urls"]["Repository"].removeprefix("https://github.com/")
    return project["project"]["version"], repository, own.get("doi", ""), str(own.get("released", ""))


def files(root=ROOT):
    """{path: the text that it should have} of the files that repeat the settings."""
    version, repository, doi, released = settings(root)
    init, citation = root / "kdlab" / "__init__.py", root / "CITATION.cff"
    text = citation.read_text(encoding="utf-8")
    text = re.sub(r"^version: .*$", f"version: {version}", text, flags=re.M)
    text = re.sub(
        r"^repository-code: .*$", f"repository-code: https://github.com/{repository}", text, flags=re.M
    )
    text = re.sub(r"^(doi|date-released): .*\n", "", text, flags=re.M)
    lines = [f"doi: {doi}\n"] * bool(doi) + [f"date-released: {released}\n"] * bool(released)
    text = re.sub(r"^(version: .*\n)", rf"\1{''.join(lines)}", text, flags=re.M)
    code = re.sub(
        r'^__version__ = ".*"$', f'__version__ = "{version}"', init.read_text(encoding="utf-8"), flags=re.M
    )
    return {init: code, citation: text}


def missing(root=ROOT):
    """What stands in the way of a release, a line each."""
    version, repository, doi, released = settings(root)
    found = []
    if repository == PLACEHOLDER:
        found.append(
            f"pyproject.toml: [project.urls] Repository is still {PLACEHOLDER}; "
            f"python docs/launch.py --repository OWNER/NAME sets it everywhere"
        )
    if not DOI.fullmatch(doi):
        found.append(f'pyproject.toml: [tool.kdlab] doi is {doi!r}, not "10.NNNN/..." as an archive gives it')
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", released):
        found.append(f"pyproject.toml: [tool.kdlab] released is {released!r}, not a date as 2026-12-01")
    if f"## {version}, {released}\n" not in (root / "CHANGELOG.md").read_text(encoding="utf-8"):
        found.append(f"CHANGELOG.md: no section '## {version}, {released or 'DATE'}'")
    if not (root / "docs" / "releases" / f"{version}.md").exists():
        found.append(f"docs/releases/{version}.md: the notes of this release are not there")
    if "<!-- lessons -->\n<!-- /lessons -->" in _text(root / "CONTRIBUTING.md"):
        found.append(
            "CONTRIBUTING.md: the lessons' table is empty; python tests/execute.py --table writes it"
        )
    for path, text in files(root).items():
        if path.read_text(encoding="utf-8") != text:
            found.append(f"{path.relative_to(root)} says something else; python docs/release.py --write")
    return found


def _text(path):
    return path.read_text(encoding="utf-8") if path.exists() else ""


def main(arguments=None, root=ROOT):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--write", action="store_true", help="bring the settings to the files that repeat them"
    )
    if parser.parse_args(arguments).write:
        for path, text in files(root).items():
            path.write_text(text, encoding="utf-8")
    found = missing(root)
    print("\n".join(found) if found else f"{settings(root)[0]} is ready to be released")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
