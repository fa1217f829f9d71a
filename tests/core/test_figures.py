"""Figures are sharp, small and come with words; the pad sees what the data shows."""

import base64
import io
from dataclasses import replace

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest
import torch
from PIL import Image

from kdlab import data, plots, widgets
from kdlab.estimates import Estimate
from kdlab.models import TinyCNN
from kdlab.plots import canvas
from kdlab.study import Result
from kdlab.teachers import load_teacher


class Shown(list):
    """Alternative texts, and the figures as drawn."""

    def __init__(self):
        super().__init__()
        self.figures = []

    @property
    def texts(self):
        """What is written in the last figure, line by line."""
        found = self.figures[-1].findobj(matplotlib.text.Text)
        return [line for text in found for line in text.get_text().split("\n") if line]


@pytest.fixture
def shown(monkeypatch):
    """The figures shown; each is drawn, so that layout errors surface."""
    shown = Shown()

    def show(figure, alt):
        figure.canvas.draw()
        shown.append(alt)
        shown.figures.append(figure)

    monkeypatch.setattr(canvas, "show", show)
    yield shown
    matplotlib.pyplot.close("all")


def overlapping(figure):
    """Pairs of texts that are drawn over one another."""
    texts = [t for t in figure.findobj(matplotlib.text.Text) if t.get_text().strip() and t.get_visible()]
    boxes = [(t.get_text(), t.get_window_extent().padded(-2)) for t in texts]
    return [(a, b) for i, (a, one) in enumerate(boxes) for b, other in boxes[:i] if one.overlaps(other)]


def displayed(monkeypatch, figure, alt):
    """What a notebook is handed: data and metadata."""
    handed = []
    monkeypatch.setattr("IPython.get_ipython", lambda: object())
    monkeypatch.setattr("IPython.display.display", lambda data, **options: handed.append((data, options)))
    plots.show(figure, alt)
    ((data, options),) = handed
    assert options["raw"]
    return data, options["metadata"]["image/png"]


def test_a_figure_is_sharp_small_and_keeps_its_size_on_the_page(monkeypatch):
    figure, axis = plots.axes(width=4, height=3)
    axis.plot([1, 2, 3])
    once, said = io.BytesIO(), repr(figure)
    figure.savefig(once, format="png", dpi=figure.dpi, bbox_inches="tight")
    wide, high = Image.open(once).size
    data, metadata = displayed(monkeypatch, figure, "a line that rises")
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert picture.mode == "P"
    assert all(abs(a - 2 * metadata[b]) <= 1 for a, b in zip(picture.size, ("width", "height")))
    assert metadata["alt"] == "a line that rises"
    assert abs(metadata["width"] - wide) <= 2 and abs(metadata["height"] - high) <= 2
    assert data["text/plain"] == said and "\n" not in data["image/png"]
    assert not matplotlib.pyplot.fignum_exists(figure.number)


def test_a_palette_keeps_white_and_the_steps_of_a_colour_bar():
    values = np.random.default_rng(0).normal(size=(10, 10))
    figure = plots.draw_matrix(values, range(10), range(10), label="gain")
    stored, *_ = plots.png(figure)
    picture = Image.open(io.BytesIO(stored)).convert("RGB")
    assert picture.getpixel((0, 0)) == (255, 255, 255)
    column = np.asarray(picture)[:, int(0.81 * picture.width)]
    bars = (
        np.unique(np.asarray(picture)[:, x], axis=0) for x in range(picture.width * 3 // 4, picture.width)
    )
    assert max(map(len, bars)) > 100 and len(column)


def test_photos_have_a_palette_too():
    figure, axis = plots.axes(width=4)
    axis.imshow(np.random.default_rng(0).random((300, 400, 3)))
    assert Image.open(io.BytesIO(plots.png(figure)[0])).mode == "P"


def test_a_figure_of_letters_may_take_fewer_pixels_and_colours_and_is_shown_as_large():
    figure, axis = plots.axes()
    axis.plot([0, 1], [1, 0])
    (_, *whole), (stored, *size) = plots.png(figure), plots.png(figure, sharp=1, colours=16)
    picture = Image.open(io.BytesIO(stored))
    assert len(picture.getcolors()) <= 16 and picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    assert picture.size == tuple(size) and all(abs(a - b) <= 1 for a, b in zip(size, whole))
    plots.canvas.plt.close(figure)


def test_outside_a_notebook_matplotlib_shows_the_figure(monkeypatch):
    asked = []
    monkeypatch.setattr(canvas.plt, "show", lambda: asked.append(True))
    plots.show(plots.axes()[0], "an empty pair of axes")
    assert asked


STUDY = Result("base", {"base": [71.0, 72.0, 73.0], "up": [73.0, 74.1, 75.0], "alike": [71.1, 72.0, 72.9]})


def test_interval_plot_says_the_verdicts_and_the_levels(shown):
    plots.intervals(STUDY)
    assert "up: helps (+2.0" in shown[0] and "alike: same, within 1.0" in shown[0]
    assert {"accuracy: points above base (72.0 %)", "shaded: within the margin of 1 point"} <= {*shown.texts}
    assert {"mean", "74.0 %", "helps", "same"} <= {*shown.texts} and not overlapping(shown.figures[0])


def test_long_names_and_words_have_room(shown):
    long = "angles of an untrained teacher whose rows are shuffled"
    scores = {**STUDY.scores, long: [60.0, 61.0, 65.0]}
    plots.intervals(Result("base", scores, words={long: ("more than the sum", "less than the sum")}))
    figure = shown.figures[0]
    assert " ".join(shown.texts).count("less than the sum") == 1 and not overlapping(figure)
    assert figure.get_tightbbox().width <= 8 and long in " ".join(shown.texts)


def test_effects_have_no_level(shown):
    plots.intervals(Result("no effect", {"no effect": [0.0] * 3, "hints": [1.0, 2.0, 3.0]}))
    assert "mean" not in shown.texts and "accuracy: points above no effect" in shown.texts


def test_a_baseline_that_truly_reaches_nothing_has_a_level(shown):
    plots.intervals(Result("references", {"references": [0.0] * 3, "answers": [91.0, 92.0, 93.0]}))
    assert {"mean", "92.0 %", "accuracy: points above references (0.0 %)"} <= {*shown.texts}


def test_interval_plot_of_one_seed_and_of_a_metric_where_lower_is_better(shown):
    plots.intervals(Result("base", {"base": [1.0], "arm": [3.0]}))
    assert "arm: open" in shown[0]
    plots.intervals(Result("a", {"a": [3.0], "b": [2.0]}, "time, ms", higher_is_better=False, margin=0.5))
    assert "time: ms above a (3.0 ms); left is better" in shown.texts


def test_two_measures_of_the_same_students(shown):
    other = Result("base", STUDY.scores, "time, ms", margin=1)
    plots.measures(STUDY, other, alt="three arms", beside={"base": "left"})
    assert {*STUDY.scores, "time, ms"} <= {*shown.texts} and not overlapping(shown.figures[0])
    bits = Result("a", {"a": [2.0, 2.2], "b": [3.0, 3.1]}, "length, bits", higher_is_better=False, margin=0.1)
    plots.measures(
        bits, replace(bits, metric="size, kB"), alt="two arms", beside={"a": "above", "b": "below"}
    )
    assert {"a", "b", "length, bits", "size, kB"} <= {*shown.texts} and "two arms" in shown[1]


def test_arms_that_differ_in_numbers_stand_in_their_order(shown):
    scores = {name: [70.0, 71.0, 73.0] for name in ("none", "1,500 steps", "300 steps", "100 steps")}
    plots.intervals(Result("none", scores))
    labels = [label.get_text() for label in shown.figures[0].axes[0].get_yticklabels()]
    assert labels == ["100 steps", "300 steps", "1,500 steps"]
    plots.intervals(STUDY)
    assert [t.get_text() for t in shown.figures[1].axes[0].get_yticklabels()] == ["up", "alike"]


def test_panels_say_the_verdicts_of_each_study(shown):
    one = Result("base", {"base": [1.0, 2.0, 3.0], "an arm": [3.0, 4.1, 5.0]})
    plots.panels({"first": one, "second": one.against("an arm")}, xlabel="arms")
    assert "first: an arm helps; second: base hurts" in shown[0]
    assert {"base, 2.0 %", "4.0 %", "shaded: within the margin of 1 point"} <= {*shown.texts}
    assert "points above the baseline" in shown.texts and not overlapping(shown.figures[0])


def test_soft_labels_says_the_two_likeliest(shown):
    plots.soft_labels(torch.rand(1, 1, 8, 8), torch.tensor([[0.1, 0.7, 0.2]]), titles=["a"])
    assert "1 with 70%, then 2 with 20%" in shown[0]


def test_soft_labels_marks_and_says_the_label(shown):
    plots.soft_labels(torch.rand(1, 1, 8, 8), torch.tensor([[0.1, 0.7, 0.2]]), labels=torch.tensor([2]))
    assert "label 2: 1 with 70%" in shown[0]
    (mark,) = shown.figures[0].axes[1].lines
    assert mark.get_xdata()[0] == 2 and mark.get_ydata()[0] > 0.2


def test_the_other_figures_draw(shown):
    plots.images(torch.rand(12, 1, 8, 8), range(12))
    plots.bars("abc", {"x": [1, 2, 3], "y": [3, 2, 1]}, xlabel="x", ylabel="y", alt="bars")
    plots.lines(
        [1, 10, 100], {"x": [1, 2, 3], "y": [3, 2, 1]}, xlabel="x", ylabel="y", alt="lines", log="both"
    )
    assert len(shown) == 3 and "12 handwritten digits: 0, 1, " in shown[0]


SEEDS = np.array([[1.0, 5.0], [2.0, 5.5], [3.0, 9.0]])  # three seeds, two points


@pytest.mark.parametrize("array", [list, np.asarray, torch.tensor])
def test_curves_over_seeds_have_the_band_of_their_mean(shown, array):
    plots.lines([1, 2], {"seeds": array(SEEDS), "plain": [1, 2]}, xlabel="x", ylabel="y", alt="lines")
    axis = shown.figures[0].axes[0]
    (band,) = axis.collections
    _, low, high = plots.curves.mean_interval(SEEDS[:, 0])
    assert {low, high} <= {*band.get_paths()[0].vertices[:, 1]}
    assert [*axis.lines[0].get_ydata()] == [2.0, 6.5] and [*axis.lines[1].get_ydata()] == [1, 2]


def test_one_seed_has_no_band_to_show(shown):
    plots.lines([1, 2], {"one": SEEDS[:1]}, xlabel="x", ylabel="y", alt="lines")
    assert [*shown.figures[0].axes[0].lines[0].get_ydata()] == [1.0, 5.0]


def test_bars_over_seeds_have_intervals(shown):
    plots.bars("ab", {"seeds": SEEDS.T, "plain": [1, 2]}, xlabel="x", ylabel="y", alt="bars")
    axis = shown.figures[0].axes[0]
    assert [bar.get_height() for bar in axis.patches] == [2.0, 6.5, 1.0, 2.0]
    segments = [line for lines in axis.collections for line in lines.get_segments()]
    lengths = [float(np.ptp(segment[:, 1])) for segment in segments]
    assert [length > 0 for length in lengths] == [True, True, False, False]


def heat(figure):
    """The image of a matrix and the figure's colour bars."""
    images = [image for axis in figure.axes for image in axis.images]
    return images, [axis for axis in figure.axes if axis.get_label() == "<colorbar>"]


def test_a_signed_matrix_has_limits_alike_and_white_between(shown):
    plots.matrix([[-1.0, 3.0], [0.0, float("nan")]], label="points", alt="a matrix")
    (image,), (bar,) = heat(shown.figures[0])
    assert image.get_clim() == (-3.0, 3.0) and image.cmap(0.5)[:3] == (1.0, 1.0, 1.0)
    assert bar.get_ylabel() == "points" and shown == ["a matrix"]


def test_other_matrices_begin_at_their_lowest_and_share_one_bar(shown):
    both = {"one": torch.tensor([[1.0, 2.0]]), "two": [[3.0, 5.0]]}
    plots.matrix(both, ["row"], ["a", "b"], label="distance", xlabel="x", ylabel="y", alt="two matrices")
    images, bars = heat(shown.figures[0])
    assert [image.get_clim() for image in images] == [(1.0, 5.0)] * 2 and len(bars) == 1
    assert {"one", "two", "row", "a", "b", "5.0", "distance"} <= {*shown.texts}
    assert not overlapping(shown.figures[0])


def test_many_cells_have_no_numbers_and_long_names_are_turned(shown):
    names = [f"class number {i}" for i in range(20)]
    plots.matrix(np.eye(20), names, names, label="share", limits=(0, 2), alt="a matrix")
    (image,), _ = heat(shown.figures[0])
    assert image.get_clim() == (0, 2) and not image.axes.texts
    assert image.axes.get_xticklabels()[0].get_rotation() == 90 and not overlapping(shown.figures[0])


def about(mean, se=0.2, *, margin=1.0, unit="points", **more):
    """An estimate from eight pairs."""
    return Estimate(mean, se, 7, 8, margin, unit, **more)


CLAIMS = {
    "soft labels help": about(3.0),
    "... and so does a claim that is so long that it will not fit into a line of its column": about(-3.0),
    "hints help": about(0.1),
    "... here, too": about(0.5, 1.0),
    "it makes no difference": (about(0.1), "same"),
}


def marks(figure):
    """By the depth of its row, the markers and ends of what is drawn."""
    found = {}
    for line in figure.axes[0].lines[1:]:
        (depth,) = {*line.get_ydata()}
        found.setdefault(depth, []).append((line.get_marker(), [*line.get_xdata()]))
    return [found[depth] for depth in sorted(found)]


def test_a_forest_has_a_row_a_claim_with_interval_numbers_and_answer(shown):
    plots.forest(CLAIMS, title="What held")
    figure, answers = shown.figures[0], ["held", "refuted", "same", "open", "held"]
    assert [text for text in shown.texts if text in plots.claims.LOOKS] == answers
    assert "difference, points (right: better)" in shown.texts and "+3.0 (+2.5 to +3.5)" in shown.texts
    assert "soft labels help: held, +3.0 points (+2.5 to +3.5). ..." in shown[0]
    assert shown[0].count("points (") == 5 and not overlapping(figure)
    assert [row[-1][0] for row in marks(figure)] == ["o", "s", "D", "o", "o"]
    low, high = CLAIMS["soft labels help"].interval()
    assert marks(figure)[0][0] == ("", [low, high])


def test_the_band_of_a_forest_is_the_margin_or_one_of_each(shown):
    plots.forest(CLAIMS)
    plots.forest({**CLAIMS, "int8 is faster": about(-2.0, 0.1, margin=0.5, unit="ms", gain=-1)})
    bands = [figure.axes[0].patches[0].get_extents().width for figure in shown.figures]
    assert bands[0] > 0
    assert {"difference in margins (right: better)", "sign turned where lower is better"} <= {*shown.texts}
    assert "-2.0 ms (-2.2 to -1.8)" in shown.texts
    *_, (mark, place) = marks(shown.figures[1])[-1]
    assert (mark, place) == ("o", [4.0])


def test_what_is_far_out_is_cut_with_an_arrow(shown):
    alone = Estimate(0.2, float("inf"), 0, 1, 1.0, "points")
    plots.forest({**CLAIMS, "far out": about(90.0), "wide": about(0.0, 60.0), "one pair": alone})
    left, right = shown.figures[0].axes[0].get_xlim()
    assert -20 < left < right < 20
    *_, far, wide, one = [[mark for mark, _ in row] for row in marks(shown.figures[0])]
    assert far == ["", ">"] and wide == ["", "<", ">", "o"] and one == ["", "<", ">", "o"]
    assert all(left <= x <= right for row in marks(shown.figures[0]) for _, ends in row for x in ends)
    assert "+90.0 (+89.5 to +90.5)" in shown.texts


def test_a_forest_grows_with_its_claims(shown):
    plots.forest({f"claim {i}": about(i / 10) for i in range(60)})
    plots.forest({"one": about(0.3)})
    many, one = (figure.get_size_inches()[1] for figure in shown.figures)
    assert one < 2.5 and 60 * 0.2 < many < 60 * 0.4
    assert not any(overlapping(figure) for figure in shown.figures)
    with pytest.raises(ValueError, match="at least one claim, got none"):
        plots.forest({})


def test_costs_against_accuracy(shown):
    points = {"teacher": (4.0, 90.0, 1300), "student": (0.5, [69.0, 71.0], 99), "another": (0.5, 72.0, 37)}
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
