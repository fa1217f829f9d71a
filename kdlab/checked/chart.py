"""The path to a decision as a picture: questions down the left, what each answer asks for beside them."""

import textwrap

from kdlab.checked.path import decide, questions
from kdlab.checked.picture import LETTERS
from kdlab.plots import canvas

WIDTH, LEFT, RIGHT = 8, 2.8, 5.25  # inches: the figure, where answers begin, and where advice does
LINE, ROW, BETWEEN = 0.17, 0.27, 0.16  # a line of text, an answer, and what stands between two questions
ASKS, SAYS = 33, 30  # characters in a line
TAKEN, ENDS, REST = canvas.COLOURS[0], "#B34700", "0.35"


def draw(**answers):
    """The figure. ``answers`` as for :func:`kdlab.checked.decide`: the answers given are drawn in bold."""
    taken = {question.name: choice for question, choice in decide(**answers).steps}
    known, places, depth = [*questions().values()], [], 0.1
    for question in known:
        heights = [ROW + LINE * (len(_lines(choice.says)) - 1) for choice in question.choices.values()]
        places.append((depth, heights))
        depth += max(sum(heights), LINE * len(_asked(question, 1))) + BETWEEN
    with canvas.plt.rc_context(canvas.STYLE):
        figure = canvas.plt.figure(figsize=(WIDTH, depth))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, WIDTH), ylim=(depth, 0))
    axis.axis("off")
    for number, (question, (top, heights)) in enumerate(zip(known, places), start=1):
        chosen = taken.get(question.name)
        look = {"weight": "bold", "color": TAKEN if chosen else "black"}
        axis.axhline(top - BETWEEN / 2, color="0.85", linewidth=1)
        _text(axis, 0.05, top + LINE, _asked(question, number), **look)
        down = top
        for choice, height in zip(question.choices.values(), heights):
            _answer(axis, choice, down + height / 2, known, number, taken=choice == chosen)
            down += height
    return figure


def in_words():
    """Each question with its answers and what they ask for."""
    told = []
    for question in questions().values():
        options = "; ".join(f"{choice.says}: {choice.short}" for choice in question.choices.values())
        told.append(f"{question.asks} {options}.")
    return " ".join(told)


def show(**answers):
    """Show it in a notebook, with its words as alt text."""
    canvas.show(draw(**answers), f"The path to a decision, question by question. {in_words()}", **LETTERS)


def _asked(question, number):
    return textwrap.wrap(f"{number}. {question.asks}", ASKS)


def _lines(says):
    return textwrap.wrap(says, SAYS)


def _answer(axis, choice, place, known, number, *, taken):
    """An answer, its advice, and where it leads if that is not the next question."""
    following = next((i for i, one in enumerate(known, start=1) if one.name == choice.next), None)
    early = following is None and number < len(known)
    look = {"weight": "bold", "color": TAKEN} if taken else {"color": ENDS if early else REST}
    lines = _lines(choice.says)
    _text(axis, LEFT, place - LINE * (len(lines) - 1) / 2 + 0.05, lines, **look)
    leads = "" if following == number + 1 else f" (go to {following})" if following else ". End."
    _text(axis, RIGHT, place + 0.05, [f"{choice.short}{leads}"], **look)
    axis.plot([RIGHT - 0.22, RIGHT - 0.08], [place] * 2, "-", color=look["color"], marker="", linewidth=1)
    axis.plot(RIGHT - 0.08, place, ">", color=look["color"], markersize=4)


def _text(axis, x, y, lines, **look):
    for number, line in enumerate(lines):
        axis.text(x, y + LINE * number, line, fontsize=9, **look)
