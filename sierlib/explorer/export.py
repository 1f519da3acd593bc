"""A trained ParallelNet as data that the page's own engine runs (`inpage/network.js`).

A graph is written as steps over named tensors, in three parts: what leads from the speech to where
the modalities meet, what leads from the image there, and the head behind it. Large arrays are
rounded to float16; `round_weights` makes the Keras model that computes with the same ones.

    parts     {speech: {input, steps, outputs}, image: the same, head: {inputs, steps, outputs}}
    step      {op, in: names, out: name, shape: of `out` without the batch, ...}
              convolve   weights, bias: slots; kernel: [rows, columns]; stride: [down, across];
                         pad: [top, left, bottom, right]; relu. A dense layer is one of 1 by 1
              pool       size, stride: [down, across]
              scale      factor, shift: slots, one number a channel; relu
              relu, add, multiply, softmax
              mix        weights: numbers, one for each tensor (Eq. 2)
    slot      {at: bytes from the start, count, type: "float16" or "float32"}

Filters are filled up to a multiple of four, and in blocks of eight, as the engine's kernel reads
them. Batch normalisation goes into the convolution before it, which is exact where nothing stands
between the two; elsewhere it is a `scale`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sierlib import settings
from sierlib.explorer.payload import Payload

ENGINE = Path(__file__).parent / "inpage"
#: The parts of a worker, each of one idea; the last one answers.
ENGINE_PARTS = ("shape", "kernel", "network", "logmel", "owen", "worker")
#: The engine computes this many filters at a time, and stores this many together.
BLOCK, GROUP = 8, 4
_KEPT_WHOLE = 2  # arrays of fewer axes are small: they stay float32


class ExportError(ValueError):
    """A model has a layer, or a use of one, that the page's engine does not know."""


class _Step(NamedTuple):
    """A layer with its tensors, still as Keras names and stores it."""

    layer: Any
    inputs: list[str]
    output: str
    shape: tuple[int, ...]


def round_weights(model: Any) -> Any:
    """Copy a Keras model with the weights that the page computes with.

    Returns
    -------
    keras.Model
        Arrays of two axes or more are rounded to float16; vectors are as they were.
    """
    import keras

    copy = keras.models.clone_model(model)
    copy.set_weights([_rounded(values) for values in model.get_weights()])
    return copy


def _rounded(values: np.ndarray) -> np.ndarray:
    """Return float32 values as float16 has them, if there are enough to be worth it."""
    if values.ndim < _KEPT_WHOLE:
        return values
    return values.astype(np.float16).astype(np.float32)


def export_model(model: Any) -> Payload:
    """Describe a Keras model of speech and image, with its weights.

    Returns
    -------
    dict
        ``parts`` as at the top of this module, ``classes`` (how many), ``weights`` (base64 of the
        slots), ``bytes`` (their number) and ``checksum`` (the first 16 hex digits of their
        SHA-256).

    Raises
    ------
    ExportError
        Naming the layer that the engine cannot run, or when the modalities meet at once.
    """
    from sierlib.shapley.keras_parts import _find_cut

    cut = _find_cut(model)
    if not cut:
        raise ExportError("the model has no part of its own for each modality")
    names = {id(tensor): tensor.name for tensor in model.inputs}
    steps = _list_steps(model, names)
    ends = {m: [names[id(tensor)] for tensor in tensors] for m, tensors in cut.items()}
    output = names[id(model.outputs[0])]
    kept = {output, *(name for some in ends.values() for name in some)}

    weights = _Weights()
    written = _write_steps(_fuse(steps, kept), weights, {m: settings.CHANNELS[m] for m in ends})
    parts: Payload = {}
    for m, outputs in ends.items():
        parts[m] = {"input": m, "steps": _needed(written, outputs, {m}), "outputs": outputs}
    inputs = [name for m in settings.MODALITIES for name in ends[m]]
    head = _needed(written, [output], set(inputs))
    parts["head"] = {"inputs": inputs, "steps": head, "outputs": [output]}
    data = b"".join(weights.pieces)
    return {
        "parts": parts,
        "classes": int(model.outputs[0].shape[-1]),
        "weights": base64.b64encode(data).decode("ascii"),
        "bytes": len(data),
        "checksum": hashlib.sha256(data).hexdigest()[:16],
    }


def write_script(
    path: Path, model: Any, inputs: Mapping[str, np.ndarray], about: Mapping[str, Any]
) -> int:
    """Write a model as a script that a page opened from disk can load.

    Parameters
    ----------
    path
        Of the script.
    inputs
        By sample, its picture as the network sees it, (128, 128, 3) in [0, 1].
    about
        ``profile`` and ``date`` of the run, which the page tells.

    Returns
    -------
    int
        Its size in bytes.
    """
    pictures = {}
    for name, picture in inputs.items():
        values = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
        pictures[name] = base64.b64encode(values.tobytes()).decode("ascii")
    value = {
        **export_model(model),
        "inputs": pictures,
        "about": dict(about),
        "engine": engine_source(),
    }
    text = json.dumps(value, allow_nan=False)
    path.write_text(f"globalThis.sierlibModel = {text};\n", encoding="utf-8")
    return path.stat().st_size


def engine_source() -> str:
    """Return what a worker runs: a page opened from disk may not import it from a file."""
    parts = [(ENGINE / f"{name}.js").read_text(encoding="utf-8") for name in ENGINE_PARTS]
    return re.sub(r"^export ", "", "\n".join(parts), flags=re.MULTILINE)


# --- from a Keras graph to a list of layers ---


def _list_steps(model: Any, names: dict[int, str]) -> list[_Step]:
    """List a graph's layers in the order in which they run, those of models inside it in place."""
    steps: list[_Step] = []
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if node.is_input:
                continue
            layer = node.operation
            inputs = [names[id(tensor)] for tensor in node.input_tensors]
            if hasattr(layer, "_nodes_by_depth"):
                inner = {id(t): name for t, name in zip(layer.inputs, inputs, strict=True)}
                steps += _list_steps(layer, inner)
                names[id(node.outputs[0])] = inner[id(layer.outputs[0])]
                continue
            output = f"t{id(node.outputs[0])}"
            names[id(node.outputs[0])] = output
            steps.append(_Step(layer, inputs, output, tuple(node.outputs[0].shape[1:])))
    return steps


def _needed(steps: list[Payload], outputs: list[str], given: set[str]) -> list[Payload]:
    """Return the steps that lead from what is given to the outputs."""
    wanted = set(outputs) - given
    found: list[Payload] = []
    for step in reversed(steps):
        if step["out"] in wanted:
            found.insert(0, step)
            wanted |= set(step["in"]) - given
    return found


# --- what goes together ---


class _Fused(NamedTuple):
    """A step with what was put into it: factor and shift for each channel, a ReLU at the end."""

    step: _Step
    factor: np.ndarray | float
    shift: np.ndarray | float
    relu: bool


def _fuse(steps: list[_Step], kept: set[str]) -> list[_Fused]:
    """Put normalisation and ReLU into the layer before, where nothing else asks for its output."""
    uses = Counter(name for step in steps for name in step.inputs)
    uses.update(kept)
    fused: dict[str, _Fused] = {}  # by the tensor a step ends with
    renamed: dict[str, str] = {}
    for step in steps:
        inputs = [renamed.get(name, name) for name in step.inputs]
        step = step._replace(inputs=inputs)
        kind = type(step.layer).__name__
        if kind in ("Dropout", "Flatten", "Identity"):  # nothing is computed, or moved in memory
            _refuse_odd_flatten(step, fused)
            uses[inputs[0]] += uses[step.output] - 1
            renamed[step.output] = inputs[0]
            continue
        before = fused.get(inputs[0])
        if before and uses[inputs[0]] == 1 and not before.relu:
            joined = _join(before, step, kind)
            if joined:
                del fused[inputs[0]]
                fused[step.output] = joined._replace(
                    step=joined.step._replace(output=step.output)
                )
                continue
        fused[step.output] = _as_fused(step, kind)
    return list(fused.values())


def _refuse_odd_flatten(step: _Step, fused: Mapping[str, _Fused]) -> None:
    before = fused.get(step.inputs[0])
    if type(step.layer).__name__ == "Flatten" and before and before.step.shape[-1] % GROUP:
        raise ExportError(
            f"layer {step.layer.name} flattens {before.step.shape[-1]} channels; the page's engine "
            f"wants a multiple of {GROUP}"
        )


def _join(before: _Fused, step: _Step, kind: str) -> _Fused | None:
    """Return a layer with the one behind it in it, None where that cannot be."""
    if kind == "ReLU" and not _is_leaky(step.layer):
        return before._replace(relu=True)
    linear = type(before.step.layer).__name__ in ("Conv2D", "Dense", "BatchNormalization")
    if kind == "BatchNormalization" and linear:
        factor, shift = _normalisation(step.layer)
        # Behind a flattened map there are more channels, those of the map again and again.
        old, added = (np.resize(each, factor.shape) for each in (before.factor, before.shift))
        return before._replace(factor=old * factor, shift=added * factor + shift)
    return None


def _as_fused(step: _Step, kind: str) -> _Fused:
    relu = False
    if kind in ("Conv2D", "Dense"):
        activation = step.layer.activation.__name__
        if activation not in ("linear", "relu"):
            raise ExportError(f"layer {step.layer.name} ends with {activation}, not with a ReLU")
        relu = activation == "relu"
    if kind == "BatchNormalization":
        return _Fused(step, *_normalisation(step.layer), relu)
    return _Fused(step, 1.0, 0.0, relu)


def _normalisation(layer: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return factor and shift of a batch normalisation, float64 (channels,)."""
    mean, variance = (
        np.asarray(each, np.float64) for each in (layer.moving_mean, layer.moving_variance)
    )
    factor = 1 / np.sqrt(variance + layer.epsilon)
    if layer.scale:
        factor = factor * np.asarray(layer.gamma, np.float64)
    shift = -mean * factor
    if layer.center:
        shift = shift + np.asarray(layer.beta, np.float64)
    return factor, shift


def _is_leaky(layer: Any) -> bool:
    return bool(layer.max_value is not None or layer.negative_slope or layer.threshold)


# --- steps as data ---


class _Weights:
    """Arrays one after the other, each from a multiple of four bytes on."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.size = 0

    def add(self, values: np.ndarray, dtype: Any) -> Payload:
        """Append an array, rounded to `dtype`; return its slot."""
        data = np.ascontiguousarray(values, dtype).tobytes()
        slot = {"at": self.size, "count": int(values.size), "type": np.dtype(dtype).name}
        data += bytes(-len(data) % 4)
        self.pieces.append(data)
        self.size += len(data)
        return slot


def _fill(count: int) -> int:
    """Round a number of channels up to what the engine stores."""
    return -(-count // GROUP) * GROUP


def _write_steps(
    fused: list[_Fused], weights: _Weights, channels: dict[str, int]
) -> list[Payload]:
    """Write each step; `channels` says how many the tensors have as they are stored."""
    written = []
    for one in fused:
        step, kind = one.step, type(one.step.layer).__name__
        write = _WRITERS.get(kind)
        if write is None:
            raise ExportError(
                f"layer {step.layer.name} is a {kind}, which the page's engine does not know"
            )
        fields = write(one, weights, [channels.get(name, 0) for name in step.inputs])
        shape = list(step.shape)
        if fields["op"] == "convolve":
            channels[step.output] = shape[-1] = _fill(shape[-1])
        else:
            channels[step.output] = shape[-1] = channels.get(step.inputs[0], shape[-1])
        written.append({**fields, "in": step.inputs, "out": step.output, "shape": shape})
    return written


def _write_convolution(one: _Fused, weights: _Weights, stored: list[int]) -> Payload:
    layer = one.step.layer
    kernel = np.asarray(layer.kernel, np.float64)
    if kernel.ndim == 2:  # dense: its input may be a map, flattened
        kernel = kernel[None, None]
        stride, pad = [1, 1], [0, 0, 0, 0]
    else:
        if layer.groups != 1 or set(layer.dilation_rate) != {1}:
            raise ExportError(f"layer {layer.name} has groups or dilation")
        stride = list(layer.strides)
        pad = _padding(layer, one.step)
    kernel = _with_channels(kernel, stored[0])
    rows, columns, _, filters = kernel.shape
    bias = np.asarray(layer.bias, np.float64) if layer.use_bias else np.zeros(filters)
    factor = np.broadcast_to(one.factor, filters)
    return {
        "op": "convolve",
        "kernel": [rows, columns],
        "stride": stride,
        "pad": pad,
        "relu": one.relu,
        # Rounded before it is scaled: these are the model's own weights, a little coarser.
        "weights": weights.add(_in_blocks(kernel), np.float16),
        "factor": weights.add(_with_filters(factor), np.float32),
        "bias": weights.add(_with_filters(bias * factor + one.shift), np.float32),
    }


def _with_channels(kernel: np.ndarray, stored: int) -> np.ndarray:
    """Give a kernel (rows, columns, channels, filters) zeros for the channels that fill up."""
    missing = max(0, stored - kernel.shape[2])
    return np.pad(kernel, [(0, 0), (0, 0), (0, missing), (0, 0)])


def _with_filters(values: np.ndarray) -> np.ndarray:
    return np.pad(values, (0, _fill(len(values)) - len(values)))


def _in_blocks(kernel: np.ndarray) -> np.ndarray:
    """Order a kernel as the engine reads it: blocks of filters, in each its taps."""
    taps = kernel.reshape(-1, kernel.shape[-1])
    filled = np.pad(taps, [(0, 0), (0, _fill(taps.shape[1]) - taps.shape[1])])
    blocks = [filled[:, at : at + BLOCK].ravel() for at in range(0, filled.shape[1], BLOCK)]
    return np.concatenate(blocks)


def _padding(layer: Any, step: _Step) -> list[int]:
    """Return what "same" adds at the top, left, bottom and right."""
    if layer.padding == "valid":
        return [0, 0, 0, 0]
    sizes = layer.input.shape[1:3]
    before, after = [], []
    for size, kernel, stride, out in zip(
        sizes, layer.kernel_size, layer.strides, step.shape, strict=False
    ):
        total = max(0, (out - 1) * stride + kernel - size)
        before.append(total // 2)
        after.append(total - total // 2)
    return [*before, *after]


def _write_pool(one: _Fused, _weights: _Weights, _stored: list[int]) -> Payload:
    layer = one.step.layer
    if layer.padding != "valid":
        raise ExportError(f"layer {layer.name} pools beyond the border")
    return {"op": "pool", "size": list(layer.pool_size), "stride": list(layer.strides)}


def _write_scale(one: _Fused, weights: _Weights, stored: list[int]) -> Payload:
    count = len(np.asarray(one.factor))
    missing = (0, max(0, stored[0] - count))
    factor, shift = (np.pad(each, missing) for each in (one.factor, one.shift))
    return {
        "op": "scale",
        "factor": weights.add(factor, np.float32),
        "shift": weights.add(shift, np.float32),
        "relu": one.relu,
    }


def _write_mix(one: _Fused, _weights: _Weights, _stored: list[int]) -> Payload:
    layer = one.step.layer
    count = len(one.step.inputs)
    shares = getattr(layer, "shares", None)
    mixed = [1 / count] * count if shares is None else np.asarray(shares, np.float64).tolist()
    return {"op": "mix", "weights": mixed}


def _write_softmax(one: _Fused, _weights: _Weights, _stored: list[int]) -> Payload:
    name = one.step.layer.activation.__name__
    if name != "softmax":
        raise ExportError(f"layer {one.step.layer.name} ends with {name}, not with a softmax")
    return {"op": "softmax"}


def _plain(op: str) -> Callable[[_Fused, _Weights, list[int]], Payload]:
    return lambda _one, _weights, _stored: {"op": op}


_WRITERS: dict[str, Callable[[_Fused, _Weights, list[int]], Payload]] = {
    "Conv2D": _write_convolution,
    "Dense": _write_convolution,
    "MaxPooling2D": _write_pool,
    "BatchNormalization": _write_scale,
    "ReLU": _plain("relu"),
    "Add": _plain("add"),
    "Multiply": _plain("multiply"),
    "WeightedAddition": _write_mix,
    "Average": _write_mix,
    "Activation": _write_softmax,
}
