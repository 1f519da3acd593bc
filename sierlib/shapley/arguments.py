"""What `explain` is asked for: arguments checked, evaluations planned, baselines made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from sierlib import settings
from sierlib.shapley.keras_parts import graph_inputs, input_names, modalities_of
from sierlib.shapley.partition import PAIRS, count_evaluations
from sierlib.shapley.value_function import Array, Side, Sides

#: Inputs of a model that is explained: of k of them all 2^k coalitions are scored.
MOST_INPUTS = 4

#: More evaluations than this are made only when `max_evals` asks for them.
MOST_EVALS = 50_000

#: Standard deviation of the blurred baseline, as a share of the side it blurs along.
BLUR = 0.1

Arrays = dict[str, Array]  # by modality


def check_choice(name: str, choice: Any, choices: tuple[str | None, ...]) -> None:
    """Refuse what is none of the choices, naming them."""
    if choice not in choices:
        raise ValueError(f"{name}={choice!r}; expected one of {', '.join(map(repr, choices))}")


def check_integer(name: str, number: Any, *, least: int, optional: bool = False) -> None:
    """Refuse what is no integer, or below the least one."""
    if number is None and optional:
        return
    if not isinstance(number, int | np.integer) or number < least:
        raise ValueError(f"{name}={number!r}; expected an integer of at least {least}")


def check_array(name: str, values: Any, channels: int | None) -> Array:
    """Return an input or a baseline if it is (H, W, channels) floats in [0, 1]; where no channels
    are given, if it is (H, W, any), (T, any) or (F,) finite numbers."""
    array = np.asarray(values)
    if channels is None:
        if array.ndim not in (1, 2, 3) or array.size == 0:
            raise ValueError(
                f"{name} has shape {array.shape}; expected (height, width, channels), "
                "(steps, channels) or (features,)"
            )
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise ValueError(f"{name} has dtype {array.dtype}; expected finite numbers")
        return array
    if array.ndim != 3 or array.shape[2] != channels or array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}; expected (height, width, {channels})")
    if array.dtype.kind != "f":
        raise ValueError(f"{name} has dtype {array.dtype}; expected floats in [0, 1], e.g. float32")
    missing = np.sum(~np.isfinite(array))
    if missing:
        raise ValueError(f"{name} has {missing} values that are NaN or infinite; expected [0, 1]")
    least = array.min()
    most = array.max()
    if least < 0 or most > 1:
        raise ValueError(f"{name} has values from {least:g} to {most:g}; expected [0, 1]")
    return array


def check_model(model: Any, inputs: Arrays) -> None:
    """Refuse what cannot be called, takes other inputs or returns no scores of classes."""
    if not callable(model):
        kind = type(model).__name__
        raise ValueError(
            f"model is a {kind}; expected a Keras model, or a callable over a dict of inputs"
        )
    if not graph_inputs(model):
        return
    if len(model.outputs) != 1:
        raise ValueError(f"the model has {len(model.outputs)} outputs; expected one, (n, classes)")
    scores = model.outputs[0]
    if scores.ndim != 2 or scores.shape[-1] == 0:
        shape = model.output_shape
        raise ValueError(f"the model's output has shape {shape}; expected (n, classes)")
    for tensor in graph_inputs(model):
        name = tensor.name if tensor.name in inputs else modalities_of(model)[0]
        shape = inputs[name].shape
        expected = tuple(tensor.shape[1:])
        fits = len(expected) == len(shape) and all(
            length in (None, side) for length, side in zip(expected, shape, strict=True)
        )
        if not fits:
            raise ValueError(
                f"{name} has shape {shape}; expected {expected}, as the model takes it"
            )


def check_pair(speech: Any, image: Any) -> Arrays:
    """Return a sample of the book's networks by modality."""
    return {"speech": check_array("speech", speech, 1), "image": check_array("image", image, 3)}


def check_inputs(model: Any, inputs: Any) -> Arrays:
    """Return a sample of any model by the names of its inputs, in the order of explanations."""
    if not isinstance(inputs, dict) or not 1 <= len(inputs) <= MOST_INPUTS:
        given = f"names {len(inputs)}" if isinstance(inputs, dict) else "is no dict"
        raise ValueError(f"inputs {given}; expected a dict of one to {MOST_INPUTS} arrays by name")
    names = input_names(model) or tuple(inputs)
    if set(names) != set(inputs):
        raise ValueError(
            f"inputs has {sorted(inputs)}; expected {sorted(names)}, as the model names them"
        )
    return {name: check_array(name, inputs[name], None) for name in names}


def check_sample(model: Any, inputs: Arrays, target: Any, output: Any, max_evals: Any) -> None:
    """Refuse inputs, or a way of scoring them, that do not fit the model."""
    check_choice("output", output, ("probability", "logit"))
    check_integer("max_evals", max_evals, least=4, optional=True)
    check_model(model, inputs)
    check_target(target, model.output_shape[-1] if graph_inputs(model) else None)


def check_target(target: Any, classes: int | None) -> None:
    """Refuse a class that is none of so many; None where their number is not known yet."""
    if isinstance(target, str):
        names = settings.CLASSES
        named = target in names and classes in (None, len(names))
        if target != "all" and not named:
            raise ValueError(
                f"target={target!r}; expected one of {', '.join(names)} of a model with these "
                "classes, or 'all'"
            )
    elif target is not None:
        integer = isinstance(target, int | np.integer) and not isinstance(target, bool)
        if not integer or not 0 <= target < (classes or np.inf):
            raise ValueError(
                f"target={target!r}; expected a class number below {classes or 'that of classes'}, "
                "a name or 'all'"
            )


def target_classes(target: int | str | None, scores: Array) -> list[int]:
    """Return the numbers of the classes to explain, given the sample's scores (classes,)."""
    check_target(target, len(scores))
    if target is None:
        return [int(scores.argmax())]
    if target == "all":
        return list(range(len(scores)))
    if isinstance(target, str):
        return [settings.CLASSES.index(target)]
    return [int(target)]


def name_classes(found: list[Any]) -> dict[Any, Any]:
    """Return results by class name, or by number where the classes are not the four."""
    if len(found) == len(settings.CLASSES):
        return dict(zip(settings.CLASSES, found, strict=True))
    return dict(enumerate(found))


def plan_evaluations(method: str, depths: Sequence[int], max_evals: int | None) -> tuple[int, int]:
    """Return how many pairs of orders to draw, and the most evaluations that will be made, where
    inputs are divided so deep.

    Raises
    ------
    ValueError
        When that is beyond what is allowed.
    """
    most, depth = count_evaluations(method, depths), max(depths)
    if max_evals is None:
        if most > MOST_EVALS:
            raise ValueError(
                f"method={method!r} at depth={depth} needs {most:,} evaluations; expected "
                f"{MOST_EVALS:,} at most unless max_evals is given"
            )
        return PAIRS, most
    start = count_evaluations(method, depths, 0)
    pair = count_evaluations(method, depths, 1) - start
    needed = {"owen": max(4, 2 ** len(depths)), "sampled": start + pair, "published": start}[method]
    if max_evals < needed:
        raise ValueError(
            f"max_evals={max_evals}; expected {needed:,} at least for method={method!r}, "
            f"depth={depth}"
        )
    pairs = (max_evals - start) // pair if pair else PAIRS
    return pairs, min(count_evaluations(method, depths, pairs), max_evals)


def baseline_arrays(baseline: Any, inputs: Arrays, bounded: bool = True) -> Arrays:
    """Return by modality what replaces absent regions, in the dtype of the inputs.

    `bounded` asks baselines that are given for floats in [0, 1].
    """
    if isinstance(baseline, str):
        if baseline == "zero":
            return {m: np.zeros_like(x) for m, x in inputs.items()}
        if baseline == "blur":
            return {m: _blur(m, x) for m, x in inputs.items()}
        raise ValueError(
            f"baseline={baseline!r}; expected 'zero', 'blur', or arrays ({', '.join(inputs)})"
        )
    if isinstance(baseline, tuple) and len(baseline) == len(inputs):
        baseline = dict(zip(inputs, baseline, strict=True))
    if not isinstance(baseline, dict) or set(baseline) != set(inputs):
        raise ValueError(
            f"baseline is a {type(baseline).__name__}; expected 'zero', 'blur', a tuple of arrays "
            f"({', '.join(inputs)}), or a dict of them"
        )
    arrays = {}
    for m, x in inputs.items():
        channels = x.shape[-1] if bounded else None
        array = check_array(f"the baseline of {m}", baseline[m], channels)
        if array.shape != x.shape:
            raise ValueError(
                f"the baseline of {m} has shape {array.shape}; expected {x.shape}, as its input"
            )
        arrays[m] = array.astype(x.dtype)
    return arrays


def make_sides(inputs: Arrays, baseline: Any, leaves: Arrays, bounded: bool = True) -> Sides:
    """Put each modality's input, what replaces it and its regions (H, W) together."""
    baselines = baseline_arrays(baseline, inputs, bounded)
    return {m: Side(x, baselines[m], leaves[m]) for m, x in inputs.items()}


def _blur(name: str, x: Array) -> Array:
    """Blur an input, in float32 at least because SciPy cannot do it in float16; the dtype stays."""
    if x.ndim == 1:
        raise ValueError(
            f"baseline='blur'; expected 'zero' or arrays, for {name} has features without an order"
        )
    wide = x.astype(np.promote_types(x.dtype, np.float32), copy=False)
    sides = [BLUR * length for length in x.shape[:-1]]
    return gaussian_filter(wide, (*sides, 0)).astype(x.dtype, copy=False)
