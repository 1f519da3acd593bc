"""Test rows spoken again: the same take changes nothing, and half of what is learned from is said
by the second voice."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sierbook import second_voice
from sierbook.audit import voices
from sierbook.audit.inputs import Trial
from sierlib.data import speech
from sierlib.data.shards import load_arrays
from sierlib.experiment.models import NETWORKS, select_rows
from sierlib.networks import pretrained
from sierlib.run import Run


@pytest.fixture(scope="module")
def trial(tiny_run: Run) -> Trial:
    return Trial(tiny_run)


@pytest.fixture
def slow_voice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the first voice, slowed down, stand for the second."""

    def speak(text: str, **_: Any) -> np.ndarray:
        return speech.speak(text, speed=0.6)

    monkeypatch.setattr(second_voice, "speak", speak)
    monkeypatch.setattr(voices, "find_weights", lambda _: None)


def test_the_same_take_gives_the_same_answers(trial: Trial) -> None:
    takes = {"again": (0, 1.0), "slower": (0, 0.5)}
    found = voices.speak_again(trial, 4, takes, workers=1)
    same = found[found["take"] == "again"]
    assert (
        same["changed"].tolist() == [0, 0]
        and same["difference"].tolist() == [0, 0]
        and (same["n"] == 4).all()
    )
    assert found["cut"].iloc[-1] >= found["cut"].iloc[0] and (
        found["accuracy"] - found["before"]
    ).tolist() == (pytest.approx(found["difference"].tolist()))


def test_recordings_are_not_spoken_again(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = SimpleNamespace(text="what is said", audio=Path("a.wav"))
    monkeypatch.setattr(voices, "find_items", lambda _, ids: dict.fromkeys(ids, recorded))
    monkeypatch.setattr(voices, "find_weights", lambda _: None)
    assert voices.speak_again(trial, 4, workers=1).empty
    found, _, said = voices.compare_or_recall(trial)
    assert found.empty and "recordings" in said


@pytest.mark.usefixtures("slow_voice")
def test_half_of_the_rows_are_spoken_by_the_second_voice_and_the_others_kept(tiny_run: Run) -> None:
    run = tiny_run
    rows = select_rows(run, NETWORKS["fused"])["train"]
    spoken = voices._respeak(run, rows, "train", workers=1)
    changed = (spoken["speech"] != rows["speech"]).to_numpy()
    assert changed.sum() == len(rows) // 2
    assert spoken.drop(columns="speech").equals(rows.drop(columns="speech"))
    folder = run.folder / "dataset"
    before, after = (load_arrays(list(some["speech"]), folder) for some in (rows, spoken))
    assert np.array_equal(before[~changed], after[~changed])
    assert all(
        (one != other).any() for one, other in zip(before[changed], after[changed], strict=True)
    )


def test_where_nothing_was_spoken_all_rows_stay_as_they_are(
    tiny_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = SimpleNamespace(text="what is said", audio=Path("a.wav"))
    monkeypatch.setattr(voices, "find_items", lambda _, ids: dict.fromkeys(ids, recorded))
    rows = select_rows(tiny_run, NETWORKS["fused"])["train"]
    assert voices._respeak(tiny_run, rows, "train", workers=1).equals(rows)


@pytest.mark.usefixtures("slow_voice")
def test_networks_are_compared_on_the_same_rows_and_the_new_one_is_trained_once(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = voices.compare_voices(trial, workers=1)
    assert (found["n"] == len(trial.rows)).all()
    fused, _, both, learned = found.to_dict("records")
    assert learned["before"] == fused["accuracy"] and learned["accuracy"] == both["accuracy"]
    assert fused["before"] == np.mean(trial.find_right("fused"))
    monkeypatch.setattr(voices, "fit_spec", None)  # it is there by now
    assert voices.compare_voices(trial, workers=1).equals(found)


def test_what_was_recorded_is_shown_where_the_second_voice_is_missing(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrained, "find_spec", lambda _: None)
    made = {"profile": "quick", "data": "synthetic", "date": "2026-11-28"}
    recorded = {"rows": [{"network": "ParallelNet"}], "provenance": made}
    monkeypatch.setattr(voices, "read_transfer", lambda: {"voices": recorded})
    found, run, said = voices.compare_or_recall(trial)
    assert found["network"].tolist() == ["ParallelNet"] and "2026-11-28" in said and run in said
    monkeypatch.setattr(voices, "read_transfer", dict)
    found, _, said = voices.compare_or_recall(trial)
    assert found.empty and "pip install" in said
