"""The oracles of `sierlib.shapley.explain`: what is known of the values without the code that
computes them."""

from __future__ import annotations

import gc
import warnings
import weakref
from collections.abc import Callable
from itertools import product
from math import comb
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sierlib.settings import CLASSES
from sierlib.shapley.explain import METHODS, Explanation, Region, explain
from sierlib.shapley.keras_parts import scorer_for
from sierlib.shapley.partition import Tree, divide
from sierlib.shapley.value_function import Branches, Side, Whole

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # importing shap calls what matplotlib is about to deprecate
    import shap

SIZE = 8
Model = Callable[[dict[str, np.ndarray]], np.ndarray]
RNG = np.random.default_rng(0)
SPEECH, IMAGE = RNG.uniform(0.1, 1, (SIZE, SIZE, 1)), RNG.uniform(0.1, 1, (SIZE, SIZE, 3))


def weights(
    seed: int, shape: tuple[int, int] = (SIZE, SIZE), classes: int = 4
) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "speech": rng.normal(size=(*shape, 1, classes)),
        "image": rng.normal(size=(*shape, 3, classes)),
    }


def linear(w: dict[str, np.ndarray]) -> Model:
    return lambda x: sum(np.einsum("nhwc,hwck->nk", x[m], w[m]) for m in w)


def curved(seed: int, shape: tuple[int, int] = (SIZE, SIZE)) -> Model:
    """A softmax of a product and a sum of the modalities: every region interacts with every other
    one."""
    first, second = linear(weights(seed, shape)), weights(seed + 1, shape)

    def model(x: dict[str, np.ndarray]) -> np.ndarray:
        speech, image = (np.einsum("nhwc,hwck->nk", x[m], second[m]) for m in ("speech", "image"))
        z = first(x) / 4 + np.tanh(speech / 4) * image / 4
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    return model


def values(found: Explanation, level: int, modality: str | None = None) -> np.ndarray:
    return np.array([r.value for r in found.levels[level] if modality in (None, r.modality)])


def inside(array: np.ndarray, region: Region) -> np.ndarray:
    r0, r1, c0, c1 = region.box
    return array[r0:r1, c0:c1]


def toy_model(size: int = 16, seed: int = 0) -> keras.Model:
    """ParallelNet's graph (Eq. 1 and 2) in small: branches N1 and N2 of each modality, criss-cross,
    three heads."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers

    def branch(name: str, channels: int) -> keras.Model:
        x = start = keras.Input((size, size, channels))
        x = layers.BatchNormalization()(layers.Conv2D(4, 3, strides=2, activation="relu")(x))
        return keras.Model(
            start, layers.Dense(6, activation="tanh")(layers.Flatten()(x)), name=name
        )

    speech, image = (
        keras.Input((size, size, 1), name="speech"),
        keras.Input((size, size, 3), name="image"),
    )
    f_i = layers.Add(name="F_i")([branch("N1_i", 3)(image), branch("N2_s", 1)(speech)])
    f_s = layers.Add(name="F_s")([branch("N1_s", 1)(speech), branch("N2_i", 3)(image)])
    f_mul = layers.Multiply(name="F_mul")([f_i, f_s])
    late = layers.Add(name="late_fusion")(
        [layers.Dense(4)(layers.Dropout(0.5)(f)) for f in (f_s, f_i, f_mul)]
    )
    return keras.Model({"speech": speech, "image": image}, layers.Softmax()(late))


@pytest.fixture(scope="module")
def toy() -> keras.Model:
    return toy_model()


@pytest.fixture(scope="module")
def toy_sample() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return tuple(rng.uniform(0.1, 1, (16, 16, channels)).astype("float32") for channels in (1, 3))


def whole(model: keras.Model) -> Model:
    return lambda x: np.asarray(model(x, training=False))


# What the values are, by other means


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


def brute_force(model: Model, trees: dict[str, Tree], target: int) -> dict[tuple[str, int], float]:
    """Owen values by definition: the mean of what a region adds, over every order that respects the
    tree."""

    def orders(level: int, k: int, depth: int) -> list[list[int]]:
        if level == depth:
            return [[k]]
        first, second = orders(level + 1, 2 * k, depth), orders(level + 1, 2 * k + 1, depth)
        return [p + q for a, b in ((first, second), (second, first)) for p, q in product(a, b)]

    by_modality = {
        m: [[(m, k) for k in order] for order in orders(0, 0, t.depth)] for m, t in trees.items()
    }
    every = [
        p + q
        for a, b in (("speech", "image"), ("image", "speech"))
        for p, q in product(by_modality[a], by_modality[b])
    ]
    total: dict[tuple[str, int], float] = {}
    for order in every:
        x = {"speech": np.zeros_like(SPEECH), "image": np.zeros_like(IMAGE)}
        before = model({m: a[None] for m, a in x.items()})[0, target]
        for m, k in order:
            chosen = trees[m].labels() == k
            x[m][chosen] = {"speech": SPEECH, "image": IMAGE}[m][chosen]
            after = model({m: a[None] for m, a in x.items()})[0, target]
            total[m, k] = total.get((m, k), 0.0) + (after - before) / len(every)
            before = after
    return total


@pytest.mark.parametrize("split", ["time", "longest"])
def test_owen_is_the_definition(split: str) -> None:
    model = curved(7)
    found = explain(model, SPEECH, IMAGE, depth=2, target=3, speech_split=split)
    trees = {"speech": divide(SIZE, SIZE, 2, split), "image": divide(SIZE, SIZE, 2, "longest")}
    expected = brute_force(model, trees, 3)
    for modality in trees:
        np.testing.assert_allclose(
            values(found, 2, modality),
            [expected[modality, k] for k in range(4)],
            rtol=0,
            atol=1e-12,
        )


def test_owen_is_plain_shapley_where_regions_interact_in_pairs() -> None:
    """Eight players without a tree. An order that respects one puts either of a pair first as often
    as any order
    does: so up to pairs the two values are the same. From three players on they differ by
    design."""
    first, second = linear(weights(17)), linear(weights(18))

    def model(x: dict[str, np.ndarray]) -> np.ndarray:
        return first(x) * second(x)

    trees = {"speech": divide(SIZE, SIZE, 2, "time"), "image": divide(SIZE, SIZE, 2, "longest")}
    players = [(m, k) for m in trees for k in range(4)]
    n = len(players)
    members = np.array(list(product((0.0, 1.0), repeat=n)))
    inputs = {}
    for m, x in (("speech", SPEECH), ("image", IMAGE)):
        own = members[:, [i for i, (modality, _) in enumerate(players) if modality == m]]
        inputs[m] = x * own[:, trees[m].labels()][..., None]
    score = model(inputs)[:, 1]
    code = members @ (1 << np.arange(n)[::-1])  # the row of a coalition is its binary number
    np.testing.assert_array_equal(code, np.arange(1 << n))
    expected = []
    for i in range(n):
        without = np.flatnonzero(members[:, i] == 0)
        added = score[without + (1 << (n - 1 - i))] - score[without]
        sizes = members[without].sum(axis=1).astype(int)
        expected.append(sum(a / (n * comb(n - 1, s)) for a, s in zip(added, sizes, strict=True)))
    found = explain(model, SPEECH, IMAGE, depth=2, target=1)
    np.testing.assert_allclose(
        [*values(found, 2, "speech"), *values(found, 2, "image")], expected, rtol=0, atol=1e-10
    )


class Leaves(shap.maskers.Masker):
    """A masker over the finest regions of a tree, with the tree as its clustering."""

    def __init__(self, depth: int) -> None:
        n = 1 << depth
        self.shape = (1, n)
        rows, ids = [], list(range(n))
        for level in range(depth, 0, -1):
            pairs = list(zip(ids[::2], ids[1::2], strict=True))
            ids = [n + len(rows) + j for j in range(len(pairs))]
            rows += [[a, b, depth - level + 1, 1 << (depth - level + 1)] for a, b in pairs]
        self.clustering = np.array(rows, float)

    def __call__(self, mask: np.ndarray, x: np.ndarray) -> tuple[np.ndarray]:
        return ((x * mask)[None],)


@pytest.mark.parametrize(("modality", "present"), [("image", 1.0), ("image", 0.0), ("speech", 1.0)])
def test_owen_is_shaps_partition_explainer(modality: str, present: float) -> None:
    model, depth, other = curved(9), 4, {"speech": "image", "image": "speech"}[modality]
    x = {"speech": SPEECH, "image": IMAGE}
    x[other] = x[other] * present
    labels = divide(SIZE, SIZE, depth, "longest").labels()

    def on_leaves(rows: np.ndarray) -> np.ndarray:
        masked = np.where(rows[:, labels][..., None] > 0, x[modality], 0.0)
        return model({modality: masked, other: np.repeat(x[other][None], len(rows), axis=0)})

    explainer = shap.PartitionExplainer(on_leaves, Leaves(depth))
    theirs = explainer(np.ones((1, 1 << depth)), max_evals=100_000, silent=True).values[0]
    ours = explain(model, **x, depth=depth, modality=modality, speech_split="longest", target="all")
    for j, name in enumerate(CLASSES):
        np.testing.assert_allclose(values(ours[name], depth), theirs[:, j], rtol=0, atol=1e-6)


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


# Additivity, always


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


def test_logit_is_the_logarithm_of_the_model() -> None:
    model = curved(17)
    logit = explain(model, SPEECH, IMAGE, depth=2, target=1, output="logit")
    by_hand = explain(lambda x: np.log(model(x)), SPEECH, IMAGE, depth=2, target=1)
    np.testing.assert_allclose(logit.speech_map, by_hand.speech_map, rtol=0, atol=1e-12)


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
    model, seen = curved(19), []

    def spy(x: dict[str, np.ndarray]) -> np.ndarray:
        seen.extend(a.dtype for a in x.values())
        return model({m: a.astype(float) for m, a in x.items()})

    exact = explain(spy, SPEECH, IMAGE, depth=2, target=0, baseline="blur")
    for dtype in ("float32", "float16"):
        seen.clear()
        found = explain(
            spy, SPEECH.astype(dtype), IMAGE.astype(dtype), depth=2, target=0, baseline="blur"
        )
        assert set(seen) == {np.dtype(dtype)}
        np.testing.assert_allclose(found.image_map, exact.image_map, rtol=0, atol=1e-3)


# Budgets, samples, the published recursion


@pytest.mark.parametrize("budget", [4, 7, 8, 30, 77, 150, 684, 10_000])
def test_budget_is_kept(budget: int) -> None:
    model = curved(21)
    exact = explain(model, SPEECH, IMAGE, depth=4, target=2, speech_split="longest")
    found = explain(
        model, SPEECH, IMAGE, depth=4, target=2, speech_split="longest", max_evals=budget
    )
    assert exact.n_evals == 4 + 8 * (4**4 - 1) // 3 == 684
    assert budget - 3 <= found.n_evals <= budget or found.n_evals == exact.n_evals
    assert np.abs(found.gaps).max() < 1e-12
    if budget >= exact.n_evals:
        np.testing.assert_allclose(found.image_map, exact.image_map, rtol=0, atol=1e-12)
    if budget == 4:  # nothing but the two modalities: spread over their areas
        np.testing.assert_allclose(
            found.speech_map, exact.speech_value / SIZE**2, rtol=0, atol=1e-12
        )


@pytest.mark.parametrize("budget", [4, 12, 30, 77, 150, 684])
def test_what_the_budget_left_undivided_bounds_the_error_where_values_have_one_sign(
    budget: int,
) -> None:
    up = linear({m: np.abs(w) for m, w in weights(23).items()})

    def model(x: dict[str, np.ndarray]) -> np.ndarray:
        return np.sqrt(up(x))  # grows with every region, in every context

    exact, found = (
        explain(model, SPEECH, IMAGE, depth=4, target=2, speech_split="longest", max_evals=most)
        for most in (None, budget)
    )
    left = sum(found.unrefined[m].sum() for m in ("speech", "image"))
    assert np.abs(values(found, 4) - values(exact, 4)).sum() <= 2 * left + 1e-12
    assert left == pytest.approx({4: found.value - found.base_value, 684: 0}.get(budget, left))
    assert not np.any(list(exact.unrefined.values()))
    assert {m: a.shape for m, a in found.unrefined.items()} == dict.fromkeys(
        ("speech", "image"), (SIZE, SIZE)
    )
    assert explain(model, SPEECH, IMAGE, depth=2, method="sampled").unrefined is None


def test_largest_gaps_come_first() -> None:
    w = {m: np.zeros_like(a) for m, a in weights(0).items()}
    w["image"][:2, :2] = 1.0
    # Four divisions in 1, 2, 4 and 8 contexts, each with the speech absent and whole, lead to the
    # corner that counts.
    budget = 4 + 4 * (1 + 2 + 4 + 8)
    found = explain(
        linear(w), SPEECH, IMAGE, depth=4, speech_split="longest", max_evals=budget, target=0
    )
    assert found.image_map[:2, :2].sum() == pytest.approx(found.value)
    assert found.image_map[2:].max() == found.image_map[:, 2:].max() == 0


def test_sampled_is_exact_for_a_linear_model_at_once() -> None:
    w = weights(23)
    found = explain(linear(w), SPEECH, IMAGE, depth=3, method="sampled", max_evals=4 + 56, target=0)
    exact = explain(linear(w), SPEECH, IMAGE, depth=3, target=0)
    assert found.n_evals <= 60
    assert found.stderr is None
    np.testing.assert_allclose(found.speech_map, exact.speech_map, rtol=0, atol=1e-12)


def test_sampled_comes_close_and_says_how_close() -> None:
    model = curved(25)
    exact = values(explain(model, SPEECH, IMAGE, depth=3, target=1), 3)
    draws = [
        explain(model, SPEECH, IMAGE, depth=3, target=1, method="sampled", seed=seed)
        for seed in range(60)
    ]
    estimates = np.array([values(found, 3) for found in draws])
    errors = np.array([[region.stderr for region in found.levels[3]] for found in draws])
    deviation = estimates.std(axis=0, ddof=1)
    assert (np.abs(estimates.mean(axis=0) - exact) < 4 * deviation / np.sqrt(60)).all()  # unbiased
    # The root mean square of the standard errors is the deviation that repeating the draw shows.
    assert np.sqrt((errors**2).mean()) == pytest.approx(np.sqrt((deviation**2).mean()), rel=0.15)
    covered = np.abs(estimates - exact) < 2.36 * errors  # Student's t, 7 degrees of freedom
    assert covered.mean() == pytest.approx(0.95, abs=0.04)
    many = explain(model, SPEECH, IMAGE, depth=3, target=1, method="sampled", max_evals=8_000)
    assert np.abs(values(many, 3) - exact).max() < np.abs(estimates - exact).max() / 3
    region = draws[0].levels[3][0]
    assert inside(draws[0].stderr["speech"], region).sum() == pytest.approx(region.stderr)


def test_sampled_is_repeatable() -> None:
    first, again, other = (
        explain(curved(27), SPEECH, IMAGE, depth=3, method="sampled", max_evals=200, seed=seed)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.image_map, again.image_map)
    assert np.abs(first.image_map - other.image_map).max() > 0


def test_published_is_the_papers_recursion_and_reports_its_gap() -> None:
    model, target = curved(29), 0

    def f(*boxes: tuple[int, int], image: bool = False) -> float:
        speech = np.zeros_like(SPEECH)
        for c0, c1 in boxes:
            speech[:, c0:c1] = SPEECH[:, c0:c1]
        return float(model({"speech": speech[None], "image": image * IMAGE[None]})[0, target])

    found = explain(model, SPEECH, IMAGE, depth=2, target=target, method="published")
    halves = values(found, 1, "speech")
    assert halves[0] == pytest.approx((f((0, 4)) - f() + f((0, 8)) - f((4, 8))) / 2)
    quarters = values(found, 2, "speech")
    assert quarters[3] == pytest.approx((f((6, 8)) - f() + f((4, 8)) - f((4, 6))) / 2)
    assert values(found, 0)[0] == pytest.approx(
        (f((0, 8)) - f() + f((0, 8), image=True) - f(image=True)) / 2
    )
    assert found.gaps[0] == pytest.approx(0, abs=1e-12)
    only = {"speech": f((0, 8)) - f(), "image": f(image=True) - f()}
    assert found.gaps[1] == pytest.approx(sum(only.values()) - (found.value - found.base_value))
    assert min(map(abs, found.gaps[1:])) > 1e-3
    assert found.speech_value + found.image_value == pytest.approx(sum(values(found, 2)))


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


# How often, on what, and with what the model is run


def test_equal_masked_inputs_are_computed_once() -> None:
    seen: list[bytes] = []
    model = curved(33)
    padded = SPEECH.copy()
    padded[:, 4:] = 0  # a recording that ends halfway: masking the silence changes nothing

    def spy(x: dict[str, np.ndarray]) -> np.ndarray:
        seen.extend(s.tobytes() + i.tobytes() for s, i in zip(x["speech"], x["image"], strict=True))
        return model(x)

    found = explain(spy, padded, IMAGE, depth=3, target=0)
    assert len(seen) == len(set(seen)) == found.n_evals
    assert np.abs(found.speech_map[:, 4:]).max() == 0
    exact = 4 + 2 * 2 * 2 * (4**3 - 1) // 3
    assert found.n_evals < exact
    assert explain(model, SPEECH, IMAGE, depth=3, target=0).n_evals == exact


def test_callable_gets_its_dtype_and_batch() -> None:
    model = curved(35)

    def strict(x: dict[str, np.ndarray]) -> np.ndarray:
        assert x["speech"].dtype == x["image"].dtype == np.float32
        assert x["speech"].shape[1:] == (SIZE, SIZE, 1)
        assert len(x["speech"]) == len(x["image"]) <= 5
        return model(x)

    explain(
        strict, SPEECH.astype("f4"), IMAGE.astype("f4"), depth=2, batch_size=5, method="sampled"
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("modality", [None, "image"])
def test_cached_branches_equal_whole_evaluations(
    toy: keras.Model, toy_sample: tuple[np.ndarray, np.ndarray], method: str, modality: str | None
) -> None:
    fast, slow = (
        explain(m, *toy_sample, depth=3, method=method, modality=modality)
        for m in (toy, whole(toy))
    )
    assert fast.n_evals == slow.n_evals
    for level in range(4):
        np.testing.assert_allclose(values(fast, level), values(slow, level), rtol=0, atol=1e-6)
    if method != "published":
        assert np.abs(fast.gaps).max() < 1e-12


def sides(speech: np.ndarray, image: np.ndarray, depth: int = 2) -> dict[str, Side]:
    labels = divide(*speech.shape[:2], depth, "longest").labels()
    return {"speech": Side(speech, 0 * speech, labels), "image": Side(image, 0 * image, labels)}


def test_a_branch_never_runs_for_the_other_modality(
    toy: keras.Model, toy_sample: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[str, int]] = []
    features = Branches._features

    def spy(self: Branches, modality: str, members: np.ndarray) -> Any:
        ran.append((modality, len(members)))
        return features(self, modality, members)

    monkeypatch.setattr(Branches, "_features", spy)
    found = explain(toy, *toy_sample, depth=3, batch_size=10)
    assert isinstance(scorer_for(toy, sides(*toy_sample)), Branches)
    assert max(n for _, n in ran) <= 10
    # A masked input is scored with the other modality absent and whole, and its branches run once.
    assert sum(n for _, n in ran) == (found.n_evals - 4) // 2 + 4
    assert sum(n for modality, n in ran if modality == "image") == (found.n_evals - 4) // 4 + 2


def meeting_model(kind: str) -> keras.Model:
    """Models whose branches meet before N2: at once, or after a convolution each."""
    keras.utils.set_random_seed(2)
    layers = keras.layers
    speech, image = keras.Input((16, 16, 1), name="speech"), keras.Input((16, 16, 3), name="image")
    a, b = (
        (speech, image)
        if kind == "at once"
        else (layers.Conv2D(2, 3)(speech), layers.Conv2D(2, 3)(image))
    )
    x = layers.Conv2D(3, 3, strides=2, activation="relu", name="N2")(layers.Concatenate()([a, b]))
    return keras.Model([image, speech], layers.Dense(4, activation="softmax")(layers.Flatten()(x)))


@pytest.mark.parametrize(
    ("kind", "scorer"), [("at once", Whole), ("after a convolution", Branches)]
)
def test_branches_that_meet_early(
    kind: str, scorer: type, toy_sample: tuple[np.ndarray, np.ndarray]
) -> None:
    model = meeting_model(kind)
    assert isinstance(scorer_for(model, sides(*toy_sample)), scorer)
    fast = explain(model, *toy_sample, depth=2)
    slow = explain(lambda x: np.asarray(model([x["image"], x["speech"]])), *toy_sample, depth=2)
    np.testing.assert_allclose(fast.speech_map, slow.speech_map, rtol=0, atol=1e-6)
    np.testing.assert_allclose(fast.image_map, slow.image_map, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["image", "pixels"])
def test_unimodal_model(name: str, toy_sample: tuple[np.ndarray, np.ndarray]) -> None:
    x = start = keras.Input((16, 16, 3), name=name)
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu")(x)
    model = keras.Model(
        start, keras.layers.Dense(4, activation="softmax")(keras.layers.Flatten()(x))
    )
    found = explain(model, *toy_sample, depth=2)
    slow = explain(lambda x: np.asarray(model(x["image"])), *toy_sample, depth=2)
    assert np.abs(found.speech_map).max() == 0
    np.testing.assert_allclose(found.image_map, slow.image_map, rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="modality='speech'; expected one of None, 'image'"):
        explain(model, *toy_sample, depth=2, modality="speech")


def test_new_weights_are_seen(toy_sample: tuple[np.ndarray, np.ndarray]) -> None:
    model, other = toy_model(seed=5), toy_model(seed=6)
    before = {
        p: explain(model, *toy_sample, depth=1, precision=p, target=0) for p in (None, "bfloat16")
    }
    model.set_weights(other.get_weights())
    fresh = explain(other, *toy_sample, depth=1, target=0)
    for precision, old in before.items():
        found = explain(model, *toy_sample, depth=1, precision=precision, target=0)
        assert found.value == pytest.approx(fresh.value, abs=0.01)
        assert found.value != pytest.approx(old.value, abs=0.01)


def test_bfloat16_branches_are_close_and_additive(
    toy: keras.Model, toy_sample: tuple[np.ndarray, np.ndarray]
) -> None:
    exact, rough = (explain(toy, *toy_sample, depth=3, precision=p) for p in (None, "bfloat16"))
    assert np.abs(rough.gaps).max() < 1e-12
    np.testing.assert_allclose(values(rough, 3), values(exact, 3), rtol=0, atol=0.01)
    assert np.abs(values(rough, 3) - values(exact, 3)).max() > 0
    with pytest.raises(ValueError, match="precision='bfloat16' needs a Keras graph"):
        explain(curved(0), SPEECH, IMAGE, depth=1, precision="bfloat16")


def test_parallel_net_itself() -> None:
    from sierlib.networks.parallelnet import parallel_net
    from sierlib.shapley import explain
    from sierlib.shapley.keras_parts import scorer_for
    from sierlib.shapley.value_function import Branches

    model = parallel_net("smoke")
    rng = np.random.default_rng(3)
    sample = [rng.random((128, 128, channels), np.float32) for channels in (1, 3)]
    assert isinstance(scorer_for(model, sides(*sample)), Branches)
    fast, slow = (explain(m, *sample, depth=1, target="sad") for m in (model, whole(model)))
    np.testing.assert_allclose(values(fast, 1), values(slow, 1), rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match=r"image has shape \(8, 8, 3\); expected \(128, 128, 3\)"):
        explain(model, SPEECH, IMAGE)


def test_a_keras_model_without_a_graph_is_a_callable(
    toy_sample: tuple[np.ndarray, np.ndarray],
) -> None:
    class Subclass(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(4, activation="softmax")

        def call(self, x: dict[str, Any]) -> Any:
            return self.dense(keras.ops.mean(x["speech"] * x["image"], axis=(1, 2)))

    found = explain(Subclass(), *toy_sample, depth=1, target="all")
    assert max(np.abs(each.gaps).max() for each in found.values()) < 1e-12


def test_models_are_not_kept_alive(toy_sample: tuple[np.ndarray, np.ndarray]) -> None:
    model = toy_model(seed=7)
    explain(model, *toy_sample, depth=1)
    explain(model, *toy_sample, depth=1, precision="bfloat16")
    alive = weakref.ref(model)
    del model
    gc.collect()
    assert alive() is None


def test_progress_is_shown_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    explain(curved(37), SPEECH, IMAGE, depth=2, progress=True)
    assert "44/44" in capsys.readouterr().err
    explain(curved(37), SPEECH, IMAGE, depth=2)
    assert capsys.readouterr() == ("", "")


def test_progress_can_be_told_to_a_function() -> None:
    told: list[float] = []
    explain(linear(weights(1)), SPEECH, IMAGE, depth=2, progress=told.append)
    assert told and told == sorted(told) and told[0] >= 0 and told[-1] == 1.0


# Bad input


def never(x: dict[str, np.ndarray]) -> np.ndarray:
    raise AssertionError("the model was run")


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


def test_deep_trees_within_a_budget() -> None:
    found = explain(curved(39), SPEECH, IMAGE, depth=6, speech_split="longest", max_evals=300)
    assert found.n_evals <= 300
    assert len(found.levels[6]) == 2 * SIZE**2
    assert np.abs(found.gaps).max() < 1e-12


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda x: np.full((len(x["speech"]), 4), np.nan), "values that are not finite"),
        (
            lambda x: np.ones(len(x["speech"])),
            r"array of shape \(2,\) for 2 inputs; expected \(2, classes\)",
        ),
        (lambda x: np.ones((1, 4)), r"array of shape \(1, 4\) for 2 inputs"),
        (lambda x: np.ones((len(x["speech"]), 0)), r"scores of 0 classes; expected \(n, classes\)"),
        (None, "model is a NoneType; expected a Keras model, or a callable"),
        ("runs/quick", "model is a str; expected a Keras model, or a callable"),
    ],
)
def test_bad_models_are_refused(model: Model, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        explain(model, SPEECH, IMAGE, depth=2)


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


def test_inputs_of_other_names_are_refused() -> None:
    a, b = keras.Input((8, 8, 1), name="audio"), keras.Input((8, 8, 3), name="image")
    merged = keras.layers.Concatenate()([a, b])
    model = keras.Model([a, b], keras.layers.Dense(4)(keras.layers.Flatten()(merged)))
    with pytest.raises(
        ValueError, match=r"named \['audio', 'image'\]; expected 'speech' and 'image'"
    ):
        explain(model, SPEECH, IMAGE, depth=1)
