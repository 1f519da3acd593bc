"""Scores of all methods on a run, their intervals, random weights, and budgets."""

from __future__ import annotations

import json
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest

from sierbook.faithfulness.measures import FRACTIONS, agreement
from sierbook.faithfulness.modalities import value_modalities
from sierbook.faithfulness.rivals import CEILING, EXACT, METHODS, Sample, Subject, attribute
from sierbook.faithfulness.scores import (
    BLIND,
    BLOCKS,
    FEWEST,
    MEASURES,
    choose_methods,
    compare_methods,
    compare_with_blind,
    draw_samples,
    evaluate_methods,
    measure_convergence,
    randomise_weights,
    read_summary,
    summarise_scores,
    tabulate_scores,
)
from sierbook.records import as_records
from sierbook.tables.shown import fold
from sierlib import settings
from sierlib.experiment.train import train_model
from sierlib.run import Run
from tests.forged import made_up_scores
from tests.keys import list_unkeyed


def test_new_weights_destroy_a_map_and_are_taken_back(network: keras.Model, pair: Sample) -> None:
    subject, before = Subject(network), network.get_weights()
    maps = attribute("gradient x input", subject, pair)
    seen = {}
    for block in randomise_weights(network):
        now = attribute("gradient x input", subject, pair)
        assert np.abs(now.image).max() > 0, "the network still says something"
        seen[block] = agreement(pair, maps, now)
    assert tuple(seen) == BLOCKS
    assert agreement(pair, maps, maps) == pytest.approx(1) and abs(seen["N2_i"]) < 0.5
    assert all(np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True))


def test_every_weight_belongs_to_a_block(network: keras.Model) -> None:
    kept = network.get_weights()
    for _ in randomise_weights(network):
        last = network.get_weights()
    changed = [not np.array_equal(a, b) for a, b in zip(kept, last, strict=True)]
    kernels = [a.ndim > 1 for a in kept]  # biases and normalisation start from constants
    assert all(c for c, kernel in zip(changed, kernels, strict=True) if kernel)


def _comparing(run: Run, *methods: str) -> Run:
    """The run with a profile that compares these methods; none stands for all."""
    return replace(run, profile=replace(run.profile, faithfulness_methods=methods))


def test_a_profile_compares_the_methods_that_it_names(built_run: Run) -> None:
    some = _comparing(built_run, "random", "Grad-CAM", EXACT)
    assert choose_methods(some) == (EXACT, "Grad-CAM", "random")  # in the order of the table
    assert choose_methods(_comparing(built_run)) == tuple(METHODS)


@pytest.mark.parametrize("name", settings.PROFILES)
def test_every_profile_names_methods_that_there_are_and_the_exact_one(name: str) -> None:
    asked = settings.profile(name).faithfulness_methods
    assert set(asked) <= set(METHODS) and (EXACT in asked or not asked)


def test_only_the_methods_of_the_profile_are_scored(tiny_run: Run) -> None:
    some = _comparing(tiny_run, "random", EXACT)
    found = evaluate_methods(some, samples=1, perturbed=0, randomised=1, depth=2)
    for table in ("scores", "words", "randomised"):
        if len(found[table]):
            assert set(found[table]["method"]) - {CEILING} == {EXACT, "random"}


def test_everything_is_scored_on_a_run(tiny_run: Run) -> None:
    every = _comparing(tiny_run)
    found = evaluate_methods(every, samples=2, perturbed=1, randomised=1, depth=2)
    scores = found["scores"]
    assert set(scores["method"]) <= {*METHODS, CEILING} and np.isfinite(scores["value"]).all()
    assert {"seconds", "evaluations", "gini", "sensitivity", "MuFidelity", "deletion"} <= set(
        scores["measure"]
    )
    last = found["randomised"].query(f"block == {BLOCKS[-1]!r}").set_index("method")["value"]
    alone = scores[scores["measure"] == "random weights"].set_index("method")
    assert alone["value"].to_dict() == last.to_dict() and set(alone["part"]) == {"joint"}
    assert set(scores["measure"]) <= set(MEASURES)
    counts = (
        scores[scores["method"] != CEILING]
        .groupby(["measure", "part"])["method"]
        .value_counts()
        .unstack()
    )
    assert (counts.nunique(axis=1) == 1).all(), "all methods are scored on the same samples"
    assert len(found["randomised"]) == len(BLOCKS) * len(METHODS)
    assert len(found["curves"]) == len(METHODS) * 3 * 2 * len(FRACTIONS)
    table = tabulate_scores(summarise_scores(scores))
    assert (
        list(table)[: len(METHODS)] == list(METHODS)
        and ("deletion", "joint", "less", 1) in table.index
    )
    assert len(table) == len(scores.groupby(["measure", "part"])), "everything is in it"
    assert list(table.index.unique("measure")) == [
        name for name in MEASURES if name in set(scores["measure"])
    ]
    assert table.loc[("gini", "image", "", 2), "owen"]["n"] == 2
    scored = scores.groupby(["measure", "part", "method"]).size().unstack().notna()
    filled = table.notna().droplevel(["better", "n"])
    assert (filled == scored.loc[filled.index, filled.columns]).all(axis=None)
    page = fold(table, scores, "All scores", "scores.csv").data
    assert "\n[" in page and list_unkeyed(page) == []
    assert "evaluations; owen; explained, joint; score; this run" in page


def test_without_truth_nothing_is_localised(
    labelled_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_model(labelled_run, "fused")
    two = {name: METHODS[name] for name in ("random", EXACT)}
    monkeypatch.setattr("sierbook.faithfulness.scores.METHODS", two)
    found = evaluate_methods(labelled_run, samples=1, perturbed=1, randomised=0, depth=2)
    scores = found["scores"]
    assert not {"share", "pointing", "emotion word first"} & set(scores["measure"])
    assert found["words"].empty
    assert set(value_modalities(labelled_run)["teachers"]) == {"not asked"}
    # What a modality is worth is told by the exact method, wherever it stands in the list.
    subject, drawn = draw_samples(labelled_run, 1)
    exact = attribute(EXACT, subject, drawn[0], depth=2)
    effects = scores[scores["part"] == "image"].groupby("method")["effect"].unique()
    assert {float(effect) for each in effects for effect in each} == {float(exact.image.sum())}


def test_more_evaluations_bring_a_map_closer(tiny_run: Run) -> None:
    table = measure_convergence(tiny_run, samples=1, depth=3)
    owen = table[table["method"] == "owen"].sort_values("evaluations")
    assert owen["largest"].iloc[-1] <= owen["largest"].iloc[0] and owen["largest"].iloc[-1] < 1e-6
    assert (table["largest"] >= table["mean"]).all() and table["standard error"].notna().any()
    assert owen["undivided"].iloc[0] > 0 and owen["undivided"].iloc[-1] == 0
    assert table.loc[table["method"] == "sampled", "undivided"].isna().all()


def test_intervals_and_differences() -> None:
    scores = made_up_scores()
    ahead = compare_methods(scores, "share", "image", "owen", "random")
    assert [ahead[key] for key in ("value", "low", "high")] == pytest.approx([0.1] * 3)
    assert ahead["n"] == 20
    table = summarise_scores(scores).set_index("method")
    assert table.loc["owen", "low"] < table.loc["owen", "mean"] < table.loc["owen", "high"]


def test_owen_is_held_against_methods_that_know_nothing_of_the_network() -> None:
    scores = made_up_scores().assign(measure="share, same regions")
    edges = scores[scores["method"] == "random"].assign(method="edges, no model")
    rows = compare_with_blind(pd.concat([scores, edges]))
    assert [(row["part"], row["rival"]) for row in rows] == [("image", name) for name in BLIND]
    for row in rows:
        ends = [row["ahead"][key] for key in ("value", "low", "high")]
        assert ends == pytest.approx([0.1] * 3) and row["ahead"]["n"] == 20
        assert row["share"] == pytest.approx(0.6, abs=0.1) and row["chance"] == pytest.approx(0.2)
    assert compare_with_blind(made_up_scores()) == []  # nothing of this measure
    assert compare_with_blind(scores[scores["id"] < FEWEST - 1]) == []


def test_a_recorded_summary_gives_the_table_that_it_was_made_of() -> None:
    summary = summarise_scores(made_up_scores())
    kept = {"scores": as_records(summary, mean=("low", "high"))}
    again = read_summary(json.loads(json.dumps(kept)))
    pd.testing.assert_frame_equal(again[list(summary)], summary)
    pd.testing.assert_frame_equal(tabulate_scores(again), tabulate_scores(summary))
    assert read_summary({}).empty
