"""What a training is said to cost, held against steps that were made."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import pytest

from sierbook import cost, notebooks
from sierlib import settings
from sierlib.run import Run

PAPER = settings.profile("paper")
STEP = """
import json, re, sys
import keras, numpy as np
from dataclasses import replace
from sierbook import cost
from sierlib import settings
from sierlib.networks import parallel_net

def held():
    # The most since this program began; what `resource` tells may be its parent's.
    status = open("/proc/self/status").read()
    return 1024 * int(re.search(r"VmHWM:\\s*(\\d+)", status).group(1))

before = held()
model = parallel_net(replace(settings.profile("paper"), weights="none"))
fixed, each = cost.count_bytes(model)
seconds = cost.time_step(model, 8)
finite = all(np.isfinite(value).all() for value in model.get_weights())
print(json.dumps({"held": held() - before, "said": fixed + 8 * each, "seconds": seconds,
                  "parameters": model.count_params(), "finite": finite}))
"""


def test_bytes_of_a_small_network_counted_by_hand() -> None:
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same")(inputs)
    outputs = keras.layers.Dense(2)(keras.layers.Flatten()(x))
    fixed, each = cost.count_bytes(keras.Model(inputs, outputs))
    assert fixed == 4 * cost.HELD * ((3 * 3 * 3 + 1) * 4 + (8 * 8 * 4 + 1) * 2)
    # The input, what the convolution gives, the same as a row, and two scores.
    assert each == 4 * (8 * 8 * 3 + 8 * 8 * 4 + 8 * 8 * 4 + 2)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="only Linux tells the peak")
def test_a_step_at_full_width_holds_what_is_said() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STEP],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["finite"]
    assert found["parameters"] == pytest.approx(50.3e6, rel=0.01)  # facts: 50.3 M
    assert 0.5 * found["said"] < found["held"] < 1.1 * found["said"]
    assert found["seconds"] > 0


@pytest.mark.parametrize(("room", "fits"), [(0, 64), (64 * 2**30, 64), (3 * 2**30, 16), (2**30, 0)])
def test_a_batch_that_fits_is_suggested(
    room: int, fits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "find_room", lambda: room)
    # 50.3 M weights five times, and 21.46 M numbers a row, of 4 bytes each.
    monkeypatch.setattr(cost, "count_bytes", lambda *_: (1_006_600_000, 85_840_000))
    found = cost.predict_memory(keras.Model(), PAPER)
    assert (found.fits, found.room) == (fits, room)
    assert found.needed == 1_006_600_000 + 64 * 85_840_000
    said = cost.describe_memory(PAPER, found)
    assert "training in batches of 64 takes up to 6.1 GiB" in said
    assert ("set `batch`" in said) == (fits == 16)
    assert ("too few for any batch" in said) == (fits == 0)
    assert "\n" not in said


def test_an_epoch_is_steps_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "time_step", lambda _, batch: 0.1 + 0.2 * batch)
    seconds = cost.predict_seconds(keras.Model(), 64, 6400)
    assert seconds == pytest.approx(100 * (0.1 + 0.2 * 64))
    said = cost.describe_seconds(PAPER, 6400, seconds)
    assert "an epoch of ParallelNet on 6,400 pairs takes up to 21 minutes here" in said


@pytest.mark.slow
def test_a_narrow_network_is_told_in_two_lines(
    tiny_profile: settings.Profile,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(settings.PROFILES, "tiny", replace(tiny_profile, name="tiny", batch=2))
    cost.main("tiny", 4)
    memory, epoch = capsys.readouterr().out.splitlines()
    assert "batches of 2 takes up to 0.1 GiB" in memory and "are there" in memory
    assert "on 4 pairs takes up to 0 minutes here" in epoch


def test_a_process_of_its_own_is_asked_at_full_width_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[list[str]] = []

    def answer(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, 0, "takes up to\n")

    monkeypatch.setattr(notebooks.subprocess, "run", answer)
    for profile in (settings.profile("quick"), PAPER):
        notebooks.tell_cost(Run(profile, "synthetic", "synthetic", "synthetic", 0, tmp_path))
    assert [command[1:] for command in asked] == [["-m", "sierbook.cost", "paper", "45300"]]
    assert capsys.readouterr().err == "takes up to\n"


def test_pairs_are_counted_or_reckoned(built_run: Run, tmp_path: Path) -> None:
    from sierlib.experiment.models import NETWORKS, select_rows

    assert cost.count_rows(built_run) == len(select_rows(built_run, NETWORKS["fused"])["train"])
    empty = Run(PAPER, "synthetic", "synthetic", "synthetic", 0, tmp_path)
    assert cost.count_rows(empty) == round(80_893 * 0.7 * 0.8)
