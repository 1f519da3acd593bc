"""What is recorded of a run, and what a piece of it on another machine makes of it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sierbook import comparisons, notebooks, recorded, seeds
from sierbook.tables import studies
from sierlib.experiment.labels import build_dataset
from sierlib.experiment.manifest import (
    COLUMNS,
    OPINIONS,
    read_manifest,
    read_truth,
    sign_manifest,
    write_csv,
)
from sierlib.experiment.models import NETWORKS, select_rows
from sierlib.experiment.train import is_current, train_all
from sierlib.files import read_json, write_json
from sierlib.run import Run

NAMES = list(notebooks.NEEDS)
DECIDED = ["id", "label", "split", "fold"]


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
    assert {path.stem for path in written} == {*NAMES, "fused", "ser", "ier", "labels", "seeds"}
    for path in written:
        if path.name not in (recorded.LABELS, seeds.FILE):
            assert read_json(path)["provenance"]["recorded"] is True


def test_recorded_labels_are_those_of_every_row_with_what_teachers_think(
    copied: Run, place: Path
) -> None:
    recorded.record(copied, place=place)
    rows = pd.concat([read_manifest(copied), read_manifest(copied, "discarded")])
    labels = recorded.read_labels(place)
    assert labels is not None
    assert labels[DECIDED].to_dict("list") == rows[DECIDED].to_dict("list")
    assert (labels[OPINIONS].to_numpy() == rows[OPINIONS].to_numpy(float).round(4)).all()
    truth = read_truth(copied)
    assert list(labels["emotion"]) == [truth[name]["emotion"] for name in rows["id"]]


def test_labels_survive_being_recorded(built_run: Run, labelled_run: Run, tmp_path: Path) -> None:
    for run, asked in ((built_run, True), (labelled_run, False)):
        told = recorded.list_labels(run)
        known = told[OPINIONS].notna()
        assert known.all(axis=None) == known.any(axis=None) == asked
        write_csv(told, tmp_path / recorded.LABELS)
        pd.testing.assert_frame_equal(recorded.read_labels(tmp_path), told, check_dtype=False)


def test_what_histories_tell_is_not_recorded_twice(copied: Run, place: Path) -> None:
    sure = {"name": comparisons.DILUTION, "against": "confidence", "origin": "this run"}
    other = sure | {"name": "fused-ser", "against": "labels"}
    copied.record("03-ablation", studies={"fused": {}}, stand_in={}, heads={"O_sp": 0.5})
    copied.record("04-results", comparisons=[sure, other], scores={})
    copied.record("01-dataset", manifest=sign_manifest(read_manifest(copied)))
    recorded.record(copied, ["01-dataset", "03-ablation", "04-results"], place=place)
    assert set(read_json(place / "03-ablation.json")) == {"notebook", "provenance", "heads"}
    assert set(read_json(place / "04-results.json")) == {"notebook", "provenance", "scores"}


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


def test_a_run_shows_the_recorded_results_of_the_larger_one(
    copied: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sierbook.recorded.RECORDED", tmp_path)
    assert recorded.recorded_results(copied, "08-explanations") == {}
    write_json(tmp_path / recorded.STAND_IN / "08-explanations.json", {"scores": []})
    assert recorded.recorded_results(copied, "08-explanations") == {"scores": []}
    full = replace(copied, profile=replace(copied.profile, name=recorded.STAND_IN))
    assert recorded.recorded_results(full, "08-explanations") == {}


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


OTHERS = pytest.mark.parametrize("other", ["seed", "teachers", "recipe", "labels", "no labels"])


def _record_others(other: str, run: Run, place: Path) -> None:
    """Record networks, among them one that the run has not, of data that differ in one respect."""
    recorded.record(run, place=place)
    history = _piece(run, "n2-vgg16")
    made = {
        "seed": {"seed": 7},
        "teachers": {"ser": "tweets:mine.tsv"},
        "recipe": {"recipe": "of old"},
    }
    history["provenance"] |= made.get(other, {})
    write_json(place / "models" / "n2-vgg16.json", history)
    if other == "labels":
        rows = (place / recorded.LABELS).read_text().replace(",happy,train", ",sad,train", 1)
        (place / recorded.LABELS).write_text(rows)
    if other == "no labels":
        (place / recorded.LABELS).unlink()


@OTHERS
def test_pieces_gather_beside_what_has_other_data(other: str, copied: Run, place: Path) -> None:
    _record_others(other, copied, place)
    before = _texts(place)
    written = recorded.record(copied, place=place)
    begun = recorded.begun_place(place)
    names = {"fused.json", "ser.json", "ier.json"}
    assert set(written) == {*(begun / "models" / name for name in names), begun / recorded.LABELS}
    gathered = _texts(begun)
    assert recorded.record(copied, place=place)  # a run is no stranger to itself
    assert _texts(begun) == gathered and _texts(place) == before


@OTHERS
def test_a_piece_that_fits_neither_what_is_whole_nor_what_is_begun_is_refused(
    other: str, copied: Run, place: Path
) -> None:
    begun = recorded.begun_place(place)
    for folder in (place, begun):
        _record_others(other, copied, folder)
    before = _texts(place), _texts(begun)
    said = r"begun.kept was recorded with other (seed|ser|recipe|labels) than .*--labels recorded"
    with pytest.raises(ValueError, match=said):
        recorded.record(copied, place=place)
    assert (_texts(place), _texts(begun)) == before


@OTHERS
def test_a_whole_run_takes_the_place_of_what_is_whole_and_of_what_is_begun(
    other: str, copied: Run, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _record_others(other, copied, place)
    recorded.record(copied, place=place)
    capsys.readouterr()
    _record_whole(copied, place)
    assert "removing what was recorded with other" in capsys.readouterr().err
    assert not recorded.begun_place(place).exists()
    assert {path.stem for path in (place / "models").iterdir()} == {"fused", "ser", "ier"}


def test_pieces_of_a_profile_are_those_that_gather_else_those_that_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sierbook.recorded.RECORDED", tmp_path)
    assert recorded.find_place("full") == tmp_path / "full"
    recorded.begun_place(tmp_path / "full").mkdir(parents=True)
    assert recorded.find_place("full") == tmp_path / "begun" / "full"
    assert recorded.find_place("quick") == tmp_path / "quick"


@pytest.mark.parametrize("whole", [False, True])
def test_of_a_run_from_another_seed_the_scores_are_all_that_is_kept(
    whole: bool, copied: Run, place: Path
) -> None:
    _record_whole(copied, place)
    before = _texts(place)
    other = replace(copied, seed=7)
    other.record("04-results", scores={"labels": {}}, differences={}, calibration={})
    assert recorded.record(other, NAMES, whole=whole, place=place) == [place / seeds.FILE]
    assert seeds.read_seeds(other, place)["7"] == {"scores": {"labels": {}}, "differences": {}}
    assert set(seeds.read_seeds(copied, place)) == {"0", "7"}
    del before[seeds.FILE]
    assert before.items() <= _texts(place).items()


def test_of_a_run_from_another_seed_nothing_is_kept_without_its_scores(
    copied: Run, place: Path
) -> None:
    recorded.record(copied, place=place)
    before = _texts(place)
    with pytest.raises(ValueError, match="recorded with seed 0, this run has seed 7: of further"):
        recorded.record(replace(copied, seed=7), ["01-dataset"], place=place)
    assert _texts(place) == before


def test_a_whole_run_keeps_what_other_seeds_reached(copied: Run, place: Path) -> None:
    _record_whole(copied, place)
    other = replace(copied, seed=7)
    other.record("04-results", scores={})
    recorded.record(other, NAMES, whole=True, place=place)
    _record_whole(copied, place)
    assert set(seeds.read_seeds(copied, place)) == {"0", "7"}


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
    copied.done("manifest", copied.key_of("manifest"), manifest)
    # The networks learned from other labels, so that nothing at all is left.
    with pytest.raises(ValueError, match="nothing of"):
        recorded.record(copied, ["01-dataset"], whole=True, place=place)
    assert "left out, as made with other labels: notebooks" in capsys.readouterr().err
    assert not place.exists()


# ------------------------------------------------------------------ going on with another's pieces
def _asked(run: Run) -> dict[str, Any]:
    return {key: getattr(run, key) for key in recorded.COMMON}


def _adopt_labels(run: Run, place: Path) -> dict[str, Any]:
    """Go on with recorded labels, as `sier dataset --labels recorded` does."""
    return build_dataset(run, recorded.recorded_labels(place, _asked(run)))


@pytest.fixture
def elsewhere(copied: Run, place: Path) -> Path:
    """What another machine has recorded: as here, but for three labels, their folds, and a row that
    is used."""
    _record_whole(copied, place)
    told = recorded.read_labels(place)
    assert told is not None
    learned = told.index[told["split"] == "train"]
    told.loc[learned[:3], "label"] = ["hate", "sad", "anger"]
    told.loc[learned[:3], "fold"] = [3, 4, 0]
    told.loc[learned[3], ["split", "fold"]] = ["", -1]
    # As it would list them: those that are used, in their order, and after them the others.
    told = told.assign(left_out=told["split"] == "").sort_values(["left_out", "id"])
    write_csv(told.drop(columns="left_out"), place / recorded.LABELS)
    return place


def test_another_machine_goes_on_with_the_labels_that_were_recorded(
    copied: Run, elsewhere: Path
) -> None:
    before, left_out = read_manifest(copied), read_manifest(copied, "discarded")
    counts = _adopt_labels(copied, elsewhere)
    now, told = read_manifest(copied), recorded.read_labels(elsewhere)
    assert told is not None
    used = told[told["split"] != ""].reset_index(drop=True)
    pd.testing.assert_frame_equal(now[[*DECIDED, *OPINIONS]], used[[*DECIDED, *OPINIONS]])
    pd.testing.assert_frame_equal(recorded.list_labels(copied), told)

    # Everything else is its own.
    assert [*now.columns] == COLUMNS and set(now["winner"]) <= {"ser", "ier"}
    same = now.set_index("id")[["text", "speech", "image", "sentiment", "group"]]
    pd.testing.assert_frame_equal(same, before.set_index("id").loc[same.index, list(same)])
    assert counts["adopted"] is True and counts["usable"] == len(now) == len(before) - 1
    assert counts["discarded"] == len(read_manifest(copied, "discarded")) == len(left_out) + 1


def test_what_learned_from_other_labels_is_out_of_date_once_recorded_ones_are_taken(
    copied: Run, elsewhere: Path
) -> None:
    assert is_current(copied, ("fused", 0, 0))
    _adopt_labels(copied, elsewhere)
    assert not is_current(copied, ("fused", 0, 0))


def test_what_learned_from_recorded_labels_is_added_to_them_and_marked(
    copied: Run, elsewhere: Path
) -> None:
    _adopt_labels(copied, elsewhere)
    train_all(copied, [("ser", 0, 1)])
    labels = (elsewhere / recorded.LABELS).read_text()
    for _ in range(2):
        written = recorded.record(copied, place=elsewhere)
        assert written == [elsewhere / "models" / "ser-repeat1.json"]
    assert (elsewhere / recorded.LABELS).read_text() == labels
    assert not recorded.begun_place(elsewhere).exists()
    found = recorded.read_histories(elsewhere)
    assert found["ser-repeat1"]["provenance"]["adopted"] is True
    assert "adopted" not in found["ser"]["provenance"]


def test_its_own_labels_change_nothing(copied: Run, place: Path) -> None:
    _record_whole(copied, place)
    before = read_manifest(copied)
    names = ("fused", "agreement")
    learned = {name: select_rows(copied, NETWORKS[name]) for name in names}
    _adopt_labels(copied, place)
    kept = [name for name in COLUMNS if name not in (*OPINIONS, "winner")]
    pd.testing.assert_frame_equal(read_manifest(copied)[kept], before[kept])
    for name in names:  # opinions are there too, so that every rule can be learned from
        for part, rows in select_rows(copied, NETWORKS[name]).items():
            assert list(rows["id"]) == list(learned[name][part]["id"])


def test_whose_label_it_was_is_remembered(copied: Run, place: Path) -> None:
    _record_whole(copied, place)
    before = read_manifest(copied)
    _adopt_labels(copied, place)
    pd.testing.assert_series_equal(read_manifest(copied)["winner"], before["winner"])


def test_labels_that_cannot_be_taken_say_why_and_change_nothing(
    copied: Run, elsewhere: Path, tmp_path: Path
) -> None:
    before = read_manifest(copied)
    with pytest.raises(ValueError, match="recorded with seed 0, and seed 4 was asked for"):
        _adopt_labels(replace(copied, seed=4), elsewhere)
    with pytest.raises(FileNotFoundError, match="holds no recorded results"):
        _adopt_labels(copied, tmp_path / "nowhere")
    labels = elsewhere / recorded.LABELS
    *lines, last = labels.read_text().splitlines(keepends=True)
    labels.write_text("".join([*lines, "stranger," + last.partition(",")[2]]))
    with pytest.raises(ValueError, match="about other rows than this corpus has now: 2 are only"):
        _adopt_labels(copied, elsewhere)
    labels.unlink()
    with pytest.raises(FileNotFoundError, match="labels.csv is missing: `sier record"):
        _adopt_labels(copied, elsewhere)
    pd.testing.assert_frame_equal(read_manifest(copied), before)


@pytest.fixture
def newcomer(copied: Run, place: Path, tmp_path: Path) -> Run:
    """A run of another machine that has trained nothing yet, on the labels that were recorded
    with networks of several machines."""
    recorded.record(copied, place=place)
    pieces = {
        "n2-vgg16": _piece(copied, "n2-vgg16"),
        "ser-repeat1": read_json(place / "models" / "ser.json") | {"repeat": 1},
        "gone": _piece(copied, "n2-vgg16"),
    }
    pieces["gone"]["spec"] |= {"name": "no longer trained"}
    for name, history in pieces.items():
        history["provenance"] |= {"machine": {"processor": "another"}}
        write_json(place / "models" / f"{name}.json", history)
    folder = shutil.copytree(
        copied.folder, tmp_path / "newcomer", ignore=shutil.ignore_patterns("models")
    )
    run = replace(copied, folder=folder)
    _adopt_labels(run, place)
    return run


def test_networks_that_were_recorded_are_not_trained_again(
    newcomer: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert recorded.adopt_networks(newcomer, place) == ["n2-vgg16", "ser-repeat1"]
    monkeypatch.setattr(
        "sierlib.experiment.workers.run_in_workers", lambda *_, **__: pytest.fail("trained again")
    )
    jobs = [("n2-vgg16", 0, 0), ("ser", 0, 1)]
    found = train_all(newcomer, jobs)
    assert all(found[job]["provenance"]["adopted"] is True for job in jobs)
    assert recorded.adopt_networks(newcomer, place) == []  # they are there


def test_networks_that_notebooks_ask_are_trained_here(newcomer: Run, place: Path) -> None:
    recorded.adopt_networks(newcomer, place)
    assert not any(is_current(newcomer, (name, 0, 0)) for name in ("fused", "ser", "ier"))


def test_networks_of_another_recipe_or_of_other_labels_are_not_taken(
    newcomer: Run, copied: Run, place: Path
) -> None:
    later = replace(newcomer, profile=replace(newcomer.profile, learning_rate=0.5))
    assert recorded.adopt_networks(later, place) == []
    told = recorded.recorded_labels(place, _asked(newcomer))
    learned = told.index[(told["split"] == "train") & (told["fold"] > 0)]
    told.loc[learned[0], "label"] = "hate" if told.loc[learned[0], "label"] != "hate" else "sad"
    build_dataset(newcomer, told)
    assert recorded.adopt_networks(newcomer, place) == []


def test_networks_that_were_taken_are_not_lost_when_the_whole_is_recorded(
    newcomer: Run, place: Path
) -> None:
    recorded.adopt_networks(newcomer, place)
    before = recorded.read_histories(place)
    _record_whole(newcomer, place)
    after = recorded.read_histories(place)
    assert set(after) == {"n2-vgg16", "ser-repeat1"}
    for name, history in after.items():
        assert history["test_predicted"] == before[name]["test_predicted"]
        assert history["provenance"]["machine"] == before[name]["provenance"]["machine"]


def test_networks_that_were_taken_replace_none_when_a_piece_is_recorded(
    newcomer: Run, place: Path
) -> None:
    recorded.adopt_networks(newcomer, place)
    before = _texts(place)
    recorded.record(newcomer, place=place)
    assert _texts(place) == before
