"""The figures of notebook 09."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from sierbook import privacy
from sierbook.faithfulness.rivals import Sample
from sierbook.figures import style
from sierlib import colours
from sierlib.shapley.explain import Explanation
from sierlib.shapley.interactions import Interactions

#: What a share of interaction is of, and how it is marked.
_MARKERS = {"share": "o", "share of log-odds": "s"}
_OFFSETS = {"share": -0.12, "share of log-odds": 0.12}
_TITLES = {"share": "of the probability", "share of log-odds": "of the log-odds"}


def shares(table: pd.DataFrame) -> Figure:
    """Draw shares of interaction with their intervals, a row for each network and relation.

    Parameters
    ----------
    table
        By name, `share` and `share of log-odds`, estimates or None.
    """
    figure, axis = plt.subplots(figsize=(style.WIDTH, 0.6 + 0.34 * len(table)))
    palette = dict(zip(_MARKERS, (style.MEASURED, style.COMPARED), strict=True))
    for column, marker in _MARKERS.items():
        for place, found in enumerate(table[column]):
            if isinstance(found, dict):
                at = place + _OFFSETS[column]
                spread = [[found["value"] - found["low"]], [found["high"] - found["value"]]]
                axis.errorbar(
                    found["value"], at, xerr=spread, fmt=marker, color=palette[column], capsize=3
                )
        axis.plot([], [], marker, color=palette[column], label=_TITLES[column])
    axis.set(xlim=(-0.02, 1.02), ylim=(len(table) - 0.5, -0.5), xlabel="share of interaction")
    axis.set(yticks=range(len(table)), yticklabels=table.index)
    style.put_legend_below(figure, *axis.get_legend_handles_labels())
    return figure


def pairs(
    sample: Sample, found: Interactions, words: Sequence[Any], carrying: Sequence[int], boxes: Any
) -> Figure:
    """Draw what words and regions add to each other, and where the strongest word gains.

    Parameters
    ----------
    carrying, boxes
        What was planted: numbers of words, and (left, top, right, bottom) in pixels.
    """
    table = found.values.reshape(len(words), -1)
    most = float(np.abs(table).max()) or 1.0
    strongest = int(np.abs(table).max(axis=1).argmax())
    shown = {"cmap": colours.DIVERGING, "vmin": -most, "vmax": most}
    figure, axes = plt.subplots(
        1, 2, figsize=(style.WIDTH, 0.9 + 0.25 * max(8, len(words))), width_ratios=(3, 2)
    )
    drawn = axes[0].imshow(table, aspect="auto", **shown)
    axes[0].set(yticks=range(len(words)), yticklabels=[word.text for word in words])
    rows, columns = found.values.shape[1:]
    starts = columns * np.arange(rows)
    axes[0].set(xticks=starts, xticklabels=[f"row {row + 1}" for row in range(rows)])
    axes[0].set(title="word with region")
    axes[0].grid(visible=False)
    height, width = sample.image.shape[:2]
    axes[1].imshow(privacy.show_picture(sample.image, sample.photograph))
    for number in carrying:
        axes[0].get_yticklabels()[number].set(color=colours.PLANTED, weight="bold")
    for left, top, right, bottom in boxes:
        corner, sides = (left, top), (right - left, bottom - top)
        axes[1].add_patch(
            Rectangle(corner, *sides, fill=False, lw=2, ls="--", color=colours.PLANTED)
        )
    axes[1].imshow(found.values[strongest], extent=(0, width, height, 0), alpha=0.55, **shown)
    axes[1].set(
        title=style.wrap(f"what “{words[strongest].text}” gains", 2.4), xticks=[], yticks=[]
    )
    figure.colorbar(drawn, ax=axes, shrink=0.8, label="interaction")
    return figure


def words_and_picture(words: Sequence[str], found: Explanation, picture: np.ndarray) -> Figure:
    """Draw the values of words as bars, and those of a picture's regions over it."""
    values, regions = found.maps["words"], found.maps["picture"]
    figure, axes = plt.subplots(1, 2, figsize=(style.WIDTH, 2.6), width_ratios=(3, 2))
    named = [word or "(end)" for word in words]
    sides = [colours.FOR if value > 0 else colours.AGAINST for value in values]
    axes[0].barh(range(len(named)), values, color=sides)
    axes[0].set(yticks=range(len(named)), yticklabels=named, xlabel="value")
    axes[0].invert_yaxis()
    most = float(np.abs(regions).max()) or 1.0
    axes[1].imshow(picture)
    axes[1].imshow(regions, alpha=0.6, cmap=colours.DIVERGING, vmin=-most, vmax=most)
    axes[1].set(xticks=[], yticks=[])
    axes[1].grid(visible=False)
    return figure


def estimators(table: pd.DataFrame) -> Figure:
    """Draw real errors (lines) and stated ones (dotted) over budgets, a panel for each game."""
    games = list(dict.fromkeys(table["game"]))
    names = list(dict.fromkeys(table["estimator"]))
    palette = dict(zip(names, sns.color_palette("colorblind", len(names)), strict=True))
    figure, axes = plt.subplots(
        1, len(games), figsize=(style.WIDTH, 3.2), sharex=True, sharey=True, squeeze=False
    )
    for axis, game in zip(axes[0], games, strict=True):
        for name in names:
            rows = table[(table["game"] == game) & (table["estimator"] == name)]
            label = f"{name} ({rows['target'].iloc[0]})"
            axis.plot(rows["budget"], rows["error"], marker="o", color=palette[name], label=label)
            axis.plot(rows["budget"], rows["stated"], ls=":", marker="x", color=palette[name])
        axis.set(title=game, xlabel="evaluations")
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter("{x:.0f}")
        axis.set_yscale("symlog", linthresh=1e-3)
        axis.set_ylim(0, None)
    axes[0][0].set_ylabel("mean error, of the largest value")
    handles, labels = axes[0][0].get_legend_handles_labels()
    style.put_legend_below(figure, handles, labels, columns=2)
    return figure
