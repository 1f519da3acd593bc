"""What is read aloud of texts as people write them, and what is said to be left out."""

from __future__ import annotations

import time
import unicodedata
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sierlib.data import speech
from sierlib.data.corpora import Unusable
from sierlib.data.corpora.embedded import plans
from sierlib.data.speech import text as text_module
from sierlib.data.speech.voice import alphabet, pronounce
from sierlib.settings import profile


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        # links, names, markup
        ("see https://t.co/Ab1?x=2#y now", "see now"),
        ("WWW.example.org/a_b is up", "is up"),
        ("so sad pic.twitter.com/Ab1 today", "so sad today"),
        ("look t.co/Ab1 and youtu.be/xyz!", "look and"),
        ("example.com or shop.example.co.uk, no", "or , no"),
        ("I am done.No way. It was 3.5 out of 4.0", "I am done.No way. It was 3.5 out of 4.0"),
        ("@some_one and @other: hi", "and : hi"),
        ("RT @some_one: so angry", "so angry"),
        ("wow RT @a : RT @b hello", "wow hello"),
        ("ART @home", "ART"),
        ("mail me@home.org or not", "mail or not"),
        ("“quoted” <b>*bold*</b>", "quoted bold"),
        ("un<i>believ</i>able<br/>yes <a href='http://x.y/z'>here</a>", "unbelievable yes here"),
        ("a < b and c > d", "a b and c d"),
        # hashtags, emoji, entities
        ("#WorldPeace", "World Peace"),
        ("#worldpeace", "world peace"),
        ("#summer2016", "summer 2016"),
        ("so #happy_day!", "so happy day !"),
        ("#1 in town", "number 1 in town"),
        ("I ❤️ it", "I red heart it"),
        ("😂ok😂", "face with tears of joy ok face with tears of joy"),
        ("rock &amp; roll", "rock & roll"),
        ("rock &amp;amp; roll", "rock & roll"),
        ("it&#39;s", "it's"),
        ("two\nlines\\nhere", "two lines here"),
        ("  wide   space ", "wide space"),
        # quotes and apostrophes
        *(
            (f"I can{sign}t", "I can't")
            for sign in "'’‘`´ʼ′ʹ＇‛"  # noqa: RUF001
        ),
        ("`no`, she said “no” „no“ «no»", "no , she said no no no"),
        ("goin´ home", "goin' home"),
        # letters
        ("café", "café"),
        (unicodedata.normalize("NFD", "naïve café"), "naïve café"),
        ("s\u0317o\u0335 a\u0317n\u0335g\u0317ry", "so angry"),
        ("won\u00adder\u00adful \u200bday\ufeff", "wonderful day"),
        ("𝓘 𝓱𝓪𝓽𝓮 𝐭𝐡𝐢𝐬 ｓｏ 𝚖𝚞𝚌𝚑", "I hate this so much"),
        ("ⓘ ⓜⓘⓢⓢ ⓨⓞⓤ, 🅷🅴🅻🅻🅾 ʜᴇʟʟᴏ", "i miss you, HELLO hello"),
        ("Łódź and Đorđe", "Łódź and Đorđe"),
        ("ﬁne oﬃce ٣ ①", "fine office 3 1"),
        ("donâ€™t", "don't"),
        # signs
        ("100% of $5", "100% of $5"),
        ("£50 and 20€, 7 £", "£50 and €20, £7"),
        ("it is -10°C, −5 °C", "it is minus 10°C, minus 5°C"),
        ("½ price, 2½ cups, 1/2", "1/2 price, 2 and 1/2 cups, 1/2"),
        ("8/10 and 10/10", "8 out of 10 and 10 out of 10"),
        ("w/o you and w/ her b/c either/or", "without you and with her because either or"),
        ("£5/month at 5 km/h", "£5 per month at 5 km/h"),
        ("₽500, 20₺", "500 ruble , 20 turkish lira"),
        ("~20 people, 5 > 4, 10–20, 2 × 2", "about 20 people, 5 more than 4, 10-20, 2 times 2"),
        ("№ 5 ™ © ‼", "number 5 !!"),
        # stretched letters
        ("so fleeeeek", "so fleek"),
        ("sooooo sad, nooooo", "so sad, no"),
        ("I loooove youuuu", "I love you"),
        ("LOVEEEE and Yesss", "LOVE and Yes"),
        ("coool goood sooon tooo offf meeet", "cool good soon too off meet"),
        ("omgggg loool hmmmm", "omg lol hm"),
        ("lovesss cryinggg loveddd", "loves crying loved"),
        ("World War III, AAA", "World War III, AAA"),
        # emoticons
        (":(", "frowning face"),
        ("so sad:( :)", "so sad frowning face smiling face"),
        ("miss you <3, &lt;3 &amp;lt;333", "miss you red heart , red heart red heart"),
        ("</3 :D ;-) :P xD", "broken heart grinning face winking face face with tongue "
         "grinning squinting face"),
        (":'( T_T :'-)", "crying face crying face face with tears of joy"),
        ("at 10:00 (list: a) 3:D", "at 10:00 list: a 3:D"),
        ("less than <30 or <3.5", "less than less than 30 or less than 3.5"),
    ],
)  # fmt: skip
def test_a_tweet_is_cleaned_for_speaking(raw: str, read: str) -> None:
    assert speech.clean_text(raw) == read
    assert speech.clean_text(read) == read


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("£50", "fˈɪfti pˈWndz"),
        ("20€", "twˈɛnti jˈʊɹOz"),
        ("it is -10°C outside", "mˈInəs tˈɛn dəɡɹˈiz sˈɛlsiəs"),
        ("1/2 of it", "wˈʌn hˈæf"),
        ("w/o you", "wɪðˈWt"),
        ("sooooo", "sˌO"),
        ("nooooo", "nˈO"),
        ("can´t", "kˈænt"),
        (":D", "fˈAs"),
        ("<3", "hˈɑɹt"),
    ],
)
def test_the_voice_says_what_is_written(raw: str, said: str) -> None:
    assert said in pronounce(speech.clean_text(raw))


@pytest.mark.parametrize(
    "raw",
    ["", "   ", "@you http://t.co/x", "...!?", "&amp;", "%", "—", "悲しい", "t.co/Ab1", "<br>"],
)
def test_a_text_without_words_is_unusable(raw: str) -> None:
    with pytest.raises(Unusable, match="text without words"):
        speech.clean_text(raw)


def test_what_cannot_be_said_is_told() -> None:
    assert speech.read_aloud("I am so happy - really! (“yes”) *hug* café").unspoken == []
    read, unspoken = speech.read_aloud("so 悲しい, привет you \ufffd ♪ @name t.co/x")
    assert read == "so , you" and unspoken == ["悲しい", "привет", "\ufffd", "♪"]


@pytest.mark.parametrize("name", ["quick", "full"])
def test_the_embedded_corpus_is_read_as_it_stands(name: str) -> None:
    sizes = profile(name)
    vocabulary = plans.choose_vocabulary(sizes.emotion_words, sizes.emotion_shapes)
    for corpus in (
        plans.pairs(sizes.pairs, 0, vocabulary),
        plans.speech_corpus(sizes.speech_items, 0, vocabulary),
    ):
        for item in corpus.items:
            assert item.text and speech.read_aloud(item.text) == (item.text, [])


_PIECES = st.sampled_from(
    [
        "#",
        "@",
        "RT",
        "http://",
        "t.co/",
        "&lt;",
        "&amp;",
        "<b>",
        "</b>",
        "<",
        ">",
        "3",
        "1/2",
        ":",
        ")",
        "(",
        "-",
        "'",
        "`",
        "´",
        "’",
        "°",
        "£",
        "€",
        "₽",
        "½",
        "²",
        "/",
        "_",
        "^",
        "\\",
        "sooo",
        "ABC",
        "a",
        "𝓪",
        "🅰",
        "Ⓜ",
        "ⓜ",
        "😂",
        "❤",
        "👩\u200d👩\u200d👧",
        "🇩🇪",
        "悲",
        "й",
        "ł",
        "=",
        "+",
        "D",
        "P",
        "\u0301",
        "\xad",
        "\u200d",
        "\ufe0f",
        "\ufffd",
        "\x00",
        "\u202e",
        "\t",
    ]
    + [" ", "\n"]
)
_TEXTS = (
    st.text(max_size=60)
    | st.lists(_PIECES, max_size=14).map("".join)
    | st.from_regex(r"(#\w+|@\w+|https?://\S+|&\w+;|[:;=<>]\S| |\d)*", fullmatch=True)
)


@settings(max_examples=400, deadline=None)
@given(raw=_TEXTS)
@example("<<b>b>&amp;lt;br>x")
@example("😂" * 6_000)
@example("1" * 6_000)
def test_any_text_is_cleaned_to_one_line_that_can_be_said_or_refused(raw: str) -> None:
    try:
        read, unspoken = speech.read_aloud(raw)
    except Unusable:
        return
    assert read == " ".join(read.split()) and len(read) <= text_module.MAX_CHARACTERS
    said = set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .,!?;:'$%&£€¥₹₩¢°/+-"
    )
    assert set(read) <= said | alphabet()
    assert "http://" not in read and pronounce(speech.spoken_part(read))
    assert all(unspoken) and speech.read_aloud(read) == (read, [])


@pytest.mark.parametrize(
    "piece",
    [
        "<",
        "<b",
        "(",
        "[",
        "{",
        "*",
        "a@",
        "a.",
        "a/",
        "#a",
        "ab",
        "aaab",
        "aaabbb_",
        "-_",
        "&amp;",
        "'",
        "😂",
        "悲",
        "\u200d",
        "â€™",
        ":",
        ";",
        "_",
        "1",
        "1,",
        "\u0301",
        "\x01",
        "£",
        "<!--",
    ],
)
def test_a_hundred_thousand_characters_take_no_time(piece: str) -> None:
    start = time.perf_counter()
    for clean in (speech.clean_text, speech.clean_transcript):
        with suppress(Unusable):
            clean(piece * (100_000 // len(piece)))
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("transcript", "words"),
    [
        ("[LAUGHTER] I don't know.", "I don't know."),
        ("Well <sil> {noise} (sighs) okay ((unintelligible)) *laughs* bye", "Well okay bye"),
        ("so sad 😂 :( #sad", "so sad"),
        ("he is (I think) here", "he is I think here"),
        ("no way RT @you", "no way"),
    ],
)
def test_of_a_transcript_only_what_is_heard_is_left(transcript: str, words: str) -> None:
    assert speech.clean_transcript(transcript) == words


@pytest.mark.parametrize("transcript", ["[LAUGHTER]", "", "😂 #sad", "(laughs)"])
def test_a_transcript_of_no_words_is_unusable(transcript: str) -> None:
    with pytest.raises(Unusable, match="text without words"):
        speech.clean_transcript(transcript)
