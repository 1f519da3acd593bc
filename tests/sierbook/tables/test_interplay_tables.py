"""Tables and sentences of notebook 09, of results that are made up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from sierbook.figures import interplay_plots
from sierbook.numbers import plain
from sierbook.tables.interplay_tables import (
    judge_estimators,
    judge_together,
    name_pairs,
    show_together,
    tabulate_following,
    tabulate_pointing,
    tabulate_shares,
)
from sierbook.tables.shown import show
from sierlib.data.speech import Word
from sierlib.shapley import interactions
from tests.keys import list_unkeyed


def estimate(value: float) -> dict[str, Any]:
    return {"value": value, "low": value - 0.05, "high": value + 0.05, "n": 12}


def shares(value: float) -> dict[str, Any]:
    return {name: estimate(value) for name in ("share", "share of log-odds", "interaction")}


FOUND = {
    "shares": {"all": shares(0.3), "agree": shares(0.2), "unknown": shares(0.2)},
    "pointing": {name: estimate(0.5) for name in ("hit", "word", "region")} | {"chance": 0.1},
    "following": {
        name: {"deletion": estimate(0.4), "insertion": estimate(0.6)}
        for name in ("pairs", "single values", "random")
    },
}
ORACLES = {
    "jointly": {"share": estimate(1.0), "hit": estimate(0.95), "chance": 0.1},
    "side by side": {"share": estimate(0.0)},
}
TOGETHER = {
    "provenance": {"profile": "quick", "data": "together", "date": "2026-01-01"},
    "rows": {"train": 1200, "validation": 300, "test": 600},
    "majority": 0.26,
    "networks": {
        "fused": {"title": "ParallelNet", "accuracy": estimate(0.6), **FOUND},
        "ser": {"title": "speech only", "accuracy": estimate(0.25)},
    },
    "lead": estimate(0.1),
}
NOTHING = {"shares": {"all": shares(0.3)}, "pointing": {}, "following": {}}


def test_every_number_of_the_tables_has_a_key() -> None:
    tables = [
        tabulate_shares(FOUND, ORACLES, TOGETHER),
        tabulate_pointing(FOUND, ORACLES, TOGETHER),
        tabulate_following(FOUND),
    ]
    for table in tables:
        page = show(table).to_html()
        assert list_unkeyed(page.replace("<td>0", "<td>")) == [] and "data-key" in page
    page = show_together(TOGETHER).to_html()
    assert list_unkeyed(page) == [] and "60.0%" in page.replace("\u00a0", "")
    assert "quick, together, 2026-01-01; 1,200 pairs" in page


def test_without_truth_and_without_a_study_tables_are_short() -> None:
    table = tabulate_shares(NOTHING, {}, {})
    assert table["name"].tolist() == ["ParallelNet, all"]
    assert tabulate_pointing(NOTHING, {}, {}).empty and tabulate_following(NOTHING).empty
    assert "not been recorded" in show_together({}).data and judge_together({}) == []
    interplay_plots.shares(table)


def test_sentences_say_who_learned_what_only_both_say() -> None:
    said = [plain(sentence) for sentence in judge_together(TOGETHER)]
    assert "ParallelNet" in said[0] and "clearly above the largest class (26.0 %)" in said[0]
    assert "speech only" in said[1] and "not clearly above" in said[1]
    assert "Multiplication less addition in Eq. 1: +10.0 points [+5.0, +15.0]." in said[2]


def test_the_strongest_pairs_are_named() -> None:
    def model(x: dict[str, np.ndarray]) -> np.ndarray:
        return (
            x["speech"][:, :, :4].mean(axis=(1, 2)) * x["image"][:, :4, 4:].mean((1, 2, 3))[:, None]
        )

    words = [Word("*glad*", 0.0, 3.2), Word("today", 3.2, 6.4)]
    found = interactions(
        model, np.ones((8, 8, 1)), np.ones((8, 8, 3)), units=words, grid=(2, 2), target=0
    )
    said = [plain(sentence) for sentence in name_pairs(found, words, "pair-1", 2)]
    assert "glad" in said[0] and "row 1, column 2: +1.000, for the class" in said[0]
    assert len(said) == 2


def test_estimators_are_ranked() -> None:
    rows = [("a", "flat", name, budget, error / budget, np.nan)
            for budget in (1, 2) for name, error in (("one", 0.4), ("two", 0.2))]  # fmt: skip
    table = pd.DataFrame(rows, columns=["game", "target", "estimator", "budget", "error", "stated"])
    (said,) = judge_estimators(table)
    assert (
        plain(said)
        == "*a*, flat values, 2 evaluations: `two` 10.0%, `one` 20.0% of the largest value."
    )
    assert len(interplay_plots.estimators(table).axes) == 1
    with pytest.raises(KeyError):
        judge_estimators(table.drop(columns="error"))
