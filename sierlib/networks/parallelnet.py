"""ParallelNet (Fig. 1, Eq. 1, Eq. 2), its halves, and the teachers' network.

    speech (n,128,128,1) ──┬─ N1_s ─────────────┐              ┌─ F_s ─ dense 1024-1024-4 ─ O_sp ──┐
                           └─ N2_s (1x1, VGG16) ─┼─ criss-cross ┤  F_mul = F_i x F_s  ─ O_mul ───────┼ w ─ softmax
    image  (n,128,128,3) ──┬─ N1_i ─────────────┤              └─ F_i ─ dense 1024-1024-4 ─ O_img ─┘
                           └─ N2_i (VGG19) ──────┘

That is configuration 3 of Section 4.3.2; configurations 1 and 2 have a criss-cross before N2 too,
or only there. What N2 holds is one of `sierlib.networks.backbones.BACKBONES`.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from sierlib import settings
from sierlib.networks import backbones

BRANCH_UNITS = (
    256  # width of what N1 and N2 give to Eq. 1; the paper states only that they can be added
)
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
    """End a branch: dense, normalised, so that both sides of Add and Multiply in Eq. 1 are of one
    size."""
    return layers.ReLU()(_norm()(layers.Dense(units, use_bias=False)(x)))


def _blocks(x: keras.KerasTensor, filters: tuple[int, ...]) -> keras.KerasTensor:
    for index, count in enumerate(filters):
        size, stride = (5, 2) if index == 0 else (3, 1)
        x = layers.Conv2D(count, size, strides=stride, padding="same", activation="relu")(x)
        x = _norm()(layers.MaxPooling2D()(x))  # (n, 32, 32, filters), then half of it
    return x


def n1(
    channels: int, filters: tuple[int, ...], name: str, units: int = BRANCH_UNITS
) -> keras.Model:
    """Build N1: convolutions with max-pooling and batch normalisation, flatten, dense (Fig. 1,
    bottom left).

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
    given = keras.Input((settings.SIZE, settings.SIZE, channels))
    x = _norm()(layers.Flatten()(_blocks(given, filters)))
    return keras.Model(given, _out(x, units), name=name)


def n1_before(channels: int, filters: tuple[int, ...], name: str) -> keras.Model:
    """Build N1 for a criss-cross before N2: what N2 of the other modality is given besides its own
    input.

    The first two blocks of N1, reduced to three channels by a 1x1 convolution and enlarged to the
    size of the input: N2 expects a picture. The paper does not say how (Section 4.3.2).

    Returns
    -------
    keras.Model
        (n, 128, 128, channels) to (n, 128, 128, 3).
    """
    given = keras.Input((settings.SIZE, settings.SIZE, channels))
    x = _blocks(given, filters[:2])  # (n, 16, 16, filters)
    x = layers.Conv2D(3, 1)(x)
    x = layers.UpSampling2D(settings.SIZE // x.shape[1], interpolation="bilinear")(x)
    return keras.Model(given, x, name=name)


def n2(
    channels: int, kind: str, width: float, weights: str, name: str, units: int = BRANCH_UNITS
) -> keras.Model:
    """Build N2: a backbone with batch normalisation, flatten and dense; before it, for speech, a
    1x1 convolution.

    Parameters
    ----------
    channels
        1 for speech (three 1x1 filters turn it into three channels, Section 3.2.1), 3 for images.
    kind, width, weights
        As in `backbones.trunk`.

    Returns
    -------
    keras.Model
        (n, 128, 128, channels) to (n, units).
    """
    trunk, before = backbones.trunk(kind, width, weights)
    given = keras.Input((settings.SIZE, settings.SIZE, channels))
    x = layers.Conv2D(3, 1, name="to_three_channels")(given) if channels == 1 else given
    for layer in before:
        x = layer(x)
    x = layers.Flatten()(_norm()(trunk(x)))
    return keras.Model(given, _out(_norm()(x), units), name=name)


def _dense(x: keras.KerasTensor, name: str, classes: int) -> keras.KerasTensor:
    """Three dense layers of 1024, 1024 and `classes` units (Section 3.2.2)."""
    x = layers.Dense(DENSE_UNITS, activation="relu", name=f"{name}_1")(x)
    x = layers.Dense(DENSE_UNITS, activation="relu", name=f"{name}_2")(x)
    return layers.Dense(classes, name=name)(x)


def _inputs(modalities: tuple[str, ...]) -> dict[str, keras.KerasTensor]:
    channels = {"speech": 1, "image": 3}
    return {
        name: keras.Input((settings.SIZE, settings.SIZE, channels[name]), name=name)
        for name in modalities
    }


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
    for what, value, known in (
        ("configuration", configuration, (1, 2, 3)),
        ("fusion", fusion, ("multiply", "add")),
        ("late", late, ("learned", "fixed")),
    ):
        if value not in known:
            raise ValueError(
                f"unknown {what} {value!r}: choose one of {', '.join(map(str, known))}"
            )
    chosen = settings.profile(profile)
    given = _inputs(("speech", "image"))
    branch_s = n2(3 if configuration < 3 else 1, n2_s, chosen.width, chosen.weights, "N2_s")
    branch_i = n2(3, n2_i, chosen.width, chosen.weights, "N2_i")
    if configuration == 3:
        seen_s, seen_i = given["speech"], given["image"]
    else:
        # The criss-cross before N2: N1 of each modality joins the input of the other's N2.
        three = layers.Conv2D(3, 1, name="to_three_channels")(given["speech"])
        from_i = n1_before(3, chosen.n1_filters, "N1_i_before")(given["image"])
        from_s = n1_before(1, chosen.n1_filters, "N1_s_before")(given["speech"])
        seen_s = layers.Add(name="before_N2_s")([three, from_i])  # (n, 128, 128, 3)
        seen_i = layers.Add(name="before_N2_i")([given["image"], from_s])
    two_s, two_i = branch_s(seen_s), branch_i(seen_i)  # (n, 256), as all four branches
    if configuration == 2:
        f_i, f_s = (
            layers.Identity(name=name)(two) for name, two in (("F_i", two_s), ("F_s", two_i))
        )
    else:
        # Eq. 1: the criss-cross after N2.
        one_s = n1(1, chosen.n1_filters, "N1_s")(given["speech"])
        one_i = n1(3, chosen.n1_filters, "N1_i")(given["image"])
        f_i = layers.Add(name="F_i")([one_i, two_s])
        f_s = layers.Add(name="F_s")([one_s, two_i])
    # Eq. 1: the intermediate fusion.
    join = layers.Multiply(name="F_mul") if fusion == "multiply" else WeightedAddition(name="F_mul")
    f_mul = join([f_i, f_s])
    # Eq. 2: the late fusion.
    o_sp = _dense(f_s, "O_sp", classes)  # (n, classes)
    o_img = _dense(f_i, "O_img", classes)
    o_mul = _dense(f_mul, "O_mul", classes)
    mix = (
        WeightedAddition(name="late_fusion")
        if late == "learned"
        else layers.Average(name="late_fusion")
    )
    o = mix([o_sp, o_img, o_mul])
    # Probabilities stay float32 whatever the layers compute in.
    y = layers.Activation("softmax", name="y", dtype="float32")(o)
    return keras.Model(given, y, name="ParallelNet")


def unimodal(
    modality: str, profile: str | settings.Profile, classes: int = len(settings.CLASSES)
) -> keras.Model:
    """Build the speech or image half of ParallelNet, the "SER only" and "IER only" of Table 1.

    N1 and N2 of the one modality are added, as Eq. 1 adds across modalities, and go through the
    same three dense layers; so a comparison with ParallelNet differs in the other modality alone.

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


def teacher(modality: str, profile: str | settings.Profile, classes: int) -> keras.Model:
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
