"""Measures with known answers: a linear model whose true map is known, perfect and useless maps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sierbook.faithfulness.measures import (
    DRAWS,
    PARTS,
    REMOVED,
    coarsen,
    curves,
    emotion_word_first,
    fidelity,
    gini,
    localise,
    removals,
    sensitivity,
    word_values,
)
from sierbook.faithfulness.rivals import Maps, Sample, Subject, attribute
from sierlib.explorer import listening
from tests.sierbook.faithfulness.toys import SIZE, linear, perfect, planted


def test_the_true_map_deletes_fastest_and_inserts_fastest(
    sample: Sample, weights: dict[str, np.ndarray], true_maps: Maps
) -> None:
    subject = Subject(linear(weights))
    true = curves(subject, sample, true_maps)
    for seed in range(5):
        other = curves(subject, sample, attribute("random", subject, sample, seed=seed))
        for part in PARTS:
            assert (true[part]["deletion"] <= other[part]["deletion"] + 1e-3).all()
            assert (true[part]["insertion"] >= other[part]["insertion"] - 1e-3).all()
    both = true["joint"]
    assert both["deletion"][-1] == both["insertion"][0] == pytest.approx(0, abs=1e-6)
    assert (
        both["deletion"][0]
        == both["insertion"][-1]
        == pytest.approx(true_maps.speech.sum() + true_maps.image.sum(), abs=1e-2)
    )


def test_a_linear_model_is_explained_without_infidelity(
    sample: Sample, weights: dict[str, np.ndarray], true_maps: Maps
) -> None:
    subject = Subject(linear(weights))
    gone, fell = removals(subject, sample)
    assert gone.shape == (DRAWS, 30) and set(gone.sum(axis=1)) == {round(30 * REMOVED)}
    sums = np.concatenate([sample.sums(m, getattr(true_maps, m)) for m in ("speech", "image")])
    found = fidelity(gone, fell, sums)
    assert found["MuFidelity"] == pytest.approx(1) and found["infidelity"] == pytest.approx(
        0, abs=1e-6
    )
    assert fidelity(gone, fell, 7 * sums) == pytest.approx(found, abs=1e-9), "units do not count"
    assert fidelity(gone, fell, -sums)["MuFidelity"] == pytest.approx(-1)
    assert fidelity(gone, fell, np.zeros(30)) == {"MuFidelity": 0.0, "infidelity": 1.0}


def test_gini_of_one_and_of_all() -> None:
    assert gini(np.eye(1, 100)) == pytest.approx(0.99)
    assert gini(np.full(100, -3.0)) == pytest.approx(0) and gini(np.zeros(9)) == 0


def test_noise_changes_nothing_where_nothing_depends_on_it(
    sample: Sample, weights: dict[str, np.ndarray]
) -> None:
    subject = Subject(linear(weights))
    for method, low, high in (("random", 0, 0), ("owen", 1e-5, 0.1)):
        maps = attribute(method, subject, sample)
        assert low <= sensitivity(subject, method, sample, maps, 4) <= high


def test_a_perfect_map_is_localised_perfectly(sample: Sample) -> None:
    rows = pd.DataFrame(localise(sample, perfect(), planted()))
    assert (
        rows["part"].tolist() == ["speech", "speech", "image", "image"]
        and (rows["value"] == 1).all()
    )
    assert rows["chance"].tolist() == pytest.approx([4 / 28] * 2 + [64 / 1024] * 2)


def test_the_same_regions_bring_the_same_limit(sample: Sample) -> None:
    coarse = coarsen(perfect(), 2)  # quarters
    assert coarse.image.sum() == pytest.approx(64) and len(np.unique(coarse.image)) == 2
    shares = {row["part"]: row["value"] for row in localise(sample, coarse, planted())}
    # The box of 8 x 8 lies in one quarter of 16 x 16; four frames lie in one quarter of eight.
    assert shares == pytest.approx({"speech": 4 / 8, "image": 64 / 256})


def test_a_flat_map_is_localised_by_chance_and_an_opposite_one_not_at_all(sample: Sample) -> None:
    flat = Maps(np.ones((SIZE, SIZE)), np.ones((SIZE, SIZE)))
    opposite = Maps(1 - perfect().speech, 1 - perfect().image)
    for row in localise(sample, flat, planted()):
        assert row["value"] == pytest.approx(row["chance"])
    assert all(row["value"] == 0 for row in localise(sample, opposite, planted()))


def test_a_modality_counts_only_where_its_emotion_is_explained(sample: Sample) -> None:
    other = planted(speech={"emotion": "happy"})
    assert {row["part"] for row in localise(sample, perfect(), other)} == {"image"}
    assert word_values(sample, perfect(), other) == []
    nothing = planted(speech={"emotion": None, "emotion_times": []}, image={"boxes": []})
    assert localise(sample, perfect(), nothing) == []


def test_words_have_their_roles_and_values(sample: Sample) -> None:
    words = word_values(sample, perfect(), planted())
    assert [word["role"] for word in words] == ["neutral", "emotion", "confuser", "neutral"]
    assert [word["value"] for word in words] == pytest.approx(
        [0, SIZE / listening.FRAME_SECONDS, 0, 0]
    )
    assert emotion_word_first(words) == 1
    assert emotion_word_first([word | {"value": 0.0} for word in words]) == 0.5
    assert emotion_word_first(words[:1]) is None
