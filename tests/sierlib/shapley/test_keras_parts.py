"""A Keras model that is run part by part gives what the whole of it gives."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import keras
import numpy as np
import pytest

from sierlib.networks.parallelnet import parallel_net
from sierlib.shapley.explain import METHODS, explain
from sierlib.shapley.keras_parts import scorer_for
from sierlib.shapley.value_function import Branches, Whole
from tests.sierlib.shapley.toys import (
    IMAGE,
    SPEECH,
    curved,
    sides,
    toy_model,
    values,
    whole,
)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("modality", [None, "image"])
def test_cached_branches_equal_whole_evaluations(
    toy: keras.Model, toy_sample: tuple[np.ndarray, np.ndarray], method: str, modality: str | None
) -> None:
    fast, slow = (
        explain(m, *toy_sample, depth=3, method=method, modality=modality)
        for m in (toy, whole(toy))
    )
    assert fast.n_evals == slow.n_evals
    for level in range(4):
        np.testing.assert_allclose(values(fast, level), values(slow, level), rtol=0, atol=1e-6)
    if method != "published":
        assert np.abs(fast.gaps).max() < 1e-12


def test_a_branch_never_runs_for_the_other_modality(
    toy: keras.Model, toy_sample: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[str, int]] = []
    features = Branches._features

    def spy(self: Branches, modality: str, members: np.ndarray) -> Any:
        ran.append((modality, len(members)))
        return features(self, modality, members)

    monkeypatch.setattr(Branches, "_features", spy)
    found = explain(toy, *toy_sample, depth=3, batch_size=10)
    assert isinstance(scorer_for(toy, sides(*toy_sample)), Branches)
    assert max(n for _, n in ran) <= 10
    # A masked input is scored with the other modality absent and whole, and its branches run once.
    assert sum(n for _, n in ran) == (found.n_evals - 4) // 2 + 4
    assert sum(n for modality, n in ran if modality == "image") == (found.n_evals - 4) // 4 + 2


def meeting_model(kind: str) -> keras.Model:
    """Models whose branches meet before N2: at once, or after a convolution each."""
    keras.utils.set_random_seed(2)
    layers = keras.layers
    speech, image = keras.Input((16, 16, 1), name="speech"), keras.Input((16, 16, 3), name="image")
    parts = [speech, image]
    if kind == "after a convolution":
        parts = [layers.Conv2D(2, 3)(part) for part in parts]
    joined = layers.Concatenate()(parts)
    x = layers.Conv2D(3, 3, strides=2, activation="relu", name="N2")(joined)
    return keras.Model([image, speech], layers.Dense(4, activation="softmax")(layers.Flatten()(x)))


@pytest.mark.parametrize(
    ("kind", "scorer"), [("at once", Whole), ("after a convolution", Branches)]
)
def test_branches_that_meet_early(
    kind: str, scorer: type, toy_sample: tuple[np.ndarray, np.ndarray]
) -> None:
    model = meeting_model(kind)
    assert isinstance(scorer_for(model, sides(*toy_sample)), scorer)
    fast = explain(model, *toy_sample, depth=2)
    slow = explain(lambda x: np.asarray(model([x["image"], x["speech"]])), *toy_sample, depth=2)
    np.testing.assert_allclose(fast.speech_map, slow.speech_map, rtol=0, atol=1e-6)
    np.testing.assert_allclose(fast.image_map, slow.image_map, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["image", "pixels"])
def test_unimodal_model(name: str, toy_sample: tuple[np.ndarray, np.ndarray]) -> None:
    x = start = keras.Input((16, 16, 3), name=name)
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu")(x)
    model = keras.Model(
        start, keras.layers.Dense(4, activation="softmax")(keras.layers.Flatten()(x))
    )
    found = explain(model, *toy_sample, depth=2)
    slow = explain(lambda x: np.asarray(model(x["image"])), *toy_sample, depth=2)
    assert np.abs(found.speech_map).max() == 0
    np.testing.assert_allclose(found.image_map, slow.image_map, rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="modality='speech'; expected one of None, 'image'"):
        explain(model, *toy_sample, depth=2, modality="speech")


def test_new_weights_are_seen(toy_sample: tuple[np.ndarray, np.ndarray]) -> None:
    model, other = toy_model(seed=5), toy_model(seed=6)
    before = {
        p: explain(model, *toy_sample, depth=1, precision=p, target=0) for p in (None, "bfloat16")
    }
    model.set_weights(other.get_weights())
    fresh = explain(other, *toy_sample, depth=1, target=0)
    for precision, old in before.items():
        found = explain(model, *toy_sample, depth=1, precision=precision, target=0)
        assert found.value == pytest.approx(fresh.value, abs=0.01)
        assert found.value != pytest.approx(old.value, abs=0.01)


def test_bfloat16_branches_are_close_and_additive(
    toy: keras.Model, toy_sample: tuple[np.ndarray, np.ndarray]
) -> None:
    exact, rough = (explain(toy, *toy_sample, depth=3, precision=p) for p in (None, "bfloat16"))
    assert np.abs(rough.gaps).max() < 1e-12
    np.testing.assert_allclose(values(rough, 3), values(exact, 3), rtol=0, atol=0.01)
    assert np.abs(values(rough, 3) - values(exact, 3)).max() > 0
    with pytest.raises(ValueError, match="precision='bfloat16' needs a Keras graph"):
        explain(curved(0), SPEECH, IMAGE, depth=1, precision="bfloat16")


def test_parallel_net_itself() -> None:
    model = parallel_net("smoke")
    rng = np.random.default_rng(3)
    sample = [rng.random((128, 128, channels), np.float32) for channels in (1, 3)]
    assert isinstance(scorer_for(model, sides(*sample)), Branches)
    fast, slow = (explain(m, *sample, depth=1, target="sad") for m in (model, whole(model)))
    np.testing.assert_allclose(values(fast, 1), values(slow, 1), rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match=r"image has shape \(8, 8, 3\); expected \(128, 128, 3\)"):
        explain(model, SPEECH, IMAGE)


def test_a_keras_model_without_a_graph_is_a_callable(
    toy_sample: tuple[np.ndarray, np.ndarray],
) -> None:
    class Subclass(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(4, activation="softmax")

        def call(self, x: dict[str, Any]) -> Any:
            return self.dense(keras.ops.mean(x["speech"] * x["image"], axis=(1, 2)))

    found = explain(Subclass(), *toy_sample, depth=1, target="all")
    assert max(np.abs(each.gaps).max() for each in found.values()) < 1e-12


def test_models_are_not_kept_alive(toy_sample: tuple[np.ndarray, np.ndarray]) -> None:
    model = toy_model(seed=7)
    explain(model, *toy_sample, depth=1)
    explain(model, *toy_sample, depth=1, precision="bfloat16")
    alive = weakref.ref(model)
    del model
    gc.collect()
    assert alive() is None


def test_inputs_of_other_names_are_refused() -> None:
    a, b = keras.Input((8, 8, 1), name="audio"), keras.Input((8, 8, 3), name="image")
    merged = keras.layers.Concatenate()([a, b])
    model = keras.Model([a, b], keras.layers.Dense(4)(keras.layers.Flatten()(merged)))
    with pytest.raises(
        ValueError, match=r"named \['audio', 'image'\]; expected 'speech' and 'image'"
    ):
        explain(model, SPEECH, IMAGE, depth=1)
