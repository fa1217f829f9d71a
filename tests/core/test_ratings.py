"""The world of recommendation, its measures and its search, against plain counting."""

import math

import pytest
import torch
from scipy.stats import hypergeom

from kdlab.data.ratings import ratings
from kdlab.distill import distill
from kdlab.metrics.ratings import best, coverage, found, gini, least, ndcg, readings, with_drawn
from kdlab.models import create_student
from kdlab.models.ratings import Index, Search
from kdlab.teachers import open_teacher
from kdlab.teachers.ratings import clicks, small, taught, teacher_of


@pytest.fixture(scope="module")
def world():
    return ratings(3, users=60, items=40)


def test_a_world_follows_from_its_seed_alone(world):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    again, other = ratings(3, users=60, items=40), ratings(4, users=60, items=40)
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(a, b) for a, b in zip(world, again))
    assert not torch.equal(world.likes, other.likes)


def test_clicks_were_shown_and_parts_do_not_overlap(world):
    assert (world.shown[world.clicks | world.held_out]).all()
    assert not (world.clicks & world.held_out).any() and not (world.history & world.held_out).any()
    assert torch.equal(world.candidates, ~world.clicks)
    assert world.likes.dtype == torch.float32 and ((world.likes >= 0) & (world.likes <= 1)).all()
    assert world.history.sum() > world.clicks.sum()
    torch.testing.assert_close(world.inputs, torch.arange(60))


def test_who_is_liked_is_clicked_and_who_is_not_shown_is_not():
    world = ratings(0)
    rate = [world.clicks[world.shown & (world.likes > 0.9)], world.clicks[world.shown & (world.likes < 0.1)]]
    assert rate[0].float().mean() > 5 * rate[1].float().mean()


@pytest.mark.parametrize("how", [{"seed": -1}, {"users": 0}, {"items": 9}])
def test_a_world_that_cannot_be_made(how):
    with pytest.raises(ValueError, match="must be at least 0, 1 and 17"):
        ratings(**how)


def plain_ndcg(scores, gains, candidates, k):
    """One user after the other."""
    values = []
    for s, g, may in zip(scores.tolist(), gains.tolist(), candidates.tolist()):
        items = sorted((i for i in range(len(s)) if may[i]), key=lambda i: -s[i])
        reached = sum(g[i] / math.log2(r + 2) for r, i in enumerate(items[:k]))
        ideal = sorted((g[i] for i in range(len(s)) if may[i]), reverse=True)
        possible = sum(gain / math.log2(r + 2) for r, gain in enumerate(ideal[:k]))
        if possible:
            values.append(100 * reached / possible)
    return sum(values) / len(values)


@pytest.mark.parametrize("k", [1, 3, 10])
@pytest.mark.parametrize("gains", ["held_out", "likes"])
def test_ndcg_is_the_definition(world, gains, k):
    scores = torch.randn(60, 40, generator=torch.Generator().manual_seed(1))
    expected = plain_ndcg(scores, getattr(world, gains).double(), world.candidates, k)
    assert ndcg(scores, getattr(world, gains), world.candidates, k=k) == pytest.approx(expected)


def test_equal_scores_share_their_gains():
    scores, gains = torch.tensor([[1.0, 1.0, 0.0], [3.0, 2.0, 1.0]]), torch.tensor([[1, 0, 0], [1, 0, 0]])
    assert ndcg(scores, gains, k=1) == pytest.approx(100 * (0.5 + 1) / 2)


def test_the_true_tastes_are_the_best_by_true_taste(world):
    assert ndcg(world.likes, world.likes, world.candidates) == pytest.approx(100)
    assert ndcg(world.likes, world.held_out | world.clicks, ~world.clicks) == pytest.approx(
        ndcg(world.likes, world.held_out, world.candidates)
    )


def test_recall_counts_what_can_be_found():
    scores = torch.tensor([[4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]])
    wanted = torch.tensor([[True, False, True, True], [True, False, False, False], [False] * 4])
    assert found(scores, wanted, k=2) == pytest.approx(100 * (1 / 2 + 0) / 2)
    assert found(scores, wanted, ~torch.tensor([[True] + [False] * 3] * 3), k=2) == pytest.approx(50)


def test_coverage_and_gini():
    assert coverage(torch.tensor([[0, 1], [1, 2]]), 4) == 75
    assert gini(torch.tensor([[0, 1], [2, 3]]), 4) == pytest.approx(0)
    assert gini(torch.tensor([[0], [0], [0]]), 4) == pytest.approx(75)
    scores = torch.tensor([[1.0, 3.0, 2.0]])
    assert best(scores, k=2).tolist() == [[1, 2]]
    assert best(scores, torch.tensor([[True, False, True]]), k=2).tolist() == [[2, 0]]
    assert least(torch.tensor([5, 1, 3, 9]), 0.5).tolist() == [False, True, True, False]


def test_drawn_items_are_others_and_so_many(world):
    pool = with_drawn(world.held_out, world.candidates, 5)
    assert (pool & ~world.candidates).sum() == 0 and (world.held_out & ~pool).sum() == 0
    assert ((pool & ~world.held_out).sum(dim=1) == 5).all()
    assert torch.equal(pool, with_drawn(world.held_out, world.candidates, 5))
    assert not torch.equal(pool, with_drawn(world.held_out, world.candidates, 5, seed=1))
    with pytest.raises(ValueError, match="41 others cannot be drawn: a user has"):
        with_drawn(world.held_out, world.candidates, 41)


def test_a_drawn_hit_has_the_probability_that_exercise_13_2_counts():
    scores = -torch.arange(30.0).expand(4000, 30)
    wanted = torch.zeros(4000, 30, dtype=torch.bool)
    wanted[:, 7] = True
    hits = found(scores, wanted, with_drawn(wanted, torch.ones_like(wanted), 5), k=1)
    assert hits / 100 == pytest.approx(hypergeom.cdf(0, 29, 7, 5), abs=0.03)


def ones(*shape):
    return torch.ones(shape)


@pytest.mark.parametrize("measure", [ndcg, found])
@pytest.mark.parametrize(
    "scores, gains, how, message",
    [
        (ones(2, 3), ones(2, 4), {}, r"scores \(2, 3\) and gains \(2, 4\) must both be \(users, items\)"),
        (ones(3), ones(3), {}, r"scores \(3,\) and gains \(3,\) must both be"),
        (torch.tensor([[1.0, torch.nan], [1.0, 2.0]]), ones(2, 2), {"k": 1}, "1 of 2 rows of scores are not"),
        (ones(2, 3), 0 * ones(2, 3), {"k": 1}, "none of 2 users has a gain among the candidates"),
        (ones(2, 3), ones(2, 3), {}, "k must lie between 1 and the 3 items, got 10"),
        (ones(2, 3), ones(2, 3), {"k": 0}, "k must lie between 1 and the 3 items, got 0"),
        (ones(2, 3), ones(2, 3), {"k": 1, "candidates": ones(2, 3)}, "candidates must be bool"),
        (ones(2, 3), ones(2, 3), {"k": 1, "candidates": ones(3) > 0}, r"bool \(2, 3\), got bool \(3,\)"),
    ],
)
def test_scores_that_do_not_fit(measure, scores, gains, how, message):
    with pytest.raises(ValueError, match=message):
        measure(scores, gains, **how)


def test_readings_are_each_of_them(world):
    scores = torch.randn(60, 40, generator=torch.Generator().manual_seed(2))
    read = readings(scores, world, k=3)
    assert read["held-out clicks"] == ndcg(scores, world.held_out, world.candidates, k=3)
    assert read["true taste"] == ndcg(scores, world.likes, world.candidates, k=3)
    assert read["coverage"] == coverage(best(scores, world.candidates, k=3), 40)
    few = world.clicks.sum(dim=1).argsort(stable=True)[:20]
    assert read["tail users"] == pytest.approx(
        ndcg(scores[few], world.likes[few], world.candidates[few], k=3)
    )


def test_a_score_is_a_product_and_its_size_can_be_matched():
    network = create_student("factorisation", columns=3, users=5, num_classes=7)
    p, q, b = network.users.weight, network.items.weight, network.items.bias
    users = torch.tensor([4, 0])
    torch.testing.assert_close(network(users), p[users] @ q.T + b)
    before = (p.square().sum() + q.square().sum()).item()
    history = distill(network, torch.arange(5), [small(5)], steps=20, batch_size=5)
    assert history["size"][0].item() == pytest.approx(before / 5)
    assert history["size"][-1] < history["size"][0]


def test_clicks_are_matched_by_softmax_over_all_items(world):
    term = clicks(world.clicks)
    scores = torch.randn(60, 40, generator=torch.Generator().manual_seed(5))
    counted = world.clicks.float()
    by_hand = -(counted * scores.log_softmax(dim=1)).sum() / counted.sum()
    torch.testing.assert_close(term.loss(scores, term.targets), by_hand)
    with pytest.raises(ValueError, match=r"clicks \(60, 40\) hold none"):
        clicks(torch.zeros(60, 40, dtype=torch.bool))


def test_a_teacher_is_of_one_world_and_leaves_the_draws_of_others_alone(world):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    teacher = teacher_of(world, steps=3)
    assert torch.equal(torch.rand(1), expected)
    assert teacher(world.inputs).shape == (60, 40) and teacher.num_classes == 40
    same, longer = taught(world, steps=3), taught(world, world.clicks | world.history, steps=3)
    torch.testing.assert_close(same(world.inputs), teacher(world.inputs))
    assert not torch.allclose(longer(world.inputs), teacher(world.inputs))


def test_the_shipped_teacher_beats_popularity():
    world, teacher = ratings(0), open_teacher("ratings")
    popular = world.clicks.sum(dim=0).expand(600, -1)
    reached = ndcg(teacher(world.inputs), world.held_out, world.candidates)
    assert reached > 2 * ndcg(popular, world.held_out, world.candidates)


@pytest.fixture(scope="module")
def items():
    return torch.randn(2000, 6, generator=torch.Generator().manual_seed(0))


def test_search_finds_the_best(items):
    rows = torch.randn(3, 6, generator=torch.Generator().manual_seed(1))
    expected = (rows @ items.T).argsort(dim=1, descending=True)[:, :10]
    assert torch.equal(Search(items)(rows), expected)


def test_an_index_that_looks_into_all_lists_finds_all_and_into_few_finds_some(items):
    rows = torch.randn(8, 6, generator=torch.Generator().manual_seed(1))
    exact = Search(items)(rows)
    assert torch.equal(Index(items, lists=20, probes=20)(rows), exact)
    shares = []
    for probes in (1, 5):
        few = Index(items, lists=20, probes=probes)(rows)
        shares.append(sum(len(set(a.tolist()) & set(b.tolist())) for a, b in zip(few, exact)))
    assert 0 < shares[0] <= shares[1] <= 80
    assert sorted(Index(items, lists=20, probes=1).places.tolist()) == list(range(2000))


def test_an_index_of_more_lists_than_items(items):
    with pytest.raises(ValueError, match="3 probes, 2 lists and 2000 items must be in this order"):
        Index(items, lists=2, probes=3)
