"""Two devices learn what one does, each from half of every batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from sierlib import backend, settings
from sierlib.data.shards import save_arrays
from sierlib.networks.fit import fit_network

SMALL = replace(
    settings.profile("smoke"),
    batch=8,
    epochs=3,
    run_eagerly=False,
    absent=0.1,
    augment=True,
)

#: Two logical devices have to be asked for before TensorFlow computes anything.
SCRIPT = """
import json, sys
from pathlib import Path
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from tests.sierlib.networks import test_spread
print(json.dumps(test_spread.compare(Path(sys.argv[1]))))
"""


def network() -> keras.Model:
    """Convolutions with batch normalisation, and nothing that is left to chance."""
    given = keras.Input((128, 128, 1), name="speech")
    x = given
    for filters in (4, 8):
        x = keras.layers.Conv2D(filters, 3, strides=8, padding="same", use_bias=False)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.5)(x))
    y = keras.layers.Dense(4, activation="softmax")(keras.layers.Flatten()(x))
    return keras.Model({"speech": given}, y)


def compare(folder: Path) -> dict[str, list[float]]:
    """Train on one device and on two: losses and weights, by devices."""
    import tensorflow as tf

    # Between GPUs sums are made as TensorFlow chooses. Of logical devices on one processor its
    # choice mixes up the sums of different weights.
    tf.distribute.MirroredStrategy = partial(
        tf.distribute.MirroredStrategy, cross_device_ops=tf.distribute.ReductionToOneDevice()
    )
    rng = np.random.default_rng(0)
    mels = rng.integers(0, 256, (32, 128, 128, 1), np.uint8)
    speech = save_arrays(mels, folder / "speech.bin")
    rows = pd.DataFrame({"speech": speech, "label": rng.choice(settings.CLASSES, 32)})
    found = {}
    for devices in ([], ["CPU:0", "CPU:1"]):
        backend.list_devices = lambda devices=devices: devices
        model, history = fit_network(network, rows[:24], rows[24:], folder, SMALL, seed=1)
        weights = np.concatenate([each.ravel() for each in model.get_weights()])
        losses = [row["loss"] for row in history["epochs"]]
        found[f"{len(devices)}"] = [*losses, *weights.tolist()]
    return found


def test_two_devices_end_where_one_does(tmp_path: Path) -> None:
    project = Path(__file__).resolve().parents[3]
    paths = os.pathsep.join([str(project), str(project / "book")])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        cwd=project,
        env={**os.environ, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    np.testing.assert_allclose(found["2"], found["0"], atol=1e-4)


def test_another_backend_says_that_it_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "list_devices", lambda: ["GPU:0", "GPU:1"])
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    advice = "2 GPUs.*TensorFlow.*CUDA_VISIBLE_DEVICES=0"
    with pytest.raises(RuntimeError, match=advice), backend.spread():
        pass


def test_one_device_needs_no_strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "list_devices", lambda: ["GPU:0"])
    with backend.spread() as devices:
        assert devices == 1
