"""What rounding the network's weights, for the page that runs it, does to its answers."""

from __future__ import annotations

from typing import Any

import numpy as np

from sierbook.export import round_weights
from sierbook.faithfulness.scores import draw_samples
from sierlib.run import Run
from sierlib.shapley import explain


def measure_rounding(run: Run, samples: int, depth: int, seed: int = 0) -> dict[str, Any]:
    """Return the largest changes when ParallelNet's kernels are rounded to float16.

    Returns
    -------
    dict
        ``probability`` and ``region`` (the value of one of the finest regions), over all classes of
        as many test rows as ``samples`` says.
    """
    subject, drawn = draw_samples(run, samples, seed)
    rounded = round_weights(subject.model)
    probability, region = [], []
    for sample in drawn:
        found = [
            explain(model, sample.speech, sample.image, target="all", depth=depth)
            for model in (subject.model, rounded)
        ]
        for before, after in zip(*(each.values() for each in found), strict=True):
            probability.append(after.value - before.value)
            pairs = zip(before.levels[-1], after.levels[-1], strict=True)
            region.append([changed.value - part.value for part, changed in pairs])
    return {
        "samples": len(drawn),
        "probability": float(np.abs(probability).max()),
        "region": float(np.abs(region).max()),
    }
