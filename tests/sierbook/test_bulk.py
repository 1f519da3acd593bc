"""A whole part explained: resumed, in processes, on a cluster; held against single explanations."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from sierbook import bulk
from sierlib.data.feed import read_inputs
from sierlib.experiment.models import NETWORKS, select_rows
from sierlib.experiment.train import load_model
from sierlib.run import Run
from sierlib.shapley import explain

pytestmark = pytest.mark.slow  # they take a trained network
COUNT = 6


@pytest.fixture(autouse=True)
def in_twos(monkeypatch: pytest.MonkeyPatch, tiny_run: Run) -> None:
    """Files of two samples; a folder of its own for every test."""
    monkeypatch.setattr(bulk, "CHUNK", 2)
    monkeypatch.delenv("DASK", raising=False)
    for file in tiny_run.folder.glob("explanations/*-depth*/*"):
        file.unlink()


def _read(found: dict[str, Any]) -> pd.DataFrame:
    return pd.read_csv(Path(found["folder"], "values.csv"), dtype={"id": str})


def test_each_row_has_what_its_own_explanation_says(tiny_run: Run) -> None:
    found = bulk.explain_part(tiny_run, first=COUNT)
    assert found["rows"] == found["explained"] == COUNT
    assert found["per_second"] > 0
    rows = select_rows(tiny_run, NETWORKS["fused"])["test"].head(COUNT)
    table = _read(found)
    assert list(table["id"]) == list(rows["id"])
    assert tuple(table.columns) == bulk.COLUMNS
    model, inputs = load_model(tiny_run, "fused"), read_inputs(rows, tiny_run.folder / "dataset")
    maps: dict[str, Any] = {}
    for file in Path(found["folder"]).glob("maps-*.npz"):
        with np.load(file) as kept:
            for number, name in enumerate(kept["id"]):
                maps[name] = {part: kept[part][number] for part in ("speech", "image")}
    for number, row in enumerate(table.itertuples()):
        alone = explain(
            model, inputs["speech"][number], inputs["image"][number], depth=tiny_run.profile.depth
        )
        assert row.speech == pytest.approx(alone.speech_value, abs=1e-6)
        assert row.image == pytest.approx(alone.image_value, abs=1e-6)
        assert row.evaluations == alone.n_evals
        # The first axiom: what the modalities are worth is what the score rises by.
        assert row.speech + row.image == pytest.approx(row.value - row.base, abs=1e-6)
        np.testing.assert_allclose(maps[row.id]["image"], alone.image_map, atol=1e-6)


def test_what_is_there_is_not_explained_again_and_what_is_damaged_is(tiny_run: Run) -> None:
    before = bulk.explain_part(tiny_run, first=4)
    table = _read(before)
    again = bulk.explain_part(tiny_run, first=COUNT)
    assert (again["rows"], again["explained"]) == (COUNT, COUNT - 4)
    assert bulk.explain_part(tiny_run, first=COUNT)["explained"] == 0
    torn, flipped, *_ = sorted(Path(again["folder"]).glob("maps-*.npz"))
    torn.write_bytes(torn.read_bytes()[:1000])
    content = bytearray(flipped.read_bytes())
    content[len(content) // 3] ^= 255
    flipped.write_bytes(content)
    mended = bulk.explain_part(tiny_run, first=COUNT)
    assert mended["explained"] == 4
    pd.testing.assert_frame_equal(_read(mended).head(4), table)


def test_rows_that_fill_up_a_file_are_explained_too_and_nothing_is_lost(tiny_run: Run) -> None:
    found = bulk.explain_part(tiny_run, first=3)
    assert found["rows"] == found["explained"] == 4
    less = bulk.explain_part(tiny_run, first=1)
    assert (less["rows"], less["explained"]) == (4, 0)


def test_a_network_that_was_trained_anew_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "one.keras"
    opened = []
    for units in (1, 2):
        inputs = keras.Input((3,))
        keras.Model(inputs, keras.layers.Dense(units)(inputs)).save(path)
        os.utime(path, ns=(units, units))
        opened.append(bulk._open_model(path, path.stat().st_mtime_ns))
    assert [model.output.shape[-1] for model in opened] == [1, 2]


def test_one_modality_has_no_value_for_the_other(tiny_run: Run) -> None:
    table = _read(bulk.explain_part(tiny_run, "ser", "validation", first=2, depth=1))
    assert table["image"].isna().all()
    np.testing.assert_allclose(table["speech"], table["value"] - table["base"], atol=1e-6)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"network": "Table 1"}, "unknown network 'Table 1': choose one of fused, "),
        ({"part": "exam"}, "unknown part 'exam': choose one of train, validation, test"),
        ({"first": 0}, "first=0; expected 1 or more"),
    ],
)
def test_what_is_not_there_is_refused(tiny_run: Run, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        bulk.explain_part(tiny_run, **asked)


def test_an_untrained_network_is_told_what_to_run(tiny_run: Run) -> None:
    with pytest.raises(FileNotFoundError, match=r"02-training\.ipynb first"):
        bulk.explain_part(tiny_run, "baseline1", first=2)


def test_two_processes_say_what_one_says(tiny_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = _read(bulk.explain_part(tiny_run, first=COUNT))
    for file in tiny_run.folder.glob("explanations/*-depth*/*"):
        file.unlink()
    monkeypatch.setenv("SIER_WORKERS", "2")
    two = _read(bulk.explain_part(tiny_run, first=COUNT))
    pd.testing.assert_frame_equal(two, alone, atol=1e-5)


def test_a_cluster_explains_though_a_worker_is_killed(
    tiny_run: Run, request: pytest.FixtureRequest
) -> None:
    alone = _read(bulk.explain_part(tiny_run, first=COUNT))
    folder = next(tiny_run.folder.glob("explanations/fused-test-depth*"))
    for file in folder.iterdir():
        file.unlink()
    two = request.getfixturevalue("two_workers")
    made: list[int] = []

    def kill() -> None:
        until = time.monotonic() + 120
        while not list(folder.glob("maps-*.npz")) and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(two.workers[0].pid, signal.SIGKILL)
        made.append(len(list(folder.glob("maps-*.npz"))))

    hand = threading.Thread(target=kill, daemon=True)
    hand.start()
    found = bulk.explain_part(tiny_run, first=COUNT)
    hand.join(timeout=30)
    assert made and made[0] < COUNT // 2  # it was in the middle
    assert found["explained"] == COUNT
    pd.testing.assert_frame_equal(_read(found), alone, atol=1e-5)
