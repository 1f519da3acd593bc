"""The comparisons that were named in advance: what is compared, corrected and claimed."""

from __future__ import annotations

from pathlib import Path

import pytest

from sierlib import comparisons, dataset, metrics, runs, settings, studies, training
from sierlib.runs import Run


def test_a_comparison_is_that_of_the_two_networks_predictions(tiny_run: Run) -> None:
    found = {entry["name"]: entry for entry in comparisons.collect(tiny_run) if entry["origin"] == "this run"}
    assert {"fused-ser", "fused-ier", "ier-ser"} == set(found)
    assert found["fused-ser"]["primary"] and not found["ier-ser"]["primary"] and "p_holm" not in found["ier-ser"]
    rows, predicted = training.predict_test(tiny_run)
    labels = metrics.codes(rows["label"])
    right = {name: predicted[name].argmax(axis=1) == labels for name in ("fused", "ser")}
    entry = found["fused-ser"]
    assert entry["n"] == len(rows)
    assert entry["difference"] == pytest.approx(right["fused"].mean() - right["ser"].mean(), abs=2 / len(rows))


def test_a_recorded_comparison_fills_in_and_holms_correction_runs_over_all(
    tiny_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studies, "RECORDED", tmp_path)
    alone = comparisons.collect(tiny_run)
    entry = alone[0] | {"name": "max-agreement", "title": "recorded", "p": 1e-6}
    own_too = alone[0] | {"p": 0.123456}
    runs.write_json(tmp_path / studies.STAND_IN / comparisons.FILE, {"comparisons": [entry, own_too]})
    found = comparisons.collect(tiny_run)
    primary = [one for one in found if one["primary"]]
    assert [one["name"] for one in primary] == [*(one["name"] for one in alone if one["primary"]), "max-agreement"]
    assert primary[-1]["origin"] == "recorded" and primary[0]["p"] == alone[0]["p"]
    # Those that were named and are missing count too.
    assert [one["p_holm"] for one in primary] == metrics.holm([one["p"] for one in primary] + [1.0] * 2)[:3]
    runs.write_json(
        tmp_path / studies.STAND_IN / comparisons.FILE, {"comparisons": [entry | {"data": "bt4sa:elsewhere"}]}
    )
    assert "max-agreement" not in {one["name"] for one in comparisons.collect(tiny_run)}


def test_pieces_of_a_run_keep_each_others_comparisons(tiny_run: Run, tmp_path: Path) -> None:
    own = comparisons.own(tiny_run)
    other = own[0] | {"name": "fused-n2-vgg16", "difference": 0.25}
    told = tiny_run.provenance()
    for seed, kept in ((told["seed"], [other]), (told["seed"] + 1, [])):
        earlier = {"provenance": told | {"seed": seed}, "comparisons": [own[0] | {"difference": 0.75}, other]}
        runs.write_json(tmp_path / comparisons.FILE, earlier)
        assert comparisons.record(tiny_run, tmp_path)
        assert runs.read_json(tmp_path / comparisons.FILE)["comparisons"] == [*own, *kept]


def test_verdicts_claim_nothing_above_five_per_cent_and_name_what_is_missing() -> None:
    base = {"title": "a − b", "primary": True, "difference": 0.1, "interval": [0.05, 0.15], "name": "fused-ser"}
    assert "the first is better" in comparisons.verdicts([base | {"p_holm": 0.01}])[0]
    assert "the first is worse" in comparisons.verdicts([base | {"p_holm": 0.01, "difference": -0.1}])[0]
    said = comparisons.verdicts([base | {"p_holm": 0.2}])
    assert "no difference can be claimed" in said[0] and len(said) == len(comparisons.PRIMARY)
    assert all("not computed" in text for text in said[1:])


def test_pairs_in_conflict_are_the_planted_ones_else_those_on_which_teachers_differ(built_run: Run) -> None:
    rows, truth = dataset.read_manifest(built_run), dataset.read_truth(built_run)
    planted = comparisons._in_conflict(rows, truth)
    assert list(planted) == [truth[name]["relation"] == "conflict" for name in rows["id"]]
    differ = comparisons._in_conflict(rows, {})
    columns = [[f"{role}_{name}" for name in settings.CLASSES] for role in ("ser", "ier")]
    assert list(differ) == list(
        rows[columns[0]].to_numpy().argmax(axis=1) != rows[columns[1]].to_numpy().argmax(axis=1)
    )
    assert not comparisons._in_conflict(rows.assign(winner="given"), {}).any()


def test_confidence_is_compared_on_pairs_in_conflict(tiny_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = dataset.read_manifest(tiny_run)
    rows = rows[rows["split"] == "test"].reset_index(drop=True)
    conflict = comparisons._in_conflict(rows, dataset.read_truth(tiny_run))
    if not conflict.any():
        pytest.skip("no test row of the tiny run is in conflict")
    histories = {name: comparisons._trained(tiny_run, name) for name in ("fused", "ier")}
    monkeypatch.setattr(comparisons, "_trained", lambda run, name: histories["fused" if name == "fused" else "ier"])
    load = training.load_model
    monkeypatch.setattr(training, "load_model", lambda run, name: load(run, "ier" if name == "addition" else name))
    found = {one["name"]: one for one in comparisons.own(tiny_run)}[comparisons.CONFIDENCE]
    _, predicted = training.predict_test(tiny_run)
    sure = {name: predicted[name][conflict].max(axis=1) for name in ("fused", "ier")}
    assert found["difference"] == pytest.approx((sure["fused"] - sure["ier"]).mean(), abs=1e-6)
    assert found["n"] == conflict.sum() and not found["primary"]
