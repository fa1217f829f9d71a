"""The usual claims as a table that a reader can filter in the page, and as CSV."""

from html import escape

import kdlab
from kdlab.checked import usual_claims
from kdlab.checked.usual import ANSWERS, table

HEAD = ("usual claim", "answer", "verdicts behind it")
FILTERS = """<form class="usual-filters" id="usual-filters" onsubmit="return false">
<label>Word <input type="search" id="usual-word" autocomplete="off"></label>
{selects}
<output id="usual-count" aria-live="polite"></output>
</form>"""


def csv(path):
    """Write a line a verdict, with all that the page says of it, so that a spreadsheet reads it too.

    Numbers are numbers, a text that would be taken for a formula begins with an apostrophe, and the file with
    the mark of UTF-8.
    """
    import pandas as pd

    frame = table()
    bounds = frame.pop("95 % interval").str.split(" to ", expand=True)
    frame["low"], frame["high"] = bounds[0], bounds[1]
    for name in ("difference", "low", "high", "pairs"):
        frame[name] = pd.to_numeric(frame[name])
    texts = frame.select_dtypes(exclude="number").columns
    frame[texts] = frame[texts].replace(r"^([=+\-@])", r"'\1", regex=True)
    frame["version"] = f"kdlab {kdlab.__version__}"
    frame.to_csv(path, index=False, encoding="utf-8-sig")


def tasks_of(usual):
    """The kinds of data that a claim was tested on."""
    return sorted({one.task for one in usual.evidence})


def markup(lessons):
    """The filters and the table, as HTML; ``lessons`` has each lesson's page by its number."""
    claims = usual_claims().values()
    kinds = sorted({task for usual in claims for task in tasks_of(usual)})
    numbers = sorted({number for usual in claims for number in usual.lessons})
    selects = "\n".join(
        _select(name, label, options)
        for name, label, options in (
            ("task", "Kind of data", kinds), ("lesson", "Lesson", numbers), ("answer", "Answer", ANSWERS),
        )
    )  # fmt: skip
    rows = "\n".join(_row(usual, lessons) for usual in claims)
    head = "".join(f'<th scope="col">{name}</th>' for name in HEAD)
    return (
        f"{FILTERS.format(selects=selects)}\n"
        f'<div class="usual-table" tabindex="0" role="region" aria-label="Usual claims">\n'
        f'<table class="docutils" id="usual"><thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>\n"
        f'<script type="module" src="_static/claims.js"></script>'
    )


def _select(name, label, options):
    listed = "".join(f"<option>{escape(option)}</option>" for option in options)
    return f'<label>{label} <select id="usual-{name}"><option value="">all</option>{listed}</select></label>'


def _row(usual, lessons):
    behind = "".join(_verdict(one, lessons) for one in usual.evidence)
    data = {"task": tasks_of(usual), "lesson": usual.lessons, "answer": [usual.answer]}
    marks = "".join(f' data-{key}="{escape("|".join(value))}"' for key, value in data.items())
    more = "".join(
        f'<p><b class="usual-head">{head}</b> {escape(text)}</p>'
        for head, text in (
            ("Who says it:", f"{usual.said_by} ({usual.status})."),
            ("Tested here:", f"{usual.tested}."),
            ("What would change it:", usual.turns),
        )
        if text != "."
    )
    return (
        f'<tr id="claim-{usual.name}"{marks}><th scope="row">{escape(usual.claim)} '
        f'<a class="usual-link" href="#claim-{usual.name}" aria-label="link to this claim">#</a><br>'
        f"<small>{escape(usual.topic)}</small>"
        f"<details><summary>who says it, what was tested</summary>{more}</details></th>"
        f"<td><b>{usual.answer}</b></td><td><ul>{behind}</ul></td></tr>"
    )


def _verdict(evidence, lessons):
    """An item of the list: what a verdict says of the usual claim, of which data, and the verdict itself."""
    one, says = evidence.verdict, {True: "for it", False: "against it", None: "open"}[evidence.says]
    link = f'<a href="{escape(lessons[one.lesson])}">lesson {one.lesson}</a>'
    behind = f"margin {one.margin}, {one.pairs} pairs, compared with {one.compared}"
    told = f"{escape(one.claim)}: {one.answer}, {escape(one.row().told())}; {escape(behind)}"
    marks = f'data-task="{escape(evidence.task)}" data-lesson="{one.lesson}"'
    return f"<li {marks}><b>{says}</b> ({escape(evidence.task)}, {link}): {told}</li>"
