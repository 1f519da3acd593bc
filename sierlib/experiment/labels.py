"""Labels by the more confident of two teachers (Section 3.1), written as the run's manifest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from sierlib import settings
from sierlib.data.corpora import Corpus
from sierlib.experiment import label_rule
from sierlib.experiment.manifest import (
    COLUMNS,
    GIVEN,
    OPINIONS,
    count_rows,
    number_groups,
    split_rows,
    write_csv,
)
from sierlib.experiment.teachers import (
    brings_labels,
    predict_opinions,
    read_pairs,
    train_teachers,
)
from sierlib.files import hold, read_json, write_json, write_text
from sierlib.keys import digest, source_key
from sierlib.run import Run

FILES = ("manifest.csv", "discarded.csv", "quarantine.csv", "truth.jsonl", "summary.json")

#: A teacher's network and its report.
Teacher = tuple[keras.Model, dict[str, Any]]


def build_dataset(run: Run, recorded: pd.DataFrame | None = None) -> dict[str, Any]:
    """Build the run's data set as Section 3.1 does, or read it where it is up to date.

    Corrupt and duplicate rows are set aside, both teachers give their opinion on the rest, the
    label is that of the more confident one, pairs below the threshold are discarded, and the others
    split 70-30. Where a corpus brings labels (`pairs:FILE.csv` with a label column) the teachers
    are not asked.

    Parameters
    ----------
    recorded
        By ``id`` the ``label``, ``split``, ``fold``, ``winner`` and opinions of an earlier run,
        to go on with these instead: networks can only be compared that learned from the same
        labels, and another machine's teachers are now and then of another opinion.

    Returns
    -------
    dict
        The summary; `book/reproduce.md` describes the files.

    Raises
    ------
    ValueError
        When too few pairs remain to be split, a class that the corpus labels has none to learn
        from, or the recorded labels are about other rows.
    """
    with hold(run.folder):
        return _label_pairs(run, recorded)


def _label_pairs(run: Run, recorded: pd.DataFrame | None) -> dict[str, Any]:
    corpus, usable, quarantine, folder = read_pairs(run)
    labelled = brings_labels(corpus)
    teachers = {} if labelled or recorded is not None else train_teachers(run)
    key = digest(
        run.key_of("arrays"),
        labelled,
        None if recorded is None else recorded.to_csv(),
        [run.key_of(f"models/teacher-{role}") for role in teachers],
        run.seed,
        settings.LABEL_THRESHOLD,
        source_key(__name__),
    )
    if run.current("manifest", key):
        return read_json(folder / "summary.json")

    write_csv(quarantine, folder / "quarantine.csv")
    # What can be used gets its labels; what no teacher is sure of is discarded.
    items = {item.id: item for item in corpus.items}
    usable["group"] = number_groups(usable["text"], usable["image_hash"])
    usable["sentiment"] = [items[name].sentiment for name in usable["id"]]
    usable["own_split"] = [items[name].split for name in usable["id"]]
    if recorded is not None:
        kept = _take_labels(usable, recorded)
    elif teachers:
        kept = _ask_teachers(usable, folder, teachers)
    else:
        kept = _keep_labels(usable)
    discarded = usable[~kept].assign(split="", fold=-1)
    usable = usable[kept].reset_index(drop=True)
    write_csv(discarded[COLUMNS], folder / "discarded.csv")
    if usable.empty:
        raise ValueError(
            f"no pair of {run.data} has a teacher that is sure by {settings.LABEL_THRESHOLD}: all "
            f"{len(discarded)} are discarded; the teachers need more data or more epochs"
        )

    # Labelled rows are split 70-30, and the 70 into five folds.
    if recorded is None:
        usable["split"], usable["fold"] = split_rows(
            usable["label"].to_numpy(), usable["group"].to_numpy(), run.seed
        )
    if labelled:
        _refuse_unlearnable(run, usable, {item.id: item.line for item in corpus.items})

    counts = count_rows(
        len(corpus.items) + len(corpus.quarantined), usable, quarantine, len(discarded)
    )
    counts["absent"] = [name for name in settings.CLASSES if not counts["per_class"][name]]
    counts["cut"] = int((usable["seconds"] > settings.WINDOW_SECONDS).sum())
    counts["spoken_seconds"] = float(usable["seconds"].sum())
    counts["labelled_by"] = "the corpus" if labelled else "teachers"
    counts["adopted"] = recorded is not None
    counts["notes"] = corpus.notes
    write_csv(usable[COLUMNS], folder / "manifest.csv")
    _write_truth(corpus, set(quarantine["id"]), folder)
    write_json(folder / "summary.json", counts)
    run.done("manifest", key, *filter(Path.is_file, (folder / name for name in FILES)))
    return counts


def _ask_teachers(rows: pd.DataFrame, folder: Path, teachers: dict[str, Teacher]) -> np.ndarray:
    """Add the teachers' opinions, the label and whose it is; return which rows are kept, (n,)."""
    opinions = {}
    for role, (model, report) in teachers.items():
        columns = [name for name in OPINIONS if name.startswith(f"{role}_")]
        rows[columns] = np.round(predict_opinions(model, rows, folder, report["classes"]), 6)
        opinions[role] = label_rule.teacher_opinions(rows, role)
    rule = label_rule.max_rule(opinions["ser"], opinions["ier"], settings.LABEL_THRESHOLD)
    rows["label"] = [settings.CLASSES[index] for index in rule["label"]]
    rows["winner"] = rule["winner"]
    return rule["kept"]


def _take_labels(rows: pd.DataFrame, recorded: pd.DataFrame) -> np.ndarray:
    """Give rows the labels, parts and opinions of an earlier run; return which are kept, (n,)."""
    if differing := len(recorded.index.symmetric_difference(pd.Index(rows["id"]))):
        raise ValueError(
            f"the recorded labels are about other rows than this corpus has now: {differing} are "
            "only in one"
        )
    same = recorded.loc[rows["id"]]
    for column in ("label", "split", "fold", "winner", *OPINIONS):
        rows[column] = same[column].to_numpy()
    return (rows["split"] != "").to_numpy()


def _keep_labels(rows: pd.DataFrame) -> np.ndarray:
    """Say that the corpus brought the labels, and keep all rows, (n,)."""
    rows[OPINIONS] = np.nan
    rows["winner"] = GIVEN
    return np.ones(len(rows), bool)


def _refuse_unlearnable(run: Run, rows: pd.DataFrame, lines: dict[str, int]) -> None:
    """Stop when a class that the corpus labels is too rare for every part that needs it."""
    parts = {"the test part": rows["split"] == "test"}
    for fold in range(run.profile.folds):
        parts[f"fold {fold}, which validates"] = rows["fold"] == fold
    for fold in range(run.profile.folds):
        parts[f"what is trained on beside fold {fold}"] = ~rows["fold"].isin([-1, fold])
    for name, count in rows["label"].value_counts().items():
        here = rows["label"] == name
        lacking = [part for part, chosen in parts.items() if not (here & chosen).any()]
        if not lacking:
            continue
        places = ", ".join(str(lines[row]) for row in rows.loc[here, "id"][:5])
        where = f"line {places}" if count == 1 else f"lines {places}"
        others = " and others" if count > 5 else ""
        raise ValueError(
            f"{run.data}, {where}{others}: {count} usable rows are labelled {name}, too few for "
            f"every part ({lacking[0]} gets none); expected at least {2 * settings.FOLDS} with "
            "different texts and pictures, or none"
        )


def _write_truth(corpus: Corpus, quarantined: set[str], folder: Path) -> None:
    """Write what was planted in the rows that could be used; real corpora have no such thing."""
    truths = []
    for item in corpus.items:
        if item.truth and "relation" in item.truth and item.id not in quarantined:
            truths.append({"id": item.id, **item.truth})
    if truths:
        lines = [json.dumps(truth) + "\n" for truth in truths]
        write_text(folder / "truth.jsonl", "".join(lines))
