"""The five comparisons that were named before any was made, and what may be claimed of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sierlib import dataset, metrics, rules, runs, specs, studies, training
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


#: What is compared besides, on the labels of the test rows; nobody named it in advance, so it proves nothing.
EXPLORATORY: tuple[tuple[str, str], ...] = (
    *(("fused", name) for name in ("baseline1", "baseline2", *specs.of_group("N2"), "addition", "fixed-weights")),
    *(("fused", name) for name in ("focal-only", "cross-entropy-only")),
    *(("baseline3", "baseline1"), ("baseline3", "baseline2")),
    *(("ier", "baseline1"), ("ier", "baseline2"), ("ier", "ser")),
)
#: Where recorded comparisons lie, below the folder of their profile.
FILE = "comparisons.json"
#: The paper's argument for multiplication is about confidence, not accuracy (Section 3.2.1).
CONFIDENCE = "multiply-addition-confidence"


def collect(run: Run) -> list[dict[str, Any]]:
    """Make the comparisons on the test rows, from this run's networks where it has both, else as recorded.

    Returns
    -------
    list of dict
        ``name``, ``title``, ``difference`` (mean over repetitions), its paired bootstrap ``interval``, ``p``, ``n``,
        ``repeats``, ``against``, ``origin``, ``profile``, ``data``, ``date``, ``primary``. The primary ones come first,
        with ``p_holm``: Holm's correction over all that were named, computed or not. What was recorded with another
        corpus is left out.
    """
    found = {entry["name"]: entry for entry in own(run)}
    elsewhere = (runs.read_json(studies.RECORDED / studies.STAND_IN / FILE) or {"comparisons": []})["comparisons"]
    found = {entry["name"]: entry | {"origin": "recorded"} for entry in elsewhere if entry["data"] == run.data} | found
    ordered = [found[name] for name in PRIMARY if name in found]
    corrected = metrics.holm([entry["p"] for entry in ordered], planned=len(PRIMARY))
    others = [entry for name, entry in found.items() if name not in PRIMARY]
    return [*(entry | {"p_holm": p} for entry, p in zip(ordered, corrected, strict=True)), *others]


def record(run: Run, place: Path) -> bool:
    """Write this run's comparisons to a folder, beside those that other pieces of the same run left there.

    Returns
    -------
    bool
        False, and nothing is written, when the run has no two networks that are compared.
    """
    found = own(run)
    if not found:
        return False
    earlier = runs.read_json(place / FILE) or {"provenance": {}, "comparisons": []}
    here, there = (
        {key: told.get(key) for key in ("data", "seed")} for told in (run.provenance(), earlier["provenance"])
    )
    made = {entry["name"] for entry in found}
    kept = [entry for entry in earlier["comparisons"] if here == there and entry["name"] not in made]
    runs.write_json(place / FILE, {"provenance": run.provenance(), "comparisons": [*found, *kept]})
    return True


def own(run: Run) -> list[dict[str, Any]]:
    """Make those comparisons of which this run has both networks; entries as of `collect`, without ``p_holm``."""
    rows = dataset.read_manifest(run)
    rows = rows[rows["split"] == "test"].reset_index(drop=True)
    truth = dataset.read_truth(run)
    answers = {"labels": metrics.codes(rows["label"])}
    if truth:
        answers["truth"] = metrics.codes([truth[name]["emotion"] for name in rows["id"]])
    conflict = _in_conflict(rows, truth)
    names = {name for _, one, other, _ in PRIMARY.values() for name in (one, other)}
    names |= {name for pair in EXPLORATORY for name in pair}
    trained = {name: found for name in names if (found := _trained(run, name))}
    made = []
    for name, (title, one, other, against) in PRIMARY.items():
        chosen = conflict if name == "multiply-addition" else np.ones(len(rows), bool)
        if against in answers and {one, other} <= set(trained) and chosen.any():
            made.append(
                {"name": name, "title": title, "against": against, "primary": True}
                | _difference(trained[one], trained[other], answers[against], chosen, run.seed)
            )
    for one, other in EXPLORATORY:
        if {one, other} <= set(trained):
            title = " − ".join(specs.SPECS[name].title for name in (one, other))
            made.append(
                {"name": f"{one}-{other}", "title": title, "against": "labels", "primary": False}
                | _difference(trained[one], trained[other], answers["labels"], np.ones(len(rows), bool), run.seed)
            )
    if {"fused", "addition"} <= set(trained) and conflict.any():
        multiplied, added = (
            training.predict(training.load_model(run, name), rows[conflict], run.folder / "dataset").max(axis=1)
            for name in ("fused", "addition")
        )
        made.append(
            {"name": CONFIDENCE, "title": "how sure: multiplication − addition, pairs in conflict"}
            | {"against": "confidence", "primary": False, "repeats": 1, "origin": "this run"}
            | _made(trained["fused"])
            | metrics.paired_difference(multiplied, added, run.seed)
        )
    return made


def _difference(
    one: Sequence[dict[str, Any]], other: Sequence[dict[str, Any]], answers: np.ndarray, chosen: np.ndarray, seed: int
) -> dict[str, Any]:
    """Compare two networks on some rows, over as many repetitions of the one as of the other."""
    count = min(len(one), len(other))
    one_right, other_right = (_right(several[:count], answers)[chosen] for several in (one, other))
    return (
        {"origin": "this run", "repeats": count} | _made(one) | metrics.paired_difference(one_right, other_right, seed)
    )


def _made(histories: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {key: histories[0]["provenance"][key] for key in ("profile", "data", "date")}


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


def table(found: Sequence[dict[str, Any]], primary: bool = True) -> pd.DataFrame:
    """Return the primary comparisons, or the others, as a table; columns as `plots.differences` wants them."""
    return pd.DataFrame(
        [
            {
                "comparison": entry["title"],
                "difference": entry["difference"],
                "low": entry["interval"][0],
                "high": entry["interval"][1],
                "p": entry["p"],
                **({"p (Holm)": entry["p_holm"]} if primary else {}),
                "n": entry["n"],
                "seeds": entry["repeats"],
                "origin": studies.origin(entry),
            }
            for entry in found
            if entry["primary"] == primary
        ]
    )


def verdicts(found: Sequence[dict[str, Any]]) -> list[str]:
    """Say of each primary comparison what can be claimed at 5 % after Holm's correction."""
    missing = [title for name, (title, *_) in PRIMARY.items() if name not in {entry["name"] for entry in found}]
    said = []
    for entry in found:
        if not entry["primary"]:
            continue
        claim = "no difference can be claimed"
        if entry["p_holm"] < 0.05:
            claim = "the first is better" if entry["difference"] > 0 else "the first is worse"
        low, high = entry["interval"]
        said.append(
            f"{entry['title']}: {entry['difference']:+.1%} [{low:+.1%}, {high:+.1%}], p = {entry['p_holm']:.2g}: "
            f"{claim}."
        )
    return said + [f"{title}: not computed; it needs networks that have not been trained yet." for title in missing]
