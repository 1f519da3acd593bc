"""The manifest of the data set: duplicates, splits, what became of every row."""

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
from sierlib.data.corpora import Item, open_corpus
from sierlib.run import Run

COLUMNS = (
    ["id", "group", "text", "speech", "image", "label"]
    + [f"{teacher}_{name}" for teacher in ("ser", "ier") for name in settings.CLASSES]
    + ["winner", "split", "fold", "sentiment", "own_split"]
)


def set_aside_duplicates(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
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


def number_groups(texts: Iterable[str]) -> np.ndarray:
    """Number rows so that rows with the same words share a number: such rows are never split."""
    return pd.factorize(pd.Series([" ".join(text.lower().split()) for text in texts]))[0]


def split_rows(labels: np.ndarray, groups: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split rows 70-30, and the 70 into five folds (Section 4.2), keeping groups whole and classes
    in proportion.

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
            f"{len(labels)} usable rows in {len(set(groups))} groups of equal text: at least "
            f"{smallest} "
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
    tests = [test for _, test in _split_quietly(ten, labels, groups)][
        : round(10 * settings.TEST_SHARE)
    ]
    parts[np.concatenate(tests)] = "test"
    folds = np.full(len(labels), -1)
    training = np.flatnonzero(parts == "train")
    five = StratifiedGroupKFold(settings.FOLDS, shuffle=True, random_state=seed)
    for number, (_, held) in enumerate(_split_quietly(five, labels[training], groups[training])):
        folds[training[held]] = number
    return parts, folds


def split_by_session(sessions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hold out the last session and validate on the one before it, so that no speaker is on two
    sides (IEMOCAP).

    Parameters
    ----------
    sessions
        (n,) numbers; at least three different ones.

    Returns
    -------
    parts, folds
        As `split_rows`; the session that validates is fold 0, the others are numbered after it.

    Examples
    --------
    >>> parts, folds = split_by_session(np.array([1, 2, 2, 3]))
    >>> list(parts), folds.tolist()
    (['train', 'train', 'train', 'test'], [1, 0, 0, -1])
    """
    order = sorted(set(sessions), reverse=True)
    parts = np.where(sessions == order[0], "test", "train").astype(object)
    return parts, np.array([order.index(session) - 1 for session in sessions])


def _split_quietly(
    splitter: StratifiedGroupKFold, labels: np.ndarray, groups: np.ndarray
) -> list[Any]:
    """Split although a class may have fewer members than folds; notebooks say which classes are
    thin."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        return list(splitter.split(labels, labels, groups))


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table through a temporary name."""
    partial = path.with_name(path.name + ".part")
    frame.to_csv(partial, index=False)
    os.replace(partial, path)


def read_manifest(run: Run, name: str = "manifest") -> pd.DataFrame:
    """Read the run's manifest, as `build_dataset` has written it; or `name` "discarded", rows of
    the same columns.

    Raises
    ------
    FileNotFoundError
        Naming the notebook to run first.
    """
    path = run.folder / "dataset" / f"{name}.csv"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run notebooks/01-dataset.ipynb first")
    return pd.read_csv(
        path, dtype={"id": str, "text": str}, keep_default_na=False, na_values={"sentiment": ""}
    )


def sign_manifest(manifest: pd.DataFrame) -> dict[str, str]:
    """Return what tells whether two runs made the same data set: a letter for each row's label and
    part, and a hash.

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


def count_rows(
    rows: int, usable: pd.DataFrame, quarantine: pd.DataFrame, discarded: int
) -> dict[str, Any]:
    """Count what became of the input's rows; the counts add up.

    Returns
    -------
    dict
        ``rows``, ``usable``, ``quarantined``, ``quarantined_by_reason``, ``discarded``,
        ``per_class``.
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


def find_items(run: Run, ids: Sequence[str]) -> dict[str, Item]:
    """Return the run's corpus items of those ids."""
    wanted = set(ids)
    return {
        item.id: item
        for item in open_corpus(run.data, "data", run.profile, run.seed).items
        if item.id in wanted
    }
