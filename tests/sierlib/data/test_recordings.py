"""Recordings as people have them: any format, badly plugged, too quiet, cut off, no recording."""

from __future__ import annotations

import io
import resource
import struct
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sierlib.data import speech
from sierlib.data.corpora import Unusable
from sierlib.data.speech import recordings
from sierlib.settings import FLOOR_DB, SAMPLE_RATE


@pytest.fixture(scope="module")
def spoken() -> np.ndarray:
    return speech.speak("I am so angry about the broken window, and nobody came.")


def _tone(hertz: float, seconds: float, rate: int = SAMPLE_RATE, level: float = 1.0) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(
        np.float32
    )


def _read(path: Path, sound: np.ndarray, subtype: str = "PCM_24") -> recordings.Recording:
    soundfile.write(path, sound, SAMPLE_RATE, subtype)
    return speech.read_recording(path)


def _decibels_apart(first: np.ndarray, second: np.ndarray) -> float:
    """Return the largest difference of two sounds' log-mels, in decibels."""
    difference = np.abs(speech.log_mel(first) - speech.log_mel(second))
    return float(difference.max()) * -FLOOR_DB


@pytest.mark.parametrize(
    ("suffix", "rate", "channels"),
    [("wav", 44_100, 2), ("flac", 8_000, 1), ("ogg", 48_000, 2), ("wav", 192_000, 8)],
)
def test_recordings_of_any_rate_become_16_khz_mono(
    suffix: str, rate: int, channels: int, tmp_path: Path
) -> None:
    tone = _tone(440, 1.5, rate, 0.5)
    soundfile.write(tmp_path / f"a.{suffix}", np.stack([tone] * channels, axis=1), rate)
    found = speech.read_audio(tmp_path / f"a.{suffix}")
    assert found.shape == (24_000,) and found.dtype == np.float32
    spectrum = np.abs(np.fft.rfft(found))
    assert np.argmax(spectrum) / 1.5 == pytest.approx(440, abs=2)


# ----------------------------------------------------------------------------- level and offset
@pytest.mark.parametrize("decibels", [-50, -20, -6, 6])
def test_a_copy_of_another_loudness_sounds_the_same(
    decibels: int, spoken: np.ndarray, tmp_path: Path
) -> None:
    plain = _read(tmp_path / "a.wav", spoken, "FLOAT")
    copy = _read(tmp_path / "b.wav", spoken * 10 ** (decibels / 20), "FLOAT")
    assert _decibels_apart(plain.samples, copy.samples) < 0.01
    assert plain.notes == [] and bool(copy.notes) == (decibels == -50)


def test_a_recording_is_as_loud_as_the_voice(spoken: np.ndarray, tmp_path: Path) -> None:
    found = _read(tmp_path / "a.wav", spoken).samples
    gain = np.abs(found).max() / np.abs(spoken).max()
    assert abs(20 * np.log10(gain)) < 1.5  # so far do sentences of the voice differ
    np.testing.assert_allclose(found, spoken * gain, atol=1e-4)
    # Silence around speech is not speech: it makes it no quieter.
    around = np.concatenate([np.zeros(20_000), spoken, np.zeros(50_000)])
    assert np.abs(_read(tmp_path / "b.wav", around).samples).max() == pytest.approx(
        np.abs(found).max(), rel=0.02
    )


def test_a_constant_offset_is_no_sound(spoken: np.ndarray, tmp_path: Path) -> None:
    plain = _read(tmp_path / "a.wav", spoken)
    moved = _read(tmp_path / "b.wav", spoken * 0.5 + 0.25)
    assert _decibels_apart(plain.samples, moved.samples) < 0.5 and plain.notes == []
    assert [note.partition(":")[0] for note in moved.notes] == ["constant offset"]
    nothing = _read(tmp_path / "c.wav", np.full(8_000, 0.02))
    assert not speech.log_mel(nothing.samples).any() and nothing.samples.shape == (8_000,)


def test_silence_is_not_made_loud(tmp_path: Path) -> None:
    for level in (0, 1e-5, 5e-5):  # up to the last bit of 16
        noise = level * np.random.default_rng(0).uniform(-1, 1, 8_000)
        found = _read(tmp_path / "a.wav", noise, "FLOAT")
        assert not found.samples.any() and found.notes == []


@pytest.mark.parametrize("scale", [2**15, 2**31])
def test_samples_in_the_scale_of_whole_numbers_are_scaled(
    scale: int, spoken: np.ndarray, tmp_path: Path
) -> None:
    plain = _read(tmp_path / "a.wav", spoken)
    scaled = _read(tmp_path / "b.wav", spoken * scale, "FLOAT")
    assert _decibels_apart(plain.samples, scaled.samples) < 0.1
    assert scaled.notes[0].startswith("beyond full scale: samples reach ")
    # Some formats come out a little above 1; nothing is to be said about that.
    assert _read(tmp_path / "c.wav", spoken / np.abs(spoken).max() * 1.4, "FLOAT").notes == []


# -------------------------------------------------------------------------------------- channels
def test_a_silent_channel_is_left_out(spoken: np.ndarray, tmp_path: Path) -> None:
    plain = _read(tmp_path / "a.wav", spoken)
    noise = np.random.default_rng(0).normal(scale=1e-5, size=len(spoken))
    for silent in (np.zeros_like(spoken), noise, np.full_like(spoken, 0.1)):
        for channels in ([spoken, silent], [silent, spoken], [silent, spoken, silent]):
            found = _read(tmp_path / "b.wav", np.stack(channels, axis=1))
            assert _decibels_apart(plain.samples, found.samples) < 0.5
            assert found.notes[0] == (
                f"silent channel: {len(channels) - 1} of {len(channels)} left out"
            )


def test_a_channel_in_opposite_phase_is_turned(spoken: np.ndarray, tmp_path: Path) -> None:
    plain = _read(tmp_path / "a.wav", spoken)
    for other in (-spoken, -0.7 * spoken):
        found = _read(tmp_path / "b.wav", np.stack([spoken, other], axis=1))
        assert _decibels_apart(plain.samples, found.samples) < 0.5
        assert found.notes == ["channel in opposite phase: 1 of 2 turned"]


def test_channels_of_their_own_are_averaged(tmp_path: Path) -> None:
    left, right = _tone(440, 1), _tone(1_000, 1)
    found = _read(tmp_path / "a.wav", np.stack([left, right], axis=1) / 2)
    spectrum = np.abs(np.fft.rfft(found.samples))
    assert spectrum[440] == pytest.approx(spectrum[1_000], rel=0.01) and found.notes == []


# -------------------------------------------------------------------------------------- cut off
@pytest.mark.parametrize("suffix", ["wav", "aiff", "flac", "ogg", "mp3"])
def test_a_recording_that_is_cut_off_says_so(
    suffix: str, spoken: np.ndarray, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / f"whole.{suffix}", spoken, SAMPLE_RATE)
    whole = speech.read_recording(tmp_path / f"whole.{suffix}")
    assert whole.notes == []
    data = (tmp_path / f"whole.{suffix}").read_bytes()
    (tmp_path / f"cut.{suffix}").write_bytes(data[: len(data) * 6 // 10])
    cut = speech.read_recording(tmp_path / f"cut.{suffix}")
    assert 0.3 * len(whole.samples) < len(cut.samples) < 0.8 * len(whole.samples)
    (note,) = cut.notes
    assert note.startswith("recording cut off: ") and f"{len(cut.samples) / 16_000:.1f}" in note


def test_a_recording_from_a_pipe_is_whole(spoken: np.ndarray, tmp_path: Path) -> None:
    # Who writes to a pipe cannot go back to put the length in: it is the largest number there is.
    out = io.BytesIO()
    soundfile.write(out, spoken, SAMPLE_RATE, format="WAV")
    data = bytearray(out.getvalue())
    data[4:8] = data[data.index(b"data") + 4 : data.index(b"data") + 8] = struct.pack(
        "<I", 2**32 - 1
    )
    data[data.index(b"data") + 4 : data.index(b"data") + 8] = struct.pack("<I", 2**32 - 1)
    (tmp_path / "a.wav").write_bytes(data)
    found = speech.read_recording(tmp_path / "a.wav")
    assert found.notes == [] and len(found.samples) == len(spoken)


# -------------------------------------------------------------------------------------- refused
def test_recordings_that_cannot_be_used_say_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "page.wav").write_text("<html>not found</html>")
    (tmp_path / "none.wav").write_bytes(b"")
    (tmp_path / "folder.wav").mkdir()
    soundfile.write(tmp_path / "empty.wav", np.zeros((0, 1)), SAMPLE_RATE)
    soundfile.write(tmp_path / "long.wav", np.zeros(8_000), SAMPLE_RATE)
    for name, value in (("nan.wav", np.nan), ("inf.wav", np.inf)):
        samples = np.append(np.zeros(800, np.float32), np.float32(value))
        soundfile.write(tmp_path / name, samples, SAMPLE_RATE, subtype="FLOAT")
    monkeypatch.setattr(recordings, "MAX_SECONDS", 0.4)
    wanted = {
        "gone.wav": "missing audio file",
        "folder.wav": "missing audio file",
        "x" * 300 + ".wav": "missing audio file",
        "page.wav": "unreadable",
        "none.wav": "unreadable",
        "empty.wav": "empty or damaged",
        "nan.wav": "empty or damaged",
        "inf.wav": "empty or damaged",
        "long.wav": "recording too long: ",
    }
    for name, reason in wanted.items():
        with pytest.raises(Unusable, match=reason):
            speech.read_audio(tmp_path / name)


def test_of_a_format_that_cannot_be_read_those_are_named_that_can(tmp_path: Path) -> None:
    (tmp_path / "memo.m4a").write_bytes(
        b"\x00\x00\x00\x20ftypM4A \x00\x00\x00\x00M4A mp42isom" + bytes(400)
    )
    with pytest.raises(
        Unusable, match=r"^unreadable audio file: WAV, FLAC, OGG, Opus, MP3 and AIFF can be read$"
    ):
        speech.read_audio(tmp_path / "memo.m4a")


def test_what_a_decoder_raises_is_that_files_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(800), SAMPLE_RATE)
    for error in (struct.error("x"), RuntimeError(), MemoryError(), ZeroDivisionError()):

        def fail(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(soundfile.SoundFile, "read", fail)
        with pytest.raises(Unusable, match="unreadable audio file"):
            speech.read_audio(tmp_path / "a.wav")


def test_two_minutes_of_eight_channels_take_no_more_than_they_must(tmp_path: Path) -> None:
    rate = 96_000
    block = np.random.default_rng(0).uniform(-0.1, 0.1, (rate, 8)).astype(np.float32)
    with soundfile.SoundFile(tmp_path / "a.wav", "w", rate, 8, "PCM_16") as file:
        for _ in range(119):
            file.write(block)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    assert len(speech.read_audio(tmp_path / "a.wav")) == 119 * SAMPLE_RATE
    assert time.process_time() - start < 15
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3 < 500


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), kind=st.sampled_from(["WAV", "FLAC", "OGG", "MP3", "AIFF", "CAF", ""]))
def test_a_damaged_file_gives_sound_or_a_reason(
    data: st.DataObject, kind: str, tmp_path: Path
) -> None:
    whole = bytearray(data.draw(st.binary(max_size=400)))
    if kind:
        out = io.BytesIO()
        soundfile.write(out, _tone(440, 0.3, level=0.3), SAMPLE_RATE, format=kind)
        whole = bytearray(out.getvalue())
        for place in data.draw(st.lists(st.integers(0, min(400, len(whole) - 1)), max_size=6)):
            whole[place] = data.draw(st.integers(0, 255))
        whole = whole[: data.draw(st.integers(0, len(whole)))]
    (tmp_path / "a").write_bytes(whole)
    try:
        found = speech.read_recording(tmp_path / "a")
    except Unusable as reason:
        assert str(reason)
        return
    assert found.samples.ndim == 1 and np.isfinite(found.samples).all()
    assert np.abs(found.samples).max(initial=0) <= 1.01
    mel = speech.log_mel(found.samples)
    assert mel.shape == (128, 128, 1) and np.isfinite(mel).all()
