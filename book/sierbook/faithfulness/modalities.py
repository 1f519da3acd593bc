"""What speech and image are worth as wholes, on every test row (Algorithm 1)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sierbook.faithfulness.rivals import Subject
from sierlib import settings
from sierlib.data.feed import read_inputs
from sierlib.experiment import label_rule
from sierlib.experiment.manifest import labelled_by_teachers, read_manifest
from sierlib.experiment.train import load_model
from sierlib.networks.fit import predict_nothing
from sierlib.run import Run


def score_coalitions(
    run: Run, network: str = "fused", at_once: int = 256
) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Score every test row with and without its speech and its image, by the class predicted.

    Returns
    -------
    rows, f
        The test rows of the manifest with the class's number as `target`; (2, 2, rows)
        probabilities at [speech absent or present, image absent or present].
    """
    manifest = read_manifest(run)
    rows, subject = manifest[manifest["split"] == "test"], Subject(load_model(run, network))
    batches = []
    for start in range(0, len(rows), at_once):
        x = read_inputs(rows.iloc[start : start + at_once], run.folder / "dataset")
        silent = [subject(0 * x["speech"], present * x["image"]) for present in (0, 1)]
        spoken = [subject(1 * x["speech"], present * x["image"]) for present in (0, 1)]
        batches.append([silent, spoken])
    f = np.concatenate(batches, axis=2)  # (speech present, image present, rows, classes)
    target = f[1, 1].argmax(axis=1)
    return rows.assign(target=target), f[:, :, np.arange(len(target)), target]


def value_modalities(run: Run, at_once: int = 256) -> pd.DataFrame:
    """Value speech and image as wholes (Algorithm 1's score_2 and score_1) on every test row.

    Returns
    -------
    pandas.DataFrame
        `id`, `predicted`, `value` (the class's score), `speech`, `image`, `interaction` (joint
        effect minus the sum of single ones), `share` of speech in |speech| + |image|, and
        `teachers` ("agree", "differ"; "not asked" where labels were given).
    """
    rows, f = score_coalitions(run, at_once=at_once)
    # Eq. 3: the mean of what a modality adds to nothing and what it adds to the other one.
    speech, image = (f[1] - f[0]).mean(axis=0), (f[:, 1] - f[:, 0]).mean(axis=0)
    size = np.abs(speech) + np.abs(image)
    table = pd.DataFrame(
        {
            "id": rows["id"].to_numpy(),
            "predicted": [settings.CLASSES[code] for code in rows["target"]],
            "value": f[1, 1],
            "speech": speech,
            "image": image,
            "interaction": f[1, 1] - f[1, 0] - f[0, 1] + f[0, 0],
            "share": np.divide(np.abs(speech), size, out=np.full(len(size), 0.5), where=size > 0),
            "teachers": "not asked",
        }
    )
    if labelled_by_teachers(rows):
        ser, ier = (
            label_rule.teacher_opinions(rows, role).argmax(axis=1) for role in settings.ROLES
        )
        table["teachers"] = np.where(ser == ier, "agree", "differ")
    return table


def compare_base_values(run: Run, values: pd.DataFrame) -> pd.DataFrame:
    """Compare by class what the network says to silence and black with what it says to the rows of
    that prediction.

    Parameters
    ----------
    values
        As `value_modalities` gives them.

    Returns
    -------
    pandas.DataFrame
        By class `silence and black` (the base value), `rows` predicted so, and over those the mean
        `score`, the mean values of `speech` and `image`, and in what share of the rows each is
        `against` the class (NaN without rows).
    """
    nothing = predict_nothing(load_model(run, "fused"))
    classes = pd.Index(settings.CLASSES, name="class")
    table = pd.DataFrame({"silence and black": nothing}, index=classes)
    against = {f"{m} against": values[m] < 0 for m in settings.MODALITIES}
    rows = values.assign(**against).groupby("predicted")
    table["rows"] = rows.size().reindex(classes, fill_value=0)
    means = rows[["value", *settings.MODALITIES, *against]].mean()
    return table.join(means.rename(columns={"value": "score"}))
