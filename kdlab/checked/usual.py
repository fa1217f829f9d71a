"""What is usually said of distillation, row by row, each with the verdicts that answer it."""

from typing import NamedTuple

from kdlab.checked.stored import Verdict, find, read

HOLDS, PARTLY, DEPENDS = "holds here", "holds in part", "it depends"
FAILS, OPEN = "does not hold here", "open"
COUNTED, UNTESTED = "counted", "not tested"
SHORT, WIDE = 40, 120  # of a scrolled table: characters of a word or number, pixels of a column
ANSWERS = (HOLDS, PARTLY, DEPENDS, FAILS, OPEN, COUNTED, UNTESTED)


class Evidence(NamedTuple):
    """A lesson's verdict, whether its own claim speaks for the usual one or against it, and on which data."""

    verdict: Verdict
    speaks_for: bool
    task: str = "images"

    @property
    def says(self):
        """True, False, or None: for or against the usual claim, or nothing.

        That there is no difference that matters speaks against a claim that there is one.
        """
        if self.verdict.answer == "held":
            return self.speaks_for
        if self.verdict.answer == "refuted":
            return not self.speaks_for
        return False if self.verdict.answer == "same" and self.speaks_for else None

    @property
    def in_margins(self):
        """Mean, low and high in the verdict's margins, above 0 where they go as the usual claim says."""
        row = self.verdict.row()
        turn = row.gain * (1 if self.speaks_for else -1) / row.margin
        if row.answer in ("held", "refuted") and self.says is not (turn * row.mean > 0):
            turn = -turn  # its own claim is that something costs, or changes nothing
        return turn * row.mean, *sorted((turn * row.low, turn * row.high))


class Usual(NamedTuple):
    """A usual claim in our words: who says it, and how well that was checked (``status``).

    ``tested`` is what the course did, or counted where there is no evidence, and empty where it did nothing;
    ``turns`` is what would change the answer, or why there is none; ``counted`` the lessons that counted.
    """

    name: str
    topic: str
    claim: str
    said_by: str
    status: str
    tested: str
    turns: str
    evidence: tuple
    counted: tuple = ()

    @property
    def answer(self):
        """In words, from the verdicts alone: one of ``ANSWERS``.

        Without any it was counted, if something was done, or not tested. It holds in part where some verdicts
        speak for it and the others say nothing; one that speaks against a claim made in general, and none for
        it, is enough for it not to hold.
        """
        if not self.evidence:
            return COUNTED if self.tested else UNTESTED
        said = {one.says for one in self.evidence}
        if {True, False} <= said:
            return DEPENDS
        if True in said:
            return PARTLY if None in said else HOLDS
        return FAILS if False in said else OPEN

    @property
    def lessons(self):
        """The lessons that tested or counted, by number."""
        return sorted({one.verdict.lesson for one in self.evidence} | {*self.counted})


def usual_claims():
    """All of them, by name, as :class:`Usual`.

    Raises
    ------
    ValueError
        If one points to a verdict that is not stored.
    """
    found, stored = {}, read("claims")
    for entry in stored["claim"]:
        evidence = entry.pop("evidence", [])
        entry["counted"] = tuple(entry.get("counted", ()))
        entry["evidence"] = tuple(
            Evidence(
                find(one["lesson"], one["verdict"]),
                one.get("speaks", "for") == "for",
                one.get("task") or stored["tasks"].get(one["lesson"], "images"),
            )
            for one in evidence
        )
        found[entry["name"]] = Usual(**{"tested": "", **entry})
    return found


def explainer():
    """Those of them that an introduction for everybody makes."""
    claims = usual_claims().items()
    return {name: one for name, one in claims if one.said_by.startswith("the usual explainer")}


def overview(claims=None):
    """A pandas.DataFrame with a row a usual claim: its answer, and how many verdicts say what."""
    import pandas as pd

    rows = []
    for usual in (usual_claims() if claims is None else claims).values():
        said = [one.says for one in usual.evidence]
        counts = {"for": said.count(True), "against": said.count(False), "open": said.count(None)}
        about = {"topic": usual.topic, "usual claim": usual.claim, "answer": usual.answer}
        rows.append({**about, **counts, "lessons": ", ".join(usual.lessons)})
    return pd.DataFrame(rows)


def scrolled(frame, *, pixels=400):
    """A long table for a notebook, to be scrolled: whole texts, of which none is repeated below itself."""
    import pandas as pd
    from IPython.display import HTML

    frame = frame.astype(object)
    texts = [column for column in frame if frame[column].map(str).str.len().max() > SHORT]
    if texts:  # the first is what the rows are about
        again = frame[texts[0]] == frame[texts[0]].shift()
        repeated = (frame[texts] == frame[texts].shift()).mul(again, axis=0)
        frame[texts] = frame[texts].mask(repeated, "")
    with pd.option_context("display.max_colwidth", None):
        inside = frame.to_html(index=False, classes="kdlab-scrolled")
    inside = inside.replace("<table ", f'<table style="min-width: {WIDE * frame.shape[1]}px" ', 1)
    cells, head = ".kdlab-scrolled th, .kdlab-scrolled td", ".kdlab-scrolled thead th"
    style = (
        f"<style scoped>{cells} {{text-align: left !important; vertical-align: top}} "
        f"{head} {{position: sticky; top: 0; background: #eee; color: #111}}</style>"
    )
    box = f'<div style="max-height: {pixels}px; overflow: auto" tabindex="0">'
    return HTML(f"{box}{style}{inside}</div>")


def table(claims=None):
    """A pandas.DataFrame with a row a verdict: under each usual claim what answers it."""
    import pandas as pd

    rows = []
    for usual in (usual_claims() if claims is None else claims).values():
        for one in usual.evidence or (None,):
            verdict = one and one.verdict
            rows.append(
                {
                    "id": f"claim-{usual.name}",
                    "topic": usual.topic,
                    "usual claim": usual.claim,
                    "answer": usual.answer,
                    "kind of data": one.task if one else "",
                    "tested as": verdict.claim if verdict else "",
                    "says": {True: "yes", False: "no", None: "nothing"}[one.says] if one else "",
                    "verdict": verdict.answer if verdict else "",
                    "difference": verdict.difference if verdict else "",
                    "95 % interval": verdict.interval if verdict else "",
                    "margin": verdict.margin if verdict else "",
                    "pairs": verdict.pairs if verdict else "",
                    "compared with": verdict.compared if verdict else "",
                    "lesson": f"lesson {verdict.lesson}" if verdict else "",
                    "said by": usual.said_by,
                    "status": usual.status,
                    "what was tested": usual.tested,
                    "what would change it": usual.turns,
                }
            )
    return pd.DataFrame(rows)


def rows_by_topic(claims=None):
    """The verdicts as rows of :func:`kdlab.plots.draw_forest`, by topic."""
    found = {}
    for usual in (usual_claims() if claims is None else claims).values():
        found.setdefault(usual.topic, []).extend(one.verdict.row() for one in usual.evidence)
    return {topic: rows for topic, rows in found.items() if rows}
