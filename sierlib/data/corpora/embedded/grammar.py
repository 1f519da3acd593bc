"""Sentences of the embedded corpus: a small grammar with planted emotion words.

A sentence is built from slots. What carries the emotion is a set of words, listed below for each
class; everything else (who, where, when, which thing) is drawn independently of the class.
Confusers make the task honest: a negated word of another class, or a word of another class in a
minor place.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


def _phrases(text: str) -> tuple[str, ...]:
    """Return the phrases of a list with commas between them."""
    return tuple(phrase.strip() for phrase in text.split(","))


#: Emotion-bearing words. All are in the pronouncing dictionary of the aligner (a test checks).
WORDS: dict[str, tuple[str, ...]] = {
    "anger": _phrases(
        """furious, outraged, irritated, annoyed, fuming, livid, infuriating, aggravated, hostile,
        boiling, raging, yelling, exasperated, provoked, angry"""
    ),
    "happy": _phrases(
        """happy, delighted, joyful, cheerful, wonderful, thrilled, laughing, fantastic, excited,
        grateful, celebrating, lovely, amazing, merry, smiling"""
    ),
    "hate": _phrases(
        """hateful, disgusting, despise, loathe, vile, revolting, nasty, repulsive, filthy, detest,
        sickening, contempt, rotten, vulgar, poisonous"""
    ),
    "sad": _phrases(
        """sad, crying, lonely, miserable, heartbroken, mourning, gloomy, hopeless, depressed,
        weeping, sorrow, tearful, abandoned, tragic, regret"""
    ),
}

_OPENERS = _phrases(
    """honestly, well, today, this morning, after lunch, on the bus, at the office, last night,
    by the river, in the kitchen, as usual, at the market, on the phone, near the station"""
)
_PEOPLE = _phrases(
    """my neighbor, the teacher, our driver, her brother, the doctor, my cousin, the manager,
    his sister, the farmer, our captain, the student, my uncle"""
)
_THINGS = _phrases(
    """the red car, a paper cup, the garden, the old table, this letter, the green door,
    a blue jacket, the train ticket, the window, that bicycle, the coffee, a wooden box,
    the camera, the long meeting"""
)
_PLACES = _phrases(
    """at the corner, behind the school, in the city, across the street, at the library,
    under the bridge, in the park, at the airport, beside the lake, on the second floor"""
)
_NEUTRAL_ACTIONS = _phrases(
    """is waiting for, talked about, looked at, moved, bought, carried, is reading about, painted,
    was standing near, borrowed, took a picture of, walked past"""
)
# {w}: an emotion word; each works with adjectives, participles and the few verbs and nouns above,
# spoken quickly.
_CARRIERS = (
    "{person} sounded {w} about {thing}",
    "everything felt {w} {place}",
    "{person} wrote the word {w} on {thing}",
    "I would call it {w}",
    "{person} said {w} {place}",
    "it was all so {w}",
    "{w} is the word for {thing}",
    "this is {w}, {place}",
    "they looked {w} with {thing}",
    "{w}, that is how {person} was",
)
_SECOND = ("and {w} again", "really {w}", "so very {w}", "just {w}", "plainly {w}")
_NEGATIONS = ("not {w} at all", "never {w}", "hardly {w}", "no longer {w}")
_MINOR = ("{person} mentioned {w} once", "the sign nearby says {w}", "somebody far away was {w}")


class Clause(NamedTuple):
    """A part of a sentence, the word planted in it ("" for none), and what that word is there for.

    `role` is "emotion", "confuser" or "neutral".
    """

    text: str
    word: str
    role: str


def _pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def _fill(rng: np.random.Generator, template: str, word: str | None = None) -> str:
    return template.format(
        w=word, person=_pick(rng, _PEOPLE), thing=_pick(rng, _THINGS), place=_pick(rng, _PLACES)
    )


def neutral(rng: np.random.Generator) -> str:
    """Return a neutral clause, such as "my uncle moved the red car in the park"."""
    place = f" {_pick(rng, _PLACES)}" if rng.random() < 0.5 else ""
    return f"{_pick(rng, _PEOPLE)} {_pick(rng, _NEUTRAL_ACTIONS)} {_pick(rng, _THINGS)}{place}"


def sentence(
    rng: np.random.Generator,
    emotion: str | None,
    strength: int,
    confuser: str | None = None,
    words: int | None = None,
) -> dict[str, Any]:
    """Draw a sentence with planted emotion words.

    Parameters
    ----------
    rng
        Source of every choice.
    emotion, strength
        Class and 0 (neutral), 1 (one emotion word) or 2 (two or three).
    confuser
        Another class, of which a word appears negated or in a minor place; None for no confuser.
    words
        How many words of each class are in use, the first of `WORDS`; None for all.

    Returns
    -------
    dict
        ``text``; ``emotion_words`` and ``confuser_words``: indices into ``text.split()``.

    Examples
    --------
    >>> s = sentence(np.random.default_rng(0), "sad", 1)
    >>> len(s["emotion_words"])
    1
    """
    clauses: list[Clause] = []
    if emotion is not None and strength > 0:
        count = 1 if strength == 1 else int(rng.integers(2, 4))
        known = WORDS[emotion][:words]
        chosen = rng.choice(len(known), size=count, replace=False)
        for place, index in enumerate(chosen):
            word = known[int(index)]
            template = _pick(rng, _SECOND if place else _CARRIERS)
            clauses.append(Clause(_fill(rng, template, word), word, "emotion"))
    if confuser is not None:
        word = _pick(rng, WORDS[confuser][:words])
        template = _pick(rng, _NEGATIONS + _MINOR)
        clauses.append(Clause(_fill(rng, template, word), word, "confuser"))
    # Something without emotion fills up what would be empty, and some of what is short.
    if not clauses or (len(clauses) < 3 and rng.random() < 0.3):
        clauses.append(Clause(neutral(rng), "", "neutral"))
    if confuser is not None and rng.random() < 0.5:  # the confuser may come first or last
        clauses.reverse()
    opener = f"{_pick(rng, _OPENERS)}," if rng.random() < 0.6 else ""
    return _join(opener, clauses)


def _join(opener: str, clauses: list[Clause]) -> dict[str, Any]:
    """Join clauses to a sentence with commas, and note where the planted words come to stand."""
    tokens = opener.split()
    places: dict[str, list[int]] = {"emotion": [], "confuser": []}
    for clause in clauses:
        for token in clause.text.split():
            if clause.role in places and token.strip(",.").lower() == clause.word:
                places[clause.role].append(len(tokens))
            tokens.append(token)
        tokens[-1] = tokens[-1].rstrip(",") + ","
    tokens[-1] = tokens[-1].rstrip(",") + "."
    tokens[0] = tokens[0][0].upper() + tokens[0][1:]
    return {
        "text": " ".join(tokens),
        "emotion_words": places["emotion"],
        "confuser_words": places["confuser"],
    }
