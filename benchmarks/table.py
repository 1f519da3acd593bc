"""Measure what readers wait for beside what else does it: one table, of ratios with their spread.

    python -m benchmarks.table        (make bench; under ten minutes on two cores)

Ours and the other take turns, after one turn that counts for neither, so that what else the machine
does falls on both; a ratio is taken within each turn. All goes to benchmarks/results.json, which
the book shows. Where a book is built, a second build of it and the model in its page are timed too.
`benchmarks/bench_shapley.py` has more about explanations, `make bench SCALE=1` how builds grow.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import librosa
import numpy as np
import soundfile
import tensorflow as tf
from PIL import Image

from benchmarks import bench_shapley, engine
from sierbook import notebooks
from sierbook.recorded import ENGINE, RECORDED
from sierlib import settings
from sierlib.data.corpora.embedded import plans
from sierlib.data.feed import Feed, one_hot, read_inputs
from sierlib.data.shards import encode_corpus, item_picture, item_sound
from sierlib.files import read_json, write_json
from sierlib.keys import list_modules, source_key
from sierlib.machine import describe_device, describe_processor
from sierlib.networks import parallel_net
from sierlib.networks.losses import FocalCrossEntropy
from sierlib.run import Run

RESULTS = Path(__file__).with_name("results.json")
TURNS, EVALS = 5, 500
STEPS = 12  # of an epoch
QUICK = settings.profile("quick")
BOOK = Path("_build/html")
SIER = str(Path(sys.executable).with_name("sier"))

#: Does something and returns how many seconds that took.
Timed = Callable[[], float]
Row = dict[str, Any]


def timed(call: Callable[..., Any], *given: Any, **options: Any) -> Timed:
    """Return what times a call."""
    return partial(bench_shapley.time_call, partial(call, *given, **options))


def compare(what: str, size: str, ours: Timed, other: str, theirs: Timed, aim: float) -> Row:
    """Let both take turns; return the seconds of each and the ratio, ours to theirs."""
    ours(), theirs()  # compiled, and warm
    times = [(ours(), theirs()) for _ in range(TURNS)]
    own, others = zip(*times, strict=True)
    ratios = [a / b for a, b in times]
    found = {
        "other": other,
        "theirs": engine.summarise(list(others)),
        "ratio": engine.summarise(ratios),
    }
    return {"what": what, "size": size, "ours": engine.summarise(list(own)), **found, "aim": aim}


def time_alone(what: str, size: str, ours: Timed, aim: float | None) -> Row:
    """Return the seconds of what there is nothing else for; the aim is so many."""
    ours()
    times = [ours() for _ in range(TURNS)]
    found = {"other": None, "theirs": None, "ratio": None}
    return {"what": what, "size": size, "ours": engine.summarise(times), **found, "aim": aim}


# ---------------------------------------------------------------------------------- explanations
def time_explanations() -> Iterator[Row]:
    """Explain a pair, and the interactions in it, at the width of `quick`."""
    model, sample = bench_shapley.build_network(QUICK.width), bench_shapley.draw_sample()
    depth = bench_shapley.DEPTH
    both = partial(bench_shapley.explain, model, **sample, target=0, depth=depth, max_evals=EVALS)
    _, counts = bench_shapley.count_inputs(both)
    size = f"{EVALS} evaluations"
    floor = timed(bench_shapley.forward_passes(model, counts))
    other = "the branches' bare forward passes"
    yield compare("Explanation of a pair", size, timed(both), other, floor, 1.3)

    image = partial(both, modality="image")
    found, _ = bench_shapley.count_inputs(image)
    made: list[int] = []
    explainer = bench_shapley.partition_explainer(
        model, found.n_evals, bench_shapley.BATCH, True, made
    )
    explainer()
    size = f"{found.n_evals} evaluations, shap's {sum(made)}"
    shap = "shap's PartitionExplainer, batched and compiled"
    yield compare("Explanation of a picture", size, timed(image), shap, timed(explainer), 1)

    units, grid = bench_shapley.UNITS, bench_shapley.GRID
    pairs = timed(bench_shapley.interactions, model, **sample, units=units, grid=grid, target=0)
    shapiq = partial(bench_shapley.interactions_by_shapiq, model, 6.0)
    size = f"{units} stretches of speech, {grid[0] * grid[1]} regions"
    other = "shapiq's exact computer, reckoned from 6 s of it"
    yield compare("Interactions, exact", size, pairs, other, shapiq, 1)


# -------------------------------------------------------------------------------------- training
def time_training(folder: Path) -> Iterator[Row]:
    """Train for an epoch from the data set's files, from memory, and as a plain script would."""
    corpus = plans.pairs(STEPS * QUICK.batch, 0)
    start = time.perf_counter()
    rows = encode_corpus(corpus, folder)
    encoding = time.perf_counter() - start
    labels = [item.truth["emotion"] for item in corpus.items]
    answers = one_hot(labels)
    model = parallel_net(QUICK)
    model.compile(keras.optimizers.Adam(QUICK.learning_rate), FocalCrossEntropy())
    fit = partial(timed, model.fit, epochs=1, shuffle=False, verbose=0)

    feed = partial(Feed, rows, folder, QUICK.batch, targets=answers, seed=0)
    bare, varied = feed(), feed(augment=QUICK.augment, absent=QUICK.absent)
    memory = fit(read_inputs(rows, folder), answers, batch_size=QUICK.batch)
    size = f"{len(rows)} pairs in batches of {QUICK.batch}"
    yield compare("Training, from our files", size, fit(bare), "from memory", memory, 1.1)
    what = "Training, moved, mirrored and partly blank"
    yield compare(what, size, fit(varied), "from memory, as they are", memory, 1.1)

    for item, label in zip(corpus.items, labels, strict=True):
        place = folder / "plain" / label
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(item_picture(item)).save(place / f"{item.id}.png")
        soundfile.write(place / f"{item.id}.wav", item_sound(item), settings.SAMPLE_RATE)
    plain = fit(read_plainly(folder / "plain"))
    other = "Keras' fit over image_dataset_from_directory, librosa on the fly"
    size = f"{size}, spoken, drawn and encoded once in {encoding:.0f} s before"
    yield compare("Training, from our files", size, fit(bare), other, plain, 1)


def read_plainly(folder: Path) -> tf.data.Dataset:
    """Return batches from a folder of pictures and recordings for each class, read as they come."""
    size = (settings.SIZE, settings.SIZE)
    pictures = keras.utils.image_dataset_from_directory(
        folder, label_mode="categorical", image_size=size, batch_size=None, shuffle=False,
        class_names=list(settings.CLASSES), verbose=False,
    )  # fmt: skip
    paths = [str(Path(path).with_suffix(".wav")) for path in pictures.file_paths]

    def hear(path: tf.Tensor) -> tf.Tensor:
        heard = tf.numpy_function(_log_mel, [path], tf.float32)
        return tf.ensure_shape(heard, (*size, 1))

    sounds = tf.data.Dataset.from_tensor_slices(paths).map(hear, tf.data.AUTOTUNE)

    def join(sound: tf.Tensor, seen: tuple[tf.Tensor, tf.Tensor]) -> tuple[Any, tf.Tensor]:
        return {"speech": sound, "image": seen[0] / 255}, seen[1]

    pairs = tf.data.Dataset.zip(sounds, pictures).map(join)
    return pairs.batch(QUICK.batch).prefetch(tf.data.AUTOTUNE)


def _log_mel(path: bytes) -> np.ndarray:
    """Return (128, 128, 1) in [0, 1], in librosa's plain way: read, mel, decibels."""
    sound, _ = librosa.load(path.decode(), sr=settings.SAMPLE_RATE)
    power = librosa.feature.melspectrogram(
        y=sound, sr=settings.SAMPLE_RATE, n_fft=settings.N_FFT, hop_length=settings.HOP,
        n_mels=settings.SIZE,
    )  # fmt: skip
    decibels = librosa.power_to_db(power, top_db=None)
    window = librosa.util.fix_length(decibels, size=settings.SIZE, constant_values=-80)
    return np.clip(1 + window[..., None] / 80, 0, 1).astype(np.float32)


# ------------------------------------------------------------------------- commands and the book
def time_commands() -> Iterator[Row]:
    """Start what a reader starts."""
    python = [sys.executable, "-c", "pass"]
    yield time_alone("`sier --help`", "", start([SIER, "--help"]), 0.5)
    yield time_alone("`import sierlib`", "", start([sys.executable, "-c", "import sierlib"]), 0.3)
    yield time_alone("Python, doing nothing", "", start(python), None)


def start(command: list[str]) -> Timed:
    """Return what times a command, whose output nobody reads."""
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return timed(subprocess.run, command, check=True, **silent)


def time_book() -> Iterator[Row]:
    """Build again a book of which nothing has changed, and use the model in its page."""
    place = engine.find_run(BOOK)
    made = read_json(place / "results" / "01-dataset.json")["provenance"]
    settled = [f"--{name}={made[name]}" for name in ("profile", "data", "ser", "ier", "seed")]
    again = [SIER, "book", *settled, f"--run-dir={place}"]
    run = Run.open(*(made[name] for name in ("profile", "data", "ser", "ier", "seed")), place)
    try:
        notebooks.refuse_outdated(run)
    except notebooks.BuildFailed:
        print(f"{BOOK} is not of these sources: a second build is not timed (`make book` first)")
    else:
        yield time_alone("A second build of the book", made["profile"], start(again), 20)
    engine.main(BOOK, place)
    found = read_json(RECORDED / ENGINE)
    if beside := found["rival"]:
        seconds = {name: scale(told, 1e-3) for name, told in beside["milliseconds"].items()}
        upside_down = {"low": "high", "high": "low", "value": "value"}
        ratio = {name: 1 / beside["ratio"][other] for name, other in upside_down.items()}
        yield {
            "what": "A prediction in the page",
            "size": f"{found['megabytes']:.1f} MB to load",
            "ours": seconds["ours"],
            "other": beside["name"],
            "theirs": seconds["rival"],
            "ratio": ratio | {"n": beside["ratio"]["n"]},
            "aim": 1,
        }


def scale(told: dict[str, float], factor: float) -> dict[str, float]:
    """Return a summary in another unit."""
    return {name: value if name == "n" else value * factor for name, value in told.items()}


def main() -> None:
    """Measure, print, and write what is there after every row."""
    begun = time.perf_counter()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        parts = [time_commands(), time_explanations(), time_training(Path(folder))]
        if BOOK.is_dir():
            parts.append(time_book())
        else:
            print("no book is built: a second build and the model in its page are not timed")
        for row in itertools.chain(*parts):
            rows.append(row)
            print(say(row), flush=True)
            found = {
                "date": datetime.now(UTC).strftime("%Y-%m-%d"),
                "source": source_key(*list_modules()),
                "device": describe_device(),
                "machine": describe_processor(),
                "seconds": round(time.perf_counter() - begun),
                "rows": rows,
            }
            write_json(RESULTS, found)
    print(f"{RESULTS} written after {found['seconds']} s")


def say(row: Row) -> str:
    """Return a row as a line."""
    line = f"{row['what']:30}{bench_shapley.spread_of(row['ours'])} s"
    if not row["ratio"]:
        aim = row["aim"]
        return f"{line}   aim: {aim} s" if aim else line
    beside = f"beside {row['other']}: {bench_shapley.spread_of(row['ratio'])}"
    return f"{line}   {beside}   aim: {row['aim']}"


if __name__ == "__main__":
    main()
