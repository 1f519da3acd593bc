"""Train a profile's networks where there is a GPU and no more than Keras and JAX beside it.

    python benchmarks/gpu.py --profile full --labels book/recorded/full/labels.csv

It builds the pairs, takes the labels that were recorded, and trains what notebooks 02 and 03 train,
by the same calls, in the order in which the book needs them. Every network's history is written as
it ends: stopped at any time, the next call goes on. `sier adopt` takes the histories into a run
elsewhere.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

# TensorFlow is not asked for. JAX takes no more memory than it needs,
# because several processes share a GPU.
os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
# The checkout is used as it is: nothing need be installed.
PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT), str(PROJECT / "book")]
os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:2] + [os.environ.get("PYTHONPATH", "")])


def plan(folds: int, repeats: int) -> list[tuple[str, int, int]]:
    """Return what is trained, what is needed most first: network, fold, repetition."""
    from sierlib.experiment.models import GROUPS, NETWORKS, names_in_group

    compared = [*names_in_group("Table 1"), "addition", "agreement"]
    jobs = [(name, 0, repeat) for repeat in range(repeats) for name in compared]
    jobs += [(name, 0, 0) for name in names_in_group("learning curve")]
    jobs += [("fused", fold, 0) for fold in range(1, folds)]
    rest = [group for group in GROUPS if group not in ("Table 1", "learning curve", "N2")]
    for group in (*rest, "N2"):
        jobs += [(name, 0, 0) for name in names_in_group(group) if not NETWORKS[name].repeated]
    return jobs


def main() -> None:
    """Build, and train until all is trained."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="full")
    parser.add_argument("--labels", required=True, help="the recorded labels.csv")
    parser.add_argument("--run-dir", default="runs/gpu")
    parser.add_argument("--first", type=int, help="train only so many networks")
    options = parser.parse_args()

    from sierbook.recorded import read_labels
    from sierlib.experiment.labels import build_dataset
    from sierlib.experiment.train import train_all
    from sierlib.run import Run

    run = Run.open(options.profile, run_dir=options.run_dir)
    start = time.perf_counter()
    labels = read_labels(Path(options.labels).parent).set_index("id")
    counts = build_dataset(run, labels)
    built = time.perf_counter() - start
    print(json.dumps({"pairs": counts, "seconds": round(built, 1)}), flush=True)

    jobs = plan(run.profile.folds, run.profile.repeats)[: options.first]
    start = time.perf_counter()
    train_all(run, jobs)
    print(f"{len(jobs)} networks in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
