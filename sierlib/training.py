"""Training of ParallelNet, of its halves and of the teachers (Section 4.2)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from sierlib import dataset, metrics, networks, runs, settings
from sierlib.losses import FocalCrossEntropy
from sierlib.runs import Run

#: Modules on which trained weights depend, besides their data.
TRAINING_MODULES = ("networks", "losses", "training")


def device() -> str:
    """Name what is trained on, for the reader."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        return ", ".join(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus)
    described = runs.machine()
    return f"CPU ({described['processor']}, {described['cores']} cores)"


def precision(profile: settings.Profile) -> str:
    """Choose what training computes in: bfloat16 where the processor gains by it (AMX), except in profile "paper"."""
    import tensorflow as tf

    fast = "amx_bf16" in runs.machine()["features"]
    if profile.name == "paper" or tf.config.list_physical_devices("GPU") or not fast:
        return "float32"
    return "mixed_bfloat16"


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


def fit(
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
        With the weights of the epoch of least validation loss, in float32 whatever it was trained in.
    history
        ``epochs`` (a list of dicts), ``best_epoch`` (from 1), ``seconds``, ``seconds_per_epoch``, ``parameters``,
        ``precision``, ``device``.
    """
    epochs = epochs or profile.epochs
    learning_rate = learning_rate or profile.learning_rate
    targets = targets or (lambda rows: dataset.one_hot(rows["label"]))
    computing = precision(profile)
    keras.utils.set_random_seed(seed)
    with _policy(computing):
        model = build()
    modalities = [tensor.name for tensor in model.inputs]
    feeds = [
        dataset.feed(
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
        callbacks.append(keras.callbacks.LearningRateScheduler(_schedule(learning_rate, profile.warmup, epochs)))
    else:
        callbacks.append(keras.callbacks.ReduceLROnPlateau(monitor="val_loss", patience=profile.patience_plateau))
    model.compile(keras.optimizers.Adam(learning_rate), loss or FocalCrossEntropy(), metrics=["accuracy"])
    start = time.perf_counter()
    seen = model.fit(
        feeds[0], validation_data=feeds[1], epochs=epochs, callbacks=callbacks, shuffle=False, verbose=0
    ).history
    seconds = time.perf_counter() - start
    if computing != "float32":
        weights = model.get_weights()
        model = build()
        model.set_weights(weights)
    rows = [{name: float(values[i]) for name, values in seen.items()} for i in range(len(seen["loss"]))]
    eligible = range(min(profile.warmup, len(rows) - 1), len(rows))
    return model, {
        "epochs": rows,
        "best_epoch": 1 + min(eligible, key=lambda i: rows[i]["val_loss"]),
        "seconds": round(seconds, 1),
        "seconds_per_epoch": round(seconds / len(rows), 2),
        "parameters": int(model.count_params()),
        "precision": computing,
        "device": device(),
    }


def predict(model: keras.Model, rows: pd.DataFrame, folder: Path, batch: int = 64) -> np.ndarray:
    """Return a model's probabilities for manifest rows, float64 (n, classes)."""
    modalities = [tensor.name for tensor in model.inputs]
    feed = dataset.feed(rows, folder, batch, modalities=modalities)
    return np.asarray(model.predict(feed, verbose=0), dtype=np.float64)


#: The models of Section 4.3.1 by the name their results carry: display name and what builds them.
MODELS: dict[str, tuple[str, Callable[[settings.Profile], keras.Model]]] = {
    "fused": ("ParallelNet", networks.parallel_net),
    "ser": ("SER only", lambda profile: networks.unimodal("speech", profile)),
    "ier": ("IER only", lambda profile: networks.unimodal("image", profile)),
}


def train_model(run: Run, name: str, fold: int = 0) -> tuple[keras.Model, dict[str, Any]]:
    """Train one of `MODELS` on the run's manifest, or read it where it is up to date.

    Parameters
    ----------
    name
        A key of `MODELS`.
    fold
        The training part's fold that validates; the other four are trained on. The test part is not touched.

    Returns
    -------
    model, history
        As `fit` gives them; `history` also holds ``validation`` scores.
    """
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}: choose one of {', '.join(MODELS)}")
    title, build = MODELS[name]
    manifest = dataset.read_manifest(run)
    artefact = f"models/{name}" + (f"-fold{fold}" if fold else "")
    key = runs.digest(
        name, fold, run.profile.as_dict(), run.seed, run.key_of("manifest"), runs.source_key(TRAINING_MODULES)
    )
    path = run.folder / f"{artefact}.keras"
    told = path.with_suffix(".json")
    if run.current(artefact, key, path, told):
        return keras.saving.load_model(path), runs.read_json(told)
    training = manifest[manifest["split"] == "train"]
    train, validation = training[training["fold"] != fold], training[training["fold"] == fold]
    if validation.empty:
        raise ValueError(f"fold {fold} of {run.folder} is empty: folds are 0 to {settings.FOLDS - 1}")
    model, history = fit(
        lambda: build(run.profile), train, validation, run.folder / "dataset", run.profile, seed=run.seed, title=title
    )
    probabilities = predict(model, validation, run.folder / "dataset")
    history["validation"] = metrics.scores(metrics.codes(validation["label"]), probabilities.argmax(axis=1))
    history |= {"title": title, "rows": {"train": len(train), "validation": len(validation)}}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"part-{path.name}")
    model.save(partial)
    partial.replace(path)
    runs.write_json(told, history)
    run.done(artefact, key)
    return model, history


def cross_validate(run: Run, name: str = "fused") -> pd.DataFrame:
    """Train a model once for each fold that the profile asks for (Section 4.2: five), reading those that are there.

    Returns
    -------
    pandas.DataFrame
        A row for each fold: `accuracy`, `macro F1`, `kappa` on the fold that validates, `best epoch`, `seconds`.
    """
    rows = []
    for fold in range(run.profile.folds):
        _, history = train_model(run, name, fold)
        scores = history["validation"]
        rows.append(
            {
                "fold": fold,
                "accuracy": scores["accuracy"],
                "macro F1": scores["macro_f1"],
                "kappa": scores["kappa"],
                "best epoch": history["best_epoch"],
                "seconds": history["seconds"],
            }
        )
    return pd.DataFrame(rows).set_index("fold")


def load_model(run: Run, name: str) -> keras.Model:
    """Read a trained model of the run.

    Raises
    ------
    FileNotFoundError
        Naming the notebook to run first.
    """
    path = run.folder / "models" / f"{name}.keras"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run notebooks/02-training.ipynb first")
    return keras.saving.load_model(path)


def predict_test(run: Run, names: Sequence[str] = tuple(MODELS)) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Return the manifest's test rows and each model's probabilities for them, (n, 4)."""
    manifest = dataset.read_manifest(run)
    rows = manifest[manifest["split"] == "test"].reset_index(drop=True)
    return rows, {name: predict(load_model(run, name), rows, run.folder / "dataset") for name in names}
