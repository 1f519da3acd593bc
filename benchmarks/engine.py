"""Measure the model in the page: how fast it is, and whether it says what Python says.

    python -m benchmarks.engine [_build/html [RUN]]

RUN is the folder of the run that the built book shows: by default the one below runs/ that has the
same model. Chromium opens the explorer's page from disk; what is found goes to
book/recorded/page-engine.json, which the book shows. Where npm can bring it, onnxruntime-web
predicts the same pair beside it (`rival.py`).
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
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks import rival
from sierbook import site
from sierbook.export import ENGINE_PARTS, export_model, round_weights
from sierbook.recorded import ENGINE, RECORDED
from sierlib import settings
from sierlib.data.feed import read_inputs
from sierlib.explorer import inpage
from sierlib.files import read_json, write_json
from sierlib.machine import describe_processor
from sierlib.networks import parallelnet  # noqa: F401 (Keras finds its layers by name then)
from sierlib.shapley import explain

PAGE = "notebooks/06-explorer.html"
RIVAL = Path("_build/rival")  # what is fetched stays there
TIMES, COMPARED, DEPTH, PREDICTIONS = 5, 8, 4, 20
#: Milliseconds of what a reader waits for; `pair` is a sample.
TIMED = {
    "load": "sierlibLive.load()",
    "first prediction": "sierlibLive.predict(pair)",
    "prediction": "sierlibLive.predict(pair)",
    "depth 3": "sierlibLive.explain({...pair, depth: 3})",
    "depth 4": "sierlibLive.explain({...pair, depth: 4})",
}

#: Milliseconds a prediction: the median of several, one after the other.
EACH = f"""async (pair) => {{
  const given = {{}}, ask = globalThis.rival ?? sierlibLive.predict;
  for (const [name, values] of Object.entries(pair)) given[name] = Float32Array.from(values);
  const times = [];
  while (times.length < {PREDICTIONS}) {{
    const start = performance.now();
    await ask(given);
    times.push(performance.now() - start);
  }}
  return times.sort((a, b) => a - b)[{PREDICTIONS} / 2];
}}"""
#: From here on `longest` is the longest task of the page's main thread; the browser tells of those
#: above 50 ms.
WATCH = """() => {
  window.longest = 0;
  new PerformanceObserver((seen) => {
    for (const { duration } of seen.getEntries()) longest = Math.max(longest, duration);
  }).observe({ type: "longtask" });
}"""


def time_page(page: Page, pair: dict[str, list[float]]) -> dict[str, float]:
    """Return how long each of `TIMED` takes on a page just opened, in milliseconds."""
    found = {}
    for name, call in TIMED.items():
        timed = f"const start = performance.now(); await {call}; return performance.now() - start;"
        found[name] = page.evaluate(f"async (pair) => {{ {timed} }}", pair)
    return found


def open_page(browser: Browser, book: Path) -> Page:
    """Return the explorer's page, opened from disk."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto((book / PAGE).resolve().as_uri(), wait_until="load")
    return page


def watch_page(page: Page) -> float:
    """Use the page as a reader does; return its longest task in ms, 0 if none is above 50 ms."""
    page.wait_for_timeout(1000)  # the theme's own work
    page.evaluate(WATCH)
    page.get_by_role("button", name="Load the model").click()
    tried = page.locator(".try")
    tried.locator("fieldset:not([disabled])").wait_for()
    for kind in ("black", "blurred"):
        tried.get_by_label("what is taken away becomes").select_option(kind)
        box = tried.locator("canvas").first.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 20, box["y"] + 20)
        page.mouse.down()
        page.mouse.move(box["x"] + 200, box["y"] + 250, steps=20)
        page.mouse.up()
    tried.get_by_label("how fine").select_option(str(DEPTH))
    tried.get_by_role("button", name="Explain").click()
    tried.locator(".told", has_text="regions add up").wait_for()
    return float(page.evaluate("longest"))


def summarise(values: list[float]) -> dict[str, float]:
    """Return median, least and most."""
    middle = statistics.median(values)
    return {"value": middle, "low": min(values), "high": max(values), "n": len(values)}


def measure_rival(page: Page, beside: Page, model: keras.Model, pair: Any) -> dict[str, Any]:
    """Return onnxruntime-web's times for a pair beside ours, in turns; {} where it cannot be had.

    Parameters
    ----------
    page, beside
        The explorer's, its model loaded; and an empty one.
    """
    dist = rival.fetch(RIVAL)
    if dist is None:
        return {}
    times: dict[Page, list[float]] = {page: [], beside: []}
    with rival.started(beside, dist, rival.write_onnx(export_model(model))):
        for turn in range(TIMES + 1):
            for each, found in times.items():
                each.bring_to_front()
                found.append(each.evaluate(EACH, pair))
                if turn == 0:  # compiled, and warm
                    found.clear()
        ours = page.evaluate("(pair) => sierlibLive.predict(pair)", pair)
        theirs = beside.evaluate("(pair) => rival(pair)", pair)
    ratios = [b / a for a, b in zip(*times.values(), strict=True)]
    return {
        "name": f"onnxruntime-web {rival.VERSION}",
        "milliseconds": {
            "ours": summarise(times[page]),
            "rival": summarise(times[beside]),
        },
        "ratio": summarise(ratios),
        "difference": float(np.abs(np.subtract(ours, theirs)).max()),
        "bytes": {
            "ours": sum(len(inpage.read(f"{name}.js").encode()) for name in ENGINE_PARTS),
            "rival": rival.count_bytes(dist),
        },
    }


def find_run(book: Path) -> Path:
    """Return the run below runs/ that a built book shows: the one with the same model."""
    for script in inpage.find_scripts(book / "_static")[:1]:
        for folder in sorted(Path("runs").glob("*")):
            same = folder / "explanations" / script.name
            if same.is_file() and same.read_bytes() == script.read_bytes():
                return folder
    sys.exit(f"{book} shows no run below runs/ with a model for the page: `make book` first")


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


def main(book: Path, run: Path) -> None:
    """Measure, print and record."""
    samples = read_json(run / "explanations" / "samples.json")[:COMPARED]
    manifest = pd.read_csv(run / "dataset" / "manifest.csv", dtype={"id": str}).set_index("id")
    rows = manifest.loc[[sample["id"] for sample in samples]]
    inputs = read_inputs(rows, run / "dataset")
    model = keras.saving.load_model(run / "models" / "fused.keras")
    pair = {name: values[0].ravel().tolist() for name, values in inputs.items()}
    repeats: list[dict[str, float]] = []
    load = os.getloadavg()[0]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=site.find_chromium())
        for _ in range(TIMES):
            watched = open_page(browser, book)
            standstill = watch_page(watched)
            watched.close()
            page = open_page(browser, book)
            repeats.append({**time_page(page, pair), "longest task": standstill})
        about: dict[str, Any] = page.evaluate("() => sierlibLive.load()")
        beside = measure_rival(page, browser.new_page(), model, pair)
        differences = compare(page, model, inputs)
        browser.close()
    found = {
        "milliseconds": {
            name: summarise([repeat[name] for repeat in repeats]) for name in repeats[0]
        },
        "rival": beside,
        "differences": differences,
        "samples": len(rows),
        "depth": DEPTH,
        "model": about,
        "machine": describe_processor(),
        "load": [load, os.getloadavg()[0]],  # before and after, a measurement's own part in it
        "megabytes": sum(path.stat().st_size for path in inpage.find_scripts(run / "explanations"))
        / 1e6,
    }
    write_json(RECORDED / ENGINE, found)
    print(found)


if __name__ == "__main__":
    built, *named = map(Path, sys.argv[1:] or ["_build/html"])
    main(built, *(named or [find_run(built)]))
