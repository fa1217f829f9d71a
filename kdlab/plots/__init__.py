"""Figures: one message each, readable in grey, with an alternative text that states the finding.

A figure stands for what was measured, so it carries what that may be wrong by: an interval, or a band over
seeds. Differences of percentages are in points, and stand beside the scores that they are differences of.
"""

from kdlab.plots.canvas import COLOURS, DASHES, HATCHES, MARKERS, STYLE, ZERO, axes, label, png, show
from kdlab.plots.claims import Row, draw_forest, forest, in_words, summary
from kdlab.plots.curves import bars, lines, measures, tradeoff
from kdlab.plots.differences import intervals, panels
from kdlab.plots.likely_words import likely_words
from kdlab.plots.pictures import draw_matrix, images, matrix, soft_labels

__all__ = [
    "COLOURS",
    "DASHES",
    "HATCHES",
    "MARKERS",
    "STYLE",
    "ZERO",
    "Row",
    "axes",
    "bars",
    "draw_forest",
    "draw_matrix",
    "forest",
    "images",
    "in_words",
    "intervals",
    "label",
    "likely_words",
    "lines",
    "matrix",
    "measures",
    "panels",
    "png",
    "show",
    "soft_labels",
    "summary",
    "tradeoff",
]
