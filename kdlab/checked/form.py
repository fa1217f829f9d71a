"""The path to a decision as a form to fill in (needs a running kernel)."""

from html import escape

import ipywidgets

from kdlab.checked.path import decide, questions


def ask():
    """Dropdowns, one a question that comes up, and below them what the answers so far ask for."""
    known = questions()
    menus = {
        name: ipywidgets.Dropdown(
            options=[("...", ""), *((choice.says, key) for key, choice in question.choices.items())]
        )
        for name, question in known.items()
    }
    rows = {
        name: ipywidgets.VBox([ipywidgets.Label(question.asks), menus[name]])
        for name, question in known.items()
    }
    said = ipywidgets.HTML()

    def show(_=None):
        given, path = {}, decide()
        while path.next and menus[path.next.name].value:
            given[path.next.name] = menus[path.next.name].value
            path = decide(**given)
        shown = {*given, path.next.name if path.next else ""}
        for name, row in rows.items():
            row.layout.display = "" if name in shown else "none"
        said.value = f"<pre style='white-space: pre-wrap'>{escape(str(path)) if given else ''}</pre>"

    for menu in menus.values():
        menu.observe(show, "value")
    show()
    return ipywidgets.VBox([*rows.values(), said])
