"""Encoding, quarantine, duplicates, splits and feeds: nothing is lost, nothing leaks."""

from __future__ import annotations

import csv
import json
import math
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sierlib import settings
from sierlib.data import images
from sierlib.data.corpora import open_corpus
from sierlib.data.feed import Feed, one_hot
from sierlib.data.shards import load_arrays, save_arrays
from sierlib.experiment import label_rule
from sierlib.experiment.labels import build_dataset
from sierlib.experiment.manifest import (
    COLUMNS,
    count_rows,
    labelled_by_teachers,
    number_groups,
    read_csv,
    read_manifest,
    read_truth,
    set_aside_duplicates,
    split_rows,
    time_planted,
    write_csv,
)
from sierlib.experiment.teachers import teacher_reports
from sierlib.run import Run


def _run(folder: Path, path: Path, profile: settings.Profile) -> Run:
    return Run(profile, f"pairs:{path}", "synthetic", "synthetic", 0, folder)


# --------------------------------------------------------------------------------- nothing is lost
def test_dirt_is_quarantined_with_its_reason_and_nothing_else_is_lost(
    tmp_path: Path,
    paint: Callable[..., Path],
    pairs_csv: Callable[..., Path],
    tiny_profile: settings.Profile,
) -> None:
    root = tmp_path / "corpus"
    paint(root / "other.png", seed=99)
    whole = paint(root / "cut.png", seed=98).read_bytes()
    (root / "cut.png").write_bytes(whole[: len(whole) // 2])
    (root / "page.jpg").write_text("<html>404</html>")
    (root / "empty.jpg").touch()
    (root / "copy.png").write_bytes(paint(root / "3.png", seed=3).read_bytes())
    paint(tmp_path / "outside.png")
    twin = "my uncle sold the car"
    path = pairs_csv(
        root,
        ("cut", "cut.png", "fine words", "sad"),
        ("page", "page.jpg", "fine words", "sad"),
        ("empty", "empty.jpg", "fine words", "sad"),
        ("gone", "gone.png", "fine words", "sad"),
        ("outside", "../outside.png", "fine words", "sad"),
        ("wordless", "other.png", "@you http://t.co/x", "sad"),
        ("copy", "copy.png", "her cousin sold the car http://t.co/again", "happy"),
        ("same-text", "other.png", twin, "happy"),
        ("same-picture", "0.png", "somebody else was there", "happy"),
    )
    run = _run(tmp_path / "run", path, tiny_profile)
    counts = build_dataset(run)
    folder = run.folder / "dataset"
    quarantine = pd.read_csv(folder / "quarantine.csv", keep_default_na=False).set_index("id")
    assert list(quarantine.columns) == ["path", "reason"]
    wanted = {
        "cut": "truncated",
        "page": "not an image",
        "empty": "empty image",
        "gone": "missing image",
        "outside": "outside",
        "wordless": "text without words",
        "copy": "duplicate: of good-3",
    }
    assert set(quarantine.index) == set(wanted)
    for name, reason in wanted.items():
        assert reason in quarantine.loc[name, "reason"], name
    for name, file in {
        "cut": "cut.png",
        "page": "page.jpg",
        "empty": "empty.jpg",
        "gone": "gone.png",
        "copy": "copy.png",
    }.items():
        assert quarantine.loc[name, "path"].endswith(file), name
    manifest = read_manifest(run)
    assert set(manifest["id"]) == {f"good-{number}" for number in range(42)} | {
        "same-text",
        "same-picture",
    }
    assert list(manifest.columns) == COLUMNS
    assert counts["rows"] == 51 == counts["usable"] + counts["quarantined"] + counts["discarded"]
    assert sum(counts["quarantined_by_reason"].values()) == counts["quarantined"] == 7
    by_id = manifest.set_index("id")
    assert by_id.loc["same-text", "group"] == by_id.loc["good-0", "group"]
    assert by_id.loc["same-text", "split"] == by_id.loc["good-0", "split"]


def test_labels_that_a_corpus_brings_are_kept_and_no_teacher_is_asked(labelled_run: Run) -> None:
    manifest = read_manifest(labelled_run)
    assert teacher_reports(labelled_run) == {}
    assert (
        set(manifest["winner"]) == {"given"}
        and not (labelled_run.folder / "models" / "teacher-ser.keras").exists()
    )
    given = {
        item.id: item.label
        for item in open_corpus(labelled_run.data, "data", labelled_run.profile, 0).items
    }
    assert dict(zip(manifest["id"], manifest["label"], strict=True)) == given
    assert pd.read_csv(labelled_run.folder / "dataset" / "discarded.csv").empty


def test_a_manifest_survives_being_read(built_run: Run) -> None:
    manifest = read_manifest(built_run)
    assert manifest["id"].is_unique and set(manifest["label"]) <= set(settings.CLASSES)
    for role in ("ser", "ier"):
        np.testing.assert_allclose(
            label_rule.teacher_opinions(manifest, role).sum(axis=1), 1, atol=1e-5
        )
    assert set(manifest["split"]) == {"train", "test"}
    assert (manifest.loc[manifest["split"] == "test", "fold"] == -1).all()
    assert set(manifest.loc[manifest["split"] == "train", "fold"]) == set(range(settings.FOLDS))


def test_every_row_has_its_planted_truth(built_run: Run) -> None:
    truth = read_truth(built_run)
    items = {item.id: item for item in open_corpus("synthetic", "data", built_run.profile, 0).items}
    assert set(read_manifest(built_run)["id"]) <= set(truth)
    for name, value in truth.items():
        assert value == {"id": name, **items[name].truth}


def test_planted_words_have_times_where_they_are_asked_for(built_run: Run) -> None:
    truth, manifest = read_truth(built_run), read_manifest(built_run)
    texts = dict(zip(manifest["id"], manifest["text"], strict=True))
    asked = list(texts)[::6]
    timed = time_planted(built_run, asked)
    assert set(timed) == set(asked)
    for name, value in timed.items():
        spoken = value["speech"]
        assert value == truth[name] | {"speech": spoken}
        assert spoken == spoken | truth[name]["speech"]
        assert [text for text, _, _ in spoken["words"]] == texts[name].split()
        for kind in ("emotion", "confuser"):
            times = [spoken["words"][index][1:] for index in spoken[f"{kind}_words"]]
            assert spoken[f"{kind}_times"] == times
            assert all(0 <= start < end for start, end in times)


def test_where_nothing_was_planted_nothing_has_times(labelled_run: Run) -> None:
    assert time_planted(labelled_run, list(read_manifest(labelled_run)["id"])) == {}


def test_texts_that_look_like_missing_values_stay_texts(tmp_path: Path, labelled_run: Run) -> None:
    manifest = pd.read_csv(labelled_run.folder / "dataset" / "manifest.csv", keep_default_na=False)
    manifest.loc[:2, "text"] = ["NA", "null", "007"]
    (tmp_path / "dataset").mkdir()
    write_csv(manifest, tmp_path / "dataset" / "manifest.csv")
    assert list(read_manifest(replace(labelled_run, folder=tmp_path))["text"][:3]) == [
        "NA",
        "null",
        "007",
    ]


def test_a_missing_manifest_names_the_notebook_to_run(tmp_path: Path, labelled_run: Run) -> None:
    with pytest.raises(FileNotFoundError, match=r"run notebooks/01-dataset\.ipynb first"):
        read_manifest(replace(labelled_run, folder=tmp_path))


def test_too_few_pairs_say_so_and_leave_the_quarantine_behind(
    tmp_path: Path, tiny_profile: settings.Profile
) -> None:
    (tmp_path / "page.jpg").write_text("<html>")
    (tmp_path / "pairs.csv").write_text(
        "id,image,text,label\na,page.jpg,one two,sad\nb,page.jpg,three four,happy\n"
    )
    run = _run(tmp_path / "run", tmp_path / "pairs.csv", tiny_profile)
    with pytest.raises(ValueError, match="no usable pair in .*quarantine.csv"):
        build_dataset(run)
    quarantine = pd.read_csv(run.folder / "dataset" / "quarantine.csv")
    assert list(quarantine["id"]) == ["a", "b"] and set(quarantine["reason"]) == {
        f"not an image: {images.READABLE}"
    }


# -------------------------------------------------------------------------------------- duplicates
@given(rows=st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz")), max_size=15))
def test_of_equal_rows_the_first_is_kept(rows: list[tuple[str, str]]) -> None:
    frame = pd.DataFrame(rows, columns=["image_hash", "text"]).assign(
        id=[f"r{n}" for n in range(len(rows))], sound_hash=None, label=None
    )
    kept, repeated = set_aside_duplicates(frame)
    firsts = {row: f"r{rows.index(row)}" for row in rows}
    assert set(kept["id"]) == set(firsts.values()) and len(kept) + len(repeated) == len(rows)
    for row in repeated.to_dict("records"):
        assert row["reason"] == f"duplicate: of {firsts[(row['image_hash'], row['text'])]}"


def test_a_duplicate_with_another_label_is_told_to_contradict() -> None:
    frame = pd.DataFrame(
        [("a", "y", "anger"), ("b", "y", "sad"), ("c", "y", "anger"), ("d", "Y", "sad")]
        + [("e", "Y", "anger")],
        columns=["id", "text", "label"],
    ).assign(image_hash="x", sound_hash=None)
    kept, repeated = set_aside_duplicates(frame)
    assert list(repeated["reason"]) == [
        "contradicting duplicate: of a, labelled anger",
        "duplicate: of a",
        "contradicting duplicate: of a, labelled anger",
        "duplicate: of d",
    ]
    assert list(kept["id"]) == ["a"]


def test_groups_are_texts_of_the_same_words() -> None:
    groups = number_groups(["A dog", "a  DOG", "a cat", "a dog ", "A Cat"])
    assert groups.tolist() == [0, 0, 1, 0, 1]


@given(
    texts=st.lists(st.sampled_from("abcdef"), max_size=12),
    pictures=st.lists(st.sampled_from([*"uvwxy", None]), min_size=12, max_size=12),
)
def test_what_shares_words_or_a_picture_is_one_group(
    texts: list[str], pictures: list[str | None]
) -> None:
    # Joined one by one, as a reader would by hand.
    joined: list[set[int]] = []
    for row, (text, picture) in enumerate(zip(texts, pictures, strict=False)):
        alike = [
            group
            for group in joined
            if any(
                texts[other] == text or pictures[other] == picture is not None for other in group
            )
        ]
        joined = [group for group in joined if group not in alike]
        joined.append({row}.union(*alike))
    groups = number_groups(texts, pictures[: len(texts)])
    by_number: dict[int, set[int]] = {}
    for row, number in enumerate(groups):
        by_number.setdefault(int(number), set()).add(row)
    assert sorted(map(sorted, by_number.values())) == sorted(map(sorted, joined))
    assert list(by_number) == sorted(by_number), "numbered in the order of rows"


# ------------------------------------------------------------------------------------------- split
@st.composite
def _rows(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    count = draw(st.integers(10, 150))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    labels = rng.choice(
        settings.CLASSES, size=count, p=rng.dirichlet(np.full(4, draw(st.sampled_from([0.5, 3.0]))))
    )
    return labels, rng.integers(0, draw(st.integers(1, count)), size=count)


@hypothesis_settings(max_examples=80)
@given(rows=_rows(), seed=st.integers(0, 5))
def test_groups_are_never_split_and_every_part_has_rows(
    rows: tuple[np.ndarray, np.ndarray], seed: int
) -> None:
    labels, groups = rows
    try:
        parts, folds = split_rows(labels, groups, seed)
    except ValueError as error:
        assert "usable rows" in str(error), "the message is meant for the reader of the book"
        return
    for group in set(groups):
        assert len(set(zip(parts[groups == group], folds[groups == group], strict=True))) == 1
    assert set(parts) == {"train", "test"}
    assert set(folds[parts == "train"]) == set(range(settings.FOLDS)) and set(
        folds[parts == "test"]
    ) == {-1}
    again = split_rows(labels, groups, seed)
    assert (again[0] == parts).all() and (again[1] == folds).all()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_split_is_70_30_with_classes_in_proportion(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.choice(settings.CLASSES, size=1_000, p=[0.25, 0.53, 0.05, 0.17])
    parts, folds = split_rows(labels, np.arange(1_000), seed)
    assert np.mean(parts == "test") == pytest.approx(settings.TEST_SHARE, abs=0.01)
    for name in settings.CLASSES:
        assert np.mean(labels[parts == "test"] == name) == pytest.approx(
            np.mean(labels == name), abs=0.01
        )
        for fold in range(settings.FOLDS):
            assert np.mean(labels[folds == fold] == name) == pytest.approx(
                np.mean(labels == name), abs=0.02
            )
    assert (split_rows(labels, np.arange(1_000), seed + 1)[0] != parts).any()


@pytest.mark.parametrize("labels", ["abcd" * 3, "aabbc" * 2, "ab" * 4])
def test_too_few_rows_for_a_split_are_explained(labels: str) -> None:
    with pytest.raises(ValueError, match="usable rows .*larger corpus"):
        split_rows(np.array(list(labels)), np.arange(len(labels)), 0)


def test_many_rows_of_one_text_cannot_be_split() -> None:
    with pytest.raises(ValueError, match="in 1 groups of one text or picture"):
        split_rows(np.array(["sad"] * 50), np.zeros(50, int), 0)


@pytest.mark.parametrize(
    ("winners", "asked"), [(["ser", "ier"], True), (["given", "given"], False), (["given"], False)]
)
def test_where_labels_come_from_is_read_off_the_winners(winners: list[str], asked: bool) -> None:
    assert labelled_by_teachers(pd.DataFrame({"winner": winners})) is asked


# -------------------------------------------------------------------------------------------- feed
def _collect(feed) -> tuple[dict[str, np.ndarray], np.ndarray]:
    inputs, targets = zip(*feed, strict=True)
    feed.on_epoch_end()  # as Keras does
    frames = pd.DataFrame(inputs)  # a column for each modality, a row for each batch
    return {name: np.concatenate(list(frames[name])) for name in frames}, np.concatenate(targets)


def test_a_feed_gives_the_arrays_in_order(built_run: Run) -> None:
    rows, folder = read_manifest(built_run).head(11), built_run.folder / "dataset"
    given, targets = _collect(Feed(rows, folder, 4, targets=one_hot(rows["label"])))
    for name in ("speech", "image"):
        assert given[name].dtype == np.float32
        np.testing.assert_allclose(
            given[name], load_arrays(list(rows[name]), folder) / 255, atol=1e-6
        )
    assert [settings.CLASSES[index] for index in targets.argmax(axis=1)] == list(rows["label"])
    alone = list(Feed(rows, folder, 4, modalities=("speech",)))
    assert [len(batch["speech"]) for batch in alone] == [4, 4, 3] and set(alone[0]) == {"speech"}


def test_as_many_rows_as_the_paper_has_are_fed_without_being_held(tmp_path: Path) -> None:
    n, size = sum(settings.PAPER_COUNTS.values()), settings.SIZE
    # All rows show the same: 1.3 GB if they were read at once, and four times as much as float32.
    same = save_arrays(np.zeros((1, size, size, 1), np.uint8), tmp_path / "speech.bin")
    rows = pd.DataFrame({"speech": same * n})
    feed = Feed(
        rows, tmp_path, 256, modalities=("speech",), targets=np.zeros((n, 4), np.float32), seed=0
    )
    tracemalloc.start()
    try:
        assert sum(len(targets) for _, targets in feed) == math.ceil(n / 256) * 256
        assert tracemalloc.get_traced_memory()[1] < 200e6
    finally:
        tracemalloc.stop()


def test_shuffling_is_fixed_by_its_seed_and_keeps_rows_with_their_targets(built_run: Run) -> None:
    rows, folder = read_manifest(built_run).head(20), built_run.folder / "dataset"
    numbers = np.eye(20, dtype=np.float32)
    orders = []
    for seed in (1, 1, 2):
        given, targets = _collect(Feed(rows, folder, 6, targets=numbers, seed=seed))
        order = targets.argmax(axis=1)
        orders.append(order.tolist())
        assert sorted(order[:20]) == list(range(20))
        assert order[20:].tolist() == order[:4].tolist()  # the last batch is filled
        np.testing.assert_allclose(
            given["image"], load_arrays(list(rows["image"].iloc[order]), folder) / 255, atol=1e-6
        )
    assert orders[0] == orders[1] != orders[2] != list(range(20))


def test_every_epoch_is_shuffled_anew(built_run: Run) -> None:
    rows = read_manifest(built_run).head(20)
    feed = Feed(
        rows, built_run.folder / "dataset", 20, targets=np.eye(20, dtype=np.float32), seed=0
    )
    first, second = (_collect(feed)[1].argmax(axis=1).tolist() for _ in range(2))
    assert first != second and sorted(first) == sorted(second)


def test_augmentation_shifts_and_mirrors_and_nothing_more(built_run: Run) -> None:
    rows, folder = read_manifest(built_run).head(16), built_run.folder / "dataset"
    given, targets = _collect(
        Feed(rows, folder, 8, targets=np.eye(16, dtype=np.float32), augment=True, seed=3)
    )
    original = {name: load_arrays(list(rows[name]), folder) / 255 for name in ("speech", "image")}
    assert given["speech"].shape == (16, 128, 128, 1) and given["image"].shape == (16, 128, 128, 3)
    shifts, mirrored = set(), set()
    for place, row in enumerate(targets.argmax(axis=1)):
        padded = np.pad(original["speech"][row], ((0, 0), (24, 24), (0, 0)))
        fits = [
            by
            for by in range(-24, 25)
            if np.allclose(padded[:, 24 - by : 152 - by], given["speech"][place], atol=1e-6)
        ]
        assert fits and min(abs(by) for by in fits) <= 24
        shifts.add(fits[0])
        centre = given["image"][place][32:96, 32:96]
        found = [
            flip
            for flip in (1, -1)
            for down in range(-8, 9)
            for right in range(-8, 9)
            if np.allclose(
                original["image"][row][:, ::flip][32 + down : 96 + down, 32 + right : 96 + right],
                centre,
                atol=1e-6,
            )
        ]
        assert found
        mirrored.add(found[0])
    assert len(shifts) > 3 and mirrored == {1, -1}
    for values in given.values():
        assert values.min() >= 0 and values.max() <= 1


@pytest.fixture(scope="module")
def bright(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, Path]:
    """Many rows, of unequal classes, that all show the same: speech and an image without any 0."""
    folder = tmp_path_factory.mktemp("bright")
    same = {}
    for name, channels in settings.CHANNELS.items():
        white = np.full((1, 128, 128, channels), 255, np.uint8)
        [same[name]] = save_arrays(white, folder / f"{name}.bin")
    labels = np.random.default_rng(0).choice(settings.CLASSES, 1_500, p=[0.1, 0.6, 0.1, 0.2])
    return pd.DataFrame({**same, "label": labels}), folder


def _watch(
    bright: tuple[pd.DataFrame, Path], absent: float, seed: int | None = None, **options: Any
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Which rows of a feed are blank, (n,) by modality, and the rows' targets."""
    rows, folder = bright
    answers = one_hot(rows["label"])
    feed = Feed(rows, folder, 50, targets=answers, absent=absent, seed=seed, **options)
    blank: dict[str, list[np.ndarray]] = {}
    targets = []
    for inputs, told in feed:
        targets.append(told)
        for name, values in inputs.items():
            gone = values.max(axis=(1, 2, 3)) == 0
            assert (gone | (values.min(axis=(1, 2, 3)) == 1)).all()  # never in part
            blank.setdefault(name, []).append(gone)
    return {name: np.concatenate(found) for name, found in blank.items()}, np.concatenate(targets)


def test_so_many_rows_lack_one_modality_and_half_as_many_lack_both(
    bright: tuple[pd.DataFrame, Path],
) -> None:
    blank, _ = _watch(bright, 0.2)
    speech, image = blank["speech"], blank["image"]
    assert (speech & ~image).mean() == pytest.approx(0.2, abs=0.03)
    assert (image & ~speech).mean() == pytest.approx(0.2, abs=0.03)
    assert (speech & image).mean() == pytest.approx(0.1, abs=0.03)


def test_what_shows_nothing_is_taught_the_classes_shares_and_all_else_its_own_class(
    bright: tuple[pd.DataFrame, Path],
) -> None:
    blank, targets = _watch(bright, 0.2)
    nothing = blank["speech"] & blank["image"]
    answers = one_hot(bright[0]["label"])
    assert nothing.any()
    np.testing.assert_allclose(targets[nothing], [answers.mean(axis=0)] * nothing.sum(), atol=1e-5)
    np.testing.assert_array_equal(targets[~nothing], answers[~nothing])


def test_with_one_modality_only_those_that_would_show_nothing_are_blank(
    bright: tuple[pd.DataFrame, Path],
) -> None:
    blank, targets = _watch(bright, 0.2, modalities=("image",))
    assert set(blank) == {"image"} and blank["image"].mean() == pytest.approx(0.1, abs=0.03)
    np.testing.assert_array_equal(blank["image"], targets.max(axis=1) < 1)


@pytest.mark.parametrize("augment", [False, True])
def test_what_is_left_out_is_fixed_by_the_seed(augment: bool, built_run: Run) -> None:
    rows, folder = read_manifest(built_run).head(20), built_run.folder / "dataset"
    answers = one_hot(rows["label"])
    made = []
    for seed in (1, 1, 2):
        options = {"augment": augment, "absent": 0.3, "seed": seed}
        made.append(_collect(Feed(rows, folder, 6, targets=answers, **options)))
    (first, one), (second, two), (other, _) = made
    np.testing.assert_array_equal(one, two)
    for name in ("speech", "image"):
        np.testing.assert_array_equal(first[name], second[name])
        assert not np.array_equal(first[name], other[name])


def test_where_nothing_is_to_be_left_out_all_is_shown(bright: tuple[pd.DataFrame, Path]) -> None:
    blank, targets = _watch(bright, 0.0)
    assert not blank["speech"].any() and not blank["image"].any()
    np.testing.assert_array_equal(targets, one_hot(bright[0]["label"]))


def test_one_hot_follows_the_order_of_the_classes() -> None:
    assert one_hot(["sad", "anger"]).tolist() == [[0, 0, 0, 1], [1, 0, 0, 0]]


def test_a_summary_that_does_not_add_up_is_refused() -> None:
    usable = pd.DataFrame({"label": ["sad", "sad", "hate"]})
    quarantine = pd.DataFrame(
        {"reason": ["missing image: line 3", "missing image: line 5", "not an image"]}
    )
    counts = count_rows(7, usable, quarantine, 1)
    assert counts["quarantined_by_reason"] == {"missing image": 2, "not an image": 1}
    assert counts["per_class"] == {"anger": 0, "happy": 0, "hate": 1, "sad": 2}
    json.dumps(counts)
    with pytest.raises(AssertionError):
        count_rows(8, usable, quarantine, 1)


@given(st.lists(st.text(alphabet="'=+-@\t\r\n\",;ab1＝", max_size=6), min_size=1, max_size=5))
def test_no_cell_is_a_formula_and_all_come_back_as_they_were(texts: list[str]) -> None:
    frame = pd.DataFrame({"text": texts, "value": range(-1, len(texts) - 1)})
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        write_csv(frame, path)
        with path.open(encoding="utf-8", newline="") as file:
            _, *rows = csv.reader(file)
        back = read_csv(path, dtype={"text": str}, keep_default_na=False)
    assert [row[0][:1] for row in rows if row[0][:1] in [*"=+-@\t\r\n＝"]] == []
    assert list(back["text"]) == texts and list(back["value"]) == list(frame["value"])
