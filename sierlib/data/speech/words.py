"""Words and their times: aligned where the text is known, recognised where it is not.

Aligner and recogniser are `pocketsphinx` with its en-us model.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from sierlib import settings
from sierlib.data.speech.voice import pronounce


@dataclass(frozen=True)
class Word:
    """A spoken word: its text and when it is spoken, in seconds from the start."""

    text: str
    start: float
    end: float


# The voice's phoneme alphabet (misaki's) in the aligner's (ARPAbet): lets words outside the
# aligner's dictionary be aligned with the pronunciation that was really spoken.
_MISAKI = "ɑæʌəᵊᵻɔWIbʧdðɛɜAfɡhɪiʤklmnŋOYpɹsʃtɾTθʊuvwjzʒ"
_ARPABET = (
    "AA AE AH AH AH IH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY "
    "P R S SH T T T TH UH UW V W Y Z ZH"
)
_PHONES: dict[str, str] = dict(zip(_MISAKI, _ARPABET.split(), strict=True))


@lru_cache(maxsize=1)
def _aligner() -> Any:
    from pocketsphinx import Decoder

    return Decoder(samprate=settings.SAMPLE_RATE, lm=None, loglevel="FATAL")


@lru_cache(maxsize=1)
def _recogniser() -> Any:
    from pocketsphinx import Decoder

    return Decoder(samprate=settings.SAMPLE_RATE, loglevel="FATAL")


def in_dictionary(word: str) -> bool:
    """Tell whether the aligner's dictionary has a word."""
    return _aligner().lookup_word(word.lower()) is not None


def _dictionary_form(token: str) -> str | None:
    """Return the aligner's entry for a token, or None for one that is not spoken.

    Where its dictionary has none, the voice's pronunciation is added to it.
    """
    bare = re.sub(r"[^\w']", "", token.replace("’", "'")).lower().strip("'_")
    if bare and in_dictionary(bare):
        return bare
    symbols = pronounce(token)
    phones = " ".join(_PHONES[symbol] for symbol in symbols if symbol in _PHONES)
    phones = phones.replace("ER R", "ER")  # misaki writes an r after a vowel that holds one
    if not phones:
        return None
    entry = "_" + phones.replace(" ", "").lower()
    if not in_dictionary(entry):
        _aligner().add_word(entry, phones, True)
    return entry


def _segments(decoder: Any, audio: np.ndarray) -> list[Word]:
    """Decode an utterance and return its words; silences and noises are left out."""
    samples = (np.clip(audio, -1, 1) * 32767).astype(np.int16).tobytes()
    # Else the noise estimate, and so the times, depend on what was decoded before.
    decoder.reinit_feat()
    decoder.start_utt()
    try:
        decoder.process_raw(samples, full_utt=True)
    finally:
        decoder.end_utt()
    words = []
    for segment in decoder.seg() or ():
        if not segment.word.startswith(("<", "[")):
            text = re.sub(r"\(\d+\)$", "", segment.word)  # the number of a pronunciation
            words.append(Word(text, segment.start_frame / 100, (segment.end_frame + 1) / 100))
    return words


def align(audio: np.ndarray, text: str) -> list[Word]:
    """Find when each word of a known text is spoken, by forced alignment.

    Parameters
    ----------
    audio
        float32 (samples,), 16 kHz.
    text
        What is spoken in it. Words are its tokens between spaces.

    Returns
    -------
    list of Word
        One for each token, in order; tokens that are not spoken take no time. Where the aligner
        gives up, the whole time is shared out by the tokens' length, and a warning says so.
    """
    tokens = text.split()
    entries = [_dictionary_form(token) for token in tokens]
    segments = _force(audio, entries)
    if segments is None:
        warnings.warn(
            "the aligner gave up on an utterance; its word times are estimated", stacklevel=2
        )
        return _share_time(tokens, len(audio))
    words: list[Word] = []
    remaining = iter(segments)
    end = 0.0
    for token, entry in zip(tokens, entries, strict=True):
        # A token that is not spoken, such as a dash, takes no time after the word before it.
        segment = next(remaining) if entry else Word(token, end, end)
        end = segment.end
        words.append(Word(token, round(segment.start, 2), round(segment.end, 2)))
    return words


def _force(audio: np.ndarray, entries: list[str | None]) -> list[Word] | None:
    """Align the dictionary's entries to a sound; None where the aligner gives up."""
    forms = [entry for entry in entries if entry]
    decoder = _aligner()
    try:
        decoder.set_align_text(" ".join(forms))
        segments = _segments(decoder, audio)
    except RuntimeError:
        return None
    return segments if len(segments) == len(forms) else None


def fits_sound(text: str, audio: np.ndarray) -> bool:
    """Tell whether a transcript can be what is said in a sound.

    It cannot where the aligner gives up, where a word would last over two seconds, or where what
    the recogniser hears explains the sound about as well. On sentences of the voice, plain, in
    noise, five semitones lower or with reverberation, the log-likelihood of the right transcript
    was at most 0.56 of the recogniser's. Another sentence's was from 0.56 to 1.6, where it could be
    aligned at all. In noise of -15 dB the aligner gave up on one right transcript in seven, so a no
    is a doubt and no proof.

    Parameters
    ----------
    text
        The transcript, cleaned.
    audio
        float32 (samples,), 16 kHz.
    """
    segments = _force(audio, [_dictionary_form(token) for token in text.split()])
    if not segments or max(word.end - word.start for word in segments) > _LONGEST_WORD:
        return False
    if len(audio) > _LONGEST_COMPARED * settings.SAMPLE_RATE:  # recognising takes its time
        return True
    known = _aligner().hyp().best_score
    recognise(audio)
    heard = _recogniser().hyp()
    return heard is None or np.log(known) > _LIKELIHOOD_SHARE * np.log(heard.best_score)


_LONGEST_WORD = 2.0  # seconds
_LONGEST_COMPARED = 20.0  # seconds
_LIKELIHOOD_SHARE = 0.7


def _share_time(tokens: list[str], samples: int) -> list[Word]:
    """Share out an utterance's time by the tokens' length."""
    lengths = [len(token) for token in tokens]
    edges = np.cumsum([0, *lengths]) / max(1, sum(lengths)) * samples / settings.SAMPLE_RATE
    times = [round(float(edge), 2) for edge in edges]
    spans = zip(tokens, times[:-1], times[1:], strict=True)
    return [Word(token, start, end) for token, start, end in spans]


def recognise(audio: np.ndarray) -> list[Word]:
    """Recognise English words and when they are spoken; an empty list where none is heard."""
    if not np.abs(audio).max(initial=0) > 1e-4:
        return []
    try:
        return _segments(_recogniser(), audio)
    except RuntimeError:
        return []
