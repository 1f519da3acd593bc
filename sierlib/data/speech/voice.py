"""The voice: `hibari-tts`, whose model is in its wheel.

It reads numbers, amounts, dates, units and abbreviations by itself.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Any

import librosa
import numpy as np

from sierlib import settings
from sierlib.data.corpora.items import Unusable

#: Of a longer text only the beginning is spoken. Said as fast as the voice can, this much takes 9
#: seconds, of which the window holds 6.4; and a tweet is shorter. What the voice needs of memory
#: grows with the square of what it says at once.
MAX_CHARACTERS = 400
_DIGIT = 6  # characters that a digit is worth: it is a word when it is spoken


@lru_cache(maxsize=1)
def _voice() -> Any:
    from hibari import Hibari

    return Hibari()


@lru_cache(maxsize=1)
def alphabet() -> frozenset[str]:
    """Return the letters beyond A to Z that the voice can read: Latin ones with accents."""
    letters = filter(str.isalpha, _voice().g2p.oov.cin)
    return frozenset(letter for letter in letters if "LATIN" in unicodedata.name(letter))


def knows_word(word: str) -> bool:
    """Tell whether the voice's lexicon has a word, or one that it is a form of."""
    from hibari.g2p import Context

    lexicon = _voice().g2p.lexicon
    return len(word) > 1 and lexicon.get_word(word.lower(), "NN", None, Context())[0] is not None


def pronounce(text: str) -> str:
    """Return how the voice says a text, in its phonemes; "" for what it does not say."""
    return " ".join(_voice().phonemize(text))


def spoken_part(text: str) -> str:
    """Return as much of a cleaned text as `speak` says: all of it, unless it is very long.

    Examples
    --------
    >>> spoken_part("Not again."), len(spoken_part("not again " * 1_000))
    ('Not again.', 399)
    """
    room = MAX_CHARACTERS
    for place, character in enumerate(text):
        room -= _DIGIT if character.isdigit() else 1
        if room < 0:
            beginning = text[:place]
            whole_words = beginning.rpartition(" ")[0]
            return whole_words or beginning
    return text


def speak(text: str, *, seed: int = 0, speed: float = 1.0) -> np.ndarray:
    """Speak a text with the neural voice.

    Parameters
    ----------
    text
        Cleaned text (`clean_text`). Of a very long one only the `spoken_part` is said: no more than
        the window of 6.4 s is ever heard.
    seed
        Fixes the voice's noise: the same seed gives the same samples.
    speed
        0.5 (slow) to 2 (fast).

    Returns
    -------
    numpy.ndarray
        float32 (samples,), 16 kHz, without leading and trailing silence.

    Raises
    ------
    Unusable
        When nothing in the text can be spoken.
    """
    voice = _voice()
    try:
        audio = voice(spoken_part(text), seed=seed, speed=speed)
    except Exception as error:  # the voice is a stranger's code, and the text a stranger's text
        raise Unusable("text that the voice cannot speak") from error
    if audio.size == 0:
        raise Unusable("text that the voice cannot speak")
    return finish(audio, voice.sample_rate)


def finish(audio: np.ndarray, rate: int) -> np.ndarray:
    """Bring what a voice said, (samples,) at `rate` in Hz, to 16 kHz, without silence at its ends.

    A margin keeps the first and last consonant.
    """
    audio = librosa.resample(audio, orig_sr=rate, target_sr=settings.SAMPLE_RATE)
    _, (start, end) = librosa.effects.trim(audio, top_db=45)
    margin = settings.SAMPLE_RATE // 20
    return np.ascontiguousarray(audio[max(0, start - margin) : end + margin], dtype=np.float32)
