"""A trained ParallelNet as data that the page's own engine runs (`inpage/network.js`).

A graph is written as steps over named tensors, in three parts: what leads from the speech to where
the modalities meet, what leads from the image there, and the head behind it.

    parts     {speech: {input, steps, outputs}, image: the same, head: {inputs, steps, outputs}}
    step      {op, in: names, out: name, shape: of `out` without the batch, ...}
              convolve   weights, factor, bias: slots; kernel: [rows, columns]; stride: [down,
                         across]; pad: [top, left, bottom, right]; relu. A dense layer is one of
                         1 by 1, whose pixels are the rows of the batch
              pool       size, stride: [down, across]
              scale      factor, shift: slots, one number a channel
              relu, add, multiply, softmax
              mix        weights: numbers, one for each tensor (Eq. 2)
    slot      {at: bytes from the start, count, type: "float16" or "float32"}

Filters are filled up to a multiple of four, and in blocks of eight, as the engine's kernel reads
them. Batch normalisation goes into the convolution right before it, which is exact; elsewhere it is
a `scale`. Kernels are rounded to float16, vectors are not: `round_weights` makes the Keras model
that computes with the same numbers.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sierlib import settings
from sierlib.explorer import inpage
from sierlib.explorer.payload import Payload
from sierlib.files import write_text
from sierlib.shapley.keras_parts import find_cut

#: The parts of a worker, each of one idea; the last one answers.
ENGINE_PARTS = ("shape", "kernel", "network", "logmel", "owen", "worker")
#: The base64 in a script: a multiple of four characters, so that each can be decoded by itself.
PIECE = ".{1,3000000}"
#: The engine computes this many filters at a time, and stores this many together.
BLOCK, GROUP = 8, 4


def round_weights(model: Any) -> Any:
    """Copy a Keras model, its kernels rounded to float16 as the page has them."""
    import keras

    copy = keras.models.clone_model(model)
    copy.set_weights(
        [w.astype(np.float16).astype(w.dtype) if w.ndim > 1 else w for w in model.get_weights()]
    )
    return copy


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
    ValueError
        Naming the layer that the engine cannot run; or when the modalities meet at once.
    """
    cut = find_cut(model)
    if not cut:
        raise ValueError("the model has no part of its own for each modality")
    graph = _Graph()
    names = {id(tensor): tensor.name for tensor in model.inputs}
    graph.add(model, names)
    data = graph.pack()
    parts: Payload = {}
    inputs: list[str] = []
    for m in settings.MODALITIES:
        ends = [names[id(tensor)] for tensor in cut[m]]
        parts[m] = {"input": m, "steps": graph.between([m], ends), "outputs": ends}
        inputs += ends
    outputs = [names[id(model.outputs[0])]]
    head = graph.between(inputs, outputs)
    return {
        "parts": {**parts, "head": {"inputs": inputs, "steps": head, "outputs": outputs}},
        "classes": int(model.outputs[0].shape[-1]),
        "weights": _base64(data),
        "bytes": len(data),
        "checksum": hashlib.sha256(data).hexdigest()[:16],
    }


def write_scripts(
    folder: Path, model: Any, pictures: Mapping[str, np.ndarray], about: Mapping[str, Any]
) -> str:
    """Write a model as scripts, which a page opened from disk can load.

    The first one describes it, the others hold its weights: in pieces, because a page stands still
    while it reads a script.

    Parameters
    ----------
    pictures
        By sample, its picture as the network sees it, (128, 128, 3) in [0, 1].
    about
        ``profile`` and ``date`` of the run, which the page tells.

    Returns
    -------
    str
        "", or why there are no scripts: the page's engine does not run every kind of layer.
    """
    for old in inpage.find_scripts(folder):
        old.unlink()
    try:
        described = export_model(model)
    except ValueError as reason:
        return str(reason)
    parts = [inpage.read(f"{name}.js") for name in ENGINE_PARTS]
    inputs = {
        name: _base64(np.rint(picture * 255).astype(np.uint8).tobytes())
        for name, picture in pictures.items()
    }
    # A worker has one script: nothing in it is imported.
    engine = re.sub(r"^export ", "", "\n".join(parts), flags=re.MULTILINE)
    value = {**described, "inputs": inputs, "about": about, "engine": engine}
    pieces = re.findall(PIECE, value.pop("weights"))
    lines = [f"globalThis.sierlibModel = {json.dumps(value)};\n"]
    lines += [f'sierlibModel.weights.push("{piece}");\n' for piece in pieces]
    for number, line in enumerate(lines):
        write_text(folder / f"explorer-model-{number:02}.js", line)
    return ""


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


class _Graph:
    """Steps in the order in which they run; those not yet packed have arrays for slots."""

    def __init__(self) -> None:
        self.steps: list[Payload] = []
        self.channels = dict(settings.CHANNELS)  # by tensor, as many as are stored

    def between(self, given: list[str], outputs: list[str]) -> list[Payload]:
        """Return the steps that lead from some tensors to others."""
        wanted = set(outputs) - set(given)
        found = []
        for step in reversed(self.steps):
            if step["out"] in wanted:
                found.append(step)
                wanted |= set(step["in"]) - set(given)
        return found[::-1]

    def add(self, model: Any, names: dict[int, str]) -> None:
        """Write a model's layers, those of models inside it in their place.

        `names` has what the input tensors are called, by id, and is told the others.
        """
        for depth in sorted(model._nodes_by_depth, reverse=True):
            for node in model._nodes_by_depth[depth]:
                if node.is_input:
                    continue
                layer, output = node.operation, node.outputs[0]
                inputs = [names[id(tensor)] for tensor in node.input_tensors]
                if hasattr(layer, "_nodes_by_depth"):
                    inner = {id(t): name for t, name in zip(layer.inputs, inputs, strict=True)}
                    self.add(layer, inner)
                    names[id(output)] = inner[id(layer.outputs[0])]
                else:
                    names[id(output)] = self.write(layer, inputs, list(output.shape[1:]))

    def write(self, layer: Any, inputs: list[str], shape: list[int]) -> str:
        """Write a layer and return the name of what it gives."""
        kind = type(layer).__name__
        stored = self.channels[inputs[0]]
        if kind in ("Dropout", "Flatten", "Identity"):  # nothing is computed, or moved in memory
            if kind == "Flatten" and stored % GROUP:
                raise _refuse(layer, f"flattens {stored} channels, no multiple of {GROUP}")
            return inputs[0]
        before: Payload = self.steps[-1] if self.steps else {"out": None}
        if before["out"] == inputs[0] and before.pop("open", False):
            if kind == "BatchNormalization":
                factor, shift = (_fill(each) for each in _normalisation(layer))
                before["factor"] = before["factor"] * factor
                before["bias"] = before["bias"] * factor + shift
                before["open"] = _has_one_reader(layer)
                return inputs[0]
            if kind == "ReLU":
                before["relu"] = True
                return inputs[0]
        if kind not in _WRITERS:
            raise _refuse(layer, "is of a kind that it does not know")
        step = _WRITERS[kind](layer, stored)
        step |= {"in": inputs, "out": f"t{len(self.steps)}", "shape": shape}
        if step["op"] == "convolve" or stored % GROUP == 0:
            shape[-1] += -shape[-1] % GROUP
        self.channels[step["out"]] = shape[-1]
        self.steps.append(step)
        return str(step["out"])

    def pack(self) -> bytes:
        """Put slots into the places of arrays and return the arrays' bytes."""
        data = bytearray()
        for step in self.steps:
            step.pop("open", None)
            for name, value in step.items():
                if isinstance(value, np.ndarray):
                    packed = value.astype(np.float16 if name == "weights" else np.float32)
                    step[name] = {
                        "at": len(data),
                        "count": packed.size,
                        "type": packed.dtype.name,
                    }
                    data += packed.tobytes()
                    data += bytes(-len(data) % 4)  # the next one begins at a multiple of four
        return bytes(data)


def _refuse(layer: Any, why: str) -> ValueError:
    kind = type(layer).__name__
    return ValueError(f"the page's engine cannot run layer {layer.name} ({kind}): it {why}")


def _has_one_reader(layer: Any) -> bool:
    return len(layer._outbound_nodes) == 1


def _fill(values: np.ndarray) -> np.ndarray:
    """Add zeros at the end of the last axis, up to what the engine stores."""
    return np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, -values.shape[-1] % GROUP)])


def _normalisation(layer: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return factor and shift of a batch normalisation, float64 (channels,)."""
    gamma, beta, mean, variance = (np.asarray(each, np.float64) for each in layer.get_weights())
    factor = gamma / np.sqrt(variance + layer.epsilon)
    return factor, beta - mean * factor


def _write_convolution(layer: Any, stored: int) -> Payload:
    kernel, *bias = (np.asarray(each, np.float64) for each in layer.get_weights())
    kind = layer.activation.__name__
    if kind not in ("linear", "relu"):
        raise _refuse(layer, f"ends with {kind}")
    if getattr(layer, "groups", 1) > 1:
        raise _refuse(layer, "has groups of channels")
    pad, stride = [0, 0, 0, 0], [1, 1]
    if kernel.ndim == 2:  # dense
        kernel = kernel[None, None]
    else:
        stride = list(layer.strides)
        if layer.padding == "same":
            pad = _padding(layer)
    # Channels that fill up the input have no weight. Filters come in blocks, in each its taps.
    rows, columns, channels, filters = kernel.shape
    kernel = np.pad(kernel, [(0, 0), (0, 0), (0, max(0, stored - channels)), (0, 0)])
    taps = _fill(kernel.reshape(-1, filters))
    blocks = [taps[:, at : at + BLOCK].ravel() for at in range(0, taps.shape[1], BLOCK)]
    return {
        "op": "convolve",
        "kernel": [rows, columns],
        "stride": stride,
        "pad": pad,
        "relu": kind == "relu",
        "weights": np.concatenate(blocks),
        "factor": _fill(np.ones(filters)),
        "bias": _fill(bias[0] if bias else np.zeros(filters)),
        "open": kind == "linear" and _has_one_reader(layer),
    }


def _padding(layer: Any) -> list[int]:
    """Return what "same" adds at the top, left, bottom and right."""
    totals = []
    for size, kernel, stride in zip(
        layer.input.shape[1:3], layer.kernel_size, layer.strides, strict=True
    ):
        totals.append(max(0, (-(-size // stride) - 1) * stride + kernel - size))
    before = [total // 2 for total in totals]
    return before + [total - half for total, half in zip(totals, before, strict=True)]


def _write_pool(layer: Any, stored: int) -> Payload:
    if layer.padding != "valid":
        raise _refuse(layer, "pools beyond the border")
    return {"op": "pool", "size": list(layer.pool_size), "stride": list(layer.strides)}


def _write_scale(layer: Any, stored: int) -> Payload:
    factor, shift = _normalisation(layer)
    if stored % GROUP == 0:  # the input is one of the engine's
        factor, shift = _fill(factor), _fill(shift)
    return {"op": "scale", "factor": factor, "shift": shift}


def _write_softmax(layer: Any, stored: int) -> Payload:
    if layer.activation.__name__ != "softmax":
        raise _refuse(layer, f"is a {layer.activation.__name__}")
    return {"op": "softmax"}


_WRITERS: dict[str, Callable[[Any, int], Payload]] = {
    "Conv2D": _write_convolution,
    "Dense": _write_convolution,
    "MaxPooling2D": _write_pool,
    "BatchNormalization": _write_scale,
    "WeightedAddition": lambda layer, _: {"op": "mix", "weights": layer.shares.tolist()},
    "Activation": _write_softmax,
    "ReLU": lambda *_: {"op": "relu"},
    "Add": lambda *_: {"op": "add"},
    "Multiply": lambda *_: {"op": "multiply"},
}
