"""The labelled-tweets adapter."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sierlib.data.corpora import tweets

REAL = Path(__file__).parents[4] / "shared" / "real" / "tweets-labelled.tsv"


def _write(path: Path, *lines: str) -> Path:
    path.write_bytes("\r\n".join(["text\tlabel", *lines, ""]).encode())
    return path


def test_labels_map_to_the_four_classes(tmp_path: Path) -> None:
    given = [
        "anger",
        "joy",
        "optimism",
        "sadness",
        "hate",
        "disgust",
        "excitement",
        "happy",
        "sad",
        "Joy",
    ]
    corpus = tweets.load(_write(tmp_path / "t.tsv", *(f"words\t{label}" for label in given)))
    assert [item.label for item in corpus.items] == [
        "anger",
        "happy",
        "happy",
        "sad",
        "hate",
        "hate",
        "happy",
        "happy",
        "sad",
        "happy",
    ]
    assert [item.id for item in corpus.items[:2]] == ["tweet-2", "tweet-3"]
    assert not corpus.quarantined and not corpus.notes and corpus.fingerprint


def test_stray_quotes_stay_in_their_line(tmp_path: Path) -> None:
    corpus = tweets.load(_write(tmp_path / "t.tsv", '"never closed\tanger', 'so "good" 😀\tjoy'))
    assert [item.text for item in corpus.items] == ['"never closed', 'so "good" 😀']


def test_bad_lines_are_quarantined_with_their_number(tmp_path: Path) -> None:
    lines = ["fine\tanger", "what\tfear", "no label", "a\tb\tanger", "  \tsad", "", "last\tsad"]
    corpus = tweets.load(_write(tmp_path / "t.tsv", *lines))
    assert [item.id for item in corpus.items] == ["tweet-2", "tweet-8"]
    assert [name for name, _, _ in corpus.quarantined] == [
        "tweet-3",
        "tweet-4",
        "tweet-5",
        "tweet-6",
    ]
    reasons = [reason for _, _, reason in corpus.quarantined]
    assert "'fear'" in reasons[0] and "line 3" in reasons[0]
    assert (
        reasons[1] == "expected 2 fields, found 1: line 4"
        and reasons[2] == "expected 2 fields, found 3: line 5"
    )
    assert reasons[3] == "empty text: line 6"
    assert corpus.notes == ["no tweets of happy, hate"]


def test_undecodable_bytes_do_not_stop_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_bytes(b"\xef\xbb\xbftext\tlabel\ncaf\xe9\tjoy\n" + b"\xff\xfe\nlast\tanger\n")
    corpus = tweets.load(path)
    assert [item.id for item in corpus.items] == ["tweet-2", "tweet-4"]
    assert corpus.quarantined[0][0] == "tweet-3"


@pytest.mark.parametrize("header", ["text\temotion", "text,label", ""])
def test_a_missing_column_is_named(tmp_path: Path, header: str) -> None:
    path = tmp_path / "t.tsv"
    path.write_text(header + "\n")
    with pytest.raises(
        ValueError, match="t.tsv, line 1: no column .*expected the header text<TAB>label"
    ) as error:
        tweets.load(path)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match="none.tsv is missing: expected a tab-separated file"
    ):
        tweets.load(tmp_path / "none.tsv")


@pytest.mark.skipif(not REAL.exists(), reason="the real tweets are not beside the checkout")
def test_real_tweets_all_load() -> None:
    corpus = tweets.load(REAL)
    assert not corpus.quarantined
    assert Counter(item.label for item in corpus.items) == {
        "anger": 1560,
        "happy": 1127,
        "hate": 1200,
        "sad": 944,
    }
