"""Reading of result files as `sierlib.run` writes them, where anything may be missing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from sierbook import statistics
from sierbook.claims.findings import NAMES
from sierlib import settings
from sierlib.experiment.scores import Estimate

#: What notebook 04 calls three of the networks.
IN_04 = {"fused": "fused", "ser": "speech", "ier": "image"}

#: Results by notebook; a notebook that has not run is absent.
Results = Mapping[str, Any]


class Missing(LookupError):
    """A result that is not there yet."""


class Untestable(LookupError):
    """A claim that the data of a run cannot settle; the argument is the reason."""


def find(tree: Any, *keys: Any) -> Any:
    """Return what lies along the keys, or None."""
    for key in keys:
        if isinstance(tree, Mapping):
            tree = tree.get(key)
        elif isinstance(tree, list) and isinstance(key, int) and 0 <= key < len(tree):
            tree = tree[key]
        else:
            return None
    return None if isinstance(tree, float) and math.isnan(tree) else tree


def need(tree: Any, *keys: Any) -> Any:
    """Return what lies along the keys, or raise `Missing`; an empty list is nothing, and so is one
    with gaps."""
    found = find(tree, *keys)
    if found is None or (isinstance(found, list) and (not found or None in found)):
        raise Missing
    return found


def run_behind(results: Results, notebook: str, entry: Any = None) -> dict[str, Any]:
    """Return profile, data and date of a value, and whether an earlier run recorded it."""
    told = find(results, notebook, "provenance") or {}
    elsewhere = find(entry, "origin") == "recorded"
    fields = {
        key: find(entry, key) or (None if elsewhere else told.get(key))
        for key in ("profile", "data", "date")
    }
    return fields | {"recorded": bool(elsewhere or told.get("recorded"))}


def run_of(made: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what values must have in common to be compared."""
    return made["profile"], made["data"]


def entry_of(
    results: Results, name: str, pool: str = "studies"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a network's scores and curves, and the run they come from; `pool` is a key of notebook
    03's results."""
    found = find(results, "03-ablation", pool, name)
    if found:
        return found, run_behind(results, "03-ablation", found)
    validation = find(results, "02-training", "models", name, "validation")
    if pool != "studies" or name not in IN_04 or not validation:
        raise Missing
    test = find(results, "04-results", "scores", "labels", IN_04[name])
    return {"validation": validation, "test": test}, run_behind(results, "02-training")


def entries_of(results: Results, *names: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return what `entry_of` does of several networks, all of one run; others have other rows and
    other labels."""
    for pool in ("studies", "stand_in"):
        try:
            entries, made = zip(*(entry_of(results, name, pool) for name in names), strict=True)
        except Missing:
            continue
        if len(set(map(run_of, made))) == 1:
            return list(entries), made[-1]
    raise Missing


def measured(estimate: Any) -> Estimate:
    """Return an estimate that is whole, or raise `Missing`."""
    return {key: need(estimate, key) for key in ("value", "low", "high", "n")}


def idle(results: Results, made: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    """Return the names of those networks of a run that did not learn, in every training of them."""
    found = []
    for name in names:
        for pool in ("studies", "stand_in"):
            with suppress(Missing):
                entry, told = entry_of(results, name, pool)
                if run_of(told) == run_of(made):
                    part = "test" if find(entry, "test") else "validation"
                    scores = find(entry, part) or {}
                    trainings = [
                        each for each in find(entry, "repeats", part) or () if each is not None
                    ]
                    if not statistics.has_learned(scores, trainings):
                        found.append(NAMES[name])
                    break
    return tuple(found)


def is_published_data(results: Results, data: Any, kind: str = "pairs") -> bool:
    """Tell whether data can be those of the paper: B-T4SA by name, the authors' own by being
    exactly as many pairs."""
    rows = find(results, "01-dataset", "summary", "rows")
    return str(data).startswith(f"{kind}:") and (
        kind != "pairs" or rows == sum(settings.PAPER_COUNTS.values())
    )


def ask_teachers(results: Results) -> None:
    """Stop where no teacher labelled the data."""
    if find(results, "01-dataset", "summary", "labelled_by") not in (None, "teachers"):
        raise Untestable("the data brought their labels: no teacher was asked")


def ask_truth(results: Results) -> None:
    """Stop where nothing was planted in the data."""
    if find(results, "01-dataset", "provenance", "data") not in (None, "synthetic"):
        raise Untestable("only the embedded corpus knows which labels are right")


def at_threshold(results: Results, rule: str) -> Any:
    """Return what notebook 03 counted under a rule, "maximum" or "agreement", at the paper's
    threshold."""
    for row in need(results, "03-ablation", "thresholds"):
        if (find(row, "threshold"), find(row, "rule")) == (settings.LABEL_THRESHOLD, rule):
            return row
    raise Missing
