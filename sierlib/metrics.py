"""Accuracy, macro F1, Cohen's kappa (Section 4.2), with intervals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy import stats
from sklearn import metrics as sk

from sierlib import settings

RESAMPLES = 4_000


def codes(labels: Iterable[str]) -> np.ndarray:
    """Return class indices (n,) of labels given by name, in the order of `settings.CLASSES`."""
    return np.array([settings.CLASSES.index(label) for label in labels], dtype=int)


def scores(truth: np.ndarray, predicted: np.ndarray) -> dict[str, Any]:
    """Score predictions against labels.

    Parameters
    ----------
    truth, predicted
        Class indices (n,).

    Returns
    -------
    dict
        ``n``; ``accuracy`` (the share that is right: "weighted accuracy"), with ``accuracy_interval``;
        ``balanced_accuracy`` (mean over classes: "unweighted accuracy"); ``macro_f1``; ``kappa``; ``majority`` (the
        accuracy of always naming the most frequent label); ``per_class`` recall by name; ``confusion`` (rows: label).

    Examples
    --------
    >>> scores(np.array([0, 1, 1, 3]), np.array([0, 1, 1, 1]))["accuracy"]
    0.75
    """
    present = sorted(set(truth) | set(predicted))
    confusion = sk.confusion_matrix(truth, predicted, labels=range(len(settings.CLASSES)))
    totals = confusion.sum(axis=1)
    recalls = {
        name: float(confusion[i, i] / totals[i]) if totals[i] else None for i, name in enumerate(settings.CLASSES)
    }
    return {
        "n": len(truth),
        "accuracy": float(np.mean(truth == predicted)),
        "accuracy_interval": proportion_interval(truth == predicted),
        "balanced_accuracy": float(np.mean([value for value in recalls.values() if value is not None])),
        "macro_f1": float(sk.f1_score(truth, predicted, labels=present, average="macro", zero_division=0)),
        "kappa": float(sk.cohen_kappa_score(truth, predicted)) if len(present) > 1 else 0.0,
        "majority": float(np.bincount(truth).max() / len(truth)),
        "per_class": recalls,
        "confusion": confusion.tolist(),
    }


def proportion_interval(right: np.ndarray, level: float = 0.95) -> list[float]:
    """Return Wilson's interval for a share of successes, [low, high]."""
    result = stats.binomtest(int(np.sum(right)), len(right)).proportion_ci(level, method="wilson")
    return [float(result.low), float(result.high)]


def paired_difference(right_a: np.ndarray, right_b: np.ndarray, seed: int = 0, level: float = 0.95) -> dict[str, Any]:
    """Compare two classifiers on the same rows.

    Parameters
    ----------
    right_a, right_b
        bool (n,): which rows each gets right.

    Returns
    -------
    dict
        ``difference`` of accuracies a - b; its paired bootstrap ``interval``; ``p``, the exact McNemar
        test's two-sided probability.
    """
    gains = right_a.astype(float) - right_b.astype(float)
    if np.ptp(gains) == 0:
        interval = [float(gains[0]), float(gains[0])]
    else:
        found = stats.bootstrap(
            (gains,), np.mean, n_resamples=RESAMPLES, confidence_level=level, method="percentile", rng=seed
        ).confidence_interval
        interval = [float(found.low), float(found.high)]
    only_a, only_b = int(np.sum(gains > 0)), int(np.sum(gains < 0))
    p = float(stats.binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
    return {"difference": float(gains.mean()), "interval": interval, "p": p, "n": len(gains)}
