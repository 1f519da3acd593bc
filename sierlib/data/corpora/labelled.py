"""Labelled files of one's own, for the teachers: recordings and pictures, named by a table."""

from __future__ import annotations

from pathlib import Path

from sierlib.data.corpora.items import Corpus
from sierlib.data.corpora.rows import SHAPES, list_rows
from sierlib.data.tables import Table

LAYOUT = "a CSV with the columns {} and label; paths relative to its folder"


def load_recordings(file: str | Path, links: str = "inside") -> Corpus:
    """List the recordings of a table with the columns ``audio`` and ``label``, as `list_rows`.

    With a column ``speaker`` every row needs one; ``truth`` holds it, and no speaker is on two
    sides of the split.
    """
    return _load(file, "recordings", "audio", ["speaker"], links)


def load_pictures(file: str | Path, links: str = "inside") -> Corpus:
    """List the pictures of a table with the columns ``image`` and ``label``, as `list_rows`."""
    return _load(file, "pictures", "image", [], links)


def _load(file: str | Path, spec: str, column: str, others: list[str], links: str) -> Corpus:
    needed = [column, "label"]
    table = Table(Path(file), LAYOUT.format(column), needed, SHAPES)
    return list_rows(spec, table, [*needed, *others], spec.removesuffix("s"), links)
