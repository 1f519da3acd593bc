"""The teachers and the manifest that their labels go into."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import soundfile

from sierlib import settings
from sierlib.experiment import label_rule
from sierlib.experiment.labels import build_dataset
from sierlib.experiment.manifest import COLUMNS, OPINIONS, read_manifest
from sierlib.experiment.teachers import (
    predict_opinions,
    read_held_out,
    teacher_reports,
    train_teachers,
)
from sierlib.files import read_json
from sierlib.networks.parallelnet import teacher
from sierlib.run import Run


# ---------------------------------------------------------------------------------------- teachers
def test_a_class_the_teacher_does_not_know_has_probability_zero(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
    monkeypatch.setattr("sierlib.experiment.teachers.predict_rows", lambda *_: answer)
    found = predict_opinions(
        SimpleNamespace(), pd.DataFrame({"id": ["a", "b"]}), Path(), ["anger", "happy", "sad"]
    )
    np.testing.assert_array_equal(found[:, [0, 1, 3]], answer)
    assert (found[:, settings.CLASSES.index("hate")] == 0).all() and found.shape == (2, 4)


def test_a_corpus_without_a_class_is_learned_and_told(
    tmp_path: Path, tiny_profile: settings.Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIER_WORKERS", "1")  # in this process, where training can be replaced
    who = (
        "uncle",
        "teacher",
        "driver",
        "cousin",
        "farmer",
        "student",
        "captain",
        "doctor",
        "neighbor",
        "sister",
        "sister",
    )
    lines = [
        f"my {name} is {word}\t{label}"
        for label, word in (("joy", "glad"), ("anger", "mad"), ("sadness", "sad"))
        for name in who
    ]
    (tmp_path / "t.tsv").write_text("\n".join(["text\tlabel", *lines, "what\tboredom", ""]))
    asked = {}

    def fit(build, train, validation, folder, profile, **options):
        asked.update(
            options,
            rows=(set(train["id"]), set(validation["id"])),
            targets=options["targets"](train),
        )
        asked["labels"] = list(train["label"])
        return build(), {"epochs": []}

    monkeypatch.setattr("sierlib.experiment.teachers.fit_network", fit)
    run = Run(
        tiny_profile, "synthetic", f"tweets:{tmp_path / 't.tsv'}", "synthetic", 0, tmp_path / "run"
    )
    model, report = train_teachers(run, ["ser"])["ser"]
    assert report["classes"] == ["anger", "happy", "sad"] and report["missing"] == ["hate"]
    left_out = "tweets left out, since their labels are of no class: boredom 1"
    assert report["notes"] == [left_out, "no tweets of hate"]
    assert model.output.shape == (None, 3)
    assert (report["duplicates"], report["quarantined"]) == (3, 1)
    assert (
        report["rows"]["train"] + report["rows"]["held_out"] == 30
        and report["rows"]["held_out"] >= 6
    )
    assert report["held_out"]["n"] == report["rows"]["held_out"]
    assert [["anger", "happy", "sad"][place] for place in asked["targets"].argmax(axis=1)] == asked[
        "labels"
    ]
    assert not asked["rows"][0] & asked["rows"][1] and isinstance(
        asked["loss"], keras.losses.CategoricalCrossentropy
    )


def test_a_teacher_of_one_class_is_refused(tmp_path: Path, tiny_profile: settings.Profile) -> None:
    (tmp_path / "t.tsv").write_text("text\tlabel\nso glad today\tjoy\nvery glad\tjoy\n")
    run = Run(
        tiny_profile, "synthetic", f"tweets:{tmp_path / 't.tsv'}", "synthetic", 0, tmp_path / "run"
    )
    with pytest.raises(ValueError, match="at least two of anger, happy, hate, sad"):
        train_teachers(run, ["ser"])["ser"]


@pytest.mark.parametrize("role", ["ser", "ier"])
def test_a_trained_teacher_is_read_and_not_trained_again(
    built_run: Run, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "sierlib.experiment.teachers.fit_network", lambda *_, **__: pytest.fail("trained again")
    )
    model, report = train_teachers(built_run, [role])[role]
    assert report["classes"] == list(settings.CLASSES) and not report["missing"]
    assert (
        report["held_out"]["n"]
        == report["rows"]["held_out"]
        == 80 - report["duplicates"] - report["rows"]["train"]
    )
    manifest = read_manifest(built_run).head(5)
    again = predict_opinions(model, manifest, built_run.folder / "dataset", report["classes"])
    np.testing.assert_allclose(again, label_rule.teacher_opinions(manifest, role), atol=1e-4)


class _TrainedAgain(Exception):
    """Raised where a teacher would be trained."""


@pytest.mark.parametrize(
    ("changed", "again"),
    [
        ({"epochs": 9, "learning_rate": 0.5, "absent": 0.5, "class_weight": 1.0}, False),
        ({"explained_samples": 9, "repeats": 9, "studies": ("N2",)}, False),
        ({"teacher_epochs": 9}, True),
        ({"batch": 9}, True),
    ],
)
def test_a_teacher_is_trained_again_exactly_when_its_own_recipe_changes(
    changed: dict[str, Any], again: bool, built_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(*_: object, **__: object) -> None:
        raise _TrainedAgain

    monkeypatch.setattr("sierlib.experiment.teachers.fit_network", fit)
    run = replace(built_run, profile=replace(built_run.profile, **changed))
    with pytest.raises(_TrainedAgain) if again else nullcontext():
        train_teachers(run, ["ser"])


# ---------------------------------------------------------------------------------------- manifest
def test_the_manifest_follows_the_rule(built_run: Run) -> None:
    folder = built_run.folder / "dataset"
    kept, discarded = read_manifest(built_run), pd.read_csv(folder / "discarded.csv")
    assert list(discarded.columns) == list(kept.columns) == COLUMNS
    for rows, wanted in ((kept, True), (discarded, False)):
        ser, ier = (label_rule.teacher_opinions(rows, role) for role in ("ser", "ier"))
        rule = label_rule.max_rule(ser, ier)
        assert (rule["kept"] == wanted).all()
        assert [settings.CLASSES[index] for index in rule["label"]] == list(rows["label"])
        assert rule["winner"].tolist() == list(rows["winner"])
    summary = read_json(folder / "summary.json")
    assert (
        summary["rows"]
        == built_run.profile.pairs
        == len(kept) + len(discarded) + summary["quarantined"]
    )
    assert summary["per_class"] == {
        name: int((kept["label"] == name).sum()) for name in settings.CLASSES
    }
    assert summary["labelled_by"] == "teachers"


def test_a_second_build_reads_what_the_first_has_made(built_run: Run) -> None:
    path = built_run.folder / "dataset" / "manifest.csv"
    before = path.stat().st_mtime_ns
    assert build_dataset(built_run) == read_json(path.with_name("summary.json"))
    assert path.stat().st_mtime_ns == before


def test_a_manifest_that_was_lost_is_written_again(built_run: Run, tmp_path: Path) -> None:
    shutil.copytree(built_run.folder, tmp_path / "run")
    run = replace(built_run, folder=tmp_path / "run")
    (run.folder / "dataset" / "manifest.csv").unlink()
    build_dataset(run)
    pd.testing.assert_frame_equal(read_manifest(run), read_manifest(built_run))


@pytest.mark.parametrize("name", ["manifest.csv", "truth.jsonl", "summary.json"])
def test_a_manifest_that_was_damaged_is_written_again(
    name: str, built_run: Run, tmp_path: Path
) -> None:
    shutil.copytree(built_run.folder, tmp_path / "run")
    run = replace(built_run, folder=tmp_path / "run")
    path = run.folder / "dataset" / name
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(FileNotFoundError, match=r"damaged: run notebooks/01-dataset\.ipynb first"):
        read_manifest(run)
    build_dataset(run)
    assert path.read_bytes() == (built_run.folder / "dataset" / name).read_bytes()
    assert len(read_manifest(run)) == len(read_manifest(built_run))


def test_a_stricter_threshold_discards_more(
    built_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(built_run.folder, tmp_path / "run")
    run = replace(built_run, folder=tmp_path / "run")
    run.done("manifest", "another")
    monkeypatch.setattr(settings, "LABEL_THRESHOLD", 0.6)
    counts = build_dataset(run)
    manifest = read_manifest(run)
    sure = np.maximum(
        *(label_rule.teacher_opinions(manifest, role).max(axis=1) for role in ("ser", "ier"))
    )
    assert (sure >= 0.6).all() and counts["discarded"] == run.profile.pairs - len(manifest)


def test_unsure_teachers_leave_no_pair_and_an_explanation(
    built_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(built_run.folder, tmp_path / "run")
    run = replace(built_run, folder=tmp_path / "run")
    run.done("manifest", "another")
    monkeypatch.setattr(
        "sierlib.experiment.labels.predict_opinions",
        lambda _, rows, *__: np.full((len(rows), 4), 0.25),
    )
    with pytest.raises(ValueError, match="no pair of synthetic .*all 48 are discarded"):
        build_dataset(run)


@pytest.fixture
def copy(built_run: Run, tmp_path: Path) -> Run:
    """The built run without its teachers, to go on with recorded labels."""
    shutil.copytree(built_run.folder, tmp_path / "run", ignore=shutil.ignore_patterns("models"))
    return replace(built_run, folder=tmp_path / "run")


@pytest.fixture
def earlier(built_run: Run, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """What an earlier run decided of every row; no teacher is asked any more."""
    monkeypatch.setattr(
        "sierlib.experiment.labels.train_teachers", lambda _: pytest.fail("a teacher was asked")
    )
    rows = pd.concat([read_manifest(built_run), read_manifest(built_run, "discarded")])
    return rows.set_index("id")[["label", "split", "fold", "winner", *OPINIONS]]


def test_a_run_goes_on_with_its_own_labels_as_if_it_had_asked_again(
    built_run: Run, copy: Run, earlier: pd.DataFrame
) -> None:
    counts = build_dataset(copy, earlier)
    for name in ("manifest", "discarded"):
        pd.testing.assert_frame_equal(read_manifest(copy, name), read_manifest(built_run, name))
    own = read_json(built_run.folder / "dataset" / "summary.json")
    assert own["adopted"] is False and counts == own | {"adopted": True}


def test_what_an_earlier_run_decided_counts_whatever_teachers_would_say(
    copy: Run, earlier: pd.DataFrame
) -> None:
    learned = earlier.index[earlier["split"] == "train"]
    earlier.loc[learned[0], ["label", "fold"]] = ["hate", 3]
    earlier.loc[learned[1], ["split", "fold"]] = ["", -1]
    counts = build_dataset(copy, earlier)
    rows = read_manifest(copy).set_index("id")
    assert (rows.loc[learned[0], "label"], rows.loc[learned[0], "fold"]) == ("hate", 3)
    assert learned[1] in set(read_manifest(copy, "discarded")["id"]) - set(rows.index)
    kept = earlier[earlier["split"] != ""]
    columns = ["label", "split", "fold", "winner", *OPINIONS]
    pd.testing.assert_frame_equal(rows[columns], kept[columns], check_dtype=False)
    assert counts["usable"] == len(kept) and counts["per_class"] == {
        name: int((kept["label"] == name).sum()) for name in settings.CLASSES
    }


def test_recorded_labels_are_taken_once_and_own_ones_come_back(
    built_run: Run, tmp_path: Path
) -> None:
    shutil.copytree(built_run.folder, tmp_path / "run")
    run = replace(built_run, folder=tmp_path / "run")
    rows = pd.concat([read_manifest(run), read_manifest(run, "discarded")]).set_index("id")
    place = run.folder / "dataset" / "manifest.csv"
    build_dataset(run, rows)
    key, written = run.key_of("manifest"), place.stat().st_mtime_ns
    build_dataset(run, rows)
    assert run.key_of("manifest") == key and place.stat().st_mtime_ns == written
    assert key != built_run.key_of("manifest")  # what learned from other labels is out of date
    assert build_dataset(run)["adopted"] is False
    assert run.key_of("manifest") == built_run.key_of("manifest")


def test_labels_of_other_rows_are_refused(copy: Run, earlier: pd.DataFrame) -> None:
    strangers = earlier.rename(index={earlier.index[0]: "stranger"})
    with pytest.raises(ValueError, match="about other rows than this corpus has now: 2 are only"):
        build_dataset(copy, strangers)


def test_labels_that_a_corpus_brought_stay_given(labelled_run: Run, tmp_path: Path) -> None:
    shutil.copytree(labelled_run.folder, tmp_path / "run")
    run = replace(labelled_run, folder=tmp_path / "run")
    before = read_manifest(run)
    told = before.set_index("id")[["label", "split", "fold", "winner", *OPINIONS]]
    told[OPINIONS] = np.nan
    counts = build_dataset(run, told)
    pd.testing.assert_frame_equal(read_manifest(run), before)
    assert counts["labelled_by"] == "the corpus" and counts["adopted"] is True


def test_teachers_have_the_same_network_and_other_inputs(tiny_profile: settings.Profile) -> None:
    inputs = [
        teacher(modality, tiny_profile, 4).inputs[0].name for modality in settings.ROLES.values()
    ]
    assert inputs == ["speech", "image"]


# ----------------------------------------------------------------------------------------- IEMOCAP
def _iemocap(root: Path, disgusted: tuple[int, ...] = ()) -> Path:
    """A small corpus in IEMOCAP's layout: five sessions, two speakers each, a tone for each
    emotion.

    In the sessions that are named, one turn more is of disgust.
    """
    rng = np.random.default_rng(0)
    for session in range(1, 6):
        dialog = f"Ses0{session}F_impro01"
        base = root / f"Session{session}"
        for folder in ("dialog/EmoEvaluation", "dialog/transcriptions", f"sentences/wav/{dialog}"):
            (base / folder).mkdir(parents=True)
        lines, words = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n"], []
        for number, code in enumerate(
            ["ang", "hap", "sad", "exc", "neu"] * 3 + ["dis"] * (session in disgusted)
        ):
            turn = f"{dialog}_{'FM'[number % 2]}{number:03d}"
            lines.append(
                f"[{number}.0000 - {number + 1}.0000]\t{turn}\t{code}\t[2.5000, 2.5000, 2.5000]\n"
            )
            words.append(f"{turn} [000.0000-001.0000]: Turn {number} of session {session}.\n")
            pitch = {"ang": 2000, "hap": 900, "exc": 900, "sad": 300, "neu": 100, "dis": 4000}[code]
            time = np.arange(16_000) / 16_000
            sound = 0.3 * np.sin(2 * np.pi * pitch * time) + 0.01 * rng.normal(size=16_000)
            soundfile.write(base / f"sentences/wav/{dialog}/{turn}.wav", sound, 16_000)
        (base / f"dialog/EmoEvaluation/{dialog}.txt").write_text("\n".join(lines))
        (base / f"dialog/transcriptions/{dialog}.txt").write_text("".join(words))
    return root


def test_iemocap_trains_a_teacher_that_is_judged_on_speakers_it_never_heard(
    tmp_path: Path, tiny_profile: settings.Profile
) -> None:
    root = _iemocap(tmp_path / "IEMOCAP")
    run = Run.open("smoke", ser=f"iemocap:{root}", run_dir=tmp_path / "run")
    run = replace(run, profile=replace(tiny_profile, teacher_epochs=20, teacher_learning_rate=5e-3))
    model, report = train_teachers(run, ["ser"])["ser"]
    assert report["classes"] == ["anger", "happy", "sad"] and report["missing"] == ["hate"]
    assert report["speakers_apart"] and report["rows"] == {"train": 48, "held_out": 12}  # session 5
    assert model.output.shape == (None, 3) and "neu 15" in " ".join(report["notes"])
    found = read_held_out(run, "ser")
    assert len(found) == 12 and (found["hate"] == 0).all()
    # Tones are easily told apart: most held-out turns are recognised.
    assert report["held_out"]["accuracy"]["value"] > report["held_out"]["majority"]


def test_a_class_that_only_the_held_out_sessions_have_is_not_learned(
    tmp_path: Path, tiny_profile: settings.Profile
) -> None:
    root = _iemocap(tmp_path / "IEMOCAP", disgusted=(4, 5))
    run = Run.open("smoke", ser=f"iemocap:{root}", run_dir=tmp_path / "run")
    run = replace(run, profile=replace(tiny_profile, teacher_epochs=1))
    _, report = train_teachers(run, ["ser"])["ser"]
    assert report["missing"] == ["hate"] and report["rows"] == {"train": 49, "held_out": 13}
    assert "2 items of hate, none of them among those to learn from" in report["notes"]
    assert (read_held_out(run, "ser")["hate"] == 0).all()


def test_a_labelled_class_that_some_part_lacks_is_named_with_its_line(
    tmp_path: Path,
    pairs_csv: Callable[..., Path],
    tiny_profile: settings.Profile,
    paint: Callable[..., Path],
) -> None:
    path = pairs_csv(tmp_path / "corpus")
    text = path.read_text(encoding="utf-8")
    rare = text.replace(",hate", ",sad")
    paint(path.with_name("rare.png"), seed=99)
    path.write_text(
        rare.rstrip() + "\nrare,rare.png,the one and only sentence,hate\n", encoding="utf-8"
    )
    parts = set()
    for seed in range(6):  # whichever part has the one row, others lack it
        run = Run(
            tiny_profile, f"pairs:{path}", "synthetic", "synthetic", seed, tmp_path / f"run-{seed}"
        )
        with pytest.raises(
            ValueError, match=r"pairs\.csv, line 44: 1 usable rows are labelled hate.*at least 10"
        ) as error:
            build_dataset(run)
        parts.add(str(error.value).partition("(")[2].partition(" gets")[0])
    assert "the test part" in parts and len(parts) > 1


# ------------------------------------------------------------------- teachers from tables of files
def _recordings(root: Path, speakers: list[str]) -> Path:
    """A table of short tones, five of each emotion and speaker."""
    root.mkdir()
    rng = np.random.default_rng(0)
    lines = ["audio,label,speaker"]
    for speaker in speakers:
        for number, label in enumerate(["angry", "happy", "sad"] * 5):
            sound = 0.3 * np.sin(np.arange(8000) * (number + 1) / 9) + 0.01 * rng.normal(size=8000)
            soundfile.write(root / f"{speaker}-{number}.wav", sound, 16_000)
            lines.append(f"{speaker}-{number}.wav,{label},{speaker}")
    (root / "r.csv").write_text("\n".join([*lines, ""]))
    return root / "r.csv"


@pytest.mark.parametrize(("count", "apart"), [(2, False), (4, True), (12, True)])
def test_speakers_of_a_table_are_kept_apart_where_there_are_enough(
    tmp_path: Path,
    tiny_profile: settings.Profile,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    apart: bool,
) -> None:
    monkeypatch.setenv("SIER_WORKERS", "1")  # in this process, where training can be replaced
    parts: dict[str, set[str]] = {}

    def fit(build, train, validation, folder, profile, **options):
        parts["train"], parts["validation"] = (
            {path.rpartition("/")[2][:2] for path in rows["path"]} for rows in (train, validation)
        )
        return build(), {"epochs": []}

    monkeypatch.setattr("sierlib.experiment.teachers.fit_network", fit)
    path = _recordings(tmp_path / "corpus", [f"{n:02d}" for n in range(count)])
    run = Run(tiny_profile, "synthetic", f"recordings:{path}", "synthetic", 0, tmp_path / "run")
    _, report = train_teachers(run, ["ser"])["ser"]
    assert report["speakers_apart"] is apart
    assert report["rows"]["train"] + report["rows"]["held_out"] == 15 * count
    assert bool(parts["train"] & parts["validation"]) is not apart
    told = "too few speakers to keep them apart: the same are learned from and judged by"
    assert (told in report["notes"]) is not apart


# -------------------------------------------------------------- what comes to nothing is said first
@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            ["gone.png,one", "gone.png,two"],
            "not one usable row in it: 2 with missing image: line 2",
        ),
        (
            ["0.png,one"] * 3,
            "1 usable pairs in .* make 1 groups of one text or picture: at least 10",
        ),
        (["page.png,one"], "no usable pair in .*quarantine.csv"),
    ],
)
@pytest.mark.parametrize("begin", [build_dataset, teacher_reports])
def test_pairs_that_come_to_nothing_say_so_before_a_teacher_is_trained(
    begin: Callable[[Run], Any],
    rows: list[str],
    told: str,
    tmp_path: Path,
    paint: Callable[..., Path],
    tiny_profile: settings.Profile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "sierlib.experiment.teachers.train_teachers", lambda _: pytest.fail("a teacher was trained")
    )
    monkeypatch.setattr(
        "sierlib.experiment.labels.train_teachers", lambda _: pytest.fail("a teacher was trained")
    )
    paint(tmp_path / "0.png")
    (tmp_path / "page.png").write_text("<html>")
    (tmp_path / "p.csv").write_text("\n".join(["image,text", *rows, ""]))
    run = Run(
        tiny_profile, f"pairs:{tmp_path / 'p.csv'}", "synthetic", "synthetic", 0, tmp_path / "run"
    )
    with pytest.raises(ValueError, match=told) as error:
        begin(run)
    assert "\n" not in str(error.value)


def test_a_teachers_corpus_that_comes_to_nothing_is_told_before_the_other_is_trained(
    tmp_path: Path,
    pairs_csv: Callable[..., Path],
    tiny_profile: settings.Profile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "sierlib.experiment.workers.run_in_workers", lambda *_: pytest.fail("a teacher was trained")
    )
    corpus = pairs_csv(tmp_path / "corpus", labelled=False)
    (corpus.parent / "one.csv").write_text("image,label\n0.png,sad\n1.png,sad\n")
    specs = f"pairs:{corpus}", "synthetic", f"pictures:{corpus.parent / 'one.csv'}"
    run = Run(tiny_profile, *specs, 0, tmp_path / "run")
    with pytest.raises(ValueError, match="ier=pictures:.*at least two of anger"):
        build_dataset(run)
    assert not (tmp_path / "run" / "dataset").exists()
