"""How two teachers' opinions become a label (Section 3.1), and the rule of Section 5.4."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sierlib import settings


def max_rule(
    ser: np.ndarray, ier: np.ndarray, threshold: float = settings.LABEL_THRESHOLD
) -> dict[str, np.ndarray]:
    """Label each pair as its more confident teacher does.

    Parameters
    ----------
    ser, ier
        Probabilities (n, classes) of the speech and the image teacher.
    threshold
        Pairs whose greatest probability lies below it are discarded.

    Returns
    -------
    dict
        ``label`` (n,) class index; ``winner`` (n,) "ser" or "ier" (speech where both are equally
        sure); ``confidence`` (n,); ``kept`` (n,) bool.

    Examples
    --------
    The example of Section 3.1: the image teacher is the more confident one, and names the second
    class.

    >>> rule = max_rule(np.array([[.1, .1, .7, .1]]), np.array([[.1, .8, .05, .05]]))
    >>> int(rule["label"][0]), str(rule["winner"][0])
    (1, 'ier')
    """
    max_1, max_2 = ser.max(axis=1), ier.max(axis=1)  # (n,) each
    speech_wins = max_1 >= max_2
    confidence = np.maximum(max_1, max_2)
    label = np.where(speech_wins, ser.argmax(axis=1), ier.argmax(axis=1))
    return {
        "label": label,
        "winner": np.where(speech_wins, "ser", "ier"),
        "confidence": confidence,
        "kept": confidence >= threshold,
    }


def agreement_rule(ser: np.ndarray, ier: np.ndarray) -> dict[str, np.ndarray]:
    """Keep only pairs to which both teachers give one label.

    Section 5.4 rejects this alternative.

    Parameters
    ----------
    ser, ier
        Probabilities (n, classes) of the speech and the image teacher.

    Returns
    -------
    dict
        ``label`` (n,) and ``kept`` (n,) bool, as `max_rule`.
    """
    label = ser.argmax(axis=1)
    return {"label": label, "kept": label == ier.argmax(axis=1)}


def teacher_opinions(rows: pd.DataFrame, role: str) -> np.ndarray:
    """Return a teacher's probabilities (n, 4) from manifest rows; `role` is "ser" or "ier"."""
    columns = [f"{role}_{name}" for name in settings.CLASSES]
    return rows[columns].to_numpy(float)
