"""ParallelNet (Fig. 1, Eq. 1, Eq. 2), its halves, and the teachers' network.

    speech (n,128,128,1) ┬ N1_s ──────────────┐              ┌ F_s ─── dense ─ O_sp ──┐
                         └ N2_s (1x1, VGG16) ─┼─ criss-cross ┼ F_mul ─ dense ─ O_mul ─┼ w ─ softmax
    image  (n,128,128,3) ┬ N1_i ──────────────┤              └ F_i ─── dense ─ O_img ─┘
                         └ N2_i (VGG19) ──────┘

Eq. 1 is the criss-cross and the intermediate fusion: F_i = N1_i + N2_s, F_s = N1_s + N2_i and
F_mul = F_i x F_s. Eq. 2 is the late fusion: w1 O_sp + w2 O_img + w3 O_mul, where the weights are
learned. "dense" is three dense layers, of 1024, 1024 and 4 units.

That is configuration 3 of Section 4.3.2; configurations 1 and 2 have a criss-cross before N2 too,
or only there. What N2 holds is one of `sierlib.networks.backbones.BACKBONES`.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from sierlib import settings
from sierlib.networks import backbones
from sierlib.networks.embedding import speech_embedding

# Width of what N1 and N2 give to Eq. 1; the paper states only that they can be added.
BRANCH_UNITS = 256

DENSE_UNITS = 1024  # Section 3.2.2


@keras.saving.register_keras_serializable("sierlib")
class WeightedAddition(layers.Layer):
    """Add inputs with learned weights that a softmax keeps positive and summing to one (Eq. 2).

    Called on a list of tensors of one shape; gives their weighted sum. The weights before the
    softmax start at random, as in Section 3.2.2; `shares` are those after it.
    """

    def build(self, input_shape: list[tuple[int, ...]]) -> None:
        """Make one weight for each input."""
        self.w = self.add_weight(
            name="w",
            shape=(len(input_shape),),
            initializer=keras.initializers.RandomNormal(stddev=0.1),
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


def _out(x: keras.KerasTensor, units: int) -> keras.KerasTensor:
    """End a branch: dense, normalised, since both sides of Eq. 1 have to be of one size."""
    x = layers.Dense(units, use_bias=False)(x)  # (n, units)
    x = _norm()(x)
    return layers.ReLU()(x)


def _blocks(x: keras.KerasTensor, filters: tuple[int, ...]) -> keras.KerasTensor:
    """Convolve, pool and normalise, once for each number of filters."""
    for index, count in enumerate(filters):
        size, stride = (5, 2) if index == 0 else (3, 1)
        x = layers.Conv2D(count, size, strides=stride, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)  # (n, 32, 32, filters), then half of it
        x = _norm()(x)
    return x


def n1(
    channels: int, filters: tuple[int, ...], name: str, units: int = BRANCH_UNITS
) -> keras.Model:
    """Build N1: convolutions, flatten, dense (Fig. 1, bottom left).

    Parameters
    ----------
    channels
        1 for speech, 3 for images.
    filters
        Of each convolution: the first is 5x5 with stride 2, the others 3x3; each is followed by 2x2
        max-pooling and batch normalisation. The paper gives the kinds of layers, not their number.

    Returns
    -------
    keras.Model
        (n, 128, 128, channels) to (n, units).
    """
    x = inputs = keras.Input((settings.SIZE, settings.SIZE, channels))
    x = _blocks(x, filters)  # with four blocks (n, 4, 4, filters)
    x = layers.Flatten()(x)
    x = _norm()(x)
    return keras.Model(inputs, _out(x, units), name=name)


def n1_before(channels: int, filters: tuple[int, ...], name: str) -> keras.Model:
    """Build N1 for a criss-cross before N2: what joins the input of the other modality's N2.

    The first two blocks of N1, reduced to three channels by a 1x1 convolution and enlarged to the
    size of the input: N2 expects a picture. The paper does not say how (Section 4.3.2).

    Returns
    -------
    keras.Model
        (n, 128, 128, channels) to (n, 128, 128, 3).
    """
    x = inputs = keras.Input((settings.SIZE, settings.SIZE, channels))
    x = _blocks(x, filters[:2])  # (n, 16, 16, filters)
    x = layers.Conv2D(3, 1)(x)
    x = layers.UpSampling2D(settings.SIZE // x.shape[1], interpolation="bilinear")(x)
    return keras.Model(inputs, x, name=name)  # (n, 128, 128, 3)


def n2(
    channels: int, kind: str, profile: settings.Profile, name: str, units: int = BRANCH_UNITS
) -> keras.Model:
    """Build N2: a backbone, flatten, dense; before it, for speech, a 1x1 convolution (Fig. 1).

    Parameters
    ----------
    channels
        1 for speech (three 1x1 filters turn it into three channels, Section 3.2.1), 3 for images.
    kind
        A key of `backbones.BACKBONES`.
    profile
        Says of the backbone how wide it is, what it starts from and whether it is normalised. It
        may say that the picture's is EfficientNet-Lite0, and the speech's the speech embedding.

    Returns
    -------
    keras.Model
        (n, 128, 128, channels) to (n, units).
    """
    before: list[layers.Layer] = []
    if name == "N2_i" and profile.pictures:
        trunk = backbones.lite0(profile.pictures, profile.frozen)
    elif name == "N2_s" and profile.speech and channels == 1:
        trunk = speech_embedding()
    else:
        trunk, before = backbones.trunk(kind, profile.width, profile.weights, profile.normalised)
    x = inputs = keras.Input((settings.SIZE, settings.SIZE, channels))
    if channels < trunk.input.shape[-1]:
        x = layers.Conv2D(3, 1, name="to_three_channels")(x)  # (n, 128, 128, 3)
    for layer in before:
        x = layer(x)
    x = trunk(x)  # VGG: (n, 4, 4, 512 x width)
    x = _norm()(x)
    x = layers.Flatten()(x)
    x = _norm()(x)
    return keras.Model(inputs, _out(x, units), name=name)


def _dense(x: keras.KerasTensor, name: str, classes: int) -> keras.KerasTensor:
    """Add three dense layers of 1024, 1024 and `classes` units (Section 3.2.2)."""
    x = layers.Dense(DENSE_UNITS, activation="relu", name=f"{name}_1")(x)
    x = layers.Dense(DENSE_UNITS, activation="relu", name=f"{name}_2")(x)
    return layers.Dense(classes, name=name)(x)


def _inputs(modalities: tuple[str, ...]) -> dict[str, keras.KerasTensor]:
    inputs = {}
    for name in modalities:
        shape = (settings.SIZE, settings.SIZE, settings.CHANNELS[name])
        inputs[name] = keras.Input(shape, name=name)
    return inputs


def parallel_net(
    profile: str | settings.Profile,
    classes: int = len(settings.CLASSES),
    *,
    configuration: int = 3,
    n2_s: str = "VGG16",
    n2_i: str = "VGG19",
    fusion: str = "multiply",
    late: str = "learned",
) -> keras.Model:
    """Build ParallelNet (Fig. 1, Eq. 1 and 2), or another member of its family (Section 4.3.2).

    Parameters
    ----------
    profile
        Width of the networks and where their weights come from.
    classes
        Of the softmax.
    configuration
        Where the criss-cross is: 1 before and after N2, 2 before it, 3 after it (the paper's
        choice).
    n2_s, n2_i
        What N2 holds for speech and for the image: keys of `backbones.BACKBONES`.
    fusion
        "multiply" as Eq. 1, or "add": the weighted addition that Section 3.2.1 argues against.
    late
        "learned" weights w1, w2, w3 as Eq. 2, or "fixed": a third each.

    Returns
    -------
    keras.Model
        ``{"speech": (n,128,128,1), "image": (n,128,128,3)}``, float32 in [0, 1], to (n, classes)
        probabilities. Layers `N1_s`, `N2_s`, `N1_i`, `N2_i`, `F_i`, `F_s`, `F_mul`, `O_sp`,
        `O_img`, `O_mul` and `late_fusion` can be found by name; with a criss-cross before N2 also
        `N1_s_before` and `N1_i_before`.

    Raises
    ------
    WeightsUnavailable
        When the profile demands ImageNet weights that cannot be had.
    ValueError
        For a choice that does not exist, naming those that do.
    """
    _check_choice("configuration", configuration, (1, 2, 3))
    _check_choice("fusion", fusion, ("multiply", "add"))
    _check_choice("late", late, ("learned", "fixed"))
    chosen = settings.profile(profile)
    filters = chosen.n1_filters
    inputs = _inputs(settings.MODALITIES)
    speech, image = inputs["speech"], inputs["image"]

    # N2 of both modalities. With a criss-cross before it, N1 of the other modality joins its input.
    branch_s = n2(3 if configuration < 3 else 1, n2_s, chosen, "N2_s")
    branch_i = n2(3, n2_i, chosen, "N2_i")
    before_s, before_i = speech, image
    if configuration < 3:
        three = layers.Conv2D(3, 1, name="to_three_channels")(speech)  # (n, 128, 128, 3)
        from_i = n1_before(3, filters, "N1_i_before")(image)  # (n, 128, 128, 3)
        from_s = n1_before(1, filters, "N1_s_before")(speech)
        before_s = layers.Add(name="before_N2_s")([three, from_i])
        before_i = layers.Add(name="before_N2_i")([image, from_s])
    two_s = branch_s(before_s)  # (n, 256), as all four branches
    two_i = branch_i(before_i)

    # Eq. 1: the criss-cross after N2.
    if configuration == 2:
        f_i = layers.Identity(name="F_i")(two_s)
        f_s = layers.Identity(name="F_s")(two_i)
    else:
        one_s = n1(1, filters, "N1_s")(speech)
        one_i = n1(3, filters, "N1_i")(image)
        f_i = layers.Add(name="F_i")([one_i, two_s])  # (n, 256)
        f_s = layers.Add(name="F_s")([one_s, two_i])

    # Eq. 1: the intermediate fusion.
    join = layers.Multiply(name="F_mul") if fusion == "multiply" else WeightedAddition(name="F_mul")
    f_mul = join([f_i, f_s])  # (n, 256)

    # Eq. 2: the late fusion.
    o_sp = _dense(f_s, "O_sp", classes)  # (n, classes)
    o_img = _dense(f_i, "O_img", classes)
    o_mul = _dense(f_mul, "O_mul", classes)
    mix = WeightedAddition if late == "learned" else layers.Average
    o = mix(name="late_fusion")([o_sp, o_img, o_mul])
    # Probabilities stay float32 whatever the layers compute in.
    y = layers.Activation("softmax", name="y", dtype="float32")(o)
    return keras.Model(inputs, y, name="ParallelNet")


def _check_choice(what: str, value: Any, known: tuple[Any, ...]) -> None:
    if value not in known:
        raise ValueError(f"unknown {what} {value!r}: choose one of {', '.join(map(str, known))}")


def unimodal(
    modality: str, profile: str | settings.Profile, classes: int = len(settings.CLASSES)
) -> keras.Model:
    """Build the speech or the image half of ParallelNet, Table 1's "SER only" and "IER only".

    N1 and N2 of the one modality are added, as Eq. 1 adds across modalities, and go through the
    same three dense layers; so a comparison with ParallelNet differs in the other modality alone.

    Parameters
    ----------
    modality
        "speech" or "image".
    """
    chosen = settings.profile(profile)
    inputs = _inputs((modality,))
    letter, kind = {"speech": ("s", "VGG16"), "image": ("i", "VGG19")}[modality]
    channels = settings.CHANNELS[modality]
    one = n1(channels, chosen.n1_filters, f"N1_{letter}")(inputs[modality])  # (n, 256)
    two = n2(channels, kind, chosen, f"N2_{letter}")(inputs[modality])
    f = layers.Add(name=f"F_{letter}")([one, two])
    o = _dense(f, "O", classes)  # (n, classes)
    y = layers.Activation("softmax", name="y", dtype="float32")(o)
    return keras.Model(inputs, y, name={"speech": "SER_only", "image": "IER_only"}[modality])


def teacher(modality: str, profile: str | settings.Profile, classes: int) -> keras.Model:
    """Build a teacher's network: N1 and a softmax; the paper leaves the teachers' networks open.

    Where the profile says that N2 is EfficientNet-Lite0 or the speech embedding, it stands for N1,
    too.

    Parameters
    ----------
    modality
        "speech" or "image".
    classes
        How many its corpus has.
    """
    chosen = settings.profile(profile)
    inputs = _inputs((modality,))
    if modality == "image" and chosen.pictures:
        x = backbones.lite0(chosen.pictures, chosen.frozen)(inputs[modality])  # (n, 1280)
    elif modality == "speech" and chosen.speech:
        x = speech_embedding()(inputs[modality])  # (n, 192)
    else:
        x = n1(settings.CHANNELS[modality], chosen.n1_filters, "N1")(inputs[modality])  # (n, 256)
    x = _norm()(x)
    x = layers.Dropout(0.3)(x)
    y = layers.Dense(classes, activation="softmax", name="y", dtype="float32")(x)
    return keras.Model(inputs, y, name=f"{modality}_teacher")
