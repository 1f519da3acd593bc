"""What pages show of real corpora: no user names, links or long numbers, and no photographs.

Tweets and photographs belong to those who made them, and a page may be published. So the one is
masked, and of the other a mosaic is shown, unless the environment variable `SIER_SHOW` asks for
more. The embedded corpus is nobody's and shown as it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sierlib.keys import digest

if TYPE_CHECKING:
    from sierlib.data.speech import Word

#: What `SIER_SHOW` may ask for, several joined by commas.
CHOICES = ("names", "photographs")

SQUARES = 8  # of a mosaic, on each side: too few to know a face by

_LINK = re.compile(r"\b(?:https?://|www\.)\S+|\b(?:[a-z0-9-]+\.)+[a-z]{2,}/\S+", re.IGNORECASE)
_NAME = re.compile(r"(?:[\w.+-]+)?[@＠]\w+(?:[.-]\w+)*")  # an address of mail as well
_NUMBER = re.compile(r"\d(?:[ .-]?\d){7,}")  # of a tweet, a user, a telephone


def is_wished(choice: str) -> bool:
    """Tell whether the reader asks for one of `CHOICES`."""
    return choice in os.environ.get("SIER_SHOW", "").split(",")


def mask_text(text: str) -> str:
    """Mask what tells whose a tweet is; as many words stay as there were.

    Examples
    --------
    >>> mask_text("@ann_b so sad, see https://t.co/x or call 0151 2345678")
    '@user so sad, see link or call #### #######'
    """
    if is_wished("names"):
        return text
    text = _NAME.sub("@user", _LINK.sub("link", text))
    return _NUMBER.sub(lambda number: re.sub(r"\d", "#", number[0]), text)


def mask_words(words: Sequence[Word]) -> list[Word]:
    """Mask words as `mask_text` does their sentence; their times stay."""
    masked = mask_text(" ".join(word.text for word in words)).split(" ")
    return [replace(word, text=text) for word, text in zip(words, masked, strict=False)]


def mask_id(name: str) -> str:
    """Return a row's id, or what stands for it where it is a tweet's or names a user.

    Examples
    --------
    >>> mask_id("pair-000012"), mask_id("768096868485769216-1")
    ('pair-000012', 'row-20f0f36b8443')
    """
    if mask_text(name) == name:
        return name
    return f"row-{digest(name)}"


def show_picture(picture: np.ndarray, photograph: bool) -> np.ndarray:
    """Return what may be shown of a picture: itself if it was drawn, of a photograph a mosaic of
    single pixels.

    Parameters
    ----------
    picture
        (side, side, 3), the side a multiple of `SQUARES`.
    photograph
        Whether it is somebody's.
    """
    if not photograph or is_wished("photographs"):
        return picture
    step = len(picture) // SQUARES
    middles = picture[step // 2 :: step, step // 2 :: step]
    return middles.repeat(step, 0).repeat(step, 1)
