"""What rounding does to the answers is measured as what it is."""

from __future__ import annotations

import numpy as np
import pytest

from sierbook.export import round_weights
from sierbook.faithfulness.rounding import measure_rounding
from sierbook.faithfulness.scores import draw_samples
from sierlib.run import Run


def test_the_largest_change_of_a_probability_is_that_of_the_rounded_network(tiny_run: Run) -> None:
    found = measure_rounding(tiny_run, 3, depth=1)
    subject, drawn = draw_samples(tiny_run, 3)
    inputs = {
        "speech": np.stack([sample.speech for sample in drawn]),
        "image": np.stack([sample.image for sample in drawn]),
    }
    scores = [m.predict(inputs, verbose=0) for m in (subject.model, round_weights(subject.model))]
    largest = np.abs(scores[0] - scores[1]).max()
    assert found["samples"] == len(drawn)
    assert found["probability"] == pytest.approx(float(largest), abs=1e-6)
    assert 0 < found["probability"] < 0.05 and 0 <= found["region"] < 0.05
