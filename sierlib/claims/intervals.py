"""Statistics from counts and curves alone: shares, their differences, kappa, accuracy against F1, 95 % intervals."""

from __future__ import annotations

import math
import random
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

#: Student's 97.5 % quantiles for 1 to 9 degrees of freedom: this package is imported where SciPy is not wanted.
STUDENT = (12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157)


#: A network is near its own best at this share of its greatest validation accuracy.
NEAR = 0.95


def near_best(curve: Sequence[float]) -> int:
    """Return the first epoch, counted from 1, at which a curve is near its greatest value.

    The best epoch itself would not do: with a falling learning rate it is the last one, for fast and slow alike.

    Examples
    --------
    >>> near_best([0.3, 0.5, 0.77, 0.75, 0.8])
    3
    """
    return next(epoch for epoch, value in enumerate(curve, 1) if value >= NEAR * max(curve))


def detours(curve: Sequence[float]) -> float:
    """Return how far a curve moves per epoch beyond what takes it from its first value to its last.

    Examples
    --------
    >>> round(detours([0.25, 0.5, 0.75]), 3), round(detours([0.25, 0.75, 0.5]), 3)
    (0.0, 0.25)
    """
    moved = sum(abs(after - before) for before, after in pairwise(curve))
    return (moved - abs(curve[-1] - curve[0])) / max(1, len(curve) - 1)


def wilson(count: int, n: int) -> tuple[float, float, float]:
    """Return a share and its 95 % interval (Wilson, 1927).

    Examples
    --------
    >>> [round(value, 3) for value in wilson(432, 553)]
    [0.781, 0.745, 0.814]
    """
    z, share = 1.959964, count / n
    middle, half = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return share, (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def learned(scores: Mapping[str, Any], accuracies: Sequence[float] = ()) -> bool:
    """Tell whether a network was clearly better than always naming the largest class, in every training of it.

    Parameters
    ----------
    scores
        ``n``, ``accuracy_interval`` and ``majority`` of the first training, as of `metrics.scores`; where one is
        lacking nothing speaks against the network.
    accuracies
        Those of all trainings, where there are several.

    Examples
    --------
    >>> first = {"n": 959, "accuracy_interval": [0.459, 0.522], "majority": 0.454}
    >>> learned(first), learned(first, [0.490, 0.466])
    (True, False)
    """
    interval, majority, n = (scores.get(key) for key in ("accuracy_interval", "majority", "n"))
    if not interval or majority is None:
        return True
    others = [wilson(round(accuracy * n), n)[1] for accuracy in accuracies[1:]] if n else []
    return all(low > majority for low in (interval[0], *others))


def of_mean(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the mean of 2 to 10 values (Student, 1908).

    Examples
    --------
    >>> [round(value, 3) for value in of_mean([0.5, 0.6, 0.7])]
    [0.352, 0.848]
    """
    mean, error = statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values))
    reach = error * STUDENT[min(len(values), len(STUDENT) + 1) - 2]
    return mean - reach, mean + reach


def newcombe(one: Sequence[float], other: Sequence[float]) -> tuple[float, float, float]:
    """Return the difference of two shares, each given with its Wilson interval, and the difference's (Newcombe, 1998).

    The shares are taken to be independent. Two networks on the same rows are not: where they tend to err together, this
    interval is wider than a paired one.
    """
    (p, low_p, high_p), (q, low_q, high_q) = one, other
    return p - q, p - q - math.hypot(p - low_p, high_q - q), p - q + math.hypot(high_p - p, q - low_q)


def _margins(confusion: Sequence[Sequence[int]]) -> tuple[list[int], list[int], list[int]]:
    """Return the diagonal, and the sums of rows and of columns."""
    columns = [sum(column) for column in zip(*confusion, strict=True)]
    return [row[i] for i, row in enumerate(confusion)], [sum(row) for row in confusion], columns


def kappa(confusion: Sequence[Sequence[int]]) -> float:
    """Return Cohen's kappa of a confusion matrix; 0 where only one class occurs."""
    right, rows, columns = _margins(confusion)
    n = sum(rows)
    chance = sum(row * column for row, column in zip(rows, columns, strict=True)) / n**2
    return (sum(right) / n - chance) / (1 - chance) if chance < 1 else 0.0


def surplus(confusion: Sequence[Sequence[int]]) -> float:
    """Return by how much accuracy exceeds macro F1, over the classes that occur."""
    right, rows, columns = _margins(confusion)
    scores = [2 * hits / (row + column) for hits, row, column in zip(right, rows, columns, strict=True) if row + column]
    return sum(right) / sum(rows) - sum(scores) / len(scores)


def _redrawn(table: Sequence[Sequence[int]], draw: random.Random) -> list[list[int]]:
    """Return a confusion matrix of as many rows, drawn with replacement."""
    size, cells = len(table), [cell for row in table for cell in row]
    counts = Counter(draw.choices(range(len(cells)), cells, k=sum(cells)))
    return [[counts[i * size + j] for j in range(size)] for i in range(size)]


def bootstrap(
    tables: Sequence[Sequence[Sequence[int]]], statistic: Callable[..., float], resamples: int = 500, seed: int = 0
) -> tuple[float, float, float]:
    """Return a statistic of confusion matrices, and its 95 % percentile interval; each matrix is drawn by itself."""
    draw, cut = random.Random(seed), resamples // 40
    found = sorted(statistic(*[_redrawn(table, draw) for table in tables]) for _ in range(resamples))
    return statistic(*tables), found[cut], found[-1 - cut]
