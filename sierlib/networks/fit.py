"""Fit a network as Section 4.2 says, and predict with it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from sierlib import settings
from sierlib.data.feed import make_feed, one_hot
from sierlib.machine import choose_precision, describe_device
from sierlib.networks import losses, metrics


@contextmanager
def _policy(name: str) -> Any:
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.mixed_precision.set_dtype_policy(before)


class _Progress(keras.callbacks.Callback):
    """One line that fills up, rather than a line for each step."""

    def __init__(self, title: str, epochs: int) -> None:
        super().__init__()
        from tqdm.auto import tqdm

        self.bar = tqdm(total=epochs, desc=title, unit="epoch")

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = logs or {}
        self.bar.set_postfix(
            {
                short: f"{logs[name]:.3f}"
                for short, name in (("acc", "accuracy"), ("val", "val_accuracy"))
                if name in logs
            }
        )
        self.bar.update()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        self.bar.close()


def _schedule(peak: float, warmup: int, epochs: int) -> Callable[[int, float], float]:
    """Rise for `warmup` epochs, then fall along a cosine to a hundredth."""

    def rate(epoch: int, _: float) -> float:
        if epoch < warmup:
            return peak * (epoch + 1) / (warmup + 1)
        progress = (epoch - warmup) / max(1, epochs - warmup)
        return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))

    return rate


def fit_network(
    build: Callable[[], keras.Model],
    train: pd.DataFrame,
    validation: pd.DataFrame,
    folder: Path,
    profile: settings.Profile,
    *,
    epochs: int | None = None,
    learning_rate: float | None = None,
    loss: keras.losses.Loss | str | None = None,
    targets: Callable[[pd.DataFrame], np.ndarray] | None = None,
    seed: int = 0,
    title: str | None = None,
) -> tuple[keras.Model, dict[str, Any]]:
    """Train a network as Section 4.2 says: Adam, early stopping, reduction of the learning rate.

    Parameters
    ----------
    build
        Makes the network; its inputs name the modalities it sees.
    train, validation
        Manifest rows.
    folder
        Where their arrays are.
    epochs, learning_rate
        By default the profile's.
    loss
        By default focal loss and cross-entropy, weighted 1 and 0.5.
    targets
        Gives the rows' one-hot labels; by default those of `settings.CLASSES`.

    Returns
    -------
    model
        With the weights of the epoch of least validation loss, in float32 whatever it was trained
        in.
    history
        ``epochs`` (a list of dicts), ``best_epoch`` (from 1), ``seconds``, ``seconds_per_epoch``,
        ``parameters``, ``choose_precision``, ``describe_device``.
    """
    epochs = epochs or profile.epochs
    learning_rate = learning_rate or profile.learning_rate
    targets = targets or (lambda rows: one_hot(rows["label"]))
    computing = choose_precision(profile)
    keras.backend.clear_session()  # a worker trains several networks, one after the other
    keras.utils.set_random_seed(seed)
    with _policy(computing):
        model = build()
    modalities = [tensor.name for tensor in model.inputs]
    feeds = [
        make_feed(
            rows,
            folder,
            profile.batch,
            modalities=modalities,
            targets=targets(rows),
            augment=training and profile.augment,
            seed=seed if training else None,
        )
        for rows, training in ((train, True), (validation, False))
    ]
    callbacks: list[keras.callbacks.Callback] = [
        keras.callbacks.EarlyStopping(
            monitor="val_loss",
            patience=profile.patience_stop,
            restore_best_weights=True,
            start_from_epoch=profile.warmup,
        ),
        _Progress(title or model.name, epochs),
    ]
    if profile.warmup:
        callbacks.append(
            keras.callbacks.LearningRateScheduler(_schedule(learning_rate, profile.warmup, epochs))
        )
    else:
        callbacks.append(
            keras.callbacks.ReduceLROnPlateau(monitor="val_loss", patience=profile.patience_plateau)
        )
    model.compile(
        keras.optimizers.Adam(learning_rate),
        loss or losses.FocalCrossEntropy(),
        metrics=["accuracy", metrics.Kappa(model.output.shape[-1])],
        run_eagerly=profile.run_eagerly,
    )
    # Adam's moments are made now: a first step that makes them is traced twice (Baseline 3: 97 s
    # instead of 54).
    model.optimizer.build(model.trainable_variables)
    start = time.perf_counter()
    seen = model.fit(
        feeds[0],
        validation_data=feeds[1],
        epochs=epochs,
        callbacks=callbacks,
        shuffle=False,
        verbose=0,
    ).history
    seconds = time.perf_counter() - start
    if computing != "float32":
        weights = model.get_weights()
        model = build()
        model.set_weights(weights)
    rows = [
        {name: float(values[i]) for name, values in seen.items()} for i in range(len(seen["loss"]))
    ]
    eligible = range(min(profile.warmup, len(rows) - 1), len(rows))
    return model, {
        "epochs": rows,
        "best_epoch": 1 + min(eligible, key=lambda i: rows[i]["val_loss"]),
        "seconds": round(seconds, 1),
        "seconds_per_epoch": round(seconds / len(rows), 2),
        "parameters": int(model.count_params()),
        "precision": computing,
        "device": describe_device(),
    }


def predict_rows(
    model: keras.Model, rows: pd.DataFrame, folder: Path, batch: int = 64
) -> np.ndarray:
    """Return a model's probabilities for manifest rows, float64 (n, classes)."""
    modalities = [tensor.name for tensor in model.inputs]
    feed = make_feed(rows, folder, batch, modalities=modalities)
    return np.asarray(model.predict(feed, verbose=0), dtype=np.float64)
