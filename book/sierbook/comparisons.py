"""The five comparisons that were named before any was made, and what may be claimed of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from IPython.display import HTML

from sierbook import numbers, recorded, statistics
from sierlib.experiment.models import NETWORKS, names_in_group
from sierlib.experiment.scores import Estimate, class_codes
from sierlib.files import read_json
from sierlib.run import Run

Entry = dict[str, Any]
#: By name of the specification, the histories of a network's repetitions.
Trained = Mapping[str, Sequence[dict[str, Any]]]


class Comparison(NamedTuple):
    """Two networks, what their predictions are held against, and on which of the test rows."""

    title: str
    one: str
    other: str
    against: str = "labels"
    in_conflict: bool = False


def _plan(one: str, other: str, against: str = "labels", in_conflict: bool = False) -> Comparison:
    """Describe a comparison, with a title made of those of its networks."""
    title = f"{NETWORKS[one].title} − {NETWORKS[other].title}"
    if in_conflict:
        title += ", pairs planted in conflict"
    if against == "truth":
        title += ", planted truth"
    return Comparison(title, one, other, against, in_conflict)


#: The five comparisons that were named before any was made; everything else is exploratory.
PRIMARY: dict[str, Comparison] = {
    "fused-ser": _plan("fused", "ser"),
    "fused-ier": _plan("fused", "ier"),
    "fused-baseline3": _plan("fused", "baseline3"),
    "multiply-addition": _plan("fused", "addition", in_conflict=True),
    "max-agreement": _plan("fused", "agreement", against="truth"),
}
#: What ParallelNet is compared with besides.
_RIVALS = (
    "baseline1",
    "baseline2",
    *names_in_group("N2"),
    "addition",
    "fixed-weights",
    "focal-only",
    "cross-entropy-only",
    "strict-threshold",
)
#: What is compared besides, on the labels of the test rows; nobody named it in advance, so it
#: proves nothing.
EXPLORATORY: tuple[tuple[str, str], ...] = (
    *(("fused", name) for name in _RIVALS),
    ("baseline3", "baseline1"),
    ("baseline3", "baseline2"),
    ("ier", "baseline1"),
    ("ier", "baseline2"),
    ("ier", "ser"),
)
#: All comparisons of predictions, in the order of tables.
_PLANNED = PRIMARY | {f"{one}-{other}": _plan(one, other) for one, other in EXPLORATORY}
#: The paper's argument for multiplication is about how sure the network is of pairs in conflict
#: (Section 3.2.1): there less than of pairs in agreement, compared with addition, so that a network
#: that is less sure of everything does not pass for one that dilutes.
DILUTION = "multiply-addition-dilution"
_DILUTION_TITLE = (
    "how sure of pairs planted in conflict rather than agreement: "
    + _plan("fused", "addition").title
)
#: What titles say where nothing was planted, and a pair's relation is that of its teachers.
_BY_TEACHERS = {
    "pairs planted in conflict rather than agreement": "pairs on which the teachers differ "
    "rather than agree",
    "pairs planted in conflict": "pairs on which the teachers differ",
}


# ------------------------------------------------------------------------------- what is compared
def collect(run: Run) -> list[Entry]:
    """Make the comparisons from this run's networks where it has both, else from recorded ones.

    Returns
    -------
    list of dict
        ``name``, ``title``, the estimate of the difference (mean over repetitions, paired
        bootstrap): ``value``, ``low``, ``high``, ``n``; ``p``, ``repeats`` (of either, or the
        fewer), ``trainings`` (of both, where they differ), ``against``, ``origin``, ``profile``,
        ``data``, ``date``, ``primary``. The primary ones come first, with ``p_holm`` as of
        `correct`. What was recorded with another corpus is left out.
    """
    return sort_entries(read_stand_ins(run) | correct(compare_run(run)))


def compare_run(run: Run) -> dict[str, Entry]:
    """Make those comparisons of which this run has both networks; by name, without ``p_holm``."""
    networks = {name for planned in _PLANNED.values() for name in (planned.one, planned.other)}
    trained: dict[str, list[dict[str, Any]]] = {}
    for name in networks:
        if found := _read_trained(run, name):
            trained[name] = found
    labels = recorded.list_labels(run)
    return compare(labels[labels["split"] == "test"], trained, run.seed)


def read_stand_ins(run: Run) -> dict[str, Entry]:
    """Return the recorded comparisons that a run may show, by name, corrected among themselves."""
    place = recorded.stand_in_place(run)
    return compare_stand_in(place, vars(run)) if place else {}


def compare_stand_in(place: Path, made: Mapping[str, Any]) -> dict[str, Entry]:
    """Return the comparisons of a recorded run that stands in for another one with the same data.

    Parameters
    ----------
    place
        ``book/recorded/<profile>`` of the run that stands in.
    made
        The other one's settings: ``data``, ``ser``, ``ier``. Where they differ there is nothing.
    """
    provenance = recorded.read_provenance(place)
    if any(provenance.get(key) != made[key] for key in ("data", "ser", "ier")):
        return {}
    found = compare_recorded(place)
    return {name: entry | {"origin": "recorded"} for name, entry in found.items()}


def compare_recorded(place: Path) -> dict[str, Entry]:
    """Make the comparisons of which a recorded run has both networks, from labels and histories.

    Returns
    -------
    dict
        By name, the primary ones with ``p_holm``; empty where no labels are recorded.
    """
    files = (recorded.LABELS, "models/*.json")
    paths = [path for pattern in files for path in sorted(place.glob(pattern))]
    return _compare_recorded(place, tuple((path, path.stat().st_mtime_ns) for path in paths))


@cache
def _compare_recorded(place: Path, state: tuple[tuple[Path, int], ...]) -> dict[str, Entry]:
    """Return `compare_recorded`; `state`, the files' times of change, is part of the cache's key.

    Pages ask for it again and again.
    """
    labels = recorded.read_labels(place)
    if labels is None:
        return {}
    trained: dict[str, list[dict[str, Any]]] = {}
    histories = recorded.read_histories(place).values()
    for history in sorted(histories, key=lambda history: history["repeat"]):
        several = trained.setdefault(history["spec"]["name"], [])
        # Where an earlier repetition is missing the later ones are not counted.
        if history["fold"] == 0 and history["repeat"] == len(several):
            several.append(history)
    whole = {name: several for name, several in trained.items() if several}
    seed = recorded.read_provenance(place).get("seed", 0)
    return correct(compare(labels[labels["split"] == "test"], whole, seed))


def sort_entries(found: Mapping[str, Entry]) -> list[Entry]:
    """Return comparisons by name as a list in the order of `collect`."""
    return [found[name] for name in (*_PLANNED, DILUTION) if name in found]


def correct(found: Mapping[str, Entry]) -> dict[str, Entry]:
    """Add Holm's correction to the primary comparisons of one run, over all that were named.

    What several runs found is not to be corrected together: a recorded comparison would then be
    judged otherwise on each page that shows it.

    Parameters
    ----------
    found
        A run's comparisons by name.

    Returns
    -------
    dict
        The same, the primary ones with ``p_holm``.
    """
    primary = [name for name in PRIMARY if name in found]
    adjusted = statistics.holm([found[name]["p"] for name in primary], planned=len(PRIMARY))
    corrected = dict(found)
    for name, p in zip(primary, adjusted, strict=True):
        corrected[name] = found[name] | {"p_holm": p}
    return corrected


# ---------------------------------------------------------------------------- how it is compared
def compare(rows: pd.DataFrame, trained: Trained, seed: int = 0) -> dict[str, Entry]:
    """Compare networks by what they said of the test rows.

    Parameters
    ----------
    rows
        The test rows as of `recorded.list_labels`, in the order of the networks' predictions.
    trained
        By name of the specification, the histories of a network's repetitions.

    Returns
    -------
    dict
        By name, entries as of `collect` without ``p_holm``; of pairs of which both are there.
    """
    answers = {"labels": class_codes(rows["label"])}
    if (rows["emotion"] != "").all():
        answers["truth"] = class_codes(rows["emotion"])
    conflict = (rows["relation"] == "conflict").to_numpy()

    # Comparisons on the same rows with as many trainings share their draws.
    groups: dict[tuple[bool, int, int], list[str]] = {}
    for name, planned in _PLANNED.items():
        if planned.against not in answers or (planned.in_conflict and not conflict.any()):
            continue
        if planned.one in trained and planned.other in trained:
            counts = len(trained[planned.one]), len(trained[planned.other])
            groups.setdefault((planned.in_conflict, *counts), []).append(name)

    found: dict[str, Entry] = {}
    for (in_conflict, count_one, count_other), names in groups.items():
        chosen = conflict if in_conflict else np.ones(len(rows), bool)
        pairs = [_score_pair(trained, _PLANNED[name], answers) for name in names]
        estimates = _estimate(pairs, chosen, seed)
        for name, estimate in zip(names, estimates, strict=True):
            found[name] = _describe(name, (count_one, count_other), trained) | estimate
    ordered = {name: found[name] for name in _PLANNED if name in found}
    ordered |= _dilute(rows, trained, seed)
    if "truth" not in answers:
        for entry in ordered.values():
            for planted, told in _BY_TEACHERS.items():
                entry["title"] = entry["title"].replace(planted, told)
    return ordered


def _score_pair(
    trained: Trained, planned: Comparison, answers: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return (repetitions, rows) of either network: which rows each repetition got right."""
    codes = answers[planned.against]
    return _score(trained[planned.one], codes), _score(trained[planned.other], codes)


def _score(histories: Sequence[dict[str, Any]], codes: np.ndarray) -> np.ndarray:
    said = [list(history["test_predicted"]) for history in histories]
    return np.array(said, int) == codes


def _estimate(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]], chosen: np.ndarray, seed: int
) -> list[Estimate]:
    """Estimate differences over all trainings of either: what one training gave may be luck."""
    if any(len(scores) > 1 for scores in pairs[0]):
        return statistics.differences_of_trainings(pairs, chosen, seed=seed)
    return [statistics.paired_difference(a[0][chosen], b[0][chosen], seed) for a, b in pairs]


def _describe(name: str, counts: Sequence[int], trained: Trained) -> Entry:
    """Say what was compared with what, and which run made it."""
    planned = _PLANNED[name]
    unequal = {"trainings": list(counts)} if len(set(counts)) > 1 else {}
    return {
        "name": name,
        "title": planned.title,
        "against": planned.against,
        "primary": name in PRIMARY,
        "origin": "this run",
        "repeats": min(counts),
        **unequal,
        **_describe_run(trained[planned.one]),
    }


def _describe_run(histories: Sequence[dict[str, Any]]) -> Entry:
    return {key: histories[0]["provenance"][key] for key in ("profile", "data", "date")}


def _dilute(rows: pd.DataFrame, trained: Trained, seed: int) -> dict[str, Entry]:
    """Compare how sure networks are; empty without both, or without conflict."""
    conflict, agreement = (
        (rows["relation"] == relation).to_numpy() for relation in ("conflict", "agree")
    )
    pair = [trained.get(name, ()) for name in ("fused", "addition")]
    count = min(map(len, pair))
    told = all("test_percent" in history for histories in pair for history in histories[:count])
    if not (count and told and conflict.any() and agreement.any()):
        return {}
    multiplied, added = (_read_percents(histories[:count]) for histories in pair)
    entry = {
        "name": DILUTION,
        "title": _DILUTION_TITLE,
        "against": "confidence",
        "primary": False,
        "repeats": count,
        "origin": "this run",
        **_describe_run(pair[0]),
        **statistics.difference_of_trainings(multiplied, added, conflict, agreement, seed),
    }
    return {DILUTION: entry}


def _read_percents(histories: Sequence[dict[str, Any]]) -> np.ndarray:
    """Return (repetitions, rows): the greatest probability that each repetition gives each row."""
    digits = np.array([list(history["test_percent"]) for history in histories], int)
    return (10 * digits[:, ::2] + digits[:, 1::2]) / 100


def _read_trained(run: Run, name: str) -> list[dict[str, Any]]:
    """Read the histories of a network's repetitions that this run has and that are up to date."""
    from sierlib.experiment.train import artefact_name, is_current  # TensorFlow

    found: list[dict[str, Any]] = []
    while is_current(run, (name, 0, len(found))):
        path = run.folder / artefact_name(name, 0, len(found))
        found.append(read_json(path.with_suffix(".json")))
    return found


def table(found: Sequence[Entry], primary: bool = True) -> pd.DataFrame:
    """Return the primary comparisons, or the others, as `accuracy_plots.differences` draws them,
    for `shown.show`."""
    rows, keys = [], []
    for entry in found:
        if entry["primary"] != primary:
            continue
        corrected = {"p (Holm)": entry["p_holm"]} if primary else {}
        rows.append(
            {
                "comparison": entry["title"],
                "difference": entry["value"],
                "low": entry["low"],
                "high": entry["high"],
                "p": entry["p"],
                **corrected,
                "n": entry["n"],
                "seeds": HTML(_write_trainings(entry)),
                "origin": numbers.origin(entry),
            }
        )
        keys.append(key_of(entry))
    found_table = pd.DataFrame(rows)
    found_table.attrs["about"] = keys
    return found_table


def _write_trainings(entry: Entry) -> str:
    """Write how often the networks were trained, both alike or the one and the other."""
    key, written = key_of(entry), []
    for at, count in enumerate(entry.get("trainings", [entry["repeats"]]), 1):
        written.append(numbers.write(count, "d", *key._replace(quantity=f"trainings, {at}")))
    return " / ".join(written)


def key_of(entry: Entry) -> numbers.Key:
    """Return the key of a comparison's difference."""
    planned = _PLANNED.get(entry["name"], _PLANNED["multiply-addition"])
    part = "test, in conflict" if planned.in_conflict else "test"
    counts = entry.get("trainings", [entry["repeats"]])
    run = numbers.origin(entry)
    return numbers.Key(
        numbers.name_lead(*counts), f"{planned.one} - {planned.other}", part, entry["against"], run
    )
