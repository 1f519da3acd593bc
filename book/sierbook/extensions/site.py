"""What the pages need besides prose: a local MathJax, and the table of profiles.

MathJax is copied out of the installed package `sphinx-mathjax-offline` (the files of MathJax
3.2.2), so that the built pages ask no server for it and nothing of it is kept in this repository.
"""

import importlib.util
from pathlib import Path

from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.fileutil import copy_asset

from sierbook.extensions.results import table

LOG = logging.getLogger(__name__)
SCRIPT, FONTS = "tex-chtml-full.js", "output/chtml/fonts/woff-v2"
ROWS = {
    "pairs": "Pairs of the embedded corpus",
    "speech_items": "Items of the speech teacher",
    "image_items": "Items of the image teacher",
    "emotion_words": "Words that carry each emotion",
    "emotion_shapes": "Kinds of shapes that carry each emotion",
    "width": "Width of VGG16 and VGG19",
    "n1_filters": "Filters of N1",
    "normalised": "Batch normalisation inside VGG",
    "batch": "Batch",
    "epochs": "Epochs, at most",
    "learning_rate": "Learning rate",
    "warmup": "Epochs of warm-up",
    "augment": "Shifted and mirrored items",
    "absent": "Rows without speech, and without picture",
    "class_weight": "Power by which rare classes weigh more",
    "folds": "Folds trained, of five",
    "repeats": "Seeds of each network",
    "studies": "Networks trained",
    "weights": "ImageNet weights",
    "depth": "Halvings of an explanation",
    "explained_samples": "Explained samples",
    "faithfulness_samples": "Samples on which methods of explanation are compared",
    "faithfulness_perturbed": "Of these, perturbed",
    "faithfulness_randomised": "Of these, with random weights",
    "faithfulness_methods": "Methods of explanation compared",
    "perturbed_rows": "Rows to which noise is added, and spoken again",
}


def copy_mathjax(app, error):
    """Put the script and its fonts beside the pages."""
    if error or app.builder.format != "html":
        return
    spec = importlib.util.find_spec("sphinx-mathjax-offline")
    if spec is None:
        LOG.warning("sphinx-mathjax-offline is not installed: formulas will show as TeX source")
        return
    source, target = (
        Path(spec.origin).parent / "static/mathjax",
        Path(app.outdir, "_static/mathjax"),
    )
    for name in (SCRIPT, FONTS):
        copy_asset(source / name, (target / name).parent if name == SCRIPT else target / name)


def unnumbered(app, config):
    """Leave figures without numbers: captions name the paper's own, equations then count from (1)
    per page."""
    config.numfig = False  # sphinx_jupyterbook_latex has set it by now


def caption_images_only(app, doctree):
    """Take tables out of figures: MyST-NB gives a cell's caption to each of its outputs, whatever
    it is."""
    for figure in list(doctree.findall(nodes.figure)):
        outputs = [node for node in figure.children if node.get("nb_element") == "mime_bundle"]
        kinds = [output["mime_type"] for bundle in outputs for output in bundle.children]
        if outputs and not any(kind.startswith("image/") for kind in kinds):
            figure.replace_self(outputs)


def words(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, float) and value < 1e-2:
        mantissa, exponent = f"{value:e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    if value in ("none", "imagenet-required"):
        return "no" if value == "none" else "required"
    return f"{value:,}" if isinstance(value, int) else str(value)


class ProfileTable(SphinxDirective):
    """A table of the profiles, read from `sierlib.settings` so that it cannot grow old."""

    def run(self):
        from sierlib import settings

        self.env.note_dependency(settings.__file__)
        profiles = [profile.as_dict() for profile in settings.PROFILES.values()]
        rows = [["", *settings.PROFILES]]
        for key, text in ROWS.items():
            rows.append([text, *(words(profile[key]) for profile in profiles)])
        return [table(rows)]


def setup(app):
    app.connect("config-inited", unnumbered, priority=900)
    app.connect("doctree-read", caption_images_only)
    app.connect("build-finished", copy_mathjax)
    app.add_directive("profile-table", ProfileTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
