"""How many networks are trained at once, and in which precision."""

from __future__ import annotations

import os

import pytest

from sierlib import machine, settings


@pytest.mark.parametrize(
    ("cores", "asked", "workers"),
    [(4, "", 2), (1, "", 1), (None, "", 1), (4, "3", 3), (4, "64", 4), (2, "0", 1)],
)
def test_there_are_no_more_workers_than_cores(
    cores: int | None, asked: str, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setenv("SIER_WORKERS", asked)
    assert machine.count_workers() == workers


def test_a_gpu_is_not_shared_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sierlib.backend.find_gpus", lambda: ["Some GPU"])
    monkeypatch.delenv("SIER_WORKERS", raising=False)
    assert machine.count_workers() == 1


def test_workers_that_are_no_number_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIER_WORKERS", "all")
    with pytest.raises(ValueError, match="SIER_WORKERS=all: a number of processes was expected"):
        machine.count_workers()


def test_a_precision_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIER_PRECISION", "mixed_bfloat16")
    assert machine.choose_precision(settings.profile("paper")) == "mixed_bfloat16"
    monkeypatch.setenv("SIER_PRECISION", "half")
    with pytest.raises(ValueError, match="SIER_PRECISION=half: float32 or mixed_bfloat16 was"):
        machine.choose_precision(settings.profile("paper"))
