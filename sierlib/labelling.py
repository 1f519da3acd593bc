"""Labels by the more confident of two teachers (Section 3.1), and the manifest that holds them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from sierlib import dataset, encoding, metrics, networks, rules, runs, settings, training, workers
from sierlib.corpora import Corpus, open_corpus
from sierlib.runs import Run

#: Modules on which labels depend, besides those of the arrays and of training.
LABELLING_MODULES = ("labelling", "rules", "dataset")


# ----------------------------------------------------------------------------------------- teachers
def train_teachers(
    run: Run, roles: Iterable[str] = tuple(rules.ROLES)
) -> dict[str, tuple[keras.Model, dict[str, Any]]]:
    """Train the teachers on their own corpora, several at once, or read those that are up to date.

    Parameters
    ----------
    roles
        "ser", "ier" or both.

    Returns
    -------
    dict
        By role: the model, whose softmax has one unit for each class its corpus holds, and a report: ``classes`` it
        knows, ``missing`` ones, ``notes`` of the corpus, ``rows``, ``held_out`` scores on items of its corpus that it
        was not trained on (IEMOCAP: of speakers that it was not trained on), ``history``.

    Raises
    ------
    ValueError
        When a corpus is too small to be split, or holds fewer than two classes.
    """
    roles = list(roles)
    for role in roles:
        encoding.encoded(run, role)  # its own processes; what follows only reads
    stale = [
        role for role in roles if not run.current(_artefact(role), _teacher_key(run, role), *_teacher_files(run, role))
    ]
    if stale:
        workers.in_workers(_train_here, [(run, role) for role in stale], "training teachers")
    files = {role: _teacher_files(run, role) for role in roles}
    return {
        role: (keras.saving.load_model(model), runs.read_json(report)) for role, (model, report, _) in files.items()
    }


def teacher_reports(run: Run) -> dict[str, dict[str, Any]]:
    """Return the teachers' reports by role, training them where needed; none where the corpus brings its labels."""
    corpus = open_corpus(run.data, "data", run.profile, run.seed)
    return {} if _labelled(corpus) else {role: report for role, (_, report) in train_teachers(run).items()}


def _labelled(corpus: Corpus) -> bool:
    return bool(corpus.items) and all(item.label for item in corpus.items)


def held_out(run: Run, role: str) -> pd.DataFrame:
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


def _artefact(role: str) -> str:
    return f"models/teacher-{role}"


def _teacher_files(run: Run, role: str) -> tuple[Path, Path, Path]:
    """The teacher's model, its report, and its opinions of held-out items."""
    place = run.folder / _artefact(role)
    return place.with_suffix(".keras"), place.with_suffix(".json"), place.with_suffix(".csv")


def _teacher_key(run: Run, role: str) -> str:
    return runs.digest(
        role, run.profile.as_dict(), run.seed, run.key_of(f"teachers/{role}"),
        runs.source_key((*training.TRAINING_MODULES, "labelling", "dataset")),
    )  # fmt: skip


def _train_here(run: Run, role: str) -> None:
    """Train one teacher in this process and write its files."""
    # No processes of its own: a worker that has some does not end before they do.
    corpus, rows, folder = encoding.encoded(run, role, workers=1)
    quarantined = [(item, reason) for item, _, reason in corpus.quarantined]
    quarantined += rows.loc[rows["reason"].notna(), ["id", "reason"]].itertuples(index=False, name=None)
    usable = rows[rows["reason"].isna()]
    usable, repeated = dataset.without_duplicates(usable)
    _classes_of(usable, role, corpus)
    usable = usable.reset_index(drop=True)
    session = {item.id: (item.truth or {}).get("session") for item in corpus.items}
    sessions = usable["id"].map(session)
    if sessions.nunique() >= 3 and sessions.notna().all():
        usable["split"], usable["fold"] = dataset.split_by_session(sessions.to_numpy())
        by_session = True
    else:
        by = usable["text"] if role == "ser" else usable["id"]
        usable["split"], usable["fold"] = dataset.split(usable["label"].to_numpy(), dataset.groups_of(by), run.seed)
        by_session = False
    learning = usable["split"] == "train"
    fitted = learning & (usable["fold"] != 0)
    classes = _classes_of(usable[fitted], role, corpus)
    # What nothing can be learned of, such as an emotion of one session only, is missing like any other class.
    unseen = usable.loc[~usable["label"].isin(classes), "label"].value_counts()
    notes = [f"{count} items of {name}, none of them among those to learn from" for name, count in unseen.items()]

    def targets(some: pd.DataFrame) -> np.ndarray:
        return np.eye(len(classes), dtype=np.float32)[[classes.index(label) for label in some["label"]]]

    model, history = training.fit(
        lambda: networks.teacher(rules.ROLES[role], run.profile, len(classes)),
        usable[fitted],
        usable[learning & ~fitted & usable["label"].isin(classes)],
        folder,
        run.profile,
        epochs=run.profile.teacher_epochs,
        learning_rate=run.profile.teacher_learning_rate,
        loss=keras.losses.CategoricalCrossentropy(),
        targets=targets,
        seed=run.seed,
        title=f"{rules.ROLES[role]} teacher",
    )
    held = usable[~learning]
    probabilities = opinions(model, held, folder, classes)
    report = {
        "corpus": corpus.spec,
        "classes": classes,
        "missing": [name for name in settings.CLASSES if name not in classes],
        "notes": [*corpus.notes, *notes],
        "quarantined": len(quarantined),
        "duplicates": len(repeated),
        "speakers_apart": by_session,
        "rows": {"train": int(learning.sum()), "held_out": len(held)},
        "held_out": metrics.scores(metrics.codes(held["label"]), probabilities.argmax(axis=1)),
        "history": history,
    }
    path, told, table = _teacher_files(run, role)
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)
    frame = pd.DataFrame(np.round(probabilities, 6), columns=list(settings.CLASSES))
    dataset.write_csv(frame.assign(label=held["label"].to_numpy()), table)
    runs.write_json(told, report)
    run.done(_artefact(role), _teacher_key(run, role))


def _classes_of(rows: pd.DataFrame, role: str, corpus: Corpus) -> list[str]:
    """Return the classes that occur, in the order of `settings.CLASSES`."""
    classes = [name for name in settings.CLASSES if (rows["label"] == name).any()]
    if len(classes) < 2:
        raise ValueError(
            f"{role}={corpus.spec}: items of at least two of {', '.join(settings.CLASSES)} are needed to learn from"
        )
    return classes


def opinions(model: keras.Model, rows: pd.DataFrame, folder: Path, classes: list[str]) -> np.ndarray:
    """Return a teacher's probabilities (n, 4); classes its corpus lacks get 0."""
    out = np.zeros((len(rows), len(settings.CLASSES)))
    out[:, [settings.CLASSES.index(name) for name in classes]] = training.predict(model, rows, folder)
    return out


# ----------------------------------------------------------------------------------------- manifest
def build(run: Run) -> dict[str, Any]:
    """Build the run's data set as Section 3.1 does, or read it where it is up to date.

    Corrupt and duplicate rows are set aside, both teachers give their opinion on the rest, the label is that
    of the more confident one, pairs below the threshold are discarded, and the others split 70-30. Where a
    corpus brings labels (`pairs:FILE.csv` with a label column) the teachers are not asked.

    Returns
    -------
    dict
        The summary; `book/reproduce.md` describes the files.

    Raises
    ------
    ValueError
        When too few pairs remain to be split, or a class that the corpus labels has none to learn from.
    """
    corpus, rows, folder = encoding.encoded(run, "data")
    labelled = _labelled(corpus)
    teachers = {} if labelled else train_teachers(run)
    key = runs.digest(
        run.key_of("arrays"), labelled, [run.key_of(f"models/teacher-{role}") for role in teachers], run.seed,
        settings.LABEL_THRESHOLD, runs.source_key(LABELLING_MODULES),
    )  # fmt: skip
    files = [folder / name for name in ("manifest.csv", "discarded.csv", "quarantine.csv", "summary.json")]
    if run.current("manifest", key, *files):
        return runs.read_json(folder / "summary.json")

    usable = rows[rows["reason"].isna()].reset_index(drop=True)
    # A pair is a text (or recording) and an image; a row that lacks one cannot be used.
    usable, repeated = dataset.without_duplicates(usable)
    early = pd.DataFrame(corpus.quarantined, columns=["id", "path", "reason"])
    quarantine = pd.concat([early, rows.loc[rows["reason"].notna(), ["id", "path", "reason"]], repeated])
    quarantine = quarantine[["id", "path", "reason"]].fillna("")
    dataset.write_csv(quarantine, folder / "quarantine.csv")

    if usable.empty:
        raise ValueError(f"no usable pair in {run.data}: see the reasons in {folder / 'quarantine.csv'}")
    usable["group"] = dataset.groups_of(usable["text"])
    given = {item.id: item for item in corpus.items}
    usable["sentiment"] = [given[name].sentiment for name in usable["id"]]
    usable["own_split"] = [given[name].split for name in usable["id"]]
    for role in rules.ROLES:
        values = (
            opinions(teachers[role][0], usable, folder, teachers[role][1]["classes"])
            if teachers
            else np.full((len(usable), len(settings.CLASSES)), np.nan)
        )
        usable[[f"{role}_{name}" for name in settings.CLASSES]] = np.round(values, 6)
    if teachers:
        ser, ier = (rules.teacher_opinions(usable, role) for role in rules.ROLES)
        rule = rules.max_rule(ser, ier, settings.LABEL_THRESHOLD)
        usable["label"] = [settings.CLASSES[index] for index in rule["label"]]
        usable["winner"], kept = rule["winner"], rule["kept"]
    else:
        usable["winner"], kept = "given", np.ones(len(usable), bool)
    discarded = usable[~kept].assign(split="", fold=-1)
    usable = usable[kept].reset_index(drop=True)
    dataset.write_csv(discarded[dataset.COLUMNS], folder / "discarded.csv")
    if usable.empty:
        raise ValueError(
            f"no pair of {run.data} has a teacher that is sure by {settings.LABEL_THRESHOLD}: all {len(discarded)} "
            "are discarded; the teachers need more data or more epochs"
        )
    usable["split"], usable["fold"] = dataset.split(usable["label"].to_numpy(), usable["group"].to_numpy(), run.seed)
    if labelled:
        _refuse_unlearnable(run, usable, {item.id: item.line for item in corpus.items})

    counts = dataset.summary(len(rows) + len(corpus.quarantined), usable, quarantine, len(discarded))
    counts["absent"] = [name for name in settings.CLASSES if not counts["per_class"][name]]
    counts["cut"] = int((usable["seconds"] > settings.WINDOW_SECONDS).sum())
    counts["spoken_seconds"] = float(usable["seconds"].sum())
    counts["labelled_by"] = "teachers" if teachers else "the corpus"
    counts["notes"] = corpus.notes
    dataset.write_csv(usable[dataset.COLUMNS], folder / "manifest.csv")
    _write_truth(run, given, rows, folder)
    runs.write_json(folder / "summary.json", counts)
    run.done("manifest", key)
    return counts


def _refuse_unlearnable(run: Run, rows: pd.DataFrame, lines: dict[str, int]) -> None:
    """Stop when a class that the corpus labels is so rare that a part it is needed in gets none of it."""
    trained = range(run.profile.folds)
    parts = {"the test part": rows["split"] == "test"}
    parts |= {f"fold {fold}, which validates": rows["fold"] == fold for fold in trained}
    parts |= {f"what is trained on beside fold {fold}": ~rows["fold"].isin([-1, fold]) for fold in trained}
    for name, count in rows["label"].value_counts().items():
        here = rows["label"] == name
        lacking = [part for part, chosen in parts.items() if not (here & chosen).any()]
        if lacking:
            places = [lines[row] for row in rows.loc[here, "id"]]
            raise ValueError(
                f"{run.data}, line{'s' if count > 1 else ''} {', '.join(map(str, places[:5]))}"
                f"{' and others' if count > 5 else ''}: {count} usable rows are labelled {name}, too few for every "
                f"part ({lacking[0]} gets none); expected at least {2 * settings.FOLDS} with different texts, or none"
            )


def _write_truth(run: Run, given: dict[str, Any], rows: pd.DataFrame, folder: Path) -> None:
    """Write the planted truth, with the times at which the words that carry the emotion are spoken."""
    truths = []
    for row in rows.to_dict("records"):
        truth = given[row["id"]].truth
        if truth is None or not isinstance(row["words"], list):
            continue
        planted = {**truth["speech"], "words": row["words"]}
        for kind in ("emotion", "confuser"):
            planted[f"{kind}_times"] = [row["words"][index][1:] for index in planted[f"{kind}_words"]]
        truths.append({"id": row["id"], **truth, "speech": planted})
    if truths:
        import json

        (folder / "truth.jsonl").write_text("".join(json.dumps(truth) + "\n" for truth in truths), encoding="utf-8")
