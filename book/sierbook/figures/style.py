"""The style, the size and the colours that all figures share."""

from __future__ import annotations

import textwrap

import seaborn as sns
from matplotlib.axis import Axis
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from sierlib import colours
from sierlib.experiment.models import HALVES, NETWORKS

#: Inches across of every figure: as wide as the text of a page, which is 672 pixels of 1/96 inch.
WIDTH = 7.0

#: Points of the smallest text: 11 pixels on a page. Figures set no other sizes.
SMALL = 8.5

#: One colour for each class, told apart in the common kinds of colour blindness (Okabe and Ito).
COLOURS = {"anger": "#D55E00", "happy": "#E69F00", "hate": "#CC79A7", "sad": "#0072B2"}

#: ParallelNet and the networks that have one modality, by title, as in the diagrams.
NETWORK_COLOURS = {
    NETWORKS[HALVES["fused"]].title: colours.BOTH,
    NETWORKS[HALVES["speech"]].title: colours.SPEECH,
    NETWORKS[HALVES["image"]].title: colours.IMAGE,
}

#: One thing measured, and what it is compared with.
MEASURED, COMPARED = "#27476e", "#9aa3ad"

#: From less to more.
SEQUENTIAL = LinearSegmentedColormap.from_list("less_to_more", ["#ffffff", MEASURED])

#: From least (blue) to most important (yellow), as Fig. 4's waveforms.
LEAST_TO_MOST = LinearSegmentedColormap.from_list(
    "least_to_most", ["#1f4fa3", "#6f7fb0", "#c9b458", "#ffd000"]
)


def use_style() -> None:
    """Set the style of every figure of the book."""
    sns.set_theme(
        context="paper",
        style="whitegrid",
        rc={
            "figure.dpi": 192,  # two for each pixel of the page
            "figure.constrained_layout.use": True,
            "savefig.bbox": "tight",
            "savefig.pad_inches": 0.06,
            "font.size": SMALL + 1,
            "axes.labelsize": SMALL + 0.5,
            "axes.titlesize": SMALL + 0.5,
            "axes.titleweight": "bold",
            "xtick.labelsize": SMALL,
            "ytick.labelsize": SMALL,
            "legend.fontsize": SMALL,
            "legend.title_fontsize": SMALL,
            "figure.titlesize": SMALL + 1.5,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "grid.alpha": 0.5,
            "image.interpolation": "nearest",
        },
    )


def show_percent(axis: Axis) -> None:
    """Write shares at the ticks of an axis in per cent, as they are and not rounded."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}%"))


def show_points(axis: Axis) -> None:
    """Write differences of shares at the ticks of an axis in points, with their sign."""

    def write(value: float, _: int) -> str:
        points = round(100 * value, 6)
        return f"{points:+.4g}".replace("-", "−") if points else "0"

    axis.set_major_formatter(FuncFormatter(write))


def wrap(title: str, inches: float) -> str:
    """Break a title into lines that fit above a panel of that width."""
    return "\n".join(textwrap.wrap(title, max(8, int(12 * inches))))


def put_legend_below(figure: Figure, handles: list, labels: list[str], columns: int = 4) -> None:
    """Give a figure one legend for all its panels, below them; each name stands there once."""
    known = dict(zip(labels, handles, strict=True))
    figure.legend(known.values(), known, loc="outside lower center", ncol=columns, frameon=False)
