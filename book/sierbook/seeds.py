"""The same profile from several seeds: data, labels, networks and test rows are all drawn anew.

What one seed shows may be its luck. `sier record` adds each seed's scores to ``seeds.json`` beside
the recorded results of a profile; pages show them one by one and pooled.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sierbook import numbers, statistics
from sierlib import settings
from sierlib.experiment.models import HALVES, NETWORKS
from sierlib.experiment.scores import Estimate
from sierlib.files import read_json, write_json
from sierlib.run import Run

FILE = "seeds.json"

#: What is kept of a seed's notebook 04.
_KEPT = ("scores", "differences", "nothing")


def record_seed(run: Run, place: Path) -> Path:
    """Add what the networks of a run's seed reached to a profile's recorded seeds.

    Seeds of other settings or data are left out, since they cannot be pooled with it, and named on
    stderr.

    Parameters
    ----------
    run
        With results of notebook 04.
    place
        ``book/recorded/<profile>``.
    """
    results = run.results("04-results")
    before = read_json(place / FILE) or {"seeds": {}}
    seeds = read_seeds(run, place)
    if dropped := [name for name in before["seeds"] if name not in seeds]:
        print(
            f"left out, as recorded with other settings: seeds {', '.join(dropped)}",
            file=sys.stderr,
        )
    seeds[str(run.seed)] = {name: results[name] for name in _KEPT if name in results}
    ordered = {name: seeds[name] for name in sorted(seeds, key=int)}
    write_json(place / FILE, {"made": [run.recipe, run.data, run.ser, run.ier], "seeds": ordered})
    return place / FILE


def read_seeds(run: Run, place: Path) -> dict[str, Any]:
    """Read the recorded seeds of a run's own settings and data by seed; none of other ones."""
    found = read_json(place / FILE) or {}
    same = found.get("made") == [run.recipe, run.data, run.ser, run.ier]
    return dict(found["seeds"]) if same else {}


def tabulate_seeds(seeds: dict[str, Any]) -> pd.DataFrame:
    """Return what every seed reached: a row for each seed and for labels and truth.

    Returns
    -------
    pandas.DataFrame
        `against`, `seed`, the accuracies of the three networks, `largest class`, and by how much
        ParallelNet is ahead of the better half: `ahead`, with its interval `low` and `high`; below
        the seeds their `mean`, pooled as `pool_differences` does. For `shown.show`, the columns
        being networks.
    """
    rows: list[dict[str, Any]] = []
    for against in ("labels", "truth"):
        parts = []
        for seed, found in seeds.items():
            if against in found["scores"]:
                parts.append({"against": against, "seed": seed, **_describe(found, against)})
        rows += parts
        if len(parts) > 1:
            mean: dict[str, Any] = {"against": against, "seed": "mean"}
            for name in list(parts[0])[2:]:
                mean[name] = float(np.mean([part[name] for part in parts]))
            pooled = pool_differences(parts)
            mean |= {"ahead": pooled["value"], "low": pooled["low"], "high": pooled["high"]}
            rows.append(mean)
    table = pd.DataFrame(rows)
    table.attrs["about"] = [_key_of_seed(row["against"], row["seed"]) for row in rows]
    return table


def _key_of_seed(against: str, seed: str) -> numbers.Key:
    """Return the key of by how much ParallelNet's accuracy is ahead, for a seed or their "mean"."""
    return numbers.Key("accuracy", "fused - better half", "test", against, f"seed {seed}")


def _describe(found: dict[str, Any], against: str) -> dict[str, float]:
    """Return a seed's accuracies, and ParallelNet's lead over the better half."""
    scores = found["scores"][against]
    cells = {
        NETWORKS[file].title: scores[half]["accuracy"]["value"] for half, file in HALVES.items()
    }
    better = max(settings.MODALITIES, key=lambda half: scores[half]["accuracy"]["value"])
    lead = found["differences"][against][better]
    cells["largest class"] = scores["fused"]["majority"]
    return cells | {"ahead": lead["value"], "low": lead["low"], "high": lead["high"]}


def summarise_seeds(seeds: dict[str, Any]) -> dict[str, Estimate]:
    """Return by how much ParallelNet is ahead of its better half over the seeds, on "labels" and
    "truth": the mean with Student's interval, `n` the number of seeds; empty for fewer than two."""
    table = tabulate_seeds(seeds)
    found: dict[str, Estimate] = {}
    for against, part in table.groupby("against") if len(seeds) > 1 else ():
        single = part[part["seed"] != "mean"]
        found[str(against)] = statistics.estimate_few(single["ahead"].tolist())
    return found


def pool_differences(parts: list[dict[str, Any]]) -> Estimate:
    """Return the mean of independent differences with a 95 % interval.

    The seeds' test rows are different ones, so the variances of their differences, read off their
    intervals, add up.

    Parameters
    ----------
    parts
        Each with ``ahead``, ``low`` and ``high``.

    Examples
    --------
    >>> found = pool_differences([{"ahead": 0.1, "low": 0.06, "high": 0.14}] * 4)
    >>> round(found["low"], 3), round(found["high"], 3)
    (0.08, 0.12)
    """
    reach = np.array([(part["high"] - part["low"]) / 2 for part in parts])
    mean = float(np.mean([part["ahead"] for part in parts]))
    pooled = float(np.sqrt((reach**2).sum()) / len(parts))
    return {"value": mean, "low": mean - pooled, "high": mean + pooled, "n": len(parts)}


def judge_seeds(seeds: dict[str, Any]) -> list[str]:
    """Say what the recorded seeds agree on."""
    table = tabulate_seeds(seeds)
    sentences = []
    for against, part in table.groupby("against") if len(seeds) > 1 else ():
        single, mean = part[part["seed"] != "mean"], part[part["seed"] == "mean"].iloc[0]
        trainings = summarise_seeds(seeds)[str(against)]
        behind = int((single["ahead"] < 0).sum())
        key = numbers.key_of_seeds(len(single), str(against))
        lead = numbers.write(trainings["value"], "points", *key)
        seeds_drawn = numbers.write_interval(trainings, "points", key)
        key_of_mean = _key_of_seed(str(against), "mean")
        rows = numbers.write_interval(dict(mean), "points", key_of_mean)
        reference = {"labels": "labels", "truth": "planted truth"}[str(against)]
        sentences.append(
            f"**On the {reference}**, over {len(single)} seeds: ParallelNet is ahead of its better "
            f"half by {lead}, {rows} where only rows are drawn anew, {seeds_drawn} by Student over "
            f"the seeds; it is behind in {behind or 'none'} of them."
        )
    return sentences
