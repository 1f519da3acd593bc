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

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import accumulate, chain, count
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sierlib.shapley.value_function import ValueFunction, Values

#: Pairs of orders that `sampled` draws unless told otherwise.
PAIRS = 8

#: With a budget, regions are refined together when their gaps are within this factor of the largest
#: one: in an additive model a half has a quarter of the gap, so that a batch holds little that
#: would not have come one by one.
WITHIN = 4.0

#: The most regions refined together before their halves compete for what is left of a budget.
WAVE = 64

Box = tuple[int, int, int, int]  # first row, end row, first column, end column


@dataclass(frozen=True)
class Tree:
    """The division of one modality.

    Region k of level l has the regions 2k and 2k + 1 of level l + 1 as halves.
    """

    boxes: list[list[Box]]

    @property
    def depth(self) -> int:
        """Return the number of halvings."""
        return len(self.boxes) - 1

    def span(self, level: int, k: int) -> slice:
        """Return which of the finest regions make up a region."""
        width = 1 << (self.depth - level)
        return slice(k * width, (k + 1) * width)

    def mask(self, level: int, k: int) -> int:
        """Return a region as a coalition: a bit for each of the finest regions."""
        width = 1 << (self.depth - level)
        return ((1 << width) - 1) << (k * width)

    def shares(self, level: int, k: int) -> Values:
        """Return (leaves, 1), the share of a region's area that each finest region in it has."""
        areas = []
        for r0, r1, c0, c1 in self.boxes[-1][self.span(level, k)]:
            areas.append((r1 - r0) * (c1 - c0))
        return np.array(areas, np.float64)[:, None] / max(sum(areas), 1)

    def labels(self) -> NDArray[np.int32]:
        """Return the (H, W) numbers of the finest region around each pixel."""
        return label(self.boxes[-1])

    def sums(self, leaves: Values) -> list[Values]:
        """Return by level what regions have, (..., regions, classes), of (..., leaves, classes)."""
        *others, _, classes = leaves.shape
        sums = []
        for level in range(self.depth + 1):
            regions = leaves.reshape(*others, 1 << level, -1, classes)
            sums.append(regions.sum(axis=-2))
        return sums


Trees = dict[str, Tree]  # by modality
Leaves = dict[str, Values]  # by modality, (..., leaves, classes)


def label(boxes: list[Box]) -> NDArray[np.int32]:
    """Return the (H, W) numbers of the box around each pixel; the last one ends at (H, W)."""
    labels = np.empty((boxes[-1][1], boxes[-1][3]), np.int32)
    for number, (r0, r1, c0, c1) in enumerate(boxes):
        labels[r0:r1, c0:c1] = number
    return labels


def divide(height: int, width: int, depth: int, split: str, strict: bool = True) -> Tree:
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
    strict
        Whether to refuse to halve a single pixel; else one of its halves is empty.

    Raises
    ------
    ValueError
        When, strictly, a region of a single pixel, or of a single time step for "time", would have
        to be halved.

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
            length = r1 - r0 if rows else c1 - c0
            if strict and length < 2:
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
    """A region in one of the contexts it is scored in."""

    priority: float  # minus the gap that the context contributes, so that a heap gives the largest
    serial: int  # settles ties by age
    modality: str
    level: int
    k: int
    mask: int  # what else is present
    without: Values  # (classes,), the scores without and with the region
    within: Values
    weight: float


def owen(f: ValueFunction, trees: Trees, budget: float) -> tuple[Leaves, Leaves]:
    """Return the Owen values of the finest regions and what was left undivided.

    A region's value is the mean over its contexts of f(context and region) - f(context). Its halves
    inherit every context twice, with the other half absent and present. When the budget is spent,
    what a region was credited with is spread over its pixels.

    Returns
    -------
    values, undivided
        (leaves, classes) by modality; the second sums the absolute amounts spread that way.
    """
    values: Leaves = {}
    undivided: Leaves = {}
    heap: list[_Context] = []
    serial = count()

    def push(
        m: str, level: int, k: int, mask: int, without: Values, within: Values, weight: float
    ) -> None:
        gap = float(np.abs(within - without).max()) * weight
        heappush(heap, _Context(-gap, next(serial), m, level, k, mask, without, within, weight))

    # Each modality is a region with a single context: nothing else of it is present.
    for m, tree in trees.items():
        without, within = f(m, [0, tree.mask(0, 0)])
        values[m], undivided[m] = np.zeros((2, 1 << tree.depth, len(within)))
        push(m, 0, 0, 0, without, within, 1.0)

    while heap:
        # Choose the regions that are halved together: without a budget all there are, else those
        # whose gaps are largest, until what is left would not pay for the next one.
        wave: list[tuple[_Context, int, int]] = []
        masks: dict[str, set[int]] = {m: set() for m in trees}
        room = budget - f.n_evals
        most, last = (WAVE, heap[0].priority / WITHIN) if np.isfinite(budget) else (np.inf, np.inf)
        while heap and len(wave) < most and heap[0].priority <= last:
            here = heappop(heap)
            m, tree = here.modality, trees[here.modality]
            if here.level < tree.depth:
                left = here.mask | tree.mask(here.level + 1, 2 * here.k)
                right = here.mask | tree.mask(here.level + 1, 2 * here.k + 1)
                new = f.missing(m, (left, right)) - masks[m]
                cost = len(new) * len(f.contexts)
                if cost <= room:
                    room -= cost
                    masks[m] |= new
                    wave.append((here, left, right))
                    continue
            # Credit a region that is not halved: a finest one, or one beyond the budget.
            span = tree.span(here.level, here.k)
            credit = tree.shares(here.level, here.k) * (here.within - here.without) * here.weight
            values[m][span] += credit
            if here.level < tree.depth:
                undivided[m][span] += np.abs(credit)

        # Score the halves of all of them in as few batches as possible.
        for m, new in masks.items():
            if new:
                f(m, sorted(new))

        # Halve: each half inherits the context with the other half absent, and with it present.
        for here, left, right in wave:
            m, level, weight = here.modality, here.level + 1, here.weight / 2
            first, second = 2 * here.k, 2 * here.k + 1
            f_left, f_right = f(m, [left, right])
            push(m, level, first, here.mask, here.without, f_left, weight)
            push(m, level, first, right, f_right, here.within, weight)
            push(m, level, second, here.mask, here.without, f_right, weight)
            push(m, level, second, left, f_left, here.within, weight)
    return values, undivided


def sampled(f: ValueFunction, trees: Trees, pairs: int, seed: int) -> Leaves:
    """Return what regions add along random orders that respect the tree.

    At each division a coin tells which half comes first. Every order is also taken backwards, so
    that a pair sees each region with every other one both before and after it; the values of an
    order sum to f(whole) - f(nothing).

    Returns
    -------
    values
        (pairs, leaves, classes) by modality.
    """
    rng = np.random.default_rng(seed)
    values = {}
    for m, tree in trees.items():
        # Draw the orders, and the coalitions before and after each region of them. Backwards the
        # same regions are added to what is complementary.
        orders = [_draw_order(rng, tree.depth) for _ in range(pairs)]
        paths = []
        for order in orders:
            path = list(accumulate((1 << leaf for leaf in order.tolist()), initial=0))
            paths += [path, [path[-1] ^ mask for mask in path]]
        # Score all of them in as few batches as possible.
        f(m, list(chain(*paths)))
        # A region adds the difference between two neighbours of a path.
        draws = []
        for order, path, reverse in zip(orders, paths[::2], paths[1::2], strict=True):
            forwards = np.diff(f(m, path), axis=0)
            backwards = -np.diff(f(m, reverse), axis=0)
            draw = np.empty_like(forwards)
            draw[order] = (forwards + backwards) / 2
            draws.append(draw)
        values[m] = np.stack(draws)
    return values


def _draw_order(rng: np.random.Generator, depth: int) -> NDArray[np.int64]:
    """Draw an order of the finest regions in which those of a region stay together."""
    order = np.zeros(1, np.int64)
    for _ in range(depth):
        coin = rng.integers(0, 2, len(order))
        first = 2 * order + coin
        second = 2 * order + 1 - coin
        order = np.stack([first, second], axis=1).ravel()
    return order


def published(f: ValueFunction, trees: Trees, scores: Leaves) -> dict[str, list[Values]]:
    """Return by modality and level the values (2**level, classes) of Eq. 3 to 5, read literally.

    A region a is divided from its sibling b while everything outside a and b is at the baseline:
    S_a = 1/2 [f(a) - f(nothing)] + 1/2 [f(a and b) - f(b)]. `scores` are the values of level 0.
    """
    values = {}
    for m, tree in trees.items():
        nothing = f(m, [0])
        parents = f(m, [tree.mask(0, 0)])
        levels = [scores[m][None]]
        for level in range(1, tree.depth + 1):
            masks = [tree.mask(level, k) for k in range(1 << level)]
            alone = f(m, masks)  # (2**level, classes)
            pairs = alone.reshape(len(parents), 2, -1)
            siblings = pairs[:, ::-1].reshape(alone.shape)
            together = np.repeat(parents, 2, axis=0)
            levels.append((alone - nothing + together - siblings) / 2)
            parents = alone
        values[m] = levels
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
    return count_evaluations(method, [depth] * (1 + both), pairs)


def count_evaluations(method: str, depths: Sequence[int], pairs: int = PAIRS) -> int:
    """Return the same of inputs that are divided so deep."""
    masks = 0
    for depth in depths:
        halves = (2 << depth) - 2  # the regions below the root
        masks += {
            "owen": 2 * (4**depth - 1) // 3,
            "sampled": pairs * halves,
            "published": halves,
        }[method]
    contexts = 1 if method == "published" else 2 ** (len(depths) - 1)
    return int(2 ** len(depths) + masks * contexts)
