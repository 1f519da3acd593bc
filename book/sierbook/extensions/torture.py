"""What was thrown at the book, from its recorded figures: the directive `torture-table`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from sierbook.extensions.results import format_time, framed, read_file, tell_how
from sierbook.recorded import FAULTS, TORTURE

COMMAND = "make torture ARGS=--record"
STAGES = {
    "kills": "Killed and resumed",
    "corruption": "Damaged items",
    "fuzz": "Fuzzed parsers",
    "hostile": "Hostile inputs",
}


class TortureTable(SphinxDirective):
    """Recorded figures: of all `stages`, or their `faults`; `kinds`, `reasons` or `parsers`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        stages = (read_file(self.env, TORTURE) or {}).get("stages", {})
        wanted = self.arguments[0]
        if wanted == "stages":
            rows, label = list_stages(stages), "What was tried, and what became of it"
        elif wanted == "kinds":
            rows, label = list_kinds(stages.get("corruption", {})), "Damaged items by kind"
        elif wanted == "faults":
            rows, label = list_faults(stages), "Faults"
        elif wanted == "reasons":
            rows, label = list_reasons(stages.get("corruption", {})), "Reasons"
        else:
            rows, label = list_parsers(stages.get("fuzz", {})), "Fuzzed parsers"
        if len(rows) > 1:
            return framed(rows, label)
        return [tell_how(COMMAND)]


def list_stages(stages: Mapping[str, Any]) -> list[list[str]]:
    """Return a row for each stage; "–" is what it cannot tell."""
    rows = [["", "Tried", *FAULTS.values(), "Time", "Recorded"]]
    for name, figures in stages.items():
        counts = [_count(figures.get(key)) for key in ("tried", *FAULTS)]
        made = figures["provenance"]
        machine = made["machine"]
        origin = f"{made['date']}, {machine['cores']} cores ({machine['processor']})"
        extent = ", in full" if made["full"] else ""
        time = format_time(figures["seconds"])
        rows.append([STAGES.get(name, name) + extent, *counts, time, origin])
    return rows


def list_kinds(figures: Mapping[str, Any]) -> list[list[str]]:
    """Return a row for each kind of damaged items: how many were used, and how many were not."""
    words = {"used": "Used", "quarantined": "Set aside", "refused": "Refused whole"}
    rows = [["", "Tried", *words.values(), "Faults"]]
    for kind, counts in figures.get("kinds", {}).items():
        good = [counts.get(word, 0) for word in words]
        faults = counts["tried"] - sum(good)
        rows.append([kind.capitalize(), *map(_count, [counts["tried"], *good, faults])])
    return rows


def list_reasons(figures: Mapping[str, Any]) -> list[list[str]]:
    """Return the most frequent reasons for not using an item."""
    reasons = list(figures.get("reasons", {}).items())[:12]
    return [["Reason", "Items"], *([reason, _count(count)] for reason, count in reasons)]


def list_faults(stages: Mapping[str, Any]) -> list[list[str]]:
    """Return every fault by name; a row says so where there is none."""
    rows = [["Stage", "Fault"]]
    for name, figures in stages.items():
        rows += [[STAGES.get(name, name), fault] for fault in figures.get("faults", ())]
    if stages and len(rows) == 1:
        rows.append(["All", "none"])
    return rows


def list_parsers(figures: Mapping[str, Any]) -> list[list[str]]:
    """Return a row for each fuzzed parser."""
    rows = [["Parser", "Inputs tried", "Time", "Findings"]]
    for name, each in figures.get("parsers", {}).items():
        counts = _count(each["executions"]), format_time(each["seconds"]), _count(each["findings"])
        rows.append([name, *counts])
    return rows


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def setup(app: Sphinx) -> dict[str, bool]:
    app.setup_extension("sierbook.extensions.results")
    app.add_directive("torture-table", TortureTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
