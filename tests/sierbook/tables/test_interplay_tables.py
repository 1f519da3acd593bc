"""Tables of notebook 09, of results that are made up."""

from __future__ import annotations

from typing import Any

from sierbook.figures import interplay_plots
from sierbook.tables.interplay_tables import (
    show_together,
    tabulate_following,
    tabulate_pointing,
    tabulate_shares,
)
from sierbook.tables.shown import show
from tests.keys import list_unkeyed


def estimate(value: float) -> dict[str, Any]:
    return {"value": value, "low": value - 0.05, "high": value + 0.05, "n": 12}


def shares(value: float) -> dict[str, Any]:
    return {name: estimate(value) for name in ("share", "share of log-odds", "interaction")}


FOUND = {
    "shares": {"all": shares(0.3), "agree": shares(0.2), "unknown": shares(0.2)},
    "pointing": {name: estimate(0.5) for name in ("hit", "word", "region")} | {"chance": 0.1},
    "following": {
        name: {"deletion": estimate(0.4), "insertion": estimate(0.6)}
        for name in ("pairs", "single values", "random")
    },
}
ORACLES = {
    "jointly": {"share": estimate(1.0), "hit": estimate(0.95), "chance": 0.1},
    "side by side": {"share": estimate(0.0)},
}
TOGETHER = {
    "provenance": {"profile": "quick", "data": "together", "date": "2026-01-01"},
    "rows": {"train": 1200, "validation": 300, "test": 600},
    "majority": 0.26,
    "before": {"addition": {"title": "weighted addition in Eq. 1", **FOUND}},
    "networks": {
        "fused": {"title": "ParallelNet", "accuracy": estimate(0.6), **FOUND},
        "ser": {"title": "speech only", "accuracy": estimate(0.25)},
    },
    "lead": estimate(0.1),
}
NOTHING = {"shares": {"all": shares(0.3)}, "pointing": {}, "following": {}}


def test_every_number_of_the_tables_has_a_key() -> None:
    tables = [
        tabulate_shares(FOUND, ORACLES, TOGETHER),
        tabulate_pointing(FOUND, ORACLES, TOGETHER),
        tabulate_following(FOUND),
    ]
    for table in tables:
        page = show(table).to_html()
        assert list_unkeyed(page) == [] and "data-key" in page
    page = show_together(TOGETHER).to_html()
    assert list_unkeyed(page) == [] and "60.0%" in page.replace("\u00a0", "")
    assert "quick, together, 2026-01-01; 1,200 pairs" in page


def test_without_truth_and_without_a_study_tables_are_short() -> None:
    table = tabulate_shares(NOTHING, {}, {})
    assert table.index.tolist() == ["ParallelNet, all"]
    assert tabulate_pointing(NOTHING, {}, {}).empty and tabulate_following(NOTHING).empty
    assert "not been recorded" in show_together({}).data
    interplay_plots.shares(table)
