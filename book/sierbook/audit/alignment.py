"""Are words aligned where they are spoken? The aligner against time warping (notebook 01)."""

from __future__ import annotations

import librosa
import numpy as np

from sierlib import settings
from sierlib.data import speech


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
        whole, part = speech.speak(text, seed=seed), speech.speak(beginning, seed=seed)
        # Both begin together; the cheapest way to be through with the part says where it ends in
        # the whole.
        cost = librosa.sequence.dtw(_mfcc(part, hop), _mfcc(whole, hop), backtrack=False)
        last = len(part) // hop - 5  # `speak` leaves a margin of 50 ms after the last sound
        by_warping = float(np.argmin(cost[last])) / 100
        errors.append(speech.align(whole, text)[cut - 1].end - by_warping)
    return np.array(errors)


def _mfcc(audio: np.ndarray, hop: int) -> np.ndarray:
    rate = settings.SAMPLE_RATE
    return librosa.feature.mfcc(y=audio, sr=rate, n_mfcc=20, hop_length=hop, n_fft=512)
