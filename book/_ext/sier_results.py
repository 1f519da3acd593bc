"""Show numbers from result files: the role `result` and the directive `result-table`.

{result}`04-results:accuracy.fused|.3f` is the value found along the keys `accuracy`, `fused` in
`04-results.json`, formatted by `.3f`. A missing file or key shows an en dash, so that the book builds
before anything has run. A file holds nested values and a `provenance` as `sierlib.runs` writes it; its
`recorded` is true when the numbers come from an earlier run than this build's.
"""

import json
from pathlib import Path

from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

LOG = logging.getLogger(__name__)
COLUMNS = {"notebook": "Result", "profile": "Profile", "data": "Data", "seed": "Seed", "date": "Date",
           "seconds": "Duration", "peak_memory_mb": "Peak memory", "source": "Code", "recorded": "Origin"}  # fmt: skip


def results_folder(env):
    """Where result files lie: those of this build, and on the bare checkout those of the recorded quick run."""
    own = Path(env.srcdir, env.config.sier_results_dir)
    return own if own.is_dir() else Path(env.srcdir, env.config.sier_recorded_dir, "quick")


def load(env, path):
    """Read a result file; none yet is an empty dict, a broken one a warning."""
    env.note_dependency(str(path))
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        LOG.warning("%s is not valid JSON (%s): run its notebook again", path, error)
        return {}


def find(value, keys):
    for key in keys.split("."):
        if isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        elif isinstance(value, dict) and key in value:
            value = value[key]
        else:
            return None
    return value


def show(name, value):
    """Write one field of a provenance the way the table shows it."""
    if name == "recorded":
        return "recorded" if value else "this build"
    if value is None:
        return "–"
    if name == "seconds":
        return f"{value / 60:.1f} min" if value >= 60 else f"{value:.1f} s"
    return f"{value:,.0f} MB" if name == "peak_memory_mb" else str(value)


def table(rows, **attributes):
    """Lay out rows of text as a table; the first is its head."""
    head, *body = [nodes.row("", *(nodes.entry("", nodes.paragraph("", cell)) for cell in row)) for row in rows]
    columns = [nodes.colspec(colwidth=1) for _ in rows[0]]
    group = nodes.tgroup("", *columns, nodes.thead("", head), nodes.tbody("", *body), cols=len(columns))
    return nodes.table("", group, **attributes)


class Result(SphinxRole):
    def run(self):
        path, _, spec = self.text.partition("|")
        notebook, _, keys = path.strip().partition(":")
        results = load(self.env, results_folder(self.env) / f"{notebook}.json")
        value, origin = find(results, keys), results.get("provenance", {})
        if value is None:
            return [nodes.abbreviation("", "–", explanation="not yet computed", classes=["result"])], []
        try:
            text = format(value, spec.strip())
        except (TypeError, ValueError) as error:
            LOG.warning("result %r: %s", self.text, error, location=self.get_location())
            text = str(value)
        if not origin.get("recorded"):
            return [nodes.inline("", text, classes=["result"])], []
        title = "recorded: " + ", ".join(str(origin.get(name, "–")) for name in ("profile", "data", "date"))
        return [nodes.abbreviation("", text, explanation=title, classes=["result", "recorded"])], []


class ResultTable(SphinxDirective):
    def run(self):
        files = [load(self.env, path) for path in sorted(results_folder(self.env).glob("[0-9]*.json"))]
        cells = [{"notebook": file.get("notebook"), **file["provenance"]} for file in files if "provenance" in file]
        if not cells:
            return [nodes.paragraph("", "No results yet: they appear here once the notebooks have run.")]
        rows = [list(COLUMNS.values())] + [[show(name, row.get(name)) for name in COLUMNS] for row in cells]
        # It scrolls sideways where it is too wide, which has to be possible by keyboard too.
        frame = '<div class="result-table" tabindex="0" role="region" aria-label="Runs behind this copy">'
        wide = table(rows, classes=["result-table"])
        return [nodes.raw("", frame, format="html"), wide, nodes.raw("", "</div>", format="html")]


def setup(app):
    app.add_config_value("sier_results_dir", "book/results", "env")
    app.add_config_value("sier_recorded_dir", "book/recorded", "env")
    app.add_role("result", Result())
    app.add_directive("result-table", ResultTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
