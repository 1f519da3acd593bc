"""Choose the training recipe of `quick` on its validation rows: a small search, recorded.

    .venv/bin/python benchmarks/search_recipe.py

Trains ParallelNet on the training rows of the profile's data set (seed 0), with one choice of the
profile changed at a time (a small batch takes fewer epochs, too), and the network of speech alone
where its rare class is in question, and writes what the validation rows say to
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
from sierlib.files import read_json, write_json
from sierlib.keys import digest
from sierlib.machine import count_workers
from sierlib.networks.fit import predict_nothing, predict_rows
from sierlib.run import Run

PLACE = RECORDED / SEARCH

#: What is changed from trainings of eight epochs, one trial each: few, so that there can be many.
_CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("fused", {}),
    ("fused", {"learning_rate": 1e-3}),
    ("fused", {"class_weight": 0.25}),
    ("fused", {"class_weight": 0.5}),
    ("fused", {"epochs": 12}),
    ("ser", {}),
    ("ser", {"batch": 8, "epochs": 7}),
    ("ser", {"class_weight": 0.25}),
    ("ser", {"class_weight": 0.5}),
    ("fused", {"normalised": False}),
    ("fused", {"absent": 0.0}),
    ("fused", {"batch": 8, "epochs": 7}),
    ("fused", {"batch": 32}),
    ("fused", {"learning_rate": 4e-3}),
    ("fused", {"warmup": 3}),
]

#: The network and the recipe of each trial.
TRIALS = [(name, {"epochs": 8} | changes) for name, changes in _CHANGES]


def try_recipe(run: Run, name: str, recipe: dict[str, Any]) -> dict[str, Any]:
    """Train a network with a changed recipe; return what the validation rows say."""
    spec = replace(NETWORKS[name], recipe=recipe)
    spec = replace(spec, title=f"{spec.title}, {recipe}")
    rows = select_rows(run, spec)
    model, history = fit_spec(run, spec, rows, run.seed)
    guesses = predict_rows(model, rows["validation"], run.folder / "dataset").argmax(axis=1)
    answers = class_codes(rows["validation"]["answer"])
    return {
        "network": NETWORKS[name].title,
        "changes": recipe,
        "key": trial_key(run, name, recipe),
        "validation": score_predictions(answers, guesses),
        "loss": min(row["val_loss"] for row in history["epochs"]),
        "best_epoch": history["best_epoch"],
        "n_epochs": len(history["epochs"]),
        "nothing": predict_nothing(model).tolist(),
        "seconds": history["seconds"],
    }


def trial_key(run: Run, name: str, recipe: dict[str, Any]) -> str:
    """Return what tells whether a recorded trial is of this recipe and these rows."""
    rows = select_rows(run, NETWORKS[name])
    whole = replace(run.profile, **recipe).recipe()
    return digest(name, whole, [digest_rows(part) for part in rows.values()])


def main() -> None:
    """Run the trials that are missing, and record each as the pool ends it."""
    run = Run.open("quick")
    build_dataset(run)
    made = {trial["key"]: trial for trial in (read_json(PLACE) or {}).get("trials", [])}
    keys = [trial_key(run, *trial) for trial in TRIALS]
    missing = [trial for trial, key in zip(TRIALS, keys, strict=True) if key not in made]
    at_once = count_workers()
    for start in range(0, len(missing), at_once):  # written as they end
        some = missing[start : start + at_once]
        for trial in run_in_workers(try_recipe, [(run, *trial) for trial in some], "trials"):
            made[trial["key"]] = trial
        trials = [made[key] for key in keys if key in made]
        write_json(PLACE, {"profile": run.profile.as_dict(), "trials": trials})


if __name__ == "__main__":
    main()
