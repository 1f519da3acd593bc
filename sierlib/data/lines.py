"""Lines of text files in whatever encoding they are: UTF-8 first, else what they turn out to be."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

#: Characters of a line, or of a record in quotes: what Python's csv module takes for one field.
LONGEST = 131_072

UTF8 = "utf-8-sig"  # with or without a byte order mark

#: What is read instead of UTF-8 where English text is sprinkled with other bytes.
WESTERN = {
    "cp1252": "Windows-1252",
    "iso8859_15": "ISO 8859-15",
    "mac_roman": "Mac Roman",
    "cp850": "DOS code page 850",
}

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
    """A line, its number from 1, and what is wrong with it or "".

    Of a line end of two characters the first stays: it may be part of a text in quotes.
    """

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
                yield text.removesuffix(self.newline)

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
