"""The grammar: planted words are where it says, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sierlib.data import speech
from sierlib.data.corpora.embedded import grammar
from sierlib.settings import CLASSES

ALL = {word: name for name, words in grammar.WORDS.items() for word in words}
EMOTIONS = st.sampled_from(CLASSES)


def _bare(token: str) -> str:
    return token.strip(",.").lower()


def test_every_class_has_fifteen_words_of_its_own() -> None:
    assert set(grammar.WORDS) == set(CLASSES)
    assert all(len(set(words)) >= 15 for words in grammar.WORDS.values())
    assert len(ALL) == sum(len(words) for words in grammar.WORDS.values())


def test_the_aligner_knows_every_emotion_word() -> None:
    assert [word for word in ALL if not speech.in_dictionary(word)] == []


@settings(max_examples=200)
@given(
    seed=st.integers(0, 2**31),
    emotion=EMOTIONS,
    strength=st.integers(0, 2),
    confuser=st.none() | EMOTIONS,
)
def test_planted_words_are_exactly_those_that_are_listed(
    seed: int, emotion: str, strength: int, confuser: str | None
) -> None:
    confuser = None if confuser == emotion else confuser
    made = grammar.sentence(np.random.default_rng(seed), emotion, strength, confuser)
    tokens = made["text"].split()
    carried = [ALL.get(_bare(token)) for token in tokens]  # the class of each token, or None
    for kind, name in (("emotion_words", emotion), ("confuser_words", confuser)):
        assert made[kind] == [index for index, each in enumerate(carried) if name and each == name]
    assert len(made["emotion_words"]) in {0: (0,), 1: (1,), 2: (2, 3)}[strength]
    assert len(made["confuser_words"]) == (confuser is not None)
    assert set(carried) <= {emotion, confuser, None}


@given(seed=st.integers(0, 2**31), emotion=st.none() | EMOTIONS, strength=st.integers(0, 2))
def test_a_sentence_reads_as_one_and_is_drawn_the_same_again(
    seed: int, emotion: str | None, strength: int
) -> None:
    text = grammar.sentence(np.random.default_rng(seed), emotion, strength)["text"]
    assert (
        text[0].isupper()
        and text.endswith(".")
        and ",." not in text
        and "{" not in text
        and "  " not in text
    )
    assert text == grammar.sentence(np.random.default_rng(seed), emotion, strength)["text"]
    assert speech.clean_text(text) == text


def test_neutral_sentences_hold_no_emotion_word() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        assert not {_bare(token) for token in grammar.neutral(rng).split()} & set(ALL)


def test_every_word_is_drawn() -> None:
    rng = np.random.default_rng(0)
    drawn = set()
    for _ in range(300):
        made = grammar.sentence(rng, "sad", 2)
        drawn |= {_bare(made["text"].split()[index]) for index in made["emotion_words"]}
    assert drawn == set(grammar.WORDS["sad"])


@pytest.mark.parametrize("count", [3, 5, 15])
def test_of_fewer_words_the_first_are_drawn(count: int) -> None:
    rng = np.random.default_rng(0)
    drawn: dict[str, set[str]] = {"emotion_words": set(), "confuser_words": set()}
    for _ in range(300):
        made = grammar.sentence(rng, "sad", 2, "happy", words=count)
        tokens = made["text"].split()
        for kind, found in drawn.items():
            found |= {_bare(tokens[index]) for index in made[kind]}
    assert drawn["emotion_words"] == set(grammar.WORDS["sad"][:count])
    assert drawn["confuser_words"] == set(grammar.WORDS["happy"][:count])


@pytest.mark.parametrize("emotion", CLASSES)
def test_carrier_words_do_not_tell_the_class(emotion: str) -> None:
    def others(name: str) -> list[str]:
        rng = np.random.default_rng(4)
        made = [grammar.sentence(rng, name, 1)["text"] for _ in range(100)]
        return [
            "*" if _bare(token) in ALL else token.strip(",.").lower()
            for text in made
            for token in text.split()
        ]

    assert others(emotion) == others("happy")
