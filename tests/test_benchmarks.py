"""The GPU benchmark, in its smallest size on a CPU, where only what it says it needs is there."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sierlib.experiment.models import NETWORKS, names_in_group

pytest.importorskip("jax")

ROOT = Path(__file__).resolve().parents[1]
#: What a machine for nothing but training lacks; whoever imports it fails, in every process.
MISSING = ("tensorflow", "shap", "matplotlib", "seaborn", "IPython", "papermill", "nbclient")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of such a machine."""
    place = tmp_path_factory.mktemp("bare")
    hidden = f"import sys\nsys.modules.update(dict.fromkeys({MISSING}))\n"
    (place / "sitecustomize.py").write_text(hidden)
    own = {"PYTHONPATH": str(place), "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    # So few steps do not pay for code that is optimised.
    own |= {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "SIER_WORKERS": "2"}
    return {**os.environ, **own, "JAX_COMPILATION_CACHE_DIR": str(place / "compiled")}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all calls of this module work, each going on from the one before."""
    return tmp_path_factory.mktemp("gpu")


def _measure(place: Path, environment: dict[str, str], *options: str) -> dict[str, Any]:
    """Let the benchmark run, and return what it wrote."""
    out, log = place / "gpu.json", place / "log"
    command = [sys.executable, "benchmarks/gpu.py", "--tiny", "--run-dir", str(place / "run")]
    command += ["--out", str(out), *options]
    with log.open("w") as said:  # no pipe: what it started may end a little later
        done = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=said, stderr=said, check=False
        )
    assert done.returncode == 0, log.read_text()
    return json.loads(out.read_text(encoding="utf-8"))


def _numbers(value: Any) -> Iterator[float]:
    """Every number in a result."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _numbers(each)
    elif isinstance(value, int | float):
        yield value


@pytest.mark.slow
def test_when_the_time_is_over_there_is_a_file_with_what_there_was(
    place: Path, bare: dict[str, str]
) -> None:
    found = _measure(place, bare, "--step", "2", "--seconds", "20")
    assert found["device"].startswith("CPU") and found["provenance"]["backend"] == "jax"
    assert found["pairs"] is None or found["pairs"]["n"] == 48
    assert set(found) >= {"networks", "full_width", "explanations"}


@pytest.mark.slow
def test_all_is_measured_once(place: Path, bare: dict[str, str]) -> None:
    found = _measure(place, bare)
    assert found["tiny"] and found["labels"] == "planted" and found["device"].startswith("CPU")
    assert found["provenance"]["versions"]["jax"] and found["provenance"]["date"]
    assert all(map(math.isfinite, _numbers(found)))
    assert found["pairs"]["n"] == 48
    titles = {NETWORKS[name].title for name in names_in_group("Table 1")}
    assert {each["title"] for each in found["networks"].values()} == titles
    wide = found["full_width"]
    assert wide["precision"] == "mixed_bfloat16" and wide["seconds_per_epoch"] > 0
    explained = found["explanations"]
    assert explained["n"] == explained["asked"] and explained["per_second"] > 0
    assert explained["largest_gap"] < 1e-6

    networks = [*(place / "run" / "models").glob("*.keras")]
    before = {path: path.stat().st_mtime_ns for path in networks}
    assert len(before) == len(titles) + 1
    again = _measure(place, bare)
    assert {path: path.stat().st_mtime_ns for path in networks} == before
    for name in ("pairs", "networks", "full_width", "explanations"):
        assert again[name] == found[name]
