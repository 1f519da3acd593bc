"""Accuracy, macro F1, Cohen's kappa (Section 4.2), with intervals."""

from __future__ import annotations

import math
import random
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import stats

from sierbook.faithfulness.rivals import Array
from sierlib.experiment.scores import wilson_interval

RESAMPLES = 4_000
BATCH = 100  # resamples at a time: memory stays small with many rows


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
        ``ece``, the expected calibration error; ``bins``: for each that holds rows ``confidence``
        (mean of the greatest probability), ``n``, and ``accuracy`` with Wilson's interval, ``low``
        and ``high``.

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
        low, high = wilson_interval(here)
        confidence = float(sure[place == index].mean())
        found.append(
            {
                "confidence": confidence,
                "n": len(here),
                "accuracy": float(here.mean()),
                "low": low,
                "high": high,
            }
        )
    ece = sum(row["n"] * abs(row["accuracy"] - row["confidence"]) for row in found) / len(truth)
    return {"ece": float(ece), "bins": found}


def bins_of(confidence: np.ndarray, bins: int) -> np.ndarray:
    """Return the bin of each confidence; an upper edge belongs to its bin, a lower one to the bin
    before."""
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
        How many were to be made, where that is more: those that are missing count as the least
        certain.

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


def paired_difference(
    right_a: np.ndarray, right_b: np.ndarray, seed: int = 0, level: float = 0.95
) -> dict[str, Any]:
    """Compare two classifiers on the same rows.

    Parameters
    ----------
    right_a, right_b
        (n,): which rows each gets right; or another score of each row.

    Returns
    -------
    dict
        ``difference`` of accuracies a - b; its paired bootstrap ``interval``; ``p``, two-sided: of
        the exact McNemar test, or for other scores than right and wrong of a paired permutation
        test; ``n``. All about rows: another training of either classifier may differ by more.
        `difference_of_trainings` is for several.
    """
    gains = right_a.astype(float) - right_b.astype(float)
    if np.ptp(gains) == 0:
        interval = [float(gains[0]), float(gains[0])]
    else:
        found = stats.bootstrap(
            (gains,),
            np.mean,
            n_resamples=RESAMPLES,
            batch=BATCH,
            confidence_level=level,
            method="percentile",
            rng=seed,
        ).confidence_interval
        interval = [float(found.low), float(found.high)]
    if set(np.unique(gains)) <= {-1.0, 0.0, 1.0}:
        only_a, only_b = int(np.sum(gains > 0)), int(np.sum(gains < 0))
        p = float(stats.binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
    else:
        p = float(
            stats.permutation_test(
                (gains,),
                np.mean,
                permutation_type="samples",
                n_resamples=RESAMPLES,
                batch=BATCH,
                rng=seed,
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

    Rows and trainings are drawn with replacement, the trainings of each classifier by themselves,
    so that the interval is about other rows *and* other trainings (Owen, 2007: the pigeonhole
    bootstrap). With three trainings it is still rather too narrow.

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
        ``difference``, ``interval`` and ``p`` (two-sided, of the same draws) as `paired_difference`
        has them, ``n`` of the chosen rows, and for several trainings ``by_training``, the
        difference of each first, second, ... of them.
    """
    parts = [(1, chosen)] if others is None else [(1, chosen), (-1, others)]
    rng, draws = np.random.default_rng(seed), []
    for _ in range(0, RESAMPLES, BATCH):
        drawn_a, drawn_b = (_drawn(rng, len(scores)) for scores in (a, b))
        draws.append(
            sum(
                sign
                * (
                    (drawn_a @ a[:, rows] - drawn_b @ b[:, rows]) * _drawn(rng, int(rows.sum()))
                ).sum(axis=1)
                for sign, rows in parts
            )
        )
    found = np.concatenate(draws)
    tail = min(np.sum(found <= 0), np.sum(found >= 0))
    mean_a, mean_b = (
        sum(sign * scores[:, rows].mean(axis=1) for sign, rows in parts) for scores in (a, b)
    )
    told: dict[str, Any] = {
        "difference": float(mean_a.mean() - mean_b.mean()),
        "interval": [
            float(value) for value in np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
        ],
        "p": float(min(1.0, 2 * (tail + 1) / (len(found) + 1))),
        "n": int(chosen.sum()),
    }
    return told | ({"by_training": (mean_a - mean_b).tolist()} if len(a) == len(b) > 1 else {})


def _drawn(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return (BATCH, count): the share of each of some things among as many, drawn with
    replacement."""
    return rng.multinomial(count, np.full(count, 1 / count), BATCH) / count


#: Student's 97.5 % quantiles for 1 to 9 degrees of freedom: this package is imported where SciPy is
#: not wanted.
STUDENT = (
    12.706205,
    4.302653,
    3.182446,
    2.776445,
    2.570582,
    2.446912,
    2.364624,
    2.306004,
    2.262157,
)


#: A network is near its own best at this share of its greatest validation accuracy.
NEAR = 0.95


def first_near_best(curve: Sequence[float]) -> int:
    """Return the first epoch, counted from 1, at which a curve is near its greatest value.

    The best epoch itself would not do: with a falling learning rate it is the last one, for fast
    and slow alike.

    Examples
    --------
    >>> first_near_best([0.3, 0.5, 0.77, 0.75, 0.8])
    3
    """
    return next(epoch for epoch, value in enumerate(curve, 1) if value >= NEAR * max(curve))


def mean_detour(curve: Sequence[float]) -> float:
    """Return how far a curve moves per epoch beyond what takes it from its first value to its last.

    Examples
    --------
    >>> round(mean_detour([0.25, 0.5, 0.75]), 3), round(mean_detour([0.25, 0.75, 0.5]), 3)
    (0.0, 0.25)
    """
    moved = sum(abs(after - before) for before, after in pairwise(curve))
    return (moved - abs(curve[-1] - curve[0])) / max(1, len(curve) - 1)


def wilson_share(count: int, n: int) -> tuple[float, float, float]:
    """Return a share and its 95 % interval (Wilson, 1927).

    Examples
    --------
    >>> [round(value, 3) for value in wilson_share(432, 553)]
    [0.781, 0.745, 0.814]
    """
    z, share = 1.959964, count / n
    middle, half = (
        share + z * z / (2 * n),
        z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)),
    )
    return share, (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def has_learned(scores: Mapping[str, Any], accuracies: Sequence[float] = ()) -> bool:
    """Tell whether a network was clearly better than always naming the largest class, in every
    training of it.

    Parameters
    ----------
    scores
        ``n``, ``accuracy_interval`` and ``majority`` of the first training, as of
        `score_predictions`; where one is lacking nothing speaks against the network.
    accuracies
        Those of all trainings, where there are several.

    Examples
    --------
    >>> first = {"n": 959, "accuracy_interval": [0.459, 0.522], "majority": 0.454}
    >>> has_learned(first), has_learned(first, [0.490, 0.466])
    (True, False)
    """
    interval, majority, n = (scores.get(key) for key in ("accuracy_interval", "majority", "n"))
    if not interval or majority is None:
        return True
    others = [wilson_share(round(accuracy * n), n)[1] for accuracy in accuracies[1:]] if n else []
    return all(low > majority for low in (interval[0], *others))


def student_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the mean of 2 to 10 values (Student, 1908).

    Examples
    --------
    >>> [round(value, 3) for value in student_interval([0.5, 0.6, 0.7])]
    [0.352, 0.848]
    """
    mean, error = statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values))
    reach = error * STUDENT[min(len(values), len(STUDENT) + 1) - 2]
    return mean - reach, mean + reach


def newcombe_difference(one: Sequence[float], other: Sequence[float]) -> tuple[float, float, float]:
    """Return the difference of two shares, each given with its Wilson interval, and the
    difference's (Newcombe, 1998).

    The shares are taken to be independent. Two networks on the same rows are not: where they tend
    to err together, this interval is wider than a paired one.
    """
    (p, low_p, high_p), (q, low_q, high_q) = one, other
    return (
        p - q,
        p - q - math.hypot(p - low_p, high_q - q),
        p - q + math.hypot(high_p - p, q - low_q),
    )


def _margins(confusion: Sequence[Sequence[int]]) -> tuple[list[int], list[int], list[int]]:
    """Return the diagonal, and the sums of rows and of columns."""
    columns = [sum(column) for column in zip(*confusion, strict=True)]
    return [row[i] for i, row in enumerate(confusion)], [sum(row) for row in confusion], columns


def confusion_kappa(confusion: Sequence[Sequence[int]]) -> float:
    """Return Cohen's kappa of a confusion matrix; 0 where only one class occurs."""
    right, rows, columns = _margins(confusion)
    n = sum(rows)
    chance = sum(row * column for row, column in zip(rows, columns, strict=True)) / n**2
    return (sum(right) / n - chance) / (1 - chance) if chance < 1 else 0.0


def confusion_surplus(confusion: Sequence[Sequence[int]]) -> float:
    """Return by how much accuracy exceeds macro F1, over the classes that occur."""
    right, rows, columns = _margins(confusion)
    scores = [
        2 * hits / (row + column)
        for hits, row, column in zip(right, rows, columns, strict=True)
        if row + column
    ]
    return sum(right) / sum(rows) - sum(scores) / len(scores)


def _redraw_confusion(table: Sequence[Sequence[int]], draw: random.Random) -> list[list[int]]:
    """Return a confusion matrix of as many rows, drawn with replacement."""
    size, cells = len(table), [cell for row in table for cell in row]
    counts = Counter(draw.choices(range(len(cells)), cells, k=sum(cells)))
    return [[counts[i * size + j] for j in range(size)] for i in range(size)]


def bootstrap_confusions(
    tables: Sequence[Sequence[Sequence[int]]],
    statistic: Callable[..., float],
    resamples: int = 500,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Return a statistic of confusion matrices, and its 95 % percentile interval; each matrix is
    drawn by itself."""
    draw, cut = random.Random(seed), resamples // 40
    found = sorted(
        statistic(*[_redraw_confusion(table, draw) for table in tables]) for _ in range(resamples)
    )
    return statistic(*tables), found[cut], found[-1 - cut]


def bootstrap_interval(values: Array, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a mean; where nothing varies, the mean twice."""
    if len(values) < 2 or np.ptp(values) == 0:
        return float(np.mean(values)), float(np.mean(values))
    found = stats.bootstrap(
        (values,), np.mean, n_resamples=RESAMPLES, batch=BATCH, method="percentile", rng=seed
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)
