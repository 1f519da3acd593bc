"""Labelled tweets, spoken by the text-to-speech voice, for the speech teacher."""

from __future__ import annotations

from pathlib import Path

from sierlib import settings
from sierlib.data.corpora.items import Corpus, Item, fingerprint

COLUMNS = ("text", "label")


def load(file: str | Path) -> Corpus:
    """List the tweets of a tab-separated file with the header ``text<TAB>label``.

    Parameters
    ----------
    file
        UTF-8, one tweet a line. Quotes are text like any other: tweets hold stray ones.

    Returns
    -------
    Corpus
        Items with text and label (`settings.relabel`), named ``tweet-<line>``. Lines without text,
        with too few or too many fields, or with a label of no class are quarantined. Notes say
        which classes have no tweet.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When a column is missing.
    """
    path = Path(file)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: expected a tab-separated file with the header text<TAB>label"
        )
    corpus = Corpus(f"tweets:{path}", [])
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        header = [name.strip() for name in next(lines, "").split("\t")]
        missing = [name for name in COLUMNS if name not in header]
        if missing:
            raise ValueError(
                f"{path}, line 1: no column {' or '.join(missing)} in {header}; expected the "
                "header text<TAB>label"
            )
        for number, line in enumerate(lines, 2):
            if not line.strip():
                continue
            text, emotion, reason = _read_row(header, line)
            if reason:
                quarantined = (f"tweet-{number}", str(path), f"{reason}: line {number}")
                corpus.quarantined.append(quarantined)
            else:
                corpus.items.append(Item(f"tweet-{number}", text=text, label=emotion))
    corpus.fingerprint = fingerprint([path])
    missing_classes = corpus.missing_classes()
    if missing_classes:
        corpus.notes.append(f"no tweets of {', '.join(missing_classes)}")
    return corpus


def _read_row(header: list[str], line: str) -> tuple[str, str | None, str]:
    """Return a tweet's text, its class, and what is wrong or ""."""
    fields = line.split("\t")
    if len(fields) != len(header):
        return "", None, f"expected {len(header)} fields, found {len(fields)}"
    text = fields[header.index("text")].strip()
    label = fields[header.index("label")].strip()
    emotion = settings.relabel(label)
    if emotion is None:
        return text, None, f"label {label!r} belongs to none of {', '.join(settings.CLASSES)}"
    return text, emotion, "" if text else "empty text"
