"""What all figures share: their style, and how one is shown, sharp and with words."""

import base64
import io

import matplotlib.pyplot as plt
import numpy as np

# Okabe and Ito's palette is told apart by colour-blind readers; markers and dashes serve in grey.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
MARKERS = ["o", "s", "^", "D", "v", "P"]
HATCHES = ["", "//", "..", "xx"]
DASHES = ["-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (1, 1))]
ZERO = {"color": "0.4", "linewidth": 1}  # the line of no difference
BAND = {"color": "0.91", "linewidth": 0, "zorder": 0}  # differences within the margin
STYLE = {
    "axes.prop_cycle": plt.cycler(color=COLOURS, marker=MARKERS, linestyle=DASHES),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "figure.dpi": 90,
    "savefig.bbox": "tight",
    "font.size": 10,
    "legend.frameon": False,
}
SHARP = 2  # pixels stored for each that the figure takes on the page
COMMON = 5 / 8  # of the colours, those kept as they are: lines, letters and all that a matrix is coloured by
PHOTO = 2**15  # colours, above which a figure holds photos
PACKED = np.float32([1 << 16, 1 << 8, 1])  # by which a colour becomes one number


def png(figure, *, sharp=SHARP, colours=256):
    """A figure as PNG, sharp on dense screens and in print: its bytes, and width and height to show it at.

    It has twice the pixels in each direction. A palette of 256 colours makes up for that in bytes; a long
    figure of letters and lines takes fewer of both.
    """
    from PIL import Image

    drawn, stored = io.BytesIO(), io.BytesIO()
    figure.savefig(
        drawn, format="png", dpi=sharp * figure.dpi, bbox_inches="tight", facecolor="white",
        pil_kwargs={"compress_level": 1},
    )  # fmt: skip
    picture = _with_palette(Image.open(drawn).convert("RGB"), colours)
    picture.save(stored, "png", optimize=True)
    return stored.getvalue(), *(round(side / sharp) for side in picture.size)


def _with_palette(picture, colours=256):
    """An RGB picture in so many colours: its most common ones, and others that cover the rest of its pixels.

    Without the first, the steps of a colour bar are seen, as letters on coloured cells have colours by the
    thousand. Photos are left to Pillow.
    """
    from PIL import Image

    counted = picture.getcolors(PHOTO)
    if counted is None:
        return picture.quantize(colours, method=Image.Quantize.MEDIANCUT)
    kept = round(COMMON * colours)
    common = [colour for _, colour in sorted(counted, key=lambda pair: -pair[0])[:kept]]
    others = picture.quantize(colours - kept, method=Image.Quantize.MAXCOVERAGE).getpalette()
    palette = np.concatenate([np.float32(common), np.float32(others).reshape(-1, 3)])
    drawn = np.array(sorted(colour for _, colour in counted), dtype=np.float32)
    nearest = [_nearest(part, palette) for part in np.array_split(drawn, 16)]  # by parts, to save memory
    places = np.searchsorted(drawn @ PACKED, (np.asarray(picture) @ PACKED).ravel())
    picture = Image.fromarray(np.concatenate(nearest)[places].reshape(picture.size[::-1]), "P")
    picture.putpalette(palette.astype(np.uint8).tobytes())
    return picture


def _nearest(colours, palette):
    return ((palette**2).sum(1) - 2 * colours @ palette.T).argmin(1).astype(np.uint8)


def show(figure, alt, **stored_as):
    """Show a figure, and close it; its alternative text is the finding, and must not be empty.

    ``stored_as`` as for :func:`png`.
    """
    if not alt.strip():
        raise ValueError("a figure needs an alternative text that states its finding")
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is None:
        plt.show()
    else:
        stored, width, height = png(figure, **stored_as)
        data = {"image/png": base64.b64encode(stored).decode(), "text/plain": repr(figure)}
        display(data, raw=True, metadata={"image/png": {"width": width, "height": height, "alt": alt}})
    plt.close(figure)


def axes(rows=1, columns=1, *, width=7.0, height=3.0, **options):
    """A figure and its axes in the course's style; arguments as in ``plt.subplots``."""
    with plt.rc_context(STYLE):
        return plt.subplots(rows, columns, figsize=(width, height), layout="constrained", **options)


def label(axis, xlabel, ylabel, *, title=None, legend=True):
    """What stands around the only axes of a figure; gives its legend, which is beside it."""
    axis.set(xlabel=xlabel, ylabel=ylabel)
    axis.set_title(title or "", loc="left")
    return axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False) if legend else None
