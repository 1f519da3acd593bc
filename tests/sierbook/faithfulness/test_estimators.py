"""Estimates at equal costs, on games that are known."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from sierbook.faithfulness.estimators import (
    BUDGETS,
    PLAYERS,
    compare_estimators,
    known_games,
    list_coalitions,
    tabulate,
    value_flat,
    value_nested,
)
from sierbook.faithfulness.rivals import Sample, Subject


def test_values_of_known_games() -> None:
    games = known_games()
    # By symmetry everybody has the same in the product, in either kind of values.
    assert value_flat(games["product"]) == pytest.approx(np.full(2 * PLAYERS, 1 / (2 * PLAYERS)))
    assert value_nested(games["product"])[0] == pytest.approx(value_flat(games["product"]))
    # Of the largest the order statistics say what each adds (the airport game): players k of either
    # kind share the step from k - 1 to k with all that are as large.
    steps = [1 / PLAYERS / (2 * (PLAYERS - k)) for k in range(PLAYERS)]
    largest = np.cumsum(steps)
    assert value_flat(games["maximum"]) == pytest.approx([*largest, *largest[::-1]])
    assert value_nested(games["maximum"])[0].sum() == pytest.approx(1)


def test_flat_values_are_shapiqs() -> None:
    shapiq = pytest.importorskip("shapiq")
    rng = np.random.default_rng(0)
    weights, pairs = rng.normal(size=16), rng.normal(size=(16, 16))
    every = list_coalitions(8).astype(float)
    whole = np.hstack([np.repeat(every, 256, axis=0), np.tile(every, (256, 1))])
    scores = np.tanh(whole @ weights + np.einsum("ni,ij,nj->n", whole, pairs, whole) / 16)
    game = scores.reshape(256, 256)
    places = 1 << np.arange(8)[::-1]

    def look_up(coalitions: np.ndarray) -> np.ndarray:
        chosen = coalitions.astype(int)
        return game[chosen[:, :8] @ places, chosen[:, 8:] @ places]

    exact = shapiq.ExactComputer(look_up, 16)("SV")
    assert value_flat(game) == pytest.approx([exact[(k,)] for k in range(16)], abs=1e-9)


def test_more_evaluations_bring_estimates_closer() -> None:
    table = compare_estimators({"maximum": known_games()["maximum"]}, repeats=2)
    errors = table.pivot(index="budget", columns="estimator", values="error")
    assert list(errors.index) == list(BUDGETS) and errors.notna().all(axis=None)
    assert (errors.iloc[-1] < errors.iloc[0]).all()
    assert errors.loc[BUDGETS[-1], "owen, on a budget"] == pytest.approx(0, abs=1e-12)
    stated = table.dropna(subset="stated").pivot(
        index="budget", columns="estimator", values="stated"
    )
    assert set(stated) == {"sampled", "owen, on a budget", "paired permutations"}


def test_a_network_is_tabulated(network: keras.Model, pair: Sample) -> None:
    subject = Subject(network)
    game = tabulate(subject, pair)
    assert game.shape == (2**PLAYERS, 2**PLAYERS)
    silent, spoken = 0 * pair.speech[None], pair.speech[None]
    for row, speech in ((0, silent), (-1, spoken)):
        for column, image in ((0, 0 * pair.image[None]), (-1, pair.image[None])):
            assert game[row, column] == pytest.approx(
                subject(speech, image)[0, pair.target], abs=1e-6
            )
