"""Flickr and Instagram (FI): photographs sorted into folders by emotion, for the image teacher.

You et al., "Building a Large Scale Dataset for Image Emotion Recognition" (2016).
"""

from __future__ import annotations

import re
from pathlib import Path

from sierlib import settings
from sierlib.data.corpora.items import Corpus, Item, Unusable, find_file, fingerprint

FOLDERS = ("amusement", "anger", "awe", "contentment", "disgust", "excitement", "fear", "sadness")
LAYOUT = f"<emotion>/<emotion>_<digits>.jpg, with emotions {', '.join(FOLDERS)}"

#: The folders that the paper names, and its class for each (Section 3.1).
NAMED = {name: label for name in FOLDERS if (label := settings.relabel(name))}

#: What else counts as happy, by the option's name.
POSITIVE: dict[str, tuple[str, ...]] = {
    "excitement": (),
    "all": ("amusement", "awe", "contentment"),
}


def load(root: str | Path, positive: str = "excitement", links: str = "inside") -> Corpus:
    """List the photographs of an FI folder.

    Parameters
    ----------
    root
        A folder with `LAYOUT`.
    positive
        "excitement" keeps the four folders that the paper names; "all" also takes amusement, awe
        and contentment for happy.
    links
        "follow" where pictures may be links that lead out of their folders.

    Returns
    -------
    Corpus
        Items with image and label; files of another name or type are quarantined. Notes say how
        many pictures of other emotions were left out, and which classes have none.

    Raises
    ------
    FileNotFoundError
        When `root` holds none of the folders that are wanted.
    ValueError
        When `positive` is neither of the two.
    """
    if positive not in POSITIVE:
        raise ValueError(f"positive={positive!r}: expected one of {', '.join(POSITIVE)}")
    root = Path(root)
    classes = NAMED | dict.fromkeys(POSITIVE[positive], "happy")
    if not any((root / emotion).is_dir() for emotion in classes):
        raise FileNotFoundError(
            f"{root} holds none of the folders {', '.join(classes)}: FI's layout is {LAYOUT}"
        )
    corpus = Corpus(f"fi:{root}?positive={positive}", [])
    left_out: dict[str, int] = {}
    files: list[Path] = []
    for emotion in FOLDERS:
        pictures = _list_folder(root / emotion)
        if emotion not in classes:  # counted, so that the reader knows what is not used
            left_out[emotion] = len(pictures)
            continue
        for path in pictures:
            try:
                _check_picture(path, emotion, links)
            except Unusable as problem:
                corpus.quarantined.append((path.stem, str(path), str(problem)))
                continue
            corpus.items.append(Item(path.stem, image=path, label=classes[emotion]))
            files.append(path)
    corpus.fingerprint = fingerprint(files)
    if others := sum(left_out.values()):
        counts = ", ".join(f"{emotion} {n}" for emotion, n in left_out.items() if n)
        corpus.notes.append(f"{others} pictures of other emotions left out: {counts}")
    if missing := corpus.missing_classes():
        corpus.notes.append(f"no pictures of {', '.join(missing)}")
    return corpus


def _list_folder(folder: Path) -> list[Path]:
    # Hidden files are left behind by file managers and were never part of the corpus.
    return sorted(path for path in folder.glob("*") if not path.name.startswith("."))


def _check_picture(path: Path, emotion: str, links: str) -> None:
    """Raise `Unusable` where a file is no picture of an emotion's folder."""
    name = re.compile(rf"{emotion}_\d+\.jpe?g", re.IGNORECASE)
    if not name.fullmatch(path.name) or path.is_dir():
        raise Unusable(f"not a file named {emotion}_<digits>.jpg")
    find_file(path.parent, path.name, "image", links)
