"""ParallelNet (Fig. 1, Eq. 1, Eq. 2), its halves, and the teachers' network.

    speech (n,128,128,1) ──┬─ N1_s ─────────────┐              ┌─ F_s ─ dense 1024-1024-4 ─ O_sp ──┐
                           └─ N2_s (1x1, VGG16) ─┼─ criss-cross ┤  F_mul = F_i x F_s  ─ O_mul ───────┼ w ─ softmax
    image  (n,128,128,3) ──┬─ N1_i ─────────────┤              └─ F_i ─ dense 1024-1024-4 ─ O_img ─┘
                           └─ N2_i (VGG19) ──────┘

References
----------
Simonyan and Zisserman (2014), "Very Deep Convolutional Networks", for VGG16 and VGG19.
"""

from __future__ import annotations

import warnings
from typing import Any

import keras
from keras import layers

from sierlib import settings
from sierlib.settings import Profile

BRANCH_UNITS = 256  # width of what N1 and N2 give to Eq. 1; the paper states only that they can be added
DENSE_UNITS = 1024  # Section 3.2.2

# Convolutions of each block; filters are 64, 128, 256, 512, 512 times the width.
_VGG = {"VGG16": (2, 2, 3, 3, 3), "VGG19": (2, 2, 4, 4, 4)}
_VGG_FILTERS = (64, 128, 256, 512, 512)
# Means of ImageNet's channels, red first, in [0, 1]: what the published weights were trained to see removed.
_IMAGENET_MEAN = (123.68 / 255, 116.779 / 255, 103.939 / 255)


class WeightsUnavailable(RuntimeError):
    """ImageNet weights are demanded and cannot be had."""


@keras.saving.register_keras_serializable("sierlib")
class WeightedAddition(layers.Layer):
    """Add inputs with learned weights that a softmax keeps positive and summing to one (Eq. 2).

    Called on a list of tensors of one shape; gives their weighted sum. The weights before the softmax
    start at random, as in Section 3.2.2; `shares` are those after it.
    """

    def build(self, input_shape: list[tuple[int, ...]]) -> None:
        """Make one weight for each input."""
        self.w = self.add_weight(
            name="w", shape=(len(input_shape),), initializer=keras.initializers.RandomNormal(stddev=0.1)
        )

    def call(self, inputs: list[keras.KerasTensor]) -> keras.KerasTensor:
        """Return w1 x inputs[0] + w2 x inputs[1] + ..."""
        shares = keras.ops.softmax(self.w)
        return sum(shares[index] * value for index, value in enumerate(inputs))

    @property
    def shares(self) -> Any:
        """The weights w1, w2, w3 of Eq. 2 as a numpy array."""
        return keras.ops.convert_to_numpy(keras.ops.softmax(self.w))


def _norm(name: str | None = None) -> layers.Layer:
    # Keras' default momentum of 0.99 needs hundreds of steps before validation means anything.
    return layers.BatchNormalization(momentum=0.9, name=name)


def n1(channels: int, filters: tuple[int, ...], name: str, units: int = BRANCH_UNITS) -> keras.Model:
    """Build N1: convolutions with max-pooling and batch normalisation, flatten, dense (Fig. 1, bottom left).

    Parameters
    ----------
    channels
        1 for speech, 3 for images.
    filters
        Of each convolution: the first is 5x5 with stride 2, the others 3x3; each is followed by 2x2 max-pooling
        and batch normalisation. The paper gives the kinds of layers, not their number.

    Returns
    -------
    keras.Model
        (n, 128, 128, channels) to (n, units).
    """
    given = keras.Input((settings.SIZE, settings.SIZE, channels))
    x = given
    for index, count in enumerate(filters):
        size, stride = (5, 2) if index == 0 else (3, 1)
        x = layers.Conv2D(count, size, strides=stride, padding="same", activation="relu")(x)
        x = _norm()(layers.MaxPooling2D()(x))  # (n, 32, 32, filters), then half of it
    x = _norm()(layers.Flatten()(x))
    return keras.Model(given, layers.Dense(units, activation="relu")(x), name=name)


def _vgg(kind: str, width: float) -> keras.Model:
    """Build the convolutional part of VGG16 or VGG19, (n, 128, 128, 3) to (n, 4, 4, 512 x width)."""
    given = keras.Input((settings.SIZE, settings.SIZE, 3))
    x = given
    for block, (depth, filters) in enumerate(zip(_VGG[kind], _VGG_FILTERS, strict=True), start=1):
        for index in range(1, depth + 1):
            x = layers.Conv2D(
                max(4, round(filters * width)),
                3,
                padding="same",
                activation="relu",
                kernel_initializer="he_uniform",
                name=f"block{block}_conv{index}",
            )(x)  # (n, h, w, filters)
        x = layers.MaxPooling2D(name=f"block{block}_pool")(x)  # (n, h/2, w/2, filters)
    return keras.Model(given, x, name=kind)


def imagenet(kind: str) -> keras.Model:
    """Return the published VGG16 or VGG19 without its top, with ImageNet weights.

    Raises
    ------
    WeightsUnavailable
        When they are neither on this machine nor to be downloaded; the message says what to do.
    """
    try:
        return getattr(keras.applications, kind)(weights="imagenet", include_top=False)
    except Exception as error:  # keras raises a bare Exception when the download fails
        raise WeightsUnavailable(
            f"this profile starts {kind} from ImageNet weights, and they could not be had ({error}). "
            "Connect to the internet once, or put the file into ~/.keras/models, or choose PROFILE=full"
        ) from error


def _copy_weights(published: keras.Model, trunk: keras.Model) -> None:
    """Copy the published weights into our VGG of full width."""
    for layer in trunk.layers:
        if layer.weights:
            values = published.get_layer(layer.name).get_weights()
            if layer.name == "block1_conv1":
                # The published weights expect blue first and values up to 255; ours come red first up to 1.
                values = [values[0][:, :, ::-1] * 255.0, values[1]]
            layer.set_weights(values)


def n2(channels: int, kind: str, width: float, weights: str, name: str, units: int = BRANCH_UNITS) -> keras.Model:
    """Build N2: VGG with batch normalisation, flatten and dense; before it, for speech, a 1x1 convolution.

    Parameters
    ----------
    channels
        1 for speech (three 1x1 filters turn it into three channels, Section 3.2.1), 3 for images.
    kind
        "VGG16" or "VGG19".
    width
        Factor on the filters; 1 is the published network.
    weights
        "none" for random ones; "imagenet" for the published ones where they can be had, with a warning where not;
        "imagenet-required" to stop instead.

    Raises
    ------
    WeightsUnavailable
        When ImageNet weights are required and cannot be had.
    ValueError
        When ImageNet weights are asked for at a width that has none.
    """
    if weights != "none" and width != 1.0:
        raise ValueError(f"weights={weights!r} at width {width:g}: ImageNet weights exist for width 1 only")
    trunk = _vgg(kind, width)
    given = keras.Input((settings.SIZE, settings.SIZE, channels))
    x = layers.Conv2D(3, 1, name="to_three_channels")(given) if channels == 1 else given
    if weights != "none":
        try:
            _copy_weights(imagenet(kind), trunk)
            x = layers.Normalization(mean=_IMAGENET_MEAN, variance=(1.0, 1.0, 1.0), name="imagenet_mean")(x)
        except WeightsUnavailable:
            if weights == "imagenet-required":
                raise
            warnings.warn("no ImageNet weights can be had here: VGG starts from random ones", stacklevel=2)
    x = layers.Flatten()(_norm()(trunk(x)))
    return keras.Model(given, layers.Dense(units, activation="relu")(_norm()(x)), name=name)


def _dense(x: keras.KerasTensor, name: str, classes: int) -> keras.KerasTensor:
    """Three dense layers of 1024, 1024 and `classes` units (Section 3.2.2)."""
    x = layers.Dense(DENSE_UNITS, activation="relu", name=f"{name}_1")(x)
    x = layers.Dense(DENSE_UNITS, activation="relu", name=f"{name}_2")(x)
    return layers.Dense(classes, name=name)(x)


def _inputs(modalities: tuple[str, ...]) -> dict[str, keras.KerasTensor]:
    channels = {"speech": 1, "image": 3}
    return {name: keras.Input((settings.SIZE, settings.SIZE, channels[name]), name=name) for name in modalities}


def parallel_net(profile: str | Profile, classes: int = len(settings.CLASSES)) -> keras.Model:
    """Build ParallelNet: configuration 3, criss-cross after N2 (Fig. 1, Eq. 1 and 2).

    Parameters
    ----------
    profile
        Width of the networks and where their weights come from.
    classes
        Of the softmax.

    Returns
    -------
    keras.Model
        ``{"speech": (n,128,128,1), "image": (n,128,128,3)}``, float32 in [0, 1], to (n, classes) probabilities.
        Layers `N1_s`, `N2_s`, `N1_i`, `N2_i`, `F_i`, `F_s`, `F_mul`, `O_sp`, `O_img`, `O_mul` and `late_fusion` can be
        found by name.

    Raises
    ------
    WeightsUnavailable
        When the profile demands ImageNet weights that cannot be had.
    """
    chosen = settings.profile(profile)
    given = _inputs(("speech", "image"))
    n1_s = n1(1, chosen.n1_filters, "N1_s")(given["speech"])  # (n, 256), as the other three
    n1_i = n1(3, chosen.n1_filters, "N1_i")(given["image"])
    n2_s = n2(1, "VGG16", chosen.width, chosen.weights, "N2_s")(given["speech"])
    n2_i = n2(3, "VGG19", chosen.width, chosen.weights, "N2_i")(given["image"])
    # Eq. 1: the criss-cross and the intermediate fusion.
    f_i = layers.Add(name="F_i")([n1_i, n2_s])
    f_s = layers.Add(name="F_s")([n1_s, n2_i])
    f_mul = layers.Multiply(name="F_mul")([f_i, f_s])
    # Eq. 2: the late fusion.
    o_sp = _dense(f_s, "O_sp", classes)  # (n, classes)
    o_img = _dense(f_i, "O_img", classes)
    o_mul = _dense(f_mul, "O_mul", classes)
    o = WeightedAddition(name="late_fusion")([o_sp, o_img, o_mul])
    # Probabilities stay float32 whatever the layers compute in.
    y = layers.Activation("softmax", name="y", dtype="float32")(o)
    return keras.Model(given, y, name="ParallelNet")


def unimodal(modality: str, profile: str | Profile, classes: int = len(settings.CLASSES)) -> keras.Model:
    """Build the speech or image half of ParallelNet, the "SER only" and "IER only" of Table 1.

    N1 and N2 of the one modality are added, as Eq. 1 adds across modalities, and go through the same three
    dense layers; so a comparison with ParallelNet differs in the other modality alone.

    Parameters
    ----------
    modality
        "speech" or "image".
    """
    chosen = settings.profile(profile)
    given = _inputs((modality,))
    letter, channels, kind = {"speech": ("s", 1, "VGG16"), "image": ("i", 3, "VGG19")}[modality]
    ours = n1(channels, chosen.n1_filters, f"N1_{letter}")(given[modality])
    theirs = n2(channels, kind, chosen.width, chosen.weights, f"N2_{letter}")(given[modality])
    o = _dense(layers.Add(name=f"F_{letter}")([ours, theirs]), "O", classes)
    y = layers.Activation("softmax", name="y", dtype="float32")(o)
    return keras.Model(given, y, name={"speech": "SER_only", "image": "IER_only"}[modality])


def teacher(modality: str, profile: str | Profile, classes: int) -> keras.Model:
    """Build a teacher's network: N1 and a softmax; the paper leaves the teachers' networks open.

    Parameters
    ----------
    modality
        "speech" or "image".
    classes
        How many its corpus has.
    """
    chosen = settings.profile(profile)
    given = _inputs((modality,))
    x = n1(given[modality].shape[-1], chosen.n1_filters, "N1")(given[modality])
    x = layers.Dropout(0.3)(_norm()(x))
    y = layers.Dense(classes, activation="softmax", name="y", dtype="float32")(x)
    return keras.Model(given, y, name=f"{modality}_teacher")
