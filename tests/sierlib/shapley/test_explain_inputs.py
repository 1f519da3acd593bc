"""`explain` of models with inputs of any kinds."""

from __future__ import annotations

import re
from itertools import pairwise, permutations, product
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier

from sierlib.shapley import explain
from tests.sierlib.shapley.toys import IMAGE, SPEECH, curved, never

RNG = np.random.default_rng(3)
Inputs = dict[str, np.ndarray]

#: A grid of four places, a sequence of four, a vector of three.
INPUTS: Inputs = {
    "grid": RNG.uniform(-1, 1, (2, 2, 2)),
    "sequence": RNG.uniform(-1, 1, (4, 3)),
    "vector": RNG.uniform(-1, 1, 3),
}
#: The halves of each, down to single places, whose numbers are those in C order.
HALVES: dict[str, Any] = {
    "grid": ((0, 1), (2, 3)),
    "sequence": ((0, 1), (2, 3)),
    "vector": (0, (1, 2)),
}


def tangled(x: Inputs) -> np.ndarray:
    """A model in which everything interacts, of three classes."""
    flat = [each.reshape(len(each), -1) for each in x.values()]
    weights = np.random.default_rng(5)
    hidden = sum(each @ weights.normal(size=(each.shape[1], 6)) for each in flat)
    return np.tanh(hidden) ** 2 @ weights.normal(size=(6, 3))


def orders_of(tree: Any) -> list[tuple[int, ...]]:
    """All orders of a tree's places in which those of a part stay together."""
    if isinstance(tree, int):
        return [(tree,)]
    first, second = map(orders_of, tree)
    return [a + b for pair in ((first, second), (second, first)) for a, b in product(*pair)]


def define(model: Any, inputs: Inputs, trees: dict[str, Any], target: int) -> Inputs:
    """The Owen values by their definition: the mean over all orders that respect the tree."""

    def score(present: set[tuple[str, int]]) -> float:
        masked = {}
        for name, x in inputs.items():
            axes = x.shape[:-1] or x.shape
            keep = np.array([(name, k) in present for k in range(np.prod(axes))]).reshape(axes)
            masked[name] = np.where(keep.reshape(axes + (1,) * (x.ndim - len(axes))), x, 0)[None]
        return float(model(masked)[0, target])

    known: dict[frozenset[tuple[str, int]], float] = {}
    totals = {name: np.zeros(x.shape[:-1] or x.shape) for name, x in inputs.items()}
    every = [
        [(name, k) for name, order in zip(names, parts, strict=True) for k in order]
        for names in permutations(inputs)
        for parts in product(*(orders_of(trees[name]) for name in names))
    ]
    for order in every:
        steps = [frozenset(order[:k]) for k in range(len(order) + 1)]
        for step in steps:
            if step not in known:
                known[step] = score(set(step))
        for (before, after), (name, k) in zip(pairwise(steps), order, strict=True):
            totals[name].flat[k] += (known[after] - known[before]) / len(every)
    return totals


def test_three_inputs_have_the_values_of_the_definition() -> None:
    found = explain(tangled, inputs=INPUTS, target=1)
    expected = define(tangled, INPUTS, HALVES, 1)
    for name, values in expected.items():
        assert found.maps[name] == pytest.approx(values, abs=1e-12), name
    assert found.corners.shape == (2, 2, 2)
    # 8 coalitions of inputs; inside the vector a half of a single place is halved no further.
    assert [len(level) for level in found.levels] == [3, 6, 11]
    assert found.gaps == pytest.approx([0, 0, 0], abs=1e-12)


def test_orders_are_drawn_from_the_same_values() -> None:
    exact = explain(tangled, inputs=INPUTS, target=0)
    drawn = explain(tangled, inputs=INPUTS, target=0, method="sampled", max_evals=40_000)
    for name, values in exact.maps.items():
        assert drawn.maps[name] == pytest.approx(values, abs=6 * drawn.stderr[name].max() + 1e-12)


def test_speech_and_image_by_name_are_what_they_are_in_their_places() -> None:
    model = curved(0)
    one = explain(model, SPEECH, IMAGE, depth=3, target=0)
    other = explain(model, inputs={"image": IMAGE, "speech": SPEECH}, depth=3, target=0)
    assert other.image_map == pytest.approx(one.image_map, abs=1e-12)
    assert other.speech_map == pytest.approx(one.speech_map, abs=1e-12)
    assert other.interaction == pytest.approx(one.interaction)


@settings(max_examples=20, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    depth=st.integers(0, 4),
    method=st.sampled_from(["owen", "sampled", "published"]),
)
def test_every_level_of_any_shape_adds_up(sizes: list[int], depth: int, method: str) -> None:
    rng = np.random.default_rng(sum(sizes))
    shapes = [(n,) if n % 3 else (n, 2) if n % 2 else (n, n + 1, 2) for n in sizes]
    inputs = {f"x{k}": rng.normal(size=shape) for k, shape in enumerate(shapes)}
    found = explain(tangled, inputs=inputs, depth=depth, method=method)
    assert {name: values.shape for name, values in found.maps.items()} == {
        name: x.shape[:-1] or x.shape for name, x in inputs.items()
    }
    if method != "published":
        assert found.gaps == pytest.approx([0] * len(found.gaps), abs=1e-9)
    assert found.gaps[0] == pytest.approx(0, abs=1e-9)


def keras_model() -> keras.Model:
    """Words and a picture, and what a form says: cut apart, they meet in the last layer."""
    keras.utils.set_random_seed(0)
    words = keras.Input((5,), dtype="int32", name="words")
    picture = keras.Input((6, 6, 3), name="picture")
    form = keras.Input((3,), name="form")
    parts = [
        keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(20, 4)(words)),
        keras.layers.GlobalMaxPooling2D()(keras.layers.Conv2D(4, 3)(picture)),
        keras.layers.Dense(4, "tanh")(form),
    ]
    joined = keras.layers.Dense(6, "tanh")(keras.layers.Multiply()(parts))
    scores = keras.layers.Dense(2, "softmax")(joined)
    return keras.Model([picture, words, form], scores)


def test_a_keras_model_of_three_inputs_is_what_it_is_as_a_callable() -> None:
    model = keras_model()
    inputs = {
        "words": np.array([3, 7, 1, 0, 0]),
        "picture": RNG.uniform(0, 1, (6, 6, 3)).astype(np.float32),
        "form": np.float32([0.5, -2, 1]),
    }
    found = explain(model, inputs=inputs, depth=3, target="all")
    whole = explain(lambda x: np.asarray(model(x)), inputs=inputs, depth=3, target="all")
    for target, one in found.items():
        for name, values in one.maps.items():
            assert values == pytest.approx(whole[target].maps[name], abs=1e-6)
    # Padding is the baseline already.
    assert not found[0].maps["words"][3:].any() and found[0].maps["words"][:3].any()


def test_a_single_input_of_any_name() -> None:
    start = keras.Input((8,), name="features")
    model = keras.Model(start, keras.layers.Dense(3)(start))
    x = RNG.normal(size=8)
    found = explain(model, inputs={"features": x}, target=2)
    assert found.maps["features"] == pytest.approx(x * np.asarray(model.layers[-1].kernel)[:, 2])


def test_scikit_learn_over_a_table_and_a_sequence() -> None:
    table, course = RNG.normal(size=(60, 3)), RNG.normal(size=(60, 8, 1))
    forest = RandomForestClassifier(10, random_state=0)
    forest.fit(np.hstack([table, course[..., 0]]), (table[:, 0] * course[:, 2, 0] > 0).astype(int))

    def model(x: Inputs) -> np.ndarray:
        return forest.predict_proba(np.hstack([x["table"], x["course"][..., 0]]))

    found = explain(model, inputs={"table": table[0], "course": course[0]})
    assert found.gaps == pytest.approx([0] * 4, abs=1e-12)
    assert found.maps["table"].shape == (3,) and found.maps["course"].shape == (8,)


def test_one_of_several_inputs_alone() -> None:
    found = explain(tangled, inputs=INPUTS, modality="vector", target=0)
    whole, others = tangled({m: x[None] for m, x in INPUTS.items()})[0, 0], dict(INPUTS)
    others["vector"] = 0 * INPUTS["vector"]
    absent = tangled({m: x[None] for m, x in others.items()})[0, 0]
    assert found.maps["vector"].sum() == pytest.approx(whole - absent)
    assert not found.maps["grid"].any() and found.interaction == 0


def test_a_blurred_or_a_given_baseline() -> None:
    inputs = {name: INPUTS[name] for name in ("grid", "sequence")}
    assert not explain(tangled, inputs=inputs, baseline=inputs).maps["grid"].any()
    still = {"grid": np.ones((4, 4, 1)), "sequence": np.ones((4, 1))}
    assert abs(explain(tangled, inputs=still, baseline="blur").maps["grid"]).max() < 1e-12


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": {}}, "inputs names 0; expected a dict of one to 4 arrays by name"),
        ({"inputs": dict.fromkeys("abcde", np.ones(2))}, "inputs names 5"),
        ({"inputs": [np.ones(3)]}, "inputs is no dict"),
        ({"inputs": {"x": np.ones((2, 2, 2, 2))}}, "x has shape (2, 2, 2, 2); expected (height,"),
        ({"inputs": {"x": np.ones(0)}}, "x has shape (0,)"),
        ({"inputs": {"x": np.array(["a"])}}, "x has dtype <U1; expected finite numbers"),
        ({"inputs": {"x": np.array([1, np.nan])}}, "expected finite numbers"),
        ({"modality": "speech"}, "modality='speech'; expected one of None, 'x'"),
        ({"baseline": "blur"}, "x has features without an order"),
        ({"baseline": {"y": np.ones(2)}}, "(x), or a dict of them"),
        ({"baseline": {"x": np.ones(3)}}, "the baseline of x has shape (3,); expected (2,)"),
        ({"speech": SPEECH}, "speech or image is given beside inputs"),
        ({"inputs": None}, "speech has shape ()"),
        ({"max_evals": 3}, "max_evals=3"),
        ({"inputs": dict.fromkeys("abcd", np.ones(8)), "max_evals": 15}, "expected 16 at least"),
    ],
)
def test_bad_input_is_refused_before_any_evaluation(changes: dict[str, Any], message: str) -> None:
    arguments = {"inputs": {"x": np.ones(2)}} | changes
    with pytest.raises(ValueError, match=re.escape(message)):
        explain(never, **arguments)


def test_an_input_that_the_model_does_not_take() -> None:
    x = {"words": np.ones(5), "picture": np.ones((6, 6, 3)), "shape": np.ones(3)}
    with pytest.raises(ValueError, match=r"expected \['form', 'picture', 'words'\]"):
        explain(keras_model(), inputs=x)
