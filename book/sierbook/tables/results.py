"""Tables of the teachers, of training, and of the test rows: accuracies, differences, ceilings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sierbook import numbers, statistics
from sierbook.audit.labels import LABEL
from sierlib import settings
from sierlib.experiment import label_rule
from sierlib.experiment.manifest import labelled_by_teachers, read_manifest, read_truth
from sierlib.experiment.models import HALVES, NETWORKS
from sierlib.experiment.scores import class_codes, score_predictions
from sierlib.run import Run

#: What `evaluate` scores, as tables and figures call it: networks, teachers, the label.
TITLES = {key: NETWORKS[name].title for key, name in HALVES.items()}
TITLES |= {f"{role} teacher": f"{modality} teacher" for role, modality in settings.ROLES.items()}
TITLES["label"] = LABEL

#: How the planted emotions of speech and image relate; what teachers think of a pair is another
#: matter.
PLANTED = {
    "agree": "planted to agree",
    "conflict": "planted in conflict",
    "neutral": "one of them planted neutral",
}
#: What predictions are held against.
AGAINST = {"labels": "labels", "truth": "planted truth"}


def evaluate(run: Run) -> dict[str, Any]:
    """Score the run's three main models on its test rows.

    Returns
    -------
    dict
        ``scores``: by what it is measured on ("labels"; "truth" for the embedded corpus) and by
        model, as `score_predictions`; "speech" and "image" are the unimodal models; under "truth"
        also the two teachers and the label itself, whose accuracies are what repeating them without
        a mistake would reach. ``differences``: fused minus each unimodal model, on each of the two,
        as `statistics.paired_difference`. ``relations``: accuracy on the truth by how the
        modalities relate ("agree", "conflict", "neutral"). ``calibration``: on the labels, by
        model, as `statistics.calibration`. ``nothing``: by model and class, the answer to silence
        and black.
    """
    from sierlib.experiment.train import predict_test  # TensorFlow, which pages are built without

    rows, by_name = predict_test(run, tuple(HALVES.values()))
    probabilities = {name: by_name[file] for name, file in HALVES.items()}
    networks = {name: values.argmax(axis=1) for name, values in probabilities.items()}
    teachers = _ask_teachers(rows)
    answers = {"labels": class_codes(rows["label"])}
    guesses = {"labels": networks | teachers}
    relations: dict[str, Any] = {}
    truth = read_truth(run)
    if truth:
        planted = [truth[name] for name in rows["id"]]
        answers["truth"] = class_codes(value["emotion"] for value in planted)
        guesses["truth"] = networks | teachers | {"label": answers["labels"]}
        relation = np.array([value["relation"] for value in planted])
        relations = _score_relations(relation, answers["truth"], guesses["truth"])

    scores: dict[str, Any] = {}
    differences: dict[str, Any] = {}
    for against, answer in answers.items():
        scores[against] = {
            name: score_predictions(answer, guess) for name, guess in guesses[against].items()
        }
        right = {name: guess == answer for name, guess in networks.items()}
        differences[against] = {
            name: statistics.paired_difference(right["fused"], right[name], run.seed)
            for name in settings.MODALITIES
        }
    calibration = {
        name: statistics.calibration(values, answers["labels"])
        for name, values in probabilities.items()
    }
    return {
        "calibration": calibration,
        "scores": scores,
        "differences": differences,
        "relations": relations,
        "nothing": {name: _hear_nothing(run, file) for name, file in HALVES.items()},
    }


def _hear_nothing(run: Run, name: str) -> dict[str, float]:
    """Return what a network says to silence and black, where every explanation starts."""
    from sierlib.experiment.train import load_model  # TensorFlow
    from sierlib.networks.fit import predict_nothing

    probabilities = predict_nothing(load_model(run, name))
    return dict(zip(settings.CLASSES, probabilities.tolist(), strict=True))


def _ask_teachers(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return what each teacher calls the rows, class indices (n,); nothing where none was asked."""
    if not labelled_by_teachers(rows):
        return {}
    return {
        f"{role} teacher": label_rule.teacher_opinions(rows, role).argmax(axis=1)
        for role in settings.ROLES
    }


def _score_relations(
    relation: np.ndarray, answers: np.ndarray, guesses: dict[str, np.ndarray]
) -> dict[str, dict[str, Any]]:
    """Return accuracies by how speech and image relate, for the relations that occur."""
    found = {}
    for kind in ("agree", "conflict", "neutral"):
        chosen = relation == kind
        if chosen.any():
            right = {
                name: float(np.mean(guess[chosen] == answers[chosen]))
                for name, guess in guesses.items()
            }
            found[kind] = {"n": int(chosen.sum()), **right}
    return found


def teachers_as_models(manifest: pd.DataFrame) -> pd.DataFrame:
    """Score the teachers on the labels they gave, under the paper's rule and the one it rejects
    (Section 5.4).

    Parameters
    ----------
    manifest
        Rows labelled by teachers.

    Returns
    -------
    pandas.DataFrame
        A row for each rule: accuracy of the speech teacher, of the image teacher and of the more
        confident of both, and the share of the rows that the rule keeps. Empty where the corpus
        brought its labels.
    """
    if not labelled_by_teachers(manifest):
        return pd.DataFrame()
    ser, ier = (label_rule.teacher_opinions(manifest, role) for role in settings.ROLES)
    both = label_rule.max_rule(ser, ier)["label"]
    labelled = {
        "the more confident teacher": label_rule.max_rule(ser, ier),
        "agreement": label_rule.agreement_rule(ser, ier),
    }
    rows = {}
    for name, rule in labelled.items():
        kept, label = rule["kept"], rule["label"]
        opinions = {
            "speech teacher": ser.argmax(axis=1),
            "image teacher": ier.argmax(axis=1),
            "the pair": both,
        }
        rows[name] = {who: np.mean(guess[kept] == label[kept]) for who, guess in opinions.items()}
        rows[name]["rows kept"] = kept.mean()
    return pd.DataFrame(rows).T.rename_axis("rule")


def rule_example() -> dict[str, Any]:
    """Return what the labelling rule makes of the example in Section 3.1."""
    rule = label_rule.max_rule(np.array([[0.1, 0.1, 0.7, 0.1]]), np.array([[0.1, 0.8, 0.05, 0.05]]))
    return {"label": int(rule["label"][0]), "winner": str(rule["winner"][0])}


def label_accuracy(manifest: pd.DataFrame, truth: dict[str, Any]) -> dict[str, float]:
    """Return how often the label is the planted emotion: over "all" rows, and by how speech and
    image relate.

    Empty where nothing was planted.
    """
    if not truth:
        return {}
    planted = [truth[name] for name in manifest["id"]]
    emotions = pd.Series([value["emotion"] for value in planted])
    relations = [value["relation"] for value in planted]
    right = emotions == manifest["label"].to_numpy()
    shares = {"all": float(right.mean())}
    for relation, share in right.groupby(relations).mean().items():
        shares[str(relation)] = float(share)
    return shares


def accuracy_table(evaluation: dict[str, Any]) -> pd.DataFrame:
    """Return accuracies with their 95 % intervals, a row for each model and what it is measured
    on; for `shown.show`."""
    table = pd.DataFrame(
        [
            {
                "model": TITLES[name],
                "against": f"on the {AGAINST[kind]}",
                "n": value["n"],
                "accuracy": value["accuracy"]["value"],
                "low": value["accuracy"]["low"],
                "high": value["accuracy"]["high"],
                "macro F1": value["macro_f1"],
                "kappa": value["kappa"],
            }
            for kind, by_model in evaluation["scores"].items()
            for name, value in by_model.items()
        ]
    )
    table.attrs["about"] = [
        key_of("accuracy", kind, name, evaluation)
        for kind, by_model in evaluation["scores"].items()
        for name in by_model
    ]
    return table


def key_of(quantity: str, kind: str, name: str, evaluation: dict[str, Any]) -> numbers.Key:
    """Return the key of a number of notebook 04: of a model of `TITLES`, on "labels" or "truth"."""
    run = numbers.name_run(evaluation.get("provenance", {}))
    return numbers.Key(quantity, HALVES.get(name, name), "test", kind, run)


def key_of_lead(kind: str, name: str, evaluation: dict[str, Any]) -> numbers.Key:
    """Return the key of ParallelNet's lead over a half, in one training."""
    return key_of(numbers.name_lead(), kind, "fused", evaluation)._replace(
        network=f"fused - {HALVES[name]}"
    )


def best_known(evaluation: dict[str, Any]) -> str:
    """Return what accuracies are best measured on: the planted truth where there is one."""
    return "truth" if "truth" in evaluation["scores"] else "labels"


def difference_title(kind: str, name: str) -> str:
    """Return the title of the paired difference to a network, by what it is measured on."""
    return f"{TITLES['fused']} − {TITLES[name]}, {AGAINST[kind]}"


def difference_table(evaluation: dict[str, Any]) -> pd.DataFrame:
    """Return the paired differences: columns `comparison`, `difference`, `low`, `high`, `p`
    (McNemar, exact), `n`; for `shown.show`."""
    table = pd.DataFrame(
        [
            {
                "comparison": difference_title(kind, name),
                "difference": value["value"],
                "low": value["low"],
                "high": value["high"],
                "p": value["p"],
                "n": value["n"],
            }
            for kind, by_model in evaluation["differences"].items()
            for name, value in by_model.items()
        ]
    )
    table.attrs["about"] = [
        key_of_lead(kind, name, evaluation)
        for kind, by_model in evaluation["differences"].items()
        for name in by_model
    ]
    return table


def heads(run: Run) -> dict[str, float]:
    """Return the validation accuracy of each of ParallelNet's outputs alone, and with one input at
    zero.

    Nothing is trained again: O_sp, O_img and O_mul are read off the trained network (Eq. 2), and an
    input is replaced by silence or black.
    """
    import keras

    manifest = read_manifest(run)
    rows = manifest[(manifest["split"] == "train") & (manifest["fold"] == 0)]
    labels = class_codes(rows["label"])
    from sierlib.data.feed import Feed  # TensorFlow
    from sierlib.experiment.train import load_model

    model = load_model(run, "fused")
    outputs = {name: model.get_layer(name).output for name in ("O_sp", "O_img", "O_mul")}
    several = keras.Model(model.inputs, {**outputs, "all three": model.output})
    given = Feed(rows, run.folder / "dataset", 64)
    found = several.predict(given, verbose=0)
    accuracy = {
        name: float(np.mean(value.argmax(axis=1) == labels)) for name, value in found.items()
    }
    for name in settings.MODALITIES:
        said = []
        for number in range(len(given)):
            batch: Any = given[number]  # inputs alone, as no targets were given
            said.append(model.predict_on_batch({**batch, name: 0 * batch[name]}))
        guess = np.concatenate(said).argmax(axis=1)
        accuracy[f"{name} at zero"] = float(np.mean(guess == labels))
    return accuracy


def late_fusion(run: Run) -> pd.DataFrame:
    """Return the shares of w1, w2 and w3 in Eq. 2, before ParallelNet's training and after it.

    The start is drawn again from the training's seed.
    """
    import keras

    from sierlib.experiment.train import load_model

    keras.utils.set_random_seed(run.seed)
    models = {
        "at the start": NETWORKS["fused"].build(run.profile),
        "after training": load_model(run, "fused"),
    }
    shares = {
        when: model.get_layer("late_fusion").shares.tolist() for when, model in models.items()
    }
    return pd.DataFrame(shares, index=["w1 (O_sp)", "w2 (O_img)", "w3 (O_mul)"])


def teacher_table(reports: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Return the teachers' held-out scores, a row for each, for `shown.show`; `reports` as
    `teacher_reports` gives them."""
    rows = {}
    for role, report in reports.items():
        held = report["held_out"]
        rows[TITLES[f"{role} teacher"]] = {
            "trained on": report["rows"]["train"],
            "held out": report["rows"]["held_out"],
            "held-out accuracy": held["accuracy"],
            "always the largest class": held["majority"],
            "macro F1": held["macro_f1"],
            "classes it lacks": ", ".join(report["missing"]) or "none",
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.attrs["about"] = [numbers.key_of_teacher("", role) for role in reports]
    return table


def training_table(histories: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Return what was trained and how it validates, a row for each of `histories` (by name of the
    specification), for `shown.show`."""
    rows = {}
    for history in histories.values():
        epochs, scores = history["epochs"], history["validation"]
        best = epochs[history["best_epoch"] - 1]
        rows[history["title"]] = {
            "parameters": history["parameters"],
            "rows learned from": history["rows"]["train"],
            "epochs": len(epochs),
            "best epoch": history["best_epoch"],
            "seconds": history["seconds"],
            "training accuracy, best epoch": best["accuracy"],
            "validation accuracy": scores["accuracy"],
            "always the largest class": scores["majority"],
            "validation macro F1": scores["macro_f1"],
            "validation kappa": scores["kappa"],
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.attrs["about"] = [numbers.Key("", name, "validation", "labels") for name in histories]
    return table


def relation_table(evaluation: dict[str, Any]) -> pd.DataFrame:
    """Return accuracy on the planted truth by how speech and image were planted to relate."""
    table = pd.DataFrame(evaluation["relations"]).T
    if table.empty:
        return table
    table = table.astype({"n": int}).rename(columns=TITLES, index=PLANTED)
    return table.rename_axis("speech and image")
