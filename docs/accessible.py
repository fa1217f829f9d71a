"""What Sphinx's pages lack for keyboards and screen readers, mended after each build (found by axe)."""

import functools
import hashlib
import json
import re
from binascii import a2b_base64
from pathlib import Path

LESSONS = Path(__file__).resolve().parent.parent / "notebooks"

CHANGES = [
    # A heading by its role has a level only if it says so.
    (r'(<p class="caption" role="heading")>', r'\1 aria-level="2">'),
    # What scrolls sideways on a phone must be reachable by keyboard.
    (r'(<div class="table-wrapper[^"]*")>', r'\1 tabindex="0">'),
    (r'(<div class="math")>', r'\1 tabindex="0">'),
    (r'(<div class="output text_html")>', r'\1 tabindex="0">'),
    (r"<pre>", r'<pre tabindex="0">'),
    (r"<th></th>", r"<td></td>"),
]


def mend(app, error):
    """For Sphinx's ``build-finished``."""
    if error is not None or app.builder.format != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        text = mended = path.read_text(encoding="utf-8")
        for old, new in CHANGES:
            mended = re.sub(old, new, mended)
        if mended != text:
            path.write_text(mended, encoding="utf-8")


@functools.cache
def _alternatives():
    """The alternative texts that the lessons store, by the name that MyST-NB gives to each figure's file."""
    found = {}
    for path in LESSONS.glob("*.ipynb"):
        outputs = (
            o
            for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
            for o in cell.get("outputs", [])
        )
        for output in outputs:
            if stored := "".join(output.get("data", {}).get("image/png", "")):
                name = hashlib.sha256(a2b_base64(stored)).hexdigest()
                found[name] = output["metadata"].get("image/png", {}).get("alt", "")
    return found


def describe(app, doctree):
    """For Sphinx's ``doctree-read``: MyST-NB drops the alternative texts of figures."""
    from docutils import nodes

    for image in doctree.findall(nodes.image):
        if words := _alternatives().get(Path(image["uri"]).stem):
            image["alt"] = words
