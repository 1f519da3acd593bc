"""What pre-training is worth, scored from made-up predictions; and its tables on a page."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sierbook import statistics, transfer
from sierbook.extensions import transfer as pages
from sierlib import settings
from sierlib.experiment.models import HALVES, NETWORKS, names_in_group
from tests.forged import ABOVE, BELOW, NEITHER, accuracy, in_plain

NAMES = [*names_in_group("pre-training"), *HALVES.values()]
RUN: Any = SimpleNamespace(seed=0)


def test_networks_are_compared_by_what_they_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = ["anger", "happy", "hate", "sad"] * 10
    rows = pd.DataFrame({"answer": answers, "group": np.arange(40) // 2})
    right, wrong = "0123" * 10, "1230" * 10

    def train(run: Any, names: list[str]) -> dict[tuple[str, int, int], dict[str, Any]]:
        history = {"epochs": [{}] * 3, "seconds": 2.0, "parameters": 7}
        return {
            (name, 0, 0): history
            | {
                "title": NETWORKS[name].title,
                "test_predicted": right if name.startswith("pretrained") else wrong,
            }
            for name in names
        }

    monkeypatch.setattr(transfer, "train_all", train)
    parts = {"train": rows, "validation": rows, "test": rows}
    monkeypatch.setattr(transfer, "select_rows", lambda *_: parts)
    found = transfer.score_cells(RUN)
    assert list(found["networks"]) == NAMES and found["majority"] == 0.25 and found["groups"] == 20
    assert found["networks"]["pretrained-frozen"]["accuracy"]["value"] == 1
    leads = {(lead["one"], lead["other"]): lead["difference"] for lead in found["leads"]}
    assert leads["pretrained-frozen", "random-frozen"]["value"] == 1
    assert leads["pretrained-tuned", "pretrained-frozen"]["value"] == 0


def test_every_teacher_is_asked_about_every_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    # Items of "one" are angry or happy, those of "other" sad; each teacher knows its own.
    labels = {"one": ["anger", "happy", "anger"], "other": ["sad"] * 3}
    runs: Mapping[str, Any] = {name: SimpleNamespace(seed=0, name=name) for name in labels}

    def read(run: Any, role: str) -> tuple[Any, ...]:
        items = pd.DataFrame({"label": labels[run.name], "split": ["held", "held", "train"]})
        return None, items, None, run.name, False

    def opinions(model: str, held: pd.DataFrame, folder: str, classes: list[str]) -> np.ndarray:
        said = held["label"] if model == folder else ["hate"] * len(held)
        return np.eye(4)[[settings.CLASSES.index(name) for name in said]]

    monkeypatch.setattr(transfer, "read_items", read)
    monkeypatch.setattr(transfer, "predict_opinions", opinions)
    monkeypatch.setattr(
        transfer,
        "train_teachers",
        lambda run, roles: dict.fromkeys(roles, (run.name, {"classes": []})),
    )
    found = transfer.ask_across(runs)
    assert len(found) == 2 * 2 * 2
    for row in found:
        assert row["accuracy"]["n"] == 2, "what was learned from is not asked about"
        assert row["accuracy"]["value"] == (row["learned"] == row["asked"])
        assert row["majority"] == {"one": 0.5, "other": 1.0}[row["asked"]]


def test_rows_of_one_photograph_count_as_one_for_an_interval() -> None:
    values = np.repeat(np.random.default_rng(0).integers(0, 2, 30), 5)
    groups = np.repeat(np.arange(30), 5)
    apart, together = (
        statistics.estimate_grouped(values, each) for each in (np.arange(150), groups)
    )
    once = statistics.estimate_mean(values[::5])
    assert apart["value"] == together["value"] == pytest.approx(once["value"])
    widths = [each["high"] - each["low"] for each in (apart, together, once)]
    assert widths[0] < 0.6 * widths[1] and widths[1] == pytest.approx(widths[2], rel=0.1)


# ----------------------------------------------------------------------------------------- the page
def _study(leads: list[dict[str, Any]]) -> dict[str, Any]:
    network = {"accuracy": accuracy(0.5), "seconds": 90.0}
    return {
        "rows": {"train": 200, "validation": 40, "test": 100},
        "majority": 0.3,
        "networks": dict.fromkeys(NAMES, network),
        "leads": [
            {"one": "pretrained-frozen", "other": other, "difference": gain}
            for other, gain in zip(("random-frozen", "ier", "ser"), leads, strict=True)
        ],
        "provenance": {"date": "2026-11-28"},
    }


FOUND = {
    "labelled": _study([ABOVE, NEITHER, BELOW]),
    "pairs": _study([BELOW, BELOW, BELOW]),
    "teachers": {
        "own": {
            how: {
                role: {"accuracy": accuracy(0.4), "majority": 0.3, "learned from": 9}
                for role in ("ser", "ier")
            }
            for how in ("from random weights", "pre-trained")
        },
        "across": [
            {
                "modality": "speech",
                "learned": "real",
                "asked": "embedded",
                "accuracy": accuracy(0.3),
                "majority": 0.5,
            }
        ],
        "provenance": {"date": "2026-11-28"},
    },
}


@pytest.mark.parametrize("name", list(pages.PARTS))
def test_what_is_not_recorded_has_no_rows(name: str) -> None:
    _, rows, _ = pages.PARTS[name]({})
    assert len(rows) == 1


@pytest.mark.parametrize(("name", "count"), [("networks", 8), ("leads", 3), ("across", 1)])
def test_a_table_has_a_row_for_each_and_every_number_its_key(name: str, count: int) -> None:
    said, rows, _ = pages.PARTS[name](FOUND)
    in_plain([said, *(cell for row in rows[1:] for cell in row)])
    assert len(rows) == 1 + count and len({len(row) for row in rows}) == 1


def test_the_answer_says_of_each_difference_what_it_is() -> None:
    gains = {
        ("pretrained-frozen", "random-trained"): ABOVE,
        ("pretrained-tuned", "random-trained"): BELOW,
        ("ser", "ser-random"): NEITHER,
        ("fused", "ser"): BELOW,
        ("fused", "ier"): BELOW,
    }
    leads = [
        {"one": one, "other": other, "difference": gain} for (one, other), gain in gains.items()
    ]
    (said,) = in_plain([pages.answer(FOUND["labelled"] | {"leads": leads})])
    assert "by +10.0 points [+5.0, +15.0], a gain, where they are kept" in said
    assert "speech half by +0.0 points [−5.0, +5.0], not clear of zero. With" in said
    assert "difference to it is −10.0 points [−15.0, −5.0], a loss." in said and "50.0 %" in said


def test_a_lead_is_judged_by_its_interval() -> None:
    _, rows, _ = pages.tell_leads(FOUND)
    words = [in_plain(row)[2].partition(": ")[2] for row in rows[1:]]
    assert words == ["better", "not clear", "worse"]
    assert all(row[3].endswith(": worse") for row in rows[1:])


def test_every_teacher_stands_with_and_without_pre_training() -> None:
    _, rows, _ = pages.tell_teachers(FOUND)
    assert [row[0] for row in rows[1:]] == [
        "speech, from random weights",
        "image, from random weights",
        "speech, pre-trained",
        "image, pre-trained",
    ]
