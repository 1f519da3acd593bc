"""Labelled tweets, spoken by the text-to-speech voice, for the speech teacher."""

from __future__ import annotations

from pathlib import Path

from sierlib.data.corpora.items import Corpus
from sierlib.data.corpora.rows import SHAPES, list_rows
from sierlib.data.tables import Table

COLUMNS = ("text", "label")
LAYOUT = "the header text<TAB>label, one tweet a line"


def load(file: str | Path) -> Corpus:
    """List the tweets of a table with the columns ``text`` and ``label``.

    Returns
    -------
    Corpus
        One item a row, as `list_rows`, named ``tweet-<line>``. A quote that encloses no whole text
        is a letter like any other: tweets hold stray ones.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When a column is missing.
    """
    return list_rows("tweets", Table(Path(file), LAYOUT, COLUMNS, SHAPES), COLUMNS, "tweet")
