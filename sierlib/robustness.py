"""Inputs that are not as clean as those that were learned from: other takes, other speeds, noise."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sierlib import (
    dataset,
    explanation,
    metrics,
    probes,
    scrutiny,
    settings,
    speech,
)
from sierlib.evaluation import MODALITIES, OTHER

Array = NDArray[Any]

#: How a sentence is spoken again: what is added to the seed of the voice's noise, and the speed.
TAKES = {"spoken anew": (1, 1.0), "slower": (0, 0.8), "faster": (0, 1.25)}

_FEW = 100  # sentences are spoken before other processes have started

#: Standard deviation of the noise, in units of an input between 0 and 1; 0.1 of a log-mel is 8 dB.
LEVELS = (0.0, 0.05, 0.1, 0.2, 0.4)


def respoken(
    trial: probes.Trial,
    count: int = 200,
    takes: dict[str, tuple[int, float]] = TAKES,
    workers: int | None = None,
) -> pd.DataFrame:
    """Speak test rows again, at speeds that nothing was trained on.

    Parameters
    ----------
    count
        How many rows, at most; only those whose speech the voice made are drawn.
    takes
        What is added to the seed of the voice's noise, and the speed, by name. A take that changes only the noise is
        the control: what it costs, any new recording costs.
    workers
        Processes; by default one for each core, and none beside this one for a few sentences.

    Returns
    -------
    pandas.DataFrame
        `take`, `speed`, `network` ("ParallelNet", "SER only"), `n`; `accuracy` on the labels, and `before` for the rows
        as they are; their paired `difference` with `low`, `high`, `p`; `changed`, the share of predictions that did;
        `cut`, the share of utterances longer than the window. Empty where the voice spoke nothing.
    """
    from joblib import Parallel, delayed
    from tqdm.auto import tqdm

    items = explanation.find_items(trial.run, list(trial.rows["id"]))
    own = [items[name].text is not None and items[name].audio is None for name in trial.rows["id"]]
    places = trial.draw(count, np.flatnonzero(own))
    chosen = [items[name] for name in trial.rows["id"].iloc[places]]
    labels, found = trial.labels[places], []
    jobs = [
        delayed(speech.speak)(speech.clean_text(item.text or ""), seed=item.seed + more, speed=speed)
        for more, speed in takes.values()
        for item in chosen
    ]
    workers = workers or (1 if len(jobs) < _FEW else os.cpu_count() or 1)
    sounds = tqdm(Parallel(workers, return_as="generator")(jobs), "speaking", len(jobs))
    made = [(_as_stored(sound), len(sound) > settings.SIZE * settings.HOP) for sound in sounds]
    for number, take in enumerate(takes if len(places) else ()):
        mels, long = zip(*made[number * len(places) : (number + 1) * len(places)], strict=True)
        heard = np.stack(mels)
        fused = trial.judge(trial.sense("speech", heard), trial.of("image", places))
        for name, guess in (("fused", fused), ("ser", trial.alone("speech", heard))):
            before = trial.guesses[name][places]
            value = metrics.paired_difference(guess == labels, before == labels, trial.run.seed)
            found.append(
                {
                    "take": take,
                    "speed": takes[take][1],
                    "network": scrutiny.NETWORKS[name],
                    "n": len(places),
                    "accuracy": float(np.mean(guess == labels)),
                    "before": float(np.mean(before == labels)),
                    "difference": value["difference"],
                    "low": value["interval"][0],
                    "high": value["interval"][1],
                    "p": value["p"],
                    "changed": float(np.mean(guess != before)),
                    "cut": float(np.mean(long)),
                }
            )
    return pd.DataFrame(found)


def _as_stored(sound: Array) -> Array:
    """Return the log-mel as the shards hold it: in 255 steps."""
    return (np.round(speech.log_mel(sound) * 255) / 255).astype(np.float32)


def respoken_verdicts(table: pd.DataFrame) -> list[str]:
    """Say what another speed costs, beside what another take at the same speed costs."""
    if table.empty:
        return ["These rows are recordings: the voice cannot speak them again at another speed."]
    said = []
    for take, rows in table.groupby("take", sort=False):
        told = [
            f"{row['network']} {row['difference']:+.1%} [{row['low']:+.1%}, {row['high']:+.1%}], another answer in "
            f"{row['changed']:.1%}"
            for row in rows.to_dict("records")
        ]
        worse = rows.loc[rows["high"] < 0, "network"]
        said.append(
            f"**{str(take).capitalize()}, speed {rows['speed'].iloc[0]:g}** ({rows['n'].iloc[0]} rows): "
            + f"{'; '.join(told)}: "
            + (f"{' and '.join(worse)} clearly the worse for it." if len(worse) else "no clear loss.")
        )
    return said


def noisy(trial: probes.Trial, count: int = 200, levels: Sequence[float] = LEVELS) -> pd.DataFrame:
    """Add Gaussian noise to one modality, and leave the other one alone.

    Parameters
    ----------
    count
        How many test rows, at most.
    levels
        Standard deviations, in units of an input between 0 and 1, to which the sum is clipped. One draw of noise is
        scaled to all levels.

    Returns
    -------
    pandas.DataFrame
        `modality` that is noisy, `level`, `network` (ParallelNet and both unimodal ones; the one that does not perceive
        the noise stands as it is), `n`, `accuracy` on the labels, `low`, `high` (Wilson, 95 %).
    """
    places = trial.draw(count)
    clean, labels = dataset.inputs(trial.rows.iloc[places], trial.folder), trial.labels[places]
    rng, found = np.random.default_rng([trial.run.seed, 13]), []
    for modality in MODALITIES:
        other = OTHER[modality]
        noise = rng.standard_normal(clean[modality].shape, dtype=np.float32)
        for level in levels:
            given = np.clip(clean[modality] + np.float32(level) * noise, 0, 1)
            ends = {modality: trial.sense(modality, given), other: trial.of(other, places)}
            guesses = {
                "fused": trial.judge(ends["speech"], ends["image"]),
                scrutiny.OWN[modality]: trial.alone(modality, given),
                scrutiny.OWN[other]: trial.guesses[scrutiny.OWN[other]][places],
            }
            found += [
                {"modality": modality, "level": level, "network": scrutiny.NETWORKS[name]}
                | scrutiny.share(guesses[name] == labels)
                for name in scrutiny.NETWORKS
            ]
    return pd.DataFrame(found)


def noise_verdicts(table: pd.DataFrame) -> list[str]:
    """Say how much noise costs the fused network, and whether it falls below the one that perceives none of it.

    Both are judged by their own intervals; on the same rows that takes a larger difference than need be.
    """
    said = []
    for modality, rows in table.groupby("modality", sort=False):
        accuracy, low, high = (
            rows.pivot(index="level", columns="network", values=of) for of in ("accuracy", "low", "high")
        )
        fused, clean, own = (
            scrutiny.NETWORKS[name]
            for name in ("fused", scrutiny.OWN[OTHER[str(modality)]], scrutiny.OWN[str(modality)])
        )
        first, last = accuracy.index[0], accuracy.index[-1]
        verdict = "the two cannot be told apart there"
        if high.loc[last, fused] < low.loc[last, clean]:
            verdict = f"better without the {modality} than with this one"
        elif low.loc[last, fused] > high.loc[last, clean]:
            verdict = "ParallelNet stays ahead of it"
        said.append(
            f"**Noise in the {modality}**: from level {first:g} to {last:g}, ParallelNet goes from "
            f"{accuracy.loc[first, fused]:.1%} to {accuracy.loc[last, fused]:.1%}, {own} from "
            f"{accuracy.loc[first, own]:.1%} to {accuracy.loc[last, own]:.1%}"
            + (" (the same throughout: it hardly perceives anything)" if accuracy[own].nunique() == 1 else "")
            + f". {clean}, which does not perceive the noise, is at {accuracy.loc[last, clean]:.1%}: {verdict}."
        )
    return said
