"""What pages show of real corpora: no user names, links or long numbers, and no photographs.

Tweets and photographs belong to those who made them, and a page may be published. So the one is
masked, and of the other a mosaic is shown, unless the environment variable `SIER_SHOW` asks for
more. The embedded corpus is nobody's and shown as it is.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sierlib.data.speech import Word

#: What `SIER_SHOW` may ask for, several joined by commas.
CHOICES = ("names", "photographs")

SQUARES = 8  # of a mosaic, on each side: too few to know a face by

_LINK = re.compile(r"\b(?:https?://|www\.)\S+|\b(?:[a-z0-9-]+\.)+[a-z]{2,}/\S+", re.IGNORECASE)
_NAME = re.compile(r"(?:[\w.+-]+)?[@＠]\w+(?:[.-]\w+)*")  # an address of mail as well
_NUMBER = re.compile(r"\d(?:[ .-]?\d){7,}")  # of a tweet, a user, a telephone


def read_wishes() -> set[str]:
    """Return which of `CHOICES` the reader asks for.

    Raises
    ------
    ValueError
        When `SIER_SHOW` asks for something else.
    """
    wishes = set(filter(None, os.environ.get("SIER_SHOW", "").split(",")))
    if not wishes <= set(CHOICES):
        raise ValueError(
            f"SIER_SHOW={os.environ['SIER_SHOW']}: one of {', '.join(CHOICES)} was expected, or "
            "both joined by a comma"
        )
    return wishes


def mask_text(text: str) -> str:
    """Mask what tells whose a tweet is; as many words stay as there were.

    Examples
    --------
    >>> mask_text("@ann_b so sad, see https://t.co/x or call 0151 2345678")
    '@user so sad, see link or call #### #######'
    """
    if "names" in read_wishes():
        return text
    text = _NAME.sub("@user", _LINK.sub("link", text))
    return _NUMBER.sub(lambda number: re.sub(r"\d", "#", number[0]), text)


def mask_words(words: Sequence[Word]) -> list[Word]:
    """Mask words as `mask_text` does their sentence; their times stay."""
    masked = mask_text(" ".join(word.text for word in words)).split(" ")
    return [replace(word, text=text) for word, text in zip(words, masked, strict=True)]


def mask_id(name: str) -> str:
    """Return a row's id, or what stands for it where it is a tweet's or names a user.

    Examples
    --------
    >>> mask_id("pair-000012"), mask_id("768096868485769216-1")
    ('pair-000012', 'row-9da95c1b')
    """
    if mask_text(name) == name:
        return name
    return f"row-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def show_picture(picture: np.ndarray, photograph: bool) -> np.ndarray:
    """Return what may be shown of a picture: itself if it was drawn, of a photograph a mosaic.

    Parameters
    ----------
    picture
        (side, side, 3), the side a multiple of `SQUARES`.
    photograph
        Whether it is somebody's.
    """
    if not photograph or "photographs" in read_wishes():
        return picture
    step = len(picture) // SQUARES
    means = picture.reshape(SQUARES, step, SQUARES, step, 3).mean(axis=(1, 3))
    return means.astype(picture.dtype).repeat(step, axis=0).repeat(step, axis=1)


def describe_rule(spec: str) -> str:
    """Say what pages show of the corpus that a data spec names."""
    if spec == "synthetic":
        return "All of the corpus is shown: it was made for this book and is nobody's."
    wishes = read_wishes()
    said = {
        "names": ("masked", "shown, as SIER_SHOW asks"),
        "photographs": ("shown as mosaics", "shown, as SIER_SHOW asks"),
    }
    names, photographs = (texts[name in wishes] for name, texts in said.items())
    advice = ": keep this build to yourself" if wishes else ""
    return (
        f"User names, links and long numbers of this corpus are {names}, photographs are "
        f"{photographs}{advice}."
    )
