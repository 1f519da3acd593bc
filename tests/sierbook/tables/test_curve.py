"""The learning curve, made of made-up answers whose shares are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sierbook import recorded
from sierbook.tables.curve import gains_by_pairs, learning_curve, tabulate_curve
from sierlib import settings
from sierlib.experiment.models import names_in_group
from sierlib.experiment.scores import estimate_share
from sierlib.files import write_json
from sierlib.run import Run
from tests.forged import history_of


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
    return history_of(name, 0.5) | {
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
    curve = tabulate_curve(CURVE, _labels())
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
    curve = tabulate_curve(CURVE, _labels())
    found = curve[curve["against"] == "truth"].set_index(["network", "pairs"])
    # In the last ten rows the label is wrong, and whoever missed it named what was planted.
    assert found.loc[("speech only", 400), "accuracy"] == pytest.approx(40 / 40)
    assert found.loc[("ParallelNet", 800), "accuracy"] == pytest.approx(32 / 40)
    assert (found["majority"] == 0.75).all()
    blind = tabulate_curve(CURVE, _labels(planted=False))
    assert set(blind["against"]) == {"labels"}


def test_other_folds_repetitions_and_networks_are_no_part_of_a_learning_curve() -> None:
    others = [
        _answers("fused-400", 1, 400) | {"repeat": 1},
        _answers("fused", 1, 4_000) | {"fold": 1},
        _answers("baseline1", 1, 4_000),
    ]
    wanted = tabulate_curve(CURVE, _labels())
    pd.testing.assert_frame_equal(tabulate_curve([*CURVE, *others], _labels()), wanted)


def test_without_fewer_pairs_there_is_no_learning_curve() -> None:
    for histories in ([], CURVE[-3:]):
        curve = tabulate_curve(histories, _labels())
        assert curve.empty and {"network", "pairs", "right"} <= set(curve)
        assert gains_by_pairs(curve).empty


def test_gains_are_over_the_better_half_at_each_number_of_pairs() -> None:
    gains = gains_by_pairs(tabulate_curve(CURVE, _labels(planted=False)))
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
    assert learning_curve(built_run).empty  # nothing was recorded yet
    place = tmp_path / recorded.STAND_IN
    for history in CURVE:
        write_json(place / "models" / f"{history['spec']['name']}.json", history)
    labels = _labels().assign(id=[f"r{number}" for number in range(80)])
    labels.to_csv(place / recorded.LABELS, index=False)
    wanted = tabulate_curve(CURVE, labels)
    found = learning_curve(built_run)
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
    wanted = tabulate_curve(CURVE, _labels())
    pd.testing.assert_frame_equal(learning_curve(own), wanted)
    curve = names_in_group("learning curve")
    assert sorted(asked) == sorted((name, 0, 0) for name in (*curve, "fused", "ser", "ier"))
