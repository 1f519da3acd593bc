"""Tables as result files keep them: rows as dicts, and estimates as dicts in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd


def as_records(table: pd.DataFrame, **ends: tuple[str, str]) -> list[dict[str, Any]]:
    """Return a table's rows for a result file.

    What is missing becomes None, as JSON knows no NaN.

    Parameters
    ----------
    ends
        Columns that hold estimates, with those of the ends, as `fold_estimates` takes
        them.
    """
    cells = table.astype(object).where(table.notna(), None)
    rows = []
    for row in cells.to_dict("records"):
        named = {str(name): value for name, value in row.items()}
        rows.append(fold_estimates(named, **ends) if ends else named)
    return rows


def as_nested(table: pd.DataFrame, *keys: str, **ends: tuple[str, str]) -> dict[str, Any]:
    """Return a table's rows as dicts, under the values of columns that tell the rows apart.

    Parameters
    ----------
    ends
        As of `as_records`.

    Examples
    --------
    >>> as_nested(pd.DataFrame({"who": ["a", "b"], "n": [1, 2]}), "who")
    {'a': {'n': 1}, 'b': {'n': 2}}
    """
    if not keys:
        return as_records(table, **ends)[0]
    groups = table.groupby(keys[0], sort=False) if len(table) else ()
    nested = {}
    for name, part in groups:
        nested[str(name)] = as_nested(part.drop(columns=keys[0]), *keys[1:], **ends)
    return nested


def fold_estimates(row: Mapping[str, Any], **ends: tuple[str, str]) -> dict[str, Any]:
    """Return a row of a flat table with its estimates as dicts, for a result file.

    Parameters
    ----------
    row
        With a column for each number and for each end of its interval, and `n`.
    ends
        By column of a number, the columns of the two ends.

    Examples
    --------
    >>> fold_estimates({"n": 9, "accuracy": 0.5, "low": 0.2, "high": 0.8}, accuracy=("low", "high"))
    {'accuracy': {'value': 0.5, 'low': 0.2, 'high': 0.8, 'n': 9}}
    """
    spent = {"n", *(end for pair in ends.values() for end in pair)}
    folded: dict[str, Any] = {}
    for name, value in row.items():
        if name in ends:
            low, high = ends[name]
            value = {"value": value, "low": row[low], "high": row[high], "n": row["n"]}
        if name not in spent:
            folded[name] = value
    return folded
