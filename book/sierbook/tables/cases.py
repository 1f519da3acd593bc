"""Tables of explained cases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sierlib.explorer import listening
from sierlib.explorer.cases import ExplainedRow


def case_table(cases: Sequence[ExplainedRow]) -> pd.DataFrame:
    """Return what Fig. 4 says of each case (P, GT, Score), and what its two modalities are
    worth."""
    return pd.DataFrame(
        {
            "sentence": [case.row["text"] for case in cases],
            "P": [case.predicted for case in cases],
            "GT": [case.row["label"] for case in cases],
            "Score": [f"{case.probabilities.max():.2f}" for case in cases],
            "speech": [f"{case.of().speech_value:+.2f}" for case in cases],
            "image": [f"{case.of().image_value:+.2f}" for case in cases],
            "speech's share": [f"{listening.modality_share(case.of()):.0%}" for case in cases],
            "interaction": [f"{case.of().interaction:+.2f}" for case in cases],
            "evaluations": [case.of().n_evals for case in cases],
        }
    )


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
