"""A profile computed in several sittings, on several machines: what is recorded, and what another
sitting takes up.

Networks may only be compared when they learned from the same rows with the same labels. Labels are
teachers' opinions, and a processor that rounds otherwise trains teachers that are of another
opinion here and there. So what a first sitting decided is recorded, and a later one on another
machine can adopt it.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sierbook import comparisons, notebooks
from sierbook.tables import studies
from sierlib import settings
from sierlib.experiment.manifest import COLUMNS, read_manifest, sign_manifest, write_csv
from sierlib.experiment.models import NETWORKS, select_rows
from sierlib.experiment.train import digest_rows, is_current
from sierlib.run import PACKAGE, Run, digest, ensure_folder, read_json, write_json

#: Labels and parts of a recorded run's rows, below the folder of its profile; discarded rows have
#: no part.
LABELS = "labels.csv"
#: Recorded results of notebooks, below the folder of a profile.
NOTEBOOKS = "[0-9]*.json"
#: What two sittings have to have in common.
COMMON = ("data", "ser", "ier", "seed")
#: What a summary says of adopted labels.
ADOPTED = "a recorded run"


def list_recorded(recorded: Path, pattern: str = NOTEBOOKS) -> list[Path]:
    """Return the recorded files of a profile; by default those of the notebooks.

    Raises
    ------
    FileNotFoundError
        When nothing was recorded.
    """
    files = sorted(recorded.glob(pattern))
    if not files:
        raise FileNotFoundError(
            f"{recorded} holds no recorded results: `sier record` writes them after a run"
        )
    return files


def refuse_others(recorded: Path, asked: Mapping[str, Any], pattern: str = NOTEBOOKS) -> None:
    """Stop before any work when a run with other settings is to be compared with, or added to, what
    was recorded.

    Parameters
    ----------
    recorded
        ``book/recorded/<profile>``.
    asked
        The run's settings, by their names in the provenance: ``data``, ``ser``, ``ier``, ``seed``.
    pattern
        Of the recorded files that have to agree; by default those of the notebooks.

    Raises
    ------
    FileNotFoundError
        When nothing was recorded.
    ValueError
        Naming what was recorded and what was asked.
    """
    for path in list_recorded(recorded, pattern):
        made = read_json(path)["provenance"]
        if other := [name for name in asked if made.get(name, asked[name]) != asked[name]]:
            was, wanted = (
                ", ".join(f"{name} {told[name]}" for name in other) for told in (made, asked)
            )
            raise ValueError(f"{path} was recorded with {was}, and {wanted} was asked for")


def recorded_labels(place: Path, asked: Mapping[str, Any]) -> pd.DataFrame:
    """Read the recorded labels of a profile.

    Parameters
    ----------
    place
        ``book/recorded/<profile>``.
    asked
        The run's `COMMON` settings.

    Returns
    -------
    pandas.DataFrame
        By ``id``, in the order of the manifest and then of what was discarded: ``label``, ``split``
        ("" where discarded), ``fold``.

    Raises
    ------
    FileNotFoundError
        When no labels were recorded.
    ValueError
        When they were recorded with another corpus, other teachers or another seed.
    """
    refuse_others(place, asked, "**/*.json")
    if not (place / LABELS).is_file():
        raise FileNotFoundError(
            f"{place / LABELS} is missing: `sier record --profile {place.name}` writes it"
        )
    return _read_labels(place)


def _read_labels(place: Path) -> pd.DataFrame:
    return pd.read_csv(place / LABELS, dtype={"id": str}, keep_default_na=False).set_index("id")


def adopt(run: Run, place: Path | None = None) -> dict[str, Any]:
    """Give a run's data set the labels and parts of the recorded run of its profile.

    Which rows are used, their labels and their parts are then the recorded ones. The manifest says
    of each label that it was given, and nothing of what teachers think: what a threshold or a rule
    of its own learns from can only be trained where the labels were made (`select_rows`).
    `build_dataset`, and with it notebook 01, undoes it.

    Parameters
    ----------
    run
        With a data set, as `build_dataset` makes it.
    place
        By default ``book/recorded/<profile>``.

    Returns
    -------
    dict
        The summary, as `build_dataset` gives it.

    Raises
    ------
    FileNotFoundError, ValueError
        As `recorded_labels`; and when the labels are about other rows.
    """
    place = place or RECORDED / run.profile.name
    told = recorded_labels(place, {key: getattr(run, key) for key in COMMON})
    both = pd.concat(_rows(run)).set_index("id")
    if differing := len(both.index.symmetric_difference(told.index)):
        raise ValueError(
            f"{place / LABELS} is about other rows than {run.data} has now: {differing} are only "
            "in one"
        )
    both = both.loc[told.index].assign(**told, winner="given").reset_index()
    both[[f"{role}_{name}" for role in settings.ROLES for name in settings.CLASSES]] = np.nan
    used, discarded = both[both["split"] != ""], both[both["split"] == ""]
    folder = run.folder / "dataset"
    counts = {name: int((used["label"] == name).sum()) for name in settings.CLASSES}
    told_counts = read_json(folder / "summary.json") | {
        "usable": len(used),
        "discarded": len(discarded),
        "per_class": counts,
        "absent": [name for name, count in counts.items() if not count],
        "labelled_by": ADOPTED,
    }
    run.forget("manifest")  # what follows is whole only at its end
    write_csv(used[COLUMNS], folder / "manifest.csv")
    write_csv(discarded[COLUMNS], folder / "discarded.csv")
    write_json(folder / "summary.json", told_counts)
    run.done("manifest", digest("adopted", run.key_of("arrays"), told.to_csv()))
    return told_counts


def _rows(run: Run) -> list[pd.DataFrame]:
    return [read_manifest(run), read_manifest(run, "discarded")]


def record(run: Run, place: Path | None = None) -> list[Path]:
    """Keep the run's result files, marked as recorded, where pages and later runs read them.

    The networks' histories are kept as well, so that a large profile can be made piece by piece. A
    piece is added to what others have left; the recorded tables and comparisons are then made anew
    from all networks that are there. A run with all its notebooks takes the place of what was
    recorded with other settings or other labels. What is out of date is left out, and named on
    stderr.

    Parameters
    ----------
    place
        By default ``book/recorded/<profile>``.

    Raises
    ------
    BuildFailed
        When nothing of the run is what the code as it is now would give.
    ValueError
        When a piece was made with other settings or other labels than what is there; nothing is
        changed then.
    """
    place = place or RECORDED / run.profile.name
    current = _current_notebooks(run)
    old = [name for name in notebooks.NEEDS if name not in current]
    histories = _histories(run)
    if not histories and not current:
        notebooks.refuse_outdated(run)
    if reason := _foreign(run, place):
        if old:
            raise ValueError(
                f"{place} was recorded with {reason} than this run's. Begin the sitting with `sier "
                "dataset --profile "
                f"{run.profile.name} --labels recorded`, or record a run with all its notebooks, "
                "which takes its place"
            )
        print(f"{place}: removing what was recorded with {reason}", file=sys.stderr)
        shutil.rmtree(place)
    if old:
        print(f"left out, as out of date: {', '.join(old)}", file=sys.stderr)
        histories = _not_of_others(histories, place)
    values = {f"models/{name}": history for name, history in histories.items()}
    values |= {f"{name}.json": run.results(name) for name in current}
    for name, value in values.items():
        value["provenance"]["recorded"] = True
        write_json(place / name, value)
    ensure_folder(place)
    write_csv(pd.concat(_rows(run))[["id", "label", "split", "fold"]], place / LABELS)
    written = [place / name for name in (*values, LABELS, *_record_comparisons(run, place))]
    return list(dict.fromkeys([*written, *(_refresh(place) if histories else [])]))


def _current_notebooks(run: Run) -> list[str]:
    """Return the notebooks that are up to date; none where they saw other labels than the run has
    now."""
    found = [name for name in notebooks.NEEDS if notebooks.is_up_to_date(run, name)]
    if found and run.results("01-dataset").get("manifest") != sign_manifest(read_manifest(run)):
        return []
    return found


def _histories(run: Run) -> dict[str, dict[str, Any]]:
    """Return the histories of the run's networks that are up to date, by file name."""
    adopted = (read_json(run.folder / "dataset" / "summary.json") or {}).get(
        "labelled_by"
    ) == ADOPTED
    kept = {}
    for path in sorted((run.folder / "models").glob("*.json")):
        history = read_json(path)
        if "spec" in history and is_current(
            run, (history["spec"]["name"], history["fold"], history["repeat"])
        ):
            history["provenance"] |= {"adopted": True} if adopted else {}
            kept[path.name] = history
    return kept


def _not_of_others(histories: dict[str, dict[str, Any]], place: Path) -> dict[str, dict[str, Any]]:
    """Leave out networks that another machine has recorded already: other recorded files tell of
    those."""
    kept = {}
    for name, history in histories.items():
        there, here = (
            (read_json(place / "models" / name) or history)["provenance"],
            history["provenance"],
        )
        if all(there.get(key) == here.get(key) for key in ("machine", "adopted")):
            kept[name] = history
        else:
            print(f"left out, as recorded on another machine: {Path(name).stem}", file=sys.stderr)
    return kept


def _foreign(run: Run, place: Path) -> str:
    """Say in which respect what is recorded is not of this run's data: "" where it is."""
    told = [read_json(path)["provenance"] for path in place.rglob("*.json")]
    if other := [key for key in COMMON if any(each.get(key) != getattr(run, key) for each in told)]:
        return f"other {', '.join(other)}"
    if (place / LABELS).is_file():
        rows, recorded = pd.concat(_rows(run)).set_index("id"), _read_labels(place)
        if len(rows.index.symmetric_difference(recorded.index)):
            return "other rows"
        recorded = recorded.loc[rows.index]
        used = rows["split"] != ""
        same = [(rows[key] == recorded[key]).all() for key in ("split", "fold")]
        return (
            "" if all(same) and (rows["label"] == recorded["label"])[used].all() else "other labels"
        )
    return (
        ""
        if all(_same_rows(run, history) for history in _recorded_histories(place))
        else "other labels"
    )


def _same_rows(run: Run, history: dict[str, Any]) -> bool:
    """Tell whether a network answered the run's own test and validation rows; for what was recorded
    without labels."""
    if history["spec"]["name"] not in NETWORKS:
        return True  # nothing shows it any more
    # A rule or threshold of its own chooses what is learned from, and not what is answered.
    spec = replace(
        NETWORKS[history["spec"]["name"]], rule="max", threshold=settings.LABEL_THRESHOLD
    )
    rows = select_rows(run, spec, history["fold"])
    return all(
        digest_rows(rows[part]) == history[f"{part}_rows"] for part in ("validation", "test")
    )


def _recorded_histories(place: Path) -> list[dict[str, Any]]:
    return [read_json(path) for path in sorted(place.glob("models/*.json"))]


def _record_comparisons(run: Run, place: Path) -> list[str]:
    """Compare all networks that are recorded, whichever sitting trained them; return the file where
    there are two.

    How sure networks are takes the networks themselves: what an earlier sitting recorded of that
    stays, unless this run has as many trainings.
    """
    trained: dict[str, list[dict[str, Any]]] = {}
    histories = _recorded_histories(place)
    for history in sorted(histories, key=lambda history: history["repeat"]):
        several = trained.setdefault(history["spec"]["name"], [])
        if history["fold"] == 0 and history["repeat"] == len(several):
            several.append(history)
    made = comparisons.among(run, {name: several for name, several in trained.items() if several})
    earlier = (read_json(place / comparisons.FILE) or {"comparisons": []})["comparisons"]
    sure = [
        entry
        for entry in [*earlier, *comparisons.dilution(run)]
        if entry["name"] == comparisons.DILUTION
    ]
    found = {
        entry["name"]: entry for entry in [*made, *sorted(sure, key=lambda entry: entry["repeats"])]
    }
    if not found:
        return []
    told = run.provenance() | {"recorded": True} | _mixed(histories)
    write_json(
        place / comparisons.FILE, {"provenance": told, "comparisons": comparisons.ordered(found)}
    )
    return [comparisons.FILE]


def _mixed(histories: Sequence[dict[str, Any]]) -> dict[str, bool]:
    """Return what a provenance has to say besides where not all of its networks learned labels of
    their own machine."""
    return (
        {"adopted": True}
        if any(history["provenance"].get("adopted") for history in histories)
        else {}
    )


def _refresh(place: Path) -> list[Path]:
    """Make the recorded tables of networks and comparisons anew from all that is recorded; return
    the files.

    Where `place` is of the run that stands in for others, the tables of these follow.
    """
    histories = _recorded_histories(place)
    own = _write_tables(place, histories, "this run", _mixed(histories))
    others = [
        other
        for other in sorted(place.parent.iterdir())
        if other != place and place.name == STAND_IN
    ]
    return own + [
        path for other in others for path in _write_tables(other, histories, "recorded", {}, place)
    ]


def _write_tables(
    place: Path,
    histories: list[dict[str, Any]],
    origin: str,
    more: dict[str, bool],
    source: Path | None = None,
) -> list[Path]:
    """Replace the entries of an origin in the recorded tables of `place` by what lies in `source`;
    the rest stays."""
    found = (read_json((source or place) / comparisons.FILE) or {"comparisons": []})["comparisons"]
    compared = comparisons.corrected({entry["name"]: entry | {"origin": origin} for entry in found})
    entries = studies.merge(*((histories, []) if origin == "this run" else ([], histories)))
    written = []
    for name in ("03-ablation", "04-results"):
        told = read_json(place / f"{name}.json")
        if not told or any(
            told["provenance"].get(each) != histories[0]["provenance"].get(each)
            for each in ("data", "ser", "ier")
        ):
            continue
        if name == "03-ablation":
            shown = _replaced(told.get("studies", {}), entries, origin)
            told["studies"] = {each: shown[each] for each in NETWORKS if each in shown}
            told |= {"stand_in": entries} if origin == "recorded" else {}
        else:
            before = {entry["name"]: entry for entry in told.get("comparisons", [])}
            told["comparisons"] = comparisons.ordered(_replaced(before, compared, origin))
        told["provenance"] |= more
        write_json(place / f"{name}.json", told)
        written.append(place / f"{name}.json")
    return written


def _replaced(
    before: Mapping[str, dict[str, Any]], new: Mapping[str, dict[str, Any]], origin: str
) -> dict[str, dict[str, Any]]:
    """Put new entries of an origin in the place of its old ones; what a run made itself comes
    before what stands in."""
    kept = {name: entry for name, entry in before.items() if entry["origin"] != origin}
    return {**kept, **new} if origin == "this run" else {**new, **kept}


#: Where recorded runs lie, a folder for each profile.
RECORDED = PACKAGE.parent / "book" / "recorded"
#: The recorded run that stands in for what a profile does not train.
STAND_IN = "full"


def stand_in_place(run: Run) -> Path | None:
    """Return where the recorded studies lie that a run shows; None for a run that trains them all
    itself."""
    return None if run.profile.name == STAND_IN else RECORDED / STAND_IN


def recorded_histories(run: Run) -> list[dict[str, Any]]:
    """Return the recorded histories that a run may show; none where nothing was recorded."""
    place = stand_in_place(run)
    return [read_json(path) for path in sorted((place / "models").glob("*.json"))] if place else []
