"""What stands below figures: links to the code that drew them and to the data they show.

A figure of a notebook names the modules of `sierbook.figures` that its cell calls, and the
notebook's result file; a diagram names the script beside it. Both come with the pages, as
downloads. `enlarge.js` shows a figure larger when it is pressed.
"""

from __future__ import annotations

import html
import io
import os
import re
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


def find_modules(code: str) -> list[Path]:
    """Return the files of the modules of `sierbook.figures` that code calls."""
    names = dict.fromkeys(re.findall(r"\b(\w+_plots)\.\w+\(", code))
    specs = (find_spec(f"sierbook.figures.{name}") for name in names)
    return [Path(spec.origin) for spec in specs if spec and spec.origin]


def write_svg(figure: Any, described: str) -> str:
    """Return a figure of matplotlib as HTML: narrow, with a text for those who cannot see it.

    Its text can be read on a phone without scrolling.
    """
    from matplotlib import pyplot as plt
    from matplotlib.text import Text

    figure.set_size_inches(4.4, 2.9)
    for text in figure.findobj(Text):
        text.set_fontsize(10)
    # The same text gives the same file, and letters stay letters.
    with plt.rc_context({"svg.hashsalt": "sier", "svg.fonttype": "none"}), io.StringIO() as file:
        figure.savefig(file, format="svg", bbox_inches="tight", metadata={"Date": None})
        drawn = file.getvalue()
    plt.close(figure)
    # As wide as the page: a phone's too.
    drawn = re.sub(
        r'<svg[^>]*?(viewBox="[^"]*")[^>]*>',
        r'<svg xmlns="http://www.w3.org/2000/svg" \1 style="width: 100%; height: auto" role="img" '
        f'aria-label="{html.escape(described)}">',
        drawn[drawn.index("<svg") :],
        count=1,
    )
    return f'<figure class="answer">{drawn}</figure>'


def link_sources(
    env: BuildEnvironment, code: Iterable[Path], data: Iterable[Path]
) -> nodes.paragraph:
    """Return a line with downloads of code and data, of those files that are there."""
    line = nodes.paragraph(classes=["figure-sources", "noprint"])
    for title, paths in (("Code", code), ("Data", data)):
        for path in filter(Path.is_file, paths):
            line += nodes.Text(f" · {title}: " if len(line) else f"{title}: ")
            target = "/" + os.path.relpath(path, env.srcdir)
            link = addnodes.download_reference(reftarget=target, refdoc=env.docname)
            link += nodes.literal("", path.name)
            line += link
    return line


def add_sources(app: Sphinx, doctree: nodes.document) -> None:
    """Put the line with the sources below every figure."""
    env = app.env
    results = Path(env.srcdir, app.config.sier_results_dir, f"{Path(env.docname).name}.json")
    for figure in doctree.findall(nodes.figure):
        line = nodes.paragraph()
        cell = find_cell(figure)
        if cell is not None:
            code = find_modules("".join(block.astext() for block in cell.findall(is_source)))
            line = link_sources(env, code, [results])
        for image in figure.findall(nodes.image):
            drawn = Path(env.srcdir, Path(env.docname).parent, image["uri"])
            if cell is None and drawn.suffix == ".svg":
                line = link_sources(env, [drawn.with_name("draw.py")], [])
        if len(line):
            figure += nodes.legend("", line)


def find_cell(node: nodes.Node) -> nodes.Element | None:
    """Return the cell of a notebook whose output holds the node."""
    while node := node.parent:
        if isinstance(node, nodes.container) and node.get("nb_element") == "cell_code":
            return node
    return None


def is_source(node: nodes.Node) -> bool:
    """Tell whether a node holds the code of a cell."""
    return isinstance(node, nodes.container) and node.get("nb_element") == "cell_code_source"


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_js_file("enlarge.js", loading_method="defer")
    app.add_css_file("figures.css")
    # Before Sphinx collects what is to be downloaded.
    app.connect("doctree-read", add_sources, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
