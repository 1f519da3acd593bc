"""Rows of a manifest are explained with all that is known of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sierbook.cases import (
    ExplainedRow,
    case_payload,
    explain_rows,
    planted_payload,
    teacher_payload,
)
from sierbook.figures import sample_plots
from sierbook.tables.cases import case_table, word_table
from sierlib import settings
from sierlib.experiment.labels import build_dataset
from sierlib.experiment.manifest import read_manifest, read_truth
from sierlib.experiment.train import load_model
from sierlib.networks import parallel_net
from sierlib.run import Run
from tests.forged import explained_row, planted_truth


@pytest.mark.parametrize(
    ("label", "speech", "image", "decides"),
    [
        ("sad", 0.4, 0.1, True),
        ("hate", 0.4, 0.1, False),
        ("sad", -0.1, -0.6, False),
        ("sad", 0.1, 0.4, False),
    ],
)
def test_a_case_knows_whether_its_speech_decides(
    label: str, speech: float, image: float, decides: bool
) -> None:
    found = SimpleNamespace(speech_value=speech, image_value=image)
    case = explained_row({"label": label}, found)
    assert case.speech_decides is decides


def test_planted_truth_is_told_in_shares_of_the_picture() -> None:
    found = planted_payload(planted_truth("agree", [32, 64, 96, 128]))
    assert found and found["image"]["boxes"] == [[0.25, 0.5, 0.75, 1.0]]
    assert found["speech"]["words"] == [0] and found["relation"] == "agree"
    assert planted_payload(None) is None and planted_payload({}) is None


def test_rows_are_explained_with_all_that_is_known_of_them(
    tiny_run: Run, cases: list[ExplainedRow]
) -> None:
    manifest = read_manifest(tiny_run)
    rows = manifest[manifest["split"] == "test"].head(2)
    assert [case.row["id"] for case in cases] == list(rows["id"])
    model = load_model(tiny_run, "fused")
    for case in cases:
        inputs = {"speech": case.speech[np.newaxis], "image": case.image[np.newaxis]}
        scores = model.predict(inputs, verbose=0)[0]
        np.testing.assert_allclose(case.probabilities, scores, atol=1e-4)
        assert case.predicted == settings.CLASSES[int(case.probabilities.argmax())]
        assert [word.text for word in case.words] == case.row["text"].split()
        assert set(case.explanations) == set(settings.CLASSES)
        for name in settings.CLASSES:
            found = case.of(name)
            assert found.speech_map.sum() + found.image_map.sum() == pytest.approx(
                found.value - found.base_value, abs=1e-6
            )
            assert found.value == pytest.approx(
                case.probabilities[settings.CLASSES.index(name)], abs=1e-3
            )
        assert case.of() is case.explanations[case.predicted]["owen"]


def test_a_case_becomes_a_payload_with_its_teachers(cases: list[ExplainedRow]) -> None:
    found = case_payload(cases[0], methods=("owen",))
    assert found["id"] == cases[0].row["id"] and found["label"] == cases[0].row["label"]
    assert found["teachers"]["winner"] in ("speech", "image")
    assert found["teachers"]["speech"] == pytest.approx(
        [cases[0].row[f"ser_{name}"] for name in settings.CLASSES], rel=1e-3
    )
    assert teacher_payload({"winner": "given"}) is None
    assert found["planted"] is None and found["blurred"] == {}
    assert "left" not in found["explanations"]["owen"]["sad"]
    drawn = [element["kind"] for element in (cases[0].item.scene or {})["elements"]]
    assert drawn and all(kind in found["image"]["alt"] for kind in drawn)


def test_a_payload_has_truth_blur_and_the_networks_scores_of_what_is_left(tiny_run: Run) -> None:
    from sierbook.cases import explain_rows

    manifest = read_manifest(tiny_run)
    rows = manifest[manifest["split"] == "test"].head(1)
    model = load_model(tiny_run, "fused")
    (case,) = explain_rows(tiny_run, model, rows, depth=1, blurred=True)
    truth = read_truth(tiny_run)[case.row["id"]]
    found = case_payload(case, methods=("owen",), truth=truth, model=model)
    assert found["planted"]["speech"]["words"] == truth["speech"]["emotion_words"]
    pairs = found["pairs"]
    assert 0 < pairs["stderr"] < 0.1
    assert pairs["class"] == case.predicted and (pairs["rows"], pairs["cols"]) == (4, 4)
    assert len(pairs["values"]) == len(pairs["words"]) > 0
    assert [len(each) for each in pairs["values"]] == [16] * len(pairs["words"])
    for name, explanation in found["blurred"]["owen"].items():
        k = settings.CLASSES.index(name)
        for one in (explanation, found["explanations"]["owen"][name]):
            assert one["left"]["keep"][0] == pytest.approx(case.probabilities, abs=2e-3)
            assert one["left"]["remove"][0][k] == pytest.approx(one["base"], abs=2e-3)


@pytest.mark.slow
def test_of_a_real_corpus_no_name_no_id_and_no_photograph_is_shown(
    tmp_path: Path,
    paint: Callable[..., Path],
    tiny_profile: settings.Profile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a page could show of tweets whose ids, names and numbers are kept in their rows."""
    lines = ["id,image,text,label"]
    for number in range(40):
        paint(tmp_path / f"{number}.png", seed=number, size=(256, 256))
        label = settings.CLASSES[number % 4]
        said = f"@ann_b I was number {number} at 0151 2345678 https://t.co/{number}"
        lines.append(f"7680968684857692{number:02}-1,{number}.png,{said},{label}")
    (tmp_path / "pairs.csv").write_text("\n".join(lines), encoding="utf-8")
    data = f"pairs:{tmp_path / 'pairs.csv'}"
    run = Run(tiny_profile, data, "synthetic", "synthetic", 0, tmp_path / "run")
    build_dataset(run)
    model = parallel_net(replace(tiny_profile, width=1 / 64))
    rows = read_manifest(run).head(1)

    def show() -> tuple[dict[str, Any], str, np.ndarray]:
        (case,) = explain_rows(run, model, rows, depth=1)
        payload = case_payload(case, methods=["owen"])
        texts = json.dumps(payload) + case_table([case]).to_html() + word_table(case).to_html()
        figure = sample_plots.explained(case)
        return payload, texts, np.asarray(figure.axes[0].images[0].get_array())

    payload, texts, drawn = show()
    assert payload["id"].startswith("row-") and "#" in payload["text"]
    for told in ("76809686", "ann_b", "t.co", "2345678"):
        assert told not in texts
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) <= 64
    monkeypatch.setenv("SIER_SHOW", "names,photographs")
    payload, texts, drawn = show()
    assert payload["id"].startswith("76809686") and "2345678" in payload["text"]
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 64
