"""Damaged pictures, sounds, texts and tables by the hundred: each is used, or set aside and why.

A case is made from a good item by a way of damaging it and a seed. Worker processes read it as the
build does; whatever else than the project's own refusal comes out of that is a fault: an exception,
a process that dies, more than `SECONDS` or `MEGABYTES`, a row that nobody accounts for.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

SECONDS = 5.0  # that a case may take
MEGABYTES = 1024  # that it may take beside what the process holds anyway
_PATIENCE = 60.0  # seconds after which a worker is ended
_ADDRESSES = 8 << 30  # bytes that a worker may ask for at all

#: How many cases of each kind: of 500, and of 2,000 with `full`.
CASES = {"pictures": 170, "sounds": 120, "texts": 110, "tables": 100}
FULL = 4

#: Outcomes that are as they should be; all others are faults.
GOOD = ("used", "quarantined", "refused")


class Case(NamedTuple):
    """One way of damaging one kind of item, with a seed."""

    kind: str
    name: str
    seed: int


class Outcome(NamedTuple):
    """What became of a case: one word, the reason or the fault, seconds and megabytes."""

    case: Case
    word: str
    reason: str
    seconds: float
    megabytes: float


def list_cases(counts: dict[str, int], seed: int) -> list[Case]:
    """Return so many cases of each kind, going around the ways of damaging it.

    With fewer cases than ways, the seed decides which ways are left out.
    """
    from importlib import import_module

    cases = []
    for kind, count in counts.items():
        names = list(import_module(f"benchmarks.torture.{kind}").MAKERS)
        order = np.random.default_rng(seed).permutation(len(names))
        cases += [Case(kind, names[order[n % len(names)]], seed + n) for n in range(count)]
    return cases


# ----------------------------------------------------------------------------- in a worker
def try_case(case: Case) -> Outcome:
    """Make a case and read it as the build does."""
    from importlib import import_module

    module = import_module(f"benchmarks.torture.{case.kind}")
    rng = np.random.default_rng([case.seed, *case.name.encode()])
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    try:
        make = module.make_case if case.kind == "tables" else module.make_item
        made = make(case.name, folder, rng)
        before = start_measuring()
        try:
            # Only the project's own warnings are worth stopping for, and it has none here.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                word, reason = (_list if case.kind == "tables" else _encode)(made, folder)
        except Exception as error:
            word, reason = "crashed", describe(error)
        seconds, megabytes = measure(before)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if word in GOOD and seconds > SECONDS:
        word, reason = "slow", f"{seconds:.0f} s"
    elif word in GOOD and megabytes > MEGABYTES:
        word, reason = "large", f"{megabytes:.0f} MB"
    return Outcome(case, word, reason, round(seconds, 2), round(megabytes))


def _encode(item: Any, folder: Path) -> tuple[str, str]:
    """Encode an item as the data set's build does; find its words as an explanation does."""
    from sierlib.data import speech
    from sierlib.data.corpora.items import Corpus
    from sierlib.data.shards import encode_corpus

    (folder / "shards").mkdir()
    row = encode_corpus(Corpus("torture", [item]), folder / "shards", workers=1).iloc[0]
    if row["reason"]:
        return "quarantined", row["reason"]
    if item.image is None and item.audio is None:
        words = speech.align(speech.speak(row["text"]), row["text"])
        if not all(0 <= word.start <= word.end for word in words):
            return "crashed", "words before the beginning"
    return "used", row["note"] or ""


def _list(case: Any, folder: Path) -> tuple[str, str]:
    """List a corpus, and write what of it is set aside as the build does."""
    import pandas as pd

    from sierlib import settings
    from sierlib.data.corpora import open_corpus
    from sierlib.experiment.manifest import write_csv

    try:
        corpus = open_corpus(case.spec, case.role, settings.PROFILES["smoke"], 0)
    except (ValueError, FileNotFoundError) as refusal:
        # The documented errors; they are for the reader, and say so in one line.
        if type(refusal) not in (ValueError, FileNotFoundError) or "\n" in str(refusal).strip():
            raise
        return "refused", "table refused whole: " + str(refusal)
    columns = ["id", "path", "reason"]
    write_csv(pd.DataFrame(corpus.quarantined, columns=columns), folder / "quarantine.csv")
    told = len(corpus.items) + len(corpus.quarantined)
    if told < case.rows:
        return "lost", f"{told} of {case.rows} rows are accounted for"
    if corpus.quarantined:
        return "used", f"rows set aside: {_kind_of(corpus.quarantined[0][2])}"
    return "used", ""


def _kind_of(reason: str) -> str:
    return reason.partition(": ")[0][:80]


def describe(error: Exception) -> str:
    """Name an exception, and the last line of the project's own that it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "sierlib" in frame.filename] or frames
    place = f"{Path(own[-1].filename).name}:{own[-1].lineno}"
    return f"{type(error).__name__} at {place}: {str(error)[:100]!r}"


def start_measuring() -> tuple[float, float, float]:
    """Begin to measure; what comes back is for `measure`."""
    with suppress(OSError):  # Linux only: the peak starts anew
        Path("/proc/self/clear_refs").write_text("5")
    return time.perf_counter(), time.process_time(), _peak()


def measure(before: tuple[float, float, float]) -> tuple[float, float]:
    """Return the seconds since, and the most megabytes beyond what the process held before.

    Of wall time and processor time the smaller counts: on a busy machine the first says little, and
    the second counts every thread.
    """
    wall, processor = time.perf_counter() - before[0], time.process_time() - before[1]
    return min(wall, processor), _peak() - before[2]


def _peak() -> float:
    """Return the most megabytes that the process held since measuring began."""
    with suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _serve(connection: Connection) -> None:
    """Try cases as they come, in a process of its own, until there are none."""
    os.environ["TQDM_DISABLE"] = "1"
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES))
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what decoders write there
    from sierlib.data import speech

    speech.align(speech.speak("so sad"), "so sad")  # loads the voice and the aligner
    connection.send(None)
    with suppress(EOFError):
        while True:
            connection.send(try_case(connection.recv()))


# ----------------------------------------------------------------------- in the main process
class _Worker:
    """A process that tries cases, and is started anew when it has died or takes too long."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other,), daemon=True)
        self.process.start()
        other.close()
        self.connection.recv()

    def try_case(self, case: Case) -> Outcome:
        try:
            self.connection.send(case)
            if self.connection.poll(_PATIENCE):
                return self.connection.recv()
            word, reason = "slow", f"over {_PATIENCE:.0f} s"
        except (EOFError, ConnectionError):
            self.process.join()
            word, reason = "crashed", f"the process died: exit code {self.process.exitcode}"
        self.end()
        self._start()
        return Outcome(case, word, reason, _PATIENCE if word == "slow" else 0.0, 0.0)

    def end(self) -> None:
        self.process.kill()
        self.process.join()


def _try_all(cases: list[Case]) -> list[Outcome]:
    worker = _Worker()
    try:
        return [worker.try_case(case) for case in cases]
    finally:
        worker.end()


def try_cases(cases: list[Case], workers: int | None = None) -> list[Outcome]:
    """Try cases in a few processes; the outcomes come in any order."""
    count = min(workers or os.cpu_count() or 1, len(cases))
    with ThreadPoolExecutor(count) as pool:
        parts = pool.map(_try_all, [cases[start::count] for start in range(count)])
        return [outcome for part in parts for outcome in part]


def summarise(outcomes: list[Outcome]) -> dict[str, Any]:
    """Return figures: how many were tried, what became of them, and every fault by name."""
    words = Counter(outcome.word for outcome in outcomes)
    kinds: dict[str, dict[str, int]] = {}
    for outcome in outcomes:
        kind = kinds.setdefault(outcome.case.kind, {"tried": 0})
        kind["tried"] += 1
        kind[outcome.word] = kind.get(outcome.word, 0) + 1
    faults = [outcome for outcome in outcomes if outcome.word not in GOOD]
    reasons = Counter(_kind_of(each.reason) for each in outcomes if each.word in GOOD[1:])
    return {
        "tried": len(outcomes),
        "outcomes": {word: words[word] for word in GOOD},
        "reasons": dict(reasons.most_common()),
        "kinds": kinds,
        **{word: words[word] for word in ("crashed", "slow", "large", "lost")},
        "most_seconds": max(outcome.seconds for outcome in outcomes),
        "most_megabytes": max(outcome.megabytes for outcome in outcomes),
        "faults": [
            f"{case.kind}, {case.name}, seed {case.seed}: {word}: {reason}"
            for case, word, reason, *_ in faults
        ],
    }


def run(full: bool, seed: int) -> dict[str, Any]:
    """Try 500 damaged items, or 2,000 with `full`; return what became of them."""
    start = time.perf_counter()
    counts = {kind: count * (FULL if full else 1) for kind, count in CASES.items()}
    figures = summarise(try_cases(list_cases(counts, seed)))
    return {**figures, "seconds": round(time.perf_counter() - start, 1)}
