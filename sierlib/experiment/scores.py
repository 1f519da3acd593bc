"""Scores that are stored with each network: accuracy, macro F1, Cohen's kappa (Section 4.2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from scipy import stats
from sklearn import metrics as sk

from sierlib import settings


def class_codes(labels: Iterable[str], classes: Sequence[str] = settings.CLASSES) -> np.ndarray:
    """Return class indices (n,) of labels given by name, in the order of `classes`."""
    return np.array([classes.index(label) for label in labels], dtype=int)


def score_predictions(
    truth: np.ndarray, predicted: np.ndarray, classes: Sequence[str] = settings.CLASSES
) -> dict[str, Any]:
    """Score predictions against labels.

    Parameters
    ----------
    truth, predicted
        Class indices (n,).
    classes
        Their names.

    Returns
    -------
    dict
        ``n``; ``accuracy`` (the share that is right: "weighted accuracy"), with
        ``accuracy_interval``; ``balanced_accuracy`` (mean over classes: "unweighted accuracy");
        ``macro_f1``; ``kappa``; ``majority`` (the accuracy of always naming the most frequent
        label); ``per_class`` recall by name; ``confusion`` (rows: label).

    Examples
    --------
    >>> score_predictions(np.array([0, 1, 1, 3]), np.array([0, 1, 1, 1]))["accuracy"]
    0.75
    """
    present = sorted(set(truth) | set(predicted))
    confusion = sk.confusion_matrix(truth, predicted, labels=range(len(classes)))
    totals = confusion.sum(axis=1)
    recalls = {
        name: float(confusion[i, i] / totals[i]) if totals[i] else None
        for i, name in enumerate(classes)
    }
    return {
        "n": len(truth),
        "accuracy": float(np.mean(truth == predicted)),
        "accuracy_interval": wilson_interval(truth == predicted),
        "balanced_accuracy": float(
            np.mean([value for value in recalls.values() if value is not None])
        ),
        "macro_f1": float(
            sk.f1_score(truth, predicted, labels=present, average="macro", zero_division=0)
        ),
        "kappa": float(sk.cohen_kappa_score(truth, predicted)) if len(present) > 1 else 0.0,
        "majority": float(np.bincount(truth).max() / len(truth)),
        "per_class": recalls,
        "confusion": confusion.tolist(),
    }


def wilson_interval(right: np.ndarray, level: float = 0.95) -> list[float]:
    """Return Wilson's interval for a share of successes, [low, high]."""
    result = stats.binomtest(int(np.sum(right)), len(right)).proportion_ci(level, method="wilson")
    return [float(result.low), float(result.high)]
