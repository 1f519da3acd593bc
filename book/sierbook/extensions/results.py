"""Show numbers from result files: the role `result`, and tables of runs, networks and versions.

Directives `result-table`, `network-table` and `version-table` print the tables.
{result}`04-results:accuracy.fused|.3f` is the value found along the keys `accuracy`, `fused` in
`04-results.json`, formatted by `.3f`. A missing file or key shows an en dash that says which,
so that the book builds before anything has run. A file holds nested values and a `provenance` as
`sierlib.run` writes it; its `recorded` is true when the numbers come from an earlier run than this
build's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from sierbook import numbers
from sierlib.files import read_json

LOG = logging.getLogger(__name__)
COLUMNS = {
    "notebook": "Result",
    "profile": "Profile",
    "data": "Data",
    "seed": "Seed",
    "date": "Date",
    "seconds": "Duration",
    "peak_memory_mb": "Peak memory",
    "source": "Code",
    "recorded": "Origin",
}
MACHINE = {"processor": "Processor", "cores": "Cores", "system": "System"}
NONE_YET = "No results yet: they appear here once the notebooks have run."


def read_results(env: BuildEnvironment) -> dict[str, dict[str, Any]]:
    """Read this build's result files by notebook; on a bare checkout recorded ones of `quick`."""
    folder = Path(env.srcdir, env.config.sier_results_dir)
    if not folder.is_dir():
        return read_recorded(env, "quick")
    found = {path.stem: _load(env, path) for path in sorted(folder.glob("[0-9]*.json"))}
    return {name: file for name, file in found.items() if file}


def read_recorded(env: BuildEnvironment, profile: str) -> dict[str, dict[str, Any]]:
    """Read the recorded result files of a profile by notebook, once for a page."""
    from sierbook import derived, recorded

    kept: dict[str, Any] = env.temp_data.setdefault("sier_recorded", {})
    if profile not in kept:
        folder = Path(env.srcdir, env.config.sier_recorded_dir)
        for name in (profile, recorded.STAND_IN):
            for path in sorted((folder / name).rglob("*.*")):
                env.note_dependency(str(path))
        kept[profile] = derived.read_results(folder / profile)
    return kept[profile]


def _load(env: BuildEnvironment, path: Path) -> dict[str, Any]:
    """Read a result file; a broken one is a warning."""
    env.note_dependency(str(path))
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        LOG.warning("%s is not valid JSON (%s): run its notebook again", path, error)
        return {}


def find(value: Any, keys: str) -> Any:
    """Return what lies along keys joined by dots, or None."""
    for key in keys.split("."):
        if isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        elif isinstance(value, dict) and key in value:
            value = value[key]
        else:
            return None
    return value


def format_time(seconds: float) -> str:
    """Write a time so that it can be read at a glance."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def format_field(name: str, value: Any) -> str:
    """Write one field of a provenance the way the table shows it."""
    if name == "recorded":
        return "recorded" if value else "this build"
    if value is None:
        return "–"
    if name == "seconds":
        return format_time(value)
    return f"{value:,.0f} MB" if name == "peak_memory_mb" else str(value)


def table(rows: Sequence[Sequence[str]], **attributes: Any) -> nodes.table:
    """Lay out rows of text as a table; the first is its head."""
    head, *body = [_lay_out_row(row) for row in rows]
    columns = [nodes.colspec(colwidth=1) for _ in rows[0]]
    group = nodes.tgroup(
        "", *columns, nodes.thead("", head), nodes.tbody("", *body), cols=len(columns)
    )
    return nodes.table("", group, **attributes)


def _lay_out_row(cells: Iterable[str]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", cell)) for cell in cells))


class Result(SphinxRole):
    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        path, _, spec = self.text.partition("|")
        notebook, _, keys = path.strip().partition(":")
        results = read_results(self.env).get(notebook, {})
        value, origin = find(results, keys), results.get("provenance", {})
        if value is None:
            reason = "there is none in these data" if results else "not yet computed"
            return [nodes.abbreviation("", "–", explanation=reason, classes=["result"])], []
        try:
            text = format(value, spec.strip())
        except (TypeError, ValueError) as error:
            LOG.warning("result %r: %s", self.text, error, location=self.get_location())
            text = str(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            key = numbers.key_of_path(notebook, keys, numbers.name_run(origin))
            text_node = number("", text, value=f"{value:.12g}", key=str(key))
        else:
            text_node = nodes.Text(text)
        if not origin.get("recorded"):
            return [nodes.inline("", "", text_node, classes=["result"])], []
        made = ", ".join(str(origin.get(name, "–")) for name in ("profile", "data", "date"))
        return [
            nodes.abbreviation(
                "", "", text_node, explanation=f"recorded: {made}", classes=["result", "recorded"]
            )
        ], []


def framed(rows: Sequence[Sequence[str]], label: str) -> list[nodes.Node]:
    """Lay out a wide table that scrolls sideways where it has to, by keyboard too."""
    frame = f'<div class="result-table" tabindex="0" role="region" aria-label="{label}">'
    wide = table(rows, classes=["result-table"])
    return [nodes.raw("", frame, format="html"), wide, nodes.raw("", "</div>", format="html")]


def read_file(env: BuildEnvironment, file: str | Path) -> Any:
    """Read a file of the folder of what is recorded, or of an absolute path; None where it is not
    there. The page is built anew when it changes."""
    place = Path(env.srcdir, env.config.sier_recorded_dir, file)
    env.note_dependency(str(place))
    return read_json(place)


def tell_how(command: str) -> nodes.paragraph:
    """Say that nothing is recorded yet, and which command changes that."""
    said = nodes.Text("Nothing is recorded yet. It will be here after ")
    return nodes.paragraph("", "", said, nodes.literal("", command), nodes.Text("."))


def read_stamps(env: BuildEnvironment) -> dict[str, dict[str, Any]]:
    """Return what made each notebook's results, by notebook."""
    stamps = {}
    for file in read_results(env).values():
        if "provenance" in file:
            stamps[file.get("notebook", "")] = file["provenance"]
    return stamps


class ResultTable(SphinxDirective):
    """What made each notebook's results."""

    def run(self) -> list[nodes.Node]:
        rows = [list(COLUMNS.values())]
        for notebook, stamp in read_stamps(self.env).items():
            cells = {"notebook": notebook, **stamp}
            rows.append([format_field(name, cells.get(name)) for name in COLUMNS])
        if len(rows) == 1:
            return [nodes.paragraph("", NONE_YET)]
        return framed(rows, "Runs behind this copy")


class NetworkTable(SphinxDirective):
    """How long each network took to train, and all of them together."""

    def run(self) -> list[nodes.Node]:
        results = read_results(self.env)
        studies = results.get("03-ablation", {}).get("studies", {})
        trained = [self.entry(study) for study in studies.values()]
        trained += self.folds(results.get("02-training", {}))
        if not trained:
            return [nodes.paragraph("", NONE_YET)]
        rows = [["Network", "Trained", "Each", "Together", "Origin"]]
        for name, count, each, origin in trained:
            rows.append([name, str(count), format_time(each), format_time(count * each), origin])
        for kind in ("this run", "recorded"):
            of_kind = [row for row in trained if row[3].startswith(kind)]
            if of_kind:
                number = sum(count for _, count, _, _ in of_kind)
                seconds = sum(count * each for _, count, each, _ in of_kind)
                rows.append(["All of them", str(number), "", format_time(seconds), kind])
        return framed(rows, "Training times")

    @staticmethod
    def entry(study: Mapping[str, Any]) -> tuple[str, int, float, str]:
        """Name, number of seeds, seconds of each, and origin of a network."""
        name, origin = study["title"], study["origin"]
        if study["group"] != "Table 1":
            name += f" ({study['group']})"
        if origin == "recorded":
            origin += f", {study['profile']}, {study['date']}"
        return name, study.get("repeats", {}).get("n", 1), study["seconds"], origin

    @staticmethod
    def folds(training: Mapping[str, Any]) -> list[tuple[str, int, float, str]]:
        """The folds beyond the first, which is among the networks already."""
        seconds = []
        for row in training.get("folds", []):
            further = row.get("fold") not in (0, "mean")
            if further and row.get("origin", "this run") == "this run":
                seconds.append(row["seconds"])
        if not seconds:
            return []
        mean = sum(seconds) / len(seconds)
        return [("ParallelNet, further folds", len(seconds), mean, "this run")]


class ClassesNeverSaid(SphinxDirective):
    """Which classes each network says of no test row."""

    def run(self) -> list[nodes.Node]:
        from sierbook import result_sentences

        evaluation = read_results(self.env).get("04-results")
        if not evaluation:
            return [nodes.paragraph("", NONE_YET)]
        unnamed = result_sentences.name_unnamed(evaluation)
        said = [sentence.replace("*", "") for sentence in unnamed]
        return [nodes.paragraph("", " ".join(said))]


class VersionTable(SphinxDirective):
    """Machine and versions behind the results, and whether they are the same for all notebooks."""

    def run(self) -> list[nodes.Node]:
        facts: dict[str, dict[str, Any]] = {}
        for notebook, stamp in read_stamps(self.env).items():
            machine = stamp.get("machine", {})
            facts[notebook] = {text: machine.get(name) for name, text in MACHINE.items()}
            facts[notebook] |= {"Python": stamp.get("python"), **stamp.get("versions", {})}
        if not facts:
            return [nodes.paragraph("", NONE_YET)]
        rows, differ = [["What", "Which"]], False
        for name in dict.fromkeys(name for fact in facts.values() for name in fact):
            by_value: dict[str, list[str]] = {}
            for notebook, fact in facts.items():
                known = fact.get(name)
                by_value.setdefault("–" if known is None else str(known), []).append(notebook)
            if len(by_value) > 1:
                differ = True
                values = [f"{value} ({', '.join(which)})" for value, which in by_value.items()]
            else:
                values = list(by_value)
            rows.append([name, "; ".join(values)])
        said = f"The same for all {len(facts)} notebooks."
        if differ:
            said = "They differ between the notebooks; which ran with what stands in brackets."
        return [nodes.paragraph("", said), table(rows)]


class number(nodes.inline):  # noqa: N801 (docutils names nodes so)
    """A number with its value and its key."""


def _open_number(self: Any, node: number) -> None:
    self.body.append(f'<data value="{node["value"]}" data-key="{node["key"]}">')


def _close_number(self: Any, node: number) -> None:
    self.body.append("</data>")


class LayOutNumbers(SphinxTransform):
    """Make numbers of what sentences mark as such, in paragraphs that directives write."""

    default_priority = 400  # before quotation marks are made typographic

    def apply(self) -> None:
        for text in list(self.document.findall(nodes.Text)):
            if not numbers.MARK.search(text) or isinstance(text.parent, (nodes.raw, nodes.literal)):
                continue
            parts: list[nodes.Node] = []
            end = 0
            for found in numbers.MARK.finditer(text):
                parts.append(nodes.Text(text[end : found.start()]))
                parts.append(number("", found[3], value=found[1], key=found[2]))
                end = found.end()
            parts.append(nodes.Text(text[end:]))
            text.parent.replace(text, parts)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("sier_results_dir", "book/results", "env")
    app.add_config_value("sier_recorded_dir", "book/recorded", "env")
    app.add_node(number, html=(_open_number, _close_number))
    app.add_transform(LayOutNumbers)
    app.add_role("result", Result())
    app.add_directive("result-table", ResultTable)
    app.add_directive("network-table", NetworkTable)
    app.add_directive("version-table", VersionTable)
    app.add_directive("classes-never-said", ClassesNeverSaid)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
