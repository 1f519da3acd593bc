"""How fast and how exact the model in the page is: the directive `engine-table`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from sierbook.extensions.results import framed
from sierbook.recorded import ENGINE
from sierlib.files import read_json

NONE_YET = "Not measured yet: `benchmarks/engine.py` does it for a built book."
NAMES = {
    "load": "Load the model, from disk",
    "first prediction": "First prediction",
    "prediction": "Prediction, both branches in one worker",
    "depth 3": "Owen values of 8 regions each",
    "depth 4": "Owen values of 16 regions each",
}


class EngineTable(SphinxDirective):
    """Times, and differences to Python from the same weights."""

    def run(self) -> list[nodes.Node]:
        place = Path(self.env.srcdir, self.env.config.sier_recorded_dir, ENGINE)
        self.env.note_dependency(str(place))
        found = read_json(place)
        if not found:
            return [nodes.paragraph("", NONE_YET)]
        return framed(list_rows(found), "The model in the page")


def list_rows(found: Mapping[str, Any]) -> list[list[str]]:
    """Return a row for each thing that was measured."""
    rows = [["", "Median", "Least to most"]]
    for name, text in NAMES.items():
        time = found["milliseconds"][name]
        rows.append(
            [text, f"{time['value']:,.0f} ms", f"{time['low']:,.0f} to {time['high']:,.0f}"]
        )
    gaps, about = found["differences"], f"{found['samples']} samples"
    rows.append(["Largest difference of a probability", f"{gaps['probability']:.0e}", about])
    text = f"Largest difference of a region's value, depth {found['depth']}"
    rows.append([text, f"{gaps['region']:.0e}", about])
    return rows


def setup(app: Sphinx) -> dict[str, bool]:
    app.setup_extension("sierbook.extensions.results")
    app.add_directive("engine-table", EngineTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
