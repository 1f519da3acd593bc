"""The labelled-tweets adapter."""

from __future__ import annotations

import tracemalloc
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
    assert [reason for _, _, reason in corpus.quarantined] == [
        "label of no class: line 3, 'fear' is none of anger, happy, hate, sad",
        "too few fields: line 4, 1 for 2 columns",
        "too many fields: line 5, 3 for 2 columns",
        "no text: line 6",
    ]
    assert "tweets left out, since their labels are of no class: fear 1" in corpus.notes
    assert "no tweets of happy, hate" in corpus.notes


def test_undecodable_bytes_do_not_stop_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_bytes(b"\xef\xbb\xbftext\tlabel\ncaf\xe9\tjoy\n" + b"\xff\xfe\nlast\tanger\n")
    corpus = tweets.load(path)
    assert [item.id for item in corpus.items] == ["tweet-2", "tweet-4"]
    assert corpus.quarantined[0][0] == "tweet-3"


def test_quoted_line_ends_stay_in_their_tweet(tmp_path: Path) -> None:
    path = _write(tmp_path / "t.tsv", '"first\nsecond"\tanger', '"she said ""no"""\tsad', "x\tjoy")
    corpus = tweets.load(path)
    assert [(item.id, item.text) for item in corpus.items] == [
        ("tweet-2", "first\nsecond"),
        ("tweet-4", 'she said "no"'),
        ("tweet-5", "x"),
    ]
    assert not corpus.quarantined


def test_a_comma_may_part_the_columns(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('label,text\nanger,"no, never"\n')
    assert [item.text for item in tweets.load(tmp_path / "t.csv").items] == ["no, never"]


@pytest.mark.parametrize("header", ["text\temotion", "text;emotion", ""])
def test_a_missing_column_is_named(tmp_path: Path, header: str) -> None:
    path = tmp_path / "t.tsv"
    path.write_text(header + "\n")
    with pytest.raises(
        ValueError, match="t.tsv, line 1: columns .*expected the header text<TAB>label"
    ) as error:
        tweets.load(path)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match="none.tsv is missing: expected the header text<TAB>label"
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


def test_a_row_of_a_long_table_takes_little_memory(tmp_path: Path) -> None:
    count = 20_000
    _write(tmp_path / "t.tsv", *(f"I am sad about number {n}\tsad" for n in range(count)))
    tweets.load(tmp_path / "t.tsv")  # what is made once is made
    tracemalloc.start()
    try:
        corpus = tweets.load(tmp_path / "t.tsv")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(corpus.items) == count
    # A million rows are to stay below half a gigabyte.
    assert peak / count < 500
