"""Table 1, the sweep over N2, the paper's other choices and Table 2, trained here or recorded.

A study's entry comes from this run where the profile trains it, and otherwise from the recorded
files of a larger run, and says which.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from IPython.display import HTML

from sierbook import numbers, recorded, statistics
from sierbook.numbers import PAPER, QUANTITIES, THIS_RUN, Key, origin
from sierlib import settings
from sierlib.experiment import label_rule
from sierlib.experiment.manifest import labelled_by_teachers, read_manifest, read_truth
from sierlib.experiment.models import (
    NETWORKS,
    names_in_group,
    published_accuracies,
    resolve_names,
    select_rows,
)
from sierlib.experiment.scores import class_codes
from sierlib.run import Run, name_corpus

if TYPE_CHECKING:
    from sierlib.experiment.train import Job

#: ResNet34 at a low learning rate, at the profile's, and at a high one.
RESNETS = ("resnet34-slow", "n2-resnet34", "resnet34-fast")
#: Networks that a group's rows are compared with, and what their rows are called there.
REFERENCES: dict[str, dict[str, str]] = {
    "N2": {"fused": "ParallelNet (VGG16 and VGG19)", "baseline3": "EfficientNet (Baseline 3)"},
    "choice": {"fused": "ParallelNet", "n2-resnet34": "ResNet34"},
}

Entry = dict[str, Any]


# --------------------------------------------------------------------------------- what is trained
def jobs_of(run: Run) -> list[Job]:
    """Return all that a run's profile trains and its corpus allows."""
    left_out = omitted(run)
    names = [name for name in resolve_names(run.profile.studies) if name not in left_out]
    jobs = []
    for name in names:
        times = run.profile.repeats if NETWORKS[name].repeated else 1
        jobs += [(name, 0, repeat) for repeat in range(times)]
    return jobs


def omitted(run: Run) -> dict[str, str]:
    """Return the studies that this corpus cannot be asked, with reasons; never one of Table 1."""
    reasons = {}
    for name in resolve_names(run.profile.studies):
        if NETWORKS[name].group == "Table 1":
            continue
        try:
            select_rows(run, NETWORKS[name])
        except ValueError as reason:
            # No page shows where data lie.
            reasons[name] = str(reason).replace(run.data, name_corpus(run.data))
    return reasons


def collect(run: Run) -> tuple[dict[str, Entry], dict[str, Entry]]:
    """Train what the profile trains, and return an entry for every network that is known.

    Returns
    -------
    entries, stand_in
        This run's entries, with recorded ones where it has none; and all that was recorded, which
        is what recorded ones have to be compared with. Both by name of the specification:
        ``title``, ``group``, ``origin`` ("this run" or "recorded"), ``profile``, ``data``,
        ``date``, ``parameters``, ``seconds`` (their mean), ``seconds_first``, ``n_epochs`` and
        ``best_epoch`` (of each repetition), ``validation``, ``test`` and ``curves`` (of the first),
        ``repeats`` (accuracies of all), ``rows``; and of each repetition's validation accuracy over
        the epochs ``near_best`` (the first epoch there), ``mean_accuracy`` and ``detours``.
    """
    from sierlib.experiment.train import train_all  # TensorFlow, which pages are built without

    histories = train_all(run, jobs_of(run))
    others = recorded.recorded_histories(run)
    return merge(histories.values(), others), merge([], others)


# ------------------------------------------------------------------------------------------ folds
def folds(run: Run, name: str = "fused") -> pd.DataFrame:
    """Cross-validate as Section 4.2 does; below stand recorded folds, where there are more.

    Returns
    -------
    pandas.DataFrame
        `cross_validate`'s columns and `origin`; where several folds of one run are there, their
        mean. For `shown.show`.
    """
    trained = cross_validate(run, name).assign(origin=THIS_RUN)
    parts = [trained]
    if run.profile.folds < settings.FOLDS:
        others = {}
        for history in recorded.recorded_histories(run):
            if (history["spec"]["name"], history["repeat"]) == (name, 0):
                others[history["fold"]] = history
        if len(others) > len(trained):
            made = origin({"origin": "recorded", **others[min(others)]["provenance"]})
            parts.append(fold_table(others).assign(origin=made))
    found = pd.concat([_with_mean(part) for part in parts])
    found.attrs["about"] = [
        Key("", name if fold == 0 else f"{name}, fold {fold}", "validation", "labels", made)
        for fold, made in found["origin"].items()
    ]
    return found


def cross_validate(run: Run, name: str = "fused") -> pd.DataFrame:
    """Train a model once for each fold that the profile asks for (Section 4.2: five).

    Returns
    -------
    pandas.DataFrame
        A row for each fold: `accuracy`, `macro F1`, `kappa` on the fold that validates, `best
        epoch`, `seconds`.
    """
    from sierlib.experiment.train import train_all  # TensorFlow

    histories = train_all(run, [(name, fold, 0) for fold in range(run.profile.folds)])
    return fold_table({fold: history for (_, fold, _), history in histories.items()})


def fold_table(histories: Mapping[int, dict[str, Any]]) -> pd.DataFrame:
    """Return what folds came to, by number; columns as of `cross_validate`."""
    rows = []
    for fold, history in sorted(histories.items()):
        scores = history["validation"]
        rows.append(
            {
                "fold": fold,
                "accuracy": scores["accuracy"]["value"],
                "macro F1": scores["macro_f1"],
                "kappa": scores["kappa"],
                "best epoch": history["best_epoch"],
                "seconds": history["seconds"],
            }
        )
    return pd.DataFrame(rows).set_index("fold")


def _with_mean(part: pd.DataFrame) -> pd.DataFrame:
    if len(part) < 2:
        return part
    mean = part.mean(numeric_only=True).to_frame().T.assign(origin=part["origin"].iloc[0])
    return pd.concat([part, mean.rename(index={0: "mean"})]).rename_axis("fold")


# ---------------------------------------------------------------------------------------- entries
def merge(
    trained: Iterable[dict[str, Any]], recorded: Iterable[dict[str, Any]]
) -> dict[str, Entry]:
    """Make entries of histories: this run's where there are any, recorded ones elsewhere."""
    entries: dict[str, Entry] = {}
    for made, histories in (("recorded", recorded), (THIS_RUN, trained)):
        by_name: dict[str, list[dict[str, Any]]] = {}
        for history in histories:
            if history["fold"] == 0:
                by_name.setdefault(history["spec"]["name"], []).append(history)
        for name, several in by_name.items():
            if name in NETWORKS:
                entries[name] = _describe(name, made, several)
    return {name: entries[name] for name in NETWORKS if name in entries}


def _describe(name: str, made: str, histories: Iterable[dict[str, Any]]) -> Entry:
    """Make the entry of a network from the histories of its repetitions."""
    several = sorted(histories, key=lambda history: history["repeat"])
    first = several[0]
    provenance, epochs = first["provenance"], first["epochs"]
    curves = {}
    for key in epochs[0]:
        if key != "learning_rate":
            curves[key] = [row[key] for row in epochs]
    return {
        "title": NETWORKS[name].title,
        "group": NETWORKS[name].group,
        "origin": made,
        "profile": provenance["profile"],
        "data": provenance["data"],
        "date": provenance["date"],
        "parameters": first["parameters"],
        "seconds": float(np.mean([history["seconds"] for history in several])),
        "seconds_first": first["seconds"],  # others may have been trained on another machine
        "validation": first["validation"],
        "test": first["test"],
        "curves": curves,
        "rows": first["rows"],
        **_describe_repeats(several),
    }


def _describe_repeats(several: Sequence[dict[str, Any]]) -> Entry:
    """Return of each repetition how long it learned, how validation went, and how it scored."""
    keys = ("n_epochs", "best_epoch", "near_best", "mean_accuracy", "detours")
    entry: Entry = {key: [] for key in keys}
    repeats: dict[str, Any] = {"n": len(several), "validation": [], "test": []}
    for history in several:
        curve = [row["val_accuracy"] for row in history["epochs"]]
        entry["n_epochs"].append(len(history["epochs"]))
        entry["best_epoch"].append(history["best_epoch"])
        entry["near_best"].append(statistics.first_near_best(curve))
        entry["mean_accuracy"].append(fmean(curve))
        entry["detours"].append(statistics.mean_detour(curve))
        for part in ("validation", "test"):
            repeats[part].append(history[part]["accuracy"]["value"])
    return entry | {"repeats": repeats}


# ------------------------------------------------------------------------------ tables and curves
def table(
    entries: Mapping[str, Entry],
    group: str,
    part: str = "validation",
    stand_in: Mapping[str, Entry] | None = None,
) -> pd.DataFrame:
    """Return a group's table for `shown.show`: accuracy with intervals, F1, kappa, cost, origin.

    Parameters
    ----------
    part
        "validation", as in the paper's Table 1, or "test".
    stand_in
        As `collect` gives it: where some of the group's rows are recorded ones, all that were
        recorded of it are shown, since rows can only be compared within a run.
    """
    published = published_accuracies(group)
    rows, keys = [], []
    reference = "sentiments" if group == "Table 2" else "labels"
    for title, name, entry in _choose_entries(entries, group, stand_in or {}):
        key = Key("", name, part, reference, origin(entry) if entry else "")
        keys.append(key)
        row: dict[str, Any] = {"model": title}
        if published:
            row["published"] = _write_published(published.get(title), key)
        rows.append(row | _cells(entry, part, key))
    found = pd.DataFrame(rows).set_index("model")

    # Columns that would say nothing are left out; one training of several is named as such.
    if found.get("mean over seeds", pd.Series()).isna().all():
        found = found.drop(columns="mean over seeds", errors="ignore")
    else:
        found = found.rename(columns={f"accuracy, {part}": f"accuracy, {part}{numbers.FIRST}"})
    if (found["origin"] == THIS_RUN).all():
        found = found.drop(columns="origin")
    found.attrs |= {"about": keys, "formats": _FORMATS}
    return found


def _write_published(value: float | None, key: Key) -> HTML:
    """Write what the paper has for a network, which it calls validation in one table only."""
    if value is None:
        return HTML("–")
    paper = Key("accuracy", key.network, "", key.reference, PAPER)
    return HTML(numbers.write(value, ".2%", *paper))


def _choose_entries(
    entries: Mapping[str, Entry], group: str, stand_in: Mapping[str, Entry]
) -> list[tuple[str, str, Entry | None]]:
    """Return title, name and entry of a table's rows: this run's, then all recorded ones if any is.

    What a group is compared with comes before it, from the same run.
    """
    names = names_in_group(group)
    own = [name for name in names if entries.get(name, {}).get("origin") == THIS_RUN]
    others = [name for name in names if name not in own]
    if others and any(name in stand_in for name in names):
        others = names
    shown: list[tuple[str, str, Entry | None]] = []
    for pool, chosen in ((entries, own), (stand_in, others)):
        if chosen:
            references = REFERENCES.get(group, {})
            shown += [(title, name, pool.get(name)) for name, title in references.items()]
            shown += [(NETWORKS[name].title, name, pool.get(name)) for name in chosen]
    return shown


#: How `shown.show` writes the columns of `table`.
_FORMATS = {
    **dict.fromkeys((name for name in QUANTITIES if name.startswith("accuracy, ")), "{:.1%}"),
    **dict.fromkeys(("macro F1", "kappa"), "{:.2f}"),
    "weights": "millions",
    "time": "{:.0f}\u00a0s",
}


def _cells(entry: Entry | None, part: str, key: Key) -> dict[str, Any]:
    """Return what a table says of a network."""
    if entry is None:
        return {"origin": "not trained yet"}
    scores = entry[part]
    return {
        f"accuracy, {part}": scores["accuracy"],
        "mean over seeds": _write_mean(entry["repeats"][part], key),
        "macro F1": scores["macro_f1"],
        "kappa": scores["kappa"],
        "weights": entry["parameters"],
        "time": entry["seconds_first"],
        "best epoch": entry["best_epoch"],
        "origin": origin(entry),
    }


def _write_mean(values: Sequence[float], key: Key) -> HTML | None:
    """Write the mean of repetitions with Student's 95 % interval; nothing for one alone."""
    if len(values) < 2:
        return None
    mean, count = statistics.estimate_few(values), len(values)
    of_mean = key._replace(quantity=numbers.name_mean(count))
    trainings = numbers.write(count, "d", *key._replace(quantity="trainings"))
    return HTML(f"{numbers.write_estimate(mean, '.1%', of_mean)} of {trainings}")


def accuracy_rows(
    entries: Mapping[str, Entry],
    group: str,
    part: str = "validation",
    stand_in: Mapping[str, Entry] | None = None,
) -> pd.DataFrame:
    """Return first and further accuracies as `accuracy_plots.accuracies` draws them; arguments as
    of `table`."""
    rows = []
    for _, _, entry in _choose_entries(entries, group, stand_in or {}):
        if entry and entry["group"] == group:
            accuracy, made = entry[part]["accuracy"], f"{part}, {entry['origin']}"
            bounds = accuracy["value"], accuracy["low"], accuracy["high"]
            rows.append((entry["title"], made, *bounds, entry["repeats"][part][1:]))
    return pd.DataFrame(rows, columns=["model", "against", "accuracy", "low", "high", "again"])


def curves(entries: Mapping[str, Entry], names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return learning curves of some entries as `accuracy_plots.learning_curves` draws them."""
    found = {}
    for name in names:
        if name in entries:
            entry = entries[name]
            epochs = pd.DataFrame(entry["curves"]).to_dict("records")
            found[entry["title"]] = {"epochs": epochs, "best_epoch": entry["best_epoch"][0]}
    return found


def thresholds(
    run: Run, values: Sequence[float] = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
) -> pd.DataFrame:
    """Say how many pairs each threshold keeps under the two rules, and how often rightly.

    It is right where the label is the planted emotion. Empty where the corpus brought its labels.
    """
    rows = pd.concat([read_manifest(run), read_manifest(run, "discarded")], ignore_index=True)
    if not labelled_by_teachers(rows):
        return pd.DataFrame()

    # What both rules make of every pair, whatever the threshold.
    ser, ier = (label_rule.teacher_opinions(rows, role) for role in settings.ROLES)
    most, agreed = label_rule.max_rule(ser, ier), label_rule.agreement_rule(ser, ier)
    labels = {"maximum": most["label"], "agreement": agreed["label"]}
    truth = read_truth(run)
    planted = class_codes([truth[name]["emotion"] for name in rows["id"]]) if truth else None

    table = []
    for threshold in values:
        sure = most["confidence"] >= threshold
        for rule, kept in (("maximum", sure), ("agreement", sure & agreed["kept"])):
            right = None
            if planted is not None and kept.any():
                right = float((labels[rule] == planted)[kept].mean())
            table.append(
                {
                    "threshold": threshold,
                    "rule": rule,
                    "pairs kept": int(kept.sum()),
                    "share": float(kept.mean()),
                    "label is the planted emotion": right,
                }
            )
    return pd.DataFrame(table).set_index(["threshold", "rule"])
