"""The networks: Fig. 1, Eq. 1 and Eq. 2, recomputed by hand."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from sierlib import networks, settings

RNG = np.random.default_rng(0)
BATCH = {
    "speech": RNG.random((3, 128, 128, 1), dtype=np.float32),
    "image": RNG.random((3, 128, 128, 3), dtype=np.float32),
}
NAMES = ("N1_s", "N2_s", "N1_i", "N2_i", "F_i", "F_s", "F_mul", "O_sp", "O_img", "O_mul", "late_fusion")


def _softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _branches(model: keras.Model) -> dict[str, keras.KerasTensor]:
    """What the four branches give, where the criss-cross takes it."""
    given = {}
    for name in ("F_i", "F_s"):
        given |= {tensor._keras_history.operation.name: tensor for tensor in model.get_layer(name).input}
    assert set(given) == set(NAMES[:4])
    return given


@pytest.fixture(scope="module")
def model(tiny_profile: settings.Profile) -> keras.Model:
    keras.utils.set_random_seed(0)
    return networks.parallel_net(tiny_profile)


@pytest.fixture(scope="module")
def inner(model: keras.Model) -> dict[str, np.ndarray]:
    """Outputs of the named layers for a batch."""
    outputs = {name: model.get_layer(name).output for name in NAMES[4:]}
    return keras.Model(model.inputs, {**outputs, **_branches(model), "y": model.output}).predict(BATCH, verbose=0)


def test_inputs_and_output_are_the_contracts(model: keras.Model) -> None:
    assert {tensor.name: tensor.shape for tensor in model.inputs} == {
        "speech": (None, 128, 128, 1), "image": (None, 128, 128, 3),
    }  # fmt: skip
    assert model.output.shape == (None, 4)
    scores = model.predict(BATCH, verbose=0)
    assert scores.dtype == np.float32 and (scores > 0).all()
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)


def test_the_criss_cross_is_eq_1(inner: dict[str, np.ndarray]) -> None:
    np.testing.assert_allclose(inner["F_i"], inner["N1_i"] + inner["N2_s"], rtol=1e-5)
    np.testing.assert_allclose(inner["F_s"], inner["N1_s"] + inner["N2_i"], rtol=1e-5)
    np.testing.assert_allclose(inner["F_mul"], inner["F_i"] * inner["F_s"], rtol=1e-5)


@pytest.mark.parametrize(("head", "source"), [("O_sp", "F_s"), ("O_img", "F_i"), ("O_mul", "F_mul")])
def test_each_head_is_three_dense_layers(
    head: str, source: str, model: keras.Model, inner: dict[str, np.ndarray]
) -> None:
    x = inner[source].astype(float)
    widths = []
    for name in (f"{head}_1", f"{head}_2", head):
        kernel, bias = (values.astype(float) for values in model.get_layer(name).get_weights())
        widths.append(kernel.shape[1])
        x = x @ kernel + bias
        x = x if name == head else np.maximum(x, 0)
    assert widths == [1024, 1024, 4]
    np.testing.assert_allclose(inner[head], x, rtol=1e-3, atol=1e-5)


def test_the_late_fusion_is_eq_2(model: keras.Model, inner: dict[str, np.ndarray]) -> None:
    w1, w2, w3 = _softmax(model.get_layer("late_fusion").get_weights()[0])
    o = w1 * inner["O_sp"] + w2 * inner["O_img"] + w3 * inner["O_mul"]
    np.testing.assert_allclose(inner["late_fusion"], o, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(inner["y"], _softmax(o), rtol=1e-4)


def test_each_branch_sees_its_own_modality_alone(model: keras.Model, inner: dict[str, np.ndarray]) -> None:
    without = keras.Model(model.inputs, _branches(model)).predict(
        {**BATCH, "image": np.zeros_like(BATCH["image"])}, verbose=0
    )
    for name in NAMES[:4]:
        assert np.allclose(without[name], inner[name], atol=1e-6) == name.endswith("_s"), name


def test_speech_goes_through_three_1x1_filters_to_vgg16(model: keras.Model) -> None:
    first = model.get_layer("N2_s").get_layer("to_three_channels")
    assert first.get_weights()[0].shape == (1, 1, 1, 3)
    assert model.get_layer("N2_s").get_layer("VGG16") and model.get_layer("N2_i").get_layer("VGG19")
    assert "to_three_channels" not in {layer.name for layer in model.get_layer("N2_i").layers}


def test_n1_is_made_of_what_fig_1_shows(model: keras.Model) -> None:
    for name in ("N1_s", "N1_i"):
        kinds = [type(layer).__name__ for layer in model.get_layer(name).layers]
        assert {"Conv2D", "MaxPooling2D", "BatchNormalization", "Flatten", "Dense"} <= set(kinds)
        assert kinds.index("Conv2D") < kinds.index("MaxPooling2D") < kinds.index("BatchNormalization")
        assert kinds.index("Flatten") < kinds.index("Dense")


@pytest.mark.parametrize("count", [2, 3, 5])
def test_weighted_addition_stays_a_weighted_mean(count: int) -> None:
    layer = networks.WeightedAddition()
    values = [RNG.normal(size=(2, 4)).astype("float32") for _ in range(count)]
    layer(values)
    raw = RNG.normal(size=count).astype("float32") * 5
    layer.set_weights([raw])
    assert (layer.shares > 0).all() and layer.shares.sum() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(layer.shares, _softmax(raw), rtol=1e-5)
    np.testing.assert_allclose(layer(values), np.tensordot(_softmax(raw), np.stack(values), 1), rtol=1e-4, atol=1e-5)


def test_the_weights_of_the_late_fusion_start_at_random_and_are_learned() -> None:
    values = [keras.Input((4,)) for _ in range(3)]
    model = keras.Model(values, networks.WeightedAddition()(values))
    before = model.layers[-1].shares
    assert len(set(before)) == 3
    batch = [RNG.normal(size=(64, 4)).astype("float32") for _ in range(3)]
    model.compile(keras.optimizers.Adam(0.1), "mse")
    model.fit(batch, batch[1], epochs=30, verbose=0)
    assert model.layers[-1].shares[1] > 0.9


def test_a_saved_network_gives_the_same_scores(model: keras.Model, tmp_path: Path) -> None:
    model.get_layer("late_fusion").set_weights([np.array([0.5, -1.0, 2.0], "float32")])
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(again.predict(BATCH, verbose=0), model.predict(BATCH, verbose=0), rtol=1e-5)
    np.testing.assert_allclose(again.get_layer("late_fusion").shares, model.get_layer("late_fusion").shares)


@pytest.mark.parametrize(
    ("kind", "published"), [("VGG16", keras.applications.VGG16), ("VGG19", keras.applications.VGG19)]
)
def test_at_full_width_vgg_is_the_published_one(kind: str, published: Callable[..., keras.Model]) -> None:
    ours = networks.n2(3, kind, 1.0, "none", "N2").get_layer(kind)
    theirs = published(weights=None, include_top=False, input_shape=(128, 128, 3))
    assert ours.count_params() == theirs.count_params() and ours.output.shape == theirs.output.shape
    shapes = [[weight.shape for weight in model.weights] for model in (ours, theirs)]
    assert shapes[0] == shapes[1]


def test_published_weights_see_what_they_were_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = keras.applications.VGG16(weights=None, include_top=False, input_shape=(128, 128, 3))
    monkeypatch.setattr(keras.applications, "VGG16", lambda **_: theirs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        branch = networks.n2(3, "VGG16", 1.0, "imagenet-required", "N2")
    image = BATCH["image"][:1]
    trunk = branch.get_layer("VGG16")
    features = keras.Model(branch.inputs, trunk(branch.get_layer("imagenet_mean").output)).predict(image, verbose=0)
    wanted = theirs.predict(keras.applications.vgg16.preprocess_input(image * 255.0), verbose=0)
    np.testing.assert_allclose(features, wanted, rtol=1e-2, atol=1e-3 * np.abs(wanted).max())


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(**_: object) -> None:
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.applications, "VGG16", unreachable)
    monkeypatch.setattr(keras.applications, "VGG19", unreachable)


@pytest.mark.usefixtures("offline")
def test_demanded_weights_that_cannot_be_had_stop_with_what_to_do() -> None:
    with pytest.raises(networks.WeightsUnavailable, match="URL fetch failure") as error:
        networks.parallel_net("paper")
    assert "internet" in str(error.value) and "PROFILE=" in str(error.value)


@pytest.mark.usefixtures("offline")
def test_demanded_weights_do_not_fit_a_narrower_network() -> None:
    with pytest.raises(ValueError, match="width"):
        networks.n2(3, "VGG16", 0.25, "imagenet-required", "N2")


@pytest.mark.usefixtures("offline")
def test_wished_weights_that_cannot_be_had_are_told_once() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        made = networks.n2(1, "VGG16", 1.0, "imagenet", "N2_s")
    told = [str(warning.message) for warning in said if "ImageNet" in str(warning.message)]
    assert len(told) == 1 and "random" in told[0] and made.output.shape == (None, networks.BRANCH_UNITS)


@pytest.mark.parametrize(("modality", "shape"), [("speech", (128, 128, 1)), ("image", (128, 128, 3))])
def test_a_half_sees_one_modality_and_is_parallelnets_otherwise(
    modality: str, shape: tuple[int, ...], tiny_profile: settings.Profile, model: keras.Model
) -> None:
    half = networks.unimodal(modality, tiny_profile)
    letter = modality[0]
    assert [(tensor.name, tensor.shape[1:]) for tensor in half.inputs] == [(modality, shape)]
    for name in (f"N1_{letter}", f"N2_{letter}"):
        assert half.get_layer(name).count_params() == model.get_layer(name).count_params()
    scores = half.predict({modality: BATCH[modality]}, verbose=0)
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)


def test_a_teacher_has_a_unit_for_each_class_it_knows(tiny_profile: settings.Profile) -> None:
    assert networks.teacher("speech", tiny_profile, 3).output.shape == (None, 3)
    assert networks.teacher("image", tiny_profile, 4).inputs[0].shape == (None, 128, 128, 3)


def test_an_unknown_profile_stops() -> None:
    with pytest.raises(ValueError, match="choose one of"):
        networks.parallel_net("huge")
