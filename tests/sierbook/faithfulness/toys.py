"""Models and planted truths whose answers are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sierbook.faithfulness.rivals import Maps
from sierlib import settings

SIZE = 32
SAD = settings.CLASSES.index("sad")


def linear(weights: dict[str, np.ndarray]) -> Callable[[dict[str, np.ndarray]], np.ndarray]:
    """A score that is a weighted sum of the pixels, as the last of four classes."""

    def model(given: dict[str, np.ndarray]) -> np.ndarray:
        score = sum(
            np.einsum("nhwc,hw->n", given[m].astype(float), weights[m]) for m in ("speech", "image")
        )
        return np.stack([np.zeros_like(score)] * 3 + [score], axis=1)

    return model


def planted(**given: Any) -> dict[str, Any]:
    speech = {
        "emotion": "sad",
        "emotion_times": [[0.2, 0.4]],
        "emotion_words": [1],
        "confuser_words": [2],
    }
    words = [["so", 0.0, 0.2], ["sad", 0.2, 0.4], ["glad", 0.4, 0.6], ["today", 0.6, 1.0]]
    truth = {
        "speech": {**speech, "words": words},
        "image": {"emotion": "sad", "boxes": [[8, 4, 16, 12]]},
    }
    return {m: truth[m] | given.get(m, {}) for m in truth}


def perfect() -> Maps:
    speech, image = np.zeros((SIZE, SIZE)), np.zeros((SIZE, SIZE))
    speech[:, 4:8], image[4:12, 8:16] = 1, 1  # 0.2 to 0.4 s; rows 4 to 11 of columns 8 to 15
    return Maps(speech, image)
