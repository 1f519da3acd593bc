"""Train the networks of `sierlib.experiment.models`, each once and only where it is out of date."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from sierlib import settings
from sierlib.experiment import workers
from sierlib.experiment.manifest import read_manifest
from sierlib.experiment.models import NETWORKS, NetworkSpec, select_rows
from sierlib.experiment.scores import class_codes, score_predictions
from sierlib.files import hold, read_json, replacing, write_json
from sierlib.keys import digest, source_key
from sierlib.networks.fit import fit_network, predict_rows
from sierlib.run import Run

#: A network to train: its specification's name, the fold that validates, which repetition (seed).
Job = tuple[str, int, int]


def artefact_name(name: str, fold: int = 0, repeat: int = 0) -> str:
    """Return the name that a trained network's files carry.

    Examples
    --------
    >>> artefact_name("fused"), artefact_name("ser", fold=2, repeat=1)
    ('models/fused', 'models/ser-fold2-repeat1')
    """
    parts = [f"models/{name}"]
    if fold:
        parts.append(f"fold{fold}")
    if repeat:
        parts.append(f"repeat{repeat}")
    return "-".join(parts)


def _network_files(run: Run, job: Job) -> tuple[Path, Path]:
    """Return where a network and its history lie."""
    path = run.folder / artefact_name(*job)
    return path.with_suffix(".keras"), path.with_suffix(".json")


def _network_key(run: Run, job: Job) -> str:
    name, fold, _ = job
    spec = NETWORKS[name]
    rows = [digest_rows(part) for part in select_rows(run, spec, fold).values()]
    return digest(
        job,
        spec.as_dict(),
        spec.adapt(run.profile).recipe(),
        run.seed,
        run.key_of("manifest"),
        rows,
        source_key(__name__),
    )


def is_current(run: Run, job: Job) -> bool:
    """Tell whether a network's files are those that training it now would give."""
    if not run.key_of(artefact_name(*job)):  # no rows are asked for that a corpus may not have
        return False
    return run.current(artefact_name(*job), _network_key(run, job))


def put_history(run: Run, job: Job, history: dict[str, Any]) -> bool:
    """Write the history of a network that another machine has trained, and tell whether it fits.

    It fits where it was trained by the same specification and recipe on the same rows, and where
    this run has not trained the network itself.
    """
    spec = NETWORKS[job[0]]
    rows = select_rows(run, spec, job[1])
    here: list[Any] = [spec.as_dict(), spec.adapt(run.profile).recipe()]
    here += [digest_rows(some) for some in rows.values()]
    there = [history["spec"], history.get("recipe")]
    there += [history.get(f"{part}_rows") for part in rows]
    if digest(here) != digest(there) or is_current(run, job):
        return False
    _, file = _network_files(run, job)
    write_json(file, history)
    run.done(artefact_name(*job), _network_key(run, job), file)
    return True


def fit_spec(
    run: Run,
    spec: NetworkSpec,
    rows: dict[str, pd.DataFrame],
    seed: int,
    unfinished: Path | None = None,
) -> tuple[keras.Model, dict[str, Any]]:
    """Fit a specification's network on rows that `select_rows` gave; see `fit_network`."""
    profile = spec.adapt(run.profile)
    eye = np.eye(len(spec.classes), dtype=np.float32)
    return fit_network(
        lambda: spec.build(profile),
        rows["train"],
        rows["validation"],
        run.folder / "dataset",
        profile,
        loss=spec.make_loss(),
        targets=lambda some: eye[class_codes(some["answer"], spec.classes)],
        seed=seed,
        title=spec.title,
        unfinished=unfinished,
    )


def _train_network(run: Run, name: str, fold: int, repeat: int) -> None:
    """Train one network in this process and write its files."""
    job = (name, fold, repeat)
    spec = NETWORKS[name]
    rows, folder = select_rows(run, spec, fold), run.folder / "dataset"
    artefact, key = artefact_name(*job), _network_key(run, job)
    unfinished = run.unfinished(artefact, key)
    model, history = fit_spec(run, spec, rows, run.seed + repeat, unfinished)
    # The test rows' predictions are written down here and opened by notebook 04.
    for part in ("validation", "test"):
        probabilities = predict_rows(model, rows[part], folder)
        guesses = probabilities.argmax(axis=1)
        answers = class_codes(rows[part]["answer"], spec.classes)
        history[part] = score_predictions(answers, guesses, spec.classes)
        history[f"{part}_predicted"] = "".join(map(str, guesses))
        if part == "test":
            history["test_percent"] = write_percents(probabilities.max(axis=1))
    history |= {f"{part}_rows": digest_rows(some) for part, some in rows.items()}
    # With what made it, so that a reader needs no other file.
    history |= {
        "title": spec.title,
        "spec": spec.as_dict(),
        "fold": fold,
        "repeat": repeat,
        "recipe": spec.adapt(run.profile).recipe(),
        "rows": {part: len(some) for part, some in rows.items()},
        "provenance": run.provenance(),
    }
    # The history last: where it is, the network is too.
    model_file, history_file = _network_files(run, job)
    with replacing(model_file) as partial:
        model.save(partial)
    write_json(history_file, history)
    run.done(artefact, key, model_file, history_file)


def write_percents(probabilities: np.ndarray) -> str:
    """Write probabilities (n,) as two digits each, "00" to "99".

    Examples
    --------
    >>> write_percents(np.array([0.257, 1.0]))
    '2599'
    """
    percents = np.minimum(99, 100 * probabilities).astype(int)
    return "".join(f"{percent:02d}" for percent in percents)


def digest_rows(rows: pd.DataFrame) -> str:
    """Return 12 hex digits that change when a row, its answer or the order of rows does.

    They tell whether two lists of predictions are about the same questions.
    """
    lines = "\n".join(rows["id"] + " " + rows["answer"])
    return hashlib.sha256(lines.encode()).hexdigest()[:12]


def train_all(run: Run, jobs: Iterable[Job | str]) -> dict[Job, dict[str, Any]]:
    """Train every network that is out of date, several at once, and read the histories of all.

    Parameters
    ----------
    jobs
        `Job` tuples, or names of specifications for fold 0 and the first repetition.

    Returns
    -------
    dict
        By job: the history of `fit_network` with ``validation`` and ``test`` scores, predictions (a
        digit for each row) and how sure they are (two digits, `write_percents`), ``rows``,
        ``spec``, ``recipe``, ``title``, ``fold``, ``repeat`` and ``provenance``.
    """
    every = [(job, 0, 0) if isinstance(job, str) else job for job in jobs]
    for name, fold, _ in every:
        if name not in NETWORKS:
            raise ValueError(f"unknown model {name!r}: choose one of {', '.join(NETWORKS)}")
        if not 0 <= fold < settings.FOLDS:
            raise ValueError(
                f"fold {fold} of {run.folder} is empty: folds are 0 to {settings.FOLDS - 1}"
            )
    read_manifest(run)  # says what to run first, before any process is started
    with hold(run.folder):
        stale = [(run, *job) for job in every if not is_current(run, job)]
        if stale:
            workers.run_in_workers(_train_network, stale, "training")
    return {job: read_json(_network_files(run, job)[1]) for job in every}


def train_model(
    run: Run, name: str, fold: int = 0, repeat: int = 0
) -> tuple[keras.Model, dict[str, Any]]:
    """Train one network of `NETWORKS`, or read it where it is up to date.

    Returns
    -------
    model, history
        The history as `train_all` gives it.
    """
    job = (name, fold, repeat)
    history = train_all(run, [job])[job]
    model_file, _ = _network_files(run, job)
    return keras.saving.load_model(model_file), history


def load_model(run: Run, name: str) -> keras.Model:
    """Read a trained model of the run.

    Raises
    ------
    FileNotFoundError
        Naming the notebook to run first.
    """
    path = run.folder / "models" / f"{name}.keras"
    if not (path.is_file() and run.is_intact(artefact_name(name))):
        raise FileNotFoundError(
            f"{path} is missing or damaged: run notebooks/02-training.ipynb first"
        )
    return keras.saving.load_model(path)


def predict_test(
    run: Run, names: Sequence[str] = ("fused", "ser", "ier")
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Return the manifest's test rows and each model's probabilities for them, (n, 4)."""
    manifest = read_manifest(run)
    rows = manifest[manifest["split"] == "test"].reset_index(drop=True)
    folder = run.folder / "dataset"
    return rows, {name: predict_rows(load_model(run, name), rows, folder) for name in names}
