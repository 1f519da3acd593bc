"""Pairs of one's own: a table that names a picture and a text or a recording in each row."""

from __future__ import annotations

from pathlib import Path

from sierlib.data.corpora.items import Corpus
from sierlib.data.corpora.rows import SHAPES, list_rows
from sierlib.data.tables import Table

COLUMNS = ("id", "image", "text", "audio", "label")
LAYOUT = (
    "a CSV with the columns image, text and/or audio, and optionally id and label; paths relative "
    "to its folder"
)


def load(file: str | Path, links: str = "inside") -> Corpus:
    """List the pairs of a table with a header.

    Parameters
    ----------
    file
        Columns ``image``, ``text`` and/or ``audio``, optionally ``id`` and ``label``.
    links
        "follow" where pictures and recordings may be links that lead out of the file's folder.

    Returns
    -------
    Corpus
        One item a row, as `list_rows`; named by ``id``, or ``row-<line>``.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When a column is missing.
    """
    table = Table(Path(file), LAYOUT, ["image", "text or audio"], SHAPES)
    return list_rows("pairs", table, COLUMNS, "row", links)
