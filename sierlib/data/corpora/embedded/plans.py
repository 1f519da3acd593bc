"""The embedded corpus: pairs and teacher corpora, generated with their ground truth.

Each pair has a planted emotion, carried by speech, by the image or by both, with a strength of its
own in each. Pairs and teacher corpora come from the same generators and share no item.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from sierlib import settings
from sierlib.data.corpora.embedded import grammar, scenes
from sierlib.data.corpora.embedded.shapes import KINDS
from sierlib.data.corpora.items import Corpus, Item

#: How the two modalities of a pair relate, and how often.
RELATIONS: dict[str, float] = {"agree": 0.66, "conflict": 0.20, "neutral": 0.14}

#: Share of strong emotions in a pair, where the relation leaves that open.
STRONG_SHARE = 0.65

#: Share of emotional sentences and weak pictures with a minor sign of another class.
CONFUSER_SHARE = 0.15


class Vocabulary(NamedTuple):
    """How many words, and how many kinds of shapes, carry each emotion."""

    words: int
    shapes: int


#: All that the grammar and the drawings know.
WHOLE = Vocabulary(
    min(map(len, grammar.WORDS.values())),
    min(len(KINDS[name]) for name in settings.CLASSES),
)


def choose_vocabulary(words: int, shapes: int) -> Vocabulary:
    """Return a vocabulary of that size.

    Raises
    ------
    ValueError
        When the embedded corpus has none of that size: at least three words, since a strong
        sentence holds up to three, and three shapes, of which two are people.

    Examples
    --------
    >>> choose_vocabulary(5, 4)
    Vocabulary(words=5, shapes=4)
    """
    for what, count, most in (("words", words, WHOLE.words), ("shapes", shapes, WHOLE.shapes)):
        if not 3 <= count <= most:
            raise ValueError(
                f"emotion_{what}={count}: the embedded corpus has 3 to {most} {what} a class"
            )
    return Vocabulary(words, shapes)


# The labels the teachers' corpora would carry, before the paper's relabelling.
_IEMOCAP_LIKE = {
    "anger": ("anger",),
    "happy": ("happy", "excitement"),
    "hate": ("disgust",),
    "sad": ("sad",),
}
_FI_LIKE = {
    "anger": ("anger",),
    "happy": ("excitement",),
    "hate": ("disgust",),
    "sad": ("sadness",),
}


def _class_shares() -> np.ndarray:
    counts = np.array([settings.PAPER_COUNTS[name] for name in settings.CLASSES], float)
    return counts / counts.sum()


def _draw_other(rng: np.random.Generator, emotion: str) -> str:
    """Draw another class, as often as the paper's data set holds it."""
    shares = _class_shares()
    shares[settings.CLASSES.index(emotion)] = 0.0
    return str(rng.choice(settings.CLASSES, p=shares / shares.sum()))


def _draw_sentence(
    rng: np.random.Generator,
    emotion: str | None,
    strength: int,
    vocabulary: Vocabulary,
    *,
    teacher: bool,
) -> dict[str, Any]:
    """Draw a sentence for the pairs or for the teacher: a hash of the text keeps the two apart."""
    while True:
        confuser = None
        if emotion is not None and rng.random() < CONFUSER_SHARE:
            confuser = _draw_other(rng, emotion)
        sentence = grammar.sentence(rng, emotion, strength, confuser, vocabulary.words)
        if (zlib.crc32(sentence["text"].encode()) % 2 == 0) == teacher:
            return sentence


def _compose_scene(
    rng: np.random.Generator, emotion: str | None, strength: int, vocabulary: Vocabulary
) -> dict[str, Any]:
    distractor = None
    if emotion is not None and strength == 1 and rng.random() < CONFUSER_SHARE:
        distractor = _draw_other(rng, emotion)
    return scenes.compose(rng, emotion, strength, distractor, vocabulary.shapes)


def _draw_strength(rng: np.random.Generator) -> int:
    return 2 if rng.random() < STRONG_SHARE else 1


def _draw_plan(rng: np.random.Generator, emotion: str) -> dict[str, Any]:
    """Decide what each modality of a pair carries: (emotion or None, strength)."""
    relation = str(rng.choice(list(RELATIONS), p=list(RELATIONS.values())))
    dominant = str(rng.choice(("speech", "image")))
    other = settings.OTHER[dominant]
    carried: dict[str, tuple[str | None, int]]
    if relation == "agree":
        speech, image = _draw_strength(rng), _draw_strength(rng)
        carried = {"speech": (emotion, speech), "image": (emotion, image)}
        dominant = "speech" if speech > image else "image" if image > speech else "both"
    elif relation == "conflict":
        carried = {dominant: (emotion, 2), other: (_draw_other(rng, emotion), 1)}
    else:
        carried = {dominant: (emotion, _draw_strength(rng)), other: (None, 0)}
    return {"relation": relation, "dominant": dominant, **carried}


def pairs(count: int, seed: int, vocabulary: Vocabulary = WHOLE) -> Corpus:
    """Generate pairs of a sentence and a picture.

    Parameters
    ----------
    count
        How many.
    seed
        Of every choice.
    vocabulary
        How many words and shapes carry each emotion.

    Returns
    -------
    Corpus
        Its items carry `truth`: ``emotion`` (that of the stronger modality), ``relation`` ("agree",
        "conflict" or "neutral"), ``dominant`` and, for ``speech`` and ``image``, what is planted:
        emotion, strength, indices of the words and boxes [x0, y0, x1, y1] (pixels of 128) that
        carry it.
    """
    rng = np.random.default_rng([seed, 1])
    emotions = rng.choice(settings.CLASSES, size=count, p=_class_shares())
    # Every class is in even the smallest corpus, often enough to be split.
    for index, name in enumerate(np.repeat(settings.CLASSES, 4)[: count // 2]):
        emotions[index] = name
    rng.shuffle(emotions)
    items = []
    for index, emotion in enumerate(str(name) for name in emotions):
        plan = {"emotion": emotion, **_draw_plan(rng, emotion)}
        items.append(_carry_out(rng, plan, vocabulary, f"pair-{index:06d}", index))
    return Corpus("synthetic", items, fingerprint=f"pairs-{count}-{seed}-{vocabulary}")


def _carry_out(
    rng: np.random.Generator, plan: dict[str, Any], vocabulary: Vocabulary, name: str, seed: int
) -> Item:
    """Make a pair of what its modalities are to carry."""
    speech_emotion, speech_strength = plan["speech"]
    image_emotion, image_strength = plan["image"]
    sentence = _draw_sentence(rng, speech_emotion, speech_strength, vocabulary, teacher=False)
    scene = _compose_scene(rng, image_emotion, image_strength, vocabulary)
    truth = {
        "emotion": plan["emotion"],
        "relation": plan["relation"],
        "dominant": plan["dominant"],
        "speech": {
            "emotion": speech_emotion,
            "strength": speech_strength,
            "emotion_words": sentence["emotion_words"],
            "confuser_words": sentence["confuser_words"],
        },
        "image": {
            "emotion": image_emotion,
            "strength": image_strength,
            "boxes": scenes.emotion_boxes(scene),
        },
    }
    return Item(
        name,
        text=sentence["text"],
        scene=scene,
        sentiment=_sentiment_of(speech_emotion),
        seed=seed,
        truth=truth,
    )


def meaning_of(speech: str, image: str) -> str:
    """Return the class of a pair of the corpus `together`: the exclusive or of two codes.

    A class's code is its place among `settings.CLASSES`; all bits are turned, so that a happy word
    over a picture of hate is anger. Whatever the one modality shows, the other decides.

    Examples
    --------
    >>> meaning_of("happy", "hate"), meaning_of("happy", "happy"), meaning_of("sad", "sad")
    ('anger', 'sad', 'sad')
    """
    codes = [settings.CLASSES.index(emotion) for emotion in (speech, image)]
    return settings.CLASSES[codes[0] ^ codes[1] ^ 3]


def together(count: int, seed: int, vocabulary: Vocabulary = WHOLE) -> Corpus:
    """Generate pairs whose class neither speech nor picture shows alone (`meaning_of`).

    Both show a class strongly, each equally often and independently of the other. Items are as
    those of `pairs`, of relation "together", and bring their label; ``speech`` and ``image`` in
    `truth` say what each shows.
    """
    rng = np.random.default_rng([seed, 4])
    items = []
    for index, (speech, image) in enumerate(rng.choice(settings.CLASSES, size=(count, 2)).tolist()):
        emotion = meaning_of(speech, image)
        carried = {"speech": (speech, 2), "image": (image, 2)}
        plan = {"emotion": emotion, "relation": "together", "dominant": "both", **carried}
        item = _carry_out(rng, plan, vocabulary, f"together-{index:06d}", 2_000_000 + index)
        items.append(replace(item, label=emotion))
    return Corpus("together", items, fingerprint=f"together-{count}-{seed}-{vocabulary}")


def _sentiment_of(emotion: str | None) -> str:
    """Return what B-T4SA's labels would call the words of a pair."""
    if emotion is None:
        return "neutral"
    return "positive" if emotion == "happy" else "negative"


def _plan_teacher_items(
    count: int, seed: int, stream: int
) -> list[tuple[np.random.Generator, str, int]]:
    """Return, for each item, the generator to go on with, its emotion and its strength."""
    rng = np.random.default_rng([seed, stream])
    emotions = np.resize(settings.CLASSES, count)
    rng.shuffle(emotions)
    return [(rng, str(emotion), int(rng.integers(1, 3))) for emotion in emotions]


def speech_corpus(count: int, seed: int, vocabulary: Vocabulary = WHOLE) -> Corpus:
    """Generate the speech teacher's corpus: sentences with labels such as IEMOCAP's.

    Classes have equal shares, and `truth` holds ``emotion``, ``strength`` and ``raw_label``.
    """
    items = []
    for index, (rng, emotion, strength) in enumerate(_plan_teacher_items(count, seed, 2)):
        sentence = _draw_sentence(rng, emotion, strength, vocabulary, teacher=True)
        raw = str(rng.choice(_IEMOCAP_LIKE[emotion]))
        truth = {"emotion": emotion, "strength": strength, "raw_label": raw}
        items.append(
            Item(
                f"ser-{index:06d}",
                text=sentence["text"],
                label=settings.relabel(raw),
                seed=1_000_000 + index,
                truth=truth,
            )
        )
    return Corpus("synthetic", items, fingerprint=f"ser-{count}-{seed}-{vocabulary}")


def image_corpus(count: int, seed: int, vocabulary: Vocabulary = WHOLE) -> Corpus:
    """Generate the image teacher's corpus: pictures with labels such as FI's.

    Classes have equal shares; `truth` is as in `speech_corpus`, with the ``boxes`` of what carries
    the emotion.
    """
    items = []
    for index, (rng, emotion, strength) in enumerate(_plan_teacher_items(count, seed, 3)):
        scene = _compose_scene(rng, emotion, strength, vocabulary)
        raw = str(rng.choice(_FI_LIKE[emotion]))
        truth = {
            "emotion": emotion,
            "strength": strength,
            "raw_label": raw,
            "boxes": scenes.emotion_boxes(scene),
        }
        items.append(
            Item(f"ier-{index:06d}", scene=scene, label=settings.relabel(raw), truth=truth)
        )
    return Corpus("synthetic", items, fingerprint=f"ier-{count}-{seed}-{vocabulary}")
