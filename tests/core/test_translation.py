"""The world of translations, its judge, its translators and what they write, against plain counting."""

import math

import pytest
import torch

from kdlab.data.announcements import (
    CITIES,
    MONATE,
    RARE,
    STYLES,
    WEEKDAYS,
    WOCHENTAGE,
    Announcement,
    english,
    german,
    renderings,
    with_slip,
)
from kdlab.data.translation import (
    BEGIN,
    COMMONEST,
    END,
    ENGLISH,
    GERMAN,
    HABITS,
    PAD,
    all_renderings,
    announcements,
    as_part,
    marginals,
    padded,
    sharpened,
    translation,
)
from kdlab.distill import distill, hard_labels, soft_targets
from kdlab.metrics.translation import audit, judge, nats_of_likeliest, right_city, shares, valid
from kdlab.models import create_student
from kdlab.plots import canvas, likely_words
from kdlab.sampling import written_by
from kdlab.teachers import open_teacher
from kdlab.teachers.translation import pairs, taught, writer


@pytest.fixture(scope="module")
def part():
    return translation(12, 6)


MARKET = Announcement(thing=10, city=1, verb=1, day=258, hour=4, minute=50)


def test_an_announcement_and_its_renderings():
    said = "The market in Rome closes on Wednesday , September 16 at 4 :50 AM ."
    assert " ".join(english(MARKET)) == said
    assert {
        "Der Markt in Rom macht am Mittwoch , 16. September um 04 :50 Uhr zu .",
        "Am Mi. , 16. 9. um 04 :50 Uhr schließt der Markt in Rom .",
        "Um 04 :50 Uhr am Mittwoch , 16. September schließt der Markt in Rom .",
    } <= {" ".join(words) for words in renderings(MARKET)}
    assert len(STYLES) == len({tuple(words) for words in renderings(MARKET)}) == 12


def test_twelve_hours_are_read_as_they_are_meant():
    hours = {hour: english(MARKET._replace(hour=hour))[-4:-1] for hour in (0, 11, 12, 23)}
    assert hours == {0: ["12", ":50", "AM"], 11: ["11", ":50", "AM"], 12: ["12", ":50", "PM"],
                     23: ["11", ":50", "PM"]}  # fmt: skip
    midnight = MARKET._replace(hour=0)
    assert with_slip(midnight).hour == 12 and with_slip(MARKET) == MARKET
    slipped = as_part([midnight, MARKET], [0, 0], slips=True).references
    assert "12" in GERMAN.decode(slipped[0]) and torch.equal(slipped[1], as_part([MARKET], [0]).references[0])


def test_names_are_those_of_the_locale_data():
    dates = pytest.importorskip("babel.dates")
    assert [dates.get_day_names(locale="de")[i] for i in range(7)] == WOCHENTAGE
    assert [dates.get_day_names(locale="en")[i] for i in range(7)] == WEEKDAYS
    assert [dates.get_month_names(locale="de")[i + 1] for i in range(12)] == MONATE


def test_a_part_follows_from_its_seed_and_tests_have_meanings_of_their_own():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    part, again, other = translation(300, 3), translation(300, 3), translation(300, 4)
    assert torch.equal(torch.rand(1), expected)
    assert part.whats == again.whats and all(torch.equal(a, b) for a, b in zip(part[1:], again[1:]))
    assert not torch.equal(part.sources, other.sources)
    assert len(set(part.whats)) == 300
    unseen = announcements(300, 3, unseen=True)
    assert not set(unseen) & set(announcements(5000, 5))
    assert {what.hour for what in announcements(20, unseen=True, hours=[0])} == {0}
    assert {what.city for what in announcements(80, cities=[*RARE])} == {*RARE}
    for count, which in ((0, {}), (30_000, {"unseen": True, "hours": [0], "cities": [12]})):
        with pytest.raises(
            ValueError, match=r"from 1 to [\d,]+ different announcements can be drawn here, not"
        ):
            announcements(count, **which)


def test_sentences_are_tokens_and_back():
    part = translation(200, 1)
    assert part.sources.shape == (200, 16) and part.references.shape == (200, 18)
    for what, source, target, style in zip(*part):
        assert ENGLISH.decode(source) == english(what)
        assert GERMAN.decode(target) == german(what, STYLES[style])
    some = part.take(part.styles == COMMONEST)
    assert (some.styles == COMMONEST).all() and len(some.whats) == len(some.sources) == len(some.styles)
    with pytest.raises(ValueError, match="'Hund' is no word of it, at most 17 fit"):
        GERMAN.encode([["Der", "Hund"]])
    with pytest.raises(ValueError, match="18 words are too many, at most 17 fit"):
        GERMAN.encode([["Der"] * 18])


def test_every_word_of_every_announcement_is_known():
    for what in announcements(2000, 11):
        all_renderings(what)
        ENGLISH.encode([english(what)])


def test_writers_have_their_habits_and_habits_can_be_sharpened():
    assert sum(HABITS) == pytest.approx(1) and STYLES[COMMONEST] == ("subject first", 1, "long")
    counts = translation(4000, 2).styles.bincount(minlength=12) / 4000
    assert (counts - torch.tensor(HABITS)).abs().max() < 0.03
    assert sharpened(HABITS, 1) == pytest.approx(HABITS)
    assert sharpened(HABITS, 0) == pytest.approx([1 / 12] * 12)
    one = sharpened(HABITS, math.inf)
    assert one[COMMONEST] == 1 and sum(one) == 1


def test_marginals_count_the_words_of_each_place():
    found = marginals(MARKET, HABITS)
    assert found.shape == (18, len(GERMAN)) and found.sum(dim=1) == pytest.approx(torch.ones(18).double())
    first = {"Der": 0.45, "Am": 0.30, "Um": 0.25}
    for word, share in first.items():
        assert found[0, GERMAN.numbers[word]].item() == pytest.approx(share)
    one = marginals(MARKET, sharpened(HABITS, math.inf)).argmax(dim=1)
    assert GERMAN.decode(one) == german(MARKET, STYLES[COMMONEST])


# ---- the judge


def tokens_of(*sentences):
    return GERMAN.encode([sentence.split() for sentence in sentences])


def test_the_judge_tells_valid_blend_and_other():
    said = tokens_of(
        "Der Markt in Rom macht am Mi. , 16. 9. um 04 :50 Uhr zu .",
        "Der Mi. in Rom macht am Mi. , 16. 9. um 04 :50 Uhr zu .",
        "Am Markt in Rom macht am Mi. , 16. 9. um 04 :50 Uhr zu .",
        "Der Markt in Rom macht am Mi. , 16. 9. um 05 :50 Uhr zu .",
    )
    styles, verdicts = judge(said, [MARKET] * 4)
    assert verdicts == ["valid", "blend", "blend", "other"]
    assert styles.tolist() == [1, -1, -1, -1]
    assert shares(said, [MARKET] * 4) == {"valid": 25, "blend": 50, "other": 25}


def test_the_judge_accepts_each_rendering_and_no_announcements_but_its_own():
    whats = announcements(30, 8)
    for style in range(12):
        said = as_part(whats, [style] * 30).references
        styles, verdicts = judge(said, whats)
        assert set(verdicts) == {"valid"} and styles.tolist() == [style] * 30
        assert valid(said, whats[1:] + whats[:1]) == 0


def test_what_follows_the_end_does_not_count_and_a_missing_end_does():
    good = as_part([MARKET], [0]).references
    noisy = good.masked_fill(good == PAD, 7)
    assert valid(noisy, [MARKET]) == 100
    assert torch.equal(padded(noisy), good)
    short = good[:, : int((good[0] == END).nonzero())]  # END is missing: as if padding followed
    assert judge(short, [MARKET])[1] == ["blend"] or judge(short, [MARKET])[1] == ["other"]
    with pytest.raises(ValueError, match=r"translations \(1, 18\) do not fit 2 announcements"):
        judge(good, [MARKET, MARKET])


def test_a_city_is_right_alone():
    city = [german for _, german in CITIES]
    said = tokens_of(
        f"Der Markt in {city[1]} .", f"Der Markt in {city[2]} .", f"{city[1]} in {city[2]} .", "Der ."
    )
    assert right_city(said, [MARKET] * 4) == 25


def test_an_audit_counts():
    kept, right = torch.tensor([1, 1, 1, 0, 0]).bool(), torch.tensor([1, 0, 1, 1, 0]).bool()
    assert audit(kept, right) == pytest.approx({"precision": 200 / 3, "recall": 200 / 3, "kept": 60})
    for bad in ((kept[:2], right), (~kept & kept, right), (kept, ~right & right)):
        with pytest.raises(ValueError, match="kept"):
            audit(*bad)


def test_the_likeliest_rendering_is_one_of_twelve(part):
    logits = torch.randn(12, 18, len(GERMAN), generator=torch.Generator().manual_seed(2))
    chances, due = logits.double().log_softmax(dim=2), []
    for row, what in zip(chances, part.whats):
        due.append(
            max(sum(row[t, w].item() for t, w in enumerate(way)) for way in all_renderings(what).tolist())
        )
    assert nats_of_likeliest(logits, part.whats) == pytest.approx(sum(due) / 12)
    with pytest.raises(ValueError, match=r"logits \(12, 18, \d+\) do not fit 11 announcements"):
        nats_of_likeliest(logits, part.whats[1:])


def test_a_picture_of_likely_words_has_the_likeliest_first(monkeypatch):
    shown = []
    monkeypatch.setattr(canvas, "show", lambda figure, alt: shown.append((figure, alt)))
    likely_words(
        torch.tensor([[0.1, 0.7, 0.2], [0.996, 0.004, 0.0]]), ["a", "b", "c"], top=2, alt="two places"
    )
    (_, alt), texts = shown[0], [text.get_text() for text in shown[0][0].axes[0].texts]
    assert texts == ["b  70 %", "c  20 %", "a  100 %"] and alt == "two places"


# ---- translators


def test_a_parallel_translator_hears_no_other_place(part):
    torch.manual_seed(0)
    network = create_student("parallel_translator", width=16)
    logits = network(part.sources)
    assert logits.shape == (12, 18, len(GERMAN))
    torch.testing.assert_close(network(part.sources[3:4]), logits[3:4])


def test_a_translator_sees_the_words_before_and_none_after(part):
    torch.manual_seed(0)
    network = create_student("translator", width=16)
    (sources, read), said = pairs(part.sources, part.references)
    assert read.shape == said.shape == (12, 18) and (read[:, 0] == BEGIN).all()
    before = network(sources, read)
    changed = read.clone()
    changed[:, 5:] = 9
    torch.testing.assert_close(network(sources, changed)[:, :5], before[:, :5])
    assert not torch.allclose(network(sources, changed)[:, 5:], before[:, 5:])
    with pytest.raises(ValueError, match="19 words are more than the 18 that this translator can write"):
        network(sources, torch.cat([read, read[:, :1]], dim=1))
    with pytest.raises(ValueError, match=r"sources \(12, 17\) are longer than 16 words"):
        network(torch.cat([sources, sources[:, :1]], dim=1), read)


def test_with_a_memory_the_next_word_is_the_same(part):
    torch.manual_seed(0)
    network = create_student("translator", width=16)
    reading, words = network.of(part.sources), part.references
    logits, memory = reading.continued(words[:, :3])
    torch.testing.assert_close(logits, reading(words[:, :3])[:, -1])
    for place in range(3, 6):
        logits, memory = reading.continued(words[:, place : place + 1], memory)
    torch.testing.assert_close(logits, reading(words[:, :6])[:, -1])


def test_padding_of_the_source_changes_nothing(part):
    torch.manual_seed(0)
    network = create_student("translator", width=16)
    longest = int((part.sources != PAD).sum(dim=1).max())
    torch.testing.assert_close(
        network(part.sources[:, :longest], part.references), network(part.sources, part.references)
    )


@pytest.mark.parametrize("how", [{}, {"temperature": 1.0}, {"beam": 3}])
def test_what_is_written_ends_and_follows_from_the_seed(part, how):
    torch.manual_seed(0)
    network = create_student("translator", width=16)
    text = written_by(writer(network, seed=1, **how), part.sources)
    assert text.shape == (12, 18) and torch.equal(text, padded(text))
    assert torch.equal(text, written_by(writer(network, seed=1, **how), part.sources))


def test_word_level_terms_fit_what_a_translator_answers(part):
    network, teacher = (create_student("translator", width=16) for _ in range(2))
    inputs, labels = pairs(part.sources, part.references)
    with torch.no_grad():
        answers = teacher(*inputs)
    history = distill(network, inputs, [hard_labels(labels), soft_targets(answers, rows=labels)], steps=2)
    assert history["total"].isfinite().all()


def test_a_translator_is_taught_in_either_direction_and_leaves_the_draws_of_others_alone(part):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    there = taught(part.sources, part.references, steps=1, width=16)
    back = taught(part.references, part.sources, steps=1, width=16)
    assert torch.equal(torch.rand(1), expected)
    assert written_by(writer(there), part.sources).shape == part.references.shape
    assert written_by(writer(back), part.references).shape == part.sources.shape


def test_the_shipped_teachers_are_what_their_cards_say():
    whats = announcements(60, 10**6 + 1, unseen=True, hours=[0])
    sources = ENGLISH.encode(map(english, whats))
    right, slips = (open_teacher(name).network for name in ("translation", "translation-slips"))
    assert valid(written_by(writer(right), sources), whats) > 60
    text = written_by(writer(slips), sources)
    assert valid(text, whats) < valid(text, [with_slip(what) for what in whats])
