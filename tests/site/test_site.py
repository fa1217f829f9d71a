"""The site builds without a warning, its links lead somewhere, and it asks nobody else for anything."""

import pkgutil
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

ROOT = Path(__file__).parents[2]
LESSONS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


class Links(HTMLParser):
    """What a page links to, what it loads to be shown, and its anchors."""

    def __init__(self, text):
        super().__init__()
        self.links, self.loaded, self.anchors = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.anchors |= {found.get("id"), found.get("name")}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag in ("script", "img", "iframe") and found.get("src"):
            self.loaded.append(found["src"])
        elif tag == "link" and found.get("rel") in ("stylesheet", "preload", "icon"):
            self.loaded.append(found["href"])


@pytest.fixture(scope="module")
def pages(site):
    return {path: Links(path.read_text()) for path in site.rglob("*.html")}


def test_nothing_is_loaded_from_elsewhere(pages):
    for path, page in pages.items():
        assert not [
            u for u in page.loaded if urlparse(u).scheme in ("http", "https") or u.startswith("//")
        ], path


def test_links_within_the_site_lead_somewhere(site, pages):
    for path, page in pages.items():
        for link in page.links + page.loaded:
            address = urlparse(link)
            if address.scheme or link.startswith("#") and path.name in ("genindex.html", "search.html"):
                continue
            target = path if not address.path else (path.parent / unquote(address.path)).resolve()
            assert target.exists(), (path.name, link)
            if address.fragment and target in pages:
                assert unquote(address.fragment) in pages[target].anchors, (path.name, link)


def test_every_lesson_is_there_with_its_figures_and_slides(site):
    for lesson in LESSONS:
        text = (site / "notebooks" / f"{lesson.stem}.html").read_text()
        assert (
            "colab.research.google.com" in text
            and "mybinder.org" in text
            and "<math" in text
            or "00" in lesson.stem
        )
        assert text.count("<img") >= 3
        slides = (site / "slides" / f"{lesson.stem}.html").read_text()
        assert slides.count("<section>") >= 10 and "http" not in re.sub(r"http://www.w3.org/\S+", "", slides)


def test_the_claims_page_holds_every_verdict_of_every_lesson(site):
    sys.path.insert(0, str(ROOT / "docs"))
    import json

    import claims

    text = (site / "claims.html").read_text()
    for lesson in LESSONS:
        rows = claims.lesson_claims(json.loads(lesson.read_text()))
        assert rows and all(row[1] in ("helps", "hurts", "not shown") for row in rows), lesson
    assert text.count("<tr") > 20


def test_every_public_module_has_its_place_in_the_api(site):
    import kdlab

    text = "".join(path.read_text() for path in (site / "api").glob("*.html"))
    modules = [module.name for module in pkgutil.walk_packages(kdlab.__path__, "kdlab.")]
    public = [name for name in modules if not any(part.startswith("_") for part in name.split("."))]
    assert {"kdlab.losses", "kdlab.photos.cache"} <= set(public)
    for name in public:
        assert f'"module-{name}"' in text or f'<section id="{re.sub("[._]", "-", name)}">' in text, name


def test_the_index_of_the_api_lists_every_room_above_what_it_imports(site):
    import kdlab

    text = (site / "api" / "index.html").read_text()
    rooms = [module.name for module in pkgutil.iter_modules(kdlab.__path__)]
    rooms = [room for room in rooms if not room.startswith("_")]
    at = {room: text.index(f"kdlab.{room}</span>") for room in rooms}  # the top floor comes first
    assert at["study"] < at["distill"] < at["terms"] < at["losses"] < at["names"]


def test_the_page_of_mistakes_names_them_all(site):
    from kdlab.exercises import all_exercises

    text = (site / "instructors" / "stuck.html").read_text()
    assert all(f"{id} · " in text for id in all_exercises())
