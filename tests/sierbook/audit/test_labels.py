"""Questions with known answers: forged teachers, students who repeat or know better."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from scipy import special

from sierbook import records, statistics
from sierbook.audit.labels import (
    HARDEST,
    LABEL,
    SOFTEST,
    WRONG,
    chance_calibration_error,
    fit_temperature,
    label_provenance,
    log_loss,
    measure_label_noise,
    measure_recovery,
    relabel_tempered,
    reliability_table,
    score_teachers,
    temper,
)
from sierbook.figures import style, trust_plots
from sierbook.tables import results
from sierlib import settings
from sierlib.experiment import label_rule
from sierlib.experiment.manifest import read_manifest, read_truth
from sierlib.experiment.models import HALVES
from sierlib.experiment.train import predict_test
from sierlib.run import Run
from tests.forged import ANGER, FOUR, HAPPY, HATE, SAD, forged, sure, written


# ------------------------------------------------------------------------------------- calibration
def test_the_calibration_error_by_hand() -> None:
    # Four sure by 0.95, three of them right; two sure by 0.65, both right: (4 * 0.20 + 2 * 0.35) /
    # 6.
    said = np.array([[0.95, 0.05]] * 4 + [[0.65, 0.35]] * 2)
    answers = np.array([0, 0, 0, 1, 0, 0])
    assert statistics.calibration(said, answers)["ece"] == pytest.approx(0.25)
    table = pd.DataFrame(statistics.calibration(said, answers)["bins"])
    assert table["n"].tolist() == [2, 4] and table["confidence"].tolist() == pytest.approx(
        [0.65, 0.95]
    )
    assert table["value"].tolist() == [1.0, 0.75] and (table["low"] < table["value"]).all()


def test_errors_in_one_bin_make_up_for_each_other_and_in_two_they_do_not() -> None:
    said, answers = (
        np.array([[0.9, 0.1], [0.7, 0.3]]),
        np.array([1, 0]),
    )  # wrong when surer, right when less sure
    assert statistics.calibration(said, answers, bins=1)["ece"] == pytest.approx(0.3)  # |0.5 - 0.8|
    assert statistics.calibration(said, answers, bins=15)["ece"] == pytest.approx((0.9 + 0.3) / 2)


def test_a_bin_holds_its_upper_edge() -> None:
    said = np.array([[0.5, 0.3, 0.2, 0.0], [0.4, 0.3, 0.2, 0.1], [0.51, 0.49, 0.0, 0.0]])
    assert pd.DataFrame(statistics.calibration(said, np.zeros(3, int), bins=2)["bins"])[
        "n"
    ].tolist() == [2, 1]


def test_a_calibrated_classifier_stays_below_its_bound_about_19_times_in_20() -> None:
    rng = np.random.default_rng(0)
    below = 0
    for seed in range(150):
        said = special.softmax(2 * rng.normal(size=(200, 4)), axis=1)
        answers = (
            (rng.random((200, 1)) > said.cumsum(axis=1)).sum(axis=1).clip(max=3)
        )  # drawn as it says
        below += statistics.calibration(said, answers)["ece"] <= chance_calibration_error(
            said, seed, draws=300
        )
    assert 0.88 <= below / 150 <= 0.995


@pytest.mark.parametrize("degrees", [0.5, 1.0, 2.5])
def test_temperature_scaling_finds_the_temperature_that_was_put_there(degrees: float) -> None:
    rng = np.random.default_rng(1)
    logits = 1.5 * rng.normal(size=(8_000, 4))
    honest = special.softmax(logits / degrees, axis=1)
    answers = (rng.random((8_000, 1)) > honest.cumsum(axis=1)).sum(axis=1).clip(max=3)
    said = special.softmax(logits, axis=1)
    found = fit_temperature(said, answers)
    assert found == pytest.approx(degrees, rel=0.06)
    assert np.allclose(temper(said, degrees), honest, atol=1e-6)
    after = statistics.calibration(temper(said, found), answers)["ece"]
    assert after < 0.02 and (
        degrees == 1.0 or after < statistics.calibration(said, answers)["ece"] / 3
    )
    # No other temperature is likelier.
    loss = log_loss(said, answers, found)
    assert all(
        loss <= log_loss(said, answers, found * factor) for factor in (0.8, 0.95, 1.05, 1.25)
    )


@given(seed=st.integers(0, 10_000), degrees=st.floats(0.1, 10))
def test_a_temperature_changes_how_sure_and_never_what(seed: int, degrees: float) -> None:
    said = np.random.default_rng(seed).dirichlet(np.ones(4), 20)
    said[:, HATE] = 0  # a class its corpus lacks
    said /= said.sum(axis=1, keepdims=True)
    after = temper(said, degrees)
    assert np.allclose(after.sum(axis=1), 1) and not after[:, HATE].any()
    assert np.array_equal(after.argmax(axis=1), said.argmax(axis=1))
    assert (
        (after.max(axis=1) >= said.max(axis=1) - 1e-6)
        if degrees < 1
        else (after.max(axis=1) <= said.max(axis=1) + 1e-6)
    ).all()


def test_a_probability_that_was_rounded_away_does_not_stay_certain() -> None:
    said = np.array([[1.0, 0.0, 0.0, 0.0], [0.2, 0.2, 0.3, 0.3]])
    after = temper(said, 4.0)
    assert after[0, 0] < 0.95 and after[0].argmax() == 0
    assert np.isfinite(log_loss(said, np.array([1, 0])))


def test_teachers_are_judged_on_what_they_never_saw(tiny_run: Run) -> None:
    found = score_teachers(tiny_run)
    assert set(found) == {"ser", "ier"}
    for role, value in found.items():
        report = json.loads(
            (tiny_run.folder / "models" / f"teacher-{role}.json").read_text(encoding="utf-8")
        )
        assert value["accuracy"]["n"] == report["rows"]["held_out"]
        assert value["accuracy"] == pytest.approx(report["held_out"]["accuracy"])
        assert 0 <= value["ece"] <= 1 and HARDEST <= value["temperature"] <= SOFTEST
        assert value["pairs"]["n"] > 0
    table = reliability_table(tiny_run, found)
    assert (
        table.groupby(["teacher", "opinion"])["n"].sum().nunique() <= 2
    )  # each half is counted once
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    trust_plots.reliability(table)


# ------------------------------------------------------------------------------------ other labels
def _degrees(ser: float, ier: float) -> dict[str, dict[str, Any]]:
    return {"ser": {"temperature": ser}, "ier": {"temperature": ier}}


def test_a_teacher_that_is_cooled_down_loses_what_it_won_by_shouting(tmp_path: Path) -> None:
    manifest, truth = forged(
        (sure(ANGER, 0.7), sure(HAPPY, 0.8)),  # the image teacher wins, until it is cooled
        (sure(SAD, 0.6), sure(SAD, 0.9)),  # the winner changes, the label does not
        (sure(SAD, 0.9), sure(HAPPY, 0.6)),  # nothing changes
        (sure(SAD, 0.3), sure(HAPPY, 0.7)),  # falls below the threshold
        truth=["anger", "sad", "sad", "happy"],
    )
    found = relabel_tempered(written(tmp_path / "run", manifest, truth), _degrees(1.0, 3.0))
    assert (found["rows"], found["kept"], found["dropped"], found["rescued"]) == (4, 3, 1, 0)
    assert (found["winners"], found["changed"], found["share"]) == (2, 1, pytest.approx(1 / 3))
    assert (found["speech_wins"], found["speech_wins_after"]) == (
        0.25,
        0.75,
    )  # where both are unsure, still the surer one
    assert (found["right"], found["right_after"]) == (pytest.approx(2 / 3), 1.0)
    assert found["difference"]["value"] == pytest.approx(1 / 3)


def test_discarded_pairs_may_come_back(tmp_path: Path) -> None:
    manifest, _ = forged((sure(SAD, 0.9), sure(SAD, 0.8)))
    discarded, _ = forged((sure(SAD, 0.4), sure(HAPPY, 0.45)))
    run = written(tmp_path / "run", manifest, {}, discarded.assign(id="d0", split=""))
    found = relabel_tempered(run, _degrees(0.5, 0.5))
    assert found["rescued"] == 1 and found["rows"] == 2 and "right" not in found


def test_labels_change_only_where_teachers_differ_and_never_at_temperature_one(
    tiny_run: Run,
) -> None:
    same = relabel_tempered(tiny_run, _degrees(1.0, 1.0))
    assert same["changed"] == same["dropped"] == same["rescued"] == 0
    assert same["kept"] == len(read_manifest(tiny_run))
    pairs = pd.concat([read_manifest(tiny_run, name) for name in ("manifest", "discarded")])
    differ = np.not_equal(
        *(label_rule.teacher_opinions(pairs, role).argmax(axis=1) for role in settings.ROLES)
    ).sum()
    found = relabel_tempered(tiny_run, _degrees(0.3, 3.0))
    assert found["changed"] <= min(found["winners"], differ)


# ------------------------------------------------------------------------------------ whose labels
def test_the_authors_of_labels_are_counted() -> None:
    manifest, _ = FOUR
    table = label_provenance(manifest)
    assert table["rows"].to_dict() == {"anger": 1, "happy": 1, "hate": 1, "sad": 1, "all": 4}
    assert (
        table.loc["all", "speech teacher won"] == 0.5 and table.loc["all", "teachers agree"] == 0.5
    )
    assert table.loc["sad", "lead, speech"] == pytest.approx(0.3) and np.isnan(
        table.loc["sad", "lead, image"]
    )
    assert table.loc["all", "equally sure"] == 0
    tied, _ = forged((sure(SAD, 0.8), sure(HAPPY, 0.8)))
    assert label_provenance(tied).loc["all", ["equally sure", "speech teacher won"]].tolist() == [
        1,
        1,
    ]


def test_noise_is_found_where_it_was_put() -> None:
    table = measure_label_noise(*FOUR).set_index("rows")
    assert table.loc["all", "accuracy"] == 0.5 and table.loc["all", "either teacher"] == 0.75
    assert (
        table.loc["teachers agree", "accuracy"] == 0.5
        and table.loc["teachers agree", "either teacher"] == 0.5
    )
    assert table.loc["differ, speech teacher won", "accuracy"] == 1
    assert table.loc["differ, image teacher won", ["accuracy", "either teacher"]].tolist() == [0, 1]
    assert table.loc["labelled hate", "accuracy"] == 0 and table["n"].iloc[-4:].sum() == 4
    assert measure_label_noise(FOUR[0], {}).empty


@pytest.mark.parametrize(
    ("student", "expected"),
    [
        (
            [HAPPY, SAD, HATE, ANGER],
            {"winner": 1.0, "loser": 0.0, "neither": 0.0, "truth": 0.5},
        ),  # repeats
        (
            [HAPPY, SAD, SAD, HAPPY],
            {"winner": 0.5, "loser": 0.25, "neither": 0.25, "truth": 1.0},
        ),  # knows better
        (
            [SAD, ANGER, ANGER, SAD],
            {"winner": 0.0, "loser": 0.0, "neither": 1.0, "truth": 0.0},
        ),  # learned nothing
    ],
)
def test_students_are_told_apart(student: list[int], expected: dict[str, float]) -> None:
    table = measure_recovery(FOUR[0], {"fused": np.array(student)}, FOUR[1])
    own = table[table["who"] == "ParallelNet"].set_index("rows")
    assert own.loc["all", list(expected)].to_dict() == pytest.approx(expected)
    assert np.allclose(table[["winner", "loser", "neither"]].sum(axis=1), 1)
    assert own.loc[WRONG, "n"] == 2 and own.loc[WRONG, "winner"] == (student[2] == HATE)
    label = table[table["who"] == LABEL].set_index("rows")
    assert (
        (label["winner"] == 1).all()
        and label.loc["all", "truth"] == 0.5
        and label.loc[WRONG, "truth"] == 0
    )


def test_recovery_agrees_with_the_scores_of_notebook_04(tiny_run: Run) -> None:
    rows, predicted = predict_test(tiny_run)
    truth = read_truth(tiny_run)
    guesses = {name: value.argmax(axis=1) for name, value in predicted.items()}
    table = records.as_nested(measure_recovery(rows, guesses, truth), "rows", "who")["all"]
    scores = results.evaluate(tiny_run)["scores"]
    for name, title in results.TITLES.items():
        if name not in HALVES:
            continue
        assert table[title]["winner"] == pytest.approx(scores["labels"][name]["accuracy"]["value"])
        assert table[title]["truth"] == pytest.approx(scores["truth"][name]["accuracy"]["value"])
    assert table[LABEL]["truth"] == pytest.approx(scores["truth"]["label"]["accuracy"]["value"])


def test_the_ceiling_bounds_what_noisy_labels_can_tell() -> None:
    for student in ([HAPPY, SAD, HATE, ANGER], [HAPPY, SAD, SAD, HAPPY], [SAD, ANGER, ANGER, SAD]):
        table = measure_recovery(FOUR[0], {"fused": np.array(student)}, FOUR[1])
        own = records.as_nested(table, "rows", "who")["all"]["ParallelNet"]
        ceiling = 0.5
        assert (
            max(0, own["winner"] + ceiling - 1) <= own["truth"] <= 1 - abs(own["winner"] - ceiling)
        )
    blind = measure_recovery(FOUR[0], {"fused": np.zeros(4, int)}, {})
    assert blind["truth"].isna().all()


def test_a_corpus_with_labels_has_no_teachers_to_question(labelled_run: Run) -> None:
    manifest = read_manifest(labelled_run)
    found = score_teachers(labelled_run)
    assert found == {} and reliability_table(labelled_run, found).empty
    assert relabel_tempered(labelled_run, found) == {}
    assert label_provenance(manifest).empty and measure_label_noise(manifest, {}).empty
    table = measure_recovery(manifest, {"fused": np.zeros(len(manifest), int)}, {})
    assert table.empty and records.as_nested(table, "rows", "who") == {}


# ----------------------------------------------------------------------------------------- figures
def _drawn(figure: Figure) -> str:
    figure.canvas.draw()
    return " ".join(text.get_text() for text in figure.findobj(plt.Text))


def test_figures_show_what_they_are_given() -> None:
    manifest, truth = FOUR
    style.use_style()
    assert "speech teacher" in _drawn(trust_plots.leads(manifest))
    table = measure_recovery(manifest, {"fused": np.zeros(4, int), "ser": np.ones(4, int)}, truth)
    text = _drawn(trust_plots.recovery(table))
    assert "ParallelNet" in text and "label is wrong\nn = 2" in text and "planted emotion" in text
    unknown = measure_recovery(manifest, {"fused": np.zeros(4, int)}, {})
    assert "planted emotion" not in _drawn(trust_plots.recovery(unknown))
    curve = pd.DataFrame(
        statistics.calibration(np.array([sure(SAD, 0.9), sure(SAD, 0.4)]), np.array([SAD, SAD]))[
            "bins"
        ]
    )
    curves = [
        curve.assign(teacher=f"{m} teacher", opinion=how)
        for m in ("speech", "image")
        for how in ("a", "b")
    ]
    assert "image teacher" in _drawn(trust_plots.reliability(pd.concat(curves)))
    noise = pd.DataFrame(
        [
            {
                "modality": m,
                "level": level,
                "network": name,
                "accuracy": 0.5,
                "low": 0.4,
                "high": 0.6,
            }
            for m in ("speech", "image")
            for level in (0, 1)
            for name in ("ParallelNet", "a half")
        ]
    )
    figure = trust_plots.noise(noise)
    assert "noise in the image" in _drawn(figure) and len(figure.axes[0].lines) == 2
