"""The five comparisons that were named before any was made, and what may be claimed of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sierlib import dataset, metrics, rules, runs, specs, studies, training
from sierlib.claims.intervals import learned
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
    *(("fused", name) for name in ("focal-only", "cross-entropy-only", "strict-threshold")),
    *(("baseline3", "baseline1"), ("baseline3", "baseline2")),
    *(("ier", "baseline1"), ("ier", "baseline2"), ("ier", "ser")),
)
#: Where recorded comparisons lie, below the folder of their profile.
FILE = "comparisons.json"
#: The paper's argument for multiplication is about how sure the network is of pairs in conflict (Section 3.2.1): there
#: less than of pairs in agreement, compared with addition, so that a network that is less sure of everything does not
#: pass for one that dilutes.
DILUTION = "multiply-addition-dilution"


def collect(run: Run) -> list[dict[str, Any]]:
    """Make the comparisons on the test rows, from this run's networks where it has both, else as recorded.

    Returns
    -------
    list of dict
        ``name``, ``title``, ``difference`` (mean over repetitions), its paired bootstrap ``interval``, ``p``, ``n``,
        ``repeats`` (of either, or the fewer), ``trainings`` (of both, where they differ), ``against``, ``origin``,
        ``profile``, ``data``, ``date``, ``primary``. The primary ones come first, with ``p_holm`` as of `corrected`.
        What was recorded with another corpus is left out.
    """
    return ordered(_recorded(run) | corrected({entry["name"]: entry for entry in own(run)}))


def ordered(found: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return comparisons by name as a list in the order of `collect`."""
    names = [*PRIMARY, *(f"{one}-{other}" for one, other in EXPLORATORY), DILUTION]
    return [found[name] for name in names if name in found]


def _recorded(run: Run) -> dict[str, dict[str, Any]]:
    """Return the recorded comparisons that a run may show, by name, as corrected where they were recorded."""
    place = studies.stand_in_place(run)
    elsewhere = (place and runs.read_json(place / FILE)) or {"provenance": {}, "comparisons": []}
    if any(elsewhere["provenance"].get(key) != getattr(run, key) for key in ("data", "ser", "ier")):
        return {}
    return corrected({entry["name"]: entry | {"origin": "recorded"} for entry in elsewhere["comparisons"]})


def corrected(found: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Add Holm's correction to the primary comparisons of one run, over all that were named, computed or not.

    What several runs found is not to be corrected together: a recorded comparison would then be judged otherwise on
    each page that shows it.

    Parameters
    ----------
    found
        A run's comparisons by name.

    Returns
    -------
    dict
        The same, the primary ones with ``p_holm``.
    """
    primary = [found[name] for name in PRIMARY if name in found]
    adjusted = metrics.holm([entry["p"] for entry in primary], planned=len(PRIMARY))
    return dict(found) | {entry["name"]: entry | {"p_holm": p} for entry, p in zip(primary, adjusted, strict=True)}


def own(run: Run) -> list[dict[str, Any]]:
    """Make those comparisons of which this run has both networks; entries as of `collect`, without ``p_holm``."""
    names = {name for pair in _pairs() for name in pair}
    trained = {name: found for name in names if (found := _trained(run, name))}
    return [*among(run, trained), *dilution(run)]


def _pairs() -> list[tuple[str, str]]:
    return [*((one, other) for _, one, other, _ in PRIMARY.values()), *EXPLORATORY]


def among(run: Run, trained: Mapping[str, Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Compare networks by what they said of the run's test rows; entries as of `own`, without `DILUTION`.

    Parameters
    ----------
    trained
        By name of the specification, the histories of a network's repetitions.
    """
    rows, truth = _test_rows(run), dataset.read_truth(run)
    answers = {"labels": metrics.codes(rows["label"])}
    if truth:
        answers["truth"] = metrics.codes([truth[name]["emotion"] for name in rows["id"]])
    everywhere, (conflict, _) = np.ones(len(rows), bool), _relations(rows, truth)
    made = []
    for name, (title, one, other, against) in PRIMARY.items():
        chosen = conflict if name == "multiply-addition" else everywhere
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
                | _difference(trained[one], trained[other], answers["labels"], everywhere, run.seed)
            )
    return made


def _test_rows(run: Run) -> pd.DataFrame:
    rows = dataset.read_manifest(run)
    return rows[rows["split"] == "test"].reset_index(drop=True)


def dilution(run: Run) -> list[dict[str, Any]]:
    """Compare how sure this run's own networks are; empty where it lacks one, or no pairs are in conflict."""
    rows, fused = _test_rows(run), _trained(run, "fused")
    conflict, agreement = _relations(rows, dataset.read_truth(run))
    count = min(len(fused), len(_trained(run, "addition")))
    if not (count and conflict.any() and agreement.any()):
        return []
    multiplied, added = (_sure(run, name, count, rows) for name in ("fused", "addition"))
    return [
        {"name": DILUTION, "title": "how sure in conflict rather than agreement: multiplication − addition"}
        | {"against": "confidence", "primary": False, "repeats": count, "origin": "this run"}
        | _made(fused)
        | metrics.difference_of_trainings(multiplied, added, conflict, agreement, run.seed)
    ]


def _sure(run: Run, name: str, count: int, rows: pd.DataFrame) -> np.ndarray:
    """Return (count, rows): the greatest probability that each of a network's repetitions gives each row."""
    models = (training.train_model(run, name, repeat=repeat)[0] for repeat in range(count))
    return np.stack([training.predict(model, rows, run.folder / "dataset").max(axis=1) for model in models])


def _difference(
    one: Sequence[dict[str, Any]], other: Sequence[dict[str, Any]], answers: np.ndarray, chosen: np.ndarray, seed: int
) -> dict[str, Any]:
    """Compare two networks on some rows, over all repetitions of each: what one training gave may be luck."""
    one_right, other_right = (_right(several, answers) for several in (one, other))
    counts = [len(one), len(other)]
    found = (
        metrics.paired_difference(one_right[0][chosen], other_right[0][chosen], seed)
        if counts == [1, 1]
        else metrics.difference_of_trainings(one_right, other_right, chosen, seed=seed)
    )
    unequal = {"trainings": counts} if counts[0] != counts[1] else {}
    return {"origin": "this run", "repeats": min(counts)} | unequal | _made(one) | found


def _made(histories: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {key: histories[0]["provenance"][key] for key in ("profile", "data", "date")}


def _trained(run: Run, name: str) -> list[dict[str, Any]]:
    """The histories of a network's repetitions that this run has and that are up to date."""
    found: list[dict[str, Any]] = []
    while training.is_current(run, (name, 0, len(found))):
        found.append(runs.read_json((run.folder / training.artefact_of(name, 0, len(found))).with_suffix(".json")))
    return found


def _right(histories: Sequence[dict[str, Any]], answers: np.ndarray) -> np.ndarray:
    """Return (repetitions, rows): which test rows each repetition got right."""
    return np.stack([np.array(list(history["test_predicted"]), int) == answers for history in histories])


def _relations(rows: pd.DataFrame, truth: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Which rows are in conflict, and in which both modalities say the same.

    By what was planted, else by the teachers' opinions; none where nobody was asked.
    """
    if truth:
        relation = np.array([truth[name]["relation"] for name in rows["id"]])
        return relation == "conflict", relation == "agree"
    if (rows["winner"] == "given").any():
        return np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    ser, ier = (rules.teacher_opinions(rows, role).argmax(axis=1) for role in rules.ROLES)
    return ser != ier, ser == ier


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
                "seeds": " / ".join(map(str, dict.fromkeys(entry.get("trainings", [entry["repeats"]])))),
                "origin": studies.origin(entry),
            }
            for entry in found
            if entry["primary"] == primary
        ]
    )


def unlearned(entries: Mapping[str, studies.Entry], *names: str) -> list[str]:
    """Return the titles of those networks that did not learn (`claims.intervals.learned`) in every training."""
    known = [entries[name] for name in names if name in entries]
    return [one["title"] for one in known if not learned(one["test"], one["repeats"]["test"])]


def verdicts(run: Run, found: Sequence[dict[str, Any]], entries: Mapping[str, studies.Entry]) -> list[str]:
    """Say of each primary comparison what can be claimed at 5 % after Holm's correction, or why it is not there.

    Parameters
    ----------
    found
        As of `collect`.
    entries
        Of `studies.collect`: a network that did not learn is named.
    """
    said = [_verdict(entry, entries) for entry in found if entry["primary"]]
    lacking = {}
    if not dataset.read_truth(run):
        lacking["max-agreement"] = "nothing was planted in this corpus"
        if (dataset.read_manifest(run)["winner"] == "given").any():
            lacking["multiply-addition"] = "nobody says which pairs of this corpus are in conflict"
    for name, (title, *_) in PRIMARY.items():
        if name not in {entry["name"] for entry in found}:
            said.append(
                f"{title}: not computed; {lacking.get(name, 'it needs networks that have not been trained yet')}."
            )
    return said


def _verdict(entry: dict[str, Any], entries: Mapping[str, studies.Entry]) -> str:
    claim = "no difference can be claimed"
    low, high = entry["interval"]
    if entry["p_holm"] < 0.05 and (low > 0 or high < 0):
        claim = "the first is better" if low > 0 else "the first is worse"
        if idle := unlearned(entries, *PRIMARY[entry["name"]][1:3]):
            claim += f", but {' and '.join(idle)} did not get clearly beyond the largest class, so it says little"
    each = ", ".join(f"{value:+.1%}" for value in entry.get("by_training", ()))
    return (
        f"{entry['title']}: {entry['difference']:+.1%} [{low:+.1%}, {high:+.1%}]"
        + (f" (training by training {each})" if each else "")
        + f", p = {entry['p_holm']:.2g}: {claim}."
    )


def of_several_trainings(run: Run, found: Sequence[dict[str, Any]], stand_in: Mapping[str, studies.Entry]) -> list[str]:
    """Say what recorded trainings, several of each network, make of comparisons that this run trained once.

    Parameters
    ----------
    found
        As of `collect`.
    stand_in
        Of `studies.collect`.
    """
    once = {entry["name"] for entry in found if entry["origin"] == "this run" and entry["repeats"] == 1}
    named = [entry for entry in _recorded(run).values() if entry["primary"]]
    several = [entry for entry in named if entry["name"] in once and entry["repeats"] > 1]
    return [f"{_verdict(entry, stand_in)} ({entry['repeats']} trainings, {studies.origin(entry)})" for entry in several]
