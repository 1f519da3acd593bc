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
from sierbook.audit.labels import LABEL
from sierlib import settings
from sierlib.experiment.manifest import format_csv
from sierlib.experiment.models import NETWORKS

#: Whose numbers a table holds: all of them, or a row each.
About = numbers.Key | Sequence[numbers.Key | None]


def show(
    table: pd.DataFrame,
    formats: Mapping[str, str] | None = None,
    about: About | None = None,
    columns: str = "quantity",
    across: bool = False,
) -> Styler:
    """Return a table for a page: numbers written by `formats`, three digits else, with their keys.

    A cell is a number, an estimate, several numbers, or text; `HTML` is text with markup.

    Parameters
    ----------
    table
        Its ``attrs["about"]`` stand for `about`, and its ``attrs["formats"]`` for `formats`.
    formats
        By column, as of `numbers.write_plain`.
    about
        A key for all rows, whose part is completed by what names the row: the index, or without
        one the cells that hold text. Or a key for each row, None for one without numbers.
    columns
        Which field of the key the columns name: "quantity", "network" or "part".
    across
        Whether to let rows be columns, and columns rows.
    """
    written = _write_cells(table, formats or {}, about, columns)
    styled = (written.T if across else written).style.format_index(escape="html")
    return styled.format_index(escape="html", axis=1)


def _write_cells(
    table: pd.DataFrame, formats: Mapping[str, str], about: About | None, columns: str
) -> pd.DataFrame:
    """Return a table's cells as HTML; arguments as of `show`."""
    about = table.attrs.get("about", about)
    formats = {**table.attrs.get("formats", {}), **formats}
    if isinstance(about, numbers.Key):
        keys = [about._replace(part=name) for name in _name_rows(table, about.part)]
    else:
        keys = list(about or [None] * len(table))
    written = table.astype(object)
    for column in table:
        title = str(column)
        texts = []
        for value, key in zip(table[column], keys, strict=True):
            whose = key and _complete(key, title, columns)
            texts.append(_write(value, formats.get(title), whose))
        written[column] = texts
    return written


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


def _complete(key: numbers.Key, title: str, columns: str) -> numbers.Key:
    """Return the key of a row's cell in the column of a title."""
    if columns == "part":
        return key._replace(part=", ".join(filter(None, [key.part, title])))
    if columns == "network" and title not in _NO_NETWORKS:
        return key._replace(network=_NAMES.get(title, title))
    return numbers.key_of_column(key, title)


#: What networks, teachers and the label are called in tables, and how keys name them. Of several
#: of one title, such as those for sentiments, it is the first.
_NAMES = {NETWORKS[name].title: name for name in reversed(NETWORKS)}
_NAMES |= {f"{modality} teacher": f"{role} teacher" for role, modality in settings.ROLES.items()}
_NAMES |= {LABEL: "label"}
#: Columns of other numbers between those that are named by networks.
_NO_NETWORKS = ("n", "rows kept", "largest class", "ahead", "low", "high")


_NOBODY = numbers.Key("", "", "", "")


def _write(value: Any, spec: str | None, key: numbers.Key | None) -> str:
    """Write a cell, its numbers with their keys."""
    if isinstance(value, HTML):
        return str(value.data)
    if isinstance(value, str):
        return html.escape(value, quote=False)
    if isinstance(value, list):
        return numbers.write_trainings(value, spec or ",", key or _NOBODY)
    if isinstance(value, dict):
        return numbers.write_estimate(value, spec or ".3f", key or _NOBODY)
    if pd.isna(value):
        return "–"
    if spec is None:
        spec = ".3f" if isinstance(value, float) else ","
    text = numbers.show_minus(numbers.write_plain(value, spec))
    return text if key is None else numbers.mark(text, float(value), key)


def by_origin(table: pd.DataFrame, formats: Mapping[str, str] | None = None) -> list[Styler]:
    """Return this run's rows as one table and recorded ones as another, the origin above each.

    Parameters
    ----------
    table
        With a column `origin`, as `numbers.origin` writes it, unless all is of this run, and with
        ``attrs["about"]``.
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
        keys = zip(table.attrs["about"], chosen, strict=True)
        part.attrs["about"] = [key for key, wanted in keys if wanted]
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
        What is shown, for `show`, the columns being networks; an interval stands on a line of its
        own.
    numbers
        What is saved, a row for each number.
    file
        What the saved file is called.
    """
    formats = dict.fromkeys(map(str, table), "{:z.2f}")
    written = _write_cells(table, formats, None, "network")
    lines = written.map(lambda text: text.replace(" [", "\n["))
    shown = lines.style.set_table_attributes('class="folded"').to_html()
    data = base64.b64encode(str(format_csv(numbers)).encode()).decode()
    return HTML(
        f"<details><summary>{html.escape(title)}</summary>{shown}</details>\n"
        f'<a download="{html.escape(file)}" href="data:text/csv;base64,{data}">{html.escape(file)}'
        "</a>"
    )
