"""From values to time, words and sound: sums stay sums, and markup stays text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from sierlib import colours, settings
from sierlib.data import speech
from sierlib.explorer import listening

SEEDS = st.integers(0, 10_000)


def _map(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(settings.SIZE, settings.SIZE))


def test_time_importance_is_the_mean_over_frequency() -> None:
    speech_map = np.zeros((128, 128))
    speech_map[5, 40] = 128.0
    found = listening.time_importance(speech_map)
    assert found.shape == (128,) and found[40] == 1 and found.sum() == 1


@pytest.mark.parametrize(
    ("seconds", "frames"), [(0.01, 1), (0.05, 1), (0.051, 2), (1, 20), (6.4, 128), (60, 128)]
)
def test_spoken_frames_are_those_that_hold_sound(seconds: float, frames: int) -> None:
    assert listening.spoken_frames(np.zeros(round(seconds * settings.SAMPLE_RATE))) == frames


@given(seed=SEEDS, frames=st.integers(1, 128), percentile=st.integers(0, 100))
def test_frames_below_the_percentile_of_the_spoken_ones_are_silenced(
    seed: int, frames: int, percentile: int
) -> None:
    importance = np.random.default_rng(seed).normal(size=128)
    keep = listening.keep_frames(importance, frames, percentile)
    assert keep.dtype == bool and keep.shape == (128,) and not keep[frames:].any()
    assert keep[importance[:frames].argmax()]
    # By counting: of n distinct values p (n - 1) lie below the percentile, rounded up; one more
    # where that is whole and interpolation ends a rounding error above a value.
    assert -1e-6 <= (frames - keep.sum()) - percentile / 100 * (frames - 1) <= 1 + 1e-6
    if keep[:frames].any() and not keep[:frames].all():
        assert importance[:frames][keep[:frames]].min() > importance[:frames][~keep[:frames]].max()


def test_padding_does_not_count() -> None:
    importance = np.concatenate([np.linspace(0.1, 1, 40), np.zeros(88)])
    assert listening.keep_frames(importance, 40).sum() == 28
    assert listening.keep_frames(np.zeros(128), 10).sum() == 10
    with pytest.raises(ValueError, match="between 0 and 100"):
        listening.keep_frames(importance, 40, 101)


def test_nothing_is_kept_of_nothing_and_frames_have_to_be_there() -> None:
    assert not listening.keep_frames(np.ones(128), 0).any()
    for frames in (-1, 129):
        with pytest.raises(ValueError, match=f"{frames} frames: between 0 and 128"):
            listening.keep_frames(np.ones(128), frames)


@pytest.mark.parametrize("samples", [100, 1_000, 30_000, settings.SIZE * settings.HOP, 200_000])
def test_silenced_frames_are_silent_and_kept_ones_untouched(samples: int) -> None:
    audio = np.ones(samples, np.float32)
    keep = np.ones(128, bool)
    keep[10:20] = False
    found = listening.silence(audio, keep)
    assert found.dtype == np.float32 and len(found) == min(samples, settings.SIZE * settings.HOP)
    assert not found[10 * settings.HOP : 20 * settings.HOP].any()
    fade = settings.SAMPLE_RATE // 100
    assert (found[fade : min(10 * settings.HOP, samples) - fade] > 0.999).all()
    assert (found[20 * settings.HOP + fade : len(found) - fade] > 0.999).all()
    assert np.abs(np.diff(found)).max(initial=0) < 0.05, "a click"


def test_all_or_nothing_can_be_silenced() -> None:
    audio = np.random.default_rng(0).normal(size=20_000).astype(np.float32)
    assert not listening.silence(audio, np.zeros(128, bool)).any()
    np.testing.assert_allclose(
        listening.silence(audio, np.ones(128, bool))[200:-200], audio[200:-200], rtol=1e-5
    )


@st.composite
def _tiling(draw: st.DrawFn) -> list[speech.Word]:
    cuts = sorted(draw(st.sets(st.floats(0.01, settings.WINDOW_SECONDS - 0.01), max_size=8)))
    edges = [0.0, *cuts, settings.WINDOW_SECONDS + draw(st.sampled_from([0.0, 2.0]))]
    return [
        speech.Word(f"w{n}", start, end)
        for n, (start, end) in enumerate(zip(edges, edges[1:], strict=False))
    ]


@given(words=_tiling(), seed=SEEDS)
def test_words_that_tile_the_time_share_out_the_whole_value(
    words: list[speech.Word], seed: int
) -> None:
    speech_map = _map(seed)
    found = listening.word_values(words, speech_map)
    assert found.shape == (len(words),) and found.dtype == np.float64
    assert found.sum() == pytest.approx(speech_map.sum(), abs=1e-8)


@given(seed=SEEDS, start=st.integers(0, 120), length=st.integers(1, 8))
def test_a_word_of_whole_frames_gets_their_sum(seed: int, start: int, length: int) -> None:
    speech_map = _map(seed)
    word = speech.Word("w", start * 0.05, (start + length) * 0.05)
    assert listening.word_values([word], speech_map)[0] == pytest.approx(
        speech_map[:, start : start + length].sum(), abs=1e-8
    )
    half = speech.Word("w", start * 0.05, (start + 0.5) * 0.05)
    assert listening.word_values([half], speech_map)[0] == pytest.approx(
        speech_map[:, start].sum() / 2, abs=1e-8
    )


def test_words_beyond_the_window_have_no_value() -> None:
    assert listening.word_values(
        [speech.Word("late", 7.0, 7.5), speech.Word("none", 1.0, 1.0)], _map(0)
    ).tolist() == [0.0, 0.0]
    assert len(listening.word_values([], _map(0))) == 0


def test_words_are_kept_by_the_share_of_their_time() -> None:
    keep = np.zeros(128, bool)
    keep[:20] = True
    words = [
        speech.Word("in", 0.2, 0.6),
        speech.Word("half", 0.8, 1.2),
        speech.Word("less", 0.9, 1.2),
        speech.Word("out", 2, 3),
        speech.Word("empty", 0.5, 0.5),
    ]
    assert [word.text for word in listening.kept_words(words, keep)] == ["in", "half"]
    assert [word.text for word in listening.kept_words(words, keep, 0.3)] == ["in", "half", "less"]
    assert [word.text for word in listening.kept_words(words, keep, 0.9)] == ["in"]


class _Spans(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []
        self.styles: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.styles += [dict(attrs)["style"] or ""] if tag == "span" else []

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@given(
    texts=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), min_size=1, max_size=12),
        min_size=1,
        max_size=5,
    )
)
def test_a_sentence_is_shown_as_text_whatever_it_holds(texts: list[str]) -> None:
    words = [speech.Word(text, 0, 1) for text in texts]
    page = _Spans()
    page.feed(listening.sentence_html(words, np.arange(len(words), dtype=float)))
    page.close()
    assert page.tags == ["p", *["span"] * len(texts)] and "".join(page.text) == " ".join(texts)


def test_the_most_important_word_is_darkest_and_planted_ones_have_a_frame() -> None:
    words = [speech.Word(text, 0, 1) for text in ("so", "very", "<b>sad</b>")]
    html = listening.sentence_html(words, np.array([-0.1, 0.0, 0.4]), planted=[2])
    page = _Spans()
    page.feed(html)
    shades = [
        to_rgb(re.search("#[0-9a-f]{6}", style.split("background")[1])[0]) for style in page.styles
    ]
    against, nothing, strongest = shades
    assert nothing == pytest.approx((1, 1, 1), abs=0.01)
    assert against[0] < against[2] and strongest[0] > strongest[2]  # blue, orange
    assert min(strongest) < min(against) < min(nothing)
    assert [colours.PLANTED in style for style in page.styles] == [False, False, True]
    assert "<b>" not in html


@pytest.mark.parametrize(
    ("speech_value", "image_value", "share"),
    [(0.3, 0.1, 0.75), (-0.3, 0.1, 0.75), (0.0, 0.2, 0.0), (0.0, 0.0, 0.5)],
)
def test_the_modality_share_is_speech_of_both(
    speech_value: float, image_value: float, share: float
) -> None:
    explanation = SimpleNamespace(speech_value=speech_value, image_value=image_value)
    assert listening.modality_share(explanation) == pytest.approx(share)


def test_speech_decides_where_it_speaks_for_the_class_and_outweighs_the_image() -> None:
    # As ParallelNet gives them: where silence and black already are "sad", an image mostly speaks
    # against it.
    values = {
        "against, the image more so": (-0.04, -0.61, None),
        "against, the image hardly at all": (-0.21, 0.02, None),
        "for, the image more so": (0.13, 0.42, -0.29),
        "for, the image as loudly against": (0.30, -0.31, -0.01),
        "for, against the image": (0.44, -0.25, 0.19),
        "for, the image says little": (0.38, 0.03, 0.35),
        "next to nothing, all of the share": (0.004, 0.0, 0.004),
        "no speech": (0.0, 0.0, None),
    }
    speech, image, expected = zip(*values.values(), strict=True)
    lead = listening.speech_lead(np.array(speech), np.array(image))
    assert lead.tolist() == pytest.approx([-np.inf if one is None else one for one in expected])


def test_values_against_the_class_are_silent_when_values_become_sound() -> None:
    speech_map = np.zeros((128, 128))
    speech_map[20:40, 30:50], speech_map[20:40, 80:100] = 1.0, -1.0
    sound = listening.invert_values(speech_map)
    step = 800
    assert np.abs(sound).max() <= 1
    assert (
        np.abs(sound[32 * step : 48 * step]).mean()
        > 100 * np.abs(sound[84 * step : 96 * step]).mean()
    )
