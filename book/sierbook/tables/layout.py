"""How tables are shown: differences in points, long ones folded away with a download."""

from __future__ import annotations

import base64
import html
from typing import Any

import pandas as pd
from IPython.display import HTML


def write_points(value: Any) -> str:
    """Write a difference of two shares in percentage points.

    Examples
    --------
    >>> write_points(0.0254), write_points(-0.1)
    ('+2.5', '-10.0')
    """
    return f"{100 * value:+.1f}"


def fold(table: pd.DataFrame, numbers: pd.DataFrame, title: str, file: str) -> HTML:
    """Return a table behind a title, and a link that saves numbers as CSV.

    Parameters
    ----------
    table
        What is shown, its cells as text; a cell may have several lines.
    numbers
        What is saved, a row for each number.
    file
        What the saved file is called.
    """
    shown = table.style.set_table_attributes('class="folded"').to_html()
    data = base64.b64encode(numbers.to_csv(index=False).encode()).decode()
    return HTML(
        f"<details><summary>{html.escape(title)}</summary>{shown}</details>\n"
        f'<a download="{html.escape(file)}" href="data:text/csv;base64,{data}">{html.escape(file)}'
        "</a>"
    )
