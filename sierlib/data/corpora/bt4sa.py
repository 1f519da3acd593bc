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
LAYOUT = f"b-t4sa_{{train,val,test}}.txt, {TEXTS} and data/<first five digits of tweet id>/<tweet id>-<n>.jpg"

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
    corpus = Corpus(f"bt4sa:{root}", [])
    seen: dict[str, str] = {}
    tweets: dict[
        str, str
    ] = {}  # of each item, so that the texts are read once, and only the needed ones kept
    for split, index in zip(SPLITS, indexes, strict=True):
        with index.open(encoding="utf-8-sig", errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                place = f"{index.name}:{number}"
                item, tweet, reason = _row(root, line, split)
                if item is None:
                    corpus.quarantined.append((place, line.strip(), f"{reason}: {place}"))
                elif item.id in seen:
                    reason = f"duplicate row: {place} repeats {seen[item.id]}"
                    corpus.quarantined.append((item.id, str(item.image), reason))
                else:
                    seen[item.id] = place
                    if reason:
                        corpus.quarantined.append((item.id, str(item.image), f"{reason}: {place}"))
                    else:
                        corpus.items.append(item)
                        tweets[item.id] = tweet
    _add_texts(corpus, tweets, root / TEXTS)
    corpus.fingerprint = fingerprint(
        [*indexes, root / TEXTS, *(item.image for item in corpus.items if item.image is not None)]
    )
    corpus.notes.append(
        "B-T4SA labels sentiment, not emotion: the teachers decide the emotion of every pair"
    )
    return corpus


def _row(root: Path, line: str, split: str) -> tuple[Item | None, str, str]:
    """Return the item of a line (None where the line names no picture), its tweet, and what is
    wrong or ""."""
    cells = line.rsplit(maxsplit=1)
    if len(cells) != 2:
        return None, "", "line is not '<path> <label>'"
    relative, label = cells[0].strip(), cells[1]
    try:
        # The folder of pictures may itself be a link to another disk, so rows are held against it
        # and not `root`.
        path = (
            inside(root / "data", relative.removeprefix("data/"))
            if relative.startswith("data/")
            else None
        )
        found = path is not None and path.is_file()
    except (OSError, ValueError):  # a name that no file can have: too long, or with a NUL in it
        return None, "", "line is not '<path> <label>'"
    match = _ROW.fullmatch(relative)
    if path is None:
        return None, "", "path outside data/"
    if match is None:
        return None, "", "line is not '<path> <label>'"
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
    texts = {tweet: text for tweet, text in _texts(path) if tweet in needed}
    kept = []
    for item in corpus.items:
        item.text = texts.get(tweets[item.id])
        if item.text and item.text.strip():
            kept.append(item)
        else:
            reason = (
                f"no text: tweet {tweets[item.id]} is not in {path.name}"
                if item.text is None
                else "empty text"
            )
            corpus.quarantined.append((item.id, str(item.image), reason))
    corpus.items = kept


def _texts(path: Path) -> Iterator[tuple[str, str]]:
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
            except (
                csv.Error
            ):  # a quote never closed: what it swallowed is lost, what follows is not
                continue
            if len(row) == 2:
                yield row[0].strip().strip("'\""), row[1]
