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
        "c": "no text or audio: line 5",
        "d": "path outside inner/: line 6",
        "e": "path outside inner/: line 7",
        "f": "missing image: line 8",
        "g": "missing audio: line 9",
        "h": "path outside inner/: line 10",
        "a": "duplicate id: line 11, repeats line 2",
        "row-12": "too many fields: line 12, 5 for 4 columns; a text with ',' in it is written in "
        "quotes",
        "k": "missing image: line 14",
    }


def test_a_label_of_no_class_costs_its_row_and_is_told(tmp_path: Path) -> None:
    corpus = pairs.load(
        _write(tmp_path, "image,text,label", "a.jpg,one,Angry", "b.jpg,two,fear", "b.jpg,so,<b>x")
    )
    assert [item.label for item in corpus.items] == ["anger"]
    assert [reason for _, _, reason in corpus.quarantined] == [
        "label of no class: line 3, 'fear' is none of anger, happy, hate, sad",
        "label of no class: line 4, '<b>x' is none of anger, happy, hate, sad",
    ]
    assert "pairs left out, since their labels are of no class: fear 1, bx 1" in corpus.notes


@pytest.mark.parametrize("labels", [["sad", "", "sad"], ["", "sad", "sad"], ["", "", "sad"]])
def test_rows_without_label_are_set_aside_where_others_have_one(
    tmp_path: Path, labels: list[str]
) -> None:
    rows = [f"a.jpg,words,{label}" for label in labels]
    corpus = pairs.load(_write(tmp_path, "image,text,label", *rows))
    assert [item.line for item in corpus.items] == [n for n, label in enumerate(labels, 2) if label]
    assert [reason for _, _, reason in corpus.quarantined] == [
        f"no label: line {n}" for n, label in enumerate(labels, 2) if not label
    ]


def test_windows_paths_are_read_where_the_file_is_there(tmp_path: Path) -> None:
    (tmp_path / "img").mkdir()
    (tmp_path / "img" / "c.png").touch()
    path = _write(tmp_path, "image,text", r"img\c.png,one", r"C:\me\c.png,two", r"..\c.png,three")
    corpus = pairs.load(path)
    assert [item.image for item in corpus.items] == [tmp_path / "img" / "c.png"]
    assert corpus.notes == ["pairs.csv: backslashes in paths read as slashes in line 2"]
    assert [reason for _, _, reason in corpus.quarantined] == [
        "missing image: line 3, a Windows path: write it relative to the table, with /",
        f"path outside {tmp_path.name}/: line 4",
    ]


def test_a_missing_picture_comes_with_what_can_be_done_about_it(tmp_path: Path) -> None:
    rows = ["https://example.org/a.jpg,one", "b.jpg,two"]
    corpus = pairs.load(_write(tmp_path, "image,text", *rows, "c.jpg,three", "a.jpg,four"))
    assert [reason for _, _, reason in corpus.quarantined][0] == (
        "missing image: line 2, an address: download it, and write its path relative to the table"
    )
    if (tmp_path / "A.JPG").exists():
        pytest.skip("large and small letters do not differ in this file system")
    corpus = pairs.load(_write(tmp_path, "image,text", "a.JPG,one", "A.JPG,two", "a.jpg,three"))
    assert [reason for _, _, reason in corpus.quarantined] == [
        f"missing image: line {n}, a.jpg lies there: here large and small letters differ"
        for n in (2, 3)
    ]


def test_an_over_long_name_costs_its_row(tmp_path: Path) -> None:
    corpus = pairs.load(_write(tmp_path, "image,text", f"{'n' * 5000}.jpg,one", "a.jpg,two"))
    assert [item.text for item in corpus.items] == ["two"]
    assert [reason for _, _, reason in corpus.quarantined] == ["missing image: line 2"]


@pytest.mark.parametrize("header", ["text,label", "image,label", ""])
def test_missing_columns_stop(tmp_path: Path, header: str) -> None:
    with pytest.raises(
        ValueError, match="line [12]: columns .*expected a CSV with the columns image"
    ):
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
    spoken = [" ".join(str(item.text).split()) for item in corpus.items]  # line ends are spaces
    assert spoken == [" ".join(text.split()) for text in texts if text.strip()]
    assert len(corpus.items) + len(corpus.quarantined) == len(texts)
