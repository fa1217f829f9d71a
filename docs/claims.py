"""The claims page: every verdict of the course, read from the lessons' stored outputs and results."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = ("claim", "verdict", "difference", "95 % interval", "seeds", "compared with")
HEAD = """# What held

Every verdict of the course, as the lessons and the shipped results hold it. *Helps* and *hurts*: the whole
95 % interval of the mean paired difference lies on one side of 0. *Not shown*: it holds 0, which is not the
same as no effect. Differences are in points of the lesson's own score. This page is generated; nothing in
it is typed.
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
    """Rows (claim, verdict, difference, interval, seeds, compared with) of a lesson's last table."""
    found = []
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            html = "".join(output.get("data", {}).get("text/html", []))
            if "95 % interval" in html and "compared with" in html:
                tables = _Tables()
                tables.feed(html)
                head, *rows = tables.rows
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


def claims_page(root=ROOT):
    """The page as Markdown."""
    parts = [HEAD]
    for path in sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        notebook = json.loads(path.read_text())
        title = "".join(notebook["cells"][0]["source"]).splitlines()[0].removeprefix("# ")
        parts += [f"## {title}", f"[The lesson](notebooks/{path.name}). {_ran(notebook)}"]
        parts.append(_table(lesson_claims(notebook)))
    shipped = sorted((root / "data" / "results").glob("*.json"))
    if shipped:
        parts += ["## Shipped results", "Too slow for a lesson: run by the command given, and stored."]
    from kdlab.results import load_results, page

    for path in shipped:
        parts.append(re.sub("^#", "##", page(path.stem, load_results(path.stem, path.parent)), flags=re.M))
    return "\n\n".join(parts) + "\n"
