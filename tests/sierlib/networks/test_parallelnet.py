"""The networks: Fig. 1, Eq. 1 and Eq. 2, recomputed by hand."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from sierlib import settings
from sierlib.networks import losses
from sierlib.networks.parallelnet import WeightedAddition, parallel_net, teacher, unimodal

RNG = np.random.default_rng(0)
BATCH = {
    "speech": RNG.random((3, 128, 128, 1), dtype=np.float32),
    "image": RNG.random((3, 128, 128, 3), dtype=np.float32),
}
NAMES = (
    "N1_s",
    "N2_s",
    "N1_i",
    "N2_i",
    "F_i",
    "F_s",
    "F_mul",
    "O_sp",
    "O_img",
    "O_mul",
    "late_fusion",
)


def _softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _branches(model: keras.Model) -> dict[str, keras.KerasTensor]:
    """What the four branches give, where the criss-cross takes it."""
    given = {}
    for name in ("F_i", "F_s"):
        given |= {
            tensor._keras_history.operation.name: tensor for tensor in model.get_layer(name).input
        }
    assert set(given) == set(NAMES[:4])
    return given


@pytest.fixture(scope="module")
def model(tiny_profile: settings.Profile) -> keras.Model:
    keras.utils.set_random_seed(0)
    return parallel_net(tiny_profile)


@pytest.fixture(scope="module")
def inner(model: keras.Model) -> dict[str, np.ndarray]:
    """Outputs of the named layers for a batch."""
    outputs = {name: model.get_layer(name).output for name in NAMES[4:]}
    return keras.Model(model.inputs, {**outputs, **_branches(model), "y": model.output}).predict(
        BATCH, verbose=0
    )


def test_inputs_and_output_are_the_contracts(model: keras.Model) -> None:
    assert {tensor.name: tensor.shape for tensor in model.inputs} == {
        "speech": (None, 128, 128, 1),
        "image": (None, 128, 128, 3),
    }
    assert model.output.shape == (None, 4)
    scores = model.predict(BATCH, verbose=0)
    assert scores.dtype == np.float32 and (scores > 0).all()
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)


def test_the_criss_cross_is_eq_1(inner: dict[str, np.ndarray]) -> None:
    np.testing.assert_allclose(inner["F_i"], inner["N1_i"] + inner["N2_s"], rtol=1e-5)
    np.testing.assert_allclose(inner["F_s"], inner["N1_s"] + inner["N2_i"], rtol=1e-5)
    np.testing.assert_allclose(inner["F_mul"], inner["F_i"] * inner["F_s"], rtol=1e-5)


@pytest.mark.parametrize(
    ("head", "source"), [("O_sp", "F_s"), ("O_img", "F_i"), ("O_mul", "F_mul")]
)
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


def test_each_branch_sees_its_own_modality_alone(
    model: keras.Model, inner: dict[str, np.ndarray]
) -> None:
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
        assert (
            kinds.index("Conv2D") < kinds.index("MaxPooling2D") < kinds.index("BatchNormalization")
        )
        assert kinds.index("Flatten") < kinds.index("Dense")


@pytest.mark.parametrize("count", [2, 3, 5])
def test_weighted_addition_stays_a_weighted_mean(count: int) -> None:
    layer = WeightedAddition()
    values = [RNG.normal(size=(2, 4)).astype("float32") for _ in range(count)]
    layer(values)
    raw = RNG.normal(size=count).astype("float32") * 5
    layer.set_weights([raw])
    assert (layer.shares > 0).all() and layer.shares.sum() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(layer.shares, _softmax(raw), rtol=1e-5)
    np.testing.assert_allclose(
        layer(values), np.tensordot(_softmax(raw), np.stack(values), 1), rtol=1e-4, atol=1e-5
    )


def test_the_weights_of_the_late_fusion_start_at_random_and_are_learned() -> None:
    values = [keras.Input((4,)) for _ in range(3)]
    model = keras.Model(values, WeightedAddition()(values))
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
    np.testing.assert_allclose(
        again.predict(BATCH, verbose=0), model.predict(BATCH, verbose=0), rtol=1e-5
    )
    np.testing.assert_allclose(
        again.get_layer("late_fusion").shares, model.get_layer("late_fusion").shares
    )


@pytest.mark.parametrize(
    ("modality", "shape"), [("speech", (128, 128, 1)), ("image", (128, 128, 3))]
)
def test_a_half_sees_one_modality_and_is_parallelnets_otherwise(
    modality: str, shape: tuple[int, ...], tiny_profile: settings.Profile, model: keras.Model
) -> None:
    half = unimodal(modality, tiny_profile)
    letter = modality[0]
    assert [(tensor.name, tensor.shape[1:]) for tensor in half.inputs] == [(modality, shape)]
    for name in (f"N1_{letter}", f"N2_{letter}"):
        assert half.get_layer(name).count_params() == model.get_layer(name).count_params()
    scores = half.predict({modality: BATCH[modality]}, verbose=0)
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)


def test_a_teacher_has_a_unit_for_each_class_it_knows(tiny_profile: settings.Profile) -> None:
    assert teacher("speech", tiny_profile, 3).output.shape == (None, 3)
    assert teacher("image", tiny_profile, 4).inputs[0].shape == (None, 128, 128, 3)


# ------------------------------------------------------------------------------------ the family
# (Section 4.3.2)
def _named(model: keras.Model, *names: str) -> dict[str, np.ndarray]:
    outputs = {name: model.get_layer(name).output for name in names}
    return keras.Model(model.inputs, outputs).predict(BATCH, verbose=0)


@pytest.mark.parametrize("configuration", [1, 2, 3])
def test_every_configuration_trains_saves_and_joins_the_modalities_where_it_says(
    configuration: int, tiny_profile: settings.Profile, tmp_path: Path
) -> None:
    keras.utils.set_random_seed(0)
    made = parallel_net(tiny_profile, configuration=configuration)
    made.compile("adam", losses.FocalCrossEntropy(), run_eagerly=True)
    loss = made.train_on_batch(BATCH, np.eye(4, dtype="float32")[:3])
    assert np.isfinite(loss)
    made.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(
        again.predict(BATCH, verbose=0), made.predict(BATCH, verbose=0), rtol=1e-4, atol=1e-6
    )
    layers = {layer.name for layer in made.layers}
    assert ({"N1_s", "N1_i"} <= layers) == (configuration != 2)
    assert ({"N1_s_before", "N1_i_before"} <= layers) == (configuration != 3)
    # What N2 of the one modality gives depends on the other exactly where there is a criss-cross
    # before it.
    outputs = keras.Model(made.inputs, made.get_layer("O_sp").output)  # F_s holds N2_i
    inner = made.get_layer("F_s")
    two_i = (
        inner.input
        if configuration == 2
        else next(t for t in inner.input if "N2_i" in t._keras_history[0].name)
    )
    probe = keras.Model(made.inputs, two_i)
    silent = probe.predict({**BATCH, "speech": np.zeros_like(BATCH["speech"])}, verbose=0)
    assert outputs.output.shape == (None, 4)
    assert np.allclose(silent, probe.predict(BATCH, verbose=0), atol=1e-6) == (configuration == 3)


def test_a_criss_cross_before_n2_adds_what_n1_made_of_the_other_modality(
    tiny_profile: settings.Profile,
) -> None:
    made = parallel_net(tiny_profile, configuration=2)
    sums = {name: made.get_layer(name) for name in ("before_N2_s", "before_N2_i")}
    parts = {t._keras_history[0].name: t for layer in sums.values() for t in layer.input}
    outputs = parts | {name: layer.output for name, layer in sums.items()}
    found = keras.Model(made.inputs, outputs).predict(BATCH, verbose=0)
    np.testing.assert_allclose(
        found["before_N2_s"], found["to_three_channels"] + found["N1_i_before"], atol=1e-5
    )
    np.testing.assert_allclose(
        found["before_N2_i"], BATCH["image"] + found["N1_s_before"], atol=1e-5
    )
    assert found["N1_s_before"].shape == (3, 128, 128, 3)


def test_weighted_addition_can_replace_the_product_of_eq_1(tiny_profile: settings.Profile) -> None:
    made = parallel_net(tiny_profile, fusion="add")
    w = made.get_layer("F_mul").shares
    found = _named(made, "F_i", "F_s", "F_mul")
    np.testing.assert_allclose(
        found["F_mul"], w[0] * found["F_i"] + w[1] * found["F_s"], rtol=1e-4, atol=1e-6
    )


def test_fixed_weights_are_a_third_each(tiny_profile: settings.Profile) -> None:
    found = _named(
        parallel_net(tiny_profile, late="fixed"), "O_sp", "O_img", "O_mul", "late_fusion"
    )
    mean = (found["O_sp"] + found["O_img"] + found["O_mul"]) / 3
    np.testing.assert_allclose(found["late_fusion"], mean, rtol=1e-4, atol=1e-6)


def test_sentiment_has_three_classes(tiny_profile: settings.Profile) -> None:
    assert parallel_net(tiny_profile, 3).output.shape == (None, 3)
    assert unimodal("image", tiny_profile, 3).output.shape == (None, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"configuration": 4}, "unknown configuration 4: choose one of 1, 2, 3"),
        ({"fusion": "divide"}, "unknown fusion 'divide': choose one of multiply, add"),
        ({"late": "never"}, "unknown late 'never'"),
        ({"n2_s": "AlexNet"}, "unknown backbone 'AlexNet': choose one of VGG16"),
    ],
)
def test_a_choice_that_does_not_exist_stops(
    options: dict, message: str, tiny_profile: settings.Profile
) -> None:
    with pytest.raises(ValueError, match=message):
        parallel_net(tiny_profile, **options)


def test_an_unknown_profile_stops() -> None:
    with pytest.raises(ValueError, match="choose one of"):
        parallel_net("huge")
