"""What Sphinx's pages lack for keyboards and screen readers, mended after each build (found by axe)."""

import re
from pathlib import Path

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
        text = mended = path.read_text()
        for old, new in CHANGES:
            mended = re.sub(old, new, mended)
        if mended != text:
            path.write_text(mended)
