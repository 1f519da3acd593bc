"""The partition of speech and image into regions, and the three ways of valuing them.

A modality is halved again and again (`Tree`). `owen` gives the exact values of its regions,
`sampled` an estimate at a cost linear in their number, `published` what Section 3.3 of the paper
describes. All three ask one value function, `sierlib.shapley.value_function.ValueFunction`, for the
scores of coalitions.

References
----------
Owen (1977), "Values of games with a priori unions". Lundberg and Lee (2017), "A Unified Approach to
Interpreting Model Predictions"; shap, `PartitionExplainer`.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import accumulate, count
from operator import or_
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sierlib.shapley.value_function import ValueFunction

#: Pairs of orders that `sampled` draws unless told otherwise.
PAIRS = 8

#: With a budget, regions are refined together when their gaps are within this factor of the largest
#: one: in an additive model a half has a quarter of the gap, so that a batch holds little that
#: would not have come one by one.
WITHIN = 4.0

#: The most regions refined together before their halves compete for what is left of a budget.
WAVE = 64

Values = NDArray[np.float64]
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Tree:
    """The division of one modality: region k of level l has the regions 2k and 2k + 1 of level l +
    1 as halves."""

    boxes: list[list[Box]]

    @property
    def depth(self) -> int:
        """Return the number of halvings."""
        return len(self.boxes) - 1

    @property
    def areas(self) -> Values:
        """Return the pixels of the finest regions."""
        return np.array([(r1 - r0) * (c1 - c0) for r0, r1, c0, c1 in self.boxes[-1]], np.float64)

    def span(self, level: int, k: int) -> slice:
        """Return which of the finest regions make up a region."""
        width = 1 << (self.depth - level)
        return slice(k * width, (k + 1) * width)

    def mask(self, level: int, k: int) -> int:
        """Return a region as a coalition: a bit for each of the finest regions."""
        width = 1 << (self.depth - level)
        return ((1 << width) - 1) << (k * width)

    def labels(self) -> NDArray[np.int32]:
        """Return the (H, W) numbers of the finest region around each pixel."""
        labels = np.empty((self.boxes[0][0][1], self.boxes[0][0][3]), np.int32)
        for leaf, (r0, r1, c0, c1) in enumerate(self.boxes[-1]):
            labels[r0:r1, c0:c1] = leaf
        return labels

    def sums(self, leaves: Values) -> list[Values]:
        """Return by level the sums of values (..., leaves, classes) over regions, (..., regions,
        classes)."""
        shape = leaves.shape
        return [
            leaves.reshape(*shape[:-2], 1 << level, -1, shape[-1]).sum(axis=-2)
            for level in range(self.depth + 1)
        ]


def divide(height: int, width: int, depth: int, split: str) -> Tree:
    """Halve a rectangle again and again.

    Parameters
    ----------
    height, width
        Pixels.
    depth
        Halvings.
    split
        "time" halves columns only; "longest" halves the longer side, of a square its rows (as shap
        does).

    Raises
    ------
    ValueError
        When a region of a single pixel, or of a single time step for "time", would have to be
        halved.

    Examples
    --------
    >>> divide(4, 4, 1, "longest").boxes[1]
    [(0, 2, 0, 4), (2, 4, 0, 4)]
    """
    boxes: list[list[Box]] = [[(0, height, 0, width)]]
    for level in range(depth):
        halves: list[Box] = []
        for r0, r1, c0, c1 in boxes[-1]:
            rows = split == "longest" and r1 - r0 >= c1 - c0
            if (r1 - r0 if rows else c1 - c0) < 2:
                unit = "time step" if split == "time" else "pixel"
                raise ValueError(
                    f"depth={depth} is deeper than a single {unit}: {height} x {width} can be "
                    f"halved {level} times"
                )
            if rows:
                middle = (r0 + r1) // 2
                halves += [(r0, middle, c0, c1), (middle, r1, c0, c1)]
            else:
                middle = (c0 + c1) // 2
                halves += [(r0, r1, c0, middle), (r0, r1, middle, c1)]
        boxes.append(halves)
    return Tree(boxes)


class _Context(NamedTuple):
    """A region in one of the contexts it is scored in, in the order in which it is refined."""

    priority: float
    serial: int  # settles ties by age
    modality: str
    level: int
    k: int
    mask: int  # what else is present
    without: Values
    within: Values
    weight: float


def owen(
    f: ValueFunction, trees: dict[str, Tree], budget: float
) -> tuple[dict[str, Values], dict[str, Values]]:
    """Return the Owen values of the finest regions, (leaves, classes) by modality, and what was
    left undivided.

    A region's value is the mean over its contexts of f(context and region) - f(context). Its halves
    inherit every context twice, with the other half absent and present. When the budget is spent,
    what a region was credited with is spread over its pixels; the second result sums the absolute
    amounts spread that way, in the same shape.
    """
    values: dict[str, Values] = {}
    undivided: dict[str, Values] = {}
    heap: list[_Context] = []
    serial = count()

    def context(
        m: str, level: int, k: int, mask: int, without: Values, within: Values, weight: float
    ) -> _Context:
        gap = float(np.abs(within - without).max()) * weight
        return _Context(-gap, next(serial), m, level, k, mask, without, within, weight)

    for m, tree in trees.items():
        without, within = f(m, [0, tree.mask(0, 0)])
        values[m], undivided[m] = np.zeros((2, 1 << tree.depth, len(within)))
        heappush(heap, context(m, 0, 0, 0, without, within, 1.0))
    while heap:
        wave: list[tuple[_Context, int, int]] = []
        wanted: dict[str, set[int]] = {m: set() for m in trees}
        room = budget - f.n_evals
        largest, limited = -heap[0].priority, np.isfinite(budget)
        for _ in range(len(heap)):
            if limited and (len(wave) == WAVE or -heap[0].priority * WITHIN < largest):
                break
            here = heappop(heap)
            m, tree = here.modality, trees[here.modality]
            if here.level < tree.depth:
                left, right = (
                    here.mask | tree.mask(here.level + 1, 2 * here.k + half) for half in (0, 1)
                )
                new = f.missing(m, (left, right)) - wanted[m]
                cost = len(new) * len(f.contexts[m])
                if cost <= room:
                    room -= cost
                    wanted[m] |= new
                    wave.append((here, left, right))
                    continue
            span = tree.span(here.level, here.k)
            share = tree.areas[span, None] / tree.areas[span].sum()
            credit = share * (here.within - here.without) * here.weight
            values[m][span] += credit
            if here.level < tree.depth:
                undivided[m][span] += np.abs(credit)
        for m, masks in wanted.items():
            if masks:
                f(m, sorted(masks))
        for here, left, right in wave:
            m, level, k, weight = here.modality, here.level + 1, 2 * here.k, here.weight / 2
            f_left, f_right = f(m, [left, right])
            for child in (
                context(m, level, k, here.mask, here.without, f_left, weight),
                context(m, level, k, right, f_right, here.within, weight),
                context(m, level, k + 1, here.mask, here.without, f_right, weight),
                context(m, level, k + 1, left, f_left, here.within, weight),
            ):
                heappush(heap, child)
    return values, undivided


def sampled(f: ValueFunction, trees: dict[str, Tree], pairs: int, seed: int) -> dict[str, Values]:
    """Return (pairs, leaves, classes) by modality: what regions add along random orders that
    respect the tree.

    At each division a coin tells which half comes first. Every order is also taken backwards, so
    that a pair sees each region with every other one both before and after it; the values of an
    order sum to f(whole) - f(nothing).
    """
    rng = np.random.default_rng(seed)
    values = {}
    for m, tree in trees.items():
        whole = tree.mask(0, 0)
        orders, prefixes = [], []
        for _ in range(pairs):
            order = np.zeros(1, np.int64)
            for _ in range(tree.depth):
                coin = rng.integers(0, 2, len(order))
                order = np.stack([2 * order + coin, 2 * order + 1 - coin], axis=1).ravel()
            orders.append(order)
            prefixes.append(list(accumulate((1 << int(leaf) for leaf in order), or_, initial=0)))
        f(
            m,
            [mask for prefix in prefixes for mask in (*prefix, *(whole ^ mask for mask in prefix))],
        )
        draws = np.empty((pairs, 1 << tree.depth, f(m, [0]).shape[1]))
        for draw, order, prefix in zip(draws, orders, prefixes, strict=True):
            forwards = np.diff(f(m, prefix), axis=0)
            backwards = -np.diff(f(m, [whole ^ mask for mask in prefix]), axis=0)
            draw[order] = (forwards + backwards) / 2
        values[m] = draws
    return values


def published(
    f: ValueFunction, trees: dict[str, Tree], scores: dict[str, Values]
) -> dict[str, list[Values]]:
    """Return by modality and level the values (2**level, classes) of Eq. 3 to 5, read literally.

    A region a is divided from its sibling b while everything outside a and b is at the baseline:
    S_a = 1/2 [f(a) - f(nothing)] + 1/2 [f(a and b) - f(b)]. `scores` are the values of level 0.
    """
    values = {}
    for m, tree in trees.items():
        nothing, parents = f(m, [0]), f(m, [tree.mask(0, 0)])
        values[m] = [scores[m][None]]
        for level in range(1, tree.depth + 1):
            alone = f(m, [tree.mask(level, k) for k in range(1 << level)])
            siblings = alone.reshape(len(parents), 2, -1)[:, ::-1].reshape(alone.shape)
            values[m].append((alone - nothing + np.repeat(parents, 2, axis=0) - siblings) / 2)
            parents = alone
    return values


def evaluations(method: str, depth: int, *, both: bool = True, pairs: int = PAIRS) -> int:
    """Return the most evaluations an explanation without `max_evals` takes.

    Parameters
    ----------
    method, depth
        As in `explain`.
    both
        Whether both modalities are explained, each in both states of the other one, or one alone.
    pairs
        Pairs of orders, for `sampled`.

    Examples
    --------
    >>> evaluations("owen", 6), evaluations("sampled", 6), evaluations("published", 6)
    (10924, 4036, 256)
    """
    halves = (2 << depth) - 2
    masks = {"owen": 2 * int(4**depth - 1) // 3, "sampled": pairs * halves, "published": halves}[
        method
    ]
    contexts = 2 if both and method != "published" else 1
    return (4 + 2 * masks * contexts) if both else 2 + masks
