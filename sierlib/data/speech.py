"""From text to speech to log-mel and back, and words with their times.

The voice is `hibari-tts` (its model is in the wheel), the recogniser and the aligner are
`pocketsphinx` with its en-us model. Everything is 16 kHz mono float32 in [-1, 1].
"""

from __future__ import annotations

import html
import re
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import librosa
import numpy as np

from sierlib import settings
from sierlib.data.corpora.items import Unusable

MAX_SECONDS = 120.0  # longer recordings are refused rather than decoded

_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_MENTION = re.compile(r"(?<!\w)@\w+")
_HASHTAG = re.compile(r"#(\w+)")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])|_")
_STRETCHED = re.compile(r"([A-Za-z])\1{2,}")  # fleeeek
_UNSPOKEN = re.compile(r"[^\w\s.,!?;:'’$%&-]")


@dataclass(frozen=True)
class Word:
    """A spoken word: its text and when it is spoken, in seconds from the start."""

    text: str
    start: float
    end: float


def _split_hashtag(match: re.Match[str]) -> str:
    import wordninja

    words: list[str] = []
    for part in _CAMEL.sub(" ", match.group(1)).split():
        # A part that mixes no cases may still be several words run together: "worldpeace".
        words += wordninja.split(part) if len(part) > 3 else [part]
    return f" {' '.join(words)} "


def _name_emoji(characters: str, entry: dict[str, str]) -> str:
    name = entry["en"].strip(":").replace("_", " ")
    return f" {name} "


def clean_text(text: str) -> str:
    """Turn a tweet into what a person would read aloud.

    Links and @mentions go, hashtags are split into words, emoji are named, HTML entities are
    decoded, stretched letters are shortened.

    Raises
    ------
    Unusable
        When no word is left.

    Examples
    --------
    >>> clean_text("@you Peace &amp; love! #WorldPeace ❤️ http://t.co/x")
    'Peace & love! World Peace red heart'
    """
    import emoji

    text = html.unescape(html.unescape(str(text))).replace("\\n", " ")
    text = _MENTION.sub(" ", _URL.sub(" ", text))
    text = _HASHTAG.sub(_split_hashtag, text)
    text = emoji.replace_emoji(text, _name_emoji)
    text = _STRETCHED.sub(r"\1\1", text)
    text = " ".join(_UNSPOKEN.sub(" ", text).split())
    if not re.search(r"[A-Za-z0-9]", text):
        raise Unusable("text without words")
    return text


@lru_cache(maxsize=1)
def _voice() -> Any:
    from hibari import Hibari

    return Hibari()


def speak(text: str, *, seed: int = 0, speed: float = 1.0) -> np.ndarray:
    """Speak a text with the neural voice.

    Parameters
    ----------
    text
        Cleaned text (`clean_text`).
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
        audio = voice(text, seed=seed, speed=speed)
    except (IndexError, ValueError, KeyError) as error:  # such as a number of 60 digits
        raise Unusable("text that the voice cannot speak") from error
    if audio.size == 0:
        raise Unusable("text that the voice cannot speak")
    audio = librosa.resample(audio, orig_sr=voice.sample_rate, target_sr=settings.SAMPLE_RATE)
    return _trim(audio)


def _trim(audio: np.ndarray) -> np.ndarray:
    """Cut silence at both ends, but for a margin that keeps the first and last consonant."""
    _, (start, end) = librosa.effects.trim(audio, top_db=45)
    margin = settings.SAMPLE_RATE // 20
    return np.ascontiguousarray(audio[max(0, start - margin) : end + margin], dtype=np.float32)


def read_audio(path: Path) -> np.ndarray:
    """Read a recording of any format, rate and channel count that libsndfile knows.

    Returns
    -------
    numpy.ndarray
        float32 (samples,), 16 kHz mono.

    Raises
    ------
    Unusable
        When it is missing, unreadable, empty or longer than `MAX_SECONDS`.
    """
    import soundfile

    if not path.is_file():
        raise Unusable("missing audio file")
    try:
        seconds = soundfile.info(path).duration
        if seconds > MAX_SECONDS:
            raise Unusable(f"recording of {seconds:.0f} s, at most {MAX_SECONDS:.0f} s")
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise Unusable(
            "unreadable audio file; WAV, FLAC, OGG, Opus, MP3 and AIFF can be read"
        ) from error
    if samples.size == 0 or not np.isfinite(samples).all():
        raise Unusable("empty or damaged audio file")
    return librosa.resample(samples.mean(axis=1), orig_sr=rate, target_sr=settings.SAMPLE_RATE)


@lru_cache(maxsize=1)
def _window_gain() -> float:
    # With this factor a full-scale sinusoid has power 1 in its bin: 0 dB is full scale, as for
    # sound files.
    return float(2.0 / librosa.filters.get_window("hann", settings.N_FFT).sum())


@lru_cache(maxsize=1)
def _mel_bands() -> np.ndarray:
    # librosa would compute them anew for each utterance, which takes longer than all the rest.
    return librosa.filters.mel(
        sr=settings.SAMPLE_RATE, n_fft=settings.N_FFT, n_mels=settings.SIZE, norm=None
    )


def log_mel(audio: np.ndarray) -> np.ndarray:
    """Turn sound into the network's speech input (Section 3.2.1).

    Parameters
    ----------
    audio
        float32 (samples,), 16 kHz. What lies beyond the window of 6.4 s is cut.

    Returns
    -------
    numpy.ndarray
        float32 (128, 128, 1) in [0, 1]: axis 0 is frequency (low first), axis 1 time (50 ms a
        step); 0 is -80 dB or less against full scale, which is what silence gives.
    """
    length = settings.SIZE * settings.HOP
    window = np.zeros(length, np.float32)
    window[: min(len(audio), length)] = audio[:length]
    # Short-time Fourier transform, power in mel bands, decibels against full scale.
    spectrum = librosa.stft(window * _window_gain(), n_fft=settings.N_FFT, hop_length=settings.HOP)
    spectrum = spectrum[:, : settings.SIZE]  # (1025, 128)
    power = _mel_bands() @ np.abs(spectrum) ** 2  # (128, 128)
    decibels = librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=None)
    scaled = np.clip(decibels, settings.FLOOR_DB, 0.0) / -settings.FLOOR_DB + 1.0
    return scaled.astype(np.float32)[..., np.newaxis]  # (128, 128, 1)


def to_sound(spectrogram: np.ndarray, *, iterations: int = 32, seed: int = 0) -> np.ndarray:
    """Turn a log-mel back into sound by Griffin and Lim's iteration.

    Parameters
    ----------
    spectrogram
        (128, 128, 1) in [0, 1], as `log_mel` gives it. Steps at 0 come back as silence.
    iterations
        Of the phase estimate.

    Returns
    -------
    numpy.ndarray
        float32 (102400,), 16 kHz.
    """
    decibels = (spectrogram[..., 0].astype(np.float32) - 1.0) * -settings.FLOOR_DB
    power = np.where(spectrogram[..., 0] > 0, librosa.db_to_power(decibels), 0.0)
    magnitude = librosa.feature.inverse.mel_to_stft(
        power, sr=settings.SAMPLE_RATE, n_fft=settings.N_FFT, norm=None
    )
    audio = librosa.griffinlim(
        magnitude,
        n_iter=iterations,
        hop_length=settings.HOP,
        n_fft=settings.N_FFT,
        random_state=seed,
    )
    audio = librosa.util.fix_length(audio / _window_gain(), size=settings.SIZE * settings.HOP)
    return audio.astype(np.float32)


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
    symbols = " ".join(_voice().phonemize(token))
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
    forms = [entry for entry in entries if entry]
    decoder = _aligner()
    segments: list[Word] = []
    try:
        decoder.set_align_text(" ".join(forms))
        segments = _segments(decoder, audio)
    except RuntimeError:
        warnings.warn(
            "the aligner gave up on an utterance; its word times are estimated", stacklevel=2
        )
    if len(segments) != len(forms):
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


def check_alignment(texts: list[str], *, seed: int = 0) -> np.ndarray:
    """Measure the aligner against an independent method: the beginning of a text, spoken alone.

    For each text a word is drawn. The text up to that word is spoken alone, and dynamic time
    warping of the two sounds' MFCCs finds where its end falls in the whole; no pronouncing
    dictionary and no acoustic model is involved.

    Returns
    -------
    numpy.ndarray
        float64 (texts,): end of the word by the aligner minus end by time warping, in seconds.
    """
    rng = np.random.default_rng(seed)
    hop = settings.SAMPLE_RATE // 100
    errors = []
    for text in texts:
        tokens = text.split()
        cut = int(rng.integers(1, max(2, len(tokens) - 1)))
        beginning = " ".join(tokens[:cut]).rstrip(",.") + ","
        whole, part = speak(text, seed=seed), speak(beginning, seed=seed)
        # Both begin together; the cheapest way to be through with the part says where it ends in
        # the whole.
        cost = librosa.sequence.dtw(_mfcc(part, hop), _mfcc(whole, hop), backtrack=False)
        last = len(part) // hop - 5  # `speak` leaves a margin of 50 ms after the last sound
        by_warping = float(np.argmin(cost[last])) / 100
        errors.append(align(whole, text)[cut - 1].end - by_warping)
    return np.array(errors)


def _mfcc(audio: np.ndarray, hop: int) -> np.ndarray:
    rate = settings.SAMPLE_RATE
    return librosa.feature.mfcc(y=audio, sr=rate, n_mfcc=20, hop_length=hop, n_fft=512)
