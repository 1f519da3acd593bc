"""What explains a pair of one's own quickly."""

from __future__ import annotations

from typing import Any

import numpy as np

from sierlib.explorer.pair import OwnPair, explain_own

TEXT = "I am so happy today."


def by_hand(x: dict[str, np.ndarray]) -> np.ndarray:
    """Score loud speech and bright pictures as happy, the rest as sad; the classes sum to one."""
    joy = (x["speech"].mean(axis=(1, 2, 3)) + x["image"].mean(axis=(1, 2, 3))) / 2
    return np.stack([0 * joy + 0.05, 0.1 + 0.7 * joy, 0 * joy + 0.05, 0.8 - 0.7 * joy], axis=1)


def own_of(image: Any, model: Any = by_hand, **options: Any) -> OwnPair:
    return explain_own(model, image, **{"depth": 2, **options})
