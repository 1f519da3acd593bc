"""The five comparisons that were named before any was made, and what may be claimed of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sierbook import recorded, statistics
from sierbook.tables import studies
from sierlib import settings
from sierlib.experiment import label_rule
from sierlib.experiment.manifest import read_manifest, read_truth
from sierlib.experiment.models import NETWORKS, names_in_group
from sierlib.experiment.scores import class_codes
from sierlib.experiment.train import artefact_name, is_current, train_model
from sierlib.networks.fit import predict_rows
from sierlib.run import Run, read_json

#: The five comparisons that were named before any was made, with the two networks and what their
#: predictions are held against; everything else is exploratory.
PRIMARY: dict[str, tuple[str, str, str, str]] = {
    "fused-ser": ("ParallelNet − speech only", "fused", "ser", "labels"),
    "fused-ier": ("ParallelNet − image only", "fused", "ier", "labels"),
    "fused-baseline3": ("ParallelNet − Baseline 3", "fused", "baseline3", "labels"),
    "multiply-addition": (
        "multiplication − addition, pairs in conflict",
        "fused",
        "addition",
        "labels",
    ),
    "max-agreement": (
        "maximum rule − agreement rule, planted truth",
        "fused",
        "agreement",
        "truth",
    ),
}


#: What is compared besides, on the labels of the test rows; nobody named it in advance, so it
#: proves nothing.
EXPLORATORY: tuple[tuple[str, str], ...] = (
    *(
        ("fused", name)
        for name in ("baseline1", "baseline2", *names_in_group("N2"), "addition", "fixed-weights")
    ),
    *(("fused", name) for name in ("focal-only", "cross-entropy-only", "strict-threshold")),
    *(("baseline3", "baseline1"), ("baseline3", "baseline2")),
    *(("ier", "baseline1"), ("ier", "baseline2"), ("ier", "ser")),
)
#: Where recorded comparisons lie, below the folder of their profile.
FILE = "comparisons.json"
#: The paper's argument for multiplication is about how sure the network is of pairs in conflict
#: (Section 3.2.1): there less than of pairs in agreement, compared with addition, so that a network
#: that is less sure of everything does not pass for one that dilutes.
DILUTION = "multiply-addition-dilution"


def collect(run: Run) -> list[dict[str, Any]]:
    """Make the comparisons on the test rows, from this run's networks where it has both, else as
    recorded.

    Returns
    -------
    list of dict
        ``name``, ``title``, the estimate of the difference (mean over repetitions, paired
        bootstrap): ``value``, ``low``, ``high``, ``n``; ``p``, ``repeats`` (of either, or the fewer), ``trainings`` (of both,
        where they differ), ``against``, ``origin``, ``profile``, ``data``, ``date``, ``primary``.
        The primary ones come first, with ``p_holm`` as of `corrected`. What was recorded with
        another corpus is left out.
    """
    return ordered(_recorded(run) | corrected({entry["name"]: entry for entry in own(run)}))


def ordered(found: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return comparisons by name as a list in the order of `collect`."""
    names = [*PRIMARY, *(f"{one}-{other}" for one, other in EXPLORATORY), DILUTION]
    return [found[name] for name in names if name in found]


def _recorded(run: Run) -> dict[str, dict[str, Any]]:
    """Return the recorded comparisons that a run may show, by name, as corrected where they were
    recorded."""
    place = recorded.stand_in_place(run)
    elsewhere = (place and read_json(place / FILE)) or {"provenance": {}, "comparisons": []}
    if any(elsewhere["provenance"].get(key) != getattr(run, key) for key in ("data", "ser", "ier")):
        return {}
    return corrected(
        {entry["name"]: entry | {"origin": "recorded"} for entry in elsewhere["comparisons"]}
    )


def corrected(found: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Add Holm's correction to the primary comparisons of one run, over all that were named,
    computed or not.

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
    primary = [found[name] for name in PRIMARY if name in found]
    adjusted = statistics.holm([entry["p"] for entry in primary], planned=len(PRIMARY))
    return dict(found) | {
        entry["name"]: entry | {"p_holm": p} for entry, p in zip(primary, adjusted, strict=True)
    }


def own(run: Run) -> list[dict[str, Any]]:
    """Make those comparisons of which this run has both networks; entries as of `collect`, without
    ``p_holm``."""
    names = {name for pair in _pairs() for name in pair}
    trained = {name: found for name in names if (found := _trained(run, name))}
    return [*among(run, trained), *dilution(run)]


def _pairs() -> list[tuple[str, str]]:
    return [*((one, other) for _, one, other, _ in PRIMARY.values()), *EXPLORATORY]


def among(run: Run, trained: Mapping[str, Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Compare networks by what they said of the run's test rows; entries as of `own`, without
    `DILUTION`.

    Parameters
    ----------
    trained
        By name of the specification, the histories of a network's repetitions.
    """
    rows, truth = _test_rows(run), read_truth(run)
    answers = {"labels": class_codes(rows["label"])}
    if truth:
        answers["truth"] = class_codes([truth[name]["emotion"] for name in rows["id"]])
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
            title = " − ".join(NETWORKS[name].title for name in (one, other))
            made.append(
                {"name": f"{one}-{other}", "title": title, "against": "labels", "primary": False}
                | _difference(trained[one], trained[other], answers["labels"], everywhere, run.seed)
            )
    return made


def _test_rows(run: Run) -> pd.DataFrame:
    rows = read_manifest(run)
    return rows[rows["split"] == "test"].reset_index(drop=True)


def dilution(run: Run) -> list[dict[str, Any]]:
    """Compare how sure this run's own networks are; empty where it lacks one, or no pairs are in
    conflict."""
    rows, fused = _test_rows(run), _trained(run, "fused")
    conflict, agreement = _relations(rows, read_truth(run))
    count = min(len(fused), len(_trained(run, "addition")))
    if not (count and conflict.any() and agreement.any()):
        return []
    multiplied, added = (_sure(run, name, count, rows) for name in ("fused", "addition"))
    return [
        {
            "name": DILUTION,
            "title": "how sure in conflict rather than agreement: multiplication − addition",
        }
        | {"against": "confidence", "primary": False, "repeats": count, "origin": "this run"}
        | _made(fused)
        | statistics.difference_of_trainings(multiplied, added, conflict, agreement, run.seed)
    ]


def _sure(run: Run, name: str, count: int, rows: pd.DataFrame) -> np.ndarray:
    """Return (count, rows): the greatest probability that each of a network's repetitions gives
    each row."""
    models = (train_model(run, name, repeat=repeat)[0] for repeat in range(count))
    return np.stack(
        [predict_rows(model, rows, run.folder / "dataset").max(axis=1) for model in models]
    )


def _difference(
    one: Sequence[dict[str, Any]],
    other: Sequence[dict[str, Any]],
    answers: np.ndarray,
    chosen: np.ndarray,
    seed: int,
) -> dict[str, Any]:
    """Compare two networks on some rows, over all repetitions of each: what one training gave may
    be luck."""
    one_right, other_right = (_right(several, answers) for several in (one, other))
    counts = [len(one), len(other)]
    found = (
        statistics.paired_difference(one_right[0][chosen], other_right[0][chosen], seed)
        if counts == [1, 1]
        else statistics.difference_of_trainings(one_right, other_right, chosen, seed=seed)
    )
    unequal = {"trainings": counts} if counts[0] != counts[1] else {}
    return {"origin": "this run", "repeats": min(counts)} | unequal | _made(one) | found


def _made(histories: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {key: histories[0]["provenance"][key] for key in ("profile", "data", "date")}


def _trained(run: Run, name: str) -> list[dict[str, Any]]:
    """The histories of a network's repetitions that this run has and that are up to date."""
    found: list[dict[str, Any]] = []
    while is_current(run, (name, 0, len(found))):
        found.append(
            read_json((run.folder / artefact_name(name, 0, len(found))).with_suffix(".json"))
        )
    return found


def _right(histories: Sequence[dict[str, Any]], answers: np.ndarray) -> np.ndarray:
    """Return (repetitions, rows): which test rows each repetition got right."""
    return np.stack(
        [np.array(list(history["test_predicted"]), int) == answers for history in histories]
    )


def _relations(rows: pd.DataFrame, truth: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Which rows are in conflict, and in which both modalities say the same.

    By what was planted, else by the teachers' opinions; none where nobody was asked.
    """
    if truth:
        relation = np.array([truth[name]["relation"] for name in rows["id"]])
        return relation == "conflict", relation == "agree"
    if (rows["winner"] == "given").any():
        return np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    ser, ier = (label_rule.teacher_opinions(rows, role).argmax(axis=1) for role in settings.ROLES)
    return ser != ier, ser == ier


def table(found: Sequence[dict[str, Any]], primary: bool = True) -> pd.DataFrame:
    """Return the primary comparisons, or the others, as a table; columns as
    `accuracy_plots.differences` wants them."""
    return pd.DataFrame(
        [
            {
                "comparison": entry["title"],
                "difference": entry["value"],
                "low": entry["low"],
                "high": entry["high"],
                "p": entry["p"],
                **({"p (Holm)": entry["p_holm"]} if primary else {}),
                "n": entry["n"],
                "seeds": " / ".join(
                    map(str, dict.fromkeys(entry.get("trainings", [entry["repeats"]])))
                ),
                "origin": studies.origin(entry),
            }
            for entry in found
            if entry["primary"] == primary
        ]
    )
