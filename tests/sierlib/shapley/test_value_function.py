"""How often, on what, and with what dtype a callable is run."""

from __future__ import annotations

import numpy as np
import pytest

from sierlib.shapley.explain import explain
from tests.sierlib.shapley.toys import (
    IMAGE,
    SIZE,
    SPEECH,
    Model,
    curved,
)


def test_equal_masked_inputs_are_computed_once() -> None:
    inputs: list[bytes] = []
    model = curved(33)
    padded = SPEECH.copy()
    padded[:, 4:] = 0  # a recording that ends halfway: masking the silence changes nothing

    def spy(x: dict[str, np.ndarray]) -> np.ndarray:
        inputs.extend(
            s.tobytes() + i.tobytes() for s, i in zip(x["speech"], x["image"], strict=True)
        )
        return model(x)

    found = explain(spy, padded, IMAGE, depth=3, target=0)
    assert len(inputs) == len(set(inputs)) == found.n_evals
    assert np.abs(found.speech_map[:, 4:]).max() == 0
    exact = 4 + 2 * 2 * 2 * (4**3 - 1) // 3
    assert found.n_evals < exact
    assert explain(model, SPEECH, IMAGE, depth=3, target=0).n_evals == exact


def test_callable_gets_its_dtype_and_batch() -> None:
    model = curved(35)

    def strict(x: dict[str, np.ndarray]) -> np.ndarray:
        assert x["speech"].dtype == x["image"].dtype == np.float32
        assert x["speech"].shape[1:] == (SIZE, SIZE, 1)
        assert len(x["speech"]) == len(x["image"]) <= 5
        return model(x)

    explain(
        strict, SPEECH.astype("f4"), IMAGE.astype("f4"), depth=2, batch_size=5, method="sampled"
    )


def test_a_callable_may_work_in_place() -> None:
    model = curved(35)

    def in_place(x: dict[str, np.ndarray]) -> np.ndarray:
        scores = model(x)
        for array in x.values():
            array *= 0
        return scores

    found = explain(in_place, SPEECH, IMAGE, depth=2, target=0)
    np.testing.assert_array_equal(
        found.speech_map, explain(model, SPEECH, IMAGE, depth=2, target=0).speech_map
    )


def test_logit_is_the_logarithm_of_the_model() -> None:
    model = curved(17)
    logit = explain(model, SPEECH, IMAGE, depth=2, target=1, output="logit")
    by_hand = explain(lambda x: np.log(model(x)), SPEECH, IMAGE, depth=2, target=1)
    np.testing.assert_allclose(logit.speech_map, by_hand.speech_map, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda x: np.full((len(x["speech"]), 4), np.nan), "values that are not finite"),
        (
            lambda x: np.ones(len(x["speech"])),
            r"array of shape \(2,\) for 2 inputs; expected \(2, classes\)",
        ),
        (lambda x: np.ones((1, 4)), r"array of shape \(1, 4\) for 2 inputs"),
        (lambda x: np.ones((len(x["speech"]), 0)), r"scores of 0 classes; expected \(n, classes\)"),
        (None, "model is a NoneType; expected a Keras model, or a callable"),
        ("runs/quick", "model is a str; expected a Keras model, or a callable"),
    ],
)
def test_bad_models_are_refused(model: Model, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        explain(model, SPEECH, IMAGE, depth=2)
