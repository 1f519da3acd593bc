"""The comparisons that were named in advance: what is compared, corrected and claimed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sierbook import comparisons, recorded, statistics
from sierlib import settings
from sierlib.experiment.manifest import read_manifest, read_truth
from sierlib.experiment.scores import class_codes
from sierlib.experiment.train import predict_test
from sierlib.run import Run, write_json


def test_a_comparison_is_that_of_the_two_networks_predictions(tiny_run: Run) -> None:
    found = {
        entry["name"]: entry
        for entry in comparisons.collect(tiny_run)
        if entry["origin"] == "this run"
    }
    assert {"fused-ser", "fused-ier", "ier-ser"} == set(found)
    assert (
        found["fused-ser"]["primary"]
        and not found["ier-ser"]["primary"]
        and "p_holm" not in found["ier-ser"]
    )
    rows, predicted = predict_test(tiny_run)
    labels = class_codes(rows["label"])
    right = {name: predicted[name].argmax(axis=1) == labels for name in ("fused", "ser")}
    entry = found["fused-ser"]
    assert entry["n"] == len(rows)
    assert entry["value"] == pytest.approx(
        right["fused"].mean() - right["ser"].mean(), abs=2 / len(rows)
    )


def test_a_recorded_comparison_fills_in_and_is_corrected_where_it_was_recorded(
    tiny_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sierbook.recorded.RECORDED", tmp_path)
    alone = comparisons.collect(tiny_run)
    entry = alone[0] | {"name": "max-agreement", "title": "recorded", "p": 1e-6}
    own_too = alone[0] | {"p": 0.123456}
    place, told = tmp_path / recorded.STAND_IN / comparisons.FILE, tiny_run.provenance()
    write_json(place, {"provenance": told, "comparisons": [entry, own_too]})
    found = comparisons.collect(tiny_run)
    primary = [one for one in found if one["primary"]]
    assert [one["name"] for one in primary] == [
        *(one["name"] for one in alone if one["primary"]),
        "max-agreement",
    ]
    assert primary[-1]["origin"] == "recorded" and primary[0]["p"] == alone[0]["p"]
    # Those that were named and are missing count too; what two runs found is corrected apart.
    assert [one["p_holm"] for one in primary[:2]] == statistics.holm(
        [one["p"] for one in primary[:2]] + [1.0] * 3
    )[:2]
    assert primary[-1]["p_holm"] == statistics.holm([1e-6, 0.123456] + [1.0] * 3)[0]
    for other in (
        {"data": "bt4sa:elsewhere"},
        {"ser": "tweets:mine.tsv"},
    ):  # other rows, or other labels
        write_json(place, {"provenance": told | other, "comparisons": [entry]})
        assert "max-agreement" not in {one["name"] for one in comparisons.collect(tiny_run)}


def test_pairs_are_in_conflict_or_agreement_as_planted_else_as_the_teachers_say(
    built_run: Run,
) -> None:
    rows, truth = read_manifest(built_run), read_truth(built_run)
    conflict, agreement = comparisons._relations(rows, truth)
    planted = [truth[name]["relation"] for name in rows["id"]]
    assert conflict.any() and agreement.any() and not (conflict & agreement).any()
    assert {kind for kind, chosen in zip(planted, conflict, strict=True) if chosen} == {"conflict"}
    assert {kind for kind, chosen in zip(planted, agreement, strict=True) if chosen} == {"agree"}
    conflict, agreement = comparisons._relations(rows, {})
    columns = [[f"{role}_{name}" for name in settings.CLASSES] for role in ("ser", "ier")]
    opinions = [rows[names].idxmax(axis=1).str.partition("_")[2] for names in columns]
    assert list(agreement) == list(opinions[0] == opinions[1]) and list(conflict) == list(
        ~agreement
    )
    assert not np.any(comparisons._relations(rows.assign(winner="given"), {}))


RELATIONS = ("conflict",) * 40 + ("agree",) * 60


@pytest.fixture
def forged(tiny_run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """A hundred test rows, 40 of them in conflict, labelled happy and planted sad; networks answer
    as they are told."""
    rows = pd.DataFrame({"id": [f"row-{i}" for i in range(100)], "split": "test", "label": "happy"})
    truth = {
        f"row-{i}": {"emotion": "sad", "relation": relation} for i, relation in enumerate(RELATIONS)
    }
    monkeypatch.setattr("sierbook.comparisons.read_manifest", lambda _: rows)
    monkeypatch.setattr("sierbook.comparisons.read_truth", lambda _: truth)
    happy, sad = (str(settings.CLASSES.index(name)) for name in ("happy", "sad"))

    def compare(**right: Sequence[tuple[int, int]]) -> dict[str, Any]:
        """By name of the network, for each repetition: how many rows in conflict and in agreement
        get the label."""
        told = {
            name: [
                {
                    "test_predicted": "".join(
                        [happy * a, sad * (40 - a), happy * b, sad * (60 - b)]
                    ),
                    "provenance": tiny_run.provenance(),
                }
                for a, b in several
            ]
            for name, several in right.items()
        }
        monkeypatch.setattr("sierbook.comparisons._trained", lambda _, name: told.get(name, []))
        sure = {"fused": (0.5, 0.9), "addition": (0.8, 0.9)}
        monkeypatch.setattr(
            "sierbook.comparisons._sure",
            lambda run, name, count, rows: np.tile(np.repeat(sure[name], (40, 60)), (count, 1)),
        )
        return {entry["name"]: entry for entry in comparisons.own(tiny_run)}

    return compare


def test_multiplication_is_held_against_addition_on_pairs_in_conflict(
    forged: Callable[..., dict[str, Any]],
) -> None:
    found = forged(fused=[(30, 0)], addition=[(20, 60)])
    entry = found["multiply-addition"]
    assert (entry["n"], entry["repeats"]) == (40, 1) and entry["value"] == pytest.approx(10 / 40)
    assert entry["p"] == pytest.approx(2 * 0.5**10)  # McNemar: ten rows, all on one side
    assert found["fused-addition"]["n"] == 100 and found["fused-addition"][
        "difference"
    ] == pytest.approx(-0.5)


def test_rules_are_compared_on_the_planted_truth(forged: Callable[..., dict[str, Any]]) -> None:
    found = forged(fused=[(40, 60)], agreement=[(40, 30)])
    assert found["max-agreement"]["value"] == pytest.approx(
        -0.3
    )  # right about the labels, wrong about the truth
    assert found["max-agreement"]["high"] < 0


def test_several_trainings_are_compared_over_all_of_each(
    forged: Callable[..., dict[str, Any]],
) -> None:
    found = forged(fused=[(40, 60), (0, 0), (0, 0)], ser=[(0, 0)], ier=[(0, 0)] * 3)
    entry = found["fused-ser"]
    assert (
        entry["repeats"] == 1
        and entry["trainings"] == [3, 1]
        and entry["value"] == pytest.approx(1 / 3)
    )
    assert entry["low"] == 0 and entry["p"] > 0.05 and "by_training" not in entry
    assert found["fused-ier"]["by_training"] == pytest.approx([1, 0, 0])
    assert found["fused-ier"]["repeats"] == 3 and "trainings" not in found["fused-ier"]
    assert list(comparisons.table(comparisons.ordered(comparisons.corrected(found)))["seeds"]) == [
        "3 / 1",
        "3",
    ]


def test_dilution_is_how_sure_in_conflict_beyond_agreement(
    forged: Callable[..., dict[str, Any]],
) -> None:
    found = forged(fused=[(1, 1)] * 3, addition=[(1, 1)] * 3)[comparisons.DILUTION]
    assert found["value"] == pytest.approx(-0.3) and (found["n"], found["repeats"]) == (40, 3)
    assert not found["primary"]


def test_how_sure_a_network_is_comes_from_its_own_probabilities(tiny_run: Run) -> None:
    rows, predicted = predict_test(tiny_run)
    sure = comparisons._sure(tiny_run, "fused", 1, rows)
    assert sure[0] == pytest.approx(predicted["fused"].max(axis=1), abs=1e-6)
