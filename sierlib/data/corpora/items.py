"""What an adapter gives: items that have been named but not yet read, and those set aside."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sierlib import settings


class Unusable(ValueError):
    """An item that cannot be used; the message is the reason that `quarantine.csv` gives."""


@dataclass(slots=True)  # there may be millions
class Item:
    """One row of a corpus, before anything of it is read.

    Parameters
    ----------
    id
        Unique within the corpus.
    text
        What is spoken, raw, or None where `audio` (or nothing) is given.
    audio
        A recording, instead of spoken text.
    image
        A picture file, or None where the item has no picture or `scene` draws it.
    scene
        What the embedded corpus draws (see `sierlib.data.corpora.embedded.scenes`).
    label
        One of `settings.CLASSES`, or None where teachers are to decide.
    split
        "train", "val" or "test" where the corpus brings its own.
    sentiment
        "negative", "neutral" or "positive" where the corpus knows it.
    seed
        Of the voice's noise, so that an utterance can be spoken again bit by bit.
    truth
        Planted ground truth of the embedded corpus.
    line
        Where the row starts in the corpus's file, from 1; 0 where that says nothing.
    """

    id: str
    text: str | None = None
    audio: Path | None = None
    image: Path | None = None
    scene: dict[str, Any] | None = None
    label: str | None = None
    split: str | None = None
    sentiment: str | None = None
    seed: int = 0
    truth: dict[str, Any] | None = None
    line: int = 0


@dataclass
class Corpus:
    """A corpus that has been listed but not read.

    Parameters
    ----------
    spec
        The data spec that named it.
    items
        Its usable-looking rows.
    quarantined
        Rows that could already be seen to be unusable, each ``(id, path, reason)``.
    fingerprint
        Changes when the files behind the corpus change.
    notes
        Remarks for the reader, such as classes the corpus lacks or items of other emotions left
        out.
    """

    spec: str
    items: list[Item]
    quarantined: list[tuple[str, str, str]] = field(default_factory=list)
    fingerprint: str = ""
    notes: list[str] = field(default_factory=list)

    def missing_classes(self) -> list[str]:
        """Return the classes of which no item carries the label."""
        present = {item.label for item in self.items}
        return [name for name in settings.CLASSES if name not in present]


def fingerprint(paths: Iterable[Path]) -> str:
    """Return a hash of the names, sizes and times of files.

    It is cheap, since nothing is read, and changes when one of the files does.
    """
    digest = hashlib.sha256()
    for path in sorted(paths):
        stat = path.stat()
        digest.update(f"{path}|{stat.st_size}|{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


#: What is done with links that lead out of a corpus's folder: an option of every adapter.
LINKS = ("inside", "follow")


def find_file(root: Path, relative: str, what: str, links: str = "inside") -> Path:
    """Return a file of a corpus, which its row names by a path relative to the folder.

    Parameters
    ----------
    root
        The folder; a row, or a link, that points outside is somebody else's wish, and not followed.
    relative
        The path. Backslashes may stand for slashes, as Windows writes them.
    what
        What the file is, for the reason.
    links
        "follow" where links may lead out of the folder, because the user said so; else "inside".

    Raises
    ------
    Unusable
        When there is no such file, or it lies outside.
    """
    written = relative
    if "\\" in relative and not _is_file(root / relative):
        relative = relative.replace("\\", "/")
    path = Path(os.path.normpath(root / relative))
    outside = f"path outside {root.absolute().name}/"
    if not Path(os.path.abspath(path)).is_relative_to(os.path.abspath(root)):
        raise Unusable(outside)
    if not _is_file(path):
        hint = _advise(path, written)
        raise Unusable(f"missing {what}: {hint}" if hint else f"missing {what}")
    # The path that is read, not the one that was written: "link/../x" leads elsewhere.
    if links == "inside" and not path.resolve().is_relative_to(root.resolve()):
        raise Unusable(f"{outside}: a link; ?links=follow at the end of the data spec follows it")
    return path


def _advise(path: Path, written: str) -> str:
    """Say what to do about a file that is not there, "" where nothing is known."""
    if "\\" in written:
        return "a Windows path: write it relative to the table, with /"
    if "://" in written:
        return "an address: download it, and write its path relative to the table"
    for name in (path.stem + path.suffix.swapcase(), path.name.lower(), path.name.upper()):
        if _is_file(path.parent / name):
            return f"{name} lies there: here large and small letters differ"
    return ""


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have: too long, or with a NUL in it
        return False


def say_where(reason: str, place: str) -> str:
    """Put a row's place into the reason why it cannot be used.

    Examples
    --------
    >>> say_where("missing image", "line 3"), say_where("unknown label: fear", "line 4")
    ('missing image: line 3', 'unknown label: line 4, fear')
    """
    kind, _, detail = reason.partition(": ")
    return f"{kind}: {place}, {detail}" if detail else f"{kind}: {place}"
