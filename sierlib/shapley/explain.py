"""Explain a prediction by the Shapley values of regions of the speech and of the image.

The players are nested (the paper, Section 3.3): the sample splits into speech and image (Algorithm
1's score_1 and score_2), each modality into halves, those into halves again. The Shapley value that
respects such a nesting is the Owen value (Owen 1977): every region is compared in both contexts,
its sibling absent and its sibling present, all the way down. `shap.PartitionExplainer` (Lundberg
and Lee 2017; shap) computes it for one image; here speech and image are one tree.

Below the root the Owen value is linear in the scores, so each modality is a game of its own whose
value function is the mean over the other modality absent and whole:
v(S) = 1/2 [f(S, absent) + f(S, whole)]. Of a model with more inputs it is the mean over all
coalitions of the others, each as often as the Shapley value has it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import repeat
from math import ceil, log2
from typing import Any, NamedTuple

import numpy as np

from sierlib.shapley.arguments import (
    check_choice,
    check_inputs,
    check_integer,
    check_pair,
    check_sample,
    make_sides,
    name_classes,
    plan_evaluations,
    target_classes,
)
from sierlib.shapley.keras_parts import modalities_of, scorer_for
from sierlib.shapley.partition import Box, Tree, Trees, divide, owen, published, sampled
from sierlib.shapley.progress import ProgressCall, show_progress
from sierlib.shapley.value_function import (
    BATCH_SIZE,
    Array,
    Sides,
    ValueFunction,
    Values,
    weigh_others,
)

METHODS = ("owen", "sampled", "published")


Levels = dict[str, list[Values]]  # by modality and level, (regions, classes)


class Region(NamedTuple):
    """A region of one level of the division and its value.

    `box` is (first row, end row, first column, end column); rows are frequencies of the spectrogram
    (low first) or rows of the image, columns are time steps or columns; a sequence, or a vector,
    has one row. `stderr` is None but for `sampled`.
    """

    modality: str
    box: Box
    value: float
    stderr: float | None = None


@dataclass(frozen=True)
class Explanation:
    """What each region of a sample contributes to the score of one class.

    Parameters
    ----------
    maps
        By modality, or name of an input, (H, W) float64; (T,) of a sequence, (F,) of a vector. A
        region's value is the sum of its pixels.
    base_value, value
        The score of the baseline and of the sample, in the units of `output`.
    interaction
        f(x) - f(speech only) - f(image only) + f(baseline): what only both together bring (0 when a
        single modality is explained). Half of it is in the value of each modality. Of more inputs,
        what they bring together beyond what each brings alone.
    corners
        (2, 2) scores at [speech absent or present, image absent or present]; an axis for each
        input of the sample.
    levels
        Level 0 is the division into speech and image; level l has the 2**l regions of each
        modality. An input of fewer places than another keeps its finest regions in later levels.
    n_evals
        Distinct coalitions that were scored.
    target
        The number of the class.
    method
        "owen", "sampled" or "published".
    stderr
        For `sampled` with two pairs or more: by modality an (H, W) map of the standard error of the
        finest region around each pixel, divided by that region's area as the values are. Else None.
        Errors of regions do not add up, because what one region gains another loses: those of
        coarser regions are in `levels`.
    unrefined
        For `owen`: by modality an (H, W) map of the absolute differences of score that the budget
        left undivided, spread by area as the values are; zeros where none was left. Else None.
        Where the values inside undivided regions have one sign, the absolute errors sum to at most
        twice this map; where they cancel, to more.
    """

    maps: dict[str, Values]
    base_value: float
    value: float
    interaction: float
    corners: Values
    levels: list[list[Region]]
    n_evals: int
    target: int
    method: str
    stderr: dict[str, Values] | None = None
    unrefined: dict[str, Values] | None = None

    @property
    def speech_map(self) -> Values:
        """Return the map over the spectrogram."""
        return self.maps["speech"]

    @property
    def image_map(self) -> Values:
        """Return the map over the image."""
        return self.maps["image"]

    @property
    def speech_value(self) -> float:
        """Return the sum of the speech map."""
        return float(self.speech_map.sum())

    @property
    def image_value(self) -> float:
        """Return the sum of the image map."""
        return float(self.image_map.sum())

    @property
    def gaps(self) -> list[float]:
        """Return how far each level's sum is from `value - base_value`.

        That is 0 but for rounding, unless the method is `published`.
        """
        total = self.value - self.base_value
        gaps = []
        for level in self.levels:
            gaps.append(sum(region.value for region in level) - total)
        return gaps


def explain(
    model: Any,
    speech: Array | None = None,
    image: Array | None = None,
    *,
    inputs: dict[str, Array] | None = None,
    target: int | str | None = None,
    depth: int = 6,
    method: str = "owen",
    baseline: Any = "zero",
    speech_split: str = "time",
    max_evals: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    output: str = "probability",
    modality: str | None = None,
    precision: str | None = None,
    progress: bool | ProgressCall | None = None,
) -> Any:
    """Explain a prediction by the values of regions of the speech and of the image, or of inputs of
    any other kinds.

    Parameters
    ----------
    model
        A Keras model with inputs `speech` and `image` or one of them (the other modality then gets
        nothing), or any callable that takes {"speech": (n, H, W, 1), "image": (n, H, W, 3)} and
        returns (n, classes); with `inputs`, a Keras model with these, or a callable over them.
        Keras graphs are run part by part, see `sierlib.shapley.value_function`; callables get
        arrays of the dtype given here.
    speech
        (H, W, 1) floats in [0, 1], a log-mel spectrogram: rows are frequencies, columns are time
        steps.
    image
        (H, W, 3) floats in [0, 1].
    inputs
        Instead of both: one to four arrays by the names of the model's inputs. (H, W, channels) is
        halved along its longer side, (steps, channels) along its steps, (features,) in their order,
        all down to single places at most; any finite numbers.
    target
        The class whose score is explained: its number, its name (`sierlib.settings.CLASSES`), None
        for the predicted one, or "all" for a dict of explanations from the same evaluations.
    depth
        Halvings inside a modality, after the division into modalities.
    method
        "owen", the exact Owen values of the tree; "sampled", their estimate from random orders, at
        a cost linear in the number of regions; "published", the recursion as Section 3.3 words it,
        which is not additive below the first divisions (see `Explanation.gaps`).
    baseline
        What absent regions are replaced by: "zero" (the paper: silence and black), "blur" (a
        Gaussian of a tenth of each side), or arrays of the inputs' shapes as (speech, image) or
        {"speech": ..., "image": ...}; of `inputs` likewise.
    speech_split
        "time" halves time only; "longest" halves the longer side, as is done for images (the
        paper's reading). It is about the input of this name alone.
    max_evals
        Evaluations allowed, 4 at least. `owen` spends them on the largest gaps first and spreads
        what is left of a region's value over its area; `sampled` draws as many pairs as fit;
        `published` must fit.
    batch_size
        Masked inputs per call of the model, 64 unless given; memory depends on it.
    seed
        Of the random orders of `sampled`.
    output
        "probability", the model's outputs as they are, or "logit", the logarithm of the outputs
        (clipped below at 1e-7), which for a softmax is the class' logit up to the normalisation.
    modality
        "speech" or "image" explains that one alone, the other staying as it is; None explains both.
        Of `inputs` it is one of their names.
    precision
        "bfloat16" runs a Keras model's branches in that type; None leaves the model as it is.
    progress
        Whether to show a progress bar; None shows one after 5 seconds, in a terminal. A function is
        called with the share that is done: 0, then at most ten times a second, and 1 at the end.

    Returns
    -------
    Explanation, or for `target="all"` a dict of them by class name (by number if the model's
    classes are not the four of `sierlib.settings`).

    Raises
    ------
    ValueError
        When an argument is not as above, more than 50,000 evaluations were needed without
        `max_evals`, or the model returns anything but finite scores (n, classes).

    Notes
    -----
    For `owen` and `sampled` the values of every level sum to `value - base_value` up to float64
    rounding.

    Examples
    --------
    >>> import numpy as np
    >>> def loudness(x):
    ...     return x["speech"].mean(axis=(1, 2)) + 0 * x["image"].mean(axis=(1, 2))[:, :1]
    >>> found = explain(loudness, np.ones((4, 4, 1)), np.ones((4, 4, 3)), depth=2)
    >>> [(region.modality, region.box, region.value) for region in found.levels[1]][:2]
    [('speech', (0, 4, 0, 2), 0.5), ('speech', (0, 4, 2, 4), 0.5)]
    """
    # 1. Refuse what is not as above, before the model is run.
    own = inputs is not None
    if own and not (speech is None and image is None):
        raise ValueError("speech or image is given beside inputs; expected one or the other")
    sample = check_inputs(model, inputs) if own else check_pair(speech, image)
    modalities = tuple(sample) if own else modalities_of(model)
    check_choice("method", method, METHODS)
    check_choice("speech_split", speech_split, ("time", "longest"))
    check_choice("modality", modality, (None, *modalities))
    check_choice("precision", precision, (None, "bfloat16"))
    check_integer("depth", depth, least=0)
    check_integer("batch_size", batch_size, least=1, optional=True)
    check_sample(model, sample, target, output, max_evals)

    # 2. The players: a tree of regions for each modality that is explained.
    explained = modalities if modality is None else (modality,)
    split = {"speech": speech_split}
    trees = {m: _divide_input(sample[m], depth, split.get(m, "longest"), own) for m in explained}
    pairs, most = plan_evaluations(method, [tree.depth for tree in trees.values()], max_evals)
    # A modality that is not explained is one region.
    leaves = {m: np.zeros(x.shape[:-1] or x.shape, np.int32) for m, x in sample.items()}
    leaves |= {m: tree.labels().reshape(leaves[m].shape) for m, tree in trees.items()}
    sides = make_sides(sample, baseline, leaves, bounded=not own)

    with show_progress(most, progress) as shown:
        f = ValueFunction(
            scorer_for(model, sides, precision),
            sides,
            _contexts(method, len(explained)),
            logarithm=output == "logit",
            batch_size=batch_size or BATCH_SIZE,
            progress=shown,
        )
        # 3. The division into modalities, which tells how many classes there are.
        corners = _score_corners(f, trees)
        f.classes = target_classes(target, corners.reshape(-1, corners.shape[-1])[-1])
        _remember_corners(f, trees, corners)
        corners = corners[..., f.classes]
        # 4. The divisions below it.
        valuation = _value_regions(f, trees, corners, method, max_evals, pairs, seed)

    # 5. One explanation for each class.
    found = _gather_explanations(f, trees, corners, valuation, method)
    return name_classes(found) if target == "all" else found[0]


# --- 2. Trees, contexts ---


def _divide_input(x: Array, depth: int, split: str, own: bool) -> Tree:
    """Divide an input; one of the caller's own no further than to single places."""
    axes = x.shape[:-1] or x.shape
    height, width = axes if len(axes) == 2 else (1, *axes)
    if own:
        depth = min(depth, sum(ceil(log2(length)) for length in axes))
    return divide(height, width, depth, split, strict=not own)


def _contexts(method: str, explained: int) -> tuple[bool, ...]:
    """Return the states of the others, absent and whole, in which coalitions are scored."""
    if explained == 1:
        return (True,)
    return (False,) if method == "published" else (False, True)


# --- 3. The division into speech and image ---


def _score_corners(f: ValueFunction, trees: Trees) -> Values:
    """Return (2, 2, classes), Algorithm 1's predictions, at [speech present, image present].

    When one modality is explained alone the others always are present.
    """
    states = {m: (False, True) if m in trees else (True,) for m in f.sides}
    scores = f.score({m: f.states(m, states[m]) for m in f.sides})
    return np.broadcast_to(scores, (*[2] * len(f.sides), scores.shape[-1]))


def _remember_corners(f: ValueFunction, trees: Trees, corners: Values) -> None:
    """Spare the value function what the first division has scored."""
    for m, tree in trees.items():
        states = [(0, 1) if side == m else tuple(map(int, f.contexts)) for side in f.sides]
        f.remember(m, [0, tree.mask(0, 0)], corners[np.ix_(*states)])


# --- 4. The divisions below it ---


class _Valuation(NamedTuple):
    """What a method says of regions; see `Explanation`."""

    values: Levels
    errors: Levels | None = None
    undivided: Levels | None = None  # of the finest level alone


def _value_regions(
    f: ValueFunction,
    trees: Trees,
    corners: Values,
    method: str,
    max_evals: int | None,
    pairs: int,
    seed: int,
) -> _Valuation:
    """Value the regions of every level by the method asked for."""
    if method == "published":
        scores = {m: _share_out(corners, axis) for axis, m in enumerate(f.sides) if m in trees}
        return _Valuation(published(f, trees, scores))
    if method == "owen":
        leaves, rest = owen(f, trees, max_evals or np.inf)
        undivided = {m: [each] for m, each in rest.items()}
        return _Valuation({m: tree.sums(leaves[m]) for m, tree in trees.items()}, None, undivided)
    draws = sampled(f, trees, pairs, seed)
    values: Levels = {}
    errors: Levels = {}
    for m, tree in trees.items():
        values[m] = tree.sums(draws[m].mean(axis=0))
        if pairs > 1:
            errors[m] = [
                level.std(axis=0, ddof=1) / np.sqrt(pairs) for level in tree.sums(draws[m])
            ]
    return _Valuation(values, errors or None)


def _share_out(corners: Values, axis: int) -> Values:
    """Return the Shapley value (classes,) of a modality, the score_1 and score_2 of Algorithm 1."""
    change = np.diff(corners, axis=axis).squeeze(axis)
    weights = weigh_others(corners.ndim - 1)
    return np.tensordot(weights, change, weights.ndim)


# --- 5. Explanations ---


def _gather_explanations(
    f: ValueFunction, trees: Trees, corners: Values, valuation: _Valuation, method: str
) -> list[Explanation]:
    """Return the explanation of each class that the value function kept."""
    found = []
    for j, target in enumerate(f.classes):
        scores = corners[..., j]
        nothing, whole = float(scores.flat[0]), float(scores.flat[-1])
        alone = [scores.flat[1 << k] - nothing for k in range(scores.ndim)]
        explanation = Explanation(
            maps=_spread(f.sides, valuation.values, j),
            base_value=nothing,
            value=whole,
            interaction=whole - nothing - float(sum(alone)),
            corners=scores,
            levels=_list_regions(trees, valuation, j),
            n_evals=f.n_evals,
            target=target,
            method=method,
            stderr=_spread(f.sides, valuation.errors, j) if valuation.errors else None,
            unrefined=_spread(f.sides, valuation.undivided, j) if valuation.undivided else None,
        )
        found.append(explanation)
    return found


def _spread(sides: Sides, levels: Levels, j: int) -> dict[str, Values]:
    """Spread what the finest regions have of class j over their places, by modality.

    A modality that is not explained has zeros.
    """
    maps = {}
    for m, side in sides.items():
        values = np.zeros(side.leaves)
        if m in levels:
            values = levels[m][-1][:, j]
        areas = np.bincount(side.leaf.ravel())
        maps[m] = (values / np.maximum(areas, 1))[side.leaf]  # some are empty
    return maps


def _list_regions(trees: Trees, valuation: _Valuation, j: int) -> list[list[Region]]:
    """Return the regions of class j level by level."""
    levels: list[list[Region]] = []
    for level in range(max(tree.depth for tree in trees.values()) + 1):
        regions: list[Region] = []
        for m, tree in trees.items():
            at = min(level, tree.depth)
            values = valuation.values[m][at][:, j].tolist()
            errors: Iterable[float | None] = repeat(None)
            if valuation.errors:
                errors = valuation.errors[m][at][:, j].tolist()
            regions += map(Region, repeat(m), tree.boxes[at], values, errors)
        levels.append(
            [each for each in regions if each.box[0] < each.box[1] and each.box[2] < each.box[3]]
        )
    return levels
