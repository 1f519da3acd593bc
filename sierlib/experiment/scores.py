"""Scores that are stored with each network: accuracy, macro F1, Cohen's kappa (Section 4.2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from scipy import stats
from sklearn import metrics as sk

from sierlib import settings

#: A number with its 95 % interval: ``value``, ``low``, ``high``, and the ``n`` that it rests on.
Estimate = dict[str, Any]


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
        ``n``; ``accuracy`` (the share that is right: "weighted accuracy"), an estimate;
        ``balanced_accuracy`` (mean over classes: "unweighted accuracy"); ``macro_f1``; ``kappa``;
        ``majority`` (the accuracy of always naming the most frequent label); ``per_class`` recall
        by name; ``confusion`` (rows: label).

    Examples
    --------
    >>> score_predictions(np.array([0, 1, 1, 3]), np.array([0, 1, 1, 1]))["accuracy"]["value"]
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
        "accuracy": estimate_share(truth == predicted),
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


def estimate_share(right: np.ndarray) -> Estimate:
    """Return the share of a bool array (n,) that is true, with Wilson's 95 % interval (1927)."""
    result = stats.binomtest(int(np.sum(right)), len(right)).proportion_ci(0.95, method="wilson")
    return {
        "value": float(np.mean(right)),
        "low": float(result.low),
        "high": float(result.high),
        "n": len(right),
    }
