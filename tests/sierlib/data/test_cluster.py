"""A real Dask cluster on this machine, two workers, one of them killed."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sierlib.data import cluster
from sierlib.data.corpora.embedded import plans
from sierlib.data.shards import encode_corpus

distributed = pytest.importorskip("distributed")


@pytest.fixture
def workers(two_workers: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("sierlib.data.shards.SHARD", 4)
    return two_workers


def _sums(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if not path.name.startswith(".part-")  # of the worker that was killed; `hold` removes them
    }


def test_a_worker_that_is_killed_changes_no_byte(workers: Any, tmp_path: Path) -> None:
    corpus = plans.pairs(48, 1)
    alone = encode_corpus(corpus, tmp_path / "alone", workers=1)
    killed: list[int] = []

    def kill() -> None:
        """When a third of the shards is there, while others are being made."""
        while len(list(tmp_path.glob("two/rows-*.json"))) < 4:
            time.sleep(0.01)
        one = workers.workers[0].pid
        os.kill(one, signal.SIGKILL)
        killed.append(len(list(tmp_path.glob("two/rows-*.json"))))

    hand = threading.Thread(target=kill)
    hand.start()
    together = encode_corpus(corpus, tmp_path / "two")
    hand.join(timeout=30)
    assert killed and killed[0] < 12  # it was in the middle
    pd.testing.assert_frame_equal(together, alone)
    assert _sums(tmp_path / "two") == _sums(tmp_path / "alone")


def test_where_nothing_answers_the_error_says_what_to_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DASK", "tcp://127.0.0.1:9")
    monkeypatch.setattr(distributed, "Client", _refuse)
    with (
        pytest.raises(ValueError, match="no scheduler answers there. Start one"),
        cluster.on_cluster(),
    ):
        pass


def _refuse(*_: object, **__: object) -> None:
    raise OSError("Timed out trying to connect")


def test_a_cluster_without_workers_is_no_help(monkeypatch: pytest.MonkeyPatch) -> None:
    with distributed.LocalCluster(n_workers=0, dashboard_address=None, silence_logs=50) as none:
        monkeypatch.setenv("DASK", none.scheduler_address)
        with pytest.raises(ValueError, match="no worker has joined"), cluster.on_cluster():
            pass


def test_without_an_address_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DASK", raising=False)
    asked: list[Any] = []
    monkeypatch.setattr(distributed, "Client", lambda *given, **_: asked.append(given))
    with cluster.on_cluster():
        assert asked == []
