"""Tables as notebooks show them: numbers with their keys, recorded rows apart from this run's, long
ones folded away with a download."""

from __future__ import annotations

import base64
import html
import re
import string
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from IPython.display import HTML
from pandas.io.formats.style import Styler

from sierbook import numbers
from sierlib.experiment.manifest import format_csv

#: By column, for each row the number that stands there and its key, or None.
Keys = Mapping[str, Sequence[tuple[float, numbers.Key] | None]]


def show(
    table: pd.DataFrame,
    formats: Mapping[str, str] | None = None,
    about: numbers.Key | None = None,
) -> Styler:
    """Return a table for a page: numbers written by `formats`, three digits else, with their keys.

    A format is one of `str.format`, or "points" for a difference of two shares.

    Parameters
    ----------
    table
        Its ``attrs["keys"]``, where it has them, are `Keys`.
    formats
        By column.
    about
        Whose numbers all these are. A cell's quantity is then its column, and its part is what
        names its row: the index, or without one the cells that hold text.
    """
    written = table.astype(object)
    keys: Keys = table.attrs.get("keys", {})
    for column in table:
        texts = [_write(value, (formats or {}).get(str(column))) for value in table[column]]
        for row, known in enumerate(keys.get(str(column), ())):
            if known is not None:
                texts[row] = numbers.mark(texts[row], *known)
        if about is not None:
            parts = _name_rows(table, about.part)
            for row, value in enumerate(table[column]):
                if not isinstance(value, str) and not pd.isna(value):
                    key = about._replace(quantity=str(column), part=parts[row])
                    texts[row] = numbers.mark(texts[row], float(value), key)
        written[column] = texts
    return written.style


def _name_rows(table: pd.DataFrame, part: str) -> list[str]:
    """Name each row within a part of the data by its index, or by its cells that hold text; rows of
    one name are numbered."""
    named = table.index.to_frame()
    if isinstance(table.index, pd.RangeIndex):
        named = table.select_dtypes(exclude="number")
    names = [", ".join(filter(None, [part, *map(str, row)])) for row in named.to_numpy()]
    if len(set(names)) < len(names):
        names = [f"{name} ({number})" for number, name in enumerate(names, 1)]
    return names


def _write(value: Any, spec: str | None) -> str:
    """Write a cell."""
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return "–"
    if spec == "points":
        return numbers.show_minus(f"{100 * value:+.1f}\u00a0points")
    if spec is None:
        spec = "{:.3f}" if isinstance(value, float) else "{}"
    return numbers.show_minus(spec.format(value))


def by_origin(table: pd.DataFrame, formats: Mapping[str, str] | None = None) -> list[Styler]:
    """Return this run's rows as one table and recorded ones as another, the origin above each.

    Parameters
    ----------
    table
        With a column `origin`, as `numbers.origin` writes it, unless all is of this run.
    formats
        As of `show`.
    """
    if "origin" not in table:
        return [show(table, formats)]
    origins = table["origin"].to_numpy()
    recorded = pd.Series(origins).str.startswith("recorded").to_numpy()
    shown = []
    for kind, chosen in (("", ~recorded), ("recorded", recorded)):
        if not chosen.any():
            continue
        part = table[chosen].drop(columns="origin")
        keys = {}
        for column, known in table.attrs.get("keys", {}).items():
            keys[column] = [key for key, wanted in zip(known, chosen, strict=True) if wanted]
        part.attrs["keys"] = keys
        styled = show(part, formats).set_caption(_describe(list(origins[chosen])))
        shown.append(styled.set_table_attributes(f'class="origin {kind}"'))
    return shown


def _describe(origins: Sequence[str]) -> str:
    """Say once where the rows of a table come from."""
    made = list(dict.fromkeys(origins))
    trained = [name for name in made if name.startswith((numbers.THIS_RUN, "recorded"))]
    text = "; ".join(trained) or "not trained yet"
    return text[0].upper() + text[1:]


def as_text(words: str) -> str:
    """Return somebody's words so that Markdown shows them letter by letter, whatever they are.

    Examples
    --------
    >>> as_text("<b>no_markup</b>")
    '&#60;b&#62;no&#95;markup&#60;&#47;b&#62;'
    """
    return _MARKS.sub(lambda mark: f"&#{ord(mark[0])};", " ".join(words.split()))


_MARKS = re.compile(f"[{re.escape(string.punctuation)}]")


def quote(text: str) -> HTML:
    """Return somebody's sentence as a quotation, in which nothing is markup."""
    return HTML(f"<blockquote><p>{html.escape(text)}</p></blockquote>")


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
    data = base64.b64encode(str(format_csv(numbers)).encode()).decode()
    return HTML(
        f"<details><summary>{html.escape(title)}</summary>{shown}</details>\n"
        f'<a download="{html.escape(file)}" href="data:text/csv;base64,{data}">{html.escape(file)}'
        "</a>"
    )
