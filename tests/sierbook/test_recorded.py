"""What is recorded of a run, and what a piece of it on another machine makes of it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sierbook import comparisons, notebooks, recorded
from sierbook.tables import studies
from sierlib import settings
from sierlib.experiment.manifest import (
    COLUMNS,
    read_manifest,
    read_truth,
    sign_manifest,
    write_csv,
)
from sierlib.experiment.models import NETWORKS, select_rows
from sierlib.experiment.train import is_current, train_all
from sierlib.run import Run, read_json, write_json

NAMES = list(notebooks.NEEDS)


@pytest.fixture
def copied(tiny_run: Run, tmp_path: Path) -> Run:
    """A run of its own with the same data set and networks."""
    shutil.copytree(tiny_run.folder, tmp_path / "run")
    return replace(tiny_run, folder=tmp_path / "run")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def _record_whole(run: Run, place: Path) -> list[Path]:
    """Record a run as if all its notebooks had been executed."""
    signature = sign_manifest(read_manifest(run))
    for name in NAMES:
        run.record(name, accuracy=0.5, manifest=signature)
    return recorded.record(run, NAMES, whole=True, place=place)


# ------------------------------------------------------------------------------------------- record
def test_recorded_results_say_that_they_are(copied: Run, place: Path) -> None:
    written = _record_whole(copied, place)
    assert len(written) == len(set(written)) and all(path.is_file() for path in written)
    assert {path.stem for path in written} == {*NAMES, "fused", "ser", "ier", "labels"}
    for path in place.rglob("*.json"):
        assert read_json(path)["provenance"]["recorded"] is True
    rows = pd.concat([read_manifest(copied), read_manifest(copied, "discarded")])
    labels = recorded.read_labels(place)
    assert labels is not None
    decided = ["id", "label", "split", "fold"]
    assert labels[decided].to_dict("list") == rows[decided].to_dict("list")
    truth = read_truth(copied)
    assert list(labels["emotion"]) == [truth[name]["emotion"] for name in rows["id"]]


def test_what_histories_tell_is_not_recorded_twice(copied: Run, place: Path) -> None:
    sure = {"name": comparisons.DILUTION, "against": "confidence", "origin": "this run"}
    others = [sure | {"origin": "recorded"}, sure | {"name": "fused-ser", "against": "labels"}]
    copied.record("03-ablation", studies={"fused": {}}, stand_in={}, heads={"O_sp": 0.5})
    copied.record("04-results", comparisons=[sure, *others], scores={})
    copied.record("01-dataset", manifest=sign_manifest(read_manifest(copied)))
    recorded.record(copied, ["01-dataset", "03-ablation", "04-results"], place=place)
    assert set(read_json(place / "03-ablation.json")) == {"notebook", "provenance", "heads"}
    assert read_json(place / "04-results.json")["comparisons"] == [sure]


def test_of_a_run_that_is_out_of_date_nothing_is_recorded(built_run: Run, place: Path) -> None:
    with pytest.raises(ValueError, match="nothing of .* is up to date: run notebooks, or `sier"):
        recorded.record(replace(built_run, seed=built_run.seed + 1), place=place)
    assert not place.exists()


def test_what_is_recorded_can_be_read_again(
    copied: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded.record(copied, place=tmp_path / "full")
    monkeypatch.setattr("sierbook.recorded.RECORDED", tmp_path)
    found = recorded.recorded_histories(copied)
    entries = studies.merge([], found)
    assert set(entries) == {"fused", "ser", "ier"}
    assert {entry["origin"] for entry in entries.values()} == {"recorded"}
    assert isinstance(studies.table(entries, "Table 1"), pd.DataFrame)
    assert all(history["provenance"]["recorded"] for history in found)
    # The run that stands in for others shows nothing but its own.
    full = replace(copied, profile=replace(copied.profile, name=recorded.STAND_IN))
    assert recorded.recorded_histories(full) == []


def test_a_recorded_network_has_the_title_that_it_has_now(copied: Run, place: Path) -> None:
    recorded.record(copied, place=place)
    path = place / "models" / "ser.json"
    write_json(path, read_json(path) | {"title": "renamed since"})
    assert recorded.read_histories(place)["ser"]["title"] == NETWORKS["ser"].title


def _piece(run: Run, name: str, **changed: Any) -> dict[str, Any]:
    """A history as another machine may have left it."""
    history = read_json(run.folder / "models" / "fused.json")
    return history | {"spec": NETWORKS[name].as_dict()} | changed


def _texts(place: Path) -> dict[str, str]:
    files = [path for path in place.rglob("*") if path.is_file()]
    return {str(path.relative_to(place)): path.read_text() for path in files}


@pytest.mark.parametrize("other", ["seed", "teachers", "labels", "no labels"])
def test_a_piece_is_not_added_to_what_has_other_data_and_a_whole_run_takes_its_place(
    other: str, copied: Run, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded.record(copied, place=place)
    history = _piece(copied, "n2-vgg16")
    history["provenance"] |= {"seed": {"seed": 7}, "teachers": {"ser": "tweets:mine.tsv"}}.get(
        other, {}
    )
    write_json(place / "models" / "n2-vgg16.json", history)
    if other == "labels":
        rows = (place / recorded.LABELS).read_text().replace(",happy,train", ",sad,train", 1)
        (place / recorded.LABELS).write_text(rows)
    if other == "no labels":
        (place / recorded.LABELS).unlink()
    before = _texts(place)
    with pytest.raises(
        ValueError,
        match=r"recorded with other (seed|ser|labels) than this run's.*--labels recorded",
    ):
        recorded.record(copied, place=place)
    assert _texts(place) == before
    capsys.readouterr()
    _record_whole(copied, place)
    assert "removing what was recorded with other" in capsys.readouterr().err
    assert not (place / "models" / "n2-vgg16.json").exists()
    assert (place / "models" / "fused.json").is_file()
    assert recorded.record(copied, place=place)  # a run is no stranger to itself


def test_a_piece_is_added_to_what_others_have_left(copied: Run, place: Path) -> None:
    recorded.record(copied, place=place)
    write_json(place / "models" / "n2-vgg16.json", _piece(copied, "n2-vgg16"))
    before = _texts(place)
    recorded.record(copied, place=place)
    assert _texts(place) == before
    _record_whole(copied, place)  # it has trained all that there is to be shown
    assert not (place / "models" / "n2-vgg16.json").exists()


def test_a_piece_replaces_no_network_of_another_machine(
    copied: Run, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded.record(copied, place=place)
    history = _piece(copied, "fused")
    elsewhere = history["provenance"] | {"machine": {"processor": "another"}}
    write_json(place / "models" / "fused.json", history | {"provenance": elsewhere})
    recorded.record(copied, place=place)
    assert "left out, as recorded on another machine: fused" in capsys.readouterr().err
    kept = recorded.read_histories(place)
    assert kept["fused"]["provenance"] == elsewhere and kept["ser"]["provenance"]["recorded"]


def test_notebooks_that_saw_other_labels_are_left_out(
    copied: Run, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = copied.folder / "dataset" / "manifest.csv"
    rows = read_manifest(copied)
    first = rows.index[rows["split"] == "train"][0]
    relabelled = rows.copy()
    relabelled.loc[first, "label"] = "hate" if rows.loc[first, "label"] != "hate" else "sad"
    copied.record("01-dataset", manifest=sign_manifest(rows))
    write_csv(relabelled, manifest)
    # The networks learned from other labels, so that nothing at all is left.
    with pytest.raises(ValueError, match="nothing of"):
        recorded.record(copied, ["01-dataset"], whole=True, place=place)
    assert "left out, as made with other labels: notebooks" in capsys.readouterr().err
    assert not place.exists()


# -------------------------------------------------------------------------------------------- adopt
@pytest.fixture
def elsewhere(copied: Run, place: Path) -> Path:
    """What another machine has recorded: as here, but for three labels, their folds, and a row that
    is used."""
    _record_whole(copied, place)
    told = pd.read_csv(place / recorded.LABELS, dtype={"id": str}, keep_default_na=False)
    learned = told.index[told["split"] == "train"]
    told.loc[learned[:3], "label"] = ["hate", "sad", "anger"]
    told.loc[learned[:3], "fold"] = [3, 4, 0]
    told.loc[learned[3], ["split", "fold"]] = ["", -1]
    told.to_csv(place / recorded.LABELS, index=False)
    return place


def test_another_machine_adopts_what_was_recorded(copied: Run, elsewhere: Path) -> None:
    before, folder = read_manifest(copied), copied.folder / "dataset"
    left_out = read_manifest(copied, "discarded")
    assert is_current(copied, ("fused", 0, 0))
    counts = recorded.adopt(copied, elsewhere)

    # The manifest has the recorded labels, parts and order, and everything else of its own.
    now = read_manifest(copied)
    told = pd.read_csv(elsewhere / recorded.LABELS, dtype={"id": str}, keep_default_na=False)
    used = told.loc[told["split"] != "", ["id", "label", "split", "fold"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(now[list(used)], used)
    assert [*now.columns] == COLUMNS and len(now) == len(before) - 1
    assert len(read_manifest(copied, "discarded")) == len(left_out) + 1
    assert set(now["winner"]) == {"given"} and set(now["ser_sad"]) == {""}
    same = now.set_index("id")[["text", "speech", "image", "sentiment"]]
    pd.testing.assert_frame_equal(same, before.set_index("id").loc[same.index, list(same)])

    # The summary counts them, and says whose they are.
    assert counts == read_json(folder / "summary.json") and counts["adopted"] is True
    assert counts["rows"] == counts["usable"] + counts["quarantined"] + counts["discarded"]
    assert counts["absent"] == [name for name, count in counts["per_class"].items() if not count]
    for name in settings.CLASSES:
        assert counts["per_class"][name] == int((now["label"] == name).sum())

    # What learned from other labels is out of date; what learns from these is added, and marked.
    assert not is_current(copied, ("fused", 0, 0))
    key = copied.key_of("manifest")
    assert recorded.adopt(copied, elsewhere) == counts and copied.key_of("manifest") == key
    train_all(copied, [("ser", 0, 1)])
    labels = (elsewhere / recorded.LABELS).read_text()
    for _ in range(2):
        written = recorded.record(copied, place=elsewhere)
        assert written == [elsewhere / "models" / "ser-repeat1.json"]
    assert (elsewhere / recorded.LABELS).read_text() == labels
    found = recorded.read_histories(elsewhere)
    assert found["ser-repeat1"]["provenance"]["adopted"] is True
    assert "adopted" not in found["ser"]["provenance"]


def test_its_own_labels_change_nothing(copied: Run, place: Path) -> None:
    _record_whole(copied, place)
    before = read_manifest(copied)
    learned = select_rows(copied, NETWORKS["fused"])
    recorded.adopt(copied, place)
    kept = ["id", "label", "split", "fold", "text", "image"]
    pd.testing.assert_frame_equal(read_manifest(copied)[kept], before[kept])
    now = select_rows(copied, NETWORKS["fused"])
    for part, rows in now.items():
        assert list(rows["id"]) == list(learned[part]["id"])
    with pytest.raises(ValueError, match="agreement: .* no teacher was asked"):
        select_rows(copied, NETWORKS["agreement"])


def test_what_cannot_be_adopted_says_why(copied: Run, elsewhere: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="recorded with seed 0, and seed 4 was asked for"):
        recorded.adopt(replace(copied, seed=4), elsewhere)
    with pytest.raises(FileNotFoundError, match="holds no recorded results"):
        recorded.adopt(copied, tmp_path / "nowhere")
    lines = (elsewhere / recorded.LABELS).read_text().splitlines(keepends=True)
    before = read_manifest(copied)
    (elsewhere / recorded.LABELS).write_text("".join([*lines[:-2], "stranger,sad,train,1\n"]))
    with pytest.raises(ValueError, match="other rows than synthetic has now: 3 are only in one"):
        recorded.adopt(copied, elsewhere)
    (elsewhere / recorded.LABELS).unlink()
    with pytest.raises(FileNotFoundError, match="labels.csv is missing: `sier record"):
        recorded.adopt(copied, elsewhere)
    pd.testing.assert_frame_equal(read_manifest(copied), before)
