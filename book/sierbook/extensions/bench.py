"""What readers wait for beside what else does it: the directive `bench-table`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from sierbook.extensions.results import framed, read_file, tell_how
from sierbook.recorded import BENCH

COMMAND = "make bench"


class BenchTable(SphinxDirective):
    """Where and when it was measured, and a row for each comparison."""

    def run(self) -> list[nodes.Node]:
        found = read_file(self.env, Path(self.env.srcdir, BENCH))
        if not found:
            return [tell_how(COMMAND)]
        return [
            nodes.paragraph("", describe(found)),
            *framed(list_rows(found), "What one waits for"),
        ]


def describe(found: Mapping[str, Any]) -> str:
    """Say on what machine it was measured, and how many aims were met."""
    aimed = [row for row in found["rows"] if row["aim"]]
    met = sum(meets(row) for row in aimed)
    turns = found["rows"][0]["ours"]["n"]
    return (
        f"Measured on {found['date']} on {found['device']}. A ratio is ours to the other's, taken "
        f"within each of {turns} turns: below 1 ours is faster. Given are the median and the least "
        f"and most. {met} of {len(aimed)} aims are met by the median."
    )


def meets(row: Mapping[str, Any]) -> bool:
    """Tell whether a row's median is at most its aim."""
    told = row["ratio"] or row["ours"]
    return bool(told["value"] <= row["aim"])


def list_rows(found: Mapping[str, Any]) -> list[list[str]]:
    """Return a row for each comparison, or for what there is nothing else for."""
    rows = [["What", "Ratio", "Aim", "Ours", "Beside", "Size"]]
    for row in found["rows"]:
        beside, ratio, aim = "–", "–", "–"
        if row["ratio"]:
            beside = f"{row['other']}: {_seconds(row['theirs'])}"
            ratio = _spread(row["ratio"], "")
        if row["aim"]:
            unit = "" if row["ratio"] else " s"
            met = "met" if meets(row) else "missed"
            aim = f"at most {row['aim']:g}{unit}, {met}"
        # A table's text has no code, and would make a long dash of two hyphens.
        what = row["what"].replace("`", "").replace(" --help", "'s help")
        rows.append([what, ratio, aim, _spread(row["ours"], " s"), beside, row["size"] or "–"])
    return rows


def _seconds(told: Mapping[str, float]) -> str:
    return f"{_round(told['value'])} s"


def _spread(told: Mapping[str, float], unit: str) -> str:
    value, low, high = (_round(told[name]) for name in ("value", "low", "high"))
    return f"{value}{unit} ({low} to {high})"


def _round(value: float) -> str:
    """Write two decimals; of what is small, two digits."""
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def setup(app: Sphinx) -> dict[str, bool]:
    app.setup_extension("sierbook.extensions.results")
    app.add_directive("bench-table", BenchTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
