"""Owen values by definition and by shap, within budgets, from samples, and as published."""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest
import shap

from sierlib.settings import CLASSES
from sierlib.shapley.explain import explain
from sierlib.shapley.partition import Tree, divide
from tests.sierlib.shapley.toys import (
    IMAGE,
    SIZE,
    SPEECH,
    Model,
    curved,
    inside,
    linear,
    values,
    weights,
)


def brute_force(model: Model, trees: dict[str, Tree], target: int) -> dict[tuple[str, int], float]:
    """Owen values by definition: what a region adds, over every order that respects the tree."""

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
    """Eight players without a tree.

    An order that respects a tree puts either of a pair first as often as any order does: so up to
    pairs the two values are the same. From three players on they differ by design.
    """
    first, second = linear(weights(17)), linear(weights(18))

    def model(x: dict[str, np.ndarray]) -> np.ndarray:
        return first(x) * second(x)

    trees = {"speech": divide(SIZE, SIZE, 2, "time"), "image": divide(SIZE, SIZE, 2, "longest")}
    players = [(m, k) for m in trees for k in range(4)]
    n = len(players)
    members = np.array(list(product((0.0, 1.0), repeat=n)))
    inputs = {}
    for m, x in (("speech", SPEECH), ("image", IMAGE)):
        columns = [i for i, (modality, _) in enumerate(players) if modality == m]
        present = members[:, columns][:, trees[m].labels()]
        inputs[m] = x * present[..., None]
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


def test_deep_trees_within_a_budget() -> None:
    found = explain(curved(39), SPEECH, IMAGE, depth=6, speech_split="longest", max_evals=300)
    assert found.n_evals <= 300
    assert len(found.levels[6]) == 2 * SIZE**2
    assert np.abs(found.gaps).max() < 1e-12
