"""Sentences of notebook 09, written by its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sierbook.numbers import Key, write, write_estimate
from sierbook.sentences import write_signed
from sierbook.tables.interplay_tables import origin_of
from sierbook.tables.shown import as_text
from sierlib.shapley.interactions import Interactions

Results = Mapping[str, Any]


def name_pairs(found: Interactions, words: Sequence[Any], sample: str, count: int = 3) -> list[str]:
    """Say what the strongest pairs of a sample are: which word with which region."""
    order = np.argsort(-np.abs(found.values), axis=None)[:count]
    said = []
    for word, row, column in zip(*np.unravel_index(order, found.values.shape), strict=True):
        where = f"row {row + 1}, column {column + 1}"
        part = f"{sample}, word {word + 1}, {where}"
        value = float(found.values[word, row, column])
        side = "for" if value > 0 else "against"
        shown = write(value, "+.3f", "interaction", "fused", part, "score")
        error = ""
        if found.stderr is not None:
            stderr = float(found.stderr[word, row, column])
            error = f" ± {write(stderr, '.3f', 'standard error', 'fused', part, 'score')}"
        said.append(
            f"“{as_text(words[word].text)}” with {where}: {shown}{error}, {side} the class."
        )
    return said


def judge_together(together: Results) -> list[str]:
    """Say what the study of pairs that only speak together came to."""
    if not together:
        return []
    run, networks = origin_of(together), together["networks"]
    majority = together["majority"]
    largest = write(majority, "percent", "largest class", "", "test, together", "labels", run)
    said = []
    for name, each in networks.items():
        key = Key("accuracy", name, "test, together", "labels", run)
        verdict = "clearly above" if each["accuracy"]["low"] > majority else "not clearly above"
        reached = write_estimate(each["accuracy"], "percent", key)
        said.append(
            f"**{each['title']}** is right on {reached}, {verdict} the largest class ({largest})."
        )
    if lead := together.get("lead"):
        key = Key("lead", "fused - addition", "test, together", "labels", run)
        lead = write_signed(lead, key)
        said.append(f"Multiplication less addition in Eq. 1: {lead}, of one training each.")
    return said


def judge_estimators(errors: pd.DataFrame) -> list[str]:
    """Say which estimator comes closest at each budget's end, game by game and target by target."""
    said = []
    for (game, target), rows in errors.groupby(["game", "target"], sort=False):
        most = rows["budget"].max()
        last = rows[rows["budget"] == most].set_index("estimator")["error"]
        order = last.sort_values(kind="stable")
        part = f"{game}, {most}"
        parts = []
        for name, value in order.items():
            key = Key("mean error", str(name), part, "all evaluations")
            parts.append(f"`{name}` {write(float(value), '.1%', *key)}")
        said.append(
            f"*{game}*, {target} values, {most:,} evaluations: {', '.join(parts)} of the largest "
            "value."
        )
    return said
