"""The B-T4SA adapter."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sierlib.data.corpora import bt4sa

REAL = Path(__file__).parents[4] / "shared" / "real" / "b-t4sa"
TWEETS = [f"78476094376318918{n}" for n in range(6)]


def _row(tweet: str, label: str = "0", n: int = 1) -> str:
    return f"data/{tweet[:5]}/{tweet}-{n}.jpg {label}"


def _build(root: Path, **splits: list[str]) -> Path:
    """Write a folder in the published layout; tweet 0's text holds a line end, tweet 1's id is
    quoted."""
    for split in bt4sa.SPLITS:
        (root / f"b-t4sa_{split}.txt").write_text(
            "".join(f"{row}\n" for row in splits.get(split, []))
        )
    (root / "data" / "78476").mkdir(parents=True, exist_ok=True)
    for tweet in TWEETS:
        (root / "data" / "78476" / f"{tweet}-1.jpg").touch()
    (root / "raw_tweets_text.csv").write_bytes(
        f'id,text\r\n{TWEETS[0]},"two\nlines, ""quoted"""\r\n"{TWEETS[1]}",NA\r\n'
        f"{TWEETS[2]},plain\r\n"
        f"1,not needed\r\n{TWEETS[3]},\r\n{TWEETS[4]},last 😀\r\n".encode()
    )
    return root


def test_rows_of_all_three_files_become_items(tmp_path: Path) -> None:
    root = _build(
        tmp_path,
        train=[_row(TWEETS[0]), _row(TWEETS[1], "1")],
        val=[_row(TWEETS[2], "2")],
        test=[_row(TWEETS[4])],
    )
    corpus = bt4sa.load(root)
    assert [(item.id, item.split, item.sentiment, item.text) for item in corpus.items] == [
        (f"{TWEETS[0]}-1", "train", "negative", 'two\nlines, "quoted"'),
        (f"{TWEETS[1]}-1", "train", "neutral", "NA"),
        (f"{TWEETS[2]}-1", "val", "positive", "plain"),
        (f"{TWEETS[4]}-1", "test", "negative", "last 😀"),
    ]
    assert all(item.label is None and item.image and item.image.is_file() for item in corpus.items)
    assert (
        corpus.spec == f"bt4sa:{root}"
        and corpus.fingerprint
        and corpus.notes
        and not corpus.quarantined
    )


def test_two_pictures_of_a_tweet_share_its_text(tmp_path: Path) -> None:
    root = _build(tmp_path, train=[_row(TWEETS[2]), _row(TWEETS[2], n=2)])
    (root / "data/78476" / f"{TWEETS[2]}-2.jpg").touch()
    assert [item.text for item in bt4sa.load(root).items] == ["plain", "plain"]


def test_dirt_is_quarantined_and_nothing_else_is_lost(tmp_path: Path) -> None:
    good = _row(TWEETS[2])
    train = [
        "data/../../../../etc/hostname 1",
        "/etc/hostname 1",
        "nonsense",
        "data/78476/cat.jpg 1",
        good,
        "",
        good,
    ]
    train += [
        _row(TWEETS[0], "3"),
        _row(TWEETS[0], "x"),
        f"data/78476/{TWEETS[1]}-1.jpg",
        _row("784760000000000000"),
    ]
    corpus = bt4sa.load(
        _build(tmp_path, train=train, test=[good, _row(TWEETS[3]), _row(TWEETS[5])])
    )
    assert [item.id for item in corpus.items] == [f"{TWEETS[2]}-1"]
    assert [(name, reason) for name, _, reason in corpus.quarantined] == [
        ("b-t4sa_train.txt:1", "path outside data/: b-t4sa_train.txt:1"),
        ("b-t4sa_train.txt:2", "path outside data/: b-t4sa_train.txt:2"),
        ("b-t4sa_train.txt:3", "line is not '<path> <label>': b-t4sa_train.txt:3"),
        ("b-t4sa_train.txt:4", "line is not '<path> <label>': b-t4sa_train.txt:4"),
        (f"{TWEETS[2]}-1", "duplicate row: b-t4sa_train.txt:7 repeats b-t4sa_train.txt:5"),
        (f"{TWEETS[0]}-1", "unknown label: b-t4sa_train.txt:8, '3'"),
        (f"{TWEETS[0]}-1", "duplicate row: b-t4sa_train.txt:9 repeats b-t4sa_train.txt:8"),
        ("b-t4sa_train.txt:10", "line is not '<path> <label>': b-t4sa_train.txt:10"),
        ("784760000000000000-1", "missing image: b-t4sa_train.txt:11"),
        (f"{TWEETS[2]}-1", "duplicate row: b-t4sa_test.txt:1 repeats b-t4sa_train.txt:5"),
        (f"{TWEETS[3]}-1", "empty text"),
        (f"{TWEETS[5]}-1", f"no text: tweet {TWEETS[5]} is not in raw_tweets_text.csv"),
    ]


def test_an_unclosed_quote_loses_only_its_own_row(tmp_path: Path) -> None:
    root = _build(tmp_path, train=[_row(tweet) for tweet in TWEETS[2:5]])
    (root / "raw_tweets_text.csv").write_text(
        f'id,text\n{TWEETS[2]},plain\n{TWEETS[3]},"never closed\n{TWEETS[4]},last\n'
        f'9,"{"never closed " * 20_000}\n'
    )
    corpus = bt4sa.load(root)
    assert [item.text for item in corpus.items] == ["plain", '"never closed', "last"]
    told = "\n".join(corpus.notes)
    assert "read as letters in line 3" in told and "texts are lost, in line 5" in told


def test_pictures_behind_links_are_used_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    root = _build(tmp_path / "root", train=[_row(TWEETS[2])])
    picture = root / "data" / "78476" / f"{TWEETS[2]}-1.jpg"
    picture.rename(tmp_path / "elsewhere.jpg")
    picture.symlink_to(tmp_path / "elsewhere.jpg")
    corpus = bt4sa.load(root)
    assert not corpus.items and "?links=follow" in corpus.quarantined[0][2]
    followed = bt4sa.load(root, links="follow")
    assert [item.id for item in followed.items] == [f"{TWEETS[2]}-1"]
    assert followed.fingerprint != corpus.fingerprint


def test_impossible_names_are_quarantined(tmp_path: Path) -> None:
    rows = [
        f"data/78476/{'9' * 400}-1.jpg 1",
        f"data/78\x00476/{TWEETS[0]}-1.jpg 1",
        _row(TWEETS[2]),
    ]
    corpus = bt4sa.load(_build(tmp_path, train=rows))
    assert (len(corpus.items), len(corpus.quarantined)) == (1, 2)


def test_the_pictures_may_lie_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    root = _build(tmp_path / "root", train=[_row(TWEETS[2])])
    (root / "data").rename(tmp_path / "elsewhere")
    (root / "data").symlink_to(tmp_path / "elsewhere")
    assert len(bt4sa.load(root).items) == 1


@pytest.mark.parametrize("missing", ["b-t4sa_val.txt", "raw_tweets_text.csv"])
def test_a_missing_file_is_named_with_the_layout(tmp_path: Path, missing: str) -> None:
    (_build(tmp_path) / missing).unlink()
    with pytest.raises(
        FileNotFoundError, match=f"{missing} is missing: a B-T4SA folder holds b-t4sa_"
    ) as error:
        bt4sa.load(tmp_path)
    assert "\n" not in str(error.value)


@settings(
    max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    rows=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=30),
        max_size=5,
    )
)
def test_no_line_crashes_and_every_row_is_accounted_for(tmp_path: Path, rows: list[str]) -> None:
    _build(tmp_path)
    (tmp_path / "b-t4sa_val.txt").write_text(
        "\n".join(["data/" + row for row in rows]), encoding="utf-8", newline="\n"
    )
    corpus = bt4sa.load(tmp_path)
    assert len(corpus.items) + len(corpus.quarantined) == len(rows)


@pytest.mark.skipif(not REAL.exists(), reason="the real tweets are not beside the checkout")
def test_the_real_sample_adds_up() -> None:
    corpus = bt4sa.load(REAL)
    rows = sum(
        len((REAL / f"b-t4sa_{split}.txt").read_text().splitlines()) for split in bt4sa.SPLITS
    )
    assert len(corpus.items) + len(corpus.quarantined) == rows == 403
    reasons = Counter(reason.split(":")[0] for _, _, reason in corpus.quarantined)
    assert reasons == {"missing image": 3, "path outside data/": 1, "empty text": 3}
    assert Counter(item.split for item in corpus.items) == {"train": 316, "val": 40, "test": 40}
