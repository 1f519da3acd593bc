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
from sierbook.numbers import MARK, Key, plain
from sierbook.tables import shown as tables
from tests.keys import list_unkeyed


def test_a_table_has_networks_in_rows_or_in_columns_and_cells_of_every_kind() -> None:
    found = {"value": 0.5, "low": 0.25, "high": 0.75, "n": 8}
    table = pd.DataFrame(
        {"accuracy": [found, None], "best epoch": [[3, 4], [2]], "published": ["<b>", "–"]},
        index=["ParallelNet", "speech only"],
    )
    about = [Key("", name, "test", "labels") for name in ("fused", "ser")]
    page = tables.show(table, {"accuracy": "{:.0%}"}, about, across=True).to_html()
    assert page.index("speech only") < page.index("accuracy") and "&lt;b&gt;" in page
    assert {key: float(value) for value, key, _ in MARK.findall(page)} == {
        "accuracy; fused; test; labels; this run": 0.5,
        "accuracy, low; fused; test; labels; this run": 0.25,
        "accuracy, high; fused; test; labels; this run": 0.75,
        "best epoch, training 1; fused; ; ; this run": 3,
        "best epoch, training 2; fused; ; ; this run": 4,
        "best epoch; ser; ; ; this run": 2,
    }
    assert "50% [25%, 75%]" in plain(page) and list_unkeyed(page) == []
    rows = pd.DataFrame({"n": [8], "speech only": [0.5]}, index=["happy"])
    recall = Key("recall", "", "test", "labels")
    page = tables.show(rows, about=recall, columns="network").to_html()
    assert [key for _, key, _ in MARK.findall(page)] == [
        "n; ; test, happy; labels; this run",
        "recall; ser; test, happy; labels; this run",
    ]
    page = tables.show(rows, about=Key("pairs", "", "usable", ""), columns="part").to_html()
    assert [key for _, key, _ in MARK.findall(page)][1] == (
        "pairs; ; usable, happy, speech only; ; this run"
    )


def test_somebodys_words_in_a_table_are_no_markup_and_open_no_key() -> None:
    words = '"><script>x</script>'
    table = pd.DataFrame({"word": [words], "value": [0.5]})
    for named in (table, table.set_index("word")):
        page = tables.show(named, about=Key("", "fused", "pair", "score")).to_html()
        assert "<script>" not in page and len(MARK.findall(page)) == 1


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
