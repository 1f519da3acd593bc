"""The figures of notebooks 07 and 08, in the style of `sierbook.figures.accuracy_plots`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from sierbook import privacy
from sierbook.faithfulness.measures import PARTS
from sierbook.faithfulness.rivals import CEILING, Maps, Sample
from sierbook.faithfulness.scores import MEASURES
from sierbook.figures import style
from sierbook.report import overlay
from sierlib import colours, settings
from sierlib.experiment import label_rule
from sierlib.explorer import listening

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
    CEILING: colours.PLANTED,
}


def side_by_side(
    sample: Sample, maps: dict[str, Maps], planted: dict[str, Any] | None = None, columns: int = 4
) -> Figure:
    """Draw one sample as every method explains it: over the picture, and over time; what was
    planted is marked.

    Maps are named by their method, behind which a colon may say more.
    """
    lines = -(-len(maps) // columns)
    figure, axes = plt.subplots(
        2 * lines, columns, figsize=(style.WIDTH, 2.7 * lines), height_ratios=[3, 2] * lines
    )
    seconds = (np.arange(sample.speech_frames) + 0.5) * listening.FRAME_SECONDS
    boxes = planted["image"]["boxes"] if planted else ()
    times = planted["speech"]["emotion_times"] if planted else ()
    picture = privacy.show_picture(sample.image, sample.photograph)
    for place, (name, found) in enumerate(maps.items()):
        line, column = divmod(place, columns)
        above, below = axes[2 * line, column], axes[2 * line + 1, column]
        # Single pixels would leave the rest of a map without colour.
        most = np.percentile(np.abs(found.image), 99.5)
        overlay(picture, found.image.clip(-most, most), above, boxes)
        above.set_title(style.wrap(name, style.WIDTH / columns))
        for start, end in times:
            below.axvspan(start, end, color=colours.PLANTED, alpha=0.25, lw=0)
        values = listening.time_importance(found.speech)[: sample.speech_frames]
        for colour, part in (
            (colours.FOR, values.clip(min=0)),
            (colours.AGAINST, values.clip(max=0)),
        ):
            below.fill_between(seconds, part, step="mid", color=colour, lw=0)
        below.axhline(0, color="black", lw=0.5)
        below.set(yticks=[], xlabel="seconds" if line == lines - 1 else "")
    for place in range(len(maps), lines * columns):  # the last line need not be full
        line, column = divmod(place, columns)
        for axis in axes[2 * line : 2 * line + 2, column]:
            axis.axis("off")
    return figure


def scores(table: pd.DataFrame, measure: str, parts: Sequence[str] = settings.MODALITIES) -> Figure:
    """Draw a measure of every method with its interval, and chance as a dotted line.

    Parameters
    ----------
    table
        As `summarise_scores` gives it.
    """
    figure, axes = plt.subplots(
        1, len(parts), figsize=(style.WIDTH, 3.6), sharey=True, squeeze=False
    )
    table = table[table["measure"] == measure]
    methods = list(dict.fromkeys(table["method"]))
    for axis, part in zip(axes[0], parts, strict=True):
        chosen = table[table["part"] == part].set_index("method")
        for method, row in chosen.iterrows():
            spread = [[row["mean"] - row["low"]], [row["high"] - row["mean"]]]
            axis.errorbar(
                row["mean"],
                methods.index(str(method)),
                xerr=spread,
                fmt="o",
                color=METHOD_COLOURS[str(method)],
                capsize=3,
            )
        if chosen["chance"].notna().any():
            axis.axvline(chosen["chance"].mean(), color="black", lw=1, ls=":")
        n = chosen["n"].max() if len(chosen) else 0
        axis.set(xlabel=measure, title=f"{part}, n = {n}", ylim=(max(1, len(methods)) - 0.5, -0.5))
        axis.set(yticks=range(len(methods)), yticklabels=methods)
    return figure


def all_scores(summary: pd.DataFrame) -> Figure:
    """Draw the mean of every measure for every method; the darker, the better within its row.

    Parameters
    ----------
    summary
        As `summarise_scores` gives it.
    """
    means = summary.pivot(index=["measure", "part"], columns="method", values="mean")
    means = means[[name for name in METHOD_COLOURS if name in means]]
    means = means.reindex(list(MEASURES), level=0)
    better = means.index.get_level_values("measure").map(MEASURES)
    # From the worst method of a row to its best one; no colour where more is no merit.
    signs = np.array([{"more": 1, "": np.nan}.get(kind, -1) for kind in better])
    merit = means.copy()
    merit[better == "near 0"] = merit[better == "near 0"].abs()
    merit = merit.mul(signs, axis=0)
    spread = merit.max(axis=1) - merit.min(axis=1)
    merit = merit.sub(merit.min(axis=1), axis=0).div(spread.where(spread > 0), axis=0).fillna(0)
    texts = means.map("{:.2f}".format).replace("-0.00", "0.00")
    counted = means.index.get_level_values("measure") == "evaluations"
    texts[counted] = means[counted].map("{:,.0f}".format)
    texts = texts.where(means.notna(), "–")
    arrows = {"more": " ↑", "less": " ↓", "near 0": " → 0", "": ""}
    names = [
        f"{measure}, {part}{arrows[kind]}"
        for (measure, part), kind in zip(means.index, better, strict=True)
    ]
    figure, axis = plt.subplots(figsize=(style.WIDTH, 1.5 + 0.19 * len(means)))
    sns.heatmap(
        merit,
        annot=texts,
        fmt="",
        annot_kws={"size": style.SMALL, "color": "black"},
        cmap=style.SEQUENTIAL,
        vmax=2.2,  # the best is pale enough for black numbers
        cbar=False,
        linewidths=0.5,
        xticklabels=[style.wrap(str(name), 1.5) for name in means],
        yticklabels=names,
        ax=axis,
    )
    axis.xaxis.tick_top()
    axis.set(xlabel="", ylabel="")
    axis.tick_params(axis="x", rotation=90, length=0)
    return figure


def removal(table: pd.DataFrame) -> Figure:
    """Draw deletion and insertion curves, the mean over samples, for speech, image and both."""
    groups = table.groupby(["kind", "part", "method", "fraction"], sort=False)
    means = groups["score"].mean().reset_index()
    figure, axes = plt.subplots(2, len(PARTS), figsize=(style.WIDTH, 4.8), sharex=True, sharey=True)
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
    _move_legend(figure, axes[0, 0])
    return figure


def random_weights(table: pd.DataFrame) -> Figure:
    """Draw how much of a map is left (rank correlation) when ever more blocks have lost their
    weights."""
    figure, axis = plt.subplots(figsize=(style.WIDTH, 4.2))
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
    _move_legend(figure, axis)
    return figure


def convergence(table: pd.DataFrame) -> Figure:
    """Draw the error of maps made on a budget, and what the methods state of it themselves; means
    over samples."""
    figure, axes = plt.subplots(1, 2, figsize=(style.WIDTH, 3.4), sharex=True)
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
    for method, column in (("sampled", "standard error"), ("owen", "undivided")):
        stated = table.dropna(subset=column).groupby("budget")[column].mean()
        label = f"{method}: {column}, stated"
        axes[1].plot(
            stated.index, stated, color=METHOD_COLOURS[method], ls=":", marker="x", label=label
        )
    for axis in axes:
        axis.set_ylim(0, None)
    _move_legend(figure, axes[1])
    return figure


def modality_values(table: pd.DataFrame) -> Figure:
    """Draw speech's share of every test prediction and the interaction, by class, and by whether
    the teachers agree."""
    opinions = sorted(set(table["teachers"]))  # one where no teacher was asked
    figure, axes = plt.subplots(1, 2, figsize=(style.WIDTH, 3))
    for axis, column in zip(axes, ("share", "interaction"), strict=True):
        sns.boxplot(
            table,
            x="predicted",
            y=column,
            hue="teachers",
            order=list(style.COLOURS),
            palette=dict(zip(opinions, (style.MEASURED, style.COMPARED), strict=False)),
            hue_order=opinions,
            fliersize=1.5,
            ax=axis,
        )
        axis.set(xlabel="predicted class", ylabel={"share": "speech's share"}.get(column, column))
    axes[0].get_legend().remove()
    axes[1].legend(title="teachers")
    return figure


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
        1, len(teachers), figsize=(style.WIDTH, 3.4), sharey=True, squeeze=False
    )
    for axis, teacher in zip(axes[0], teachers, strict=True):
        axis.plot([0, 1], [0, 1], color="black", lw=1, ls=":")
        opinions = table[table["teacher"] == teacher].groupby("opinion", sort=False)
        for (opinion, part), colour in zip(
            opinions, (style.COMPARED, style.MEASURED), strict=False
        ):
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
    style.put_legend_below(figure, *axes[0, 0].get_legend_handles_labels())
    return figure


def leads(manifest: pd.DataFrame) -> Figure:
    """Draw by how much the surer teacher leads, by the class it named; right of zero the speech
    teacher decided."""
    ser, ier = (label_rule.teacher_opinions(manifest, role).max(axis=1) for role in settings.ROLES)
    figure, axis = plt.subplots(figsize=(style.WIDTH, 3))
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
        1, len(groups), figsize=(style.WIDTH, 3), sharey=True, squeeze=False
    )
    for axis, group in zip(axes[0], groups, strict=True):
        part, start = table[table["rows"] == group], 0.0
        for column, colour, named in (
            ("winner", style.MEASURED, "the winner's class"),
            ("loser", style.COMPARED, "the loser's class"),
            ("neither", "#dfe3e8", "another class"),
        ):
            axis.barh(part["who"], part[column], left=start, color=colour, label=named)
            start = start + part[column].to_numpy()
        known = part.dropna(subset="truth")  # a real corpus has none
        if len(known):
            places = {
                "marker": "D",
                "color": colours.PLANTED,
                "edgecolor": "white",
                "s": 30,
                "zorder": 3,
                "clip_on": False,
            }
            axis.scatter(
                known["truth"].astype(float), known["who"], label="planted emotion", **places
            )
        title = style.wrap(str(group), style.WIDTH / len(groups))
        axis.set_title(f"{title}\nn = {part['n'].iloc[0]}")
        axis.set_xticks([0, 0.5, 1])
        style.show_percent(axis.xaxis)
        axis.tick_params(axis="x", rotation=45)
    axes[0, 0].invert_yaxis()
    style.put_legend_below(figure, *axes[0, 0].get_legend_handles_labels())
    return figure


def noise(table: pd.DataFrame) -> Figure:
    """Draw accuracy on the labels against the noise added to one modality, with Wilson's
    intervals."""
    noisy = list(dict.fromkeys(table["modality"]))
    figure, axes = plt.subplots(
        1, len(noisy), figsize=(style.WIDTH, 3.2), sharey=True, squeeze=False
    )
    for axis, modality in zip(axes[0], noisy, strict=True):
        for name, part in table[table["modality"] == modality].groupby("network", sort=False):
            axis.plot(
                part["level"],
                part["accuracy"],
                marker="o",
                color=style.NETWORK_COLOURS.get(str(name)),
                label=name,
            )
            axis.fill_between(
                part["level"],
                part["low"],
                part["high"],
                color=style.NETWORK_COLOURS.get(str(name)),
                alpha=0.15,
                lw=0,
            )
        axis.set(
            title=f"noise in the {modality}", xlabel="standard deviation of the noise", ylim=(0, 1)
        )
    axes[0, 0].set_ylabel("accuracy on the labels")
    style.show_percent(axes[0, 0].yaxis)
    _move_legend(figure, axes[0, 0])
    return figure


def _move_legend(figure: Figure, axis: Any) -> None:
    """Put the legend that seaborn made for one panel below all of them."""
    handles, labels = axis.get_legend_handles_labels()
    for panel in figure.axes:
        if made := panel.get_legend():
            made.remove()
    style.put_legend_below(figure, handles, labels)
