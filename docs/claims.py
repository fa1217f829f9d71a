"""The claims page and picture: every verdict of the course, read from stored outputs and results.

``python docs/claims.py`` draws the picture that README shows; ``--check`` writes nothing and fails where the
lessons say something else by now. The site draws its own.
"""

import argparse
import io
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
PICTURE = ROOT / "docs" / "_static" / "claims.png"
COLUMNS = ("claim", "answer", "difference", "95 % interval", "margin", "pairs", "compared with")
HEAD = """# What held

Every claim of the course, as the lessons and the shipped results answer it. A claim says which way the mean
paired difference goes. *Held*: the whole 95 % interval lies on that side of 0; or, where the claim is that
there is no difference that matters, within the margin. *Refuted*: it lies on the other side. *Same*: it holds
0 and lies within the margin, the smallest difference that matters, which is stated before the run. *Open*:
the study is too small to tell. Each difference has its unit in the column of the margin. This page is
generated; nothing in it is typed.
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
    """Rows of a lesson's last table, as :data:`COLUMNS`."""
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
    parts = [HEAD]
    for path, notebook, title in _lessons(root):
        parts += [f"## {title}", f"[The lesson](notebooks/{path.name}). {_ran(notebook)}"]
        parts.append(_table(lesson_claims(notebook)))
    shipped = sorted((root / "data" / "results").glob("*.json"))
    if shipped:
        parts += ["## Shipped results", "Too slow for a lesson: run by the command given, and stored."]
    from kdlab.results import load_results, page

    for path in shipped:
        parts.append(re.sub("^#", "##", page(path.stem, load_results(path.stem, path.parent)), flags=re.M))
    return "\n\n".join(parts) + "\n"


def forest_row(claim, answer, difference, interval, margin, *_):
    """A row of :func:`lesson_claims` as a row of the picture."""
    from kdlab.plots import Row
    from kdlab.verdicts import LOWER

    low, high = interval.split(" to ")
    amount, _, unit = margin.removesuffix(LOWER).partition(" ")
    return Row(
        claim, answer, float(difference), float(low), float(high), float(amount), (difference, low, high),
        "points" if unit == "point" else unit, -1 if margin.endswith(LOWER) else 1, words=("more", "less"),
    )  # fmt: skip


def course(root=ROOT):
    """The rows of the picture by lesson."""
    found = {title: lesson_claims(notebook) for _, notebook, title in _lessons(root)}
    return {title: [forest_row(*row) for row in rows] for title, rows in found.items() if rows}


def in_words(lessons):
    """All that the picture shows, as text; it is kept in the picture's file."""
    from kdlab import plots

    return " ".join(f"{title}. {plots.in_words(rows)}" for title, rows in lessons.items())


def draw(path, root=ROOT):
    """Write the picture of all claims; returns how many had each answer, in words."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    from kdlab import plots

    lessons, about = course(root), PngInfo()
    figure = plots.draw_forest(lessons, gap=0.04) if lessons else plots.axes(height=0.5)[0]
    about.add_itxt("Description", in_words(lessons))
    picture = Image.open(io.BytesIO(plots.png(figure)[0])).convert("RGB")
    picture = picture.quantize(64, method=Image.Quantize.MAXCOVERAGE)  # letters need no more
    picture.save(path, pnginfo=about, optimize=True)
    return plots.summary([row for rows in lessons.values() for row in rows])


def agrees(path=PICTURE, root=ROOT):
    """Whether a picture shows what the lessons say."""
    from PIL import Image

    return Path(path).exists() and Image.open(path).text["Description"] == in_words(course(root))


def main(arguments=None, path=PICTURE):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail where the picture differs")
    if not parser.parse_args(arguments).check:
        print(f"{path}: {draw(path)}")
    elif not agrees(path):
        print(f"{path.name} does not show what the lessons say; run python docs/claims.py")
        return 1
    return 0


if __name__ == "__main__":
    import matplotlib

    matplotlib.use("Agg")
    sys.exit(main())
