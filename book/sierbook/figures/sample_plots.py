"""Figures of samples: pairs, sounds, and what an explanation says of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from sierbook.cases import ExplainedRow
from sierbook.figures import style
from sierbook.report import overlay
from sierlib import colours, settings
from sierlib.explorer import listening


def pairs(rows: pd.DataFrame, images: np.ndarray, columns: int = 4, width: int = 22) -> Figure:
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
    figure, axes = plt.subplots(lines, columns, figsize=(style.WIDTH, 2.6 * lines), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, row, image in zip(axes.flat, rows.to_dict("records"), images, strict=False):
        axis.imshow(image)
        axis.set_title(row["label"], color=style.COLOURS[row["label"]])
        text = "\n".join(textwrap.wrap(row["text"], width)[:4])
        axis.text(
            0.5,
            -0.03,
            text,
            transform=axis.transAxes,
            ha="center",
            va="top",
            fontsize=style.SMALL,
            parse_math=False,
        )
    return figure


def log_mel(mel: np.ndarray, words: Sequence[Any] = (), axis: Axes | None = None) -> Axes:
    """Draw a log-mel (128, 128, 1) over seconds, with its words."""
    axis = axis or plt.subplots(figsize=(style.WIDTH, 2.6))[1]
    axis.imshow(
        mel[..., 0],
        origin="lower",
        aspect="auto",
        cmap="magma",
        extent=(0, settings.WINDOW_SECONDS, 0, settings.SIZE),
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
                fontsize=style.SMALL,
                rotation=90,
                va="top",
                clip_on=True,
            )
    return axis


def waveform(audio: np.ndarray, importance: np.ndarray, axis: Axes | None = None) -> Axes:
    """Draw a waveform coloured from blue (least) to yellow (most important), as Fig. 4.

    Parameters
    ----------
    audio
        (samples,), 16 kHz.
    importance
        (128,) of `listening.time_importance`.
    """
    axis = axis or plt.subplots(figsize=(style.WIDTH, 1.4))[1]
    frames = listening.spoken_frames(audio)
    step = settings.SAMPLE_RATE // 400
    points = audio[: frames * settings.HOP]
    points = points[: len(points) // step * step].reshape(-1, step)
    seconds = (np.arange(len(points)) + 0.5) * step / settings.SAMPLE_RATE
    lows, highs = points.min(axis=1), points.max(axis=1)
    rank = pd.Series(importance[:frames]).rank(pct=True).to_numpy()
    value = rank[np.minimum((seconds / listening.FRAME_SECONDS).astype(int), frames - 1)]
    lines = np.stack([np.column_stack([seconds, lows]), np.column_stack([seconds, highs])], axis=1)
    axis.add_collection(
        LineCollection(list(lines), colors=style.LEAST_TO_MOST(value), linewidths=1.4)
    )
    peak = float(np.abs(points).max(initial=0.01)) * 1.05
    axis.set(xlim=(0, seconds[-1]), ylim=(-peak, peak), yticks=[], xlabel="seconds")
    axis.grid(False)
    return axis


def explained(
    case: ExplainedRow, method: str = "owen", truth: dict[str, Any] | None = None
) -> Figure:
    """Draw one explained pair: picture, its map, waveform and log-mel with the words and their
    values."""
    found = case.of(method=method)
    importance = listening.time_importance(found.speech_map)
    figure = plt.figure(figsize=(style.WIDTH, 4.6))
    grid = figure.add_gridspec(3, 4, width_ratios=[2, 2, 1.8, 1.8], height_ratios=[1.1, 1.7, 1.1])
    left, right = figure.add_subplot(grid[:2, 0]), figure.add_subplot(grid[:2, 1])
    left.imshow(case.shown(case.image))
    left.axis("off")
    left.set_title("image")
    overlay(
        case.shown(case.image), found.image_map, right, truth["image"]["boxes"] if truth else ()
    )
    right.set_title(f"its values: {found.image_value:+.2f}")
    top = figure.add_subplot(grid[0, 2:])
    waveform(case.audio, importance, top)
    top.set(title=f"speech: {found.speech_value:+.2f}", xlabel="")
    middle = figure.add_subplot(grid[1, 2:], sharex=top)
    log_mel(case.speech, case.words, middle)
    middle.set_xlim(
        0, min(settings.WINDOW_SECONDS, max(0.5, len(case.audio) / settings.SAMPLE_RATE))
    )
    middle.set_xlabel("")
    low = figure.add_subplot(grid[2, 2:], sharex=top)
    seconds = (np.arange(settings.SIZE) + 0.5) * listening.FRAME_SECONDS
    sums = np.asarray(found.speech_map).sum(axis=0)
    low.bar(
        seconds,
        sums,
        width=listening.FRAME_SECONDS,
        color=np.where(sums >= 0, colours.FOR, colours.AGAINST),
    )
    low.set(ylabel="value", xlabel="seconds")
    bars = figure.add_subplot(grid[2, :2])
    sns.barplot(
        x=case.probabilities,
        y=list(settings.CLASSES),
        hue=list(settings.CLASSES),
        palette=style.COLOURS,
        ax=bars,
        legend=False,
    )
    bars.set(xlim=(0, 1), xlabel="softmax score")
    figure.suptitle(
        f"predicted: {case.predicted}    label: {case.row['label']}    "
        f"score: {case.probabilities.max():.2f}",
        weight="bold",
    )
    return figure


def divisions(
    case: ExplainedRow, method: str = "owen", levels: Sequence[int] = (1, 2, 3, 4)
) -> Figure:
    """Draw the division level by level, as Fig. 2: values of the regions of picture and speech."""
    found = case.of(method=method)
    levels = [level for level in levels if level < len(found.levels)]
    figure, axes = plt.subplots(2, len(levels), figsize=(style.WIDTH, 3.8), squeeze=False)
    for column, level in enumerate(levels):
        maps = {name: np.zeros((settings.SIZE, settings.SIZE)) for name in ("speech", "image")}
        for region in found.levels[level]:
            r0, r1, c0, c1 = region.box
            maps[region.modality][r0:r1, c0:c1] = region.value
        overlay(case.shown(case.image), maps["image"], axes[0, column])
        axes[0, column].set_title(f"level {level}: {len(found.levels[level])} regions")
        top = float(np.abs(maps["speech"]).max()) or 1.0
        axes[1, column].imshow(case.speech[..., 0], origin="lower", cmap="gray", aspect="auto")
        axes[1, column].imshow(
            maps["speech"],
            origin="lower",
            cmap=colours.DIVERGING,
            vmin=-top,
            vmax=top,
            alpha=0.65,
            aspect="auto",
        )
        axes[1, column].axis("off")
    return figure
