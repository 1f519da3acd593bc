"""The embedded corpus: pairs with planted emotions, and teachers' corpora that share nothing with
them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from itertools import product

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from sierlib import settings
from sierlib.data.corpora import Corpus
from sierlib.data.corpora.embedded import grammar, plans, shapes

ALL = {word: name for name, words in grammar.WORDS.items() for word in words}
MAKERS = (plans.pairs, plans.speech_corpus, plans.image_corpus)
SMALL = plans.Vocabulary(words=3, shapes=4)


@pytest.fixture(scope="module")
def many() -> Corpus:
    return plans.pairs(2_000, 0)


def test_classes_are_as_unequal_as_the_papers(many: Corpus) -> None:
    counts = Counter(item.truth["emotion"] for item in many.items)
    total = sum(settings.PAPER_COUNTS.values())
    for name, published in settings.PAPER_COUNTS.items():
        assert counts[name] / 2_000 == pytest.approx(published / total, abs=0.035)


def test_modalities_agree_in_most_pairs_and_conflict_in_some(many: Corpus) -> None:
    counts = Counter(item.truth["relation"] for item in many.items)
    assert counts["agree"] > counts["conflict"] > 200 and counts["neutral"] > 200
    for item in many.items:
        truth = item.truth
        carried = [truth[name]["emotion"] for name in ("speech", "image")]
        strengths = {name: truth[name]["strength"] for name in ("speech", "image")}
        if truth["relation"] == "agree":
            assert carried == [truth["emotion"]] * 2
        elif truth["relation"] == "conflict":
            assert carried[0] != carried[1] and None not in carried
            assert truth[truth["dominant"]]["emotion"] == truth["emotion"]
            assert strengths[truth["dominant"]] > min(strengths.values())
        else:
            assert carried.count(None) == 1 and truth["emotion"] in carried


def test_the_truth_of_a_pair_is_in_its_text_and_picture(many: Corpus) -> None:
    for item in many.items[:500]:
        speech, image = item.truth["speech"], item.truth["image"]
        tokens = [token.strip(",.").lower() for token in item.text.split()]
        assert {ALL[tokens[index]] for index in speech["emotion_words"]} == (
            {speech["emotion"]} - {None}
        )
        assert bool(image["boxes"]) == (image["emotion"] is not None)
        assert {e["emotion"] for e in item.scene["elements"] if e["role"] == "emotion"} == (
            {image["emotion"]} - {None}
        )
    json.dumps([item.truth for item in many.items])


@pytest.mark.parametrize("make", MAKERS)
def test_a_seed_fixes_everything(make) -> None:
    assert make(30, 3).items == make(30, 3).items
    assert make(30, 3).items != make(30, 4).items
    assert len({make(30, 3).fingerprint, make(30, 4).fingerprint, make(31, 3).fingerprint}) == 3


@pytest.mark.parametrize("seed", [0, 1])
def test_teachers_never_see_a_pair(seed: int, many: Corpus) -> None:
    texts = {item.text for item in many.items}
    seeds = {item.seed for item in many.items}
    scenes = {json.dumps(item.scene, sort_keys=True) for item in many.items}
    for item in plans.speech_corpus(1_500, seed).items:
        assert item.text not in texts and item.seed not in seeds
    for item in plans.image_corpus(100, seed).items:
        assert json.dumps(item.scene, sort_keys=True) not in scenes


def test_teachers_corpora_are_labelled_in_equal_shares_after_relabelling() -> None:
    for corpus in (plans.speech_corpus(80, 0), plans.image_corpus(80, 0)):
        assert Counter(item.label for item in corpus.items) == dict.fromkeys(settings.CLASSES, 20)
        assert all(settings.relabel(item.truth["raw_label"]) == item.label for item in corpus.items)
        assert {"excitement", "disgust"} <= {item.truth["raw_label"] for item in corpus.items}
        assert not corpus.missing_classes()


def test_pairs_are_not_labelled_but_their_sentiment_is_known(many: Corpus) -> None:
    assert {item.label for item in many.items} == {None}
    wanted = {None: "neutral", "happy": "positive"}
    assert all(
        item.sentiment == wanted.get(item.truth["speech"]["emotion"], "negative")
        for item in many.items
    )


@pytest.mark.parametrize("count", [8, 12, 40])
def test_even_a_small_corpus_has_every_class(count: int) -> None:
    emotions = {
        item.truth["emotion"]
        for seed in range(3)
        for item in plans.pairs(max(count, 32), seed).items
    }
    assert emotions == set(settings.CLASSES)
    assert len(plans.pairs(count, 0).items) == count


def test_confusers_are_a_minority(many: Corpus) -> None:
    emotional = [item for item in many.items if item.truth["speech"]["emotion"]]
    share = np.mean([bool(item.truth["speech"]["confuser_words"]) for item in emotional])
    assert share == pytest.approx(plans.CONFUSER_SHARE, abs=0.04)


# -------------------------------------------------------------------------------------- vocabulary
def _spoken(corpus: Corpus) -> set[str]:
    """All emotion words in the texts of a corpus."""
    tokens: set[str] = set()
    for item in corpus.items:
        tokens |= {token.strip(",.").lower() for token in (item.text or "").split()}
    return tokens & set(ALL)


def _drawn(corpus: Corpus, emotion: str) -> set[str]:
    """Kinds of all elements that carry an emotion in the pictures of a corpus."""
    elements = [element for item in corpus.items for element in (item.scene or {})["elements"]]
    return {element["kind"] for element in elements if element["emotion"] == emotion}


@pytest.mark.parametrize("make", [plans.pairs, plans.speech_corpus])
def test_of_a_small_vocabulary_all_words_are_spoken_and_no_others(make) -> None:
    first = [word for words in grammar.WORDS.values() for word in words[: SMALL.words]]
    assert _spoken(make(400, 0, SMALL)) == set(first)


@pytest.mark.parametrize("make", [plans.pairs, plans.image_corpus])
@pytest.mark.parametrize("emotion", settings.CLASSES)
def test_of_a_small_vocabulary_all_shapes_are_drawn_and_no_others(make, emotion: str) -> None:
    found = _drawn(make(400, 0, SMALL), emotion)
    assert {"face", "figure"} < found < set(shapes.KINDS[emotion])
    assert len(found) == SMALL.shapes


def test_confusers_and_distractors_are_of_the_small_vocabulary_too() -> None:
    items = plans.pairs(400, 0, SMALL).items
    assert any(item.truth["speech"]["confuser_words"] for item in items)
    roles = [element["role"] for item in items for element in item.scene["elements"]]
    assert "distractor" in roles  # else the tests above would say nothing of these


def test_the_whole_vocabulary_is_all_that_is_known() -> None:
    known = {len(words) for words in grammar.WORDS.values()}
    kinds = {len(shapes.KINDS[emotion]) for emotion in settings.CLASSES}
    assert (known, kinds) == ({plans.WHOLE.words}, {plans.WHOLE.shapes})


@pytest.mark.parametrize("make", MAKERS)
def test_without_a_vocabulary_the_whole_one_is_used(make) -> None:
    alone, whole = make(30, 3), make(30, 3, plans.WHOLE)
    assert alone.items == whole.items and alone.fingerprint == whole.fingerprint
    assert whole.items == make(30, 3, plans.Vocabulary(None, None)).items  # without any limit


@pytest.mark.parametrize("make", MAKERS)
def test_a_corpus_of_another_vocabulary_is_another_one(make) -> None:
    sizes = [plans.WHOLE, SMALL, SMALL._replace(words=4), SMALL._replace(shapes=5)]
    assert len({make(12, 3, size).fingerprint for size in sizes}) == len(sizes)


@pytest.mark.parametrize("name", settings.PROFILES)
def test_every_profile_asks_for_a_vocabulary_that_exists(name: str) -> None:
    profile = settings.profile(name)
    chosen = plans.choose_vocabulary(profile.emotion_words, profile.emotion_shapes)
    assert chosen == (profile.emotion_words, profile.emotion_shapes)


@pytest.mark.parametrize(
    ("words", "kinds", "said"),
    [
        (2, 4, "emotion_words=2: the embedded corpus has 3 to 15 words a class"),
        (16, 4, "emotion_words=16: the embedded corpus has 3 to 15 words a class"),
        (5, 2, "emotion_shapes=2: the embedded corpus has 3 to 6 shapes a class"),
        (5, 7, "emotion_shapes=7: the embedded corpus has 3 to 6 shapes a class"),
        (0, 0, "emotion_words=0: the embedded corpus has 3 to 15 words a class"),
    ],
)
def test_a_vocabulary_that_does_not_exist_is_refused(words: int, kinds: int, said: str) -> None:
    with pytest.raises(ValueError, match="the embedded corpus has") as error:
        plans.choose_vocabulary(words, kinds)
    assert str(error.value) == said


def digest(corpus: Corpus) -> str:
    return hashlib.sha256("\n".join(map(repr, corpus.items)).encode()).hexdigest()[:16]


def test_items_are_those_that_were_always_there() -> None:
    small = plans.choose_vocabulary(5, 4)
    found = [digest(make(60, 0, small)) for make in MAKERS] + [digest(plans.pairs(60, 7))]
    assert found == ["544346be6942c3aa", "6f982e934f29c504", "18df92db2e8a0fb0", "edadba054299a414"]


@pytest.mark.parametrize("vocabulary", [SMALL, plans.WHOLE])
def test_neither_speech_nor_picture_shows_the_class_of_what_they_say_together(
    vocabulary: plans.Vocabulary,
) -> None:
    items = plans.together(4_000, 0, vocabulary).items
    counts = np.zeros((2, 4, 4))  # by modality, what it shows and the class
    for item in items:
        truth, code = item.truth, settings.CLASSES.index(item.label)
        shown = [settings.CLASSES.index(truth[m]["emotion"]) for m in ("speech", "image")]
        assert (
            item.label
            == truth["emotion"]
            == plans.meaning_of(*(settings.CLASSES[each] for each in shown))
        )
        assert truth["relation"] == "together" and truth["image"]["boxes"]
        assert truth["speech"]["emotion_words"]
        counts[0, shown[0], code] += 1
        counts[1, shown[1], code] += 1
    for table in counts:
        assert chi2_contingency(table).pvalue > 0.001
    assert len({item.id for item in items}) == 4_000
    assert not {item.id for item in items} & {item.id for item in plans.pairs(100, 0).items}


def test_what_two_classes_mean_is_an_exclusive_or() -> None:
    for one, other in product(settings.CLASSES, repeat=2):
        assert plans.meaning_of(one, other) == plans.meaning_of(other, one)
    for one in settings.CLASSES:
        assert {plans.meaning_of(one, other) for other in settings.CLASSES} == set(settings.CLASSES)
    assert plans.meaning_of("happy", "hate") == "anger"
