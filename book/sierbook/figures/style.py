"""The style and the colours that all figures share."""

from __future__ import annotations

import seaborn as sns
from matplotlib.colors import LinearSegmentedColormap

#: One colour for each class, told apart in the common kinds of colour blindness (Okabe and Ito).
COLOURS = {"anger": "#D55E00", "happy": "#E69F00", "hate": "#CC79A7", "sad": "#0072B2"}

#: From least (blue) to most important (yellow), as Fig. 4's waveforms.
LEAST_TO_MOST = LinearSegmentedColormap.from_list(
    "least_to_most", ["#1f4fa3", "#6f7fb0", "#c9b458", "#ffd000"]
)


def use_style() -> None:
    """Set the style of every figure of the book."""
    sns.set_theme(
        context="notebook",
        style="whitegrid",
        rc={
            "figure.dpi": 110,
            "savefig.bbox": "tight",
            "axes.titlesize": "medium",
            "axes.titleweight": "bold",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "grid.alpha": 0.5,
            "image.interpolation": "nearest",
        },
    )
