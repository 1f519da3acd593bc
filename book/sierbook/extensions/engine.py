"""How fast and how exact the model in the page is: the directive `engine-table`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from sierbook.extensions.results import framed, read_file, tell_how
from sierbook.recorded import ENGINE

COMMAND = "make bench"  # for a built book
NAMES = {
    "load": "Load the model, from disk",
    "first prediction": "First prediction",
    "prediction": "Prediction, both branches in one worker",
    "depth 3": "Owen values of 8 regions each",
    "depth 4": "Owen values of 16 regions each",
}


class EngineTable(SphinxDirective):
    """Times, differences to Python from the same weights, and onnxruntime-web's beside them."""

    def run(self) -> list[nodes.Node]:
        found = read_file(self.env, ENGINE)
        if not found:
            return [tell_how(COMMAND)]
        return framed(list_rows(found), "The model in the page")


def list_rows(found: Mapping[str, Any]) -> list[list[str]]:
    """Return a row for each thing that was measured."""
    rows = [["", "Median", "Least to most"]]
    for name, text in NAMES.items():
        rows.append([text, *_write(found["milliseconds"][name], " ms")])
    standstill = found["milliseconds"].get("longest task")
    if standstill:  # the browser tells of those above 50 ms only
        cells = _write(standstill, " ms") if standstill["high"] else ["under 50 ms", "each time"]
        rows.append(["Longest time that the page stands still", *cells])
    gaps, about = found["differences"], f"{found['samples']} samples"
    rows.append(["Largest difference of a probability", f"{gaps['probability']:.0e}", about])
    text = f"Largest difference of a region's value, depth {found['depth']}"
    rows.append([text, f"{gaps['region']:.0e}", about])
    rows += list_rival(found.get("rival", {}))
    if "load" in found:
        before, after = found["load"]
        text = f"Load of the {found['machine']['cores']} cores before, after"
        rows.append([text, f"{before:.1f}", f"{after:.1f}"])
    return rows


def list_rival(rival: Mapping[str, Any]) -> list[list[str]]:
    """Return the rows of what was measured beside it; none where nothing was."""
    if not rival:
        return []
    name, size, times = rival["name"], rival["bytes"], rival["milliseconds"]
    return [
        [f"Prediction, in turns with {name}", *_write(times["ours"], " ms")],
        [f"{name}, one thread", *_write(times["rival"], " ms")],
        ["Its time, ours being 1", *_write(rival["ratio"], "", 2)],
        [
            f"Code to read: ours, {name}",
            f"{size['ours'] / 1e6:.2f} MB",
            f"{size['rival'] / 1e6:.1f} MB",
        ],
        ["Largest difference to it", f"{rival['difference']:.0e}", "1 sample"],
    ]


def _write(time: Mapping[str, float], unit: str, digits: int = 0) -> list[str]:
    """Write a median and its range."""
    value, low, high = (f"{time[name]:,.{digits}f}" for name in ("value", "low", "high"))
    return [value + unit, f"{low} to {high}"]


def setup(app: Sphinx) -> dict[str, bool]:
    app.setup_extension("sierbook.extensions.results")
    app.add_directive("engine-table", EngineTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
