"""Recordings: read, put right, and brought to the voice's loudness.

A channel that is silent or in opposite phase, a constant offset, another full scale and another
loudness are accidents of recording. They are undone, so that a copy of a recording that differs in
nothing else gets the same answer; what was undone is said.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import librosa
import numpy as np

from sierlib import settings
from sierlib.data.corpora.items import Unusable

MAX_SECONDS = 120.0  # longer recordings are refused rather than decoded

#: Root mean square of the loud parts that recordings are brought to: the median of 150 sentences of
#: the embedded corpus, spoken (they lie within 2 dB of each other).
VOICE_LEVEL = 0.0543

_SILENCE = 1e-4  # of full scale, -80 dB: a sound that stays below it is silence
_BLOCK = 4096  # frames read at a time: what a damaged file loses at most before the damage
_UNREADABLE = "unreadable audio file: WAV, FLAC, OGG, Opus, MP3 and AIFF can be read"


class Recording(NamedTuple):
    """A recording: float32 (samples,) at 16 kHz mono, and what to know of it.

    A note reads "<kind>: <how much>", as the reasons of a quarantine do.
    """

    samples: np.ndarray
    notes: list[str]


def read_audio(path: Path) -> np.ndarray:
    """Return the samples of `read_recording`, float32 (samples,): what `log_mel` takes."""
    return read_recording(path).samples


def read_recording(path: Path) -> Recording:
    """Read a recording of any format, rate and channel count that libsndfile knows.

    Its channels become one (silent ones are left out, those in opposite phase are turned), a
    constant offset is removed, and its loudness becomes the voice's.

    Raises
    ------
    Unusable
        When it is missing, unreadable, empty or longer than `MAX_SECONDS`.
    """
    try:
        if not os.path.isfile(path):  # for a name that is too long, too, it says no
            raise Unusable("missing audio file")
        samples, rate, notes = _read_mono(path)
        samples = librosa.resample(samples, orig_sr=rate, target_sr=settings.SAMPLE_RATE)
    except Unusable:
        raise
    except Exception as error:  # decoders raise what they like about a damaged file
        raise Unusable(_UNREADABLE) from error
    gain = _loudness_gain(samples)
    if gain > 20:  # 26 dB: the noise of 16 bits comes up with it
        notes.append(f"very quiet recording: raised by {20 * np.log10(gain):.0f} dB")
    return Recording((samples * gain).astype(np.float32), notes)


def _read_mono(path: Path) -> tuple[np.ndarray, int, list[str]]:
    """Return a file's channels as one, the rate in Hz, and notes."""
    import soundfile

    # Twice: how channels go together is known when all has been seen, and an hour of eight channels
    # would not fit into memory.
    with soundfile.SoundFile(path) as sound:
        seconds = sound.frames / sound.samplerate
        if seconds > MAX_SECONDS:
            raise Unusable(f"recording too long: {seconds:.1f} s, at most {MAX_SECONDS:.0f} s")
        promised = _promised_frames(sound)
        statistics = _Statistics(sound.channels)
        for block in _read_blocks(sound):
            statistics.add(block)
        unfinished = "Last page lacks an end-of-stream bit" in sound.extra_info
    if not statistics.frames or not np.isfinite(statistics.peak):
        raise Unusable("empty or damaged audio file")
    notes = _describe_loss(statistics.frames, promised, unfinished, sound.samplerate)
    weights, means = statistics.mix(notes)
    with soundfile.SoundFile(path) as sound:
        mono = [(block - means) @ weights for block in _read_blocks(sound)]
    samples = np.concatenate(mono)
    if np.abs(samples).max() < _SILENCE:
        samples = np.zeros_like(samples)
    return samples.astype(np.float32), sound.samplerate, notes


def _read_blocks(sound: Any) -> Iterator[np.ndarray]:
    """Yield a file's sound, (frames, channels), until it ends or its decoder gives up."""
    import soundfile

    left = MAX_SECONDS * sound.samplerate  # a header may promise less than there is
    while left > 0:
        try:
            block = sound.read(_BLOCK, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            return
        if not len(block):
            return
        left -= len(block)
        yield block


_LENGTHS = re.compile(r"^ *(?:data|SSND|Data Size) *: (\d+) \(should be (\d+)\)", re.MULTILINE)


def _promised_frames(sound: Any) -> int:
    """Return how many frames a file's header says there are."""
    # Of WAV, AIFF and AU libsndfile believes the file, and says in its log what the header said.
    # What was written to a pipe has no length there, but the largest number.
    log = _LENGTHS.search(sound.extra_info)
    if log is None:
        return int(sound.frames)
    said, there = int(log[1]), int(log[2])
    if there == 0 or said >= 2**31 - 2**16:
        return int(sound.frames)
    return round(sound.frames * said / there)


def _describe_loss(frames: int, promised: int, unfinished: bool, rate: int) -> list[str]:
    """Say how much of a recording is missing; nothing where it is whole."""
    there, whole = frames / rate, promised / rate
    if whole - there > max(0.1, 0.01 * whole):
        return [f"recording cut off: {there:.1f} of {whole:.1f} s are there"]
    if unfinished:
        return [f"recording cut off: its end is missing after {there:.1f} s"]
    return []


class _Statistics:
    """What is to be known of all channels before they become one."""

    def __init__(self, channels: int) -> None:
        self.frames = 0
        self.peak = 0.0
        self.sums = np.zeros(channels)
        self.products = np.zeros((channels, channels))

    def add(self, block: np.ndarray) -> None:
        """Take in (frames, channels)."""
        exact = block.astype(np.float64)
        self.frames += len(block)
        self.peak = float(np.maximum(self.peak, np.abs(exact).max()))  # stays nan once it is
        self.sums += exact.sum(axis=0)
        self.products += exact.T @ exact

    def mix(self, notes: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the weight and the mean of each channel, (channels,); add what that undoes."""
        means = self.sums / self.frames
        covariance = self.products / self.frames - np.outer(means, means)
        power = np.maximum(np.diag(covariance), 0.0)
        loudest = int(power.argmax())
        heard = power > power[loudest] * 1e-5  # 50 dB below the loudest is as good as nothing
        likeness = covariance[loudest] / np.sqrt(np.maximum(power * power[loudest], 1e-300))
        turned = heard & (likeness < -0.5)
        if not heard.any():  # nothing moves at all
            return np.full(len(means), 1 / len(means)), means
        if not heard.all():
            notes.append(f"silent channel: {(~heard).sum()} of {len(heard)} left out")
        if turned.any():
            notes.append(f"channel in opposite phase: {turned.sum()} of {len(heard)} turned")
        if self.peak > 2:
            notes.append(f"beyond full scale: samples reach {self.peak:,.0f} instead of 1, scaled")
        if np.abs(means).max() > 0.05 * self.peak:
            notes.append(f"constant offset: {np.abs(means).max() / self.peak:.0%} of peak, removed")
        return np.where(turned, -1.0, 1.0) * heard / heard.sum(), means


def _loudness_gain(samples: np.ndarray) -> float:
    """Return the factor that brings the loud parts to the voice's level; 1 for silence.

    Loud are the frames of 50 ms within 30 dB of the loudest. No sample comes to lie beyond full
    scale.
    """
    frames = librosa.util.frame(
        np.pad(samples, (0, -len(samples) % settings.HOP)),
        frame_length=settings.HOP,
        hop_length=settings.HOP,
    )
    power = np.mean(frames.astype(np.float64) ** 2, axis=0)
    if not power.max(initial=0):
        return 1.0
    level = np.sqrt(power[power >= power.max() * 1e-3].mean())
    return float(min(VOICE_LEVEL / level, 1 / np.abs(samples).max()))
