"""Score coalitions of regions: the value function behind `sierlib.shapley`.

A coalition says which regions of the spectrogram and of the image are present; the others are at the baseline.
`ValueFunction` scores many of them in batches, equal masked inputs once. How the model is run is the business
of one of two scorers: `Whole` runs all of the model on every coalition; `Branches` cuts a Keras graph where the
modalities meet (for ParallelNet that is Eq. 1 of the paper: behind N1_s, N2_s, N1_i and N2_i), so that a masked
speech input never recomputes the image branches, nor the other way round, and only the heads run on combinations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

MODALITIES = ("speech", "image")
OTHER = {"speech": "image", "image": "speech"}

#: Probabilities are not taken to be smaller than this before their logarithm (`output="logit"`).
SMALLEST_PROBABILITY = 1e-7

#: Masked inputs per batch unless the caller says otherwise: 12 MB of images in float32.
BATCH_SIZE = 64

Array = NDArray[Any]
Callee = Callable[[dict[str, Array]], Any]


@dataclass(frozen=True)
class Side:
    """One modality of the sample that is explained.

    Parameters
    ----------
    x, baseline
        (H, W, channels), the input and what an absent region is replaced by.
    leaf
        (H, W) int32, the number of the finest region each pixel belongs to.
    """

    x: Array
    baseline: Array
    leaf: NDArray[np.int32]

    @property
    def leaves(self) -> int:
        """Return the number of finest regions."""
        return int(self.leaf.max()) + 1

    def live(self) -> int:
        """Return the bits of the regions whose masking changes anything.

        Padded silence and black borders already are the zero baseline: leaving their bits out of a coalition
        makes it equal to others that are computed anyway.
        """
        changed = np.unique(self.leaf[(self.x != self.baseline).any(axis=-1)])
        return sum(1 << int(leaf) for leaf in changed)


class Scorer(Protocol):
    """Run the model on coalitions of one modality, the other one being whole or absent."""

    def __call__(self, modality: str, members: NDArray[np.bool_], contexts: Sequence[bool]) -> Array:
        """Return (n, contexts, classes) for `members` (n, leaves), True where a region is present."""


class Whole:
    """Score coalitions by evaluations of the whole model.

    Parameters
    ----------
    model
        Takes {"speech": (n, H, W, 1), "image": (n, H, W, 3)}, returns (n, classes).
    sides
        The sample, by modality; the inputs keep its dtype.
    """

    def __init__(self, model: Callee, sides: dict[str, Side]) -> None:
        self.model, self.sides = model, sides

    def __call__(self, modality: str, members: NDArray[np.bool_], contexts: Sequence[bool]) -> Array:
        """Return (n, contexts, classes); see `Scorer`."""
        side, other = self.sides[modality], self.sides[OTHER[modality]]
        scores = []
        for present in contexts:
            masked = np.where(members[:, side.leaf][..., None], side.x, side.baseline)
            kept = np.repeat((other.x if present else other.baseline)[None], len(members), axis=0)
            rows = np.asarray(self.model({modality: masked, OTHER[modality]: kept}))
            if rows.ndim != 2 or len(rows) != len(members):
                raise ValueError(
                    f"the model returned an array of shape {rows.shape} for {len(members)} inputs; "
                    f"expected ({len(members)}, classes)"
                )
            scores.append(rows)
        return np.stack(scores, axis=1)


@dataclass(frozen=True)
class Parts:
    """A Keras model cut where its modalities meet, each part compiled.

    Parameters
    ----------
    branches
        By modality: (members, leaf, x, baseline) -> list of features, (n, ...) each.
    heads
        (speech features of n inputs, image features of k inputs) -> (n, k, classes), every combination.
    """

    branches: dict[str, Callable[..., Any]]
    heads: Callable[..., Any]


class Branches:
    """Score coalitions by the branch of the masked modality and the heads.

    The features of the other modality are computed twice in all: whole and absent. Nothing else is kept, so that
    memory depends on the batch and not on the number of coalitions.
    """

    def __init__(self, parts: Parts, sides: dict[str, Side]) -> None:
        self.parts, self.sides = parts, sides
        self.kept: dict[tuple[str, bool], Any] = {}

    def __call__(self, modality: str, members: NDArray[np.bool_], contexts: Sequence[bool]) -> Array:
        """Return (n, contexts, classes); see `Scorer`."""
        features = {modality: self._features(modality, members)}
        for present in (False, True):
            for row in np.flatnonzero((members == present).all(axis=1)):
                self.kept[modality, present] = [t[row : row + 1] for t in features[modality]]
        states = [self._whole_or_absent(OTHER[modality], present) for present in contexts]
        features[OTHER[modality]] = [np.concatenate(tensors) for tensors in zip(*states, strict=True)]
        scores = np.asarray(self.parts.heads(features["speech"], features["image"]))
        return scores if modality == "speech" else scores.swapaxes(0, 1)

    def _features(self, modality: str, members: NDArray[np.bool_]) -> Any:
        side = self.sides[modality]
        return self.parts.branches[modality](
            members, side.leaf, side.x.astype(np.float32), side.baseline.astype(np.float32)
        )

    def _whole_or_absent(self, modality: str, present: bool) -> Any:
        if (modality, present) not in self.kept:
            members = np.full((1, self.sides[modality].leaves), present)
            self.kept[modality, present] = self._features(modality, members)
        return self.kept[modality, present]


class ValueFunction:
    """f of coalitions of regions, batched and remembered.

    Parameters
    ----------
    scorer
        How the model is run.
    sides
        The sample, by modality.
    contexts
        In which states of the other modality (absent, whole) each coalition is scored, by modality.
    logarithm
        Whether scores are the logarithms of the model's outputs.
    batch_size
        Masked inputs per call of the scorer.
    bar
        Is told of every evaluation.

    Attributes
    ----------
    classes
        Which scores are kept.
    n_evals
        Evaluations so far: pairs of a masked speech and a masked image, each counted once.
    """

    def __init__(
        self,
        scorer: Scorer,
        sides: dict[str, Side],
        contexts: dict[str, tuple[bool, ...]],
        *,
        logarithm: bool = False,
        batch_size: int = BATCH_SIZE,
        bar: tqdm[Any] | None = None,
    ) -> None:
        self.scorer, self.sides, self.contexts = scorer, sides, contexts
        self.logarithm, self.batch_size, self.bar = logarithm, batch_size, bar
        self.live = {modality: side.live() for modality, side in sides.items()}
        self.known: dict[tuple[str, int], NDArray[np.float64]] = {}
        self.classes: list[int] | slice = slice(None)
        self.n_evals = 0

    def remember(self, modality: str, mask: int, scores: NDArray[np.float64]) -> None:
        """Take the scores (contexts, classes) of a coalition as known."""
        self.known[modality, mask & self.live[modality]] = scores.mean(axis=0)[self.classes]

    def missing(self, modality: str, masks: Iterable[int]) -> set[int]:
        """Return the distinct coalitions among `masks` that have not been scored."""
        reduced = {mask & self.live[modality] for mask in masks}
        return {mask for mask in reduced if (modality, mask) not in self.known}

    def __call__(self, modality: str, masks: Sequence[int]) -> NDArray[np.float64]:
        """Return the scores of coalitions of one modality.

        Parameters
        ----------
        modality
            "speech" or "image".
        masks
            n coalitions; bit i says that region i is present.

        Returns
        -------
        (n, classes kept) float64, the mean over the states of the other modality.
        """
        new = sorted(self.missing(modality, masks))
        for start in range(0, len(new), self.batch_size):
            batch = new[start : start + self.batch_size]
            for mask, scores in zip(batch, self.score(modality, batch, self.contexts[modality]), strict=True):
                self.remember(modality, mask, scores)
        return np.stack([self.known[modality, mask & self.live[modality]] for mask in masks])

    def score(self, modality: str, masks: Sequence[int], contexts: Sequence[bool]) -> NDArray[np.float64]:
        """Return (n, contexts, classes) from the model, of all classes and without remembering them.

        Raises
        ------
        ValueError
            When the model returns no scores, or one that is not finite.
        """
        leaves = self.sides[modality].leaves
        packed = b"".join(mask.to_bytes((leaves + 7) // 8, "little") for mask in masks)
        bits = np.unpackbits(np.frombuffer(packed, np.uint8).reshape(len(masks), -1), axis=1, bitorder="little")
        scores = self.scorer(modality, bits[:, :leaves].astype(bool), contexts).astype(np.float64)
        if not scores.shape[-1]:
            raise ValueError("the model returned scores of 0 classes; expected (n, classes), one class at least")
        if not np.isfinite(scores).all():
            raise ValueError(
                f"the model returned values that are not finite (NaN or infinite) for {modality} masks; "
                "expected finite scores for every coalition"
            )
        self.n_evals += scores.shape[0] * scores.shape[1]
        if self.bar is not None:
            self.bar.update(scores.shape[0] * scores.shape[1])
        return np.log(np.maximum(scores, SMALLEST_PROBABILITY)) if self.logarithm else scores


def graph_inputs(model: Any) -> list[Any]:
    """Return the symbolic inputs of a Keras graph, none for a callable (a Keras model without a graph is one)."""
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
        return MODALITIES
    names = [tensor.name for tensor in inputs]
    if len(inputs) == 1 and names[0] not in MODALITIES:  # a single input is known by its channels
        names = {1: ["speech"], 3: ["image"]}.get(inputs[0].shape[-1], names)
    if not set(names) <= set(MODALITIES):
        raise ValueError(f"the model's inputs are named {names}; expected 'speech' and 'image', or one of them")
    return tuple(name for name in MODALITIES if name in names)


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
        raise ValueError(f"precision={precision!r} needs a Keras graph whose modalities are processed apart at first")
    return Whole(compiled, sides)


#: By model and precision, what was compiled and the copy of the model in it, if any: explaining a second sample
#: traces nothing again.
_COMPILED: WeakKeyDictionary[Any, dict[str | None, tuple[Parts | Callee, Any]]] = WeakKeyDictionary()


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
    return {modality: [t for t in found.values() if origins[id(t)] == {modality}] for modality in MODALITIES}


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
            return [tf.cast(features, tf.float32) for features in run([tf.where(present, x, baseline)])]

        spec = [tf.TensorSpec([None, None], tf.bool), tf.TensorSpec(shape[:2], tf.int32)]
        # Batches of any length run without tracing again, and without padding.
        signature = [*spec, tf.TensorSpec(shape), tf.TensorSpec(shape)]
        compiled: Callable[..., Any] = tf.function(branch, input_signature=signature)
        return compiled

    run_heads = keras.Function([*cut["speech"], *cut["image"]], model.outputs)

    def heads(speech: Any, image: Any) -> Any:
        n, k = tf.shape(speech[0])[0], tf.shape(image[0])[0]
        rows = [tf.repeat(t, k, axis=0) for t in speech] + [tf.tile(t, [n, *[1] * (t.ndim - 1)]) for t in image]
        scores = run_heads(rows)[0]
        return tf.reshape(scores, [n, k, scores.shape[-1]])

    specs = [[tf.TensorSpec([None, *t.shape[1:]]) for t in cut[modality]] for modality in MODALITIES]
    return Parts({m: compile_branch(m) for m in MODALITIES}, tf.function(heads, input_signature=specs))


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
