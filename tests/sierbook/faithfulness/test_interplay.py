"""What speech and picture say only together, held against what was planted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sierbook.faithfulness import interplay
from sierbook.faithfulness.interplay import (
    choose_units,
    cover,
    evaluate_oracles,
    evaluate_pairs,
    follow,
    is_planted,
    make_oracle,
    measure_shares,
    point,
    share_of_interaction,
    study_network,
    study_oracles,
)
from sierbook.faithfulness.rivals import Sample, Subject
from sierlib.data.speech import Word
from sierlib.experiment.train import train_model
from sierlib.run import Run
from sierlib.shapley import interactions

SIZE = 64


def made_up(seed: int) -> tuple[Sample, dict[str, Any]]:
    """A sample in which a word or two and an object carry what was planted."""
    rng = np.random.default_rng(seed)
    speech, image = (rng.uniform(0.1, 1, (SIZE, SIZE, c)).astype(np.float32) for c in (1, 3))
    edges = np.sort(rng.choice(np.arange(1, 31), 5, replace=False)) * 0.2
    words = [
        (f"word {number}", float(start), float(end))
        for number, (start, end) in enumerate(zip([0.0, *edges], [*edges, 6.2], strict=True))
    ]
    left, top = rng.integers(0, SIZE - 20, 2).tolist()
    planted = {
        "relation": "together",
        "emotion": "sad",
        "speech": {
            "emotion": "sad",
            "words": words,
            "emotion_words": sorted(rng.choice(6, rng.integers(1, 3), replace=False).tolist()),
        },
        "image": {"emotion": "hate", "boxes": [[left, top, left + 18, top + 16]]},
    }
    return Sample(f"made-up-{seed}", speech, image, 0), planted


@pytest.fixture(scope="module")
def several() -> tuple[list[Sample], dict[str, Any]]:
    pairs = [made_up(seed) for seed in range(12)]
    return [sample for sample, _ in pairs], {sample.id: truth for sample, truth in pairs}


def test_a_known_model_is_found_to_be_what_it_is(
    several: tuple[list[Sample], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interplay, "EVALS", 2_000)
    table = evaluate_oracles(*several)
    jointly, aside = (table[table["model"] == name] for name in ("jointly", "side by side"))
    assert jointly["hit"].mean() > 0.9 > 0.4 > jointly["chance"].mean()
    assert jointly["share"].min() > 0.8
    assert aside["share"].max() < 0.02


def test_single_values_do_not_find_what_acts_together(
    several: tuple[list[Sample], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interplay, "EVALS", 2_000)
    sample, planted = several[0][0], several[1]
    found = evaluate_pairs(
        Subject(make_oracle(sample, planted[sample.id], True)), [sample], planted
    )
    scores = found["following"].set_index(["kind", "ranking"])["score"]
    assert scores["insertion", "pairs"] > scores["insertion", "random"]
    assert scores["deletion", "pairs"] < scores["deletion", "random"]
    assert found["pointing"]["hit"].tolist() == [1]


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4))
def test_a_share_is_a_share(scores: list[float]) -> None:
    f = np.array(scores).reshape(2, 2)
    share = float(share_of_interaction(f))
    assert 0 <= share <= 1
    assert share == pytest.approx(float(share_of_interaction(f.T)))
    f[1, 1] = f[1, 0] + f[0, 1] - f[0, 0]  # side by side
    if np.ptp(f) > 1e-6:
        assert float(share_of_interaction(f)) == pytest.approx(0, abs=1e-6)


def test_words_behind_the_window_are_no_units() -> None:
    words = [("so", 0.0, 0.2), ("sad", 0.2, 0.4), ("late", 6.5, 6.9), ("gone", 0.5, 0.5)]
    planted = {"speech": {"words": words, "emotion_words": [1, 2]}, "image": {"boxes": [[0] * 4]}}
    assert choose_units(planted) == ([Word("so", 0.0, 0.2), Word("sad", 0.2, 0.4)], [1])
    assert is_planted({"a": planted}, "a") and not is_planted({"a": planted}, "b")
    planted["speech"]["emotion_words"] = [2]
    assert not is_planted({"a": planted}, "a")


def test_regions_are_on_what_covers_them() -> None:
    found = interactions(
        lambda x: x["speech"].mean(axis=(1, 2)), np.ones((8, 8, 1)), np.ones((8, 8, 3)), units=2,
        grid=(2, 2),
    )  # fmt: skip
    assert cover(found, {"image": {"boxes": [[4, 0, 8, 4]]}}).tolist() == [
        False,
        True,
        False,
        False,
    ]
    # A small one counts where most of it is.
    assert cover(found, {"image": {"boxes": [[3, 6, 5, 7]]}}).tolist() == [False, False, True, True]
    assert not cover(found, {"image": {"boxes": []}}).any()
    strongest = replace(found, values=np.array([[[0, 0.1], [0, 0]], [[0, -0.3], [0.2, 0]]]))
    game = point(strongest, [1], np.array([False, True, False, False]))
    assert game == {"hit": 1.0, "word": True, "region": True, "chance": 0.125}
    assert point(strongest, [0], np.array([True, True, False, False]))["hit"] == 0


def test_pairs_are_removed_and_brought_back() -> None:
    boxes = {"speech": [(0, 4, 0, 2), (0, 4, 2, 4)], "image": [(0, 2, 0, 4), (2, 4, 0, 4)]}
    sample = Sample("one", np.ones((4, 4, 1), np.float32), np.ones((4, 4, 3), np.float32), 0)

    def model(x: dict[str, np.ndarray]) -> np.ndarray:
        return x["speech"].mean(axis=(1, 2)) * x["image"].mean(axis=(1, 2, 3))[:, None]

    found = follow(Subject(model), sample, boxes, np.array([[3, 2], [1, 0]]))
    assert found["deletion"] == pytest.approx([1, 0.25, 0, 0, 0, 0])
    assert found["insertion"] == pytest.approx([0, 0.25, 0.5, 1, 1, 1])


@pytest.mark.slow
def test_a_run_is_studied(tiny_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interplay, "EVALS", 700)
    table = measure_shares(tiny_run)
    assert set(table["relation"]) <= {"agree", "conflict", "neutral"}
    assert table[["share", "share of log-odds"]].to_numpy().min() >= 0
    found, oracles = study_network(tiny_run, samples=4), study_oracles(tiny_run, samples=4)
    assert set(found["shares"]) == {"all", *table["relation"]}
    assert found["shares"]["all"]["share"]["n"] == len(table)
    assert 0 < found["pointing"]["chance"] < 1
    assert set(found["following"]) == {"pairs", "single values", "random"}
    assert oracles["jointly"]["share"]["value"] > 0.8
    assert oracles["side by side"]["share"]["value"] < 0.02


def test_of_a_corpus_without_truth_only_shares_are_known(labelled_run: Run) -> None:
    train_model(labelled_run, "fused")
    found = study_network(labelled_run, samples=2)
    assert set(found["shares"]) == {"all", "unknown"}
    assert found["pointing"] == found["following"] == study_oracles(labelled_run, samples=2) == {}
