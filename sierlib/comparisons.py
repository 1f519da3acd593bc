"""The five comparisons that were named before any was made, and what may be claimed of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from sierlib import dataset, metrics, rules, runs, studies, training
from sierlib.runs import Run

#: The five comparisons that were named before any was made, with the two networks and what their predictions are held
#: against; everything else is exploratory.
PRIMARY: dict[str, tuple[str, str, str, str]] = {
    "fused-ser": ("ParallelNet − SER only", "fused", "ser", "labels"),
    "fused-ier": ("ParallelNet − IER only", "fused", "ier", "labels"),
    "fused-baseline3": ("ParallelNet − Baseline 3", "fused", "baseline3", "labels"),
    "multiply-addition": ("multiplication − addition, pairs in conflict", "fused", "addition", "labels"),
    "max-agreement": ("maximum rule − agreement rule, planted truth", "fused", "agreement", "truth"),
}


def collect(run: Run) -> list[dict[str, Any]]:
    """Make the primary comparisons on the test rows, from this run's networks where it has both, else as recorded.

    Returns
    -------
    list of dict
        ``name``, ``title``, ``difference`` of accuracies (mean over repetitions), its paired bootstrap ``interval``,
        ``p``, ``p_holm`` (Holm's correction over all that are there), ``n``, ``repeats``, ``against``, ``origin``,
        ``profile``, ``date``, ``primary``.
    """
    found = {entry["name"]: entry for entry in own(run)}
    elsewhere = (runs.read_json(studies.RECORDED / studies.STAND_IN / "comparisons.json") or {"comparisons": []})[
        "comparisons"
    ]
    found = {entry["name"]: entry | {"origin": "recorded"} for entry in elsewhere} | found
    ordered = [found[name] for name in PRIMARY if name in found]
    corrected = metrics.holm([entry["p"] for entry in ordered])
    return [entry | {"p_holm": p} for entry, p in zip(ordered, corrected, strict=True)]


def own(run: Run) -> list[dict[str, Any]]:
    """Make those comparisons of which this run has both networks; entries as of `collect`, without ``p_holm``."""
    rows = dataset.read_manifest(run)
    rows = rows[rows["split"] == "test"].reset_index(drop=True)
    truth = dataset.read_truth(run)
    answers = {"labels": metrics.codes(rows["label"])}
    if truth:
        answers["truth"] = metrics.codes([truth[name]["emotion"] for name in rows["id"]])
    made = []
    for name, (title, one, other, against) in PRIMARY.items():
        histories = [_trained(run, spec) for spec in (one, other)]
        if against not in answers or not all(histories):
            continue
        chosen = _in_conflict(rows, truth) if name == "multiply-addition" else np.ones(len(rows), bool)
        if not chosen.any():
            continue
        count = min(map(len, histories))  # as many repetitions of the one as of the other
        one_right, other_right = (_right(several[:count], answers[against])[chosen] for several in histories)
        made.append(
            {"name": name, "title": title, "against": against, "origin": "this run", "primary": True, "repeats": count}
            | {key: histories[0][0]["provenance"][key] for key in ("profile", "data", "date")}
            | metrics.paired_difference(one_right, other_right, run.seed)
        )
    return made


def _trained(run: Run, name: str) -> list[dict[str, Any]]:
    """The histories of a network's repetitions that this run has and that are up to date."""
    found: list[dict[str, Any]] = []
    while training.is_current(run, (name, 0, len(found))):
        found.append(runs.read_json((run.folder / training.artefact_of(name, 0, len(found))).with_suffix(".json")))
    return found


def _right(histories: Sequence[dict[str, Any]], answers: np.ndarray) -> np.ndarray:
    """For each test row the share of the repetitions that got it right."""
    return np.mean([np.array(list(history["test_predicted"]), int) == answers for history in histories], axis=0)


def _in_conflict(rows: pd.DataFrame, truth: dict[str, Any]) -> np.ndarray:
    """Which rows are in conflict: by what was planted, else by the teachers' opinions; none where nobody was asked."""
    if truth:
        return np.array([truth[name]["relation"] == "conflict" for name in rows["id"]])
    if (rows["winner"] == "given").any():
        return np.zeros(len(rows), bool)
    ser, ier = (rules.teacher_opinions(rows, role).argmax(axis=1) for role in rules.ROLES)
    return ser != ier


def table(found: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return the primary comparisons as a table; columns as `plots.differences` wants them, and what they mean."""
    return pd.DataFrame(
        [
            {
                "comparison": entry["title"],
                "difference": entry["difference"],
                "low": entry["interval"][0],
                "high": entry["interval"][1],
                "p": entry["p"],
                "p (Holm)": entry["p_holm"],
                "n": entry["n"],
                "seeds": entry["repeats"],
                "origin": entry["origin"] if entry["origin"] == "this run" else f"recorded: {entry['profile']}",
            }
            for entry in found
        ]
    )


def verdicts(found: Sequence[dict[str, Any]]) -> list[str]:
    """Say of each primary comparison what can be claimed at 5 % after Holm's correction."""
    missing = [title for name, (title, *_) in PRIMARY.items() if name not in {entry["name"] for entry in found}]
    said = []
    for entry in found:
        claim = "no difference can be claimed"
        if entry["p_holm"] < 0.05:
            claim = "the first is better" if entry["difference"] > 0 else "the first is worse"
        low, high = entry["interval"]
        said.append(
            f"{entry['title']}: {entry['difference']:+.1%} [{low:+.1%}, {high:+.1%}], p = {entry['p_holm']:.2g}: "
            f"{claim}."
        )
    return said + [f"{title}: not computed; it needs networks that have not been trained yet." for title in missing]
