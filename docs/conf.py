"""The site: lessons with their stored outputs, the API, the claims. ``make site`` builds it."""

import re
import shutil
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT)]

import accessible  # noqa: E402
import api_pages  # noqa: E402
import bank  # noqa: E402
import claims  # noqa: E402
import found  # noqa: E402
import launch  # noqa: E402
import mathml  # noqa: E402
import slides  # noqa: E402
import stuck  # noqa: E402
import usual  # noqa: E402

RUNTIME = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "kdlab"
author = "the kdlab authors"
copyright = "2026, the kdlab authors; code MIT, text and figures CC BY 4.0"
version = release = PROJECT["version"]
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "_extra", "node_modules", "releases"]
suppress_warnings = ["mystnb.unknown_mime_type"]  # the widget's own; its static figure stands above it

# The outputs shown are those that the lessons store: nothing runs while the site is built.
nb_execution_mode = "off"
nb_ipywidgets_js = {}
nb_merge_streams = True
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "kdlab: a knowledge distillation course"
html_static_path = ["_static"]
html_extra_path = ["_extra"]
html_css_files = ["kdlab.css"]
html_math_renderer = "mathml"
html_show_sphinx = False
html_theme_options = {
    "top_of_page_buttons": [],
    "footer_icons": [
        {"name": "Source", "url": f"https://github.com/{launch.where()[0]}", "html": "The repository"}
    ],
    # Furo's defaults take fonts from the reader's machine; nothing is fetched from elsewhere.
    "light_css_variables": {"font-stack": "system-ui, sans-serif", "color-brand-content": "#22577a"},
}
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_inherit_docstrings = False  # what PyTorch says of every Module
autodoc_mock_imports = ["anywidget", "traitlets"]
napoleon_google_docstring = False
linkcheck_ignore = [r"https://(colab\.research\.google\.com|mybinder\.org).*"]


def _bring(source, folder):
    """Copy lessons into the sources: docs lie at another place here, and one link leads here."""
    here = re.compile(r" · \[Read on the site\]\([^)]*\)")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path in sorted(source.glob("[0-9][0-9]_*.ipynb")):
        text = here.sub("", path.read_text(encoding="utf-8")).replace("](../docs/", "](../")
        (folder / path.name).write_text(text, encoding="utf-8")


_bring(ROOT / "notebooks", HERE / "notebooks")
api_pages.write(HERE / "api")
(HERE / "claims.md").write_text(claims.claims_page(), encoding="utf-8")
claims.draw(HERE / "claims.png")
(HERE / "_extra").mkdir(exist_ok=True)
usual.csv(HERE / "_extra" / "claims.csv")
found.card(HERE / "_extra" / found.CARD)
(HERE / "instructors" / "stuck.md").write_text(stuck.page(), encoding="utf-8")
(HERE / "instructors" / "bank.md").write_text(bank.page(), encoding="utf-8")
for lesson in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
    slides.write(lesson, HERE / "_extra" / "slides")


def _bring_demo(folder):
    """The demo's models, and the runtime they run in, if it was brought from npm."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(HERE / "demo", folder)
    runtime = HERE / "node_modules" / "onnxruntime-web" / "dist"
    for name in RUNTIME:
        if (runtime / name).exists():
            shutil.copy(runtime / name, folder)
        else:
            print(f"the demo page will not run: {name} is missing; npm install --prefix docs brings it")


_bring_demo(HERE / "_extra" / "demo")


def setup(app):
    app.add_html_math_renderer(
        "mathml", inline_renderers=(mathml.inline, None), block_renderers=(mathml.block, None)
    )
    app.connect("doctree-read", accessible.describe)
    app.connect("build-finished", api_pages.mend_back_links)
    app.connect("build-finished", accessible.mend)
    app.connect("html-page-context", found.describe)
    app.connect("build-finished", found.sitemap)
