"""Several seeds of one profile, side by side and pooled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sierbook import recorded, seeds
from sierlib import settings
from sierlib.files import read_json
from sierlib.run import Run
from tests.forged import in_plain


def _evaluation(fused: float, speech: float, image: float) -> dict[str, Any]:
    """Results of notebook 04 in which networks reach these shares; differences have a reach of
    0.06."""
    reached = {"fused": fused, "speech": speech, "image": image}
    scores = {
        name: {"accuracy": {"value": value}, "majority": 0.5} for name, value in reached.items()
    }
    differences = {}
    for name in settings.MODALITIES:
        lead = fused - reached[name]
        differences[name] = {"value": lead, "low": lead - 0.06, "high": lead + 0.06}
    return {"scores": {"truth": scores}, "differences": {"truth": differences}, "nothing": {}}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    profile = settings.profile("smoke")
    return Run(profile, "synthetic", "synthetic", "synthetic", 0, tmp_path / "run")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "smoke"


def _record(run: Run, place: Path, seed: int, *reached: float) -> None:
    run = replace(run, seed=seed)
    run.record("04-results", **_evaluation(*reached))
    seeds.record_seed(run, place)


def test_seeds_stand_in_order_and_the_last_record_of_one_counts(run: Run, place: Path) -> None:
    for seed, fused in ((2, 0.8), (0, 0.7), (10, 0.9), (0, 0.75)):
        _record(run, place, seed, fused, 0.6, 0.6)
    found = seeds.read_seeds(run, place)
    assert list(found) == ["0", "2", "10"]
    assert found["0"]["scores"]["truth"]["fused"]["accuracy"]["value"] == 0.75


def test_the_lead_is_over_the_better_half(run: Run, place: Path) -> None:
    _record(run, place, 0, 0.8, 0.6, 0.7)
    (row,) = seeds.tabulate_seeds(seeds.read_seeds(run, place)).to_dict("records")
    assert row["ahead"] == pytest.approx(0.1) and row["largest class"] == 0.5
    assert (row["ParallelNet"], row["speech only"], row["image only"]) == (0.8, 0.6, 0.7)


def test_the_mean_of_three_is_pooled_over_their_rows(run: Run, place: Path) -> None:
    for seed, fused in enumerate((0.8, 0.9, 0.7)):
        _record(run, place, seed, fused, 0.6, 0.7)
    mean = seeds.tabulate_seeds(seeds.read_seeds(run, place)).iloc[-1]
    assert mean["seed"] == "mean" and mean["ahead"] == pytest.approx(0.1)
    # A mean of three independent differences: variances add up, and are divided by nine.
    assert mean["high"] - mean["ahead"] == pytest.approx(0.06 / 3**0.5)
    (said,) = in_plain(seeds.judge_seeds(seeds.read_seeds(run, place)))
    assert "over 3 seeds" in said and "behind in none of them" in said


def test_of_one_seed_nothing_is_judged(run: Run, place: Path) -> None:
    _record(run, place, 0, 0.8, 0.6, 0.7)
    assert seeds.judge_seeds(seeds.read_seeds(run, place)) == []
    assert seeds.judge_seeds({}) == [] and seeds.tabulate_seeds({}).empty


def test_seeds_of_another_recipe_or_corpus_are_not_mixed_in(
    run: Run, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _record(run, place, 1, 0.8, 0.6, 0.7)
    longer = replace(run, profile=replace(run.profile, epochs=9))
    assert seeds.read_seeds(longer, place) == {}
    assert seeds.read_seeds(replace(run, data="bt4sa:elsewhere"), place) == {}
    _record(longer, place, 0, 0.8, 0.6, 0.7)
    assert list(seeds.read_seeds(longer, place)) == ["0"]
    assert "left out, as recorded with other settings: seeds 1" in capsys.readouterr().err


def test_how_much_is_explained_is_no_other_recipe(run: Run, place: Path) -> None:
    _record(run, place, 1, 0.8, 0.6, 0.7)
    more = replace(run, profile=replace(run.profile, explained_samples=99))
    assert list(seeds.read_seeds(more, place)) == ["1"]


def test_of_a_run_from_another_seed_the_scores_are_kept(run: Run, place: Path) -> None:
    other = replace(run, seed=3)
    run.record("01-dataset", manifest={})
    results = read_json(run.folder / "results" / "01-dataset.json")
    place.mkdir()
    (place / "01-dataset.json").write_text(
        (run.folder / "results" / "01-dataset.json").read_text(), encoding="utf-8"
    )
    with pytest.raises(ValueError, match="recorded with seed 0, this run has seed 3"):
        recorded.record(other, place=place)
    other.record("04-results", **_evaluation(0.8, 0.6, 0.7))
    assert recorded.record(other, ["04-results"], place=place) == [place / seeds.FILE]
    assert list(seeds.read_seeds(other, place)) == ["3"]
    assert read_json(place / "01-dataset.json") == results
