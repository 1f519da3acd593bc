"""What training at full width will cost, said before it starts: memory, a batch that fits, time.

    python -m sierbook.cost PROFILE ROWS

It is asked in a process of its own, which gives back the memory that it took to find out.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from math import prod
from typing import NamedTuple

import keras
import numpy as np
import psutil

from sierlib import settings
from sierlib.backend import find_gpus
from sierlib.experiment.models import NETWORKS, select_rows
from sierlib.machine import choose_precision
from sierlib.networks import parallel_net
from sierlib.networks.losses import FocalCrossEntropy
from sierlib.run import Run

#: Numbers that training holds for each weight: itself, its gradient, Adam's two moments, and the
#: copy of the best epoch.
HELD = 5

#: Rows of the steps that are timed.
TIMED = (1, 4)

#: Share of the memory there is that may be filled.
FILLED = 0.9


class Memory(NamedTuple):
    """What memory the training of ParallelNet takes.

    Parameters
    ----------
    needed
        Bytes that training holds at most, besides the program itself. It is an upper bound: the
        answer of every layer counts as kept, of which on a processor about two thirds were (a step
        at full width, batches of 1 to 16).
    room
        Bytes that a GPU has, or that this machine has free; 0 if unknown.
    fits
        The largest batch that fits, the profile's halved some times; 0 where none does.
    """

    needed: int
    room: int
    fits: int


def predict_memory(model: keras.Model, profile: settings.Profile) -> Memory:
    """Predict what memory training takes by the profile's batches."""
    room = find_room()
    short = choose_precision(profile) != "float32"
    fixed, each = count_bytes(model, 2 if short else 4)
    fits = profile.batch
    while fits and room and fixed + fits * each > FILLED * room:
        fits //= 2
    return Memory(fixed + profile.batch * each, room, fits)


def predict_seconds(model: keras.Model, batch: int, rows: int) -> float:
    """Predict how long an epoch of so many rows takes, from steps of one row and of some.

    They run here, without a graph under TensorFlow, and so take longer than training's.
    """
    few, many = (time_step(model, size) for size in TIMED)
    each_row = max(0.0, many - few) / (TIMED[1] - TIMED[0])
    step = max(0.0, few - TIMED[0] * each_row) + batch * each_row
    return step * rows / batch


def count_rows(run: Run) -> int:
    """Return the pairs of an epoch: those of the data set, or where that is not built as many as
    the embedded corpus gives."""
    with suppress(FileNotFoundError):
        return len(select_rows(run, NETWORKS["fused"])["train"])
    return round(run.profile.pairs * (1 - settings.TEST_SHARE) * (1 - 1 / settings.FOLDS))


def count_bytes(model: keras.Model, size: int = 4) -> tuple[int, int]:
    """Return the bytes that a training step holds whatever its batch, and for each row of it.

    Parameters
    ----------
    model
        To be trained.
    size
        Bytes of a number that a layer gives.
    """
    numbers = 0
    for layer in model._flatten_layers():
        if not layer._layers and isinstance(layer, keras.layers.Layer):
            for tensor in keras.tree.flatten(layer.output):
                numbers += prod(tensor.shape[1:])
    return 4 * HELD * model.count_params(), size * numbers


def time_step(model: keras.Model, batch: int) -> float:
    """Return the seconds of a training step of so many rows, one before it left out."""
    inputs = {each.name: np.ones((batch, *each.shape[1:]), np.float32) for each in model.inputs}
    answers = np.eye(model.output.shape[-1], dtype=np.float32)[:1].repeat(batch, axis=0)
    model.compile(
        keras.optimizers.Adam(settings.PAPER_RATE),
        FocalCrossEntropy(),
        # As in `fit_network`: step by step JAX takes minutes.
        run_eagerly=keras.backend.backend() == "tensorflow",
    )
    for _ in range(2):
        start = time.perf_counter()
        model.train_on_batch(inputs, answers)
    return time.perf_counter() - start


def find_room() -> int:
    """Return the bytes of memory that a GPU has, or that this machine has free; 0 if unknown."""
    if not find_gpus():
        return int(psutil.virtual_memory().available)
    ask = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    with suppress(OSError, ValueError, IndexError, subprocess.SubprocessError):
        told = subprocess.run(ask, capture_output=True, text=True, check=True, timeout=20).stdout
        return int(told.split()[0]) * 2**20
    return 0


def describe_memory(profile: settings.Profile, memory: Memory) -> str:
    """Say what memory a profile's training takes, and what to change where that does not fit."""
    said = (
        f"profile {profile.name}: training in batches of {profile.batch} takes up to "
        f"{memory.needed / 2**30:.1f} GiB"
    )
    if not memory.room:
        return said
    said += f"; {memory.room / 2**30:.1f} GiB are there"
    if memory.fits == profile.batch:
        return said
    if not memory.fits:
        return f"{said}, too few for any batch"
    return f"{said}: set `batch` of this profile in sierlib/settings.py to {memory.fits}"


def describe_seconds(profile: settings.Profile, rows: int, seconds: float) -> str:
    """Say how long an epoch of ParallelNet takes."""
    hours = seconds / 3600
    long = f"{hours:.1f} hours" if hours >= 1 else f"{seconds / 60:.0f} minutes"
    return (
        f"profile {profile.name}: an epoch of ParallelNet on {rows:,} pairs takes up to {long} here"
    )


def main(name: str, rows: int) -> None:
    """Print what memory and what time the profile of that name takes."""
    profile = settings.profile(name)
    model = parallel_net(replace(profile, weights="none"))
    memory = predict_memory(model, profile)
    print(describe_memory(profile, memory), flush=True)  # it is known though a step may be too much
    if memory.fits:
        print(describe_seconds(profile, rows, predict_seconds(model, profile.batch, rows)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
