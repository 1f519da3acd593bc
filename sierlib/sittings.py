"""A profile computed in several sittings, on several machines: what is recorded, and what another sitting takes up.

Networks may only be compared when they learned from the same rows with the same labels. Labels are teachers' opinions,
and a processor that rounds otherwise trains teachers that are of another opinion on a few pairs. So what a first
sitting decided is recorded, and a later one on another machine can adopt it.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sierlib import comparisons, dataset, pipeline, rules, runs, settings, specs, studies, training, verification
from sierlib.runs import Run

#: Labels and parts of a recorded run's rows, below the folder of its profile; discarded rows have no part.
LABELS = "labels.csv"
#: What two sittings have to have in common.
COMMON = ("data", "ser", "ier", "seed")


def adopt(run: Run, place: Path | None = None) -> dict[str, Any]:
    """Give a run's data set the labels and parts of the recorded run of its profile.

    Which rows are used, their labels and their parts are then the recorded ones. The manifest says of each label that
    it was given, and nothing of what teachers think: what a threshold or a rule of its own learns from can only be
    trained where the labels were made (`specs.rows_of`).

    Parameters
    ----------
    run
        With a data set, as `labelling.build` makes it.
    place
        By default ``book/recorded/<profile>``.

    Returns
    -------
    dict
        The summary, as `labelling.build` gives it.

    Raises
    ------
    FileNotFoundError
        When no labels were recorded for the profile.
    ValueError
        When they were recorded with another corpus, other teachers or another seed, or are about other rows.
    """
    place = place or studies.RECORDED / run.profile.name
    verification.refuse_others(place, {key: getattr(run, key) for key in COMMON})
    if not (place / LABELS).is_file():
        raise FileNotFoundError(f"{place / LABELS} is missing: `sier record --profile {run.profile.name}` writes it")
    told = pd.read_csv(place / LABELS, dtype={"id": str}, keep_default_na=False).set_index("id")
    both = pd.concat([dataset.read_manifest(run), dataset.read_manifest(run, "discarded")]).set_index("id")
    if differing := len(both.index.symmetric_difference(told.index)):
        raise ValueError(f"{place / LABELS} is about other rows than {run.data} has now: {differing} are only in one")
    both = both.loc[told.index].assign(**told, winner="given").reset_index()
    both[[f"{role}_{name}" for role in rules.ROLES for name in settings.CLASSES]] = np.nan
    rows = {"manifest": both[both["split"] != ""], "discarded": both[both["split"] == ""]}
    folder = run.folder / "dataset"
    for name, some in rows.items():
        dataset.write_csv(some[dataset.COLUMNS], folder / f"{name}.csv")
    counts = runs.read_json(folder / "summary.json") | {
        "labelled_by": f"the recorded run of profile {run.profile.name}",
        "usable": len(rows["manifest"]),
        "discarded": len(rows["discarded"]),
        "per_class": {name: int((rows["manifest"]["label"] == name).sum()) for name in settings.CLASSES},
    }
    runs.write_json(folder / "summary.json", counts)
    run.done("manifest", runs.digest("adopted", run.key_of("arrays"), told.to_csv()))
    return counts


def record(run: Run, place: Path | None = None) -> list[Path]:
    """Keep the run's result files, marked as recorded, where pages and later runs read them.

    The networks' histories are kept as well, so that a large profile can be made piece by piece; what other pieces
    left, of the same data and seed, stays, and the recorded tables and comparisons are made anew from all of them. What
    is out of date is left out, and named on stderr.

    Parameters
    ----------
    place
        By default ``book/recorded/<profile>``.

    Raises
    ------
    BuildFailed
        When nothing of the run is what the code as it is now would give.
    """
    place = place or studies.RECORDED / run.profile.name
    old = [name for name in pipeline.NEEDS if not pipeline.up_to_date(run, name)]
    kept = _histories(run)
    _give_way(run, place, kept, whole=not old)
    for name, history in kept.items():
        runs.write_json(place / "models" / name, history)
    written = [place / "models" / name for name in kept]
    if kept and _record_comparisons(run, place):
        written.append(place / comparisons.FILE)
    if old and not written:
        pipeline.refuse_outdated(run)
    if old:
        print(f"left out, as out of date: {', '.join(old)}", file=sys.stderr)
    for name in pipeline.NEEDS:
        if name not in old:
            value = run.results(name)
            value["provenance"]["recorded"] = True
            runs.write_json(place / f"{name}.json", value)
            written.append(place / f"{name}.json")
    if "01-dataset" not in old:
        both = pd.concat([dataset.read_manifest(run), dataset.read_manifest(run, "discarded")])
        dataset.write_csv(both[["id", "label", "split", "fold"]], place / LABELS)
        written.append(place / LABELS)
    return list(dict.fromkeys([*written, *_refresh(place)]))


def _histories(run: Run) -> dict[str, dict[str, Any]]:
    """Return the histories of the run's networks that are up to date, marked as recorded, by file name."""
    kept = {}
    for path in sorted((run.folder / "models").glob("*.json")):
        history = runs.read_json(path)
        if "spec" in history and training.is_current(
            run, (history["spec"]["name"], history["fold"], history["repeat"])
        ):
            history["provenance"]["recorded"] = True
            kept[path.name] = history
    return kept


def _give_way(run: Run, place: Path, kept: dict[str, dict[str, Any]], whole: bool) -> None:
    """Remove what was recorded with another corpus, other teachers, another seed or other labels.

    Raises
    ------
    ValueError
        When only the labels are others and the run is a piece, which would cost the pieces that are there.
    """
    if not kept:
        return
    others = [path for path in place.glob("models/*.json") if path.name not in kept]
    for path in [*place.glob("*.json"), *others]:
        told = runs.read_json(path)["provenance"]
        if any(told.get(key) != getattr(run, key) for key in COMMON):
            path.unlink()
    strangers = [path for path in others if path.is_file() and not _same_rows(run, runs.read_json(path))]
    if strangers and not whole:
        raise ValueError(
            f"{len(strangers)} networks in {place} learned from other labels than this run's: begin the sitting with "
            f"`sier dataset --profile {run.profile.name} --labels recorded`, or record a run with all its notebooks"
        )
    for path in strangers:
        path.unlink()


def _same_rows(run: Run, history: dict[str, Any]) -> bool:
    """Tell whether a network answered the run's own test and validation rows."""
    if history["spec"]["name"] not in specs.SPECS:
        return False
    # A rule or threshold of its own chooses what is learned from, and not what is answered.
    spec = replace(specs.SPECS[history["spec"]["name"]], rule="max", threshold=settings.LABEL_THRESHOLD)
    rows = specs.rows_of(run, spec, history["fold"])
    return all(training.row_digest(rows[part]) == history[f"{part}_rows"] for part in ("validation", "test"))


def _recorded_histories(place: Path) -> list[dict[str, Any]]:
    return [runs.read_json(path) for path in sorted(place.glob("models/*.json"))]


def _record_comparisons(run: Run, place: Path) -> bool:
    """Compare all networks that are recorded, whichever sitting trained them; False where there are no two.

    How sure networks are takes the networks themselves: where this run lacks one, what an earlier sitting recorded of
    that stays.
    """
    trained: dict[str, list[dict[str, Any]]] = {}
    for history in sorted(_recorded_histories(place), key=lambda history: history["repeat"]):
        several = trained.setdefault(history["spec"]["name"], [])
        if history["fold"] == 0 and history["repeat"] == len(several):
            several.append(history)
    earlier = runs.read_json(place / comparisons.FILE) or {"comparisons": []}
    made = comparisons.among(run, {name: several for name, several in trained.items() if several})
    found = {entry["name"]: entry for entry in [*earlier["comparisons"], *made, *comparisons.dilution(run)]}
    if not found:
        return False
    kept = [{key: value for key, value in entry.items() if key != "p_holm"} for entry in comparisons.ordered(found)]
    runs.write_json(place / comparisons.FILE, {"provenance": run.provenance(), "comparisons": kept})
    return True


def _refresh(place: Path) -> list[Path]:
    """Make the recorded tables of networks and comparisons anew from all that is recorded; return the files."""
    entries = studies.merge(_recorded_histories(place), [])
    made = (runs.read_json(place / comparisons.FILE) or {"comparisons": []})["comparisons"]
    found = comparisons.ordered({entry["name"]: entry for entry in made})
    written = []
    for name, key, value in (("03-ablation", "studies", entries), ("04-results", "comparisons", found)):
        path = place / f"{name}.json"
        if value and (told := runs.read_json(path)):
            runs.write_json(path, told | {key: value})
            written.append(path)
    return written
