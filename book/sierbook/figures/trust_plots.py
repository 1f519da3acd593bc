"""The figures of notebooks 07 and 08, in the style of `sierbook.figures.accuracy_plots`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from sierbook.faithfulness.measures import PARTS
from sierbook.faithfulness.rivals import CEILING, Maps, Sample
from sierbook.figures import style
from sierlib import settings
from sierlib.experiment import label_rule
from sierlib.explorer import listening
from sierlib.explorer.page import overlay

#: Ours in warm colours, the rivals in cool ones, what knows nothing of the network in grey.
METHOD_COLOURS = {
    "owen": "#D55E00",
    "sampled": "#E69F00",
    "published": "#CC79A7",
    "owen, blurred": "#8b3a00",
    "shap, each modality": "#0072B2",
    "occlusion": "#56B4E9",
    "gradient x input": "#009E73",
    "integrated gradients": "#7fb069",
    "integrated gradients, blurred": "#2f5d3a",
    "Grad-CAM": "#8c6bb1",
    "edges, no model": "#999999",
    "random": "#000000",
    CEILING: "#00aa88",
}


def side_by_side(
    sample: Sample, maps: dict[str, Maps], planted: dict[str, Any] | None = None, columns: int = 6
) -> Figure:
    """Draw one sample as every method explains it: over the picture, and over time; what was
    planted is marked.

    Maps are named by their method, behind which a colon may say more.
    """
    lines = -(-len(maps) // columns)
    figure, axes = plt.subplots(
        2 * lines, columns, figsize=(11, 3.6 * lines), height_ratios=[3, 2] * lines
    )
    seconds = (np.arange(sample.speech_frames) + 0.5) * listening.FRAME_SECONDS
    boxes = planted["image"]["boxes"] if planted else ()
    times = planted["speech"]["emotion_times"] if planted else ()
    for place, (name, found) in enumerate(maps.items()):
        line, column = divmod(place, columns)
        above, below = axes[2 * line, column], axes[2 * line + 1, column]
        # Single pixels would leave the rest of a map without colour.
        most = np.percentile(np.abs(found.image), 99.5)
        overlay(sample.image, found.image.clip(-most, most), above, boxes)
        above.set_title(name, fontsize=9)
        for start, end in times:
            below.axvspan(start, end, color=METHOD_COLOURS[CEILING], alpha=0.25, lw=0)
        values = listening.time_importance(found.speech)[: sample.speech_frames]
        colour = METHOD_COLOURS[name.partition(":")[0]]
        below.fill_between(seconds, values, step="mid", color=colour)
        below.set(yticks=[], xlabel="seconds" if line == lines - 1 else "")
    figure.tight_layout(h_pad=0.3)
    return figure


def scores(table: pd.DataFrame, measure: str, parts: Sequence[str] = settings.MODALITIES) -> Figure:
    """Draw a measure of every method with its interval, and chance as a dotted line.

    Parameters
    ----------
    table
        As `summarise_scores` gives it.
    """
    figure, axes = plt.subplots(
        1, len(parts), figsize=(4.6 * len(parts), 3.4), sharey=True, squeeze=False
    )
    for axis, part in zip(axes[0], parts, strict=True):
        chosen = table[(table["measure"] == measure) & (table["part"] == part)].set_index("method")
        for place, (method, row) in enumerate(chosen.iterrows()):
            spread = [[row["mean"] - row["low"]], [row["high"] - row["mean"]]]
            axis.errorbar(
                row["mean"],
                place,
                xerr=spread,
                fmt="o",
                color=METHOD_COLOURS[str(method)],
                capsize=3,
            )
        if chosen["chance"].notna().any():
            axis.axvline(chosen["chance"].mean(), color="black", lw=1, ls=":")
        n = chosen["n"].max() if len(chosen) else 0
        axis.set(xlabel=measure, title=f"{part}, n = {n}", ylim=(max(1, len(chosen)) - 0.5, -0.5))
        axis.set(yticks=range(len(chosen)), yticklabels=chosen.index)
    figure.tight_layout()
    return figure


def removal(table: pd.DataFrame) -> Figure:
    """Draw deletion and insertion curves, the mean over samples, for speech, image and both."""
    groups = table.groupby(["kind", "part", "method", "fraction"], sort=False)
    means = groups["score"].mean().reset_index()
    figure, axes = plt.subplots(2, len(PARTS), figsize=(11, 6), sharex=True, sharey=True)
    for row, kind in zip(axes, ("deletion", "insertion"), strict=True):
        for axis, part in zip(row, PARTS, strict=True):
            chosen = means[(means["kind"] == kind) & (means["part"] == part)]
            sns.lineplot(
                chosen,
                x="fraction",
                y="score",
                hue="method",
                palette=METHOD_COLOURS,
                ax=axis,
                legend=axis is axes[0, 0],
            )
            axis.set(
                title=f"{kind}, {part}",
                xlabel="share of the area",
                ylabel="score of the class",
                ylim=(0, 1),
            )
    _legend_below(figure, axes[0, 0])
    return figure


def random_weights(table: pd.DataFrame) -> Figure:
    """Draw how much of a map is left (rank correlation) when ever more blocks have lost their
    weights."""
    figure, axis = plt.subplots(figsize=(10, 4))
    # Side by side within a block, so that the intervals do not hide each other.
    sns.pointplot(
        table,
        x="block",
        y="value",
        hue="method",
        palette=METHOD_COLOURS,
        dodge=0.7,
        errorbar=("ci", 95),
        seed=0,
        ax=axis,
        linewidth=0.8,
        markersize=3.5,
        err_kws={"linewidth": 1},
    )
    axis.axhline(0, color="black", lw=0.8)
    axis.set(
        xlabel="blocks with random weights, from the output inwards",
        ylabel="rank correlation",
        ylim=(-1, 1.05),
    )
    _legend_below(figure, axis)
    return figure


def convergence(table: pd.DataFrame) -> Figure:
    """Draw the error of maps made on a budget, and what the methods state of it themselves; means
    over samples."""
    figure, axes = plt.subplots(1, 2, figsize=(9.6, 3.4), sharex=True)
    for axis, kind in zip(axes, ("largest", "mean"), strict=True):
        sns.lineplot(
            table,
            x="budget",
            y=kind,
            hue="method",
            palette=METHOD_COLOURS,
            errorbar=None,
            marker="o",
            ax=axis,
            legend="full",
        )
        axis.set(xlabel="evaluations allowed", ylabel=f"{kind} error of a region")
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter("{x:.0f}")
        axis.set_yscale("symlog", linthresh=1e-4)
    axes[0].get_legend().remove()
    for method, column in (("sampled", "standard error"), ("owen", "undivided")):
        stated = table.dropna(subset=column).groupby("budget")[column].mean()
        label = f"{method}: {column}, stated"
        axes[1].plot(
            stated.index, stated, color=METHOD_COLOURS[method], ls=":", marker="x", label=label
        )
    for axis in axes:
        axis.set_ylim(0, None)
    _legend_below(figure, axes[1])
    return figure


def modality_values(table: pd.DataFrame) -> Figure:
    """Draw speech's share of every test prediction and the interaction, by class, and by whether
    the teachers agree."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6))
    for axis, column in zip(axes, ("share", "interaction"), strict=True):
        sns.boxplot(
            table,
            x="predicted",
            y=column,
            hue="teachers",
            order=list(style.COLOURS),
            fliersize=1.5,
            ax=axis,
        )
        axis.set(xlabel="predicted class", ylabel={"share": "speech's share"}.get(column, column))
    axes[0].get_legend().remove()
    axes[1].legend(title="teachers", fontsize=9)
    figure.tight_layout()
    return figure


def _legend_below(figure: Figure, axis: Any) -> None:
    handles, labels = axis.get_legend_handles_labels()
    if axis.get_legend():
        axis.get_legend().remove()
    figure.tight_layout()
    figure.legend(
        handles,
        labels,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.02),
        ncol=5,
        fontsize=9,
        frameon=False,
    )


def reliability(table: pd.DataFrame) -> Figure:
    """Draw how often each teacher is right against how sure it is; on the diagonal it is as right
    as it says.

    Parameters
    ----------
    table
        As `reliability_table` gives it.
    """
    teachers = list(dict.fromkeys(table["teacher"]))
    figure, axes = plt.subplots(
        1, len(teachers), figsize=(4.4 * len(teachers), 3.8), sharey=True, squeeze=False
    )
    for axis, teacher in zip(axes[0], teachers, strict=True):
        axis.plot([0, 1], [0, 1], color="black", lw=1, ls=":")
        opinions = table[table["teacher"] == teacher].groupby("opinion", sort=False)
        for (opinion, part), colour in zip(opinions, ("#999999", "#0072B2"), strict=False):
            right = part["value"].to_numpy()
            spread = np.abs(part[["low", "high"]].to_numpy().T - right)
            axis.errorbar(
                part["confidence"],
                right,
                spread,
                fmt="o-",
                ms=4,
                color=colour,
                capsize=2,
                label=opinion,
            )
        axis.set(title=teacher, xlabel="how sure", xlim=(0.2, 1.02), ylim=(0, 1.05))
    axes[0, 0].set_ylabel("how often right")
    axes[0, 0].legend(loc="upper left", fontsize=9)
    figure.tight_layout()
    return figure


def leads(manifest: pd.DataFrame) -> Figure:
    """Draw by how much the surer teacher leads, by the class it named; right of zero the speech
    teacher decided."""
    ser, ier = (label_rule.teacher_opinions(manifest, role).max(axis=1) for role in settings.ROLES)
    figure, axis = plt.subplots(figsize=(7.6, 3.4))
    sns.histplot(
        manifest.assign(lead=ser - ier),
        x="lead",
        hue="label",
        hue_order=list(style.COLOURS),
        palette=style.COLOURS,
        multiple="stack",
        bins=np.linspace(-0.75, 0.75, 61),
        ax=axis,
    )
    axis.axvline(0, color="black", lw=1)
    axis.set(xlabel="confidence of the speech teacher − that of the image teacher", ylabel="pairs")
    sns.move_legend(axis, "upper right", title="")
    return figure


def recovery(table: pd.DataFrame) -> Figure:
    """Draw whose class the networks name, group by group; a diamond marks how often it is the
    planted emotion."""
    groups = list(dict.fromkeys(table["rows"]))
    figure, axes = plt.subplots(
        1, len(groups), figsize=(2.7 * len(groups), 3), sharey=True, squeeze=False
    )
    for axis, group in zip(axes[0], groups, strict=True):
        part, start = table[table["rows"] == group], 0.0
        for column, colour, named in (
            ("winner", "#0072B2", "the winner's class"),
            ("loser", "#E69F00", "the loser's class"),
            ("neither", "#cccccc", "another class"),
        ):
            axis.barh(part["who"], part[column], left=start, color=colour, label=named)
            start = start + part[column].to_numpy()
        known = part.dropna(subset="truth")  # a real corpus has none
        if len(known):
            places = {"marker": "D", "color": "black", "s": 24, "zorder": 3, "clip_on": False}
            axis.scatter(
                known["truth"].astype(float), known["who"], label="planted emotion", **places
            )
        axis.set_title(str(group).replace(", ", "\n") + f"\nn = {part['n'].iloc[0]}", fontsize=9)
        axis.set_xticks([0, 0.5, 1])
        axis.xaxis.set_major_formatter("{x:.0%}")
    axes[0, 0].invert_yaxis()
    figure.tight_layout()
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.03),
        ncol=4,
        fontsize=9,
        frameon=False,
    )
    return figure


def noise(table: pd.DataFrame) -> Figure:
    """Draw accuracy on the labels against the noise added to one modality, with Wilson's
    intervals."""
    noisy = list(dict.fromkeys(table["modality"]))
    figure, axes = plt.subplots(
        1, len(noisy), figsize=(4.6 * len(noisy), 3.6), sharey=True, squeeze=False
    )
    colours = dict(
        zip(dict.fromkeys(table["network"]), ("#D55E00", "#0072B2", "#009E73"), strict=False)
    )
    for axis, modality in zip(axes[0], noisy, strict=True):
        for name, part in table[table["modality"] == modality].groupby("network", sort=False):
            axis.plot(
                part["level"], part["accuracy"], marker="o", color=colours[str(name)], label=name
            )
            axis.fill_between(
                part["level"], part["low"], part["high"], color=colours[str(name)], alpha=0.15, lw=0
            )
        axis.set(
            title=f"noise in the {modality}", xlabel="standard deviation of the noise", ylim=(0, 1)
        )
    axes[0, 0].set_ylabel("accuracy on the labels")
    axes[0, 0].yaxis.set_major_formatter("{x:.0%}")
    _legend_below(figure, axes[0, 0])
    return figure
