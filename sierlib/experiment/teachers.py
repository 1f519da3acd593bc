"""The two teachers of Section 3.1: trained on corpora of their own, asked about the pairs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from sierlib import settings
from sierlib.data.corpora import Corpus, open_corpus
from sierlib.data.shards import encode_role
from sierlib.experiment import workers
from sierlib.experiment.manifest import (
    number_groups,
    set_aside_duplicates,
    split_by_session,
    split_rows,
    write_csv,
)
from sierlib.experiment.scores import class_codes, score_predictions
from sierlib.networks.fit import fit_network, predict_rows
from sierlib.networks.parallelnet import teacher
from sierlib.run import Run, digest, read_json, source_key, write_json


def train_teachers(
    run: Run, roles: Iterable[str] = tuple(settings.ROLES)
) -> dict[str, tuple[keras.Model, dict[str, Any]]]:
    """Train the teachers on their own corpora, several at once, or read those that are up to date.

    Parameters
    ----------
    roles
        "ser", "ier" or both.

    Returns
    -------
    dict
        By role: the model, whose softmax has one unit for each class its corpus holds, and a
        report: ``classes`` it knows, ``missing`` ones, ``notes`` of the corpus, ``rows``,
        ``read_held_out`` scores on items of its corpus that it was not trained on (IEMOCAP: of
        speakers that it was not trained on), ``history``.

    Raises
    ------
    ValueError
        When a corpus is too small to be split, or holds fewer than two classes.
    """
    roles = list(roles)
    for role in roles:
        encode_role(run, role)  # its own processes; what follows only reads
    stale = [
        role
        for role in roles
        if not run.current(
            _teacher_artefact(role), _teacher_key(run, role), *_teacher_files(run, role)
        )
    ]
    if stale:
        workers.run_in_workers(_train_teacher, [(run, role) for role in stale], "training teachers")
    files = {role: _teacher_files(run, role) for role in roles}
    return {
        role: (keras.saving.load_model(model), read_json(report))
        for role, (model, report, _) in files.items()
    }


def teacher_reports(run: Run) -> dict[str, dict[str, Any]]:
    """Return the teachers' reports by role, training them where needed; none where the corpus
    brings its labels."""
    corpus = open_corpus(run.data, "data", run.profile, run.seed)
    return (
        {}
        if brings_labels(corpus)
        else {role: report for role, (_, report) in train_teachers(run).items()}
    )


def brings_labels(corpus: Corpus) -> bool:
    """Tell whether a corpus labels all its items, so that no teacher has to be asked."""
    return bool(corpus.items) and all(item.label for item in corpus.items)


def read_held_out(run: Run, role: str) -> pd.DataFrame:
    """Return a trained teacher's held-out items: `label`, and its probability for each class.

    Raises
    ------
    FileNotFoundError
        Naming the notebook to run first.
    """
    path = _teacher_files(run, role)[2]
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run notebooks/01-dataset.ipynb first")
    return pd.read_csv(path)


def _teacher_artefact(role: str) -> str:
    return f"models/teacher-{role}"


def _teacher_files(run: Run, role: str) -> tuple[Path, Path, Path]:
    """The teacher's model, its report, and its opinions of held-out items."""
    place = run.folder / _teacher_artefact(role)
    return place.with_suffix(".keras"), place.with_suffix(".json"), place.with_suffix(".csv")


def _teacher_key(run: Run, role: str) -> str:
    return digest(
        role, run.profile.as_dict(), run.seed, run.key_of(f"teachers/{role}"),
        source_key(__name__),
    )  # fmt: skip


def _train_teacher(run: Run, role: str) -> None:
    """Train one teacher in this process and write its files."""
    # No processes of its own: a worker that has some does not end before they do.
    corpus, rows, folder = encode_role(run, role, workers=1)
    quarantined = [(item, reason) for item, _, reason in corpus.quarantined]
    quarantined += rows.loc[rows["reason"].notna(), ["id", "reason"]].itertuples(
        index=False, name=None
    )
    usable = rows[rows["reason"].isna()]
    usable, repeated = set_aside_duplicates(usable)
    _list_classes(usable, role, corpus)
    usable = usable.reset_index(drop=True)
    session = {item.id: (item.truth or {}).get("session") for item in corpus.items}
    sessions = usable["id"].map(session)
    if sessions.nunique() >= 3 and sessions.notna().all():
        usable["split"], usable["fold"] = split_by_session(sessions.to_numpy())
        by_session = True
    else:
        by = usable["text"] if role == "ser" else usable["id"]
        usable["split"], usable["fold"] = split_rows(
            usable["label"].to_numpy(), number_groups(by), run.seed
        )
        by_session = False
    learning = usable["split"] == "train"
    fitted = learning & (usable["fold"] != 0)
    classes = _list_classes(usable[fitted], role, corpus)
    # What nothing can be learned of, such as an emotion of one session only, is missing like any
    # other class.
    unseen = usable.loc[~usable["label"].isin(classes), "label"].value_counts()
    notes = [
        f"{count} items of {name}, none of them among those to learn from"
        for name, count in unseen.items()
    ]

    def targets(some: pd.DataFrame) -> np.ndarray:
        return np.eye(len(classes), dtype=np.float32)[
            [classes.index(label) for label in some["label"]]
        ]

    model, history = fit_network(
        lambda: teacher(settings.ROLES[role], run.profile, len(classes)),
        usable[fitted],
        usable[learning & ~fitted & usable["label"].isin(classes)],
        folder,
        # Teachers see their few items many times: for them a graph pays in every profile.
        replace(run.profile, run_eagerly=False),
        epochs=run.profile.teacher_epochs,
        learning_rate=run.profile.teacher_learning_rate,
        loss=keras.losses.CategoricalCrossentropy(),
        targets=targets,
        seed=run.seed,
        title=f"{settings.ROLES[role]} teacher",
    )
    held = usable[~learning]
    probabilities = predict_opinions(model, held, folder, classes)
    report = {
        "corpus": corpus.spec,
        "classes": classes,
        "missing": [name for name in settings.CLASSES if name not in classes],
        "notes": [*corpus.notes, *notes],
        "quarantined": len(quarantined),
        "duplicates": len(repeated),
        "speakers_apart": by_session,
        "rows": {"train": int(learning.sum()), "held_out": len(held)},
        "held_out": score_predictions(class_codes(held["label"]), probabilities.argmax(axis=1)),
        "history": history,
    }
    path, told, table = _teacher_files(run, role)
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)
    frame = pd.DataFrame(np.round(probabilities, 6), columns=list(settings.CLASSES))
    write_csv(frame.assign(label=held["label"].to_numpy()), table)
    write_json(told, report)
    run.done(_teacher_artefact(role), _teacher_key(run, role))


def _list_classes(rows: pd.DataFrame, role: str, corpus: Corpus) -> list[str]:
    """Return the classes that occur, in the order of `settings.CLASSES`."""
    classes = [name for name in settings.CLASSES if (rows["label"] == name).any()]
    if len(classes) < 2:
        raise ValueError(
            f"{role}={corpus.spec}: items of at least two of {', '.join(settings.CLASSES)} are "
            "needed to learn from"
        )
    return classes


def predict_opinions(
    model: keras.Model, rows: pd.DataFrame, folder: Path, classes: list[str]
) -> np.ndarray:
    """Return a teacher's probabilities (n, 4); classes its corpus lacks get 0."""
    out = np.zeros((len(rows), len(settings.CLASSES)))
    out[:, [settings.CLASSES.index(name) for name in classes]] = predict_rows(model, rows, folder)
    return out
