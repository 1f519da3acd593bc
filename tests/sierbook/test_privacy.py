"""Of a real corpus, pages show no names, links and long numbers, and of photographs a mosaic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sierbook import privacy
from sierlib.data.speech import Word

TWEET = (
    "RT @ann_b: mail a.b@mail.example.org, see https://t.co/x9 or t.co/y, call +49 151 23456789 x2"
)


def test_a_tweet_loses_what_tells_whose_it_is() -> None:
    masked = privacy.mask_text(TWEET)
    assert masked == "RT @user: mail @user, see link or link call +## ### ######## x2"
    for plain in ("so sad", "8 of 10, 24/7, 2016-17", "1,000,000 $ in 2015", "I am at home @ 5"):
        assert privacy.mask_text(plain) == plain


@given(st.text(alphabet="@a1 .:/w-", max_size=40))
def test_masking_keeps_the_words_and_changes_nothing_twice(text: str) -> None:
    masked = privacy.mask_text(text)
    assert privacy.mask_text(masked) == masked
    assert len(masked.split(" ")) == len(text.split(" "))


def test_words_keep_their_times() -> None:
    texts = ["call", "0151", "2345678", "@ann"]
    words = [Word(text, n, n + 1) for n, text in enumerate(texts)]
    masked = privacy.mask_words(words)
    assert [word.text for word in masked] == ["call", "####", "#######", "@user"]
    assert [(word.start, word.end) for word in masked] == [(n, n + 1) for n in range(4)]
    assert privacy.mask_words([]) == []


def test_an_id_that_tells_is_replaced_by_one_that_is_as_unique() -> None:
    ids = ["768096868485769216-1", "768096868485769216-2", "@ann", "pair-000012", "cat 7"]
    masked = [privacy.mask_id(name) for name in ids]
    assert masked[3:] == ids[3:] and len({*masked}) == 5
    assert all(name.startswith("row-") for name in masked[:3])
    assert not any("76809" in name or "ann" in name for name in masked)


@pytest.mark.parametrize("side", [128, 256])
def test_a_photograph_is_shown_as_a_mosaic_and_a_drawing_as_it_is(side: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    assert privacy.show_picture(picture, photograph=False) is picture
    mosaic = privacy.show_picture(picture, photograph=True)
    assert mosaic.shape == picture.shape and mosaic.dtype == np.uint8
    step = side // privacy.SQUARES
    assert (mosaic == mosaic[::step, ::step].repeat(step, 0).repeat(step, 1)).all()
    assert len(np.unique(mosaic.reshape(-1, 3), axis=0)) <= privacy.SQUARES**2


def test_the_reader_may_ask_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.random.default_rng(0).random((128, 128, 3))
    monkeypatch.setenv("SIER_SHOW", "names")
    assert privacy.mask_text(TWEET) == TWEET and privacy.mask_id("@ann") == "@ann"
    assert privacy.show_picture(picture, photograph=True) is not picture
    monkeypatch.setenv("SIER_SHOW", "photographs")
    assert privacy.mask_text(TWEET) != TWEET
    assert privacy.show_picture(picture, photograph=True) is picture
    monkeypatch.setenv("SIER_SHOW", "names,photographs")
    assert privacy.mask_text(TWEET) == TWEET
    assert privacy.show_picture(picture, photograph=True) is picture
