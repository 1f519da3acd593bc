"""Sentences follow from their numbers: what is claimed, what is not, and every caveat."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sierbook import comparisons, sentences
from sierbook.audit.labels import measure_recovery
from sierbook.claims import CLAIMS, Finding
from sierbook.tables import results
from sierlib.experiment.models import NETWORKS
from sierlib.run import Run
from tests.forged import FOUR, HATE, SAD, forged, made_up_scores, sure

SPEECH, IMAGE = NETWORKS["ser"].title, NETWORKS["ier"].title

#: Intervals above zero, below it, and on both sides.
ABOVE = {"value": 0.1, "low": 0.05, "high": 0.15, "n": 100}
BELOW = {"value": -0.1, "low": -0.15, "high": -0.05, "n": 100}
NEITHER = {"value": 0.0, "low": -0.05, "high": 0.05, "n": 100}


def _accuracy(value: float, half: float = 0.05) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half, "n": 100}


# ------------------------------------------------------------------------- 01: teachers, classes
def _report(**values: Any) -> dict[str, Any]:
    usual = {
        "notes": [],
        "quarantined": 0,
        "duplicates": 0,
        "corpus": "synthetic",
        "held_out": {"accuracy": _accuracy(0.8), "majority": 0.3},
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
        held_out={"accuracy": _accuracy(0.32), "majority": 0.3},
    )
    notes, unusable, speakers, idle = sentences.remark_on_teachers({"ser": weak})
    assert notes == "speech corpus: no tweets of hate"
    assert "2 unusable and 0 repeated" in unusable
    assert "the same speakers" in speakers and "Fewer than three sessions" in speakers
    assert "not clearly better" in idle and "(0.32 against 0.30); it had 80 items" in idle


def test_a_class_that_a_part_lacks_is_named() -> None:
    folds = [0, 1, 2, 3, 4, -1, 0, 1, 1, 3, 4]
    rows = pd.DataFrame({"label": ["sad"] * 6 + ["hate"] * 5, "fold": folds})
    rows["split"] = np.where(rows["fold"] < 0, "test", "train")
    (said,) = sentences.name_lacking_classes(rows)
    assert said.startswith("**Of 5 pairs labelled hate none is in the test part, fold 2.**")
    assert sentences.name_lacking_classes(rows[rows["label"] == "sad"]) == []


# ----------------------------------------------------------------------- 02, 03: what was trained
def test_a_network_that_learned_nothing_is_called_so() -> None:
    rows = {"train": 84}
    good = {"accuracy": _accuracy(0.85), "majority": 0.5, "kappa": 0.7}
    bad = {"accuracy": _accuracy(0.52), "majority": 0.5, "kappa": 0.0}
    histories = {
        name: {"validation": value, "rows": rows} for name, value in (("A", good), ("B", bad))
    }
    first, second = sentences.judge_learning(histories)
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
    scores = {"speech": {"accuracy": _accuracy(0.5), "majority": 0.3}}
    evaluation = {"differences": {"truth": {"speech": difference}}, "scores": {"truth": scores}}
    (said,) = sentences.judge_fusion(evaluation)
    assert said.startswith(f"ParallelNet − {SPEECH}, planted truth: ") and said.endswith(words)


def test_being_ahead_of_a_network_that_learned_nothing_says_little() -> None:
    scores = {"speech": {"accuracy": _accuracy(0.5), "majority": 0.46}}
    evaluation = {"differences": {"labels": {"speech": ABOVE}}, "scores": {"labels": scores}}
    (said,) = sentences.judge_fusion(evaluation)
    assert "(50.0% against 46.0%): this says little" in said


def test_ceilings_are_what_teachers_and_label_reach() -> None:
    alone = {name: {"accuracy": _accuracy(0.4)} for name in results.TITLES}
    labels = alone | {"ser teacher": {"accuracy": _accuracy(0.96)}}
    said = sentences.describe_ceilings({"scores": {"labels": labels, "truth": alone}})
    assert "the speech teacher alone reproduces 96.0%" in said
    assert "in effect the speech teacher's" in said
    assert "40.0% (speech teacher) and 40.0% (image teacher)" in said and "on the labels." in said
    said = sentences.describe_ceilings({"scores": {"labels": alone}})
    assert "no ground truth" in said and "the opinion of the teachers" in said
    networks = {name: alone[name] for name in ("fused", "speech", "image")}
    said = sentences.describe_ceilings({"scores": {"labels": networks}})
    assert "the labels that it brought" in said and "teacher" not in said


def _comparison(found: dict[str, Any], p: float = 0.01) -> dict[str, Any]:
    return {"name": "fused-ser", "title": "a − b", "primary": True, "p_holm": p, **found}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (_comparison(ABOVE), "p = 0.01: the first is better."),
        (_comparison(BELOW), "p = 0.01: the first is worse."),
        (_comparison(NEITHER), "no difference can be claimed"),
        (_comparison(ABOVE, p=0.2), "no difference can be claimed"),
        (
            _comparison(ABOVE) | {"by_training": [0.08, 0.12]},
            "+10.0% [+5.0%, +15.0%] (training by training +8.0%, +12.0%), p",
        ),
    ],
)
def test_what_is_claimed_of_a_comparison(entry: dict[str, Any], words: str, built_run: Run) -> None:
    said = sentences.judge_comparisons(built_run, [entry], {})
    assert words in said[0] and len(said) == len(comparisons.PRIMARY)
    assert all("have not been trained yet" in text for text in said[1:])


def test_why_a_comparison_is_not_there(labelled_run: Run) -> None:
    said = sentences.judge_comparisons(labelled_run, [], {})
    assert (
        len(said) == 5 and "nobody says which pairs" in said[3] and "nothing was planted" in said[4]
    )


@pytest.mark.parametrize(("first", "trainings"), [(0.45, [0.45]), (0.55, [0.55, 0.45])])
def test_being_better_than_what_did_not_learn_in_every_training_says_little(
    first: float, trainings: list[float], built_run: Run
) -> None:
    scores = {"accuracy": _accuracy(first), "majority": 0.45}
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


# ------------------------------------------------------------------- 07: is the experiment sound?
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
        "accuracy": _accuracy(0.8),
        "confidence": 0.9,
        "ece": 0.1,
        "ece_by_chance": 0.05,
        "temperature": 2.0,
        "ece_half": 0.1,
        "ece_after": 0.02,
        "pairs": None,
    }
    (said,) = sentences.judge_teachers({"ser": usual | values})
    assert (
        said.startswith("The **speech teacher** is right on 80.0% of 100 items") and words in said
    )
    assert sentences.judge_teachers({}) == [sentences.NOT_ASKED]


def test_what_temperature_scaling_would_change() -> None:
    counts = {"winners": 2, "kept": 3, "changed": 1, "share": 1 / 3, "dropped": 4, "rescued": 5}
    found = counts | {"speech_wins": 0.25, "speech_wins_after": 0.75}
    said = sentences.judge_relabelling(found)
    assert "**1 labels (33.3%)**; 4 pairs fall" in said and "5 rise" in said
    assert "25.0% of all pairs before and 75.0% after" in said and "nothing was planted" in said
    for gain, words in ((ABOVE, "better labels."), (BELOW, "worse labels."), (NEITHER, "claimed.")):
        more = {"right": 0.5, "right_after": 0.6, "difference": gain}
        said = sentences.judge_relabelling(found | more)
        assert said.endswith(words) and "50.0% of them before and 60.0% after" in said
    assert sentences.judge_relabelling({}) == sentences.NOT_ASKED


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
    said = sentences.judge_recovery(table)
    assert words in said[-1] and "differ and the image teacher won" in said[0]


def test_recovery_is_told_where_teachers_differ_and_only_where_they_were_asked() -> None:
    blind = measure_recovery(FOUR[0], {"fused": np.zeros(4, int)}, {})
    said = sentences.judge_recovery(blind)
    assert len(said) == 2 and not any("planted" in text for text in said)
    assert sentences.judge_recovery(pd.DataFrame()) == [sentences.NOT_ASKED]


def test_a_leak_is_claimed_only_on_repeated_sentences() -> None:
    found = {"rows": 60, "repeated": 30, "random": 0.9, "by_text": 0.5, "on_repeated": None}
    assert "Nothing can leak" in sentences.judge_leak(found)
    repeated = {"random": 0.9, "by_text": 0.5}
    for gain, words in ((ABOVE, "a random split flatters"), (NEITHER, "no flattery")):
        said = sentences.judge_leak(found | {"on_repeated": repeated | {"difference": gain}})
        assert words in said and "it is 90.0% against 50.0%" in said
    assert "recordings" in sentences.judge_leak({})


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
    silence, grey, nothing = sentences.judge_blanked(table)
    assert "**Silence**: 50.0% (-10.0% [-15.0%, -5.0%], a clear loss)" in silence
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
    image, rule = sentences.judge_exchange(pd.DataFrame(rows))
    assert words in image and f"from any row {loose['value']:+.1%}" in image
    assert f"right in 60.0%, on the true pairs and theirs in {0.5 - loose['value']:.1%}" in rule
    unasked = pd.DataFrame(rows).assign(**{"by the rule": np.nan})
    assert len(sentences.judge_exchange(unasked)) == 1


def test_who_minds_another_speed() -> None:
    rows = [
        {"take": take, "speed": speed, "network": name, "n": 20, "high": high}
        for take, speed, highs in (("spoken anew", 1.0, (0.1, 0.1)), ("slower", 0.8, (0.1, -0.1)))
        for name, high in zip(("ParallelNet", SPEECH), highs, strict=True)
    ]
    again, slower = sentences.judge_respoken(pd.DataFrame(rows))
    assert again == "**Spoken anew, speed 1** (20 rows): no clear loss."
    assert slower == f"**Slower, speed 0.8** (20 rows): {SPEECH} clearly the worse for it."
    assert "recordings" in sentences.judge_respoken(pd.DataFrame())[0]


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
    (said,) = sentences.judge_noise(pd.DataFrame(rows))
    assert words in said and f"{SPEECH} from 50.0% to 50.0% (the same throughout" in said


# ------------------------------------------------------------------------------- 07: is it true?
def test_rivals_are_compared_on_the_same_samples() -> None:
    scores = made_up_scores()
    owen, sampled = sentences.judge_rivals(scores, ["random"])
    assert "clearly above random" in owen and "20 samples, where chance is 0.20" in owen
    assert "no clear difference to random" in sampled
    assert "too few to compare" in sentences.judge_rivals(scores[scores["id"] < 4], ["random"])[0]
    assert sentences.judge_rivals(scores[scores["measure"] == "pointing"], ["random"]) == []
