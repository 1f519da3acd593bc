"""What a unit of the speech and a region of the image say only together.

The units of the speech and the regions of the image are players of one game. What two of them, i
and j, add to each other while others, S, are present is the second difference
d_ij(S) = f(S, i, j) - f(S, i) - f(S, j) + f(S). An index is its mean over S: all three draw a
share u and let every other player be present with probability u.

    shapley   u uniform: the Shapley interaction index (Grabisch and Roubens 1999)
    banzhaf   u = 1/2: the Banzhaf interaction index, all S alike (ibid.)
    faithful  u of the density 6 u (1 - u): the faithful Shapley interaction index of order 2 (Tsai,
              Yeh and Ravikumar 2023), the sum over players and pairs that fits f best. It has
              efficiency: all players and all pairs together are worth f(all) - f(nothing)

Efficiency is asked of "faithful" and not of the Shapley-Taylor index (Sundararajan, Dhamdhere and
Agarwal 2020), for that draws u from 2 (1 - u): it listens most where nearly all is silent and
black, and a player alone is worth what it adds to nothing. "faithful" treats absence and presence
alike.

Exactly, f is tabulated: 2^n masked speech inputs and 2^m masked images pass through the branches
once each, and the heads score all 2^(n + m) combinations. For an estimate u and S are drawn:
n + m + 2 passes, with one player more or less in each modality, give d_ij(S) of all pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, pairwise, product
from typing import Any

import numpy as np
from scipy.special import beta
from scipy.stats import sem

from sierlib import settings
from sierlib.shapley.arguments import (
    check_choice,
    check_pair,
    check_sample,
    make_sides,
    name_classes,
    target_classes,
)
from sierlib.shapley.keras_parts import modalities_of, scorer_for
from sierlib.shapley.partition import Box, label
from sierlib.shapley.value_function import Array, ValueFunction, Values

#: By index, a and b of the Beta distribution of u, which are equal; None where u is 1/2.
INDICES = {"shapley": 1, "banzhaf": None, "faithful": 2}

#: Coalitions that are scored without `max_evals`: exactly at most, and for an estimate.
MOST_EXACT = 2**17
SAMPLED_EVALS = 2**14


@dataclass(frozen=True)
class Interactions:
    """What every pair of a speech unit and an image region adds to the score of one class.

    Parameters
    ----------
    values, stderr
        (units, rows, columns) float64, in the units of `output`, and the standard error of each;
        None where they are exact.
    pairs
        (players, players), the index of every two players, units first, then regions row by row; on
        the diagonal that of each player by itself. None of an estimate.
    base_value, value
        The score of the baseline and of the sample.
    index
        "shapley", "banzhaf" or "faithful".
    target
        The number of the class.
    n_evals
        Coalitions that were scored.
    boxes
        By modality, (first row, end row, first column, end column) of each player.
    """

    values: Values
    stderr: Values | None
    pairs: Values | None
    base_value: float
    value: float
    index: str
    target: int
    n_evals: int
    boxes: dict[str, list[Box]]

    @property
    def gap(self) -> float | None:
        """Return how far players and pairs together are from `value - base_value`.

        That is 0 but for rounding; None where the index has no efficiency (all but "faithful"), and
        for an estimate.
        """
        if self.pairs is None or self.index != "faithful":
            return None
        return float(np.triu(self.pairs).sum()) - (self.value - self.base_value)


def interactions(
    model: Any,
    speech: Array,
    image: Array,
    *,
    units: int | Sequence[Any] = 8,
    grid: tuple[int, int] = (4, 4),
    target: int | str | None = None,
    index: str = "shapley",
    max_evals: int | None = None,
    seed: int = 0,
    baseline: Any = "zero",
    output: str = "probability",
) -> Any:
    """Return what each unit of the speech and each region of the image say only together.

    Parameters
    ----------
    model, speech, image, target, baseline, output
        As in `sierlib.shapley.explain`; the model takes both modalities.
    units
        A number of equal spans of time, or words in order, with `text`, `start` and `end` in
        seconds as `sierlib.data.speech.Word`. Pauses are divided between the words beside them.
    grid
        Rows and columns of the image's regions.
    index
        "shapley", "banzhaf" or "faithful"; see the head of this module.
    max_evals
        Coalitions that may be scored. The result is exact where all fit, up to 131,072 unless this
        is given, and otherwise an estimate with standard errors, from 16,384 unless this is given.
    seed
        Of an estimate.

    Returns
    -------
    Interactions, or for `target="all"` a dict of them by class as `explain` names them.

    Raises
    ------
    ValueError
        When an argument is not as above, words are empty, overlap or begin after the window, the
        evaluations are too few for an estimate, or the model takes one modality alone.

    Examples
    --------
    >>> def irony(x):
    ...     return (x["speech"].mean(axis=(1, 2, 3)) * x["image"].mean(axis=(1, 2, 3)))[:, None]
    >>> found = interactions(irony, np.ones((4, 4, 1)), np.ones((4, 4, 3)), units=2, grid=(1, 2))
    >>> found.values.tolist(), found.n_evals
    ([[[0.25, 0.25]], [[0.25, 0.25]]], 16)
    """
    # 1. Refuse what is not as above, before the model is run.
    check_choice("index", index, tuple(INDICES))
    inputs = check_pair(speech, image)
    check_sample(model, inputs, target, output, max_evals)
    if len(modalities_of(model)) < 2:
        raise ValueError(
            "the model takes one modality; interactions are between two, so there is none to "
            "compute"
        )

    # 2. The players, and whether all their coalitions can be scored.
    boxes = {
        "speech": _cut_speech(units, *inputs["speech"].shape[:2]),
        "image": _cut_image(grid, *inputs["image"].shape[:2]),
    }
    sides = make_sides(inputs, baseline, {m: label(each) for m, each in boxes.items()})
    n, m = len(boxes["speech"]), len(boxes["image"])
    exact = n + m <= np.log2(max_evals or MOST_EXACT)
    most, draw = max_evals or SAMPLED_EVALS, (n + 1) * (m + 1)
    if not exact and most < 4 + 2 * draw:
        raise ValueError(
            f"{n} units and {m} regions need 2^{n + m} evaluations, or {4 + 2 * draw:,} at least "
            f"for an estimate; expected {most:,}: take fewer of them, or give a larger max_evals"
        )

    # 3. The scores, and what they say of pairs, by class.
    f = ValueFunction(scorer_for(model, sides), sides, logarithm=output == "logit")
    if exact:
        ends, pairs = _tabulate(f, n, m, index)
        values = pairs[:, :n, n:]
    else:
        ends, samples = _sample(f, n, m, index, (most - 4) // draw, seed)
        values, errors = samples.mean(axis=0), sem(samples)

    # 4. One result for each class.
    results = []
    for c in target_classes(target, ends[1, 1]):
        result = Interactions(
            values=values[c].reshape(n, *grid),
            stderr=None if exact else errors[c].reshape(n, *grid),
            pairs=pairs[c] if exact else None,
            base_value=float(ends[0, 0, c]),
            value=float(ends[1, 1, c]),
            index=index,
            target=c,
            n_evals=f.n_evals,
            boxes=boxes,
        )
        results.append(result)
    return name_classes(results) if target == "all" else results[0]


# --- 2. Players ---


def _cut_speech(units: Any, height: int, width: int) -> list[Box]:
    """Return the columns of each unit, through all rows."""
    if np.ndim(units) == 0 or len(units) == 0:
        edges = _edges("units", units, width, " or words")
    else:
        # A pause is divided in its middle.
        _check_words(units)
        pauses = [(word.end + after.start) / 2 for word, after in pairwise(units)]
        inner = [round(pause / settings.WINDOW_SECONDS * width) for pause in pauses]
        edges = [0, *inner, width]
    return [(0, height, *columns) for columns in pairwise(edges)]


def _cut_image(grid: Any, height: int, width: int) -> list[Box]:
    """Return the regions, row by row."""
    if np.shape(grid) != (2,):
        raise ValueError(f"grid={grid!r}; expected rows and columns")
    rows = pairwise(_edges("grid[0]", grid[0], height))
    columns = pairwise(_edges("grid[1]", grid[1], width))
    return [(*r, *c) for r, c in product(rows, columns)]


def _edges(name: str, parts: Any, length: int, others: str = "") -> list[int]:
    """Return where so many equal parts of an axis begin and end."""
    if not isinstance(parts, int | np.integer) or not 1 <= parts <= length:
        raise ValueError(f"{name}={parts!r}; expected an integer from 1 to {length}{others}")
    return [k * length // int(parts) for k in range(parts + 1)]


def _check_words(words: Sequence[Any]) -> None:
    """Refuse words that are empty, overlap or are not heard."""
    last, window = 0.0, settings.WINDOW_SECONDS
    for word in words:
        if not last <= word.start < min(word.end, window):
            raise ValueError(
                f"the word {word.text!r} is from {word.start} to {word.end} s; expected a word of "
                f"some length, after {last} s as the one before it, that begins before {window} s"
            )
        last = word.end


# --- 3. Scores, and what they say of pairs ---


def _tabulate(f: ValueFunction, n: int, m: int, index: str) -> tuple[Values, Values]:
    """Score every coalition of n units and m regions.

    Returns
    -------
    ends, pairs
        (2, 2, classes), the scores without and with all speech, and all of the image; (classes,
        players, players), see `Interactions`.
    """
    speech, image = (np.indices([2] * k).reshape(k, -1).T == 1 for k in (n, m))
    table = f.score({"speech": speech, "image": image})  # (2^n, 2^m, classes)

    classes = table.shape[-1]
    p = n + m
    game = table.reshape(*[2] * p, classes)  # an axis for each player: absent, present
    pairs = np.empty((classes, p, p))
    for i, j in combinations_with_replacement(range(p), 2):
        change = np.diff(game, axis=i)
        if i != j:
            change = np.diff(change, axis=j)
        by_others = change.reshape(-1, classes)  # (2^others, classes)
        share = 1 if i == j and index == "faithful" else INDICES[index]
        pairs[:, i, j] = pairs[:, j, i] = _weigh(len(by_others), share) @ by_others
    if index == "faithful":
        # With half of all its pairs each player has its Shapley value, so far on the diagonal.
        alone = np.einsum("cii->ci", pairs)
        alone -= (pairs.sum(axis=2) - alone) / 2
    return table[[0, -1]][:, [0, -1]], pairs


def _weigh(coalitions: int, share: int | None) -> Values:
    """Return how likely each of so many coalitions of others is; see `INDICES`."""
    if share is None:
        return np.full(coalitions, 1 / coalitions)
    present = np.bitwise_count(np.arange(coalitions))
    absent = present[::-1]
    return beta(present + share, absent + share) / beta(share, share)


def _sample(
    f: ValueFunction, n: int, m: int, index: str, draws: int, seed: int
) -> tuple[Values, Values]:
    """Draw coalitions of n units and m regions.

    Returns
    -------
    ends, samples
        As `_tabulate` has them; (draws, classes, units, regions), whose mean is the index.
    """
    ends = f.score({m: f.states(m, (False, True)) for m in f.sides})
    rng = np.random.default_rng(seed)
    share = INDICES[index]
    found = []
    for _ in range(draws):
        u = rng.beta(share, share) if share else 0.5
        # A coalition; then one player more, or less, in each row.
        speech, image = ((rng.random(k) < u) ^ np.eye(k + 1, k, k=-1, dtype=bool) for k in (n, m))
        scores = f.score({"speech": speech, "image": image}).transpose(2, 0, 1)
        change = scores[:, 1:, 1:] - scores[:, 1:, :1] - scores[:, :1, 1:] + scores[:, :1, :1]
        units, regions = (np.where(rows[0], 1, -1) for rows in (speech, image))
        found.append(change * units[:, None] * regions)
    return ends, np.stack(found)
