"""From Shapley values to time, words, sound and pictures (Section 3.3)."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_hex
from scipy.ndimage import minimum_filter1d

from sierlib import colours, settings
from sierlib.data import speech

FRAME_SECONDS = settings.HOP / settings.SAMPLE_RATE
# Planted words are marked as planted boxes are.
PLANTED = f"outline: 2px dashed {colours.PLANTED}; outline-offset: 1px;"
_FADE = settings.SAMPLE_RATE // 200  # samples; a cut without a fade clicks


def invert_values(speech_map: np.ndarray) -> np.ndarray:
    """Turn Shapley values themselves into sound.

    The authors tried that first and found it meaningless (Section 3.3). Values against the class
    count as silence, the greatest one is as loud as a log-mel can be.

    Parameters
    ----------
    speech_map
        (128, 128) values per pixel.

    Returns
    -------
    numpy.ndarray
        float32 (102400,), 16 kHz, in [-1, 1].
    """
    values = np.clip(speech_map, 0, None)
    log_mel = values / max(values.max(), 1e-12)
    sound = speech.to_sound(log_mel[..., np.newaxis])
    return sound / max(1.0, float(np.abs(sound).max()))


def time_importance(speech_map: np.ndarray) -> np.ndarray:
    """Average the speech map (128, 128) over frequency: (128,) frames of 50 ms (Section 3.3)."""
    return np.asarray(speech_map, dtype=np.float64).mean(axis=0)


def spoken_frames(audio: np.ndarray) -> int:
    """Return how many of the 128 frames hold sound of the recording."""
    frames = np.ceil(len(audio) / settings.HOP)
    return int(min(settings.SIZE, frames))


def keep_frames(
    importance: np.ndarray,
    frames: int = settings.SIZE,
    percentile: float = settings.SILENCE_PERCENTILE,
) -> np.ndarray:
    """Choose the frames that are not silenced: those at or above a percentile of importance.

    Parameters
    ----------
    importance
        (128,) as `time_importance` gives it.
    frames
        How many of them hold speech; the percentile is taken over those, since padding has no
        importance. Where none does, none is kept.
    percentile
        30 in Section 3.3.

    Returns
    -------
    numpy.ndarray
        bool (128,); False beyond `frames`.
    """
    if not 0 <= percentile <= 100:
        raise ValueError(f"percentile {percentile}: between 0 and 100 was expected")
    if not 0 <= frames <= len(importance):
        raise ValueError(f"{frames} frames: between 0 and {len(importance)} were expected")
    keep = np.zeros(len(importance), bool)
    if frames:
        spoken = importance[:frames]
        keep[:frames] = spoken >= np.percentile(spoken, percentile)
    return keep


def silence(audio: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Silence the frames of a sound that are not kept, with short fades.

    Parameters
    ----------
    audio
        (samples,), 16 kHz.
    keep
        bool (128,), as `keep_frames` gives it. What lies beyond the window is silenced.

    Returns
    -------
    numpy.ndarray
        float32, as long as the window or the sound, whichever is shorter.
    """
    gain = np.repeat(keep.astype(np.float32), settings.HOP)[: len(audio)]
    ramp = np.hanning(2 * _FADE + 1).astype(np.float32)
    # What is kept shrinks by a fade at each end, so that the fades lie inside it and silence stays
    # silent.
    shrunk = minimum_filter1d(gain, 2 * _FADE + 1)
    padded = np.pad(shrunk, _FADE, mode="edge")
    gain = np.convolve(padded, ramp / ramp.sum(), mode="valid")
    return (audio[: len(gain)] * gain).astype(np.float32)


def word_values(words: Sequence[speech.Word], speech_map: np.ndarray) -> np.ndarray:
    """Sum the speech map over each word's time.

    Frames that a word covers in part count for that part; a word beyond the window gets 0.

    Returns
    -------
    numpy.ndarray
        float64 (words,), in units of the model's output.
    """
    frames = np.asarray(speech_map, dtype=np.float64).sum(axis=0)
    return _sum_over_time(frames, words)


def kept_words(
    words: Sequence[speech.Word], keep: np.ndarray, share: float = 0.5
) -> list[speech.Word]:
    """Return the words of which at least a share of the time is kept."""
    seconds = _sum_over_time(keep * FRAME_SECONDS, words)
    kept = []
    for word, kept_seconds in zip(words, seconds, strict=True):
        length = word.end - word.start
        if length > 0 and kept_seconds >= share * length:
            kept.append(word)
    return kept


def _sum_over_time(frames: np.ndarray, words: Sequence[speech.Word]) -> np.ndarray:
    """Sum what frames have over each word's time; a frame covered in part counts for that part."""
    cumulative = np.concatenate([[0.0], np.cumsum(frames)])
    edges = np.arange(len(cumulative)) * FRAME_SECONDS
    starts = np.array([word.start for word in words], dtype=float)
    ends = np.array([word.end for word in words], dtype=float)
    return np.interp(ends, edges, cumulative) - np.interp(starts, edges, cumulative)


def sentence_html(
    words: Sequence[speech.Word], values: np.ndarray, planted: Sequence[int] = ()
) -> str:
    """Write a sentence as HTML in which the shade of a word is its importance.

    Parameters
    ----------
    words, values
        As `word_values` takes and gives them.
    planted
        Indices of words that the embedded corpus planted; they have a dashed frame.

    Returns
    -------
    str
        HTML; the words themselves are escaped.
    """
    top = max(float(np.abs(values).max(initial=0.0)), 1e-12)
    parts = []
    for index, (word, value) in enumerate(zip(words, values, strict=True)):
        # Mixed with white rather than translucent, and not up to the full colour: dark letters stay
        # readable whatever the page's own colours are.
        colour = to_hex(colours.DIVERGING(0.5 + 0.3 * value / top))
        frame = PLANTED if index in planted else ""
        parts.append(
            f'<span title="{value:+.3f}" style="color: #111; background: {colour}; '
            f'padding: 2px 3px; border-radius: 3px; {frame}">{html.escape(word.text)}</span>'
        )
    return f'<p style="font-size: 1.15em; line-height: 2;">{" ".join(parts)}</p>'


def modality_share(explanation: Any) -> float:
    """Return speech's share of the prediction: |speech| / (|speech| + |image|).

    It is 0.5 where both are zero.
    """
    speech = abs(explanation.speech_value)
    image = abs(explanation.image_value)
    return 0.5 if speech + image == 0 else float(speech / (speech + image))


def speech_lead(speech: Any, image: Any) -> np.ndarray:
    """Return by how much the speech decides.

    That is |speech| - |image| where it speaks for the class, else minus infinity.

    A speech that speaks against the class does not decide for it, however little the image says. An
    image weighs the same whether it helps or has to be overcome. It is the difference and not the
    share that counts, because one of two values next to zero can have all of the share and still
    decide nothing.

    Parameters
    ----------
    speech, image
        The values of the modalities, numbers or (n,).
    """
    return np.where(np.asarray(speech) > 0, np.abs(speech) - np.abs(image), -np.inf)


def decided_by(speech: float, image: float, right: bool = True) -> str:
    """Return which modality decides a prediction: "speech", "image" or "neither".

    One decides where the prediction is right and it leads over the other one by the rule of
    `speech_lead`, which holds for an image in the same words.

    Examples
    --------
    >>> decided_by(0.4, 0.1), decided_by(0.1, 0.4)
    ('speech', 'image')
    >>> decided_by(-0.4, -0.1), decided_by(0.4, 0.1, right=False)
    ('neither', 'neither')
    """
    if right and speech_lead(speech, image) > 0:
        return "speech"
    if right and speech_lead(image, speech) > 0:
        return "image"
    return "neither"
