"""What feeds the networks: batches read from shards, augmented where asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sierlib import settings
from sierlib.data.shards import load_arrays


def read_inputs(frame: pd.DataFrame, folder: Path) -> dict[str, np.ndarray]:
    """Return the network's inputs for a few rows: ``speech`` and ``image`` float32 in [0, 1], those
    that there are."""
    return {
        name: load_arrays(list(frame[name]), folder).astype(np.float32) / 255
        for name in ("speech", "image")
        if frame[name].notna().all()
    }


def one_hot(labels: Iterable[str]) -> np.ndarray:
    """Return float32 (n, 4), one column for each of `settings.CLASSES`."""
    codes = [settings.CLASSES.index(label) for label in labels]
    return np.eye(len(settings.CLASSES), dtype=np.float32)[codes]


def make_feed(
    frame: pd.DataFrame,
    folder: Path,
    batch: int,
    *,
    modalities: Sequence[str] = ("speech", "image"),
    targets: np.ndarray | None = None,
    augment: bool = False,
    seed: int | None = None,
) -> Any:
    """Feed rows to Keras without holding them in memory.

    Parameters
    ----------
    frame, folder
        Manifest rows, and where their shards are.
    batch
        Rows in a batch.
    modalities
        Which of the inputs.
    targets
        float32 (n, classes); left out for prediction.
    augment
        Shift speech in time by up to 1.2 s and mirror and shift images: what does not change an
        emotion.
    seed
        Of shuffling and augmentation; None keeps the order.

    Returns
    -------
    tf.data.Dataset
        Batches of ``{"speech": ..., "image": ...}`` float32 in [0, 1], with targets where given.
    """
    import tensorflow as tf

    columns = {name: list(frame[name]) for name in modalities}
    channels = {"speech": 1, "image": 3}

    def gather(rows: np.ndarray) -> list[np.ndarray]:
        return [
            load_arrays([columns[name][int(row)] for row in rows], folder) for name in modalities
        ]

    def read(rows: Any) -> Any:
        arrays = tf.numpy_function(gather, [rows], [tf.uint8] * len(modalities))
        batch_of = {}
        for name, array in zip(modalities, arrays, strict=True):
            array.set_shape((None, settings.SIZE, settings.SIZE, channels[name]))
            batch_of[name] = tf.cast(array, tf.float32) / 255.0
        return batch_of

    data = tf.data.Dataset.range(len(frame))
    if seed is not None:
        data = data.shuffle(len(frame), seed=seed)
    data = data.batch(batch)
    if augment:
        counter = tf.data.Dataset.counter()
        data = tf.data.Dataset.zip((data, counter)).map(
            lambda rows, step: (rows, _augment(read(rows), tf.stack([seed or 0, step]))),
            num_parallel_calls=2,
            deterministic=True,
        )
    else:
        data = data.map(lambda rows: (rows, read(rows)), num_parallel_calls=2, deterministic=True)
    if targets is None:
        data = data.map(lambda rows, given: given)
    else:
        wanted = tf.constant(targets)
        data = data.map(lambda rows, given: (given, tf.gather(wanted, rows)))
    # Autotuning has nothing to tune here, and with it passes of 6 s often took 10.3, idle at the
    # end (TensorFlow 2.21). That is when a tuner that sleeps 0.01, 0.02, 0.04 ... s wakes up; that
    # it is waited for is a guess.
    options = tf.data.Options()
    options.autotune.enabled = False
    return data.prefetch(2).with_options(options)


def _augment(given: dict[str, Any], seed: Any) -> dict[str, Any]:
    """Shift each batch's speech later or earlier, mirror and shift its images; empty parts are
    zero."""
    import tensorflow as tf

    seed = tf.cast(seed, tf.int32)
    out = dict(given)
    if "speech" in given:
        later = tf.random.stateless_uniform(
            (tf.shape(given["speech"])[0], 1), seed, -4, 25, tf.int32
        )
        # Step t of the shifted speech is step t - later of what was given; there is silence on both
        # sides.
        source = tf.range(settings.SIZE)[tf.newaxis] - later + 24
        padded = tf.pad(given["speech"], [[0, 0], [0, 0], [24, 4], [0, 0]])
        out["speech"] = tf.gather(padded, source, axis=2, batch_dims=1)
        out["speech"].set_shape((None, settings.SIZE, settings.SIZE, 1))
    if "image" in given:
        flip = tf.random.stateless_uniform((tf.shape(given["image"])[0], 1, 1, 1), seed + 1) < 0.5
        mirrored = tf.where(flip, given["image"][:, :, ::-1], given["image"])
        by = tf.random.stateless_uniform((2,), seed + 2, -8, 9, tf.int32)
        padded = tf.pad(mirrored, [[0, 0], [8, 8], [8, 8], [0, 0]], mode="REFLECT")
        top, left = by[0] + 8, by[1] + 8
        out["image"] = padded[:, top : top + settings.SIZE, left : left + settings.SIZE]
        out["image"].set_shape((None, settings.SIZE, settings.SIZE, 3))
    return out
