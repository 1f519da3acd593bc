"""From sound to the network's log-mel, and back."""

from __future__ import annotations

from functools import lru_cache

import librosa
import numpy as np

from sierlib import settings


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
