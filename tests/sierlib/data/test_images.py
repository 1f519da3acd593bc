"""Photographs as people have them: every mode, sideways, broken."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from sierlib.data import images
from sierlib.data.corpora import Unusable

RAMP = np.linspace(0, 255, 128)


def _photograph(kind: str = "JPEG") -> bytes:
    small = np.random.default_rng(1).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(small).resize((80, 60), Image.Resampling.BICUBIC).save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("RGB", "png"),
        ("L", "png"),
        ("1", "png"),
        ("LA", "png"),
        ("RGBA", "png"),
        ("P", "gif"),
        ("CMYK", "jpg"),
        ("YCbCr", "jpg"),
        ("RGB", "webp"),
        ("RGB", "bmp"),
        ("L", "tiff"),
    ],
)
def test_every_mode_becomes_rgb_of_the_same_look(mode: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    picture = Image.fromarray(np.tile(RAMP.astype(np.uint8), (128, 1)))
    picture.convert("RGB").convert(mode).save(
        path, **({"quality": 98} if suffix in ("jpg", "webp") else {})
    )
    found = images.read_image(path)
    assert found.shape == (128, 128, 3) and found.dtype == np.uint8
    columns = found.mean(axis=(0, 2))
    assert (
        np.abs(columns - RAMP).max() < 12
        if mode != "1"
        else columns[:16].mean() < 64 < 192 < columns[-16:].mean()
    )


def test_sixteen_bits_are_scaled_and_not_cut(tmp_path: Path) -> None:
    Image.fromarray(np.tile((RAMP * 257).astype(np.uint16), (128, 1))).save(tmp_path / "a.png")
    found = images.read_image(tmp_path / "a.png").mean(axis=(0, 2))
    assert np.abs(found - RAMP).max() < 2


def _half_clear(kind: str, path: Path) -> None:
    """Write a picture whose left half is of one colour or grey, the right half transparent."""
    picture = Image.new("RGBA", (40, 40), (200, 0, 0, 255))
    picture.paste((0, 90, 0, 0), (20, 0, 40, 40))
    if kind in ("RGBA", "LA", "WEBP", "TIFF"):
        picture.convert("LA" if kind == "LA" else "RGBA").save(path, quality=100, lossless=True)
    elif kind == "P":
        indexed = Image.new("P", (40, 40), 0)
        indexed.putpalette([200, 0, 0, 0, 90, 0])
        indexed.paste(1, (20, 0, 40, 40))
        indexed.save(path, transparency=1)
    elif kind in ("RGB", "L", "1"):
        clear = {"RGB": (0, 90, 0), "L": 53, "1": 0}[kind]
        plain = Image.new(kind, (40, 40), {"RGB": (200, 0, 0), "L": 60, "1": 1}[kind])
        plain.paste(clear, (20, 0, 40, 40))
        plain.save(path, transparency=clear)
    else:
        values = np.full((40, 40), 60 * 257, np.uint16)
        values[:, 20:] = 53 * 257
        Image.fromarray(values).save(path, transparency=53 * 257)


@pytest.mark.parametrize(
    ("kind", "suffix", "left"),
    [
        ("RGBA", "png", (200, 0, 0)),
        ("LA", "png", (60, 60, 60)),
        ("P", "png", (200, 0, 0)),
        ("P", "gif", (200, 0, 0)),
        ("RGB", "png", (200, 0, 0)),
        ("L", "png", (60, 60, 60)),
        ("1", "png", (255, 255, 255)),
        ("I;16", "png", (60, 60, 60)),
        ("WEBP", "webp", (200, 0, 0)),
        ("TIFF", "tiff", (200, 0, 0)),
    ],
)
@pytest.mark.parametrize("orientation", [1, 3])
def test_what_is_transparent_lies_on_white(
    kind: str, suffix: str, left: tuple[int, ...], orientation: int, tmp_path: Path
) -> None:
    path = tmp_path / f"a.{suffix}"
    _half_clear(kind, path)
    if orientation == 3 and suffix == "png":
        exif = Image.Exif()
        exif[0x0112] = orientation
        with Image.open(path) as picture:
            picture.save(path, exif=exif)
    found = images.read_image(path)
    if orientation == 3 and suffix == "png":
        found = found[:, ::-1]
    assert np.abs(found[64, 20].astype(int) - left).max() <= 1
    assert tuple(found[64, 110]) == (255, 255, 255)


def test_a_half_transparent_part_lets_white_through(tmp_path: Path) -> None:
    Image.new("RGBA", (20, 20), (0, 0, 0, 128)).save(tmp_path / "a.png")
    assert images.read_image(tmp_path / "a.png")[9, 9] == pytest.approx([127] * 3, abs=1)


def _exif(orientation: int, damage: bytes) -> bytes:
    """Return EXIF data with an orientation and a ResolutionUnit that is text, not a number."""
    orientation_tag = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    unit_tag = struct.pack(">HHI4s", 0x0128, 2, 4, damage)
    return b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 2) + orientation_tag + unit_tag + bytes(4)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_damaged_exif_data_do_no_harm(suffix: str, tmp_path: Path) -> None:
    wide = Image.new("RGB", (80, 40), "white")
    wide.paste("black", (0, 0, 80, 20))
    wide.save(tmp_path / f"a.{suffix}", exif=_exif(6, b"inch"))
    found = images.read_image(tmp_path / f"a.{suffix}")
    # Turned to the right, what was above is to the right.
    assert found[64, 10].min() > 250 and found[64, 118].max() < 5
    for broken in (b"Exif\0\0MM", b"Exif\0\0II*\0\xff\xff\xff\xff", _exif(6, b"inch")[:-9]):
        wide.save(tmp_path / f"b.{suffix}", exif=broken)
        assert images.read_image(tmp_path / f"b.{suffix}").shape == (128, 128, 3)


def test_what_a_decoder_raises_is_that_files_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.jpg").write_bytes(_photograph())
    for error in (KeyError("x"), RuntimeError(), MemoryError(), ZeroDivisionError()):

        def fail(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(Image.Image, "resize", fail)
        with pytest.raises(Unusable, match="truncated or damaged image"):
            images.read_image(tmp_path / "a.jpg")


def test_of_a_format_that_cannot_be_read_those_are_named_that_can(tmp_path: Path) -> None:
    box = b"\x00\x00\x00\x24ftypheic\x00\x00\x00\x00mif1MiHEheicmiaf" + bytes(300)
    (tmp_path / "IMG_1.HEIC").write_bytes(box)
    with pytest.raises(Unusable, match="^HEIC photograph: JPEG, PNG"):
        images.read_image(tmp_path / "IMG_1.HEIC")
    (tmp_path / "a.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    with pytest.raises(Unusable, match="^not an image: JPEG, PNG"):
        images.read_image(tmp_path / "a.svg")
    # For these Pillow would run a program of somebody else's on a file of somebody else's.
    Image.new("RGB", (9, 9)).save(tmp_path / "a.eps")
    with pytest.raises(Unusable, match="^not an image: "):
        images.read_image(tmp_path / "a.eps")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_turned_upright(orientation: int, tmp_path: Path) -> None:
    upright = Image.new("RGB", (60, 60), "black")
    upright.paste("red", (0, 0, 30, 30))
    upright.paste("lime", (30, 0, 60, 30))
    # What a camera stores for each orientation, so that a viewer shows `upright` (EXIF 2.3, tag
    # 0x0112).
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    found = images.read_image(tmp_path / "a.png")
    assert tuple(found[20, 20]) == (255, 0, 0) and tuple(found[20, 100]) == (0, 255, 0)
    assert found[100:].max() == 0


def test_nothing_is_cropped_and_size_is_free(tmp_path: Path) -> None:
    wide = Image.new("RGB", (300, 40), "black")
    wide.paste("white", (290, 0, 300, 40))
    wide.save(tmp_path / "a.png")
    assert images.read_image(tmp_path / "a.png")[:, 126:].mean() > 200
    assert images.read_image(tmp_path / "a.png", 32).shape == (32, 32, 3)


def test_a_small_picture_is_resized_as_pillow_does(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 256, (77, 200, 3), dtype=np.uint8)
    Image.fromarray(array).save(tmp_path / "a.png")
    wanted = Image.fromarray(array).resize((128, 128), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(images.read_image(tmp_path / "a.png"), np.asarray(wanted))


def test_what_cannot_be_read_says_why(tmp_path: Path, paint: Callable[..., Path]) -> None:
    (tmp_path / "folder.jpg").mkdir()
    contents = {
        "empty.jpg": (b"", "empty image file"),
        "page.jpg": (b"<!doctype html><title>404</title>", "not an image"),
        "cut.jpg": (_photograph()[:700], "truncated or damaged image"),
        "cut.png": (_photograph("PNG")[:900], "truncated or damaged image"),
    }
    for name, (data, reason) in contents.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(Unusable, match=reason):
            images.read_image(tmp_path / name)
    for name in ("gone.jpg", "folder.jpg", "x" * 300 + ".jpg", "a\0.jpg"):
        with pytest.raises(Unusable, match="missing image file"):
            images.read_image(tmp_path / name)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [8_000, 20_000])
def test_a_huge_picture_is_refused_before_it_is_decoded(side: int, tmp_path: Path) -> None:
    Image.new("1", (side, side)).save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 100_000
    with pytest.raises(Unusable, match="^image too large: .*pixels"):
        images.read_image(tmp_path / "bomb.png")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), kind=st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"]))
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_file_gives_a_picture_or_a_reason(
    data: st.DataObject, kind: str, tmp_path: Path
) -> None:
    whole = bytearray(_photograph(kind))
    for place in data.draw(st.lists(st.integers(0, min(400, len(whole) - 1)), max_size=4)):
        whole[place] = data.draw(st.integers(0, 255))
    if data.draw(st.integers(0, 9)) == 0:
        whole = bytearray(data.draw(st.binary(min_size=1, max_size=300)))
    (tmp_path / "a").write_bytes(whole[: data.draw(st.integers(1, len(whole)))])
    try:
        assert images.read_image(tmp_path / "a").shape == (128, 128, 3)
    except Unusable as reason:
        assert str(reason)


@pytest.mark.parametrize("size", [(60_000_000, 1), (1, 60_000_000), (65_536, 2), (2, 65_536)])
def test_a_side_too_long_is_refused_before_it_is_decoded(
    size: tuple[int, int], tmp_path: Path
) -> None:
    Image.new("1", size).save(tmp_path / "a.png")
    with pytest.raises(Unusable, match="^image too large: "):
        images.read_image(tmp_path / "a.png")
    Image.new("1", (65_535, 2)).save(tmp_path / "b.png")
    assert images.read_image(tmp_path / "b.png").max() == 0


def test_a_photograph_that_draws_itself_over_and_over_is_refused(tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.new("RGB", (80, 60)).save(out, "JPEG", progressive=True)
    data = out.getvalue()
    (tmp_path / "a.jpg").write_bytes(data)
    assert images.read_image(tmp_path / "a.jpg").max() == 0
    scan = data[data.rindex(b"\xff\xda") : -2]
    (tmp_path / "a.jpg").write_bytes(data[:-2] + scan * 1000 + b"\xff\xd9")
    with pytest.raises(Unusable, match="^image drawn over and over: JPEG of more than 500 scans"):
        images.read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGB", "RGBA", "I;16", "I", "F"])
def test_in_bands_a_picture_comes_out_the_same(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = Image.open(io.BytesIO(_photograph())).convert("L")
    if mode in ("I;16", "I", "F"):
        # Dark above and bright below: every band has another maximum.
        values = np.asarray(picture).astype(float) * np.linspace(1, 200, 60)[:, None]
        picture = Image.fromarray(values.astype({"F": "f4", "I": "i4"}.get(mode, "u2")))
    else:
        picture = picture.convert("RGB").convert("RGBA" if mode == "LA" else mode).convert(mode)
    picture.save(tmp_path / "a.tiff")
    whole = images.read_image(tmp_path / "a.tiff")
    monkeypatch.setattr(images, "_BAND", 80 * 7)
    assert np.array_equal(images.read_image(tmp_path / "a.tiff"), whole) and whole.std() > 0
