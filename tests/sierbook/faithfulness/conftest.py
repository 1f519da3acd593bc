"""A sample, a linear model whose true map is known, and a ParallelNet that has learned nothing."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from sierbook.faithfulness.rivals import Maps, Sample
from sierlib.networks.parallelnet import parallel_net
from tests.sierbook.faithfulness.toys import SAD, SIZE


@pytest.fixture
def sample() -> Sample:
    rng = np.random.default_rng(0)
    speech, image = (rng.uniform(0.1, 1, (SIZE, SIZE, c)).astype(np.float32) for c in (1, 3))
    speech[:, 28:] = 0  # silence behind the speech
    return Sample("toy", speech, image, SAD)


@pytest.fixture
def weights() -> dict[str, np.ndarray]:
    """Constant within the quarters of the grid, so that a division of depth 4 can express them."""
    rng = np.random.default_rng(1)
    return {
        "speech": np.repeat(rng.normal(size=(1, 16)), 2, axis=1).repeat(SIZE, axis=0),
        "image": np.kron(rng.normal(size=(4, 4)), np.ones((8, 8))),
    }


@pytest.fixture
def true_maps(sample: Sample, weights: dict[str, np.ndarray]) -> Maps:
    return Maps(
        *(getattr(sample, m).sum(axis=-1).astype(float) * weights[m] for m in ("speech", "image"))
    )


@pytest.fixture(scope="session")
def network() -> keras.Model:
    """A ParallelNet that has learned nothing, moved off its starting point so that normalisation
    does something."""
    keras.utils.set_random_seed(0)
    return parallel_net("smoke")


@pytest.fixture(scope="session")
def pair() -> Sample:
    rng = np.random.default_rng(0)
    speech, image = (rng.uniform(0.1, 1, (128, 128, c)).astype(np.float32) for c in (1, 3))
    return Sample("pair", speech, image, 1)
