"""A training that was killed ends with the weights of one that was not."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from sierlib import settings
from sierlib.data.shards import save_arrays
from sierlib.networks.fit import fit_network
from sierlib.networks.unfinished import Unfinished

TOY = replace(
    settings.profile("smoke"),
    batch=8,
    epochs=6,
    warmup=2,
    learning_rate=0.03,
    absent=0.2,
    augment=True,
    run_eagerly=False,
)
#: With nothing to learn: the rate falls and training stops before its last epoch.
STUCK = replace(TOY, warmup=0, epochs=30, learning_rate=0.3, patience_stop=4, patience_plateau=2)
TUNED = replace(TOY, epochs=3, tuned=3)


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sierlib.networks.unfinished.PAUSE", 0.0)


class Killed(Exception):
    """Instead of the signal, which would end the tests as well."""


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, Path]:
    """Rows of noise with labels by chance."""
    folder = tmp_path_factory.mktemp("noise")
    rng = np.random.default_rng(0)
    mels = rng.integers(0, 256, (40, 128, 128, 1), dtype=np.uint8)
    speech = save_arrays(mels, folder / "speech.bin")
    return pd.DataFrame({"speech": speech, "label": rng.choice(settings.CLASSES, 40)}), folder


def _network(units: int = 4) -> keras.Model:
    """A network with all that has a state: weights, moving averages, chance."""
    given = keras.Input((128, 128, 1), name="speech")
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D((32, 32))(given))
    x = keras.layers.Dropout(0.3)(keras.layers.BatchNormalization()(x))
    x = keras.layers.Dense(units, activation="relu", trainable=False)(x)
    y = keras.layers.Dense(4, activation="softmax", dtype="float32")(x)
    return keras.Model({"speech": given}, y)


def _fit(noise: tuple[pd.DataFrame, Path], profile: settings.Profile, unfinished: Path | None):
    rows, folder = noise
    model, history = fit_network(
        _network, rows[:24], rows[24:], folder, profile, seed=3, unfinished=unfinished
    )
    return model.get_weights(), history


def _die_after(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Let the process end right after so many epochs were written."""
    written = []
    write = Unfinished._write

    def die(self: Unfinished, path: Path, last: bool) -> None:
        write(self, path, last)
        written.append(path)
        if len(written) == times:
            raise Killed

    monkeypatch.setattr(Unfinished, "_write", die)


@pytest.mark.parametrize(
    ("profile", "times"),
    [(TOY, 1), (TOY, 4), (TOY, 6), (STUCK, 3), (STUCK, 5), (TUNED, 2), (TUNED, 3), (TUNED, 5)],
    ids=["1", "4", "last", "stuck-3", "stuck-5", "tuned-2", "tuned-3", "tuned-5"],
)
def test_it_goes_on_as_if_nothing_had_happened(
    noise: tuple[pd.DataFrame, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    profile: settings.Profile,
    times: int,
) -> None:
    weights, history = _fit(noise, profile, None)
    path = tmp_path / "one.npz"
    with monkeypatch.context() as during:
        _die_after(during, times)
        with pytest.raises(Killed):
            _fit(noise, profile, path)
    again, resumed = _fit(noise, profile, path)
    assert resumed["epochs"] == history["epochs"] and resumed["best_epoch"] == history["best_epoch"]
    for left, right in zip(weights, again, strict=True):
        np.testing.assert_array_equal(left, right)
    if profile is STUCK:
        rates = {row["learning_rate"] for row in history["epochs"]}
        assert len(history["epochs"]) < STUCK.epochs and len(rates) > 1


def test_under_jax_too(tmp_path: Path) -> None:
    pytest.importorskip("jax")
    chosen = f"{__file__}::test_it_goes_on_as_if_nothing_had_happened[4]"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", chosen],
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_epochs_that_are_done_are_not_done_again(
    noise: tuple[pd.DataFrame, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "one.npz"
    with monkeypatch.context() as during:
        _die_after(during, 4)
        with pytest.raises(Killed):
            _fit(noise, TOY, path)
    done: list[int] = []
    keep = Unfinished.on_epoch_end

    def note(self: Unfinished, epoch: int, logs: dict[str, float] | None = None) -> None:
        done.append(epoch)
        keep(self, epoch, logs)

    monkeypatch.setattr(Unfinished, "on_epoch_end", note)
    _fit(noise, TOY, path)
    assert done == [4, 5]
    _fit(noise, TOY, path)
    assert done == [4, 5]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half of it", b"\x93NUMPY"])
def test_what_cannot_be_read_is_begun_anew(
    noise: tuple[pd.DataFrame, Path], tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "one.npz"
    path.write_bytes(content)
    short = replace(TOY, epochs=2)
    assert _fit(noise, short, path)[1]["epochs"] == _fit(noise, short, None)[1]["epochs"]


def test_what_another_network_has_left_is_not_gone_on_with(
    noise: tuple[pd.DataFrame, Path], tmp_path: Path
) -> None:
    rows, folder = noise
    path, short = tmp_path / "one.npz", replace(TOY, epochs=2)
    fit_network(lambda: _network(7), rows[:24], rows[24:], folder, short, unfinished=path)
    assert path.is_file()
    assert _fit(noise, short, path)[1]["epochs"] == _fit(noise, short, None)[1]["epochs"]
