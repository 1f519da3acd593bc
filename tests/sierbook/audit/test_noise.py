"""Other takes, other speeds and noise, on test rows of a tiny run and on made-up numbers."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from sierbook import sentences
from sierbook.audit.inputs import Trial, add_noise, speak_again
from sierbook.audit.labels import as_records
from sierlib import settings
from sierlib.experiment.models import HALVES, NETWORKS
from sierlib.run import Run


@pytest.fixture(scope="module")
def trial(tiny_run: Run) -> Trial:
    return Trial(tiny_run)


def test_the_same_take_gives_the_same_answers(trial: Trial) -> None:
    takes = {"again": (0, 1.0), "slower": (0, 0.5)}
    found = speak_again(trial, 4, takes, workers=1)
    same = found[found["take"] == "again"]
    assert (
        same["changed"].tolist() == [0, 0]
        and same["difference"].tolist() == [0, 0]
        and (same["n"] == 4).all()
    )
    assert found["cut"].iloc[-1] >= found["cut"].iloc[0] and (
        found["accuracy"] - found["before"]
    ).tolist() == (pytest.approx(found["difference"].tolist()))
    said = sentences.judge_respoken(found)
    assert len(said) == 2 and "no clear loss" in said[0] and "speed 0.5" in said[1]


def test_recordings_are_not_spoken_again(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = SimpleNamespace(text="what is said", audio=Path("a.wav"))
    monkeypatch.setattr(
        "sierbook.audit.inputs.find_items", lambda _, ids: dict.fromkeys(ids, recorded)
    )
    found = speak_again(trial, 4, workers=1)
    assert found.empty and "recordings" in sentences.judge_respoken(found)[0]


def test_noise_reaches_one_modality_and_level_zero_is_no_noise(trial: Trial) -> None:
    found = add_noise(trial, 6, levels=(0.0, 5.0))
    places = trial.draw(6)
    assert len(found) == 2 * 2 * 3 and (found["n"] == 6).all()
    for name in HALVES.values():
        title = NETWORKS[name].title
        clean = np.mean(trial.guesses[name][places] == trial.labels[places])
        own = found[found["network"] == title]
        assert np.allclose(own.loc[own["level"] == 0, "accuracy"], clean)
        if name != "fused":  # the modality that it does not perceive
            assert np.allclose(own.loc[own["modality"] != settings.ROLES[name], "accuracy"], clean)
    assert len(sentences.judge_noise(found)) == 2
    assert json.dumps(as_records(found), allow_nan=False)


@pytest.mark.parametrize(
    ("fused", "words"),
    [
        (0.9, "stays ahead"),
        (0.7, "cannot be told apart"),
        (0.45, "cannot be told apart"),
        (0.1, "better without the speech"),
    ],
)
def test_what_noise_does_is_put_into_words(fused: float, words: str) -> None:
    table = pd.DataFrame(
        [
            {"modality": "speech", "level": level, "network": name, "n": 100, "accuracy": right, "low": right - 0.1,
             "high": right + 0.1}
            for level in (0.0, 0.4)
            for name, right in (("ParallelNet", 0.8 if level == 0 else fused), ("speech only", 0.5), ("image only", 0.6))
        ]
    )  # fmt: skip
    (said,) = sentences.judge_noise(table)
    assert words in said and "speech only from 50.0% to 50.0% (the same throughout" in said
