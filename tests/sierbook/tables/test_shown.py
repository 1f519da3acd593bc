"""Tables as pages show them: numbers with keys, long ones folded away with a download."""

from __future__ import annotations

import base64
import html
import io
import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from sierbook import sentences
from sierbook.numbers import MARK, Key
from sierbook.tables import shown as tables


def test_a_folded_table_brings_its_numbers() -> None:
    numbers = pd.DataFrame({"measure": ["a", "b"], "mean": [0.125, 2.0]})
    shown = tables.fold(pd.DataFrame({"x": ["1\n[0, 2]"]}), numbers, "All <scores>", "s.csv").data
    assert "<summary>All &lt;scores&gt;</summary>" in shown and 'download="s.csv"' in shown
    (data,) = re.findall(r"base64,([^\"]*)", shown)
    pd.testing.assert_frame_equal(pd.read_csv(io.BytesIO(base64.b64decode(data))), numbers)


@pytest.mark.parametrize(
    ("index", "parts"),
    [
        (["a", "b"], ["test, a", "test, b"]),  # named by its index
        (None, ["test, so", "test, sad"]),  # by its cells that hold text
    ],
)
def test_each_number_of_a_table_has_a_key_and_what_is_none_has_not(
    index: list[str] | None, parts: list[str]
) -> None:
    table = pd.DataFrame(
        {"word": ["so", "sad"], "n": [3, 4], "value": [-0.25, float("nan")]}, index=index
    )
    shown = tables.show(table, {"value": "{:+.2f}"}, Key("", "fused", "test", "score"))
    found = {key: (float(value), text) for value, key, text in MARK.findall(shown.to_html())}
    keys = [
        f"{column}; fused; {part}; score; this run"
        for column, part in (("n", parts[0]), ("n", parts[1]), ("value", parts[0]))
    ]
    assert found == dict(zip(keys, [(3, "3"), (4, "4"), (-0.25, "−0.25")], strict=True))


def test_rows_of_one_name_are_told_apart() -> None:
    table = pd.DataFrame({"word": ["the", "the"], "value": [0.1, 0.2]})
    shown = tables.show(table, about=Key("", "fused", "pair-1", "score")).to_html()
    assert len({key for _, key, _ in MARK.findall(shown)}) == 2


@given(st.text())
def test_somebodys_words_are_no_markup(words: str) -> None:
    page = MarkdownIt("commonmark").render(sentences.bullets([tables.as_text(words)]))
    shown = re.fullmatch(r"<ul>\n<li>(.*)</li>\n</ul>\n", page, re.DOTALL)
    assert shown and html.unescape(shown[1]) == " ".join(words.split()).replace("\0", "\ufffd")
