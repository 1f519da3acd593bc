"""Results: the same predictions scored by scikit-learn, and tables and sentences that say what they
hold."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from sierbook import sentences
from sierbook.tables import results
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


@pytest.fixture(scope="module")
def evaluation(tiny_run: Run) -> dict[str, Any]:
    return results.evaluate(tiny_run)


@pytest.fixture(scope="module")
def histories(tiny_run: Run) -> dict[str, dict[str, Any]]:
    return {name: train_model(tiny_run, name)[1] for name in ("fused", "ser", "ier")}


def _evaluation(low: float, high: float, majority: float = 0.3) -> dict[str, Any]:
    return {
        "differences": {
            "labels": {
                "speech": {
                    "value": (low + high) / 2,
                    "low": low,
                    "high": high,
                    "p": 0.5,
                    "n": 9,
                }
            }
        },
        "scores": {
            "labels": {
                "speech": {
                    "accuracy": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9},
                    "majority": majority,
                }
            }
        },
    }


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
        "sierbook.tables.results.predict_test",
        lambda *_: (rows, {"fused": right, "ser": wrong, "ier": right}),
    )
    found = results.evaluate(labelled_run)
    assert set(found["scores"]) == {"labels"} and set(found["scores"]["labels"]) == {
        "fused",
        "speech",
        "image",
    }
    scores = found["scores"]["labels"]
    assert [scores[name]["accuracy"]["value"] for name in ("fused", "speech")] == [1, 0]
    assert not found["relations"]
    said = sentences.describe_ceilings(found)
    assert (
        "no ground truth" in said and "the labels that it brought" in said and "teacher" not in said
    )
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


def test_a_class_that_a_part_lacks_is_named() -> None:
    rows = pd.DataFrame(
        {"label": ["sad"] * 6 + ["hate"] * 5, "fold": [0, 1, 2, 3, 4, -1, 0, 1, 1, 3, 4]}
    )
    rows["split"] = np.where(rows["fold"] < 0, "test", "train")
    (said,) = sentences.name_lacking_classes(rows)
    assert said.startswith("**Of 5 pairs labelled hate none is in the test part, fold 2.**")
    assert sentences.name_lacking_classes(rows[rows["label"] == "sad"]) == []


def test_label_accuracy_is_the_share_of_planted_labels() -> None:
    manifest = pd.DataFrame({"id": list("abc"), "label": ["sad", "sad", "hate"]})
    truth = {"a": {"emotion": "sad", "relation": "agree"}, "b": {"emotion": "hate", "relation": "agree"},
             "c": {"emotion": "hate", "relation": "neutral"}}  # fmt: skip
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
    heads = {
        "O_sp": 0.5,
        "O_img": 0.6,
        "O_mul": 0.4,
        "all three": 0.7,
        "speech at zero": 0.2,
        "image at zero": 0.6,
    }
    said = sentences.describe_reliance(heads, 0.53)
    assert "`O_img` (0.600)" in said and "more on the speech" in said and "0.530" in said


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.01, 0.1, "ParallelNet is ahead"),
        (-0.1, -0.01, "ParallelNet is behind"),
        (-0.1, 0.1, "no difference"),
        (0.0, 0.1, "no difference"),
    ],
)
def test_a_verdict_follows_the_interval(low: float, high: float, said: str) -> None:
    verdict = sentences.judge_fusion(_evaluation(low, high))
    assert len(verdict) == 1 and said in verdict[0] and "ParallelNet − speech only" in verdict[0]


def test_being_ahead_of_a_network_that_learned_nothing_says_little() -> None:
    (verdict,) = sentences.judge_fusion(_evaluation(0.01, 0.1, majority=0.4))
    assert "(50.0% against 40.0%): this says little" in verdict


def test_a_network_that_learned_nothing_is_called_so(histories: dict[str, dict[str, Any]]) -> None:
    history = histories["fused"]
    good = {
        **history,
        "validation": {
            **history["validation"],
            "accuracy": {"value": 0.85, "low": 0.8, "high": 0.9, "n": 9},
            "majority": 0.5,
        },
    }
    bad = {
        **history,
        "validation": {
            **history["validation"],
            "accuracy": {"value": 0.6, "low": 0.4, "high": 0.9, "n": 9},
            "majority": 0.5,
        },
    }
    verdicts = sentences.judge_learning({"A": good, "B": bad})
    assert "**A** is clearly above" in verdicts[0] and "**B** is not clearly above" in verdicts[1]


def test_training_tables_name_every_model(histories: dict[str, dict[str, Any]]) -> None:
    by_title = {history["title"]: history for history in histories.values()}
    assert list(results.training_table(by_title).columns) == [
        "ParallelNet",
        "speech only",
        "image only",
    ]


def test_teachers_are_described(built_run: Run) -> None:
    reports = {role: train_teachers(built_run, [role])[role][1] for role in settings.ROLES}
    assert list(results.teacher_table(reports).columns) == ["speech teacher", "image teacher"]
    reports["ser"] = {**reports["ser"], "notes": ["no tweets of hate"], "quarantined": 2}
    held = {
        **reports["ser"]["held_out"],
        "accuracy": {"value": 0.2, "low": 0.1, "high": 0.4, "n": 9},
        "majority": 0.3,
    }
    remarks = " ".join(sentences.remark_on_teachers({"ser": {**reports["ser"], "held_out": held}}))
    assert (
        "no tweets of hate" in remarks
        and "2 unusable" in remarks
        and "not clearly better" in remarks
    )
