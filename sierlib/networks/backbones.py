"""The networks that N2 may hold (Section 4.3.2), each from (n, 128, 128, 3) to a map of features.

VGG is written out here, since the paper's own choice deserves to be read. GoogLeNet, cut after a
module, is not in the libraries and is written out too, and so is ResNet, whose builders there take
no width. EfficientNet and DenseNet come from KerasHub, MobileNet from keras.applications; published
weights come with keras.applications' own networks, those of EfficientNet-Lite0 with a package.

References
----------
Simonyan and Zisserman (2014) for VGG; Szegedy et al. (2015) for GoogLeNet; Tan and Le (2019) for
EfficientNet; He et al. (2016) for ResNet; Huang et al. (2017) for DenseNet; Howard et al. (2017)
for MobileNet.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
from keras import layers

from sierlib import settings
from sierlib.networks import pretrained
from sierlib.networks.pretrained import WeightsUnavailable

SHAPE = (settings.SIZE, settings.SIZE, 3)

# Convolutions of each block; filters are 64, 128, 256, 512, 512 times the width.
_VGG = {"VGG16": (2, 2, 3, 3, 3), "VGG19": (2, 2, 4, 4, 4)}
_VGG_FILTERS = (64, 128, 256, 512, 512)
# Means of ImageNet's channels, red first, in [0, 1]: what the published weights were trained to see
# removed.
_IMAGENET_MEAN = (123.68 / 255, 116.779 / 255, 103.939 / 255)
# GoogLeNet's modules: 1x1, 3x3 reduced and 3x3, 5x5 reduced and 5x5, pool projection (Table 1 of
# Szegedy et al.).
_MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
}
# Blocks of ResNet's four stages, and whether they are bottlenecks.
_RESNET = {
    "ResNet34": ((3, 4, 6, 3), False),
    "ResNet50": ((3, 4, 6, 3), True),
    "ResNet101": ((3, 4, 23, 3), True),
}
# What keras.applications calls a network, and how its published weights want their input.
PUBLISHED = {
    "EfficientNet": ("EfficientNetB0", "itself"),
    "ResNet50": ("ResNet50", "caffe"),
    "ResNet101": ("ResNet101", "caffe"),
    "MobileNet": ("MobileNet", "tf"),
    "DenseNet": ("DenseNet121", "torch"),
    "VGG16": ("VGG16", "caffe"),
    "VGG19": ("VGG19", "caffe"),
}


@keras.saving.register_keras_serializable("sierlib")
class Preprocess(layers.Layer):
    """Turn inputs in [0, 1] into what published weights expect.

    Parameters
    ----------
    mode
        "caffe", "tf" or "torch" as in keras.applications; "itself" for networks that scale 0 to 255
        by themselves.
    """

    def __init__(self, mode: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mode = mode

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Return x, scaled; same shape."""
        x = x * 255.0
        if self.mode == "itself":
            return x
        return keras.applications.imagenet_utils.preprocess_input(x, mode=self.mode)

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "mode": self.mode}


def scaled(filters: int, width: float, divisor: int = 1) -> int:
    """Return a number of filters times the width, a multiple of `divisor`, at least 4."""
    return max(4, divisor, round(filters * width / divisor) * divisor)


def vgg(kind: str, width: float, normalised: bool = False) -> keras.Model:
    """Build the convolutions of VGG16 or VGG19: (n, 128, 128, 3) to (n, 4, 4, 512 x width).

    Parameters
    ----------
    normalised
        Whether batch normalisation stands between each convolution and its ReLU.
    """
    x = inputs = keras.Input(SHAPE)
    for block, (depth, filters) in enumerate(zip(_VGG[kind], _VGG_FILTERS, strict=True), start=1):
        for index in range(1, depth + 1):
            name = f"block{block}_conv{index}"
            x = layers.Conv2D(
                scaled(filters, width),
                3,
                padding="same",
                use_bias=not normalised,
                kernel_initializer="he_uniform",
                name=name,
            )(x)  # (n, h, w, filters)
            if normalised:
                x = layers.BatchNormalization(name=f"{name}_norm")(x)
            x = layers.ReLU(name=f"{name}_relu")(x)
        x = layers.MaxPooling2D(name=f"block{block}_pool")(x)  # (n, h/2, w/2, filters)
    return keras.Model(inputs, x, name=kind)


def _googlenet(kind: str, width: float) -> keras.Model:
    """Build GoogLeNet up to the module that `kind` ends with.

    Inception3a gives (n, 16, 16, 256 x width), Inception4a (n, 8, 8, 512 x width).
    """

    def conv(x: Any, filters: int, size: int, strides: int = 1) -> Any:
        # Batch normalisation is later than GoogLeNet; without it random weights hardly learn in a
        # few epochs.
        x = layers.Conv2D(scaled(filters, width), size, strides, padding="same", use_bias=False)(x)
        return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))

    def pool(x: Any) -> Any:
        return layers.MaxPooling2D(3, 2, padding="same")(x)

    x = inputs = keras.Input(SHAPE)
    x = pool(conv(x, 64, 7, 2))  # (n, 32, 32, 64 x width)
    x = conv(conv(x, 64, 1), 192, 3)
    x = pool(x)  # (n, 16, 16, 192 x width)
    for module, (one, reduce_3, three, reduce_5, five, project) in _MODULES.items():
        if module == "4a":
            x = pool(x)  # (n, 8, 8, 480 x width)
        branches = [
            conv(x, one, 1),
            conv(conv(x, reduce_3, 1), three, 3),
            conv(conv(x, reduce_5, 1), five, 5),
            conv(layers.MaxPooling2D(3, 1, padding="same")(x), project, 1),
        ]
        x = layers.Concatenate(name=module)(branches)
        if kind.endswith(module):
            break
    return keras.Model(inputs, x, name=kind)


def _resnet(kind: str, width: float) -> keras.Model:
    """Build ResNet, (n, 128, 128, 3) to (n, 4, 4, 512 x width), times four with bottlenecks.

    KerasHub's builder insists on 64 filters in the first stage, keras.applications on all of them
    and lacks ResNet34.
    """
    blocks, bottleneck = _RESNET[kind]

    def conv(x: Any, filters: int, size: int, strides: int = 1) -> Any:
        if size == 1 and strides > 1:
            # The same as a 1x1 convolution with strides, whose gradient makes TensorFlow 2.21 on
            # the CPU crash for some shapes when a batch has an odd number of rows.
            x, strides = layers.MaxPooling2D(1, strides)(x), 1
        x = layers.Conv2D(filters, size, strides, padding="same", use_bias=False)(x)
        return layers.BatchNormalization(momentum=0.9)(x)

    x = inputs = keras.Input(SHAPE)
    x = layers.ReLU()(conv(x, scaled(64, width), 7, 2))
    x = layers.MaxPooling2D(3, 2, padding="same")(x)  # (n, 32, 32, 64 x width)
    for stage, count in enumerate(blocks):
        filters = scaled(64 * 2**stage, width)
        out = 4 * filters if bottleneck else filters
        for block in range(count):
            # A stage but the first begins by halving width and height.
            strides = 2 if stage and not block else 1
            if bottleneck:
                y = conv(x, filters, 1, strides)
                y = conv(layers.ReLU()(y), filters, 3)
                y = conv(layers.ReLU()(y), out, 1)
            else:
                y = conv(x, filters, 3, strides)
                y = conv(layers.ReLU()(y), filters, 3)
            # A shortcut past them, brought to their shape where that differs.
            if strides > 1 or x.shape[-1] != out:
                x = conv(x, out, 1, strides)
            x = layers.ReLU()(layers.Add()([x, y]))
    return keras.Model(inputs, x, name=kind)


def _efficientnet(kind: str, width: float) -> keras.Model:
    from keras_hub.models import EfficientNetBackbone

    lite = kind == "EfficientNetLite0"
    options: dict[str, Any] = {}
    if lite:  # what its weights were trained with
        options = {"activation": "relu6", "batch_norm_epsilon": 1e-3, "dropout": 0.0}
    # B0's stages (Table 1 of Tan and Le). `depth_divisor` keeps filters multiples of 8 at full
    # width.
    return EfficientNetBackbone(
        stackwise_width_coefficients=[width] * 7,
        stackwise_depth_coefficients=[1.0] * 7,
        stackwise_kernel_sizes=[3, 3, 5, 3, 5, 5, 3],
        stackwise_num_repeats=[1, 2, 2, 3, 3, 4, 1],
        stackwise_input_filters=[32, 16, 24, 40, 80, 112, 192],
        stackwise_output_filters=[16, 24, 40, 80, 112, 192, 320],
        stackwise_expansion_ratios=[1, 6, 6, 6, 6, 6, 6],
        stackwise_squeeze_and_excite_ratios=[0 if lite else 0.25] * 7,
        stackwise_strides=[1, 2, 2, 2, 1, 2, 1],
        stackwise_block_types=["v1"] * 7,
        depth_divisor=8 if width == 1 else 4,
        min_depth=8 if width == 1 else 4,
        num_features=scaled(1280, width, 8),
        input_shape=SHAPE,
        name=kind,
        **options,
    )


def _densenet(kind: str, width: float) -> keras.Model:
    from keras_hub.models import DenseNetBackbone

    return DenseNetBackbone(
        [6, 12, 24, 16], image_shape=SHAPE, growth_rate=scaled(32, width), name=kind
    )


def _mobilenet(kind: str, width: float) -> keras.Model:
    return keras.applications.MobileNet(
        input_shape=SHAPE, alpha=width, include_top=False, weights=None, name=kind
    )


#: Every network that N2 may hold, and what builds it at a width.
BACKBONES: dict[str, Callable[[str, float], keras.Model]] = {
    "VGG16": vgg,
    "VGG19": vgg,
    "EfficientNet": _efficientnet,
    "ResNet34": _resnet,
    "ResNet50": _resnet,
    "ResNet101": _resnet,
    "Inception3a": _googlenet,
    "Inception4a": _googlenet,
    "MobileNet": _mobilenet,
    "DenseNet": _densenet,
}


def imagenet(kind: str) -> keras.Model:
    """Return a published network without its top, with ImageNet weights.

    Returns
    -------
    keras.Model
        In the size that keras.applications chooses.

    Raises
    ------
    WeightsUnavailable
        When they are neither on this machine nor to be downloaded, or nobody has published any; the
        message says what to do.
    """
    if kind not in PUBLISHED:
        raise WeightsUnavailable(
            f"no ImageNet weights of {kind} are published in keras.applications"
        )
    try:
        build = getattr(keras.applications, PUBLISHED[kind][0])
        shape = {} if kind.startswith("VGG") else {"input_shape": SHAPE}
        return build(weights="imagenet", include_top=False, **shape)
    except Exception as error:  # keras raises a bare Exception when the download fails
        raise WeightsUnavailable(
            f"this profile starts {kind} from ImageNet weights, and they could not be had "
            f"({error}). Connect to the internet once, or put the file into ~/.keras/models, or "
            "choose PROFILE=full"
        ) from error


def lite0(pictures: str, frozen: bool) -> keras.Model:
    """Build EfficientNet-Lite0 of full width, for inputs in [0, 1].

    Parameters
    ----------
    pictures
        "pretrained" for the ImageNet weights of its package, "random" for none.
    frozen
        Whether it keeps what it begins with; its batch normalisation then keeps its averages, too.

    Returns
    -------
    keras.Model
        (n, 128, 128, 3) to (n, 1280): features averaged over the picture, as its own top does.

    Raises
    ------
    WeightsUnavailable
        When the package is not installed or its file is another, saying what to do.
    """
    features = _efficientnet("EfficientNetLite0", 1.0)
    _shorten_averages(features)
    if pictures == "pretrained":
        pretrained.fill(features, pretrained.find_weights(pretrained.LITE0))
    features.trainable = not frozen
    inputs = keras.Input(SHAPE)
    x = layers.Rescaling(255 / 128, offset=-127 / 128)(inputs)  # as it was trained
    x = features(x)  # (n, 4, 4, 1280)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, x, name="lite0")


def _copy_weights(published: keras.Model, trunk: keras.Model) -> None:
    """Copy the published weights into our VGG of full width."""
    for layer in trunk.layers:
        if layer.weights:
            values = published.get_layer(layer.name).get_weights()
            if layer.name == "block1_conv1":
                # The published weights expect blue first and values up to 255; ours come red first
                # up to 1.
                kernel, bias = values
                values = [kernel[:, :, ::-1] * 255.0, bias]
            layer.set_weights(values)


def trunk(
    kind: str, width: float, weights: str, normalised: bool = False
) -> tuple[keras.Model, list[layers.Layer]]:
    """Build a backbone.

    Parameters
    ----------
    kind
        A key of `BACKBONES`.
    width
        Factor on the filters; 1 is the published network.
    weights
        "none" for random ones; "imagenet" for the published ones where they can be had, with a
        warning where not; "imagenet-required" to stop instead, except for ResNet34 and the two
        Inceptions, of which none are published.
    normalised
        Whether a VGG that starts from random weights has batch normalisation after each
        convolution. The published weights belong to the network without.

    Returns
    -------
    model
        (n, 128, 128, 3) to a map of features.
    before
        Layers that its weights want before it.

    Raises
    ------
    WeightsUnavailable
        When ImageNet weights are required and cannot be had.
    ValueError
        For an unknown kind, a network that cannot be built for 128 x 128, or ImageNet weights at a
        width that has none.
    """
    if kind not in BACKBONES:
        raise ValueError(f"unknown backbone {kind!r}: choose one of {', '.join(BACKBONES)}")
    if weights != "none" and width != 1.0:
        raise ValueError(
            f"weights={weights!r} at width {width:g}: ImageNet weights exist for width 1 only"
        )
    if weights != "none" and (kind in PUBLISHED or weights == "imagenet"):
        try:
            return _build_published(kind)
        except WeightsUnavailable:
            if weights == "imagenet-required":
                raise
            warnings.warn(
                f"no ImageNet weights can be had here: {kind} starts from random ones", stacklevel=2
            )
    return _build_random(kind, width, normalised), []


def _build_published(kind: str) -> tuple[keras.Model, list[layers.Layer]]:
    """Build a backbone with ImageNet weights, and the layers that these want before it."""
    published = imagenet(kind)
    if kind not in _VGG:
        return published, [Preprocess(PUBLISHED[kind][1], name="preprocess")]
    written_out = vgg(kind, 1.0)
    _copy_weights(published, written_out)
    centre = layers.Normalization(mean=_IMAGENET_MEAN, variance=(1.0,) * 3, name="imagenet_mean")
    return written_out, [centre]


def _build_random(kind: str, width: float, normalised: bool) -> keras.Model:
    """Build a backbone with random weights."""
    build = partial(vgg, normalised=normalised) if kind in _VGG else BACKBONES[kind]
    try:
        model = build(kind, width)
    except ValueError as error:
        raise ValueError(
            f"{kind} at width {width:g} cannot take inputs of {SHAPE}: {error}"
        ) from error
    _shorten_averages(model)
    return model


def _shorten_averages(model: keras.Model) -> None:
    """Let batch normalisation get by with few steps.

    The libraries' momentum of 0.99 needs hundreds before validation means anything.
    """
    for layer in model._flatten_layers():
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.9
