"""Texts as they are found, and as nobody should write them."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from benchmarks.torture import good
from sierlib.data.corpora.items import Item

LENGTHS = (0, 1, 10, 140, 400, 5000, 100_000)

#: What a long text may be made of.
STUFF = {
    "letters": "a",
    "words": "so sad ",
    "capitals": "ABC",
    "digits": "9",
    "mixed digits": "1,2.3/4-",
    "stretched": "aaabbbcccddd",
    "Roman": "MCMXCIX",
    "spaces": " \t\u3000\xa0",
    "line ends": "\r\n",
    "hashtags": "#sosad",
    "hashes": "#",
    "mentions": "@you ",
    "at signs": "@",
    "dots": "a.b.c.",
    "links": "http://t.co/x ",
    "addresses": "a@b.c ",
    "less than": "<",
    "open tags": "<b><p>",
    "comments": "<!--",
    "entities": "&amp;",
    "half entities": "&#x",
    "brackets": "[[(({{",
    "emoticons": ":((( <3 ",
    "quotes": "'\"`´’",
    "emoji": "😂😭",
    "families": "👨‍👩‍👧‍👦",
    "flags": "🇩🇪",
    "keycaps": "1️⃣",
    "joiners": "\u200d\u200b\ufeff",
    "accents": "e\u0301\u0302\u0323",
    "stacked": "\u0336",
    "Arabic": "أنا حزين جدا ",
    "Hebrew": "אני עצוב ",
    "turned": "\u202e\u2066\u200f",
    "Chinese": "我很难过",
    "Thai": "ผมเศร้า",
    "Korean": "슬프다 ",
    "controls": "\x00\x01\x07\x1b[31m",
    "surrogates": "\ud83d",
    "pairs of surrogates": "\ud83d\ude02",
    "private": "\ue000\U000f0000",
    "no characters": "\uffff\ufffe",
    "replaced": "\ufffd",
    "fancy": "𝓼𝓸 𝖘𝖆𝖉",
    "wide": "ＳＡＤ",
    "small": "ᔆᴬᴰ",
    "fractions": "½⅓ 3/4 ",
    "money": "$5 €6 £7 ₿8 ",
    "signs": "%&+=~^|\\",
    "formula": "=SUM(A1:A9)",
    "command": "=cmd|' /C calc'!A0 ",
    "TeX": "$\\frac{a^2}{\\sqrt{b}}$ ",
    "Markdown": "**so** _sad_ [x](y) ",
    "code": "if(x){y();} ",
    "JSON": '{"a": ["b", null]}, ',
    "SQL": "'; DROP TABLE x; -- ",
    "mojibake": "donâ€™t Ã© ",
    "times": "12:30 1/1/2020 ",
    "units": "5kg 3km/h 20°C ",
    "dashes": "—–-",
    "underscores": "_",
    "asterisks": "*sigh* ",
    "escaped": "\\n\\u0041\\x41",
    "one word": "sad",
    "apostrophes": "o'n'",
    "slashes": "and/or",
    "ligatures": "ﬁﬂ",
    "Greek": "λυπημένος ",
    "Zalgo": "s̸̡̛a̷d̵",
}


def make_run(rng: Generator, stuff: str) -> str:
    """So many characters of one kind."""
    length = int(rng.choice(LENGTHS))
    return (STUFF[stuff] * (length // len(STUFF[stuff]) + 1))[:length]


def make_mixture(rng: Generator) -> str:
    """A sentence with pieces of other kinds in it."""
    words = good.draw_sentence(rng).split(" ")
    for _ in range(int(rng.integers(1, 12))):
        piece = STUFF[str(rng.choice(list(STUFF)))] * int(rng.choice([1, 1, 2, 30]))
        words.insert(int(rng.integers(len(words) + 1)), piece)
    return ("" if rng.random() < 0.3 else " ").join(words)


def make_characters(rng: Generator) -> str:
    """Random characters of all of Unicode, or of one block of it."""
    low = 0 if rng.random() < 0.3 else int(rng.integers(sys.maxunicode >> 8)) << 8
    high = sys.maxunicode if low == 0 else low + 256
    length = int(rng.choice([1, 20, 300, 5000]))
    return "".join(map(chr, rng.integers(low, high, length)))


def make_wrong_encoding(rng: Generator) -> str:
    """A sentence with accents, written in one encoding and read in another."""
    text = good.draw_sentence(rng).replace("o", "ö").replace("a", "á") + " – “sad” 😭"
    for _ in range(int(rng.integers(1, 4))):
        written, read = rng.choice(["utf-8", "cp1252", "latin-1", "utf-16", "cp850"], 2)
        text = text.encode(str(written), "replace").decode(str(read), "replace")
    return text


def make_damaged(rng: Generator) -> str:
    """A sentence with flipped bits, as bytes that were read all the same."""
    data = good.flip_bits(good.draw_sentence(rng).encode(), rng)
    return data.decode("utf-8", str(rng.choice(["replace", "surrogateescape", "ignore"])))


def make_composed(rng: Generator) -> str:
    """A sentence under every kind of normalisation, with accents on all letters."""
    form: Any = rng.choice(["NFC", "NFD", "NFKC", "NFKD"])
    marks = "".join(map(chr, rng.integers(0x300, 0x370, int(rng.integers(1, 40)))))
    return unicodedata.normalize(form, "".join(c + marks for c in good.draw_sentence(rng)))


def make_tags(rng: Generator) -> str:
    """Markup around a sentence, deep, wide or left open."""
    tag = str(rng.choice(["b", "div", "script", "blink", "a href='x>y'", "!--", "br/", "?php"]))
    depth = int(rng.choice([1, 50, 2000]))
    end = f"</{tag.split()[0]}>" * (depth if rng.random() < 0.5 else 0)
    return f"<{tag}>" * depth + good.draw_sentence(rng) + end


def make_hidden(rng: Generator) -> str:
    """A sentence with an invisible character behind each letter."""
    hidden = str(rng.choice(list("\u200b\u200c\u200d\u2060\ufeff\u00ad\u202e\u0000\u200f\ue0041")))
    return hidden.join(good.draw_sentence(rng))


def make_number(rng: Generator) -> str:
    """Numbers, amounts, dates and times that are and are not."""
    digits = "".join(map(str, rng.integers(0, 10, int(rng.choice([1, 3, 9, 15, 16, 40, 400])))))
    form = str(rng.choice(["${}", "{}€", "-{}%", "{}/{}", "{}:{}", "{}.{}", "1e{}", "{}th", "#{}",
                           "{},{},{}", "{}km/h", "{}-{}-{}", "'{}s", "+{}", "{}°F", "0x{}",
                           "{}½", "£{}m", "{}am", "{}x{}", "({}) {}-{}", "{}²"]))  # fmt: skip
    return good.draw_sentence(rng) + " " + form.replace("{}", digits)


def make_repeated(rng: Generator) -> str:
    """A sentence over and over, as one text."""
    return good.draw_sentence(rng) * int(rng.choice([2, 10, 100, 1000]))


def make_escaped(rng: Generator) -> str:
    """A text as another program writes it."""
    return json.dumps({"text": good.draw_sentence(rng) + STUFF["emoji"], "at": np.pi})


MAKERS: dict[str, Callable[[Generator], str]] = {
    **{stuff: partial(make_run, stuff=stuff) for stuff in STUFF},
    **{f"mixture, {number}": make_mixture for number in range(12)},
    **{f"characters, {number}": make_characters for number in range(8)},
    "wrong encoding": make_wrong_encoding,
    "wrong encoding, another": make_wrong_encoding,
    "bits flipped": make_damaged,
    "composed": make_composed,
    "tags": make_tags,
    "hidden": make_hidden,
    "number": make_number,
    "number, another": make_number,
    "number, a third": make_number,
    "repeated": make_repeated,
    "escaped": make_escaped,
}


def make_item(name: str, folder: Path, rng: Generator) -> Item:
    """Make one case: an item with such a text."""
    return Item("case", MAKERS[name](rng))
