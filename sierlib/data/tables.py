"""Tables as people have them: CSV, TSV and what spreadsheets write, read record by record.

One reader for every adapter. It judges structure first, the number of fields and the quotes, and by
record: what is wrong with one costs that record, and the next line starts afresh. Every line that
is not blank belongs to exactly one record, so that counts add up to the lines of the file.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

#: Characters of a line, or of a record in quotes: what Python's csv module takes for one field.
LONGEST = 131_072

#: Lines that one quoted text may run over.
MOST_LINES = 1000

DELIMITERS = ",;\t|"
UTF8 = "utf-8-sig"  # with or without a byte order mark

#: What is read instead of UTF-8 where English text is sprinkled with other bytes.
WESTERN = {"cp1252": "Windows-1252", "mac_roman": "Mac Roman", "cp850": "DOS code page 850"}

# Bytes that are not UTF-8 came through `surrogateescape`.
_ESCAPED = re.compile("[\udc80-\udcff]")

# How an emoji or a curly quote begins in UTF-8: a line with one that is torn is no other encoding.
_TORN = (b"\xf0\x9f", b"\xe2\x80")

# What English text has beside ASCII. A code page is believed by how much of this it makes of the
# bytes: statistics of letters say little about three apostrophes.
_USUAL = frozenset("‘’“”–—…•€£°é½¼¾²·«»¡¿™®©´É\N{NO-BREAK SPACE}èêëáàâäãåçíìîïñóòôöõúùûüßæøœ")


@dataclass
class Places:
    """Numbers of lines, of which the first few are kept."""

    count: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, number: int) -> None:
        """Count a line."""
        self.count += 1
        if len(self.first) < 5:
            self.first.append(number)

    def __str__(self) -> str:
        others = self.count - len(self.first)
        numbers = ", ".join(map(str, self.first)) + (f" and {others} more" if others else "")
        return f"line {numbers}" if self.count == 1 else f"lines {numbers}"


@dataclass(slots=True)
class Line:
    """A line without its end, its number from 1, and what is wrong with it or ""."""

    number: int
    text: str
    fault: str = ""


class Lines:
    """The lines of a text file, in whatever encoding they are.

    UTF-8 comes first. A line that is not UTF-8 is read as what the file's other such lines speak
    for; one that is not that either has a fault.

    Parameters
    ----------
    path
        The file; it is read as a stream, each time anew.

    Raises
    ------
    ValueError
        When it is no text but a workbook or an archive.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.encoding, self.newline = _find_encoding(path)
        self.other = ""  # for lines that are not UTF-8
        if self.encoding == UTF8 and not _is_utf8(path):
            self.other = self._find_other()
        self._converted, self._lost = Places(), Places()

    def __iter__(self) -> Iterator[Line]:
        self._converted, self._lost = Places(), Places()
        for number, text in enumerate(self._read(), 1):
            fault = ""
            if not text.isascii():
                text, fault = self._decode(text, number)
            if len(text) > LONGEST:
                text, fault = text[:LONGEST], f"line too long: more than {LONGEST:,} characters"
            yield Line(number, text, fault)

    @property
    def notes(self) -> list[str]:
        """What the reader should know of the encoding, once the lines have been read."""
        name, notes = self.path.name, []
        if self.encoding != UTF8:
            notes.append(f"{name} is not UTF-8: it was read as {self.encoding.upper()}")
        if self._converted.count:
            other = WESTERN.get(self.other, self.other)
            notes.append(f"{name} is not all UTF-8: {self._converted} read as {other}")
        if self._lost.count:
            notes.append(
                f"{name}: letters were lost before the file came here, and U+FFFD stands for them "
                f"in {self._lost}"
            )
        return notes

    def _read(self) -> Iterator[str]:
        """Yield lines without their ends, cut where they are too long; other bytes are escaped."""
        errors = "surrogateescape" if self.encoding == UTF8 else "replace"
        with self.path.open(encoding=self.encoding, errors=errors, newline=self.newline) as file:
            # A line end more than the longest line, so that a longer one shows.
            for text in iter(partial(file.readline, LONGEST + 3), ""):
                if not text.endswith(self.newline):
                    for rest in iter(partial(file.readline, LONGEST), ""):
                        if rest.endswith(self.newline):
                            break
                # A carriage return inside a line is no line end; csv would stumble over it.
                yield text.rstrip("\r\n").replace("\r", " ")

    def _decode(self, text: str, number: int) -> tuple[str, str]:
        """Return a line that is not ASCII as it should be read, and what is wrong with it or ""."""
        if _ESCAPED.search(text):
            raw = text.encode("utf-8", "surrogateescape")
            text = self._decode_other(raw)
            if not text:
                other = f" or {WESTERN.get(self.other, self.other)}" if self.other else ""
                return raw.decode("utf-8", "replace"), f"undecodable: not UTF-8{other}"
            self._converted.add(number)
        elif "\N{REPLACEMENT CHARACTER}" in text:
            if self.encoding != UTF8:
                return text, f"undecodable: not {self.encoding.upper()}"
            self._lost.add(number)
        return text, ""

    def _decode_other(self, raw: bytes) -> str:
        """Return bytes that are not UTF-8 as text, "" where they make no sense."""
        if not self.other or any(torn in raw for torn in _TORN):
            return ""
        try:
            text = raw.decode(self.other)
        except UnicodeDecodeError:
            return ""
        # Any byte is some letter of a Western code page; most should be such as people write.
        rare = sum(not character.isascii() for character in text)
        sensible = self.other not in WESTERN or _count_usual(text) * 2 > rare
        return text if sensible else ""

    def _find_other(self) -> str:
        """Return the encoding that the lines which are not UTF-8 are in, or "" where none fits."""
        from charset_normalizer import from_bytes

        raw = b""
        for text in self._read():
            if not text.isascii() and _ESCAPED.search(text):
                line = text.encode("utf-8", "surrogateescape")
                raw += b"" if any(torn in line for torn in _TORN) else line + b"\n"
            if len(raw) > 50_000:
                break
        if not raw:
            return ""
        # Sprinkled with other bytes it is English, or nearly; full of them it is another script.
        if sum(byte > 127 for byte in raw) < len(raw) / 3:
            usual = {name: _count_usual(raw.decode(name, "replace")) for name in WESTERN}
            return max(usual, key=lambda name: usual[name])
        best = from_bytes(raw).best()
        return best.encoding if best else ""


def _count_usual(text: str) -> int:
    return sum(character in _USUAL for character in text)


def _find_encoding(path: Path) -> tuple[str, str]:
    """Return a text file's encoding, UTF-8 unless it looks like another, and its line end."""
    with path.open("rb") as file:
        start = file.read(1 << 20)
    if start.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF", b"\x1f\x8b")):
        raise ValueError(
            f"{path}, line 1: this is a workbook or an archive ({start[:4]!r}); save it as CSV"
        )
    marks = {
        codecs.BOM_UTF32_LE: "utf-32",
        codecs.BOM_UTF32_BE: "utf-32",
        codecs.BOM_UTF16_LE: "utf-16",
        codecs.BOM_UTF16_BE: "utf-16",
    }
    encoding = next((name for mark, name in marks.items() if start.startswith(mark)), UTF8)
    if encoding == UTF8:
        # Without a mark, UTF-16 shows by a NUL in every other place of the header.
        header = start[:64]
        for name, nuls in (("utf-16-le", header[1::2]), ("utf-16-be", header[::2])):
            if len(header) > 3 and nuls.count(0) > 0.9 * len(nuls):
                encoding = name
    # Old spreadsheets on a Mac end lines with a carriage return alone.
    return encoding, "\r" if b"\r" in start and b"\n" not in start else "\n"


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            for block in iter(partial(file.read, 1 << 20), b""):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


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
            if fault or any(map(str.strip, fields)):
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
            if any(map(str.strip, fields[wanted:])):
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
        return Record(line, last, dict(zip(self.columns, map(str.strip, fields), strict=False)))


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
        unclosed = "unexpected end" in str(problem)
        return text.split(delimiter), "unclosed quote" if unclosed else "misplaced quote"
