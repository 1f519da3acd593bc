"""Fit a network as Section 4.2 says, and predict with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from sierlib import settings
from sierlib.backend import spread
from sierlib.data.feed import Feed, one_hot
from sierlib.machine import choose_precision, describe_device
from sierlib.networks import losses, metrics
from sierlib.networks.unfinished import Unfinished


@contextmanager
def _policy(name: str) -> Iterator[None]:
    """Let layers that are built here compute in a precision of their own."""
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
        shown = {}
        for short, name in (("acc", "accuracy"), ("val", "val_accuracy")):
            if logs and name in logs:
                shown[short] = f"{logs[name]:.3f}"
        self.bar.set_postfix(shown)
        self.bar.update(epoch + 1 - self.bar.n)  # one, or those of an earlier process as well

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        self.bar.close()


def _schedule(peak: float, warmup: int, epochs: int) -> Callable[[int, float], float]:
    """Return a rate that rises for `warmup` epochs, then falls along a cosine to a hundredth."""

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
    loss: keras.losses.Loss | str | None = None,
    targets: Callable[[pd.DataFrame], np.ndarray] | None = None,
    seed: int = 0,
    title: str | None = None,
    unfinished: Path | None = None,
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
    profile
        Its `recipe`.
    loss
        By default focal loss and cross-entropy, weighted 1 and 0.5.
    targets
        Gives the rows' one-hot labels; by default those of `settings.CLASSES`.
    unfinished
        Where the state after epochs is written (``.npz``, see `Unfinished`), and from where it goes
        on, should the file be there. The caller names it by all that the training depends on, and
        removes it.

    Returns
    -------
    model
        With the weights of the epoch of least validation loss, in float32 whatever it was trained
        in.
    history
        ``epochs`` (a list of dicts), ``best_epoch`` (from 1), ``seconds``, ``seconds_per_epoch``,
        ``parameters``, ``precision``, ``device``.
    """
    targets = targets or (lambda rows: one_hot(rows["label"]))
    precision = choose_precision(profile)
    keras.backend.clear_session()  # a worker trains several networks, one after the other
    keras.utils.set_random_seed(seed)
    with spread() as devices:
        with _policy(precision):
            model = build()
        if devices > 1:
            _synchronise(model)
        # Training rows are shuffled and augmented, validation rows are neither.
        modalities = [tensor.name for tensor in model.inputs]
        feed = partial(Feed, folder=folder, batch=profile.batch, modalities=modalities)
        answers = targets(train)
        training = feed(
            train, targets=answers, augment=profile.augment, absent=profile.absent, seed=seed
        )
        validating = feed(validation, targets=targets(validation))
        stage = partial(_train, model, training=training, validating=validating)

        # First with what is frozen, and then, where that is asked for, with all layers.
        _compile(model, profile, loss or losses.FocalCrossEntropy())
        fitted, seconds = stage(
            profile,
            epochs=profile.epochs,
            class_weight=_weigh_classes(answers, profile.class_weight),
            extra=[_Progress(title or model.name, profile.epochs)],
            unfinished=unfinished,
        )
        first = profile.warmup  # of the epochs whose weights may be kept
        if profile.tuned:
            first = len(fitted["loss"])
            slow = replace(profile, learning_rate=settings.PAPER_RATE, warmup=0)
            _thaw(model)
            _compile(model, slow, model.loss)
            later = unfinished and unfinished.with_stem(f"{unfinished.stem}-tuned")
            more, longer = stage(slow, epochs=profile.tuned, before=first, unfinished=later)
            fitted = {name: values + more[name] for name, values in fitted.items()}
            seconds += longer
    # The same weights in a network that computes in float32, and without the optimiser's moments.
    weights = model.get_weights()
    model = build()
    model.set_weights(weights)

    rows = _read_epochs(fitted)
    return model, {
        "epochs": rows,
        "best_epoch": _find_best(rows, first),
        "seconds": round(seconds, 1),
        "seconds_per_epoch": round(seconds / len(rows), 2),
        "parameters": int(model.count_params()),
        "precision": precision,
        "device": describe_device(),
    }


def _compile(model: keras.Model, profile: settings.Profile, loss: keras.losses.Loss | str) -> None:
    """Say what is minimised and how, and what is measured on the way (Section 4.2)."""
    kappa = metrics.Kappa(model.output.shape[-1])
    model.compile(
        keras.optimizers.Adam(profile.learning_rate),
        loss,
        metrics=["accuracy", kappa],
        # JAX runs each step's thousands of operations one by one then, for minutes.
        run_eagerly=profile.run_eagerly and keras.backend.backend() == "tensorflow",
    )
    # Adam's moments are made now: a first step that makes them is traced twice (Baseline 3: 97 s
    # instead of 54).
    model.optimizer.build(model.trainable_variables)


def _synchronise(model: keras.Model) -> None:
    """Let batch normalisation see the whole batch, not one device's share of it."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True


def _thaw(model: keras.Model) -> None:
    """Let all layers learn, but for batch normalisation that was frozen.

    By the averages of a small batch instead of its own a pre-trained network sees all else anew.
    """
    layers = list(model._flatten_layers())
    norms = [each for each in layers if isinstance(each, keras.layers.BatchNormalization)]
    keep = [norm for norm in norms if not norm.trainable]
    for layer in layers:
        layer.trainable = True
    for norm in keep:
        norm.trainable = False


def _train(
    model: keras.Model,
    profile: settings.Profile,
    *,
    training: Feed,
    validating: Feed,
    epochs: int,
    before: int = 0,
    extra: Sequence[keras.callbacks.Callback] = (),
    class_weight: dict[int, float] | None = None,
    unfinished: Path | None = None,
) -> tuple[dict[str, list[float]], float]:
    """Fit a compiled model, from where a process that was killed has left it.

    Parameters
    ----------
    before
        Epochs that the feed has given already.
    unfinished
        Where its state after epochs lies.

    Returns
    -------
    history, seconds
        A list for each measure, and how long the epochs have taken.
    """
    watched = _steer(profile)
    kept = Unfinished(model, watched, unfinished)
    training.begin_at(before + kept.epochs)
    if kept.finished:
        kept.restore_best()
        return kept.history, kept.seconds
    model.fit(
        training,
        validation_data=validating,
        initial_epoch=kept.epochs,
        epochs=epochs,
        callbacks=[*watched, kept, *extra],
        class_weight=class_weight,
        shuffle=False,
        verbose=0,
    )
    return kept.history, kept.seconds


def _weigh_classes(answers: np.ndarray, power: float) -> dict[int, float] | None:
    """Return what a row of each class counts, 1 on average over the rows; None for all alike."""
    if not power:
        return None
    shares = answers.mean(axis=0)
    weights = np.maximum(shares, 1 / len(answers)) ** -power
    weights /= (shares * weights).sum()
    return dict(enumerate(weights.tolist()))


def _steer(profile: settings.Profile) -> list[keras.callbacks.Callback]:
    """Return what stops training and what changes its rate (Section 4.2, or the profile's warm-up).

    Epochs of the warm-up count neither for stopping nor as the best.
    """
    stop = keras.callbacks.EarlyStopping(
        monitor="val_loss",
        patience=profile.patience_stop,
        restore_best_weights=True,
        start_from_epoch=profile.warmup,
    )
    if profile.warmup:
        schedule = _schedule(profile.learning_rate, profile.warmup, profile.epochs)
        return [stop, keras.callbacks.LearningRateScheduler(schedule)]
    patience = profile.patience_plateau
    return [stop, keras.callbacks.ReduceLROnPlateau(monitor="val_loss", patience=patience)]


def _read_epochs(history: dict[str, list[Any]]) -> list[dict[str, float]]:
    """Turn Keras' history, a list for each measure, into a dict for each epoch."""
    rows: list[dict[str, float]] = [{} for _ in history["loss"]]
    for name, values in history.items():
        for row, value in zip(rows, values, strict=True):
            row[name] = float(value)
    return rows


def _find_best(rows: list[dict[str, float]], first: int) -> int:
    """Return the epoch, from 1, whose weights are kept: that of least validation loss."""
    eligible = range(min(first, len(rows) - 1), len(rows))
    return 1 + min(eligible, key=lambda index: rows[index]["val_loss"])


def predict_nothing(model: keras.Model) -> np.ndarray:
    """Return what a model says to silence and black, where every explanation starts: float64
    (classes,)."""
    blank = {each.name: np.zeros((1, *each.shape[1:]), np.float32) for each in model.inputs}
    return np.asarray(model.predict(blank, verbose=0)[0], dtype=np.float64)


def predict_rows(
    model: keras.Model, rows: pd.DataFrame, folder: Path, batch: int = 64
) -> np.ndarray:
    """Return a model's probabilities for manifest rows, float64 (n, classes)."""
    modalities = [tensor.name for tensor in model.inputs]
    feed = Feed(rows, folder, batch, modalities=modalities)
    return np.asarray(model.predict(feed, verbose=0), dtype=np.float64)
