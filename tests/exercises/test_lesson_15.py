"""Lesson 15: what learners plausibly write is told by name, and what is right in other words passes."""

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from scipy import optimize, stats
from telling import ALL, assert_right, assert_told

from kdlab.checked import usual_claims, verdicts
from kdlab.checked.stored import find
from kdlab.checked.usual import Evidence, Usual
from kdlab.exercises.answering import WORDS
from kdlab.exercises.core import NOT_YET, RIGHT, WRONG

LESSON = next((Path(__file__).parents[2] / "notebooks").glob("15_*.ipynb"))
HOLDS, PARTLY, DEPENDS, FAILS, OPEN = WORDS


def said(evidence, same=lambda speaks_for: False if speaks_for else None):
    turn = {"held": bool, "refuted": lambda f: not f, "same": same, "open": lambda f: None}
    return [turn[word](speaks_for) for word, speaks_for in evidence]


def by_counting(evidence):
    yes, no, nothing = (sum(s is one for s in said(evidence)) for one in (True, False, None))
    if yes == 0:
        return OPEN if no == 0 else FAILS
    return DEPENDS if no else PARTLY if nothing else HOLDS


def by_sum(evidence):
    score = sum({True: 1, False: -1, None: 0}[s] for s in said(evidence))
    return HOLDS if score > 0 else FAILS if score < 0 else OPEN


def by_mean_share(evidence):
    words = [s for s in said(evidence) if s is not None]
    return by_counting([("held", s) for s in words] or [("open", True)])


def words_only(evidence):
    return by_counting([(word, True) for word, _ in evidence])


def all_or_nothing(evidence):
    words = said(evidence)
    return HOLDS if all(s is True for s in words) else FAILS if any(s is False for s in words) else OPEN


def open_is_no(evidence):
    return by_counting([("refuted" if word == "open" else word, f or word == "open") for word, f in evidence])


def t(n, level=0.975):
    return stats.t.ppf(level, n - 1)


def by_loop(mean, low, high, pairs, margin, q=t, q_then=t, reach=None, se=None):
    s = se or (high - low) / 2 / q(pairs) * np.sqrt(pairs)
    reach = reach or max(abs(mean), margin - abs(mean))
    return next(n for n in range(3, 10**5) if q_then(n) * s / np.sqrt(n) <= reach)


def by_root(mean, low, high, pairs, margin):
    s, reach = (high - low) / 2 / t(pairs) * pairs**0.5, max(abs(mean), margin - abs(mean))
    exact = optimize.brentq(lambda n: t(n) * s / n**0.5 - reach, 2.01, 1e5)
    return int(np.ceil(exact))


def by_package(mean, low, high, pairs, margin):
    from kdlab.study import seeds_needed

    return seeds_needed((high - low) / 2 * pairs**0.5 / t(pairs), max(abs(mean), margin - abs(mean)))


WRONG_ANSWERS = [
    ("15.1", "a vote", by_sum),
    ("15.1", "a vote", lambda e: HOLDS if said(e).count(True) > said(e).count(False) else FAILS),
    ("15.1", "a vote", lambda e: HOLDS if said(e).count(True) > said(e).count(False) else FAILS if said(e).count(True) < said(e).count(False) else DEPENDS if True in said(e) else OPEN),
    ("15.1", "a vote", lambda e: PARTLY if said(e).count(True) > said(e).count(False) and None in said(e) else by_sum(e)),
    ("15.1", "in part wherever something is open", lambda e: PARTLY if {True, None} <= {*said(e)} else by_counting(e)),
    ("15.1", "open ones left out", by_mean_share),
    ("15.1", "whom it speaks for is not looked at", lambda e: by_counting([(w, True) for w, _ in e if w != "same"] + [("open", True)] * any(w == "same" for w, _ in e))),
    ("15.1", "open taken as against", lambda e: HOLDS if all(said(e)) else DEPENDS if any(said(e)) else FAILS),
    ("15.1", "in part wherever something is open", lambda e: PARTLY if None in said(e) else by_counting(e)),
    ("15.1", "whom it speaks for is not looked at", words_only),
    ("15.1", "all must speak for it, or it fails", all_or_nothing),
    ("15.1", "open taken as against", open_is_no),
    ("15.1", "same taken for nothing", lambda e: by_counting([(w, f) for w, f in e if w != "same"] + [("open", True)] * any(w == "same" for w, f in e))),
    ("15.1", "same always against", lambda e: by_counting([("refuted", True) if w == "same" else (w, f) for w, f in e])),
    ("15.1", "same taken as held", lambda e: by_counting([("held" if w == "same" else w, f) for w, f in e])),
    ("15.1", "refuted taken for nothing", lambda e: by_counting([("open" if w == "refuted" else w, f) for w, f in e])),
    ("15.1", "only the first verdict, or the last", lambda e: by_counting(e[:1])),
    ("15.1", "one for it is enough", lambda e: HOLDS if True in said(e) else by_counting(e)),
    ("15.1", "one against it is enough", lambda e: FAILS if False in said(e) else by_counting(e)),
    ("15.1", "for and against exchanged", lambda e: by_counting([(w, not f) for w, f in e])),
    ("15.1", "holds unless something speaks against it", lambda e: by_counting(e) if False in said(e) else HOLDS),
    ("15.3", "half of the interval taken for the deviation", lambda m, lo, hi, n, d: by_loop(m, lo, hi, n, d, se=(hi - lo) / 2)),
    ("15.3", "the standard error taken for the deviation", lambda m, lo, hi, n, d: by_loop(m, lo, hi, n, d, se=(hi - lo) / 2 / t(n))),
    ("15.3", "the whole interval for its half", lambda m, lo, hi, n, d: by_loop(m, 2 * lo, 2 * hi, n, d)),
    ("15.3", "1.96 for t", lambda *a: by_loop(*a, q=lambda n: 1.96)),
    ("15.3", "1.96 for t", lambda *a: by_loop(*a, q_then=lambda n: 1.96)),
    ("15.3", "the same t in both", lambda *a: by_loop(*a, q=lambda n: 1.96, q_then=lambda n: 1.96)),
    ("15.3", "a one-sided t", lambda *a: by_loop(*a, q=lambda n: t(n, 0.95), q_then=lambda n: t(n, 0.95))),
    ("15.3", "n degrees of freedom", lambda *a: by_loop(*a, q=lambda n: t(n + 1), q_then=lambda n: t(n + 1))),
    ("15.3", "the margin alone", lambda m, lo, hi, n, d: by_loop(m, lo, hi, n, d, reach=d)),
    ("15.3", "half of the margin", lambda m, lo, hi, n, d: by_loop(m, lo, hi, n, d, reach=d / 2)),
    ("15.3", "only away from 0", lambda m, lo, hi, n, d: by_loop(m, lo, hi, n, d, reach=abs(m))),
    ("15.3", "how many more", lambda m, lo, hi, n, d: by_loop(m, lo, hi, n, d) - n),
    ("15.3", "the first t forgotten", lambda *a: by_loop(*a, q=lambda n: 1)),
    ("15.3", "one too few", lambda *a: by_loop(*a) - 1),
]  # fmt: skip

RIGHT_ANSWERS = [
    ("15.1", by_counting),
    ("15.1", lambda evidence: f" {by_counting(evidence).capitalize()}."),
    ("15.1", lambda evidence: Usual(*"1234567", tuple(Evidence(row(w), f) for w, f in evidence)).answer),
    ("15.3", by_loop),
    ("15.3", by_root),
    ("15.3", by_package),
    ("15.3", lambda *a: float(by_loop(*a))),
    ("15.3", lambda *a: np.int64(by_loop(*a))),
]


def row(word):
    return verdicts()[0]._replace(answer=word)


@pytest.mark.parametrize(("id", "name", "answer"), WRONG_ANSWERS)
def test_a_plausible_wrong_answer_is_told_by_name(id, name, answer):
    assert_told(id, answer, name)


@pytest.mark.parametrize(("id", "answer"), RIGHT_ANSWERS)
def test_right_in_other_words_passes(id, answer):
    assert_right(id, answer)


@pytest.mark.parametrize(
    "given, told", [("yes", "'yes', which is none of 'holds here'"), (True, "returns bool")]
)
def test_an_answer_in_other_words_is_told_which_there_are(given, told):
    outcome = ALL["15.1"].diagnose(lambda evidence: given)
    assert outcome.status == WRONG and told in outcome.text


# ---- two verdicts that disagree

NARROW = "asked, width 2, 800 steps: T = 20 beats T = 4"
SHORT = "asked, width 2, 200 steps: T = 20 beats T = 4"
WIDE = "asked, width 8, 800 steps: T = 20 beats T = 4"
WIDE_SHORT = "asked, width 8, 200 steps: T = 20 beats T = 4"
LONG = "asked, width 2, 3,200 steps: T = 20 beats T = 4"
ROWS = "shipped: T = 4 helps"


def test_every_verdict_with_settings_is_behind_the_claim_and_two_pairs_are_right():
    one = ALL["15.2"]
    behind = {e.verdict.claim: e.says for e in usual_claims()[one.claim].evidence}
    assert set(one.settings) <= set(behind)
    right = {
        frozenset((a, b)): setting
        for a in one.settings
        for b in one.settings
        for setting in ("width", "steps")
        if one.diagnose((a, b, setting)).status == RIGHT
    }
    assert right == {frozenset((NARROW, WIDE)): "width", frozenset((WIDE_SHORT, WIDE)): "steps"}


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ((WIDE, WIDE, "width"), "the same verdict twice"),
        ((WIDE[:-1], NARROW, "width"), "no verdict behind this claim"),
        ((SHORT, NARROW, "steps"), "they agree"),
        ((SHORT, WIDE, "width"), "more than one thing differs"),
        ((WIDE, ROWS, "data"), "other temperatures"),
        ((WIDE, NARROW, "steps"), "another setting"),
        ((WIDE, NARROW, "luck"), "no such setting"),
        ((WIDE, NARROW), "not what was asked for"),
        ((2, 3, "width"), "not what was asked for"),
        (WIDE, "not what was asked for"),
    ],
)
def test_two_verdicts_that_show_no_dependence_are_told_why(answer, name):
    outcome = ALL["15.2"].diagnose(answer)
    assert (outcome.status, outcome.name) == (WRONG, name), outcome.text
    known = {m.name: m.says for m in ALL["15.2"].mistakes}
    assert known.get(name, "") in outcome.text and "See: 'On what does it depend?'" in outcome.text


def test_the_two_may_stand_in_any_order_and_open_ones_do_not_disagree():
    one = ALL["15.2"]
    assert one.diagnose([f" {NARROW}", WIDE, "Width"]).status == RIGHT
    for stub in (..., None, (..., ..., ...)):
        assert one.diagnose(stub).status == NOT_YET
    assert one.diagnose((LONG, WIDE, "width")).name == "one of them says nothing"


# ---- five cases

SOLVED = {name: case.right for name, case in ALL["15.4"].cases.items()}


def test_every_choice_in_a_case_has_its_reason_and_a_verdict_that_is_stored():
    for name, case in ALL["15.4"].cases.items():
        for letter, (text, *pointers) in case.why.items():
            assert pointers and text in case.reason(letter)
            assert all(find(*pointer).told() in case.reason(letter) for pointer in pointers)
            if letter != case.right:
                outcome = ALL["15.4"].diagnose(SOLVED | {name: letter})
                assert (outcome.status, outcome.name) == (WRONG, f"{name}: {letter}")
                assert text in outcome.text and "Right: " in outcome.text
    assert ALL["15.4"].diagnose(SOLVED).status == RIGHT
    assert ALL["15.4"].diagnose({name: f" {x.upper()}" for name, x in SOLVED.items()}).status == RIGHT


def test_all_wrong_choices_are_told_at_once_and_missing_ones_are_not_yet():
    outcome = ALL["15.4"].diagnose({"A": "a", "B": "a", "C": "a"})
    assert outcome.name == "A: a" and "Case B, a:" in outcome.text and "Right: C." in outcome.text
    some = ALL["15.4"].diagnose({"A": "b", "B": ...})
    assert some.status == NOT_YET and "B, C, D, E" in some.text
    assert ALL["15.4"].diagnose(...).status == NOT_YET


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("abcab", "not a dict"),
        ({"F": "a"}, "no such case"),
        ({"A": "d"}, "no such choice"),
        ({1: "a"}, "no such case"),
    ],
)
def test_what_is_no_choice_is_said(answer, name):
    outcome = ALL["15.4"].diagnose(answer)
    assert (outcome.status, outcome.name) == (WRONG, name)


def test_the_lesson_offers_the_choices_that_the_check_explains():
    text = next(c.source for c in nbformat.read(LESSON, 4).cells if "### Exercise 15.4" in c.source)
    parts = re.split(r"^\*\*(\w)\*\* ", text, flags=re.M)[1:]
    offered = {name: re.findall(r"^- (\w)\) ", part, re.M) for name, part in zip(parts[::2], parts[1::2])}
    assert offered == {name: list(case.why) for name, case in ALL["15.4"].cases.items()}
