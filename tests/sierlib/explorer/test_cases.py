"""Rows of a manifest are chosen as in Fig. 4 and explained with all that is known of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sierbook.figures import sample_plots
from sierbook.tables.cases import case_table, word_table
from sierlib import settings
from sierlib.experiment.labels import build_dataset
from sierlib.experiment.manifest import GIVEN, read_manifest, read_truth
from sierlib.experiment.train import load_model
from sierlib.explorer.cases import (
    ExplainedRow,
    add_rows,
    case_payload,
    choose_rows,
    describe_rows,
    explain_rows,
    planted_payload,
    put_showcase_first,
    teacher_payload,
)
from sierlib.networks import parallel_net
from sierlib.run import Run


def test_two_sad_samples_come_first_and_then_the_other_classes() -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"label": list(settings.CLASSES) * 6}, index=range(100, 124))
    chosen = choose_rows(rows, rng.dirichlet(np.ones(4), 24), 6)
    assert (
        list(chosen["label"]) == ["sad", "sad", "hate", "anger", "happy", "sad"]
        and chosen.index.is_unique
    )
    assert set(chosen.index) <= set(rows.index)


@given(
    labels=st.lists(st.sampled_from(settings.CLASSES), min_size=1, max_size=12),
    count=st.integers(0, 15),
)
def test_as_many_samples_are_chosen_as_there_are(labels: list[str], count: int) -> None:
    rows = pd.DataFrame({"label": labels})
    chosen = choose_rows(rows, np.full((len(labels), 4), 0.25), count)
    assert len(chosen) == min(count, len(labels)) and chosen.index.is_unique


def test_a_third_of_the_samples_are_those_in_which_speech_decides_rightly() -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"label": list(settings.CLASSES) * 6}, index=range(100, 124))
    probabilities = np.eye(4)[np.arange(24) % 4] * 0.6 + 0.1  # always right
    probabilities[3] = [0.7, 0.1, 0.1, 0.1]  # but once
    lead = rng.normal(size=24)
    lead[[3, 5, 7]] = 9, 8, 7
    chosen = choose_rows(rows, probabilities, 6, lead)
    assert (
        len(chosen) == 6
        and list(chosen.index)[4:] == [105, 107]
        and list(chosen["label"])[:2] == ["sad", "sad"]
    )
    assert len(choose_rows(rows, probabilities, 6, np.full(24, -1.0))) == 6


def test_of_those_the_furthest_ahead_are_chosen_and_none_where_none_qualifies() -> None:
    lead = np.array([-np.inf, -np.inf, -0.29, -0.01, 0.19, 0.35, 0.004, -np.inf])
    rows = pd.DataFrame({"label": ["sad"] * 8})
    sure = np.tile([0.1, 0.1, 0.1, 0.7], (8, 1))
    assert list(choose_rows(rows, sure, 6, lead).index)[4:] == [5, 4]
    assert len(choose_rows(rows[:4], sure[:4], 6, lead[:4])) == 4, "none qualifies, none is lost"


def _explained(row: dict[str, str], found: Any) -> ExplainedRow:
    """A row that is predicted to be sad, with an explanation and no inputs."""
    return ExplainedRow(
        row=row,
        item=None,  # type: ignore[arg-type]
        audio=np.zeros(0),
        speech=np.zeros(0),
        image=np.zeros(0),
        probabilities=np.eye(4)[3],
        words=[],
        explanations={"sad": {"owen": found}},
    )


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
    case = _explained({"label": label}, found)
    assert case.speech_decides is decides


def test_rows_are_described_by_what_a_reader_may_choose_by() -> None:
    rows = pd.DataFrame({"id": list("abcd"), "label": ["sad", "sad", "happy", "happy"]})
    rows["winner"] = GIVEN
    values = pd.DataFrame(
        {
            "predicted": ["sad", "sad", "happy", "sad"],
            "speech": [0.4, -0.1, 0.1, 0.4],
            "image": [0.1, -0.6, 0.4, 0.1],
        }
    )
    planted = {name: {"relation": relation} for name, relation in zip("abcd", "acnc", strict=True)}
    found = describe_rows(rows, values, planted)
    assert found["decided_by"].tolist() == ["speech", "neither", "image", "neither"]
    assert found["right"].tolist() == [True, True, True, False]
    assert found["both_for"].tolist() == [True, False, True, False]
    assert found["relation"].tolist() == list("acnc")
    assert set(describe_rows(rows, values, {})["relation"]) == {""}, "nobody was asked"


@given(count=st.integers(0, 30), seed=st.integers(0, 99))
def test_rows_are_added_until_every_trait_is_there(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    traits = pd.DataFrame(
        {
            "label": rng.choice(settings.CLASSES, 60, p=[0.05, 0.8, 0.05, 0.1]),
            "right": rng.random(60) < 0.8,
        },
        index=range(100, 160),
    )
    rows = pd.DataFrame({"id": range(60)}, index=traits.index)
    first = rows.head(2)
    chosen = add_rows(first, rows, traits, count)
    assert len(chosen) == max(2, min(count, 60)) and chosen.index.is_unique
    assert list(chosen.index[:2]) == [100, 101]
    if count >= 12:
        for name in traits:
            assert set(traits.loc[chosen.index, name]) == set(traits[name])


def _case(name: str, speech: float, image: float, label: str = "sad") -> ExplainedRow:
    regions = [
        SimpleNamespace(modality="image", box=(0, 64, 0, 128), value=image),
        SimpleNamespace(modality="image", box=(64, 128, 0, 128), value=0.0),
    ]
    found = SimpleNamespace(
        speech_value=speech,
        image_value=image,
        speech_map=np.full((128, 128), speech / 128**2),
        levels=[regions],
    )
    return _explained({"id": name, "label": label}, found)


def _truth(relation: str, box: list[int]) -> dict:
    return {
        "relation": relation,
        "emotion": "sad",
        "speech": {"emotion": "sad", "emotion_words": [0]},
        "image": {"emotion": "sad", "boxes": [box]},
    }


def test_a_showcase_comes_first_and_without_one_the_order_stays() -> None:
    against, wrong = _case("against", -0.4, 0.9), _case("wrong", 0.9, 0.9, label="hate")
    weak, strong = _case("weak", 0.1, 0.1), _case("strong", 0.3, 0.2)
    cases = [against, wrong, weak, strong]
    assert put_showcase_first(cases, {}) == [strong, against, wrong, weak]
    planted = {
        "weak": _truth("agree", [10, 10, 20, 20]),
        "strong": _truth("conflict", [0, 0, 9, 9]),
    }
    assert put_showcase_first(cases, planted)[0] is weak, "its strongest region is planted"
    assert put_showcase_first([against, wrong], planted) == [against, wrong]
    assert put_showcase_first([], {}) == []


def test_planted_truth_is_told_in_shares_of_the_picture() -> None:
    found = planted_payload(_truth("agree", [32, 64, 96, 128]))
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
    from sierlib.explorer.cases import explain_rows

    manifest = read_manifest(tiny_run)
    rows = manifest[manifest["split"] == "test"].head(1)
    model = load_model(tiny_run, "fused")
    (case,) = explain_rows(tiny_run, model, rows, depth=1, blurred=True)
    truth = read_truth(tiny_run)[case.row["id"]]
    found = case_payload(case, methods=("owen",), truth=truth, model=model)
    assert found["planted"]["speech"]["words"] == truth["speech"]["emotion_words"]
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
