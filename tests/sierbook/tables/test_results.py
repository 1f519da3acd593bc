"""Results: the same predictions scored by scikit-learn, and tables that say what they hold."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from sierbook.numbers import MARK
from sierbook.tables import results
from sierbook.tables.shown import show
from sierlib import settings
from sierlib.data.feed import one_hot
from sierlib.experiment import label_rule
from sierlib.experiment.manifest import read_manifest, read_truth
from sierlib.experiment.models import NETWORKS
from sierlib.experiment.scores import class_codes
from sierlib.experiment.teachers import train_teachers
from sierlib.experiment.train import load_model, predict_test, train_model
from sierlib.networks.fit import fit_network
from sierlib.run import Run
from tests.keys import list_unkeyed


@pytest.fixture(scope="module")
def evaluation(tiny_run: Run) -> dict[str, Any]:
    return results.evaluate(tiny_run)


@pytest.fixture(scope="module")
def histories(tiny_run: Run) -> dict[str, dict[str, Any]]:
    return {name: train_model(tiny_run, name)[1] for name in ("fused", "ser", "ier")}


def test_scores_are_scikit_learns_on_the_same_predictions(
    tiny_run: Run, evaluation: dict[str, Any]
) -> None:
    rows, predicted = predict_test(tiny_run)
    truth = read_truth(tiny_run)
    answers = {
        "labels": list(rows["label"]),
        "truth": [truth[name]["emotion"] for name in rows["id"]],
    }
    for against, answer in answers.items():
        for name, model in (("fused", "fused"), ("speech", "ser"), ("image", "ier")):
            guess = [settings.CLASSES[index] for index in predicted[model].argmax(axis=1)]
            found = evaluation["scores"][against][name]
            assert found["accuracy"]["value"] == pytest.approx(sk.accuracy_score(answer, guess))
            assert found["macro_f1"] == pytest.approx(
                sk.f1_score(answer, guess, average="macro", zero_division=0)
            )
    label = evaluation["scores"]["truth"]["label"]["accuracy"]["value"]
    assert label == pytest.approx(sk.accuracy_score(answers["truth"], answers["labels"]))


def test_teachers_are_scored_on_what_the_manifest_holds(
    tiny_run: Run, evaluation: dict[str, Any]
) -> None:
    rows = read_manifest(tiny_run).query("split == 'test'")
    for role in ("ser", "ier"):
        opinion = rows[[f"{role}_{name}" for name in settings.CLASSES]].to_numpy().argmax(axis=1)
        share = np.mean(opinion == class_codes(rows["label"]))
        assert evaluation["scores"]["labels"][f"{role} teacher"]["accuracy"][
            "value"
        ] == pytest.approx(share)


def test_differences_are_fused_minus_the_other(evaluation: dict[str, Any]) -> None:
    for against, by_model in evaluation["differences"].items():
        for name, found in by_model.items():
            scores = evaluation["scores"][against]
            assert found["value"] == pytest.approx(
                scores["fused"]["accuracy"]["value"] - scores[name]["accuracy"]["value"]
            )
            assert found["low"] <= found["value"] <= found["high"] and 0 < found["p"] <= 1
    assert set(evaluation["differences"]) == {"labels", "truth"}


def test_relations_partition_the_test_rows(evaluation: dict[str, Any]) -> None:
    parts = evaluation["relations"]
    n = evaluation["scores"]["truth"]["fused"]["n"]
    assert sum(part["n"] for part in parts.values()) == n and set(parts) <= {
        "agree",
        "conflict",
        "neutral",
    }
    mean = sum(part["n"] * part["fused"] for part in parts.values()) / n
    assert mean == pytest.approx(evaluation["scores"]["truth"]["fused"]["accuracy"]["value"])
    assert results.relation_table(evaluation)["n"].sum() == n
    assert results.relation_table({"relations": {}}).empty


def test_what_networks_say_to_nothing_is_kept(tiny_run: Run, evaluation: dict[str, Any]) -> None:
    blank = {
        name: np.zeros((1, 128, 128, channels), np.float32)
        for name, channels in settings.CHANNELS.items()
    }
    said = load_model(tiny_run, "fused").predict(blank, verbose=0)[0]
    found = evaluation["nothing"]
    assert list(found["fused"].values()) == pytest.approx(said.tolist(), abs=1e-4)
    for shares in found.values():
        assert list(shares) == list(settings.CLASSES) and sum(shares.values()) == pytest.approx(1)


def test_results_can_be_written_as_json(evaluation: dict[str, Any]) -> None:
    assert json.loads(json.dumps(evaluation, allow_nan=False)) == evaluation


def test_tables_hold_every_score(evaluation: dict[str, Any]) -> None:
    accuracies, differences = (
        results.accuracy_table(evaluation),
        results.difference_table(evaluation),
    )
    assert len(accuracies) == sum(map(len, evaluation["scores"].values())) and len(differences) == 4
    assert (accuracies["low"] <= accuracies["accuracy"]).all() and (
        accuracies["accuracy"] <= accuracies["high"]
    ).all()
    assert set(accuracies["model"]) == set(results.TITLES.values())
    assert not accuracies.isna().any().any()


def test_a_corpus_with_labels_has_no_teachers_and_no_ceiling(
    labelled_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = read_manifest(labelled_run)
    rows = manifest[manifest["split"] == "test"].reset_index(drop=True)
    right = one_hot(rows["label"])
    wrong = np.roll(right, 1, axis=1)
    monkeypatch.setattr(
        "sierlib.experiment.train.predict_test",
        lambda *_: (rows, {"fused": right, "ser": wrong, "ier": right}),
    )
    monkeypatch.setattr("sierbook.tables.results._hear_nothing", lambda *_: {})
    found = results.evaluate(labelled_run)
    assert set(found["scores"]) == {"labels"} and set(found["scores"]["labels"]) == {
        "fused",
        "speech",
        "image",
    }
    scores = found["scores"]["labels"]
    assert [scores[name]["accuracy"]["value"] for name in ("fused", "speech")] == [1, 0]
    assert not found["relations"]
    assert results.teachers_as_models(manifest).empty and results.label_accuracy(manifest, {}) == {}


def test_section_5_4_in_a_table(tiny_run: Run) -> None:
    manifest = read_manifest(tiny_run)
    table = results.teachers_as_models(manifest)
    agreement, maximum = table.loc["agreement"], table.loc["the more confident teacher"]
    assert (agreement[["speech teacher", "image teacher", "the pair"]] == 1).all() and agreement[
        "rows kept"
    ] < 1
    assert maximum["the pair"] == 1 and maximum["rows kept"] == 1
    assert (maximum[["speech teacher", "image teacher"]] < 1).all()
    ser = label_rule.teacher_opinions(manifest, "ser").argmax(axis=1)
    assert maximum["speech teacher"] == pytest.approx(
        np.mean(ser == class_codes(manifest["label"]))
    )


def test_label_accuracy_is_the_share_of_planted_labels() -> None:
    manifest = pd.DataFrame({"id": list("abc"), "label": ["sad", "sad", "hate"]})
    truth = {
        "a": {"emotion": "sad", "relation": "agree"},
        "b": {"emotion": "hate", "relation": "agree"},
        "c": {"emotion": "hate", "relation": "neutral"},
    }
    assert results.label_accuracy(manifest, truth) == pytest.approx(
        {"all": 2 / 3, "agree": 0.5, "neutral": 1.0}
    )


def test_late_fusion_starts_where_training_starts_and_ends_with_the_trained_weights(
    tiny_run: Run,
) -> None:
    table = results.late_fusion(tiny_run)
    assert table.sum().to_list() == pytest.approx([1, 1])
    trained = load_model(tiny_run, "fused").get_layer("late_fusion")
    assert table["after training"].to_list() == pytest.approx(trained.shares.tolist())
    # Training one step at a rate of nearly nothing leaves the start where it is.
    still = replace(tiny_run.profile, learning_rate=1e-12, epochs=1)
    rows = read_manifest(tiny_run)
    rows = rows[rows["split"] == "train"].groupby("label").head(2)
    build = NETWORKS["fused"].build
    model, _ = fit_network(
        lambda: build(tiny_run.profile),
        rows,
        rows,
        tiny_run.folder / "dataset",
        still,
        seed=tiny_run.seed,
    )
    assert table["at the start"].to_list() == pytest.approx(
        model.get_layer("late_fusion").shares.tolist(), abs=1e-6
    )


def test_heads_are_read_off_the_trained_network(
    tiny_run: Run, histories: dict[str, dict[str, Any]]
) -> None:
    found = results.heads(tiny_run)
    assert set(found) == {"O_sp", "O_img", "O_mul", "all three", "speech at zero", "image at zero"}
    assert found["all three"] == pytest.approx(
        histories["fused"]["validation"]["accuracy"]["value"], abs=0.2
    )
    assert all(0 <= value <= 1 for value in found.values())


def test_training_tables_name_every_model(histories: dict[str, dict[str, Any]]) -> None:
    table = results.training_table(histories)
    assert list(table.index) == [NETWORKS[name].title for name in histories]
    page = show(table, across=True).to_html()
    keyed = {key: value for value, key, _ in MARK.findall(page)}
    assert float(keyed["parameters; ser; ; ; this run"]) == histories["ser"]["parameters"]
    assert list_unkeyed(page) == []


def test_teachers_are_described(built_run: Run) -> None:
    reports = {role: train_teachers(built_run, [role])[role][1] for role in settings.ROLES}
    assert list(results.teacher_table(reports).index) == ["speech teacher", "image teacher"]
