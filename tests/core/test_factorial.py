"""Main effects and interactions against contrasts computed by hand."""

import numpy as np
import pytest

from kdlab.factorial import cells, contrast, effects, where
from kdlab.study import Result

FOUR = ("hard", "soft", "hints", "relations")


def study(score, factors=FOUR, always=(), empty=False, seeds=3):
    """Scores from a function of what is on and the seed; the empty cell only where something is always on."""
    arms = {" + ".join([*always, *on]): on for on in cells(factors).values()}
    if empty:
        arms[" + ".join(always)] = ()
    return Result(
        next(iter(arms)), {arm: [score(set(on), s) for s in range(seeds)] for arm, on in arms.items()}
    )


def test_all_combinations_but_the_empty_one():
    assert list(cells("ab").items()) == [("a", ("a",)), ("b", ("b",)), ("a + b", ("a", "b"))]
    assert len(cells(FOUR)) == 15


def test_two_factors_by_hand():
    y = {"base": [50, 60], "base + a": [53, 62], "base + b": [54, 66], "base + a + b": [58, 69]}
    result = Result("base", {arm: [float(v) for v in scores] for arm, scores in y.items()})
    assert contrast(result, ("a",)) == ([(3 + 4) / 2, (2 + 3) / 2], 2)
    assert contrast(result, ("b",)) == ([(4 + 5) / 2, (6 + 7) / 2], 2)
    assert contrast(result, ("a", "b")) == ([58 - 53 - 54 + 50, 69 - 62 - 66 + 60], 1)


@pytest.mark.parametrize("empty", [True, False])
def test_effects_that_add_up_are_found_and_do_not_interact(empty):
    gains = {"hard": 4.0, "soft": 2.0, "hints": -1.0, "relations": 0.5}
    always, factors = (("hard",), FOUR[1:]) if empty else ((), FOUR)
    found = effects(
        study(lambda on, seed: 10 * seed + sum(gains[f] for f in on), factors, always, empty), order=3
    )
    for name, scores in found.scores.items():
        assert scores == pytest.approx([gains.get(name, 0.0)] * 3), name


def test_an_interaction_against_the_sum_over_all_cells():
    random = np.random.default_rng(0)
    y = {frozenset(on): random.normal(size=5) for on in [(), *cells(FOUR).values()]}
    result = study(lambda on, seed: y[frozenset(on)][seed], seeds=5)
    found, averaged = contrast(result, ("soft", "hints"))
    hands = [
        y[frozenset({*c, "soft", "hints"})]
        - y[frozenset({*c, "soft"})]
        - y[frozenset({*c, "hints"})]
        + y[frozenset(c)]
        for c in (("hard",), ("relations",), ("hard", "relations"))
    ]
    assert averaged == 3 and found == pytest.approx(np.mean(hands, axis=0))
    _, averaged = contrast(result, ("soft",))
    assert averaged == 7


def test_effects_have_the_verdicts_of_a_study():
    result = study(
        lambda on, s: (5.0 + 0.1 * s) * ("soft" in on) - (3.0 + 0.1 * s) * ({"soft", "hints"} <= on)
    )
    found = effects(result)
    assert found.verdict("soft") == "helps" and found.verdict("soft x hints") == "less than the sum"
    assert found.verdict("hard x relations") == "open"  # 0 at each seed
    assert list(found.scores)[:3] == ["no effect", "hard", "soft"] and len(found.scores) == 1 + 4 + 6
    assert list(effects(result, order=1).scores) == ["no effect", *FOUR]


def test_a_missing_cell_is_named_with_its_partner():
    result = study(lambda on, seed: 1.0)
    del result.scores["soft + hints"]
    with pytest.raises(
        ValueError, match="the arm 'soft . hints' is missing; 'hints' is to be compared with it"
    ):
        contrast(result, ("soft",))


def test_unknown_factors_and_studies_without_a_pair():
    with pytest.raises(ValueError, match="no factor is called 'x'; there are hard, soft"):
        contrast(study(lambda on, seed: 1.0), ("x",))
    with pytest.raises(ValueError, match="a x b: without the empty cell there is no pair"):
        contrast(study(lambda on, seed: 1.0, "ab"), ("a", "b"))


def test_the_part_where_a_factor_is_on_is_a_whole_study_with_an_empty_cell():
    part = where(study(lambda on, seed: 2.0 * ("soft" in on) + 7 * ("hard" not in on)), "hard")
    assert part.baseline == "hard" and len(part.scores) == 8
    assert contrast(part, ("soft",)) == ([2.0] * 3, 4)
    assert list(effects(part, order=1).scores) == ["no effect", "soft", "hints", "relations"]
    with pytest.raises(ValueError, match="no arm holds just 'x'; there are hard, soft"):
        where(study(lambda on, seed: 1.0), "x")
