"""The manifest of the data set: duplicates, splits, what became of every row."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold

from sierlib import settings
from sierlib.data.corpora import Corpus, Item, open_corpus
from sierlib.data.shards import align_item, encode_role
from sierlib.files import replacing
from sierlib.run import Run

#: The columns of the manifest; those of the teachers' opinions are named "ser_anger" and so on.
OPINIONS = [f"{role}_{name}" for role in settings.ROLES for name in settings.CLASSES]
COLUMNS = [
    *("id", "group", "text", "speech", "image", "label"),
    *OPINIONS,
    *("winner", "split", "fold", "sentiment", "own_split"),
]

#: What `winner` holds where the corpus brought its labels; else the teacher's role that decided.
GIVEN = "given"


#: The kind of reason of a duplicate that its corpus labels otherwise than the row it repeats.
CONTRADICTING = "contradicting duplicate"


def labelled_by_teachers(rows: pd.DataFrame) -> bool:
    """Tell whether the teachers' opinions made the labels of manifest rows.

    Where the corpus brought them, no teacher was asked, and there are no opinions to look at.
    """
    return bool((rows["winner"] != GIVEN).all())


def set_aside_duplicates(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Set aside rows whose image bytes and cleaned text (or recording) an earlier row already has.

    Returns
    -------
    kept, duplicates
        The second with a `reason` that names the row it repeats, and says where the corpus labels
        the two differently; for that the words may differ in their case.
    """
    same = frame.groupby(["image_hash", "text", "sound_hash"], dropna=False)["id"]
    first = same.transform("first").astype(str)
    repeated = frame["id"].astype(str) != first
    reason = "duplicate: of " + first
    # Where the words are the same but for their case, two labels contradict each other as well.
    words = frame["text"].fillna("").astype(str).str.lower().str.split().str.join(" ")
    alike = frame.groupby([frame["image_hash"], words, frame["sound_hash"]], dropna=False)
    label = alike["label"].transform("first")  # None where teachers are to decide
    contradicts = label.notna() & (frame["label"] != label)
    contradiction = alike["id"].transform("first").astype(str) + ", labelled " + label.astype(str)
    reason = reason.mask(contradicts, f"{CONTRADICTING}: of " + contradiction)
    repeated |= contradicts
    return frame[~repeated].copy(), frame[repeated].assign(reason=reason[repeated])


def set_aside(corpus: Corpus, rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Set aside what cannot be used of a corpus: seen on listing, on encoding, or as a duplicate.

    Parameters
    ----------
    rows
        As `encode_role` gives them.

    Returns
    -------
    usable, quarantine
        The second with ``id``, ``path`` and ``reason``.
    """
    columns = ["id", "path", "reason"]
    usable, duplicates = set_aside_duplicates(rows[rows["reason"].isna()].reset_index(drop=True))
    listing = pd.DataFrame(corpus.quarantined, columns=columns)
    encoding = rows.loc[rows["reason"].notna(), columns]
    quarantine = pd.concat([listing, encoding, duplicates])[columns].fillna("")
    return usable.reset_index(drop=True), quarantine


def read_usable(run: Run) -> tuple[Corpus, pd.DataFrame, pd.DataFrame, Path]:
    """Encode the run's pairs and set aside what cannot be used.

    Returns
    -------
    corpus, usable, quarantine, folder
        The last is where the arrays are.

    Raises
    ------
    ValueError
        When too few remain to be split, so that no teacher has to be trained to find that out.
    """
    corpus, rows, folder = encode_role(run, "data")
    usable, quarantine = set_aside(corpus, rows)
    groups = number_groups(usable["text"], usable["image_hash"])
    count, smallest = len(set(groups)), 2 * settings.FOLDS
    if count < smallest:
        path = folder / "quarantine.csv"
        write_csv(quarantine, path)
        found = (
            f"{len(usable)} usable pairs in {run.data} make {count} groups of one text or picture"
        )
        if usable.empty:
            found = f"no usable pair in {run.data}"
        raise ValueError(
            f"{found}: at least {smallest} are needed for a 70-30 split with five folds; the "
            f"{len(quarantine)} others are in {path}, with reasons"
        )
    return corpus, usable, quarantine, folder


def number_groups(texts: Iterable[str], pictures: Iterable[str] | None = None) -> np.ndarray:
    """Number rows so that rows with the same words share a number, and rows with the same picture,
    directly or through others: such rows are never split. A row may have no picture."""
    words = [" ".join(text.lower().split()) for text in texts]
    numbers, said = pd.factorize(pd.Series(words))
    if pictures is None:
        return numbers
    shown, _ = pd.factorize(pd.Series(list(pictures)))
    # A row joins its words with its picture; what hangs together is one group.
    size, seen = len(said) + len(words), shown >= 0
    edges = (numbers[seen], len(said) + shown[seen])
    joined = coo_array((np.ones(seen.sum()), edges), shape=(size, size))
    _, parts = connected_components(joined, directed=False)
    return pd.factorize(parts[numbers])[0]


def split_rows(labels: np.ndarray, groups: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split rows 70-30, and the 70 into five folds (Section 4.2).

    Groups stay whole, and classes in proportion.

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
    _check_size(labels, groups)
    # Three of ten folds are the test part.
    parts = np.full(len(labels), "train", dtype=object)
    tests = _hold_out(10, labels, groups, seed)[: round(10 * settings.TEST_SHARE)]
    parts[np.concatenate(tests)] = "test"
    # The rest is split anew, into folds that validate.
    folds = np.full(len(labels), -1)
    training = np.flatnonzero(parts == "train")
    held_out = _hold_out(settings.FOLDS, labels[training], groups[training], seed)
    for number, rows in enumerate(held_out):
        folds[training[rows]] = number
    return parts, folds


def _check_size(labels: np.ndarray, groups: np.ndarray) -> None:
    """Stop where there are too few rows to be split."""
    count, smallest = len(set(groups)), 2 * settings.FOLDS
    if count < smallest:
        raise ValueError(
            f"{len(labels)} usable rows in {count} groups of one text or picture: at least "
            f"{smallest} groups are needed for a 70-30 split with five folds; use a larger corpus"
        )
    most = int(pd.Series(labels).value_counts().max())
    if most < 10:
        raise ValueError(
            f"{len(labels)} usable rows in classes of at most {most}: at least 10 are needed for a "
            "70-30 split with five folds; use a larger corpus"
        )


def _hold_out(folds: int, labels: np.ndarray, groups: np.ndarray, seed: int) -> list[np.ndarray]:
    """Return the rows that each fold holds out.

    A class may have fewer members than there are folds: notebooks say which classes are thin.
    """
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        return [held for _, held in splitter.split(labels, labels, groups)]


def split_by_session(sessions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hold out the last session and validate on the one before it.

    So no speaker is on two sides (IEMOCAP has two speakers a session).

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
    folds = np.array([order.index(session) - 1 for session in sessions])
    return parts, folds


# Where a spreadsheet would see a formula, or an apostrophe of ours before one.
_FORMULA = r"(?='*[=+\-@\t\r\n＝＋－＠])"


def format_csv(frame: pd.DataFrame, path: Path | None = None) -> str | None:
    """Write a table as CSV to a file, or return it, so that a spreadsheet sees no formula in it.

    A text that begins like one gets an apostrophe before it, the defence that OWASP names ("CSV
    injection"). Lines end as RFC 4180 says, for else a carriage return in a text were not quoted.
    """
    quoted = frame.replace(re.compile(rf"\A{_FORMULA}"), "'")
    return quoted.to_csv(path, index=False, lineterminator="\r\n")


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table, whole or not at all; `read_csv` reads it back as it was."""
    with replacing(path) as partial:
        format_csv(frame, partial)


def read_csv(path: Path, **options: Any) -> pd.DataFrame:
    """Read a table of `write_csv`; `options` are those of pandas."""
    frame: pd.DataFrame = pd.read_csv(path, **options)
    return frame.replace(re.compile(rf"\A'{_FORMULA}"), "")


def read_manifest(run: Run, name: str = "manifest") -> pd.DataFrame:
    """Read the run's manifest, as `build_dataset` has written it.

    Parameters
    ----------
    name
        "manifest", or "discarded" for the rows below the threshold; both have `COLUMNS`.

    Raises
    ------
    FileNotFoundError
        Naming the notebook to run first.
    """
    path = run.folder / "dataset" / f"{name}.csv"
    if not (path.is_file() and run.is_intact("manifest") and run.is_intact("arrays")):
        raise FileNotFoundError(
            f"{path} is missing, or its data set is damaged: run notebooks/01-dataset.ipynb first"
        )
    return read_csv(
        path, dtype={"id": str, "text": str}, keep_default_na=False, na_values={"sentiment": ""}
    )


def sign_manifest(manifest: pd.DataFrame) -> dict[str, str]:
    """Return what tells whether two runs made the same data set.

    Returns
    -------
    dict
        ``ids``, a hash; ``labels`` and ``parts``, a letter for each row: a label's place in
        `settings.CLASSES`; its fold, or "t" for test. Of more than 20,000 rows all are hashes.
    """
    parts = manifest["fold"].astype(str).where(manifest["split"] == "train", "t")
    signature = {
        "ids": _hash_text("\n".join(manifest["id"])),
        "labels": "".join(str(settings.CLASSES.index(label)) for label in manifest["label"]),
        "parts": "".join(parts),
    }
    if len(manifest) > 20_000:
        return {name: _hash_text(text) for name, text in signature.items()}
    return signature


def _hash_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def read_truth(run: Run) -> dict[str, Any]:
    """Read the embedded corpus's planted truth by id; empty for corpora that have none."""
    path = run.folder / "dataset" / "truth.jsonl"
    if not path.is_file():
        return {}
    with open(path, encoding="utf-8") as lines:
        return {value["id"]: value for value in map(json.loads, lines)}


def time_planted(run: Run, ids: Sequence[str]) -> dict[str, Any]:
    """Read the planted truth of a few rows, with the times at which their words are spoken.

    The sentences are spoken again and aligned, some 0.1 s each.

    Returns
    -------
    dict
        By id as `read_truth`; ``speech`` has also ``words``, (text, start, end) in seconds, and
        ``emotion_times`` and ``confuser_times``, (start, end) of the words that carry them.
    """
    truth = read_truth(run)
    timed = {}
    for name, item in find_items(run, ids).items():
        if name not in truth:
            continue
        words = [(word.text, word.start, word.end) for word in align_item(item)]
        spoken = truth[name]["speech"]
        times = {}
        for kind in ("emotion", "confuser"):
            times[f"{kind}_times"] = [words[index][1:] for index in spoken[f"{kind}_words"]]
        timed[name] = {**truth[name], "speech": {**spoken, "words": words, **times}}
    return timed


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
    per_class = {name: int((usable["label"] == name).sum()) for name in settings.CLASSES}
    counts: dict[str, Any] = {
        "rows": rows,
        "usable": len(usable),
        "quarantined": len(quarantine),
        "quarantined_by_reason": dict(kinds.most_common()),
        "discarded": discarded,
        "per_class": per_class,
    }
    assert rows == counts["usable"] + counts["quarantined"] + counts["discarded"], counts
    return counts


def find_items(run: Run, ids: Sequence[str]) -> dict[str, Item]:
    """Return the run's corpus items of those ids."""
    names = set(ids)
    corpus = open_corpus(run.data, "data", run.profile, run.seed)
    return {item.id: item for item in corpus.items if item.id in names}
