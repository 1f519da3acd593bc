"""Time `sierlib.shapley` against what else explains the same model, in ratios from one run.

Against (a) one `predict` per coalition, as the group's published code runs it; (b)
`shap.PartitionExplainer` at the same number of evaluations on one modality, with its default batch
and again with a tuned batch and a compiled function; (c) the floor: the bare batched forward passes
of the distinct masked inputs that the explanation really scored, counted by modality, without masks
made, heads, or sums. The evaluations that shap really made are counted too, and a ratio to it is
one of seconds per evaluation. The models have random weights: time does not depend on them. Repeats
are interleaved, so that what else the machine does falls on all of them; a ratio is taken within
each repeat and given as median (least to most).

At the narrow width also the exact interactions of 8 units of speech with 8 regions of the image,
beside shapiq's exact computer, which calls the whole model for the same coalitions.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# As sierlib does, which is imported after TensorFlow here.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import numpy as np
import shap
import shapiq
import tensorflow as tf

from sierlib import settings
from sierlib.networks.parallelnet import parallel_net
from sierlib.shapley import Explanation, explain, interactions
from sierlib.shapley.value_function import ValueFunction

DEPTH = 6
BATCH = 64
# Float32 and bfloat16 are compared without a budget, so that both divide the same regions.
EXACT_DEPTH = 3

Call = Callable[[], Any]
Times = dict[str, list[float]]


class Effort(NamedTuple):
    """How much is done at one width of the network."""

    width: float
    evals: int
    repeats: int


#: By default; the wide one takes most of the time, and is timed less often.
EFFORTS = (Effort(0.125, 500, 3), Effort(1.0, 200, 2))

#: Interactions are timed at this width alone, of so many units and (rows, columns).
UNITS, GRID = 8, (2, 4)
NARROW = EFFORTS[0]

#: The batch and whether the function is compiled, for shap's explainer.
SHAP_OPTIONS: dict[str, tuple[int | str, bool]] = {
    "(b) PartitionExplainer, default batch": ("auto", False),
    f"(b) PartitionExplainer, batch {BATCH}, compiled": (BATCH, True),
}


def draw_sample() -> dict[str, np.ndarray]:
    """Return a speech (128, 128, 1) and an image (128, 128, 3) of which no region is at zero."""
    rng = np.random.default_rng(0)
    speech = rng.uniform(0.1, 1, (settings.SIZE, settings.SIZE, 1))
    image = rng.uniform(0.1, 1, (settings.SIZE, settings.SIZE, 3))
    return {"speech": speech.astype("float32"), "image": image.astype("float32")}


def build_network(width: float) -> keras.Model:
    """Build ParallelNet at that width, with random weights."""
    filters = settings.PROFILES["paper" if width == 1.0 else "quick"].n1_filters
    quick = settings.PROFILES["quick"]
    return parallel_net(replace(quick, name=f"width {width:g}", width=width, n1_filters=filters))


def predict_each(model: keras.Model, masks: int, seconds_allowed: float) -> float:
    """Return the seconds of so many calls of `model.predict` on one input each.

    It is extrapolated when they take longer than allowed.
    """
    one = {modality: x[None] for modality, x in draw_sample().items()}
    model.predict(one, verbose=0)
    start = time.perf_counter()
    done = 0
    while done < masks and time.perf_counter() - start < seconds_allowed:
        model.predict(one, verbose=0)
        done += 1
    return (time.perf_counter() - start) / done * masks


def count_inputs(call: Callable[[], Explanation]) -> tuple[Explanation, dict[str, int]]:
    """Return an explanation and, by modality, how many distinct masked inputs were scored."""
    functions: list[ValueFunction] = []

    class Kept(ValueFunction):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            functions.append(self)

    with mock.patch("sierlib.shapley.explain.ValueFunction", Kept):
        explanation = call()
    (f,) = functions
    counts = {}
    for m in f.sides:
        # A modality that is not explained was run once, as it is.
        counts[m] = sum(modality == m for modality, _ in f.known) or 1
    return explanation, counts


def partition_explainer(
    model: keras.Model, evals: int, batch: int | str, compiled: bool, sizes: list[int]
) -> Call:
    """Return a call of shap's explainer of the image, the speech staying as it is.

    The number of evaluations of every batch is appended to `sizes`.
    """
    sample = draw_sample()
    speech, image = sample["speech"], sample["image"]
    run = tf.function(model, reduce_retracing=True) if compiled else None

    def score(images: np.ndarray) -> np.ndarray:
        n = len(images)
        sizes.append(n)
        inputs = {"speech": np.repeat(speech[None], n, 0), "image": np.asarray(images, "float32")}
        return np.asarray(run(inputs) if run else model.predict(inputs, verbose=0))

    masker = shap.maskers.Image(np.zeros(image.shape, "float32"), image.shape)
    explainer = shap.PartitionExplainer(score, masker)
    options = {"max_evals": evals, "batch_size": batch, "outputs": [0], "silent": True}
    return lambda: explainer(image[None], **options)


def compile_branches(
    model: keras.Model, modality: str
) -> tf.types.experimental.PolymorphicFunction:
    """Return the compiled branches of one modality, N1 and N2."""
    letter = modality[0]
    layers = [model.get_layer(f"N1_{letter}"), model.get_layer(f"N2_{letter}")]
    return tf.function(
        lambda x: [layer(x, training=False) for layer in layers], reduce_retracing=True
    )


def forward_passes(model: keras.Model, counts: dict[str, int]) -> Call:
    """Return the forward passes of so many masked inputs by modality, in batches."""
    sample = draw_sample()
    runs = {m: compile_branches(model, m) for m in counts}
    batches = {m: tf.constant(np.repeat(sample[m][None], BATCH, 0)) for m in counts}

    def forward() -> None:
        for m, n in counts.items():
            for start in range(0, n, BATCH):
                runs[m](batches[m][: min(BATCH, n - start)])

    return forward


def time_call(call: Call) -> float:
    """Return how many seconds a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def spread(values: list[float]) -> str:
    """Return "median (least to most)"."""
    return spread_of({"value": statistics.median(values), "low": min(values), "high": max(values)})


def spread_of(told: dict[str, float]) -> str:
    """Return the same of values that are summed up."""
    return f"{told['value']:6.2f} ({told['low']:.2f} to {told['high']:.2f})"


def ratios(values: list[float], others: list[float]) -> str:
    """Return the spread of the ratios within each repeat."""
    return spread([value / other for value, other in zip(values, others, strict=True)])


def print_times(times: Times) -> None:
    """Print the seconds of every call."""
    print(f"\n{'':60}seconds")
    for name, values in times.items():
        print(f"  {name:58}{spread(values)}")


def print_ratios(
    times: Times, evals: int, shap_evals: dict[str, int], precision: str | None
) -> None:
    """Print what else explains the image, and the floor, beside `explain`."""
    print(f"\n{'':60}ratio")
    for slow in (*shap_evals, "(a) predict, image"):
        share = evals / shap_evals.get(slow, evals)
        seconds = [share * each for each in times[slow]]
        print(f"  {slow + ' / explain':58}{ratios(seconds, times['explain, image'])}")
    for part in ("image", "both"):
        name = f"explain, {part}"
        least = f"(c) floor, {part}"
        print(f"  {name + ' / ' + least:58}{ratios(times[name], times[least])}")
        if precision:
            line = f"{name} / the same in {precision}"
            print(f"  {line:58}{ratios(times[name], times[f'{name}, {precision}'])}")


def print_change(model: keras.Model, precision: str) -> None:
    """Print by how much a precision changes the values of regions."""
    exact, rough = (
        explain(model, **draw_sample(), target=0, depth=EXACT_DEPTH, precision=each)
        for each in (None, precision)
    )
    changes = []
    for level, other in zip(exact.levels, rough.levels, strict=True):
        changes += [abs(a.value - b.value) for a, b in zip(level, other, strict=True)]
    finest = [abs(region.value) for region in exact.levels[-1]]
    print(
        f"  {precision}, depth {EXACT_DEPTH} in full: a region's value changes by "
        f"{max(changes):.1e} at most;"
    )
    print(
        f"  the finest regions are worth {statistics.mean(finest):.1e} on average, "
        f"{max(finest):.1e} at most"
    )


def compare(effort: Effort, precision: str | None, predict_seconds: float) -> None:
    """Print the table for one width."""
    width, evals, repeats = effort
    model = build_network(width)
    run = partial(explain, model, **draw_sample(), target=0, depth=DEPTH, max_evals=evals)

    # What `explain` does, counted; the first call compiles.
    start = time.perf_counter()
    both, both_inputs = count_inputs(run)
    first = time.perf_counter() - start
    alone, image_inputs = count_inputs(partial(run, modality="image"))
    counts = {"image": image_inputs, "both": both_inputs}

    # Everything that is timed, called once before.
    calls: dict[str, Call] = {
        "explain, image": partial(run, modality="image"),
        "explain, both": run,
    }
    sizes: dict[str, list[int]] = {name: [] for name in SHAP_OPTIONS}
    others: dict[str, Call] = {}
    for name, (batch, compiled) in SHAP_OPTIONS.items():
        others[name] = partition_explainer(model, alone.n_evals, batch, compiled, sizes[name])
    for part, inputs in counts.items():
        others[f"(c) floor, {part}"] = forward_passes(model, inputs)
    if precision:
        for name, call in calls.items():
            others[f"{name}, {precision}"] = partial(call, precision=precision)
    for call in others.values():
        call()
    shap_evals = {name: sum(each) for name, each in sizes.items()}
    calls |= others

    # Interleaved, so that what else the machine does falls on all of them.
    times: Times = {name: [] for name in (*calls, "(a) predict, image")}
    for _ in range(repeats):
        for name, call in calls.items():
            times[name].append(time_call(call))
        seconds = predict_each(model, alone.n_evals, predict_seconds)
        times["(a) predict, image"].append(seconds)

    print(f"\nwidth {width:g}, depth {DEPTH}, {repeats} repeats")
    print(f"{alone.n_evals} evaluations explaining the image alone, {both.n_evals} explaining both")
    for part, inputs in counts.items():
        print(
            f"distinct masked inputs, {part}: {', '.join(f'{n} of {m}' for m, n in inputs.items())}"
        )
    print(f"evaluations that shap made: {', '.join(map(str, shap_evals.values()))}")
    print(f"first call, which compiles: {first:.1f} s")
    print_times(times)
    print_ratios(times, alone.n_evals, shap_evals, precision)
    if precision:
        print_change(model, precision)


def interactions_by_shapiq(model: keras.Model, seconds_allowed: float) -> float:
    """Return the seconds of shapiq's exact computer for the coalitions that `interactions` scores.

    The model is called in compiled batches; its time is extrapolated when it takes longer than
    allowed.
    """
    sample = draw_sample()
    run = tf.function(model, reduce_retracing=True)
    steps, rows, columns = (np.arange(settings.SIZE) * k // settings.SIZE for k in (UNITS, *GRID))
    region = rows[:, None] * GRID[1] + columns
    extrapolated = 0.0

    def game(coalitions: np.ndarray) -> np.ndarray:
        nonlocal extrapolated
        scores = np.zeros(len(coalitions))
        start = time.perf_counter()
        done = 0
        while done < len(coalitions) and time.perf_counter() - start < seconds_allowed:
            batch = np.asarray(coalitions[done : done + BATCH], bool)
            units, regions = batch[:, :UNITS][:, steps], batch[:, UNITS:][:, region]
            speech = np.where(units[:, None, :, None], sample["speech"], 0)
            image = np.where(regions[..., None], sample["image"], 0)
            inputs = {"speech": speech.astype("float32"), "image": image.astype("float32")}
            scores[done : done + BATCH] = run(inputs)[:, 0]
            done += BATCH
        extrapolated += (time.perf_counter() - start) * max(0, len(coalitions) / done - 1)
        return scores

    game(np.ones((BATCH, UNITS + GRID[0] * GRID[1])))  # compiles
    extrapolated = 0.0
    computer = shapiq.ExactComputer(game, n_players=UNITS + GRID[0] * GRID[1])
    return time_call(lambda: computer("SII", 2)) + extrapolated


def compare_interactions(repeats: int, seconds_allowed: float) -> None:
    """Print the seconds of exact interactions."""
    model = build_network(NARROW.width)
    call = partial(interactions, model, **draw_sample(), units=UNITS, grid=GRID, target=0)
    start = time.perf_counter()
    found = call()
    first = time.perf_counter() - start
    ours, other = "interactions, exact", "shapiq's exact computer, compiled"
    times: Times = {ours: [], other: []}
    for _ in range(repeats):
        times[ours].append(time_call(call))
        times[other].append(interactions_by_shapiq(model, seconds_allowed))
    print(
        f"\nwidth {NARROW.width:g}, {UNITS} units x {GRID[0] * GRID[1]} regions, {repeats} repeats"
    )
    print(f"{found.n_evals:,} coalitions; first call, which compiles: {first:.1f} s")
    print_times(times)
    print(f"\n  {other + ' / ' + ours:58}{ratios(times[other], times[ours])}")


def main() -> None:
    """Read the options and print the tables."""
    parser = argparse.ArgumentParser(
        description="Time sierlib.shapley.explain; see the head of this file."
    )
    widths = [effort.width for effort in EFFORTS]
    parser.add_argument("--width", type=float, nargs="+", default=widths, help="1.0 is the paper's")
    parser.add_argument("--evals", type=int, help="evaluations of each explanation")
    parser.add_argument("--repeats", type=int)
    parser.add_argument(
        "--precision", choices=["bfloat16", "none"], default="bfloat16", help="timed beside float32"
    )
    parser.add_argument(
        "--predict-seconds", type=float, default=6.0, help="time for (a) before it is extrapolated"
    )
    options = parser.parse_args()
    precision = None if options.precision == "none" else options.precision
    defaults = {effort.width: effort for effort in EFFORTS}
    for width in options.width:
        default = defaults.get(width, EFFORTS[0])
        effort = Effort(width, options.evals or default.evals, options.repeats or default.repeats)
        compare(effort, precision, options.predict_seconds)
    if NARROW.width in options.width:
        compare_interactions(options.repeats or NARROW.repeats, options.predict_seconds)


if __name__ == "__main__":
    main()
