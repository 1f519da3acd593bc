"""Good items, made by the embedded corpus, and what may befall any file."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from sierlib.data import speech
from sierlib.data.corpora.embedded import plans, scenes

_RATE = 16_000


@cache
def _pairs() -> list[Any]:
    return plans.pairs(40, 0, plans.WHOLE).items


def draw_sentence(rng: Generator) -> str:
    """Return a sentence of the embedded corpus."""
    return str(rng.choice([item.text or "" for item in _pairs()]))


def draw_picture(rng: Generator, size: int = 128) -> np.ndarray:
    """Return a picture of the embedded corpus, uint8 (size, size, 3)."""
    return scenes.draw(_pairs()[int(rng.integers(40))].scene or {}, size)


def draw_sound(rng: Generator, rate: int = _RATE) -> np.ndarray:
    """Return a sentence spoken, float32 (samples,), at a rate."""
    sound = _speak(int(rng.integers(4)))
    places = np.arange(0, len(sound), _RATE / rate)
    return np.interp(places, np.arange(len(sound)), sound).astype(np.float32)


@cache
def _speak(number: int) -> np.ndarray:
    return speech.speak(speech.clean_text(_pairs()[number].text or ""))


# ------------------------------------------------------------------------ what befalls any file
def truncate(data: bytes, rng: Generator) -> bytes:
    """Leave off the end, as a broken download does."""
    return data[: int(rng.integers(len(data) + 1))]


def flip_bits(data: bytes, rng: Generator) -> bytes:
    """Turn some bits over: a few, or one in a hundred bytes."""
    array = np.frombuffer(data, np.uint8).copy()
    count = int(rng.choice([1, 3, 10, max(1, len(array) // 100)]))
    # Half of them near the beginning, where headers are.
    ends = rng.choice([min(200, len(array)), len(array)], count)
    array[rng.integers(ends)] ^= (1 << rng.integers(8, size=count)).astype(np.uint8)
    return array.tobytes()


def blank_out(data: bytes, rng: Generator) -> bytes:
    """Set a block to zero, as a bad disk does."""
    start = int(rng.integers(len(data)))
    length = int(rng.integers(1, 4096))
    return data[:start] + bytes(len(data[start : start + length])) + data[start + length :]


def cut_out(data: bytes, rng: Generator) -> bytes:
    """Leave out a block in the middle."""
    start, length = int(rng.integers(len(data))), int(rng.integers(1, 500))
    return data[:start] + data[start + length :]


def repeat_block(data: bytes, rng: Generator) -> bytes:
    """Write a block twice."""
    start, length = int(rng.integers(len(data))), int(rng.integers(1, 500))
    return data[: start + length] + data[start:]


def convert_line_ends(data: bytes, rng: Generator) -> bytes:
    """Put a carriage return before each line feed, as a transfer in text mode does."""
    return data.replace(b"\n", b"\r\n")


def append_rubbish(data: bytes, rng: Generator) -> bytes:
    """Append random bytes."""
    return data + rng.bytes(int(rng.integers(1, 10_000)))


BYTE_DAMAGES: dict[str, Callable[[bytes, Generator], bytes]] = {
    "truncated": truncate,
    "bits flipped": flip_bits,
    "block of zeros": blank_out,
    "block missing": cut_out,
    "block twice": repeat_block,
    "line ends converted": convert_line_ends,
    "rubbish behind": append_rubbish,
}


def make_no_file(path: Path, rng: Generator) -> Path:
    """Put something at a path that is no file with anything in it."""
    kind = rng.choice(["nothing", "folder", "pipe", "empty", "loop", "one byte", "random", "zeros"])
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path)
    elif kind != "nothing":
        length = {"empty": 0, "one byte": 1}.get(str(kind), int(rng.integers(1, 100_000)))
        path.write_bytes(bytes(length) if kind == "zeros" else rng.bytes(length))
    return path
