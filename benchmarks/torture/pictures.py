"""Pictures in every format that Pillow writes, damaged, and pictures made to do harm."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageCms, PngImagePlugin, TiffImagePlugin, TiffTags

from benchmarks.torture import good
from sierlib.data.corpora.items import Item

Image.init()
FORMATS = sorted(Image.SAVE)
COMMON = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "TIFF", "BMP", "JPEG2000", "PPM", "TGA", "PCX")
MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB",
         "HSV", "I", "F", "I;16", "I;16B", "I;16L")  # fmt: skip
SUFFIX = {"JPEG": "jpg", "JPEG2000": "jp2", "TIFF": "tif"}

Maker = Callable[[Path, Generator], Path]


def _in_mode(rng: Generator, mode: str, size: int = 128) -> Image.Image:
    picture = Image.fromarray(good.draw_picture(rng, size))
    if mode.startswith("I;16"):
        grey = np.asarray(picture.convert("L")).astype(np.uint16) * 257
        return Image.frombytes(mode, picture.size, grey.astype(">u2" if "B" in mode else "<u2"))
    for steps in ((), ("L",), ("RGBA",), ("LA",)):  # not every mode leads to every other
        converted = picture
        try:
            for step in (*steps, mode):
                converted = converted.convert(step)
            return converted
        except ValueError:
            continue
    return picture


def _save(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """Write a picture in a format, in the nearest mode that the format takes."""
    for mode in (picture.mode, "RGB", "RGBA", "L", "P", "1", "F"):
        out = io.BytesIO()
        try:
            picture.convert(mode).save(out, kind, **options)
            return out.getvalue()
        except (OSError, ValueError, KeyError, AttributeError, SystemError):
            continue
    return kind.encode()  # formats that Pillow only passes on: a file that is none


def _place(path: Path, kind: str, data: bytes) -> Path:
    path = path.with_suffix("." + SUFFIX.get(kind, kind.lower()))
    path.write_bytes(data)
    return path


def write_format(path: Path, rng: Generator, kind: str) -> Path:
    return _place(path, kind, _save(_in_mode(rng, str(rng.choice(MODES))), kind))


def write_damaged(path: Path, rng: Generator, kind: str, damage: str) -> Path:
    data = _save(_in_mode(rng, str(rng.choice(["RGB", "L", "P", "RGBA"]))), kind)
    return _place(path, kind, good.BYTE_DAMAGES[damage](data, rng))


def write_mode(path: Path, rng: Generator, mode: str) -> Path:
    kind = str(rng.choice(["TIFF", "PNG", "WEBP", "GIF", "PPM", "JPEG"]))
    return _place(path, kind, _save(_in_mode(rng, mode), kind))


def write_wrong_suffix(path: Path, rng: Generator) -> Path:
    data = _save(_in_mode(rng, "RGB"), str(rng.choice(COMMON)))
    return _place(path, str(rng.choice(["jpg", "png", "txt", "heic", "JPG ", "svg"])), data)


def write_other_file(path: Path, rng: Generator) -> Path:
    texts = [
        b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        b"%PDF-1.4\n", b"PK\x03\x04" + bytes(100), b"GIF89a", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n",
        b"\x00\x00\x00\x18ftypheic" + bytes(50), b"RIFF\x10\x00\x00\x00WEBPVP8 ", b"II*\x00",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) print\n", b"BM", b"P6\n",
    ]  # fmt: skip
    return _place(path, "jpg", texts[int(rng.integers(len(texts)))])


def write_turned(path: Path, rng: Generator) -> Path:
    """EXIF data that say how the camera was held, in values that are and are not defined."""
    entries, kinds = TiffImagePlugin.ImageFileDirectory_v2(), ["JPEG", "PNG", "WEBP"]
    if rng.random() < 0.8:
        entries[0x0112] = int(rng.integers(0, 20))
        kinds.append("TIFF")
    else:  # a text where a number belongs, which Pillow does not write into a TIFF
        entries.tagtype[0x0112] = TiffTags.ASCII
        entries[0x0112] = "sideways"
    entries[0x010E] = "a photograph " * int(rng.integers(1, 4000))
    exif = (b"Exif\0\0II*\0" + struct.pack("<I", 8) + entries.tobytes(8))[:65_000]
    kind = str(rng.choice(kinds))
    return _place(path, kind, _save(_in_mode(rng, "RGB"), kind, exif=exif))


def write_bad_exif(path: Path, rng: Generator) -> Path:
    """EXIF data that are damaged: entries of unknown types, offsets that lead nowhere or back."""
    entries = b""
    count = int(rng.integers(1, 30))
    for _ in range(count):
        tag = int(
            rng.choice([0x0112, 0x8769, 0x8825, 0x010F, 0x0132, 0x927C, int(rng.integers(65536))])
        )
        entries += struct.pack("<HHII", tag, rng.integers(0, 16), *rng.integers(0, 2**32, 2))
    data = b"Exif\0\0II*\0" + struct.pack("<IH", 8, count) + entries + struct.pack("<I", 8)
    if rng.random() < 0.3:
        data = b"Exif\0\0" + rng.bytes(int(rng.integers(1, 5000)))
    kind = str(rng.choice(["JPEG", "PNG", "WEBP"]))
    return _place(path, kind, _save(_in_mode(rng, "RGB"), kind, exif=data))


def write_odd_profile(path: Path, rng: Generator) -> Path:
    """A colour profile: a true one, a damaged one, rubbish."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = [profile, good.flip_bits(profile, rng), rng.bytes(3000)][int(rng.integers(3))]
    kind = str(rng.choice(["JPEG", "PNG", "WEBP", "TIFF"]))
    return _place(path, kind, _save(_in_mode(rng, "RGB"), kind, icc_profile=profile))


def write_animation(path: Path, rng: Generator) -> Path:
    kind = str(rng.choice(["GIF", "WEBP", "PNG", "TIFF", "AVIF"]))
    count = int(rng.choice([2, 10, 200]))
    first = Image.fromarray(good.draw_picture(rng, 32))
    others = [first.rotate(angle) for angle in np.linspace(0, 359, count)]
    data = _save(first, kind, save_all=True, append_images=others, duration=20, loop=0)
    if rng.random() < 0.5:
        data = good.BYTE_DAMAGES[str(rng.choice(list(good.BYTE_DAMAGES)))](data, rng)
    return _place(path, kind, data)


def write_transparent(path: Path, rng: Generator) -> Path:
    kind = str(rng.choice(["PNG", "GIF", "WEBP", "TIFF", "ICO"]))
    mode = str(rng.choice(["P", "L", "RGB", "LA", "RGBA", "1"]))
    picture = _in_mode(rng, mode)
    clear: Any = (255, 255, 255) if mode == "RGB" else int(rng.integers(256))
    if mode == "P" and rng.random() < 0.5:
        clear = rng.bytes(int(rng.integers(1, 256)))
    return _place(path, kind, _save(picture, kind, transparency=clear))


# --------------------------------------------------------------------------- made to do harm
def _png(width: int, height: int, depth: int, colour: int, data: bytes, *more: bytes) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + checksum

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = b"".join(chunk(each[:4], each[4:]) for each in more)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IDAT", data)
            + chunk(b"IEND", b""))  # fmt: skip


def _zeros(length: int) -> bytes:
    packer = zlib.compressobj(1)
    parts = [packer.compress(bytes(1 << 20)) for _ in range(length >> 20)]
    return b"".join(parts) + packer.compress(bytes(length % (1 << 20))) + packer.flush()


#: Depth, colour type and channels of PNG.
PNG_KINDS = {"1 bit": (1, 0, 1), "grey": (8, 0, 1), "grey 16": (16, 0, 1), "colour": (8, 2, 3),
             "colour 16": (16, 2, 3), "transparent": (8, 6, 4), "transparent 16": (16, 6, 4),
             "grey and alpha": (8, 4, 2), "grey 16 and alpha": (16, 4, 2)}  # fmt: skip


def write_bomb(path: Path, rng: Generator, kind: str) -> Path:
    """A small file of many pixels, as many as are allowed or more."""
    depth, colour, channels = PNG_KINDS[kind]
    width, height = [
        (7071, 7071), (50_000_000, 1), (1, 50_000_000), (7072, 7072), (30_000, 30_000),
        (2**31 - 1, 2**31 - 1), (0, 5),
    ][int(rng.integers(7))]  # fmt: skip
    size = height * ((width * depth * channels + 7) // 8 + 1)
    return _place(path, "PNG", _png(width, height, depth, colour, _zeros(min(size, 450_000_000))))


def write_large(path: Path, rng: Generator) -> Path:
    """A large photograph in formats that compress well, in the modes that take most memory."""
    side = int(rng.choice([4000, 7000, 7071]))
    kind, mode = [
        ("JPEG", "RGB"), ("JPEG", "CMYK"), ("WEBP", "RGBA"), ("TIFF", "F"), ("TIFF", "I"),
        ("TIFF", "I;16"), ("GIF", "P"), ("TIFF", "RGBA"), ("TIFF", "LAB"), ("BMP", "1"),
    ][int(rng.integers(10))]  # fmt: skip
    picture = Image.new(mode, (side, side))
    options: dict[str, Any] = {"compression": "tiff_lzw"} if kind == "TIFF" and mode != "1" else {}
    if kind == "WEBP":
        options = {"method": 0}
    return _place(path, kind, _save(picture, kind, **options))


def write_huge_header(path: Path, rng: Generator) -> Path:
    """A file whose header promises a size that nobody has."""
    w, h = (int(rng.choice([0, 1, 20_000, 32_767, 65_535])) for _ in range(2))
    big = int(rng.choice([0, 50_000, 2**31 - 1]))
    jpeg = _save(_in_mode(rng, "RGB"), "JPEG")
    frame = jpeg.index(b"\xff\xc0") + 5
    bmp = _save(_in_mode(rng, "RGB"), "BMP")
    files = {
        "GIF": b"GIF89a" + struct.pack("<HH", w, h) + b"\x80\0\0" + bytes(6) + b",\0\0\0\0"
        + struct.pack("<HH", w, h) + b"\0\x02\x02\x4c\x01\0;",
        "JPEG": jpeg[:frame] + struct.pack(">HH", h, w) + jpeg[frame + 4 :],
        "BMP": bmp[:18] + struct.pack("<ii", big, -w if w else big) + bmp[26:],
        "PPM": f"P6\n{big} {h}\n255\n".encode() + bytes(1000),
        "PGM": f"P5\n{w} {h}\n{'9' * int(rng.integers(1, 30))}\n".encode() + bytes(1000),
        "TGA": b"\0\0\x0a" + bytes(9) + struct.pack("<HH", w, h) + b"\x20\x08" + b"\xff" * 999,
        "PCX": b"\x0a\x05\x01\x08" + struct.pack("<HHHH", 0, 0, w, h) + bytes(200),
        "ICO": b"\0\0\x01\0" + struct.pack("<H", 500) + bytes(16 * 500),
        "WEBP": b"RIFF" + struct.pack("<I", 99) + b"WEBPVP8X" + struct.pack("<II", 10, 0)
        + b"\xff" * 6 + bytes(80),
    }  # fmt: skip
    kind = str(rng.choice(list(files)))
    return _place(path, kind, files[kind])


def write_many_notes(path: Path, rng: Generator) -> Path:
    """A PNG whose remarks unpack to hundreds of megabytes, or are many."""
    notes = PngImagePlugin.PngInfo()
    if rng.random() < 0.5:
        notes.add_text("Comment", "0" * 60_000_000, zip=True)
    else:
        for number in range(20_000):
            notes.add_text(f"key {number}", "x" * 20)
    return _place(path, "PNG", _save(_in_mode(rng, "RGB"), "PNG", pnginfo=notes))


def write_many_scans(path: Path, rng: Generator) -> Path:
    """A progressive JPEG that draws the same scan a thousand times over a large picture."""
    side = int(rng.choice([500, 4000]))
    data = _save(Image.new("RGB", (side, side)), "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    return _place(path, "JPEG", data[:-2] + data[start:-2] * 1000 + b"\xff\xd9")


def _pillow_damages() -> dict[str, Maker]:
    makers: dict[str, Maker] = {f"{f}": partial(write_format, kind=f) for f in FORMATS}
    makers |= {f"mode {mode}": partial(write_mode, mode=mode) for mode in MODES}
    for kind in COMMON:
        for damage in good.BYTE_DAMAGES:
            makers[f"{kind}, {damage}"] = partial(write_damaged, kind=kind, damage=damage)
    return makers


MAKERS: dict[str, Maker] = {
    **_pillow_damages(),
    **{f"bomb, {kind}": partial(write_bomb, kind=kind) for kind in PNG_KINDS},
    "wrong suffix": write_wrong_suffix,
    "another file": write_other_file,
    "no file": good.make_no_file,
    "EXIF, turned": write_turned,
    "EXIF, damaged": write_bad_exif,
    "EXIF, damaged again": write_bad_exif,
    "colour profile": write_odd_profile,
    "animation": write_animation,
    "animation, another": write_animation,
    "transparency": write_transparent,
    "large": write_large,
    "large, another": write_large,
    "huge header": write_huge_header,
    "huge header, another": write_huge_header,
    "remarks": write_many_notes,
    "scans": write_many_scans,
}


def make_item(name: str, folder: Path, rng: Generator) -> Item:
    """Make one case: an item whose picture is damaged."""
    return Item("case", image=MAKERS[name](folder / "case", rng))
