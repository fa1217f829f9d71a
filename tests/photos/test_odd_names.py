"""Names of classes, files and people are text of others: written as they are, and nothing more."""

import json
import os
import re
import warnings
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from photo_folders import stripes

from kdlab import exercises
from kdlab.measure import cost_table
from kdlab.names import in_markdown, literal
from kdlab.run import run

ODD = [
    "$x^$", "$\\frac{", "<img src=x onerror=alert(1)>", "a|b", "line\nbreak", "# Verdict",
    "## Verdict\n\n    distilled: helps",
    "\u202eevil", "日本語", "**bold**", "[link](javascript:alert(1))", "`tick", "&lt;b&gt;",
    "-1", "  spaces ", "\x1b[31mred",
    "100%", "{curly}", "~~gone~~", "back\\slash", "'quotes\"", "\U0001f600", "\u0300", "e\u0301",
]  # fmt: skip
NOT_UTF8 = os.fsdecode(b"caf\xe9")


def rendered(text):
    """Markdown as HTML, with the HTML that it holds let through, as a careless viewer would."""
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text)


def words_of(page):
    import html

    return html.unescape(re.sub("<[^>]*>", "", page)).strip()


@given(st.text(max_size=40))
def test_a_name_in_markdown_is_seen_as_it_is_and_makes_nothing(name):
    page = rendered(f"class {in_markdown(name)} end")
    assert set(re.findall("<(/?[a-zA-Z]+)", page)) <= {"p", "/p"}, page
    seen = "class " + literal(name) + " end"
    assert " ".join(words_of(page).split()) == " ".join(seen.split())


@given(st.text(max_size=40))
def test_a_name_stays_in_its_cell(name):
    page = rendered(f"| a | b |\n| --- | --- |\n| {in_markdown(name)} | 1 |\n")
    assert page.count("<tr>") == 2 and page.count("<td>") == 2


@given(st.text(max_size=40))
def test_a_literal_name_is_one_line_that_any_file_holds(name):
    line = literal(name)
    assert len(line.splitlines()) <= 1 and literal(line) == line
    line.encode("utf-8")


def test_odd_class_and_file_names_cost_neither_student_nor_report(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("kdlab.photos.report.export_onnx", lambda network, images, path: None)
    monkeypatch.setattr("kdlab.photos.report.cost_table", partial(cost_table, seconds=0.001))
    made = []
    for label, name in enumerate([*ODD, NOT_UTF8]):
        folder = tmp_path / "photos" / name.replace("/", "-")
        try:
            folder.mkdir(parents=True)
        except (OSError, UnicodeError):  # not on this file system
            continue
        made.append(name)
        for index in range(3):
            stripes(label, index).save(folder / f"{index} $x^$ <b>.png")
    (tmp_path / "photos" / "$x^$" / "bad\n## Verdict.png").write_bytes(b"")
    options = {
        "epochs": 1,
        "batch_size": 8,
        "views": 1,
        "threads": 0,
        "size": 32,
        "data": tmp_path / "photos",
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        run(student="tiny_cnn", student_options={"width": 4}, out=tmp_path / "out", **options)
    said = capsys.readouterr().out
    assert "\n## Verdict" not in said and "\x1b" not in said
    for name in ("curves.png", "confusion.png"):
        assert (tmp_path / "out" / name).stat().st_size > 1000
    for page in (tmp_path / "out" / "report.md", tmp_path / "out" / "student" / "README.md"):
        text = page.read_text(encoding="utf-8")
        assert "\n## Verdict" not in text and len(made) > 20
        tags = set(re.findall("<([a-zA-Z0-9]+)", rendered(text)))
        assert tags <= {
            "h1",
            "h2",
            "p",
            "ul",
            "li",
            "img",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "code",
            "pre",
            "strong",
        }
        assert set(re.findall('<img src="([^"]*)', rendered(text))) <= {
            "curves.png",
            "confusion.png",
            "examples.png",
        }


@pytest.mark.parametrize("name", [*ODD, NOT_UTF8])
@pytest.mark.parametrize("kind", ["md", "json"])
def test_a_sheet_holds_a_name_and_nothing_else_of_it(tmp_path, name, kind, monkeypatch, capsys):
    path = tmp_path / f"sheet.{kind}"
    exercises.hand_in(path, name=name)
    text = path.read_text(encoding="utf-8")
    if kind == "md":
        assert text.count("\n| 0.1 |") == 1 and len(text.splitlines()) == len(plain(tmp_path).splitlines())
        assert set(re.findall("<([a-zA-Z0-9]+)", rendered(text))) <= {
            "h1", "p", "table", "thead", "tbody", "tr", "th", "td",
        }  # fmt: skip


def plain(folder):
    exercises.hand_in(folder / "plain.md", name="A Student")
    return (folder / "plain.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name", ["=cmd|' /C calc'!A0", "+1", "-2+3", "@SUM(1)", "\t=1", " =1", "x" * 10**6, None, 7]
)
@pytest.mark.parametrize("kind", ["md", "json"])
def test_a_sheet_s_name_is_no_formula_and_has_an_end(tmp_path, name, kind):
    path = tmp_path / f"sheet.{kind}"
    exercises.hand_in(path, name=name)
    text = path.read_text(encoding="utf-8")
    head = json.loads(text)["name"] if kind == "json" else words_of(rendered(text.split("\n")[0]))
    given = head.removeprefix("Exercises:").strip()
    assert not given.startswith(tuple("=+-@")) and len(given) < 300
    assert (name is None) is (given in ("", "no name given"))


def test_a_sheet_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    path = tmp_path / "sheet.md"
    exercises.hand_in(path, name="first")
    before = path.read_bytes()

    def full(handle):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="sheet.md cannot be written: No space left"):
        exercises.hand_in(path, name="second")
    assert path.read_bytes() == before and [*tmp_path.iterdir()] == [path]


def test_an_ascii_locale_takes_nothing_from_a_sheet(tmp_path):
    import subprocess
    import sys

    code = "import sys; from kdlab import exercises; exercises.hand_in(sys.argv[1], name='Jos' + chr(233))"
    env = {
        **os.environ,
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "ascii",
    }
    env["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
    for kind in ("md", "json"):
        path = tmp_path / f"Größe.{kind}"
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)], env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert len(path.read_bytes()) > 500
