"""The site builds without a warning, its links lead somewhere, and it asks nobody else for anything."""

import html
import json
import pkgutil
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from kdlab.results import Shipped, run_card, save_results
from kdlab.study import Result, what_held

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))
import bank  # noqa: E402
import claims  # noqa: E402

from kdlab.checked import usual_claims  # noqa: E402
from kdlab.exercises import all_exercises  # noqa: E402
from kdlab.exercises.questions import QUESTIONS  # noqa: E402

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
    return {path: Links(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}


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
        text = (site / "notebooks" / f"{lesson.stem}.html").read_text(encoding="utf-8")
        assert (
            "colab.research.google.com" in text
            and "mybinder.org" in text
            and "<math" in text
            or "00" in lesson.stem
        )
        assert text.count("<img") >= 3
        slides = (site / "slides" / f"{lesson.stem}.html").read_text(encoding="utf-8")
        assert slides.count("<section>") >= 10 and "://" not in re.sub(r"http://www.w3.org/\S+", "", slides)


def test_the_claims_page_holds_every_verdict_of_every_lesson(site):
    text = (site / "claims.html").read_text(encoding="utf-8")
    for lesson in LESSONS:
        rows = claims.lesson_claims(json.loads(lesson.read_text(encoding="utf-8")))
        assert rows and all(row[1] in ("held", "refuted", "same", "open") for row in rows), lesson
    assert text.count("<tr") > 20 and "Asked of its shipped studies" in text


@pytest.fixture
def course(tmp_path):
    """Two lessons, as far as the page and the picture of claims read them."""
    base = [70.0, 71.0, 72.0]
    points = Result("base", {"base": base, "up": [74.0, 75.0, 75.5], "down": [60.0, 62.0, 64.0]})
    time = Result(
        "old", {"old": base, "new": [69.0, 69.5, 71.0]}, "time, ms", higher_is_better=False, margin=3
    )
    tables = {"00 · First": {"it helps": (points, "up"), "... or not": (points, "down")}}
    tables["01 · Second"] = {"it is as fast": (time, "new", "same")}
    (tmp_path / "notebooks").mkdir()
    for title, table in tables.items():
        output = new_output("display_data", {"text/html": what_held(table).to_html()})
        cells = [new_markdown_cell(f"# {title}\n\nmore"), new_code_cell("", outputs=[output])]
        nbformat.write(new_notebook(cells=cells), tmp_path / "notebooks" / f"{title[:2]}_lesson.ipynb")
    return tmp_path


def test_all_verdicts_are_read_from_the_lessons_tables(course, tmp_path):
    (helps, hurts, alike) = rows = [verdict.row() for verdict in claims.stored(course)]
    assert [verdict.title for verdict in claims.stored(course)] == ["00 · First"] * 2 + ["01 · Second"]
    assert [verdict.lesson for verdict in claims.stored(course)] == ["00", "00", "01"]
    assert [row.answer for row in rows] == ["held", "refuted", "held"]
    assert helps.told() == "+3.8 points (+3.1 to +4.6)" and helps.low < helps.mean < helps.high
    assert (hurts.unit, hurts.margin, hurts.gain) == ("points", 1.0, 1)
    assert (alike.unit, alike.margin, alike.gain) == ("ms", 3.0, -1)
    claims.store(tmp_path / "verdicts.json", course)
    assert claims.says_the_same(tmp_path / "verdicts.json", course)
    assert not claims.says_the_same(tmp_path / "nothing.json", course)


ASKED = """[[asked]]
lesson = "00"
claim = "asked: down is worse than up"
study = ["some", "first"]
arm = "down"
against = "up"
word = "hurts"

[[asked]]
lesson = "00"
claim = "asked: the gain grows"
study = ["some", "second"]
arm = "up"
from = ["first", "up"]
"""


def test_questions_to_shipped_studies_are_answered_as_the_lessons_own_are(course):
    base = [70.0, 71.0, 72.0]
    first = Result("base", {"base": base, "up": [74.0, 75.0, 75.5], "down": [60.0, 62.0, 64.0]})
    second = Result("base", {"base": base, "up": [84.0, 85.5, 85.5]})
    shipped = Shipped(
        {"first": first, "second": second}, dict.fromkeys(("first", "second"), run_card("a run", 60))
    )
    save_results("some", shipped, course / "data" / "results")
    (course / "data" / "checked").mkdir()
    place = course / "data" / "checked" / "asked.toml"
    place.write_text(ASKED, encoding="utf-8")
    printed, (worse, grows), rest = (claims.stored(course)[i:j] for i, j in ((0, 2), (2, 4), (4, None)))
    assert [one.lesson for one in (*printed, worse, grows, *rest)] == ["00"] * 4 + ["01"]
    assert (worse.answer, worse.title, worse.compared) == ("held", "00 · First", "up, 74.8 %")
    assert (grows.answer, grows.difference) == ("held", "+10.2")
    for there, wrong, said in (
        ("second", "secnd", "has no study 'secnd'; did you mean 'second'"),
        ('"down"', '"left"', "no arm is called 'left'"),
        ('"some"', '"sone"', "no results are called 'sone'"),
    ):
        place.write_text(ASKED.replace(there, wrong), encoding="utf-8")
        with pytest.raises((ValueError, FileNotFoundError), match=said):
            claims.stored(course)


def test_verdicts_and_a_picture_of_other_lessons_are_found_out(course, tmp_path, capsys):
    claims.store(tmp_path / "verdicts.json", course)
    assert not claims.says_the_same(tmp_path / "verdicts.json")
    Image.new("P", (4, 4)).save(tmp_path / "claims.png", pnginfo=described("of something else"))
    assert claims.main(["--check"], tmp_path / "claims.png", tmp_path / "verdicts.json") == 1
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in told] == ["claims.png", "verdicts.json"]
    assert all(line.endswith("run python docs/claims.py") for line in told)


def described(text):
    about = PngInfo()
    about.add_itxt("Description", text)
    return about


def test_the_picture_and_the_verdicts_that_are_shipped_show_what_the_lessons_say():
    assert claims.agrees() and claims.says_the_same()


def test_every_usual_claim_is_on_the_claims_page_with_its_verdicts_and_in_the_csv(site):
    text = html.unescape((site / "claims.html").read_text(encoding="utf-8"))
    says = {True: "for it", False: "against it", None: "open"}
    for one in usual_claims().values():
        assert text.count(f'id="claim-{one.name}"') == 1 and one.claim in text
        row = text.partition(f'id="claim-{one.name}"')[2].partition("</tr>")[0]
        for found in one.evidence:
            assert f"{found.verdict.claim}: {found.verdict.answer}, " in row
            assert f'<b>{says[found.says]}</b> ({found.task}, <a href="' in row


def test_the_csv_has_a_line_a_verdict_and_no_formula(site):
    lines = pd.read_csv(site / "claims.csv", encoding="utf-8-sig")
    claims = usual_claims()
    assert len(lines) == sum(max(1, len(one.evidence)) for one in claims.values())
    assert set(lines["id"]) == {f"claim-{name}" for name in claims}
    tested = lines[lines["verdict"].notna()]
    assert (tested["low"] < tested["high"]).all()
    for name in lines.select_dtypes(exclude="number"):
        assert not lines[name].astype(str).str.match(r"[=+@-]\D").any(), name


def test_no_two_places_of_the_claims_page_have_one_name(site):
    ids = re.findall(r'\bid="([^"]+)"', (site / "claims.html").read_text(encoding="utf-8"))
    assert [one for one in set(ids) if ids.count(one) > 1] == []


def test_each_plan_by_the_minute_has_a_head_leaves_no_gap_and_leads_to_headings_that_are_there():
    text = (ROOT / "docs" / "instructors" / "plans.md").read_text(encoding="utf-8")
    titles = {path.name[:2]: path.read_text(encoding="utf-8") for path in LESSONS}
    plans = re.findall(r"(?:^\| (?:minutes|\d+-\d+) (?:.*\n)(?:\|.*\n)+)", text, re.M)
    assert len(plans) >= 8
    for plan in plans:
        head, rule, *rows = plan.splitlines()
        assert head == "| minutes | what | where |" and set(rule) <= set("|-"), plan
        times = [[int(t) for t in re.match(r"\| (\d+)-(\d+) \|", row).groups()] for row in rows]
        assert times[0][0] == 0 and [a for a, _ in times[1:]] == [b for _, b in times[:-1]], plan
        for number, place in re.findall(r'(\d\d), ((?:"[^"|]+"(?:, | and )?)+)', plan):
            for title in re.findall(r'"([^"]+)"', place):
                assert f"# {title}\\n" in titles[number] or f'# {title}"' in titles[number], (number, title)


def test_each_lessons_slides_are_led_to():
    text = (ROOT / "docs" / "instructors" / "index.md").read_text(encoding="utf-8")
    assert all(f'href="../slides/{path.stem}.html"' in text for path in LESSONS)


def test_the_bank_has_every_exit_question_with_its_answer_and_every_exercise(tmp_path, capsys):
    page = bank.page()
    for question in QUESTIONS.values():
        assert page.count(f"**{question.id}**") == 1 and question.why[question.right] in page
    for id, exercise in all_exercises().items():
        assert f"| {id} | " in page, exercise.title
    bank.main(["--gift", str(tmp_path / "bank.gift")])
    assert f"{len(QUESTIONS)} questions" in capsys.readouterr().out
    written = (tmp_path / "bank.gift").read_text(encoding="utf-8")
    for entry in written.split("::[markdown]")[1:]:
        options = entry[entry.index("{\n") :].split("\n}")[0].splitlines()[1:]
        assert sorted(line[0] for line in options)[:1] == ["="] and len(options) >= 2
        assert sum(line.startswith("=") for line in options) == 1
        assert all(len(re.findall(r"(?<!\\)#", line)) == 1 for line in options)


def test_figures_keep_their_words_and_their_size_on_the_site(site):
    stored = nbformat.read(LESSONS[0], as_version=4)
    outputs = (output for cell in stored.cells for output in cell.get("outputs", []))
    kept = [output.get("metadata", {}).get("image/png") for output in outputs]
    text = html.unescape((site / "notebooks" / f"{LESSONS[0].stem}.html").read_text(encoding="utf-8"))
    for figure in filter(None, kept):
        assert f'alt="{figure["alt"]}"' in text
        assert f'width="{figure["width"]}"' in text


def test_every_public_module_has_its_place_in_the_api(site):
    import kdlab

    text = "".join(path.read_text(encoding="utf-8") for path in (site / "api").glob("*.html"))
    modules = [module.name for module in pkgutil.walk_packages(kdlab.__path__, "kdlab.")]
    public = [name for name in modules if not any(part.startswith("_") for part in name.split("."))]
    assert {"kdlab.losses", "kdlab.photos.cache"} <= set(public)
    for name in public:
        assert f'"module-{name}"' in text or f'<section id="{re.sub("[._]", "-", name)}">' in text, name


def test_the_index_of_the_api_lists_every_room_above_what_it_imports(site):
    import kdlab

    text = (site / "api" / "index.html").read_text(encoding="utf-8")
    rooms = [module.name for module in pkgutil.iter_modules(kdlab.__path__)]
    rooms = [room for room in rooms if not room.startswith("_")]
    at = {room: text.index(f"kdlab.{room}</span>") for room in rooms}  # the top floor comes first
    assert at["study"] < at["distill"] < at["terms"] < at["losses"] < at["names"]


def test_the_page_of_mistakes_names_them_all(site):
    from kdlab.exercises import all_exercises

    text = (site / "instructors" / "stuck.html").read_text(encoding="utf-8")
    assert all(f"{id} · " in text for id in all_exercises())
