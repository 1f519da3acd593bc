"""Encoding: complete, resumable, and never older than what it was made from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from sierlib import settings
from sierlib.data import speech
from sierlib.data.corpora import Corpus, Item, open_corpus
from sierlib.data.corpora.embedded import plans
from sierlib.data.feed import read_inputs
from sierlib.data.shards import (
    count_notes,
    encode_corpus,
    encode_role,
    item_picture,
    item_sound,
    load_arrays,
    save_arrays,
)
from sierlib.experiment.manifest import read_manifest, set_aside_duplicates
from sierlib.run import Run


def test_arrays_in_the_manifest_are_those_of_the_items(built_run: Run) -> None:
    rows = read_manifest(built_run).iloc[::9]
    items = {item.id: item for item in open_corpus("synthetic", "data", built_run.profile, 0).items}
    inputs = read_inputs(rows, built_run.folder / "dataset")
    for place, row in enumerate(rows.to_dict("records")):
        item = items[row["id"]]
        np.testing.assert_array_equal(np.rint(inputs["image"][place] * 255), item_picture(item))
        mel = speech.log_mel(item_sound(item))
        assert np.abs(inputs["speech"][place] - mel).max() <= 0.5 / 255 + 1e-6


def _state(folder: Path) -> dict[str, tuple[int, str]]:
    return {
        path.name: (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in folder.iterdir()
    }


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sierlib.data.shards.SHARD", 4)


@pytest.mark.usefixtures("small_shards")
def test_an_interrupted_encode_goes_on_where_it_stopped(tmp_path: Path) -> None:
    corpus = plans.pairs(10, 1)
    first = encode_corpus(corpus, tmp_path, workers=1)
    before = _state(tmp_path)
    for name in ("rows-00001.json", "speech-00001.bin", "image-00001.bin"):
        (tmp_path / name).unlink()
    again = encode_corpus(corpus, tmp_path, workers=1)
    after = _state(tmp_path)
    assert set(after) == set(before)
    for name, (_, digest) in after.items():
        assert digest == before[name][1], name
    assert {name for name in before if after[name] != before[name]} == {
        "rows-00001.json",
        "speech-00001.bin",
        "image-00001.bin",
    }
    pd.testing.assert_frame_equal(first, again)
    assert list(first["id"]) == [item.id for item in corpus.items]


@pytest.mark.usefixtures("small_shards")
def test_half_a_shard_counts_as_none(tmp_path: Path) -> None:
    corpus = plans.pairs(8, 1)
    for name in "ab":
        (tmp_path / name).mkdir()
    whole = encode_corpus(corpus, tmp_path / "a", workers=1)
    (tmp_path / "b" / "rows-00000.json").write_text('{"rows": [{"id": "pair-0000')
    (tmp_path / "b" / "speech-00000.bin").write_bytes(b"half of it")
    pd.testing.assert_frame_equal(encode_corpus(corpus, tmp_path / "b", workers=1), whole)
    np.testing.assert_array_equal(
        load_arrays(list(whole["speech"]), tmp_path / "b"),
        load_arrays(list(whole["speech"]), tmp_path / "a"),
    )


@pytest.mark.usefixtures("small_shards")
def test_a_shard_lost_after_the_build_comes_back_as_it_was(
    tmp_path: Path, tiny_profile: settings.Profile
) -> None:
    run = Run(replace(tiny_profile, pairs=8), "synthetic", "synthetic", "synthetic", 0, tmp_path)
    _, first, folder = encode_role(run, "data", workers=1)
    (folder / "rows-00000.json").unlink()
    _, again, _ = encode_role(run, "data", workers=1)
    pd.testing.assert_frame_equal(first, again)


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-100],
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: b"",
        lambda content: b"12",
    ],
)
@pytest.mark.parametrize("name", ["image-00001.bin", "rows-00001.json"])
def test_a_damaged_shard_is_encoded_again_and_no_other(
    name: str,
    damage: Callable[[bytes], bytes],
    tmp_path: Path,
    tiny_profile: settings.Profile,
) -> None:
    run = Run(replace(tiny_profile, pairs=8), "synthetic", "synthetic", "synthetic", 0, tmp_path)
    _, first, folder = encode_role(run, "data", workers=1)
    before, path = _state(folder), folder / name
    path.write_bytes(damage(path.read_bytes()))
    assert not run.is_intact("arrays")
    _, again, _ = encode_role(run, "data", workers=1)
    pd.testing.assert_frame_equal(first, again)
    after = _state(folder)
    assert {each: digest for each, (_, digest) in after.items()} == {
        each: digest for each, (_, digest) in before.items()
    }
    assert all(
        after[each] == before[each] for each in before if "00001" not in each and each[0] != "."
    )
    assert run.is_intact("arrays")


@pytest.mark.usefixtures("small_shards")
def test_a_shard_of_which_nothing_can_be_used_is_not_encoded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [Item(str(number), text="...") for number in range(3)]
    first = _encode(items, tmp_path)
    assert first["reason"].notna().all()
    monkeypatch.setattr("sierlib.data.shards._encode_shard", lambda *_: pytest.fail("again"))
    again = encode_corpus(Corpus("x", items), tmp_path / "arrays", workers=1).set_index("id")
    pd.testing.assert_frame_equal(first, again)


@pytest.mark.usefixtures("small_shards")
def test_work_begun_for_other_settings_does_not_pass_for_the_old(
    tmp_path: Path, tiny_profile: settings.Profile
) -> None:
    run = Run(replace(tiny_profile, pairs=8), "synthetic", "synthetic", "synthetic", 0, tmp_path)
    _, first, _ = encode_role(run, "data", workers=1)
    run.fresh_folder("dataset", "another key")  # interrupted before anything was done
    _, again, folder = encode_role(run, "data", workers=1)
    pd.testing.assert_frame_equal(first, again)
    assert load_arrays(list(again["speech"]), folder).shape == (8, 128, 128, 1)


def test_what_is_up_to_date_is_not_encoded_again(
    built_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "sierlib.data.shards._encode_shard", lambda *_: pytest.fail("encoded again")
    )
    for role in ("data", "ser", "ier"):
        corpus, rows, _ = encode_role(built_run, role)
        assert list(rows["id"]) == [item.id for item in corpus.items]


def test_another_window_makes_other_arrays(
    tmp_path: Path, tiny_profile: settings.Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(replace(tiny_profile, pairs=4), "synthetic", "synthetic", "synthetic", 0, tmp_path)
    encode_role(run, "data", workers=1)
    key = run.key_of("arrays")
    monkeypatch.setattr(settings, "HOP", settings.HOP // 2)
    encode_role(run, "data", workers=1)
    assert run.key_of("arrays") != key


def test_a_folder_that_is_written_again_is_read_again(tmp_path: Path) -> None:
    first = encode_corpus(plans.image_corpus(4, 0), tmp_path, workers=1)
    load_arrays(list(first["image"]), tmp_path)
    for path in tmp_path.iterdir():
        path.unlink()
    other = plans.image_corpus(4, 1)
    second = encode_corpus(other, tmp_path, workers=1)
    np.testing.assert_array_equal(
        load_arrays(list(second["image"]), tmp_path), [item_picture(item) for item in other.items]
    )


def test_recordings_with_the_same_transcript_are_not_duplicates(tmp_path: Path) -> None:
    items = []
    for number, hertz in enumerate((300, 600, 600)):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, 0.5 * np.sin(2 * np.pi * hertz * np.arange(8_000) / 16_000), 16_000)
        items.append(Item(str(number), text="Okay.", audio=path, label="sad"))
    (tmp_path / "arrays").mkdir()
    frame = encode_corpus(Corpus("x", items), tmp_path / "arrays", workers=1)
    kept, repeated = set_aside_duplicates(frame)
    assert list(kept["id"]) == ["0", "1"] and list(repeated["id"]) == ["2"]


def test_a_recording_needs_no_words_in_its_transcript(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", 0.5 * np.sin(np.arange(8_000) / 5), 16_000)
    soundfile.write(tmp_path / "silent.wav", np.zeros(8_000), 16_000)
    items = [
        Item("laugh", text="...", audio=tmp_path / "a.wav"),
        Item("silent", audio=tmp_path / "silent.wav"),
    ]
    (tmp_path / "arrays").mkdir()
    frame = encode_corpus(Corpus("x", items), tmp_path / "arrays", workers=1).set_index("id")
    assert frame.loc["silent", "reason"] == "silent recording"
    assert pd.isna(frame.loc["laugh"].get("reason"))


def _encode(items: list[Item], folder: Path) -> pd.DataFrame:
    (folder / "arrays").mkdir()
    return encode_corpus(Corpus("x", items), folder / "arrays", workers=1).set_index("id")


def test_what_is_to_be_known_of_a_row_stands_beside_it(tmp_path: Path) -> None:
    tone = 0.5 * np.sin(np.arange(8_000) / 5)
    soundfile.write(tmp_path / "left.wav", np.stack([tone, 0 * tone], axis=1), 16_000)
    soundfile.write(tmp_path / "mono.wav", tone, 16_000)
    items = [
        Item("said", text="I am sad"),
        Item("half", text="so 悲しい and ♪ sad"),
        Item("left", text="[LAUGHTER] Okay #sad", audio=tmp_path / "left.wav"),
        Item("mono", text="😂", audio=tmp_path / "mono.wav"),
    ]
    rows = _encode(items, tmp_path)
    assert rows["reason"].isna().all() and rows["text"]["left"] == "Okay"
    assert rows["text"]["mono"].startswith("[recording ")
    assert rows["note"].dropna().to_dict() == {
        "half": "not spoken: 悲しい ♪",
        "left": "silent channel: 1 of 2 left out",
    }
    assert count_notes(rows["note"].dropna()) == ["1 row: not spoken", "1 row: silent channel"]


def test_the_notes_on_rows_are_counted_in_the_corpus_notes(
    tmp_path: Path, tiny_profile: settings.Profile, paint: Callable[..., Path]
) -> None:
    lines = ["id,text,image"]
    for number in range(3):
        paint(tmp_path / f"{number}.png")
        lines.append(f"{number},word {number} {'♪' * number},{number}.png")
    (tmp_path / "pairs.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    spec = f"pairs:{tmp_path / 'pairs.csv'}"
    run = Run(tiny_profile, spec, "synthetic", "synthetic", 0, tmp_path / "run")
    for _ in range(2):  # whether encoded now or read again
        corpus, _, _ = encode_role(run, "data", workers=1)
        assert "2 rows: not spoken" in corpus.notes


def test_a_file_that_breaks_a_decoder_costs_its_row_only(
    tmp_path: Path, paint: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import ImageFile

    good, bad = paint(tmp_path / "good.png"), paint(tmp_path / "bad.png")
    load = ImageFile.ImageFile.load

    def fail(picture: ImageFile.ImageFile) -> object:
        if "bad" in str(picture.filename):
            raise KeyError("in a decoder")
        return load(picture)

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    rows = _encode(
        [Item("a", text="so sad", image=good), Item("b", text="so", image=bad)], tmp_path
    )
    assert pd.isna(rows["reason"]["a"]) and rows["reason"]["b"] == "truncated or damaged image"


def test_nothing_is_read_from_no_reference(tmp_path: Path) -> None:
    assert len(load_arrays([], tmp_path)) == 0


# --------------------------------------------------------------------------------- arrays in a file
@given(
    arrays=npst.arrays(
        np.uint8, st.tuples(st.integers(1, 4), st.just(128), st.just(128), st.sampled_from([1, 3]))
    ),
    order=st.lists(st.integers(0, 3), min_size=1, max_size=6),
)
@settings_of(max_examples=25, deadline=None)
def test_arrays_come_back_as_they_were(arrays: np.ndarray, order: list[int]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "some.bin"
        references = save_arrays(arrays, path)
        rows = [row % len(arrays) for row in order]
        read = load_arrays([references[row] for row in rows], path.parent)
    np.testing.assert_array_equal(read, arrays[rows])


@pytest.mark.parametrize("damage", [b"", b"\0" * 40, b"x" * 10_000])
def test_a_shard_that_was_damaged_is_named(tmp_path: Path, damage: bytes) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 128, 128, 1), np.uint8)
    references = save_arrays(noise, tmp_path / "some.bin")
    (tmp_path / "some.bin").write_bytes(damage)
    with pytest.raises(ValueError, match="some.bin is damaged: remove it"):
        load_arrays(references[1:], tmp_path)
