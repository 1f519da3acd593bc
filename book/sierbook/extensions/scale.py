"""How the building of a data set grows: the directive `scale-curve`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from sierbook.extensions.figures import find_modules, link_sources, write_svg
from sierbook.extensions.results import framed, read_file, tell_how
from sierbook.recorded import SCALE
from sierlib.settings import PAPER_COUNTS

COMMAND = "make bench SCALE=1"
KINDS = {"processes": "processes", "dask": "workers of a Dask cluster"}


class ScaleCurve(SphinxDirective):
    """A table, a figure, and what they come to in words."""

    def run(self) -> list[nodes.Node]:
        found = read_file(self.env, SCALE)
        if not found:
            return [tell_how(COMMAND)]
        place = Path(self.env.srcdir, self.env.config.sier_recorded_dir, SCALE)
        said = describe(found)
        figure = nodes.raw("", _draw(grown(found), said), format="html")
        sources = link_sources(self.env, find_modules("scale_plots.growth()"), [place])
        return [
            nodes.paragraph("", said),
            figure,
            sources,
            *framed(list_rows(found), "Builds of a data set"),
        ]


def grown(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the builds by as many processes as there were cores, by size; of several of a size the
    median."""
    most = max(each["workers"] for each in found["builds"])
    sizes: dict[int, list[dict[str, Any]]] = {}
    for each in found["builds"]:
        if each["workers"] == most and each["kind"] == "processes":
            sizes.setdefault(each["items"], []).append(each)
    return [_middle(sizes[items]) for items in sorted(sizes)]


def _middle(builds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a build with the median time and memory of several alike."""
    middle = dict(builds[0])
    for name in ("seconds", "memory_mb"):
        middle[name] = median(each[name] for each in builds)
    return middle


def describe(found: Mapping[str, Any]) -> str:
    """Say how time and memory grow, what of the cores is used, and what the paper's pairs take."""
    builds = grown(found)
    least, most = builds[0], builds[-1]
    workers, loop = most["workers"], median(found["loop_ms"]) / 1000
    each = most["seconds"] / most["items"]
    used = loop / workers / each
    pairs = sum(PAPER_COUNTS.values())
    minutes = ", ".join(
        f"{pairs * each * workers / many / 60:.0f} minutes with {many}" for many in (2, 8, 32)
    )
    middle = next(build for build in builds if build["items"] * 10 >= most["items"])
    return (
        f"From {least['items']:,} to {most['items']:,} items time grows by the power "
        f"{found['slope']:.2f} of their number; every build starts anew, which counts more for "
        f"small ones. At the largest size {workers} processes do {1 / each:.0f} items a second: "
        f"{used:.2f} of {workers} times what a plain loop does that only speaks, takes the log-mel "
        f"and draws. Memory is {most['memory_mb'] / middle['memory_mb']:.2f} times that of "
        f"{middle['items']:,} items. At this rate the paper's {pairs:,} pairs would take {minutes} "
        "such cores, if nothing waits for the disk: that is reckoned, not measured."
    )


def list_rows(found: Mapping[str, Any]) -> list[list[str]]:
    """Return a row for each size and kind of build."""
    alike: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for each in found["builds"]:
        alike.setdefault((each["items"], each["workers"], each["kind"]), []).append(each)
    rows = [["Items", "By", "Builds", "Time", "Items a second", "Memory at most", "On disk"]]
    for (items, workers, kind), builds in sorted(alike.items()):
        middle = _middle(builds)
        rows.append(
            [
                f"{items:,}",
                f"{workers} {KINDS[kind]}" if workers > 1 else "1 process",
                str(len(builds)),
                f"{middle['seconds']:,.0f} s",
                f"{items / middle['seconds']:.1f}",
                f"{middle['memory_mb']:,.0f} MB",
                f"{middle['mb']:,.0f} MB",
            ]
        )
    return rows


def _draw(builds: Sequence[Mapping[str, Any]], described: str) -> str:
    import matplotlib

    matplotlib.use("agg")
    from sierbook.figures import scale_plots, style

    style.use_style()
    return write_svg(scale_plots.growth(builds), described)


def setup(app: Sphinx) -> dict[str, bool]:
    app.setup_extension("sierbook.extensions.results")
    app.setup_extension("sierbook.extensions.figures")
    app.add_directive("scale-curve", ScaleCurve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
