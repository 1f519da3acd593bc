"""Run the stages of `make torture` and print their figures.

    python -m benchmarks.torture [--full] [--stage NAME ...] [--seed N] [--record]

It ends with 1 when something crashed, took too long or too much, was lost or was let in.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sierbook.recorded import FAULTS, RECORDED, TORTURE
from sierlib import settings
from sierlib.files import read_json, write_json
from sierlib.run import Run

#: Each is a module with ``run(full, seed)``, which returns its figures.
STAGES = [name for name in ("kills", "corruption", "fuzz", "hostile")
          if find_spec(f"benchmarks.torture.{name}")]  # fmt: skip


def count_faults(figures: dict[str, Any]) -> int:
    """Return how much of a stage should not have been."""
    return sum(figures.get(name, 0) for name in FAULTS)


def lay_out(stages: dict[str, dict[str, Any]]) -> str:
    """Lay out figures as a plain table, a line for each stage; "-" is what a stage cannot tell."""
    rows = [["Stage", "Tried", *FAULTS.values(), "Seconds", "Outcomes"]]
    for name, figures in stages.items():
        outcomes = [f"{count:,} {word}" for word, count in figures.get("outcomes", {}).items()]
        numbers = [figures.get(key, "-") for key in ("tried", *FAULTS, "seconds")]
        cells = [f"{n:,}" if isinstance(n, int) else str(n) for n in numbers]
        rows.append([name, *cells, ", ".join(outcomes)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        cells[-1] = others[-1]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)


def record(figures: dict[str, dict[str, Any]], full: bool, seed: int, place: Path) -> None:
    """Put stages' figures into the result file, each with what made it; others stay."""
    run = Run(settings.PROFILES["smoke"], "synthetic", "synthetic", "synthetic", seed, place.parent)
    made = run.provenance()
    stamp = {name: made[name] for name in ("date", "commit", "source", "python", "lock", "machine")}
    stages = (read_json(place) or {"stages": {}})["stages"]
    for name, each in figures.items():
        stages[name] = {**each, "provenance": {**stamp, "full": full, "seed": seed}}
    write_json(place, {"stages": {name: stages[name] for name in STAGES if name in stages}})


def main(arguments: list[str] | None = None) -> int:
    """Run what is asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.torture", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--full", action="store_true", help="much more of each; some two hours")
    parser.add_argument(
        "--stage", action="append", choices=STAGES, help="this one; may be repeated"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true", help=f"keep the figures in {TORTURE}")
    options = parser.parse_args(arguments)

    stages: dict[str, dict[str, Any]] = {}
    missing = False
    for name in options.stage or STAGES:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            stages[name] = import_module(f"benchmarks.torture.{name}").run(
                options.full, options.seed
            )
        except ModuleNotFoundError as error:
            print(f"{name}: {error}", file=sys.stderr)
            missing = True
            continue
        for fault in stages[name].get("faults", ()):
            print(f"  {fault}", file=sys.stderr)
        if options.record:  # as they end: a later stage may be stopped
            record({name: stages[name]}, options.full, options.seed, RECORDED / TORTURE)
    if stages:
        print(lay_out(stages))
    return int(missing or any(map(count_faults, stages.values())))


if __name__ == "__main__":
    sys.exit(main())
