"""Time `sierlib.shapley.explain` against what else explains the same model, in ratios from one run.

Against (a) one `predict` per coalition, as the group's published code runs it; (b)
`shap.PartitionExplainer` at the same number of evaluations on one modality, with its default batch
and again with a tuned batch and a compiled function; (c) the floor: the bare batched forward passes
of the distinct masked inputs that the explanation really scored, counted by modality, without masks
made, heads, or sums. The evaluations that shap really made are counted too, and a ratio to it is
one of seconds per evaluation. The models have random weights: time does not depend on them. Repeats
are interleaved, so that what else the machine does falls on all of them; a ratio is taken within
each repeat and given as median (least to most).
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault(
    "TF_ENABLE_ONEDNN_OPTS", "1"
)  # as sierlib does, which is imported after TensorFlow here

import keras
import numpy as np
import shap
import tensorflow as tf

from sierlib import settings
from sierlib.networks.parallelnet import parallel_net
from sierlib.shapley import explain
from sierlib.shapley.value_function import ValueFunction

DEPTH = 6
BATCH = 64
EXACT_DEPTH = 3  # where float32 and bfloat16 are compared: without a budget, so that both divide the same regions


class Effort(NamedTuple):
    """How much is done at one width of the network."""

    width: float
    evals: int
    repeats: int


#: By default; the wide one takes most of the time, and is timed less often.
EFFORTS = (Effort(0.125, 500, 3), Effort(1.0, 200, 2))


def sample() -> tuple[np.ndarray, np.ndarray]:
    """Return a speech (128, 128, 1) and an image (128, 128, 3) none of whose regions equal the
    baseline."""
    rng = np.random.default_rng(0)
    speech, image = (
        rng.uniform(0.1, 1, (settings.SIZE, settings.SIZE, 1)),
        rng.uniform(0.1, 1, (settings.SIZE, settings.SIZE, 3)),
    )
    return speech.astype("float32"), image.astype("float32")


def predict_each(model: keras.Model, masks: int, seconds_allowed: float) -> float:
    """Return the seconds of `masks` calls of `model.predict` on one input each, extrapolated when
    they take long."""
    speech, image = sample()
    one = {"speech": speech[None], "image": image[None]}
    model.predict(one, verbose=0)
    start, done = time.perf_counter(), 0
    while done < masks and time.perf_counter() - start < seconds_allowed:
        model.predict(one, verbose=0)
        done += 1
    return (time.perf_counter() - start) / done * masks


def counted(call: Callable[[], Any]) -> tuple[Any, dict[str, int]]:
    """Return an explanation and, by modality, how many distinct masked inputs were scored for
    it."""
    made: list[ValueFunction] = []

    class Remembered(ValueFunction):
        def __init__(self, *given: Any, **options: Any) -> None:
            super().__init__(*given, **options)
            made.append(self)

    ValueFunction = Remembered  # type: ignore[misc]
    try:
        found = call()
    finally:
        ValueFunction = ValueFunction  # type: ignore[misc]
    (f,) = made
    # A modality that is not explained was run once, as it is.
    return found, {m: sum(modality == m for modality, _ in f.known) or 1 for m in f.sides}


def partition_explainer(
    model: keras.Model, evals: int, batch: int | str, compiled: bool, made: list[int]
) -> Callable[[], Any]:
    """Return a call of shap's explainer of the image, the speech staying as it is; `made` is told
    of evaluations."""
    speech, image = sample()
    run = tf.function(model, reduce_retracing=True) if compiled else None

    def score(images: np.ndarray) -> np.ndarray:
        made.append(len(images))
        inputs = {
            "speech": np.repeat(speech[None], len(images), 0),
            "image": np.asarray(images, "float32"),
        }
        return np.asarray(run(inputs) if run else model.predict(inputs, verbose=0))

    explainer = shap.PartitionExplainer(
        score, shap.maskers.Image(np.zeros(image.shape, "float32"), image.shape)
    )
    return lambda: explainer(
        image[None], max_evals=evals, batch_size=batch, outputs=[0], silent=True
    )


def branches(model: keras.Model, modality: str) -> tf.types.experimental.PolymorphicFunction:
    """Return the compiled branches of one modality, N1 and N2."""
    letter = modality[0]
    layers = [model.get_layer(f"N1_{letter}"), model.get_layer(f"N2_{letter}")]
    return tf.function(
        lambda x: [layer(x, training=False) for layer in layers], reduce_retracing=True
    )


def floor(model: keras.Model, masked: dict[str, int]) -> Callable[[], Any]:
    """Return the forward passes of so many masked inputs by modality, in batches."""
    run = {m: branches(model, m) for m in masked}
    batch = {
        m: tf.constant(np.repeat(x[None], BATCH, 0))
        for m, x in zip(("speech", "image"), sample(), strict=True)
    }

    def forward() -> None:
        for m, n in masked.items():
            for start in range(0, n, BATCH):
                run[m](batch[m][: min(BATCH, n - start)])

    return forward


def seconds(call: Callable[[], Any]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def spread(values: list[float]) -> str:
    """Return "median (least to most)"."""
    return f"{statistics.median(values):6.2f} ({min(values):.2f} to {max(values):.2f})"


def ratios(values: list[float], others: list[float]) -> str:
    """Return the spread of the ratios within each repeat."""
    return spread([value / other for value, other in zip(values, others, strict=True)])


def largest_change(exact: Any, rough: Any) -> float:
    """Return the largest difference between two explanations' values of any region of any level."""
    return max(
        abs(a.value - b.value)
        for level, other in zip(exact.levels, rough.levels, strict=True)
        for a, b in zip(level, other, strict=True)
    )


def compare(effort: Effort, precision: str | None, predict_seconds: float) -> None:
    """Print the table for one width."""
    width, evals, repeats = effort
    filters = settings.PROFILES["paper" if width == 1.0 else "quick"].n1_filters
    model = parallel_net(
        replace(
            settings.PROFILES["quick"], name=f"width {width:g}", width=width, n1_filters=filters
        )
    )
    speech, image = sample()

    def ours(modality: str | None, precision: str | None = None, **options: Any) -> Any:
        options = {
            "depth": DEPTH,
            "max_evals": evals,
            "modality": modality,
            "precision": precision,
            **options,
        }
        return explain(model, speech, image, target=0, **options)

    start = time.perf_counter()
    both, masked_both = counted(lambda: ours(None))
    first = time.perf_counter() - start
    alone, masked_alone = counted(lambda: ours("image"))
    masked, n_image = {"image": masked_alone, "both": masked_both}, alone.n_evals
    tuned: dict[str, tuple[int | str, bool]] = {
        "default batch": ("auto", False),
        f"batch {BATCH}, compiled": (BATCH, True),
    }
    counts: dict[str, list[int]] = {how: [] for how in tuned}
    calls: dict[str, Callable[[], Any]] = {
        "explain, image": lambda: ours("image"),
        "explain, both": lambda: ours(None),
        **{
            f"(b) PartitionExplainer, {how}": partition_explainer(model, n_image, *tuned[how], made)
            for how, made in counts.items()
        },
        **{f"(c) floor, {what}": floor(model, inputs) for what, inputs in masked.items()},
    }
    if precision:
        calls[f"explain, image, {precision}"] = lambda: ours("image", precision)
        calls[f"explain, both, {precision}"] = lambda: ours(None, precision)
    for name, call in calls.items():
        if name not in ("explain, image", "explain, both"):  # which have been compiled
            call()
    shap_made = {f"(b) PartitionExplainer, {how}": sum(made) for how, made in counts.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    times["(a) predict, image"] = []
    for _ in range(repeats):
        for name, call in calls.items():
            times[name].append(seconds(call))
        times["(a) predict, image"].append(predict_each(model, n_image, predict_seconds))

    print(f"\nwidth {width:g}, depth {DEPTH}, {repeats} repeats")
    print(
        f"{n_image} evaluations explaining the image alone, {both.n_evals} explaining both "
        "modalities"
    )
    for what, inputs in masked.items():
        print(
            f"distinct masked inputs, {what}: {', '.join(f'{n} of {m}' for m, n in inputs.items())}"
        )
    print(f"evaluations that shap made: {', '.join(str(n) for n in shap_made.values())}")
    print(f"first call, which compiles: {first:.1f} s")
    print(f"\n{'':60}seconds")
    for name, values in times.items():
        print(f"  {name:58}{spread(values)}")
    print(f"\n{'':60}ratio")
    for slow in [name for name in times if name[1] in "ab"]:
        each = n_image / shap_made.get(slow, n_image)
        print(
            f"  {slow + ' / explain':58}{ratios([each * t for t in times[slow]], times['explain, image'])}"
        )
    for what in masked:
        name, least = f"explain, {what}", f"(c) floor, {what}"
        print(f"  {name + ' / ' + least:58}{ratios(times[name], times[least])}")
        if precision:
            name = f"{name} / the same in {precision}"
            print(
                f"  {name:58}{ratios(times[f'explain, {what}'], times[f'explain, {what}, {precision}'])}"
            )
    if precision:
        exact, rough = (ours(None, p, depth=EXACT_DEPTH, max_evals=None) for p in (None, precision))
        finest = [abs(region.value) for region in exact.levels[-1]]
        change = largest_change(exact, rough)
        print(
            f"  {precision}, depth {EXACT_DEPTH} in full: a region's value changes by {change:.1e} "
            "at most;"
        )
        print(
            f"  the finest regions are worth {statistics.mean(finest):.1e} on average, "
            f"{max(finest):.1e} at most"
        )


def main() -> None:
    """Read the options and print the tables."""
    parser = argparse.ArgumentParser(
        description="Time sierlib.shapley.explain; see the head of this file."
    )
    parser.add_argument(
        "--width",
        type=float,
        nargs="+",
        default=[e.width for e in EFFORTS],
        help="1.0 is the paper's",
    )
    parser.add_argument("--evals", type=int, help="evaluations of each explanation")
    parser.add_argument("--repeats", type=int)
    parser.add_argument(
        "--precision", choices=["bfloat16", "none"], default="bfloat16", help="timed beside float32"
    )
    parser.add_argument(
        "--predict-seconds", type=float, default=6.0, help="time for (a) before it is extrapolated"
    )
    options = parser.parse_args()
    usual = {effort.width: effort for effort in EFFORTS}
    for width in options.width:
        effort = usual.get(width, EFFORTS[0])
        effort = Effort(width, options.evals or effort.evals, options.repeats or effort.repeats)
        compare(
            effort,
            None if options.precision == "none" else options.precision,
            options.predict_seconds,
        )


if __name__ == "__main__":
    main()
