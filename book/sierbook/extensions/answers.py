"""Answers made of result files, in words and as a figure: the directives `fusion-answer` (does
fusion help?), `answer` (are the labels, are the explanations right?), `findings` (what a notebook
opens with) and `recipe-search` (what was tried for the training recipe)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

from sierbook import numbers
from sierbook.extensions.figures import find_modules, link_sources, write_svg
from sierbook.extensions.results import NONE_YET, framed, read_file, read_recorded, read_results


class FusionAnswer(SphinxDirective):
    """One sentence and one figure: ParallelNet, its halves and their ceilings on the test part."""

    def run(self) -> list[nodes.Node]:
        from sierbook import result_sentences

        evaluation = read_results(self.env).get("04-results")
        if not evaluation:
            return [nodes.paragraph("", NONE_YET)]
        said = result_sentences.answer_fusion(evaluation)
        figure = nodes.raw("", _draw(evaluation, numbers.plain(said)), format="html")
        data = Path(self.env.srcdir, self.env.config.sier_results_dir, "04-results.json")
        sources = link_sources(self.env, find_modules("accuracy_plots.accuracies()"), [data])
        return [nodes.paragraph("", said), figure, sources]


def _draw(evaluation: dict[str, Any], described: str) -> str:
    """Draw accuracies with intervals, as SVG for the page with a text for those who cannot see."""
    import matplotlib

    matplotlib.use("agg")
    from sierbook.figures import accuracy_plots, style
    from sierbook.tables import results

    style.use_style()
    table = results.accuracy_table(evaluation)
    against = f"on the {results.AGAINST[results.best_known(evaluation)]}"
    figure = accuracy_plots.accuracies(table[table["against"] == against])
    return write_svg(figure, described)


class Answer(SphinxDirective):
    """The answer to the question that the argument names, in words."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        from sierbook import result_sentences, trust_sentences

        answers = {
            "labels": ("04-results", lambda found: [result_sentences.describe_ceilings(found)]),
            "fusion": ("04-results", result_sentences.judge_fusion),
            "explanations": (
                "08-explanations",
                lambda found: list(trust_sentences.answer_explanations_by_part(found).values()),
            ),
        }
        notebook, answer = answers[self.arguments[0]]
        found = read_results(self.env).get(notebook)
        said = answer(found) if found else [NONE_YET]
        # As text: no Markdown is read here.
        lines = [nodes.paragraph("", sentence.replace("**", "")) for sentence in said]
        if len(lines) == 1:
            return list(lines)
        return [nodes.bullet_list("", *(nodes.list_item("", line) for line in lines))]


class Duration(SphinxRole):
    """How long the recorded `quick` took, in words; its notebooks one after the other."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        stamps = [found["provenance"] for found in read_recorded(self.env, "quick").values()]
        if not stamps:
            return [nodes.Text("some minutes")], []
        minutes = round(sum(stamp["seconds"] for stamp in stamps) / 60)
        machine = stamps[0]["machine"]
        said = f"at most {minutes} minutes on {machine['cores']} cores ({machine['processor']})"
        return [nodes.Text(said)], []


class Findings(SphinxDirective):
    """What came out, at the top of the notebook's page; its text is for readers of the notebook."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        from sierbook import findings

        notebook = Path(self.env.docname).name
        found = read_results(self.env).get(notebook)
        if not found:
            return [nodes.paragraph("", NONE_YET)]
        # Readers of five findings want to see where each comes from.
        self.env.metadata[self.env.docname]["toc_level"] = "2"
        items = []
        for name, said in findings.FINDINGS[notebook](found).items():
            line = nodes.paragraph("", "", nodes.strong("", f"{name}."), nodes.Text(f" {said}"))
            items.append(nodes.list_item("", line))
        return [nodes.bullet_list("", *items, classes=["findings"])]


def show_contents(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """List the contents of pages with findings to the third level of headings."""
    level = (context.get("meta") or {}).get("toc_level")
    if level:
        context["theme_show_toc_level"] = int(level)


class RecipeSearch(SphinxDirective):
    """What the validation rows said to each recipe that was tried."""

    def run(self) -> list[nodes.Node]:
        from sierbook import recorded

        found = read_file(self.env, recorded.SEARCH)
        if not found:
            return [nodes.paragraph("", NONE_YET)]
        head = ["Network", "Recipe", "Accuracy, validation", "Macro F1", "Loss", "Best epoch"]
        head += ["To silence and black, at most", "Time"]
        rows = [head]
        for trial in found["trials"]:
            scores = trial["validation"]
            changed = [f"{name} {value}" for name, value in trial["changes"].items()]
            rows.append(
                [
                    trial["network"],
                    ", ".join(changed) or "as it is",
                    "{value:.3f} [{low:.3f}, {high:.3f}]".format(**scores["accuracy"]),
                    f"{scores['macro_f1']:.3f}",
                    f"{trial['loss']:.3f}",
                    f"{trial['best_epoch']} of {trial['n_epochs']}",
                    f"{max(trial['nothing']):.2f}",
                    f"{trial['seconds']:.0f} s",
                ]
            )
        return framed(rows, "Recipes tried")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("fusion-answer", FusionAnswer)
    app.add_directive("answer", Answer)
    app.add_role("duration-of-quick", Duration())
    app.add_directive("findings", Findings)
    app.add_directive("recipe-search", RecipeSearch)
    app.connect("html-page-context", show_contents, priority=400)
    app.setup_extension("sierbook.extensions.figures")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
