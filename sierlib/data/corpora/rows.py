"""Tables whose rows are items: what pairs, tweets, recordings and pictures have in common."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from sierlib import settings
from sierlib.data.corpora.items import Corpus, Item, Unusable, find_file, fingerprint, say_where
from sierlib.data.lines import Places
from sierlib.data.tables import Table

FILES = ("image", "audio")

OTHER_LABEL = "label of no class"

#: What cells look like; it tells records from lines of a text.
SHAPES = {
    "image": re.compile(r".*\.\w{2,5}"),
    "audio": re.compile(r".*\.\w{2,5}"),
    "label": re.compile(r"[^\W\d][\w -]{1,20}"),
}


def list_rows(
    spec: str, table: Table, columns: Sequence[str], prefix: str, links: str = "inside"
) -> Corpus:
    """List the items of a table.

    Parameters
    ----------
    spec
        The kind of the data spec.
    table
        The table; paths in it are relative to its folder.
    columns
        Those that are read where they are there, of ``id``, ``text``, ``audio``, ``image``,
        ``label`` (as `settings.relabel` understands it) and ``speaker``.
    prefix
        A row without ``id`` is named ``<prefix>-<line>``.
    links
        See `find_file`.

    Returns
    -------
    Corpus
        One item a record. A record that is torn, lacks a needed cell, its files, its speaker or, in
        a table where others have one, its label is quarantined; so is one with a label of no class
        or an id that was used before. Each reason reads ``<kind>: line <n>``. Notes tell of
        encoding, quotes, other labels and missing classes.
    """
    corpus = Corpus(f"{spec}:{table.path}", [])
    present = [name for name in columns if name in table.columns]
    # Labels are for all rows or for none: the teachers are asked about a corpus as a whole.
    labelled = "label" in present and any(record.cells.get("label") for record in table)
    needed = {name: name.split(" or ") for name in table.needed}
    needed |= {"label": ["label"]} if labelled else {}
    needed |= {"speaker": ["speaker"]} if "speaker" in present else {}
    named = [column for column in FILES if column in present]
    folder = table.path.parent
    lines: dict[str, int] = {}  # on which each id was first used
    others: Counter[str] = Counter()  # labels of no class
    windows = Places()
    files = {table.path}  # a set, since a picture may serve several rows
    for record in table:  # read as a stream, since there may be millions
        cells = {name: record.cells.get(name, "") for name in present}
        name = cells.get("id") or f"{prefix}-{record.line}"
        try:
            if record.fault:
                raise Unusable(record.fault)
            if name in lines:
                raise Unusable(f"duplicate id: repeats line {lines[name]}")
            lines[name] = record.line
            item = _read_item(name, cells, folder, needed, links)
        except Unusable as problem:
            path = cells.get("image") or cells.get("audio") or str(table.path)
            reason = say_where(str(problem), f"line {record.line}")
            corpus.quarantined.append((name, path, reason))
            if reason.startswith(OTHER_LABEL):
                others[re.sub(r"[^\w -]", "", cells["label"])[:20]] += 1
            continue
        item.line = record.line
        corpus.items.append(item)
        if named:
            files |= {path for path in (item.image, item.audio) if path is not None}
            if any("\\" in cells[column] for column in named):
                windows.add(record.line)
    corpus.fingerprint = fingerprint(files)
    corpus.notes += table.notes
    if windows.count:
        corpus.notes.append(f"{table.path.name}: backslashes in paths read as slashes in {windows}")
    if others:
        counts = ", ".join(f"{label} {count}" for label, count in others.most_common(8))
        corpus.notes.append(f"{spec} left out, since their labels are of no class: {counts}")
    if labelled and (missing := corpus.missing_classes()):
        corpus.notes.append(f"no {spec} of {', '.join(missing)}")
    return corpus


def _read_item(
    name: str, cells: dict[str, str], folder: Path, needed: Mapping[str, Sequence[str]], links: str
) -> Item:
    """Return the item of a sound record; raise `Unusable` where it lacks something.

    Of each entry of `needed` one of its columns has to be filled.
    """
    for each, columns in needed.items():
        if not cells.get(columns[0]) and not any(map(cells.get, columns)):
            raise Unusable(f"no {each}")
    label = settings.relabel(cells["label"]) if cells.get("label") else None
    if "label" in needed and label is None:
        classes = ", ".join(settings.CLASSES)
        raise Unusable(f"{OTHER_LABEL}: {cells['label'][:40]!r} is none of {classes}")
    audio = cells.get("audio")
    image = cells.get("image")
    return Item(
        name,
        cells.get("text") or None,
        find_file(folder, audio, "audio", links) if audio else None,
        find_file(folder, image, "image", links) if image else None,
        label=label,
        truth={"speaker": cells["speaker"]} if "speaker" in cells else None,
    )
