"""Slides from the lessons: ``python docs/slides.py LESSON ... --out FOLDER``.

One file a lesson, with all it needs inside: titles, equations, figures with what to see in them,
verdicts, exit questions. Arrow keys turn the pages, and printing gives one slide a page.
"""

import argparse
import html
import re
import sys
from pathlib import Path

import nbformat
from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
html {{ scroll-snap-type: y mandatory; color: #111; background: #fff;
  font: min(24px, 3.2vh)/1.35 system-ui, sans-serif; }}
body {{ margin: 0; }}
section {{ box-sizing: border-box; min-height: 100vh; padding: 3vh 8vw; scroll-snap-align: start;
  display: flex; flex-direction: column; justify-content: center; break-after: page; }}
h1, h2 {{ line-height: 1.15; margin: 0 0 0.5em; }} h2 {{ font-size: 1.2em; color: #22577a; }}
img {{ max-width: 100%; max-height: 52vh; align-self: center; }}
pre {{ white-space: pre-wrap; font-size: 0.8em; }}
table {{ border-collapse: collapse; font-size: 0.65em; }} td, th {{ padding: 0.1em 0.7em; text-align: left;
  border-bottom: 1px solid #bbb; }} ul {{ list-style: none; padding-left: 1em; }}
</style></head><body><main>
{slides}</main>
<script>
addEventListener("keydown", (event) => {{
  const steps = {{ArrowRight: 1, PageDown: 1, " ": 1, ArrowLeft: -1, PageUp: -1}};
  const step = steps[event.key];
  if (!step) return;
  event.preventDefault();
  const all = [...document.querySelectorAll("section")];
  const now = all.findIndex((s) => s.getBoundingClientRect().bottom > innerHeight / 2);
  all[Math.min(Math.max(now + step, 0), all.length - 1)].scrollIntoView();
}});
</script></body></html>
"""


def _renderer():
    def equation(content, options):
        return convert(content, display="block" if options["display_mode"] else "inline")

    return MarkdownIt("commonmark").enable("table").use(dollarmath_plugin, renderer=equation)


def _slide(heading, *parts):
    return (
        "<section>" + (f"<h2>{html.escape(heading)}</h2>" if heading else "") + "".join(parts) + "</section>"
    )


def _figure(output):
    alt = html.escape(output.metadata.get("image/png", {}).get("alt", ""), quote=True)
    return f'<img alt="{alt}" src="data:image/png;base64,{"".join(output.data["image/png"].split())}">'


def slides(notebook):
    """The slides of a lesson, as HTML sections."""
    to_html, heading, made = _renderer().render, "", []
    cells = notebook.cells
    title, *rest = [
        b for b in cells[0].source.split("\n\n") if not b.startswith(("[Open in", "[previous", "[next"))
    ]
    made.append(_slide("", to_html("\n\n".join([title, *rest]))))
    for cell, following in zip(cells[1:], [*cells[2:], nbformat.v4.new_markdown_cell()]):
        if cell.cell_type == "markdown":
            if found := re.findall(r"^#+ (.*)$", cell.source, re.M):
                heading = found[-1]
            if "## After this lesson you can" in cell.source:
                made.append(_slide("", to_html(cell.source)))
            elif cell.source.startswith("**") and re.match(r"\*\*\d+\.q\d\*\*", cell.source):
                made.append(_slide("Exit question", to_html(cell.source)))
            elif re.match(r"#+ Exit questions", cell.source):
                asked = re.split(r"(?=\*\*\d+\.q\d\*\*)", cell.source)[1:]
                made += [_slide("Exit question", to_html(question)) for question in asked]
            elif "$$" in cell.source and "<details>" not in cell.source:
                idea = cell.source.split("★")[0]  # what to write is for the notebook
                body = re.sub(r"^#+ .*$", "", idea, flags=re.M)
                made.append(_slide(heading, to_html(body)))
            continue
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                read = re.search(r"\*\*Reading the figure\.\*\*[^\n]*", following.source)
                made.append(_slide(heading, _figure(output), to_html(read[0]) if read else ""))
            elif "95 % interval" in data.get("text/html", ""):
                made.append(_slide(heading, re.sub(r"<style.*?</style>", "", data["text/html"], flags=re.S)))
            elif "paired seeds; baseline" in output.get("text", ""):
                made.append(_slide(heading, f"<pre>{html.escape(output['text'])}</pre>"))
    return made


def write(lesson, folder):
    """Write the slides of one lesson; returns the path and their number."""
    notebook = nbformat.read(lesson, as_version=4)
    made = slides(notebook)
    title = notebook.cells[0].source.splitlines()[0].removeprefix("# ")
    path = Path(folder) / f"{Path(lesson).stem}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PAGE.format(title=html.escape(title), slides="\n".join(made)), encoding="utf-8")
    return path, len(made)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("lessons", nargs="+", metavar="LESSON")
    parser.add_argument("--out", required=True)
    options = parser.parse_args(arguments)
    missing = [lesson for lesson in options.lessons if not Path(lesson).exists()]
    if missing:
        parser.error(f"there is no lesson {missing[0]}")
    for lesson in options.lessons:
        path, number = write(lesson, options.out)
        print(f"{path}: {number} slides")
    return 0


if __name__ == "__main__":
    sys.exit(main())
