"""Sentences of notebooks 07 and 08: what is said of teachers, labels, inputs and explanations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from sierbook import trust_sentences
from sierbook.audit.labels import measure_recovery
from sierbook.numbers import show_minus
from sierlib.experiment.models import NETWORKS
from tests.forged import (
    ABOVE,
    BELOW,
    FOUR,
    HATE,
    NEITHER,
    SAD,
    accuracy,
    forged,
    in_plain,
    made_up_scores,
    sure,
)

SPEECH, IMAGE = NETWORKS["ser"].title, NETWORKS["ier"].title


# --------------------------------------------------------------------- is the experiment sound?
@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "it is over-confident"),
        ({"confidence": 0.7}, "it is under-confident"),
        ({"ece": 0.04}, "that error alone shows nothing"),
        ({"temperature": 0.0501}, "do not tell"),
        ({"pairs": {"n": 7, "ece": 0.2, "ece_after": 0.3}}, "on 7 pairs from 0.200 to 0.300"),
    ],
)
def test_what_is_said_of_a_teacher_follows_from_its_numbers(
    values: dict[str, Any], words: str
) -> None:
    usual = {
        "accuracy": accuracy(0.8),
        "confidence": 0.9,
        "ece": 0.1,
        "ece_by_chance": 0.05,
        "temperature": 2.0,
        "ece_half": 0.1,
        "ece_after": 0.02,
        "pairs": None,
    }
    (said,) = in_plain(trust_sentences.judge_teachers({"ser": usual | values}))
    assert (
        said.startswith("The **speech teacher** is right on 80.0% of 100 items") and words in said
    )
    assert trust_sentences.judge_teachers({}) == [trust_sentences.NOT_ASKED]


def test_what_temperature_scaling_would_change() -> None:
    counts = {"winners": 2, "kept": 3, "changed": 1, "share": 1 / 3, "dropped": 4, "rescued": 5}
    found = counts | {"speech_wins": 0.25, "speech_wins_after": 0.75}
    (said,) = in_plain([trust_sentences.judge_relabelling(found)])
    assert "**1 label (33.3%)**; 4 pairs fall" in said and "5 pairs rise" in said
    assert "25.0% of all pairs before and 75.0% after" in said and "nothing was planted" in said
    for gain, words in ((ABOVE, "better labels."), (BELOW, "worse labels."), (NEITHER, "claimed.")):
        more = {"right": 0.5, "right_after": 0.6, "difference": gain}
        (said,) = in_plain([trust_sentences.judge_relabelling(found | more)])
        assert said.endswith(words) and "kept either way before and 60.0% after" in said
    assert trust_sentences.judge_relabelling({}) == trust_sentences.NOT_ASKED


@pytest.mark.parametrize(
    ("repeats", "knows", "words"),
    [
        (90, 0, "follows the label"),
        (0, 90, "more than the labels say"),
        (45, 45, "too close to call"),
    ],
)
def test_mistakes_are_repeated_or_corrected(repeats: int, knows: int, words: str) -> None:
    wrong = [(sure(SAD, 0.6), sure(HATE, 0.7))] * 90
    manifest, truth = forged(*wrong, truth=["sad"] * 90)
    table = measure_recovery(manifest, {"fused": np.array([HATE] * repeats + [SAD] * knows)}, truth)
    said = in_plain(trust_sentences.judge_recovery(table))
    assert words in said[-1] and "differ and the image teacher won" in said[0]


def test_recovery_is_told_where_teachers_differ_and_only_where_they_were_asked() -> None:
    blind = measure_recovery(FOUR[0], {"fused": np.zeros(4, int)}, {})
    said = in_plain(trust_sentences.judge_recovery(blind))
    assert len(said) == 2 and not any("planted" in text for text in said)
    assert trust_sentences.judge_recovery(pd.DataFrame()) == [trust_sentences.NOT_ASKED]


def test_a_leak_is_claimed_only_on_repeated_sentences() -> None:
    found = {"rows": 60, "repeated": 30, "random": 0.9, "by_text": 0.5, "on_repeated": None}
    assert "Nothing can leak" in trust_sentences.judge_leak(found)
    repeated = {"random": 0.9, "by_text": 0.5}
    for gain, words in ((ABOVE, "a random split flatters"), (NEITHER, "no flattery")):
        more = {"on_repeated": repeated | {"difference": gain}}
        (said,) = in_plain([trust_sentences.judge_leak(found | more)])
        assert words in said and "it is 90.0% against 50.0%" in said
    assert "recordings" in trust_sentences.judge_leak({})


def test_what_a_missing_modality_costs() -> None:
    changes = {
        "silence": BELOW,
        "grey image": NEITHER,
        "silence and grey": BELOW,
        IMAGE: ABOVE,
        SPEECH: NEITHER,
    }
    table = pd.DataFrame(
        [
            {
                "input": name,
                "accuracy": 0.5,
                "difference": c["value"],
                "from": c["low"],
                "to": c["high"],
            }
            for name, c in changes.items()
        ]
    )
    silence, grey, nothing = in_plain(trust_sentences.judge_blanked(table))
    assert "**Silence**: 50.0% (−10.0 points [−15.0, −5.0], a clear loss)" in silence
    assert "**Grey image**" in grey and "no clear change" in grey
    assert nothing.endswith("is right in 50.0%.")


@pytest.mark.parametrize(
    ("loose", "alike", "words"),
    [
        (NEITHER, NEITHER, "cannot be shown that the image is used at all"),
        (BELOW, NEITHER, "What the image says is used; that it has to be this very row's"),
        (BELOW, BELOW, "more of it is used than its class"),
    ],
)
def test_whether_the_pairing_is_used(
    loose: dict[str, Any], alike: dict[str, Any], words: str
) -> None:
    rows = [
        {
            "moved": "image",
            "partner from": kind,
            "accuracy": 0.5,
            "by the rule": 0.6,
            "difference": change["value"],
            "low": change["low"],
            "high": change["high"],
        }
        for kind, change in (("any row", loose), ("the same label and opinion", alike))
    ]
    image, rule = in_plain(trust_sentences.judge_exchange(pd.DataFrame(rows)))
    assert (
        words in image and show_minus(f"from any row {100 * loose['value']:+.1f} points") in image
    )
    assert f"right in 60.0%, on the true pairs and theirs in {0.5 - loose['value']:.1%}" in rule
    unasked = pd.DataFrame(rows).assign(**{"by the rule": np.nan})
    assert len(trust_sentences.judge_exchange(unasked)) == 1


@pytest.mark.parametrize(
    ("fused", "words"),
    [
        (0.9, "stays ahead"),
        (0.7, "cannot be told apart"),
        (0.45, "cannot be told apart"),
        (0.1, "better without the speech"),
    ],
)
def test_what_noise_does(fused: float, words: str) -> None:
    rows = []
    for level, first in ((0.0, 0.8), (0.4, fused)):
        for name, right in (("ParallelNet", first), (SPEECH, 0.5), (IMAGE, 0.6)):
            row = {"modality": "speech", "level": level, "network": name, "accuracy": right}
            rows.append(row | {"low": right - 0.1, "high": right + 0.1})
    (said,) = in_plain(trust_sentences.judge_noise(pd.DataFrame(rows)))
    assert words in said and f"{SPEECH} from 50.0% to 50.0% (the same throughout" in said


# ------------------------------------------------------------------------------- 07: is it true?
def test_rivals_are_compared_on_the_same_samples() -> None:
    scores = made_up_scores()
    owen, sampled = in_plain(trust_sentences.judge_rivals(scores, ["random"]))
    assert "clearly above random" in owen and "20 samples, where chance is 0.20" in owen
    assert "no clear difference to random" in sampled
    assert (
        "too few to compare"
        in trust_sentences.judge_rivals(scores[scores["id"] < 4], ["random"])[0]
    )
    assert trust_sentences.judge_rivals(scores[scores["measure"] == "pointing"], ["random"]) == []


def test_rivals_that_were_not_asked_are_not_spoken_of() -> None:
    owen, _ = trust_sentences.judge_rivals(made_up_scores(), ["random", "occlusion"])
    assert "clearly above random" in owen and "occlusion" not in owen


def test_whether_explanations_are_right_is_answered_by_what_was_planted() -> None:
    rows = [
        {"part": part, "rival": rival, "share": 0.5, "chance": 0.25, "ahead": ahead | {"n": 15}}
        for part, ahead in (("speech", ABOVE), ("image", NEITHER))
        for rival in ("random", "edges, no model")
    ]
    (said,) = in_plain([trust_sentences.answer_explanations({"planted": rows})])
    assert said.count("50% lies on what was planted there, where chance is 25% (15 samples)") == 2
    assert "clearly more than random noise and clearly more than an edge filter" in said
    assert said.endswith("asks no network.") and "not clearly more than random noise" in said
    assert "Nobody knows" in trust_sentences.answer_explanations({})
