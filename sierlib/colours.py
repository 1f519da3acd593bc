"""One visual language for figures, diagrams and the explorer: what a colour stands for.

Blue against orange can be told apart with every common colour blindness.
"""

from __future__ import annotations

from matplotlib.colors import LinearSegmentedColormap

#: What speaks for a class, and what speaks against it.
FOR, AGAINST = "#eb6e0a", "#2676e8"

#: From against (blue) over nothing (white) to for (orange).
DIVERGING = LinearSegmentedColormap.from_list("against_for", [AGAINST, "#ffffff", FOR])

#: What was planted: a dashed frame in a picture, a band over time, a diamond among other marks.
PLANTED = "#00875f"

#: The two modalities, and both together.
SPEECH, IMAGE, BOTH = "#0b6e8a", "#a3461f", "#5b4a8a"
