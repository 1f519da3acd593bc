"""Measure what a machine with a GPU does in two steps of under 8 minutes each.

    python benchmarks/gpu.py [--step 1|2] [--tiny]

Step 1 builds 10,000 pairs and trains Table 1 from three seeds; step 2 trains ParallelNet at the
paper's width in bfloat16 and explains 200 test pairs. All of it is done by what notebooks 02 and 05
call, on the planted classes: no teacher is asked. What is found is written as it ends, and is there
when the time is over; the next call goes on from there. No network is used, and little need be
installed (`bare_machine`). With --tiny all is so small that a CPU does it in a few minutes, and the
numbers mean nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import bare_machine

bare_machine.prepare()

import keras
import numpy as np

from sierbook.batching import explain_together
from sierbook.recorded import GPU, RECORDED
from sierlib import settings
from sierlib.backend import find_gpus
from sierlib.data.feed import read_inputs
from sierlib.experiment.labels import build_dataset
from sierlib.experiment.manifest import GIVEN, OPINIONS, number_groups, read_manifest, split_rows
from sierlib.experiment.models import NETWORKS, NetworkSpec, names_in_group
from sierlib.experiment.teachers import read_pairs
from sierlib.experiment.train import Job, artefact_name, is_current, train_all, train_model
from sierlib.files import read_json, write_json
from sierlib.keys import list_modules, source_key
from sierlib.machine import describe_device
from sierlib.run import Run

STEP_SECONDS = 460  # under 8 minutes with what is written at the end
PAPER = settings.profile("paper")
#: Batches are the paper's, lest a GPU wait for the next one; epochs and rate are not.
PROFILE = replace(
    settings.profile("full"), name="gpu", pairs=10_000, batch=PAPER.batch, epochs=12, folds=1
)
TINY = replace(settings.profile("smoke"), name="gpu-tiny", pairs=48, warmup=0, depth=2)
WIDE = NetworkSpec(
    "full-width",
    "ParallelNet, full width",
    "full width",
    recipe={"width": PAPER.width, "n1_filters": PAPER.n1_filters, "learning_rate": 3e-4},
)
TINY_WIDE = replace(WIDE, title="ParallelNet, 1/8 of full width", recipe={"width": 1 / 8})
EXPLAINED, TINY_EXPLAINED = 200, 4
TOGETHER = 8  # of 200, a whole number of times: a last batch of another size were compiled anew


class Findings:
    """What is known so far, in the file that tells of it.

    What an earlier call found stays where the same code found it on the same device.
    """

    def __init__(self, path: Path, run: Run) -> None:
        self.path, self.run, self.tiny = path, run, run.profile.name == TINY.name
        self.lock = threading.RLock()  # time may be over while something is written
        about = {"device": describe_device(), "tiny": self.tiny, "labels": "planted"}
        about["code"] = source_key(
            "sierbook.batching", *list_modules(), packages=("sierlib", "sierbook")
        )
        known = read_json(path) or {}
        if any(known.get(name) != value for name, value in about.items()):
            known = {}
        self.known: dict[str, Any] = {
            "pairs": None,
            "networks": {},
            "full_width": None,
            "explanations": None,
            **known,
            **about,
            "profile": run.profile.as_dict(),
        }

    def put(self, name: str, value: Any) -> None:
        """Add what was found, and write all."""
        with self.lock:
            self.known[name] = value
            write_json(self.path, self.known | {"provenance": self.run.provenance()})

    def put_networks(self) -> None:
        """Add the networks of Table 1 that are trained."""
        with self.lock:
            found = {}
            for job in list_jobs(self.run.profile):
                artefact = artefact_name(*job)
                name = Path(artefact).name
                if is_current(self.run, job):
                    found[name] = read_network(self.run, artefact)
                elif name in self.known["networks"]:
                    found[name] = self.known["networks"][name]
            self.put("networks", found)

    def put_rest(self) -> None:
        """Add what is there when the time is over, the epochs of half a training among it."""
        self.put_networks()
        for path in self.run.folder.glob(f"{artefact_name(WIDE.name)}.*.npz"):
            with np.load(path, allow_pickle=False) as kept:
                about = json.loads(str(kept["about"]))
            epochs, seconds = len(about["history"]["loss"]), about["seconds"]
            each = {"seconds": seconds, "seconds_per_epoch": seconds / epochs}
            title = {"title": WIDE.title, "unfinished": True}
            self.put("full_width", {**title, "epochs": epochs, **each})


def list_jobs(profile: settings.Profile) -> list[Job]:
    """Return the networks of Table 1, from all seeds, those of the first seed first."""
    names = names_in_group("Table 1")
    return [(name, 0, repeat) for repeat in range(profile.repeats) for name in names]


def read_network(run: Run, artefact: str) -> dict[str, Any]:
    """Return what a trained network's history says of its training and of the test rows."""
    history = read_json(run.folder / f"{artefact}.json")
    told = ("title", "best_epoch", "seconds", "seconds_per_epoch", "parameters", "precision")
    return {
        **{name: history[name] for name in told},
        "seed": run.seed + history["repeat"],
        "epochs": len(history["epochs"]),
        "accuracy": history["test"]["accuracy"],
        "macro_f1": history["test"]["macro_f1"],
    }


def build_pairs(run: Run, findings: Findings) -> None:
    """Speak and draw the pairs, and label them by the classes that were planted in them."""
    begun = (run.folder / "dataset").is_dir()
    start = time.perf_counter()
    corpus, rows, *_ = read_pairs(run)
    planted = {item.id: item.truth["emotion"] for item in corpus.items if item.truth}
    labels = rows.set_index("id", drop=False)[["id"]].assign(winner=GIVEN)
    labels["label"] = labels["id"].map(planted)
    groups = number_groups(rows["text"], rows["image_hash"])
    labels["split"], labels["fold"] = split_rows(labels["label"].to_numpy(), groups, run.seed)
    labels[OPINIONS] = math.nan
    summary = build_dataset(run, labels.drop(columns="id"))
    seconds = time.perf_counter() - start
    if not findings.known["pairs"]:
        # How long it takes is known only of what was built at one go.
        found = {"n": summary["usable"], "seconds": None if begun else seconds}
        findings.put("pairs", found | {"cores": os.cpu_count()})


def train_table(run: Run, findings: Findings) -> None:
    """Train Table 1, all networks of a seed before those of further ones.

    Begun together, all would be compiled; so the later ones find what the first have left.
    """
    jobs = list_jobs(run.profile)
    for some in (jobs[: len(names_in_group("Table 1"))], jobs):
        train_all(run, some)
        findings.put_networks()


def train_wide(run: Run, findings: Findings) -> keras.Model:
    """Train ParallelNet at full width, in this process, whose memory tells what it takes."""
    spec = TINY_WIDE if findings.tiny else WIDE
    NETWORKS[spec.name] = spec
    chosen = {"SIER_WORKERS": "1", "SIER_PRECISION": "mixed_bfloat16"}
    trained = is_current(run, (spec.name, 0, 0))
    with mock.patch.dict(os.environ, chosen):
        model, _ = train_model(run, spec.name)
    if not trained or "width" not in (findings.known["full_width"] or {}):
        memory = {
            "device_memory_mb": None if trained else peak_device_memory(),
            "memory_mb": None if trained else run.provenance()["peak_memory_mb"],
        }
        width = spec.adapt(run.profile).width
        found = read_network(run, artefact_name(spec.name))
        findings.put("full_width", {**found, "width": width, **memory})
    return model


def peak_device_memory() -> float | None:
    """Return the most that was held of the device's memory, in MB, where the backend tells it."""
    if keras.backend.backend() != "jax":
        return None
    import jax

    stats = jax.local_devices()[0].memory_stats() or {}
    peak = stats.get("peak_bytes_in_use")
    return peak and peak / 1e6


def explain_pairs(run: Run, model: keras.Model, findings: Findings) -> None:
    """Explain test pairs, some at once in shared batches; the first compile, and count apart."""
    wanted = TINY_EXPLAINED if findings.tiny else EXPLAINED
    manifest = read_manifest(run)
    rows = manifest[manifest["split"] == "test"].head(wanted)
    if ((findings.known["explanations"] or {}).get("n")) == len(rows):
        return
    inputs = read_inputs(rows, run.folder / "dataset")
    samples = [
        {"speech": speech, "image": image} for speech, image in zip(*inputs.values(), strict=True)
    ]
    at_once = min(TOGETHER, len(samples) // 2)
    times, evaluations, gap = [], 0, 0.0
    for begin in range(0, len(samples), at_once):
        start = time.perf_counter()
        some = samples[begin : begin + at_once]
        explained = explain_together(model, some, depth=run.profile.depth)
        times.append(time.perf_counter() - start)
        for found in explained:
            gap = max(gap, *map(abs, found.gaps))
            evaluations += found.n_evals
        done = begin + len(some)
        later = times[1:]
        told = {
            "n": done,
            "asked": wanted,
            "at_once": at_once,
            "depth": run.profile.depth,
            "evaluations": evaluations / done,
            "first_seconds": times[0],
            "seconds": sum(times),
            "per_second": (done - at_once) / sum(later) if later else None,
            "largest_gap": gap,  # between an explanation's sum and what it explains
        }
        findings.put("explanations", told)


def main() -> None:
    """Do what is asked until it is done or the time is over."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--step", type=int, choices=(1, 2), help="one of them (default: both)")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument(
        "--seconds", type=float, help=f"stop after so many (default: {STEP_SECONDS} a step)"
    )
    parser.add_argument("--run-dir", type=Path, help="(default: runs/gpu, or runs/gpu-tiny)")
    parser.add_argument(
        "--out", type=Path, help=f"(default: book/recorded/{GPU}, or one in the folder of the run)"
    )
    asked = parser.parse_args()
    if not asked.tiny and not find_gpus():
        sys.exit("no GPU is seen here: --tiny tries whether all of it works, on a CPU")
    name = TINY.name if asked.tiny else PROFILE.name
    folder = asked.run_dir or bare_machine.PROJECT / "runs" / name
    out = asked.out or (folder / GPU if asked.tiny else RECORDED / GPU)
    steps = [asked.step] if asked.step else [1, 2]
    seconds = len(steps) * STEP_SECONDS if asked.seconds is None else asked.seconds

    opened = Run.open("full", run_dir=folder)
    run = replace(opened, profile=TINY if asked.tiny else PROFILE)
    findings = Findings(out, run)
    bare_machine.stop_after(seconds, findings.put_rest)
    build_pairs(run, findings)
    if 1 in steps:
        if not asked.tiny:
            os.environ.setdefault("SIER_WORKERS", bare_machine.WORKERS)
        train_table(run, findings)
    if 2 in steps:
        explain_pairs(run, train_wide(run, findings), findings)
    print(f"{out} written")


if __name__ == "__main__":
    main()
