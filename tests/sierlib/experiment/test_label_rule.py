"""The teachers' rule, and what Section 5.4 says about it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from sierlib import settings
from sierlib.experiment import label_rule


def _teachers(seed: int, rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(4, 0.5), rows), rng.dirichlet(np.full(4, 0.5), rows)


def test_the_papers_example() -> None:
    # Section 3.1: the image teacher is the surer one (0.8 against 0.7), so its class is the label.
    rule = label_rule.max_rule(np.array([[0.1, 0.1, 0.7, 0.1]]), np.array([[0.1, 0.8, 0.05, 0.05]]))
    assert rule["label"].tolist() == [1] and rule["winner"].tolist() == ["ier"]
    assert rule["confidence"].tolist() == [0.8] and rule["kept"].tolist() == [True]


@given(seed=st.integers(0, 10_000))
def test_the_label_is_where_the_greatest_of_all_probabilities_lies(seed: int) -> None:
    ser, ier = _teachers(seed, 20)
    rule = label_rule.max_rule(ser, ier)
    for row in range(20):
        both = np.concatenate([ser[row], ier[row]])
        place = int(both.argmax())
        assert rule["label"][row] == place % 4 and rule["winner"][row] == (
            "ser" if place < 4 else "ier"
        )
        assert rule["confidence"][row] == both.max() and rule["kept"][row] == (both.max() >= 0.5)


@given(seed=st.integers(0, 10_000))
def test_under_the_agreement_rule_each_teacher_alone_is_always_right(seed: int) -> None:
    ser, ier = _teachers(seed)
    rule = label_rule.agreement_rule(ser, ier)
    kept = rule["kept"]
    assert 0 < kept.sum() < len(ser)
    for teacher in (ser, ier):
        assert (teacher.argmax(axis=1)[kept] == rule["label"][kept]).all()


@given(seed=st.integers(0, 10_000))
def test_under_the_max_rule_only_the_pair_of_teachers_is_always_right(seed: int) -> None:
    ser, ier = _teachers(seed)
    rule = label_rule.max_rule(ser, ier)
    kept = rule["kept"]
    surer = np.where(ser.max(axis=1) >= ier.max(axis=1), ser.argmax(axis=1), ier.argmax(axis=1))
    assert (surer[kept] == rule["label"][kept]).all()
    for teacher in (ser, ier):
        assert 0.25 < np.mean(teacher.argmax(axis=1)[kept] == rule["label"][kept]) < 0.95


def test_exactly_the_threshold_is_kept_and_less_is_not() -> None:
    ser = np.array([[0.5, 0.3, 0.1, 0.1], [0.499, 0.301, 0.1, 0.1]])
    assert label_rule.max_rule(ser, np.full((2, 4), 0.25))["kept"].tolist() == [True, False]
    assert label_rule.max_rule(ser, np.full((2, 4), 0.25), threshold=0.4)["kept"].tolist() == [
        True,
        True,
    ]


def test_where_both_are_equally_sure_speech_decides() -> None:
    rule = label_rule.max_rule(np.array([[0, 0, 0.6, 0.4]]), np.array([[0.6, 0.4, 0, 0]]))
    assert rule["label"].tolist() == [2] and rule["winner"].tolist() == ["ser"]


def test_opinions_are_read_in_the_order_of_the_classes() -> None:
    rows = pd.DataFrame(
        [{f"ser_{name}": place / 10 for place, name in enumerate(settings.CLASSES)}]
    )[["ser_sad", "ser_hate", "ser_happy", "ser_anger"]]
    np.testing.assert_array_equal(label_rule.teacher_opinions(rows, "ser"), [[0.0, 0.1, 0.2, 0.3]])
