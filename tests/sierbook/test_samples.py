"""Samples are chosen as in Fig. 4, and so that of every kind there are some."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from sierbook.cases import ExplainedRow
from sierbook.samples import add_rows, choose_rows, describe_rows, put_showcase_first
from sierlib import settings
from sierlib.experiment.manifest import GIVEN
from tests.forged import explained_row, planted_truth


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


def test_of_those_the_furthest_ahead_are_chosen_and_none_where_none_qualifies() -> None:
    lead = np.array([-np.inf, -np.inf, -0.29, -0.01, 0.19, 0.35, 0.004, -np.inf])
    rows = pd.DataFrame({"label": ["sad"] * 8})
    sure = np.tile([0.1, 0.1, 0.1, 0.7], (8, 1))
    assert list(choose_rows(rows, sure, 6, lead).index)[4:] == [5, 4]
    assert len(choose_rows(rows[:4], sure[:4], 6, lead[:4])) == 4, "none qualifies, none is lost"


def test_rows_are_described_by_what_a_reader_may_choose_by() -> None:
    rows = pd.DataFrame({"id": list("abcd"), "label": ["sad", "sad", "happy", "happy"]})
    rows["winner"] = GIVEN
    values = pd.DataFrame(
        {
            "predicted": ["sad", "sad", "happy", "sad"],
            "speech": [0.4, -0.1, 0.1, 0.4],
            "image": [0.1, -0.6, 0.4, 0.1],
        }
    )
    planted = {name: {"relation": relation} for name, relation in zip("abcd", "acnc", strict=True)}
    found = describe_rows(rows, values, planted)
    assert found["decided_by"].tolist() == ["speech", "neither", "image", "neither"]
    assert found["right"].tolist() == [True, True, True, False]
    assert found["both_for"].tolist() == [True, False, True, False]
    assert found["relation"].tolist() == list("acnc")
    assert set(describe_rows(rows, values, {})["relation"]) == {""}, "nobody was asked"


@given(count=st.integers(0, 30), seed=st.integers(0, 99))
def test_rows_are_added_until_every_trait_is_there(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    traits = pd.DataFrame(
        {
            "label": rng.choice(settings.CLASSES, 60, p=[0.05, 0.8, 0.05, 0.1]),
            "right": rng.random(60) < 0.8,
        },
        index=range(100, 160),
    )
    rows = pd.DataFrame({"id": range(60)}, index=traits.index)
    first = rows.head(2)
    chosen = add_rows(first, rows, traits, count)
    assert len(chosen) == max(2, min(count, 60)) and chosen.index.is_unique
    assert list(chosen.index[:2]) == [100, 101]
    if count >= 12:
        for name in traits:
            assert set(traits.loc[chosen.index, name]) == set(traits[name])


def _case(name: str, speech: float, image: float, label: str = "sad") -> ExplainedRow:
    regions = [
        SimpleNamespace(modality="image", box=(0, 64, 0, 128), value=image),
        SimpleNamespace(modality="image", box=(64, 128, 0, 128), value=0.0),
    ]
    found = SimpleNamespace(
        speech_value=speech,
        image_value=image,
        speech_map=np.full((128, 128), speech / 128**2),
        levels=[regions],
    )
    return explained_row({"id": name, "label": label}, found)


def test_a_showcase_comes_first_and_without_one_the_order_stays() -> None:
    against, wrong = _case("against", -0.4, 0.9), _case("wrong", 0.9, 0.9, label="hate")
    weak, strong = _case("weak", 0.1, 0.1), _case("strong", 0.3, 0.2)
    cases = [against, wrong, weak, strong]
    assert put_showcase_first(cases, {}) == [strong, against, wrong, weak]
    planted = {
        "weak": planted_truth("agree", [10, 10, 20, 20]),
        "strong": planted_truth("conflict", [0, 0, 9, 9]),
    }
    assert put_showcase_first(cases, planted)[0] is weak, "its strongest region is planted"
    assert put_showcase_first([against, wrong], planted) == [against, wrong]
    assert put_showcase_first([], {}) == []
