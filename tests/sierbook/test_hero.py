"""The pair on the first page."""

from __future__ import annotations

import base64
import io
import re
import wave
from typing import Any

import numpy as np
import pytest

from sierbook.extensions.hero import draw_pair
from sierbook.numbers import plain
from sierlib.colours import AGAINST, FOR
from sierlib.explorer.payload import encode_image, encode_sound

RATE = 16_000
SOUND = (0.5 * np.sin(np.arange(RATE) / 9)).astype(np.float32)


def _sample(**changes: Any) -> dict[str, Any]:
    """One second of sound, two words, four regions each."""
    levels = [{name: {"rows": 1, "cols": 4, "values": [0.4, 0, 0, -0.2]} for name in ("speech",)}]
    levels[0]["image"] = {"rows": 2, "cols": 2, "values": [0.0, 0.0, 0.1, -0.3]}
    explanation = {"speech": 0.2, "image": -0.2, "levels": levels}
    sample = {
        "id": "pair-1",
        "words": [
            {"text": "so <b>", "start": 0.0, "end": 1.6},
            {"text": "sad", "start": 3.2, "end": 6.4},
        ],
        "image": {"src": encode_image(np.zeros((8, 8, 3), np.uint8)), "alt": 'a "cloud"'},
        "audio": encode_sound(SOUND, RATE),
        "scores": [0.1, 0.2, 0.0, 0.7],
        "predicted": "sad",
        "planted": None,
        "explanations": {"owen": {"sad": explanation}},
    }
    return sample | changes


def test_the_sound_is_that_of_the_sample() -> None:
    (data,) = re.findall(r"data:audio/wav;base64,([^\"]+)", draw_pair(_sample()))
    with wave.open(io.BytesIO(base64.b64decode(data))) as sound:
        assert (sound.getframerate(), sound.getnchannels()) == (RATE, 1)
        heard = np.frombuffer(sound.readframes(RATE), "<i2") / 32768
    np.testing.assert_allclose(heard, SOUND, atol=0.02)  # mu-law's steps


def test_words_and_regions_are_shaded_by_their_values() -> None:
    drawn = draw_pair(_sample())
    assert re.findall(r'title="([^"]+)"', drawn) == ["+0.400", "-0.200"]
    fills = re.findall(r'fill="([^"]+)"', drawn)
    assert fills == [f"{AGAINST}00", f"{AGAINST}00", f"{FOR}33", f"{AGAINST}99"]
    assert "(0.70): +0.20 from the speech and −0.20 from the picture" in plain(drawn)
    assert 'data-key="speech; fused; pair-1; score; this run"' in drawn


def test_text_stays_text() -> None:
    drawn = draw_pair(_sample())
    assert "so &lt;b&gt;" in drawn and "<b>" not in drawn and 'a &quot;cloud&quot;"' in drawn


PLANTED = {"speech": {"words": [1]}, "image": {"boxes": [[0.1, 0.2, 0.5, 0.6]]}}


@pytest.mark.parametrize("planted", [None, PLANTED])
def test_what_was_planted_is_marked_where_it_is_known(planted: dict[str, Any] | None) -> None:
    drawn = draw_pair(_sample(planted=planted))
    assert drawn.count('class="planted"') == (2 if planted else 0)
    assert ("dashed is what was planted" in drawn) is bool(planted)
