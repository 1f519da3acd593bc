"""The claims ledger: directives `claims-origin` and `claims-ledger`, printing `sierbook.claims`.

`claims-origin` is the page's first line: profile, corpus, and whether the results are of this build
or recorded. `claims-ledger` is a bar of the verdicts, each part of which shows its rows alone when
pressed, as do the kinds of what is not testable; a choice of the order (both `claims.js`); and a
table for each section of the paper. Each row links to the notebook
that computed its value, and to the heading above the cell where the notebook has one of that name.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from sierbook.extensions.results import read_recorded, read_results, table

#: Heads of the columns, and their widths.
COLUMNS = {"Claim": 26, "Published": 14, "Ours, with 95 % interval": 26, "Verdict": 22}
#: One that is left out where no such run is there.
PAPER = {"Profile paper": 12}
#: What a row that could not come out otherwise is marked with.
CONSTRUCTED = "by construction"
#: Orders of the rows, as `claims.js` knows them.
ORDERS = {
    "place": "place in the paper",
    "verdict": "verdict",
    "deviation": "size of the deviation from what is published",
}


def read_ledger(env: BuildEnvironment) -> list[dict[str, Any]]:
    """Return the rows of the ledger, judged once for a page."""
    from sierbook import claims
    from sierlib import settings

    for path in (*Path(claims.__file__).parent.glob("*.py"), settings.__file__):
        env.note_dependency(str(path))
    if "sier_claims" not in env.temp_data:
        by_profile = {name: read_recorded(env, name) for name in settings.PROFILES}
        env.temp_data["sier_claims"] = claims.ledger(read_results(env), by_profile)
    return env.temp_data["sier_claims"]


def unbroken(text: str) -> str:
    """Keep a number, with its key or without, and its unit on one line."""
    return re.sub(r"(?<=[\d>]) (?=%)", "\N{NO-BREAK SPACE}", text)


def describe_ours(row: Mapping[str, Any]) -> list[nodes.Node]:
    """Write our value, and below it the run it comes from and the page that computed it."""
    from sierlib.run import name_corpus

    link = nodes.reference("", f"notebook {row['notebook'][:2]}", internal=True, refuri="")
    link["claims"] = (row["notebook"], row["heading"])
    made = [
        row["profile"],
        name_corpus(row["data"]),
        "recorded" if row["recorded"] else "this build",
    ]
    source = f"{', '.join(made)}; " if row["profile"] else ""
    written = [nodes.paragraph("", row["ours"])]
    if row["single"]:
        beside = nodes.emphasis("", f"Beside it, {row['single']}.")
        written.append(nodes.paragraph("", "", beside))
    written.append(nodes.paragraph("", "", nodes.Text(source), link))
    if row["deviation"] is not None:
        told = (
            f'<p class="deviation" data-deviation="{row["deviation"]:.6f}">'
            f"{row['deviation']:.1f}\N{NO-BREAK SPACE}points from what is published</p>"
        )
        written.append(nodes.raw("", told, format="html"))
    return written


def describe_verdict(row: Mapping[str, Any]) -> list[nodes.Node]:
    """Write a verdict, what kind of it, and its reason; the style sheet colours the words by
    class."""
    written = nodes.paragraph("", "", nodes.strong("", "", *chip(row["verdict"])))
    if row["kind"]:
        written += chip(row["kind"], "kind")
    if row["constructed"]:
        written += chip(CONSTRUCTED, "kind")
    written += nodes.Text(row["reason"])
    return [written]


def chip(words: str, *classes: str) -> list[nodes.Node]:
    """Write a verdict, or a kind of it, as a chip with room after it."""
    return [
        nodes.inline("", words, classes=["verdict", name_class(words), *classes]),
        nodes.Text(" "),
    ]


def name_class(words: str) -> str:
    """Return the class of a verdict, or of a kind of it, in pages."""
    return f"verdict-{nodes.make_id(words)}"


def draw_bar(rows: Sequence[Mapping[str, Any]]) -> nodes.raw:
    """Draw the verdicts as a bar whose parts are buttons, the kinds below them, and the order."""
    from sierbook import claims

    verdicts = "".join(
        _draw_button(f"{count} {verdict}", verdict, f' style="flex-grow: {count}"')
        for verdict, count in claims.counts(rows).items()
        if count
    )
    label = f"{len(rows)} claims, by verdict; press one to see its rows alone"
    bar = f'<div class="claims-bar" role="group" aria-label="{label}">{verdicts}</div>'
    told = ""
    constructed = sum(row["constructed"] for row in rows)
    if constructed:
        button = _draw_button(f"{CONSTRUCTED} ({constructed})", CONSTRUCTED)
        told = f"<p>Reproduced, and could fail only by a mistake of ours: {button}</p>"
    kinds = "".join(
        _draw_button(f"{kind} ({count})", kind) for kind, count in claims.count_kinds(rows).items()
    )
    if kinds:
        told += f"<p>Why not testable: {kinds}</p>"
    options = "".join(f'<option value="{key}">{text}</option>' for key, text in ORDERS.items())
    order = f"<p><label>Order by <select>{options}</select></label></p>"
    menu = f'<div class="claims-menu">{bar}{told}{order}</div>'
    return nodes.raw("", menu, format="html")


def _draw_button(text: str, words: str, style: str = "") -> str:
    """Return a button that shows the rows alone which have a chip of these words."""
    name = name_class(words)
    classes = f"verdict {name}" if style else f"verdict {name} kind"
    return (
        f'<button type="button" aria-pressed="false" class="{classes}" '
        f'data-shows="{name}"{style}>{html.escape(text)}</button> '
    )


class ClaimsOrigin(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        from sierbook import claims

        rows = read_ledger(self.env)
        text = claims.origins(rows)
        if not any(row["paper"] for row in rows):
            text += " No run with profile paper is there."
        return [nodes.paragraph("", "", nodes.strong("", text), classes=["claims-origin"])]


class ClaimsLedger(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        from sierbook.claims.table import GROUPS

        rows = read_ledger(self.env)
        columns = COLUMNS | PAPER if any(row["paper"] for row in rows) else COLUMNS
        tables: list[nodes.Node] = [draw_bar(rows)]
        for group, title in GROUPS.items():
            found = self.group([row for row in rows if row["group"] == group], columns)
            found.insert(0, nodes.title("", title))
            tables.append(found)
        return tables

    @staticmethod
    def group(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, int]) -> nodes.table:
        """Lay out the rows of one section of the paper."""
        texts = []
        for row in rows:
            texts.append([f"{row['claim']} ({row['where']})", unbroken(row["published"]), "", ""])
            if len(columns) > len(COLUMNS):
                texts[-1].append(row["paper"])
        found = table([list(columns), *texts], classes=["claims-ledger", "colwidths-given"])
        for column, width in zip(found.findall(nodes.colspec), columns.values(), strict=True):
            column["colwidth"] = width
        (body,) = found.findall(nodes.tbody)
        for line, row in zip(body, rows, strict=True):
            for entry, content in zip(
                line[2:4], (describe_ours(row), describe_verdict(row)), strict=True
            ):
                entry.children = []
                entry.extend(content)
        return found


def find_anchor(env: BuildEnvironment, page: str, words: str) -> str:
    """Return the anchor of a page's first heading with the words, its title apart; or nothing."""
    for link in env.tocs[page].findall(nodes.reference):
        if link.get("anchorname") and words.lower() in link.astext().lower():
            return link["anchorname"]
    return ""


def resolve(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Turn the names of notebooks and headings into links, now that every page has been read."""
    for link in list(
        doctree.findall(lambda node: isinstance(node, nodes.reference) and "claims" in node)
    ):
        notebook, words = link.attributes.pop("claims")
        page = f"notebooks/{notebook}"
        if page in app.env.all_docs:
            link["refuri"] = app.builder.get_relative_uri(docname, page) + find_anchor(
                app.env, page, words
            )
            link["reftitle"] = f"notebook {notebook}: {words}"
        else:
            link.replace_self(nodes.Text(link.astext()))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("claims-origin", ClaimsOrigin)
    app.add_directive("claims-ledger", ClaimsLedger)
    app.add_js_file("claims.js", loading_method="defer")
    app.connect("doctree-resolved", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
