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
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sierbook import seeds
from sierlib import settings
from sierlib.experiment import label_rule
from sierlib.experiment.manifest import (
    OPINIONS,
    labelled_by_teachers,
    read_csv,
    read_manifest,
    read_truth,
    sign_manifest,
    write_csv,
)
from sierlib.experiment.models import HALVES, NETWORKS
from sierlib.files import ensure_folder, read_json, write_json
from sierlib.keys import PACKAGE
from sierlib.run import Run

#: Where recorded runs lie, a folder for each profile.
RECORDED = PACKAGE.parent / "book" / "recorded"
#: The recorded run that stands in for what a profile does not train.
STAND_IN = "full"
#: Every row with its label, part, planted emotion and relation of the modalities, below the folder
#: of a profile.
LABELS = "labels.csv"
#: What was tried for the training recipe, by ``benchmarks/search_recipe.py``.
SEARCH = "search.json"
#: The study of pairs that only speak together (`benchmarks/together.py`).
TOGETHER = "together.json"
#: What pre-training is worth on real photographs, and a second voice (`benchmarks/transfer.py`).
TRANSFER = "transfer.json"
#: How fast and how exact the model in the page is, by ``benchmarks/engine.py``.
ENGINE = "page-engine.json"
#: How the building of a data set grows, by ``make bench SCALE=1``.
SCALE = "scale.json"
#: What one waits for beside what else does it, by ``make bench``; below the project.
BENCH = "benchmarks/results.json"
#: What a machine with a GPU did, by ``benchmarks/gpu.py``.
GPU = "gpu.json"
#: What became of bad data, kills and hostile inputs, by ``make torture``.
TORTURE = "torture.json"

#: Figures of a stage in it that should be 0, and their heads.
FAULTS = {
    "crashed": "Crashed",
    "slow": "Over 5 s",
    "large": "Over 1 GB",
    "lost": "Lost",
    "let_in": "Let in",
}
#: What two pieces have to have in common.
COMMON = ("data", "ser", "ier", "seed", "recipe")
#: What makes a label; emotion and relation are there to compare networks by.
_DECIDED = ["label", "split", "fold"]


# -------------------------------------------------------------------------------------- reading
def stand_in_place(run: Run) -> Path | None:
    """Return where the studies lie that stand in for a run's own; None where it trains them all."""
    return None if run.profile.name == STAND_IN else RECORDED / STAND_IN


def begun_place(place: Path) -> Path:
    """Return where the pieces of a profile gather, beside what was recorded of it, until they are
    whole and take its place: tables never mix networks of two recipes."""
    return place.parent / "begun" / place.name


def find_place(name: str) -> Path:
    """Return where the pieces of a profile are: those that gather, else those that are whole."""
    begun = begun_place(RECORDED / name)
    return begun if begun.is_dir() else RECORDED / name


def recorded_histories(run: Run) -> list[dict[str, Any]]:
    """Return the recorded histories that a run may show; none where nothing was recorded."""
    place = stand_in_place(run)
    return list(read_histories(place).values()) if place else []


def recorded_results(run: Run, notebook: str) -> dict[str, Any]:
    """Return the recorded results of a notebook that a run may show; empty without any."""
    place = stand_in_place(run)
    return (place and read_json(place / f"{notebook}.json")) or {}


def read_together() -> dict[str, Any]:
    """Return the recorded study of pairs that only speak together (`benchmarks/together.py`); empty
    where there is none."""
    return read_json(RECORDED / TOGETHER) or {}


def read_transfer() -> dict[str, Any]:
    """Return the recorded study of real photographs and voices (`benchmarks/transfer.py`); empty
    where there is none."""
    return read_json(RECORDED / TRANSFER) or {}


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
    paths = _list_files(place)
    return read_json(paths[0])["provenance"] if paths else {}


def _list_files(place: Path) -> list[Path]:
    """List a profile's recorded result files and histories."""
    return [*sorted(place.glob("[0-9]*.json")), *sorted(place.glob("models/*.json"))]


def read_labels(place: Path) -> pd.DataFrame | None:
    """Read a profile's recorded labels, as `list_labels` gives them; None where there are none."""
    path = place / LABELS
    if not path.is_file():
        return None
    opinions = dict.fromkeys(OPINIONS, "")
    return read_csv(path, dtype={"id": str}, keep_default_na=False, na_values=opinions)


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
    if "winner" not in labels:
        raise ValueError(
            f"{place / LABELS} says nothing of what teachers thought: it was recorded by an "
            f"earlier version; `sier record --profile {place.name}` writes it anew"
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
    paths = _list_files(place)
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
        teachers' opinions, both "" where nobody knows; whose the label is, ``winner``; and the
        opinions to four digits, NaN where no teacher was asked.
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
    rows[OPINIONS] = rows[OPINIONS].apply(pd.to_numeric).round(4)
    return rows[["id", *_DECIDED, "emotion", "relation", "winner", *OPINIONS]]


# ------------------------------------------------------------------ going on with another's pieces
def adopt_networks(
    run: Run, place: Path, asked: Collection[str] = tuple(HALVES.values())
) -> list[str]:
    """Put recorded histories into a run that has the recorded labels, so that what another machine
    has trained is not trained again.

    Parameters
    ----------
    asked
        Networks that notebooks ask themselves: a history alone is not enough of these.

    Returns
    -------
    list of str
        The networks' files that were put there.
    """
    from sierlib.experiment.train import put_history  # TensorFlow, which pages are built without

    adopted = []
    for name, history in read_histories(place).items():
        job = (history["spec"]["name"], history["fold"], history["repeat"])
        if job[0] not in NETWORKS or (job[0] in asked and job[1:] == (0, 0)):
            continue
        history["provenance"]["adopted"] = True
        if put_history(run, job, history):
            adopted.append(name)
    return adopted


# ------------------------------------------------------------------------------------- recording
def record(
    run: Run, notebooks: Sequence[str] = (), whole: bool = False, place: Path | None = None
) -> list[Path]:
    """Keep a run's results, histories and labels where pages and later runs read them.

    Of a run from another seed than what is recorded, `seeds.record_seed` keeps the scores, and that
    is all. A piece of a run is added to what others have left of the same labels; else it begins
    anew, in `begun_place`. A whole run takes the place of all that was recorded. What is left out
    is named on stderr.

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
        labels than what is there and what was begun; nothing is changed then.
    """
    place = place or RECORDED / run.profile.name
    other = _other_seed(run, place)
    if other is not None:
        if "04-results" not in notebooks:
            raise ValueError(
                f"{place} was recorded with seed {other}, this run has seed {run.seed}: of further "
                "seeds the scores of notebook 04 are kept, and here it is out of date"
            )
        return [seeds.record_seed(run, place)]

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
        _clear(place)
        if begun_place(place).is_dir():
            print(f"{begun_place(place)}: removing the pieces that were begun", file=sys.stderr)
        shutil.rmtree(begun_place(place), ignore_errors=True)
    else:
        if reason:
            place = begun_place(place)
        if reason := _find_difference(run, labels, place):
            raise ValueError(
                f"{place} was recorded with {reason} than this run's. Begin with `sier dataset "
                f"--profile {run.profile.name} --labels recorded`, or remove it"
            )
        histories = _leave_to_others(histories, place)

    files = {place / f"models/{name}.json": history for name, history in histories.items()}
    for name in notebooks:
        files[place / f"{name}.json"] = _without_derived(run.results(name))
    for path, value in files.items():
        value["provenance"]["recorded"] = True
        write_json(path, value)
    written = list(files)
    if "04-results" in notebooks:
        written.append(seeds.record_seed(run, place))
    if not (place / LABELS).is_file():  # a piece's are the same
        write_csv(labels, ensure_folder(place) / LABELS)
        written.append(place / LABELS)
    return written


def _other_seed(run: Run, place: Path) -> int | None:
    """Return the seed that a profile was recorded with, if it is not the run's."""
    seed = read_provenance(place).get("seed", run.seed)
    return None if seed == run.seed else seed


def _clear(place: Path) -> None:
    """Remove what was recorded of a profile, but for what other seeds reached."""
    for path in place.glob("*"):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != seeds.FILE:
            path.unlink()


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
    made = [read_json(path)["provenance"] for path in _list_files(place)]
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
    derived = ("studies", "stand_in", "learning_curve", "comparisons", "seeds")
    return {key: value for key, value in results.items() if key not in derived}
