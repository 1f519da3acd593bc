"""Speech: text, voice and recordings become sound, sound a log-mel and words with their times.

Sound is 16 kHz mono, float32 in [-1, 1].
"""

from sierlib.data.speech.recordings import Recording, read_audio, read_recording
from sierlib.data.speech.spectrogram import log_mel, to_sound
from sierlib.data.speech.text import Reading, clean_text, clean_transcript, read_aloud
from sierlib.data.speech.voice import speak, spoken_part
from sierlib.data.speech.words import (
    Word,
    align,
    fits_sound,
    in_dictionary,
    recognise,
)

__all__ = [
    "Reading",
    "Recording",
    "Word",
    "align",
    "clean_text",
    "clean_transcript",
    "in_dictionary",
    "log_mel",
    "fits_sound",
    "read_aloud",
    "read_audio",
    "read_recording",
    "recognise",
    "speak",
    "spoken_part",
    "to_sound",
]
