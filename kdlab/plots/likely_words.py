"""Which words are likely at each place of a sentence."""

import matplotlib.pyplot as plt

from kdlab.plots import canvas

SHOWN = 0.005  # a share that is written as 0 % is left out
STEPS = 129  # of the colour, as many as are not seen


def likely_words(shares, words, *, top=3, alt, title=None):
    """A row a place, and in it the likeliest words with their shares: the darker, the likelier.

    Parameters
    ----------
    shares : Tensor of shape (T, C)
        How likely each word is at each place.
    words : sequence of str
        The C words.
    top : int
        How many words of a place to show, likeliest first.
    alt, title : str
    """
    values, places = shares.topk(top, dim=1)
    figure, axis = canvas.axes(width=1.7 * top, height=0.24 * len(shares) + 0.7)
    colours = plt.get_cmap("Blues", STEPS)
    axis.imshow(values.numpy(), cmap=colours, vmin=0, vmax=1.2, aspect="auto", interpolation="nearest")
    for (row, column), share in zip(
        ((r, c) for r in range(len(values)) for c in range(top)), values.flatten()
    ):
        if share >= SHOWN:
            colour = "white" if share > 0.75 else "black"
            said = f"{words[places[row, column]]}  {100 * share:.0f} %"
            axis.text(column, row, said, ha="center", va="center", color=colour, fontsize=9)
    names = ["likeliest", "second", "third", "fourth", "fifth"][:top]
    axis.set_xticks(range(top), names)
    axis.set_yticks(range(len(values)), range(1, len(values) + 1), fontsize=8)
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    canvas.label(axis, "", "place", title=title, legend=False)
    canvas.show(figure, alt)
