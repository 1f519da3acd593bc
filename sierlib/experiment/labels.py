"""Labels by the more confident of two teachers (Section 3.1), written as the run's manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sierlib import settings
from sierlib.data.shards import encode_role
from sierlib.experiment import label_rule
from sierlib.experiment.manifest import (
    COLUMNS,
    count_rows,
    number_groups,
    set_aside_duplicates,
    split_rows,
    write_csv,
)
from sierlib.experiment.teachers import (
    brings_labels,
    predict_opinions,
    train_teachers,
)
from sierlib.run import Run, digest, read_json, source_key, write_json


def build_dataset(run: Run) -> dict[str, Any]:
    """Build the run's data set as Section 3.1 does, or read it where it is up to date.

    Corrupt and duplicate rows are set aside, both teachers give their opinion on the rest, the
    label is that of the more confident one, pairs below the threshold are discarded, and the others
    split 70-30. Where a corpus brings labels (`pairs:FILE.csv` with a label column) the teachers
    are not asked.

    Returns
    -------
    dict
        The summary; `book/reproduce.md` describes the files.

    Raises
    ------
    ValueError
        When too few pairs remain to be split, or a class that the corpus labels has none to learn
        from.
    """
    corpus, rows, folder = encode_role(run, "data")
    labelled = brings_labels(corpus)
    teachers = {} if labelled else train_teachers(run)
    key = digest(
        run.key_of("arrays"), labelled, [run.key_of(f"models/teacher-{role}") for role in teachers], run.seed,
        settings.LABEL_THRESHOLD, source_key(__name__),
    )  # fmt: skip
    files = [
        folder / name
        for name in ("manifest.csv", "discarded.csv", "quarantine.csv", "summary.json")
    ]
    if run.current("manifest", key, *files):
        return read_json(folder / "summary.json")

    usable = rows[rows["reason"].isna()].reset_index(drop=True)
    # A pair is a text (or recording) and an image; a row that lacks one cannot be used.
    usable, repeated = set_aside_duplicates(usable)
    early = pd.DataFrame(corpus.quarantined, columns=["id", "path", "reason"])
    quarantine = pd.concat(
        [early, rows.loc[rows["reason"].notna(), ["id", "path", "reason"]], repeated]
    )
    quarantine = quarantine[["id", "path", "reason"]].fillna("")
    write_csv(quarantine, folder / "quarantine.csv")

    if usable.empty:
        raise ValueError(
            f"no usable pair in {run.data}: see the reasons in {folder / 'quarantine.csv'}"
        )
    usable["group"] = number_groups(usable["text"])
    given = {item.id: item for item in corpus.items}
    usable["sentiment"] = [given[name].sentiment for name in usable["id"]]
    usable["own_split"] = [given[name].split for name in usable["id"]]
    for role in settings.ROLES:
        values = (
            predict_opinions(teachers[role][0], usable, folder, teachers[role][1]["classes"])
            if teachers
            else np.full((len(usable), len(settings.CLASSES)), np.nan)
        )
        usable[[f"{role}_{name}" for name in settings.CLASSES]] = np.round(values, 6)
    if teachers:
        ser, ier = (label_rule.teacher_opinions(usable, role) for role in settings.ROLES)
        rule = label_rule.max_rule(ser, ier, settings.LABEL_THRESHOLD)
        usable["label"] = [settings.CLASSES[index] for index in rule["label"]]
        usable["winner"], kept = rule["winner"], rule["kept"]
    else:
        usable["winner"], kept = "given", np.ones(len(usable), bool)
    discarded = usable[~kept].assign(split="", fold=-1)
    usable = usable[kept].reset_index(drop=True)
    write_csv(discarded[COLUMNS], folder / "discarded.csv")
    if usable.empty:
        raise ValueError(
            f"no pair of {run.data} has a teacher that is sure by {settings.LABEL_THRESHOLD}: all "
            f"{len(discarded)} "
            "are discarded; the teachers need more data or more epochs"
        )
    usable["split"], usable["fold"] = split_rows(
        usable["label"].to_numpy(), usable["group"].to_numpy(), run.seed
    )
    if labelled:
        _refuse_unlearnable(run, usable, {item.id: item.line for item in corpus.items})

    counts = count_rows(len(rows) + len(corpus.quarantined), usable, quarantine, len(discarded))
    counts["absent"] = [name for name in settings.CLASSES if not counts["per_class"][name]]
    counts["cut"] = int((usable["seconds"] > settings.WINDOW_SECONDS).sum())
    counts["spoken_seconds"] = float(usable["seconds"].sum())
    counts["labelled_by"] = "teachers" if teachers else "the corpus"
    counts["notes"] = corpus.notes
    write_csv(usable[COLUMNS], folder / "manifest.csv")
    _write_truth(run, given, rows, folder)
    write_json(folder / "summary.json", counts)
    run.done("manifest", key)
    return counts


def _refuse_unlearnable(run: Run, rows: pd.DataFrame, lines: dict[str, int]) -> None:
    """Stop when a class that the corpus labels is so rare that a part it is needed in gets none of
    it."""
    trained = range(run.profile.folds)
    parts = {"the test part": rows["split"] == "test"}
    parts |= {f"fold {fold}, which validates": rows["fold"] == fold for fold in trained}
    parts |= {
        f"what is trained on beside fold {fold}": ~rows["fold"].isin([-1, fold]) for fold in trained
    }
    for name, count in rows["label"].value_counts().items():
        here = rows["label"] == name
        lacking = [part for part, chosen in parts.items() if not (here & chosen).any()]
        if lacking:
            places = [lines[row] for row in rows.loc[here, "id"]]
            raise ValueError(
                f"{run.data}, line{'s' if count > 1 else ''} {', '.join(map(str, places[:5]))}"
                f"{' and others' if count > 5 else ''}: {count} usable rows are labelled {name}, "
                "too few for every "
                f"part ({lacking[0]} gets none); expected at least {2 * settings.FOLDS} with "
                "different texts, or none"
            )


def _write_truth(run: Run, given: dict[str, Any], rows: pd.DataFrame, folder: Path) -> None:
    """Write the planted truth, with the times at which the words that carry the emotion are
    spoken."""
    truths = []
    for row in rows.to_dict("records"):
        truth = given[row["id"]].truth
        if truth is None or not isinstance(row["words"], list):
            continue
        planted = {**truth["speech"], "words": row["words"]}
        for kind in ("emotion", "confuser"):
            planted[f"{kind}_times"] = [
                row["words"][index][1:] for index in planted[f"{kind}_words"]
            ]
        truths.append({"id": row["id"], **truth, "speech": planted})
    if truths:
        import json

        (folder / "truth.jsonl").write_text(
            "".join(json.dumps(truth) + "\n" for truth in truths), encoding="utf-8"
        )
