"""The data set: duplicates, splits, the manifest, and what feeds the networks."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from sierlib import settings
from sierlib.encoding import load
from sierlib.runs import Run

COLUMNS = (
    ["id", "group", "text", "speech", "image", "label"]
    + [f"{teacher}_{name}" for teacher in ("ser", "ier") for name in settings.CLASSES]
    + ["winner", "split", "fold", "sentiment", "own_split"]
)


# ---------------------------------------------------------------------------- duplicates and splits
def without_duplicates(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Set aside rows whose image bytes and cleaned text (or recording) an earlier row already has.

    Returns
    -------
    kept, duplicates
        The second with a `reason` that names the row it repeats.
    """
    same = ["image_hash", "text", "sound_hash"]
    first = frame.groupby(same, dropna=False)["id"].transform("first")
    repeated = frame["id"] != first
    duplicates = frame[repeated].copy()
    duplicates["reason"] = "duplicate: of " + first[repeated].astype(str)
    return frame[~repeated].copy(), duplicates


def groups_of(texts: Iterable[str]) -> np.ndarray:
    """Number rows so that rows with the same words share a number: such rows are never split."""
    return pd.factorize(pd.Series([" ".join(text.lower().split()) for text in texts]))[0]


def split(labels: np.ndarray, groups: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split rows 70-30, and the 70 into five folds (Section 4.2), keeping groups whole and classes in proportion.

    Parameters
    ----------
    labels, groups
        (n,) each.

    Returns
    -------
    parts
        (n,) of "train" and "test".
    folds
        (n,) of 0 to 4; -1 for test rows.

    Raises
    ------
    ValueError
        When there are too few rows for that.
    """
    smallest = 2 * settings.FOLDS
    if len(set(groups)) < smallest:
        raise ValueError(
            f"{len(labels)} usable rows in {len(set(groups))} groups of equal text: at least {smallest} "
            "groups are needed for a 70-30 split with five folds; use a larger corpus"
        )
    most = int(pd.Series(labels).value_counts().max())
    if most < 10:
        raise ValueError(
            f"{len(labels)} usable rows in classes of at most {most}: at least 10 are needed for a "
            "70-30 split with five folds; use a larger corpus"
        )
    parts = np.full(len(labels), "train", dtype=object)
    ten = StratifiedGroupKFold(10, shuffle=True, random_state=seed)
    tests = [test for _, test in _quiet_split(ten, labels, groups)][: round(10 * settings.TEST_SHARE)]
    parts[np.concatenate(tests)] = "test"
    folds = np.full(len(labels), -1)
    training = np.flatnonzero(parts == "train")
    five = StratifiedGroupKFold(settings.FOLDS, shuffle=True, random_state=seed)
    for number, (_, held) in enumerate(_quiet_split(five, labels[training], groups[training])):
        folds[training[held]] = number
    return parts, folds


def split_by_session(sessions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hold out the last session and validate on the one before it, so that no speaker is on two sides (IEMOCAP).

    Parameters
    ----------
    sessions
        (n,) numbers; at least three different ones.

    Returns
    -------
    parts, folds
        As `split`; the session that validates is fold 0, the others are numbered after it.

    Examples
    --------
    >>> parts, folds = split_by_session(np.array([1, 2, 2, 3]))
    >>> list(parts), folds.tolist()
    (['train', 'train', 'train', 'test'], [1, 0, 0, -1])
    """
    order = sorted(set(sessions), reverse=True)
    parts = np.where(sessions == order[0], "test", "train").astype(object)
    return parts, np.array([order.index(session) - 1 for session in sessions])


def _quiet_split(splitter: StratifiedGroupKFold, labels: np.ndarray, groups: np.ndarray) -> list[Any]:
    """Split although a class may have fewer members than folds; notebooks say which classes are thin."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        return list(splitter.split(labels, labels, groups))


# --------------------------------------------------------------------------------------------- feed
def inputs(frame: pd.DataFrame, folder: Path) -> dict[str, np.ndarray]:
    """Return the network's inputs for a few rows: ``speech`` and ``image`` float32 in [0, 1], those that there are."""
    return {
        name: load(list(frame[name]), folder).astype(np.float32) / 255
        for name in ("speech", "image")
        if frame[name].notna().all()
    }


def one_hot(labels: Iterable[str]) -> np.ndarray:
    """Return float32 (n, 4), one column for each of `settings.CLASSES`."""
    codes = [settings.CLASSES.index(label) for label in labels]
    return np.eye(len(settings.CLASSES), dtype=np.float32)[codes]


def feed(
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
        Shift speech in time by up to 1.2 s and mirror and shift images: what does not change an emotion.
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
        return [load([columns[name][int(row)] for row in rows], folder) for name in modalities]

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
            lambda rows, step: (rows, _augmented(read(rows), tf.stack([seed or 0, step]))),
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
    # Autotuning has nothing to tune here, and with it passes of 6 s often took 10.3, idle at the end (TensorFlow 2.21).
    # That is when a tuner that sleeps 0.01, 0.02, 0.04 ... s wakes up; that it is waited for is a guess.
    options = tf.data.Options()
    options.autotune.enabled = False
    return data.prefetch(2).with_options(options)


def _augmented(given: dict[str, Any], seed: Any) -> dict[str, Any]:
    """Shift each batch's speech later or earlier, mirror and shift its images; empty parts are zero."""
    import tensorflow as tf

    seed = tf.cast(seed, tf.int32)
    out = dict(given)
    if "speech" in given:
        later = tf.random.stateless_uniform((tf.shape(given["speech"])[0], 1), seed, -4, 25, tf.int32)
        # Step t of the shifted speech is step t - later of what was given; there is silence on both sides.
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


# ----------------------------------------------------------------------------------------- manifest
def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table through a temporary name."""
    partial = path.with_name(path.name + ".part")
    frame.to_csv(partial, index=False)
    os.replace(partial, path)


def read_manifest(run: Run, name: str = "manifest") -> pd.DataFrame:
    """Read the run's manifest, as `labelling.build` has written it; or `name` "discarded", rows of the same columns.

    Raises
    ------
    FileNotFoundError
        Naming the notebook to run first.
    """
    path = run.folder / "dataset" / f"{name}.csv"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run notebooks/01-dataset.ipynb first")
    return pd.read_csv(path, dtype={"id": str, "text": str}, keep_default_na=False, na_values={"sentiment": ""})


def signature(manifest: pd.DataFrame) -> dict[str, str]:
    """Return what tells whether two runs made the same data set: a letter for each row's label and part, and a hash.

    Labels are named by their place in `settings.CLASSES`; parts are the fold, or "t" for test.
    """
    parts = manifest["fold"].astype(str).where(manifest["split"] == "train", "t")
    ids = hashlib.sha256("\n".join(manifest["id"]).encode()).hexdigest()[:12]
    labels = "".join(str(settings.CLASSES.index(label)) for label in manifest["label"])
    if len(manifest) > 20_000:  # a hash will do
        return {name: hashlib.sha256(text.encode()).hexdigest()[:12] for name, text in
                (("ids", ids), ("labels", labels), ("parts", "".join(parts)))}  # fmt: skip
    return {"ids": ids, "labels": labels, "parts": "".join(parts)}


def read_truth(run: Run) -> dict[str, Any]:
    """Read the embedded corpus's planted truth by id; empty for corpora that have none."""
    path = run.folder / "dataset" / "truth.jsonl"
    if not path.is_file():
        return {}
    with open(path, encoding="utf-8") as lines:
        return {value["id"]: value for value in map(json.loads, lines)}


def summary(rows: int, usable: pd.DataFrame, quarantine: pd.DataFrame, discarded: int) -> dict[str, Any]:
    """Count what became of the input's rows; the counts add up.

    Returns
    -------
    dict
        ``rows``, ``usable``, ``quarantined``, ``quarantined_by_reason``, ``discarded``, ``per_class``.
    """
    # Reasons read "<kind>: <where or which>".
    kinds = Counter(reason.partition(":")[0] for reason in quarantine["reason"])
    counts: dict[str, Any] = {
        "rows": rows,
        "usable": len(usable),
        "quarantined": len(quarantine),
        "quarantined_by_reason": dict(kinds.most_common()),
        "discarded": discarded,
        "per_class": {name: int((usable["label"] == name).sum()) for name in settings.CLASSES},
    }
    assert rows == counts["usable"] + counts["quarantined"] + counts["discarded"], counts
    return counts
