"""Tables of explained rows."""

from __future__ import annotations

import numpy as np

from sierbook.cases import ExplainedRow
from sierbook.tables.cases import case_table, largest_gaps, word_table
from sierlib.explorer import listening


def test_words_are_listed_with_their_values(cases: list[ExplainedRow]) -> None:
    table = word_table(cases[0])
    assert list(table["word"]) == [word.text for word in cases[0].words]
    np.testing.assert_allclose(
        table["value"], listening.word_values(cases[0].words, cases[0].of().speech_map)
    )


def test_cases_are_listed_with_what_their_modalities_are_worth(cases: list[ExplainedRow]) -> None:
    table = case_table(cases)
    assert list(table.index) == [case.row["id"] for case in cases]
    assert list(table["predicted"]) == [case.predicted for case in cases]
    assert list(table["sentence"]) == [case.row["text"] for case in cases]
    shares = [listening.modality_share(case.of()) for case in cases]
    assert list(table["speech's share"]) == shares
    assert list(table["interaction"]) == [case.of().interaction for case in cases]


def test_the_largest_gap_of_an_additive_method_is_rounding(cases: list[ExplainedRow]) -> None:
    assert (largest_gaps(cases, ["owen"])["owen"] < 1e-6).all()
