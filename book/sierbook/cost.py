"""What a profile's training will cost, said before it starts: memory, time, a batch that fits."""

from __future__ import annotations

import subprocess
import time
from contextlib import suppress
from dataclasses import replace
from math import prod
from typing import NamedTuple

import keras
import numpy as np
import psutil

from sierlib import settings
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


class Cost(NamedTuple):
    """What the training of ParallelNet costs.

    Parameters
    ----------
    batch, rows
        Rows of a step, and of an epoch.
    memory, room
        Bytes: the most that training holds besides the program itself, and what there is on the
        device, 0 if unknown. The first is an upper bound: it counts the answer of every layer as
        kept, of which on a processor about two thirds were (a step at full width, batches of 1 to
        16).
    fits
        The largest power of two, up to `batch`, that fits; 0 where none does.
    seconds
        Of an epoch, from two steps on this machine without a graph, which takes longer.
    """

    batch: int
    rows: int
    memory: int
    room: int
    fits: int
    seconds: float


def predict_cost(profile: settings.Profile, rows: int) -> Cost:
    """Predict what an epoch of so many rows costs, by building ParallelNet and timing two steps."""
    model = parallel_net(replace(profile, weights="none"))
    room = find_room()
    short = choose_precision(profile) != "float32"
    fixed, each = count_bytes(model, 2 if short else 4)
    fits = profile.batch
    while fits and room and fixed + fits * each > FILLED * room:
        fits //= 2
    few, many = (time_step(model, size) for size in TIMED)
    each_row = max(0.0, many - few) / (TIMED[1] - TIMED[0])
    step = max(0.0, few - TIMED[0] * each_row) + profile.batch * each_row
    memory = fixed + profile.batch * each
    return Cost(profile.batch, rows, memory, room, fits, step * rows / profile.batch)


def count_rows(run: Run) -> int:
    """Return the pairs of an epoch: those of the data set, or where that is not built as many as
    the profile's corpus gives."""
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
    """Return the seconds of a training step of so many rows, the first one left out."""
    inputs = {each.name: np.ones((batch, *each.shape[1:]), np.float32) for each in model.inputs}
    answers = np.eye(model.output.shape[-1], dtype=np.float32)[:1].repeat(batch, axis=0)
    model.compile(keras.optimizers.Adam(settings.PAPER_RATE), FocalCrossEntropy(), run_eagerly=True)
    for _ in range(2):
        start = time.perf_counter()
        model.train_on_batch(inputs, answers)
    return time.perf_counter() - start


def find_room() -> int:
    """Return the bytes of memory that a GPU has, or that this machine has free; 0 if unknown."""
    from sierlib.backend import find_gpus

    if not find_gpus():
        return int(psutil.virtual_memory().available)
    ask = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    with suppress(OSError, ValueError, subprocess.SubprocessError):
        told = subprocess.run(ask, capture_output=True, text=True, check=True, timeout=20).stdout
        return int(told.split()[0]) * 2**20
    return 0


def describe_cost(name: str, cost: Cost) -> str:
    """Say what a profile's training costs, and what to change where it does not fit."""
    hours = cost.seconds / 3600
    long = f"{hours:.1f} hours" if hours >= 1 else f"{cost.seconds / 60:.0f} minutes"
    said = (
        f"profile {name}: an epoch of ParallelNet on {cost.rows:,} pairs takes up to {long} here, "
        f"and batches of {cost.batch} up to {cost.memory / 2**30:.1f} GiB"
    )
    if not cost.room:
        return said
    said += f"; {cost.room / 2**30:.1f} GiB are there"
    if cost.fits == cost.batch:
        return said
    if not cost.fits:
        return f"{said}, too few for any batch"
    return f"{said}: set `batch` of this profile in sierlib/settings.py to {cost.fits}"
