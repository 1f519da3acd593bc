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
    rows = []
    for case in cases:
        found = case.of()
        rows.append(
            {
                "sentence": case.row["text"],
                "P": case.predicted,
                "GT": case.row["label"],
                "Score": f"{case.probabilities.max():.2f}",
                "speech": f"{found.speech_value:+.2f}",
                "image": f"{found.image_value:+.2f}",
                "speech's share": f"{listening.modality_share(found):.0%}",
                "interaction": f"{found.interaction:+.2f}",
                "evaluations": found.n_evals,
            }
        )
    return pd.DataFrame(rows)


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
