"""Statistics on SciPy: estimates with 95 % intervals, comparisons of classifiers, learning curves.

An estimate is a dict ``{"value", "low", "high", "n"}`` wherever one is stored: the value, the two
ends of its 95 % interval, and how many rows (or trainings) it rests on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sierlib.experiment.scores import Estimate, estimate_share

RESAMPLES = 4_000
BATCH = 100  # resamples at a time: memory stays small with many rows
LEVEL = 0.95

#: A network is near its own best at this share of its greatest validation accuracy.
NEAR = 0.95


# ------------------------------------------------------------------------------------ estimates
def estimate_mean(values: NDArray[Any] | Sequence[float], seed: int = 0) -> Estimate:
    """Return the mean of values (n,) with its bootstrap interval; where nothing varies, a point."""
    array = np.asarray(values, float)
    mean = float(array.mean())
    if len(array) < 2 or np.ptp(array) == 0:
        return {"value": mean, "low": mean, "high": mean, "n": len(array)}
    return _bootstrap((array,), np.mean, mean, len(array), seed)


def estimate_grouped(
    values: NDArray[Any] | Sequence[float], groups: NDArray[Any], seed: int = 0
) -> Estimate:
    """Return the mean of values (n,), with an interval for groups (n,) that stand or fall together.

    Whole groups are drawn anew, as rows with one photograph would be.

    Examples
    --------
    >>> alone = estimate_mean([0, 1] * 20)
    >>> together = estimate_grouped([0, 1] * 20, np.array([0, 1] * 20) + np.arange(40) // 20 * 2)
    >>> together["high"] - together["low"] > alone["high"] - alone["low"]
    True
    """
    array = np.asarray(values, float)
    _, of = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(of, weights=array), np.bincount(of)
    mean = float(array.mean())
    if len(sums) < 2 or np.ptp(array) == 0:
        return {"value": mean, "low": mean, "high": mean, "n": len(array)}

    def share(total: NDArray[Any], size: NDArray[Any], axis: int = -1) -> NDArray[Any]:
        return total.sum(axis) / size.sum(axis)

    return _bootstrap((sums, sizes), share, mean, len(array), seed, paired=True)


def _bootstrap(
    data: tuple[NDArray[Any], ...],
    statistic: Callable[..., Any],
    value: float,
    n: int,
    seed: int,
    **options: bool,
) -> Estimate:
    """Return a value with the percentiles of a statistic over resamples."""
    found = stats.bootstrap(
        data,
        statistic,
        n_resamples=RESAMPLES,
        batch=BATCH,
        confidence_level=LEVEL,
        method="percentile",
        rng=seed,
        **options,
    ).confidence_interval
    return {"value": value, "low": float(found.low), "high": float(found.high), "n": n}


def estimate_few(values: Sequence[float]) -> Estimate:
    """Return the mean of a few values with Student's interval.

    Parameters
    ----------
    values
        (n,), two at least, such as the accuracies of several trainings.

    Examples
    --------
    >>> [round(estimate_few([0.5, 0.6, 0.7])[end], 3) for end in ("low", "high")]
    [0.352, 0.848]
    """
    mean = float(np.mean(values))
    reach = float(stats.sem(values) * stats.t.ppf((1 + LEVEL) / 2, len(values) - 1))
    return {"value": mean, "low": mean - reach, "high": mean + reach, "n": len(values)}


def subtract_shares(one: Estimate, other: Estimate) -> Estimate:
    """Return the difference of two independent shares (Newcombe, 1998, method 10).

    Two networks on the same rows are not independent: where they tend to err together, this
    interval is wider than a paired one.

    Parameters
    ----------
    one, other
        Shares with Wilson's intervals, as of `estimate_share`.
    """
    difference = one["value"] - other["value"]
    below = math.hypot(one["value"] - one["low"], other["high"] - other["value"])
    above = math.hypot(one["high"] - one["value"], other["value"] - other["low"])
    return {
        "value": difference,
        "low": difference - below,
        "high": difference + above,
        "n": min(one["n"], other["n"]),
    }


# ---------------------------------------------------------------------------------- calibration
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
        ``ece``, the expected calibration error; ``bins``: for each that holds rows an estimate of
        the accuracy in it, and ``confidence``, the mean of the greatest probability.

    Examples
    --------
    >>> round(calibration(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1]))["ece"], 6)
    0.4
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    place = bins_of(confidence, bins)
    found = []
    for index in np.unique(place):
        here = place == index
        mean = float(confidence[here].mean())
        found.append({"confidence": mean, **estimate_share(right[here])})
    gaps = [row["n"] * abs(row["value"] - row["confidence"]) for row in found]
    return {"ece": float(sum(gaps) / len(truth)), "bins": found}


def bins_of(confidence: np.ndarray, bins: int) -> np.ndarray:
    """Return the bin of each confidence (n,); an edge belongs to the bin below it."""
    return np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True)


# ---------------------------------------------------------------------------------- comparisons
def holm(p: Sequence[float], planned: int = 0) -> list[float]:
    """Return probabilities corrected by Holm's step-down method (1979), in the order given.

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


def paired_difference(right_a: np.ndarray, right_b: np.ndarray, seed: int = 0) -> Estimate:
    """Compare two classifiers on the same rows.

    Parameters
    ----------
    right_a, right_b
        (n,): which rows each gets right; or another score of each row.

    Returns
    -------
    dict
        The difference of accuracies a - b with its paired bootstrap interval, and ``p``, two-sided:
        of the exact McNemar test, or for other scores than right and wrong of a paired permutation
        test. All about rows: another training of either classifier may differ by more.
        `difference_of_trainings` is for several.
    """
    gains = right_a.astype(float) - right_b.astype(float)
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
    return {**estimate_mean(gains, seed), "p": p}


def difference_of_trainings(
    a: np.ndarray,
    b: np.ndarray,
    chosen: np.ndarray,
    others: np.ndarray | None = None,
    seed: int = 0,
) -> Estimate:
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
        The mean difference with its interval and ``p`` (two-sided, of the same draws), ``n`` of the
        chosen rows, and for several trainings ``by_training``, the difference of each first,
        second, ... of them.
    """
    return differences_of_trainings([(a, b)], chosen, others, seed)[0]


def differences_of_trainings(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]],
    chosen: np.ndarray,
    others: np.ndarray | None = None,
    seed: int = 0,
) -> list[Estimate]:
    """Compare many pairs as `difference_of_trainings` does each, with the same draws for all.

    Drawing takes longest, and the draws depend on numbers of trainings and rows only.

    Parameters
    ----------
    pairs
        ``a`` and ``b`` of each; all have as many trainings of ``a``, and of ``b``, as the first.
    """
    if not pairs:
        return []
    count_a, count_b = len(pairs[0][0]), len(pairs[0][1])
    parts = [(1, chosen)] if others is None else [(1, chosen), (-1, others)]
    rng = np.random.default_rng(seed)
    batches: list[np.ndarray] = []
    for _ in range(0, RESAMPLES, BATCH):
        shares_a, shares_b = _draw_shares(rng, count_a), _draw_shares(rng, count_b)
        drawn = np.zeros((len(pairs), BATCH))
        for sign, rows in parts:
            shares = _draw_shares(rng, int(rows.sum()))
            for of_pair, (a, b) in zip(drawn, pairs, strict=True):
                gains = shares_a @ a[:, rows] - shares_b @ b[:, rows]  # (BATCH, rows)
                of_pair += sign * (gains * shares).sum(axis=1)
        batches.append(drawn)
    found = np.concatenate(batches, axis=1)  # (pairs, RESAMPLES)
    estimates = []
    for (a, b), draws in zip(pairs, found, strict=True):
        estimates.append(_summarize_draws(a, b, parts, draws))
    return estimates


def _summarize_draws(
    a: np.ndarray, b: np.ndarray, parts: Sequence[tuple[int, np.ndarray]], draws: np.ndarray
) -> Estimate:
    """Return the difference of two classifiers with the interval and p of its resampled values."""
    means = np.zeros(len(a)), np.zeros(len(b))
    for scores, mean in zip((a, b), means, strict=True):
        for sign, rows in parts:
            mean += sign * scores[:, rows].mean(axis=1)
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    tail = min(np.sum(draws <= 0), np.sum(draws >= 0))
    estimate: Estimate = {
        "value": float(means[0].mean() - means[1].mean()),
        "low": float(low),
        "high": float(high),
        "n": int(np.sum(parts[0][1])),
        "p": float(min(1.0, 2 * (tail + 1) / (len(draws) + 1))),
    }
    if len(a) == len(b) > 1:
        estimate["by_training"] = (means[0] - means[1]).tolist()
    return estimate


def _draw_shares(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return (BATCH, count): shares of `count` things in as many draws with replacement."""
    return rng.multinomial(count, np.full(count, 1 / count), BATCH) / count


# ------------------------------------------------------------------------------------ learning
def has_learned(scores: Mapping[str, Any], accuracies: Sequence[float] = ()) -> bool:
    """Tell whether every training of a network was clearly better than naming the largest class.

    Parameters
    ----------
    scores
        ``accuracy`` and ``majority`` of the first training, as of `score_predictions`; where one is
        lacking nothing speaks against the network.
    accuracies
        Those of all trainings, where there are several.

    Examples
    --------
    >>> accuracy = {"value": 0.490, "low": 0.459, "high": 0.522, "n": 959}
    >>> first = {"accuracy": accuracy, "majority": 0.454}
    >>> has_learned(first), has_learned(first, [0.490, 0.466])
    (True, False)
    """
    accuracy, majority = scores.get("accuracy"), scores.get("majority")
    if not isinstance(accuracy, Mapping) or accuracy.get("low") is None or majority is None:
        return True
    lows = [accuracy["low"]]
    for value in accuracies[1:]:
        lows.append(estimate_count(round(value * accuracy["n"]), accuracy["n"])["low"])
    return min(lows) > majority


def estimate_count(count: int, n: int) -> Estimate:
    """Return the share of `count` among `n` with Wilson's interval (1927).

    Examples
    --------
    >>> {name: round(value, 3) for name, value in estimate_count(432, 553).items()}
    {'value': 0.781, 'low': 0.745, 'high': 0.814, 'n': 553}
    """
    return estimate_share(np.arange(n) < count)


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


# ------------------------------------------------------------------------- confusion matrices
def confusion_kappa(confusion: np.ndarray) -> np.ndarray:
    """Return Cohen's kappa (...,) of confusion matrices (..., k, k); 0 with one class only."""
    shares = confusion / confusion.sum(axis=(-2, -1), keepdims=True)
    agreed = np.trace(shares, axis1=-2, axis2=-1)
    chance = (shares.sum(axis=-1) * shares.sum(axis=-2)).sum(axis=-1)
    return np.divide(agreed - chance, 1 - chance, out=np.zeros_like(chance), where=chance < 1)


def confusion_surplus(confusion: np.ndarray) -> np.ndarray:
    """Return by how much accuracy exceeds macro F1 (...,), over the classes that occur.

    Parameters
    ----------
    confusion
        (..., k, k) counts; rows are labels, columns predictions.
    """
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    seen = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    f1 = np.divide(2 * right, seen, out=np.full(seen.shape, np.nan), where=seen > 0)
    return right.sum(axis=-1) / confusion.sum(axis=(-2, -1)) - np.nanmean(f1, axis=-1)


def bootstrap_confusions(
    tables: Sequence[Any],
    statistic: Callable[..., np.ndarray],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Return a statistic of confusion matrices with its percentile interval.

    Parameters
    ----------
    tables
        Confusion matrices (k, k), each drawn again by itself.
    statistic
        Takes as many arrays (..., k, k), returns (...,).
    """
    rng = np.random.default_rng(seed)
    arrays = [np.asarray(table, float) for table in tables]
    drawn = []
    for table in arrays:
        n = int(table.sum())
        cells = rng.multinomial(n, table.ravel() / n, resamples)
        drawn.append(cells.reshape(resamples, *table.shape))
    low, high = np.quantile(statistic(*drawn), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    rows = min(int(table.sum()) for table in arrays)
    return {"value": float(statistic(*arrays)), "low": float(low), "high": float(high), "n": rows}
