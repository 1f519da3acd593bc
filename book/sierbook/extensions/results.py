"""Show numbers from result files: the role `result`; directives `result-table`, `network-table` and
`version-table`.

{result}`04-results:calibration.fused.ece|.3f` is the value found along the keys `calibration`, `fused`, `ece` in
`04-results.json`, formatted by `.3f`. A missing file or key shows an en dash, so that the book
builds before anything has run. A file holds nested values and a `provenance` as `sierlib.run`
writes it; its `recorded` is true when the numbers come from an earlier run than this build's.
"""

import json
from pathlib import Path

from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

LOG = logging.getLogger(__name__)
COLUMNS = {"notebook": "Result", "profile": "Profile", "data": "Data", "seed": "Seed", "date": "Date",
           "seconds": "Duration", "peak_memory_mb": "Peak memory", "source": "Code", "recorded": "Origin"}  # fmt: skip
MACHINE = {"processor": "Processor", "cores": "Cores", "system": "System"}
NONE_YET = "No results yet: they appear here once the notebooks have run."


def results_folder(env):
    """Where result files lie: those of this build, and on the bare checkout those of the recorded
    quick run."""
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


def lasting(seconds):
    """Write a time so that it can be read at a glance."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def show(name, value):
    """Write one field of a provenance the way the table shows it."""
    if name == "recorded":
        return "recorded" if value else "this build"
    if value is None:
        return "–"
    if name == "seconds":
        return lasting(value)
    return f"{value:,.0f} MB" if name == "peak_memory_mb" else str(value)


def table(rows, **attributes):
    """Lay out rows of text as a table; the first is its head."""
    head, *body = [
        nodes.row("", *(nodes.entry("", nodes.paragraph("", cell)) for cell in row)) for row in rows
    ]
    columns = [nodes.colspec(colwidth=1) for _ in rows[0]]
    group = nodes.tgroup(
        "", *columns, nodes.thead("", head), nodes.tbody("", *body), cols=len(columns)
    )
    return nodes.table("", group, **attributes)


class Result(SphinxRole):
    def run(self):
        path, _, spec = self.text.partition("|")
        notebook, _, keys = path.strip().partition(":")
        results = load(self.env, results_folder(self.env) / f"{notebook}.json")
        value, origin = find(results, keys), results.get("provenance", {})
        if value is None:
            return [
                nodes.abbreviation("", "–", explanation="not yet computed", classes=["result"])
            ], []
        try:
            text = format(value, spec.strip())
        except (TypeError, ValueError) as error:
            LOG.warning("result %r: %s", self.text, error, location=self.get_location())
            text = str(value)
        if not origin.get("recorded"):
            return [nodes.inline("", text, classes=["result"])], []
        title = "recorded: " + ", ".join(
            str(origin.get(name, "–")) for name in ("profile", "data", "date")
        )
        return [nodes.abbreviation("", text, explanation=title, classes=["result", "recorded"])], []


def framed(rows, label):
    """Lay out a wide table; it scrolls sideways where it has to, which is to be possible by
    keyboard too."""
    frame = f'<div class="result-table" tabindex="0" role="region" aria-label="{label}">'
    wide = table(rows, classes=["result-table"])
    return [nodes.raw("", frame, format="html"), wide, nodes.raw("", "</div>", format="html")]


def stamps(env):
    """What made each notebook's results, by notebook."""
    files = [load(env, path) for path in sorted(results_folder(env).glob("[0-9]*.json"))]
    return {file.get("notebook"): file["provenance"] for file in files if "provenance" in file}


class ResultTable(SphinxDirective):
    """What made each notebook's results."""

    def run(self):
        cells = [{"notebook": notebook, **stamp} for notebook, stamp in stamps(self.env).items()]
        if not cells:
            return [nodes.paragraph("", NONE_YET)]
        rows = [list(COLUMNS.values())] + [
            [show(name, row.get(name)) for name in COLUMNS] for row in cells
        ]
        return framed(rows, "Runs behind this copy")


class NetworkTable(SphinxDirective):
    """How long each network took to train, and all of them together."""

    def run(self):
        folder = results_folder(self.env)
        studies = load(self.env, folder / "03-ablation.json").get("studies", {})
        trained = [self.entry(study) for study in studies.values()] + self.folds(
            load(self.env, folder / "02-training.json")
        )
        if not trained:
            return [nodes.paragraph("", NONE_YET)]
        rows = [["Network", "Trained", "Each", "Together", "Origin"]]
        rows += [
            [name, str(n), lasting(each), lasting(n * each), origin]
            for name, n, each, origin in trained
        ]
        for origin in ("this run", "recorded"):
            own = [(n, n * each) for _, n, each, known in trained if known.startswith(origin)]
            if own:
                count, seconds = (sum(column) for column in zip(*own, strict=True))
                rows.append(["All of them", str(count), "", lasting(seconds), origin])
        return framed(rows, "Training times")

    @staticmethod
    def entry(study):
        """Name, number of seeds, seconds of each, and origin of a network."""
        made = [
            study["origin"],
            *([study["profile"], study["date"]] if study["origin"] == "recorded" else []),
        ]
        name = (
            study["title"]
            if study["group"] == "Table 1"
            else f"{study['title']} ({study['group']})"
        )
        return (
            name,
            study.get("repeats", {}).get("n", 1),
            study["seconds"],
            ", ".join(map(str, made)),
        )

    @staticmethod
    def folds(training):
        """The folds beyond the first, which is among the networks already."""
        found = [
            row["seconds"]
            for row in training.get("folds", [])
            if row.get("fold") not in (0, "mean") and row.get("origin", "this run") == "this run"
        ]
        return (
            [("ParallelNet, further folds", len(found), sum(found) / len(found), "this run")]
            if found
            else []
        )


class VersionTable(SphinxDirective):
    """Machine and versions behind the results, and whether they are the same for all notebooks."""

    def run(self):
        made = stamps(self.env)
        if not made:
            return [nodes.paragraph("", NONE_YET)]
        facts = {
            notebook: {
                **{text: stamp.get("machine", {}).get(name) for name, text in MACHINE.items()},
                "Python": stamp.get("python"),
                **stamp.get("versions", {}),
            }
            for notebook, stamp in made.items()
        }
        rows, differ = [["What", "Which"]], False
        for name in dict.fromkeys(name for fact in facts.values() for name in fact):
            by_value = {}
            for notebook, fact in facts.items():
                by_value.setdefault(str(fact.get(name, "–")), []).append(notebook)
            differ |= len(by_value) > 1
            values = [f"{value} ({', '.join(by)})" for value, by in by_value.items()]
            rows.append([name, "; ".join(values if len(by_value) > 1 else by_value)])
        said = (
            "They differ between the notebooks; which ran with what stands in brackets."
            if differ
            else f"The same for all {len(made)} notebooks."
        )
        return [nodes.paragraph("", said), table(rows)]


def setup(app):
    app.add_config_value("sier_results_dir", "book/results", "env")
    app.add_config_value("sier_recorded_dir", "book/recorded", "env")
    app.add_role("result", Result())
    app.add_directive("result-table", ResultTable)
    app.add_directive("network-table", NetworkTable)
    app.add_directive("version-table", VersionTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
