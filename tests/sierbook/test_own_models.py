"""The models of notebook 10, and shap's way of explaining them."""

from __future__ import annotations

import numpy as np
import pytest

from sierbook.own_models import (
    WORDS,
    compare_costs,
    compile_model,
    explain_with_shap,
    table_and_course,
    words_and_picture,
)
from sierlib.shapley import explain


def test_a_model_over_words_and_a_picture_is_explained() -> None:
    model, inputs, words = words_and_picture()
    assert [WORDS.index(word) for word in words] == inputs["words"].tolist()
    found = explain(model, inputs=inputs, depth=4)
    assert found.gaps == pytest.approx([0] * len(found.gaps), abs=1e-6)
    assert found.maps["words"].shape == (6,) and found.maps["picture"].shape == (16, 16)
    # Whether they fit depends on both at once, and on the word of the colour most of all.
    assert abs(found.interaction) > 0.3
    assert words[int(np.abs(found.maps["words"]).argmax())] in ("red", "blue", "green", "not")
    costs = compare_costs({"both": (model, compile_model(model), inputs, found)})
    assert costs.loc["both", "ours, evaluations"] == found.n_evals and (costs > 0).all(axis=None)
    glued = explain_with_shap(compile_model(model), inputs, found)
    assert glued["gap"] < 1e-5 and glued["evaluations"] >= 0.8 * found.n_evals


def test_a_forest_over_a_table_and_a_course_is_explained() -> None:
    model, inputs = table_and_course()
    found = explain(model, inputs=inputs, depth=5)
    column, course = found.maps["table"], found.maps["course"]
    assert column.argmax() == 1 and course[20:24].sum() > 0.8 * course.sum()
    assert explain_with_shap(model, inputs, found)["gap"] < 1e-9
