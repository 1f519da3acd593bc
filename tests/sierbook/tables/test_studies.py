"""Tables of what was trained here and what was recorded, and the comparisons that were named in
advance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sierbook.numbers import MARK, plain
from sierbook.tables import studies
from sierbook.tables.shown import by_origin
from sierlib import settings
from sierlib.experiment.manifest import read_manifest, read_truth
from sierlib.experiment.models import NETWORKS, names_in_group
from sierlib.experiment.scores import estimate_share
from sierlib.run import Run
from tests.forged import history_of
from tests.keys import list_unkeyed


def test_this_runs_networks_come_before_recorded_ones_and_every_entry_says_which() -> None:
    own = [history_of("fused", 0.9, profile="quick")]
    recorded = [history_of("fused", 0.5), history_of("n2-vgg16", 0.6)]
    entries = studies.merge(own, recorded)
    assert {name: entry["origin"] for name, entry in entries.items()} == {
        "fused": "this run",
        "n2-vgg16": "recorded",
    }
    assert entries["fused"]["validation"]["accuracy"]["value"] == 0.9
    assert entries["n2-vgg16"]["profile"] == "full"


def test_titles_are_those_that_networks_have_now() -> None:
    old = history_of("ser", 0.5) | {"title": "renamed since"}
    gone = history_of("ser", 0.5)
    gone["spec"] = gone["spec"] | {"name": "no longer trained"}
    entries = studies.merge([], [old, gone])
    assert [entry["title"] for entry in entries.values()] == [NETWORKS["ser"].title]


def test_recorded_rows_are_compared_with_recorded_ones() -> None:
    recorded = [history_of("fused", 0.5), history_of("n2-vgg16", 0.6)]
    entries, stand_in = (
        studies.merge([history_of("fused", 0.9, profile="quick")], recorded),
        studies.merge([], recorded),
    )
    table = studies.table(entries, "N2", stand_in=stand_in)
    assert table.loc["ParallelNet (VGG16 and VGG19)", "accuracy, validation"]["value"] == 0.5
    assert "recorded: full, synthetic, 2026-01-01" in set(table["origin"])
    assert table.loc["MobileNet", "origin"] == "not trained yet" and pd.isna(
        table.loc["MobileNet", "kappa"]
    )


def test_table_1_has_six_rows_with_what_was_published_beside_them() -> None:
    trained = [history_of(name, 0.5) for name in names_in_group("Table 1")]
    table = studies.table(studies.merge(trained, []), "Table 1")
    assert list(table.index) == [NETWORKS[name].title for name in names_in_group("Table 1")]
    page = by_origin(table)[0].to_html()
    published = {key: text for _, key, text in MARK.findall(page) if key.endswith("; paper")}
    assert published == {
        f"accuracy; {name}; ; labels; paper": f"{value:.2%}"
        for name, value in settings.PAPER_TABLE_1.items()
    }
    half = estimate_share(np.arange(50) < 25)
    wanted = "50.0% [{low:.1%}, {high:.1%}]".format(**half)
    assert page.count(wanted) == 0 and plain(page).count(wanted) == 6
    assert list_unkeyed(page) == []


def test_a_runs_own_rows_come_first_and_then_all_that_were_recorded() -> None:
    own = [
        history_of("fused", 0.9, profile="quick"),
        history_of("ser", 0.8, profile="quick"),
    ]
    told = [history_of(name, 0.5) for name in names_in_group("Table 1")]
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
    table = studies.table(studies.merge([history_of("baseline2", 0.5)], []), "Table 1")
    assert list(table["origin"]) == ["this run"] + ["not trained yet"] * 5


def test_over_several_seeds_the_mean_has_students_interval() -> None:
    histories = [history_of("ser", right, repeat) for repeat, right in enumerate((0.5, 0.6, 0.7))]
    table = studies.table(studies.merge(histories, []), "Table 1")
    wanted = stats.t.interval(0.95, 2, np.mean([0.5, 0.6, 0.7]), stats.sem([0.5, 0.6, 0.7]))
    title = NETWORKS["ser"].title
    said = plain(table.loc[title, "mean over seeds"].data)
    assert said == "60.0% [{:.1%}, {:.1%}] of 3".format(*wanted)
    assert "accuracy, validation, first training" in table


def test_speed_and_steadiness_are_told_of_each_training() -> None:
    several = [history_of("fused", 0.7, repeat=repeat) for repeat in range(3)]
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
    found = studies.curves(studies.merge([history_of("ser", 0.5)], []), ["ser", "ier"])
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


def test_recorded_folds_stand_below_this_runs_with_their_mean(
    built_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {0: history_of("fused", 0.9, profile="quick")}
    monkeypatch.setattr(
        "sierbook.tables.studies.cross_validate", lambda *_: studies.fold_table(own)
    )
    told = [
        history_of("fused", right) | {"fold": fold} for fold, right in enumerate((0.5, 0.6, 0.7))
    ]
    others = [history_of("ser", 0.1), history_of("fused", 0.1, repeat=1)]
    monkeypatch.setattr("sierbook.recorded.recorded_histories", lambda _: [*told, *others])
    table = studies.folds(built_run)
    assert list(table.index) == [0, 0, 1, 2, "mean"] and list(table["origin"])[0] == "this run"
    assert list(table["accuracy"]) == pytest.approx([0.9, 0.5, 0.6, 0.7, 0.6])
    monkeypatch.setattr("sierbook.recorded.recorded_histories", lambda _: told[:1])
    assert list(studies.folds(built_run).index) == [0]  # no more folds than this run has


def test_recorded_rows_are_shown_apart_and_the_origin_is_said_once() -> None:
    own, others = [history_of("fused", 0.8)], [history_of("fused", 0.6), history_of("ser", 0.5)]
    entries, stand_in = studies.merge(own, others), studies.merge([], others)
    first, second = by_origin(studies.table(entries, "Table 1", stand_in=stand_in))
    assert first.caption == "This run"
    assert second.caption == "Recorded: full, synthetic, 2026-01-01"
    keys = [MARK.findall(table.to_html()) for table in (first, second)]
    reached = [
        {key: float(value) for value, key, _ in found if key.startswith("accuracy; ")}
        for found in keys
    ]
    assert reached[0]["accuracy; fused; ; labels; paper"] == 0.8329
    own = {key: value for key, value in reached[0].items() if not key.endswith("; paper")}
    assert own == {"accuracy; fused; validation; labels; this run": 0.8}
    made = "validation; labels; recorded: full, synthetic, 2026-01-01"
    assert reached[1][f"accuracy; fused; {made}"] == 0.6
    assert reached[1][f"accuracy; ser; {made}"] == 0.5
    assert all("recorded: full" not in plain(str(cell)) for cell in second.data.to_numpy().ravel())
    assert 'class="origin recorded"' in second.to_html()
