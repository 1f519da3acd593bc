"""Tables of what was trained here and what was recorded, and the comparisons that were named in
advance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sierbook import recorded
from sierbook.tables import studies
from sierlib import settings
from sierlib.experiment.manifest import read_manifest, read_truth
from sierlib.experiment.models import NETWORKS, names_in_group
from sierlib.experiment.scores import estimate_share, score_predictions
from sierlib.run import Run, write_json


def _history(
    name: str, right: float, repeat: int = 0, profile: str = "full", rows: int = 50
) -> dict[str, Any]:
    """A made-up history of a network that gets a share of its rows right."""
    answers = np.arange(rows) % 4
    guesses = np.where(np.arange(rows) < right * rows, answers, (answers + 1) % 4)
    scores = score_predictions(answers, guesses)
    epochs = [
        {"accuracy": 0.5, "val_accuracy": 0.4, "loss": 1.0, "val_loss": loss}
        for loss in (3.0, 2.0, 2.5)
    ]
    return {
        "title": NETWORKS[name].title,
        "spec": NETWORKS[name].as_dict(),
        "fold": 0,
        "repeat": repeat,
        "epochs": epochs,
        "best_epoch": 2,
        "seconds": 10.0,
        "parameters": 1_000,
        "rows": {"train": 100, "validation": rows, "test": rows},
        "validation": scores,
        "test": scores,
        "provenance": {"profile": profile, "data": "synthetic", "date": "2026-01-01"},
    }


def test_this_runs_networks_come_before_recorded_ones_and_every_entry_says_which() -> None:
    own = [_history("fused", 0.9, profile="quick")]
    recorded = [_history("fused", 0.5), _history("n2-vgg16", 0.6)]
    entries = studies.merge(own, recorded)
    assert {name: entry["origin"] for name, entry in entries.items()} == {
        "fused": "this run",
        "n2-vgg16": "recorded",
    }
    assert entries["fused"]["validation"]["accuracy"]["value"] == 0.9
    assert entries["n2-vgg16"]["profile"] == "full"


def test_titles_are_those_that_networks_have_now() -> None:
    old = _history("ser", 0.5) | {"title": "renamed since"}
    gone = _history("ser", 0.5)
    gone["spec"] = gone["spec"] | {"name": "no longer trained"}
    entries = studies.merge([], [old, gone])
    assert [entry["title"] for entry in entries.values()] == [NETWORKS["ser"].title]


def test_recorded_rows_are_compared_with_recorded_ones() -> None:
    recorded = [_history("fused", 0.5), _history("n2-vgg16", 0.6)]
    entries, stand_in = (
        studies.merge([_history("fused", 0.9, profile="quick")], recorded),
        studies.merge([], recorded),
    )
    table = studies.table(entries, "N2", stand_in=stand_in)
    assert table.loc["ParallelNet as published", "accuracy, validation"].startswith("50.0%")
    assert "recorded: full, synthetic, 2026-01-01" in set(table["origin"])
    assert (
        table.loc["MobileNet", "origin"] == "not trained yet"
        and table.loc["MobileNet", "kappa"] == "–"
    )


def test_table_1_has_six_rows_with_what_was_published_beside_them() -> None:
    trained = [_history(name, 0.5) for name in names_in_group("Table 1")]
    table = studies.table(studies.merge(trained, []), "Table 1")
    assert list(table.index) == [NETWORKS[name].title for name in names_in_group("Table 1")]
    assert dict(table["published"]) == {
        NETWORKS[name].title: f"{value:.2%}" for name, value in settings.PAPER_TABLE_1.items()
    }
    half = estimate_share(np.arange(50) < 25)
    wanted = "50.0% [{low:.1%}, {high:.1%}]".format(**half)
    assert table.loc["Baseline 2", "accuracy, validation"] == wanted


def test_a_runs_own_rows_come_first_and_then_all_that_were_recorded() -> None:
    own = [_history("fused", 0.9, profile="quick"), _history("ser", 0.8, profile="quick")]
    told = [_history(name, 0.5) for name in names_in_group("Table 1")]
    entries, stand_in = studies.merge(own, told), studies.merge([], told)
    titles = [NETWORKS[name].title for name in names_in_group("Table 1")]
    table = studies.table(entries, "Table 1", stand_in=stand_in)
    assert list(table.index) == [*titles[:2], *titles]
    made = "recorded: full, synthetic, 2026-01-01"
    assert list(table["origin"]) == ["this run"] * 2 + [made] * 6
    drawn = studies.accuracy_rows(entries, "Table 1", stand_in=stand_in)
    assert list(drawn["model"]) == [*titles[:2], *titles]
    assert list(drawn["accuracy"]) == [0.9, 0.8] + [0.5] * 6


def test_what_was_trained_nowhere_stands_below_a_runs_own_rows() -> None:
    table = studies.table(studies.merge([_history("baseline2", 0.5)], []), "Table 1")
    assert list(table["origin"]) == ["this run"] + ["not trained yet"] * 5


def test_over_several_seeds_the_mean_has_students_interval() -> None:
    histories = [_history("ser", right, repeat) for repeat, right in enumerate((0.5, 0.6, 0.7))]
    table = studies.table(studies.merge(histories, []), "Table 1")
    wanted = stats.t.interval(0.95, 2, np.mean([0.5, 0.6, 0.7]), stats.sem([0.5, 0.6, 0.7]))
    title = NETWORKS["ser"].title
    assert table.loc[title, "mean over seeds"] == "60.0% [{:.1%}, {:.1%}] of 3".format(*wanted)


def test_speed_and_steadiness_are_told_of_each_training() -> None:
    several = [_history("fused", 0.7, repeat=repeat) for repeat in range(3)]
    for history, curve in zip(
        several, ((0.2, 0.5, 0.5), (0.5, 0.48, 0.5), (0.1, 0.2, 0.6)), strict=True
    ):
        for epoch, accuracy in zip(history["epochs"], curve, strict=True):
            epoch["val_accuracy"] = accuracy
    entry = studies.merge(several, [])["fused"]
    assert entry["near_best"] == [2, 1, 3] and entry["mean_accuracy"] == pytest.approx(
        [0.4, 0.493333, 0.3], abs=1e-5
    )
    assert entry["detours"] == pytest.approx([0, 0.02, 0])


def test_curves_can_be_drawn_again() -> None:
    found = studies.curves(studies.merge([_history("ser", 0.5)], []), ["ser", "ier"])
    (title,) = found
    assert title == NETWORKS["ser"].title
    assert [row["val_loss"] for row in found[title]["epochs"]] == [3.0, 2.0, 2.5]


def test_a_stricter_threshold_keeps_less_and_agreement_less_still(
    built_run: Run, labelled_run: Run
) -> None:
    table = studies.thresholds(built_run)
    for rule in ("maximum", "agreement"):
        kept = table.xs(rule, level="rule")["pairs kept"]
        assert kept.is_monotonic_decreasing
    assert (
        table.xs("agreement", level="rule")["pairs kept"]
        <= table.xs("maximum", level="rule")["pairs kept"]
    ).all()
    at_half = table.loc[(0.5, "maximum")]
    truth, manifest = read_truth(built_run), read_manifest(built_run)
    assert at_half["pairs kept"] == len(manifest)
    right = np.mean(
        [truth[name]["emotion"] == label for name, label in manifest[["id", "label"]].to_numpy()]
    )
    assert at_half["label is the planted emotion"] == pytest.approx(right)
    assert studies.thresholds(labelled_run).empty


STUDIES = ("Table 1", "learning curve", "choice", "Table 2")


def test_what_a_corpus_cannot_be_asked_is_left_out_and_said(labelled_run: Run) -> None:
    every = replace(
        labelled_run,
        profile=replace(labelled_run.profile, studies=STUDIES),
    )
    left_out = studies.omitted(every)
    curve = names_in_group("learning curve")
    assert {"agreement", "strict-threshold", *names_in_group("Table 2"), *curve} == set(left_out)
    assert left_out["ser-800"] == "fewer than 800 pairs to learn from"
    assert (
        "no teacher was asked" in left_out["agreement"]
        and "nothing of sentiment" in left_out["sentiment-ser"]
    )
    jobs = {name for name, *_ in studies.jobs_of(every)}
    assert jobs == {*names_in_group("Table 1"), *names_in_group("choice")} - set(left_out)
    assert not any(labelled_run.data in reason for reason in left_out.values())


def test_a_profile_trains_its_own_groups_and_some_of_them_from_several_seeds(
    built_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = replace(
        built_run, profile=replace(built_run.profile, studies=("Table 1", "choice"), repeats=3)
    )
    monkeypatch.setattr("sierbook.tables.studies.select_rows", lambda *_: {})
    jobs = studies.jobs_of(full)
    names = [*names_in_group("Table 1"), *names_in_group("choice")]
    assert list(dict.fromkeys(name for name, *_ in jobs)) == names
    for name in names:
        repeats = [repeat for other, fold, repeat in jobs if (other, fold) == (name, 0)]
        assert repeats == ([0, 1, 2] if NETWORKS[name].repeated else [0])
    assert ("agreement", 0, 2) in jobs and ("focal-only", 0, 1) not in jobs


# ---------------------------------------------------------------------------------- learning curve
def _labels(rows: int = 80, planted: bool = True) -> pd.DataFrame:
    """Made-up labels, half of them test rows: the first half of these happy, the others sad; what
    was planted is the other way round in the last ten."""
    label = np.where(np.arange(rows // 2) < rows // 4, "happy", "sad")
    emotion = label.copy()
    emotion[-10:] = "happy"
    test = pd.DataFrame({"split": "test", "label": label, "emotion": emotion if planted else ""})
    return pd.concat([test, test.assign(split="train")], ignore_index=True)


def _answers(name: str, right: int, pairs: int, rows: int = 40) -> dict[str, Any]:
    """A history of a network that answers the first so many test rows with their label, and the
    others with the other one of the two classes."""
    happy, sad = (settings.CLASSES.index(emotion) for emotion in ("happy", "sad"))
    labels = np.where(np.arange(rows) < rows // 2, happy, sad)
    wrong = np.where(labels == happy, sad, happy)
    guesses = np.where(np.arange(rows) < right, labels, wrong)
    return _history(name, 0.5) | {
        "rows": {"train": pairs, "validation": rows, "test": rows},
        "test_predicted": "".join(map(str, guesses)),
    }


#: ParallelNet is behind with few pairs, ahead with more, and hardly ahead with all.
CURVE = [
    _answers("fused-400", 20, 400),
    _answers("ser-400", 30, 400),
    _answers("ier-400", 16, 400),
    _answers("fused-800", 38, 800),
    _answers("ser-800", 10, 800),
    _answers("ier-800", 20, 800),
    _answers("fused", 39, 4_000),
    _answers("ser", 38, 4_000),
    _answers("ier", 30, 4_000),
]


def test_a_learning_curve_has_every_networks_accuracy_by_pairs() -> None:
    curve = studies.tabulate_curve(CURVE, _labels())
    found = curve[curve["against"] == "labels"].set_index(["network", "pairs"])
    assert dict(found["accuracy"]) == pytest.approx(
        {
            (history["title"].partition(",")[0], history["rows"]["train"]): right / 40
            for history, right in zip(CURVE, (20, 30, 16, 38, 10, 20, 39, 38, 30), strict=True)
        }
    )
    assert (found["majority"] == 0.5).all()
    first = found.loc[("ParallelNet", 400)]
    wilson = estimate_share(np.arange(40) < 20)
    assert (first["low"], first["high"]) == (wilson["low"], wilson["high"])


def test_a_learning_curve_is_judged_on_what_was_planted_too() -> None:
    curve = studies.tabulate_curve(CURVE, _labels())
    found = curve[curve["against"] == "truth"].set_index(["network", "pairs"])
    # In the last ten rows the label is wrong, and whoever missed it named what was planted.
    assert found.loc[("speech only", 400), "accuracy"] == pytest.approx(40 / 40)
    assert found.loc[("ParallelNet", 800), "accuracy"] == pytest.approx(32 / 40)
    assert (found["majority"] == 0.75).all()
    blind = studies.tabulate_curve(CURVE, _labels(planted=False))
    assert set(blind["against"]) == {"labels"}


def test_other_folds_repetitions_and_networks_are_no_part_of_a_learning_curve() -> None:
    others = [
        _answers("fused-400", 1, 400) | {"repeat": 1},
        _answers("fused", 1, 4_000) | {"fold": 1},
        _answers("baseline1", 1, 4_000),
    ]
    wanted = studies.tabulate_curve(CURVE, _labels())
    pd.testing.assert_frame_equal(studies.tabulate_curve([*CURVE, *others], _labels()), wanted)


def test_without_fewer_pairs_there_is_no_learning_curve() -> None:
    for histories in ([], CURVE[-3:]):
        curve = studies.tabulate_curve(histories, _labels())
        assert curve.empty and {"network", "pairs", "right"} <= set(curve)
        assert studies.gains_by_pairs(curve).empty


def test_gains_are_over_the_better_half_at_each_number_of_pairs() -> None:
    gains = studies.gains_by_pairs(studies.tabulate_curve(CURVE, _labels(planted=False)))
    assert gains["pairs"].tolist() == [400, 800, 4_000]
    assert gains["half"].tolist() == ["speech only", "image only", "speech only"]
    assert gains["value"].tolist() == pytest.approx([-10 / 40, 18 / 40, 1 / 40])
    assert (gains["n"] == 40).all()
    below, above, neither = gains[["low", "high"]].to_numpy()
    assert below[1] < 0 < above[0] and neither[0] <= 0 <= neither[1]


def test_a_run_that_trains_no_learning_curve_shows_the_recorded_one(
    built_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sierbook.recorded.RECORDED", tmp_path)
    assert studies.learning_curve(built_run).empty  # nothing was recorded yet
    place = tmp_path / recorded.STAND_IN
    for history in CURVE:
        write_json(place / "models" / f"{history['spec']['name']}.json", history)
    labels = _labels().assign(id=[f"r{number}" for number in range(80)])
    labels.to_csv(place / recorded.LABELS, index=False)
    wanted = studies.tabulate_curve(CURVE, labels)
    found = studies.learning_curve(built_run)
    columns = ["network", "pairs", "against", "accuracy"]
    assert found[columns].value_counts().to_dict() == wanted[columns].value_counts().to_dict()


def test_a_run_that_trains_a_learning_curve_shows_its_own(
    built_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = replace(
        built_run, profile=replace(built_run.profile, studies=("Table 1", "learning curve"))
    )
    asked: list[tuple[str, int, int]] = []

    def train(run: Run, jobs: list[tuple[str, int, int]]) -> dict[Any, Any]:
        asked.extend(jobs)
        return {(history["spec"]["name"], 0, 0): history for history in CURVE}

    monkeypatch.setattr("sierbook.tables.studies.select_rows", lambda *_: {})
    monkeypatch.setattr("sierlib.experiment.train.train_all", train)
    monkeypatch.setattr("sierbook.recorded.list_labels", lambda _: _labels())
    wanted = studies.tabulate_curve(CURVE, _labels())
    pd.testing.assert_frame_equal(studies.learning_curve(own), wanted)
    curve = names_in_group("learning curve")
    assert sorted(asked) == sorted((name, 0, 0) for name in (*curve, "fused", "ser", "ier"))


def test_recorded_folds_stand_below_this_runs_with_their_mean(
    built_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {0: _history("fused", 0.9, profile="quick")}
    monkeypatch.setattr(
        "sierbook.tables.studies.cross_validate", lambda *_: studies.fold_table(own)
    )
    told = [_history("fused", right) | {"fold": fold} for fold, right in enumerate((0.5, 0.6, 0.7))]
    others = [_history("ser", 0.1), _history("fused", 0.1, repeat=1)]
    monkeypatch.setattr("sierbook.recorded.recorded_histories", lambda _: [*told, *others])
    table = studies.folds(built_run)
    assert list(table.index) == [0, 0, 1, 2, "mean"] and list(table["origin"])[0] == "this run"
    assert list(table["accuracy"]) == pytest.approx([0.9, 0.5, 0.6, 0.7, 0.6])
    monkeypatch.setattr("sierbook.recorded.recorded_histories", lambda _: told[:1])
    assert list(studies.folds(built_run).index) == [0]  # no more folds than this run has
