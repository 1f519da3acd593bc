"""Labelled recordings of one's own, for the speech teacher: RAVDESS, CREMA-D, a folder of WAVs."""

from __future__ import annotations

from pathlib import Path

from sierlib.data.corpora.items import Corpus
from sierlib.data.corpora.rows import SHAPES, list_rows
from sierlib.data.tables import Table

COLUMNS = ("audio", "label")
LAYOUT = "a CSV with the columns audio, label and optionally speaker; paths relative to its folder"


def load(file: str | Path, links: str = "inside") -> Corpus:
    """List the recordings of a table with the columns ``audio`` and ``label``.

    Parameters
    ----------
    file
        With a column ``speaker``, every row needs one; no speaker is on two sides of the split.
    links
        "follow" where recordings may be links that lead out of the file's folder.

    Returns
    -------
    Corpus
        One item a row, as `list_rows`, named ``recording-<line>``; ``truth`` holds the speaker.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When a column is missing.
    """
    table = Table(Path(file), LAYOUT, COLUMNS, SHAPES)
    return list_rows("recordings", table, (*COLUMNS, "speaker"), "recording", links)
