import re

import pandas as pd
import pytest

from kdlab import plots
from kdlab.checked import chart, decide, form, picture, usual_claims, verdicts
from kdlab.checked.path import questions
from kdlab.checked.stored import Verdict, after_holm, find, read
from kdlab.checked.usual import (
    ANSWERS,
    COUNTED,
    DEPENDS,
    FAILS,
    HOLDS,
    OPEN,
    PARTLY,
    UNTESTED,
    Evidence,
    Usual,
    overview,
    rows_by_topic,
    scrolled,
    table,
)
from kdlab.estimates import Estimate
from kdlab.results import load_results

ROW = ("00", "00 · First", "it helps", "held", "+4.2", "+2.4 to +6.1", "1 point", "10", "labels, 70.0 %")


def verdict(answer, claim="it helps"):
    return Verdict(*ROW)._replace(answer=answer, claim=claim)


def usual(*evidence):
    return Usual("x", "topic", "claim", "somebody", "read", "a run", "more of it", evidence)


def test_every_usual_claim_points_to_verdicts_that_are_stored_and_says_all_that_it_must():
    claims = usual_claims()
    assert len({one.claim for one in claims.values()}) == len(claims) > 20
    for one in claims.values():
        assert one.answer in ANSWERS and all(
            [one.topic, one.said_by, one.status, one.turns, one.tested or not one.evidence]
        )
        assert one.evidence or "cannot" in one.turns, one.name
        assert len({e.verdict for e in one.evidence}) == len(one.evidence)


def test_no_text_of_a_claim_or_the_path_types_a_measured_number():
    texts = [one.tested + one.turns for one in usual_claims().values()]
    texts += [choice.do for question in questions().values() for choice in question.choices.values()]
    for text in texts:
        assert not re.search(r"\d\s*(%|points?\b)|[+-]\d|\d\.\d", text), text


@pytest.mark.parametrize(
    "answer, speaks_for, says",
    [
        ("held", True, True), ("held", False, False), ("refuted", True, False), ("refuted", False, True),
        ("same", True, False), ("same", False, None), ("open", True, None), ("open", False, None),
    ],
)  # fmt: skip
def test_what_a_verdict_says_of_a_usual_claim(answer, speaks_for, says):
    assert Evidence(verdict(answer), speaks_for).says is says


@pytest.mark.parametrize(
    "words, answer",
    [
        (["held"], HOLDS), (["held", "open"], PARTLY), (["held", "refuted"], DEPENDS),
        (["same", "open"], FAILS), (["open"], OPEN), ([], COUNTED), (["held", "same", "open"], DEPENDS),
    ],
)  # fmt: skip
def test_the_answer_to_a_usual_claim_follows_from_its_verdicts(words, answer):
    assert usual(*(Evidence(verdict(word), True) for word in words)).answer == answer


def test_what_was_not_measured_is_not_open():
    assert usual()._replace(tested="").answer == UNTESTED
    shown = overview({"x": usual(), "y": usual(Evidence(verdict("held"), False))})
    assert shown[["answer", "for", "against", "open"]].values.tolist() == [
        [COUNTED, 0, 0, 0],
        [FAILS, 0, 1, 0],
    ]
    assert "max-height: 300px" in scrolled(shown, pixels=300).data


def test_a_scrolled_table_says_a_text_once_below_itself_and_each_number():
    about, found, same = (f"{what}, which is longer than a word or a number" for what in "xyz")
    rows = [
        (about, found, same, 1),
        (about, f"{found}, more", same, 1),
        (f"{about}, another", found, same, 1),
    ]
    page = scrolled(pd.DataFrame(rows, columns=["said", "found", "status", "pairs"])).data
    assert [page.count(f"<td>{text}<") for text in (about, found, same, 1)] == [1, 2, 2, 3]


def test_the_table_has_a_row_a_verdict_and_the_forest_all_of_them():
    claims = usual_claims()
    behind = sum(max(1, len(one.evidence)) for one in claims.values())
    shown = table()
    assert len(shown) == behind and set(shown["usual claim"]) == {one.claim for one in claims.values()}
    rows = [row for group in rows_by_topic().values() for row in group]
    assert len(rows) == sum(len(one.evidence) for one in claims.values())
    assert all(row.low <= row.mean <= row.high for row in rows)
    unasked = usual()
    assert table({"x": unasked})["tested as"].tolist() == [""] and rows_by_topic({"x": unasked}) == {}


def test_a_row_of_a_lessons_table_is_read_with_unit_and_sign():
    row = Verdict(*ROW).row()
    assert (row.mean, row.low, row.high, row.margin, row.unit, row.gain) == (4.2, 2.4, 6.1, 1.0, "points", 1)
    lower = Verdict(*ROW)._replace(margin="0.1 bits, lower is better").row("other words")
    assert (lower.claim, lower.unit, lower.margin, lower.gain) == ("other words", "bits", 0.1, -1)
    assert Verdict(*ROW).told() == "held: +4.2 points (+2.4 to +6.1)"


def test_a_printed_verdict_gives_back_its_spread_and_what_would_settle_it():
    lost = load_results("logit_losses").results["clean"].estimate("correlation")
    mean, low, high = map(float, lost.numbers())
    printed = Verdict(*ROW)._replace(difference=f"{mean}", interval=f"{low:+} to {high:+}", pairs="8")
    again = printed.estimate()
    assert (
        again.se == pytest.approx(lost.se, abs=0.06)
        and again.df == 7
        and again.interval()[0] == pytest.approx(low)
    )
    assert again.needed == pytest.approx(lost.needed, rel=0.2)
    lower = printed._replace(margin="0.1 bits, lower is better").estimate()
    assert (lower.gain, lower.margin, lower.unit) == (-1, 0.1, "bits")
    for pairs, low in ((1, 0.0), (5, 3.0)):
        with pytest.raises(
            ValueError, match=f"at least 2 pairs and its mean inside, got {pairs} and {low} <= 1.0 <= 2"
        ):
            Estimate.of_interval(1.0, low, 2.0, pairs, margin=1)


def test_many_verdicts_together_are_held_to_more_than_each_alone():
    clear = verdict("held")
    faint = clear._replace(difference="+2.0", interval="+0.1 to +3.9")
    alike = clear._replace(answer="same", difference="+0.0", interval="-0.2 to +0.2")
    assert [one.answer for one in after_holm((faint,))] == ["held"]
    untold = clear._replace(answer="open", difference="+1.0", interval="-4.0 to +6.0")
    kept = [one.answer for one in after_holm((clear, faint, alike, untold))]
    assert kept == ["held", "open", "same", "open"]


def test_a_verdict_that_is_not_stored_is_said_with_the_nearest():
    first = verdicts()[0]
    assert find(first.lesson, first.claim) == first
    with pytest.raises(ValueError, match=f"lesson {first.lesson} has no verdict on .*did you mean"):
        find(first.lesson, first.claim[:-1])
    with pytest.raises(ValueError, match="no verdict of a lesson '99' is stored; there are those of 00, 01"):
        find("99", "x")


def test_the_picture_has_each_tested_claim_with_its_answer_and_says_so_in_words():
    figure = picture.draw()
    texts = [text.get_text() for text in figure.axes[0].texts]
    tested = [one for one in usual_claims().values() if one.evidence]
    assert sum(text in ANSWERS for text in texts) == len(tested)
    assert "".join(tested[0].claim.split()) in "".join("".join(texts).split())
    assert "It depends: 1 for it, 1 against it." in picture.in_words(
        {"x": usual(Evidence(verdict("held"), True), Evidence(verdict("refuted"), True))}
    )
    plots.canvas.plt.close(figure)
    with pytest.raises(ValueError, match="at least one with a verdict, got none"):
        picture.draw({"x": usual()})


@pytest.mark.parametrize("difference, interval, answer, speaks_for", [
    ("-4.0", "-5.0 to -3.0", "held", True),  # "it costs points"
    ("+4.0", "+3.0 to +5.0", "held", True),
    ("-4.0", "-5.0 to -3.0", "refuted", False),
    ("+4.0", "+3.0 to +5.0", "refuted", False),
])  # fmt: skip
def test_what_speaks_for_a_claim_is_drawn_to_the_right(difference, interval, answer, speaks_for):
    row = verdict(answer)._replace(difference=difference, interval=interval)
    figure = picture.draw({"x": usual(Evidence(row, speaks_for))})
    marks = [
        line for line in figure.axes[0].lines if line.get_marker() in "os" and len(line.get_xdata()) == 1
    ]
    assert [float(line.get_xdata()[0]) for line in marks] == [4.0]
    plots.canvas.plt.close(figure)


def walks(answers=()):
    """Every path of answers from the first question to an end."""
    path = decide(**dict(answers))
    if path.next is None:
        yield path
    else:
        for choice in path.next.choices:
            yield from walks((*answers, (path.next.name, choice)))


def test_every_path_ends_and_every_question_and_answer_lies_on_one():
    met, ends = set(), [*walks()]
    for path in ends:
        met |= {(question.name, choice.says) for question, choice in path.steps}
        names = [question.name for question, _ in path.steps]
        assert len(set(names)) == len(names)
        assert str(path).endswith("That is all.")
    assert met == {(q.name, c.says) for q in questions().values() for c in q.choices.values()}
    assert {entry["name"] for entry in read("path")["question"]} == set(questions())


def test_the_path_shows_the_verdicts_behind_each_step_and_what_to_answer_next():
    start = decide()
    assert start.steps == [] and all(f"alone='{name}'" in str(start) for name in start.next.choices)
    step = decide(alone="no", teacher="no")
    (_, last) = step.steps[-1]
    assert step.next is None and last.why
    for one in last.why:
        assert f"lesson {one.lesson}, {one.claim!r}: {one.answer}: " in str(step)


@pytest.mark.parametrize(
    "answers, message",
    [
        ({"aloen": "no"}, "no question is called 'aloen'; did you mean 'alone'"),
        ({"alone": "perhaps"}, "alone is answered by 'yes', 'not measured', 'no', got 'perhaps'"),
        ({"alone": True}, "alone is answered by .*, got True"),
        ({"alone": "yes", "pool": "yes"}, "pool does not come up on this path, which is at the end"),
        ({"pool": "yes"}, "pool does not come up on this path, which is at alone"),
    ],
)
def test_an_answer_that_does_not_fit_is_said(answers, message):
    with pytest.raises(ValueError, match=message):
        decide(**answers)


def test_no_verdict_is_stored_twice_and_lesson_15_stores_only_its_own():
    """It shows those of all others, in tables that are not its own."""
    kept = [one[2:] for one in verdicts()]
    assert len(set(kept)) == len(kept)
    own = {one.claim for one in verdicts() if one.lesson == "15"}
    assert own and not own & {one.claim for one in verdicts() if one.lesson != "15"}


def test_the_chart_has_every_question_and_answer_and_the_answers_given_in_bold():
    figure = chart.draw(alone="no", teacher="no")
    texts = figure.axes[0].texts
    shown = "".join("".join(text.get_text() for text in texts).split())
    for question in questions().values():
        assert "".join(question.asks.split()) in shown and question.asks in chart.in_words()
        for choice in question.choices.values():
            assert "".join((choice.says + choice.short).split()) in shown
    answered = [text.get_text() for text in texts if text.get_color() == chart.TAKEN]
    assert "keep it as the baseline" in answered and "do not distil from it. End." in answered
    assert "do not distil. End." not in answered
    plots.canvas.plt.close(figure)
    with pytest.raises(ValueError, match="no question is called"):
        chart.draw(aloen="no")


def paths_through_all():
    """Some paths, so that each answer lies on one."""
    met, chosen = set(), []
    for path in walks():
        answers = {
            question.name: key
            for question, choice in path.steps
            for key, one in question.choices.items()
            if one == choice
        }
        if not answers.items() <= met:
            met |= answers.items()
            chosen.append(answers)
    return chosen


@pytest.mark.parametrize("answers", paths_through_all())
def test_nothing_in_the_chart_runs_into_what_stands_beside_it(answers):
    figure = chart.draw(**answers)
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text()]
    for i, box in enumerate(boxes):
        assert 0 <= box.x0 and box.x1 <= figure.bbox.x1
        assert not [other for other in boxes[i + 1 :] if box.overlaps(other)]
    plots.canvas.plt.close(figure)


def test_the_form_asks_what_comes_up_and_says_what_the_function_says():
    asked = form.ask()
    *rows, said = asked.children

    def shown():
        return [row.children[0].value for row in rows if row.layout.display == ""]

    known = [*questions().values()]
    assert shown() == [known[0].asks] and "Is the" not in said.value
    rows[0].children[1].value = "no"
    assert shown() == [known[0].asks, known[1].asks]
    rows[1].children[1].value = "no"
    assert "That is all." in said.value and "lesson 09" in said.value
    rows[0].children[1].value = "yes"
    assert shown() == [known[0].asks] and "That is all." in said.value
