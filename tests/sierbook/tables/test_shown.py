"""Long tables as pages show them: folded away with a download."""

from __future__ import annotations

import base64
import io
import re

import pandas as pd

from sierbook.tables import shown as tables


def test_a_folded_table_brings_its_numbers() -> None:
    numbers = pd.DataFrame({"measure": ["a", "b"], "mean": [0.125, 2.0]})
    shown = tables.fold(pd.DataFrame({"x": ["1\n[0, 2]"]}), numbers, "All <scores>", "s.csv").data
    assert "<summary>All &lt;scores&gt;</summary>" in shown and 'download="s.csv"' in shown
    (data,) = re.findall(r"base64,([^\"]*)", shown)
    pd.testing.assert_frame_equal(pd.read_csv(io.BytesIO(base64.b64decode(data))), numbers)
