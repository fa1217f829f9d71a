"""Shares of the gradient against autograd by hand; measuring them changes nothing."""

import copy

import pytest
import torch

from kdlab.distill import Term, distill, features, hard_labels, relations, soft_targets
from kdlab.gradients import balanced, gradient_shares
from kdlab.models import TinyCNN, forward


@pytest.fixture
def images():
    return torch.rand(40, 1, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def terms():
    random = torch.Generator().manual_seed(1)
    return [
        hard_labels(torch.arange(40) % 10, weight=0.5),
        soft_targets(torch.randn(40, 10, generator=random), weight=2),
        features(torch.randn(40, 12, 4, 4, generator=random), 2, name="hints", weight=10),
        relations(torch.randn(40, 24, generator=random)),
    ]


def student():
    torch.manual_seed(0)
    return TinyCNN(4)


def by_hand(net, images, term, projector=None):
    net = copy.deepcopy(net).train()
    outputs = forward(net, images, (2,))
    side = outputs.at(term.of) if projector is None else projector(outputs.at(term.of))
    (term.weight * term.value(side, term.parts)).backward()
    return torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None]).norm().item()


def test_norms_are_those_of_the_weighted_terms_without_projectors(images, terms):
    net = student()
    table = gradient_shares(net, images, terms, batches=1, batch_size=40)
    torch.manual_seed(0)
    projector = copy.deepcopy(terms[2].projector).build((16, 4, 4))
    expected = [by_hand(net, images, t, projector if t.projector else None) for t in terms]
    assert table["gradient norm"].tolist() == pytest.approx(expected, rel=1e-4)
    assert table["share, %"].sum() == pytest.approx(100)
    assert table["weight"].tolist() == [0.5, 2, 10, 1] and list(table.index) == [t.name for t in terms]


def test_measuring_trains_nothing_and_builds_no_projector(images, terms):
    net = student()
    before, expected = copy.deepcopy(net.state_dict()), torch.random.get_rng_state()
    gradient_shares(net, images, terms)
    balanced(net, images, terms)
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert net.training and terms[2].projector.weights is None
    assert torch.equal(expected, torch.random.get_rng_state())


def test_balanced_terms_have_the_shares_that_were_asked_for(images, terms):
    net = student()
    for asked in (None, [1, 2, 3, 4]):
        even = balanced(net, images, terms, shares=asked)
        shares = gradient_shares(net, images, even)["share, %"].tolist()
        assert shares == pytest.approx([10.0 * s for s in asked] if asked else [25.0] * 4, rel=1e-3)
        assert even[0].weight == 0.5


def test_gradients_in_training_change_no_weight_and_keep_their_own_time(images, terms):
    plain, watched = student(), student()
    both = [[*terms[:2], features(terms[2].targets, 2, name="hints"), terms[3]] for _ in range(2)]
    first = distill(plain, images, both[0], steps=7, batch_size=16)
    second = distill(watched, images, both[1], steps=7, batch_size=16, gradients_every=3)
    assert all(torch.equal(v, watched.state_dict()[k]) for k, v in plain.state_dict().items())
    assert all(torch.equal(first[k], second[k]) for k in first)
    measured = {k: v for k, v in second.items() if k not in first}
    assert list(measured) == [f"gradient of {t.name}" for t in both[1]]
    assert all(v.shape == (3,) and (v > 0).all() for v in measured.values())


def test_the_first_gradients_are_those_of_the_share_table(images, terms):
    table = gradient_shares(student(), images, terms, batches=1, batch_size=16)
    history = distill(student(), images, terms, steps=1, batch_size=16, gradients_every=5)
    for name in table.index:
        assert history[f"gradient of {name}"].tolist() == pytest.approx(
            [table.loc[name, "gradient norm"]], rel=1e-4
        )


def test_bad_input_is_named(images, terms):
    net = student()
    with pytest.raises(ValueError, match="3 shares are given for 4 terms"):
        balanced(net, images, terms, shares=[1, 1, 1])
    with pytest.raises(ValueError, match="the share of soft targets must be a finite number above 0, got 0"):
        balanced(net, images, terms, shares=[1, 0, 1, 1])
    flat = Term("flat", torch.zeros(40, 10), lambda z, t: z.sum() * 0)
    with pytest.raises(ValueError, match="flat has no gradient"):
        balanced(net, images, [*terms, flat])
    with pytest.raises(ValueError, match="no gradient reaches the student's parameters from flat"):
        gradient_shares(net, images, [flat])
