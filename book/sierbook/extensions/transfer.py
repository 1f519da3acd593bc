"""What pre-training is worth on real photographs, from its recorded file: the directives
`transfer-answer` and `transfer-table`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from sierbook.extensions.results import framed, read_file, tell_how
from sierbook.numbers import Key, write, write_estimate
from sierbook.recorded import TRANSFER
from sierbook.sentences import choose_words, count
from sierlib import settings
from sierlib.experiment.models import NETWORKS
from sierlib.experiment.scores import Estimate

COMMAND = "python -m benchmarks.transfer"
#: The studies of pairs, by what labels them.
LABELLED_BY = {"labelled": "people", "pairs": "two teachers"}

#: What stands above a table, its rows, and its name.
Told = tuple[str, list[list[str]], str]


class TransferTable(SphinxDirective):
    """The part of the study that the argument names."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        found = read_file(self.env, TRANSFER) or {}
        said, rows, label = PARTS[self.arguments[0]](found)
        if len(rows) < 2:
            return [tell_how(COMMAND)]
        return [nodes.paragraph("", said), *framed(rows, label)]


class TransferAnswer(SphinxDirective):
    """What pre-training is worth in a few sentences, from the pairs that people have labelled."""

    def run(self) -> list[nodes.Node]:
        study = (read_file(self.env, TRANSFER) or {}).get("labelled")
        return [nodes.paragraph("", answer(study))] if study else [tell_how(COMMAND)]


def answer(study: Mapping[str, Any]) -> str:
    """Say what ImageNet weights, the speech embedding and fusion are worth."""
    key = Key("lead", "", "test", "labels by people", _run(study))
    gains = {(lead["one"], lead["other"]): lead["difference"] for lead in study["leads"]}

    def tell(one: str, other: str) -> str:
        gain = gains[one, other]
        verdict = choose_words(gain, "a gain", "a loss", "not clear of zero")
        written = _write(gain, key._replace(network=f"{one} - {other}"), "points")
        return f"{written}, {verdict}"

    networks = study["networks"]
    better = max(("ser", "ier"), key=lambda name: networks[name]["accuracy"]["value"])
    right = key._replace(quantity="accuracy", network="fused")
    return (
        "On the test pairs that people have labelled, ImageNet weights in the picture's N2 change "
        "ParallelNet's accuracy against random ones, trained, by "
        f"{tell('pretrained-frozen', 'random-trained')}, where they are kept as they are, and by "
        f"{tell('pretrained-tuned', 'random-trained')}, where they are trained on; a speech "
        f"embedding changes that of the speech half by {tell('ser', 'ser-random')}. With both, "
        f"kept as they are, ParallelNet is right in "
        f"{_write(networks['fused']['accuracy'], right)}, where the largest class has "
        f"{_largest(study, key)}. Its better half is {_name(better)}; the difference to it is "
        f"{tell('fused', better)}."
    )


def _write(found: Estimate, key: Key, spec: str = "percent") -> str:
    """Write an estimate with its interval, each number with its key."""
    return write_estimate(found, spec, key)


def _largest(scores: Mapping[str, Any], key: Key) -> str:
    """Write how often the largest class would be right."""
    return write(scores["majority"], "percent", *key._replace(quantity="largest class"))


def _run(study: Mapping[str, Any]) -> str:
    """Name the run of a study's numbers."""
    return f"recorded: transfer, {study['provenance']['date']}"


def list_studies(found: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the studies of pairs that are recorded, by who labelled them."""
    return {by: found[name] for name, by in LABELLED_BY.items() if name in found}


def tell_networks(found: Mapping[str, Any]) -> Told:
    """Return a row for each network, its accuracy on each corpus beside the largest class."""
    studies = list_studies(found)
    rows, said = [["Network"]], []
    for by, study in studies.items():
        key = Key("n", "", "test", f"labels by {by}", _run(study))
        rows[0].append(f"Labels by {by}")
        learned, asked = (
            count(study["rows"][part], "pair", key=key._replace(part=part))
            for part in ("train", "test")
        )
        said.append(
            f"Labels by {by}: {learned} to learn from, {asked} to test, largest class "
            f"{_largest(study, key)}."
        )
    by_network: dict[str, list[str]] = {}
    for by, study in studies.items():
        for name, network in study["networks"].items():
            key = Key("accuracy", name, "test", f"labels by {by}", _run(study))
            by_network.setdefault(name, []).append(_write(network["accuracy"], key))
    rows += [[_name(name), *told] for name, told in by_network.items()]
    return " ".join(said), rows, "What pre-training is worth"


def tell_leads(found: Mapping[str, Any]) -> Told:
    """Return a row for each comparison of two networks, in points on each corpus."""
    studies = list_studies(found)
    rows = [["Network", "Less", *(f"Labels by {by}" for by in studies)]]
    compared: dict[tuple[str, str], list[str]] = {}
    for by, study in studies.items():
        for lead in study["leads"]:
            one, other, gain = lead["one"], lead["other"], lead["difference"]
            key = Key("lead", f"{one} - {other}", "test", f"labels by {by}", _run(study))
            verdict = choose_words(gain, "better", "worse", "not clear")
            told = f"{_write(gain, key, 'points')}: {verdict}"
            compared.setdefault((one, other), []).append(told)
    for (one, other), cells in compared.items():
        rows.append([NETWORKS[one].title, NETWORKS[other].title, *cells])
    said = "Differences on the same rows; what is random or pre-trained is ParallelNet's picture."
    return said, rows, "Leads"


def tell_teachers(found: Mapping[str, Any]) -> Told:
    """Return a row for each teacher, with and without pre-training."""
    study = found.get("teachers", {"own": {}})
    rows = [["Teacher", "Learned from", "Right on held-out items", "Largest class"]]
    for how, teachers in study["own"].items():
        for role, scores in teachers.items():
            name = f"{settings.ROLES[role]}, {how}"
            key = Key("accuracy", f"{role} teacher, {how}", "held out", "its corpus", _run(study))
            items = count(scores["learned from"], "item", key=key._replace(quantity="n"))
            rows.append([name, items, _write(scores["accuracy"], key), _largest(scores, key)])
    return "Each on items of its own corpus that it was not trained on.", rows, "Teachers"


def tell_across(found: Mapping[str, Any]) -> Told:
    """Return a row for each teacher and each corpus that it is asked about."""
    study = found.get("teachers", {"across": []})
    rows = [["Teacher", "Learned from", "Asked about", "Right", "Largest class"]]
    for row in study["across"]:
        who = f"{row['modality']} teacher of {row['learned']}"
        key = Key("accuracy", who, "held out", row["asked"], _run(study))
        cells = [row["modality"], row["learned"], row["asked"]]
        rows.append([*cells, _write(row["accuracy"], key), _largest(row, key)])
    return "Items that no teacher was trained on.", rows, "Teachers of other corpora"


def _name(network: str) -> str:
    """Name a network of the study: of four the title says only what their N2 is."""
    spec = NETWORKS[network]
    fused = spec.group == "pre-training" and spec.modality == "both"
    return f"ParallelNet, {spec.title}" if fused else spec.title


PARTS: dict[str, Callable[[Mapping[str, Any]], Told]] = {
    "networks": tell_networks,
    "leads": tell_leads,
    "teachers": tell_teachers,
    "across": tell_across,
}


def setup(app: Sphinx) -> dict[str, bool]:
    app.setup_extension("sierbook.extensions.results")
    app.add_directive("transfer-table", TransferTable)
    app.add_directive("transfer-answer", TransferAnswer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
