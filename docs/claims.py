"""The claims page and picture: every verdict of the course, read from stored outputs and results.

The lessons print most of them; ``data/checked/asked.toml`` puts some more questions to their shipped studies.

``python docs/claims.py`` writes all verdicts to ``data/checked/verdicts.json``, which the package ships, and
draws the picture that README shows; ``--check`` writes nothing and fails where the lessons say something else
by now. The site draws its own.
"""

import argparse
import io
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

import usual  # noqa: E402
from asked import asked  # noqa: E402

from kdlab.checked.stored import Verdict  # noqa: E402

PICTURE = ROOT / "docs" / "_static" / "explainer.png"
STORED = ROOT / "data" / "checked" / "verdicts.json"
COLUMNS = ("claim", "answer", "difference", "95 % interval", "margin", "pairs", "compared with")
HEAD = """# What held

What is usually said of distillation, a row a claim, with what the course measured: who says it and how
well that was checked, the verdicts behind the answer, and what would change it. Differences, intervals
and pairs are read by code from the lessons and their stored studies. <a href="claims.csv" download>All of
it as CSV.</a>

*Holds here*: all verdicts speak for it. *Holds in part*: some do, the others are open. *It depends*: some
speak for it and some against. *Does not hold here*: some speak against it and none for it. *Open*: none
says either. *Counted*: it was counted, and needs no verdict. *Not tested*: the row says why.

A verdict has words of its own claim. *Held*: the whole 95 % interval of the mean paired difference lies
on the side of 0 that it claims; or, where it claims that there is no difference that matters, within the
margin. *Refuted*: it lies on the other side. *Same*: it contains 0 and lies within the margin, the
smallest difference that matters, which is stated before the run. *Open*: the study is too small to tell.
*Shipped*: run before, and stored. *Asked*: put to a stored study for this page, after its numbers were
known. *(alone)*: not after a correction for all comparisons of its study. [Lesson
15](notebooks/15_checked.ipynb) says how an answer is made.

```{{raw}} html
{usual}
```

To cite a row, give its link (the # beside it) and the version, {version}: another may have other numbers.

```{{image}} claims.png
:alt: A row a usual claim, a mark a verdict; the table has all of it as text.
:width: 745px
```

## Every verdict of the lessons

Every claim of the lessons, as they and the shipped results answer it, in the words explained above. Each
difference has its unit in the column of the margin.
"""


class _Tables(HTMLParser):
    """The cells of every table, row by row."""

    def __init__(self):
        super().__init__()
        self.rows, self._cell = [], None

    def handle_starttag(self, tag, attributes):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self._cell = ""

    def handle_data(self, data):
        if self._cell is not None:
            self._cell += data

    def handle_endtag(self, tag):
        if tag in ("td", "th") and self._cell is not None:
            self.rows[-1].append(self._cell.strip())
            self._cell = None


def lesson_claims(notebook):
    """Rows of a lesson's tables of what held, as :data:`COLUMNS`."""
    found = []
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            html = "".join(output.get("data", {}).get("text/html", []))
            if "95 % interval" in html and "compared with" in html:
                tables = _Tables()
                tables.feed(html)
                head, *rows = tables.rows
                if not set(COLUMNS[1:]) <= set(head):
                    continue  # stored by an older version: run the lesson again
                places = [0, *(head.index(column) for column in COLUMNS[1:])]
                found += [[row[i] for i in places] for row in rows]
    return found


def _table(rows):
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    table = [*lines, *("| " + " | ".join(row) + " |" for row in rows)]
    return "\n".join([":::{rst-class} claims", *table, ":::"])


def _ran(notebook):
    run = notebook["metadata"].get("kdlab")
    if not run:
        return "When these outputs were made is not recorded."
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    return f"Run {run['date']} with {versions}; {run['threads']} thread."


def _lessons(root):
    """(path, notebook, title) of each lesson."""
    for path in sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        yield path, notebook, "".join(notebook["cells"][0]["source"]).splitlines()[0].removeprefix("# ")


def claims_page(root=ROOT):
    """The page as Markdown."""
    import kdlab
    from kdlab.results import load_results, page

    pages = {path.name[:2]: f"notebooks/{path.stem}.html" for path, _, _ in _lessons(root)}
    parts, more = [HEAD.format(usual=usual.markup(pages), version=kdlab.__version__)], asked(root)
    for path, notebook, title in _lessons(root):
        parts += [f"### {title}", f"[The lesson](notebooks/{path.name}). {_ran(notebook)}"]
        parts.append(_table(lesson_claims(notebook)))
        if path.name[:2] in more:
            parts += ["Asked of its shipped studies for lesson 15:", _table(more[path.name[:2]])]
    shipped = sorted((root / "data" / "results").glob("*.json"))
    if shipped:
        parts += ["## Shipped results", "Too slow for a lesson: run by the command given, and stored."]
    for path in shipped:
        parts.append(re.sub("^#", "##", page(path.stem, load_results(path.stem, path.parent)), flags=re.M))
    return "\n\n".join(parts) + "\n"


def stored(root=ROOT):
    """Every verdict, in the order of the lessons: what ``data/checked/verdicts.json`` holds."""
    more = asked(root)
    return [
        Verdict(path.name[:2], title, *row)
        for path, notebook, title in _lessons(root)
        for row in (*lesson_claims(notebook), *more.get(path.name[:2], ()))
    ]


def draw(path, *, brief=False):
    """Write the picture of the usual claims, or in brief of the explainer's; returns the answers in words."""
    from collections import Counter

    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    from kdlab import plots
    from kdlab.checked import picture, usual_claims
    from kdlab.checked.usual import explainer

    about, shown = PngInfo(), explainer() if brief else usual_claims()
    about.add_itxt("Description", _in_full(shown))
    image = Image.open(io.BytesIO(plots.png(picture.draw(shown, brief=brief))[0])).convert("RGB")
    image = image.quantize(64, method=Image.Quantize.MAXCOVERAGE)  # letters need no more
    image.save(path, pnginfo=about, optimize=True)
    counts = Counter(one.answer for one in shown.values())
    return ", ".join(f"{count} {answer}" for answer, count in counts.items())


def _in_full(shown):
    """All that a picture shows, as text; it is kept in the picture's file."""
    parts = []
    for one in shown.values():
        behind = "; ".join(f"{found.verdict.lesson} {found.verdict.told()}" for found in one.evidence)
        parts.append(f"{one.claim} {one.answer}: {behind}.")
    return " ".join(parts)


def agrees(path=PICTURE):
    """Whether the picture in brief shows what the stored verdicts say."""
    from PIL import Image

    from kdlab.checked.usual import explainer

    return Path(path).exists() and Image.open(path).text["Description"] == _in_full(explainer())


def store(path=STORED, root=ROOT):
    """Write all verdicts, a line each."""
    from kdlab.files import write_atomically

    lines = ",\n".join(json.dumps(verdict, ensure_ascii=False) for verdict in stored(root))
    with write_atomically(path) as file:
        file.write(f"[\n{lines}\n]\n".encode())


def says_the_same(path=STORED, root=ROOT):
    """Whether the file holds what the lessons say."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return kept == [list(verdict) for verdict in stored(root)]


def main(arguments=None, picture=PICTURE, verdicts=STORED):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail where a file differs")
    if not parser.parse_args(arguments).check:
        store(verdicts)
        print(f"{verdicts}\n{picture}: {draw(picture, brief=True)}")
        return 0
    old = [
        file for file, good in ((picture, agrees(picture)), (verdicts, says_the_same(verdicts))) if not good
    ]
    for file in old:
        print(f"{file.name} does not show what the lessons say; run python docs/claims.py")
    return bool(old)


if __name__ == "__main__":
    import matplotlib

    matplotlib.use("Agg")
    sys.exit(main())
