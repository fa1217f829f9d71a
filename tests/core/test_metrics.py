import pytest
import torch
from scipy import stats

from kdlab import measure, metrics
from kdlab.models import TinyCNN
from kdlab.teachers import load_teacher

LOGITS = torch.tensor([[2.0, 0, 0], [0, 1, 0], [0, 3, 0], [0, 0, 1]])
LABELS = torch.tensor([0, 1, 2, 2])


def test_accuracy_recall_and_agreement():
    assert metrics.accuracy(LOGITS, LABELS) == 75
    assert metrics.recall(LOGITS, LABELS, 2) == 50
    assert metrics.agreement(LOGITS, LOGITS.roll(1, dims=1)) == 0
    with pytest.raises(ValueError, match="class 5 does not occur among 4 labels"):
        metrics.recall(LOGITS, LABELS, 5)


def test_entropy_is_scipys():
    p = torch.softmax(LOGITS.double() / 2, 1)
    assert metrics.entropy(LOGITS, temperature=2) == pytest.approx(stats.entropy(p.T.numpy(), base=2).mean())
    assert metrics.entropy(torch.zeros(1, 8)) == pytest.approx(3)
    assert metrics.entropy(torch.tensor([[1e4, 0.0]])) == pytest.approx(0)


def test_negative_log_likelihood():
    assert metrics.negative_log_likelihood(torch.zeros(2, 4), torch.tensor([0, 3])) == pytest.approx(
        1.386294361
    )


def test_calibration_error_by_hand():
    # Two rows sure of themselves at 0.9 with one right, two at 0.6 with both right.
    p = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]], dtype=torch.double)
    error = metrics.calibration_error(p.log(), torch.tensor([0, 1, 0, 0]), bins=10)
    assert error == pytest.approx(100 * (0.5 * 0.4 + 0.5 * 0.4))


def test_sizes_that_differ_are_named():
    with pytest.raises(ValueError, match=r"logits \(4, 3\) and labels \(3,\)"):
        metrics.accuracy(LOGITS, LABELS[:3])


def test_labels_of_another_shape_and_nan_are_refused():
    with pytest.raises(ValueError, match=r"labels \(4, 1\)"):
        metrics.accuracy(LOGITS, LABELS[:, None])
    with pytest.raises(ValueError, match="4 of 4 rows of logits are not finite"):
        metrics.accuracy(LOGITS * float("nan"), LABELS)


def test_predict_keeps_the_mode_of_each_part():
    net = TinyCNN(4).train()
    net.stages[0].eval()
    metrics.predict(net, torch.rand(2, 1, 32, 32))
    assert net.training and net.stages[1].training and not net.stages[0][1].training


def test_predict_leaves_the_mode_alone_and_takes_a_teacher():
    net, images = TinyCNN(4).train(), torch.rand(5, 1, 32, 32)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    metrics.predict(net, images, batch_size=2)
    assert net.training and all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert metrics.predict(load_teacher("digits-small"), images).shape == (5, 10)


def test_costs_of_the_tiny_cnn_by_hand():
    net, image = TinyCNN(4), torch.rand(1, 1, 32, 32)
    assert measure.parameters(net) == 1702
    macs = 16 * 16 * 4 * 9 + 8 * 8 * 8 * 9 * 4 + 4 * 4 * 16 * 9 * 8 + 16 * 10
    assert measure.multiply_adds(net, image) == macs
    assert 4 * 1702 < measure.bytes_on_disk(net) < 4 * 1702 + 3000


def test_cost_table_of_students_and_teachers():
    table = measure.cost_table(
        {"teacher": load_teacher("digits-small"), "student": TinyCNN(4)}, torch.rand(8, 1, 32, 32)
    )
    assert list(table.index) == ["teacher", "student"]
    assert "ms, batch 8" in table and table.attrs["threads"] == 1
    spread = [c for c in table if c.startswith("IQR")]
    assert spread == ["IQR, batch 1", "IQR, batch 8"] and (table[spread] >= 0).all(axis=None)
    assert (table.drop(columns=spread) > 0).all(axis=None)


def test_the_probe_is_not_ruled_by_a_unit_that_is_nearly_silent():
    random = torch.Generator().manual_seed(0)
    features, targets = (torch.randn(300, n, generator=random) for n in (6, 1))
    features[:, 0] = targets[:, 0]
    silent = torch.zeros(300, 1)
    silent[0] = 1e-3  # of the images that are learned from, it answers to one
    with_unit = torch.cat([features, silent], dim=1)
    with_unit[-1, -1] = 1.0  # and to one that is not, a thousand times as loudly

    def read(f):
        return metrics.probe(f[:200], targets[:200], f[200:], targets[200:], strength=1.0)[0]

    assert read(features) > 0.99
    assert read(with_unit) > 0.9
