"""Measures with known answers: a linear model whose true map is known, perfect and useless maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from sierbook import sentences
from sierbook.faithfulness.measures import (
    DRAWS,
    FRACTIONS,
    PARTS,
    REMOVED,
    agreement,
    at_grain,
    curves,
    emotion_first,
    fidelity,
    gini,
    localise,
    removals,
    sensitivity,
    word_values,
)
from sierbook.faithfulness.modalities import compare_base_values, value_modalities
from sierbook.faithfulness.rivals import (
    CEILING,
    IG_SHARES,
    METHODS,
    Maps,
    Sample,
    Subject,
    _chain,
    attribute,
)
from sierbook.faithfulness.scores import (
    BLOCKS,
    MEASURES,
    compare_methods,
    draw_samples,
    evaluate_methods,
    measure_convergence,
    randomise_weights,
    summarise_scores,
    tabulate_scores,
)
from sierlib import settings
from sierlib.experiment.train import train_model
from sierlib.explorer import listening
from sierlib.networks.parallelnet import parallel_net
from sierlib.run import Run

SIZE = 32
SAD = settings.CLASSES.index("sad")


def linear(weights: dict[str, np.ndarray]) -> Callable[[dict[str, np.ndarray]], np.ndarray]:
    """A score that is a weighted sum of the pixels, as the last of four classes."""

    def model(given: dict[str, np.ndarray]) -> np.ndarray:
        score = sum(
            np.einsum("nhwc,hw->n", given[m].astype(float), weights[m]) for m in ("speech", "image")
        )
        return np.stack([np.zeros_like(score)] * 3 + [score], axis=1)

    return model


@pytest.fixture
def sample() -> Sample:
    rng = np.random.default_rng(0)
    speech, image = (rng.uniform(0.1, 1, (SIZE, SIZE, c)).astype(np.float32) for c in (1, 3))
    speech[:, 28:] = 0  # silence behind the speech
    return Sample("toy", speech, image, SAD)


@pytest.fixture
def weights() -> dict[str, np.ndarray]:
    """Constant within the quarters of the grid, so that a division of depth 4 can express them."""
    rng = np.random.default_rng(1)
    return {
        "speech": np.repeat(rng.normal(size=(1, 16)), 2, axis=1).repeat(SIZE, axis=0),
        "image": np.kron(rng.normal(size=(4, 4)), np.ones((8, 8))),
    }


@pytest.fixture
def true_maps(sample: Sample, weights: dict[str, np.ndarray]) -> Maps:
    return Maps(
        *(getattr(sample, m).sum(axis=-1).astype(float) * weights[m] for m in ("speech", "image"))
    )


def planted(**given: Any) -> dict[str, Any]:
    speech = {
        "emotion": "sad",
        "emotion_times": [[0.2, 0.4]],
        "emotion_words": [1],
        "confuser_words": [2],
    }
    words = [["so", 0.0, 0.2], ["sad", 0.2, 0.4], ["glad", 0.4, 0.6], ["today", 0.6, 1.0]]
    truth = {
        "speech": {**speech, "words": words},
        "image": {"emotion": "sad", "boxes": [[8, 4, 16, 12]]},
    }
    return {m: truth[m] | given.get(m, {}) for m in truth}


def perfect() -> Maps:
    speech, image = np.zeros((SIZE, SIZE)), np.zeros((SIZE, SIZE))
    speech[:, 4:8], image[4:12, 8:16] = 1, 1  # 0.2 to 0.4 s; rows 4 to 11 of columns 8 to 15
    return Maps(speech, image)


# ------------------------------------------------------------------------------------------ the
# grid
def test_units_cover_what_can_be_heard_and_seen(sample: Sample) -> None:
    assert sample.spoken == 28
    assert (
        list(np.unique(sample.units["speech"])) == [-1, *range(14)]
        and (sample.units["speech"][:, 28:] == -1).all()
    )
    assert (
        sample.areas("speech").tolist() == [64] * 14 and sample.areas("image").tolist() == [64] * 16
    )
    assert sample.sums("image", perfect().image).sum() == 64


def test_masks_keep_what_is_present_and_nothing_else(sample: Sample) -> None:
    present = np.eye(14, dtype=bool)[:1]
    masked = sample.masked("speech", present)[0]
    assert np.array_equal(masked[:, :2], sample.speech[:, :2]) and not masked[:, 2:].any()
    assert np.array_equal(sample.masked("image", np.ones((1, 16), bool))[0], sample.image)


def test_silence_throughout_has_one_unit() -> None:
    silent = Sample(
        "mute", np.zeros((SIZE, SIZE, 1), np.float32), np.ones((SIZE, SIZE, 3), np.float32), 0
    )
    assert len(silent.areas("speech")) == 1


# ------------------------------------------------------------------------------------------ methods
@pytest.mark.parametrize(
    "method", ["owen", "sampled", "published", "occlusion", "shap, each modality"]
)
def test_methods_find_the_map_of_a_linear_model(
    method: str, sample: Sample, weights: dict[str, np.ndarray], true_maps: Maps
) -> None:
    found = attribute(method, Subject(linear(weights)), sample, depth=4)
    assert found.evaluations > 0 and found.seconds > 0
    for m in ("speech", "image"):
        if m == "speech" and method.startswith("shap"):
            continue  # it divides frequency as well, so that steps of time are out of this budget's reach
        true, given = (sample.sums(m, getattr(maps, m)) for maps in (true_maps, found))
        # Windows of occlusion overlap, so that its map is smoothed.
        assert np.corrcoef(true, given)[0, 1] > (0.6 if method == "occlusion" else 0.95)
        if method in ("owen", "sampled", "published"):
            assert getattr(found, m).sum() == pytest.approx(true.sum(), abs=1e-3)


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """A ParallelNet that has learned nothing, moved off its starting point so that normalisation
    does something."""
    keras.utils.set_random_seed(0)
    return parallel_net("smoke")


@pytest.fixture(scope="module")
def pair() -> Sample:
    rng = np.random.default_rng(0)
    speech, image = (rng.uniform(0.1, 1, (128, 128, c)).astype(np.float32) for c in (1, 3))
    return Sample("pair", speech, image, 1)


def test_gradients_add_up_along_the_path(network: keras.Model, pair: Sample) -> None:
    subject = Subject(network)
    found = attribute("integrated gradients", subject, pair)
    nothing, whole = subject(
        np.stack([0 * pair.speech, pair.speech]), np.stack([0 * pair.image, pair.image])
    )[:, 1]
    assert found.speech.sum() + found.image.sum() == pytest.approx(whole - nothing, rel=0.05)
    assert found.evaluations == len(IG_SHARES)


def test_gradient_is_that_of_differences(network: keras.Model, pair: Sample) -> None:
    subject, step = Subject(network), 1e-2
    slope = subject.gradients(pair.speech[None], pair.image[None], 1)["speech"][0]
    direction = (slope / np.linalg.norm(slope)).astype(np.float32)
    speech = np.stack([pair.speech + step * direction, pair.speech - step * direction])
    scores = subject(speech, np.stack([pair.image, pair.image]))[:, 1]
    assert (scores[0] - scores[1]) / (2 * step) == pytest.approx(np.linalg.norm(slope), rel=0.05)


def test_grad_cam_sees_what_the_network_computes(network: keras.Model, pair: Sample) -> None:
    subject = Subject(network)
    small = subject.cam(pair.speech, pair.image, 1)
    assert {m: value.shape for m, value in small.items()} == {"speech": (8, 8), "image": (8, 8)}
    assert all(value.min() >= 0 for value in small.values())
    # The map is weight x activation: taking N2 apart layer by layer must give what the model gives.
    n2 = network.get_layer("N2_i")
    x = pair.image[None]
    for layer in _chain(n2):
        x = layer(x)
    assert np.allclose(x, n2(pair.image[None]), atol=1e-5)


def test_random_maps_repeat_by_sample_and_seed(sample: Sample) -> None:
    maps = [attribute("random", Subject(None), sample, seed=seed).image for seed in (0, 0, 1)]
    assert np.array_equal(maps[0], maps[1]) and not np.allclose(maps[0], maps[2])


# ------------------------------------------------------------------------------------------
# measures
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
    coarse = at_grain(perfect(), 2)  # quarters
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
    assert emotion_first(words) == 1
    assert emotion_first([word | {"value": 0.0} for word in words]) == 0.5
    assert emotion_first(words[:1]) is None


# ------------------------------------------------------------------------------------------ random
# weights
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


# ------------------------------------------------------------------------------------------ all of
# it
def test_everything_is_scored_on_a_run(tiny_run: Run) -> None:
    found = evaluate_methods(tiny_run, samples=2, perturbed=1, randomised=1, depth=2)
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
    table = tabulate_scores(scores)
    assert (
        list(table)[: len(METHODS)] == list(METHODS)
        and ("deletion", "joint", "less", 1) in table.index
    )
    assert len(table) == len(scores.groupby(["measure", "part"])), "everything is in it"
    assert list(table.index.unique("measure")) == [
        name for name in MEASURES if name in set(scores["measure"])
    ]
    assert table.loc[("gini", "image", "", 2), "owen"].count("\n") == 1 and not table.isna().any(
        axis=None
    )


def test_without_truth_nothing_is_localised(
    labelled_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_model(labelled_run, "fused")
    monkeypatch.setattr(
        "sierbook.faithfulness.scores.METHODS", {name: METHODS[name] for name in ("owen", "random")}
    )
    found = evaluate_methods(labelled_run, samples=1, perturbed=1, randomised=0, depth=2)
    assert not {"share", "pointing", "emotion word first"} & set(found["scores"]["measure"])
    assert found["words"].empty and sentences.judge_rivals(found["scores"], ["random"]) == []
    assert set(value_modalities(labelled_run)["teachers"]) == {"not asked"}


def test_more_evaluations_bring_a_map_closer(tiny_run: Run) -> None:
    table = measure_convergence(tiny_run, samples=1, depth=3)
    owen = table[table["method"] == "owen"].sort_values("evaluations")
    assert owen["largest"].iloc[-1] <= owen["largest"].iloc[0] and owen["largest"].iloc[-1] < 1e-6
    assert (table["largest"] >= table["mean"]).all() and table["standard error"].notna().any()
    assert owen["undivided"].iloc[0] > 0 and owen["undivided"].iloc[-1] == 0
    assert table.loc[table["method"] == "sampled", "undivided"].isna().all()


def test_modalities_add_up(tiny_run: Run) -> None:
    table = value_modalities(tiny_run, at_once=5)
    subject, drawn = draw_samples(tiny_run, 1)
    found = attribute("owen", subject, drawn[0], depth=1)
    row = table.set_index("id").loc[drawn[0].id]
    assert [row["speech"], row["image"]] == pytest.approx(
        [found.speech.sum(), found.image.sum()], abs=1e-5
    )
    assert table["share"].between(0, 1).all() and set(table["teachers"]) <= {"agree", "differ"}
    bases = compare_base_values(tiny_run, table)
    assert list(bases.index) == list(settings.CLASSES) and bases[
        "silence and black"
    ].sum() == pytest.approx(1)
    assert bases["rows"].sum() == len(table)
    explained = (table["speech"] + table["image"]).to_numpy()
    np.testing.assert_allclose(
        explained,
        table["value"] - bases["silence and black"][table["predicted"]].to_numpy(),
        atol=1e-5,
    )


def test_maps_of_a_modality_against_its_class_are_counted() -> None:
    base = pd.Series({"anger": 0.04, "happy": 0.02, "hate": 0.05, "sad": 0.89})
    rows = [
        {
            "id": i,
            "method": method,
            "part": part,
            "measure": measure,
            "effect": effect,
            "value": 0.3,
        }
        for part, effects in (("image", (-0.24, -0.02, 0.6)), ("speech", (0.05, -0.11)))
        for i, effect in enumerate(effects)
        for measure in ("share", "pointing")
        for method in ("owen", "random")
    ]
    said = sentences.describe_base_values(pd.DataFrame(rows), base)
    assert "**sad** with 0.89" in said and "at most 0.11" in said
    assert said.endswith(
        "speaks *against* the class in 2 of 3 of the image and in 1 of 2 of the speech."
    )
    assert "Of the maps" not in sentences.describe_base_values(
        pd.DataFrame(rows).query("method == 'random'"), base
    )


def test_intervals_and_differences() -> None:
    rng = np.random.default_rng(0)
    rows = [
        {
            "id": i,
            "method": method,
            "part": "image",
            "measure": "share",
            "value": base + noise,
            "chance": 0.2,
        }
        for i, noise in enumerate(rng.normal(0, 0.1, 20))
        for method, base in (("owen", 0.6), ("sampled", 0.5), ("random", 0.5))
    ]
    scores = pd.DataFrame(rows)
    mean, low, high = compare_methods(scores, "share", "image", "owen", "random")
    assert mean == pytest.approx(0.1) and low == pytest.approx(0.1) and high == pytest.approx(0.1)
    said = sentences.judge_rivals(scores, ["random"])
    assert "clearly above random" in said[0] and "no clear difference to random" in said[1]
    assert "too few to compare" in sentences.judge_rivals(scores[scores["id"] < 4], ["random"])[0]
    table = summarise_scores(scores).set_index("method")
    assert table.loc["owen", "low"] < table.loc["owen", "mean"] < table.loc["owen", "high"]
