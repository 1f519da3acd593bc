"""Photographs: read, check, resize.

A photograph is scaled as a whole to 128x128; nothing is cropped away, since an emotion may sit at
the rim.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from sierlib import settings
from sierlib.data.corpora.items import Unusable

MAX_PIXELS = 50_000_000  # a larger picture is refused before it is decoded
MAX_SIDE = 65_535  # as in JPEG: scaling needs memory for every pixel of a side
MAX_SCANS = 500  # of a JPEG, which may draw itself over and over; what programs write has some ten
_SCAN = b"\xff\xda"  # the marker that each begins with; pixels never look so
_BAND = 4_000_000  # pixels that are made RGB at a time

#: What is read. Pillow knows more, and runs other programs for some of it (Ghostscript for EPS).
FORMATS = (
    *("JPEG", "PNG", "GIF", "WEBP", "AVIF", "TIFF", "BMP", "DIB", "JPEG2000"),
    *("PPM", "TGA", "PCX", "ICO"),
)
#: What a refusal says can be read.
READABLE = "JPEG, PNG, GIF, WebP, AVIF, TIFF, BMP and some others can be read"

# How to turn what a camera has stored, by EXIF orientation (EXIF 2.3, tag 0x0112).
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_image(path: Path, size: int = settings.SIZE) -> np.ndarray:
    """Read a photograph as the network sees it.

    Parameters
    ----------
    path
        A picture in one of `FORMATS`.
    size
        Width and height of the result.

    Returns
    -------
    numpy.ndarray
        uint8 (size, size, 3), upright and in RGB; what is transparent lies on white. Of a picture
        that moves it is the first frame.

    Raises
    ------
    Unusable
        When the file is missing, not an image, truncated or larger than `MAX_PIXELS` or `MAX_SIDE`.
    """
    try:
        if not os.path.isfile(path):  # for a name that is too long, too, it says no
            raise Unusable("missing image file")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what is odd in a file and does no harm
            return _read_pixels(path, size)
    except Unusable:
        raise
    except PermissionError as error:
        raise Unusable("image file that may not be read") from error
    except UnidentifiedImageError as error:
        raise Unusable(f"not an image: {READABLE}") from error
    except Image.DecompressionBombError as error:
        raise Unusable(f"image too large: more than {MAX_PIXELS:,} pixels") from error
    except Exception as error:  # decoders raise what they like about a damaged file
        raise Unusable("truncated or damaged image") from error


def _read_pixels(path: Path, size: int) -> np.ndarray:
    with open(path, "rb") as file:
        head = file.read(40)
    if not head:
        raise Unusable("empty image file")
    if head[4:8] == b"ftyp" and b"hei" in head:  # as telephones keep photographs
        raise Unusable(f"HEIC photograph: {READABLE}")
    with Image.open(path, formats=FORMATS) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise Unusable(
                f"image too large: {picture.width}x{picture.height} pixels, at most {MAX_PIXELS:,}"
            )
        if max(picture.size) > MAX_SIDE:
            raise Unusable(
                f"image too large: {picture.width}x{picture.height} pixels, "
                f"at most {MAX_SIDE:,} a side"
            )
        if picture.format in ("JPEG", "MPO") and Path(path).read_bytes().count(_SCAN) > MAX_SCANS:
            raise Unusable(f"image drawn over and over: JPEG of more than {MAX_SCANS} scans")
        picture.load()
        small = _flatten(picture).resize((size, size), Image.Resampling.LANCZOS)
        turn = _TURNS.get(_orientation(picture))
        return np.asarray(small if turn is None else small.transpose(turn))


def _orientation(picture: Image.Image) -> int:
    """Return what the EXIF data say of how the camera was held.

    Nothing else of them is read: a photograph is none the worse for a damaged date.
    """
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged beyond reading: as it lies in the file
        return 1


def _flatten(picture: Image.Image) -> Image.Image:
    """Return a picture in RGB; transparent parts are laid on white, as a browser shows them."""
    brightest = 0.0
    if picture.mode.startswith(("I", "F")):
        brightest = float(np.asarray(picture).max(initial=0))
    # In bands: on the way to RGB a pixel takes several times its place.
    flat = Image.new("RGB", picture.size)
    rows = max(1, _BAND // max(1, picture.width))
    for top in range(0, picture.height, rows):
        box = (0, top, picture.width, min(top + rows, picture.height))
        flat.paste(_flatten_band(picture.crop(box), brightest), box)
    return flat


def _flatten_band(picture: Image.Image, brightest: float) -> Image.Image:
    if picture.mode.startswith(("I", "F")):
        return _eight_bits(picture, brightest).convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    # Of a pixel, of a palette's entry, of a colour: every kind of transparency becomes one.
    layer = picture.convert("RGBA")
    ground = Image.new("RGB", layer.size, "white")
    ground.paste(layer, mask=layer.getchannel("A"))
    return ground


def _eight_bits(picture: Image.Image, brightest: float) -> Image.Image:
    """Scale pictures of 16 or 32 bits a pixel, which Pillow would cut at 255."""
    values = np.asarray(picture).astype(np.float32)
    clear = picture.info.get("transparency")  # the grey that is transparent
    top = max(1.0, brightest)
    if picture.mode.startswith("I") and top > 255:
        top = 65535.0  # a picture of 16 bits, however dark
    scaled = np.clip(values * np.float32(255 / top), 0, 255).astype(np.uint8)
    if isinstance(clear, int):
        scaled[values == clear] = 255
    return Image.fromarray(scaled)
