"""All usual claims in one picture: a row a claim, a mark a verdict."""

import textwrap

from kdlab.checked.usual import usual_claims
from kdlab.plots import canvas
from kdlab.plots.claims import LINE

LOOKS = {
    True: {"color": canvas.COLOURS[0], "marker": "o", "fill": True, "says": "for it"},
    False: {"color": "#B34700", "marker": "s", "fill": True, "says": "against it"},
    None: {"color": "0.45", "marker": "o", "fill": False, "says": "open"},
}
WIDE = 50  # characters of a claim in a line
STEP, GAP = 0.095, 0.09  # inches from verdict to verdict, and from claim to claim
BRIEF = 0.03  # inches from verdict to verdict where they may overlap
TEXT, PLOT, WIDTH = 3.5, 2.9, 8  # inches: the claims, the axes, all
LETTERS = {"sharp": 1.5, "colours": 32}  # how a long figure of letters and lines is stored
TALL = 10  # inches from which on the axis has its numbers at both ends
FURTHEST = 12  # margins; what is further out ends in an arrow


def draw(claims=None, *, brief=False):
    """The figure. To the right of 0 is what the usual claim says; the shaded band is one margin.

    ``claims`` is a dict of :class:`kdlab.checked.usual.Usual`; all by default. Those of which nothing was
    measured are left out. ``brief`` is for one look: verdicts on each other, and no topics.
    """
    claims = [one for one in (usual_claims() if claims is None else claims).values() if one.evidence]
    if not claims:
        raise ValueError("a picture of usual claims needs at least one with a verdict, got none")
    depth, topic, places, headings, step = 0.05, None, [], [], BRIEF if brief else STEP
    for usual in claims:
        if usual.topic != topic and not brief:
            topic = usual.topic
            headings.append((topic, depth + 0.06 + LINE / 2))
            depth += 0.06 + LINE + GAP
        lines = len(textwrap.wrap(usual.claim, WIDE))
        height = max(LINE * lines, step * len(usual.evidence))
        places.append((usual, depth + height / 2, depth + height + GAP / 2))
        depth += height + GAP
    figure, axis = _canvas(depth)
    if not brief:
        axis.hlines([end for _, _, end in places], *axis.get_xlim(), color="0.9", linewidth=0.6, zorder=0)
    for heading, place in headings:
        _text(axis, heading, -TEXT, place, weight="bold")
    for usual, place, _ in places:
        _text(axis, textwrap.fill(usual.claim, WIDE), -TEXT, place)
        _text(axis, usual.answer, PLOT + 0.1, place, weight="bold")
        first = place - step * (len(usual.evidence) - 1) / 2
        for number, one in enumerate(usual.evidence):
            _mark(axis, one, first + step * number)
    return figure


def in_words(claims=None):
    """Each usual claim with its answer, and how many verdicts say what."""
    told = []
    for usual in (usual_claims() if claims is None else claims).values():
        counts = [
            (look["says"], sum(one.says is says for one in usual.evidence)) for says, look in LOOKS.items()
        ]
        behind = ", ".join(f"{count} {says}" for says, count in counts if count)
        told.append(f"{usual.claim} {usual.answer.capitalize()}{f': {behind}' * bool(behind)}.")
    return " ".join(told)


def show(claims=None):
    """Show it in a notebook, with its words as alt text."""
    canvas.show(draw(claims), f"Usual claims and the verdicts behind them. {in_words(claims)}", **LETTERS)


def _canvas(depth):
    tall = depth > TALL
    above, below = 0.65 if tall else 0.35, 0.65
    with canvas.plt.rc_context(canvas.STYLE):
        figure = canvas.plt.figure(figsize=(WIDTH, depth + above + below))
        whole = depth + above + below
        axis = figure.add_axes((TEXT / WIDTH, below / whole, PLOT / WIDTH, depth / whole))
    axis.set(ylim=(depth, 0), yticks=[], xlim=(-FURTHEST * 1.05, FURTHEST * 1.05))
    axis.spines["left"].set_visible(False)
    axis.tick_params(labelsize=9, top=tall, labeltop=tall)
    axis.axvspan(-1, 1, **canvas.BAND)
    axis.axvline(0, **canvas.ZERO)
    axis.set_xlabel("difference in margins (right: as the claim says)", fontsize=9)
    for look in LOOKS.values():
        face = look["color"] if look["fill"] else "white"
        axis.plot(
            [],
            [],
            look["marker"],
            color=look["color"],
            markerfacecolor=face,
            label=f"a verdict {look['says']}",
        )
    axis.legend(
        loc="lower right", bbox_to_anchor=(1.0, 1 + 0.3 * tall / depth), ncols=3, fontsize=9,
        handletextpad=0.1, columnspacing=1, borderaxespad=0.2,
    )  # fmt: skip
    return figure, axis


def _mark(axis, one, place):
    """A verdict's interval and mean, in its margins, turned so that what the usual claim says is right."""
    (mean, low, high), look = one.in_margins, LOOKS[one.says]
    inside = [min(max(end, -FURTHEST), FURTHEST) for end in (low, high)]
    line = {"color": look["color"], "clip_on": False}
    axis.plot(inside, [place] * 2, linewidth=1.3, linestyle="-", marker="", **line)
    for beyond, end, arrow in ((low < -FURTHEST, inside[0], "<"), (high > FURTHEST, inside[1], ">")):
        if beyond:
            axis.plot(end, place, arrow, markersize=4, **line)
    if abs(mean) <= FURTHEST:
        face = look["color"] if look["fill"] else "white"
        axis.plot(mean, place, look["marker"], markersize=4, markerfacecolor=face, **line)


def _text(axis, text, inches, place, **look):
    lines = text.split("\n")
    for number, line in enumerate(lines):
        down = place + 0.045 + LINE * (number - (len(lines) - 1) / 2)
        axis.text(inches / PLOT, down, line, transform=axis.get_yaxis_transform(), **{"fontsize": 9, **look})
