"""Small models whose explanations can be checked by other means, and a sample for them."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from sierlib.shapley.explain import Explanation, Region
from sierlib.shapley.partition import divide
from sierlib.shapley.value_function import Side

SIZE = 8
Model = Callable[[dict[str, np.ndarray]], np.ndarray]
RNG = np.random.default_rng(0)
SPEECH, IMAGE = RNG.uniform(0.1, 1, (SIZE, SIZE, 1)), RNG.uniform(0.1, 1, (SIZE, SIZE, 3))


def weights(
    seed: int, shape: tuple[int, int] = (SIZE, SIZE), classes: int = 4
) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "speech": rng.normal(size=(*shape, 1, classes)),
        "image": rng.normal(size=(*shape, 3, classes)),
    }


def linear(w: dict[str, np.ndarray]) -> Model:
    return lambda x: sum(np.einsum("nhwc,hwck->nk", x[m], w[m]) for m in w)


def curved(seed: int, shape: tuple[int, int] = (SIZE, SIZE)) -> Model:
    """A softmax of a product and a sum of the modalities: all regions interact."""
    first, second = linear(weights(seed, shape)), weights(seed + 1, shape)

    def model(x: dict[str, np.ndarray]) -> np.ndarray:
        speech, image = (np.einsum("nhwc,hwck->nk", x[m], second[m]) for m in ("speech", "image"))
        z = first(x) / 4 + np.tanh(speech / 4) * image / 4
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    return model


def values(found: Explanation, level: int, modality: str | None = None) -> np.ndarray:
    return np.array([r.value for r in found.levels[level] if modality in (None, r.modality)])


def inside(array: np.ndarray, region: Region) -> np.ndarray:
    r0, r1, c0, c1 = region.box
    return array[r0:r1, c0:c1]


def toy_model(size: int = 16, seed: int = 0) -> keras.Model:
    """ParallelNet's graph (Eq. 1 and 2) in small: four branches, criss-cross, three heads."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers

    def branch(name: str, channels: int) -> keras.Model:
        x = start = keras.Input((size, size, channels))
        x = layers.BatchNormalization()(layers.Conv2D(4, 3, strides=2, activation="relu")(x))
        return keras.Model(
            start, layers.Dense(6, activation="tanh")(layers.Flatten()(x)), name=name
        )

    speech = keras.Input((size, size, 1), name="speech")
    image = keras.Input((size, size, 3), name="image")
    f_i = layers.Add(name="F_i")([branch("N1_i", 3)(image), branch("N2_s", 1)(speech)])
    f_s = layers.Add(name="F_s")([branch("N1_s", 1)(speech), branch("N2_i", 3)(image)])
    f_mul = layers.Multiply(name="F_mul")([f_i, f_s])
    late = layers.Add(name="late_fusion")(
        [layers.Dense(4)(layers.Dropout(0.5)(f)) for f in (f_s, f_i, f_mul)]
    )
    return keras.Model({"speech": speech, "image": image}, layers.Softmax()(late))


def whole(model: keras.Model) -> Model:
    return lambda x: np.asarray(model(x, training=False))


def sides(speech: np.ndarray, image: np.ndarray, depth: int = 2) -> dict[str, Side]:
    labels = divide(*speech.shape[:2], depth, "longest").labels()
    return {"speech": Side(speech, 0 * speech, labels), "image": Side(image, 0 * image, labels)}


def never(x: dict[str, np.ndarray]) -> np.ndarray:
    raise AssertionError("the model was run")
