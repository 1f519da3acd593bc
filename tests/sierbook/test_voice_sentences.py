"""Sentences of notebook 07 about another speed and another voice."""

from __future__ import annotations

import pandas as pd

from sierbook import voice_sentences
from sierlib.experiment.models import NETWORKS
from tests.forged import in_plain

SPEECH = NETWORKS["ser"].title


def test_who_minds_another_speed() -> None:
    rows = [
        {"take": take, "speed": speed, "network": name, "n": 20, "high": high}
        for take, speed, highs in (("spoken anew", 1.0, (0.1, 0.1)), ("slower", 0.8, (0.1, -0.1)))
        for name, high in zip(("ParallelNet", SPEECH), highs, strict=True)
    ]
    again, slower = in_plain(voice_sentences.judge_respoken(pd.DataFrame(rows)))
    assert again == "**Spoken anew, speed 1** (20 rows): no clear loss."
    assert slower == f"**Slower, speed 0.8** (20 rows): {SPEECH} clearly the worse for it."
    assert "recordings" in voice_sentences.judge_respoken(pd.DataFrame())[0]


def test_who_minds_another_voice() -> None:
    def compare(network: str, change: str, low: float, high: float) -> dict[str, object]:
        middle = (low + high) / 2
        told = {"n": 40, "before": 0.8, "accuracy": 0.8 + middle, "difference": middle}
        return {"network": network, "change": change, "low": low, "high": high, **told}

    rows = [
        compare("ParallelNet", "another voice", -0.5, -0.3),
        compare("ParallelNet, from both voices", "another voice", -0.1, 0.1),
        compare("ParallelNet, from both voices", "from one voice to both", 0.2, 0.3),
    ]
    worse, same, better = in_plain(voice_sentences.judge_voices(pd.DataFrame(rows)))
    assert worse.startswith("**ParallelNet, another voice** (40 rows): 80.0% becomes 40.0%")
    assert worse.endswith("clearly worse.") and same.endswith("no clear change.")
    assert better.endswith("clearly better.")
    assert voice_sentences.judge_voices(pd.DataFrame()) == []
