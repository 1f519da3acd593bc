"""Samples that share batches, held against each explained alone, under both backends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from sierbook import batching, bulk
from sierlib import settings
from sierlib.networks import parallel_net, unimodal
from sierlib.shapley import explain

RNG = np.random.default_rng(7)


def _sample(number: int) -> dict[str, np.ndarray]:
    """Different samples: parts of them are silent and black, so that they need other coalitions."""
    sample = {
        "speech": RNG.random((128, 128, 1), dtype=np.float32),
        "image": RNG.random((128, 128, 3), dtype=np.float32),
    }
    sample["speech"][:, 20 * number :] = 0
    sample["image"][: 16 * number] = 0
    return sample


SAMPLES = [_sample(number) for number in range(1, 6)]


@pytest.fixture(scope="module")
def model(tiny_profile: settings.Profile) -> keras.Model:
    keras.utils.set_random_seed(0)
    return parallel_net(tiny_profile)


@pytest.mark.parametrize("count", [1, 5])
def test_together_is_as_alone(model: keras.Model, count: int) -> None:
    together = batching.explain_together(model, SAMPLES[:count], depth=3)
    for sample, found in zip(SAMPLES[:count], together, strict=True):
        alone = explain(model, **sample, depth=3)
        assert (found.target, found.n_evals) == (alone.target, alone.n_evals)
        assert found.value == pytest.approx(alone.value, abs=1e-5)
        assert max(map(abs, found.gaps)) < 1e-6
        for modality, values in alone.maps.items():
            np.testing.assert_allclose(found.maps[modality], values, atol=1e-6)


def test_other_options_reach_every_explanation(model: keras.Model) -> None:
    options: dict[str, Any] = {"depth": 3, "max_evals": 30, "target": 2}
    for sample, found in zip(
        SAMPLES[:2], batching.explain_together(model, SAMPLES[:2], **options), strict=True
    ):
        alone = explain(model, **sample, **options)
        assert found.target == 2 and found.n_evals == alone.n_evals <= 30
        np.testing.assert_allclose(found.image_map, alone.image_map, atol=1e-6)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="it is the test under JAX")
def test_together_is_as_alone_under_jax_too() -> None:
    pytest.importorskip("jax")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            f"{__file__}",
            "-k",
            "alone",
        ],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_batches_are_shared(model: keras.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = batching._compile(model, 4)
    asked: list[list[int]] = []

    def count(branch: Callable[..., Any]) -> Callable[..., Any]:
        def counted(batch: list[np.ndarray], *rest: np.ndarray) -> Any:
            asked[-1].append(len(batch[0]))
            return branch(batch, *rest)

        return counted

    counted = {modality: count(branch) for modality, branch in compiled[0].items()}
    monkeypatch.setattr(batching, "_compile", lambda *_: (counted, compiled[1]))
    for some in ([SAMPLES[1]], SAMPLES[1:]):
        asked.append([])
        batching.explain_together(model, some, room_for=4, depth=3)
    alone, together = asked
    assert sum(together) > 3 * sum(alone)
    assert len(together) < 1.5 * len(alone)


def test_an_error_reaches_every_thread(model: keras.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("RESOURCE_EXHAUSTED: out of memory")

    # What cannot be handed out must not be waited for either.
    for branch, error in ((fail, "out of memory"), (lambda *_: [None], "not subscriptable")):
        failing = dict.fromkeys(settings.MODALITIES, branch)
        monkeypatch.setattr(batching, "_compile", lambda *_, failing=failing: (failing, None))
        with pytest.raises((RuntimeError, TypeError), match=error):
            batching.explain_together(model, SAMPLES[:3], depth=2)


def test_one_that_fails_does_not_keep_the_others_waiting(model: keras.Model) -> None:
    damaged = {**SAMPLES[0], "image": np.full((128, 128, 3), np.nan, np.float32)}
    with pytest.raises(ValueError, match="image"):
        batching.explain_together(model, [SAMPLES[1], damaged, SAMPLES[2]], depth=2)


def test_one_modality_is_refused(tiny_profile: settings.Profile) -> None:
    with pytest.raises(ValueError, match="one by one"):
        batching.explain_together(unimodal("speech", tiny_profile), SAMPLES[:1])


def test_a_gpu_shares_batches_and_a_processor_does_not(
    model: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "explain_together", lambda *_, **options: ["together", options])
    assert next(iter(bulk._explain(model, SAMPLES[:1], 1))).method == "owen"
    monkeypatch.setattr(bulk, "find_gpus", lambda: ["Some GPU"])
    shared = {"room_for": bulk.CHUNK, "depth": 1}
    assert bulk._explain(model, SAMPLES, 1) == ["together", shared]


def test_a_precision_of_its_own_is_refused(model: keras.Model) -> None:
    with pytest.raises(ValueError, match="precision"):
        batching.explain_together(model, SAMPLES[:1], precision="bfloat16")
