"""What is recorded of a run, and what another sitting on another machine makes of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sierbook import comparisons, notebooks, recorded
from sierbook.tables import studies
from sierlib import settings
from sierlib.experiment.manifest import COLUMNS, read_manifest, sign_manifest, write_csv
from sierlib.experiment.models import NETWORKS, select_rows
from sierlib.experiment.scores import class_codes
from sierlib.experiment.train import is_current, train_all
from sierlib.run import Run, read_json, write_json


@pytest.fixture
def copied(tiny_run: Run, tmp_path: Path) -> Run:
    """A run of its own with the same data set and networks."""
    shutil.copytree(tiny_run.folder, tmp_path / "run")
    return replace(tiny_run, folder=tmp_path / "run")


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> Callable[[Run], Run]:
    """Let all notebooks of a run pass for executed, each with results."""

    def pretend(run: Run) -> Run:
        monkeypatch.setattr("sierbook.notebooks.is_up_to_date", lambda *_: True)
        for name in notebooks.NEEDS:
            run.record(name, accuracy=0.5, manifest=sign_manifest(read_manifest(run)))
        return run

    return pretend


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "kept"


# ------------------------------------------------------------------------------------------- record
def test_recorded_results_say_that_they_are(
    copied: Run, place: Path, whole: Callable[[Run], Run]
) -> None:
    written = recorded.record(whole(copied), place)
    assert len(written) == len(set(written)) and all(path.is_file() for path in written)
    assert {path.stem for path in written} >= {
        *notebooks.NEEDS,
        "fused",
        "ser",
        "ier",
        "comparisons",
        "labels",
    }
    told = [
        read_json(path)["provenance"]["recorded"]
        for path in written
        if path.parent.name == "models"
    ]
    told += [
        read_json(place / f"{name}.json")["provenance"]["recorded"] for name in notebooks.NEEDS
    ]
    assert set(told) == {True}
    rows = pd.concat([read_manifest(copied), read_manifest(copied, "discarded")])
    labels = pd.read_csv(place / recorded.LABELS, dtype={"id": str}, keep_default_na=False)
    assert labels.to_dict("list") == rows[list(labels)].to_dict("list")


def test_of_a_run_that_is_out_of_date_nothing_is_recorded(tmp_path: Path, place: Path) -> None:
    with pytest.raises(notebooks.BuildFailed, match="out of date"):
        recorded.record(Run.open("smoke", run_dir=tmp_path / "empty"), place)
    assert not place.exists()


def test_what_is_recorded_can_be_read_again(
    copied: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded.record(copied, tmp_path / "full")
    assert "left out, as out of date: 01-dataset" in capsys.readouterr().err
    monkeypatch.setattr("sierbook.recorded.RECORDED", tmp_path)
    found = recorded.recorded_histories(copied)
    entries = studies.merge([], found)
    assert set(entries) == {"fused", "ser", "ier"} and all(
        e["origin"] == "recorded" for e in entries.values()
    )
    assert isinstance(studies.table(entries, "Table 1"), pd.DataFrame)
    assert all(history["provenance"]["recorded"] for history in found)
    # The run that stands in for others shows nothing but its own.
    full = replace(copied, profile=replace(copied.profile, name=recorded.STAND_IN))
    assert recorded.recorded_histories(full) == []


def _piece(run: Run, name: str, repeat: int = 0, **changed: Any) -> dict[str, Any]:
    """A history as another sitting may have left it, of a network that says of every test row the
    class "sad"."""
    history = read_json(run.folder / "models" / "fused.json")
    always = str(settings.CLASSES.index("sad")) * len(history["test_predicted"])
    return (
        history
        | {"spec": NETWORKS[name].as_dict(), "repeat": repeat, "test_predicted": always}
        | changed
    )


def _texts(place: Path) -> dict[str, str]:
    return {
        str(path.relative_to(place)): path.read_text()
        for path in place.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("other", ["seed", "teachers", "labels", "labels, without a list of them"])
def test_a_piece_is_not_added_to_what_has_other_data_and_a_whole_run_takes_its_place(
    other: str,
    copied: Run,
    place: Path,
    whole: Callable[[Run], Run],
    capsys: pytest.CaptureFixture[str],
) -> None:
    recorded.record(copied, place)
    changed = {"seed": {"seed": 7}, "teachers": {"ser": "tweets:mine.tsv"}}.get(other, {})
    history = _piece(
        copied,
        "n2-vgg16",
        **({} if other in ("seed", "teachers", "labels") else {"test_rows": "others"}),
    )
    write_json(
        place / "models" / "n2-vgg16.json",
        history | {"provenance": history["provenance"] | changed},
    )
    if other == "labels":
        rows = (place / recorded.LABELS).read_text().replace(",happy,", ",sad,", 1)
        (place / recorded.LABELS).write_text(rows)
    elif other != "seed":
        (place / recorded.LABELS).unlink()
    before = _texts(place)
    with pytest.raises(
        ValueError,
        match=r"recorded with other (seed|ser|labels) than this run's.*--labels recorded",
    ):
        recorded.record(copied, place)
    assert _texts(place) == before
    capsys.readouterr()
    recorded.record(whole(copied), place)
    assert "removing what was recorded with other" in capsys.readouterr().err
    assert (
        not (place / "models" / "n2-vgg16.json").exists()
        and (place / "models" / "fused.json").is_file()
    )
    assert recorded.record(copied, place)  # a run is no stranger to itself


def test_a_piece_replaces_no_network_of_another_machine(
    copied: Run, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history = _piece(copied, "fused")
    elsewhere = history["provenance"] | {"machine": {"processor": "another"}}
    write_json(place / "models" / "fused.json", history | {"provenance": elsewhere})
    recorded.record(copied, place)
    assert "left out, as recorded on another machine: fused" in capsys.readouterr().err
    kept = {
        name: read_json(place / "models" / f"{name}.json")["provenance"]
        for name in ("fused", "ser")
    }
    assert kept["fused"] == elsewhere and kept["ser"]["recorded"]


def test_notebooks_that_saw_other_labels_are_left_out(
    copied: Run, place: Path, whole: Callable[[Run], Run], capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = whole(copied).folder / "dataset" / "manifest.csv"
    rows = pd.read_csv(manifest, keep_default_na=False)
    first = rows.index[rows["split"] == "train"][0]
    rows.loc[first, "label"] = next(
        name for name in settings.CLASSES if name != rows.loc[first, "label"]
    )
    write_csv(rows, manifest)
    recorded.record(copied, place)
    assert "left out, as out of date: 01-dataset" in capsys.readouterr().err and not list(
        place.glob("0*.json")
    )


def test_networks_of_all_sittings_are_compared_and_how_sure_earlier_ones_were_stays(
    copied: Run, place: Path
) -> None:
    for name, repeat in (
        ("n2-vgg16", 0),
        ("n2-vgg16", 1),
        ("fused", 1),
        ("ser", 2),
    ):  # "sad", whatever is asked
        write_json(place / "models" / f"{name}-{repeat}.json", _piece(copied, name, repeat))
    sure = {
        "name": comparisons.DILUTION,
        "primary": False,
        "difference": 0.25,
        "p": 1.0,
        "repeats": 3,
    }
    gone = sure | {"name": "fused-n2-vgg19"}
    told = {"provenance": copied.provenance(), "comparisons": [gone, sure]}
    write_json(place / comparisons.FILE, told)
    recorded.record(copied, place)
    found = {entry["name"]: entry for entry in read_json(place / comparisons.FILE)["comparisons"]}
    assert {"fused-ser", "fused-ier", "ier-ser", "fused-n2-vgg16", comparisons.DILUTION} == set(
        found
    )
    assert found[comparisons.DILUTION] == sure and not [
        entry for entry in found.values() if "p_holm" in entry
    ]
    rows = read_manifest(copied)
    labels = class_codes(rows.loc[rows["split"] == "test", "label"])
    said = np.array(list(read_json(copied.folder / "models" / "fused.json")["test_predicted"]), int)
    always = np.mean(labels == settings.CLASSES.index("sad"))
    entry = found["fused-n2-vgg16"]  # two trainings of both: one of this run, and three made up
    assert entry["repeats"] == 2 and entry["value"] == pytest.approx(
        (np.mean(said == labels) - always) / 2
    )
    assert found["fused-ser"]["trainings"] == [
        2,
        1,
    ]  # of speech only the second repetition is missing


def test_recorded_tables_follow_what_other_sittings_add(copied: Run, place: Path) -> None:
    told = copied.provenance()
    shown = {
        "origin": "recorded",
        "name": "max-agreement",
        "primary": True,
        "p": 1e-9,
        "p_holm": 1.0,
    }
    studied = {
        "studies": {"addition": {"origin": "recorded"}, "ser": {"origin": "recorded"}},
        "heads": {"O_sp": 0.5},
    }
    write_json(place / "03-ablation.json", {"provenance": told, **studied})
    write_json(place / "04-results.json", {"provenance": told, "comparisons": [shown]})
    adopted = {"provenance": told | {"adopted": True}}
    write_json(place / "models" / "n2-vgg16.json", _piece(copied, "n2-vgg16", **adopted))
    written = recorded.record(copied, place)
    assert {place / "03-ablation.json", place / "04-results.json"} <= set(written)
    tables, results = (read_json(place / f"{name}.json") for name in ("03-ablation", "04-results"))
    assert list(tables["studies"]) == ["fused", "ser", "ier", "n2-vgg16", "addition"]
    assert tables["heads"] == {"O_sp": 0.5} and tables["studies"]["ser"]["origin"] == "this run"
    primary = [entry for entry in results["comparisons"] if entry["primary"]]
    assert [entry["name"] for entry in primary] == ["fused-ser", "fused-ier", "max-agreement"]
    assert all(entry["p_holm"] >= entry["p"] for entry in primary) and primary[-1] == shown, (
        "as it was recorded"
    )
    assert tables["provenance"]["adopted"] and results["provenance"]["adopted"]


def test_what_stands_in_for_another_profile_follows_too(copied: Run, tmp_path: Path) -> None:
    full, quick = tmp_path / recorded.STAND_IN, tmp_path / "quick"
    told, mine = (
        copied.provenance(),
        {"origin": "this run", "name": "fused-ser", "primary": True, "p": 0.5},
    )
    old = [
        mine | {"origin": "recorded", "name": name, "p": 0.9}
        for name in ("fused-ier", "fused-n2-vgg16")
    ]
    studied = {"studies": {"fused": mine, "ser": {"origin": "recorded"}}, "stand_in": {}}
    for place, other in ((quick, {}), (tmp_path / "labelled", {"data": "pairs:mine.csv"})):
        write_json(place / "03-ablation.json", {"provenance": told | other, **studied})
        write_json(
            place / "04-results.json", {"provenance": told | other, "comparisons": [mine, *old]}
        )
    before = _texts(tmp_path / "labelled")
    assert quick / "03-ablation.json" in recorded.record(copied, full)
    tables, results = (read_json(quick / f"{name}.json") for name in ("03-ablation", "04-results"))
    assert set(tables["stand_in"]) == {"fused", "ser", "ier"} == set(tables["studies"])
    assert tables["studies"]["fused"] == mine and tables["studies"]["ser"]["test"]["n"] > 0
    assert {entry["origin"] for entry in tables["stand_in"].values()} == {"recorded"}
    found = {entry["name"]: entry for entry in results["comparisons"]}
    assert list(found) == ["fused-ser", "fused-ier", "ier-ser"]
    assert found["fused-ser"]["p"] == 0.5 and found["fused-ier"]["p"] != 0.9
    assert found["ier-ser"]["origin"] == "recorded" and _texts(tmp_path / "labelled") == before


# -------------------------------------------------------------------------------------------- adopt
@pytest.fixture
def recorded_place(copied: Run, place: Path, whole: Callable[[Run], Run]) -> Path:
    """What another machine has recorded: as here, but for three labels, their folds, and a row that
    is used."""
    recorded.record(whole(copied), place)
    told = pd.read_csv(place / recorded.LABELS, dtype={"id": str}, keep_default_na=False)
    learned = told.index[told["split"] == "train"]
    told.loc[learned[:3], "label"] = ["hate", "sad", "anger"]
    told.loc[learned[:3], "fold"] = [3, 4, 0]
    told.loc[learned[3], ["split", "fold"]] = ["", -1]
    told.to_csv(place / recorded.LABELS, index=False)
    return place


def test_another_machine_adopts_what_was_recorded(copied: Run, recorded: Path) -> None:
    before, folder = read_manifest(copied), copied.folder / "dataset"
    left_out = read_manifest(copied, "discarded")
    assert is_current(copied, ("fused", 0, 0))
    counts = recorded.adopt(copied, recorded)
    now = read_manifest(copied)
    told = pd.read_csv(recorded / recorded.LABELS, dtype={"id": str}, keep_default_na=False)
    used = told[told["split"] != ""].reset_index(drop=True)
    pd.testing.assert_frame_equal(now[list(used)], used)
    assert [*now.columns] == COLUMNS and len(now) == len(before) - 1
    assert len(read_manifest(copied, "discarded")) == len(left_out) + 1
    assert set(now["winner"]) == {"given"} and set(now["ser_sad"]) == {""}
    same = now.set_index("id")[["text", "speech", "image", "sentiment"]]
    pd.testing.assert_frame_equal(same, before.set_index("id").loc[same.index, list(same)])
    assert counts == read_json(folder / "summary.json")
    assert counts["rows"] == counts["usable"] + counts["quarantined"] + counts["discarded"]
    assert counts["absent"] == [name for name, count in counts["per_class"].items() if not count]
    assert counts["per_class"] == {
        name: int((now["label"] == name).sum()) for name in settings.CLASSES
    }
    assert not is_current(copied, ("fused", 0, 0))  # it learned from other labels
    key = copied.key_of("manifest")
    assert recorded.adopt(copied, recorded) == counts and copied.key_of("manifest") == key
    train_all(copied, [("ser", 0, 1)])
    for _ in range(2):
        assert recorded / "models" / "ser-repeat1.json" in recorded.record(copied, recorded)
    told = {
        name: read_json(recorded / "models" / f"{name}.json")["provenance"]
        for name in ("ser", "ser-repeat1")
    }
    assert told["ser-repeat1"]["adopted"] and "adopted" not in told["ser"]


def test_its_own_labels_change_nothing(
    copied: Run, place: Path, whole: Callable[[Run], Run]
) -> None:
    recorded.record(whole(copied), place)
    before = read_manifest(copied)
    learned = {
        part: list(rows["id"]) for part, rows in select_rows(copied, NETWORKS["fused"]).items()
    }
    recorded.adopt(copied, place)
    kept = ["id", "label", "split", "fold", "text", "image"]
    pd.testing.assert_frame_equal(read_manifest(copied)[kept], before[kept])
    now = select_rows(copied, NETWORKS["fused"])
    assert {part: list(rows["id"]) for part, rows in now.items()} == learned
    with pytest.raises(ValueError, match="agreement: .* no teacher was asked"):
        select_rows(copied, NETWORKS["agreement"])


def test_what_cannot_be_adopted_says_why(copied: Run, recorded: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="recorded with seed 0, and seed 4 was asked for"):
        recorded.adopt(replace(copied, seed=4), recorded)
    with pytest.raises(FileNotFoundError, match="holds no recorded results"):
        recorded.adopt(copied, tmp_path / "nowhere")
    lines = (recorded / recorded.LABELS).read_text().splitlines(keepends=True)
    before = read_manifest(copied)
    (recorded / recorded.LABELS).write_text("".join([*lines[:-2], "stranger,sad,train,1\n"]))
    with pytest.raises(ValueError, match="other rows than synthetic has now: 3 are only in one"):
        recorded.adopt(copied, recorded)
    (recorded / recorded.LABELS).unlink()
    with pytest.raises(FileNotFoundError, match="labels.csv is missing: `sier record"):
        recorded.adopt(copied, recorded)
    pd.testing.assert_frame_equal(read_manifest(copied), before)
