"""What speech and image are worth as wholes."""

from __future__ import annotations

import numpy as np
import pytest

from sierbook.faithfulness.modalities import compare_base_values, value_modalities
from sierbook.faithfulness.rivals import attribute
from sierbook.faithfulness.scores import draw_samples
from sierlib import settings
from sierlib.run import Run


def test_modalities_add_up(tiny_run: Run) -> None:
    table = value_modalities(tiny_run, at_once=5)
    subject, drawn = draw_samples(tiny_run, 1)
    found = attribute("owen", subject, drawn[0], depth=1)
    row = table.set_index("id").loc[drawn[0].id]
    assert [row["speech"], row["image"]] == pytest.approx(
        [found.speech.sum(), found.image.sum()], abs=1e-5
    )
    assert table["share"].between(0, 1).all() and set(table["teachers"]) <= {"agree", "differ"}
    bases = compare_base_values(tiny_run, table)
    assert list(bases.index) == list(settings.CLASSES) and bases[
        "silence and black"
    ].sum() == pytest.approx(1)
    assert bases["rows"].sum() == len(table)
    explained = (table["speech"] + table["image"]).to_numpy()
    np.testing.assert_allclose(
        explained,
        table["value"] - bases["silence and black"][table["predicted"]].to_numpy(),
        atol=1e-5,
    )
