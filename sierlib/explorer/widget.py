"""The explorer as a Jupyter widget, and as HTML for a page without a kernel."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from sierlib import settings
from sierlib.explorer import inpage
from sierlib.explorer.payload import Payload

HERE = Path(__file__).parent
#: The parts of the module, each of one idea; the last one exports. Those in `inpage` are "Try it
#: yourself".
PARTS = (
    "values",
    "reading",
    "drawing",
    "sound",
    "together",
    "panel",
    "controls",
    "inpage/shape",
    "inpage/owen",
    "inpage/client",
    "inpage/inputs",
    "inpage/edits",
    "inpage/finding",
    "inpage/tryout",
    "explorer",
)
MODULE = "\n".join((HERE / f"{name}.js").read_text(encoding="utf-8") for name in PARTS)
CSS = (HERE / "explorer.css").read_text(encoding="utf-8") + inpage.read("tryout.css")


def _script_value(value: Any) -> str:
    """Write a value into a script; `<` is escaped, so that no text in it can end the script."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _json_block(value: Any, dom_id: str, sample: str = "") -> str:
    """Write a JSON block, of a sample or, without one, of the settings."""
    of = f'data-explorer="{dom_id}" data-sample="{html.escape(sample)}"'
    return f'<script type="application/json" {of}>{_script_value(value)}</script>\n'


def static_html(
    samples: Sequence[Payload], dom_id: str, *, model: Payload | None = None, **state: Any
) -> str:
    """Write the explorer as HTML that needs neither kernel nor server nor network.

    A page opened from disk may not import a module from a file, so the module is written into the
    page.

    Parameters
    ----------
    samples
        From `sample_payload`.
    dom_id
        Letters, digits, `-` and `_`; must be unique in the page, whose headings have ids too.
    model
        Where "Try it yourself" finds the model: ``scripts``, the addresses of what
        `sierbook.export.write_scripts` wrote, as the page sees them, and ``megabytes``.
    state
        Any of the traits of `Explorer`, such as `threshold=50`.

    Raises
    ------
    ValueError
        When `dom_id` has other characters or a name in `state` is none of the explorer's.
    """
    if not dom_id.replace("-", "").replace("_", "").isalnum():
        raise ValueError(f"dom_id {dom_id!r}: use letters, digits, '-' and '_'")
    unknown = set(state) - set(Explorer.STATE)
    if unknown:
        raise ValueError(
            f"unknown state {sorted(unknown)}: choose from {', '.join(Explorer.STATE)}"
        )
    # The ids come first, so that an absent block is noticed.
    ids = [str(sample.get("id", n)) for n, sample in enumerate(samples)]
    blocks = [_json_block({"ids": ids, "state": {**state, **(model or {})}}, dom_id)]
    for name, sample in zip(ids, samples, strict=True):
        blocks.append(_json_block(sample, dom_id, name))
    css = _script_value(CSS)
    # The book's theme puts a light ground behind HTML outputs in dark mode, and a scroll box, where
    # nothing sticks.
    output = f"html[data-theme] .bd-content div.cell_output .text_html:has(> #{dom_id})"
    return (
        f"<style>{output} {{ background: none; padding: 0; overflow: visible; }}</style>\n"
        f'<div id="{dom_id}" data-mount><noscript>The explorer needs JavaScript.</noscript></div>\n'
        f"{''.join(blocks)}"
        f'<script type="module">\n{MODULE}\n'
        f'const place = document.querySelector("div#{dom_id}[data-mount]");\n'
        f"mountBlocks(place, {css});\n"
        f"</script>\n"
    )


class Explorer(anywidget.AnyWidget):
    """Show explained samples in Jupyter.

    Every control is a trait, so that ipywidgets can be linked to it.

    Parameters
    ----------
    samples
        From `sample_payload`; assign a new list to show others.
    scripts
        What `sierbook.export.write_scripts` wrote, if "Try it yourself" is to stand below;
        the browser is given them when it asks.
    message, progress
        A line under the controls, and a bar when between 0 and 1: what a running computation has to
        say.

    The other traits are the state of the controls: `sample`, `sample2` (ids), `target` ("predicted"
    or a class), `method`, `method2`, `baseline` ("zero" or "blur"), `level` (-1 is the finest),
    `threshold` and `opacity` (0 to 100), `smooth`, `keep` ("all", "keep" or "remove"), `planted`
    (marks what was planted), `stretch` (colours fit the sample on view, not all), `compare`
    ("none", "sample", "method" or "baseline"), and the gallery's filters `only_class`,
    `only_right`, `only_relation`, `only_modality` ("" lets everything pass).
    """

    _esm = MODULE
    css = traitlets.Unicode(CSS).tag(sync=True)
    #: How many scripts the kernel has.
    scripts = traitlets.Int(0).tag(sync=True)
    samples = traitlets.List(traitlets.Dict()).tag(sync=True)
    message = traitlets.Unicode("").tag(sync=True)
    progress = traitlets.Float(0.0).tag(sync=True)

    sample = traitlets.Unicode("").tag(sync=True)
    target = traitlets.Unicode("predicted").tag(sync=True)
    method = traitlets.Unicode("").tag(sync=True)
    baseline = traitlets.Enum(("zero", "blur"), "zero").tag(sync=True)
    level = traitlets.Int(-1, min=-1).tag(sync=True)
    threshold = traitlets.Int(int(settings.SILENCE_PERCENTILE), min=0, max=100).tag(sync=True)
    keep = traitlets.Enum(("all", "keep", "remove"), "all").tag(sync=True)
    planted = traitlets.Bool(False).tag(sync=True)
    stretch = traitlets.Bool(False).tag(sync=True)
    opacity = traitlets.Int(70, min=0, max=100).tag(sync=True)
    smooth = traitlets.Bool(False).tag(sync=True)
    compare = traitlets.Enum(("none", "sample", "method", "baseline"), "none").tag(sync=True)
    sample2 = traitlets.Unicode("").tag(sync=True)
    method2 = traitlets.Unicode("").tag(sync=True)
    only_class = traitlets.Unicode("").tag(sync=True)
    only_right = traitlets.Enum(("", "right", "wrong"), "").tag(sync=True)
    only_relation = traitlets.Enum(("", "agree", "conflict", "neutral"), "").tag(sync=True)
    only_modality = traitlets.Enum(("", "speech", "image", "neither"), "").tag(sync=True)

    #: The names of the traits that a reader can change.
    STATE = (
        "sample",
        "target",
        "method",
        "baseline",
        "level",
        "threshold",
        "keep",
        "planted",
        "stretch",
        "opacity",
        "smooth",
        "compare",
        "sample2",
        "method2",
        "only_class",
        "only_right",
        "only_relation",
        "only_modality",
    )

    def __init__(self, *, scripts: Sequence[Path] = (), **state: Any) -> None:
        super().__init__(scripts=len(scripts), **state)
        self.on_msg(lambda *_: self.send("scripts", [path.read_bytes() for path in scripts]))
