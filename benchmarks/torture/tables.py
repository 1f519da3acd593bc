"""Tables of every spelling, torn ones, and files that are no tables."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from numpy.random import Generator
from PIL import Image

from benchmarks.torture import good

ROWS = 30
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252",
             "latin-1", "mac_roman", "cp850", "cp1251", "koi8-r", "shift_jis", "gb18030", "euc-kr",
             "cp1255", "utf-7")  # fmt: skip
LINE_ENDS = {"LF": "\n", "CR LF": "\r\n", "CR": "\r"}

Rows = list[list[str]]


class TableCase(NamedTuple):
    """A corpus to list: its spec, its role, and the rows that have to be accounted for or 0.

    Rows that lost their structure cannot be counted from outside.
    """

    spec: str
    role: str
    rows: int


def _rows(rng: Generator, folder: Path, count: int = ROWS) -> Rows:
    """Return a header and rows of pairs; two pictures serve them all."""
    for name in ("a.png", "b.png"):
        Image.fromarray(good.draw_picture(rng, 16)).save(folder / name)
    labels = ["anger", "happy", "hate", "sad"]
    rows = [["id", "image", "text", "label"]]
    for number in range(count):
        text = good.draw_sentence(rng)
        if number % 3 == 0:
            text = f'She said "{text}", café – it’s £5'
        rows.append([f"row {number}", "ab"[number % 2] + ".png", text, labels[number % 4]])
    return rows


def _write(rows: Rows, mark: str = ",", end: str = "\r\n", quoting: int = csv.QUOTE_MINIMAL) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=mark, lineterminator=end, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    return out.getvalue()


def _pairs(folder: Path, data: bytes | str, rows: int = 0) -> TableCase:
    path = folder / "pairs.csv"
    path.write_bytes(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data)
    return TableCase(f"pairs:{path}", "data", rows)


Maker = Callable[[Path, Generator], TableCase]


def make_spelling(folder: Path, rng: Generator, end: str) -> TableCase:
    """Any delimiter and quoting, with a line end."""
    mark = str(rng.choice(list(",;\t|")))
    quoting = int(rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
    text = _write(_rows(rng, folder), mark, LINE_ENDS[end], quoting)
    if rng.random() < 0.3:
        text = f"sep={mark}{LINE_ENDS[end]}{text}"
    return _pairs(folder, text, ROWS)


def make_encoding(folder: Path, rng: Generator, encoding: str) -> TableCase:
    text = _write(_rows(rng, folder), str(rng.choice(list(",;\t"))))
    words = {"cp1251": "грусть", "koi8-r": "грусть", "shift_jis": "悲しい", "gb18030": "悲伤",
             "euc-kr": "슬프다", "cp1255": "עצוב"}  # fmt: skip
    text = text.replace("café", words.get(encoding, "café"))
    return _pairs(folder, text.encode(encoding, "replace"), ROWS)


def make_mixed_encodings(folder: Path, rng: Generator) -> TableCase:
    """Lines in other encodings than their neighbours."""
    lines = _write(_rows(rng, folder)).splitlines(keepends=True)
    codes = rng.choice(["utf-8", "cp1252", "mac_roman", "utf-16-le"], len(lines))
    if rng.random() < 0.7:
        codes[codes == "utf-16-le"] = "utf-8"
    codes[0] = "utf-8"
    data = [line.encode(str(code), "replace") for line, code in zip(lines, codes, strict=True)]
    return _pairs(folder, b"".join(data))


def make_columns(folder: Path, rng: Generator) -> TableCase:
    """Columns in another order, missing, twice, renamed, without a name, too many."""
    rows = _rows(rng, folder)
    order = rng.permutation(4)
    kind = int(rng.integers(7))
    rows = [[row[i] for i in order] for row in rows]
    if kind == 1:
        rows = [row[:-1] for row in rows]
    elif kind == 2:
        rows = [[*row, row[0]] for row in rows]
    elif kind == 3:
        rows[0] = [name.upper() + " " for name in rows[0]]
    elif kind == 4:
        rows = [[*row, "", "x"] for row in rows]
        rows[0][-2:] = ["", ""]
    elif kind == 5:
        rows = [row + ["x"] * 3000 for row in rows]
        rows[0] = rows[0][:4] + [f"column {n}" for n in range(3000)]
    elif kind == 6:
        rows = rows[1:]
    return _pairs(folder, _write(rows), ROWS if kind in (0, 3, 4, 5) else 0)


def make_ragged(folder: Path, rng: Generator) -> TableCase:
    """Rows with too few or too many fields."""
    rows = _rows(rng, folder)
    for number in rng.integers(1, len(rows), 8):
        extra = int(rng.integers(-3, 6))
        fewer = rows[number][:1] + rows[number][1:extra]  # none at all would be a blank line
        rows[number] = fewer if extra < 0 else rows[number] + ["x"] * extra
    return _pairs(folder, _write(rows), ROWS)


def make_quotes(folder: Path, rng: Generator) -> TableCase:
    """Quotes put in and left out at random places."""
    text = _write(_rows(rng, folder), str(rng.choice(list(",;\t"))))
    for _ in range(int(rng.choice([1, 1, 2, 5, 40]))):
        place = int(rng.integers(len(text)))
        if rng.random() < 0.5 and '"' in text[place:]:
            place = text.index('"', place)
            text = text[:place] + text[place + 1 :]
        else:
            text = text[:place] + str(rng.choice(['"', '""', '"""', "'", '\\"'])) + text[place:]
    return _pairs(folder, text)


def make_characters(folder: Path, rng: Generator) -> TableCase:
    """Characters that some programs take for an end of line or of file."""
    text = _write(_rows(rng, folder))
    odd = list("\0\x0b\x0c\x1a\x1c\x85\u2028\u2029\ufeff\r\n\t,;|")
    for _ in range(int(rng.choice([1, 5, 50]))):
        place = int(rng.integers(len(text)))
        text = text[:place] + str(rng.choice(odd)) * int(rng.choice([1, 2, 500])) + text[place:]
    return _pairs(folder, text)


def make_damaged(folder: Path, rng: Generator, damage: str) -> TableCase:
    encoding = str(rng.choice(["utf-8", "utf-8", "cp1252", "utf-16", "utf-32"]))
    data = _write(_rows(rng, folder)).encode(encoding, "replace")
    return _pairs(folder, good.BYTE_DAMAGES[damage](data, rng))


def make_huge(folder: Path, rng: Generator) -> TableCase:
    """A field, a name, a path or a line of up to 20 million characters."""
    rows = _rows(rng, folder)
    length = int(rng.choice([300, 5000, 131_072, 1_000_000, 20_000_000]))
    filling = str(rng.choice(["a", "a ", '"', ",", "\n", "é", "../", "=", "\\"]))
    rows[int(rng.integers(len(rows)))][int(rng.integers(4))] = filling * (length // len(filling))
    quoting = int(rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    return _pairs(folder, _write(rows, quoting=quoting))


def make_cells(folder: Path, rng: Generator) -> TableCase:
    """Cells that name other files, other labels, the same id, or try something."""
    rows = _rows(rng, folder)
    odd: Sequence[str] = (
        "", " ", "../a.png", "/etc/passwd", "/dev/zero", "..\\b.png", "C:\\a.png", "~/a.png", ".",
        "a.png\0", "a.png/b", "x" * 300 + ".png", "file:///a.png", "http://x/a.png", "$HOME", "%s",
        "=1+1", "@SUM(A1)", "-2", "nan", "NULL", "None", "inf", "1e999", "😭", "Angry", "ANGER ",
        "fear", "0", "row 1", "\ufeff", "\u202e", "a.png?links=follow", "{0}", "*.png", "con",
        "<script>", "&lt;", "a.PNG", "./a.png", "a.png ", "A.png", "b.png#1",
    )  # fmt: skip
    for _ in range(int(rng.choice([1, 10, 60]))):
        row, column = rng.integers(1, len(rows)), rng.integers(4)
        rows[row][column] = str(rng.choice(odd))
    return _pairs(folder, _write(rows), ROWS)


def make_blank(folder: Path, rng: Generator) -> TableCase:
    """Nothing, a header alone, or blank lines among the rows."""
    lines = _write(_rows(rng, folder)).split("\r\n")
    kind = int(rng.integers(5))
    if kind == 0:
        return _pairs(folder, str(rng.choice(["", "\n", "\ufeff", "\n" * 100_000, " ", ",,,\n"])))
    if kind == 1:
        return _pairs(folder, lines[0])
    filling = ["\n" * int(rng.choice([1, 100, 50_000])), " \n", ",,,\n"][kind - 2]
    return _pairs(folder, filling.join(line + "\n" for line in lines), ROWS)


def make_many_rows(folder: Path, rng: Generator) -> TableCase:
    """A million tweets, some of them torn."""
    tweets = [good.draw_sentence(rng) for _ in range(50)]
    odd = str(rng.choice(["", '"', "\t\t", "\\"]))
    block = "".join(f"{tweet}\t{label}\n" for tweet in tweets for label in ("anger", "sad"))
    path = folder / "tweets.tsv"
    path.write_text("text\tlabel\n" + (block + f"{odd}so sad\tsad\n") * 9901, encoding="utf-8")
    return TableCase(f"tweets:{path}", "ser", 9901 * 101)


def make_other_file(folder: Path, rng: Generator) -> TableCase:
    """A workbook, an archive, a picture, rubbish."""
    rows = _write(_rows(rng, folder)).encode()
    picture = (folder / "a.png").read_bytes()
    files = [gzip.compress(rows), picture, b"PK\x03\x04" + rng.bytes(500), b"%PDF-1.4\n" + rows,
             b"SQLite format 3\0" + bytes(900), rng.bytes(5000), bytes(5000), b"{}", b"<html>",
             b"\xd0\xcf\x11\xe0" + bytes(900), b"\xff\xfe" + rng.bytes(999), b"\xff\xfe\0\0" + rows,
             b"\xef\xbb\xbf", b"\xff\xfe", b"id,image,text\n" + rng.bytes(5000)]  # fmt: skip
    return _pairs(folder, files[int(rng.integers(len(files)))])


def make_no_file(folder: Path, rng: Generator) -> TableCase:
    return TableCase(f"pairs:{good.make_no_file(folder / 'pairs.csv', rng)}", "data", 0)


def make_iemocap(folder: Path, rng: Generator) -> TableCase:
    """IEMOCAP's folder, with a file of evaluations or of words damaged."""
    names = [f"Ses01F_impro01_{'FM'[number % 2]}{number:03}" for number in range(20)]
    sounds = folder / "Session1/sentences/wav/Ses01F_impro01"
    listed = folder / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    spoken = folder / "Session1/dialog/transcriptions/Ses01F_impro01.txt"
    for place in (sounds, listed.parent, spoken.parent):
        place.mkdir(parents=True)
    for name in names:
        (sounds / f"{name}.wav").write_bytes(b"RIFF")
    codes = ["ang", "hap", "sad", "neu"] * 5
    lines = [
        f"[{n}.1 - {n}.9]\t{name}\t{code}\t[2.5, 2.5, 2.5]"
        for n, (name, code) in enumerate(zip(names, codes, strict=True))
    ]
    words = [f"{name} [00{n}.1-00{n}.9]: {good.draw_sentence(rng)}" for n, name in enumerate(names)]
    for path, content in ((listed, lines), (spoken, words)):
        data = "\n".join(content).encode()
        if rng.random() < 0.7:
            data = good.BYTE_DAMAGES[str(rng.choice(list(good.BYTE_DAMAGES)))](data, rng)
        path.write_bytes(data)
    return TableCase(f"iemocap:{folder}", "ser", 0)


def make_bt4sa(folder: Path, rng: Generator) -> TableCase:
    """A B-T4SA folder with one of its four files damaged."""
    tweets = [str(10**17 + number) for number in range(20)]
    files = {"raw_tweets_text.csv": _write([["id", "text"], *([t, "so sad"] for t in tweets)])}
    (folder / "data/10000").mkdir(parents=True)
    for split, some in {"train": tweets[:10], "val": tweets[10:15], "test": tweets[15:]}.items():
        files[f"b-t4sa_{split}.txt"] = "".join(f"data/10000/{t}-1.jpg 0\n" for t in some)
    for tweet in tweets:
        (folder / f"data/10000/{tweet}-1.jpg").touch()
    torn = str(rng.choice(list(files)))
    for name, text in files.items():
        data = text.encode()
        if name == torn:
            data = good.BYTE_DAMAGES[str(rng.choice(list(good.BYTE_DAMAGES)))](data, rng)
        (folder / name).write_bytes(data)
    return TableCase(f"bt4sa:{folder}", "data", 0)


MAKERS: dict[str, Maker] = {
    **{f"line ends, {end}": partial(make_spelling, end=end) for end in LINE_ENDS},
    **{encoding: partial(make_encoding, encoding=encoding) for encoding in ENCODINGS},
    **{damage: partial(make_damaged, damage=damage) for damage in good.BYTE_DAMAGES},
    **{f"quotes, {number}": make_quotes for number in range(10)},
    **{f"characters, {number}": make_characters for number in range(6)},
    **{f"columns, {number}": make_columns for number in range(6)},
    **{f"cells, {number}": make_cells for number in range(6)},
    **{f"huge, {number}": make_huge for number in range(6)},
    **{f"another file, {number}": make_other_file for number in range(4)},
    **{f"IEMOCAP, {number}": make_iemocap for number in range(4)},
    **{f"B-T4SA, {number}": make_bt4sa for number in range(4)},
    "mixed encodings": make_mixed_encodings,
    "mixed encodings, another": make_mixed_encodings,
    "ragged": make_ragged,
    "ragged, another": make_ragged,
    "blank": make_blank,
    "blank, another": make_blank,
    "a million rows": make_many_rows,
    "no file": make_no_file,
}


def make_case(name: str, folder: Path, rng: Generator) -> TableCase:
    """Make one case: a folder with a table in it."""
    return MAKERS[name](folder, rng)
