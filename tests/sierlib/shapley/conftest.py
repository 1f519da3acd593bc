"""A small ParallelNet and a sample for it."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.sierlib.shapley.toys import toy_model


@pytest.fixture(scope="package")
def toy() -> keras.Model:
    return toy_model()


@pytest.fixture(scope="package")
def toy_sample() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return tuple(rng.uniform(0.1, 1, (16, 16, channels)).astype("float32") for channels in (1, 3))
