"""Methods of explanation under one signature: DnCShap and its rivals, for
`sierbook.faithfulness.measures` to compare.

References
----------
Sundararajan et al. (2017), "Axiomatic Attribution for Deep Networks": integrated gradients.
Selvaraju et al. (2017), "Grad-CAM". Zeiler and Fergus (2014), "Visualizing and Understanding
Convolutional Networks": occlusion.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from sierlib import settings
from sierlib.shapley.arguments import BLUR
from sierlib.shapley.explain import explain
from sierlib.shapley.keras_parts import graph_inputs
from sierlib.shapley.partition import evaluations
from sierlib.shapley.value_function import BATCH_SIZE

Array = NDArray[Any]

#: What is removed at once: 2 frames (0.1 s) of speech, 8 x 8 pixels of the image. Maps are compared
#: on this grid.
STEP, CELL = 2, 8

IG_SHARES = (np.arange(16) + 0.5) / 16  # midpoints, of the way from the baseline
SAMPLED_PAIRS = 3  # at depth 4 about half the evaluations of `owen`


@dataclass(frozen=True)
class Sample:
    """A pair, the class that is explained, and the grid on which its maps are compared.

    Parameters
    ----------
    id
        Of its manifest row, as it may be shown.
    speech, image
        (H, W, 1) and (H, W, 3) float32 in [0, 1].
    target
        Number of the explained class.
    photograph
        Whether the picture is somebody's, and not drawn.
    """

    id: str
    speech: Array
    image: Array
    target: int
    photograph: bool = False

    @cached_property
    def units(self) -> dict[str, Array]:
        """By modality the number of the unit around each pixel, (H, W); -1 in the silence behind
        the speech."""
        steps = np.tile(np.arange(self.speech.shape[1]) // STEP, (self.speech.shape[0], 1))
        steps[:, self.speech_frames :] = -1
        rows, columns = (np.arange(side) // CELL for side in self.image.shape[:2])
        return {"speech": steps, "image": rows[:, None] * (columns[-1] + 1) + columns}

    @cached_property
    def speech_frames(self) -> int:
        """Frames up to the last one that is not silent, one at least."""
        return int(np.flatnonzero(self.speech.any(axis=(0, 2))).max(initial=0)) + 1

    def __getitem__(self, modality: str) -> Array:
        """Return the input of a modality."""
        return self.speech if modality == "speech" else self.image

    def areas(self, modality: str) -> Array:
        """Return the pixels in each unit."""
        return np.bincount(self.units[modality][self.units[modality] >= 0])

    def sums(self, modality: str, values: Array) -> Array:
        """Return the sum of a map (H, W) over each unit."""
        labels = self.units[modality]
        return np.bincount(labels[labels >= 0], weights=values[labels >= 0])

    def mask(self, modality: str, present: Array) -> Array:
        """Return the modality with only those units present, (n, H, W, channels), for `present` (n,
        units)."""
        silence = np.zeros((len(present), 1), bool)  # unit -1 is silent anyway
        shown = np.concatenate([present, silence], axis=1)[:, self.units[modality]]  # (n, H, W)
        return self[modality] * shown[..., None].astype(np.float32)


class Subject:
    """A model whose predictions are explained, compiled once and counting its evaluations.

    Parameters
    ----------
    model
        ParallelNet for all methods; any callable that takes {"speech": (n, H, W, 1), "image": (n,
        H, W, 3)} and returns (n, classes) for those that need no gradient.

    Raises
    ------
    RuntimeError
        For a Keras model under another backend than TensorFlow.
    """

    def __init__(self, model: Any) -> None:
        self.model, self.evaluations = model, 0
        if graph_inputs(model):
            import keras

            if keras.backend.backend() != "tensorflow":
                raise RuntimeError(
                    "methods of explanation are compared under TensorFlow alone, which gives their "
                    "gradients: unset KERAS_BACKEND"
                )
            import tensorflow as tf

            self._run = tf.function(model, reduce_retracing=True)
            self._gradients = tf.function(self._differentiate, reduce_retracing=True)
            self._last_maps = tf.function(self._cam, reduce_retracing=True)
        else:
            self._run = model

    def __call__(self, speech: Array, image: Array) -> NDArray[np.float64]:
        """Return (n, classes)."""
        self.evaluations += len(speech)
        found = []
        for i in range(0, len(speech), BATCH_SIZE):
            batch = {"speech": speech[i : i + BATCH_SIZE], "image": image[i : i + BATCH_SIZE]}
            found.append(np.asarray(self._run(batch), float))
        return np.concatenate(found)

    def gradients(self, speech: Array, image: Array, target: int) -> dict[str, Array]:
        """Return by modality the gradients of the class's probability, shaped as the inputs."""
        self.evaluations += len(speech)
        found = self._gradients({"speech": speech, "image": image}, np.int32(target))
        return {m: np.asarray(found[m], float) for m in settings.MODALITIES}

    def cam(self, speech: Array, image: Array, target: int) -> dict[str, Array]:
        """Return by modality Grad-CAM of one pair, (h, w), on the last convolution of N2_s and of
        N2_i."""
        self.evaluations += 1
        found = self._last_maps({"speech": speech[None], "image": image[None]}, np.int32(target))
        return {m: np.asarray(found[m], float) for m in settings.MODALITIES}

    def _differentiate(self, given: Any, target: Any) -> Any:
        import tensorflow as tf

        given = {name: tf.convert_to_tensor(value) for name, value in given.items()}
        with tf.GradientTape() as tape:
            tape.watch(given)
            score = tf.reduce_sum(tf.gather(self.model(given), target, axis=1))
        return tape.gradient(score, given)

    def _cam(self, given: Any, target: Any) -> Any:
        import keras
        import tensorflow as tf

        # The features that Eq. 1 adds: everything behind them is the heads.
        n1_i, n2_s = self.model.get_layer("F_i").input
        n1_s, n2_i = self.model.get_layer("F_s").input
        heads = keras.Function([n1_i, n2_s, n1_s, n2_i], self.model.outputs)
        features, last = {}, {}
        with tf.GradientTape() as tape:
            for m in settings.MODALITIES:
                features[f"N1_{m[0]}"] = self.model.get_layer(f"N1_{m[0]}")(given[m])
                # N2 is run in two parts, to watch its last convolution as its activation leaves it.
                before, after = _split(self.model.get_layer(f"N2_{m[0]}"))
                x = given[m]
                for part in before:
                    x = part(x)
                tape.watch(x)
                last[m] = x
                for part in after:
                    x = part(x)
                features[f"N2_{m[0]}"] = x
            scores = heads([features[name] for name in ("N1_i", "N2_s", "N1_s", "N2_i")])[0]
            score = tf.gather(scores[0], target)
        slopes = tape.gradient(score, last)
        found = {}
        for m in settings.MODALITIES:
            weights = tf.reduce_mean(slopes[m], axis=(1, 2), keepdims=True)
            found[m] = tf.nn.relu(tf.reduce_sum(weights * last[m], axis=-1))[0]
        return found


def _split(network: Any) -> tuple[list[Any], list[Any]]:
    """Return what leads to the activation behind a network's last convolution, and what follows.

    Everything has to pass through that activation; beside it there may be branches.
    """
    import keras

    layers = [layer for layer in network.layers if type(layer).__name__ != "InputLayer"]
    place = max(at for at, layer in enumerate(layers) if _convolves(layer))
    if hasattr(layers[place], "layers"):
        before, after = _split(layers[place])
        call = layers[place]._inbound_nodes[-1]  # where this network calls the one within
        return (
            [keras.Function(network.inputs[0], call.input_tensors[0]), *before],
            [*after, keras.Function(call.outputs[0], network.outputs[0])],
        )
    kinds = (keras.layers.ReLU, keras.layers.Activation)
    behind = (layer for layer in layers[place:] if isinstance(layer, kinds))
    last = next(behind, layers[place])  # the convolution itself, where it is the end
    return (
        [keras.Function(network.inputs[0], last.output)],
        [keras.Function(last.output, network.outputs[0])],
    )


def _convolves(layer: Any) -> bool:
    """Tell whether a layer is a convolution, or a network that has one."""
    import keras

    if isinstance(layer, keras.layers.Conv2D):
        return True
    return any(_convolves(inner) for inner in getattr(layer, "layers", ()))


@dataclass(frozen=True)
class Maps:
    """What a method says of a sample, (H, W) for each modality, and what it cost; evaluations are
    forward passes."""

    speech: Array
    image: Array
    evaluations: int = 0
    seconds: float = 0.0

    def __getitem__(self, modality: str) -> Array:
        """Return the map of a modality."""
        return self.speech if modality == "speech" else self.image


#: A method maps (subject, sample, depth, seed) to the values of speech and image, (H, W) each.
Method = Callable[[Subject, Sample, int, int], tuple[Array, Array]]


def _dncshap(method: str, baseline: str = "zero") -> Method:
    def explain_sample(subject: Subject, x: Sample, depth: int, seed: int) -> tuple[Array, Array]:
        most = None
        if method == "sampled":
            most = evaluations("sampled", depth, pairs=SAMPLED_PAIRS)
        found = explain(
            subject.model,
            x.speech,
            x.image,
            target=x.target,
            depth=depth,
            method=method,
            baseline=baseline,
            max_evals=most,
            seed=seed,
        )
        subject.evaluations += found.n_evals
        return found.speech_map, found.image_map

    return explain_sample


@lru_cache
def _masker(shape: tuple[int, ...]) -> Any:
    import shap

    return shap.maskers.Image(np.zeros(shape, np.float32), shape)


def _partition(subject: Subject, x: Sample, depth: int, seed: int) -> tuple[Array, Array]:
    """Run shap's explainer on each modality, the other one present, on half of what its exact
    values would take."""
    import shap

    most = max(8, evaluations("owen", depth, both=False) // 2)
    found = {}
    for m in settings.MODALITIES:
        other = settings.OTHER[m]

        def score(masked: Array, m: str = m, other: str = other) -> Array:
            present = np.repeat(x[other][None], len(masked), axis=0)
            given = {m: np.asarray(masked, np.float32), other: present}
            return subject(given["speech"], given["image"])

        explainer = shap.PartitionExplainer(score, _masker(x[m].shape))
        values = explainer(
            x[m][None], max_evals=most, batch_size=BATCH_SIZE, outputs=[x.target], silent=True
        ).values
        found[m] = values[0, ..., 0].sum(axis=-1)
    return found["speech"], found["image"]


def _occlusion(subject: Subject, x: Sample, depth: int, seed: int) -> tuple[Array, Array]:
    """Blank windows that overlap by half, an eighth of the time and a sixteenth of the picture
    each."""
    whole = subject(x.speech[None], x.image[None])[0, x.target]
    maps = []
    for m in settings.MODALITIES:
        height, width = x[m].shape[:2]
        high, wide = (height, width // 8) if m == "speech" else (height // 4, width // 4)
        corners = list(
            itertools.product(
                range(0, height - high + 1, max(1, high // 2)),
                range(0, width - wide + 1, max(1, wide // 2)),
            )
        )
        hidden = np.zeros((len(corners), height, width), bool)
        for window, (r, c) in zip(hidden, corners, strict=True):
            window[r : r + high, c : c + wide] = True
        given = {o: np.repeat(x[o][None], len(corners), axis=0) for o in settings.MODALITIES}
        given[m] = given[m] * ~hidden[..., None]
        drops = whole - subject(given["speech"], given["image"])[:, x.target]
        covered = np.maximum(hidden.sum(axis=0), 1)
        maps.append(np.tensordot(drops, hidden, axes=1) / covered / (high * wide))
    return maps[0], maps[1]


def _integrate_gradients(shares: Array, blurred: bool = False) -> Method:
    """Multiply the way from the baseline to the sample by the mean gradient at `shares` of it."""

    def explain_sample(subject: Subject, x: Sample, depth: int, seed: int) -> tuple[Array, Array]:
        steps = shares.astype(np.float32)[:, None, None, None]
        given, way = {}, {}
        for m in settings.MODALITIES:
            baseline = np.zeros_like(x[m])
            if blurred:
                high, wide = (BLUR * side for side in x[m].shape[:2])
                baseline = gaussian_filter(x[m], (high, wide, 0))
            way[m] = x[m] - baseline
            given[m] = baseline + steps * way[m]
        slopes = subject.gradients(given["speech"], given["image"], x.target)
        speech, image = (
            (slopes[m].mean(axis=0) * way[m]).sum(axis=-1) for m in settings.MODALITIES
        )
        return speech, image

    return explain_sample


def _grad_cam(subject: Subject, x: Sample, depth: int, seed: int) -> tuple[Array, Array]:
    import tensorflow as tf

    small = subject.cam(x.speech, x.image, x.target)
    speech, image = (
        np.asarray(tf.image.resize(small[m][..., None], x[m].shape[:2])[..., 0], float)
        for m in settings.MODALITIES
    )
    return speech, image


def _random(subject: Subject, x: Sample, depth: int, seed: int) -> tuple[Array, Array]:
    """Return smooth noise that knows nothing but the sample's name."""
    rng = np.random.default_rng([seed, *x.id.encode()])
    speech, image = (
        gaussian_filter(rng.normal(size=x[m].shape[:2]), x[m].shape[0] / 16)
        for m in settings.MODALITIES
    )
    return speech, image


def _edge_maps(subject: Subject, x: Sample, depth: int, seed: int) -> tuple[Array, Array]:
    """Return where the input differs from its surroundings: what can be found without looking at
    the model."""
    speech, image = (_contrast(x[m].mean(axis=-1)) for m in settings.MODALITIES)
    return speech, image


def _contrast(values: Array) -> Array:
    return np.abs(values - gaussian_filter(values, values.shape[0] / 64))


METHODS: dict[str, Method] = {
    "owen": _dncshap("owen"),
    "sampled": _dncshap("sampled"),
    "published": _dncshap("published"),
    "owen, blurred": _dncshap("owen", "blur"),
    "shap, each modality": _partition,
    "occlusion": _occlusion,
    "gradient x input": _integrate_gradients(np.ones(1)),
    "integrated gradients": _integrate_gradients(IG_SHARES),
    "integrated gradients, blurred": _integrate_gradients(IG_SHARES, blurred=True),
    "Grad-CAM": _grad_cam,
    "edges, no model": _edge_maps,
    "random": _random,
}

#: The method whose maps sum to what the modalities are worth as wholes.
EXACT = "owen"

#: In tables beside the methods: the best that a map of the same regions can be.
CEILING = "the planted truth itself"


def attribute(method: str, subject: Subject, sample: Sample, depth: int = 4, seed: int = 0) -> Maps:
    """Explain a sample by one of `METHODS`, and take the time."""
    before, start = subject.evaluations, time.perf_counter()
    speech, image = METHODS[method](subject, sample, depth, seed)
    return Maps(speech, image, subject.evaluations - before, time.perf_counter() - start)
