"""B-T4SA: tweets, each with a photograph, and the sentiment of the text.

Vadicamo et al., "Cross-Media Learning for Image Sentiment Analysis in the Wild" (2017).
"""

from __future__ import annotations

import re
from pathlib import Path

from sierlib.data.corpora.items import Corpus, Item, Unusable, find_file, fingerprint, say_where
from sierlib.data.lines import Lines, Places
from sierlib.data.tables import Table

SPLITS = ("train", "val", "test")
SENTIMENTS = {"0": "negative", "1": "neutral", "2": "positive"}
TEXTS = "raw_tweets_text.csv"
LAYOUT = (
    f"b-t4sa_{{train,val,test}}.txt, {TEXTS} and "
    "data/<first five digits of tweet id>/<tweet id>-<n>.jpg"
)
MALFORMED = "line is not '<path> <label>'"

# A line that begins with a tweet's id is a row of its own.
_TWEET = re.compile(r"['\"]*\d{9,}['\"]*")
_ROW = re.compile(r"data/(?P<file>.*?(?P<stem>(?P<tweet>\d+)-\d+)\.\w+)")


def load(root: str | Path, links: str = "inside") -> Corpus:
    """List the pairs of a B-T4SA folder.

    The order is that of the three index files. Pictures are not opened.

    Parameters
    ----------
    root
        A folder with `LAYOUT`.
    links
        "follow" where pictures may be links that lead out of ``data/``, which may itself be one.

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
    for split, index in zip(SPLITS, indexes, strict=True):
        lines = Lines(index)
        for line in lines:
            if not line.text.strip():
                continue
            place = f"{index.name}:{line.number}"
            item, tweet, reason = _read_row(root, line.text, split, links)
            reason = line.fault or reason
            if item is None:
                corpus.quarantined.append((place, line.text.strip(), say_where(reason, place)))
                continue
            if item.id in places:
                reason = f"duplicate row: {place} repeats {places[item.id]}"
            elif reason:
                reason = say_where(reason, place)
            places.setdefault(item.id, place)
            if reason:
                corpus.quarantined.append((item.id, str(item.image), reason))
            else:
                corpus.items.append(item)
                tweets[item.id] = tweet
        corpus.notes += lines.notes
    # What is said with them stands in another file, by tweet.
    _add_texts(corpus, tweets, root / TEXTS)
    pictures = [item.image for item in corpus.items if item.image is not None]
    corpus.fingerprint = fingerprint([*indexes, root / TEXTS, *pictures])
    corpus.notes.append(
        "B-T4SA labels sentiment, not emotion: the teachers decide the emotion of every pair"
    )
    return corpus


def _read_row(root: Path, line: str, split: str, links: str) -> tuple[Item | None, str, str]:
    """Return the item of a line, its tweet, and what is wrong or "".

    The item is None where the line names no picture below ``data/``.
    """
    cells = line.rsplit(maxsplit=1)
    if len(cells) != 2:
        return None, "", MALFORMED
    relative, label = cells[0].strip(), cells[1]
    fault = ""
    try:
        if not relative.startswith("data/"):
            raise Unusable("path outside data/")
        # The folder of pictures may itself be a link to another disk, so rows are held against it
        # and not `root`.
        find_file(root / "data", relative.removeprefix("data/"), "image", links)
    except Unusable as problem:
        fault = str(problem)
        if not fault.startswith("missing"):
            return None, "", fault
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
        return item, match["tweet"], f"unknown label: {label[:40]!r}"
    return item, match["tweet"], fault


def _add_texts(corpus: Corpus, tweets: dict[str, str], path: Path) -> None:
    """Give every item its tweet's text, and quarantine those that have none."""
    # The file has millions of rows: they stream by, and only texts that are needed stay.
    needed = set(tweets.values())
    texts: dict[str, str] = {}
    torn = Places()
    table = Table(path, "the columns id and text", ("id", "text"), {"id": _TWEET})
    for record in table:
        if record.fault:
            torn.add(record.line)
            continue
        tweet = record.cells["id"].strip("'\"")
        if tweet in needed:
            texts[tweet] = record.cells["text"]
    corpus.notes += table.notes
    if torn.count:
        corpus.notes.append(f"{path.name}: torn rows, whose texts are lost, in {torn}")
    kept = []
    for item in corpus.items:
        item.text = texts.get(tweets[item.id])
        if item.text:
            kept.append(item)
            continue
        reason = "empty text"
        if item.text is None:
            reason = f"no text: tweet {tweets[item.id]} is not in {path.name}"
        corpus.quarantined.append((item.id, str(item.image), reason))
    corpus.items = kept
