"""Pairs of one's own: a CSV that names a picture and a text or a recording in each row."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from sierlib import settings
from sierlib.data.corpora.items import Corpus, Item, fingerprint, inside

LAYOUT = (
    "a CSV with the columns image, text and/or audio, and optionally id and label; paths relative "
    "to its folder"
)


def load(file: str | Path) -> Corpus:
    """List the pairs of a CSV.

    Parameters
    ----------
    file
        UTF-8, with a header: ``image``, ``text`` and/or ``audio``, optionally ``id`` and ``label``.
        Paths are relative to the file's folder and stay inside it. Labels are what
        `settings.relabel` understands.

    Returns
    -------
    Corpus
        One item a row, named by ``id``, or ``row-<line>`` where that is empty or has no column.
        Rows without picture, without text and recording, with files that are missing or outside the
        folder, with an id that was used before or with too many fields are quarantined.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When a column is missing, a label is unknown, or some rows have a label and some do not.
    """
    path = Path(file)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: expected {LAYOUT}")
    corpus = Corpus(f"pairs:{path}", [])
    lines: dict[str, int] = {}  # on which each id was first used
    files = {path}  # a set, since a picture may serve several rows
    with_label = without_label = 0  # the first line of each
    for line, cells in _read_rows(path):
        name = cells.get("id") or f"row-{line}"
        label = _read_label(path, line, cells.get("label", ""))
        # Labels are for all rows or for none: the teachers are asked about a corpus as a whole.
        with_label = with_label or (line if label else 0)
        without_label = without_label or (0 if label else line)
        if with_label and without_label:
            raise ValueError(
                f"{path}, line {without_label}: no label, but line {with_label} has one; "
                "expected a label in every row or in none"
            )
        # A row is used when nothing is wrong with it and its id is new.
        reason = _find_fault(path.parent, cells)
        place = f"line {line}"
        if name in lines:
            reason, place = "duplicate id", f"line {line} repeats line {lines[name]}"
        lines.setdefault(name, line)
        if reason:
            corpus.quarantined.append((name, cells["image"] or str(path), f"{reason}: {place}"))
            continue
        image = path.parent / cells["image"]
        audio = path.parent / cells["audio"] if cells.get("audio") else None
        text = cells.get("text") or None
        corpus.items.append(Item(name, text, audio, image, label=label, line=line))
        files |= {image} if audio is None else {image, audio}
    corpus.fingerprint = fingerprint(files)
    if with_label and (missing := corpus.missing_classes()):
        corpus.notes.append(f"no pairs of {', '.join(missing)}")
    return corpus


def _read_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line on which each row starts, and its cells by column.

    Where a row has more fields than there are columns, "too many" says so.
    """
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = csv.reader(file)
        header = [name.strip() for name in next(rows, [])]
        if "image" not in header or not {"text", "audio"} & set(header):
            raise ValueError(f"{path}, line 1: columns {header}; expected {LAYOUT}")
        line = rows.line_num + 1
        for row in rows:
            values = [cell.strip() for cell in row]
            if any(values):
                # Spreadsheets drop empty cells at the end of a row.
                values += [""] * (len(header) - len(row))
                cells = dict(zip(header, values, strict=False))
                if len(row) > len(header):
                    cells["too many"] = f"{len(row)} fields for {len(header)} columns"
                yield line, cells
            line = rows.line_num + 1


def _read_label(path: Path, line: int, text: str) -> str | None:
    if not text:
        return None
    label = settings.relabel(text)
    if label is None:
        raise ValueError(
            f"{path}, line {line}: label {text!r}; expected one of {', '.join(settings.CLASSES)}"
        )
    return label


def _find_fault(folder: Path, cells: dict[str, str]) -> str:
    """Return why a row cannot be used, or ""."""
    if "too many" in cells:
        return cells["too many"]
    if not cells["image"]:
        return "no image"
    if not cells.get("text") and not cells.get("audio"):
        return "neither text nor audio"
    for column in ("image", "audio"):
        if not cells.get(column):
            continue
        try:
            path = inside(folder, cells[column])
            found = path is not None and path.is_file()
        except (OSError, ValueError):
            return f"missing {column}"  # no file can have that name: too long, or with a NUL in it
        if path is None:
            return f"{column} path outside the CSV's folder"
        if not found:
            return f"missing {column}"
    return ""
