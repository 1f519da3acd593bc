"""The book's figures, in one style."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sierbook.figures import style
from sierlib import colours, settings


def class_shares(counts: dict[str, int], name: str = "this run") -> Figure:
    """Compare the classes' shares with those of the paper's data set (Section 3.1)."""
    rows = []
    for source, values in ((name, counts), ("IIT-R SIER (paper)", settings.PAPER_COUNTS)):
        total = max(1, sum(values.values()))
        for label in settings.CLASSES:
            rows.append({"class": label, "share": values[label] / total, "data": source})
    table = pd.DataFrame(rows)
    figure, axis = plt.subplots(figsize=(style.WIDTH, 2.8))
    palette = [style.MEASURED, style.COMPARED]
    sns.barplot(table, x="class", y="share", hue="data", palette=palette, ax=axis)
    style.show_percent(axis.yaxis)
    axis.set(xlabel="", ylabel="share of the samples")
    axis.legend(title="")
    return figure


def learning_curves(histories: dict[str, dict[str, Any]]) -> Figure:
    """Draw training and validation accuracy, kappa where all have it, and loss; the epoch that was
    kept is marked."""
    epochs_of_all = [row for history in histories.values() for row in history["epochs"]]
    top = max(max(row["loss"], row["val_loss"]) for row in epochs_of_all)
    limits = {"accuracy": (0, 1.02), "kappa": (-0.2, 1.02), "loss": (0, 1.05 * top)}
    if not all("val_kappa" in row for row in epochs_of_all):
        del limits["kappa"]
    figure, axes = plt.subplots(
        len(limits),
        len(histories),
        figsize=(style.WIDTH, 1.9 * len(limits)),
        sharex="col",
        sharey="row",
        squeeze=False,
    )
    for column, (title, history) in enumerate(histories.items()):
        table = pd.DataFrame(history["epochs"])
        epochs = np.arange(1, len(table) + 1)
        for axis, (measure, limit) in zip(axes[:, column], limits.items(), strict=True):
            axis.plot(epochs, table[measure], ".-", color=style.COMPARED, label="training")
            values = table[f"val_{measure}"]
            axis.plot(epochs, values, ".-", color=style.MEASURED, label="validation")
            axis.axvline(history["best_epoch"], color="black", lw=0.8, ls=":")
            axis.set(ylabel=measure if column == 0 else "", ylim=limit)
            axis.set_xlim(0.5, len(table) + 0.5)
            axis.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
        axes[0, column].set_title(style.wrap(title, style.WIDTH / len(histories)))
        axes[-1, column].set(xlabel="epoch")
    style.put_legend_below(figure, *axes[0, 0].get_legend_handles_labels())
    return figure


def accuracies(table: pd.DataFrame, published: dict[str, float] | None = None) -> Figure:
    """Draw accuracies with their intervals, and the published ones beside them.

    Parameters
    ----------
    table
        Columns `model`, `accuracy`, `low`, `high`, `against` (what it is measured on), and if
        wanted `again` (a list of what the network's other trainings reached).
    published
        By model name.
    """
    models = list(dict.fromkeys(table["model"]))
    kinds = list(dict.fromkeys(table["against"]))
    figure, axis = plt.subplots(figsize=(style.WIDTH, 1.1 + 0.42 * len(models)))
    for number, kind in enumerate(kinds):
        colour = (style.MEASURED, style.COMPARED)[number > 0]
        if "truth" in kind:
            colour = colours.PLANTED
        part = table[table["against"] == kind]
        lines = np.array([models.index(name) for name in part["model"]])
        places = lines + 0.18 * (number - (len(kinds) - 1) / 2)
        spread = np.abs(part[["low", "high"]].to_numpy().T - part["accuracy"].to_numpy())
        axis.errorbar(
            part["accuracy"], places, xerr=spread, fmt="o", color=colour, capsize=3, label=kind
        )
        others: list[tuple[float, float]] = []
        for values, place in zip(part.get("again", ()), places, strict=False):
            others += [(value, place) for value in values]
        if others:
            axis.plot(*np.transpose(others), "x", color=colour, label="other trainings", zorder=3)
    known = {name: value for name, value in (published or {}).items() if name in models}
    if known:
        axis.scatter(
            list(known.values()),
            [models.index(name) for name in known],
            marker="D",
            color="#888888",
            edgecolor="black",
            label="published, other data",
            zorder=3,
        )
    axis.set(xlabel="accuracy", ylim=(len(models) - 0.5, -0.5))
    axis.set(yticks=range(len(models)), yticklabels=models)
    style.show_percent(axis.xaxis)
    style.put_legend_below(figure, *axis.get_legend_handles_labels())
    return figure


def accuracy_by_pairs(table: pd.DataFrame) -> Figure:
    """Draw accuracy against the number of pairs learned from, a panel each for labels and truth.

    Parameters
    ----------
    table
        As `sierbook.tables.curve.tabulate_curve` gives it.
    """
    kinds = list(dict.fromkeys(table["against"]))
    figure, axes = plt.subplots(
        1, len(kinds), figsize=(style.WIDTH, 3.2), sharey=True, squeeze=False
    )
    networks = list(dict.fromkeys(table["network"]))
    for axis, kind in zip(axes[0], kinds, strict=True):
        part = table[table["against"] == kind]
        for name in networks:
            colour = style.NETWORK_COLOURS.get(name)
            rows = part[part["network"] == name]
            axis.plot(rows["pairs"], rows["accuracy"], "o-", color=colour, label=name)
            axis.fill_between(rows["pairs"], rows["low"], rows["high"], color=colour, alpha=0.15)
        axis.axhline(part["majority"].max(), color="black", lw=0.8, ls=":", label="largest class")
        axis.set(xscale="log", xlabel="pairs learned from", title=f"on the {kind}")
        pairs = sorted(set(part["pairs"]))
        axis.set_xticks(pairs, labels=[f"{count:,}" for count in pairs], minor=False)
        axis.tick_params(axis="x", rotation=45)
        axis.minorticks_off()
    axes[0, 0].set(ylabel="accuracy, test part")
    style.show_percent(axes[0, 0].yaxis)
    style.put_legend_below(figure, *axes[0, 0].get_legend_handles_labels())
    return figure


def differences(table: pd.DataFrame) -> Figure:
    """Draw paired differences of accuracy with their intervals; columns `comparison`, `difference`,
    `low`, `high`."""
    figure, axis = plt.subplots(figsize=(style.WIDTH, 0.8 + 0.36 * len(table)))
    spread = np.abs(table[["low", "high"]].to_numpy().T - table["difference"].to_numpy())
    axis.errorbar(
        table["difference"],
        range(len(table)),
        xerr=spread,
        fmt="o",
        color=style.MEASURED,
        capsize=3,
    )
    axis.axvline(0, color="black", lw=0.8)
    axis.set(yticks=range(len(table)), yticklabels=table["comparison"])
    axis.set_xlabel("difference of accuracy, points")
    axis.set_ylim(len(table) - 0.5, -0.5)
    style.show_points(axis.xaxis)
    return figure


def confusion(
    matrix: Sequence[Sequence[int]],
    title: str = "",
    calibration: dict[str, Any] | None = None,
    classes: Sequence[str] = settings.CLASSES,
) -> Figure:
    """Draw a confusion matrix as Fig. 3 does, shares of each true class with counts; beside it,
    calibration.

    Parameters
    ----------
    calibration
        As `statistics.calibration` gives it.
    """
    counts = np.asarray(matrix)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    labels = np.empty(counts.shape, object)
    for place, count in np.ndenumerate(counts):
        labels[place] = f"{shares[place]:.0%}\n({count})"
    columns = 2 if calibration else 1
    figure, axes = plt.subplots(1, columns, figsize=(style.WIDTH, 3.4), squeeze=False)
    sns.heatmap(
        shares,
        annot=labels,
        fmt="",
        cmap=style.SEQUENTIAL,
        vmin=0,
        vmax=1,
        square=True,
        cbar=False,
        xticklabels=classes,
        yticklabels=classes,
        ax=axes[0, 0],
    )
    axes[0, 0].set(xlabel="predicted", ylabel="label", title=title)
    if calibration:
        reliability(calibration, axes[0, 1])
    return figure


def reliability(calibration: dict[str, Any], axis: Axes) -> Axes:
    """Draw how often a classifier is right against how sure it is; the size of a dot is its number
    of rows."""
    bins = pd.DataFrame(calibration["bins"])
    axis.plot([0, 1], [0, 1], color="black", lw=1, ls=":")
    axis.plot(bins["confidence"], bins["value"], color=style.MEASURED, lw=1)
    axis.scatter(
        bins["confidence"],
        bins["value"],
        s=10 + 300 * bins["n"] / bins["n"].sum(),
        color=style.MEASURED,
    )
    axis.set(
        xlim=(0, 1), ylim=(0, 1), xlabel="how sure (greatest probability)", ylabel="how often right"
    )
    axis.set_title(f"calibration error {calibration['ece']:.3f}")
    return axis
