"""The comparisons that were named in advance: what is compared, corrected and claimed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sierbook import comparisons, numbers, recorded, statistics
from sierlib import settings
from sierlib.experiment.manifest import read_manifest, read_truth
from sierlib.experiment.models import NETWORKS
from sierlib.experiment.scores import class_codes
from sierlib.experiment.train import predict_test, write_percents
from sierlib.files import read_json, write_json
from sierlib.run import Run


def _history(run: Run, name: str, guesses: str, repeat: int = 0) -> dict[str, Any]:
    """A made-up history that says no more than what a network answered to the test rows."""
    return {
        "spec": NETWORKS[name].as_dict(),
        "fold": 0,
        "repeat": repeat,
        "test_predicted": guesses,
        "provenance": run.provenance(),
    }


def _record(run: Run, place: Path, **right: Sequence[float]) -> None:
    """Record labels, and networks each of whose trainings gets so large a share of test rows
    right."""
    labels = recorded.list_labels(run)
    place.mkdir(parents=True, exist_ok=True)
    labels.to_csv(place / recorded.LABELS, index=False)
    codes = class_codes(labels.loc[labels["split"] == "test", "label"])
    for name, shares in right.items():
        for repeat, share in enumerate(shares):
            guesses = np.where(np.arange(len(codes)) < share * len(codes), codes, (codes + 1) % 4)
            history = _history(run, name, "".join(map(str, guesses)), repeat)
            write_json(place / "models" / f"{name}-{repeat}.json", history)


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
    place = tmp_path / recorded.STAND_IN
    _record(tiny_run, place, fused=[1.0], ser=[0.0], baseline3=[0.0])
    found = comparisons.collect(tiny_run)
    primary = {one["name"]: one for one in found if one["primary"]}
    assert list(primary) == ["fused-ser", "fused-ier", "fused-baseline3"]
    assert primary["fused-baseline3"]["origin"] == "recorded"
    assert primary["fused-ser"]["p"] == alone[0]["p"]
    # Those that were named and are missing count too; what two runs found is corrected apart.
    own = [primary[name]["p"] for name in ("fused-ser", "fused-ier")]
    adjusted = statistics.holm(own + [1.0] * 3)[:2]
    assert [primary[name]["p_holm"] for name in ("fused-ser", "fused-ier")] == adjusted
    p = primary["fused-baseline3"]["p"]
    assert primary["fused-baseline3"]["p_holm"] == statistics.holm([p, p] + [1.0] * 3)[0]


@pytest.mark.parametrize("other", [{"data": "bt4sa:elsewhere"}, {"ser": "tweets:mine.tsv"}])
def test_what_was_recorded_of_other_rows_or_labels_is_not_shown(
    other: dict[str, str], tiny_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sierbook.recorded.RECORDED", tmp_path)
    place = tmp_path / recorded.STAND_IN
    _record(tiny_run, place, fused=[1.0], baseline3=[0.0])
    assert set(comparisons.read_stand_ins(tiny_run)) == {"fused-baseline3"}
    for path in place.glob("models/*.json"):
        history = read_json(path)
        write_json(path, history | {"provenance": history["provenance"] | other})
    assert comparisons.read_stand_ins(tiny_run) == {}


def test_recorded_networks_are_compared_over_all_repetitions_without_a_gap(
    tiny_run: Run, tmp_path: Path
) -> None:
    _record(tiny_run, tmp_path, fused=[1.0, 1.0], ser=[0.5, 0.5, 0.5], ier=[0.0, 0.0])
    (tmp_path / "models" / "ser-1.json").unlink()
    found = comparisons.compare_recorded(tmp_path)
    assert found["fused-ser"]["trainings"] == [2, 1]
    assert found["fused-ier"]["repeats"] == 2 and found["fused-ier"]["value"] == 1
    assert {entry["origin"] for entry in found.values()} == {"this run"}
    assert comparisons.compare_recorded(tmp_path / "empty") == {}


def test_how_sure_recorded_networks_were_is_read_off_their_histories(
    tiny_run: Run, tmp_path: Path
) -> None:
    _record(tiny_run, tmp_path, fused=[1.0], addition=[1.0])
    assert comparisons.DILUTION not in comparisons.compare_recorded(tmp_path)  # they do not tell
    labels = recorded.read_labels(tmp_path)
    assert labels is not None
    labels["relation"] = np.where(np.arange(len(labels)) % 2, "conflict", "agree")
    labels.to_csv(tmp_path / recorded.LABELS, index=False)
    conflict = (labels.loc[labels["split"] == "test", "relation"] == "conflict").to_numpy()
    for name, sure in (("fused", 0.5), ("addition", 0.75)):
        path = tmp_path / "models" / f"{name}-0.json"
        percents = write_percents(np.where(conflict, sure, 0.9))
        write_json(path, read_json(path) | {"test_percent": percents})
    found = comparisons.compare_recorded(tmp_path)[comparisons.DILUTION]
    assert found["value"] == pytest.approx(-0.25) and found["n"] == conflict.sum()
    # Nothing that a notebook once recorded takes its place.
    kept = {"provenance": {}, "comparisons": [found | {"value": 0.5}]}
    write_json(tmp_path / "04-results.json", kept)
    assert comparisons.compare_recorded(tmp_path)[comparisons.DILUTION] == found


def test_titles_are_made_of_those_of_the_networks() -> None:
    title = comparisons.PRIMARY["fused-ser"].title
    assert title == f"{NETWORKS['fused'].title} − {NETWORKS['ser'].title}"
    assert comparisons.PRIMARY["multiply-addition"].title.endswith(", pairs planted in conflict")


def test_pairs_are_in_conflict_or_agreement_as_planted_else_as_the_teachers_say(
    built_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, truth = recorded.list_labels(built_run), read_truth(built_run)
    assert list(rows["relation"]) == [truth[name]["relation"] for name in rows["id"]]
    assert list(rows["emotion"]) == [truth[name]["emotion"] for name in rows["id"]]
    monkeypatch.setattr("sierbook.recorded.read_truth", lambda _: {})
    manifest = read_manifest(built_run)
    opinions = []
    for role in ("ser", "ier"):
        columns = [f"{role}_{name}" for name in settings.CLASSES]
        opinions.append(manifest[columns].idxmax(axis=1).str.partition("_")[2])
    rows = recorded.list_labels(built_run).head(len(manifest))
    assert list(rows["relation"] == "agree") == list(opinions[0] == opinions[1])
    assert set(rows["relation"]) == {"agree", "conflict"} and set(rows["emotion"]) == {""}


def test_nobody_says_what_pairs_with_given_labels_are(labelled_run: Run) -> None:
    rows = recorded.list_labels(labelled_run)
    assert set(rows["relation"]) == set(rows["emotion"]) == {""}


RELATIONS = ("conflict",) * 40 + ("agree",) * 60
#: How sure networks are of rows in conflict and in agreement.
SURE = {"fused": (0.5, 0.9), "addition": (0.8, 0.9)}


@pytest.fixture
def forged(tiny_run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """A hundred test rows, 40 of them in conflict, labelled happy and planted sad; networks answer
    as they are told."""
    relation = [*RELATIONS]
    rows = pd.DataFrame({"id": range(100), "split": "test", "label": "happy", "emotion": "sad"})
    monkeypatch.setattr("sierbook.recorded.list_labels", lambda _: rows.assign(relation=relation))
    happy, sad = (str(settings.CLASSES.index(name)) for name in ("happy", "sad"))

    def answer(conflict: int, agreement: int) -> str:
        parts = happy * conflict, sad * (40 - conflict), happy * agreement, sad * (60 - agreement)
        return "".join(parts)

    def compare(**right: Sequence[tuple[int, int]]) -> dict[str, Any]:
        """By name of the network, for each repetition: how many rows in conflict and in agreement
        get the label."""
        told: dict[str, Any] = {}
        for name, several in right.items():
            percents = write_percents(np.repeat(SURE.get(name, (0.9, 0.9)), (40, 60)))
            more = {"test_percent": percents}
            told[name] = [_history(tiny_run, name, answer(*rows)) | more for rows in several]
        monkeypatch.setattr(
            "sierbook.comparisons._read_trained", lambda _, name: told.get(name, [])
        )
        return comparisons.compare_run(tiny_run)

    return compare


def test_multiplication_is_held_against_addition_on_pairs_in_conflict(
    forged: Callable[..., dict[str, Any]],
) -> None:
    found = forged(fused=[(30, 0)], addition=[(20, 60)])
    entry = found["multiply-addition"]
    assert (entry["n"], entry["repeats"]) == (40, 1) and entry["value"] == pytest.approx(10 / 40)
    assert entry["p"] == pytest.approx(2 * 0.5**10)  # McNemar: ten rows, all on one side
    entry = found["fused-addition"]
    assert entry["n"] == 100 and entry["value"] == pytest.approx(-0.5)


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
    table = comparisons.table(comparisons.sort_entries(comparisons.correct(found)))
    assert [numbers.plain(seeds.data) for seeds in table["seeds"]] == ["3 / 1", "3"]


def test_dilution_is_how_sure_in_conflict_beyond_agreement(
    forged: Callable[..., dict[str, Any]],
) -> None:
    found = forged(fused=[(1, 1)] * 3, addition=[(1, 1)] * 3)[comparisons.DILUTION]
    assert found["value"] == pytest.approx(-0.3) and (found["n"], found["repeats"]) == (40, 3)
    assert not found["primary"]


def test_dilution_is_compared_over_as_many_trainings_as_both_have(
    forged: Callable[..., dict[str, Any]],
) -> None:
    found = forged(fused=[(1, 1)] * 3, addition=[(1, 1)])
    assert found[comparisons.DILUTION]["repeats"] == 1
    assert comparisons.DILUTION not in forged(fused=[(1, 1)])
