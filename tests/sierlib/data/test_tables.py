"""The one reader of tables: structure, encodings, and that every line is accounted for."""

from __future__ import annotations

import csv
import io
import re
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sierlib.data import lines
from sierlib.data.corpora import pairs, tweets
from sierlib.data.corpora.rows import SHAPES
from sierlib.data.lines import Lines
from sierlib.data.tables import Record, Table

NAMES = ("id", "text", "image", "label")
HEADER = ",".join(NAMES)


def _read(folder: Path, data: bytes | str, *needed: str) -> tuple[Table, list[Record]]:
    path = folder / "t.csv"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    table = Table(path, "what was expected", needed or ("text", "image"), SHAPES)
    return table, list(table)


def _rows(*texts: str) -> list[str]:
    return [f"p{n},{text},img/{n}.png,anger" for n, text in enumerate(texts, 2)]


def _table(*rows: str, end: str = "\n") -> str:
    return end.join([HEADER, *rows, ""])


# --------------------------------------------------------------------------------------- structure
def test_a_record_has_its_cells_and_its_lines(tmp_path: Path) -> None:
    table, records = _read(
        tmp_path, _table("", 'a,"one, ""two""\nthree",i.png,sad', ",,,", "b,x,i.png", end="\r\n")
    )
    assert table.columns == list(NAMES) and not table.notes
    assert records == [
        Record(3, 4, {"id": "a", "text": 'one, "two"\nthree', "image": "i.png", "label": "sad"}),
        Record(6, 6, {"id": "b", "text": "x", "image": "i.png", "label": ""}),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_header_tells_the_delimiter(tmp_path: Path, delimiter: str) -> None:
    stream = io.StringIO()
    rows = csv.writer(stream, delimiter=delimiter)
    rows.writerows([("Text ", "IMAGE"), ("one; two, three|four\tfive", "i.png")])
    _, (record,) = _read(tmp_path, stream.getvalue())
    assert record.cells == {"text": "one; two, three|four\tfive", "image": "i.png"}


def test_a_spreadsheets_own_first_line_is_skipped(tmp_path: Path) -> None:
    _, (record,) = _read(tmp_path, "sep=;\ntext;image\none;i.png\n")
    assert (record.line, record.cells["text"]) == (3, "one")


@pytest.mark.parametrize("torn", ["never closed", "never, closed", "never"])
@pytest.mark.parametrize("place", [0, 7, 19])
def test_an_unclosed_quote_costs_at_most_its_row(tmp_path: Path, torn: str, place: int) -> None:
    rows = _rows(*["fine words"] * 10, *['"quoted, words"'] * 10)
    rows[place] = f'p{place + 2},"{torn},img/x.png,anger'
    table, records = _read(tmp_path, _table(*rows))
    assert [record.line for record in records] == list(range(2, 22))
    faults = {record.line: record.fault for record in records if record.fault}
    if "," in torn:
        assert list(faults) == [place + 2] and faults[place + 2].startswith("unclosed quote")
    else:
        assert not faults and records[place].cells["text"] == f'"{torn}'
        assert table.notes == [
            f"t.csv: quotes that enclose nothing, read as letters in line {place + 2}"
        ]


def test_two_stray_quotes_do_not_swallow_what_is_between(tmp_path: Path) -> None:
    rows = _rows('"opened', "fine", 'closed"', "fine")
    _, records = _read(tmp_path, _table(*rows))
    assert [record.cells["text"] for record in records] == ['"opened', "fine", 'closed"', "fine"]


def test_a_quote_never_closed_in_a_long_file_is_no_crash(tmp_path: Path) -> None:
    rows = _rows(*["words " * 30] * 2000)
    rows[41] = rows[41].replace(",words", ',"words', 1)
    _, records = _read(tmp_path, _table(*rows))
    assert len(records) == 2000 and not any(record.fault for record in records)


def test_a_text_with_commas_and_no_quotes_is_told(tmp_path: Path) -> None:
    _, records = _read(tmp_path, _table(*_rows("fine", "yes, we did", "fine")))
    assert [record.fault[:35] for record in records] == [
        "",
        "too many fields: 5 for 4 columns; a",
        "",
    ]


def test_a_line_too_long_costs_itself(tmp_path: Path) -> None:
    long = "x" * (lines.LONGEST + 1)
    _, records = _read(tmp_path, _table(*_rows("fine", long, "x" * 100_000, "fine")))
    assert [record.fault.partition(":")[0] for record in records] == ["", "line too long", "", ""]
    assert [record.line for record in records] == [2, 3, 4, 5]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system_are_counted(tmp_path: Path, end: str) -> None:
    _, records = _read(tmp_path, _table(*_rows("one", "two"), end=end))
    assert [(record.line, record.cells["text"]) for record in records] == [(2, "one"), (3, "two")]


def test_a_carriage_return_stays_in_quotes_and_parts_no_line(tmp_path: Path) -> None:
    _, records = _read(tmp_path, _table(*_rows('"one\rtwo\r\nthree"', "four\rfive"), end="\r\n"))
    assert [record.cells["text"] for record in records] == ["one\rtwo\r\nthree", "four\rfive"]


def test_a_column_twice_or_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"t\.csv, line 1: column 'text' is there twice"):
        _read(tmp_path, "text,image,Text\n")
    with pytest.raises(ValueError, match=r"line 1: columns \['text'\]; expected what was expected"):
        _read(tmp_path, "text\n")


# --------------------------------------------------------------------------------------- encodings
SAID = "I don’t want your “help”, café owner – naïve… £5"


@pytest.mark.parametrize(
    ("encoding", "said"), [("cp1252", SAID), ("mac_roman", SAID), ("iso8859_15", "€5, my sœur")]
)
def test_western_code_pages_are_recognised_and_told(
    tmp_path: Path, encoding: str, said: str
) -> None:
    rows = _table(*_rows("fine", f'"{said}"', "fine", f'"{said}"'))
    table, records = _read(tmp_path, rows.encode(encoding))
    assert [record.cells["text"] for record in records] == ["fine", said, "fine", said]
    name = lines.WESTERN[encoding]
    assert table.notes == [f"t.csv is not all UTF-8: lines 3, 5 read as {name}"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_unicode_of_every_kind_is_read(tmp_path: Path, encoding: str) -> None:
    table, records = _read(tmp_path, _table(*_rows(f'"{SAID} 😀"')).encode(encoding))
    assert [record.cells["text"] for record in records] == [f"{SAID} 😀"]
    assert bool(table.notes) == encoding.startswith("utf-16")


def test_another_script_is_read_by_its_statistics(tmp_path: Path) -> None:
    said = "я очень рад тебя видеть, мне сегодня грустно"
    table, (record,) = _read(tmp_path, _table(*_rows(f'"{said}"')).encode("cp1251"))
    assert record.cells["text"] == said and "line 2 read as cp1251" in table.notes[0]


def test_utf_8_with_a_few_lines_of_another_kind_is_read_line_by_line(tmp_path: Path) -> None:
    first, second = _rows("café", "don’t")
    data = b"\n".join([HEADER.encode(), first.encode("utf-8"), second.encode("cp1252")])
    table, records = _read(tmp_path, data)
    assert [record.cells["text"] for record in records] == ["café", "don’t"]
    assert table.notes == ["t.csv is not all UTF-8: line 3 read as Windows-1252"]


def test_bytes_of_no_encoding_cost_their_line_and_never_vanish(tmp_path: Path) -> None:
    torn = "so happy 😀".encode()[:-1]  # cut in the middle of an emoji
    rows = [row.encode() for row in _rows("fine", "TORN", "fine")]
    data = b"\n".join([HEADER.encode(), *rows]).replace(b"TORN", torn)
    _, records = _read(tmp_path, data)
    assert [record.fault.partition(":")[0] for record in records] == ["", "undecodable", ""]
    _, records = _read(tmp_path, _table(*_rows("one")).encode("utf-16") + b"\x00\xdcx\x00")
    assert records[-1].fault.startswith("undecodable: not UTF-16")


def test_letters_that_were_lost_before_are_told(tmp_path: Path) -> None:
    table, _ = _read(tmp_path, _table(*_rows("fine", "don\N{REPLACEMENT CHARACTER}t")))
    assert "letters were lost before" in table.notes[0] and "line 3" in table.notes[0]


def test_a_workbook_is_told_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "")
    with pytest.raises(
        ValueError, match="line 1: this is a workbook or an archive.*save it as CSV"
    ):
        pairs.load(path)


# ------------------------------------------------------------------------------- nothing vanishes
PIECES = st.sampled_from(
    [b'"', b'""', b",", b"\n", b"\r\n", b"\r", b"\t", b";", b" ", b"a", b"i.png", b"sad", b"\x00"]
    + [b"\x92", b"\xff", "é😀".encode(), "é".encode("utf-16-le"), b'"x\ny"', b"a,b,i.png,sad"]
)


@settings(
    max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    pieces=st.lists(PIECES | st.binary(max_size=4), max_size=60),
    start=st.sampled_from([HEADER.encode() + b"\n", b"text\timage\tlabel\n", b""]),
)
def test_every_line_belongs_to_one_record_whatever_the_bytes(
    tmp_path: Path, pieces: list[bytes], start: bytes
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(start + b"".join(pieces))
    try:
        table = Table(path, "what was expected", ("text", "image"), SHAPES)
    except ValueError as error:
        assert "\n" not in str(error) and f"{path}, line " in str(error)
        return
    covered = [number for record in table for number in range(record.line, record.last + 1)]
    assert covered == sorted(set(covered))
    # What is in no record is blank, or a row of empty cells.
    blank = re.compile(r"[\s\",;|\ufeff]*")
    for line in Lines(path):
        header = line.number <= table._header
        assert header or line.number in covered or blank.fullmatch(line.text), line
    for load in (pairs.load, tweets.load):
        try:
            corpus = load(path)
        except ValueError as error:
            assert "\n" not in str(error)
            continue
        assert len(corpus.items) + len(corpus.quarantined) == len(list(table))


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    texts=st.lists(
        st.text(st.sampled_from('ab ,"\n;é’'), min_size=1, max_size=12), min_size=1, max_size=8
    ),
    delimiter=st.sampled_from([",", ";", "\t"]),
    broken=st.integers(0, 7),
)
def test_a_broken_row_costs_itself_and_at_most_its_neighbour(
    tmp_path: Path, texts: list[str], delimiter: str, broken: int
) -> None:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=delimiter)
    writer.writerow(NAMES)
    rows = []
    for number, text in enumerate(texts):
        start = stream.tell()
        writer.writerow((f"p{number}", text, f"img/{number}.png", "anger"))
        rows.append(stream.getvalue()[start:])
    torn = delimiter.join(["p", '"torn', "img/t.png", "anger"]) + "\r\n"
    at = min(broken, len(rows))
    data = delimiter.join(NAMES) + "\r\n" + "".join([*rows[:at], torn, *rows[at:]])
    _, records = _read(tmp_path, data)
    found = {record.cells.get("id"): record.cells.get("text") for record in records}
    right = [found.get(f"p{n}") == text.strip() for n, text in enumerate(texts)]
    assert right.count(False) <= 1


def test_a_million_rows_are_read_as_a_stream(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with path.open("w") as file:
        file.write("id,text\n")
        for block in range(1000):
            start = 100_000_000 + block * 1000
            file.writelines(f'{start + n},"words, and\nmore"\n' for n in range(1000))
    start = time.process_time()
    assert sum(not record.fault for record in Table(path, "", ("id", "text"))) == 1_000_000
    assert time.process_time() - start < 30  # some 4 s on a machine with nothing else to do
