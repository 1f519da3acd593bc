"""Labelled pictures of one's own, for the image teacher."""

from __future__ import annotations

from pathlib import Path

from sierlib.data.corpora.items import Corpus
from sierlib.data.corpora.rows import SHAPES, list_rows
from sierlib.data.tables import Table

COLUMNS = ("image", "label")
LAYOUT = "a CSV with the columns image and label; paths relative to its folder"


def load(file: str | Path, links: str = "inside") -> Corpus:
    """List the pictures of a table with the columns ``image`` and ``label``.

    Parameters
    ----------
    file
        The table.
    links
        "follow" where pictures may be links that lead out of the file's folder.

    Returns
    -------
    Corpus
        One item a row, as `list_rows`, named ``picture-<line>``.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When a column is missing.
    """
    table = Table(Path(file), LAYOUT, COLUMNS, SHAPES)
    return list_rows("pictures", table, COLUMNS, "picture", links)
