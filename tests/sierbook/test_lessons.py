"""What pages say at their end is made of the numbers."""

from __future__ import annotations

from typing import Any

import pytest

from sierbook import derived, lessons
from sierbook.recorded import RECORDED
from tests.forged import accuracy, in_plain


@pytest.fixture(scope="module")
def smoke() -> dict[str, Any]:
    return derived.read_results(RECORDED / "smoke")


@pytest.mark.parametrize("name", lessons.LESSONS)
def test_every_notebook_has_its_lesson(name: str, smoke: dict[str, Any]) -> None:
    said = in_plain(lessons.LESSONS[name](smoke[name]))
    assert said and all(sentence.endswith(".") for sentence in said)


def test_networks_that_were_still_learning_are_counted() -> None:
    histories = {
        name: {
            "title": name,
            "validation": {"accuracy": accuracy(0.5), "majority": 0.4},
            "epochs": [{}] * 3,
            "best_epoch": best,
        }
        for name, best in (("a", 3), ("b", 1))
    }
    said = in_plain(lessons.of_training({"models": histories}))
    assert said[0].startswith("a: 50% on the validation rows") and said[-1].startswith("1 of 2")
    histories["a"]["best_epoch"] = 2
    assert len(lessons.of_training({"models": histories})) == 2


def test_a_class_that_is_never_named_is_said(smoke: dict[str, Any]) -> None:
    found = smoke["04-results"]
    confusion = [[5, 1, 0, 1]] * 4
    for half in ("fused", "speech", "image"):
        found["scores"]["labels"][half]["confusion"] = confusion
    said = lessons.of_results(found)
    assert len(said) == 4 and all(sentence.endswith("say *hate*.") for sentence in said[1:])


def test_recorded_networks_of_another_run_are_not_ranked() -> None:
    row = {"group": "Table 1", "validation": {"accuracy": accuracy(0.5)}}
    studies = {
        "fused": row | {"title": "ParallelNet", "origin": "this run"},
        "ser": row | {"title": "speech only", "origin": "recorded"},
    }
    heads = {"O_sp": 0.1, "O_img": 0.2, "O_mul": 0.3, "all three": 0.4}
    order, outputs = in_plain(lessons.of_ablation({"studies": studies, "heads": heads}))
    assert "ParallelNet (50%)" in order and "speech only" not in order and "`O_mul`" in outputs
