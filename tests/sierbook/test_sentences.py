"""Sentences follow from their numbers: what is claimed, what is not, and every caveat."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sierbook import comparisons, sentences
from sierbook.claims import CLAIMS, Finding
from sierbook.numbers import MARK, plain, show_minus
from sierbook.tables import results
from sierlib.experiment.models import NETWORKS
from sierlib.run import Run
from tests.forged import ABOVE, BELOW, NEITHER, accuracy, in_plain

SPEECH = NETWORKS["ser"].title


# ------------------------------------------------------------------------- 01: teachers, classes
def _report(**values: Any) -> dict[str, Any]:
    usual = {
        "notes": [],
        "quarantined": 0,
        "duplicates": 0,
        "corpus": "synthetic",
        "held_out": {"accuracy": accuracy(0.8), "majority": 0.3},
        "rows": {"train": 80},
    }
    return usual | values


def test_what_a_reader_has_to_know_of_a_teacher() -> None:
    assert "no teacher" in sentences.remark_on_teachers({})[0]
    assert sentences.remark_on_teachers({"ser": _report(), "ier": _report()}) == []
    weak = _report(
        notes=["no tweets of hate"],
        quarantined=2,
        corpus="iemocap:there",
        speakers_apart=False,
        held_out={"accuracy": accuracy(0.32), "majority": 0.3},
    )
    notes, unusable, speakers, idle = sentences.remark_on_teachers({"ser": weak})
    assert notes == "speech corpus: no tweets of hate"
    assert "2 unusable and 0 repeated" in plain(unusable)
    assert "the same speakers" in speakers and "Fewer than three sessions" in speakers
    assert "not clearly better" in idle
    assert "(0.32 against 0.30); it had 80 items" in plain(idle)


def test_a_class_that_a_part_lacks_is_named() -> None:
    folds = [0, 1, 2, 3, 4, -1, 0, 1, 1, 3, 4]
    rows = pd.DataFrame({"label": ["sad"] * 6 + ["hate"] * 5, "fold": folds})
    rows["split"] = np.where(rows["fold"] < 0, "test", "train")
    (said,) = sentences.name_lacking_classes(rows)
    assert plain(said).startswith("**Of 5 pairs labelled hate none is in the test part, fold 2.**")
    assert sentences.name_lacking_classes(rows[rows["label"] == "sad"]) == []


# ----------------------------------------------------------------------- 02, 03: what was trained
def test_a_network_that_learned_nothing_is_called_so() -> None:
    rows = {"train": 84}
    good = {"accuracy": accuracy(0.85), "majority": 0.5, "kappa": 0.7}
    bad = {"accuracy": accuracy(0.52), "majority": 0.5, "kappa": 0.0}
    histories = {
        name: {"validation": value, "rows": rows} for name, value in (("A", good), ("B", bad))
    }
    first, second = in_plain(sentences.judge_learning(histories))
    assert first.startswith("**A** is clearly above") and "(0.850 against 0.500" in first
    assert second.startswith("**B** is not clearly above")
    assert second.endswith("kappa 0.00), with 84 rows to learn from.")


def test_every_entry_says_where_it_comes_from() -> None:
    made = {"profile": "full", "data": "synthetic", "date": "2026-01-01"}
    entries = {"fused": {"origin": "this run"}, "n2-vgg16": {"origin": "recorded", **made}}
    said = sentences.describe_origins(entries)
    assert f"Of {len(NETWORKS)} networks, 1 were trained in this run" in said
    assert "Of 1 others" in said and "profile `full`, synthetic, 2026-01-01" in said
    assert f"{len(NETWORKS) - 2} have not been trained anywhere yet" in said and "`ser`" in said
    left_out = {"sentiment-ser": "nothing of sentiment", "sentiment-ier": "nothing of sentiment"}
    assert sentences.describe_origins({}, left_out).count("nothing of sentiment") == 1


def _gain(pairs: int, found: dict[str, Any], against: str = "labels") -> dict[str, Any]:
    return {"pairs": pairs, "against": against, "half": SPEECH, **found}


def test_a_learning_curve_says_from_how_many_pairs_on_fusion_is_ahead() -> None:
    gains = [_gain(400, BELOW), _gain(800, NEITHER), _gain(1_600, ABOVE), _gain(4_000, ABOVE)]
    (said,) = sentences.judge_curve(pd.DataFrame(gains))
    assert plain(said).startswith(
        f"**On the labels**: 400 pairs −10.0 points [−15.0, −5.0] over {SPEECH}; 800"
    )
    assert said.endswith("clearly ahead first with 1,600 pairs.")


def test_a_learning_curve_on_which_fusion_is_nowhere_ahead_says_so() -> None:
    gains = [_gain(400, BELOW), _gain(800, NEITHER), _gain(4_000, ABOVE | {"low": 0.0})]
    (said,) = sentences.judge_curve(pd.DataFrame(gains))
    assert said.endswith("at none of these sizes is it clearly ahead.")


def test_a_learning_curve_is_judged_on_labels_and_truth_apart() -> None:
    gains = pd.DataFrame([_gain(400, ABOVE), _gain(400, BELOW, "truth")])
    labels, truth = sentences.judge_curve(gains)
    assert labels.startswith("**On the labels**") and labels.endswith("first with 400 pairs.")
    assert truth.startswith("**On the truth**") and truth.endswith("is it clearly ahead.")


def test_of_a_learning_curve_that_is_not_there_nothing_is_said() -> None:
    assert sentences.judge_curve(pd.DataFrame()) == []


def test_a_finding_is_told_with_its_verdict_and_where_it_was_recorded() -> None:
    claim = next(claim for claim in CLAIMS if claim.learning)
    made = {"profile": "full", "data": "synthetic", "date": "2026-01-01", "recorded": False}
    finding = Finding("best epoch: 9", "not reproduced", "too early", made)
    (said,) = sentences.describe_findings({claim: finding})
    assert said.startswith(f"*{claim.text}* ({claim.where}): best epoch: 9. ")
    assert said.endswith("**Not reproduced**: too early.")
    earlier = replace(finding, made=made | {"recorded": True})
    (said,) = sentences.describe_findings({claim: earlier})
    assert "best epoch: 9 (recorded: full, synthetic, 2026-01-01). **" in said


# --------------------------------------------------------------------------------- 04: test part
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
    (said,) = map(plain, sentences.judge_fusion(evaluation))
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
    said = plain(sentences.answer_fusion(_evaluated(difference, "labels")))
    assert said.startswith("On 1,200 pairs") and said.endswith(words) and "label in 80%" in said
    assert "picture alone in 70%" in said and "speech alone in 50%" in said and "in 40%." in said
    assert show_minus(f"better half is {100 * difference['value']:+.1f} points") in said


def test_where_something_was_planted_fusion_is_judged_by_that() -> None:
    evaluation = _evaluated(ABOVE, "labels", "truth")
    assert "name the planted emotion in 80%" in plain(sentences.answer_fusion(evaluation))


def test_being_ahead_of_a_network_that_learned_nothing_says_little() -> None:
    scores = {"speech": {"accuracy": accuracy(0.5), "majority": 0.46}}
    evaluation = {"differences": {"labels": {"speech": ABOVE}}, "scores": {"labels": scores}}
    (said,) = map(plain, sentences.judge_fusion(evaluation))
    assert "(50.0% against 46.0%): this says little" in said


def _led(name: str, found: dict[str, Any]) -> dict[str, Any]:
    made = {"origin": "this run", "against": "labels", "repeats": 3}
    return {"name": name, **made, **found}


def test_several_trainings_give_the_headline_and_a_single_one_is_named_as_such() -> None:
    evaluation = _evaluated(ABOVE, "labels")
    said = sentences.judge_fusion(evaluation)
    assert len(said) == 2 and not any("A single training" in text for text in said)
    evaluation["comparisons"] = [_led("fused-ser", ABOVE), _led("fused-ier", NEITHER)]
    first, *singles = map(plain, sentences.judge_fusion(evaluation))
    assert first.startswith("**On the labels, over 3 trainings of each ParallelNet's lead")
    assert "+0.0 points [−5.0, +5.0]: a difference that cannot be claimed" in first
    assert [text.startswith("A single training, ") for text in singles] == [True, True]
    # Seeds draw everything anew, and come before trainings of one seed.
    evaluation["seeds"] = {"labels": BELOW | {"n": 4}}
    answer = plain(sentences.answer_fusion(evaluation))
    assert (
        "Over 4 recorded seeds" in answer and "−10.0 points [−15.0, −5.0]: it is behind" in answer
    )
    assert answer.endswith("In this single training it is +10.0 points [+5.0, +15.0].")


def test_numbers_have_their_keys() -> None:
    said = sentences.answer_fusion(_evaluated(ABOVE, "labels"))
    keys = {key: value for value, key, _ in MARK.findall(said)}
    assert keys["accuracy; ier; test; labels; this run"] == "0.7"
    assert keys["lead; fused - ier; test; labels; this run"] == "0.1"
    recorded = {"recorded": True, "profile": "full", "data": "synthetic", "date": "2026-01-01"}
    said = sentences.answer_fusion(_evaluated(ABOVE, "labels") | {"provenance": recorded})
    assert 'data-key="accuracy; fused; test; labels; recorded: full, synthetic, 2026-01-01"' in said


def test_a_class_that_is_never_said_is_named() -> None:
    one, all_four = [[0, 5, 0, 0]] * 4, [[1, 1, 1, 1]] * 4
    scores = {"fused": one, "speech": all_four, "image": all_four}
    evaluation = {"scores": {"labels": {name: {"confusion": c} for name, c in scores.items()}}}
    (said,) = sentences.name_unnamed(evaluation)
    assert said.startswith("**ParallelNet** says *anger* or *hate* or *sad* of no test row")
    scores["fused"] = all_four
    evaluation = {"scores": {"labels": {name: {"confusion": c} for name, c in scores.items()}}}
    (said,) = sentences.name_unnamed(evaluation)
    assert said == "Each network says each class of the test part of some row."
    # Of a class without a row there is no recall, and nothing to be said.
    scores["fused"] = [[0, 0, 0, 0], [0, 0, 0, 5], [0, 0, 0, 0], [0, 0, 0, 5]]
    evaluation = {"scores": {"labels": {name: {"confusion": c} for name, c in scores.items()}}}
    (said,) = sentences.name_unnamed(evaluation)
    assert said.startswith("**ParallelNet** says *happy* of no test row")


def test_ceilings_are_what_teachers_and_label_reach() -> None:
    alone = {name: {"accuracy": accuracy(0.4)} for name in results.TITLES}
    labels = alone | {"ser teacher": {"accuracy": accuracy(0.96)}}
    said = plain(sentences.describe_ceilings({"scores": {"labels": labels, "truth": alone}}))
    assert "the speech teacher alone reproduces 96.0%" in said
    assert "in effect the speech teacher's" in said
    assert "40.0% (speech teacher) and 40.0% (image teacher)" in said and "on the labels." in said
    said = plain(sentences.describe_ceilings({"scores": {"labels": alone}}))
    assert "no ground truth" in said and "the opinion of the teachers" in said
    networks = {name: alone[name] for name in ("fused", "speech", "image")}
    said = plain(sentences.describe_ceilings({"scores": {"labels": networks}}))
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
    said = sentences.judge_comparisons(built_run, [entry], {})
    assert words in plain(said[0]) and len(said) == len(comparisons.PRIMARY)
    assert all("have not been trained yet" in text for text in said[1:])


def test_why_a_comparison_is_not_there(labelled_run: Run) -> None:
    said = sentences.judge_comparisons(labelled_run, [], {})
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
    said = sentences.judge_comparisons(built_run, [_comparison(ABOVE)], {"ser": ser})[0]
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
    assert sentences.judge_several_trainings(built_run, once, {}) == []
    several = [once[0] | {"repeats": 3}, once[1], once[2] | {"repeats": 3}]
    recorded = {e["name"]: e | {"origin": "recorded", "p_holm": 1.0} for e in several}
    monkeypatch.setattr("sierbook.comparisons.read_stand_ins", lambda _: recorded)
    (said,) = sentences.judge_several_trainings(built_run, once, {})
    assert "no difference can be claimed. (3 trainings, recorded: full, synthetic" in said


def test_the_page_says_what_is_shown_of_a_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    def said(data: str) -> str:
        return sentences.describe_shown(SimpleNamespace(data=data))  # type: ignore[arg-type]

    assert said("synthetic").startswith("All of the corpus is shown")
    assert "are masked, and photographs are shown as mosaics." in said("bt4sa:x")
    monkeypatch.setenv("SIER_SHOW", "photographs")
    assert "are masked, and photographs are shown. SIER_SHOW asks for that" in said("bt4sa:x")
    monkeypatch.setenv("SIER_SHOW", "photos")
    with pytest.raises(ValueError, match="SIER_SHOW=photos: names, photographs, or both"):
        said("pairs:x.csv")
