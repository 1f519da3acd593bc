"""A Keras model cut where its modalities meet, so that masked inputs are run part by part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from sierlib import settings
from sierlib.shapley.value_function import Branches, Callee, Parts, Scorer, Side, Whole


def graph_inputs(model: Any) -> list[Any]:
    """Return the symbolic inputs of a Keras graph, none for a callable (a Keras model without a
    graph is one)."""
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
    if (
        len(inputs) == 1 and names[0] not in settings.MODALITIES
    ):  # a single input is known by its channels
        names = {1: ["speech"], 3: ["image"]}.get(inputs[0].shape[-1], names)
    if not set(names) <= set(settings.MODALITIES):
        raise ValueError(
            f"the model's inputs are named {names}; expected 'speech' and 'image', or one of them"
        )
    return tuple(name for name in settings.MODALITIES if name in names)


def scorer_for(model: Any, sides: dict[str, Side], precision: str | None = None) -> Scorer:
    """Return the cheapest scorer a model allows.

    Parameters
    ----------
    model
        A Keras model over `speech` and `image` or one of them, or a callable (see `Whole`).
    sides
        The sample, by modality.
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


#: By model and precision, what was compiled and the copy of the model in it, if any: explaining a
#: second sample traces nothing again.
_COMPILED: WeakKeyDictionary[Any, dict[str | None, tuple[Parts | Callee, Any]]] = (
    WeakKeyDictionary()
)


def _compiled(model: Any, precision: str | None) -> Parts | Callee:
    known = _COMPILED.setdefault(model, {})
    if precision not in known:
        copy = _in_precision(model, precision) if precision else None
        known[precision] = (_parts(copy or model, model) if _cut(model) else _whole(model), copy)
    compiled, copy = known[precision]
    if copy is not None:
        copy.set_weights(model.get_weights())  # they may have changed since the copy was made
    return compiled


def _cut(model: Any) -> dict[str, list[Any]]:
    """Return, by modality, the last tensors of a Keras graph that depend on that modality alone.

    Empty when there is nothing to gain: a single modality, or inputs that meet at once.
    """
    if len(model.inputs) == 1:
        return {}
    origins = {id(tensor): {tensor.name} for tensor in model.inputs}
    found: dict[int, Any] = {}
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if node.is_input:
                continue
            union = set().union(*(origins[id(tensor)] for tensor in node.input_tensors))
            origins.update((id(tensor), union) for tensor in node.outputs)
            if len(union) > 1:
                found.update((id(t), t) for t in node.input_tensors if len(origins[id(t)]) == 1)
    inputs = {id(tensor) for tensor in model.inputs}
    if not found or inputs & set(found):
        return {}
    return {
        modality: [t for t in found.values() if origins[id(t)] == {modality}]
        for modality in settings.MODALITIES
    }


def _parts(branch_model: Any, model: Any) -> Parts:
    """Compile the branches of one model and the heads of another with the same graph."""
    import keras
    import tensorflow as tf

    inputs = {tensor.name: tensor for tensor in branch_model.inputs}
    cut, branch_cut = _cut(model), _cut(branch_model)

    def compile_branch(modality: str) -> Callable[..., Any]:
        run = keras.Function([inputs[modality]], branch_cut[modality])
        shape = inputs[modality].shape[1:]

        def branch(members: Any, leaf: Any, x: Any, baseline: Any) -> Any:
            present = tf.gather(members, leaf, axis=1)[..., None]
            return [
                tf.cast(features, tf.float32) for features in run([tf.where(present, x, baseline)])
            ]

        spec = [tf.TensorSpec([None, None], tf.bool), tf.TensorSpec(shape[:2], tf.int32)]
        # Batches of any length run without tracing again, and without padding.
        signature = [*spec, tf.TensorSpec(shape), tf.TensorSpec(shape)]
        compiled: Callable[..., Any] = tf.function(branch, input_signature=signature)
        return compiled

    run_heads = keras.Function([*cut["speech"], *cut["image"]], model.outputs)

    def heads(speech: Any, image: Any) -> Any:
        n, k = tf.shape(speech[0])[0], tf.shape(image[0])[0]
        rows = [tf.repeat(t, k, axis=0) for t in speech] + [
            tf.tile(t, [n, *[1] * (t.ndim - 1)]) for t in image
        ]
        scores = run_heads(rows)[0]
        return tf.reshape(scores, [n, k, scores.shape[-1]])

    specs = [
        [tf.TensorSpec([None, *t.shape[1:]]) for t in cut[modality]]
        for modality in settings.MODALITIES
    ]
    return Parts(
        {m: compile_branch(m) for m in settings.MODALITIES},
        tf.function(heads, input_signature=specs),
    )


def _whole(model: Any) -> Callee:
    """Compile a Keras graph that takes one or both modalities."""
    import keras
    import tensorflow as tf

    run = keras.Function(list(model.inputs), list(model.outputs))
    specs = [tf.TensorSpec([None, *tensor.shape[1:]]) for tensor in model.inputs]
    compiled = tf.function(lambda *inputs: run(list(inputs))[0], input_signature=specs)
    modalities = modalities_of(model)
    names = [tensor.name for tensor in model.inputs] if len(modalities) > 1 else modalities
    return lambda inputs: compiled(*(inputs[name].astype(np.float32) for name in names))


def _in_precision(model: Any, precision: str) -> Any:
    """Copy a Keras model so that its layers compute in another type; its weights stay float32."""
    import keras

    def copy(layer: Any) -> Any:
        return layer.__class__.from_config({**layer.get_config(), "dtype": f"mixed_{precision}"})

    return keras.models.clone_model(model, clone_function=copy, recursive=True)
