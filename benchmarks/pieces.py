"""Train a profile's networks on a GPU in pieces, where little is installed (`bare_machine`).

    python benchmarks/pieces.py --profile full --seconds 480

It builds the pairs, takes the labels that were recorded, and trains what notebooks 02 and 03 train,
by the same calls, in the order in which the book needs them. What is ready when the time is over
goes into book/recorded, and the next call goes on from there. Several processes share the GPU;
SIER_WORKERS says how many.
"""

from __future__ import annotations

import argparse
import os
import time

import bare_machine


def plan(folds: int, repeats: int) -> list[tuple[str, int, int]]:
    """Return what is trained, what is needed most first: network, fold, repetition.

    Repetitions come last: started together with the first, they would each be compiled too. Nine
    baselines that began at once were at epoch 5 after six and a half minutes.
    """
    from sierlib.experiment.models import GROUPS, NETWORKS, names_in_group

    def once(*groups: str) -> list[tuple[str, int, int]]:
        names = [name for group in groups for name in names_in_group(group)]
        return [(name, 0, 0) for name in names if not NETWORKS[name].repeated]

    compared = [*names_in_group("Table 1"), "addition", "agreement"]
    jobs = [(name, 0, 0) for name in compared]
    jobs += once("choice")
    jobs += once("learning curve")
    jobs += once(*(group for group in GROUPS if group not in ("choice", "learning curve", "N2")))
    jobs += [("fused", fold, 0) for fold in range(1, folds)]
    jobs += once("N2")
    return jobs + [(name, 0, repeat) for repeat in range(1, repeats) for name in compared]


def main() -> None:
    """Build, train until all is trained or the time is over, and record."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--profile", default="full")
    parser.add_argument("--run-dir")
    parser.add_argument(
        "--seconds", type=int, default=0, help="stop after so many (default: never)"
    )
    parser.add_argument("--first", type=int, help="train only the first so many networks")
    options = parser.parse_args()
    bare_machine.prepare()
    os.environ.setdefault("SIER_WORKERS", bare_machine.WORKERS)

    from sierbook import recorded
    from sierlib.experiment.labels import build_dataset
    from sierlib.experiment.train import train_all
    from sierlib.run import Run

    run = Run.open(options.profile, run_dir=options.run_dir)
    place = recorded.find_place(run.profile.name)
    start = time.perf_counter()

    def finish() -> None:
        """Record what is ready."""
        try:
            written = recorded.record(run)
            print(f"{len(written)} files recorded after {time.perf_counter() - start:.0f} s")
        except (OSError, ValueError) as error:
            print(error)

    bare_machine.stop_after(options.seconds, finish)
    asked = {key: getattr(run, key) for key in recorded.COMMON}
    build_dataset(run, recorded.recorded_labels(place, asked))
    recorded.adopt_networks(run, place, asked=())
    print(f"{run.profile.pairs} pairs after {time.perf_counter() - start:.0f} s", flush=True)
    train_all(run, plan(run.profile.folds, run.profile.repeats)[: options.first])
    finish()


if __name__ == "__main__":
    main()
