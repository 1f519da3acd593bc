"""Does a run give what was recorded? `sier verify` runs a profile anew and compares every result.

On the machine that recorded, with the same precision, everything has to be equal: labels, splits
and every number. On another one sums are rounded in another order and networks end up elsewhere;
there a number has to lie within the interval that was recorded with it, what no rounding can change
has to be equal, and nothing else is compared. A network that did not learn answers almost at
random, and differently on every machine, so nothing is expected of it elsewhere; and nothing of all
the other results where that befalls ParallelNet itself, as in `smoke`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sierbook import comparisons, statistics
from sierbook.recorded import list_recorded
from sierlib.run import Run, read_json

#: What differs from run to run and says nothing of the results: times, memory, places and what was
#: recorded elsewhere.
VOLATILE = frozenset((
    "provenance", "stand_in", "seconds", "seconds_first", "seconds_per_epoch", "date", "origin", "megabytes", "device",
    "recorded",
))  # fmt: skip
#: Tables whose rows depend on what was predicted, so that elsewhere no row need have its like.
PREDICTED = frozenset(("bins", "modalities"))
#: Paths of what is the same on every machine: sizes of corpora and networks, specifications, what
#: is compared, and that values add up.
SETTLED = re.compile(
    r"summary\.(rows|quarantined)|teachers\.\w+\.(accuracy\.)?n|(.+\.)?parameters|spec\..+|gaps\.owen\.\d+|samples|depth|"
    r"comparisons\.\d+\.(name|title|against|primary|repeats)"
)
#: What decides how numbers are rounded. The later ones are not known of older recorded files, and
#: then pass for equal.
FINGERPRINT = ("machine", "versions", "python")
COMPUTING = ("precision", "gpu", "workers", "onednn")
#: Relative difference that counts as equal on the recording machine: what printing to JSON and back
#: may cost.
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


def alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell from the provenance of two results whether they were rounded alike: same machine,
    versions and precision."""
    if one.get("adopted") or other.get("adopted"):  # labels, or networks, of more than one machine
        return False
    known = [key for key in COMPUTING if None not in (one.get(key), other.get(key))]
    return all(one.get(key) == other.get(key) for key in (*FINGERPRINT, *known))


def compare(recorded: Mapping[str, Any], found: Mapping[str, Any], learned: bool = True) -> Report:
    """Compare the results of one notebook, as `Run.record` writes them, with those that were
    recorded.

    Parameters
    ----------
    learned
        Whether the recorded networks learned, so that on another machine their numbers are expected
        to be alike.

    Returns
    -------
    Report
        With `exact` when both were made on the same kind of machine with the same versions.
    """
    same = alike(recorded["provenance"], found["provenance"])
    report = Report(exact=same)
    for path, old, new in _pairs(recorded, found, ""):
        if same or SETTLED.fullmatch(path):
            report.compared += 1
            if not _equal(old, new):
                report.differences.append(f"{path}: recorded {_short(old)}, now {_short(new)}")
    if same:
        return report
    for path, old, new in _estimates(recorded, found, ""):
        interval = f"{path}: recorded interval [{old['low']:.4g}, {old['high']:.4g}], "
        if not _within(old["value"], old):
            report.compared += 1
            report.differences.append(f"{interval}recorded value {_short(old['value'])}")
        elif learned:
            report.compared += 1
            value = new.get("value") if isinstance(new, Mapping) else None
            if not _within(value, old):
                report.differences.append(f"{interval}now {_short(value)}")
    return report


def against_recorded(run: Run, recorded: Path) -> dict[str, Report]:
    """Compare all that was recorded with what a run gave: notebooks, networks and the primary
    comparisons.

    Parameters
    ----------
    run
        With every notebook executed.
    recorded
        ``book/recorded/<profile>``.

    Returns
    -------
    dict
        By name of the file without its suffix, such as ``04-results`` or ``models/fused``.

    Raises
    ------
    FileNotFoundError
        When nothing was recorded, or the run lacks a notebook that was.
    """
    reports, learned = {}, _learned(read_json(recorded / "models" / "fused.json"))
    for path in list_recorded(recorded):
        place = run.folder / "results" / path.name
        found = read_json(place)
        if found is None:
            raise FileNotFoundError(f"{place} is missing: the run did not execute {path.stem}")
        reports[path.stem] = compare(read_json(path), found, learned)
    for path in sorted((recorded / "models").glob("*.json")):
        old, found = read_json(path), read_json(run.folder / "models" / path.name)
        missing = Report(["the run has not trained this network"], 1)
        reports[f"models/{path.stem}"] = compare(old, found, _learned(old)) if found else missing
    if made := read_json(recorded / comparisons.FILE):
        found = {"provenance": run.provenance(), "comparisons": comparisons.own(run)}
        reports["comparisons"] = compare(made, found, learned)
    return reports


def _learned(history: Mapping[str, Any] | None) -> bool:
    """Tell whether a recorded network learned; True where nothing is known of it."""
    return statistics.has_learned((history or {}).get("test", {}))


def _equal(old: Any, new: Any) -> bool:
    if _number(old) and _number(new):
        return math.isclose(old, new, rel_tol=TOLERANCE, abs_tol=TOLERANCE) or (
            math.isnan(old) and math.isnan(new)
        )
    return bool(old == new)


def _short(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(entry: Any) -> bool:
    """Tell whether an entry was shown by a run that did not make it, but stands in from a recorded
    one."""
    return isinstance(entry, Mapping) and str(entry.get("origin")).startswith(
        "recorded"
    )  # tables say from where


def _beside(old: Any, new: Any) -> list[tuple[Any, Any, Any]] | None:
    """Return key, recorded and found of what two nested values hold, None where one side lacks it.

    It is None for values that hold nothing, or lists of different lengths. Recorded stand-ins are
    left out: there are more of them with every larger run that is recorded.
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        if old.get("measure") == "seconds":  # a row of a table of measures
            return []
        both = []
        for key in (key for key in dict.fromkeys((*old, *new)) if key not in VOLATILE):
            # An entry that was made and is only shown now is missing now.
            left, right = (None if _shown(side.get(key)) else side.get(key) for side in (old, new))
            if not (left is None and right is None):
                both.append((key, left, right))
        return both
    if isinstance(old, list) and isinstance(new, list):
        lefts = [(index, entry) for index, entry in enumerate(old) if not _shown(entry)]
        rights = [entry for entry in new if not _shown(entry)]
        if len(lefts) == len(rights):
            return [
                (index, left, right) for (index, left), right in zip(lefts, rights, strict=True)
            ]
    return None


def _pairs(old: Any, new: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Walk through two nested values side by side."""
    inner = _beside(old, new)
    if inner is None:
        yield path, old, new
    for key, left, right in inner or ():
        yield from _pairs(left, right, f"{path}.{key}" if path else str(key))


def _estimates(old: Any, new: Any, path: str) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Find the recorded estimates, and what is now in their place."""
    inner = _beside(old, new)
    if inner is None and isinstance(old, Mapping):  # nothing is in its place
        inner = _beside(old, {})
    elif inner is None and isinstance(old, list):  # nor are there as many
        inner = [(index, entry, None) for index, entry in enumerate(old) if not _shown(entry)]
    # Where nothing varied the interval is a point, which says nothing of another machine.
    if _is_estimate(old) and old["low"] < old["high"]:
        yield path, dict(old), new
    idle = isinstance(old, Mapping) and not statistics.has_learned(old)
    for key, left, right in inner or ():
        # Of a network that did not learn nothing is expected elsewhere.
        if key not in PREDICTED and not (idle and key == "accuracy"):
            yield from _estimates(left, right, f"{path}.{key}" if path else str(key))


def _is_estimate(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        map(_number, map(value.get, ("value", "low", "high")))
    )


def _within(value: Any, estimate: Mapping[str, Any]) -> bool:
    return _number(value) and estimate["low"] <= value <= estimate["high"]
