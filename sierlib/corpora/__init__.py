"""Where pairs and teacher corpora come from: one adapter for each layout.

`open_corpus` turns a data spec, such as ``synthetic`` or ``bt4sa:PATH``, into a `Corpus`: a list of
items that have been named but not yet read, and those that could already be seen to be unusable.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sierlib import settings


class Unusable(ValueError):
    """An item that cannot be used; the message is the reason that `quarantine.csv` gives."""


@dataclass
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
        What the embedded corpus draws (see `sierlib.corpora.scenes`).
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
        Remarks for the reader, such as classes the corpus lacks or items of other emotions left out.
    """

    spec: str
    items: list[Item]
    quarantined: list[tuple[str, str, str]] = field(default_factory=list)
    fingerprint: str = ""
    notes: list[str] = field(default_factory=list)

    def missing_classes(self) -> list[str]:
        """Classes of which no item carries the label."""
        seen = {item.label for item in self.items}
        return [name for name in settings.CLASSES if name not in seen]


def fingerprint(paths: Iterable[Path]) -> str:
    """Return a hash of the names, sizes and times of files: cheap, and changes when one of them does."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        stat = path.stat()
        digest.update(f"{path}|{stat.st_size}|{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def inside(root: Path, relative: str) -> Path | None:
    """Return ``root / relative`` where that stays below `root`, else None (a row that points outside)."""
    path = (root / relative).resolve()
    return path if path.is_relative_to(root.resolve()) else None


#: Data specs by what they can be used for: pairs (`data`), the speech teacher, the image teacher.
SPECS: dict[str, dict[str, str]] = {
    "data": {"synthetic": "synthetic", "bt4sa": "bt4sa:PATH", "pairs": "pairs:FILE.csv"},
    "ser": {"synthetic": "synthetic", "iemocap": "iemocap:PATH", "tweets": "tweets:FILE.tsv"},
    "ier": {"synthetic": "synthetic", "fi": "fi:PATH"},
}


def resolve_spec(spec: str, role: str) -> str:
    """Check a data spec and make its path absolute, before any work is done.

    Parameters
    ----------
    spec
        Such as ``synthetic`` or ``fi:../fi?positive=all``.
    role
        "data", "ser" or "ier".

    Raises
    ------
    ValueError
        For a spec that does not exist or does not fit the role; the message lists those that do.
    FileNotFoundError
        When nothing is at its path.

    Examples
    --------
    >>> resolve_spec("synthetic", "data")
    'synthetic'
    """
    kind, colon, rest = spec.partition(":")
    known = SPECS[role]
    wants_path = known.get(kind, "").count(":")
    if kind not in known or bool(rest) != bool(wants_path) or bool(colon) != bool(wants_path):
        raise ValueError(f"unknown {role} spec {spec!r}: choose one of {', '.join(known.values())}")
    if not rest:
        return spec
    place, question, options = rest.partition("?")
    path = Path(place).expanduser().resolve()
    if not path.exists():
        raise FileNotFoundError(f"{role}={spec}: there is nothing at {path}; {known[kind]} was expected")
    return f"{kind}:{path}{question}{options}"


def open_corpus(spec: str, role: str, profile: settings.Profile, seed: int) -> Corpus:
    """List the items that a data spec names.

    Parameters
    ----------
    spec, role
        As `resolve_spec` takes them.
    profile, seed
        Sizes and choices of the embedded corpus; real corpora are listed whole.

    Raises
    ------
    FileNotFoundError, ValueError
        When the layout is not what the spec says; one line names the path and what was expected.
    """
    from sierlib.corpora import bt4sa, fi, iemocap, pairs, synthetic, tweets

    kind, _, rest = resolve_spec(spec, role).partition(":")
    place, _, query = rest.partition("?")
    options = dict(part.split("=", 1) for part in query.split("&") if "=" in part)
    if kind == "synthetic":
        made: dict[str, Callable[[], Corpus]] = {
            "data": lambda: synthetic.pairs(profile.pairs, seed),
            "ser": lambda: synthetic.speech_corpus(profile.speech_items, seed),
            "ier": lambda: synthetic.image_corpus(profile.image_items, seed),
        }
        return made[role]()
    load: dict[str, Callable[..., Corpus]] = {
        "bt4sa": bt4sa.load,
        "pairs": pairs.load,
        "tweets": tweets.load,
        "iemocap": iemocap.load,
        "fi": fi.load,
    }
    try:
        return load[kind](Path(place), **options)
    except TypeError as error:
        if not options:
            raise
        raise ValueError(f"{role}={spec}: unknown option; `fi:PATH?positive=all` is the only one there is") from error
