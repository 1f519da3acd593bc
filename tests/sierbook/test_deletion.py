"""Scores of what is left: the parts are found by rule, and the scores are the model's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sierbook import deletion


def _explanation(speech: list[float], image: list[float]) -> dict[str, Any]:
    side = int(len(image) ** 0.5)
    finest = {
        "speech": {"rows": 1, "cols": len(speech), "values": speech},
        "image": {"rows": side, "cols": side, "values": image},
    }
    return {"levels": [finest]}


WORDS = [
    {"text": "low", "start": 0.0, "end": 1.5},
    {"text": "high", "start": 1.7, "end": 3.2},
    {"text": "late", "start": 7.0, "end": 7.5},
]


def _model(x: dict[str, np.ndarray]) -> np.ndarray:
    share = (x["speech"].mean(axis=(1, 2, 3)) + x["image"].mean(axis=(1, 2, 3))) / 2
    return np.stack([share, 1 - share], axis=1)


def test_words_are_parts_as_wholes_and_pauses_go_with_the_nearest() -> None:
    one = _explanation([0.1, 0.5, 0.0, 0.0], [1.0, 2.0, 3.0, 4.0])
    frames, regions = deletion.find_parts(one, WORDS, 3.2, 60)
    assert frames.shape == (1, 128) and regions.tolist() == [[False, False], [True, True]]
    # The pause before "high" is halved at 1.6 s; behind 3.2 s nothing sounds.
    assert not frames[0, :32].any() and frames[0, 32:].all()
    frames, _ = deletion.find_parts(one, WORDS, 3.2, 0)
    assert frames.all(), "at 0 everything matters"


def test_without_words_steps_of_time_are_the_parts() -> None:
    one = _explanation([0.3, 0.1, 0.2, 9.0], [1.0])
    frames, _ = deletion.find_parts(one, [], 4.8, 50)
    assert frames[0].reshape(4, 32).all(axis=1).tolist() == [True, False, True, True]


def test_scores_run_from_the_whole_to_nothing_and_are_the_models() -> None:
    payload = {
        "words": WORDS,
        "duration": 3.2,
        "explanations": {"owen": {"a": _explanation([0.1, 0.5, 0, 0], [1.0, 2.0, 3.0, 4.0])}},
        "blurred": {"owen": {"a": _explanation([0.5, 0.1, 0, 0], [4.0, 2.0, 3.0, 1.0])}},
    }
    asked = []

    def model(x: dict[str, np.ndarray]) -> np.ndarray:
        asked.append(len(x["speech"]))
        return _model(x)

    deletion.add_scores(payload, model, np.ones((128, 128, 1)), np.ones((128, 128, 3)))
    left = payload["explanations"]["owen"]["a"]["left"]
    assert len(asked) == 1, "one call, whatever the number of explanations"
    assert {way: len(rows) for way, rows in left.items()} == {"keep": 11, "remove": 11}
    assert left["keep"][0] == [1.0, 0.0] and left["remove"][0] == [0.0, 1.0]
    kept = [row[0] for row in left["keep"]]
    removed = [row[0] for row in left["remove"]]
    assert kept == sorted(kept, reverse=True) and removed == sorted(removed)
    # A region of four and one word of two, with all that is behind the sound, are 1/4 and 3/4.
    assert left["keep"][-1][0] == pytest.approx((0.75 + 0.25) / 2, abs=1e-3)
    blurred = payload["blurred"]["owen"]["a"]["left"]
    assert np.allclose(blurred["remove"], [[1, 0]] * 11, atol=1e-3), "a blur of ones is ones"
