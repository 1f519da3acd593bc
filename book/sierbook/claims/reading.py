"""Reading of result files as `sierlib.run` writes them, where anything may be missing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from sierbook import statistics
from sierbook.claims.findings import title_of
from sierlib import settings
from sierlib.experiment.scores import Estimate

#: What notebook 04 calls ParallelNet and its halves, by the names of their specifications.
KEYS_IN_04 = {"fused": "fused", **settings.ROLES}

#: Where notebook 03 keeps its networks: those of its tables, and all that were recorded.
POOLS = ("studies", "stand_in")

#: Results by notebook; a notebook that has not run is absent.
Results = Mapping[str, Any]


class Missing(LookupError):
    """A result that is not there yet."""


class Untestable(LookupError):
    """A claim that the corpus of a run cannot settle; the argument is the reason."""


def find(tree: Any, *keys: Any) -> Any:
    """Return what lies along the keys, or None."""
    for key in keys:
        if isinstance(tree, Mapping):
            tree = tree.get(key)
        elif isinstance(tree, list) and isinstance(key, int) and 0 <= key < len(tree):
            tree = tree[key]
        else:
            return None
    if isinstance(tree, float) and math.isnan(tree):
        return None
    return tree


def need(tree: Any, *keys: Any) -> Any:
    """Return what lies along the keys, or raise `Missing`; an empty list is nothing, and so is one
    with gaps."""
    found = find(tree, *keys)
    if found is None or (isinstance(found, list) and (not found or None in found)):
        raise Missing
    return found


def need_estimate(tree: Any, *keys: Any) -> Estimate:
    """Return the estimate that lies along the keys, or raise `Missing` where it is not whole."""
    found = find(tree, *keys)
    return {key: need(found, key) for key in ("value", "low", "high", "n")}


def find_run(results: Results, notebook: str, entry: Any = None) -> dict[str, Any]:
    """Return profile, data and date of a value, and whether an earlier run recorded it."""
    provenance = find(results, notebook, "provenance") or {}
    elsewhere = find(entry, "origin") == "recorded"
    made: dict[str, Any] = {"recorded": bool(elsewhere or provenance.get("recorded"))}
    for key in ("profile", "data", "date"):
        made[key] = find(entry, key)
        if made[key] is None and not elsewhere:
            made[key] = provenance.get(key)
    return made


def is_same_run(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether values, by the runs they come from, may be compared."""
    return (one["profile"], one["data"]) == (other["profile"], other["data"])


def need_network(
    results: Results, name: str, pool: str = "studies"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a network's scores and curves, and the run they come from.

    Parameters
    ----------
    pool
        One of `POOLS`. What notebook 03 lacks of ParallelNet and its halves, notebooks 02 and 04
        have.
    """
    found = find(results, "03-ablation", pool, name)
    if found:
        return found, find_run(results, "03-ablation", found)
    validation = find(results, "02-training", "models", name, "validation")
    if pool != "studies" or name not in KEYS_IN_04 or not validation:
        raise Missing
    test = find(results, "04-results", "scores", "labels", KEYS_IN_04[name])
    return {"validation": validation, "test": test}, find_run(results, "02-training")


def need_networks(results: Results, *names: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return what `need_network` does of several networks, all of one run; others have other rows
    and other labels."""
    for pool in POOLS:
        with suppress(Missing):
            found = [need_network(results, name, pool) for name in names]
            last = found[-1][1]
            if all(is_same_run(made, last) for _, made in found):
                return [entry for entry, _ in found], last
    raise Missing


def name_unlearned(results: Results, made: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    """Return the titles of those networks of a run that did not learn, in every training of
    them."""
    return tuple(title_of(name) for name in names if not _has_learned(results, made, name))


def _has_learned(results: Results, made: Mapping[str, Any], name: str) -> bool:
    """Tell whether a network of a run learned; where nothing is known of it nothing speaks against
    it."""
    for pool in POOLS:
        with suppress(Missing):
            entry, run = need_network(results, name, pool)
            if is_same_run(run, made):
                part = "test" if find(entry, "test") else "validation"
                trainings = find(entry, "repeats", part) or ()
                accuracies = [value for value in trainings if value is not None]
                return statistics.has_learned(find(entry, part) or {}, accuracies)
    return True


def is_published_data(results: Results, data: Any, kind: str = "pairs") -> bool:
    """Tell whether data can be those of the paper: B-T4SA by name, the authors' own by being
    exactly as many pairs."""
    if not str(data).startswith(f"{kind}:"):
        return False
    rows = find(results, "01-dataset", "summary", "rows")
    return kind != "pairs" or rows == sum(settings.PAPER_COUNTS.values())


def require_teachers(results: Results) -> None:
    """Raise `Untestable` where no teacher labelled the data."""
    if find(results, "01-dataset", "summary", "labelled_by") not in (None, "teachers"):
        raise Untestable("the data brought their labels: no teacher was asked")


def require_truth(results: Results) -> None:
    """Raise `Untestable` where nothing was planted in the data."""
    if find(results, "01-dataset", "provenance", "data") not in (None, "synthetic"):
        raise Untestable("only the embedded corpus knows which labels are right")


def need_rule(results: Results, rule: str) -> Any:
    """Return what notebook 03 counted under a rule, "maximum" or "agreement", at the paper's
    threshold."""
    for row in need(results, "03-ablation", "thresholds"):
        if (find(row, "threshold"), find(row, "rule")) == (settings.LABEL_THRESHOLD, rule):
            return row
    raise Missing
