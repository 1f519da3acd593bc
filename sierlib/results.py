"""What the test rows say: accuracies on the labels and on the planted truth, differences, ceilings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sierlib import dataset, labelling, metrics, training
from sierlib.runs import Run

#: Names in tables and figures.
TITLES = {
    "fused": "ParallelNet",
    "speech": "SER only",
    "image": "IER only",
    "ser teacher": "speech teacher",
    "ier teacher": "image teacher",
    "label": "the label itself",
}
_MODELS = {"fused": "fused", "speech": "ser", "image": "ier"}


def evaluate(run: Run) -> dict[str, Any]:
    """Score the run's models on its test rows; the only place where those are looked at.

    Returns
    -------
    dict
        ``scores``: by what it is measured on ("labels"; "truth" for the embedded corpus) and by model, as
        `metrics.scores`; "speech" and "image" are the unimodal models; under "truth" also the two teachers and the
        label itself, whose accuracies are the ceilings that label noise leaves.
        ``differences``: fused minus each unimodal model, on each of the two, as `metrics.paired_difference`.
        ``relations``: accuracy on the truth by how the modalities relate ("agree", "conflict", "neutral").
        ``accuracy``: in short, on the labels, with ``majority``.
    """
    rows, by_name = training.test_predictions(run, tuple(_MODELS.values()))
    predicted = {name: by_name[file].argmax(axis=1) for name, file in _MODELS.items()}
    labels = metrics.codes(rows["label"])
    answers = {"labels": labels}
    contenders = {"labels": dict(predicted), "truth": dict(predicted)}
    if (rows["winner"] != "given").all():
        for role in labelling.ROLES:
            opinion = labelling.teacher_opinions(rows, role).argmax(axis=1)
            for against in contenders.values():
                against[f"{role} teacher"] = opinion
    contenders["truth"]["label"] = labels
    truth = dataset.read_truth(run)
    relations: dict[str, Any] = {}
    if truth:
        planted = [truth[name] for name in rows["id"]]
        answers["truth"] = metrics.codes([value["emotion"] for value in planted])
        relation = np.array([value["relation"] for value in planted])
        for kind in ("agree", "conflict", "neutral"):
            chosen = relation == kind
            if chosen.any():
                relations[kind] = {"n": int(chosen.sum())} | {
                    name: float(np.mean(guess[chosen] == answers["truth"][chosen]))
                    for name, guess in contenders["truth"].items()
                }
    scores = {
        against: {name: metrics.scores(answer, guess) for name, guess in contenders[against].items()}
        for against, answer in answers.items()
    }
    differences = {
        against: {
            name: metrics.paired_difference(predicted["fused"] == answer, predicted[name] == answer, run.seed)
            for name in ("speech", "image")
        }
        for against, answer in answers.items()
    }
    short = {name: scores["labels"][name]["accuracy"] for name in _MODELS}
    return {
        "accuracy": {**short, "majority": scores["labels"]["fused"]["majority"]},
        "scores": scores,
        "differences": differences,
        "relations": relations,
    }


def accuracy_table(evaluation: dict[str, Any]) -> pd.DataFrame:
    """Return accuracies with their 95 % intervals, a row for each model and what it is measured on."""
    against = {"labels": "on the labels", "truth": "on the planted truth"}
    return pd.DataFrame(
        [
            {
                "model": TITLES[name],
                "against": against[kind],
                "n": value["n"],
                "accuracy": value["accuracy"],
                "low": value["accuracy_interval"][0],
                "high": value["accuracy_interval"][1],
                "macro F1": value["macro_f1"],
                "kappa": value["kappa"],
            }
            for kind, by_model in evaluation["scores"].items()
            for name, value in by_model.items()
        ]
    )


def difference_table(evaluation: dict[str, Any]) -> pd.DataFrame:
    """Return the paired differences: columns `comparison`, `difference`, `low`, `high`, `p` (McNemar, exact), `n`."""
    against = {"labels": "labels", "truth": "planted truth"}
    return pd.DataFrame(
        [
            {
                "comparison": f"ParallelNet − {TITLES[name]}, {against[kind]}",
                "difference": value["difference"],
                "low": value["interval"][0],
                "high": value["interval"][1],
                "p": value["p"],
                "n": value["n"],
            }
            for kind, by_model in evaluation["differences"].items()
            for name, value in by_model.items()
        ]
    )


def heads(run: Run) -> dict[str, float]:
    """Return the validation accuracy of each of ParallelNet's outputs alone, and with one input at zero.

    Nothing is trained again: O_sp, O_img and O_mul are read off the trained network (Eq. 2), and an
    input is replaced by silence or black.
    """
    import keras

    manifest = dataset.read_manifest(run)
    rows = manifest[(manifest["split"] == "train") & (manifest["fold"] == 0)]
    labels = metrics.codes(rows["label"])
    model = training.load_model(run, "fused")
    outputs = {name: model.get_layer(name).output for name in ("O_sp", "O_img", "O_mul")}
    several = keras.Model(model.inputs, {**outputs, "all three": model.output})
    given = dataset.inputs(rows, run.folder / "dataset")
    found = several.predict(given, batch_size=64, verbose=0)
    accuracy = {name: float(np.mean(value.argmax(axis=1) == labels)) for name, value in found.items()}
    for name in ("speech", "image"):
        masked = {**given, name: np.zeros_like(given[name])}
        guess = model.predict(masked, batch_size=64, verbose=0).argmax(axis=1)
        accuracy[f"{name} at zero"] = float(np.mean(guess == labels))
    return accuracy
