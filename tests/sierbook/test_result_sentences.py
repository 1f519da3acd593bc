"""Sentences about the test part: what is claimed of fusion and of comparisons, and what not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sierbook import comparisons, result_sentences
from sierbook.numbers import MARK, plain, show_minus
from sierbook.tables import results
from sierlib.experiment.models import NETWORKS
from sierlib.run import Run
from tests.forged import ABOVE, BELOW, NEITHER, accuracy

SPEECH = NETWORKS["ser"].title


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (ABOVE, "ParallelNet is ahead."),
        (BELOW, "ParallelNet is behind."),
        (NEITHER, "no difference can be claimed."),
        (ABOVE | {"low": 0.0}, "no difference can be claimed."),
    ],
)
def test_a_verdict_follows_the_interval(difference: dict[str, Any], words: str) -> None:
    scores = {"speech": {"accuracy": accuracy(0.5), "majority": 0.3}}
    evaluation = {"differences": {"truth": {"speech": difference}}, "scores": {"truth": scores}}
    (said,) = map(plain, result_sentences.judge_fusion(evaluation))
    assert said.startswith(f"ParallelNet − {SPEECH}, planted truth: ") and said.endswith(words)


def _evaluated(difference: dict[str, Any], *kinds: str) -> dict[str, Any]:
    """Results of notebook 04 in which the picture alone is the better half."""
    scores = {}
    for name, reached in (("fused", 0.8), ("speech", 0.5), ("image", 0.7)):
        scores[name] = {"accuracy": accuracy(reached), "majority": 0.4, "n": 1_200}
    differences = {"speech": ABOVE | {"value": 0.3}, "image": difference}
    return {
        "scores": dict.fromkeys(kinds, scores),
        "differences": dict.fromkeys(kinds, differences),
    }


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (ABOVE, "so together they say more than either alone."),
        (BELOW, "so the pair says less than one of them alone."),
        (NEITHER, "a difference too small to be claimed."),
    ],
)
def test_whether_fusion_helps_is_answered_in_one_sentence(
    difference: dict[str, Any], words: str
) -> None:
    said = plain(result_sentences.answer_fusion(_evaluated(difference, "labels")))
    assert said.startswith("On 1,200 pairs") and said.endswith(words) and "label in 80%" in said
    assert "picture alone in 70%" in said and "speech alone in 50%" in said and "in 40%." in said
    assert show_minus(f"better half is {100 * difference['value']:+.1f} points") in said


def test_where_something_was_planted_fusion_is_judged_by_that() -> None:
    evaluation = _evaluated(ABOVE, "labels", "truth")
    assert "name the planted emotion in 80%" in plain(result_sentences.answer_fusion(evaluation))


def test_being_ahead_of_a_network_that_learned_nothing_says_little() -> None:
    scores = {"speech": {"accuracy": accuracy(0.5), "majority": 0.46}}
    evaluation = {"differences": {"labels": {"speech": ABOVE}}, "scores": {"labels": scores}}
    (said,) = map(plain, result_sentences.judge_fusion(evaluation))
    assert "(50.0% against 46.0%): this says little" in said


def _led(name: str, found: dict[str, Any]) -> dict[str, Any]:
    made = {"origin": "this run", "against": "labels", "repeats": 3}
    return {"name": name, **made, **found}


def test_several_trainings_give_the_headline_and_a_single_one_is_named_as_such() -> None:
    evaluation = _evaluated(ABOVE, "labels")
    said = result_sentences.judge_fusion(evaluation)
    assert len(said) == 2 and not any("A single training" in text for text in said)
    evaluation["comparisons"] = [_led("fused-ser", ABOVE), _led("fused-ier", NEITHER)]
    first, *singles = map(plain, result_sentences.judge_fusion(evaluation))
    assert first.startswith("**On the labels, over 3 trainings of each ParallelNet's lead")
    assert "+0.0 points [−5.0, +5.0]: a difference that cannot be claimed" in first
    assert [text.startswith("A single training, ") for text in singles] == [True, True]
    # Seeds draw everything anew, and come before trainings of one seed.
    evaluation["seeds"] = {"labels": BELOW | {"n": 4}}
    answer = plain(result_sentences.answer_fusion(evaluation))
    assert (
        "Over 4 recorded seeds" in answer and "−10.0 points [−15.0, −5.0]: it is behind" in answer
    )
    assert answer.endswith("In this single training it is +10.0 points [+5.0, +15.0].")


def test_numbers_have_their_keys() -> None:
    said = result_sentences.answer_fusion(_evaluated(ABOVE, "labels"))
    keys = {key: value for value, key, _ in MARK.findall(said)}
    assert keys["accuracy; ier; test; labels; this run"] == "0.7"
    assert keys["lead; fused - ier; test; labels; this run"] == "0.1"
    recorded = {"recorded": True, "profile": "full", "data": "synthetic", "date": "2026-01-01"}
    said = result_sentences.answer_fusion(_evaluated(ABOVE, "labels") | {"provenance": recorded})
    assert 'data-key="accuracy; fused; test; labels; recorded: full, synthetic, 2026-01-01"' in said


def test_a_class_that_is_never_said_is_named() -> None:
    one, all_four = [[0, 5, 0, 0]] * 4, [[1, 1, 1, 1]] * 4
    scores = {"fused": one, "speech": all_four, "image": all_four}
    evaluation = {"scores": {"labels": {name: {"confusion": c} for name, c in scores.items()}}}
    (said,) = result_sentences.name_unnamed(evaluation)
    assert said.startswith("**ParallelNet** says *anger* or *hate* or *sad* of no test row")
    scores["fused"] = all_four
    evaluation = {"scores": {"labels": {name: {"confusion": c} for name, c in scores.items()}}}
    (said,) = result_sentences.name_unnamed(evaluation)
    assert said == "Each network says each class of the test part of some row."
    # Of a class without a row there is no recall, and nothing to be said.
    scores["fused"] = [[0, 0, 0, 0], [0, 0, 0, 5], [0, 0, 0, 0], [0, 0, 0, 5]]
    evaluation = {"scores": {"labels": {name: {"confusion": c} for name, c in scores.items()}}}
    (said,) = result_sentences.name_unnamed(evaluation)
    assert said.startswith("**ParallelNet** says *happy* of no test row")


def test_ceilings_are_what_teachers_and_label_reach() -> None:
    alone = {name: {"accuracy": accuracy(0.4)} for name in results.TITLES}
    labels = alone | {"ser teacher": {"accuracy": accuracy(0.96)}}
    said = plain(result_sentences.describe_ceilings({"scores": {"labels": labels, "truth": alone}}))
    assert "the speech teacher alone reproduces 96.0%" in said
    assert "in effect the speech teacher's" in said
    assert "40.0% (speech teacher) and 40.0% (image teacher)" in said and "on the labels." in said
    said = plain(result_sentences.describe_ceilings({"scores": {"labels": alone}}))
    assert "no ground truth" in said and "the opinion of the teachers" in said
    networks = {name: alone[name] for name in ("fused", "speech", "image")}
    said = plain(result_sentences.describe_ceilings({"scores": {"labels": networks}}))
    assert "the labels that it brought" in said and "teacher" not in said


def _comparison(found: dict[str, Any], p: float = 0.01) -> dict[str, Any]:
    made = {"origin": "this run", "against": "labels", "repeats": 1}
    return {"name": "fused-ser", "title": "a − b", "primary": True, "p_holm": p, **made, **found}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (_comparison(ABOVE), "p = 0.01: the first is better in this one training."),
        (_comparison(BELOW) | {"repeats": 3}, "p = 0.01: the first is worse."),
        (_comparison(NEITHER), "no difference can be claimed"),
        (_comparison(ABOVE, p=0.2), "no difference can be claimed"),
        (
            _comparison(ABOVE) | {"by_training": [0.08, 0.12]},
            "+10.0 points [+5.0, +15.0] (training by training +8.0, +12.0), p",
        ),
    ],
)
def test_what_is_claimed_of_a_comparison(entry: dict[str, Any], words: str, built_run: Run) -> None:
    said = result_sentences.judge_comparisons(built_run, [entry], {})
    assert words in plain(said[0]) and len(said) == len(comparisons.PRIMARY)
    assert all("have not been trained yet" in text for text in said[1:])


def test_why_a_comparison_is_not_there(labelled_run: Run) -> None:
    said = result_sentences.judge_comparisons(labelled_run, [], {})
    assert (
        len(said) == 5
        and "nobody says of which pairs" in said[3]
        and "nothing was planted" in said[4]
    )


@pytest.mark.parametrize(("first", "trainings"), [(0.45, [0.45]), (0.55, [0.55, 0.45])])
def test_being_better_than_what_did_not_learn_in_every_training_says_little(
    first: float, trainings: list[float], built_run: Run
) -> None:
    scores = {"accuracy": accuracy(first), "majority": 0.45}
    ser = {"title": SPEECH, "test": scores, "repeats": {"test": trainings}}
    said = result_sentences.judge_comparisons(built_run, [_comparison(ABOVE)], {"ser": ser})[0]
    assert f"but {SPEECH} did not get clearly beyond the largest class" in said


def test_recorded_trainings_comment_on_what_was_trained_once(
    built_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sierbook.recorded.RECORDED", tmp_path)
    made = {"profile": "full", "data": "synthetic", "date": "2026-01-01", "origin": "this run"}
    once = [
        {
            "name": name,
            "title": "a − b",
            "primary": primary,
            "repeats": 1,
            "p": 0.4,
            "against": "labels",
            **made,
            **NEITHER,
        }
        for name, primary in (("fused-ser", True), ("fused-ier", True), ("ier-ser", False))
    ]
    assert result_sentences.judge_several_trainings(built_run, once, {}) == []
    several = [once[0] | {"repeats": 3}, once[1], once[2] | {"repeats": 3}]
    recorded = {e["name"]: e | {"origin": "recorded", "p_holm": 1.0} for e in several}
    monkeypatch.setattr("sierbook.comparisons.read_stand_ins", lambda _: recorded)
    (said,) = result_sentences.judge_several_trainings(built_run, once, {})
    assert "no difference can be claimed. (3 trainings, recorded: full, synthetic" in plain(said)
