"""What the pages need besides prose: formulas as MathML, few scripts, buttons only where they lead
somewhere, and the table of profiles.

Formulas are translated by docutils, so that the built pages need neither a script nor a font for
them.
"""

import re
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util.docutils import SphinxDirective
from sphinx.util.math import get_node_equation_number

from sierbook.extensions.results import table

#: A script of all icons as drawings. The theme's own come with its style sheet, as a font.
ICONS = re.compile(r"\s*<!-- So that users can add custom icons -->\s*<script[^>]*></script>")
#: Hidden until the PDF lies beside the pages; `sierbook.site` then shows it.
PDF_LINK = '<p id="whole-book" hidden><a href="../book.pdf">The whole book as a PDF</a></p>'
#: The theme's buttons that lead to a repository.
BUTTONS = ("use_repository_button", "use_edit_page_button", "use_issues_button")
#: The page on which readers choose pictures and speak. Its model runs in workers made of text.
EXPLORER = "notebooks/06-explorer"
ASKS_NOBODY = (
    "connect-src 'none'; worker-src blob:; form-action 'none'; "
    "script-src 'self' file: 'unsafe-inline' 'wasm-unsafe-eval'"
)
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
    "weights": "ImageNet weights of VGG",
    "pictures": "EfficientNet-Lite0 for pictures",
    "speech": "A speech embedding for speech",
    "depth": "Halvings of an explanation",
    "explained_samples": "Explained samples",
    "faithfulness_samples": "Samples on which methods of explanation are compared",
    "faithfulness_perturbed": "Of these, perturbed",
    "faithfulness_randomised": "Of these, with random weights",
    "faithfulness_methods": "Methods of explanation compared",
    "perturbed_rows": "Rows to which noise is added, and spoken again",
}


def show_formula(self, node):
    """Write a formula in a line of text."""
    self.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def show_equation(self, node):
    """Write a formula of its own, with its number if it has one."""
    formula = tex2mathml(node.astext().strip(), as_block=True)
    self.body.append(self.starttag(node, "div", CLASS="math"))
    # Wide ones scroll, by keyboard too.
    self.body.append(f'<div class="formula" tabindex="0">{formula}</div>')
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append("</div>")
    raise nodes.SkipNode


def leave_out_thebe(app, config):
    """Load nothing of Thebe, which Jupyter Book always adds: it would run cells on a server."""
    for listeners in list(app.events.listeners.values()):
        for listener in list(listeners):
            if listener.handler.__module__ == "sphinx_thebe":
                app.disconnect(listener.id)
    styles = app.registry.css_files
    styles[:] = [style for style in styles if style[0] != "sphinx-thebe.css"]


def offer_repository(app, config):
    """Leave out buttons that lead to a repository as long as `repository.url` names none."""
    options = config.html_theme_options
    has_address = bool(options.get("repository_url"))
    options.update(dict.fromkeys(BUTTONS, has_address))
    if not has_address:
        options.pop("repository_url", None)
        options.pop("launch_buttons", None)


def leave_out_icons(app, error):
    """Take the script of icons out of the pages: it weighs 1.5 MB."""
    if error or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        page.write_text(ICONS.sub("", page.read_text(encoding="utf-8")), encoding="utf-8")
    for left in Path(app.outdir, "_static", "scripts").glob("fontawesome.js*"):
        left.unlink()


def keep_inputs_in(app, pagename, templatename, context, doctree):
    """Let the explorer's page ask nobody anything: what a reader chooses there cannot leave it."""
    if pagename == EXPLORER:
        policy = f'<meta http-equiv="Content-Security-Policy" content="{ASKS_NOBODY}">'
        context["metatags"] = context.get("metatags", "") + policy


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
    if value in ("", "none", "imagenet-required"):
        return "required" if value == "imagenet-required" else "no"
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


def bibtex(text):
    """Lay out an entry of BibTeX."""
    return nodes.literal_block(text, text, language="bibtex")


class CiteBook(SphinxDirective):
    """How to cite this version of the book, and the PDF where `sierbook.site` has printed one."""

    def run(self):
        import sierlib

        self.env.note_dependency(sierlib.__file__)
        config = self.env.config
        fields = {
            "title": f"{{{config.html_title}}}",
            "author": f"{{{{{config.author}}}}}",
            "version": f"{{{sierlib.__version__}}}",
            "year": f"{{{config.copyright}}}",
        }
        address = config.html_theme_options.get("repository_url")
        if address:
            fields["url"] = f"{{{address}}}"
        lines = [f"  {name:<7} = {value}" for name, value in fields.items()]
        entry = bibtex("@software{parallelnetbook,\n" + ",\n".join(lines) + "\n}")
        return [entry, nodes.raw("", PDF_LINK, format="html")]


class CiteEntry(SphinxDirective):
    """An entry of the book's bibliography, as it stands in the file."""

    required_arguments = 1

    def run(self):
        key, (file,) = self.arguments[0], self.env.config.bibtex_bibfiles
        path = Path(self.env.srcdir, file)
        self.env.note_dependency(str(path))
        found = re.search(rf"^@\w+{{{key},.*?^}}", path.read_text(encoding="utf-8"), re.M | re.S)
        if found is None:
            raise self.error(f"{file} has no entry {key}")
        return [bibtex(found[0])]


def setup(app):
    app.add_html_math_renderer("mathml", (show_formula, None), (show_equation, None))
    app.connect("config-inited", unnumbered, priority=900)
    app.connect("config-inited", leave_out_thebe)
    app.connect("config-inited", offer_repository)
    app.connect("doctree-read", caption_images_only)
    app.connect("html-page-context", keep_inputs_in)
    app.connect("build-finished", leave_out_icons)
    app.add_directive("profile-table", ProfileTable)
    app.add_directive("cite-book", CiteBook)
    app.add_directive("cite-entry", CiteEntry)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
