"""The aligner against time warping."""

from __future__ import annotations

import numpy as np

from sierbook.audit.alignment import check_alignment


def test_the_aligner_agrees_with_the_beginning_spoken_alone() -> None:
    texts = [
        "I am happy to see you today, said the teacher.",
        "Today, my cousin sounded furious about the garden.",
        "They looked happy with a paper cup.",
    ]
    errors = check_alignment(texts)
    assert errors.shape == (3,) and np.median(np.abs(errors)) < 0.12
