"""Estimates of values at equal costs, on games whose values are known exactly (notebook 09).

Eight spans of speech and eight regions of the picture are the players of a game that is tabulated
whole. Two kinds of values are asked for. *Nested* are those of `sierlib.shapley.explain`, Owen's,
which respect the halving of speech and picture; *flat* are Shapley's, which know no halves. They
are different numbers, so an estimator is held against its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from sierbook.faithfulness.rivals import Array, Sample, Subject
from sierlib import settings
from sierlib.shapley import explain
from sierlib.shapley.arguments import make_sides
from sierlib.shapley.keras_parts import scorer_for
from sierlib.shapley.partition import divide
from sierlib.shapley.value_function import ValueFunction, weigh_others

#: Halvings of each modality, hence players of each.
DEPTH = 3
PLAYERS = 2**DEPTH

#: Evaluations that an estimate may take.
BUDGETS = (64, 128, 256, 512, 1024)


def list_coalitions(players: int) -> Array:
    """Return all coalitions (2^players, players), the last player's presence changing fastest."""
    return np.indices([2] * players).reshape(players, -1).T == 1


def tabulate(subject: Subject, sample: Sample) -> Array:
    """Return the score of the sample's class for every coalition of spans and of regions.

    Returns
    -------
    (2^8, 2^8) in the order of `list_coalitions`; 2^8 masked inputs of each pass the branches.
    """
    inputs = {m: sample[m] for m in settings.MODALITIES}
    splits = {"speech": "time", "image": "longest"}
    leaves = {
        m: divide(x.shape[0], x.shape[1], DEPTH, splits[m]).labels() for m, x in inputs.items()
    }
    sides = make_sides(inputs, "zero", leaves)
    f = ValueFunction(scorer_for(subject.model, sides), sides)
    every = list_coalitions(PLAYERS)
    return f.score({"speech": every, "image": every})[..., sample.target]


def known_games() -> dict[str, Array]:
    """Return games (2^8, 2^8) whose every score is written down: what counts is the share of the
    speech times that of the picture, or the largest of the players that are there."""
    every = list_coalitions(PLAYERS)
    share = every.mean(axis=1)
    largest = [(every * (1 + np.arange(PLAYERS))[::step]).max(axis=1) for step in (1, -1)]
    return {
        "product": share[:, None] * share,
        "maximum": np.maximum(largest[0][:, None], largest[1]) / PLAYERS,
    }


def value_flat(game: Array) -> Array:
    """Return the exact Shapley values (16,), spans first."""
    table = game.reshape([2] * (2 * PLAYERS))
    weights = weigh_others(table.ndim)
    return np.array(
        [
            np.tensordot(weights, np.diff(table, axis=k).squeeze(k), weights.ndim)
            for k in range(table.ndim)
        ]
    )


def value_nested(
    game: Array, budget: int | None = None, seed: int = 0, method: str = "owen"
) -> Any:
    """Return the values (16,) that `explain` gives on a game, and the mean error it states."""
    places = 1 << np.arange(PLAYERS)[::-1]
    found = explain(
        lambda x: game[x["speech"] @ places, x["image"] @ places][:, None],
        inputs=dict.fromkeys(settings.MODALITIES, np.ones(PLAYERS, int)),
        target=0,
        depth=DEPTH,
        method=method,
        max_evals=budget,
        seed=seed,
    )
    values = np.concatenate(list(found.maps.values()))
    stated = found.stderr or found.unrefined
    return values, float(np.mean(list(stated.values()))) if stated else np.nan


def _permutations(score: Callable[[Array], Array], budget: int, seed: int) -> tuple[Array, float]:
    import shap

    masker = shap.maskers.Independent(np.zeros((1, 2 * PLAYERS)))
    explainer = shap.explainers.Permutation(score, masker, seed=seed)
    found = explainer(np.ones((1, 2 * PLAYERS)), max_evals=budget, error_bounds=True, silent=True)
    # Of how the values of single orders spread; the mean of so many pairs of them is given.
    pairs = budget // (4 * PLAYERS + 1)
    return found.values[0], float(found.error_std[0].mean() / np.sqrt(max(1, pairs)))


def _kernel(score: Callable[[Array], Array], budget: int, seed: int) -> tuple[Array, float]:
    import shap

    np.random.seed(seed)  # noqa: NPY002 - it draws from there
    explainer = shap.KernelExplainer(score, np.zeros((1, 2 * PLAYERS)))
    values = explainer.shap_values(
        np.ones((1, 2 * PLAYERS)), nsamples=budget, l1_reg=False, silent=True
    )
    return np.asarray(values)[0], np.nan


def estimate_at(game: Array, budget: int, seed: int) -> Iterator[tuple[str, str, Array, float]]:
    """Yield the target, the estimator, its values and the mean error that it states."""
    places = 1 << np.arange(PLAYERS)[::-1]

    def score(present: Array) -> Array:
        chosen = present.astype(int)
        return game[chosen[:, :PLAYERS] @ places, chosen[:, PLAYERS:] @ places]

    yield "nested", "sampled", *value_nested(game, budget, seed, "sampled")
    yield "nested", "owen, on a budget", *value_nested(game, budget, seed)
    yield "flat", "paired permutations", *_permutations(score, budget, seed)
    yield "flat", "KernelSHAP, paired", *_kernel(score, budget, seed)


def compare_estimators(games: dict[str, Array], repeats: int = 3) -> pd.DataFrame:
    """Estimate the values of games again and again, at equal budgets.

    Returns
    -------
    pandas.DataFrame
        `game`, `target` ("nested" or "flat"), `estimator`, `budget`, and as means over repeats and
        players the absolute `error` and the error that the estimator has `stated` (NaN if none),
        both as shares of the largest value.
    """
    rows = []
    for name, game in games.items():
        exact = {"nested": value_nested(game)[0], "flat": value_flat(game)}
        scale = {target: np.abs(values).max() for target, values in exact.items()}
        for budget in BUDGETS:
            for seed in range(repeats):
                for target, estimator, values, stated in estimate_at(game, budget, seed):
                    error = np.abs(values - exact[target]).mean() / scale[target]
                    told = stated / scale[target]
                    rows.append((name, target, estimator, budget, error, told))
    by = ["game", "target", "estimator", "budget"]
    table = pd.DataFrame(rows, columns=[*by, "error", "stated"])
    return table.groupby(by, sort=False)[["error", "stated"]].mean().reset_index()
