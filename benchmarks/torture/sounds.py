"""Recordings at every rate, length, channel count and sample format, damaged or odd."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from numpy.random import Generator

from benchmarks.torture import good
from sierlib.data.corpora.items import Item

RATES = (8000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000)
#: Every format that libsndfile writes, with one or two of its sample formats.
FORMATS = (
    *(("WAV", each) for each in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE",
                                 "ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM", "GSM610", "G721_32")),
    ("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"), ("AIFF", "PCM_16"), ("AIFF", "PCM_S8"), ("AIFF", "FLOAT"),
    ("AU", "PCM_16"), ("CAF", "ALAC_16"), ("W64", "PCM_16"), ("RF64", "PCM_24"), ("VOC", "PCM_16"),
    ("NIST", "PCM_16"), ("PAF", "PCM_16"), ("IRCAM", "PCM_16"), ("MAT5", "DOUBLE"),
    ("WAVEX", "PCM_16"), ("SDS", "PCM_16"), ("XI", "DPCM_16"), ("HTK", "PCM_16"),
)  # fmt: skip
COMMON = (
    ("WAV", "PCM_16"),
    ("WAV", "FLOAT"),
    ("WAV", "IMA_ADPCM"),
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
    ("AIFF", "PCM_16"),
)

Maker = Callable[[Path, Generator], Path]


def _write(
    path: Path, sound: np.ndarray, rate: int, form: tuple[str, str] = ("WAV", "PCM_16")
) -> Path:
    """Write sound in a format, with fewer channels or another rate where it takes no others."""
    path = path.with_suffix("." + form[0].lower())
    mono = sound if sound.ndim == 1 else sound[:, 0]
    for samples, hertz in ((sound, rate), (mono, rate), (mono, 48_000), (mono, 8000)):
        try:
            soundfile.write(path, samples, hertz, format=form[0], subtype=form[1])
            return path
        except (soundfile.LibsndfileError, TypeError, ValueError):
            continue
    return path


def _channels(sound: np.ndarray, rng: Generator, count: int) -> np.ndarray:
    gains = rng.choice([1.0, 0.5, 0.0, -1.0, 1e-4], count)
    return (sound[:, None] * gains).astype(np.float32)


def write_rate(path: Path, rng: Generator, rate: int) -> Path:
    sound = _channels(good.draw_sound(rng, rate), rng, int(rng.integers(1, 9)))
    return _write(path, sound, rate, COMMON[int(rng.integers(len(COMMON)))])


def write_format(path: Path, rng: Generator, form: tuple[str, str]) -> Path:
    rate = int(rng.choice(RATES))
    sound = _channels(good.draw_sound(rng, rate), rng, int(rng.choice([1, 2, 8])))
    return _write(path, sound, rate, form)


def write_damaged(path: Path, rng: Generator, form: tuple[str, str], damage: str) -> Path:
    path = _write(path, good.draw_sound(rng), 16_000, form)
    path.write_bytes(good.BYTE_DAMAGES[damage](path.read_bytes(), rng))
    return path


def write_length(path: Path, rng: Generator, samples: int) -> Path:
    """A sound of a length, in any sample format of WAV, or FLAC."""
    rate = int(rng.choice([8000, 16_000]))
    sound = np.resize(good.draw_sound(rng, rate), samples)
    return _write(path, sound, rate, FORMATS[int(rng.integers(14))])


def write_seconds(path: Path, rng: Generator, seconds: float) -> Path:
    """A long sound of any rate and channel count; the file has holes, and is silent."""
    rate, channels = int(rng.choice(RATES)), int(rng.integers(1, 9))
    length = min(int(seconds * rate) * channels * 2, 2**32 - 100)
    path = path.with_suffix(".wav")
    with path.open("wb") as file:
        file.write(_header(rate, channels, length))
        if rng.random() < 0.5:
            file.write((good.draw_sound(rng) * 32767).astype("<i2").tobytes())
        file.truncate(44 + length)
    return path


def write_loud_hour(path: Path, rng: Generator) -> Path:
    """Just what is allowed, of noise in eight channels at 192 kHz, or an hour in a small file."""
    if rng.random() < 0.5:
        return _write(path, np.zeros(3600 * 8000, np.int16), 8000, ("FLAC", "PCM_16"))
    noise = rng.integers(-9000, 9000, (192_000 * 8,), dtype=np.int16).tobytes()
    path = path.with_suffix(".wav")
    with path.open("wb") as file:
        file.write(_header(192_000, 8, len(noise) * 119))
        for _ in range(119):
            file.write(noise)
    return path


def write_odd_values(path: Path, rng: Generator) -> Path:
    """Floating-point samples that are no numbers, beyond full scale or next to nothing."""
    sound = good.draw_sound(rng).astype(np.float64)
    some = rng.random(len(sound)) < rng.choice([1e-4, 0.5, 1.0])
    sound[some] = rng.choice([np.nan, np.inf, -np.inf, 1e30, 1e300, 1e-40, 32767.0, -1.0])
    kind = str(rng.choice(["FLOAT", "DOUBLE"]))
    return _write(path, sound, 16_000, (str(rng.choice(["WAV", "AIFF", "AU", "CAF"])), kind))


def write_scaled(path: Path, rng: Generator) -> Path:
    """Any level, constant offset and number of equal or opposite channels."""
    sound = _channels(good.draw_sound(rng), rng, int(rng.integers(1, 9)))
    sound = sound * 10 ** rng.uniform(-6, 6) + rng.choice([0, 0.01, 0.5, -3])
    return _write(path, sound, 16_000, ("WAV", "FLOAT"))


def write_silent(path: Path, rng: Generator) -> Path:
    level = float(rng.choice([0, 1e-6, 1e-4, 1e-3]))
    sound = rng.normal(0, 1, (16_000 * int(rng.integers(1, 5)), int(rng.integers(1, 3)))) * level
    return _write(path, sound, 16_000, ("WAV", str(rng.choice(["PCM_16", "FLOAT"]))))


def _header(rate: int, channels: int, length: int, bits: int = 16, tag: int = 1) -> bytes:
    align = channels * bits // 8 % 2**16
    fields = (16, tag, channels, rate, rate * align % 2**32, align, bits)
    return (
        b"RIFF" + struct.pack("<I", min(36 + length, 2**32 - 1)) + b"WAVEfmt "
        + struct.pack("<IHHIIHH", *fields) + b"data" + struct.pack("<I", length)
    )  # fmt: skip


def write_wrong_header(path: Path, rng: Generator) -> Path:
    """A WAV whose header says other sizes, rates or channels than there are."""
    body = (good.draw_sound(rng) * 32767).astype("<i2").tobytes()
    length = int(rng.choice([0, 1, len(body), len(body) * 2, 2**31 - 1, 2**32 - 1]))
    rate = int(rng.choice([0, 1, 7, 16_000, 1_000_000, 2**31 - 1, 2**32 - 1]))
    channels = int(rng.choice([0, 1, 3, 8, 255, 1024, 65_535]))
    bits, tag = int(rng.choice([0, 1, 7, 16, 24, 64])), int(rng.choice([0, 1, 3, 17, 85, 65_534]))
    data = io.BytesIO(_header(16_000, 1, len(body)) + body).getvalue()
    field = int(rng.integers(6))  # one wrong thing, or all
    if field == 0:
        data = _header(rate, 1, len(body)) + body
    elif field == 1:
        data = _header(16_000, channels, len(body)) + body
    elif field == 2:
        data = _header(16_000, 1, length) + body
    elif field == 3:
        data = _header(16_000, 1, len(body), bits, tag) + body
    elif field == 4:
        data = _header(rate, channels, length, bits, tag) + body
    else:
        data = data[:12] + b"JUNK" + struct.pack("<I", length) + data[12:]
    path = path.with_suffix(".wav")
    path.write_bytes(data)
    return path


def write_other_file(path: Path, rng: Generator) -> Path:
    texts = [
        b"<html>404</html>",
        b"RIFF",
        b"fLaC",
        b"OggS",
        b"ID3\x04" + b"\x7f" * 9,
        bytes(44),
        b"\0\0\0\x20ftypM4A " + bytes(99),
        b"\x1aE\xdf\xa3" + bytes(99),
        b"#!AMR\n" + bytes(99),
        b"version https://git-lfs.github.com/spec/v1\n",
    ]
    path = path.with_suffix("." + str(rng.choice(["wav", "mp3", "m4a", "raw", "flac"])))
    path.write_bytes(texts[int(rng.integers(len(texts)))])
    return path


MAKERS: dict[str, Maker] = {
    **{f"{rate} Hz": partial(write_rate, rate=rate) for rate in RATES},
    **{f"{form[0]} {form[1]}": partial(write_format, form=form) for form in FORMATS},
    **{
        f"{form[0]} {form[1]}, {damage}": partial(write_damaged, form=form, damage=damage)
        for form in COMMON
        for damage in good.BYTE_DAMAGES
    },
    **{f"{n} samples": partial(write_length, samples=n) for n in (0, 1, 2, 10, 100, 799, 1000)},
    **{f"{s} s": partial(write_seconds, seconds=s) for s in (1, 60, 119.9, 120, 120.1, 600, 3600)},
    "all that is allowed, or an hour": write_loud_hour,
    "no numbers": write_odd_values,
    "no numbers, others": write_odd_values,
    "level, offset, phase": write_scaled,
    "level, offset, phase, others": write_scaled,
    "silent": write_silent,
    **{f"wrong header, {number}": write_wrong_header for number in range(6)},
    "another file": write_other_file,
    "no file": good.make_no_file,
}


def make_item(name: str, folder: Path, rng: Generator) -> Item:
    """Make one case: an item whose recording is damaged, sometimes with a transcript."""
    text = good.draw_sentence(rng) if rng.random() < 0.3 else None
    return Item("case", text, audio=MAKERS[name](folder / "case", rng))
