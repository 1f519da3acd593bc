"""Measure how the building of a data set grows: by items, by workers, and on a Dask cluster.

    python -m benchmarks.scale [--items 500 2000 6000 20000] [--out FILE]     (make bench SCALE=1)

Each build is a process of its own, from nothing, so its start counts too. Between builds the same
work is done item by item in a plain loop: what one core does when it does nothing else. Memory is
the largest sum, over the process and those that it started, of what each holds for itself alone and
its part of what they share. All goes to book/recorded/scale.json, which the book shows.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from sierbook.recorded import RECORDED, SCALE
from sierlib.data import speech
from sierlib.data.corpora.embedded import plans
from sierlib.data.shards import encode_corpus, item_picture, item_sound
from sierlib.files import write_json
from sierlib.machine import describe_processor

LOOP, COMPARED, REPEATS, WORKERS = 200, 2_000, 3, 2


def time_loop() -> float:
    """Speak, take the log-mel of and draw some items, one after the other: seconds an item."""
    items = plans.pairs(LOOP + 1, 1).items
    for number, item in enumerate(items):
        if number == 1:  # the first has loaded the voice
            start = time.perf_counter()
        speech.log_mel(item_sound(item))
        item_picture(item)
    return (time.perf_counter() - start) / LOOP


def build(items: int, workers: int, folder: Path, kind: str) -> None:
    """Build a data set from nothing, in processes or on a Dask cluster of so many workers."""
    corpus = plans.pairs(items, 0)
    if kind == "processes":
        encode_corpus(corpus, folder, workers=workers)
        return
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as cluster:
        os.environ["DASK"] = cluster.scheduler_address
        encode_corpus(corpus, folder)


def measure(items: int, workers: int, kind: str = "processes") -> dict[str, Any]:
    """Let another process build, and watch its memory.

    Returns
    -------
    dict
        ``items``, ``workers``, ``kind``, ``seconds`` of the whole process, and ``memory_mb``.
    """
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        what = [str(items), str(workers), folder, kind]
        command = [sys.executable, "-m", "benchmarks.scale", "--one", *what]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as one:
            most = 0.0
            while one.poll() is None:
                most = max(most, _held(psutil.Process(one.pid)))
                time.sleep(0.25)
        if one.returncode:
            raise RuntimeError(f"a build of {items} items failed: {' '.join(command)}")
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.bin"))
    found = {"items": items, "workers": workers, "kind": kind}
    found |= {"seconds": time.perf_counter() - start, "memory_mb": most / 1e6, "mb": size / 1e6}
    print(json.dumps(found), flush=True)
    return found


def _held(process: psutil.Process) -> float:
    """Return the bytes that a process and its children hold."""
    held = 0.0
    with suppress(psutil.Error):
        for each in [process, *process.children(recursive=True)]:
            with suppress(psutil.Error):
                held += each.memory_full_info().pss
    return held


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--items", type=int, nargs="+", default=[500, 2_000, 6_000, 20_000])
    parser.add_argument("--out", type=Path, default=RECORDED / SCALE)
    parser.add_argument("--one", nargs=4, metavar=("ITEMS", "WORKERS", "FOLDER", "KIND"))
    asked = parser.parse_args()
    if asked.one:
        items, workers, folder, kind = asked.one
        build(int(items), int(workers), Path(folder), kind)
        return
    loops, builds = [], []
    compared = min(COMPARED, max(asked.items))
    for _ in range(REPEATS):
        loops.append(time_loop())
        builds += [measure(compared, workers) for workers in (1, WORKERS)]
    builds.append(measure(compared, WORKERS, "dask"))
    builds += [measure(items, WORKERS) for items in asked.items if items != compared]
    grown = [each for each in builds if each["workers"] == WORKERS and each["kind"] == "processes"]
    sizes = np.log([each["items"] for each in grown])
    found = {
        "machine": describe_processor(),
        "loop_ms": [1000 * seconds for seconds in loops],
        "builds": builds,
        "slope": float(np.polyfit(sizes, np.log([each["seconds"] for each in grown]), 1)[0]),
    }
    write_json(asked.out, found)
    print(f"{asked.out} written")


if __name__ == "__main__":
    main()
