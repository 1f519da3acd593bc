"""The loss of Section 4.2 against Keras' own two losses."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sierlib.networks import losses


def _batch(seed: int, rows: int = 8, smooth: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.dirichlet(np.ones(4), rows) if smooth else np.eye(4)[rng.integers(4, size=rows)]
    return truth.astype("float32"), rng.dirichlet(np.full(4, 0.7), rows).astype("float32")


@given(seed=st.integers(0, 10_000), smooth=st.booleans())
def test_it_is_focal_loss_plus_half_the_cross_entropy(seed: int, smooth: bool) -> None:
    truth, guess = _batch(seed, smooth=smooth)
    focal = float(keras.losses.CategoricalFocalCrossentropy()(truth, guess))
    entropy = float(keras.losses.CategoricalCrossentropy()(truth, guess))
    assert float(losses.FocalCrossEntropy()(truth, guess)) == pytest.approx(
        1.0 * focal + 0.5 * entropy, rel=1e-5
    )


def test_it_is_what_lin_et_al_write() -> None:
    truth, guess = _batch(1)
    p = (truth * guess).sum(axis=1).astype(float)
    by_hand = -0.25 * (1 - p) ** 2 * np.log(p) - 0.5 * np.log(p)
    assert float(losses.FocalCrossEntropy()(truth, guess)) == pytest.approx(
        by_hand.mean(), rel=1e-4
    )
    np.testing.assert_allclose(losses.FocalCrossEntropy().call(truth, guess), by_hand, rtol=1e-4)


def test_the_weights_can_be_chosen() -> None:
    truth, guess = _batch(2)
    only = losses.FocalCrossEntropy(focal=0.0, cross_entropy=2.0)
    assert float(only(truth, guess)) == pytest.approx(
        2 * float(keras.losses.CategoricalCrossentropy()(truth, guess)), rel=1e-5
    )


def test_a_right_and_sure_answer_costs_least() -> None:
    truth = np.eye(4, dtype="float32")[[0]]
    costs = [
        float(losses.FocalCrossEntropy()(truth, np.array([[p, *[(1 - p) / 3] * 3]], "float32")))
        for p in (0.1, 0.5, 0.9, 0.999)
    ]
    assert costs == sorted(costs, reverse=True) and 0 < costs[-1] < 0.01


def test_it_is_saved_and_loaded_with_a_model(tmp_path: Path) -> None:
    loss = losses.FocalCrossEntropy(focal=0.7, cross_entropy=0.2, alpha=0.5, gamma=1.0)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    truth, guess = _batch(3)
    assert float(again(truth, guess)) == pytest.approx(float(loss(truth, guess)))
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, activation="softmax")])
    model.compile("sgd", loss)
    before = model.evaluate(guess, truth, verbose=0)
    model.save(tmp_path / "m.keras")
    assert keras.saving.load_model(tmp_path / "m.keras").evaluate(
        guess, truth, verbose=0
    ) == pytest.approx(before)
