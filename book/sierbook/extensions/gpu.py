"""What a machine with a GPU did, from its recorded file: the directive `gpu-run`."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import mean
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from sierbook.extensions.results import format_time, framed, read_file, tell_how
from sierbook.recorded import GPU

COMMAND = "python benchmarks/gpu.py"


class GpuRun(SphinxDirective):
    """Where and when it was recorded, and a table of what was done."""

    def run(self) -> list[nodes.Node]:
        found = read_file(self.env, GPU)
        if not found:
            return [tell_how(COMMAND)]
        return [nodes.paragraph("", describe(found)), *framed(list_rows(found), "A GPU run")]


def describe(found: Mapping[str, Any]) -> str:
    """Say where and when it was recorded, on which labels, and what memory it took."""
    made, wide = found["provenance"], found["full_width"] or {}
    versions = [f"{name} {made['versions'][name]}" for name in ("jax", "keras")]
    said = [
        f"Recorded on {found['device']}, {made['date']}, with {' and '.join(versions)}.",
        "Labels are the planted classes; no teacher was asked.",
    ]
    if found["tiny"]:
        said.append("All of it is tiny: it shows that the command works, and its numbers nothing.")
    held = {"of the device": wide.get("device_memory_mb"), "of the process": wide.get("memory_mb")}
    memory = [f"{megabytes:,.0f} MB {what}" for what, megabytes in held.items() if megabytes]
    if memory:
        said.append(f"Full width took at most {' and '.join(memory)}.")
    return " ".join(said)


def list_rows(found: Mapping[str, Any]) -> list[list[str]]:
    """Return a row for the pairs, for each kind of network and for the explanations, as far as
    there are any; "–" is what is not known."""
    rows = [["", "Done", "Time of each", "Rate", "Accuracy", "Macro F1"]]
    if pairs := found["pairs"]:
        rows.append(["Pairs built", f"{pairs['n']:,} on {pairs['cores']} cores", *_rate(pairs)])
    alike: dict[str, list[Mapping[str, Any]]] = {}
    for network in found["networks"].values():
        alike.setdefault(network["title"], []).append(network)
    rows += [_network(title, networks) for title, networks in alike.items()]
    if wide := found["full_width"]:
        rows.append(_network(wide["title"], [wide]))
    if explained := found["explanations"]:
        rows.append(["Pairs explained", f"{explained['n']:,}", *_rate(explained)])
    return rows


def _rate(found: Mapping[str, Any]) -> list[str]:
    """Write the time that some items took together, how many there were a second, and no scores."""
    seconds = found["seconds"]
    rate = found.get("per_second") or (seconds and found["n"] / seconds)
    told = [f"{format_time(seconds)} for all", f"{rate:.1f} a second"] if rate else ["–", "–"]
    return [*told, "–", "–"]


def _network(title: str, networks: list[Mapping[str, Any]]) -> list[str]:
    """Write what networks that differ in their seed alone took and reached on average."""

    def average(name: str) -> float:
        return mean(each[name] for each in networks)

    first, seeds = networks[0], len(networks)
    count = f"{seeds} seeds" if seeds > 1 else "1 seed"
    timed = [format_time(average("seconds")), f"{average('seconds_per_epoch'):.2f} s an epoch"]
    if first.get("unfinished"):
        return [title, f"{first['epochs']} epochs, unfinished", *timed, "–", "–"]
    done = f"{count}, {first['parameters']:,} parameters, {first['precision']}"
    accuracy = mean(each["accuracy"]["value"] for each in networks)
    return [title, done, *timed, f"{accuracy:.3f}", f"{average('macro_f1'):.3f}"]


def setup(app: Sphinx) -> dict[str, bool]:
    app.setup_extension("sierbook.extensions.results")
    app.add_directive("gpu-run", GpuRun)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
