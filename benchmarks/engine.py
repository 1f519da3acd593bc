"""Measure the model in the page: how fast it is, and whether it says what Python says.

    python benchmarks/engine.py RUN [_build/html]

RUN is the folder of the run that the built book shows. Chromium opens the explorer's page from
disk; what is found goes to book/recorded/page-engine.json, which the book shows.
"""

from __future__ import annotations

import os
import statistics
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pandas as pd
from playwright.sync_api import Page, sync_playwright

from sierbook import site
from sierbook.recorded import ENGINE, RECORDED
from sierlib import settings
from sierlib.data.feed import read_inputs
from sierlib.explorer import inpage
from sierlib.explorer.export import round_weights
from sierlib.files import read_json, write_json
from sierlib.machine import describe_processor
from sierlib.networks import parallelnet  # noqa: F401 (Keras finds its layers by name then)
from sierlib.shapley import explain

PAGE = "notebooks/06-explorer.html"
TIMES, COMPARED, DEPTH = 5, 8, 4
#: Milliseconds of what a reader waits for; `pair` is a sample.
TIMED = {
    "load": "sierlibLive.load()",
    "first prediction": "sierlibLive.predict(pair)",
    "prediction": "sierlibLive.predict(pair)",
    "depth 3": "sierlibLive.explain({...pair, depth: 3})",
    "depth 4": "sierlibLive.explain({...pair, depth: 4})",
}


def time_page(page: Page, pair: dict[str, list[float]]) -> dict[str, float]:
    """Return how long each of `TIMED` takes on a page just opened, in milliseconds."""
    found = {}
    for name, call in TIMED.items():
        timed = f"const start = performance.now(); await {call}; return performance.now() - start;"
        found[name] = page.evaluate(f"async (pair) => {{ {timed} }}", pair)
    return found


def compare(page: Page, model: keras.Model, inputs: dict[str, np.ndarray]) -> dict[str, float]:
    """Return the largest differences between page and Python, from the same rounded weights."""
    rounded = round_weights(model)
    expected = rounded.predict(inputs, verbose=0)
    probability = region = 0.0
    for k, scores in enumerate(expected):
        pair = {name: values[k] for name, values in inputs.items()}
        asked = {name: values.ravel().tolist() for name, values in pair.items()}
        found = page.evaluate("(pair) => sierlibLive.predict(pair)", asked)
        probability = max(probability, float(np.abs(np.subtract(found, scores)).max()))
        target = int(scores.argmax())
        ours = explain(rounded, **pair, target=target, depth=DEPTH).levels[DEPTH]
        call = f"(pair) => sierlibLive.explain({{...pair, target: {target}, depth: {DEPTH}}})"
        theirs = page.evaluate(call, asked)
        for modality in settings.MODALITIES:
            regions = [each for each in ours if each.modality == modality]
            regions.sort(key=lambda each: (each.box[0], each.box[2]))
            gaps = np.subtract(theirs[modality], [each.value for each in regions])
            region = max(region, float(np.abs(gaps).max()))
    return {"probability": probability, "region": region}


def main(run: Path, book: Path) -> None:
    """Measure, print and record."""
    samples = read_json(run / "explanations" / "samples.json")[:COMPARED]
    manifest = pd.read_csv(run / "dataset" / "manifest.csv", dtype={"id": str}).set_index("id")
    rows = manifest.loc[[sample["id"] for sample in samples]]
    inputs = read_inputs(rows, run / "dataset")
    model = keras.saving.load_model(run / "models" / "fused.keras")
    pair = {name: values[0].ravel().tolist() for name, values in inputs.items()}
    repeats: list[dict[str, float]] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=site.find_chromium())
        for _ in range(TIMES):
            page = browser.new_page()
            page.goto((book / PAGE).resolve().as_uri(), wait_until="load")
            repeats.append(time_page(page, pair))
        about: dict[str, Any] = page.evaluate("() => sierlibLive.load()")
        differences = compare(page, model, inputs)
        browser.close()
    times = {}
    for name in TIMED:
        values = [repeat[name] for repeat in repeats]
        times[name] = {
            "value": statistics.median(values),
            "low": min(values),
            "high": max(values),
            "n": TIMES,
        }
    found = {
        "milliseconds": times,
        "differences": differences,
        "samples": len(rows),
        "depth": DEPTH,
        "model": about,
        "machine": describe_processor(),
        "megabytes": (run / "explanations" / inpage.MODEL).stat().st_size / 1e6,
    }
    write_json(RECORDED / ENGINE, found)
    print(found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "_build/html"))
