"""What N2 may hold: shapes, widths, published weights, and one step of training each."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import URLError

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format
from keras.src.utils import file_utils

from sierlib import settings
from sierlib.networks import backbones
from sierlib.networks.parallelnet import BRANCH_UNITS, n2, parallel_net

RNG = np.random.default_rng(0)
BATCH = {
    "speech": RNG.random((3, 128, 128, 1), dtype=np.float32),
    "image": RNG.random((3, 128, 128, 3), dtype=np.float32),
}
#: Trainable convolution weights of the published networks at full width, from their papers or
#: keras.applications.
PUBLISHED = {
    "EfficientNet": keras.applications.EfficientNetB0,
    "ResNet50": keras.applications.ResNet50,
    "ResNet101": keras.applications.ResNet101,
    "MobileNet": keras.applications.MobileNet,
    "DenseNet": keras.applications.DenseNet121,
}


def _n2(channels: int, kind: str, weights: str, **changed: Any) -> keras.Model:
    """N2 of the paper's profile, but for the weights that it starts from and what is changed."""
    profile = replace(settings.profile("paper"), weights=weights, **changed)
    return n2(channels, kind, profile, "N2")


@pytest.mark.parametrize(
    ("kind", "published"),
    [("VGG16", keras.applications.VGG16), ("VGG19", keras.applications.VGG19)],
)
def test_at_full_width_vgg_is_the_published_one(
    kind: str, published: Callable[..., keras.Model]
) -> None:
    ours = _n2(3, kind, "none").get_layer(kind)
    theirs = published(weights=None, include_top=False, input_shape=(128, 128, 3))
    assert ours.count_params() == theirs.count_params() and ours.output.shape == theirs.output.shape
    shapes = [[weight.shape for weight in model.weights] for model in (ours, theirs)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("normalised", [False, True])
def test_published_weights_see_what_they_were_trained_on(
    normalised: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They belong to the network without normalisation, whatever is asked."""
    theirs = keras.applications.VGG16(weights=None, include_top=False, input_shape=(128, 128, 3))
    monkeypatch.setattr(keras.applications, "VGG16", lambda **_: theirs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        branch = _n2(3, "VGG16", "imagenet-required", normalised=normalised)
    image = BATCH["image"][:1]
    trunk = branch.get_layer("VGG16")
    features = keras.Model(branch.inputs, trunk(branch.get_layer("imagenet_mean").output)).predict(
        image, verbose=0
    )
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
    with pytest.raises(backbones.WeightsUnavailable, match="URL fetch failure") as error:
        parallel_net("paper")
    assert "internet" in str(error.value) and "PROFILE=" in str(error.value)


class Home:
    """Where keras looks for weights, ``~/.keras``, with no way to the internet."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.file = folder / "models" / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
        self.file.parent.mkdir()
        self.patch = monkeypatch.setattr
        self.patch(file_utils.config, "keras_home", lambda: str(folder))
        self.patch(file_utils, "urlretrieve", self.fail)

    @staticmethod
    def fail(*_: object) -> None:
        raise URLError("no way there")

    def put(self) -> keras.Model:
        """Write a VGG16 of random weights as keras publishes one, and let it pass for that."""
        model = keras.applications.VGG16(weights=None, include_top=False)
        with h5py.File(self.file, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, model)
        self.patch(file_utils, "validate_file", lambda *_, **__: True)
        return model


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    return Home(tmp_path, monkeypatch)


@pytest.mark.slow
def test_a_file_of_weights_in_the_home_folder_is_read_without_the_internet(home: Home) -> None:
    theirs = home.put()
    ours = _n2(3, "VGG16", "imagenet-required").get_layer("VGG16")
    first, *others = zip(ours.weights, theirs.weights, strict=True)
    for mine, published in others:
        np.testing.assert_array_equal(mine, published)
    flipped = keras.ops.convert_to_numpy(first[1])[:, :, ::-1]  # red first
    np.testing.assert_allclose(first[0], flipped * 255, rtol=1e-6)


@pytest.mark.parametrize("damaged", [False, True])
def test_without_a_whole_file_of_weights_nothing_is_loaded(home: Home, damaged: bool) -> None:
    if damaged:
        home.file.write_bytes(b"half of it")
    with pytest.raises(backbones.WeightsUnavailable, match=home.file.name) as refused:
        _n2(3, "VGG16", "imagenet-required")
    assert "\n" not in str(refused.value) and "~/.keras/models" in str(refused.value)


@pytest.mark.usefixtures("offline")
def test_demanded_weights_do_not_fit_a_narrower_network() -> None:
    with pytest.raises(ValueError, match="width"):
        _n2(3, "VGG16", "imagenet-required", width=0.25)


@pytest.mark.usefixtures("offline")
def test_wished_weights_that_cannot_be_had_are_told_once() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        made = _n2(1, "VGG16", "imagenet")
    told = [str(warning.message) for warning in said if "ImageNet" in str(warning.message)]
    assert len(told) == 1 and "random" in told[0] and made.output.shape == (None, BRANCH_UNITS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(backbones.BACKBONES))
def test_every_backbone_takes_a_training_step_at_reduced_width(kind: str) -> None:
    keras.utils.set_random_seed(0)
    trunk, before = backbones.trunk(kind, 1 / 16, "none")
    assert before == []
    y = keras.layers.Dense(4, activation="softmax")(
        keras.layers.GlobalAveragePooling2D()(trunk.output)
    )
    model = keras.Model(trunk.input, y)
    # As profile smoke does: making a graph of a deep network takes far longer than its one step.
    model.compile("adam", "categorical_crossentropy", run_eagerly=True)
    old = [weight.numpy().copy() for weight in trunk.trainable_weights]
    assert np.isfinite(model.train_on_batch(BATCH["image"], np.eye(4, dtype="float32")[:3]))
    moved = [
        not np.array_equal(a, b.numpy()) for a, b in zip(old, trunk.trainable_weights, strict=True)
    ]
    assert np.mean(moved) > 0.7  # a unit may be dead in one step, not most of a network


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(backbones.BACKBONES))
def test_every_backbone_builds_at_full_width(kind: str) -> None:
    trunk, _ = backbones.trunk(kind, 1.0, "none")
    assert trunk.output.shape[0] is None and trunk.output.shape[1] in (4, 8, 16)
    if kind in PUBLISHED:
        theirs = PUBLISHED[kind](weights=None, include_top=False, input_shape=(128, 128, 3))
        assert trunk.output.shape[1:] == theirs.output.shape[1:]

        def weights(model: keras.Model) -> int:
            """Weights without biases and normalisation, in which libraries differ."""
            return sum(int(np.prod(w.shape)) for w in model.trainable_weights if len(w.shape) > 1)

        assert weights(trunk) == pytest.approx(weights(theirs), rel=0.02)


def test_resnet34_has_the_published_number_of_weights() -> None:
    # He et al. (2016): 21.8 million with the 1000-way layer, whose 513,000 are not here.
    assert backbones.trunk("ResNet34", 1.0, "none")[0].count_params() == pytest.approx(
        21.3e6, rel=0.01
    )


@pytest.mark.parametrize(
    ("kind", "shape"), [("Inception3a", (16, 16, 256)), ("Inception4a", (8, 8, 512))]
)
def test_googlenet_is_cut_after_the_module(kind: str, shape: tuple[int, ...]) -> None:
    trunk, _ = backbones.trunk(kind, 1.0, "none")
    assert trunk.output.shape[1:] == shape
    # Szegedy et al. (2015), Table 1: convolution weights of the modules 3a (159 K) and, up to 4a,
    # 3b (380 K) and 4a.
    module = sum(int(np.prod(w.shape)) for w in trunk.trainable_weights if len(w.shape) == 4)
    stem = 7 * 7 * 3 * 64 + 64 * 64 + 3 * 3 * 64 * 192
    wanted = {"Inception3a": 159_000, "Inception4a": 159_000 + 380_000 + 364_000}[kind]
    assert module - stem == pytest.approx(wanted, rel=0.05)


@pytest.mark.parametrize("kind", ["VGG16", "VGG19"])
def test_a_normalised_vgg_is_normalised_after_every_convolution(kind: str) -> None:
    plain, _ = backbones.trunk(kind, 1 / 16, "none")
    trunk, _ = backbones.trunk(kind, 1 / 16, "none", normalised=True)
    names = [type(layer).__name__ for layer in trunk.layers]
    places = [place for place, name in enumerate(names) if name == "Conv2D"]
    assert len(places) == names.count("BatchNormalization") == int(kind[-2:]) - 3  # less the dense
    for place in places:
        assert names[place + 1 : place + 3] == ["BatchNormalization", "ReLU"]
    assert "BatchNormalization" not in [type(layer).__name__ for layer in plain.layers]


@pytest.mark.parametrize("kind", ["VGG16", "VGG19"])
def test_normalisation_leaves_the_shape_of_features_as_it_is(kind: str) -> None:
    for width, filters in ((1 / 16, 32), (1.0, 512)):
        for normalised in (False, True):
            trunk, before = backbones.trunk(kind, width, "none", normalised)
            assert trunk.output.shape == (None, 4, 4, filters) and before == []


@pytest.mark.parametrize("normalised", [False, True])
def test_n2_is_normalised_as_the_profile_says(normalised: bool) -> None:
    made = _n2(1, "VGG16", "none", width=1 / 16, normalised=normalised).get_layer("VGG16")
    kinds = {type(layer).__name__ for layer in made.layers}
    assert ("BatchNormalization" in kinds) == normalised


def test_no_normalisation_averages_over_hundreds_of_steps() -> None:
    for kind in ("VGG16", "MobileNet", "DenseNet"):
        trunk, _ = backbones.trunk(kind, 1 / 16, "none", normalised=True)
        momenta = {
            layer.momentum
            for layer in trunk.layers
            if isinstance(layer, keras.layers.BatchNormalization)
        }
        assert momenta == {0.9}


@pytest.mark.parametrize("mode", ["caffe", "tf", "torch", "itself"])
def test_preprocessing_is_keras_applications_own(mode: str) -> None:
    found = backbones.Preprocess(mode)(BATCH["image"])
    wanted = BATCH["image"] * 255.0
    if mode != "itself":
        wanted = keras.applications.imagenet_utils.preprocess_input(wanted, mode=mode)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found), wanted, rtol=1e-5, atol=1e-3)
    assert backbones.Preprocess.from_config(backbones.Preprocess(mode).get_config()).mode == mode


def test_published_weights_come_with_their_preprocessing(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = keras.applications.MobileNet(
        weights=None, include_top=False, input_shape=(128, 128, 3)
    )
    monkeypatch.setattr(keras.applications, "MobileNet", lambda **_: theirs)
    branch = _n2(3, "MobileNet", "imagenet-required")
    features = keras.Model(branch.inputs, theirs(branch.get_layer("preprocess").output)).predict(
        BATCH["image"], verbose=0
    )
    wanted = theirs.predict(
        keras.applications.mobilenet.preprocess_input(BATCH["image"] * 255.0), verbose=0
    )
    np.testing.assert_allclose(features, wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.usefixtures("offline")
def test_a_network_nobody_published_weights_of_starts_at_random_though_they_are_demanded() -> None:
    trunk, before = backbones.trunk("Inception3a", 1.0, "imagenet-required")
    assert before == [] and trunk.name == "Inception3a"


def test_a_backbone_that_fails_on_the_input_size_says_so_before_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def needs_more(kind: str, width: float) -> keras.Model:
        raise ValueError("Input size must be at least 299x299")

    monkeypatch.setitem(backbones.BACKBONES, "DenseNet", needs_more)
    with pytest.raises(
        ValueError, match=r"DenseNet at width 1 cannot take inputs of \(128, 128, 3\): Input size"
    ):
        backbones.trunk("DenseNet", 1.0, "none")


def test_an_unknown_backbone_stops() -> None:
    with pytest.raises(
        ValueError, match="unknown backbone 'AlexNet': choose one of VGG16, VGG19, EfficientNet"
    ):
        backbones.trunk("AlexNet", 1.0, "none")
