"""Tables as people have them: CSV, TSV and what spreadsheets write, read record by record.

One reader for every adapter. It judges structure first, the number of fields and the quotes, and by
record: what is wrong with one costs that record, and the next line starts afresh. Every line that
is not blank belongs to exactly one record, so that counts add up to the lines of the file.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sierlib.data.lines import LONGEST, Line, Lines, Places

#: Lines that one quoted text may run over.
MOST_LINES = 1000

DELIMITERS = ",;\t|"


@dataclass(slots=True)
class Record:
    """A record: its first and last line, its cells by column, and what is wrong with it or "".

    A fault reads "<kind>: <what was seen>".
    """

    line: int
    last: int
    cells: dict[str, str]
    fault: str = ""


class Table:
    """The records of a table with a header, read as a stream.

    Parameters
    ----------
    path
        The file. Delimiter (comma, semicolon, tab or bar) and encoding are found.
    layout
        What was expected, for messages.
    needed
        Columns that must be there, and that no record may be too short for; "text or audio" where
        one of two is enough.
    shapes
        What cells look like, by column. A line whose cells all look so is a record of its own, even
        where a quote before it was never closed.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the header lacks a column that is needed, or has one twice.
    """

    def __init__(
        self,
        path: Path,
        layout: str,
        needed: Sequence[str],
        shapes: Mapping[str, re.Pattern[str]] | None = None,
    ) -> None:
        if not path.is_file():
            what = "a folder" if path.is_dir() else "missing"
            raise FileNotFoundError(f"{path} is {what}: expected {layout}")
        self.path, self._layout = path, layout
        self._lines = Lines(path)
        self.needed = tuple(needed)
        self.columns: list[str] = []
        self._header = 1  # the line it is on
        self._delimiter = ","
        self._read_header()
        shapes = shapes or {}
        self._shapes = [(i, shapes[name]) for i, name in enumerate(self.columns) if name in shapes]
        self._stray = Places()

    def _fits(self, columns: Sequence[str]) -> bool:
        """Tell whether columns hold those that are needed."""
        return all(set(each.split(" or ")) & set(columns) for each in self.needed)

    @property
    def notes(self) -> list[str]:
        """What the reader should know of the file, once its records have been read."""
        if not self._stray.count:
            return self._lines.notes
        stray = f"{self.path.name}: quotes that enclose nothing, read as letters in {self._stray}"
        return [*self._lines.notes, stray]

    def __iter__(self) -> Iterator[Record]:
        self._stray = Places()
        rest = islice(self._lines, self._header, None)
        ahead: deque[Line] = deque()  # looked at, but not used
        while line := ahead.popleft() if ahead else next(rest, None):
            if not line.text.strip() and not line.fault:
                continue
            fields, state = _split(line.text, self._delimiter)
            last, fault = line.number, line.fault
            if state == "unclosed quote" and (closed := self._find_close(line, rest, ahead)):
                span, fields, state = *closed, ""
                last = span[-1].number
                fault = next((each.fault for each in span if each.fault), "")
            fields = list(map(str.strip, fields))
            if fault or any(fields):
                yield self._make_record(line.number, last, fields, state, fault)

    def _read_header(self) -> None:
        """Find the header, the first line that is not blank, and the delimiter in it."""
        for line in self._lines:
            text = line.text.strip("\ufeff \r\n")
            if not text:
                continue
            self._header = line.number
            if re.fullmatch("sep=.", text):  # a spreadsheet's own remark
                continue
            found = {}
            for delimiter in DELIMITERS:
                names = _split(text, delimiter)[0]
                found[delimiter] = [name.strip().casefold() for name in names]
            # The delimiter is what makes sense of the header.
            self._delimiter = max(
                found, key=lambda each: (self._fits(found[each]), len(found[each]))
            )
            self.columns = found[self._delimiter]
            break
        if not self._fits(self.columns):
            seen = repr(self.columns)
            raise ValueError(
                f"{self.path}, line {self._header}: columns {seen[:120]}; expected {self._layout}"
            )
        twice = {name for name in self.columns if name and self.columns.count(name) > 1}
        if twice:
            raise ValueError(
                f"{self.path}, line {self._header}: column {min(twice)!r} is there twice"
            )

    def _is_complete(self, fields: list[str]) -> bool:
        """Tell whether a line's fields make a record by themselves."""
        if len(fields) != len(self.columns):
            return False
        for place, shape in self._shapes:
            cell = fields[place].strip()
            optional = not cell and self.columns[place] not in self.needed
            if not optional and not shape.fullmatch(cell):
                return False
        return True

    def _find_close(
        self, first: Line, rest: Iterator[Line], ahead: deque[Line]
    ) -> tuple[list[Line], list[str]] | None:
        """Return the lines and fields of a record whose first line leaves a quote open.

        None where the quote is a stray one: it is never closed, or closed in the middle of a field,
        or what it would enclose are records. All lines but the first are to be read again then.
        """
        span, size, reopened, mark = [first], len(first.text), 0, self._delimiter
        while line := ahead.popleft() if ahead else next(rest, None):
            span.append(line)
            size += len(line.text) + 1
            if size > LONGEST or len(span) > MOST_LINES or reopened > len(self.columns):
                break
            # Quotes of a record come in pairs, and the line that closes this one lacks a partner.
            if line.text.count('"') % 2 == 0 and self._is_complete(_split(line.text, mark)[0]):
                break
            if '"' not in line.text:
                continue
            fields, state = _split("\n".join(each.text for each in span), mark)
            if not state:
                # What it would enclose makes no record, or a worse one than the first line does.
                alone = self._is_complete(first.text.split(mark))
                closing = self._is_complete(line.text.split(mark))
                if len(fields) != len(self.columns) or (
                    alone and (closing or not self._is_complete(fields))
                ):
                    break
                return span, fields
            if state != "unclosed quote":
                break
            reopened += 1
        ahead.extendleft(reversed(span[1:]))
        return None

    def _make_record(
        self, line: int, last: int, fields: list[str], state: str, fault: str
    ) -> Record:
        wanted = len(self.columns)
        if len(fields) != wanted:
            counted = f"{len(fields)} for {wanted} columns"
            # Spreadsheets drop empty cells at the end of a row, or add some.
            if any(fields[wanted:]):
                mark = self._delimiter
                hint = f"; a text with {mark!r} in it is written in quotes" if mark in ",;" else ""
                fault = fault or f"{state or 'too many fields'}: {counted}{hint}"
            elif set(self.needed) & set(self.columns[len(fields) :]):
                fault = fault or f"{state or 'too few fields'}: {counted}"
            fields = [*fields, *[""] * (wanted - len(fields))]
        if fault:
            return Record(line, last, {}, fault)
        if state:
            self._stray.add(line)
        return Record(line, last, dict(zip(self.columns, fields, strict=False)))


def _split(text: str, delimiter: str) -> tuple[list[str], str]:
    """Return a record's fields, and what is wrong with its quotes or "".

    Where something is, quotes are letters like any other.
    """
    if '"' not in text:
        return text.split(delimiter), ""
    try:
        reader = csv.reader([text], delimiter=delimiter, strict=True, skipinitialspace=True)
        return next(reader), ""
    except csv.Error as problem:
        # Inside a field without quotes a carriage return is no line end, though csv thinks so.
        if "\r" in text.rstrip("\r"):
            return _split(text.replace("\r", " "), delimiter)
        unclosed = "unexpected end" in str(problem)
        return text.split(delimiter), "unclosed quote" if unclosed else "misplaced quote"
