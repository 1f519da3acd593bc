"""Pairs of one's own: a CSV that names a picture and a text or a recording in each row."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from sierlib import settings
from sierlib.data.corpora.items import Corpus, Item, fingerprint, inside

LAYOUT = "a CSV with the columns image, text and/or audio, and optionally id and label; paths relative to its folder"


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
    seen: dict[str, int] = {}
    files = [path]
    with_label = without_label = 0  # the first line of each
    for line, cells in _rows(path):
        name = cells.get("id") or f"row-{line}"
        label = _label(path, line, cells.get("label", ""))
        with_label = with_label or (line if label else 0)
        without_label = without_label or (0 if label else line)
        if with_label and without_label:
            raise ValueError(
                f"{path}, line {without_label}: no label, but line {with_label} has one; "
                "expected a label in every row or in none"
            )
        reason = "duplicate id" if name in seen else _unusable(path.parent, cells)
        if reason:
            where = f"line {line} repeats line {seen[name]}" if name in seen else f"line {line}"
            corpus.quarantined.append((name, cells["image"] or str(path), f"{reason}: {where}"))
        seen.setdefault(name, line)
        if reason:
            continue
        image, audio = (
            path.parent / cells[key] if cells.get(key) else None for key in ("image", "audio")
        )
        corpus.items.append(
            Item(
                name,
                text=cells.get("text") or None,
                audio=audio,
                image=image,
                label=label,
                line=line,
            )
        )
        files += [found for found in (image, audio) if found is not None]
    # A picture may serve several rows.
    corpus.fingerprint = fingerprint(set(files))
    if with_label and (missing := corpus.missing_classes()):
        corpus.notes.append(f"no pairs of {', '.join(missing)}")
    return corpus


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line on which each row starts, and its cells by column; too many of them under "too
    many"."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = csv.reader(file)
        header = [name.strip() for name in next(rows, [])]
        if "image" not in header or not {"text", "audio"} & set(header):
            raise ValueError(f"{path}, line 1: columns {header}; expected {LAYOUT}")
        line = rows.line_num + 1
        for row in rows:
            if any(cell.strip() for cell in row):
                # Spreadsheets drop empty cells at the end of a row.
                cells = [cell.strip() for cell in row] + [""] * (len(header) - len(row))
                excess = f"{len(row)} fields for {len(header)} columns"
                extra = {"too many": excess} if len(row) > len(header) else {}
                yield line, dict(zip(header, cells, strict=False)) | extra
            line = rows.line_num + 1


def _label(path: Path, line: int, given: str) -> str | None:
    if not given:
        return None
    label = settings.relabel(given)
    if label is None:
        raise ValueError(
            f"{path}, line {line}: label {given!r}; expected one of {', '.join(settings.CLASSES)}"
        )
    return label


def _unusable(folder: Path, cells: dict[str, str]) -> str:
    """Return why a row cannot be used, or ""."""
    if "too many" in cells:
        return cells["too many"]
    if not cells["image"]:
        return "no image"
    if not cells.get("text") and not cells.get("audio"):
        return "neither text nor audio"
    for column in ("image", "audio"):
        if relative := cells.get(column):
            try:
                path = inside(folder, relative)
                found = path is not None and path.is_file()
            except (
                OSError,
                ValueError,
            ):  # a name that no file can have: too long, or with a NUL in it
                return f"missing {column}"
            if path is None:
                return f"{column} path outside the CSV's folder"
            if not found:
                return f"missing {column}"
    return ""
