"""The Flickr and Instagram adapter."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sierlib.data.corpora import fi

REAL = Path(__file__).parents[4] / "shared" / "real" / "fi"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two empty files in each of the eight folders, and the norms beside them."""
    for emotion in fi.FOLDERS:
        (tmp_path / emotion).mkdir()
        for number in (1, 2):
            (tmp_path / emotion / f"{emotion}_{number:04}.jpg").touch()
    (tmp_path / "norms.csv").touch()
    return tmp_path


def test_the_paper_s_four_folders_are_the_default(root: Path) -> None:
    corpus = fi.load(root)
    assert [(item.id, item.label) for item in corpus.items] == [
        ("anger_0001", "anger"),
        ("anger_0002", "anger"),
        ("disgust_0001", "hate"),
        ("disgust_0002", "hate"),
        ("excitement_0001", "happy"),
        ("excitement_0002", "happy"),
        ("sadness_0001", "sad"),
        ("sadness_0002", "sad"),
    ]
    assert all(item.image and item.image.is_file() for item in corpus.items)
    assert corpus.notes == [
        "8 pictures of other emotions left out: amusement 2, awe 2, contentment 2, fear 2"
    ]


def test_other_positive_folders_can_count_as_happy(root: Path) -> None:
    corpus = fi.load(root, positive="all")
    assert Counter(item.label for item in corpus.items) == {
        "anger": 2,
        "happy": 8,
        "hate": 2,
        "sad": 2,
    }
    assert corpus.notes == ["2 pictures of other emotions left out: fear 2"]
    assert corpus.fingerprint != fi.load(root).fingerprint


def test_other_files_are_quarantined_and_hidden_ones_ignored(root: Path) -> None:
    (root / "anger" / ".DS_Store").touch()
    (root / "anger" / "holiday.jpg").touch()
    (root / "anger" / "anger_0003.txt").touch()
    (root / "anger" / "anger_0004.jpg").mkdir()
    (root / "anger" / "anger_0005.jpg").symlink_to(root / "norms.csv")
    corpus = fi.load(root)
    assert len(corpus.items) == 8
    assert Counter(reason for _, _, reason in corpus.quarantined) == {
        "not a file named anger_<digits>.jpg": 3,
        "path outside anger/: a link; ?links=follow at the end of the data spec follows it": 1,
    }
    followed = fi.load(root, links="follow")
    assert len(followed.items) == 9 and len(followed.quarantined) == 3


def test_a_class_without_pictures_is_noted(root: Path) -> None:
    for path in (root / "disgust").iterdir():
        path.unlink()
    (root / "disgust").rmdir()
    assert "no pictures of hate" in fi.load(root).notes


def test_errors_name_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match="none of the folders .*<emotion>_<digits>.jpg"
    ) as error:
        fi.load(tmp_path / "nowhere")
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="positive='some': expected one of excitement, all"):
        fi.load(tmp_path, positive="some")


@pytest.mark.skipif(not REAL.exists(), reason="the real photographs are not beside the checkout")
def test_real_photographs_all_load() -> None:
    corpus = fi.load(REAL)
    assert not corpus.quarantined
    assert Counter(item.label for item in corpus.items) == {
        "anger": 69,
        "happy": 50,
        "hate": 33,
        "sad": 70,
    }
    assert corpus.notes == [
        "202 pictures of other emotions left out: amusement 33, awe 26, contentment 104, fear 39"
    ]
