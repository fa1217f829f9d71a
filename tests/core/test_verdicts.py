"""The words and the numbers behind them: against scipy, calculations written out, and simulated studies."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from kdlab.estimates import SUM, Estimate, holm, mean_interval, seeds_needed, verdict
from kdlab.verdicts import Result, answered, difference_of_gains, what_held

PAIRS = (3, 5, 10, 20)
STUDIES = 2000


def estimate(differences, margin=1.0, **about):
    return Estimate.of(differences, margin=margin, **about)


def result(base, arm, **options):
    return Result("base", {"base": [float(b) for b in base], "arm": [float(a) for a in arm]}, **options)


def words(effect, spread, n, *, seed=0):
    """The words of simulated studies, counted."""
    random = np.random.default_rng(seed)
    found = [estimate(random.normal(effect, spread, n)).word for _ in range(STUDIES)]
    return {word: found.count(word) / STUDIES for word in ("helps", "hurts", "same", "open")}


def test_interval_is_scipys_paired_t_interval():
    a, b = np.random.default_rng(0).normal(size=(2, 12))
    mean, low, high = mean_interval(a - b)
    expected = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (mean, low, high) == pytest.approx((np.mean(a - b), *expected))


def test_interval_is_of_the_mean_not_the_spread():
    few, many = [1.0, -1.0] * 3, [1.0, -1.0] * 300
    assert mean_interval(many)[2] < mean_interval(few)[2] / 5


@pytest.mark.parametrize(
    "low, high, word",
    [
        (0.1, 2, "helps"), (0.1, 0.2, "helps"), (-2, -0.1, "hurts"), (-0.2, -0.1, "hurts"),
        (-1, 1, "same"), (0, 0.5, "same"), (-0.5, 0, "same"),
        (-1, 2, "open"), (-1.1, 0.5, "open"), (-5, 5, "open"), (0, 1.1, "open"),
        (-math.inf, math.inf, "open"),
    ],
)  # fmt: skip
def test_four_words(low, high, word):
    assert verdict(low, high, margin=1) == word


def test_p_values_are_scipys():
    d = np.random.default_rng(3).normal(0.3, 1, 9)
    e = estimate(d)
    assert e.p_difference == pytest.approx(stats.ttest_1samp(d, 0).pvalue)
    one_sided = (
        stats.ttest_1samp(d, -1, alternative="greater"), stats.ttest_1samp(d, 1, alternative="less"),
    )  # fmt: skip
    assert e.p_same == pytest.approx(2 * max(test.pvalue for test in one_sided))


@pytest.mark.parametrize("n", PAIRS)
@pytest.mark.parametrize("spread", [0.3, 3.0])
def test_without_an_effect_helps_and_hurts_come_as_rarely_as_the_level_says(n, spread):
    found = words(0, spread, n)
    assert found["helps"] <= 0.05 and found["hurts"] <= 0.05


@pytest.mark.parametrize("n", PAIRS)
def test_same_comes_for_half_the_margin_and_is_rare_from_the_margin_on(n):
    # The interval reaches about half the margin, where both words for half a margin are to be had.
    spread = 0.5 * math.sqrt(n) / stats.t.ppf(0.975, n - 1)
    assert words(0.5, spread, n)["same"] > 0.1
    for effect in (1.0, -1.0, 1.5):
        for wider in (0.3, 1, 3):
            assert words(effect, wider * spread, n)["same"] <= 0.05
    assert words(0, spread / 2, n)["same"] > 0.8


def test_fewer_than_three_pairs_are_no_verdict():
    for differences in ([49.0], [49.0, 49.1]):
        assert estimate(differences).word == "open"
        assert "a verdict needs at least 3" in str(estimate(differences))
    assert mean_interval([49.0])[1:] == (-math.inf, math.inf)
    with pytest.raises(ValueError, match="at least one difference, got 0"):
        mean_interval([])


@pytest.mark.parametrize("d", [0.0, 2.0, -1e5, 1e-7])
def test_an_interval_of_no_width_is_no_certainty(d):
    e = estimate([d] * 5)
    assert e.word == "open" and "no width is no certainty" in str(e)
    assert e.p_difference == e.p_same == 1
    rounded = estimate([0.1 + 0.2 + d, 0.3 + d, 0.3 + d])
    assert rounded.word == "open"


def test_coarse_scores_and_ties_are_told():
    coarse = result([50, 60, 50, 70, 60], [60, 60, 50, 80, 60])
    assert coarse.step() == 10 and "in steps of 10 points, more than the margin" in str(coarse)
    assert "3 tied" in coarse.sentence("arm")
    fine = result([50.01, 60.2, 51.7], [60.3, 59.9, 52.2])
    assert fine.step() == 0 and "coarse" not in str(fine)


@pytest.mark.parametrize(
    "low, high, margin, printed",
    [
        (0.02, 3.0, 1, "+0.02 to +3.00"),
        (-3.0, -0.004, 1, "-3.000 to -0.004"),
        (-0.03, 0.4, 1, "-0.03 to +0.40"),
        (-0.31, 1.04, 1, "-0.31 to +1.04"),  # "+1.0" would read as the same within 1.0
        (2.26, 7.14, 1, "+2.3 to +7.1"),
        (1e-5, 3e-5, 1e-4, "+0.00001 to +0.00003"),
    ],
)
def test_as_many_decimals_as_the_word_needs(low, high, margin, printed):
    half = stats.t.ppf(0.975, 4)
    e = Estimate((low + high) / 2, (high - low) / 2 / half, 4, 5, margin)
    _, *ends = e.numbers()
    assert " to ".join(ends) == printed
    assert verdict(*map(float, ends), margin=margin) == e.word


def test_sentences_state_margin_and_what_would_do():
    assert estimate([0.4, 0.5, 0.6]).told().startswith("helps, by less than 1.0 (+0.5,")
    assert estimate([-0.4, 0.5, 0.1, -0.2]).told().startswith("same, within 1.0 (")
    wide = estimate([-4.0, 5.0, 1.0, -2.0], unit="points")
    assert wide.word == "open" and f"; about {wide.needed} pairs would do" in str(wide)
    assert " points, 95 % interval" in str(wide)


def test_an_open_study_repeated_with_the_pairs_it_asks_for_is_not_open():
    random = np.random.default_rng(5)
    for effect in (0, 0.3, 0.5, 0.8, 1, 3):
        d = random.normal(0, 4, 6)
        e = estimate(d - d.mean() + effect)
        if e.word == "open":
            spread = e.se * math.sqrt(e.pairs)
            n = e.needed
            again = Estimate(effect, spread / math.sqrt(n), n - 1, n, 1.0)
            assert n > e.pairs and again.word != "open", effect


@pytest.mark.parametrize("spread, width", [(5.0, 1.0), (0.2, 1.0), (2.0, 0.7), (30.0, 1.0)])
def test_seeds_needed_is_the_first_number_that_is_narrow_enough(spread, width):
    def half(n):
        return stats.t.ppf(0.975, n - 1) * spread / math.sqrt(n)

    n = seeds_needed(spread, width)
    assert n == next(k for k in itertools.count(3) if half(k) <= width)


def test_seeds_needed_takes_differences_of_a_first_study():
    d = [1.0, 4.0, -2.0, 3.0]
    assert seeds_needed(d, 1) == seeds_needed(np.std(d, ddof=1), 1) > 4
    for spread, width in (([1.0], 1), (1, 0), (-1, 1), (1, math.nan), (math.inf, 1)):
        with pytest.raises(ValueError, match="got"):
            seeds_needed(spread, width)


def test_holm_is_closed_testing_with_bonferroni():
    p = [0.01, 0.04, 0.03, 0.005, 0.6]
    for i, adjusted in enumerate(holm(p)):
        with_i = [
            s for k in range(1, 6) for s in itertools.combinations(range(5), k) if i in s
        ]  # fmt: skip
        assert adjusted == pytest.approx(max(min(1, len(s) * min(p[j] for j in s)) for s in with_i))
    assert holm([]) == []


def test_a_table_of_many_comparisons_says_which_words_survive_holm():
    random = np.random.default_rng(0)
    base = random.normal(50, 1, 8)
    scores = {"base": base, "strong": base + random.normal(5, 1, 8)}
    scores |= {f"arm {i}": base + d for i, d in enumerate(random.normal(0, 3, (3, 8)))}
    weak = random.normal(0, 1, 8)
    scores["weak"] = base + (weak - weak.mean()) / weak.std(ddof=1) + 0.95  # t = 2.7: p = 0.03
    r = Result("base", {arm: [*map(float, s)] for arm, s in scores.items()})
    table = r.table()
    assert r.verdict("weak") == "helps" and table.loc["weak", "after Holm"] == "open"
    assert table.loc["strong", "after Holm"] == "helps" and table.loc["base", "after Holm"] == ""
    three = Result("base", {arm: [*scores[arm]] for arm in ("base", "strong", "weak", "arm 0")})
    assert "after Holm" not in three.table()


def test_false_words_after_holm_are_rare():
    random = np.random.default_rng(2)
    wrong = 0
    for _ in range(STUDIES // 4):
        base = random.normal(0, 1, 6)
        scores = {f"arm {i}": base + random.normal(0, 1, 6) for i in range(6)}
        found = Result("base", {"base": base, **scores}, margin=0.01).after_holm()
        wrong += any(word in ("helps", "hurts") for word in found.values())
    assert wrong / (STUDIES // 4) <= 0.08  # 5 %, and four standard errors of a share of 500


def test_difference_of_gains_is_paired_where_the_seeds_are_the_same():
    random = np.random.default_rng(1)
    luck = random.normal(0, 5, 8)
    few = result(luck, luck + 4 + random.normal(0, 0.5, 8))
    full = result(luck, luck + 1 + random.normal(0, 0.5, 8))
    found = difference_of_gains((full, "arm"), (few, "arm"))
    d = [x - y for x, y in zip(full.differences("arm"), few.differences("arm"))]
    assert (found.mean, *found.interval()) == pytest.approx(mean_interval(d))
    assert found.word == "shrinks" and str(found).startswith("shrinks (-")
    shuffled = result(luck[::-1], (luck + 4)[::-1], seed_list=[*range(7, -1, -1)])
    plain = result(luck, luck + 4, seed_list=[*range(8)])
    assert difference_of_gains((shuffled, "arm"), (plain, "arm")).mean == 0


def test_difference_of_gains_of_other_seeds_is_welchs():
    random = np.random.default_rng(4)
    a, b = random.normal(3, 1, 7), random.normal(1, 4, 5)
    one = result([0] * 7, a, seed_list=[*range(7)])
    two = result([0] * 5, b, seed_list=[*range(10, 15)])
    found = difference_of_gains((one, "arm"), (two, "arm"))
    test = stats.ttest_ind(a, b, equal_var=False)
    expected = test.confidence_interval(0.95)
    assert (found.mean, *found.interval()) == pytest.approx((a.mean() - b.mean(), *expected))
    assert found.df == pytest.approx(test.df) and found.p_difference == pytest.approx(test.pvalue)
    assert difference_of_gains((one, "arm"), (result([0, 0], [1, 2], seed_list=[8, 9]), "arm")).word == "open"


def test_a_gain_is_a_gain_where_lower_is_better():
    loss = {"metric": "loss", "margin": 0.1, "higher_is_better": False}
    large = result([5, 6, 7], [1.0, 2.1, 2.9], **loss)
    small = result([5, 6, 7], [4.0, 5.1, 5.9], **loss)
    assert large.verdict("arm") == "helps" and "better in 3 of 3" in large.sentence("arm")
    assert difference_of_gains((large, "arm"), (small, "arm")).mean == pytest.approx(3)


def test_gains_of_two_kinds_are_not_subtracted():
    percent, loss = result([1, 2, 3], [2, 3, 5]), result([1, 2, 3], [2, 3, 5], metric="loss", margin=1.0)
    with pytest.raises(
        ValueError, match="gains of two metrics cannot be subtracted: 'accuracy, %' and 'loss'"
    ):
        difference_of_gains((percent, "arm"), (loss, "arm"))
    narrow = result([1, 2, 3], [2, 3, 5], margin=0.5)
    with pytest.raises(ValueError, match="two margins .* 1.0 and 0.5"):
        difference_of_gains((percent, "arm"), (narrow, "arm"))
    assert difference_of_gains((percent, "arm"), (narrow, "arm"), margin=2.0).margin == 2


def test_a_margin_is_stated_before_the_run():
    with pytest.raises(ValueError, match="'calibration error' needs a margin"):
        result([1, 2, 3], [2, 3, 4], metric="calibration error")
    for margin in (0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="must be above 0 and finite"):
            result([1, 2, 3], [2, 3, 4], margin=margin)
    assert result([1, 2, 3], [2, 3, 4], metric="validation accuracy, %").margin == 1
    assert "margin: 1 point" in str(result([1, 2, 3], [2, 3, 4]))


def test_units_come_from_the_metric():
    for metric, unit in {
        "accuracy, %": "points",
        "latency, ms": "ms",
        "loss": "",
        "gain, points": "points",
    }.items():
        assert result([1], [2], metric=metric, margin=1).unit == unit


def test_claims_are_held_refuted_same_or_open():
    base = [50.0, 60.0, 70.0, 65.0]
    up = result(base, [b + d for b, d in zip(base, (5, 6, 5.5, 5))])
    alike = result(base, [b + d for b, d in zip(base, (0.1, -0.2, 0.3, 0))])
    little = result(base, [b + d for b, d in zip(base, (0.5, 0.6, 0.55, 0.5))])
    wide = result(base, [b + d for b, d in zip(base, (-5, 6, 3, 0))])
    claims = {
        "up": (up, "arm"), "up hurts": (up, "arm", "hurts"), "up is the same": (up, "arm", "same"),
        "alike": (alike, "arm"), "alike is the same": (alike, "arm", "same"),
        "a little": (little, "arm"), "a little is the same": (little, "arm", "same"),
        "wide": (wide, "arm"), "wide is the same": (wide, "arm", "same"),
        "the gain shrinks": (difference_of_gains((alike, "arm"), (up, "arm")), "shrinks"),
        "the gain grows": difference_of_gains((alike, "arm"), (up, "arm")),
    }  # fmt: skip
    assert [answer for _, answer in answered(claims).values()] == [
        "held", "refuted", "refuted", "same", "held", "held", "held", "open", "open", "held", "refuted",
    ]  # fmt: skip
    table = what_held(claims)
    assert table.loc["up", ["answer", "margin", "pairs", "compared with"]].tolist() == [
        "held", "1 point", 4, "base, 61.2 %",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="'x' claims 'works'; what can be claimed of it: helps, hurts, same"):
        what_held({"x": (up, "arm", "works")})


def test_words_of_an_interaction():
    e = estimate([-3.0, -4.0, -3.5], words=SUM)
    assert e.word == "less than the sum"


@pytest.mark.parametrize("margin, places", [(1.0, 1), (2, 1), (0.1, 1), (0.05, 2), (0.004, 3)])
def test_numbers_have_as_many_decimals_as_their_margin(margin, places):
    result = Result("a", {"a": [3.0, 3.5, 4.0], "b": [5.0, 5.6, 6.1]}, "length, cm", margin=margin)
    assert {len(number.partition(".")[2]) for number in result.estimate("b").numbers()} == {places}
    assert result.level("b") == f"b, {16.7 / 3:.{places}f} cm"
    assert result.table().loc["b", "length, cm"] == round(16.7 / 3, places)
