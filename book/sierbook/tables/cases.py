"""Tables of explained cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sierbook.cases import ExplainedRow
from sierlib import settings
from sierlib.explorer import listening


def case_table(cases: Sequence[ExplainedRow]) -> pd.DataFrame:
    """Return by sample what Fig. 4 says of it (its P is the predicted class, its GT a label that a
    teacher gave, its Score that of the prediction), and what both modalities are worth."""
    rows = []
    for case in cases:
        found = case.of()
        rows.append(
            {
                "sample": case.row["id"],
                "sentence": case.row["text"],
                "predicted": case.predicted,
                "label": _describe_label(case.row),
                "score": float(case.probabilities.max()),
                "speech": found.speech_value,
                "image": found.image_value,
                "speech's share": listening.modality_share(found),
                "interaction": found.interaction,
            }
        )
    return pd.DataFrame(rows).set_index("sample")


def _describe_label(row: Mapping[str, Any]) -> str:
    """Say a row's label, and which teacher gave it, if one did."""
    modality = settings.ROLES.get(row.get("winner", ""))
    return f"{row['label']}, by the {modality} teacher" if modality else str(row["label"])


def largest_gaps(
    cases: Sequence[ExplainedRow], methods: Sequence[str] = ("owen", "published")
) -> pd.DataFrame:
    """Return how far the values are from adding up (Eq. 5): the largest gap of each level, over
    samples and classes."""
    table = {}
    for method in methods:
        gaps = [
            np.abs(by_method[method].gaps)
            for case in cases
            for by_method in case.explanations.values()
        ]
        table[method] = np.max(gaps, axis=0)
    return pd.DataFrame(table).rename_axis("level")


def word_table(case: ExplainedRow, target: str | None = None, method: str = "owen") -> pd.DataFrame:
    """Return each word with its time in seconds and its value, in the order in which they are
    spoken."""
    values = listening.word_values(case.words, case.of(target, method).speech_map)
    return pd.DataFrame(
        [
            {"word": word.text, "from": word.start, "to": word.end, "value": value}
            for word, value in zip(case.words, values, strict=True)
        ],
        columns=["word", "from", "to", "value"],
    )
