"""Training of the networks in `sierlib.specs` and of the teachers (Section 4.2)."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from sierlib import dataset, metrics, runs, settings, specs, workers
from sierlib.losses import FocalCrossEntropy
from sierlib.runs import Run

#: Modules on which trained weights depend, besides their data.
TRAINING_MODULES = ("backbones", "networks", "losses", "training", "workers")


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


@keras.saving.register_keras_serializable("sierlib")
class Kappa(keras.metrics.Metric):
    """Cohen's kappa over all that an epoch has seen (Section 4.2).

    Parameters
    ----------
    classes
        How many there are.
    """

    def __init__(self, classes: int, name: str = "kappa", **options: Any) -> None:
        super().__init__(name=name, dtype="float32")
        self.classes = classes
        self.table = self.add_weight(shape=(classes, classes), initializer="zeros", name="table")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count labels (rows) against predictions (columns); both (n, classes)."""
        guessed = keras.ops.one_hot(keras.ops.argmax(y_pred, axis=-1), self.classes)
        self.table.assign_add(keras.ops.matmul(keras.ops.transpose(keras.ops.cast(y_true, "float32")), guessed))

    def result(self) -> Any:
        """Return the agreement beyond chance, as a share of what chance leaves."""
        shares = self.table / keras.ops.maximum(keras.ops.sum(self.table), 1.0)
        agreed = keras.ops.sum(keras.ops.diagonal(shares))
        chance = keras.ops.sum(keras.ops.sum(shares, axis=0) * keras.ops.sum(shares, axis=1))
        return (agreed - chance) / keras.ops.maximum(1.0 - chance, keras.backend.epsilon())

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds it."""
        return {"name": self.name, "classes": self.classes}


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
    keras.backend.clear_session()  # a worker trains several networks, one after the other
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
    model.compile(
        keras.optimizers.Adam(learning_rate),
        loss or FocalCrossEntropy(),
        metrics=["accuracy", Kappa(model.output.shape[-1])],
        run_eagerly=profile.eager,
    )
    # Adam's moments are made now: a first step that makes them is traced twice (Baseline 3: 97 s instead of 54).
    model.optimizer.build(model.trainable_variables)
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


# ------------------------------------------------------------------------------ the table of networks
#: A network to train: its specification's name, the fold that validates, and which repetition (its seed).
Job = tuple[str, int, int]


def artefact_of(name: str, fold: int = 0, repeat: int = 0) -> str:
    """Return the name that a trained network's files carry.

    Examples
    --------
    >>> artefact_of("fused"), artefact_of("ser", fold=2, repeat=1)
    ('models/fused', 'models/ser-fold2-repeat1')
    """
    return f"models/{name}" + (f"-fold{fold}" if fold else "") + (f"-repeat{repeat}" if repeat else "")


def _key(run: Run, job: Job) -> str:
    return runs.digest(
        job, specs.SPECS[job[0]].as_dict(), run.profile.as_dict(), run.seed, run.key_of("manifest"),
        [row_digest(rows) for rows in specs.rows_of(run, specs.SPECS[job[0]], job[1]).values()],
        runs.source_key(TRAINING_MODULES),
    )  # fmt: skip


def is_current(run: Run, job: Job) -> bool:
    """Tell whether a network's files are those that training it now would give."""
    path = run.folder / artefact_of(*job)
    if not path.with_suffix(".json").is_file():  # so that no rows are asked for that a corpus may not have
        return False
    return run.current(artefact_of(*job), _key(run, job), path.with_suffix(".keras"), path.with_suffix(".json"))


def _train_here(run: Run, name: str, fold: int, repeat: int) -> None:
    """Train one network in this process and write its files."""
    spec = specs.SPECS[name]
    rows, folder = specs.rows_of(run, spec, fold), run.folder / "dataset"
    eye = np.eye(len(spec.classes), dtype=np.float32)
    model, history = fit(
        lambda: spec.build(run.profile),
        rows["train"],
        rows["validation"],
        folder,
        run.profile,
        learning_rate=run.profile.learning_rate * spec.pace,
        loss=spec.make_loss(),
        targets=lambda some: eye[metrics.codes(some["answer"], spec.classes)],
        seed=run.seed + repeat,
        title=spec.title,
    )
    # The test rows' predictions are written down here and opened by notebook 04.
    for part in ("validation", "test"):
        guesses = predict(model, rows[part], folder).argmax(axis=1)
        answers = metrics.codes(rows[part]["answer"], spec.classes)
        history[part] = metrics.scores(answers, guesses, spec.classes)
        history[f"{part}_predicted"] = "".join(map(str, guesses))
        history[f"{part}_rows"] = row_digest(rows[part])
    history |= {
        "title": spec.title,
        "spec": spec.as_dict(),
        "fold": fold,
        "repeat": repeat,
        "rows": {part: len(some) for part, some in rows.items()},
        "provenance": run.provenance(),
    }
    place = run.folder / artefact_of(name, fold, repeat)
    partial = place.with_name(f"part-{place.name}.keras")
    model.save(partial)
    partial.replace(place.with_suffix(".keras"))
    runs.write_json(place.with_suffix(".json"), history)
    run.done(artefact_of(name, fold, repeat), _key(run, (name, fold, repeat)))


def row_digest(rows: pd.DataFrame) -> str:
    """Return 12 hex digits that tell whether two lists of predictions are about the same rows and answers."""
    return hashlib.sha256("\n".join(rows["id"] + " " + rows["answer"]).encode()).hexdigest()[:12]


def train_all(run: Run, jobs: Iterable[Job | str]) -> dict[Job, dict[str, Any]]:
    """Train every network that is out of date, several at once, and read the histories of all.

    Parameters
    ----------
    jobs
        `Job` tuples, or names of specifications for fold 0 and the first repetition.

    Returns
    -------
    dict
        By job: the history of `fit` with ``validation`` and ``test`` scores and predictions (a digit for each row),
        ``rows``, ``spec``, ``title``, ``fold``, ``repeat`` and ``provenance``.
    """
    wanted = [(job, 0, 0) if isinstance(job, str) else job for job in jobs]
    for name, fold, _ in wanted:
        if name not in specs.SPECS:
            raise ValueError(f"unknown model {name!r}: choose one of {', '.join(specs.SPECS)}")
        if not 0 <= fold < settings.FOLDS:
            raise ValueError(f"fold {fold} of {run.folder} is empty: folds are 0 to {settings.FOLDS - 1}")
    dataset.read_manifest(run)  # says what to run first, before any process is started
    runs.ensure(run.folder / "models")
    stale = [(run, *job) for job in wanted if not is_current(run, job)]
    if stale:
        workers.in_workers(_train_here, stale, "training")
    return {job: runs.read_json((run.folder / artefact_of(*job)).with_suffix(".json")) for job in wanted}


def train_model(run: Run, name: str, fold: int = 0, repeat: int = 0) -> tuple[keras.Model, dict[str, Any]]:
    """Train one network of `specs.SPECS`, or read it where it is up to date; its model and history."""
    job = (name, fold, repeat)
    history = train_all(run, [job])[job]
    return keras.saving.load_model((run.folder / artefact_of(*job)).with_suffix(".keras")), history


def cross_validate(run: Run, name: str = "fused") -> pd.DataFrame:
    """Train a model once for each fold that the profile asks for (Section 4.2: five), reading those that are there.

    Returns
    -------
    pandas.DataFrame
        A row for each fold: `accuracy`, `macro F1`, `kappa` on the fold that validates, `best epoch`, `seconds`.
    """
    histories = train_all(run, [(name, fold, 0) for fold in range(run.profile.folds)])
    return fold_table({fold: history for (_, fold, _), history in histories.items()})


def fold_table(histories: dict[int, dict[str, Any]]) -> pd.DataFrame:
    """Return what folds came to, by number; columns as of `cross_validate`."""
    return pd.DataFrame(
        [
            {
                "fold": fold,
                "accuracy": history["validation"]["accuracy"],
                "macro F1": history["validation"]["macro_f1"],
                "kappa": history["validation"]["kappa"],
                "best epoch": history["best_epoch"],
                "seconds": history["seconds"],
            }
            for fold, history in sorted(histories.items())
        ]
    ).set_index("fold")


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


def predict_test(
    run: Run, names: Sequence[str] = ("fused", "ser", "ier")
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Return the manifest's test rows and each model's probabilities for them, (n, 4)."""
    manifest = dataset.read_manifest(run)
    rows = manifest[manifest["split"] == "test"].reset_index(drop=True)
    return rows, {name: predict(load_model(run, name), rows, run.folder / "dataset") for name in names}
