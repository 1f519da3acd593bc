"""What the scores of `sierlib.faithfulness` say, with intervals; and what each modality is worth on the test part."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from sierlib import dataset, metrics, rules, settings, training
from sierlib.attribution import METHODS, Array, Subject
from sierlib.evaluation import MODALITIES
from sierlib.faithfulness import CEILING
from sierlib.runs import Run

#: A bootstrap of fewer samples is too sure of itself; nothing is claimed then.
FEWEST = 8

#: The measures in the order of the table, and what is better; more or less may be no merit in itself.
MEASURES = {
    "share": "more", "share, same regions": "more", "pointing": "more", "pointing, same regions": "more",
    "emotion word first": "more", "deletion": "less", "insertion": "more", "MuFidelity": "more", "infidelity": "less",
    "random weights": "near 0", "sensitivity": "less", "gini": "", "seconds": "less", "evaluations": "less",
}  # fmt: skip


def interval(values: Array, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a mean; where nothing varies, the mean twice."""
    if len(values) < 2 or np.ptp(values) == 0:
        return float(np.mean(values)), float(np.mean(values))
    found = stats.bootstrap(
        (values,), np.mean, n_resamples=metrics.RESAMPLES, batch=metrics.BATCH, method="percentile", rng=seed
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def summary(table: pd.DataFrame, by: Sequence[str] = ("measure", "part", "method"), of: str = "value") -> pd.DataFrame:
    """Return for each group `mean`, `low` and `high` (95 %, bootstrap over rows) and `n`, and the mean `chance`."""
    rows = []
    for key, group in table.groupby(list(by), sort=False):
        low, high = interval(group[of].to_numpy(float))
        found = {"mean": group[of].mean(), "low": low, "high": high, "n": len(group)}
        chance = {"chance": group["chance"].mean()} if "chance" in group else {}
        rows.append(dict(zip(by, key, strict=True)) | found | chance)
    return pd.DataFrame(rows)


def wide(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the one table: a row for each measure and part, a column for each method.

    A cell is the mean and, on a line of its own, the interval of it; a dash where a method has no such score. A row
    also says what is better, and on how many samples it was measured.
    """
    found = summary(scores)
    found["text"] = [
        ("{0:.0f}" if measure == "evaluations" else "{0:.2f}\n[{1:.2f}, {2:.2f}]").format(*values)
        for measure, *values in found[["measure", "mean", "low", "high"]].to_numpy()
    ]
    found["better"] = found["measure"].map(MEASURES)
    found["n"] = found.groupby(["measure", "part"])["n"].transform("max")
    table = found.pivot(index=["measure", "part", "better", "n"], columns="method", values="text").fillna("–")
    present = [method for method in (*METHODS, CEILING) if method in table]
    return table[present].reindex(list(MEASURES), level=0)


def difference(scores: pd.DataFrame, measure: str, part: str, method: str, rival: str) -> tuple[float, float, float]:
    """Return by how much a method is ahead of a rival on the same samples, and the bootstrap interval of that."""
    chosen = scores[(scores["measure"] == measure) & (scores["part"] == part)]
    table = chosen.pivot(index="id", columns="method", values="value")
    ahead = (table[method] - table[rival]).to_numpy(float)
    return float(ahead.mean()), *interval(ahead)


def verdicts(
    scores: pd.DataFrame,
    rivals: Sequence[str],
    measures: Sequence[str] = ("share", "pointing"),
    methods: Sequence[str] = ("owen", "sampled"),
) -> list[str]:
    """Say for each measure, modality and method which rivals it is clearly ahead of, on the same samples."""
    said = []
    for measure, part, method in itertools.product(measures, MODALITIES, methods):
        own = scores[(scores[["measure", "part", "method"]] == [measure, part, method]).all(axis=1)]
        if own.empty:  # nothing was planted, or nothing of the explained class
            continue
        told = "too few to compare"
        if len(own) >= FEWEST:
            groups: dict[str, list[str]] = {"clearly above": [], "clearly **below**": [], "no clear difference to": []}
            for rival in rivals:
                _, low, high = difference(scores, measure, part, method, rival)
                groups[list(groups)[0 if low > 0 else 1 if high < 0 else 2]].append(rival)
            told = "; ".join(f"{title} {', '.join(names)}" for title, names in groups.items() if names)
        said.append(
            f"**{method}, {part}, {measure}**: {own['value'].mean():.2f} on {len(own)} samples, where chance is "
            f"{own['chance'].mean():.2f}; {told}."
        )
    return said


def remainder(scores: pd.DataFrame, base: pd.Series) -> str:
    """Say in how many of the localised maps the modality as a whole speaks against the class it is a map of.

    Parameters
    ----------
    scores
        As `faithfulness.evaluate` gives them, with planted truth.
    base
        By class, what the network says to silence and black.
    """
    own = scores[(scores["measure"] == "share") & (scores["method"] == "owen")]
    told = [f"{(group['effect'] < 0).sum()} of {len(group)} of the {part}" for part, group in own.groupby("part")]
    said = (
        f"To silence and black this network says **{base.idxmax()}** with {base.max():.2f}: where that class is "
        f"predicted, speech and image together have at most {1 - base.max():.2f} to share out, and less than nothing "
        f"where the score is below {base.max():.2f}."
    )
    against = f" Of the maps scored above, the modality speaks *against* the class in {' and in '.join(told)}."
    return said + against if told else said


# ------------------------------------------------------------------------------------------ modalities
def modalities(run: Run, at_once: int = 256) -> pd.DataFrame:
    """Value speech and image as wholes (Algorithm 1's score_2 and score_1) on every test row.

    Returns
    -------
    pandas.DataFrame
        `id`, `predicted`, `value` (the class's score), `speech`, `image`, `interaction` (joint effect minus the sum of
        single ones), `share` of speech in |speech| + |image|, and `teachers` ("agree", "differ"; "not asked" where
        labels were given).
    """
    manifest = dataset.read_manifest(run)
    rows, subject = manifest[manifest["split"] == "test"], Subject(training.load_model(run, "fused"))
    corners = []
    for start in range(0, len(rows), at_once):
        x = dataset.inputs(rows.iloc[start : start + at_once], run.folder / "dataset")
        corners.append([[subject(s * x["speech"], i * x["image"]) for i in (0, 1)] for s in (0, 1)])
    f = np.concatenate(corners, axis=2)  # (speech present, image present, rows, classes)
    target = f[1, 1].argmax(axis=1)
    f = f[:, :, np.arange(len(target)), target]
    speech, image = (f[1] - f[0]).mean(axis=0), (f[:, 1] - f[:, 0]).mean(axis=0)
    size = np.abs(speech) + np.abs(image)
    table = pd.DataFrame(
        {
            "id": rows["id"].to_numpy(),
            "predicted": [settings.CLASSES[code] for code in target],
            "value": f[1, 1],
            "speech": speech,
            "image": image,
            "interaction": f[1, 1] - f[1, 0] - f[0, 1] + f[0, 0],
            "share": np.divide(np.abs(speech), size, out=np.full(len(size), 0.5), where=size > 0),
            "teachers": "not asked",
        }
    )
    if (rows["winner"] != "given").all():
        ser, ier = (rules.teacher_opinions(rows, role).argmax(axis=1) for role in ("ser", "ier"))
        table["teachers"] = np.where(ser == ier, "agree", "differ")
    return table


def base_values(run: Run, values: pd.DataFrame) -> pd.DataFrame:
    """Compare by class what the network says to silence and black with what it says to the rows of that prediction.

    Parameters
    ----------
    values
        As `modalities` gives them.

    Returns
    -------
    pandas.DataFrame
        By class `silence and black` (the base value), `rows` predicted so, and over those the mean `score`, the mean
        values of `speech` and `image`, and in what share of the rows each is `against` the class (NaN without rows).
    """
    side = settings.SIZE
    nothing = Subject(training.load_model(run, "fused"))(
        np.zeros((1, side, side, 1), np.float32), np.zeros((1, side, side, 3), np.float32)
    )[0]
    table = pd.DataFrame({"silence and black": nothing}, index=pd.Index(settings.CLASSES, name="class"))
    grouped = values.assign(**{f"{m} against": values[m] < 0 for m in MODALITIES}).groupby("predicted")
    table["rows"] = grouped.size().reindex(table.index, fill_value=0)
    means = grouped[["value", *MODALITIES, *(f"{m} against" for m in MODALITIES)]].mean()
    return table.join(means.rename(columns={"value": "score"}))
