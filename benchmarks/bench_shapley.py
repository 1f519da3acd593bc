"""Time `sierlib.shapley` against what else explains the same model, in ratios from one run.

Against (a) one `predict` per coalition, as the group's published code runs it; (b) `shap.PartitionExplainer` at the
same number of evaluations on one modality, with its default batch and again with a tuned batch and a compiled
function; (c) the floor: the bare batched forward passes of the distinct masked branch inputs, without masks made,
heads, or sums. The models have random weights: time does not depend on them. Repeats are interleaved, so that what
else the machine does falls on all of them; a ratio is taken within each repeat and given as median (least to most).
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import shap
import tensorflow as tf

from sierlib.networks import parallel_net
from sierlib.settings import PROFILES, SIZE
from sierlib.shapley import explain

DEPTH = 6
BATCH = 64


def sample() -> tuple[np.ndarray, np.ndarray]:
    """Return a speech (128, 128, 1) and an image (128, 128, 3) none of whose regions equal the baseline."""
    rng = np.random.default_rng(0)
    speech, image = rng.uniform(0.1, 1, (SIZE, SIZE, 1)), rng.uniform(0.1, 1, (SIZE, SIZE, 3))
    return speech.astype("float32"), image.astype("float32")


def predict_each(model: keras.Model, masks: int, seconds_allowed: float) -> float:
    """Return the seconds of `masks` calls of `model.predict` on one input each, extrapolated when they take long."""
    speech, image = sample()
    one = {"speech": speech[None], "image": image[None]}
    model.predict(one, verbose=0)
    start, done = time.perf_counter(), 0
    while done < masks and time.perf_counter() - start < seconds_allowed:
        model.predict(one, verbose=0)
        done += 1
    return (time.perf_counter() - start) / done * masks


def partition_explainer(model: keras.Model, evals: int, batch: int | str, compiled: bool) -> Callable[[], Any]:
    """Return a call of shap's explainer of the image, the speech staying as it is."""
    speech, image = sample()
    run = tf.function(model, reduce_retracing=True) if compiled else None

    def score(images: np.ndarray) -> np.ndarray:
        inputs = {"speech": np.repeat(speech[None], len(images), 0), "image": np.asarray(images, "float32")}
        return np.asarray(run(inputs) if run else model.predict(inputs, verbose=0))

    explainer = shap.PartitionExplainer(score, shap.maskers.Image(np.zeros(image.shape, "float32"), image.shape))
    return lambda: explainer(image[None], max_evals=evals, batch_size=batch, outputs=[0], silent=True)


def branches(model: keras.Model, modality: str) -> tf.types.experimental.PolymorphicFunction:
    """Return the compiled branches of one modality, N1 and N2."""
    letter = modality[0]
    layers = [model.get_layer(f"N1_{letter}"), model.get_layer(f"N2_{letter}")]
    return tf.function(lambda x: [layer(x, training=False) for layer in layers], reduce_retracing=True)


def floor(model: keras.Model, masked: dict[str, int]) -> Callable[[], Any]:
    """Return the forward passes of so many masked inputs by modality, in batches."""
    run = {m: branches(model, m) for m in masked}
    batch = {m: tf.constant(np.repeat(x[None], BATCH, 0)) for m, x in zip(("speech", "image"), sample(), strict=True)}

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


def compare(width: float, evals: int, repeats: int, precision: str | None, predict_seconds: float) -> None:
    """Print the table for one width."""
    filters = PROFILES["paper" if width == 1.0 else "quick"].n1_filters
    model = parallel_net(replace(PROFILES["quick"], name=f"width {width:g}", width=width, n1_filters=filters))
    speech, image = sample()

    def ours(modality: str | None, precision: str | None = None) -> Any:
        return explain(model, speech, image, target=0, depth=DEPTH, max_evals=evals, modality=modality,
                       precision=precision)  # fmt: skip

    first = seconds(lambda: ours(None))
    n_image, n_both = ours("image").n_evals, ours(None).n_evals
    # One modality: a coalition is one masked image. Both: a masked input is scored with the other absent and whole.
    masked_both = {"speech": 2 + (n_both - 4) // 4, "image": 2 + (n_both - 4) // 4}
    calls: dict[str, Callable[[], Any]] = {
        "explain, image": lambda: ours("image"),
        "explain, both": lambda: ours(None),
        "(b) PartitionExplainer, default batch": partition_explainer(model, n_image, "auto", compiled=False),
        f"(b) PartitionExplainer, batch {BATCH}, compiled": partition_explainer(model, n_image, BATCH, compiled=True),
        "(c) floor, image": floor(model, {"image": n_image, "speech": 1}),
        "(c) floor, both": floor(model, masked_both),
    }
    if precision:
        calls[f"explain, image, {precision}"] = lambda: ours("image", precision)
        calls[f"explain, both, {precision}"] = lambda: ours(None, precision)
    for call in calls.values():
        call()  # compiles
    times: dict[str, list[float]] = {name: [] for name in calls}
    times["(a) predict, image"] = []
    for _ in range(repeats):
        for name, call in calls.items():
            times[name].append(seconds(call))
        times["(a) predict, image"].append(predict_each(model, n_image, predict_seconds))

    print(f"\nwidth {width:g}, depth {DEPTH}, {repeats} repeats")
    print(f"{n_image} evaluations explaining the image alone, {n_both} explaining both modalities")
    print(f"first call, which compiles: {first:.1f} s")
    print(f"\n{'':60}seconds")
    for name, values in times.items():
        print(f"  {name:58}{spread(values)}")
    print(f"\n{'':60}ratio")
    for slow in [name for name in times if name[1] in "ab"]:
        print(f"  {slow + ' / explain':58}{ratios(times[slow], times['explain, image'])}")
    for what in ("image", "both"):
        name, least = f"explain, {what}", f"(c) floor, {what}"
        print(f"  {name + ' / ' + least:58}{ratios(times[name], times[least])}")
    if precision:
        exact, rough = ours(None), ours(None, precision)
        change = max(abs(exact.speech_value - rough.speech_value), abs(exact.image_value - rough.image_value))
        print(f"  {precision}: values of speech and image change by {change:.1e} at most; f(x) is {exact.value:.4f}")


def main() -> None:
    """Read the options and print the tables."""
    parser = argparse.ArgumentParser(description="Time sierlib.shapley; see the head of this file.")
    parser.add_argument("--width", type=float, nargs="+", default=[0.125], help="width of VGG; 1.0 is the paper's")
    parser.add_argument("--evals", type=int, default=500, help="evaluations of each explanation")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--precision", choices=["bfloat16"], help="time the branches in this type as well")
    parser.add_argument("--predict-seconds", type=float, default=10.0, help="time for (a) before it is extrapolated")
    options = parser.parse_args()
    for width in options.width:
        compare(width, options.evals, options.repeats, options.precision, options.predict_seconds)


if __name__ == "__main__":
    main()
