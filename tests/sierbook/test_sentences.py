"""Sentences follow from their numbers: what is claimed, what is not, and every caveat."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sierbook import sentences
from sierbook.claims import CLAIMS, Finding
from sierbook.numbers import plain
from sierlib.experiment.models import NETWORKS
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
    said = plain(sentences.describe_origins(entries))
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
