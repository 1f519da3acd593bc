"""Explain a prediction by the Shapley values of regions of the speech and of the image (the paper,
Section 3.3).

The players are nested: the sample splits into speech and image (Algorithm 1's score_1 and score_2),
each modality into halves, those into halves again. The Shapley value that respects such a nesting
is the Owen value (Owen 1977): every region is compared in both contexts, its sibling absent and its
sibling present, all the way down. `shap.PartitionExplainer` (Lundberg and Lee 2017; shap) computes
it for one image; here speech and image are one tree.

Below the root the Owen value is linear in the scores, so each modality is a game of its own whose
value function is the mean over the other modality absent and whole: v(S) = 1/2 [f(S, absent) + f(S,
whole)].
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

from sierlib import settings
from sierlib.shapley.keras_parts import graph_inputs, modalities_of, scorer_for
from sierlib.shapley.partition import (
    PAIRS,
    Box,
    Tree,
    Values,
    divide,
    evaluations,
    owen,
    published,
    sampled,
)
from sierlib.shapley.value_function import BATCH_SIZE, Side, ValueFunction

#: More evaluations than this are made only when `max_evals` asks for them.
MOST_EVALS = 50_000

#: Standard deviation of the blurred baseline, as a share of the side it blurs along.
BLUR = 0.1

METHODS = ("owen", "sampled", "published")


class Region(NamedTuple):
    """A region of one level of the division and its value.

    `box` is (first row, end row, first column, end column); rows are frequencies of the spectrogram
    (low first) or rows of the image, columns are time steps or columns. `stderr` is None but for
    `sampled`.
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
    speech_map, image_map
        (H, W) float64. A region's value is the sum of its pixels.
    base_value, value
        The score of the baseline and of the sample, in the units of `output`.
    interaction
        f(x) - f(speech only) - f(image only) + f(baseline): what only both together bring (0 when a
        single modality is explained). Half of it is in the value of each modality.
    levels
        Level 0 is the division into speech and image; level l has the 2**l regions of each
        modality.
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

    speech_map: Values
    image_map: Values
    base_value: float
    value: float
    interaction: float
    levels: list[list[Region]]
    n_evals: int
    target: int
    method: str
    stderr: dict[str, Values] | None = None
    unrefined: dict[str, Values] | None = None

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
        """Return how far each level's sum is from `value - base_value`: 0 but for rounding, unless
        `published`."""
        return [
            sum(region.value for region in level) - (self.value - self.base_value)
            for level in self.levels
        ]


def explain(
    model: Any,
    speech: NDArray[Any],
    image: NDArray[Any],
    *,
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
    progress: bool | Callable[[float], object] | None = None,
) -> Any:
    """Explain a prediction by the values of regions of the speech and of the image.

    Parameters
    ----------
    model
        A Keras model with inputs `speech` and `image` or one of them (the other modality then gets
        nothing), or any callable that takes {"speech": (n, H, W, 1), "image": (n, H, W, 3)} and
        returns (n, classes). Keras graphs are run part by part, see
        `sierlib.shapley.value_function`; callables get arrays of the dtype given here.
    speech
        (H, W, 1) floats in [0, 1], a log-mel spectrogram: rows are frequencies, columns are time
        steps.
    image
        (H, W, 3) floats in [0, 1].
    target
        The class whose score is explained: its number, its name (`sierlib.settings.CLASSES`), None
        for the predicted one, or "all" for a dict of explanations from the same evaluations.
    depth
        Halvings inside a modality, after the division into speech and image.
    method
        "owen", the exact Owen values of the tree; "sampled", their estimate from random orders, at
        a cost linear in the number of regions; "published", the recursion as Section 3.3 words it,
        which is not additive below the first divisions (see `Explanation.gaps`).
    baseline
        What absent regions are replaced by: "zero" (the paper: silence and black), "blur" (a
        Gaussian of a tenth of each side), or arrays of the inputs' shapes as (speech, image) or
        {"speech": ..., "image": ...}.
    speech_split
        "time" halves time only; "longest" halves the longer side, as is done for images (the
        paper's reading).
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
    precision
        "bfloat16" runs a Keras model's branches in that type; None leaves the model as it is.
    progress
        Whether to show a progress bar; None shows one after 5 seconds, in a terminal. A function is
        called with the share that is done, from 0 to 1, some ten times a second.

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
    taken = modalities_of(model)
    for name, given, expected in (
        ("method", method, METHODS),
        ("speech_split", speech_split, ("time", "longest")),
        ("output", output, ("probability", "logit")),
        ("modality", modality, (None, *taken)),
        ("precision", precision, (None, "bfloat16")),
    ):
        if given not in expected:
            raise ValueError(f"{name}={given!r}; expected one of {', '.join(map(repr, expected))}")
    for name, number, least in (
        ("depth", depth, 0),
        ("max_evals", max_evals, 4),
        ("batch_size", batch_size, 1),
    ):
        unset = number is None and name != "depth"
        if not unset and (not isinstance(number, int | np.integer) or number < least):
            raise ValueError(f"{name}={number!r}; expected an integer of at least {least}")
    inputs = {"speech": _checked("speech", speech, 1), "image": _checked("image", image, 3)}
    _check_model(model, inputs)
    _classes(target, model.output_shape[-1] if graph_inputs(model) else None)

    explained = taken if modality is None else (modality,)
    both = len(explained) == 2
    split = {"speech": speech_split, "image": "longest"}
    trees = {m: divide(inputs[m].shape[0], inputs[m].shape[1], depth, split[m]) for m in explained}
    pairs = _affordable(method, depth, both, max_evals)
    sides = {
        m: Side(
            inputs[m],
            absent,
            trees[m].labels() if m in trees else np.zeros(absent.shape[:2], np.int32),
        )
        for m, absent in _baselines(baseline, inputs).items()
    }
    contexts = (True,) if not both else (False,) if method == "published" else (False, True)
    total = evaluations(method, depth, both=both, pairs=pairs)
    with _bar(min(total, max_evals or total), progress) as bar:
        f = ValueFunction(
            scorer_for(model, sides, precision),
            sides,
            dict.fromkeys(explained, contexts),
            logarithm=output == "logit",
            batch_size=batch_size or BATCH_SIZE,
            bar=bar,
        )
        corners = _corners(f, trees)
        classes = _classes(target, len(corners[0])) or [int(corners[3].argmax())]
        f.classes = classes
        for m, tree in trees.items():
            for present in (0, 1):
                states = [
                    corners[2 * present + state if m == "speech" else 2 * state + present]
                    for state in contexts
                ]
                f.remember(m, present * tree.mask(0, 0), np.stack(states))
        corners = corners[:, classes]
        scores = {
            "speech": (corners[2] - corners[0] + corners[3] - corners[1])
            / 2,  # Algorithm 1's score_2
            "image": (corners[1] - corners[0] + corners[3] - corners[2]) / 2,  # and score_1
        }
        errors: dict[str, list[Values]] = {}
        left: dict[str, Values] = {}
        if method == "published":
            values = published(f, trees, scores)
        elif method == "owen":
            leaves, left = owen(f, trees, np.inf if max_evals is None else max_evals)
            values = {m: tree.sums(leaves[m]) for m, tree in trees.items()}
        else:
            draws = sampled(f, trees, pairs, seed)
            values = {m: tree.sums(draws[m].mean(axis=0)) for m, tree in trees.items()}
            if pairs > 1:
                errors = {
                    m: [drawn.std(axis=0, ddof=1) / np.sqrt(pairs) for drawn in tree.sums(draws[m])]
                    for m, tree in trees.items()
                }

    found = [
        Explanation(
            **{f"{m}_map": _map(sides[m], values.get(m), j) for m in settings.MODALITIES},
            base_value=float(corners[0, j]),
            value=float(corners[3, j]),
            interaction=float(corners[3, j] - corners[2, j] - corners[1, j] + corners[0, j]),
            levels=_regions(trees, values, errors, j),
            n_evals=f.n_evals,
            target=classes[j],
            method=method,
            stderr={m: _map(sides[m], errors.get(m), j) for m in settings.MODALITIES}
            if errors
            else None,
            unrefined={
                m: _map(sides[m], [left[m]] if m in left else None, j) for m in settings.MODALITIES
            }
            if left
            else None,
        )
        for j in range(len(classes))
    ]
    if target != "all":
        return found[0]
    return dict(
        zip(
            settings.CLASSES if len(found) == len(settings.CLASSES) else range(len(found)),
            found,
            strict=True,
        )
    )


class _Telling(tqdm):
    """A progress bar that calls a function wherever another would draw itself."""

    def __init__(self, tell: Callable[[float], object], total: int) -> None:
        self.tell = tell
        super().__init__(total=total, file=io.StringIO())

    def display(self, *_: Any, **__: Any) -> None:
        self.tell(min(1.0, self.n / self.total) if self.total else 1.0)


def _bar(total: int, progress: bool | Callable[[float], object] | None) -> Any:
    if callable(progress):
        return _Telling(progress, total)
    quiet: dict[str, Any] = (
        {"disable": None, "delay": 5} if progress is None else {"disable": not progress}
    )
    return tqdm(total=total, unit=" evaluations", **quiet)


def _corners(f: ValueFunction, trees: dict[str, Tree]) -> Values:
    """Return (4, classes), Algorithm 1's predictions, at 2 * (speech present) + (image present).

    When one modality is explained alone the other one always is present.
    """
    m = next(iter(trees))
    ends = f.score(m, [0, trees[m].mask(0, 0)], (False, True) if len(trees) == 2 else (True,))
    if len(trees) == 1:
        return np.repeat(ends[:, 0], 2, axis=0) if m == "speech" else np.tile(ends[:, 0], (2, 1))
    return ends.reshape(4, -1)  # both: m is speech


def _map(side: Side, levels: list[Values] | None, j: int) -> Values:
    """Return (H, W), what each finest region has of class j spread over its pixels; zeros without
    levels."""
    if levels is None:
        return np.zeros(side.leaf.shape)
    return (levels[-1][:, j] / np.bincount(side.leaf.ravel()))[side.leaf]


def _regions(
    trees: dict[str, Tree], values: dict[str, list[Values]], errors: dict[str, list[Values]], j: int
) -> list[list[Region]]:
    """Return the regions of class j level by level."""
    depth = next(iter(trees.values())).depth
    return [
        [
            Region(
                m,
                box,
                float(values[m][level][k, j]),
                float(errors[m][level][k, j]) if errors else None,
            )
            for m, tree in trees.items()
            for k, box in enumerate(tree.boxes[level])
        ]
        for level in range(depth + 1)
    ]


def _checked(name: str, given: Any, channels: int) -> NDArray[Any]:
    """Return an input or a baseline if it is (H, W, channels) floats in [0, 1]."""
    array = np.asarray(given)
    if array.ndim != 3 or array.shape[2] != channels or array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}; expected (height, width, {channels})")
    if array.dtype.kind != "f":
        raise ValueError(f"{name} has dtype {array.dtype}; expected floats in [0, 1], e.g. float32")
    if not np.isfinite(array).all():
        raise ValueError(
            f"{name} has {np.sum(~np.isfinite(array))} values that are NaN or infinite; expected "
            "[0, 1]"
        )
    if array.min() < 0 or array.max() > 1:
        raise ValueError(
            f"{name} has values from {array.min():g} to {array.max():g}; expected [0, 1]"
        )
    return array


def _check_model(model: Any, inputs: dict[str, NDArray[Any]]) -> None:
    """Refuse what cannot be called, inputs that a Keras model does not take, and outputs that are
    no scores."""
    if not callable(model):
        raise ValueError(
            f"model is a {type(model).__name__}; expected a Keras model, or a callable over both "
            "inputs"
        )
    if not graph_inputs(model):
        return
    if len(model.outputs) != 1:
        raise ValueError(f"the model has {len(model.outputs)} outputs; expected one, (n, classes)")
    if model.outputs[0].ndim != 2 or model.outputs[0].shape[-1] == 0:
        raise ValueError(
            f"the model's output has shape {model.output_shape}; expected (n, classes)"
        )
    for tensor in graph_inputs(model):
        name = tensor.name if tensor.name in inputs else modalities_of(model)[0]
        given, expected = inputs[name].shape, tuple(tensor.shape[1:])
        if len(expected) != len(given) or any(
            e not in (None, g) for e, g in zip(expected, given, strict=True)
        ):
            raise ValueError(
                f"{name} has shape {given}; expected {expected}, as the model takes it"
            )


def _classes(target: int | str | None, n: int | None) -> list[int]:
    """Return the numbers of the classes to explain among n (None: not known yet), none for the
    predicted one."""
    names = ", ".join(settings.CLASSES)
    if target is None:
        return []
    if isinstance(target, str):
        if target != "all" and (
            target not in settings.CLASSES or n not in (None, len(settings.CLASSES))
        ):
            raise ValueError(
                f"target={target!r}; expected one of {names} of a model with these classes, or "
                "'all'"
            )
        return list(range(n or 0)) if target == "all" else [settings.CLASSES.index(target)]
    if (
        isinstance(target, bool)
        or not isinstance(target, int | np.integer)
        or not 0 <= target < (n or np.inf)
    ):
        raise ValueError(
            f"target={target!r}; expected a class number below {n or 'that of classes'}, a name or "
            "'all'"
        )
    return [int(target)]


def _affordable(method: str, depth: int, both: bool, max_evals: int | None) -> int:
    """Return how many pairs of orders to draw; refuse what the number of evaluations does not
    allow."""
    if max_evals is None:
        needed = evaluations(method, depth, both=both)
        if needed > MOST_EVALS:
            raise ValueError(
                f"method={method!r} at depth={depth} needs {needed:,} evaluations; expected "
                f"{MOST_EVALS:,} at most "
                "unless max_evals is given"
            )
        return PAIRS
    start = evaluations(method, depth, both=both, pairs=0)
    pair = evaluations(method, depth, both=both, pairs=1) - start
    needed = {"owen": 4, "sampled": start + pair, "published": start}[method]
    if max_evals < needed:
        raise ValueError(
            f"max_evals={max_evals}; expected {needed:,} at least for method={method!r}, "
            f"depth={depth}"
        )
    return (max_evals - start) // pair if pair else PAIRS


def _blurred(x: NDArray[Any]) -> NDArray[Any]:
    """Blur an input, in float32 at least because SciPy cannot do it in float16; the dtype stays."""
    wide = x.astype(np.promote_types(x.dtype, np.float32), copy=False)
    return gaussian_filter(wide, (BLUR * x.shape[0], BLUR * x.shape[1], 0)).astype(
        x.dtype, copy=False
    )


def _baselines(baseline: Any, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return by modality what replaces absent regions, in the dtype of the inputs."""
    if isinstance(baseline, str):
        if baseline not in ("zero", "blur"):
            raise ValueError(
                f"baseline={baseline!r}; expected 'zero', 'blur', or arrays (speech, image)"
            )
        if baseline == "zero":
            return {m: np.zeros_like(x) for m, x in inputs.items()}
        return {m: _blurred(x) for m, x in inputs.items()}
    pair = isinstance(baseline, tuple) and len(baseline) == len(settings.MODALITIES)
    given = dict(zip(settings.MODALITIES, baseline, strict=True)) if pair else baseline
    if not isinstance(given, dict) or set(given) != set(settings.MODALITIES):
        raise ValueError(
            f"baseline is a {type(baseline).__name__}; expected 'zero', 'blur', a tuple of arrays "
            "(speech, image), or "
            "a dict of both"
        )
    arrays = {}
    for m, x in inputs.items():
        arrays[m] = _checked(f"the baseline of {m}", given[m], x.shape[2]).astype(x.dtype)
        if arrays[m].shape != x.shape:
            raise ValueError(
                f"the baseline of {m} has shape {arrays[m].shape}; expected {x.shape}, as its input"
            )
    return arrays
