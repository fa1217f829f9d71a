"""In a real browser: the lessons in JupyterLab, and the site with its search and its demo.

Needs Chromium and the package playwright; the tests say so where either is missing.
"""

import functools
import http.server
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urljoin, urlparse

import pytest

ROOT = Path(__file__).parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MISSING = [name for name in ("playwright", "axe_playwright_python") if find_spec(name) is None]

if MISSING or CHROMIUM is None:
    absent = " and ".join([*MISSING, *["Chromium"] * (CHROMIUM is None)])
    pytest.skip(f"not looked at in a browser, for want of {absent}", allow_module_level=True)

LESSON = "02_temperature.ipynb"
LESSONS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Without these, Chromium looks up its maker's hosts at every start.
        quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", *quiet]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.errors, page.elsewhere = [], []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("request", lambda r: None if _is_local(r.url) else page.elsewhere.append(r.url))
    yield page
    context.close()


def _is_local(url):
    return url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:", "about:"))


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address(site):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_search_finds_a_lesson(address, page):
    page.goto(f"{address}/index.html")
    page.fill("input[name=q]", "hint")
    page.press("input[name=q]", "Enter")
    page.wait_for_selector("#search-results li a")
    found = page.locator("#search-results li a").all_inner_texts()
    assert any("Feature distillation" in title for title in found)
    assert not page.errors and not page.elsewhere


@pytest.mark.parametrize(
    "name", ["index", "notebooks/01_hard_and_soft_labels", "claims", "demo", "instructors/plans"]
)
def test_pages_are_readable_on_a_phone_and_by_everybody(address, browser, name):
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(viewport={"width": 390, "height": 800})
    page = context.new_page()
    page.goto(f"{address}/{name}.html")
    wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth + 1")
    assert not wide, "the page itself scrolls sideways"
    violations = Axe().run(page).response["violations"]
    serious = [v for v in violations if v["impact"] in ("serious", "critical")]
    told = [(v["id"], [n["html"][:120] for n in v["nodes"][:3]]) for v in serious]
    context.close()
    assert not told


def test_the_claims_are_filtered_by_word_kind_and_lesson(address, page):
    page.goto(f"{address}/claims.html")
    rows = page.locator("#usual tbody tr:visible")
    everything = rows.count()
    page.fill("#usual-word", "temperature")
    assert 0 < rows.count() < everything and f"of {everything} claims" in page.inner_text("#usual-count")
    page.fill("#usual-word", "")
    page.select_option("#usual-task", "tables")
    tables = rows.count()
    assert 0 < tables < everything
    page.select_option("#usual-lesson", "13")
    assert rows.count() < tables
    page.select_option("#usual-task", "")
    assert rows.count() and page.locator("#usual li:visible").count()
    lessons = page.locator("#usual li:visible").evaluate_all("all => all.map((li) => li.dataset.lesson)")
    assert set(lessons) == {"13"}
    page.select_option("#usual-lesson", "")
    for word, alike in (("Müller", "muller"), ("T=4", "T  =  4"), ("-2.2", "\u22122.2")):
        page.fill("#usual-word", word)
        found = rows.count()
        page.fill("#usual-word", alike)
        assert 0 < found == rows.count() < everything, word
    page.fill("#usual-word", "who says it")
    assert rows.count() < everything
    page.fill("#usual-word", "folklore")
    assert rows.first.locator("details").evaluate("details => details.open")
    page.fill("#usual-word", "nothing of the kind (.*")
    assert rows.count() == 0 and "take a filter away" in page.inner_text("#usual-count")
    assert not page.errors and not page.elsewhere


@pytest.mark.skipif(
    not (ROOT / "docs" / "node_modules" / "onnxruntime-web").exists(),
    reason="onnxruntime-web is not there: make site, or npm install --prefix docs",
)
def test_the_demo_reads_a_drawing_and_the_slider_softens_it(address, page):
    page.goto(f"{address}/demo.html")
    page.wait_for_selector("#demo[data-ready=yes]", timeout=60_000)
    teacher = page.locator("#demo-answers section").first
    for digit in range(2):  # it opens with the first
        if digit:
            page.click("#demo-example")
        page.wait_for_function(
            f"document.querySelector('#demo-answers section').dataset.answer === '{digit}'", timeout=60_000
        )
    assert "kB" in teacher.inner_text() and " ms" in teacher.inner_text()
    assert page.locator("#demo-answers section").count() == 4
    page.click("#demo-clear")
    box = page.locator("#demo-pad").bounding_box()
    at = lambda x, y: page.mouse.move(box["x"] + x, box["y"] + y, steps=6)  # noqa: E731
    at(112, 30), page.mouse.down(), at(112, 195), page.mouse.up()
    page.wait_for_function("document.querySelector('#demo-answers section').dataset.answer !== undefined")
    bars = "[...document.querySelectorAll('#demo-answers section')[0].querySelectorAll('i')]"
    top = f"Math.max(...{bars}.map(bar => bar.offsetHeight))"
    before = page.evaluate(top)
    page.locator("#demo-temperature").fill("20")
    page.wait_for_function(f"{top} < {before}")
    assert not page.errors and not page.elsewhere


def test_a_drawing_becomes_a_digit_as_in_the_package(address, page):
    import torch

    from kdlab.widgets import as_digit

    ink = torch.zeros(32, 32)
    ink[4:25, 10:14], ink[6:9, 10:22] = 1.0, 0.6
    page.goto(f"{address}/demo.html")
    found = page.evaluate(
        "async (ink) => Array.from((await import('./_static/demo.js')).asDigit(Float32Array.from(ink)))",
        ink.flatten().tolist(),
    )
    torch.testing.assert_close(torch.tensor(found), as_digit(ink.flatten()).flatten(), atol=1e-4, rtol=0)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """`make lab` in a copy of the course, so that nothing that is saved lands in the repository.

    The address is the one that it tells a reader, without its token.
    """
    if not (ROOT / ".venv" / "bin" / "jupyter").exists() or find_spec("jupyterlab") is None:
        pytest.skip("JupyterLab is not in .venv: make lab makes it")
    folder = tmp_path_factory.mktemp("lab")
    copy, log = folder / "course", folder / "lab.log"
    ignored = shutil.ignore_patterns(".git", ".venv", "_build", "node_modules", ".ipynb_checkpoints")
    shutil.copytree(ROOT, copy, ignore=ignored)
    (copy / ".venv").symlink_to(ROOT / ".venv")
    # By default JupyterLab draws only the cells in sight; the tests read them all.
    settings = folder / "settings" / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"windowingMode": "none"}', encoding="utf-8")
    own = {"JUPYTERLAB_SETTINGS_DIR": folder / "settings", "JUPYTERLAB_WORKSPACES_DIR": folder / "workspaces"}
    options = "--no-browser --allow-root --ip=127.0.0.1 --IdentityProvider.token=t"
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(
            ["make", "lab", f"LAB_OPTIONS={options}"], cwd=copy, stdout=out, stderr=out,
            start_new_session=True, env={**os.environ, "PYTHONPATH": str(copy), **own},
        )  # fmt: skip
    try:
        end = time.monotonic() + 120
        while not (found := re.search(r"http://127\.0\.0\.1:\d+/[^\s?]+", log.read_text(encoding="utf-8"))):
            assert process.poll() is None and time.monotonic() < end, log.read_text(encoding="utf-8")
            time.sleep(0.3)
        yield found[0]
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


# Both tell of the lesson in sight.
BROKEN = """panel => [...panel.querySelectorAll("img")]
    .filter(image => !(image.complete && image.naturalWidth)).map(image => image.outerHTML.slice(0, 200))"""
LINKS = """panel => [...panel.querySelectorAll(".jp-MarkdownOutput a[href]:not([href^='#'])")]
    .map(link => link.getAttribute("href"))"""


def drawn(page, path):
    """The panel of a lesson, once all its text and figures are there."""
    import nbformat
    from playwright.sync_api import expect

    cells = nbformat.read(path, as_version=4).cells
    figures = [o for cell in cells for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
    title = page.locator("h1", has_text=cells[0].source.splitlines()[0].removeprefix("# "))
    panel = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)").filter(has=title)
    expect(panel.locator(".jp-MarkdownOutput")).to_have_count(
        sum(cell.cell_type == "markdown" for cell in cells), timeout=60_000
    )
    expect(panel.locator("img[src^='data:image/png']")).to_have_count(len(figures), timeout=60_000)
    return panel


def settled(panel, script, right, seconds=15):
    """What the script tells, once that is right or the time is up."""
    end = time.monotonic() + seconds
    while not right(told := panel.evaluate(script)) and time.monotonic() < end:
        time.sleep(0.1)
    return told


def test_the_course_is_walked_by_its_links_and_no_image_or_link_is_broken(lab, page):
    assert lab.endswith(f"/lab/tree/notebooks/{LESSONS[0].name}")
    page.goto(f"{lab}?token=t&reset")
    for path in LESSONS:
        panel = drawn(page, path)
        broken = settled(panel, BROKEN, lambda broken: not broken)
        assert not broken, path.name
        # JupyterLab turns a link within the course into the address of a file, a moment after it is drawn.
        links = settled(panel, LINKS, lambda links: all(urlparse(link).scheme for link in links))
        assert len(links) >= 4 and all(urlparse(link).scheme for link in links), (path.name, links)
        dead = [link for link in links if _is_local(link) and page.request.head(link).status != 200]
        assert not dead, path.name
        if path != LESSONS[-1]:
            panel.locator("a", has_text="next:").click()
    assert not page.errors and not page.elsewhere


def run_cell(page, index, code):
    """Put ``code`` into a code cell, run it and the check below, and give back what the check says."""
    cell = page.locator(".jp-CodeCell").nth(index)
    cell.locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(code)
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")
    check = page.locator(".jp-CodeCell").nth(index + 1)
    return check.locator(".jp-OutputArea")


def test_a_lesson_runs_in_jupyterlab_and_an_exercise_answers(lab, page):
    import nbformat

    from kdlab.classroom import exercise_cells

    notebook = nbformat.read(ROOT / "notebooks" / LESSON, as_version=4)
    stub, solution = exercise_cells(notebook)["2.1"]
    code = [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    page.goto(f"{urljoin(lab, LESSON)}?token=t&reset")
    idle = '.jp-Notebook-ExecutionIndicator[data-status="idle"]'
    page.wait_for_selector(idle, timeout=60_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    page.wait_for_function(
        "() => { const p = [...document.querySelectorAll('.jp-Notebook .jp-CodeCell .jp-InputPrompt')]"
        ".map(e => e.textContent); return p.length > 0 && p.every(t => /^\\[\\d+\\]:$/.test(t)); }",
        timeout=300_000,
    )
    page.wait_for_selector(idle, timeout=300_000)
    assert page.locator('[data-mime-type="application/vnd.jupyter.error"]').count() == 0
    handle = page.locator(".noUi-handle").first
    handle.scroll_into_view_if_needed()
    reading = page.locator(".widget-readout").first
    before = reading.inner_text()
    handle.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("t => document.querySelector('.widget-readout').innerText !== t", arg=before)
    place = code.index(stub)
    wrong = solution.replace("T**2 * ", "")
    assert wrong != solution
    said = run_cell(page, place, wrong)
    said.get_by_text("2.1 wrong: missing T squared").wait_for(timeout=30_000)
    said = run_cell(page, place, solution)
    said.get_by_text("2.1 right").wait_for(timeout=30_000)
    assert not page.errors and not page.elsewhere
