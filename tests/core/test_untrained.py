"""The control for what a teacher learned has a chance; likeness without bias has its floor at 0."""

import pytest
import torch

from kdlab import data, metrics
from kdlab.teachers import Teacher, load_teacher, untrained_teacher

IMAGES = data.digits(100).labelled.images


def variation(part):
    return (part - part.mean(dim=0)).square().mean().sqrt().item()


def test_an_untrained_teacher_varies_as_much_and_has_seen_the_images():
    teacher = load_teacher("digits-small")
    other = untrained_teacher(teacher, IMAGES, layers=(2,), seed=3)
    ours, theirs = (t.outputs(IMAGES, layers=(2,)) for t in (other, teacher))
    for of in ("logits", "embedding", 2):
        assert variation(ours.at(of)) == pytest.approx(variation(theirs.at(of)), rel=1e-4)
    norm = next(m for m in other.network.modules() if isinstance(m, torch.nn.BatchNorm2d))
    assert norm.running_var.min() < 0.9 and norm.momentum is not None and not norm.training
    torch.testing.assert_close(other(IMAGES), ours.logits)


def test_it_follows_from_its_seed_and_leaves_the_callers_state_alone():
    teacher = load_teacher("digits-small")
    before = torch.get_rng_state()
    one, again, two = (untrained_teacher(teacher, IMAGES, seed=seed)(IMAGES) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, again) and not torch.equal(one, two)


def test_what_it_cannot_give_is_said():
    teacher = load_teacher("digits-small")
    with pytest.raises(ValueError, match="layer 1 was not scaled"):
        untrained_teacher(teacher, IMAGES, layers=(2,)).outputs(IMAGES, layers=(1,))
    with pytest.raises(ValueError, match="has no card with its architecture"):
        untrained_teacher(Teacher(teacher.network, name="mine", num_classes=10), IMAGES)


def test_debiased_likeness():
    random = torch.Generator().manual_seed(0)
    a, b = torch.randn(60, 300, generator=random), torch.randn(60, 200, generator=random)
    assert metrics.linear_cka(a, b) > 0.5 and abs(metrics.debiased_cka(a, b)) < 0.1
    turned = 3 * a @ torch.linalg.qr(torch.randn(300, 300, generator=random))[0] + 2
    assert metrics.debiased_cka(a, turned) == pytest.approx(1, abs=1e-5)
    with pytest.raises(ValueError, match="3 and 3 rows"):
        metrics.debiased_cka(a[:3], b[:3])
