"""The directive `hero`: one explained pair on the first page, to see and to hear at once.

It shows the sample that the explorer opens with, without JavaScript: the picture with the values of
its regions and what was planted, the sentence with the values of its words, the sound.
"""

from __future__ import annotations

import base64
import html
import io
import json
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from sierbook import numbers
from sierlib import settings
from sierlib.colours import AGAINST, FOR
from sierlib.data.speech import Word
from sierlib.explorer.listening import word_values

#: Below the folder of results; `sierbook.site` puts it there.
FILE = "hero.json"


class Hero(SphinxDirective):
    """The pair, or nothing on a checkout in which nothing has run."""

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.srcdir, self.env.config.sier_results_dir, FILE)
        self.env.note_dependency(str(path))
        if not path.is_file():
            return []
        return [nodes.raw("", draw_pair(json.loads(path.read_text("utf-8"))), format="html")]


def draw_pair(sample: dict[str, Any]) -> str:
    """Return a sample of the explorer (see `sierlib.explorer.payload`) as HTML without script."""
    predicted = sample["predicted"]
    found = sample["explanations"]["owen"][predicted]
    finest = found["levels"][-1]
    planted = sample["planted"]
    boxes = planted["image"]["boxes"] if planted else []
    words = planted["speech"]["words"] if planted else []
    key = ("fused", sample["id"], "score")
    score = numbers.write(max(sample["scores"]), ".2f", "score", *key)
    parts = " and ".join(
        f"{numbers.write(found[name], '+z.2f', name, *key)} from the {spoken}"
        for name, spoken in (("speech", "speech"), ("image", "picture"))
    )
    said = f"ParallelNet says <strong>{html.escape(predicted)}</strong> ({score}): {parts}. "
    said += "Orange parts speak for it, blue ones against it"
    if planted:
        said += "; dashed is what was planted to carry the emotion"
    link = f'<a href="../notebooks/06-explorer.html#explorer?sample={html.escape(sample["id"])}">'
    return (
        '<figure class="hero"><div class="hero-picture">'
        f'<img src="{sample["image"]["src"]}" alt="{html.escape(sample["image"]["alt"])}">'
        f"{_draw_regions(finest['image'], boxes)}</div><div>"
        f"{_mark_words(sample, finest['speech'], words)}"
        f'<audio controls src="{_encode_wave(sample["audio"])}"></audio>'
        f"<figcaption>{said}. {link}Question it in the explorer</a>.</figcaption></div></figure>"
    )


def _shade(value: float, top: float) -> str:
    """Return a colour by sign, as strong as a value is large."""
    colour = FOR if value > 0 else AGAINST
    opacity = round(0.6 * 255 * abs(value) / top)
    return f"{colour}{opacity:02x}"


def _draw_regions(grid: dict[str, Any], boxes: Sequence[Sequence[float]]) -> str:
    """Draw values of regions, and planted boxes (left, top, right, bottom; shares of the side)."""
    rows, columns, values = grid["rows"], grid["cols"], grid["values"]
    top = max(map(abs, values)) or 1.0
    shapes = []
    for place, value in enumerate(values):
        row, column = divmod(place, columns)
        size = f'width="{1 / columns:.4f}" height="{1 / rows:.4f}"'
        at = f'x="{column / columns:.4f}" y="{row / rows:.4f}"'
        shapes.append(f'<rect {at} {size} fill="{_shade(value, top)}"/>')
    for left, up, right, down in boxes:
        size = f'width="{right - left:.4f}" height="{down - up:.4f}"'
        shapes.append(f'<rect class="planted" x="{left:.4f}" y="{up:.4f}" {size}/>')
    drawn = "".join(shapes)
    return f'<svg viewBox="0 0 1 1" aria-hidden="true" preserveAspectRatio="none">{drawn}</svg>'


def _mark_words(sample: dict[str, Any], grid: dict[str, Any], planted: Sequence[int]) -> str:
    """Write the sentence, each word shaded by the value of the time in which it is spoken."""
    steps = np.reshape(grid["values"], (grid["rows"], grid["cols"])).sum(axis=0)
    each = settings.SIZE // len(steps)  # frames of a step, which share its value
    words = [Word(word["text"], word["start"], word["end"]) for word in sample["words"]]
    values = list(word_values(words, np.repeat(steps / each, each)[np.newaxis]))
    top = max(map(abs, values), default=0.0) or 1.0
    marked = []
    for number, (word, value) in enumerate(zip(words, values, strict=True)):
        kind = ' class="planted"' if number in planted else ""
        style = f'style="background: {_shade(value, top)}" title="{value:+.3f}"'
        marked.append(f"<span{kind} {style}>{html.escape(word.text)}</span>")
    return f'<p class="hero-sentence">“{" ".join(marked)}”</p>'


def _encode_wave(audio: dict[str, Any]) -> str:
    """Turn mu-law bytes into a WAV file that every browser plays, as a data URI."""
    code = ~np.frombuffer(base64.b64decode(audio["data"]), np.uint8)
    exponent, mantissa = code >> 4 & 7, code & 15
    size = ((mantissa.astype(np.int32) << 3) + 132 << exponent) - 132
    samples = np.where(code & 128, -size, size).astype("<i2")
    with io.BytesIO() as file:
        with wave.open(file, "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(audio["rate"])
            sound.writeframes(samples.tobytes())
        data = base64.b64encode(file.getvalue()).decode()
    return f"data:audio/wav;base64,{data}"


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("hero", Hero)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
