"""The two teachers of Section 3.1: trained on corpora of their own, asked about the pairs."""

from __future__ import annotations

from collections.abc import Iterable
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
    CONTRADICTING,
    number_groups,
    read_csv,
    read_usable,
    set_aside,
    split_by_session,
    split_rows,
    write_csv,
)
from sierlib.experiment.scores import class_codes, score_predictions
from sierlib.files import read_json, replacing, write_json
from sierlib.keys import digest, source_key
from sierlib.networks.fit import fit_network, predict_rows
from sierlib.networks.parallelnet import teacher
from sierlib.networks.pretrained import require_weights
from sierlib.run import Run


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
        ``held_out`` scores on items of its corpus that it was not trained on (IEMOCAP: of speakers
        that it was not trained on), ``history``.

    Raises
    ------
    ValueError
        When a corpus is too small to be split, or holds fewer than two classes.
    """
    roles = list(roles)
    for role in roles:  # none is trained before the corpora of all are known to do
        encode_role(run, role)  # its own processes; what follows only reads
        read_items(run, role)
    stale = [role for role in roles if not _is_current(run, role)]
    if stale:
        workers.run_in_workers(_train_teacher, [(run, role) for role in stale], "training teachers")
    teachers = {}
    for role in roles:
        model, report, _ = _teacher_files(run, role)
        teachers[role] = (keras.saving.load_model(model), read_json(report))
    return teachers


def teacher_reports(run: Run) -> dict[str, dict[str, Any]]:
    """Return the teachers' reports by role, as `train_teachers`, training them where needed.

    There are none where the corpus brings its labels.
    """
    if brings_labels(open_corpus(run.data, "data", run.profile, run.seed)):
        return {}
    read_pairs(run)
    return {role: report for role, (_, report) in train_teachers(run).items()}


def read_pairs(run: Run) -> tuple[Corpus, pd.DataFrame, pd.DataFrame, Path]:
    """Return the run's usable pairs, as `read_usable`.

    What can be seen to come to nothing is refused before anything is spoken or trained for it.
    """
    require_weights(run.profile)
    if not brings_labels(open_corpus(run.data, "data", run.profile, run.seed)):
        for role in settings.ROLES:
            corpus = open_corpus(getattr(run, role), role, run.profile, run.seed)
            _list_classes([item.label for item in corpus.items], role, corpus)
    return read_usable(run)


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
    return read_csv(path)


def _teacher_artefact(role: str) -> str:
    return f"models/teacher-{role}"


def _teacher_files(run: Run, role: str) -> tuple[Path, Path, Path]:
    """Return where a teacher's model, its report and its opinions of held-out items lie."""
    place = run.folder / _teacher_artefact(role)
    return place.with_suffix(".keras"), place.with_suffix(".json"), place.with_suffix(".csv")


def _teacher_key(run: Run, role: str) -> str:
    return digest(
        role,
        run.profile.for_teachers().recipe(),
        run.seed,
        run.key_of(f"teachers/{role}"),
        source_key(__name__),
    )


def _is_current(run: Run, role: str) -> bool:
    return run.current(_teacher_artefact(role), _teacher_key(run, role))


def _train_teacher(run: Run, role: str) -> None:
    """Train one teacher in this process and write its files."""
    # No processes of its own: a worker that has some does not end before they do.
    corpus, usable, quarantine, folder, speakers_apart = read_items(run, role)
    # Fold 0 validates, the other folds are fitted, and the test part is asked about at the end.
    learning = usable["split"] == "train"
    fitted = usable[learning & (usable["fold"] != 0)]
    classes = _list_classes(fitted["label"], role, corpus)
    # What nothing can be learned of, such as an emotion of one session only, is missing like any
    # other class.
    known = usable["label"].isin(classes)
    validating = usable[learning & (usable["fold"] == 0) & known]
    notes = [
        f"{count} items of {name}, none of them among those to learn from"
        for name, count in usable.loc[~known, "label"].value_counts().items()
    ]
    repeated = quarantine["reason"].str.contains(f"^(?:duplicate|{CONTRADICTING}):")
    if contradicting := int(quarantine["reason"].str.startswith(CONTRADICTING).sum()):
        notes.append(
            f"{contradicting} repeated items have another label than the first of their kind"
        )
    if not speakers_apart and any({*(item.truth or {})} == {"speaker"} for item in corpus.items):
        notes.append("too few speakers to keep them apart: the same are learned from and judged by")
    eye = np.eye(len(classes), dtype=np.float32)
    profile = run.profile.for_teachers()
    artefact, key = _teacher_artefact(role), _teacher_key(run, role)
    model, history = fit_network(
        lambda: teacher(settings.ROLES[role], profile, len(classes)),
        fitted,
        validating,
        folder,
        profile,
        loss=keras.losses.CategoricalCrossentropy(),
        targets=lambda some: eye[class_codes(some["label"], classes)],
        seed=run.seed,
        title=f"{settings.ROLES[role]} teacher",
        unfinished=run.unfinished(artefact, key),
    )

    held = usable[~learning]
    probabilities = predict_opinions(model, held, folder, classes)
    report = {
        "corpus": corpus.spec,
        "classes": classes,
        "missing": [name for name in settings.CLASSES if name not in classes],
        "notes": [*corpus.notes, *notes],
        "quarantined": int((~repeated).sum()),
        "duplicates": int(repeated.sum()),
        "speakers_apart": speakers_apart,
        "rows": {"train": int(learning.sum()), "held_out": len(held)},
        "held_out": score_predictions(class_codes(held["label"]), probabilities.argmax(axis=1)),
        "history": history,
    }
    model_file, report_file, opinions_file = _teacher_files(run, role)
    with replacing(model_file) as partial:
        model.save(partial)
    opinions = pd.DataFrame(np.round(probabilities, 6), columns=list(settings.CLASSES))
    write_csv(opinions.assign(label=held["label"].to_numpy()), opinions_file)
    write_json(report_file, report)
    run.done(artefact, key, *_teacher_files(run, role))


def read_items(run: Run, role: str) -> tuple[Corpus, pd.DataFrame, pd.DataFrame, Path, bool]:
    """Return a teacher's corpus, its usable items with `split` and `fold`, and its quarantine;
    then where the arrays are, and whether the split keeps speakers apart.

    Stops where there is too little to learn from.
    """
    # No processes of its own: a worker that has some does not end before they do.
    corpus, rows, folder = encode_role(run, role, workers=1)
    usable, quarantine = set_aside(corpus, rows)
    _list_classes(usable["label"], role, corpus)
    try:
        speakers_apart = _split_items(run, role, corpus, usable)
    except ValueError as problem:  # too small a corpus
        raise ValueError(f"{role}={corpus.spec}: {problem}") from problem
    return corpus, usable, quarantine, folder, speakers_apart


def _split_items(run: Run, role: str, corpus: Corpus, items: pd.DataFrame) -> bool:
    """Add `split` and `fold` to a teacher's items; tell whether they keep speakers apart."""
    truths = {item.id: item.truth or {} for item in corpus.items}
    # A session of IEMOCAP has two speakers of its own.
    who = items["id"].map(lambda name: truths[name].get("session", truths[name].get("speaker")))
    labels, speakers = items["label"].to_numpy(), who.nunique() if who.notna().all() else 0
    if speakers >= 2 * settings.FOLDS:
        items["split"], items["fold"] = split_rows(labels, who.to_numpy(), run.seed)
        return True
    if speakers >= 3:
        items["split"], items["fold"] = split_by_session(who.to_numpy())
        return True
    # Sentences with the same words stay on one side; every picture is one of its own.
    same = items["text"] if role == "ser" else items["id"]
    items["split"], items["fold"] = split_rows(labels, number_groups(same), run.seed)
    return False


def _list_classes(labels: Iterable[str | None], role: str, corpus: Corpus) -> list[str]:
    """Return the classes that occur, in the order of `settings.CLASSES`."""
    present = set(labels)
    classes = [name for name in settings.CLASSES if name in present]
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
    opinions = np.zeros((len(rows), len(settings.CLASSES)))
    opinions[:, class_codes(classes)] = predict_rows(model, rows, folder)
    return opinions
