"""Figures come with the words for who cannot see them; the pad sees what the data shows."""

import matplotlib

matplotlib.use("Agg")

import pytest
import torch

from kdlab import data, plots, widgets
from kdlab.models import TinyCNN
from kdlab.study import Result
from kdlab.teachers import load_teacher


@pytest.fixture
def shown(monkeypatch):
    """Alternative texts of the figures shown; each figure is drawn, so that layout errors surface."""
    texts = []

    def show(figure, alt):
        figure.canvas.draw()
        texts.append(alt)

    monkeypatch.setattr(plots, "show", show)
    return texts


def test_interval_plot_says_the_verdicts(shown):
    plots.intervals(
        Result("base", {"base": [1.0, 2.0, 3.0], "up": [3.0, 4.1, 5.0], "alike": [1.1, 2.0, 2.9]})
    )
    assert "up: helps (+2.0" in shown[0] and "alike: same, within 1.0" in shown[0]


def test_interval_plot_of_one_seed(shown):
    plots.intervals(Result("base", {"base": [1.0], "arm": [3.0]}))
    assert "arm: open" in shown[0]


def test_panels_say_the_verdicts_of_each_study(shown):
    one = Result("base", {"base": [1.0, 2.0, 3.0], "an arm": [3.0, 4.1, 5.0]})
    plots.panels({"first": one, "second": one.against("an arm")}, xlabel="arms")
    assert "first: an arm helps; second: base hurts" in shown[0]


def test_soft_labels_says_the_two_likeliest(shown):
    plots.soft_labels(torch.rand(1, 1, 8, 8), torch.tensor([[0.1, 0.7, 0.2]]), titles=["a"])
    assert "1 with 70%, then 2 with 20%" in shown[0]


def test_the_other_figures_draw(shown):
    plots.images(torch.rand(12, 1, 8, 8), range(12))
    plots.bars("abc", {"x": [1, 2, 3], "y": [3, 2, 1]}, xlabel="x", ylabel="y", alt="bars")
    plots.lines(
        [1, 10, 100], {"x": [1, 2, 3], "y": [3, 2, 1]}, xlabel="x", ylabel="y", alt="lines", log="both"
    )
    assert len(shown) == 3 and "12 handwritten digits: 0, 1, " in shown[0]


def test_costs_against_accuracy(shown):
    points = {"teacher": (4.0, 90.0, 1300), "student": (0.5, 70.0, 99), "another": (0.5, 72.0, 37)}
    plots.tradeoff(points, xlabel="ms", ylabel="accuracy, %", alt="the students are faster")
    assert shown == ["the students are faster"]


def test_a_figure_without_words_is_refused():
    figure, _ = plots.axes()
    with pytest.raises(ValueError, match="alternative text"):
        plots.show(figure, " ")


def drawings(strokes, top, left):
    """What the pad makes of strokes (N, 20, 20) that are drawn there."""
    ink = torch.zeros(len(strokes), 32, 32)
    ink[:, top : top + 20, left : left + 20] = strokes
    return torch.cat([widgets.as_digit(i.flatten().tolist()) for i in ink])


def test_what_is_drawn_is_shown_like_the_data():
    """Test digits as strokes of full ink, small and off centre, look like themselves."""
    images = data.digits(seed=0).test.images
    strokes = (torch.nn.functional.interpolate(images, size=(20, 20), mode="area")[:, 0] > 0.5).float()
    drawn, elsewhere = (drawings(strokes, *place) for place in ((3, 8), (11, 0)))
    assert drawn.shape == images.shape and torch.equal(drawn, elsewhere)
    alike = [torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1] for a, b in zip(drawn, images)]
    assert sum(alike) / len(alike) > 0.85


def test_an_empty_pad_is_no_digit():
    assert widgets.as_digit([0.0] * 1024) is None


def test_the_pad_answers_each_stroke_with_every_model():
    box = widgets.draw({"teacher": load_teacher("digits-small"), "student": TinyCNN(4)})
    pad, said = box.children
    pad.ink = [1.0 if 12 <= i % 32 < 18 and 4 <= i // 32 < 28 else 0.0 for i in range(1024)]
    assert "teacher" in said.value and "student" in said.value and "%" in said.value
    pad.ink = [0.0] * 1024
    assert said.value == "Draw a digit."
