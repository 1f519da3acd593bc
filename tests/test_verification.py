"""Is a run what was recorded? Altered numbers are found, everything else is not mistaken for one."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sierlib import runs, verification

MACHINE = {"processor": "a", "cores": 2, "features": ["avx2"], "system": "Linux x86_64"}
RESULT = {
    "notebook": "04-results",
    "provenance": {"machine": MACHINE, "versions": {"keras": "3"}, "python": "3.11", "seconds": 1.0, "date": "a"},
    "scores": {"fused": {"n": 100, "accuracy": 0.7, "accuracy_interval": [0.6, 0.79], "confusion": [[1, 2], [3, 4]]}},
    "comparisons": [{"name": "fused-ser", "difference": 0.1, "interval": [0.05, 0.15], "origin": "this run"},
                    {"name": "max-agreement", "difference": 0.2, "interval": [0.1, 0.3], "origin": "recorded"}],
    "manifest": {"labels": "0123", "parts": "0t12"},
    "seconds": 12.0,
}  # fmt: skip


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
    report = verification.compare(RESULT, copy.deepcopy(RESULT))
    assert report.exact and report.differences == [] and report.compared > 10


@pytest.mark.parametrize(
    "path", [["scores", "fused", "accuracy"], ["scores", "fused", "confusion", 1, 0], ["comparisons", 0, "difference"]]
)
def test_on_the_recording_machine_any_altered_number_is_found(path: list[Any]) -> None:
    report = verification.compare(RESULT, _changed(path, 0.5000001))
    assert len(report.differences) == 1 and report.differences[0].startswith(".".join(map(str, path)))


def test_an_altered_label_or_split_is_found() -> None:
    for key in ("labels", "parts"):
        assert len(verification.compare(RESULT, _changed(["manifest", key], "0120")).differences) == 1


def test_times_dates_and_what_was_recorded_elsewhere_do_not_count() -> None:
    assert not verification.compare(RESULT, _changed(["seconds"], 99.0)).differences
    assert not verification.compare(RESULT, _changed(["provenance", "date"], "b")).differences
    assert not verification.compare(RESULT, _changed(["comparisons", 1, "difference"], 0.9)).differences


def test_seconds_in_a_table_of_measures_do_not_count() -> None:
    tables = [
        RESULT | {"rows": [{"measure": "seconds", "mean": mean}, {"measure": "share", "mean": 0.5}]} for mean in (1, 2)
    ]
    report = verification.compare(*tables)
    assert not report.differences and report.compared > verification.compare(RESULT, RESULT).compared


def test_what_is_missing_or_new_is_found() -> None:
    less = copy.deepcopy(RESULT)
    del less["manifest"]["labels"]
    assert len(verification.compare(RESULT, less).differences) == 1
    assert len(verification.compare(less, RESULT).differences) == 1


@given(st.floats(0, 1, allow_nan=False))
def test_on_another_machine_a_number_has_to_lie_in_its_interval(value: float) -> None:
    report = verification.compare(RESULT, _changed(["scores", "fused", "accuracy"], value, elsewhere=True))
    assert not report.exact and report.compared == 2  # the accuracy and the one difference of this run
    assert bool(report.differences) == (not 0.6 <= value <= 0.79)


def test_an_interval_without_width_says_nothing_of_another_machine() -> None:
    old = _changed(["scores", "fused", "accuracy_interval"], [0.7, 0.7])
    assert not verification.compare(old, _changed(["scores", "fused", "accuracy"], 0.71, elsewhere=True)).differences


def test_on_another_machine_labels_may_differ() -> None:
    assert not verification.compare(RESULT, _changed(["manifest", "labels"], "3210", elsewhere=True)).differences


def test_every_recorded_notebook_has_to_be_there(tmp_path: Path) -> None:
    recorded, results = tmp_path / "recorded", tmp_path / "results"
    with pytest.raises(FileNotFoundError, match="sier record"):
        verification.against_recorded(results, recorded)
    runs.write_json(recorded / "04-results.json", RESULT)
    with pytest.raises(FileNotFoundError, match="did not execute 04-results"):
        verification.against_recorded(results, recorded)
    runs.write_json(results / "04-results.json", _changed(["scores", "fused", "n"], 101))
    reports = verification.against_recorded(results, recorded)
    assert [line.split(":")[0] for line in reports["04-results"].differences] == ["scores.fused.n"]
