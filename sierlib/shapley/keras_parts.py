"""A Keras model cut where its modalities meet, so that masked inputs are run part by part."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from sierlib import settings
from sierlib.backend import compile_batches
from sierlib.shapley.value_function import Branches, Callee, Parts, Scorer, Sides, Whole

Compiled = Callable[..., Any]
Cut = dict[str, list[Any]]  # by modality, tensors of a graph


def graph_inputs(model: Any) -> list[Any]:
    """Return the symbolic inputs of a Keras graph, none for a callable.

    A Keras model without a graph is a callable.
    """
    return list(getattr(model, "inputs", None) or ())


def modalities_of(model: Any) -> tuple[str, ...]:
    """Return which inputs a model takes: those of a Keras graph, both for anything else.

    Raises
    ------
    ValueError
        When a Keras model's inputs are not `speech` and `image`, or one of them.
    """
    inputs = graph_inputs(model)
    if not inputs:
        return settings.MODALITIES
    names = [tensor.name for tensor in inputs]
    if len(inputs) == 1 and names[0] not in settings.MODALITIES:
        # A single input is known by its channels.
        names = {1: ["speech"], 3: ["image"]}.get(inputs[0].shape[-1], names)
    if not set(names) <= set(settings.MODALITIES):
        raise ValueError(
            f"the model's inputs are named {names}; expected 'speech' and 'image', or one of them"
        )
    return tuple(name for name in settings.MODALITIES if name in names)


def input_names(model: Any) -> tuple[str, ...]:
    """Return the names of a graph's inputs in the order of all explanations: the image last."""
    names = [tensor.name for tensor in graph_inputs(model)]
    return tuple(sorted(names, key=lambda name: name == "image"))


def scorer_for(model: Any, sides: Sides, precision: str | None = None) -> Scorer:
    """Return the cheapest scorer a model allows.

    Parameters
    ----------
    model
        A Keras model, or a callable (see `Whole`).
    sides
        The sample, by modality; of a Keras model in the order of `input_names`.
    precision
        "bfloat16" computes the branches (never the heads, whose sums need the digits) in that type.

    Raises
    ------
    ValueError
        When a precision is asked for and the model has no branches to compute in it.
    """
    compiled = _compiled(model, precision) if graph_inputs(model) else model
    if isinstance(compiled, Parts):
        return Branches(compiled, sides)
    if precision is not None:
        raise ValueError(
            f"precision={precision!r} needs a Keras graph whose modalities are processed apart at "
            "first"
        )
    return Whole(compiled, sides)


class _Kept(NamedTuple):
    """What was compiled of a model, and the copy in another precision that it runs, if any."""

    scorer: Parts | Callee
    copy: Any


#: By model and precision: explaining a second sample traces nothing again.
_COMPILED: WeakKeyDictionary[Any, dict[str | None, _Kept]] = WeakKeyDictionary()


def _compiled(model: Any, precision: str | None) -> Parts | Callee:
    known = _COMPILED.setdefault(model, {})
    if precision not in known:
        copy = _copy_in_precision(model, precision) if precision else None
        cut = find_cut(model)
        scorer = _compile_parts(copy or model, model) if cut else _compile_whole(model)
        known[precision] = _Kept(scorer, copy)
    kept = known[precision]
    if kept.copy is not None:
        # The weights may have changed since the copy was made.
        kept.copy.set_weights(model.get_weights())
    return kept.scorer


def find_cut(model: Any) -> Cut:
    """Return, by modality, the last tensors of a Keras graph that depend on that modality alone.

    Empty when there is nothing to gain: a single modality, or inputs that meet at once.
    """
    if len(model.inputs) == 1:
        return {}
    # Which inputs each tensor depends on, from the inputs to the output.
    origins = {id(tensor): {tensor.name} for tensor in model.inputs}
    last: dict[int, Any] = {}
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if node.is_input:
                continue
            union: set[str] = set()
            for tensor in node.input_tensors:
                union |= origins[id(tensor)]
            for tensor in node.outputs:
                origins[id(tensor)] = union
            # Where modalities meet, what comes in of a single one is the last that does.
            for tensor in node.input_tensors:
                if len(union) > 1 and len(origins[id(tensor)]) == 1:
                    last[id(tensor)] = tensor
    at_once = any(id(tensor) in last for tensor in model.inputs)
    if at_once or not last:
        return {}
    cut: Cut = {modality: [] for modality in input_names(model)}
    for key, tensor in last.items():
        (modality,) = origins[key]
        cut[modality].append(tensor)
    return cut


def _compile_parts(branch_model: Any, model: Any) -> Parts:
    """Compile the branches of one model and the heads of another with the same graph."""
    branch_cut = find_cut(branch_model)
    branches = {}
    for tensor in branch_model.inputs:
        branches[tensor.name] = _compile_branch(tensor, branch_cut[tensor.name])
    return Parts(branches, _compile_heads(model, find_cut(model)))


def _compile_branch(start: Any, features: list[Any]) -> Compiled:
    """Compile what leads from the input of a modality, masked, to the tensors where it is cut."""
    import keras
    from keras import ops

    run = keras.Function([start], features)

    def branch(members: Any, leaf: Any, x: Any, baseline: Any) -> Any:
        present = ops.take(members, leaf, axis=1)
        if len(start.shape) > 2:
            present = present[..., None]  # the same in all channels
        masked = ops.where(present, x, baseline)
        return [ops.cast(tensor, "float32") for tensor in run([masked])]

    specs = [
        keras.KerasTensor((None, None), "bool"),  # members
        keras.KerasTensor(start.shape[1:-1] or start.shape[1:], "int32"),  # leaf
        keras.KerasTensor(start.shape[1:]),
        keras.KerasTensor(start.shape[1:]),
    ]
    return compile_batches(branch, specs, variables_of(run))


def _compile_heads(model: Any, cut: Cut) -> Compiled:
    """Compile what leads from the cut to the scores, for every combination of inputs."""
    import keras
    from keras import ops

    run = keras.Function([tensor for tensors in cut.values() for tensor in tensors], model.outputs)

    def heads(*features: list[Any]) -> Any:
        lengths = [ops.shape(tensors[0])[0] for tensors in features]
        inputs = []
        for i, tensors in enumerate(features):
            # The first input's rows change slowest.
            before, after = prod(lengths[:i]), prod(lengths[i + 1 :])
            for tensor in tensors:
                times = [before, *[1] * (len(tensor.shape) - 1)]
                inputs.append(ops.tile(ops.repeat(tensor, after, axis=0), times))
        scores = run(inputs)[0]
        return ops.reshape(scores, [*lengths, scores.shape[-1]])

    return compile_batches(heads, [_batch_specs(each) for each in cut.values()], variables_of(run))


def _batch_specs(tensors: list[Any]) -> list[Any]:
    """Return the specs of tensors for batches of any length."""
    import keras

    return [keras.KerasTensor((None, *tensor.shape[1:])) for tensor in tensors]


def variables_of(function: Any) -> list[Any]:
    """Return the weights of the layers of a Keras function."""
    layers = {id(each): each for each in function.operations if hasattr(each, "variables")}
    return [variable for layer in layers.values() for variable in layer.variables]


def _compile_whole(model: Any) -> Callee:
    """Compile a Keras graph as a whole."""
    import keras

    run = keras.Function(list(model.inputs), list(model.outputs))
    specs = _batch_specs(model.inputs)
    compiled = compile_batches(lambda *inputs: run(list(inputs))[0], specs, variables_of(run))
    names = tuple(tensor.name for tensor in model.inputs)

    def score(inputs: dict[str, Any]) -> Any:
        # A single input may have another name.
        known = names if names[0] in inputs else modalities_of(model)
        return compiled(*(inputs[name].astype(np.float32) for name in known))

    return score


def _copy_in_precision(model: Any, precision: str) -> Any:
    """Copy a Keras model so that its layers compute in another type; its weights stay float32."""
    import keras

    def copy(layer: Any) -> Any:
        return layer.__class__.from_config({**layer.get_config(), "dtype": f"mixed_{precision}"})

    return keras.models.clone_model(model, clone_function=copy, recursive=True)
