"""The figure of how the building of a data set grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from sierbook.figures import style


def growth(builds: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw seconds and megabytes over items, both on logarithmic axes; builds by size."""
    items = [each["items"] for each in builds]
    figure, axes = plt.subplots(1, 2, figsize=(style.WIDTH, 2.6))
    for axis, name, unit in zip(
        axes, ("seconds", "memory_mb"), ("seconds", "memory, MB"), strict=True
    ):
        axis.plot(items, [each[name] for each in builds], marker="o", color=style.MEASURED)
        axis.set(xscale="log", yscale="log", xlabel="items", title=unit)
        axis.yaxis.set_minor_formatter(NullFormatter())
    axes[1].set_ylim(100, 10_000)
    return figure
