"""Choose the training recipe of `quick` on its validation rows: a small search, recorded.

    .venv/bin/python benchmarks/search_recipe.py

Trains ParallelNet on the training rows of the profile's data set (seed 0), with one choice of the
profile changed at a time, and writes what the validation rows say to
``book/recorded/search.json``, which the page of decisions shows. The test part stays closed.
Trials that are there already, for this recipe and these rows, are kept.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sierbook.recorded import RECORDED, SEARCH
from sierlib.experiment.labels import build_dataset
from sierlib.experiment.models import NETWORKS, select_rows
from sierlib.experiment.scores import class_codes, score_predictions
from sierlib.experiment.train import digest_rows, fit_spec
from sierlib.experiment.workers import run_in_workers
from sierlib.machine import count_workers
from sierlib.networks.fit import predict_nothing, predict_rows
from sierlib.run import Run, digest, read_json, write_json

PLACE = RECORDED / SEARCH

#: What is changed, one trial each; the first is the recipe as it is.
TRIALS: list[dict[str, Any]] = [
    {},
    {"normalised": False},
    {"absent": 0.0},
    {"class_weight": 0.5},
    {"epochs": 8},
    {"batch": 32},
    {"learning_rate": 1e-3},
    {"learning_rate": 4e-3},
    {"warmup": 3},
]


def try_recipe(run: Run, changes: dict[str, Any]) -> dict[str, Any]:
    """Train ParallelNet with a changed recipe; return what the validation rows say."""
    spec = replace(NETWORKS["fused"], recipe=changes, title=str(changes or "as it is"))
    rows = select_rows(run, spec)
    model, history = fit_spec(run, spec, rows, run.seed)
    guesses = predict_rows(model, rows["validation"], run.folder / "dataset").argmax(axis=1)
    answers = class_codes(rows["validation"]["answer"])
    return {
        "changes": changes,
        "key": trial_key(run, changes),
        "validation": score_predictions(answers, guesses),
        "loss": min(row["val_loss"] for row in history["epochs"]),
        "best_epoch": history["best_epoch"],
        "n_epochs": len(history["epochs"]),
        "nothing": predict_nothing(model).tolist(),
        "seconds": history["seconds"],
    }


def trial_key(run: Run, changes: dict[str, Any]) -> str:
    """Return what tells whether a recorded trial is of this recipe and these rows."""
    rows = select_rows(run, NETWORKS["fused"])
    recipe = replace(run.profile, **changes).recipe()
    return digest(recipe, [digest_rows(part) for part in rows.values()])


def main() -> None:
    """Run the trials that are missing, and record each as the pool ends it."""
    run = Run.open("quick")
    build_dataset(run)
    made = {trial["key"]: trial for trial in (read_json(PLACE) or {}).get("trials", [])}
    keys = [trial_key(run, changes) for changes in TRIALS]
    missing = [changes for changes, key in zip(TRIALS, keys, strict=True) if key not in made]
    at_once = count_workers()
    for start in range(0, len(missing), at_once):  # written as they end
        some = missing[start : start + at_once]
        for trial in run_in_workers(try_recipe, [(run, changes) for changes in some], "trials"):
            made[trial["key"]] = trial
        trials = [made[key] for key in keys if key in made]
        write_json(PLACE, {"profile": run.profile.as_dict(), "trials": trials})


if __name__ == "__main__":
    main()
