import json
import re
import shutil
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "docs"))

import found  # noqa: E402
import release  # noqa: E402


@pytest.fixture
def clone(tmp_path):
    """What the check reads of a clone, ready to be released."""
    for name in ("pyproject.toml", "CITATION.cff", "CHANGELOG.md", "kdlab/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    path = tmp_path / "pyproject.toml"
    text = re.sub(r'^version = ".*"', 'version = "3.1.0"', path.read_text(encoding="utf-8"), flags=re.M)
    text = text.replace("github.com/kdlab/kdlab", "github.com/somebody/kd")
    text = re.sub(r"^(doi|released) = .*\n", "", text, flags=re.M)
    text = text.replace(
        "[tool.kdlab]\n", '[tool.kdlab]\ndoi = "10.5281/zenodo.1234"\nreleased = "2027-01-31"\n'
    )
    path.write_text(text, encoding="utf-8")
    notes = tmp_path / "docs" / "releases"
    notes.mkdir(parents=True)
    (notes / "3.1.0.md").write_text("# 3.1.0\n", encoding="utf-8")
    log = tmp_path / "CHANGELOG.md"
    log.write_text("# Changelog\n\n## 3.1.0, 2027-01-31\n", encoding="utf-8")
    return tmp_path


def test_one_command_brings_the_settings_to_all_files_and_says_that_all_is_there(clone, capsys):
    assert release.main([], clone) == 1
    assert "CITATION.cff says something else" in capsys.readouterr().out
    assert release.main(["--write"], clone) == 0
    assert capsys.readouterr().out == "3.1.0 is ready to be released\n"
    citation = (clone / "CITATION.cff").read_text(encoding="utf-8")
    for line in ("version: 3.1.0", "doi: 10.5281/zenodo.1234", "date-released: 2027-01-31"):
        assert citation.count(f"{line}\n") == 1
    assert "repository-code: https://github.com/somebody/kd\n" in citation
    assert '__version__ = "3.1.0"\n' in (clone / "kdlab" / "__init__.py").read_text(encoding="utf-8")
    assert release.main(["--write"], clone) == 0


@pytest.mark.parametrize(
    "old, new, says",
    [
        ("github.com/somebody/kd", "github.com/kdlab/kdlab", "Repository is still kdlab/kdlab"),
        ('doi = "10.5281/zenodo.1234"', 'doi = ""', "doi is '', not"),
        ('doi = "10.5281/zenodo.1234"', 'doi = "https://doi.org/10.5281/zenodo.1"', "doi is 'https"),
        ('released = "2027-01-31"', 'released = "soon"', "released is 'soon', not a date"),
        ('version = "3.1.0"', 'version = "3.2.0"', "docs/releases/3.2.0.md"),
        ('released = "2027-01-31"', 'released = "2027-02-01"', "no section '## 3.1.0, 2027-02-01'"),
    ],
)
def test_what_is_missing_is_said(clone, capsys, old, new, says):
    path = clone / "pyproject.toml"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    assert release.main(["--write"], clone) == 1
    assert says in capsys.readouterr().out


def test_version_and_citation_of_this_tree_agree():
    for path, text in release.files().items():
        assert path.read_text(encoding="utf-8") == text, path


class Head(HTMLParser):
    """A page's tags in its head, and its structured data."""

    def __init__(self, text):
        super().__init__()
        self.meta, self.links, self.data, self.open, self.title = {}, {}, [], None, ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "meta":
            self.meta[values.get("name") or values.get("property")] = values.get("content")
        elif tag == "link":
            self.links[values.get("rel")] = values.get("href")
        self.open = tag if tag == "title" or values.get("type") == "application/ld+json" else None

    def handle_data(self, data):
        if self.open == "title":
            self.title += data
        elif self.open:
            self.data.append(json.loads(data))

    def handle_endtag(self, tag):
        self.open = None


def test_each_page_says_what_it_is_and_no_two_say_the_same(site):
    said = {}
    for path in [site / "index.html", site / "claims.html", *(site / "notebooks").glob("*.html")]:
        head = Head(path.read_text(encoding="utf-8"))
        page = path.relative_to(site).as_posix()
        assert 50 < len(head.meta["description"]) < 330, page
        assert "previous:" not in head.meta["description"], page
        assert head.meta["og:description"] == head.meta["description"]
        address = found.base() + page.removesuffix("index.html")
        assert head.links["canonical"] == head.meta["og:url"] == address
        assert head.meta["og:image"] == found.base() + "card.png" and "kdlab" in head.meta["og:title"]
        said[head.meta["description"]] = page
    assert len(said) == 2 + len([*(site / "notebooks").glob("*.html")])


def test_the_front_page_tells_search_engines_of_the_course_and_each_lesson(site):
    head = Head((site / "index.html").read_text(encoding="utf-8"))
    (course,) = head.data
    assert course["@type"] == "Course" and course["isAccessibleForFree"] is True
    assert "knowledge distillation" in head.title.lower() + course["name"].lower()
    pages = sorted(path.name for path in (site / "notebooks").glob("*.html"))
    assert [part["url"] for part in course["hasPart"]] == [
        f"{found.base()}notebooks/{name}" for name in pages
    ]
    assert not Head((site / "claims.html").read_text(encoding="utf-8")).data


def test_the_sitemap_lists_pages_that_are_there_and_the_card_has_the_size_of_one(site):
    rows = ET.parse(site / "sitemap.xml").getroot()
    pages = [row[0].text.removeprefix(found.base()) for row in rows]
    assert {"", "claims.html", "notebooks/00_start_here.html", "slides/00_start_here.html"} <= set(pages)
    assert "noindex" in (site / "genindex.html").read_text(encoding="utf-8")
    assert all((site / page).exists() for page in pages)
    assert f"Sitemap: {found.base()}sitemap.xml" in (site / "robots.txt").read_text(encoding="utf-8")
    assert Image.open(site / "card.png").size == (1200, 630)
