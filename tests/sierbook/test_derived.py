"""Recorded results as pages read them: what histories tell is made of these, and not looked up."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sierbook import comparisons, derived, notebooks, recorded
from sierlib import settings
from sierlib.experiment.models import NETWORKS
from sierlib.files import read_json, write_json
from sierlib.run import Run

PROFILES = [name for name in settings.PROFILES if (recorded.RECORDED / name).is_dir()]


@pytest.fixture
def place(tiny_run: Run, tmp_path: Path) -> Path:
    """What was recorded of a run with its two last notebooks, beside a run that stands in."""
    for name in ("smoke", recorded.STAND_IN):
        recorded.record(tiny_run, place=tmp_path / name)
    made = {"provenance": tiny_run.provenance()}
    write_json(tmp_path / "smoke" / "03-ablation.json", made | {"heads": {"O_sp": 0.5}})
    write_json(tmp_path / "smoke" / "04-results.json", made | {"comparisons": []})
    return tmp_path / "smoke"


def _answer(place: Path, name: str, repeat: int = 0, **changed: Any) -> None:
    """Add a network that answers as ParallelNet did."""
    history = read_json(place / "models" / "fused.json")
    history |= {"spec": NETWORKS[name].as_dict(), "repeat": repeat, **changed}
    write_json(place / "models" / f"{name}-repeat{repeat}.json", history)


def test_tables_and_comparisons_follow_the_histories(place: Path) -> None:
    before = derived.read_results(place)
    assert list(before["03-ablation"]["studies"]) == ["fused", "ser", "ier"]
    assert before["03-ablation"]["heads"] == {"O_sp": 0.5}
    names = [entry["name"] for entry in before["04-results"]["comparisons"]]
    assert names == ["fused-ser", "fused-ier", "ier-ser"]
    _answer(place, "addition")
    after = derived.read_results(place)
    assert list(after["03-ablation"]["studies"]) == ["fused", "ser", "ier", "addition"]
    found = {entry["name"]: entry for entry in after["04-results"]["comparisons"]}
    assert found["fused-addition"]["value"] == 0
    assert all("p_holm" in entry for entry in found.values() if entry["primary"])


def test_what_a_profile_does_not_train_stands_in_from_the_larger_run(place: Path) -> None:
    larger = place.with_name(recorded.STAND_IN)
    _answer(larger, "n2-vgg16")
    _answer(larger, "fused", 1)
    tables = derived.read_results(place)["03-ablation"]
    origins = {name: entry["origin"] for name, entry in tables["studies"].items()}
    assert origins == dict.fromkeys(("fused", "ser", "ier"), "this run") | {"n2-vgg16": "recorded"}
    assert {entry["origin"] for entry in tables["stand_in"].values()} == {"recorded"}
    assert tables["stand_in"]["fused"]["repeats"]["n"] == 2
    compared = derived.read_results(place)["04-results"]["comparisons"]
    found = {entry["name"]: entry for entry in compared}
    assert found["fused-ser"]["origin"] == "this run" and found["fused-ser"]["repeats"] == 1
    assert found["fused-n2-vgg16"]["origin"] == "recorded"


def test_the_run_that_stands_in_shows_nothing_but_its_own(place: Path) -> None:
    larger = place.with_name(recorded.STAND_IN)
    write_json(larger / "03-ablation.json", read_json(place / "03-ablation.json"))
    tables = derived.read_results(larger)["03-ablation"]
    assert tables["stand_in"] == {}
    assert {entry["origin"] for entry in tables["studies"].values()} == {"this run"}


def test_tables_of_networks_of_several_machines_say_so(place: Path) -> None:
    assert "adopted" not in derived.read_results(place)["03-ablation"]["provenance"]
    made = read_json(place / "models" / "fused.json")["provenance"]
    _answer(place, "addition", provenance=made | {"adopted": True})
    for file in derived.read_results(place).values():
        assert file["provenance"]["adopted"]


def test_where_nothing_was_recorded_there_is_nothing(tmp_path: Path) -> None:
    assert derived.read_results(tmp_path / "smoke") == {}


@pytest.mark.parametrize("profile", PROFILES)
def test_recorded_networks_answered_the_recorded_test_rows(profile: str) -> None:
    labels = recorded.read_labels(recorded.RECORDED / profile)
    assert labels is not None
    rows = labels[labels["split"] == "test"]
    told = "\n".join(rows["id"] + " " + rows["label"])
    digest = hashlib.sha256(told.encode()).hexdigest()[:12]
    for name, history in recorded.read_histories(recorded.RECORDED / profile).items():
        if history["spec"]["task"] == "emotion":
            assert history["test_rows"] == digest, name
            assert len(history["test_predicted"]) == len(rows), name


@pytest.mark.parametrize("profile", PROFILES)
def test_nothing_that_histories_tell_is_kept_twice(profile: str) -> None:
    place = recorded.RECORDED / profile
    assert not {"studies", "stand_in"} & set(read_json(place / "03-ablation.json"))
    assert "comparisons" not in read_json(place / "04-results.json")
    found = derived.read_results(place)
    studies = list(found["03-ablation"]["studies"])
    assert studies == [name for name in NETWORKS if name in studies]
    primary = [entry["name"] for entry in found["04-results"]["comparisons"] if entry["primary"]]
    assert primary == list(comparisons.PRIMARY)


def test_recorded_results_are_read_without_tensorflow() -> None:
    code = (
        "import sys; from sierbook import derived, recorded; "
        "assert derived.read_results(recorded.RECORDED / 'smoke'); "
        "print({'tensorflow', 'keras'} & set(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=notebooks.ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "set()"
