"""Kill the stages of a smoke run at random moments, go on, and compare with an unbroken run.

    from benchmarks.torture import kills
    kills.run(full=False, seed=0)

Each stage begins from a copy of what the stages before it have left. It is killed at a random
moment of its unbroken time, then the same command is given again, and killed again, until it comes
to its end; then all that it wrote has to be what the unbroken run wrote, but for times and dates.
"""

from __future__ import annotations

import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

PROJECT = Path(__file__).resolve().parents[2]

#: What says when, how fast and at which commit something was computed, and what Jupyter draws.
_TIMES = {
    *("date", "date_saved", "seconds", "seconds_per_epoch", "peak_memory_mb"),
    *("commit", "model_id"),
}
#: Of a network's configuration: layers are numbered on, shared policies are known by address.
_NUMBERED = re.compile(r'(_\d+)+\b|(?<="shared_object_id": )\d+')
#: Logs, locks, what is laid out anew in every build to make pages of, the index of their words
#: (among which are times), and the checksum of all of them.
_LEFT_OUT = re.compile(r"^run/(book|print)/|(^|/)(\.lock|\.built|searchindex\.js)$|\.log$")


@dataclass
class Stage:
    """A command, what it begins from and what it leaves."""

    name: str
    command: Callable[[Path], list[str]]  # by the folder of an attempt, which has `run` in it
    prepare: Callable[[Path], None] = lambda folder: None


def run(full: bool, seed: int) -> dict[str, Any]:
    """Kill every stage 6 times, or 25 where `full`, and return how that came out.

    Returns
    -------
    dict
        ``tried``, moments at which it was killed, results that were ``lost``, both again by stage
        in ``stages``, with its unbroken ``seconds`` and what is ``differing``; ``faults`` has the
        latter together; ``seconds`` altogether.
    """
    start, chance = time.monotonic(), random.Random(seed)
    stages = {}
    with tempfile.TemporaryDirectory(prefix="sier-torture-") as place:
        for stage in _STAGES:
            told = _torture(stage, Path(place), 25 if full else 6, chance)
            print(f"kills: {stage.name}: {told}", file=sys.stderr, flush=True)
            stages[stage.name] = told
    return {
        "tried": sum(told["moments"] for told in stages.values()),
        "faults": [
            f"{name}: {each}" for name, told in stages.items() for each in told["differing"]
        ],
        "lost": sum(told["lost"] for told in stages.values()),
        "stages": stages,
        "seconds": round(time.monotonic() - start),
    }


def _torture(stage: Stage, place: Path, moments: int, chance: random.Random) -> dict[str, Any]:
    """Run a stage unbroken, then as often as is needed with kills, always in the same folder.

    What the unbroken run left is there at the end, for the next stage.
    """
    work, before, whole = place / "work", place / "before", place / "whole"
    work.mkdir(exist_ok=True)
    stage.prepare(work)
    shutil.copytree(work, before)
    unbroken = _attempt(stage, work)
    if unbroken.code:
        raise RuntimeError(f"{stage.name} fails by itself:\n{unbroken.said}")
    expected = _read_all(work)
    work.rename(whole)
    killed, differing = 0, []
    while killed < moments:
        shutil.copytree(before, work)
        done = None
        while done is None or done.killed:
            # After the last kill it is left to come to its end.
            alone = killed == moments
            done = _attempt(stage, work, None if alone else chance.uniform(0, unbroken.seconds))
            killed += done.killed
        found = _read_all(work)
        names = {name for name in {*expected, *found} if expected.get(name) != found.get(name)}
        if done.code or names:
            differing.append({"exit": done.code, "said": done.said[-300:], "files": sorted(names)})
        shutil.rmtree(work)
    shutil.rmtree(before)
    whole.rename(work)
    return {
        "moments": killed,
        "lost": len(differing),
        "seconds": round(unbroken.seconds, 1),
        "differing": differing,
    }


@dataclass
class _Attempt:
    code: int
    killed: bool
    seconds: float
    said: str


def _attempt(stage: Stage, folder: Path, seconds: float | None = None) -> _Attempt:
    """Give a stage's command, and kill its group of processes after some seconds."""
    start = time.monotonic()
    paths = [str(PROJECT), str(PROJECT / "book"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(
            [sys.executable, *stage.command(folder)],
            stdout=output, stderr=output, cwd=folder, env=environment, start_new_session=True,
        )  # fmt: skip
        try:
            code, killed = process.wait(seconds), False
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            code, killed = process.wait(), True
        output.seek(0)
        return _Attempt(code, killed, time.monotonic() - start, output.read())


# ----------------------------------------------------------------------------------- the stages
def _sier(*words: str) -> Callable[[Path], list[str]]:
    return lambda folder: [
        *("-m", "sierbook.cli", *words),
        *("--profile", "smoke", "--run-dir", str(folder / "run")),
    ]


def _explain(folder: Path) -> list[str]:
    words = ["explain", "--model", str(folder / "run"), "--image", str(folder / "photo.png")]
    words += ["--text", "I am so glad that you came", "-o", str(folder / "explained")]
    return ["-m", "sierbook.cli", *words]


def _paint(folder: Path) -> None:
    import numpy as np
    from PIL import Image

    colours = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    Image.fromarray(colours).resize((160, 200), Image.Resampling.BICUBIC).save(folder / "photo.png")


#: `sier book` into a folder of its own.
_BOOK = """
import sys
from pathlib import Path
from sierbook import site
from sierlib.run import Run
site.make_book(Run.open("smoke", run_dir=sys.argv[1]), Path(sys.argv[2]))
"""


def _book(folder: Path) -> list[str]:
    return ["-c", _BOOK, str(folder / "run"), str(folder / "built")]


def _execute_most(folder: Path) -> None:
    """Execute all notebooks, and forget the last: kills are about it and the pages."""
    from sierbook import notebooks
    from sierlib.run import Run

    kept = PROJECT / "runs" / "test-smoke" / "run"  # by the tests
    open_kept = Run.open("smoke", run_dir=kept) if kept.is_dir() else None
    if open_kept and all(notebooks.is_up_to_date(open_kept, name) for name in notebooks.NEEDS):
        shutil.rmtree(folder / "run")
        shutil.copytree(kept, folder / "run", ignore=shutil.ignore_patterns("book", "print"))
    done = _attempt(Stage("notebooks", _book), folder)
    if done.code:
        raise RuntimeError(f"the book fails by itself:\n{done.said}")
    Run.open("smoke", run_dir=folder / "run").forget(f"notebooks/{list(notebooks.NEEDS)[5]}")
    shutil.rmtree(folder / "built")
    shutil.rmtree(folder / "run" / "book")


_STAGES = (
    Stage("dataset", _sier("dataset")),
    Stage("training", _sier("train", "ser", "ier", "fused")),
    Stage("explanation", _explain, _paint),
    Stage("book", _book, _execute_most),
)


# ------------------------------------------------------------------------------ what is compared
def _read_all(folder: Path) -> dict[str, Any]:
    """Return what every file of a folder holds, by name, without times and dates."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_file() and not _LEFT_OUT.search(name):
            content = path.read_bytes()
            try:
                found[name] = _READERS[path.suffix](content, name)
            except (KeyError, ValueError, OSError, zipfile.BadZipFile):  # of no such kind, or half
                found[name] = content
    return found


def _read_json(content: bytes, name: str) -> Any:
    value = json.loads(content)
    if name.startswith("run/keys/"):  # the files themselves are compared
        value["files"] = sorted(value.get("files", ()))
    return _without_times(value)


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(kept) for key, kept in value.items() if key not in _TIMES}
    if isinstance(value, list):
        return [_without_times(kept) for kept in value]
    return value


def _read_keras(content: bytes, name: str) -> Any:
    """Return a network's weights and configuration."""
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        config = _NUMBERED.sub("", parts.read("config.json").decode())
        weights: list[Any] = []
        with h5py.File(io.BytesIO(parts.read("model.weights.h5"))) as file:
            file.visititems(
                lambda _, each: (
                    weights.append(each[()].tobytes()) if isinstance(each, h5py.Dataset) else None
                )
            )
    return config, sorted(weights)


def _read_notebook(content: bytes, name: str) -> Any:
    """Return a notebook's sources and what stands on its page, without addresses of objects."""
    cells = json.loads(re.sub(rb" at 0x[0-9a-f]+", b"", content))["cells"]
    return [(cell["source"], _without_times(cell.get("outputs"))) for cell in cells]


def _read_page(content: bytes, name: str) -> Any:
    """Return a page without how long a notebook took, and in how much memory."""
    return re.sub(r"<p>[\d,.]+ (s|MB)</p>", "", content.decode())


_READERS: dict[str, Callable[[bytes, str], Any]] = {
    ".json": _read_json,
    ".keras": _read_keras,
    ".ipynb": _read_notebook,
    ".html": _read_page,
}
