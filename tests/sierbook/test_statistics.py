"""Scores against scikit-learn, intervals and tests against published or simulated values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from sierbook import statistics
from sierlib import settings
from sierlib.experiment.scores import class_codes, estimate_share, score_predictions

LABELS = st.integers(0, 3)


@given(rows=st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=60))
def test_scores_are_those_of_scikit_learn(rows: list[tuple[int, int]]) -> None:
    truth, guess = np.array(rows).T
    found = score_predictions(truth, guess)
    assert found["n"] == len(rows)
    accuracy = found["accuracy"]
    assert accuracy["value"] == pytest.approx(sk.accuracy_score(truth, guess))
    assert found["macro_f1"] == pytest.approx(
        sk.f1_score(truth, guess, average="macro", zero_division=0)
    )
    recalls = sk.recall_score(truth, guess, labels=range(4), average=None, zero_division=np.nan)
    assert found["balanced_accuracy"] == pytest.approx(np.nanmean(recalls))
    for name, recall in zip(settings.CLASSES, recalls, strict=True):
        assert found["per_class"][name] == (None if np.isnan(recall) else pytest.approx(recall))
    assert found["confusion"] == sk.confusion_matrix(truth, guess, labels=range(4)).tolist()
    if len(set(truth) | set(guess)) > 1:
        assert found["kappa"] == pytest.approx(sk.cohen_kappa_score(truth, guess))
    always = np.full(len(truth), np.bincount(truth).argmax())
    assert found["majority"] == pytest.approx(sk.accuracy_score(truth, always))
    assert 0 <= accuracy["low"] <= accuracy["value"] + 1e-12
    assert accuracy["value"] - 1e-12 <= accuracy["high"] <= 1 and accuracy["n"] == len(rows)


def test_a_single_class_gives_numbers_and_no_warning() -> None:
    found = score_predictions(np.zeros(5, int), np.zeros(5, int))
    assert found["accuracy"]["value"] == found["macro_f1"] == 1.0 and found["kappa"] == 0.0


def test_codes_follow_the_order_of_the_classes() -> None:
    assert class_codes(["sad", "anger", "hate", "happy"]).tolist() == [3, 0, 2, 1]
    assert class_codes([]).dtype.kind == "i"


def test_wilsons_interval_of_eight_in_ten() -> None:
    # Wilson (1927) by the formula; the same numbers as in common statistical packages.
    found = estimate_share(np.array([True] * 8 + [False] * 2))
    assert found == pytest.approx({"value": 0.8, "low": 0.4902, "high": 0.9433, "n": 10}, abs=5e-4)


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [(10, 2, 158 / 4096), (2, 10, 158 / 4096), (5, 0, 2 / 32), (3, 3, 1.0), (0, 0, 1.0)],
)
def test_mcnemars_exact_p_is_the_binomials(only_a: int, only_b: int, p: float) -> None:
    both = 20
    a = np.array([True] * (both + only_a) + [False] * (only_b + 5))
    b = np.array([True] * both + [False] * only_a + [True] * only_b + [False] * 5)
    found = statistics.paired_difference(a, b)
    assert found["p"] == pytest.approx(p) and found["n"] == len(a)
    assert found["value"] == pytest.approx((only_a - only_b) / len(a))


def test_the_difference_changes_sign_with_the_order() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random(300) < 0.8, rng.random(300) < 0.6
    ab, ba = statistics.paired_difference(a, b), statistics.paired_difference(b, a)
    assert ab["value"] == -ba["value"] > 0 and ab["p"] == ba["p"] < 0.01
    assert (ab["low"], ab["high"]) == pytest.approx((-ba["high"], -ba["low"]), abs=0.01)
    assert ab["low"] > 0


def test_the_paired_interval_is_near_the_normal_one() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random(1_000) < 0.75, rng.random(1_000) < 0.7
    gains = a.astype(float) - b
    wanted = stats.norm.interval(0.95, gains.mean(), stats.sem(gains))
    found = statistics.paired_difference(a, b)
    assert (found["low"], found["high"]) == pytest.approx(wanted, abs=0.005)
    assert statistics.paired_difference(a, b) == found


def test_classifiers_that_never_differ_have_no_spread() -> None:
    same = np.array([True, False, True])
    assert statistics.paired_difference(same, same) == {
        "value": 0.0,
        "low": 0.0,
        "high": 0.0,
        "n": 3,
        "p": 1.0,
    }
    always = statistics.paired_difference(np.ones(6, bool), np.zeros(6, bool))
    assert always["value"] == always["low"] == always["high"] == 1.0
    assert always["p"] == pytest.approx(2 / 64)


# ----------------------------------------------------- several comparisons, seeds, calibration
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holms_correction_is_the_step_down_by_definition(p: list[float]) -> None:
    found = statistics.holm(p)
    order = sorted(range(len(p)), key=lambda index: p[index])
    for rank, index in enumerate(order):
        wanted = max(
            min(1.0, (len(p) - earlier) * p[order[earlier]]) for earlier in range(rank + 1)
        )
        assert found[index] == pytest.approx(wanted)


def test_other_scores_than_right_and_wrong_are_compared_by_a_permutation_test() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random(200), rng.random(200)
    found = statistics.paired_difference(a, b)
    assert found["p"] == pytest.approx(stats.ttest_rel(a, b).pvalue, abs=0.03)
    assert statistics.paired_difference(a + 0.2, b)["p"] < 0.01


def test_trainings_that_do_not_differ_leave_the_interval_over_rows() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random(300) < 0.8, rng.random(300) < 0.6
    every = np.ones(300, bool)
    alone = statistics.paired_difference(a, b)
    found = statistics.difference_of_trainings(np.stack([a] * 3), np.stack([b] * 3), every)
    for key in ("value", "low", "high"):
        assert found[key] == pytest.approx(alone[key], abs=0.01)
    assert found["by_training"] == pytest.approx([alone["value"]] * 3) and found["n"] == 300
    assert "by_training" not in statistics.difference_of_trainings(a[None], b[None], every)


def test_one_good_training_of_three_proves_nothing() -> None:
    a, b = np.zeros((3, 500)), np.zeros((3, 500))
    a[0] = 1
    found = statistics.difference_of_trainings(a, b, np.ones(500, bool))
    assert found["value"] == pytest.approx(1 / 3)
    assert found["by_training"] == pytest.approx([1, 0, 0])
    assert found["low"] == 0 and found["p"] > 0.05


def test_the_interval_over_trainings_holds_the_variance_of_both() -> None:
    """The variance of a mean over rows and trainings, each drawn with replacement, is that of the
    textbook."""
    rng = np.random.default_rng(2)
    a = rng.normal(0.5, 0.05, (8, 1)) + rng.normal(0, 0.3, 400)
    b = rng.normal(0.4, 0.05, (8, 1)) + np.zeros(400)
    found = statistics.difference_of_trainings(a, b, np.ones(400, bool))
    gains = a.mean(axis=0) - b.mean(axis=0)
    variance = gains.var() / 400 + sum(scores.mean(axis=1).var() / 8 for scores in (a, b))
    assert (found["high"] - found["low"]) / 2 == pytest.approx(1.96 * np.sqrt(variance), rel=0.1)


def test_a_difference_of_differences_is_that_of_its_groups() -> None:
    rng = np.random.default_rng(3)
    a, b, chosen = rng.random((2, 60)), rng.random((2, 60)), np.arange(60) < 20
    found = statistics.difference_of_trainings(a, b, chosen, ~chosen)
    gains = (a - b).mean(axis=0)
    assert found["value"] == pytest.approx(gains[chosen].mean() - gains[~chosen].mean())
    assert found["low"] < found["value"] < found["high"] and found["n"] == 20
    same = statistics.difference_of_trainings(a, a, chosen, chosen)
    assert same["value"] == pytest.approx(0) and same["p"] > 0.5


def test_pairs_that_are_compared_together_are_compared_as_each_alone() -> None:
    rng = np.random.default_rng(3)
    every = np.ones(60, bool)
    pairs = [(rng.random((3, 60)) < 0.7, rng.random((2, 60)) < right) for right in (0.4, 0.6)]
    alone = [statistics.difference_of_trainings(a, b, every, seed=5) for a, b in pairs]
    assert statistics.differences_of_trainings(pairs, every, seed=5) == alone
    assert statistics.differences_of_trainings([], every) == []


def test_the_interval_of_a_mean_is_students() -> None:
    values = [0.7, 0.72, 0.71]
    wanted = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    found = statistics.estimate_few(values)
    assert (found["low"], found["high"], found["n"]) == pytest.approx((*wanted, 3))


def test_calibration_of_a_known_case() -> None:
    # Two bins: 0.95 sure and right in one of two; 0.55 sure and right in both. (2 x 0.45 + 2 x
    # 0.45) / 4 = 0.45.
    p = np.array([[0.95, 0.05], [0.95, 0.05], [0.55, 0.45], [0.55, 0.45]])
    found = statistics.calibration(p, np.array([0, 1, 0, 0]))
    assert found["ece"] == pytest.approx(0.45) and [row["n"] for row in found["bins"]] == [2, 2]


@given(st.integers(0, 1000))
def test_one_who_is_as_sure_as_he_is_right_is_calibrated(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(4), 4_000)
    truth = np.array([rng.choice(4, p=row) for row in p[:2_000]])
    assert statistics.calibration(p[:2_000], truth)["ece"] < 0.06


# --------------------------------------------------------------------------- shares and confusions
@pytest.mark.parametrize(("count", "n"), [(0, 10), (7, 10), (432, 553), (900, 900)])
def test_a_share_from_counts_is_that_of_its_rows(count: int, n: int) -> None:
    assert statistics.estimate_count(count, n) == estimate_share(np.arange(n) < count)


def test_newcombes_interval_is_that_of_his_paper() -> None:
    # Newcombe (1998), Table II, example (a), method 10: 56/70 - 48/80.
    found = statistics.subtract_shares(
        statistics.estimate_count(56, 70), statistics.estimate_count(48, 80)
    )
    wanted = {"value": 0.2, "low": 0.0524, "high": 0.3339, "n": 70}
    assert found == pytest.approx(wanted, abs=1e-4)


def test_kappa_and_f1_are_scikit_learns() -> None:
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 4, 300)
    guess = np.where(rng.random(300) < 0.6, truth, rng.integers(0, 4, 300))
    table = sk.confusion_matrix(truth, guess)
    assert statistics.confusion_kappa(table) == pytest.approx(sk.cohen_kappa_score(truth, guess))
    gap = sk.accuracy_score(truth, guess) - sk.f1_score(truth, guess, average="macro")
    assert statistics.confusion_surplus(table) == pytest.approx(gap)
    alone = np.array([[5, 0], [0, 0]])
    assert statistics.confusion_kappa(alone) == statistics.confusion_surplus(alone) == 0


def test_several_confusions_at_once_are_each_their_own() -> None:
    tables = np.random.default_rng(0).integers(1, 9, (5, 4, 4))
    for statistic in (statistics.confusion_kappa, statistics.confusion_surplus):
        assert statistic(tables) == pytest.approx([float(statistic(table)) for table in tables])


def test_the_bootstrap_of_confusions_repeats_and_narrows_with_more_rows() -> None:
    small = np.array([[8, 2], [3, 7]])
    few = statistics.bootstrap_confusions([small], statistics.confusion_kappa)
    assert statistics.bootstrap_confusions([small], statistics.confusion_kappa) == few
    assert few["low"] < few["value"] < few["high"] and few["n"] == 20
    many = statistics.bootstrap_confusions([100 * small], statistics.confusion_kappa)
    assert many["high"] - many["low"] < (few["high"] - few["low"]) / 5
    right = statistics.bootstrap_confusions(
        [100 * small], lambda table: np.trace(table, axis1=-2, axis2=-1) / 2000
    )
    wilson = statistics.estimate_count(1500, 2000)
    assert (right["low"], right["high"]) == pytest.approx(
        (wilson["low"], wilson["high"]), abs=0.005
    )


def test_an_estimate_of_a_single_value_is_a_point() -> None:
    assert statistics.estimate_mean([0.5]) == {"value": 0.5, "low": 0.5, "high": 0.5, "n": 1}
