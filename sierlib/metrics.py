"""Accuracy, macro F1, Cohen's kappa (Section 4.2), with intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from scipy import stats
from sklearn import metrics as sk

from sierlib import settings

RESAMPLES = 4_000
BATCH = 100  # resamples at a time: memory stays small with many rows


def codes(labels: Iterable[str], classes: Sequence[str] = settings.CLASSES) -> np.ndarray:
    """Return class indices (n,) of labels given by name, in the order of `classes`."""
    return np.array([classes.index(label) for label in labels], dtype=int)


def scores(truth: np.ndarray, predicted: np.ndarray, classes: Sequence[str] = settings.CLASSES) -> dict[str, Any]:
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
        ``n``; ``accuracy`` (the share that is right: "weighted accuracy"), with ``accuracy_interval``;
        ``balanced_accuracy`` (mean over classes: "unweighted accuracy"); ``macro_f1``; ``kappa``; ``majority`` (the
        accuracy of always naming the most frequent label); ``per_class`` recall by name; ``confusion`` (rows: label).

    Examples
    --------
    >>> scores(np.array([0, 1, 1, 3]), np.array([0, 1, 1, 1]))["accuracy"]
    0.75
    """
    present = sorted(set(truth) | set(predicted))
    confusion = sk.confusion_matrix(truth, predicted, labels=range(len(classes)))
    totals = confusion.sum(axis=1)
    recalls = {name: float(confusion[i, i] / totals[i]) if totals[i] else None for i, name in enumerate(classes)}
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


def calibration(probabilities: np.ndarray, truth: np.ndarray, bins: int = 15) -> dict[str, Any]:
    """Hold how sure a classifier is against how often it is right (Guo et al., 2017).

    Parameters
    ----------
    probabilities
        (n, classes).
    truth
        Class indices (n,).
    bins
        Of equal width, between 0 and 1.

    Returns
    -------
    dict
        ``ece``, the expected calibration error; ``bins``: for each that holds rows ``confidence`` (mean of the greatest
        probability), ``n``, and ``accuracy`` with Wilson's interval, ``low`` and ``high``.

    Examples
    --------
    >>> round(calibration(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1]))["ece"], 6)
    0.4
    """
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    place = bins_of(sure, bins)
    found = []
    for index in np.unique(place):
        here = right[place == index]
        low, high = proportion_interval(here)
        confidence = float(sure[place == index].mean())
        found.append(
            {"confidence": confidence, "n": len(here), "accuracy": float(here.mean()), "low": low, "high": high}
        )
    ece = sum(row["n"] * abs(row["accuracy"] - row["confidence"]) for row in found) / len(truth)
    return {"ece": float(ece), "bins": found}


def bins_of(confidence: np.ndarray, bins: int) -> np.ndarray:
    """Return the bin of each confidence; an upper edge belongs to its bin, a lower one to the bin before."""
    return np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True)


def mean_interval(values: Sequence[float], level: float = 0.95) -> list[float]:
    """Return Student's interval for the mean of a few values, [low, high]."""
    mean, error = float(np.mean(values)), float(stats.sem(values))
    reach = error * float(stats.t.ppf((1 + level) / 2, len(values) - 1))
    return [mean - reach, mean + reach]


def holm(p: Sequence[float], planned: int = 0) -> list[float]:
    """Return probabilities corrected by Holm's step-down method, in the order given.

    Parameters
    ----------
    p
        Of the comparisons that were made.
    planned
        How many were to be made, where that is more: those that are missing count as the least certain.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order, corrected, most = np.argsort(p), [0.0] * len(p), 0.0
    for rank, index in enumerate(order):
        most = max(most, min(1.0, (max(planned, len(p)) - rank) * p[index]))
        corrected[index] = float(most)
    return corrected


def paired_difference(right_a: np.ndarray, right_b: np.ndarray, seed: int = 0, level: float = 0.95) -> dict[str, Any]:
    """Compare two classifiers on the same rows.

    Parameters
    ----------
    right_a, right_b
        (n,): which rows each gets right; or another score of each row.

    Returns
    -------
    dict
        ``difference`` of accuracies a - b; its paired bootstrap ``interval``; ``p``, two-sided: of the exact McNemar
        test, or for other scores than right and wrong of a paired permutation test; ``n``. All about rows: another
        training of either classifier may differ by more. `difference_of_trainings` is for several.
    """
    gains = right_a.astype(float) - right_b.astype(float)
    if np.ptp(gains) == 0:
        interval = [float(gains[0]), float(gains[0])]
    else:
        found = stats.bootstrap(
            (gains,), np.mean, n_resamples=RESAMPLES, batch=BATCH, confidence_level=level, method="percentile", rng=seed
        ).confidence_interval
        interval = [float(found.low), float(found.high)]
    if set(np.unique(gains)) <= {-1.0, 0.0, 1.0}:
        only_a, only_b = int(np.sum(gains > 0)), int(np.sum(gains < 0))
        p = float(stats.binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
    else:
        p = float(
            stats.permutation_test(
                (gains,), np.mean, permutation_type="samples", n_resamples=RESAMPLES, batch=BATCH, rng=seed
            ).pvalue
        )
    return {"difference": float(gains.mean()), "interval": interval, "p": p, "n": len(gains)}


def difference_of_trainings(
    a: np.ndarray,
    b: np.ndarray,
    chosen: np.ndarray,
    others: np.ndarray | None = None,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Any]:
    """Compare two classifiers that were trained several times each, on the same rows.

    Rows and trainings are drawn with replacement, the trainings of each classifier by themselves, so that the interval
    is about other rows *and* other trainings (Owen, 2007: the pigeonhole bootstrap). With three trainings it is still
    rather too narrow.

    Parameters
    ----------
    a, b
        (trainings, n): a score of each row in each training, such as whether it is right.
    chosen
        (n,) bool: the rows that are compared.
    others
        (n,) bool: rows whose difference is subtracted from that of the chosen ones.

    Returns
    -------
    dict
        ``difference``, ``interval`` and ``p`` (two-sided, of the same draws) as `paired_difference` has them, ``n`` of
        the chosen rows, and for several trainings ``by_training``, the difference of each first, second, ... of them.
    """
    parts = [(1, chosen)] if others is None else [(1, chosen), (-1, others)]
    rng, draws = np.random.default_rng(seed), []
    for _ in range(0, RESAMPLES, BATCH):
        drawn_a, drawn_b = (_drawn(rng, len(scores)) for scores in (a, b))
        draws.append(
            sum(
                sign * ((drawn_a @ a[:, rows] - drawn_b @ b[:, rows]) * _drawn(rng, int(rows.sum()))).sum(axis=1)
                for sign, rows in parts
            )
        )
    found = np.concatenate(draws)
    tail = min(np.sum(found <= 0), np.sum(found >= 0))
    mean_a, mean_b = (sum(sign * scores[:, rows].mean(axis=1) for sign, rows in parts) for scores in (a, b))
    told: dict[str, Any] = {
        "difference": float(mean_a.mean() - mean_b.mean()),
        "interval": [float(value) for value in np.quantile(found, [(1 - level) / 2, (1 + level) / 2])],
        "p": float(min(1.0, 2 * (tail + 1) / (len(found) + 1))),
        "n": int(chosen.sum()),
    }
    return told | ({"by_training": (mean_a - mean_b).tolist()} if len(a) == len(b) > 1 else {})


def _drawn(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return (BATCH, count): the share of each of some things among as many, drawn with replacement."""
    return rng.multinomial(count, np.full(count, 1 / count), BATCH) / count
