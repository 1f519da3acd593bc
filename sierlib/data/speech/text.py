"""What a text says when it is read aloud, and what of it cannot be said.

A text from a tweet, a table or a web page becomes what a person would read: Latin letters, digits,
the signs that the voice has words for. `ftfy` mends broken encodings, `emoji` names emoji,
`wordninja` splits hashtags and knows how common words are, and the voice's lexicon says which words
there are.
"""

from __future__ import annotations

import html
import itertools
import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from sierlib.data.corpora.items import Unusable
from sierlib.data.speech import voice

MAX_CHARACTERS = 5_000  # of a longer text, some five minutes of speech, the rest is not looked at


class Reading(NamedTuple):
    """What is read aloud of a text, and what cannot be: words and signs, in their order."""

    text: str
    unspoken: list[str]


def clean_text(text: str) -> str:
    """Turn a tweet into what a person would read aloud.

    Links, @mentions and markup go, hashtags are split into words, emoji and emoticons are named,
    stretched letters are shortened to a word that exists, fancy letters become plain ones. Cleaning
    what is clean changes nothing.

    Raises
    ------
    Unusable
        When no word is left.

    Examples
    --------
    >>> clean_text("@you Peace &amp; love! #WorldPeace ❤️ http://t.co/x")
    'Peace & love! World Peace red heart'
    >>> clean_text("I can`t, it´s 𝓼𝓸𝓸𝓸𝓸 bad :(")
    "I can't, it's so bad frowning face"
    """
    return read_aloud(text).text


def read_aloud(text: str) -> Reading:
    """Return what `clean_text` does, and what could not be said.

    Examples
    --------
    >>> read_aloud("so 悲しい, so sad")
    Reading(text='so , so sad', unspoken=['悲しい'])
    """
    text = str(text)
    unspoken: list[str] = []
    # What one thing hid, such as a link in brackets, may only be seen when that is gone.
    for _ in range(_PASSES):
        cleaned, more = _clean_once(text[:MAX_CHARACTERS])
        unspoken += more
        if cleaned == text:
            break
        text = cleaned
    else:
        raise Unusable("text that does not come to rest")
    if not re.search(r"[A-Za-z0-9]", text):
        raise Unusable("text without words")
    return Reading(text, unspoken)


_PASSES = 20


def clean_transcript(text: str) -> str:
    """Turn the transcript of a recording into the words that are heard in it.

    What a transcriber adds is left out: remarks in brackets or between asterisks, hashtags, emoji
    and emoticons.

    Raises
    ------
    Unusable
        When no word is left.

    Examples
    --------
    >>> clean_transcript("[LAUGHTER] Well, (sighs) I don't know <sil> 😂 #funny")
    "Well, I don't know"
    """
    import emoji

    text = html.unescape(html.unescape(str(text)[:MAX_CHARACTERS]))
    text = _HASHTAG.sub(" ", _REMARK.sub(" ", text))
    for pattern, _ in _EMOTICONS:
        text = pattern.sub(" ", text)
    return clean_text(emoji.replace_emoji(text, " "))


_REMARK = re.compile(
    r"\[[^\[\]]{0,80}\]|<[^<>]{0,80}>|\{[^{}]{0,80}\}|\*[^*]{1,80}\*"
    # In round brackets people also put what is said; what is heard and no word is one of these.
    r"|\({1,2}\s?(?:\w{1,20} ){0,3}(?:laugh|sigh|breath|cough|cry|sob|sniff|gasp|inhal|exhal|scream"
    r"|yell|groan|giggl|chuckl|whisper|inaudible|unintelligible|unclear|crosstalk|applause|music"
    r"|noise|silence|pause)[^()]{0,40}\){1,2}",
    re.IGNORECASE,
)


def _clean_once(text: str) -> tuple[str, list[str]]:
    """Clean a text once; return it, and what could not be said."""
    import emoji
    import ftfy

    text = html.unescape(html.unescape(text)).replace("\\n", " ")
    # Bytes read in another encoding, curly quotes, ligatures, wide characters, control characters.
    text = ftfy.fix_text(text, unescape_html=False)
    text = _NOT_ASCII.sub(_make_plain, text)
    for pattern, replacement in (*_MARKUP, *_EMOTICONS):
        text = pattern.sub(replacement, text)
    text = _HASHTAG.sub(_split_hashtag, text)
    text = emoji.replace_emoji(text, _name_emoji)
    for pattern, replacement in _SIGNS:
        text = pattern.sub(replacement, text)
    text = _WORD.sub(_shorten_stretched, text)
    return _leave_out(text)


# ---------------------------------------------------------------------------------------- letters
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_LETTER = re.compile(r"LATIN (?:CAPITAL |SMALL )?LETTER (?:SMALL CAPITAL |DOTLESS )?([A-Z])\b")
_EMOJI_PARTS = "\ufe0f\u20e3\u200d"  # what follows a sign to make it an emoji, and joins emoji
_FRACTIONS = "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
_LETTER_EMOJI = "Ⓜ🅰🅱🅾🅿"  # emoji, but among letters a letter
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("‐‑‒−⁃", "-"),
        **dict.fromkeys("ʼʹʻʽˈ′‵‛‹›＇", "'"),
        **dict.fromkeys("™®©", ""),
        "‼": "!!",
        "⁉": "!?",
        "⁄": "/",
        "∕": "/",
        "№": " number ",
        "²": " squared ",
        "³": " cubed ",
        "×": " times ",
        "÷": " divided by ",
        "±": " plus or minus ",
    }
)


def _make_plain(match: re.Match[str]) -> str:
    """Turn what is not ASCII into plain letters and signs where it stands for them."""
    text = match.group().translate(_PLAIN)
    before = match.string[match.start() - 1 : match.start()]
    if before.isdigit() and text[:1] in _FRACTIONS:  # 2½
        text = " and" + text
    among_letters = before.isalpha() or any(map(_stands_for_letter, text))
    return "".join(_plain_character(each, among_letters) for each in text)


def _stands_for_letter(character: str) -> bool:
    return character not in _LETTER_EMOJI and _plain_character(character, False).isalpha()


@lru_cache(maxsize=10_000)
def _plain_character(character: str, among_letters: bool) -> str:
    """Return what a character stands for, "" for what has no sound of its own, or itself."""
    import emoji

    if character in _EMOJI_PARTS or "\U000e0020" <= character <= "\U000e007f":
        return character
    if emoji.is_emoji(character) and not (among_letters and character in _LETTER_EMOJI):
        return character
    if character in _FRACTIONS:
        return f" {unicodedata.normalize('NFKC', character).replace('⁄', '/')} "
    category = unicodedata.category(character)
    if category in ("Mn", "Me", "Cf"):  # accents that make no letter, invisible characters
        return ""
    if category == "Nd":
        return str(unicodedata.digit(character))
    compatible = unicodedata.normalize("NFKC", character)
    if compatible.isascii() or compatible in voice.alphabet() or compatible in ("°C", "°F"):
        return compatible
    # ħ, ɪ, 🅷: Unicode calls it a letter with something to it.
    named = _LETTER.search(unicodedata.name(character, ""))
    if named is None:
        return character
    return named[1].lower() if "SMALL" in unicodedata.name(character) else named[1]


# ----------------------------------------------------------------------------- markup and emoticons
_Replacement = str | Callable[[re.Match[str]], str]


def _compile(*rules: tuple[str, _Replacement]) -> list[tuple[re.Pattern[str], _Replacement]]:
    return [(re.compile(pattern, re.IGNORECASE), replacement) for pattern, replacement in rules]


_TAGS = (
    "a|abbr|article|b|big|blockquote|body|br|center|cite|code|del|div|em|font|footer|h[1-6]|head"
    "|header|hr|html|i|iframe|img|ins|li|link|main|mark|meta|nav|ol|p|pre|q|s|script|section|small"
    "|span|strike|strong|style|sub|sup|table|tbody|td|th|thead|title|tr|tt|u|ul|video|wbr"
)
_INLINE = "a|abbr|b|em|font|i|mark|s|small|span|strong|sub|sup|u|wbr"
# Names that a link may end in where it shows no path; others are also words ("done.No way").
_DOMAINS = "com|org|net|edu|gov|info|biz|io|co|tv|ly|uk|de|fr|es|ca|eu|ru|jp|au|nz|in"
_MARKUP = _compile(
    (r"<!--.{0,1000}?-->", " "),
    (rf"</?(?:{_INLINE})(?=[\s/>])[^<>]*>", ""),
    (rf"<[!/]?(?:{_TAGS}|doctype)(?=[\s/>])[^<>]*>", " "),
    (r"(?:https?://|www\.)\S+", " "),
    (r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}", " "),  # an address
    (r"(?<![\w@.-])(?:[a-z0-9][a-z0-9-]{0,62}\.){1,5}[a-z]{2,10}/[^\s/]\S*", " "),
    (
        rf"(?<![\w@.-])(?:[a-z0-9][a-z0-9-]{{0,62}}\.){{1,5}}(?:{_DOMAINS})\b(?![\w@.-]*[\w@])/?",
        " ",
    ),
    (r"(?<!\w)(?:RT|MT|QT)\s*:?\s*@\w+\s*:?", " "),
    (r"(?<!\w)@\w+", " "),
    (r"(?<!\S)@(?!\S)", "at"),
)

# Each is the emoji that it draws, and is named as that is.
_EMOTICONS = _compile(
    (r"</3(?!\w)", "💔"),
    (r"<3+(?!\w|\.\d)", "❤"),
    (r"¯?\\_\(ツ\)_/¯?", "🤷"),
    (r">[:=]-?\(+", "😠"),
    (r"(?<!\d)[:=]['’]-?\(+|(?<!\w)(?:T_+T|;_+;)(?!\w)", "😢"),
    (r"(?<!\d)[:=]['’]-?\)+", "😂"),
    (r"(?<!\d)[:=][-o^]?[)\]]+|(?<!\S)\(+[-^]?:(?!\S)|(?<!\w)\^[_-]?\^", "☺"),
    (r"(?<!\d)[:=][-o^]?[(\[]+(?!\w+[)\]])|(?<!\S)\)+[-^]?:(?!\S)", "☹"),
    (r"(?<!\d)[:=]-?D+(?!\w)", "😀"),
    (r"(?<!\w)XD+(?!\w)", "😆"),
    (r"(?<!\d);[-^]?[)D]+(?!\w)", "😉"),
    (r"(?<!\d)[:=;]-?P+(?!\w)", "😛"),
    (r"(?<!\d)[:=]-?[O0]+(?!\w)", "😮"),
    (r"(?<!\w)[:=]-?\*+", "😘"),
    (r"(?<!\w)[:=]-?[/\\](?![/\w])", "😕"),
    (r"(?<!\w):-?\|(?!\w)", "😐"),
    (r"(?<!\w)-_+-(?!\w)", "😑"),
)


def _name_emoji(characters: str, entry: dict[str, str]) -> str:
    name = entry["en"].strip(":").replace("_", " ")
    return f" {name} "


# ---------------------------------------------------------------------------------------- hashtags
_HASHTAG = re.compile(r"#(\w+)")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])|_")


def _split_hashtag(match: re.Match[str]) -> str:
    import wordninja

    if match[1].isdigit():
        return f" number {match[1]} "
    words: list[str] = []
    for part in _CAMEL.sub(" ", match.group(1)).split():
        # A part that mixes no cases may still be several words run together: "worldpeace".
        words += wordninja.split(part) if len(part) > 3 else [part]
    return f" {' '.join(words)} "


# ------------------------------------------------------------------------------------------- signs
# The voice reads $, £, €, ¥, ₹, ₩, ¢, °, %, &, fractions, dates, and units behind a number. Here
# they are only put as it expects them, and what it has no words for gets some.
_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
_NAMED_CURRENCIES = "(?![€₩₹])[฿₠-⃀]"


def _name_currency(match: re.Match[str]) -> str:
    name = (
        unicodedata.name(match[0], "")
        .lower()
        .replace(" sign", "")
        .replace("thai currency symbol ", "")
    )
    return f" {name} "


def _spell_digits(match: re.Match[str]) -> str:
    return " ".join(match[0])


_SIGNS = _compile(
    (rf"({_NAMED_CURRENCIES})\s?({_NUMBER})", r"\2 \1"),
    (_NAMED_CURRENCIES, _name_currency),
    (rf"(?<![\w$£€¥₹₩.,])({_NUMBER})\s?([$£€¥₹₩])(?![\w$£€¥₹₩])", r"\2\1"),  # 20€
    (r"(?<=[$£€¥₹₩])\s+(?=\d)", ""),
    (r"(?<=\d)\s+(?=°)", ""),
    (r"(?<!\d)°|¢(?<!\d¢)", " "),
    (r"(?<!\S)-(?=[$£€¥₹₩]?\d)", "minus "),  # which the voice may swallow together with the number
    (r"\bw/o\b", "without"),
    (r"\bw/(?=\s|\w)", "with "),
    (r"\bb/c\b", "because"),
    (r"(?<![\d/.])(\d+)/(10|100|\1)(?![\d/]|\.\d)", r"\1 out of \2"),
    (r"(?<=\d)/(?=[a-z])", " per "),
    (r"(?<!\d)(?<!km)/|/(?!\d|h\b)", " "),
    (r"<\s?(?=\d)", " less than "),
    (r">\s?(?=\d)", " more than "),
    (r"~\s?(?=\d)", " about "),
    (r"(?<=\d)\s?=\s?(?=\d)", " equals "),
    (r"\+(?!\d)|=", " "),
    (r"[–—](?=\d)(?<=\d[–—])", "-"),
    (r"\d{16,}", _spell_digits),  # nobody has a name for such a number
    (r"(?<=\w)[`´]+(?=\w)|(?<=[sn])[`´](?!\w)", "'"),  # can`t, goin´
    (r"_", " "),
)


# ------------------------------------------------------------------------------- stretched letters
_WORD = re.compile(r"[A-Za-z]+")
_RUN = re.compile(r"([A-Za-z])\1{2,}", re.IGNORECASE)
_ROMAN = re.compile(r"[IVXLCDM]+|([A-Z])\1\1")  # World War III, AAA
# Of these pairs the rarer word is the one that people stretch.
_RARER = {"to": "too", "of": "off", "son": "soon", "met": "meet"}


def _shorten_stretched(match: re.Match[str]) -> str:
    """Shorten letters that stand three times or more to the most common word that is left."""
    word = match.group()
    if not _RUN.search(word) or _ROMAN.fullmatch(word):
        return word
    pieces = _RUN.split(word)  # text, letter, text, letter, ..., text
    letters = pieces[1::2]
    shortened = []
    for repeats in itertools.islice(itertools.product((1, 2), repeat=len(letters)), 256):
        runs = [letter * times for letter, times in zip(letters, repeats, strict=True)] + [""]
        shortened.append("".join(text + run for text, run in zip(pieces[::2], runs, strict=True)))
    ranks = {each: rank for each in shortened if (rank := _rank(each)) is not None}
    if not ranks:
        # No word: "fleeeek" was meant to have two, "omgggg" to end in one.
        return _RUN.sub(lambda run: run[1] * (1 if run.end() == len(word) else 2), word)
    best = min(ranks, key=ranks.__getitem__)
    rarer = _RARER.get(best.lower(), "")
    return next((each for each in ranks if each.lower() == rarer), best)


@lru_cache(maxsize=10_000)
def _rank(word: str) -> tuple[bool, float] | None:
    """Return how far down a list of English words by frequency a word is, or None for no word."""
    import wordninja

    frequency = wordninja.DEFAULT_LANGUAGE_MODEL._wordcost.get(word.lower())
    in_lexicon = voice.knows_word(word)
    if len(word) < 2 or (frequency is None and not in_lexicon):
        return None
    return not in_lexicon, 99.0 if frequency is None else frequency


# ------------------------------------------------------------------------- what nobody can read out
_UNSAID = re.compile(r"[^\s.,!?;:'$%&£€¥₹₩¢°/+A-Za-z0-9-]+")


def _leave_out(text: str) -> tuple[str, list[str]]:
    """Replace by spaces what the voice has no sound for; return the words and signs among it."""
    unspoken: list[str] = []

    def replace(match: re.Match[str]) -> str:
        kept = ""
        lost = ""
        for character in match.group():
            if character in voice.alphabet():
                kept += character
                continue
            kept += " "
            # Punctuation and spaces have no sound anyway, and signs of ASCII only decorate.
            if not character.isascii() and unicodedata.category(character)[0] not in "PZM":
                lost += character
        if lost:
            unspoken.append(lost)
        return kept

    return " ".join(_UNSAID.sub(replace, text).split()), unspoken
