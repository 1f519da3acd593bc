"""Is a run what was recorded? Altered numbers are found, everything else is not mistaken for
one."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sierbook import comparisons, derived, recorded, verify
from sierlib.experiment.models import NETWORKS
from sierlib.files import write_json
from sierlib.run import Run

MACHINE = {"processor": "a", "cores": 2, "features": ["avx2"], "system": "Linux x86_64"}
PROVENANCE = {
    "machine": MACHINE,
    "versions": {"keras": "3"},
    "python": "3.11",
    "seconds": 1.0,
    "date": "a",
}
ACCURACY = {"value": 0.7, "low": 0.6, "high": 0.79, "n": 100}
COMPARED = {"name": "fused-ser", "value": 0.1, "low": 0.05, "high": 0.15, "origin": "this run"}
SHOWN = {"name": "max-agreement", "value": 0.2, "low": 0.1, "high": 0.3, "origin": "recorded"}
RESULT: dict[str, Any] = {
    "notebook": "04-results",
    "provenance": PROVENANCE,
    "scores": {"fused": {"n": 100, "accuracy": ACCURACY, "confusion": [[1, 2], [3, 4]]}},
    "comparisons": [COMPARED, SHOWN],
    "manifest": {"labels": "0123", "parts": "0t12"},
    "seconds": 12.0,
}

#: Where an accuracy stands in it.
VALUE = ["scores", "fused", "accuracy", "value"]


def _changed(path: list[Any], value: Any, elsewhere: bool = False) -> dict[str, Any]:
    made = copy.deepcopy(RESULT)
    place: Any = made
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    if elsewhere:
        made["provenance"]["machine"] = {**MACHINE, "processor": "b"}
    return made


def test_the_same_results_are_the_same() -> None:
    report = verify.compare(RESULT, copy.deepcopy(RESULT))
    assert report.exact and report.differences == [] and report.compared > 10


def _network(**changed: Any) -> dict[str, Any]:
    """A network's history, as far as it is compared here."""
    return {
        "title": NETWORKS["fused"].title,
        "spec": NETWORKS["fused"].as_dict(),
        "fold": 0,
        "repeat": 1,
        "provenance": PROVENANCE,
        "test": {"accuracy": 0.5},
        "seconds": 3.0,
    } | changed


@pytest.mark.parametrize(
    "path",
    [
        ["scores", "fused", "accuracy", "value"],
        ["scores", "fused", "confusion", 1, 0],
        ["comparisons", 0, "value"],
    ],
)
def test_on_the_recording_machine_any_altered_number_is_found(path: list[Any]) -> None:
    report = verify.compare(RESULT, _changed(path, 0.5000001))
    assert len(report.differences) == 1 and report.differences[0].startswith(
        ".".join(map(str, path))
    )


def test_an_altered_label_or_split_is_found() -> None:
    for key in ("labels", "parts"):
        assert len(verify.compare(RESULT, _changed(["manifest", key], "0120")).differences) == 1


def test_times_dates_and_what_was_recorded_elsewhere_do_not_count() -> None:
    assert not verify.compare(RESULT, _changed(["seconds"], 99.0)).differences
    assert not verify.compare(RESULT, _changed(["provenance", "date"], "b")).differences
    assert not verify.compare(RESULT, _changed(["comparisons", 1, "value"], 0.9)).differences


def test_seconds_in_a_table_of_measures_do_not_count() -> None:
    tables = [
        RESULT | {"rows": [{"measure": "seconds", "mean": mean}, {"measure": "share", "mean": 0.5}]}
        for mean in (1, 2)
    ]
    report = verify.compare(*tables)
    assert not report.differences and report.compared > verify.compare(RESULT, RESULT).compared


def test_what_is_missing_or_new_is_found() -> None:
    less = copy.deepcopy(RESULT)
    del less["manifest"]["labels"]
    assert len(verify.compare(RESULT, less).differences) == 1
    assert len(verify.compare(less, RESULT).differences) == 1


@given(st.floats(0, 1, allow_nan=False))
def test_on_another_machine_a_number_has_to_lie_in_its_interval(value: float) -> None:
    report = verify.compare(RESULT, _changed(VALUE, value, elsewhere=True))
    assert (
        not report.exact and report.compared == 3
    )  # the accuracy, and the one difference of this run with its name
    assert bool(report.differences) == (not 0.6 <= value <= 0.79)


def test_on_another_machine_nothing_is_expected_of_networks_that_did_not_learn(
    tmp_path: Path,
) -> None:
    new = _changed(VALUE, 0.2, elsewhere=True)
    assert not verify.compare(RESULT, new, learned=False).differences
    assert len(verify.compare(RESULT, _changed(VALUE, 0.2), False).differences) == 1
    place, run = tmp_path / "recorded", Run.open("smoke", run_dir=tmp_path / "run")
    write_json(place / "01-dataset.json", RESULT)
    write_json(run.folder / "results" / "01-dataset.json", new)
    for majority, failed in ((0.5, 1), (0.65, 0)):
        scores = {"accuracy": ACCURACY, "majority": majority}
        write_json(place / "models" / "fused.json", _network(test=scores))
        moved = scores | {"accuracy": ACCURACY | {"value": 0.2}}
        network = _network(test=moved, provenance=new["provenance"])
        write_json(run.folder / "models" / "fused.json", network)
        found = verify.against_recorded(run, place)
        for name in ("01-dataset", "models/fused"):
            assert len(found[name].differences) == failed


def test_on_another_machine_each_network_is_judged_by_itself() -> None:
    idle = {"accuracy": ACCURACY, "majority": 0.65}
    changed = idle | {"accuracy": ACCURACY | {"value": 0.2}}
    tables = [
        {
            "provenance": RESULT["provenance"],
            "ser": idle,
            "ier": idle | {"majority": 0.3},
            "all": {"majority": 0.3},
        },
        _elsewhere(
            {
                "ser": changed,
                "ier": changed,
                "all": {"majority": 0.2},
            }
        ),
    ]
    assert [line.split(":")[0] for line in verify.compare(*tables).differences] == ["ier.accuracy"]


def test_on_another_machine_a_recorded_number_outside_its_own_interval_is_found() -> None:
    old = _changed(VALUE, 0.95)
    for learned in (True, False):
        report = verify.compare(old, _changed(["notebook"], "", elsewhere=True), learned)
        assert report.differences == [
            "scores.fused.accuracy: recorded interval [0.6, 0.79], recorded value 0.95"
        ]
        assert report.compared >= 1


def test_what_several_machines_made_is_equal_on_none() -> None:
    mixed = RESULT | {"provenance": RESULT["provenance"] | {"adopted": True}}
    assert not verify.compare(mixed, RESULT).exact and not verify.compare(RESULT, mixed).exact


def test_an_interval_without_width_says_nothing_of_another_machine() -> None:
    old = _changed(VALUE[:-1], ACCURACY | {"low": 0.7, "high": 0.7})
    assert not verify.compare(old, _changed(VALUE, 0.71, elsewhere=True)).differences


HALF = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9}
ROWS: dict[str, Any] = {
    "noise": {"accuracy": {**ACCURACY}},
    "blanked": {
        "accuracy": {**ACCURACY},
        "difference": {"value": -0.2, "low": -0.3, "high": -0.1},
    },
    "recovery": {"winner": {**HALF}, "loser": 0.1},
    "faithfulness": [
        {"measure": "deletion", "mean": {**HALF}},
        {"measure": "seconds", "mean": {**HALF}},
    ],
    "undefined": {"mean": dict.fromkeys(("value", "low", "high"), float("nan"))},
    "calibration": {"bins": [{**HALF}]},
    "modalities": [{"share": {**HALF}}],
}
LIMITED = [
    ["noise", "accuracy"],
    ["blanked", "accuracy"],
    ["blanked", "difference"],
    ["recovery", "winner"],
    ["faithfulness", 0, "mean"],
]


def _elsewhere(results: dict[str, Any]) -> dict[str, Any]:
    return results | {
        "provenance": RESULT["provenance"] | {"machine": MACHINE | {"processor": "b"}}
    }


@pytest.mark.parametrize("path", LIMITED)
def test_on_another_machine_an_interval_limits_its_number(path: list[Any]) -> None:
    old = {"provenance": RESULT["provenance"], **ROWS}
    new = _elsewhere(copy.deepcopy(ROWS))
    assert verify.compare(old, new).compared == len(LIMITED)
    assert not verify.compare(old, new).differences
    place: Any = new
    for key in path:
        place = place[key]
    place["value"] = 2.0
    (line,) = verify.compare(old, new).differences
    assert line.startswith(".".join(map(str, path)) + ": recorded interval [")


def test_on_another_machine_tables_of_what_was_predicted_may_have_other_rows() -> None:
    old = {"provenance": RESULT["provenance"], **ROWS}
    assert not verify.compare(
        old, _elsewhere(ROWS | {"calibration": {"bins": []}, "modalities": []})
    ).differences
    assert len(verify.compare(old, _elsewhere(ROWS | {"faithfulness": []})).differences) == 1


def test_what_no_rounding_changes_has_to_be_equal_on_every_machine() -> None:
    settled = {
        "summary": {"rows": 9, "usable": 8},
        "teachers": {"ser": {"accuracy": {"n": 4}}},
        "parameters": 7,
        "samples": 3,
        "models": {"fused": {"parameters": 5}},
        "gaps": {"owen": [0.0], "published": [0.3]},
    }
    old = {"provenance": RESULT["provenance"], **settled}
    assert verify.compare(old, _elsewhere(settled)).compared == 6
    moved = {"gaps": {"owen": [1e-17], "published": [0.4]}, "summary": {"rows": 9, "usable": 7}}
    assert not verify.compare(old, _elsewhere(settled | moved)).differences
    changed = settled | {"parameters": 8, "summary": {"rows": 10, "usable": 8}}
    lines = verify.compare(old, _elsewhere(changed)).differences
    assert [line.split(":")[0] for line in lines] == ["summary.rows", "parameters"]
    gone = {key: value for key, value in settled.items() if key != "summary"}
    assert len(verify.compare(old, _elsewhere(gone)).differences) == 1


def test_a_precision_that_is_not_known_passes_for_the_same() -> None:
    new = copy.deepcopy(RESULT)
    new["provenance"] |= {"precision": "float32", "gpu": False, "workers": 2}
    assert verify.compare(RESULT, new).exact
    for key, value in (("precision", "mixed_bfloat16"), ("gpu", True), ("workers", 1)):
        other = new | {"provenance": new["provenance"] | {key: value}}
        assert not verify.compare(new, other).exact
        assert verify.compare(new, new | {"provenance": new["provenance"] | {key: None}}).exact


def test_recorded_stand_ins_may_come_and_go() -> None:
    shown = {"name": "addition", "value": 0.3, "low": 0.2, "high": 0.4, "origin": "recorded"}
    less, more = copy.deepcopy(RESULT), copy.deepcopy(RESULT)
    less["comparisons"].pop()
    more["comparisons"].insert(0, shown)
    less["studies"], more["studies"] = {}, {"addition": shown}
    for old, new in ((less, more), (more, less)):
        assert not verify.compare(old, new).differences
        assert not verify.compare(old, _elsewhere(new)).differences
        assert verify.compare(old, _elsewhere(new)).compared == 3
    altered = copy.deepcopy(more)
    altered["comparisons"][1]["value"] = 0.11
    assert len(verify.compare(less, altered).differences) == 1


def test_what_was_made_and_is_only_shown_now_is_found() -> None:
    shown = copy.deepcopy(RESULT)
    shown["comparisons"][0]["origin"] = "recorded"
    assert len(verify.compare(RESULT, shown).differences) == 1
    old, new = (
        {**RESULT, "studies": {"ser": {"n": 1, "origin": origin}}}
        for origin in ("this run", "recorded")
    )
    assert [line.split(":")[0] for line in verify.compare(old, new).differences] == ["studies.ser"]


def test_on_another_machine_labels_may_differ() -> None:
    assert not verify.compare(
        RESULT, _changed(["manifest", "labels"], "3210", elsewhere=True)
    ).differences


def test_every_recorded_notebook_has_to_be_there(tmp_path: Path) -> None:
    place, run = tmp_path / "recorded", Run.open("smoke", run_dir=tmp_path / "run")
    with pytest.raises(FileNotFoundError, match="sier record"):
        verify.against_recorded(run, place)
    write_json(place / "01-dataset.json", RESULT)
    with pytest.raises(FileNotFoundError, match="did not execute 01-dataset"):
        verify.against_recorded(run, place)
    write_json(run.folder / "results" / "01-dataset.json", _changed(["scores", "fused", "n"], 101))
    reports = verify.against_recorded(run, place)
    assert [line.split(":")[0] for line in reports["01-dataset"].differences] == ["scores.fused.n"]


def test_recorded_networks_are_compared_too(tmp_path: Path) -> None:
    place, run = tmp_path / "recorded", Run.open("smoke", run_dir=tmp_path / "run")
    for folder in (place, run.folder):
        write_json(folder / "models" / "fused-repeat1.json", _network())
    reports = verify.against_recorded(run, place)
    assert list(reports) == ["models/fused-repeat1"]
    (report,) = reports.values()
    assert report.exact and report.compared and not report.differences
    altered = _network(test={"accuracy": 0.51}, title="renamed since")
    write_json(place / "models" / "fused-repeat1.json", altered)
    write_json(place / "models" / "ser.json", _network())
    found = verify.against_recorded(run, place)
    assert {name: report.differences for name, report in found.items()} == {
        "models/fused-repeat1": ["test.accuracy: recorded 0.51, now 0.5"],
        "models/ser": ["the run has not trained this network"],
    }


def test_comparisons_are_compared_as_recorded_histories_give_them(
    tiny_run: Run, tmp_path: Path
) -> None:
    made = comparisons.sort_entries(comparisons.correct(comparisons.compare_run(tiny_run)))
    recorded.record(tiny_run, place=tmp_path)
    write_json(tmp_path / "04-results.json", {"provenance": tiny_run.provenance()})
    old = derived.read_results(tmp_path)["04-results"]
    assert old["comparisons"] == made
    new = {"provenance": tiny_run.provenance(), "comparisons": copy.deepcopy(made), "seeds": {}}
    report = verify.compare(old, new)
    assert report.exact and report.compared > 10 and not report.differences
    new["comparisons"][0]["value"] += 0.01
    (line,) = verify.compare(old, new).differences
    assert line.startswith("comparisons.0.value: recorded ")


def test_what_was_recorded_with_other_settings_is_not_compared(tmp_path: Path) -> None:
    asked = {"data": "synthetic", "seed": 0}
    write_json(tmp_path / "04-results.json", {"provenance": {"profile": "smoke", **asked}})
    recorded.refuse_others(tmp_path, asked)
    with pytest.raises(
        ValueError,
        match="was recorded with data synthetic, seed 0, and data pairs:x, seed 1 was asked",
    ):
        recorded.refuse_others(tmp_path, {"data": "pairs:x", "seed": 1})


@pytest.mark.parametrize("profile", ["smoke", "quick"])
def test_something_of_every_recorded_notebook_can_be_compared_on_another_machine(
    profile: str,
) -> None:
    place = recorded.RECORDED / profile
    files = derived.read_results(place) | recorded.read_histories(place)
    assert len(files) > 7
    for name, old in files.items():
        machine = old["provenance"]["machine"] | {"processor": "another"}
        report = verify.compare(old, old | {"provenance": old["provenance"] | {"machine": machine}})
        assert not report.exact and report.compared and not report.differences, name
