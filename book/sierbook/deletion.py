"""Scores of what is left when the parts that matter are kept, or removed.

Above a threshold a part matters (Section 3.3). To keep those parts alone, or to remove them, and to
look at the score is how deletion and insertion curves judge an explanation (Petsiuk, Das and Saenko
2018, RISE). The explorer has no network to ask, so the scores are computed ahead, in ten steps of
the threshold.

The parts are the regions of the picture at the finest level, and the words: a word is heard or
silenced as a whole. Sound between words goes with the nearest one; without words, the parts are the
steps of time at the finest level. `explorer.js` finds the parts by the same rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from sierlib import settings
from sierlib.explorer import listening
from sierlib.explorer.pair import OwnPair
from sierlib.explorer.payload import Payload
from sierlib.shapley.arguments import baseline_arrays

#: Percentiles at which scores are computed.
THRESHOLDS = range(0, 101, 10)
DIGITS = 3  # of a score

_STARTS = np.arange(settings.SIZE) * listening.FRAME_SECONDS
_MIDDLES = _STARTS + listening.FRAME_SECONDS / 2


def scored_payload(pair: OwnPair) -> Payload:
    """Return a reader's own pair as the explorer takes it, with its scores."""
    payload = pair.payload()
    add_scores(payload, pair.model, **pair.inputs)
    return payload


def add_scores(payload: Payload, model: Any, speech: np.ndarray, image: np.ndarray) -> None:
    """Give each explanation of a payload the scores of what is left of its sample.

    That is `left`: {"keep": scores, "remove": scores}, a list of probabilities for each of
    `THRESHOLDS`. The model is asked once, for everything that differs.

    Parameters
    ----------
    payload
        From `sierlib.explorer.payload.sample_payload`.
    model
        A Keras model, or any callable that `sierlib.shapley.explain` takes.
    speech, image
        The sample as the network sees it, (128, 128, 1) and (128, 128, 3).
    """
    inputs = {"speech": speech, "image": image}
    asked: dict[bytes, int] = {}  # the number of each input that differs
    rows: dict[str, list[np.ndarray]] = {m: [] for m in settings.MODALITIES}
    places: list[tuple[Payload, dict[str, list[int]]]] = []
    for baseline, explanation in _list_explanations(payload):
        absent = baseline_arrays(baseline, inputs)
        numbers: dict[str, list[int]] = {"keep": [], "remove": []}
        for threshold in THRESHOLDS:
            parts = find_parts(explanation, payload["words"], payload["duration"], threshold)
            others = [~part for part in parts]
            for way, stays in (("keep", parts), ("remove", others)):
                key = baseline.encode() + stays[0].tobytes() + stays[1].tobytes()
                if key not in asked:
                    asked[key] = len(asked)
                    for m, here in zip(settings.MODALITIES, stays, strict=True):
                        masked = np.where(_spread(here)[..., None], inputs[m], absent[m])
                        rows[m].append(masked)
                numbers[way].append(asked[key])
        places.append((explanation, numbers))
    batch = {m: np.stack(arrays) for m, arrays in rows.items()}
    if isinstance(model, keras.Model):
        scores = model.predict(batch, batch_size=64, verbose=0)
    else:
        scores = model(batch)
    rounded = np.round(np.asarray(scores, np.float64), DIGITS).tolist()
    for explanation, numbers in places:
        explanation["left"] = {}
        for way, asked_for in numbers.items():
            explanation["left"][way] = [rounded[number] for number in asked_for]


def _list_explanations(payload: Payload) -> list[tuple[str, Payload]]:
    """Return each explanation of a payload, with the name of its baseline."""
    found = []
    for baseline, key in (("zero", "explanations"), ("blur", "blurred")):
        for by_class in payload[key].values():
            found += [(baseline, explanation) for explanation in by_class.values()]
    return found


def find_parts(
    explanation: Payload, words: Sequence[Payload], duration: float, threshold: float
) -> list[np.ndarray]:
    """Return which frames of the speech, and which regions of the image, matter.

    Parameters
    ----------
    explanation
        From `explanation_payload`; its finest level counts.
    words
        Of the sample's payload; those that begin after its sound has ended are not heard.
    duration
        Seconds of sound inside the window.
    threshold
        Percentile of the words' values, and of the regions'.

    Returns
    -------
    frames, regions
        bool (1, 128) and (rows, columns). What lies behind the sound counts as mattering: with all
        else, it stays or goes.
    """
    finest = explanation["levels"][-1]
    speech = _grid(finest["speech"]).sum(axis=0)
    image = _grid(finest["image"])
    heard = [word for word in words if word["start"] < duration]
    if heard:
        starts = np.array([word["start"] for word in heard])
        ends = np.array([word["end"] for word in heard])
        step = settings.WINDOW_SECONDS / len(speech)
        cumulative = np.concatenate([[0.0], np.cumsum(speech)])
        edges = np.arange(len(cumulative)) * step
        values = np.interp(ends, edges, cumulative) - np.interp(starts, edges, cumulative)
        gaps = np.maximum(starts - _MIDDLES[:, None], _MIDDLES[:, None] - ends).clip(0)
        part = gaps.argmin(axis=1)
    else:
        part = np.arange(settings.SIZE) * len(speech) // settings.SIZE
        values = speech[: part[duration > _STARTS].max(initial=0) + 1]
    matters = values >= np.percentile(values, threshold)
    frames = matters[np.minimum(part, len(values) - 1)] | (duration <= _STARTS)
    return [frames[None], image >= np.percentile(image, threshold)]


def _grid(grid: Payload) -> np.ndarray:
    return np.array(grid["values"], np.float64).reshape(grid["rows"], grid["cols"])


def _spread(mask: np.ndarray) -> np.ndarray:
    """Spread a grid of regions over the pixels of an input."""
    rows, cols = mask.shape
    down = np.arange(settings.SIZE) * rows // settings.SIZE
    across = np.arange(settings.SIZE) * cols // settings.SIZE
    return mask[down][:, across]
