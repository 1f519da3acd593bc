"""B-T4SA: tweets, each with a photograph, and the sentiment of the text.

Vadicamo et al., "Cross-Media Learning for Image Sentiment Analysis in the Wild" (2017).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from sierlib.data.corpora.items import Corpus, Item, fingerprint, inside

SPLITS = ("train", "val", "test")
SENTIMENTS = {"0": "negative", "1": "neutral", "2": "positive"}
TEXTS = "raw_tweets_text.csv"
LAYOUT = (
    f"b-t4sa_{{train,val,test}}.txt, {TEXTS} and "
    "data/<first five digits of tweet id>/<tweet id>-<n>.jpg"
)
MALFORMED = "line is not '<path> <label>'"

_ROW = re.compile(r"data/(?P<file>.*?(?P<stem>(?P<tweet>\d+)-\d+)\.\w+)")


def load(root: str | Path) -> Corpus:
    """List the pairs of a B-T4SA folder.

    The order is that of the three index files. Pictures are not opened.

    Parameters
    ----------
    root
        A folder with `LAYOUT`.

    Returns
    -------
    Corpus
        Items with text, image, split and sentiment; they have no label. Their id is the picture's
        file stem. Rows that are malformed, listed twice, point outside ``data/``, or lack their
        picture or text are quarantined.

    Raises
    ------
    FileNotFoundError
        When an index file, the texts or the folder of pictures is missing.
    ValueError
        When the file of texts has other columns.
    """
    root = Path(root)
    indexes = [root / f"b-t4sa_{split}.txt" for split in SPLITS]
    for needed in (*indexes, root / TEXTS, root / "data"):
        if not needed.exists():
            raise FileNotFoundError(f"{needed} is missing: a B-T4SA folder holds {LAYOUT}")
    # The index files say which pictures there are, and which split each belongs to.
    corpus = Corpus(f"bt4sa:{root}", [])
    places: dict[str, str] = {}  # where each item was first listed
    tweets: dict[str, str] = {}  # of each item: the millions of texts are read once, for these only
    for place, line, split in _index_lines(indexes):
        item, tweet, reason = _read_row(root, line, split)
        if item is None:
            corpus.quarantined.append((place, line.strip(), f"{reason}: {place}"))
            continue
        if item.id in places:
            reason = f"duplicate row: {place} repeats {places[item.id]}"
        elif reason:
            reason = f"{reason}: {place}"
        places.setdefault(item.id, place)
        if reason:
            corpus.quarantined.append((item.id, str(item.image), reason))
        else:
            corpus.items.append(item)
            tweets[item.id] = tweet
    # What is said with them stands in another file, by tweet.
    _add_texts(corpus, tweets, root / TEXTS)
    pictures = [item.image for item in corpus.items if item.image is not None]
    corpus.fingerprint = fingerprint([*indexes, root / TEXTS, *pictures])
    corpus.notes.append(
        "B-T4SA labels sentiment, not emotion: the teachers decide the emotion of every pair"
    )
    return corpus


def _index_lines(indexes: list[Path]) -> Iterator[tuple[str, str, str]]:
    """Yield the lines of the index files that are not blank: place, line and split."""
    for split, index in zip(SPLITS, indexes, strict=True):
        with index.open(encoding="utf-8-sig", errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield f"{index.name}:{number}", line, split


def _read_row(root: Path, line: str, split: str) -> tuple[Item | None, str, str]:
    """Return the item of a line, its tweet, and what is wrong or "".

    The item is None where the line names no picture.
    """
    cells = line.rsplit(maxsplit=1)
    if len(cells) != 2:
        return None, "", MALFORMED
    relative, label = cells[0].strip(), cells[1]
    path, found = None, False
    try:
        if relative.startswith("data/"):
            # The folder of pictures may itself be a link to another disk, so rows are held against
            # it and not `root`.
            path = inside(root / "data", relative.removeprefix("data/"))
            found = path is not None and path.is_file()
    except (OSError, ValueError):  # a name that no file can have: too long, or with a NUL in it
        return None, "", MALFORMED
    if path is None:
        return None, "", "path outside data/"
    match = _ROW.fullmatch(relative)
    if match is None:
        return None, "", MALFORMED
    item = Item(
        match["stem"],
        image=root / "data" / match["file"],
        split=split,
        sentiment=SENTIMENTS.get(label),
    )
    if item.sentiment is None:
        return item, match["tweet"], f"label {label!r} is not one of {', '.join(SENTIMENTS)}"
    return item, match["tweet"], "" if found else "missing image"


def _add_texts(corpus: Corpus, tweets: dict[str, str], path: Path) -> None:
    """Give every item its tweet's text, and quarantine those that have none."""
    needed = set(tweets.values())
    texts = {tweet: text for tweet, text in _read_texts(path) if tweet in needed}
    kept = []
    for item in corpus.items:
        item.text = texts.get(tweets[item.id])
        if item.text and item.text.strip():
            kept.append(item)
            continue
        reason = "empty text"
        if item.text is None:
            reason = f"no text: tweet {tweets[item.id]} is not in {path.name}"
        corpus.quarantined.append((item.id, str(item.image), reason))
    corpus.items = kept


def _read_texts(path: Path) -> Iterator[tuple[str, str]]:
    """Yield tweet id and text, row by row: the file has millions, and texts hold line ends."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = csv.reader(file)
        header = [name.strip() for name in next(rows, [])]
        if header != ["id", "text"]:
            raise ValueError(f"{path}, line 1: columns {header}; expected id, text")
        while True:
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error:
                continue  # a quote never closed: what it swallowed is lost, what follows is not
            if len(row) == 2:
                yield row[0].strip().strip("'\""), row[1]
