"""Does a run give what was recorded? `sier verify` runs a profile anew and compares every result.

On the machine that recorded, with the same precision, everything has to be equal: labels, splits and every number. On
another one sums are rounded in another order and networks end up elsewhere; there a number has to lie within the
interval that was recorded with it, and numbers without one are not compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sierlib import runs

#: What differs from run to run and says nothing of the results: times, memory, places and what was recorded elsewhere.
VOLATILE = frozenset(
    ("provenance", "stand_in", "seconds", "seconds_per_epoch", "date", "origin", "megabytes", "device", "recorded")
)
#: Where an interval stands for a number beside it: key of the interval, by key of the number.
INTERVALS = {"accuracy": "accuracy_interval", "difference": "interval"}
#: Relative difference that counts as equal on the recording machine: what printing to JSON and back may cost.
TOLERANCE = 1e-9


@dataclass
class Report:
    """What a comparison found.

    Parameters
    ----------
    differences
        A line for each result outside: where, recorded, found.
    compared
        How many values were held against each other.
    exact
        Whether equality was asked for.
    """

    differences: list[str] = field(default_factory=list)
    compared: int = 0
    exact: bool = True


def fingerprint(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides how numbers are rounded: processor, its features, cores, system and versions."""
    return {key: provenance.get(key) for key in ("machine", "versions", "python")}


def compare(recorded: Mapping[str, Any], found: Mapping[str, Any]) -> Report:
    """Compare the results of one notebook, as `Run.record` writes them, with those that were recorded.

    Returns
    -------
    Report
        With `exact` when both were made on the same kind of machine with the same versions.
    """
    same = fingerprint(recorded["provenance"]) == fingerprint(found["provenance"])
    report = Report(exact=same)
    for path, old, new in _pairs(recorded, found, ""):
        if same:
            report.compared += 1
            if not _equal(old, new):
                report.differences.append(f"{path}: recorded {_short(old)}, now {_short(new)}")
    if not same:
        for path, low, high, new in _intervals(recorded, found, ""):
            report.compared += 1
            if not isinstance(new, int | float) or not low <= new <= high:
                report.differences.append(f"{path}: recorded interval [{low:.4g}, {high:.4g}], now {_short(new)}")
    return report


def against_recorded(results: Path, recorded: Path) -> dict[str, Report]:
    """Compare every recorded notebook with the results of a run.

    Parameters
    ----------
    results
        The run's ``results`` folder.
    recorded
        ``book/recorded/<profile>``.

    Raises
    ------
    FileNotFoundError
        When nothing was recorded, or the run lacks a notebook that was.
    """
    files = sorted(recorded.glob("[0-9]*.json"))
    if not files:
        raise FileNotFoundError(f"{recorded} holds no recorded results: `sier record` writes them after a run")
    reports = {}
    for path in files:
        found = runs.read_json(results / path.name)
        if found is None:
            raise FileNotFoundError(f"{results / path.name} is missing: the run did not execute {path.stem}")
        reports[path.stem] = compare(runs.read_json(path), found)
    return reports


def _equal(old: Any, new: Any) -> bool:
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (old, new))
    if numbers:
        return math.isclose(old, new, rel_tol=TOLERANCE, abs_tol=TOLERANCE) or (math.isnan(old) and math.isnan(new))
    return bool(old == new)


def _short(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _pairs(old: Any, new: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Walk through two nested values side by side; what one side lacks is None there."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        if "recorded" in (old.get("origin"), new.get("origin")):  # shown by the run, not made by it
            return
        if old.get("measure") == "seconds":  # a row of a table of measures
            return
        for key in [*old, *(key for key in new if key not in old)]:
            if key not in VOLATILE:
                yield from _pairs(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (left, right) in enumerate(zip(old, new, strict=True)):
            yield from _pairs(left, right, f"{path}.{index}")
    else:
        yield path, old, new


def _intervals(old: Any, new: Any, path: str) -> Iterator[tuple[str, float, float, Any]]:
    """Find the recorded numbers that have an interval, and what is now in their place."""
    if isinstance(old, Mapping):
        other = new if isinstance(new, Mapping) else {}
        if "recorded" in (old.get("origin"), other.get("origin")):
            return
        for number, interval in INTERVALS.items():
            # Where nothing varied the interval is a point, which says nothing of another machine.
            if number in old and isinstance(old.get(interval), list) and old[interval][0] < old[interval][1]:
                yield f"{path}.{number}", *old[interval], other.get(number)
        for key, value in old.items():
            if key not in VOLATILE:
                yield from _intervals(value, other.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(old, list):
        others = new if isinstance(new, list) and len(new) == len(old) else [None] * len(old)
        for index, (left, right) in enumerate(zip(old, others, strict=True)):
            yield from _intervals(left, right, f"{path}.{index}")
