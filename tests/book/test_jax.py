"""The notebook that trains, executed under JAX on the data set of the smoke run."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sierbook import notebooks
from sierlib.run import Run

pytest.importorskip("jax")

NAME = "02-training"


@pytest.mark.usefixtures("index")
def test_the_notebook_that_trains_is_executed_under_jax(
    run: Run, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    # So few steps do not pay for code that is optimised.
    environment |= {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    environment |= {"JAX_COMPILATION_CACHE_DIR": str(place / "compiled")}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for needed in ("dataset", "keys/arrays.json", "keys/manifest.json", "results/01-dataset.json"):
        (tmp_path / needed).parent.mkdir(exist_ok=True)
        copy = shutil.copytree if (run.folder / needed).is_dir() else shutil.copy
        copy(run.folder / needed, tmp_path / needed)

    here = replace(run, folder=tmp_path)
    assert notebooks.execute_notebook(here, NAME).is_file()
    found = here.results(NAME)
    assert found["provenance"]["backend"] == "jax"
    assert set(found["models"]) == {"fused", "ser", "ier"}
    for history in found["models"].values():
        assert history["provenance"]["backend"] == "jax"
        scores = [*history["epochs"][-1].values(), history["test"]["macro_f1"]]
        scores += history["test"]["accuracy"].values()
        assert np.isfinite(scores).all()
