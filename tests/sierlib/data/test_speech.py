"""Speech: the voice, its log-mel, the way back, and words with times."""

from __future__ import annotations

import resource
import time
import warnings

import librosa
import numpy as np
import pytest

from sierlib.data import speech
from sierlib.data.corpora import Unusable
from sierlib.data.speech import words as words_module
from sierlib.settings import HOP, SAMPLE_RATE, SIZE, WINDOW_SECONDS

SENTENCE = "The old farmer was crying by the river, and nobody helped him."


def _tone(hertz: float, seconds: float, rate: int = SAMPLE_RATE, level: float = 1.0) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(
        np.float32
    )


@pytest.fixture(scope="module")
def spoken() -> np.ndarray:
    return speech.speak(SENTENCE, seed=3)


# ----------------------------------------------------------------------------------------------
# voice
def test_a_seed_fixes_every_sample(spoken: np.ndarray) -> None:
    np.testing.assert_array_equal(spoken, speech.speak(SENTENCE, seed=3))
    other = speech.speak(SENTENCE, seed=4)
    assert len(other) != len(spoken) or np.abs(other - spoken).max() > 1e-4


def test_speech_is_16_khz_without_silence_around(spoken: np.ndarray) -> None:
    assert spoken.dtype == np.float32 and spoken.ndim == 1 and 0.05 < np.abs(spoken).max() <= 1.5
    assert 2 < len(spoken) / SAMPLE_RATE < 7  # a dozen words
    loud = np.flatnonzero(np.abs(spoken) > 0.02 * np.abs(spoken).max()) / SAMPLE_RATE
    assert loud[0] < 0.2 and len(spoken) / SAMPLE_RATE - loud[-1] < 0.3
    power = np.abs(np.fft.rfft(spoken)) ** 2
    hertz = np.fft.rfftfreq(len(spoken), 1 / SAMPLE_RATE)
    assert power[(hertz > 100) & (hertz < 4_000)].sum() > 0.9 * power.sum()


def test_speaking_faster_takes_less_time(spoken: np.ndarray) -> None:
    assert len(speech.speak(SENTENCE, seed=3, speed=1.5)) < 0.85 * len(spoken)


@pytest.mark.parametrize(
    "text", ["你好 hello", "naïve café", "$$$ 5", "- 7 -", "x", "5551234567", "1" * 60]
)
def test_odd_texts_are_spoken_or_refused(text: str) -> None:
    try:
        assert speech.speak(speech.clean_text(text)).size > SAMPLE_RATE // 10
    except Unusable as reason:
        assert str(reason)


def test_of_a_long_text_no_more_is_spoken_than_can_be_heard() -> None:
    sentence = "The window was broken and nobody came, not even on Sunday. "
    short = sentence.strip()
    assert speech.spoken_part(short) == short
    for text in (sentence * 200, "9 " * 5_000, "a" * 10_000, "1" * 400):
        said = speech.spoken_part(text)
        assert text.startswith(said) and 0 < len(said) <= 400
        assert said == said.rstrip()
    whole = speech.speak(speech.spoken_part(sentence * 200), seed=1)
    np.testing.assert_array_equal(speech.speak(sentence * 200, seed=1), whole)
    # Even the fastest speech fills the window.
    assert len(speech.speak(sentence * 200, seed=1, speed=2)) > WINDOW_SECONDS * SAMPLE_RATE


def test_ten_thousand_characters_take_two_seconds_and_300_mb() -> None:
    text = "the window was broken and nobody came " * 270
    speech.speak("warm up")
    before, start = _memory(), time.perf_counter()
    speech.speak(speech.clean_text(text))
    assert time.perf_counter() - start < 2
    assert _memory() - before < 300


def _memory() -> float:
    """Return the most that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def test_what_breaks_the_voice_is_that_texts_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("in a library")

    monkeypatch.setattr("sierlib.data.speech.voice._voice", lambda: fail)
    with pytest.raises(Unusable, match="text that the voice cannot speak"):
        speech.speak("hello")


# -------------------------------------------------------------------------------------------
# log-mel
def test_silence_is_zero_and_nothing_leaves_the_range(spoken: np.ndarray) -> None:
    for sound in (np.zeros(5_000, np.float32), np.zeros(0, np.float32)):
        assert speech.log_mel(sound).shape == (128, 128, 1) and not speech.log_mel(sound).any()
    for sound in (spoken, 10 * _tone(1_000, 7), np.random.default_rng(0).normal(size=200_000)):
        mel = speech.log_mel(sound)
        assert (
            mel.shape == (128, 128, 1)
            and mel.dtype == np.float32
            and mel.min() >= 0
            and mel.max() <= 1
        )


@pytest.mark.parametrize("band", [20, 45, 64, 90, 110])
def test_a_full_scale_tone_is_zero_decibels_at_its_band(band: int) -> None:
    hertz = librosa.mel_frequencies(n_mels=SIZE + 2, fmin=0, fmax=SAMPLE_RATE / 2)[band + 1]
    column = speech.log_mel(_tone(float(hertz), 3))[:, 30, 0]
    assert abs(int(column.argmax()) - band) <= 1
    assert column.max() * 80 - 80 == pytest.approx(0, abs=3)
    quieter = speech.log_mel(_tone(float(hertz), 3, level=0.1))[:, 30, 0]
    assert (column[band] - quieter[band]) * 80 == pytest.approx(20, abs=2)


@pytest.mark.parametrize("second", [0.5, 1.0, 4.0])
def test_a_click_is_at_the_frame_of_its_time(second: float) -> None:
    sound = np.zeros(6 * SAMPLE_RATE, np.float32)
    sound[int(second * SAMPLE_RATE)] = 1
    assert int(speech.log_mel(sound).sum(axis=(0, 2)).argmax()) == round(second / 0.05)


def test_longer_speech_is_cut_and_shorter_is_padded_with_silence() -> None:
    long, window = _tone(500, 9), SIZE * HOP
    inner = slice(0, 126)  # the last two frames look beyond the window
    np.testing.assert_array_equal(
        speech.log_mel(long)[:, inner], speech.log_mel(long[:window])[:, inner]
    )
    assert speech.log_mel(long)[:, 120].max() > 0.9
    assert not speech.log_mel(_tone(500, 2))[:, 44:].any()


def test_the_way_back_to_sound_keeps_the_spectrogram(spoken: np.ndarray) -> None:
    mel = speech.log_mel(spoken)
    sound = speech.to_sound(mel)
    assert sound.shape == (int(WINDOW_SECONDS * SAMPLE_RATE),) and sound.dtype == np.float32
    again = speech.log_mel(sound)
    heard = mel.max(axis=(0, 2)) > 0
    assert np.corrcoef(mel[:, heard].ravel(), again[:, heard].ravel())[0, 1] > 0.9
    np.testing.assert_array_equal(sound, speech.to_sound(mel))
    loudness = np.sqrt(np.mean(spoken**2)) / np.sqrt(np.mean(sound[: len(spoken)] ** 2))
    assert 0.5 < loudness < 2


def test_silenced_frames_come_back_silent(spoken: np.ndarray) -> None:
    mel = speech.log_mel(spoken)
    mel[:, 20:40] = 0
    sound = speech.to_sound(mel)
    inner = sound[22 * HOP : 38 * HOP]  # a window of the transform reaches 1.3 frames to each side
    assert np.abs(inner).max() < 1e-3 * np.abs(sound).max()
    assert not speech.to_sound(np.zeros((128, 128, 1), np.float32)).any()


# ---------------------------------------------------------------------------------------------
# words
def _in_order(words: list[speech.Word], seconds: float) -> None:
    assert all(word.start <= word.end for word in words)
    assert all(
        first.end <= second.start + 0.02 for first, second in zip(words, words[1:], strict=False)
    )
    assert words[0].start >= 0 and words[-1].end <= seconds + 0.05


def test_words_of_a_known_text_are_found_in_order(spoken: np.ndarray) -> None:
    words = speech.align(spoken, SENTENCE)
    assert [word.text for word in words] == SENTENCE.split()
    _in_order(words, len(spoken) / SAMPLE_RATE)
    assert all(0.03 < word.end - word.start < 1.2 for word in words)
    # The two clauses are parted by the comma: the gap lies between "river," and "and".
    quiet = np.array(
        [
            np.abs(spoken[int(t * 16_000) : int(t * 16_000) + 800]).max()
            for t in np.arange(0.3, 3, 0.05)
        ]
    )
    pause = 0.3 + 0.05 * quiet.argmin()
    assert words[7].text == "river," and abs(words[7].end - pause) < 0.35


def test_a_pause_moves_the_words_after_it(spoken: np.ndarray) -> None:
    words = speech.align(spoken, SENTENCE)
    cut = int((words[7].end + words[8].start) / 2 * SAMPLE_RATE)
    later = np.concatenate([spoken[:cut], np.zeros(SAMPLE_RATE, np.float32), spoken[cut:]])
    moved = speech.align(later, SENTENCE)
    for index in (2, 5):
        assert moved[index].start == pytest.approx(words[index].start, abs=0.1)
    for index in (9, 11):
        assert moved[index].start - words[index].start == pytest.approx(1, abs=0.1)


def test_an_alignment_does_not_depend_on_the_ones_before() -> None:
    texts = ["It was all so vile, and sickening again.", "I would call it smiling.", SENTENCE]
    sounds = [speech.speak(text) for text in texts]
    found = []
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        words_module._aligner.cache_clear()
        found.append({place: speech.align(sounds[place], texts[place]) for place in order})
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    "text",
    ["Zorblatt met 23 grumplings in Kraków, ok?", "call 911 now - it's 50% off", "loool 你好 sad"],
)
def test_unknown_words_and_digits_get_their_time_too(text: str) -> None:
    read = speech.clean_text(text)
    sound = speech.speak(read)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        words = speech.align(sound, read)
    assert [word.text for word in words] == read.split()
    _in_order(words, len(sound) / SAMPLE_RATE)
    assert sum(word.end - word.start for word in words) > 0.5 * len(sound) / SAMPLE_RATE


def test_where_alignment_is_hopeless_the_time_is_shared_out_and_said() -> None:
    with pytest.warns(UserWarning, match="the aligner gave up"):
        words = speech.align(np.zeros(800, np.float32), "one two three four five six")
    assert [word.text for word in words] == ["one", "two", "three", "four", "five", "six"]
    assert all(0 <= word.start <= word.end <= 0.1 for word in words)
    assert speech.align(np.zeros(800, np.float32), "") == []


def test_a_transcript_of_something_else_does_not_fit(spoken: np.ndarray) -> None:
    assert speech.fits_sound(SENTENCE, spoken)
    noise = np.random.default_rng(0).normal(scale=0.002, size=len(spoken)).astype(np.float32)
    assert speech.fits_sound(SENTENCE, spoken + noise)
    others = (
        "We won the game, and everybody was dancing in the street.",
        "Yes",
        "laughter applause " + SENTENCE + " and music again",
        " ".join([SENTENCE] * 4),
        "",
    )
    for other in others:
        assert not speech.fits_sound(other, spoken), other
    assert not speech.fits_sound(SENTENCE, np.zeros(SAMPLE_RATE, np.float32))


def test_everyday_words_are_recognised_with_their_times() -> None:
    text = "I am happy to see you today"
    sound = speech.speak(text)
    heard, known = speech.recognise(sound), speech.align(sound, text)
    times = {word.text: word.start for word in known}
    found = [word for word in heard if word.text in times]
    assert len(found) >= 5
    assert all(word.start == pytest.approx(times[word.text], abs=0.15) for word in found)


@pytest.mark.parametrize(
    "sound", [np.zeros(SAMPLE_RATE), np.zeros(0), np.full(10, 1e-6), np.zeros(50)]
)
def test_nothing_is_recognised_in_silence(sound: np.ndarray) -> None:
    assert speech.recognise(sound.astype(np.float32)) == []
