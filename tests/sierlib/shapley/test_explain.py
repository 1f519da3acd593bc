"""What is known of explanations without the code that computes them, and what is refused."""

from __future__ import annotations

import time
from itertools import product
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sierlib.settings import CLASSES
from sierlib.shapley.explain import METHODS, explain
from tests.sierlib.shapley.toys import (
    IMAGE,
    SPEECH,
    curved,
    inside,
    linear,
    never,
    toy_model,
    values,
    weights,
)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("split", ["time", "longest"])
def test_linear_model_gets_its_terms(method: str, split: str) -> None:
    w = weights(3)
    found = explain(linear(w), SPEECH, IMAGE, method=method, depth=3, speech_split=split, target=2)
    terms = {"speech": SPEECH * w["speech"][..., 2], "image": IMAGE * w["image"][..., 2]}
    for level in found.levels:
        for region in level:
            assert region.value == pytest.approx(
                inside(terms[region.modality], region).sum(), abs=1e-12
            )
    assert found.base_value == 0
    assert found.interaction == pytest.approx(0, abs=1e-12)


def test_two_players_are_plain_shapley() -> None:
    model = curved(5)
    f = {
        (s, i): model({"speech": s * SPEECH[None], "image": i * IMAGE[None]})[0, 1]
        for s, i in product((0, 1), (0, 1))
    }
    found = explain(model, SPEECH, IMAGE, depth=0, target=1)
    assert found.speech_value == pytest.approx(
        (f[1, 0] - f[0, 0] + f[1, 1] - f[0, 1]) / 2, abs=1e-12
    )
    assert found.image_value == pytest.approx(
        (f[0, 1] - f[0, 0] + f[1, 1] - f[1, 0]) / 2, abs=1e-12
    )
    assert found.interaction == pytest.approx(f[1, 1] - f[1, 0] - f[0, 1] + f[0, 0], abs=1e-12)
    assert (found.n_evals, len(found.levels)) == (4, 1)


@pytest.mark.parametrize("method", ["owen", "sampled"])
def test_dummy_modality_gets_nothing(method: str) -> None:
    model = curved(11)
    deaf = explain(
        lambda x: model({**x, "speech": 0 * x["speech"]}), SPEECH, IMAGE, depth=3, method=method
    )
    assert np.abs(deaf.speech_map).max() < 1e-9
    assert deaf.image_value == pytest.approx(deaf.value - deaf.base_value, abs=1e-9)


def test_dummy_modality_gets_nothing_through_keras(
    toy_sample: tuple[np.ndarray, np.ndarray],
) -> None:
    deaf = toy_model(seed=4)
    for name in ("N1_s", "N2_s"):
        deaf.get_layer(name).set_weights([0 * w for w in deaf.get_layer(name).get_weights()])
    assert np.abs(explain(deaf, *toy_sample, depth=2).speech_map).sum() < 1e-6


def test_symmetry_of_identical_halves() -> None:
    model = curved(13)
    twins = np.concatenate([SPEECH[:, :4], SPEECH[:, :4]], axis=1)

    def blind_to_order(x: dict[str, np.ndarray]) -> np.ndarray:
        a = x["speech"]
        swapped = np.concatenate([a[:, :, 4:], a[:, :, :4]], axis=2)
        return model(x) + model({**x, "speech": swapped})

    found = explain(blind_to_order, twins, IMAGE, depth=3)
    first, second = values(found, 3, "speech").reshape(2, 4)
    np.testing.assert_allclose(first, second, rtol=0, atol=1e-12)
    assert np.abs(first).min() > 1e-6


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    a=st.floats(-2, 2),
    b=st.floats(-2, 2),
    method=st.sampled_from(METHODS),
)
def test_linearity_in_the_model(seed: int, a: float, b: float, method: str) -> None:
    f, g = curved(seed), curved(seed + 2)
    both, one, two = (
        explain(model, SPEECH, IMAGE, depth=2, method=method, target=0)
        for model in (lambda x: a * f(x) + b * g(x), f, g)
    )
    for name in ("speech_map", "image_map"):
        expected = a * getattr(one, name) + b * getattr(two, name)
        np.testing.assert_allclose(getattr(both, name), expected, rtol=0, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    height=st.integers(4, 9),
    width=st.integers(4, 9),
    depth=st.integers(0, 2),
    method=st.sampled_from(["owen", "sampled"]),
    split=st.sampled_from(["time", "longest"]),
    output=st.sampled_from(["probability", "logit"]),
    baseline=st.sampled_from(["zero", "blur"]),
    budget=st.one_of(st.none(), st.integers(30, 90)),
)
def test_every_level_of_every_class_adds_up(
    seed: int,
    height: int,
    width: int,
    depth: int,
    method: str,
    split: str,
    output: str,
    baseline: str,
    budget: int | None,
) -> None:
    rng = np.random.default_rng(seed)
    speech, image = rng.random((height, width, 1)), rng.random((height, width, 3))
    every = explain(
        curved(seed, (height, width)),
        speech,
        image,
        target="all",
        depth=depth,
        method=method,
        speech_split=split,
        output=output,
        baseline=baseline,
        max_evals=budget,
    )
    assert list(every) == list(CLASSES)
    for j, found in enumerate(every.values()):
        assert found.target == j
        assert len(found.levels) == depth + 1
        assert np.abs(found.gaps).max() < 1e-9
        assert found.speech_map.sum() + found.image_map.sum() == pytest.approx(
            found.value - found.base_value, abs=1e-9
        )
        for region in found.levels[-1]:
            mapped = found.speech_map if region.modality == "speech" else found.image_map
            assert inside(mapped, region).sum() == pytest.approx(region.value, abs=1e-12)
    if output == "probability":
        assert sum(found.value for found in every.values()) == pytest.approx(1)


def test_classes_share_evaluations() -> None:
    model = curved(15)
    every = explain(model, SPEECH, IMAGE, depth=3, target="all")
    for j, name in enumerate(CLASSES):
        alone = explain(model, SPEECH, IMAGE, depth=3, target=name)
        assert (alone.target, alone.n_evals) == (j, every[name].n_evals)
        np.testing.assert_allclose(alone.image_map, every[name].image_map, rtol=0, atol=1e-15)
    predicted = explain(model, SPEECH, IMAGE, depth=1)
    assert predicted.value == max(found.value for found in every.values())


def test_baselines() -> None:
    model = curved(19)
    half = {"speech": SPEECH / 2, "image": IMAGE / 2}
    found = explain(model, SPEECH, IMAGE, depth=2, target=0, baseline=half)
    assert found.base_value == pytest.approx(model({m: a[None] for m, a in half.items()})[0, 0])
    as_tuple = explain(model, SPEECH, IMAGE, depth=2, target=0, baseline=(SPEECH / 2, IMAGE / 2))
    np.testing.assert_array_equal(found.image_map, as_tuple.image_map)
    unchanged = explain(model, SPEECH, IMAGE, depth=2, baseline=(SPEECH, IMAGE))
    assert np.abs(unchanged.speech_map).max() == np.abs(unchanged.image_map).max() == 0


def test_a_blurred_baseline_of_any_float_type() -> None:
    model, dtypes = curved(19), []

    def spy(x: dict[str, np.ndarray]) -> np.ndarray:
        dtypes.extend(a.dtype for a in x.values())
        return model({m: a.astype(float) for m, a in x.items()})

    exact = explain(spy, SPEECH, IMAGE, depth=2, target=0, baseline="blur")
    for dtype in ("float32", "float16"):
        dtypes.clear()
        found = explain(
            spy, SPEECH.astype(dtype), IMAGE.astype(dtype), depth=2, target=0, baseline="blur"
        )
        assert set(dtypes) == {np.dtype(dtype)}
        np.testing.assert_allclose(found.image_map, exact.image_map, rtol=0, atol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_one_modality_alone(method: str) -> None:
    model = curved(31)
    found = explain(model, SPEECH, IMAGE, depth=2, target=0, modality="image", method=method)
    assert found.base_value == pytest.approx(
        model({"speech": SPEECH[None], "image": 0 * IMAGE[None]})[0, 0]
    )
    assert (found.speech_value, found.interaction) == (0, 0)
    assert {region.modality for level in found.levels for region in level} == {"image"}
    if method != "published":
        assert found.image_value == pytest.approx(found.value - found.base_value, abs=1e-12)


def test_progress_is_shown_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    explain(curved(37), SPEECH, IMAGE, depth=2, progress=True)
    assert "44/44" in capsys.readouterr().err
    explain(curved(37), SPEECH, IMAGE, depth=2)
    assert capsys.readouterr() == ("", "")


def test_a_progress_function_is_called_from_nothing_to_all() -> None:
    shares: list[float] = []
    explain(linear(weights(1)), SPEECH, IMAGE, depth=2, progress=shares.append)
    assert shares[0] == 0 and shares == sorted(shares) and shares[-1] == 1
    silent = np.zeros_like(SPEECH)  # half of the evaluations are the same
    shares.clear()
    explain(linear(weights(1)), silent, IMAGE, depth=2, progress=shares.append)
    assert shares[-1] == 1


def test_a_progress_function_is_called_ten_times_a_second_at_most() -> None:
    shares: list[float] = []

    def slow(x: dict[str, np.ndarray]) -> np.ndarray:
        time.sleep(0.01)
        return linear(weights(1))(x)

    start = time.monotonic()
    explain(slow, SPEECH, IMAGE, depth=2, batch_size=1, progress=shares.append)
    seconds = time.monotonic() - start
    assert 4 <= len(shares) <= 10 * seconds + 2
    assert 0 < shares[1] < shares[2] < 1


def with_nan() -> np.ndarray:
    broken = SPEECH.copy()
    broken[2, 3] = np.nan
    return broken


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"speech": SPEECH[..., 0]}, r"speech has shape \(8, 8\); expected \(height, width, 1\)"),
        ({"image": SPEECH}, r"image has shape \(8, 8, 1\); expected \(height, width, 3\)"),
        ({"image": (255 * IMAGE).astype("uint8")}, "image has dtype uint8; expected floats"),
        ({"image": IMAGE + 0j}, "image has dtype complex128; expected floats"),
        ({"speech": with_nan()}, "speech has 1 values that are NaN or infinite"),
        ({"image": 255 * IMAGE}, r"image has values from .* to .*; expected \[0, 1\]"),
        ({"speech": -SPEECH}, r"speech has values from -.* to -.*; expected \[0, 1\]"),
        ({"target": "joy"}, "target='joy'; expected one of anger, happy, hate, sad"),
        ({"target": -1}, "target=-1; expected a class number"),
        ({"target": 1.0}, "target=1.0; expected a class number"),
        ({"depth": 4}, "depth=4 is deeper than a single time step: 8 x 8 can be halved 3 times"),
        (
            {"depth": 7, "speech_split": "longest"},
            "depth=7 is deeper than a single pixel: 8 x 8 can be halved 6 times",
        ),
        ({"depth": -1}, "depth=-1; expected an integer of at least 0"),
        ({"depth": 2.0}, "depth=2.0; expected an integer"),
        ({"depth": None}, "depth=None; expected an integer"),
        ({"max_evals": 3}, "max_evals=3; expected an integer of at least 4"),
        (
            {"max_evals": 20, "method": "sampled"},
            "max_evals=20; expected 60 at least for method='sampled', depth=3",
        ),
        ({"max_evals": 20, "method": "published"}, "max_evals=20; expected 32 at least"),
        ({"batch_size": 0}, "batch_size=0; expected an integer of at least 1"),
        ({"method": "exact"}, "method='exact'; expected one of 'owen', 'sampled', 'published'"),
        (
            {"speech_split": "frequency"},
            "speech_split='frequency'; expected one of 'time', 'longest'",
        ),
        ({"output": "odds"}, "output='odds'; expected one of 'probability', 'logit'"),
        ({"modality": "text"}, "modality='text'; expected one of None, 'speech', 'image'"),
        ({"precision": "int8"}, "precision='int8'; expected one of None, 'bfloat16'"),
        ({"baseline": "noise"}, "baseline='noise'; expected 'zero', 'blur', or arrays"),
        (
            {"baseline": (SPEECH,)},
            "baseline is a tuple; expected 'zero', 'blur', a tuple of arrays",
        ),
        ({"baseline": {"speech": SPEECH}}, "baseline is a dict; expected"),
        ({"baseline": 0.0}, "baseline is a float; expected"),
        (
            {"baseline": (SPEECH[:4], IMAGE)},
            r"the baseline of speech has shape \(4, 8, 1\); expected \(8, 8, 1\)",
        ),
    ],
)
def test_bad_input_is_refused_before_any_evaluation(changes: dict[str, Any], message: str) -> None:
    arguments = {"speech": SPEECH, "image": IMAGE, "depth": 3, **changes}
    with pytest.raises(ValueError, match=message):
        explain(never, **arguments)


def test_too_many_evaluations_are_refused() -> None:
    speech, image = np.full((256, 256, 1), 0.5), np.full((256, 256, 3), 0.5)
    with pytest.raises(
        ValueError,
        match="depth=8 needs 174,764 evaluations; expected 50,000 at most unless max_evals",
    ):
        explain(never, speech, image, depth=8)


def test_classes_that_the_model_lacks() -> None:
    with pytest.raises(ValueError, match="target=4; expected a class number below 4"):
        explain(curved(41), SPEECH, IMAGE, depth=1, target=4)
    two = linear(weights(1, classes=2))
    with pytest.raises(
        ValueError, match="target='sad'; expected one of anger, happy, hate, sad of a model with"
    ):
        explain(two, SPEECH, IMAGE, depth=1, target="sad")
    assert list(explain(two, SPEECH, IMAGE, depth=1, target="all")) == [0, 1]


def test_several_outputs_are_refused(toy: keras.Model) -> None:
    model = keras.Model(toy.inputs, [toy.outputs[0], toy.get_layer("F_mul").output])
    with pytest.raises(ValueError, match="the model has 2 outputs; expected one"):
        explain(model, SPEECH, IMAGE, depth=1)


@pytest.mark.parametrize("modality", ["speech", "image"])
def test_a_keras_input_of_another_rank_is_refused(modality: str) -> None:
    shapes = {"speech": (8, 8, 1), "image": (8, 8, 3), modality: (8, 8)}
    inputs = {m: keras.Input(shape, name=m) for m, shape in shapes.items()}
    flat = [keras.layers.Flatten()(tensor) for tensor in inputs.values()]
    model = keras.Model(inputs, keras.layers.Dense(4)(keras.layers.Concatenate()(flat)))
    with pytest.raises(
        ValueError,
        match=rf"{modality} has shape \(8, 8, .\); expected \(8, 8\), as the model takes it",
    ):
        explain(model, SPEECH, IMAGE, depth=1)


def test_a_keras_output_that_is_no_score_of_classes_is_refused() -> None:
    speech, image = keras.Input((8, 8, 1), name="speech"), keras.Input((8, 8, 3), name="image")
    model = keras.Model([speech, image], keras.layers.Concatenate()([speech, image]))
    with pytest.raises(
        ValueError, match=r"output has shape \(None, 8, 8, 4\); expected \(n, classes\)"
    ):
        explain(model, SPEECH, IMAGE, depth=1)
