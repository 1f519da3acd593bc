"""What a link leads to, as its title: a term's definition, an equation as MathML; citations have
theirs already. `peek.js` shows the title beside the link on hover and focus.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx import addnodes
from sphinx.application import Sphinx


@cache
def _read_titles(app: Sphinx) -> dict[str, str]:
    """Return what links to terms and equations lead to, by anchor, once for all pages."""
    return _read_definitions(app) | _read_equations(app)


def _read_definitions(app: Sphinx) -> dict[str, str]:
    """Return the glossary's definitions by the anchor of their term."""
    found: dict[str, str] = {}
    equations = app.env.domaindata["math"]["objects"]
    for docname in {name for name, _ in app.env.domaindata["std"]["terms"].values()}:
        glossary = app.env.get_doctree(docname)
        for link in list(glossary.findall(addnodes.pending_xref)):
            if link["reftype"] == "eq":  # not resolved yet: its text is the label
                _, number = equations[link["reftarget"]]
                link.replace_self(nodes.Text(f"({number})"))
        for item in glossary.findall(nodes.definition_list_item):
            said = " ".join(part.astext() for part in item.findall(nodes.definition))
            for term in item.findall(nodes.term):
                found |= dict.fromkeys(term["ids"], " ".join(said.split()))
    return found


def _read_equations(app: Sphinx) -> dict[str, str]:
    """Return the equations that have a number, as MathML, by their anchor."""
    found: dict[str, str] = {}
    for docname in {name for name, _ in app.env.domaindata["math"]["objects"].values()}:
        for equation in app.env.get_doctree(docname).findall(nodes.math_block):
            if equation.get("label"):
                anchor = nodes.make_id(f"equation-{equation['label']}")
                found[anchor] = tex2mathml(equation.astext().strip(), as_block=True)
    return found


def give_titles(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Give links to terms and equations their titles."""
    titles = _read_titles(app)
    for link in doctree.findall(nodes.reference):
        anchor = link.get("refid") or link.get("refuri", "").partition("#")[2]
        if anchor in titles:
            link["reftitle"] = titles[anchor]


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("doctree-resolved", give_titles)
    app.add_js_file("peek.js", loading_method="defer")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
