"""The learning curve: accuracy by how many pairs a network learned from, and what fusion adds."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from sierbook import recorded, statistics
from sierbook.tables import studies
from sierlib import settings
from sierlib.experiment.models import HALVES, NETWORKS, names_in_group
from sierlib.experiment.scores import class_codes, estimate_share
from sierlib.run import Run


def learning_curve(run: Run) -> pd.DataFrame:
    """Return the learning curve of this run where its profile trains it, else the recorded one.

    Returns
    -------
    pandas.DataFrame
        As `tabulate_curve`; no rows where it has not been trained yet.
    """
    from sierlib.experiment.train import train_all  # TensorFlow, which pages are built without

    if "learning curve" in run.profile.studies:
        names = {*names_in_group("learning curve"), *HALVES.values()} - {*studies.omitted(run)}
        own = [(name, 0, 0) for name in NETWORKS if name in names]
        return tabulate_curve(train_all(run, own).values(), recorded.list_labels(run))
    place = recorded.stand_in_place(run)
    labels = recorded.read_labels(place) if place else None
    if labels is None:
        return tabulate_curve([], pd.DataFrame())
    return tabulate_curve(recorded.recorded_histories(run), labels)


def tabulate_curve(histories: Iterable[dict[str, Any]], labels: pd.DataFrame) -> pd.DataFrame:
    """Score ParallelNet and its halves on the test rows, by how many pairs they learned from.

    Parameters
    ----------
    histories
        Of the first repetition of the networks of "learning curve", and of those trained on all.
    labels
        As of `recorded.list_labels`.

    Returns
    -------
    pandas.DataFrame
        `network`, `pairs` learned from, `against` ("labels" or "truth"), `accuracy`, `low`, `high`,
        `majority` (what always naming the largest class would reach) and `right` (bool of each
        row). Empty unless some were trained on fewer pairs.
    """
    fewer = names_in_group("learning curve")
    chosen = []
    for history in histories:
        known = history["spec"]["name"] in (*fewer, *HALVES.values())
        if known and (history["fold"], history["repeat"]) == (0, 0):
            chosen.append(history)
    columns = ["network", "pairs", "against", "accuracy", "low", "high", "majority"]
    if not any(history["spec"]["name"] in fewer for history in chosen):
        return pd.DataFrame(columns=[*columns, "right"])

    test = labels[labels["split"] == "test"]
    answers = {"labels": class_codes(test["label"])}
    if (test["emotion"] != "").all():
        answers["truth"] = class_codes(test["emotion"])
    rows = []
    for history, against in itertools.product(chosen, answers):
        codes = answers[against]
        right = np.array(list(history["test_predicted"]), int) == codes
        accuracy = estimate_share(right)
        largest = np.bincount(codes).max() / len(codes)
        title, pairs = history["title"].partition(",")[0], history["rows"]["train"]
        bounds = [accuracy[bound] for bound in ("value", "low", "high")]
        rows.append([title, pairs, against, *bounds, largest, right])
    return pd.DataFrame(rows, columns=[*columns, "right"]).sort_values(["network", "pairs"])


def gains_by_pairs(curve: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return by how much ParallelNet is ahead of its better half, by pairs learned from.

    Parameters
    ----------
    curve
        As `tabulate_curve` gives it.

    Returns
    -------
    pandas.DataFrame
        `pairs`, `against`, `half` (the better one), and the difference (paired bootstrap): `value`,
        `low`, `high`, `n`.
    """
    rows = []
    for (pairs, against), part in curve.groupby(["pairs", "against"]):
        right = dict(zip(part["network"], part["right"], strict=True))
        if len(right) <= len(settings.MODALITIES):  # not all three have been trained yet
            continue
        fused = right.pop(NETWORKS["fused"].title)
        half = max(right, key=lambda name: right[name].mean())
        gain = statistics.paired_difference(fused, right[half], seed)
        rows.append({"pairs": pairs, "against": against, "half": half, **gain})
    return pd.DataFrame(rows)
