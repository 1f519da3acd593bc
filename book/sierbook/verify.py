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

from sierbook import derived, recorded, statistics
from sierlib.files import read_json
from sierlib.run import Run

#: What differs from run to run and says nothing of the results: times, memory, places and what was
#: recorded elsewhere.
VOLATILE = frozenset(
    (
        "provenance",
        "stand_in",
        "learning_curve",  # made of histories, which are compared themselves
        "seconds",
        "seconds_first",
        "seconds_per_epoch",
        "date",
        "origin",
        "megabytes",
        "device",
        "recorded",
    )
)
#: Tables whose rows depend on what was predicted, so that elsewhere no row need have its like.
PREDICTED = frozenset(("bins", "modalities"))
#: Paths of what is the same on every machine: sizes of corpora and networks, specifications, what
#: is compared, and that values add up.
SETTLED = re.compile(
    r"summary\.(rows|quarantined)|teachers\.\w+\.(accuracy\.)?n|(.+\.)?parameters|spec\..+"
    r"|gaps\.owen\.\d+|samples|depth|comparisons\.\d+\.(name|title|against|primary|repeats)"
)
#: What decides how numbers are rounded. The later ones are not known of older recorded files, and
#: then pass for equal.
FINGERPRINT = ("machine", "versions", "python")
COMPUTING = ("backend", "precision", "gpu", "workers", "onednn")
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

    def check(self, holds: bool, difference: str) -> None:
        """Count a value, and keep the line that says how it differs where it does."""
        self.compared += 1
        if not holds:
            self.differences.append(difference)


# ---------------------------------------------------------------------------------------- compare
def is_alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell from two provenances whether results were rounded alike, by machine and versions."""
    if one.get("adopted") or other.get("adopted"):  # labels, or networks, of more than one machine
        return False
    known = [key for key in COMPUTING if None not in (one.get(key), other.get(key))]
    return all(one.get(key) == other.get(key) for key in (*FINGERPRINT, *known))


def compare(old: Mapping[str, Any], new: Mapping[str, Any], learned: bool = True) -> Report:
    """Compare results, as `Run.record` writes them, with those that were recorded.

    Parameters
    ----------
    old, new
        A notebook's results or a network's history: recorded, and as the run gives it.
    learned
        Whether the recorded networks learned, so that on another machine their numbers are expected
        to be alike.

    Returns
    -------
    Report
        With `exact` when both were made on the same kind of machine with the same versions.
    """
    report = Report(exact=is_alike(old["provenance"], new["provenance"]))
    for path, left, right in _walk(old, new, report.exact):
        if report.exact or not _is_estimate(left):
            line = f"{path}: recorded {_shorten(left)}, now {_shorten(right)}"
            report.check(_is_equal(left, right), line)
            continue
        interval = f"{path}: recorded interval [{left['low']:.4g}, {left['high']:.4g}]"
        if not _is_within(left["value"], left):
            report.check(False, f"{interval}, recorded value {_shorten(left['value'])}")
        elif learned:
            value = right.get("value") if isinstance(right, Mapping) else None
            report.check(_is_within(value, left), f"{interval}, now {_shorten(value)}")
    return report


def against_recorded(run: Run, place: Path) -> dict[str, Report]:
    """Compare all that was recorded with what a run gave: notebooks and networks.

    Parameters
    ----------
    run
        With every notebook executed.
    place
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
    results, histories = derived.read_results(place), recorded.read_histories(place)
    if not results and not histories:
        raise FileNotFoundError(f"{place} holds no recorded results: `sier record` writes them")
    learned = _has_learned(histories.get("fused", {}))

    reports = {}
    for name, old in results.items():
        path = run.folder / "results" / f"{name}.json"
        new = read_json(path)
        if new is None:
            raise FileNotFoundError(f"{path} is missing: the run did not execute {name}")
        reports[name] = compare(old, new, learned)
    for name, old in histories.items():
        new = read_json(run.folder / "models" / f"{name}.json")
        if new is None:
            report = Report(["the run has not trained this network"], 1)
        else:
            report = compare(old, new, _has_learned(old))
        reports[f"models/{name}"] = report
    return reports


def _has_learned(history: Mapping[str, Any]) -> bool:
    """Tell whether a recorded network learned; True where nothing is known of it."""
    return statistics.has_learned(history.get("test", {}))


# ------------------------------------------------------------------------------------------- walk
def _walk(
    old: Any,
    new: Any,
    exact: bool,
    path: str = "",
    expected: bool = True,
    settled: bool = True,
) -> Iterator[tuple[str, Any, Any]]:
    """Walk through two nested values side by side.

    Parameters
    ----------
    exact
        Whether every value has to be equal. Otherwise only settled values and estimates are of
        interest, those estimates too in whose place there is nothing now.
    expected, settled
        Whether anything is expected of estimates here, and of settled values.

    Yields
    ------
    path, old, new
        Values that are no containers, or containers that have no like; and where equality is not
        asked for estimates as a whole. None where one side lacks it.
    """
    if not exact and expected and _is_estimate(old) and old["low"] < old["high"]:
        yield path, old, new  # without width an interval says nothing of another machine
    inner = _pair_up(old, new)
    if inner is None and (exact or (settled and SETTLED.fullmatch(path))):
        yield path, old, new
    elif inner is None:
        inner = _pair_up(old, _empty_like(old))
        settled = settled and not isinstance(old, list)  # not as many, so none has its like

    # Of a network that did not learn nothing is expected elsewhere.
    idle = isinstance(old, Mapping) and not statistics.has_learned(old)
    for key, left, right in inner or ():
        here = expected and key not in PREDICTED and not (idle and key == "accuracy")
        yield from _walk(left, right, exact, f"{path}.{key}" if path else str(key), here, settled)


def _pair_up(old: Any, new: Any) -> list[tuple[Any, Any, Any]] | None:
    """Return key, recorded and found of what two nested values hold, None where one side lacks it.

    It is None for values that hold nothing, or lists of different lengths. Recorded stand-ins are
    left out: there are more of them with every larger run that is recorded.
    """
    pairs: list[tuple[Any, Any, Any]] = []
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        if old.get("measure") == "seconds":  # a row of a table of measures
            return []
        for key in dict.fromkeys((*old, *new)):
            # An entry that was made and is only shown now is missing now.
            left, right = _hide_stand_in(old.get(key)), _hide_stand_in(new.get(key))
            if key not in VOLATILE and not (left is None and right is None):
                pairs.append((key, left, right))
        return pairs
    if isinstance(old, list) and isinstance(new, list):
        rest = [entry for entry in new if not _is_stand_in(entry)]
        for index, entry in enumerate(old):
            if not _is_stand_in(entry):
                pairs.append((index, entry, rest[len(pairs)] if len(pairs) < len(rest) else None))
        return pairs if len(pairs) == len(rest) else None
    return None


def _empty_like(old: Any) -> Any:
    """Return a container that `old` can be paired up with, and that holds nothing of it."""
    if isinstance(old, list):
        return [None for entry in old if not _is_stand_in(entry)]
    return {} if isinstance(old, Mapping) else None


def _is_stand_in(entry: Any) -> bool:
    """Tell whether an entry stands in from a recorded run."""
    # Tables say from where besides.
    return isinstance(entry, Mapping) and str(entry.get("origin")).startswith("recorded")


def _hide_stand_in(entry: Any) -> Any:
    return None if _is_stand_in(entry) else entry


# ------------------------------------------------------------------------------------------ values
def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_estimate(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        _is_number(value.get(key)) for key in ("value", "low", "high")
    )


def _is_equal(old: Any, new: Any) -> bool:
    if not (_is_number(old) and _is_number(new)):
        return bool(old == new)
    if math.isnan(old) or math.isnan(new):
        return math.isnan(old) and math.isnan(new)
    return math.isclose(old, new, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def _is_within(value: Any, estimate: Mapping[str, Any]) -> bool:
    return _is_number(value) and estimate["low"] <= value <= estimate["high"]


def _shorten(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
