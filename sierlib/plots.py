"""The book's figures, in one style."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from sierlib import explanation, settings

#: One colour for each class, told apart in the common kinds of colour blindness (Okabe and Ito).
COLOURS = {"anger": "#D55E00", "happy": "#E69F00", "hate": "#CC79A7", "sad": "#0072B2"}

#: From least (blue) to most important (yellow), as Fig. 4's waveforms.
LEAST_TO_MOST = LinearSegmentedColormap.from_list("least_to_most", ["#1f4fa3", "#6f7fb0", "#c9b458", "#ffd000"])

#: Against and for a class.
DIVERGING = "PuOr_r"


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


def pairs(rows: pd.DataFrame, images: np.ndarray, columns: int = 4, width: int = 26) -> Figure:
    """Show pictures with their sentence, label and the teacher that gave it.

    Parameters
    ----------
    rows
        n manifest rows.
    images
        (n, 128, 128, 3) in [0, 1].
    """
    import textwrap

    lines = -(-len(rows) // columns)
    figure, axes = plt.subplots(lines, columns, figsize=(2.9 * columns, 3.9 * lines), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, row, image in zip(axes.flat, rows.to_dict("records"), images, strict=False):
        axis.imshow(image)
        axis.set_title(row["label"], color=COLOURS[row["label"]])
        text = "\n".join(textwrap.wrap(row["text"], width)[:4])
        axis.text(0.5, -0.03, text, transform=axis.transAxes, ha="center", va="top", fontsize=10, parse_math=False)
    figure.tight_layout(h_pad=3.2)
    return figure


def class_shares(counts: dict[str, int], name: str = "this run") -> Figure:
    """Compare the classes' shares with those of the paper's data set (Section 3.1)."""
    table = pd.DataFrame(
        [
            {"class": label, "share": values[label] / max(1, sum(values.values())), "data": source}
            for source, values in ((name, counts), ("IIT-R SIER (paper)", settings.PAPER_COUNTS))
            for label in settings.CLASSES
        ]
    )
    figure, axis = plt.subplots(figsize=(6.4, 3.2))
    sns.barplot(table, x="class", y="share", hue="data", palette=["#4c72b0", "#bbbbbb"], ax=axis)
    axis.yaxis.set_major_formatter("{x:.0%}")
    axis.set(xlabel="", ylabel="share of the samples")
    axis.legend(title="")
    return figure


def log_mel(mel: np.ndarray, words: Sequence[Any] = (), axis: Axes | None = None) -> Axes:
    """Draw a log-mel (128, 128, 1) over seconds, with its words."""
    axis = axis or plt.subplots(figsize=(9, 3))[1]
    axis.imshow(
        mel[..., 0], origin="lower", aspect="auto", cmap="magma", extent=(0, settings.WINDOW_SECONDS, 0, settings.SIZE)
    )
    axis.set(xlabel="seconds", ylabel="mel band")
    axis.grid(False)
    for word in words:
        if word.start < settings.WINDOW_SECONDS - 0.1:
            axis.axvline(word.start, color="white", lw=0.5, alpha=0.6)
            axis.text(
                word.start + 0.02,
                settings.SIZE - 4,
                word.text,
                color="white",
                parse_math=False,
                fontsize=8,
                rotation=90,
                va="top",
                clip_on=True,
            )
    return axis


def learning_curves(histories: dict[str, dict[str, Any]]) -> Figure:
    """Draw training and validation accuracy, kappa where all have it, and loss; the epoch that was kept is marked."""
    keeps = all("val_kappa" in row for history in histories.values() for row in history["epochs"])
    measures = ("accuracy", "kappa", "loss") if keeps else ("accuracy", "loss")
    size = (3.4 * len(histories), 2.5 * len(measures))
    figure, axes = plt.subplots(len(measures), len(histories), figsize=size, sharex=False, squeeze=False)
    for column, (title, history) in enumerate(histories.items()):
        epochs = np.arange(1, len(history["epochs"]) + 1)
        for axis, measure in zip(axes[:, column], measures, strict=True):
            for prefix, colour, label in (("", "#999999", "training"), ("val_", "#0072B2", "validation")):
                axis.plot(epochs, [row[prefix + measure] for row in history["epochs"]], color=colour, label=label)
            axis.axvline(history["best_epoch"], color="black", lw=0.8, ls=":")
            axis.set(ylabel=measure if column == 0 else "")
            axis.set(ylim={"accuracy": (0, 1.02), "kappa": (-0.2, 1.02), "loss": (0, None)}[measure])
        axes[0, column].set(title=title)
        axes[-1, column].set(xlabel="epoch")
    figure.tight_layout()
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="lower center", bbox_to_anchor=(0.5, -0.06), ncol=2)
    return figure


def accuracies(table: pd.DataFrame, published: dict[str, float] | None = None) -> Figure:
    """Draw accuracies with their intervals, and the published ones beside them.

    Parameters
    ----------
    table
        Columns `model`, `accuracy`, `low`, `high`, `against` (what it is measured on), and if wanted `again` (a list of
        what the network's other trainings reached).
    published
        By model name.
    """
    published = published or {}
    models = list(dict.fromkeys(table["model"]))
    figure, axis = plt.subplots(figsize=(7.6, 0.9 + 0.75 * len(models)))
    kinds = list(dict.fromkeys(table["against"]))
    for offset, (kind, colour) in enumerate(zip(kinds, ("#0072B2", "#E69F00", "#009E73"), strict=False)):
        part = table[table["against"] == kind]
        places = np.array([models.index(name) for name in part["model"]]) + 0.18 * (offset - (len(kinds) - 1) / 2)
        spread = np.abs(part[["low", "high"]].to_numpy().T - part["accuracy"].to_numpy())
        axis.errorbar(part["accuracy"], places, xerr=spread, fmt="o", color=colour, capsize=3, label=kind)
        again = [(x, place) for values, place in zip(part.get("again", []), places, strict=False) for x in values]
        if again:
            axis.plot(*np.transpose(again), "x", color=colour, label="other trainings", zorder=3)
    known = [name for name in models if name in published]
    if known:
        axis.scatter(
            [published[name] for name in known], [models.index(name) for name in known], marker="D", color="#888888",
            label="published, other data", zorder=3,
        )  # fmt: skip
    axis.set(yticks=range(len(models)), yticklabels=models, xlabel="accuracy", ylim=(len(models) - 0.5, -0.5))
    axis.xaxis.set_major_formatter("{x:.0%}")
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), ncol=4, frameon=False)
    return figure


def differences(table: pd.DataFrame) -> Figure:
    """Draw paired differences of accuracy with their intervals; columns `comparison`, `difference`, `low`, `high`."""
    figure, axis = plt.subplots(figsize=(7.2, 0.9 + 0.45 * len(table)))
    spread = np.abs(table[["low", "high"]].to_numpy().T - table["difference"].to_numpy())
    axis.errorbar(table["difference"], range(len(table)), xerr=spread, fmt="o", color="#0072B2", capsize=3)
    axis.axvline(0, color="black", lw=0.8)
    axis.set(yticks=range(len(table)), yticklabels=table["comparison"], xlabel="difference of accuracy")
    axis.set_ylim(len(table) - 0.5, -0.5)
    axis.xaxis.set_major_formatter("{x:+.0%}")
    return figure


def confusion(
    matrix: Sequence[Sequence[int]], title: str = "", calibration: dict[str, Any] | None = None,
    classes: Sequence[str] = settings.CLASSES,
) -> Figure:  # fmt: skip
    """Draw a confusion matrix as Fig. 3 does, shares of each true class with counts; beside it, calibration.

    Parameters
    ----------
    calibration
        As `metrics.calibration` gives it.
    """
    counts = np.asarray(matrix)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    labels = np.array(
        [
            [f"{share:.0%}\n({count})" for share, count in zip(*row, strict=True)]
            for row in zip(shares, counts, strict=True)
        ]
    )
    figure, axes = plt.subplots(1, 2 if calibration else 1, figsize=(9.2 if calibration else 4.8, 4.2), squeeze=False)
    sns.heatmap(
        shares, annot=labels, fmt="", cmap="Blues", vmin=0, vmax=1, square=True, cbar=False,
        xticklabels=classes, yticklabels=classes, ax=axes[0, 0],
    )  # fmt: skip
    axes[0, 0].set(xlabel="predicted", ylabel="label", title=title)
    if calibration:
        reliability(calibration, axes[0, 1])
    figure.tight_layout()
    return figure


def reliability(calibration: dict[str, Any], axis: Axes) -> Axes:
    """Draw how often a classifier is right against how sure it is; the size of a dot is its number of rows."""
    bins = pd.DataFrame(calibration["bins"])
    axis.plot([0, 1], [0, 1], color="#999999", lw=1, ls=":")
    axis.plot(bins["confidence"], bins["accuracy"], color="#0072B2", lw=1)
    axis.scatter(bins["confidence"], bins["accuracy"], s=10 + 300 * bins["n"] / bins["n"].sum(), color="#0072B2")
    axis.set(xlim=(0, 1), ylim=(0, 1), xlabel="how sure (greatest probability)", ylabel="how often right")
    axis.set_title(f"calibration, expected error {calibration['ece']:.3f}")
    return axis


def waveform(audio: np.ndarray, importance: np.ndarray, axis: Axes | None = None) -> Axes:
    """Draw a waveform coloured from blue (least) to yellow (most important), as Fig. 4.

    Parameters
    ----------
    audio
        (samples,), 16 kHz.
    importance
        (128,) of `explanation.time_importance`.
    """
    axis = axis or plt.subplots(figsize=(9, 1.6))[1]
    frames = explanation.spoken_frames(audio)
    step = settings.SAMPLE_RATE // 400
    points = audio[: frames * settings.HOP]
    points = points[: len(points) // step * step].reshape(-1, step)
    seconds = (np.arange(len(points)) + 0.5) * step / settings.SAMPLE_RATE
    lows, highs = points.min(axis=1), points.max(axis=1)
    rank = pd.Series(importance[:frames]).rank(pct=True).to_numpy()
    value = rank[np.minimum((seconds / explanation.FRAME_SECONDS).astype(int), frames - 1)]
    lines = np.stack([np.column_stack([seconds, lows]), np.column_stack([seconds, highs])], axis=1)
    axis.add_collection(LineCollection(list(lines), colors=LEAST_TO_MOST(value), linewidths=1.4))
    peak = float(np.abs(points).max(initial=0.01)) * 1.05
    axis.set(xlim=(0, seconds[-1]), ylim=(-peak, peak), yticks=[], xlabel="seconds")
    axis.grid(False)
    return axis


def overlay(image: np.ndarray, image_map: np.ndarray, axis: Axes, boxes: Sequence[Sequence[int]] = ()) -> Axes:
    """Draw a picture in grey under its map: orange speaks for the class, purple against it."""
    top = float(np.abs(image_map).max()) or 1.0
    axis.imshow(image.mean(axis=-1), cmap="gray", vmin=-0.2, vmax=1.2)
    axis.imshow(image_map, cmap=DIVERGING, vmin=-top, vmax=top, alpha=0.65)
    for left, up, right, down in boxes:
        axis.add_patch(
            plt.Rectangle((left - 0.5, up - 0.5), right - left, down - up, fill=False, ec="#00aa88", lw=1.6, ls="--")
        )
    axis.axis("off")
    return axis


def explained(case: explanation.Explained, method: str = "owen", truth: dict[str, Any] | None = None) -> Figure:
    """Draw one explained pair: picture, its map, waveform and log-mel with the words and their values."""
    found = case.of(method=method)
    importance = explanation.time_importance(found.speech_map)
    figure = plt.figure(figsize=(11, 5.6))
    grid = figure.add_gridspec(3, 4, width_ratios=[2, 2, 1.8, 1.8], height_ratios=[1.1, 1.7, 1.1])
    left, right = figure.add_subplot(grid[:2, 0]), figure.add_subplot(grid[:2, 1])
    left.imshow(case.image)
    left.axis("off")
    left.set_title("image")
    overlay(case.image, found.image_map, right, truth["image"]["boxes"] if truth else ())
    right.set_title(f"its values: {found.image_value:+.2f}")
    top = figure.add_subplot(grid[0, 2:])
    waveform(case.audio, importance, top)
    top.set(title=f"speech: {found.speech_value:+.2f}", xlabel="")
    middle = figure.add_subplot(grid[1, 2:], sharex=top)
    log_mel(case.speech, case.words, middle)
    middle.set_xlim(0, min(settings.WINDOW_SECONDS, max(0.5, len(case.audio) / settings.SAMPLE_RATE)))
    middle.set_xlabel("")
    low = figure.add_subplot(grid[2, 2:], sharex=top)
    seconds = (np.arange(settings.SIZE) + 0.5) * explanation.FRAME_SECONDS
    sums = np.asarray(found.speech_map).sum(axis=0)
    low.bar(seconds, sums, width=explanation.FRAME_SECONDS, color=np.where(sums >= 0, "#E69F00", "#6a51a3"))
    low.set(ylabel="value", xlabel="seconds")
    bars = figure.add_subplot(grid[2, :2])
    sns.barplot(
        x=case.probabilities,
        y=list(settings.CLASSES),
        hue=list(settings.CLASSES),
        palette=COLOURS,
        ax=bars,
        legend=False,
    )
    bars.set(xlim=(0, 1), xlabel="softmax score")
    figure.suptitle(
        f"P: {case.predicted}    GT: {case.row['label']}    Score: {case.probabilities.max():.2f}",
        fontsize=12,
        weight="bold",
    )
    figure.tight_layout()
    return figure


def divisions(case: explanation.Explained, method: str = "owen", levels: Sequence[int] = (1, 2, 3, 4)) -> Figure:
    """Draw the division level by level, as Fig. 2: values of the regions of picture and speech."""
    found = case.of(method=method)
    levels = [level for level in levels if level < len(found.levels)]
    figure, axes = plt.subplots(2, len(levels), figsize=(2.7 * len(levels), 4.6), squeeze=False)
    for column, level in enumerate(levels):
        maps = {name: np.zeros((settings.SIZE, settings.SIZE)) for name in ("speech", "image")}
        for region in found.levels[level]:
            r0, r1, c0, c1 = region.box
            maps[region.modality][r0:r1, c0:c1] = region.value
        overlay(case.image, maps["image"], axes[0, column])
        axes[0, column].set_title(f"level {level}: {len(found.levels[level])} regions", fontsize=9)
        top = float(np.abs(maps["speech"]).max()) or 1.0
        axes[1, column].imshow(case.speech[..., 0], origin="lower", cmap="gray", aspect="auto")
        axes[1, column].imshow(
            maps["speech"], origin="lower", cmap=DIVERGING, vmin=-top, vmax=top, alpha=0.65, aspect="auto"
        )
        axes[1, column].axis("off")
    figure.tight_layout()
    return figure
