"""Interactions of speech and image by other means: their definition, closed forms, and shapiq."""

from __future__ import annotations

from itertools import chain, combinations
from math import comb
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import shapiq
from hypothesis import given, settings
from hypothesis import strategies as st

from sierlib.settings import CLASSES, WINDOW_SECONDS
from sierlib.shapley import explain, interactions
from sierlib.shapley.interactions import INDICES
from tests.sierlib.shapley.toys import (
    IMAGE,
    SIZE,
    SPEECH,
    Model,
    curved,
    linear,
    never,
    weights,
    whole,
)

UNITS, GRID = 3, (2, 2)
PLAYERS = UNITS + 4
PAIRS = list(combinations(range(PLAYERS), 2))

#: What shapiq calls the indices.
SHAPIQ = {"shapley": "SII", "banzhaf": "BII", "faithful": "FSII"}


def mask(present: np.ndarray) -> dict[str, np.ndarray]:
    """Return the masked inputs of a coalition (PLAYERS,), units first."""
    unit = np.array([0, 0, 1, 1, 1, 2, 2, 2])
    half = np.arange(SIZE) // (SIZE // 2)
    region = 2 * half[:, None] + half
    present = present.astype(bool)
    return {
        "speech": (present[:UNITS][unit][None, :, None] * SPEECH)[None],
        "image": (present[UNITS:][region][..., None] * IMAGE)[None],
    }


def game(model: Model, target: int) -> dict[frozenset[int], float]:
    """Return the score of every coalition."""
    scores = {}
    for size in range(PLAYERS + 1):
        for members in combinations(range(PLAYERS), size):
            present = np.isin(np.arange(PLAYERS), members)
            scores[frozenset(members)] = float(model(mask(present))[0, target])
    return scores


def of_players(function: Any) -> Model:
    """Return a model whose one score is a function of which players are present (n, PLAYERS).

    A player's strength is 1 where it is whole and 0 where it is absent.
    """

    def model(x: dict[str, np.ndarray]) -> np.ndarray:
        speech, image = (x[m].sum(axis=-1) for m in ("speech", "image"))
        columns = [speech[:, 0, c] != 0 for c in (0, 3, 6)]
        corners = [image[:, r, c] != 0 for r in (0, 4) for c in (0, 4)]
        return function(np.stack(columns + corners, axis=1).astype(float))[:, None]

    return model


@pytest.mark.parametrize("index", ["shapley", "banzhaf"])
def test_an_index_is_its_definition(index: str) -> None:
    model = curved(5)
    found = interactions(model, SPEECH, IMAGE, units=UNITS, grid=GRID, index=index, target=1)
    f = game(model, 1)
    for i, j in PAIRS:
        others = [k for k in range(PLAYERS) if k not in (i, j)]
        expected = 0.0
        for s in map(frozenset, chain.from_iterable(combinations(others, k) for k in range(6))):
            change = f[s | {i, j}] - f[s | {i}] - f[s | {j}] + f[s]
            sizes = (PLAYERS - 1) * comb(PLAYERS - 2, len(s))  # a size, then a coalition of it
            expected += change / (sizes if index == "shapley" else 2 ** (PLAYERS - 2))
        assert found.pairs[i, j] == pytest.approx(expected, abs=1e-12)
        assert found.pairs[j, i] == found.pairs[i, j]
    assert found.n_evals == 2**PLAYERS
    np.testing.assert_array_equal(found.values.reshape(UNITS, 4), found.pairs[:UNITS, UNITS:])
    assert found.stderr is found.gap is None


def test_the_faithful_index_is_the_best_sum_over_players_and_pairs() -> None:
    """Least squares with the weights of Shapley values; nothing and all are met exactly."""
    model = curved(7)
    found = interactions(model, SPEECH, IMAGE, units=UNITS, grid=GRID, index="faithful", target=2)
    f = game(model, 2)
    rows, scores, roots = [], [], []
    for members, score in f.items():
        size = len(members)
        pairs = [i in members and j in members for i, j in PAIRS]
        rows.append([1, *(i in members for i in range(PLAYERS)), *pairs])
        scores.append(score)
        inside = 0 < size < PLAYERS
        likely = 1 / (comb(PLAYERS, size) * size * (PLAYERS - size)) if inside else 1e7
        roots.append(np.sqrt(likely))
    a, b = np.array(rows, float) * np.array(roots)[:, None], np.array(scores) * roots
    fit = np.linalg.lstsq(a, b, rcond=None)[0]
    np.testing.assert_allclose(found.pairs.diagonal(), fit[1 : PLAYERS + 1], rtol=0, atol=1e-7)
    ours = [found.pairs[pair] for pair in PAIRS]
    np.testing.assert_allclose(ours, fit[PLAYERS + 1 :], rtol=0, atol=1e-7)


@pytest.mark.parametrize("index", INDICES)
def test_shapiq_says_the_same_of_the_tabulated_game(index: str) -> None:
    model = curved(9)
    found = interactions(model, SPEECH, IMAGE, units=UNITS, grid=GRID, index=index, target=0)

    def score(coalitions: np.ndarray) -> np.ndarray:
        return np.array([model(mask(row))[0, 0] for row in np.atleast_2d(coalitions)])

    other = shapiq.ExactComputer(score, n_players=PLAYERS)(SHAPIQ[index], 2)
    # shapiq's faithful index is a least-squares fit that meets its constraints by a large weight.
    for i, j in PAIRS:
        assert found.pairs[i, j] == pytest.approx(other[(i, j)], abs=1e-9)
    for i in range(PLAYERS):
        assert found.pairs[i, i] == pytest.approx(other[(i,)], abs=1e-9)


@pytest.mark.parametrize("index", INDICES)
def test_closed_forms(index: str) -> None:
    def values(function: Any) -> np.ndarray:
        found = interactions(
            of_players(function), SPEECH, IMAGE, units=UNITS, grid=GRID, index=index
        )
        return found.values.reshape(UNITS, 4)

    # A product of a unit and a region is theirs; nobody else has a part in it.
    expected = np.zeros((UNITS, 4))
    expected[1, 2] = 5
    product = values(lambda x: 5 * x[:, 1] * x[:, UNITS + 2])
    np.testing.assert_allclose(product, expected, rtol=0, atol=1e-12)
    # Of a sum no pair has anything.
    np.testing.assert_allclose(values(lambda x: x @ np.arange(1.0, 8)), 0, rtol=0, atol=1e-12)
    # Of the largest of two, one makes the other superfluous.
    largest = values(lambda x: np.maximum(3 * x[:, 0], 2 * x[:, UNITS]))
    expected = np.zeros((UNITS, 4))
    expected[0, 0] = -2
    np.testing.assert_allclose(largest, expected, rtol=0, atol=1e-12)


def test_the_largest_of_all_players() -> None:
    """Its second difference is -1 where nobody else is present, and else 0."""
    model = of_players(lambda x: x.max(axis=1))
    one = 1 / (PLAYERS - 1)
    expected = {"shapley": -one, "banzhaf": -(0.5 ** (PLAYERS - 2))}
    # The mean of (1 - u)^5 under 6 u (1 - u).
    expected["faithful"] = -6 / ((PLAYERS) * (PLAYERS + 1))
    for index, value in expected.items():
        found = interactions(model, SPEECH, IMAGE, units=UNITS, grid=GRID, index=index)
        np.testing.assert_allclose(found.values, value, rtol=0, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    units=st.integers(1, 4),
    rows=st.integers(1, 2),
    columns=st.integers(1, 3),
    output=st.sampled_from(["probability", "logit"]),
    baseline=st.sampled_from(["zero", "blur"]),
)
def test_efficiency(
    seed: int, units: int, rows: int, columns: int, output: str, baseline: str
) -> None:
    options: dict[str, Any] = {"output": output, "baseline": baseline, "target": "all"}
    every = interactions(
        curved(seed),
        SPEECH,
        IMAGE,
        units=units,
        grid=(rows, columns),
        index="faithful",
        **options,
    )
    assert list(every) == list(CLASSES)
    for found in every.values():
        assert abs(found.gap) < 1e-9
        assert found.values.shape == (units, rows, columns)
        assert np.triu(found.pairs).sum() == pytest.approx(found.value - found.base_value)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), index=st.sampled_from(sorted(INDICES)), sampled=st.booleans())
def test_equal_units_interact_equally(seed: int, index: str, sampled: bool) -> None:
    model = curved(seed)
    twins = np.concatenate([SPEECH[:, :4], SPEECH[:, :4]], axis=1)

    def blind_to_order(x: dict[str, np.ndarray]) -> np.ndarray:
        swapped = np.concatenate([x["speech"][:, :, 4:], x["speech"][:, :, :4]], axis=2)
        return model(x) + model({**x, "speech": swapped})

    found = interactions(
        blind_to_order,
        twins,
        IMAGE,
        units=2,
        grid=GRID,
        index=index,
        target=0,
        max_evals=63 if sampled else None,
    )
    if not sampled:
        np.testing.assert_allclose(found.values[0], found.values[1], rtol=0, atol=1e-12)
    else:
        errors = np.hypot(found.stderr[0], found.stderr[1])
        assert np.abs(found.values[0] - found.values[1]).max() <= 8 * errors.max() + 1e-12


def test_an_additive_model_has_no_interactions_and_its_estimate_neither() -> None:
    for budget in (None, 200):
        found = interactions(
            linear(weights(3)), SPEECH, IMAGE, units=4, grid=(2, 3), max_evals=budget
        )
        assert np.abs(found.values).max() < 1e-12
        assert budget is None or np.abs(found.stderr).max() < 1e-12


@pytest.mark.parametrize("index", INDICES)
def test_an_estimate_is_as_far_off_as_it_says(index: str) -> None:
    model = curved(11)
    options: dict[str, Any] = {"units": 4, "grid": (2, 3), "index": index, "target": 0}
    exact = interactions(model, SPEECH, IMAGE, **options)
    assert exact.n_evals == 2**10
    scores = []
    for seed in range(12):
        found = interactions(model, SPEECH, IMAGE, **options, max_evals=1000, seed=seed)
        assert found.n_evals <= 1000
        assert found.gap is None and found.pairs is None
        scores.append((found.values - exact.values) / found.stderr)
    # Standard scores have mean 0 and deviation 1; those of one draw go together.
    assert abs(np.mean(scores)) < 0.5
    assert 0.8 < np.sqrt(np.mean(np.square(scores))) < 1.3
    again = interactions(model, SPEECH, IMAGE, **options, max_evals=1000, seed=11)
    np.testing.assert_array_equal(again.values, found.values)


def test_what_is_silent_has_no_part_in_a_pair() -> None:
    model = curved(13)
    padded = SPEECH.copy()
    padded[:, 4:] = 0  # a recording that ends halfway
    found = interactions(model, padded, IMAGE, units=4, grid=GRID)
    assert np.abs(found.values[2:]).max() < 1e-12
    cut = interactions(model, padded, IMAGE, units=[word(0, 1.6), word(1.6, 3.2)], grid=GRID)
    np.testing.assert_allclose(found.values[:2], cut.values, rtol=0, atol=1e-12)


def word(start: float, end: float, text: str = "word") -> Any:
    return SimpleNamespace(text=text, start=start, end=end)


def test_words_are_units() -> None:
    """The window of 6.4 s has 8 time steps; a pause is divided in its middle."""
    words = [word(0.1, 1.5), word(1.5, 1.9), word(3.5, 9.0)]
    found = interactions(curved(15), SPEECH, IMAGE, units=words, grid=(1, 2))
    assert found.boxes["speech"] == [(0, 8, 0, 2), (0, 8, 2, 3), (0, 8, 3, 8)]
    assert found.boxes["image"] == [(0, 8, 0, 4), (0, 8, 4, 8)]
    assert found.values.shape == (3, 1, 2)
    # Nor need the last one have a time step.
    late = [*words[:2], word(3.5, 6.3), word(6.3, 6.39)]
    for budget in (None, 500):
        found = interactions(curved(15), SPEECH, IMAGE, units=late, grid=(3, 4), max_evals=budget)
        assert np.abs(found.values[3]).max() < 1e-12
    # A word shorter than a time step may have none of its own.
    words.insert(1, word(1.5, 1.5 + 1e-6))
    words[2].start = words[1].end
    found = interactions(curved(15), SPEECH, IMAGE, units=words, grid=(1, 2))
    assert np.abs(found.values[1]).max() < 1e-12
    assert np.abs(found.values[[0, 2, 3]]).min() > 1e-6


def test_two_players_are_the_interaction_of_the_modalities() -> None:
    found = interactions(curved(17), SPEECH, IMAGE, units=1, grid=(1, 1), target=1)
    whole_sample = explain(curved(17), SPEECH, IMAGE, depth=0, target=1)
    assert found.values.item() == pytest.approx(whole_sample.interaction, abs=1e-12)
    assert (found.base_value, found.value) == (whole_sample.base_value, whole_sample.value)


def test_a_model_in_parts_says_what_the_whole_of_it_says(
    toy: keras.Model, toy_sample: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sierlib.shapley.value_function import Branches

    ran: list[int] = []
    features = Branches._features

    def spy(self: Branches, modality: str, members: np.ndarray) -> Any:
        ran.append(len(members))
        return features(self, modality, members)

    monkeypatch.setattr(Branches, "_features", spy)
    for budget in (None, 500):
        fast, slow = (
            interactions(m, *toy_sample, units=4, grid=(2, 3), max_evals=budget)
            for m in (toy, whole(toy))
        )
        np.testing.assert_allclose(fast.values, slow.values, rtol=0, atol=1e-6)
        assert fast.n_evals == slow.n_evals
        if budget is None:
            assert sum(ran) == 2**4 + 2**6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"index": "owen"}, "index='owen'; expected one of 'shapley', 'banzhaf', 'faithful'"),
        ({"units": 0}, r"units=0; expected .* from 1 to 8"),
        ({"units": 9}, r"units=9; expected .* from 1 to 8"),
        ({"units": 2.5}, r"units=2.5; expected"),
        ({"units": "words"}, "units='words'; expected"),
        ({"units": []}, r"units=\[\]; expected"),
        ({"units": [word(1, 1, "so")]}, "the word 'so' is from 1 to 1 s; expected"),
        ({"units": [word(0, 2), word(1, 3, "so")]}, "the word 'so' is from 1 to 3 s; .* after 2 s"),
        ({"units": [word(WINDOW_SECONDS, 9, "so")]}, "the word 'so' .* begins before 6.4 s"),
        ({"units": [word(np.nan, 1, "so")]}, "the word 'so' is from nan to 1 s"),
        ({"grid": (0, 2)}, r"grid\[0\]=0; expected an integer from 1 to 8"),
        ({"grid": (2, 9)}, r"grid\[1\]=9; expected an integer from 1 to 8"),
        ({"grid": 4}, "grid=4; expected"),
        ({"grid": (2.0, 2)}, r"grid\[0\]=2.0; expected an integer"),
        ({"target": "joy"}, "target='joy'; expected one of"),
        ({"output": "odds"}, "output='odds'; expected"),
        ({"baseline": "noise"}, "baseline='noise'; expected"),
        ({"max_evals": 3}, "max_evals=3; expected an integer of at least 4"),
        (
            {"max_evals": 93},
            r"8 units and 4 regions need 2\^12 evaluations, or 94 at least .*; expected 93: take "
            "fewer of them, or give a larger max_evals",
        ),
        ({"speech": SPEECH[..., 0]}, r"speech has shape \(8, 8\); expected"),
        ({"model": None}, "model is a NoneType"),
    ],
)
def test_bad_input_is_refused_before_any_evaluation(changes: dict[str, Any], message: str) -> None:
    arguments = {"model": never, "speech": SPEECH, "image": IMAGE, "grid": GRID, **changes}
    with pytest.raises(ValueError, match=message):
        interactions(**arguments)


def test_more_players_than_can_be_done_without_a_budget() -> None:
    image = np.full((128, 128, 3), 0.5)
    with pytest.raises(ValueError, match=r"8 units and 16384 regions need 2\^16392 evaluations"):
        interactions(never, SPEECH, image, grid=(128, 128))


def test_a_model_of_one_modality_has_none(toy_sample: tuple[np.ndarray, np.ndarray]) -> None:
    start = keras.Input((16, 16, 3), name="image")
    model = keras.Model(start, keras.layers.Dense(4)(keras.layers.Flatten()(start)))
    with pytest.raises(ValueError, match="takes one modality; .* there is none to compute"):
        interactions(model, *toy_sample)
