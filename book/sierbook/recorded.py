"""What is recorded of runs: result files, histories of networks and labels, a folder a profile.

A large profile is trained in pieces, on more than one machine. Networks may only be compared when
they learned from the same rows with the same labels; labels are teachers' opinions, and a processor
that rounds otherwise trains teachers that are now and then of another opinion. So labels are
recorded with the networks, and another machine can train on them. Tables and comparisons of
networks are not recorded: `sierbook.derived` makes them of histories and labels.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sierlib import settings
from sierlib.experiment import label_rule
from sierlib.experiment.manifest import (
    COLUMNS,
    GIVEN,
    labelled_by_teachers,
    read_manifest,
    read_truth,
    sign_manifest,
    write_csv,
)
from sierlib.experiment.models import NETWORKS
from sierlib.run import PACKAGE, Run, digest, ensure_folder, read_json, write_json

#: Where recorded runs lie, a folder for each profile.
RECORDED = PACKAGE.parent / "book" / "recorded"
#: The recorded run that stands in for what a profile does not train.
STAND_IN = "full"
#: Every row with its label, part, planted emotion and relation of the modalities, below the folder
#: of a profile.
LABELS = "labels.csv"
#: What two pieces have to have in common.
COMMON = ("data", "ser", "ier", "seed")
#: What makes a label; emotion and relation are there to compare networks by.
_DECIDED = ["label", "split", "fold"]


# -------------------------------------------------------------------------------------- reading
def stand_in_place(run: Run) -> Path | None:
    """Return where the studies lie that stand in for a run's own; None where it trains them all."""
    return None if run.profile.name == STAND_IN else RECORDED / STAND_IN


def recorded_histories(run: Run) -> list[dict[str, Any]]:
    """Return the recorded histories that a run may show; none where nothing was recorded."""
    place = stand_in_place(run)
    return list(read_histories(place).values()) if place else []


def read_histories(place: Path) -> dict[str, dict[str, Any]]:
    """Read the histories of a profile's recorded networks.

    Returns
    -------
    dict
        By name of the file, such as "fused-repeat1"; titles are those that the networks have now.
    """
    histories = {}
    for path in sorted(place.glob("models/*.json")):
        history = read_json(path)
        name = history["spec"]["name"]
        if name in NETWORKS:
            history["title"] = history["spec"]["title"] = NETWORKS[name].title
        histories[path.stem] = history
    return histories


def read_provenance(place: Path) -> dict[str, Any]:
    """Return the provenance of the first of a profile's recorded files; empty without any."""
    paths = sorted(place.rglob("*.json"))
    return read_json(paths[0])["provenance"] if paths else {}


def read_labels(place: Path) -> pd.DataFrame | None:
    """Read a profile's recorded labels, as `list_labels` gives them; None where there are none."""
    path = place / LABELS
    return pd.read_csv(path, dtype={"id": str}, keep_default_na=False) if path.is_file() else None


def recorded_labels(place: Path, asked: Mapping[str, Any]) -> pd.DataFrame:
    """Read the recorded labels of a profile by ``id``, if they are those that are asked for.

    Parameters
    ----------
    place
        ``book/recorded/<profile>``.
    asked
        The run's `COMMON` settings.

    Raises
    ------
    FileNotFoundError
        When no labels were recorded.
    ValueError
        When they were recorded with another corpus, other teachers or another seed.
    """
    refuse_others(place, asked)
    labels = read_labels(place)
    if labels is None:
        raise FileNotFoundError(
            f"{place / LABELS} is missing: `sier record --profile {place.name}` writes it"
        )
    return labels.set_index("id")


def refuse_others(place: Path, asked: Mapping[str, Any]) -> None:
    """Stop before any work when what was recorded was made with other settings.

    Parameters
    ----------
    place
        ``book/recorded/<profile>``.
    asked
        A run's settings, by their names in the provenance: ``data``, ``ser``, ``ier``, ``seed``.

    Raises
    ------
    FileNotFoundError
        When nothing was recorded.
    ValueError
        Naming what was recorded and what was asked.
    """
    paths = sorted(place.rglob("*.json"))
    if not paths:
        raise FileNotFoundError(
            f"{place} holds no recorded results: `sier record` writes them after a run"
        )
    for path in paths:
        made = read_json(path)["provenance"]
        other = [name for name in asked if made.get(name, asked[name]) != asked[name]]
        if other:
            was = ", ".join(f"{name} {made[name]}" for name in other)
            wanted = ", ".join(f"{name} {asked[name]}" for name in other)
            raise ValueError(f"{path} was recorded with {was}, and {wanted} was asked for")


def list_labels(run: Run) -> pd.DataFrame:
    """List every labelled row of a run, and after them those that were discarded.

    Returns
    -------
    pandas.DataFrame
        ``id``, ``label``, ``split`` ("" where discarded), ``fold``; ``emotion``, the planted one,
        and ``relation`` of the modalities, such as "agree" or "conflict": as planted, else by the
        teachers' opinions. Both are "" where nobody knows.
    """
    rows = pd.concat([read_manifest(run), read_manifest(run, "discarded")], ignore_index=True)
    truth = read_truth(run)
    rows["emotion"] = rows["relation"] = ""
    if truth:
        rows["emotion"] = [truth[name]["emotion"] for name in rows["id"]]
        rows["relation"] = [truth[name]["relation"] for name in rows["id"]]
    elif labelled_by_teachers(rows):
        ser, ier = (label_rule.teacher_opinions(rows, role) for role in settings.ROLES)
        same = ser.argmax(axis=1) == ier.argmax(axis=1)
        rows["relation"] = np.where(same, "agree", "conflict")
    return rows[["id", *_DECIDED, "emotion", "relation"]]


# ------------------------------------------------------------------- training on recorded labels
def adopt(run: Run, place: Path | None = None) -> dict[str, Any]:
    """Give a run's data set the labels and parts of the recorded run of its profile.

    The manifest says of each label that it was given, and nothing of what teachers think: what a
    threshold or a rule of its own learns from can only be trained where the labels were made
    (`select_rows`). `build_dataset`, and with it notebook 01, undoes it.

    Parameters
    ----------
    run
        With a data set, as `build_dataset` makes it.
    place
        By default ``book/recorded/<profile>``.

    Returns
    -------
    dict
        The summary, as `build_dataset` gives it, with ``adopted``.

    Raises
    ------
    FileNotFoundError, ValueError
        As `recorded_labels`; and when the labels are about other rows.
    """
    place = place or RECORDED / run.profile.name
    labels = recorded_labels(place, {key: getattr(run, key) for key in COMMON})[_DECIDED]
    rows = pd.concat([read_manifest(run), read_manifest(run, "discarded")]).set_index("id")
    if differing := len(rows.index.symmetric_difference(labels.index)):
        raise ValueError(
            f"{place / LABELS} is about other rows than {run.data} has now: {differing} are only "
            "in one"
        )

    # The same rows in the recorded order, with nothing left of what teachers here think of them.
    rows = rows.loc[labels.index].assign(**labels, winner=GIVEN).reset_index()
    for role in settings.ROLES:
        rows[[f"{role}_{name}" for name in settings.CLASSES]] = np.nan
    used, discarded = rows[rows["split"] != ""], rows[rows["split"] == ""]

    folder = run.folder / "dataset"
    counts = {name: int((used["label"] == name).sum()) for name in settings.CLASSES}
    summary = read_json(folder / "summary.json") | {
        "usable": len(used),
        "discarded": len(discarded),
        "per_class": counts,
        "absent": [name for name, count in counts.items() if not count],
        "adopted": True,
    }
    run.forget("manifest")  # what follows is whole only at its end
    write_csv(used[COLUMNS], folder / "manifest.csv")
    write_csv(discarded[COLUMNS], folder / "discarded.csv")
    write_json(folder / "summary.json", summary)
    run.done("manifest", digest("adopted", run.key_of("arrays"), labels.to_csv()))
    return summary


# ------------------------------------------------------------------------------------- recording
def record(
    run: Run, notebooks: Sequence[str] = (), whole: bool = False, place: Path | None = None
) -> list[Path]:
    """Keep a run's results, histories and labels where pages and later runs read them.

    A piece of a run is added to what others have left; a whole run takes the place of all that was
    recorded. What is left out is named on stderr.

    Parameters
    ----------
    notebooks
        Those that are up to date: their results are copied, marked as recorded.
    whole
        Whether these are all that there are.
    place
        By default ``book/recorded/<profile>``.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    ValueError
        When nothing of the run is up to date, or a piece was made with other settings or other
        labels than what is there; nothing is changed then.
    """
    place = place or RECORDED / run.profile.name
    labels, histories = list_labels(run), _current_histories(run)
    if notebooks:
        seen = run.results("01-dataset").get("manifest")
        if seen != sign_manifest(read_manifest(run)):
            print("left out, as made with other labels: notebooks", file=sys.stderr)
            notebooks, whole = (), False
    if not notebooks and not histories:
        raise ValueError(f"nothing of {run.folder} is up to date: run notebooks, or `sier train`")

    reason = _find_difference(run, labels, place)
    if whole:
        if reason:
            print(f"{place}: removing what was recorded with {reason}", file=sys.stderr)
        shutil.rmtree(place, ignore_errors=True)
    elif reason:
        raise ValueError(
            f"{place} was recorded with {reason} than this run's. Begin with `sier dataset "
            f"--profile {run.profile.name} --labels recorded`, or record a run with all its "
            "notebooks, which takes its place"
        )
    else:
        histories = _leave_to_others(histories, place)

    files = {place / f"models/{name}.json": history for name, history in histories.items()}
    for name in notebooks:
        files[place / f"{name}.json"] = _without_derived(run.results(name))
    for path, value in files.items():
        value["provenance"]["recorded"] = True
        write_json(path, value)
    written = list(files)
    if not (place / LABELS).is_file():  # a piece's are the same
        write_csv(labels, ensure_folder(place) / LABELS)
        written.append(place / LABELS)
    return written


def _current_histories(run: Run) -> dict[str, dict[str, Any]]:
    """Read the histories of the run's networks that are up to date, by name of their files."""
    from sierlib.experiment.train import is_current  # TensorFlow, which pages are built without

    adopted = (read_json(run.folder / "dataset" / "summary.json") or {}).get("adopted")
    histories = {}
    for path in sorted((run.folder / "models").glob("*.json")):
        history = read_json(path)
        if "spec" not in history:  # a teacher's
            continue
        if is_current(run, (history["spec"]["name"], history["fold"], history["repeat"])):
            if adopted:
                history["provenance"]["adopted"] = True
            histories[path.stem] = history
    return histories


def _find_difference(run: Run, labels: pd.DataFrame, place: Path) -> str:
    """Say in which respect what is recorded is not of this run's data: "" where it is."""
    made = [read_json(path)["provenance"] for path in place.rglob("*.json")]
    for key in COMMON:
        if any(each.get(key) != getattr(run, key) for each in made):
            return f"other {key}"
    recorded = read_labels(place)
    if recorded is None:
        return "other labels" if made else ""
    return "" if _decided(recorded).equals(_decided(labels)) else "other labels"


def _decided(labels: pd.DataFrame) -> pd.DataFrame:
    """Return what was decided of used rows in their order, and after them which are discarded."""
    used = labels["label"].where(labels["split"] != "", "")
    order = (labels["split"] == "").to_numpy().argsort(kind="stable")
    return (
        labels.assign(label=used)[["id", *_DECIDED]].astype(str).iloc[order].reset_index(drop=True)
    )


def _leave_to_others(
    histories: Mapping[str, dict[str, Any]], place: Path
) -> dict[str, dict[str, Any]]:
    """Leave out networks that another machine has recorded: recorded pages tell of those."""
    kept = {}
    for name, history in histories.items():
        there = (read_json(place / "models" / f"{name}.json") or history)["provenance"]
        here = history["provenance"]
        if all(there.get(key) == here.get(key) for key in ("machine", "adopted")):
            kept[name] = history
        else:
            print(f"left out, as recorded on another machine: {name}", file=sys.stderr)
    return kept


def _without_derived(results: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of a notebook's results what is derived from histories when they are read."""
    kept = {key: value for key, value in results.items() if key not in ("studies", "stand_in")}
    if "comparisons" in kept:
        own = [entry for entry in kept["comparisons"] if entry["origin"] == "this run"]
        # Histories do not say how sure a network was.
        kept["comparisons"] = [entry for entry in own if entry["against"] == "confidence"]
    return kept
