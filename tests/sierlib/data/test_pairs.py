"""The adapter for pairs of one's own."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sierlib.data.corpora import pairs


def _write(folder: Path, header: str, *rows: str) -> Path:
    for name in ("a.jpg", "b.jpg", "a.wav"):
        (folder / name).touch()
    (folder / "pairs.csv").write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    return folder / "pairs.csv"


def test_rows_become_items(tmp_path: Path) -> None:
    corpus = pairs.load(
        _write(
            tmp_path,
            "id,image,text,audio,label",
            'x,a.jpg,"one, two",,anger',
            ",b.jpg,,a.wav,Excitement",
            "z,a.jpg,both,a.wav,disgust",
            "w,a.jpg,last,,sad",
        )
    )
    assert [item.id for item in corpus.items] == ["x", "row-3", "z", "w"]
    assert [item.label for item in corpus.items] == ["anger", "happy", "hate", "sad"]
    assert [item.text for item in corpus.items] == ["one, two", None, "both", "last"]
    assert corpus.items[1].audio == tmp_path / "a.wav" and corpus.items[0].audio is None
    assert corpus.items[0].image == tmp_path / "a.jpg"
    assert not corpus.quarantined and not corpus.notes and corpus.fingerprint


def test_labels_are_optional(tmp_path: Path) -> None:
    corpus = pairs.load(_write(tmp_path, "image,text", "a.jpg,one", "b.jpg,two"))
    assert [item.label for item in corpus.items] == [None, None]
    assert not corpus.notes


def test_missing_classes_are_noted(tmp_path: Path) -> None:
    assert pairs.load(_write(tmp_path, "image,text,label", "a.jpg,one,sad")).notes == [
        "no pairs of anger, happy, hate"
    ]


def test_bad_rows_are_quarantined(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    path = _write(
        tmp_path / "inner",
        "id,image,text,audio",
        "a,a.jpg,fine,",
        'b,,"two\nlines",',
        "c,a.jpg,,",
        "d,../pairs.csv,out,",
        "e,/etc/hostname,out,",
        "f,none.jpg,gone,",
        "g,a.jpg,,none.wav",
        "h,a.jpg,,../x.wav",
        "a,b.jpg,again,",
        "i,a.jpg,one,,many",
        "j,a.jpg,short",
        "k,a.jpg\x00,nul,",
    )
    corpus = pairs.load(path)
    assert [item.id for item in corpus.items] == ["a", "j"]
    assert {name: reason for name, _, reason in corpus.quarantined} == {
        "b": "no image: line 3",
        "c": "neither text nor audio: line 5",
        "d": "image path outside the CSV's folder: line 6",
        "e": "image path outside the CSV's folder: line 7",
        "f": "missing image: line 8",
        "g": "missing audio: line 9",
        "h": "audio path outside the CSV's folder: line 10",
        "a": "duplicate id: line 11 repeats line 2",
        "i": "5 fields for 4 columns: line 12",
        "k": "missing image: line 14",
    }


def test_an_unknown_label_stops(tmp_path: Path) -> None:
    path = _write(tmp_path, "image,text,label", "a.jpg,one,sad", "b.jpg,two,fear")
    with pytest.raises(
        ValueError, match="line 3: label 'fear'; expected one of anger, happy, hate, sad"
    ) as error:
        pairs.load(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(("labels", "line"), [(["sad", "", "sad"], 3), (["", "", "sad"], 2)])
def test_some_rows_without_label_stop(tmp_path: Path, labels: list[str], line: int) -> None:
    path = _write(tmp_path, "image,text,label", *(f"a.jpg,words,{label}" for label in labels))
    with pytest.raises(ValueError, match=f"line {line}: no label, but line"):
        pairs.load(path)


@pytest.mark.parametrize("header", ["text,label", "image,label", ""])
def test_missing_columns_stop(tmp_path: Path, header: str) -> None:
    with pytest.raises(ValueError, match="line 1: columns .*expected a CSV with the columns image"):
        pairs.load(_write(tmp_path, header, "a,b"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match="none.csv is missing: expected a CSV with the columns image"
    ):
        pairs.load(tmp_path / "none.csv")


@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=20), max_size=6))
def test_any_text_survives_quoting(tmp_path: Path, texts: list[str]) -> None:
    path = _write(tmp_path, "image,text")
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("image", "text"))
        rows.writerows(("a.jpg", text) for text in texts)
    corpus = pairs.load(path)
    assert [item.text for item in corpus.items] == [text.strip() for text in texts if text.strip()]
    assert len(corpus.items) + len(corpus.quarantined) == len(texts)
