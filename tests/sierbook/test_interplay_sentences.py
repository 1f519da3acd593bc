"""Sentences of notebook 09, of results that are made up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sierbook.figures import interplay_plots
from sierbook.interplay_sentences import judge_estimators, judge_together, name_pairs
from sierbook.numbers import plain
from sierlib.data.speech import Word
from sierlib.shapley import interactions
from tests.sierbook.tables.test_interplay_tables import TOGETHER


def test_sentences_say_who_learned_what_only_both_say() -> None:
    assert judge_together({}) == []
    said = [plain(sentence) for sentence in judge_together(TOGETHER)]
    assert "ParallelNet" in said[0] and "clearly above the largest class (26.0 %)" in said[0]
    assert "speech only" in said[1] and "not clearly above" in said[1]
    assert (
        "Multiplication less addition in Eq. 1: +10.0 points [+5.0, +15.0], of one training"
        in said[2]
    )


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
