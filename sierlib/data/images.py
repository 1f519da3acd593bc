"""Photographs: read, check, resize.

A photograph is scaled as a whole to 128x128; nothing is cropped away, since an emotion may sit at
the rim.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from sierlib import settings
from sierlib.data.corpora.items import Unusable

MAX_PIXELS = 50_000_000  # a larger picture is refused before it is decoded


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Scale pictures of 16 or 32 bits a pixel, which Pillow would cut at 255."""
    if not picture.mode.startswith(("I", "F")):
        return picture
    values = np.asarray(picture, dtype=np.float64)
    top = max(1.0, values.max(initial=0))
    if picture.mode.startswith("I") and top > 255:
        top = 65535.0  # a picture of 16 bits, however dark
    return Image.fromarray(np.clip(values / top * 255, 0, 255).astype(np.uint8))


def read_image(path: Path, size: int = settings.SIZE) -> np.ndarray:
    """Read a photograph as the network sees it.

    Parameters
    ----------
    path
        A picture in any format Pillow knows.
    size
        Width and height of the result.

    Returns
    -------
    numpy.ndarray
        uint8 (size, size, 3), upright and in RGB.

    Raises
    ------
    Unusable
        When the file is missing, not an image, truncated or larger than `MAX_PIXELS`.
    """
    if not path.is_file():
        raise Unusable("missing image file")
    if path.stat().st_size == 0:
        raise Unusable("empty image file")
    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise Unusable(
                    f"image of {picture.width}x{picture.height} pixels, at most {MAX_PIXELS:,}"
                )
            picture.load()
            upright = _eight_bits(ImageOps.exif_transpose(picture))
            # Transparent parts are laid on white, as a browser shows them.
            if upright.mode in ("RGBA", "LA", "P", "PA"):
                white = Image.new("RGBA", upright.size, "white")
                upright = Image.alpha_composite(white, upright.convert("RGBA"))
            resized = upright.convert("RGB").resize((size, size), Image.Resampling.LANCZOS)
            return np.asarray(resized)
    except UnidentifiedImageError as error:
        raise Unusable("not an image") from error
    except Image.DecompressionBombError as error:
        raise Unusable(f"image of more than {MAX_PIXELS:,} pixels") from error
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, Unusable):
            raise
        raise Unusable("truncated or damaged image") from error
