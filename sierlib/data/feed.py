"""What feeds the networks: batches read from shards, augmented where asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sierlib import settings
from sierlib.data.shards import load_arrays

# How far augmentation goes. Speech may come 24 steps (1.2 s) later or 4 earlier, images may move by
# 8 pixels either way.
LATER, EARLIER = 24, 4
MARGIN = 8


def read_inputs(frame: pd.DataFrame, folder: Path) -> dict[str, np.ndarray]:
    """Return the network's inputs for a few rows, all of them in memory.

    Returns
    -------
    dict
        ``speech`` (n, 128, 128, 1) and ``image`` (n, 128, 128, 3), float32 in [0, 1]; without a
        modality that some row lacks.
    """
    return {
        name: load_arrays(list(frame[name]), folder).astype(np.float32) / 255
        for name in settings.MODALITIES
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
    modalities: Sequence[str] = settings.MODALITIES,
    targets: np.ndarray | None = None,
    augment: bool = False,
    absent: float = 0.0,
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
    absent
        Share of rows without speech, and of rows without image; half as many are without either,
        and their target is the classes' shares. With one input only these last.
    seed
        Of shuffling, augmentation and absence; None keeps the order.

    Returns
    -------
    tf.data.Dataset
        Batches of ``{"speech": ..., "image": ...}`` float32 in [0, 1], with targets where given.
    """
    import tensorflow as tf

    references = {name: list(frame[name]) for name in modalities}

    def load(rows: np.ndarray) -> list[np.ndarray]:
        arrays = []
        for name in modalities:
            chosen = [references[name][int(row)] for row in rows]
            arrays.append(load_arrays(chosen, folder))
        return arrays

    def read(rows: Any) -> dict[str, Any]:
        arrays = tf.numpy_function(load, [rows], [tf.uint8] * len(modalities))
        inputs = {}
        for name, array in zip(modalities, arrays, strict=True):
            # TensorFlow cannot know the shape of what Python returns.
            array.set_shape((None, settings.SIZE, settings.SIZE, settings.CHANNELS[name]))
            inputs[name] = tf.cast(array, tf.float32) / 255.0
        return inputs

    # Row numbers are shuffled and batched; arrays are read when their batch's turn comes.
    data = tf.data.Dataset.range(len(frame))
    if seed is not None:
        data = data.shuffle(len(frame), seed=seed)
    data = data.batch(batch)
    answers = None if targets is None else tf.constant(targets)

    def prepare(rows: Any, step: Any) -> Any:
        # Chance depends on a batch's number, so that the same seed gives the same batches.
        inputs, chance = read(rows), tf.stack([seed or 0, step])
        if augment:
            inputs = _augment(inputs, chance)
        if answers is None:
            return inputs
        chosen = tf.gather(answers, rows)
        if absent:
            inputs, chosen = _leave_out(inputs, chosen, tf.reduce_mean(answers, 0), absent, chance)
        return inputs, chosen

    data = tf.data.Dataset.zip((data, tf.data.Dataset.counter()))
    data = data.map(prepare, num_parallel_calls=2, deterministic=True)

    # Autotuning has nothing to tune here, and with it passes of 6 s often took 10.3, idle at the
    # end (TensorFlow 2.21). That is when a tuner that sleeps 0.01, 0.02, 0.04 ... s wakes up; that
    # it is waited for is a guess.
    options = tf.data.Options()
    options.autotune.enabled = False
    return data.prefetch(2).with_options(options)


def _augment(inputs: dict[str, Any], seed: Any) -> dict[str, Any]:
    """Augment a batch: each modality from a seed of its own, made of the batch's two numbers."""
    import tensorflow as tf

    seed = tf.cast(seed, tf.int32)
    augmented = dict(inputs)
    if "speech" in inputs:
        augmented["speech"] = _shift_speech(inputs["speech"], seed)
    if "image" in inputs:
        augmented["image"] = _move_images(inputs["image"], seed)
    return augmented


def _leave_out(inputs: Any, targets: Any, shares: Any, absent: float, seed: Any) -> tuple[Any, Any]:
    """Blank one modality or all of them in some rows; what shows nothing is any class by chance."""
    import tensorflow as tf

    draw = tf.random.stateless_uniform((tf.shape(targets)[0],), tf.cast(seed, tf.int32) + 3)
    # From 0 on: a stretch for the rows without each modality, then one for those without any.
    separate = len(inputs) if len(inputs) > 1 else 0
    start = absent * separate
    nothing = (start <= draw) & (draw < start + absent / 2)
    shown = {}
    for number, (name, values) in enumerate(inputs.items()):
        gone = nothing
        if separate:
            gone |= (absent * number <= draw) & (draw < absent * (number + 1))
        shown[name] = tf.where(gone[:, None, None, None], 0.0, values)
    return shown, tf.where(nothing[:, None], shares, targets)


def _shift_speech(speech: Any, seed: Any) -> Any:
    """Let each row's speech begin later or earlier; silence fills what gets empty."""
    import tensorflow as tf

    count = tf.shape(speech)[0]
    later = tf.random.stateless_uniform((count, 1), seed, -EARLIER, LATER + 1, tf.int32)
    # Step t of the shifted speech is step t - later of the speech, with silence on both sides.
    padded = tf.pad(speech, [[0, 0], [0, 0], [LATER, EARLIER], [0, 0]])
    steps = tf.range(settings.SIZE)[tf.newaxis] - later + LATER  # (n, 128)
    shifted = tf.gather(padded, steps, axis=2, batch_dims=1)
    shifted.set_shape((None, settings.SIZE, settings.SIZE, 1))
    return shifted


def _move_images(images: Any, seed: Any) -> Any:
    """Mirror half of the images, and move all of a batch by the same few pixels."""
    import tensorflow as tf

    flip = tf.random.stateless_uniform((tf.shape(images)[0], 1, 1, 1), seed + 1) < 0.5
    mirrored = tf.where(flip, images[:, :, ::-1], images)
    shift = tf.random.stateless_uniform((2,), seed + 2, -MARGIN, MARGIN + 1, tf.int32)
    around = [[0, 0], [MARGIN, MARGIN], [MARGIN, MARGIN], [0, 0]]
    padded = tf.pad(mirrored, around, mode="REFLECT")
    top, left = shift[0] + MARGIN, shift[1] + MARGIN
    moved = padded[:, top : top + settings.SIZE, left : left + settings.SIZE]
    moved.set_shape((None, settings.SIZE, settings.SIZE, 3))
    return moved
