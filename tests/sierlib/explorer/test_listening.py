"""From values to time, words and sound: sums stay sums, and markup stays text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sierbook.tables.cases import case_table, largest_gaps, word_table
from sierlib import settings
from sierlib.data import speech
from sierlib.experiment.manifest import read_manifest
from sierlib.experiment.train import load_model
from sierlib.explorer import listening
from sierlib.explorer.cases import ExplainedRow, case_payload, choose_rows, teacher_payload
from sierlib.run import Run

SEEDS = st.integers(0, 10_000)


def _map(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(settings.SIZE, settings.SIZE))


# -------------------------------------------------------------------------------------------- time
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


# ------------------------------------------------------------------------------------------- words
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


def test_the_most_important_word_is_darkest_and_planted_ones_are_underlined() -> None:
    words = [speech.Word(text, 0, 1) for text in ("so", "very", "<b>sad</b>")]
    html = listening.sentence_html(words, np.array([-0.1, 0.0, 0.4]), planted=[2])
    page = _Spans()
    page.feed(html)
    colours = [re.search(r"rgb\((\d+), (\d+), (\d+)\)", style).groups() for style in page.styles]
    assert colours[1:] == [
        ("255", "255", "255"),
        ("255", "193", "7"),
    ]  # white where there is nothing to say, full
    assert [int(value) for value in colours[0]] == [219, 233, 255] and [
        "underline" in style for style in page.styles
    ] == [False, False, True]
    assert "<b>" not in html
    assert listening.sentence_html(words, np.zeros(3)).count("rgb(255, 255, 255)") == 3


# ------------------------------------------------------------------------------------------- cases
def test_the_modality_share_is_speech_of_both() -> None:
    for speech, image, share in (
        (0.3, 0.1, 0.75),
        (-0.3, 0.1, 0.75),
        (0.0, 0.2, 0.0),
        (0.0, 0.0, 0.5),
    ):
        assert listening.modality_share(
            SimpleNamespace(speech_value=speech, image_value=image)
        ) == pytest.approx(share)


def test_two_sad_samples_come_first_and_then_the_other_classes() -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"label": list(settings.CLASSES) * 6}, index=range(100, 124))
    chosen = choose_rows(rows, rng.dirichlet(np.ones(4), 24), 6)
    assert (
        list(chosen["label"]) == ["sad", "sad", "hate", "anger", "happy", "sad"]
        and chosen.index.is_unique
    )
    assert set(chosen.index) <= set(rows.index)


@given(
    labels=st.lists(st.sampled_from(settings.CLASSES), min_size=1, max_size=12),
    count=st.integers(0, 15),
)
def test_as_many_samples_are_chosen_as_there_are(labels: list[str], count: int) -> None:
    rows = pd.DataFrame({"label": labels})
    chosen = choose_rows(rows, np.full((len(labels), 4), 0.25), count)
    assert len(chosen) == min(count, len(labels)) and chosen.index.is_unique


def test_a_third_of_the_samples_are_those_in_which_speech_decides_rightly() -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"label": list(settings.CLASSES) * 6}, index=range(100, 124))
    probabilities = np.eye(4)[np.arange(24) % 4] * 0.6 + 0.1  # always right
    probabilities[3] = [0.7, 0.1, 0.1, 0.1]  # but once
    lead = rng.normal(size=24)
    lead[[3, 5, 7]] = 9, 8, 7
    chosen = choose_rows(rows, probabilities, 6, lead)
    assert (
        len(chosen) == 6
        and list(chosen.index)[4:] == [105, 107]
        and list(chosen["label"])[:2] == ["sad", "sad"]
    )
    assert len(choose_rows(rows, probabilities, 6, np.full(24, -1.0))) == 6


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
    rows = pd.DataFrame({"label": ["sad"] * 8})
    sure = np.tile([0.1, 0.1, 0.1, 0.7], (8, 1))
    assert list(choose_rows(rows, sure, 6, lead).index)[4:] == [5, 4]
    assert len(choose_rows(rows[:4], sure[:4], 6, lead[:4])) == 4, "none qualifies, none is lost"


@pytest.mark.parametrize(
    ("label", "speech", "image", "decides"),
    [
        ("sad", 0.4, 0.1, True),
        ("hate", 0.4, 0.1, False),
        ("sad", -0.1, -0.6, False),
        ("sad", 0.1, 0.4, False),
    ],
)
def test_a_case_knows_whether_its_speech_decides(
    label: str, speech: float, image: float, decides: bool
) -> None:
    found = SimpleNamespace(speech_value=speech, image_value=image)
    nothing = np.zeros(0)
    case = ExplainedRow(
        {"label": label},
        None,
        nothing,
        nothing,
        nothing,
        np.eye(4)[3],
        [],
        {"sad": {"owen": found}},
    )  # type: ignore[arg-type]
    assert case.speech_decides is decides


def test_words_are_listed_with_their_values(cases: list[ExplainedRow]) -> None:
    table = word_table(cases[0])
    assert list(table["word"]) == [word.text for word in cases[0].words]
    np.testing.assert_allclose(
        table["value"], listening.word_values(cases[0].words, cases[0].of().speech_map)
    )


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


def test_rows_are_explained_with_all_that_is_known_of_them(
    tiny_run: Run, cases: list[ExplainedRow]
) -> None:
    manifest = read_manifest(tiny_run)
    rows = manifest[manifest["split"] == "test"].head(2)
    assert [case.row["id"] for case in cases] == list(rows["id"])
    model = load_model(tiny_run, "fused")
    for case in cases:
        given = {"speech": case.speech[np.newaxis], "image": case.image[np.newaxis]}
        np.testing.assert_allclose(
            case.probabilities, model.predict(given, verbose=0)[0], atol=1e-4
        )
        assert case.predicted == settings.CLASSES[int(case.probabilities.argmax())]
        assert [word.text for word in case.words] == case.row["text"].split()
        assert set(case.explanations) == set(settings.CLASSES)
        for name in settings.CLASSES:
            found = case.of(name)
            assert found.speech_map.sum() + found.image_map.sum() == pytest.approx(
                found.value - found.base_value, abs=1e-6
            )
            assert found.value == pytest.approx(
                case.probabilities[settings.CLASSES.index(name)], abs=1e-3
            )
        assert case.of() is case.explanations[case.predicted]["owen"]
    table = case_table(cases)
    assert (
        list(table["P"]) == [case.predicted for case in cases] and (table["evaluations"] > 4).all()
    )
    assert list(table["speech's share"]) == [
        f"{listening.modality_share(case.of()):.0%}" for case in cases
    ]
    assert list(table["interaction"]) == [f"{case.of().interaction:+.2f}" for case in cases]
    assert (largest_gaps(cases, ["owen"])["owen"] < 1e-6).all()


def test_a_case_becomes_a_payload_with_its_teachers(cases: list[ExplainedRow]) -> None:
    found = case_payload(cases[0], methods=("owen",))
    assert found["id"] == cases[0].row["id"] and found["label"] == cases[0].row["label"]
    assert found["teachers"]["winner"] in ("speech", "image")
    assert found["teachers"]["speech"] == pytest.approx(
        [cases[0].row[f"ser_{name}"] for name in settings.CLASSES], rel=1e-3
    )
    assert teacher_payload({"winner": "given"}) is None
    drawn = [element["kind"] for element in (cases[0].item.scene or {})["elements"]]
    assert drawn and all(kind in found["image"]["alt"] for kind in drawn)
