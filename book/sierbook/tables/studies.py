"""Table 1, the sweep over N2, the paper's other choices and Table 2: what was trained here, and
what was recorded.

A study's entry comes from this run where the profile trains it, and otherwise from the recorded
files of a larger run, and says which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd

from sierbook import recorded, statistics
from sierbook.claims.findings import corpus
from sierlib import settings
from sierlib.experiment import label_rule
from sierlib.experiment.manifest import read_manifest, read_truth
from sierlib.experiment.models import (
    NETWORKS,
    names_in_group,
    published_accuracies,
    resolve_names,
    select_rows,
)
from sierlib.experiment.scores import class_codes
from sierlib.experiment.train import Job, train_all
from sierlib.run import Run

#: ResNet34 at a low learning rate, at the profile's, and at a high one.
RESNETS = ("resnet34-slow", "n2-resnet34", "resnet34-fast")

Entry = dict[str, Any]


def jobs_of(run: Run) -> list[Job]:
    """Return all that a run's profile trains and its corpus allows."""
    left_out = omitted(run)
    return [
        (name, 0, repeat)
        for name in resolve_names(run.profile.studies)
        if name not in left_out
        for repeat in range(run.profile.repeats)
    ]


def omitted(run: Run) -> dict[str, str]:
    """Return the studies that this corpus cannot be asked, by name, with the reason; Table 1 is
    never among them."""
    found = {}
    for name in resolve_names(run.profile.studies):
        if NETWORKS[name].group != "Table 1":
            try:
                select_rows(run, NETWORKS[name])
            except ValueError as reason:
                found[name] = str(reason).replace(
                    run.data, corpus(run.data)
                )  # no page shows where data lie
    return found


def collect(run: Run) -> tuple[dict[str, Entry], dict[str, Entry]]:
    """Train what the profile trains, and return an entry for every specification that there is
    anything known of.

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
    histories = train_all(run, jobs_of(run))
    others = recorded.recorded_histories(run)
    return merge(histories.values(), others), merge([], others)


def folds(run: Run, name: str = "fused") -> pd.DataFrame:
    """Cross-validate as Section 4.2 does; below what the profile trains stand recorded folds, where
    there are more.

    Returns
    -------
    pandas.DataFrame
        `studies.cross_validate`'s columns and `origin`; where several folds of one run are there,
        their mean.
    """
    own = cross_validate(run, name).assign(origin="this run")
    parts = [own]
    if run.profile.folds < settings.FOLDS:
        told = [
            history
            for history in recorded.recorded_histories(run)
            if (history["spec"]["name"], history["repeat"]) == (name, 0)
        ]
        if len(told) > len(own):
            found = fold_table({history["fold"]: history for history in told})
            parts.append(
                found.assign(origin=origin({"origin": "recorded", **told[0]["provenance"]}))
            )
    return pd.concat([_with_mean(part) for part in parts])


def _with_mean(part: pd.DataFrame) -> pd.DataFrame:
    if len(part) < 2:
        return part
    mean = part.mean(numeric_only=True).to_frame().T.assign(origin=part["origin"].iloc[0])
    return pd.concat([part, mean.rename(index={0: "mean"})]).rename_axis("fold")


def merge(own: Iterable[dict[str, Any]], recorded: Iterable[dict[str, Any]]) -> dict[str, Entry]:
    """Make entries of histories: this run's where there are any, recorded ones elsewhere."""
    entries: dict[str, Entry] = {}
    for origin, histories in (("recorded", recorded), ("this run", own)):
        by_name: dict[str, list[dict[str, Any]]] = {}
        for history in histories:
            if history["fold"] == 0:
                by_name.setdefault(history["spec"]["name"], []).append(history)
        entries |= {name: _entry(origin, found) for name, found in by_name.items()}
    return {name: entries[name] for name in NETWORKS if name in entries}


def _entry(origin: str, histories: list[dict[str, Any]]) -> Entry:
    histories = sorted(histories, key=lambda history: history["repeat"])
    first = histories[0]
    told = first["provenance"]
    curves = [name for name in first["epochs"][0] if name != "learning_rate"]
    return {
        "title": first["title"],
        "group": first["spec"]["group"],
        "origin": origin,
        **{key: told[key] for key in ("profile", "data", "date")},
        "parameters": first["parameters"],
        "seconds": float(np.mean([history["seconds"] for history in histories])),
        "seconds_first": first["seconds"],  # others may have been trained on another machine
        "n_epochs": [len(history["epochs"]) for history in histories],
        "best_epoch": [history["best_epoch"] for history in histories],
        **_learning(histories),
        "validation": first["validation"],
        "test": first["test"],
        "repeats": {
            "n": len(histories),
            **{
                part: [history[part]["accuracy"]["value"] for history in histories]
                for part in ("validation", "test")
            },
        },
        "curves": {name: [row[name] for row in first["epochs"]] for name in curves},
        "rows": first["rows"],
    }


def _learning(histories: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Say of each repetition's validation accuracy when it was near its best, its mean over the
    epochs, its detours."""
    curves = [[row["val_accuracy"] for row in history["epochs"]] for history in histories]
    told: dict[str, Callable[[list[float]], Any]] = {
        "near_best": statistics.first_near_best,
        "mean_accuracy": fmean,
        "detours": statistics.mean_detour,
    }
    return {name: [of(curve) for curve in curves] for name, of in told.items()}


def origin(entry: Entry) -> str:
    """Say where an entry comes from: this run, or a recorded one with its profile, data and
    date."""
    if entry["origin"] == "this run":
        return "this run"
    return f"recorded: {entry['profile']}, {entry['data']}, {entry['date']}"


def _percent(value: float) -> str:
    return f"{value:.2%}"


def _with_interval(scores: dict[str, Any]) -> str:
    return "{value:.1%} [{low:.1%}, {high:.1%}]".format(**scores["accuracy"])


def _mean(entry: Entry, part: str) -> str:
    """Mean over repetitions, with the 95 % interval of Student's t and their number; a dash for
    one."""
    values = entry["repeats"][part]
    if len(values) < 2:
        return "–"
    return "{value:.1%} [{low:.1%}, {high:.1%}] of {n}".format(**statistics.estimate_few(values))


def table(
    entries: dict[str, Entry],
    group: str,
    part: str = "validation",
    stand_in: dict[str, Entry] | None = None,
) -> pd.DataFrame:
    """Return a group's table: accuracy with its interval, over repetitions, F1, kappa, cost and
    where it comes from.

    Parameters
    ----------
    part
        "validation", as in the paper's Table 1, or "test".
    stand_in
        As `collect` gives it: where the group's rows are recorded ones, so is the row that they are
        compared with.
    """
    published = published_accuracies(group)
    names = names_in_group(group)
    shown = [(NETWORKS[name].title, entries.get(name)) for name in names]
    origins = sorted({entry["origin"] for _, entry in shown if entry}, reverse=True) or ["this run"]
    # What rows are compared with has to come from the run that they come from.
    pools = {"this run": entries, "recorded": stand_in or {}}
    reference = {
        "N2": {"fused": "ParallelNet as published", "baseline3": "EfficientNet (Baseline 3)"},
        "choice": {"fused": "ParallelNet as published", "n2-resnet34": "ResNet34"},
    }.get(group, {})
    shown = [
        (title, pools[one].get(name)) for one in origins for name, title in reference.items()
    ] + shown
    rows = []
    for title, entry in shown:
        row = {"model": title}
        if published:
            row["published"] = _percent(published[title]) if title in published else "–"
        if entry:
            scores = entry[part]
            row |= {
                f"accuracy, {part}": _with_interval(scores),
                "mean over seeds": _mean(entry, part),
                "macro F1": f"{scores['macro_f1']:.2f}",
                "kappa": f"{scores['kappa']:.2f}",
                "weights": f"{entry['parameters'] / 1e6:.1f}\u00a0M",
                "time": f"{entry['seconds_first']:.0f}\u00a0s",
                "best epoch": ", ".join(map(str, entry["best_epoch"])),
                "origin": origin(entry),
            }
        else:
            row["origin"] = "not trained yet"
        rows.append(row)
    table = pd.DataFrame(rows).set_index("model").fillna("–")
    same = {"mean over seeds": "–", "origin": "this run"}  # columns that would say nothing
    return table.drop(
        columns=[
            name for name, value in same.items() if name in table and (table[name] == value).all()
        ]
    )


def accuracy_rows(entries: dict[str, Entry], group: str, part: str = "validation") -> pd.DataFrame:
    """Return first trainings' accuracies with intervals, and other trainings', as
    `accuracy_plots.accuracies` draws them."""
    return pd.DataFrame(
        [
            {
                "model": entries[name]["title"],
                "against": f"{part}, {entries[name]['origin']}",
                "accuracy": entries[name][part]["accuracy"]["value"],
                "low": entries[name][part]["accuracy"]["low"],
                "high": entries[name][part]["accuracy"]["high"],
                "again": entries[name]["repeats"][part][1:],
            }
            for name in names_in_group(group)
            if name in entries
        ],
        columns=["model", "against", "accuracy", "low", "high", "again"],
    )


def curves(entries: dict[str, Entry], names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the learning curves of some entries in the form that `accuracy_plots.learning_curves`
    draws."""
    return {
        entries[name]["title"]: {
            "epochs": pd.DataFrame(entries[name]["curves"]).to_dict("records"),
            "best_epoch": entries[name]["best_epoch"][0],
        }
        for name in names
        if name in entries
    }


def thresholds(
    run: Run, values: Sequence[float] = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
) -> pd.DataFrame:
    """Say how many pairs each threshold keeps under the two rules, and how often the label is the
    planted emotion.

    Empty where the corpus brought its labels.
    """
    rows = pd.concat([read_manifest(run), read_manifest(run, "discarded")], ignore_index=True)
    if (rows["winner"] == "given").any():
        return pd.DataFrame()
    ser, ier = (label_rule.teacher_opinions(rows, role) for role in settings.ROLES)
    most, agreed = label_rule.max_rule(ser, ier), label_rule.agreement_rule(ser, ier)
    truth = read_truth(run)
    right = {}
    if truth:
        planted = class_codes([truth[name]["emotion"] for name in rows["id"]])
        right = {"maximum": most["label"] == planted, "agreement": agreed["label"] == planted}
    table = []
    for threshold in values:
        sure = most["confidence"] >= threshold
        for rule, kept in (("maximum", sure), ("agreement", sure & agreed["kept"])):
            table.append(
                {
                    "threshold": threshold,
                    "rule": rule,
                    "pairs kept": int(kept.sum()),
                    "share": float(kept.mean()),
                    "label is the planted emotion": float(right[rule][kept].mean())
                    if right and kept.any()
                    else None,
                }
            )
    return pd.DataFrame(table).set_index(["threshold", "rule"])


def cross_validate(run: Run, name: str = "fused") -> pd.DataFrame:
    """Train a model once for each fold that the profile asks for (Section 4.2: five), reading those
    that are there.

    Returns
    -------
    pandas.DataFrame
        A row for each fold: `accuracy`, `macro F1`, `kappa` on the fold that validates, `best
        epoch`, `seconds`.
    """
    histories = train_all(run, [(name, fold, 0) for fold in range(run.profile.folds)])
    return fold_table({fold: history for (_, fold, _), history in histories.items()})


def fold_table(histories: dict[int, dict[str, Any]]) -> pd.DataFrame:
    """Return what folds came to, by number; columns as of `cross_validate`."""
    return pd.DataFrame(
        [
            {
                "fold": fold,
                "accuracy": history["validation"]["accuracy"]["value"],
                "macro F1": history["validation"]["macro_f1"],
                "kappa": history["validation"]["kappa"],
                "best epoch": history["best_epoch"],
                "seconds": history["seconds"],
            }
            for fold, history in sorted(histories.items())
        ]
    ).set_index("fold")
