"""The same networks and explanations under JAX, in a process that has no TensorFlow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sierlib import settings
from sierlib.data.shards import save_arrays
from sierlib.networks import parallel_net
from sierlib.networks.fit import fit_network
from sierlib.shapley import explain

pytest.importorskip("jax")

SMALL = replace(
    settings.profile("smoke"), width=1 / 64, batch=4, epochs=1, run_eagerly=False, absent=0.1
)

#: What the other process does with a saved network, and with fresh ones.
SCRIPT = """
import json, sys
sys.modules["tensorflow"] = None  # whoever imports it fails
import numpy as np
from pathlib import Path
from tests.sierlib import test_backend
folder = Path(sys.argv[1])
explained = test_backend.explain_saved(folder)
print(json.dumps({"explained": explained, "epochs": test_backend.train(folder)}))
"""


def explain_saved(folder: Path) -> dict[str, list[float]]:
    """Predict and explain one sample by the network that lies in a folder."""
    import keras

    model = keras.saving.load_model(folder / "model.keras")
    given = dict(np.load(folder / "sample.npz"))
    found = explain(model, given["speech"], given["image"], target=0, depth=2)
    return {"value": [found.value, found.base_value], "map": found.image_map[::32, ::32].tolist()}


def train(folder: Path) -> list[dict[str, float]]:
    """Train a small ParallelNet for an epoch on what lies in a folder."""
    rows = pd.read_csv(folder / "rows.csv")
    _, history = fit_network(lambda: parallel_net(SMALL), rows, rows, folder, SMALL)
    return history["epochs"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved network, a sample, and ten rows to learn from."""
    folder = tmp_path_factory.mktemp("backend")
    chance = np.random.default_rng(0)
    shape = (settings.SIZE, settings.SIZE)
    arrays, references = {}, {}
    for name, channels in settings.CHANNELS.items():
        arrays[name] = chance.integers(0, 256, (10, *shape, channels), np.uint8)
        references[name] = save_arrays(arrays[name], folder / f"{name}.bin")
    sample = {name: values[0].astype(np.float32) / 255 for name, values in arrays.items()}
    np.savez(folder / "sample.npz", **sample)
    labels = [settings.CLASSES[row % 4] for row in range(10)]
    pd.DataFrame({**references, "label": labels}).to_csv(folder / "rows.csv", index=False)
    parallel_net(SMALL).save(folder / "model.keras")
    return folder


@pytest.fixture(scope="module")
def under_jax(folder: Path) -> dict:
    project = Path(__file__).resolve().parents[2]
    paths = os.pathsep.join([str(project), str(project / "book")])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder)],
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": paths, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_the_same_weights_say_the_same(folder: Path, under_jax: dict) -> None:
    here = explain_saved(folder)
    for name, values in here.items():
        np.testing.assert_allclose(under_jax["explained"][name], values, atol=1e-5)


@pytest.mark.slow
def test_a_network_is_trained(folder: Path, under_jax: dict) -> None:
    (epoch,) = under_jax["epochs"]
    (here,) = train(folder)
    assert set(epoch) == set(here) and np.isfinite(list(epoch.values())).all()
