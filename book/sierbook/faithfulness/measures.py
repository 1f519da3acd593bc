"""Is it true? Methods of explanation scored on the same samples, by measures that need nobody's eye
(notebook 08).

References
----------
Petsiuk et al. (2018), "RISE": deletion and insertion. Yeh et al. (2019), "On the (In)fidelity and
Sensitivity of Explanations". Bhatt et al. (2020), "Evaluating and Aggregating Feature-based Model
Explanations": MuFidelity. Adebayo et al. (2018), "Sanity Checks for Saliency Maps": randomised
weights. Zhang et al. (2018), "Top-down Neural Attention by Excitation Backprop": the pointing game.
Chalasani et al. (2020), "Concise Explanations of Neural Networks using Adversarial Training": the
Gini index.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import stats

from sierbook.faithfulness.rivals import Array, Maps, Sample, Subject, attribute
from sierlib import settings
from sierlib.data import speech
from sierlib.explorer import listening
from sierlib.shapley.partition import divide

#: What is removed or brought back: one modality with the other one present, or both.
PARTS = (*settings.MODALITIES, "joint")
FRACTIONS = np.linspace(0, 1, 9)  # of the area, removed or brought back
DRAWS = 128  # random removals for the two fidelities
REMOVED = 0.25  # the share of the units in each of them
#: Suffix of measures of maps that all are averaged over the finest regions of DnCShap.
SAME_REGIONS = ", same regions"
NOISE = 0.02  # half the width of the noise for sensitivity, in units of the inputs


def curves(
    subject: Subject, sample: Sample, maps: Maps, seed: int = 0
) -> dict[str, dict[str, Array]]:
    """Return the class's score while units are removed (deletion) or brought back (insertion), best
    first.

    Returns
    -------
    dict
        By part ("speech" and "image" with the other one present, "joint") and by "deletion" and
        "insertion" the scores at `FRACTIONS` of the area. Ties are broken at random.
    """
    rng = np.random.default_rng(seed)
    areas = {m: sample.areas(m) for m in settings.MODALITIES}
    density = {m: sample.sums(m, maps[m]) / areas[m] for m in settings.MODALITIES}
    found = {}
    for part in PARTS:
        members = settings.MODALITIES if part == "joint" else (part,)
        values = np.concatenate([density[m] for m in members])
        area = np.concatenate([areas[m] for m in members])
        # Which units have been reached at each fraction of the area, the best first.
        order = np.lexsort((rng.random(len(values)), -values))
        reached = np.empty(len(values))
        reached[order] = np.cumsum(area[order]) / area.sum()
        chosen = reached <= FRACTIONS[:, None] + 1e-9  # (fractions, units)
        # First without those units, then with no others.
        given = {m: np.repeat(sample[m][None], 2 * len(chosen), axis=0) for m in areas}
        start = 0
        for m in members:
            units = chosen[:, start : start + len(areas[m])]
            given[m] = sample.mask(m, np.concatenate([~units, units]))
            start += len(areas[m])
        scores = subject(given["speech"], given["image"])[:, sample.target]
        found[part] = {"deletion": scores[: len(chosen)], "insertion": scores[len(chosen) :]}
    return found


def removals(subject: Subject, sample: Sample, seed: int = 0) -> tuple[Array, Array]:
    """Remove a random quarter of the units again and again.

    Returns
    -------
    gone, fell
        (draws, units) bool, speech first; and (draws,) how far the class's score fell.
    """
    rng = np.random.default_rng(seed)
    sizes = [len(sample.areas(m)) for m in settings.MODALITIES]
    gone = rng.random((DRAWS, sum(sizes))).argsort(axis=1) < round(REMOVED * sum(sizes))
    speech_gone, image_gone = np.split(gone, sizes[:1], axis=1)
    whole = subject(sample.speech[None], sample.image[None])[0, sample.target]
    left = subject(sample.mask("speech", ~speech_gone), sample.mask("image", ~image_gone))
    return gone, whole - left[:, sample.target]


def fidelity(gone: Array, fell: Array, sums: Array) -> dict[str, float]:
    """Compare what a map says of random removals with what they did.

    Parameters
    ----------
    gone, fell
        As `removals` gives them.
    sums
        (units,) the map over the units, speech first.

    Returns
    -------
    dict
        ``MuFidelity``, the correlation of the two (1 is best); ``infidelity``, the mean squared
        error after the best rescaling, which maps without units need, over that of a map of zeros
        (0 is best, 1 worst).
    """
    expected = gone @ sums
    scale = expected @ fell / max(expected @ expected, 1e-300)
    total = max(fell @ fell, 1e-300)
    return {
        "MuFidelity": _correlate(stats.pearsonr, expected, fell),
        "infidelity": float(np.sum((scale * expected - fell) ** 2) / total),
    }


def _correlate(kind: Callable[..., Any], a: Array, b: Array) -> float:
    """Return a correlation, 0 where one side is constant."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(kind(a, b).statistic)


def gini(values: Array) -> float:
    """Return the Gini index of magnitudes: 0 where all are equal, 1 - 1/n where one has
    everything."""
    ordered = np.sort(np.abs(values).ravel())
    if ordered[-1] == 0:
        return 0.0
    n = len(ordered)
    return float(1 - 2 * np.sum(ordered / ordered.sum() * (n - np.arange(1, n + 1) + 0.5)) / n)


def agreement(sample: Sample, a: Maps, b: Maps) -> float:
    """Return the rank correlation of two maps on the grid, the mean of both modalities."""
    found = []
    for m in settings.MODALITIES:
        area = sample.areas(m)
        one, other = sample.sums(m, a[m]) / area, sample.sums(m, b[m]) / area
        found.append(_correlate(stats.spearmanr, one, other))
    return float(np.mean(found))


def mark_planted(sample: Sample, planted: dict[str, Any]) -> dict[str, Array]:
    """Return by modality where the explained class was planted, (H, W) bool; only modalities that
    carry it."""
    speech = np.zeros(sample.speech.shape[:2], bool)
    for start, end in planted["speech"]["emotion_times"]:
        first, last = start / listening.FRAME_SECONDS, end / listening.FRAME_SECONDS
        speech[:, int(first) : int(np.ceil(last))] = True
    image = np.zeros(sample.image.shape[:2], bool)
    for left, top, right, bottom in planted["image"]["boxes"]:
        image[top:bottom, left:right] = True
    found = {}
    for m, mark in (("speech", speech), ("image", image)):
        mark &= sample.units[m] >= 0
        if planted[m]["emotion"] == settings.CLASSES[sample.target] and mark.any():
            found[m] = mark
    return found


def coarsen(maps: Maps, depth: int) -> Maps:
    """Return maps as coarse as DnCShap's at some depth: averaged over its finest regions."""
    coarse = {}
    for m, split in (("speech", "time"), ("image", "longest")):
        height, width = maps[m].shape
        regions = divide(height, width, depth, split).labels()
        sums = np.bincount(regions.ravel(), maps[m].ravel())
        coarse[m] = (sums / np.bincount(regions.ravel()))[regions]
    return replace(maps, speech=coarse["speech"], image=coarse["image"])


def localise(sample: Sample, maps: Maps, planted: dict[str, Any]) -> list[dict[str, Any]]:
    """Compare where a map points with where the emotion was planted, for modalities planted with
    the explained class.

    Parameters
    ----------
    planted
        The sample's ground truth.

    Returns
    -------
    list of dict
        For each such modality ``part`` and the two measures "share" (of the positive value that
        lies inside the planted boxes, or the planted words' time) and "pointing" (whether the
        highest value does; where several places share it, the share of them). ``chance`` is the
        share of the picture, or of the time until the last sound. Over speech, values are averaged
        over frequencies first (Section 3.3).
    """
    rows = []
    for m, inside in mark_planted(sample, planted).items():
        values, possible = maps[m], sample.units[m] >= 0
        if m == "speech":
            values = np.broadcast_to(values.mean(axis=0), values.shape)
        positive = np.clip(values, 0, None) * possible
        best = possible & np.isclose(values, values[possible].max(), rtol=1e-9, atol=0)
        chance = float(inside.sum() / possible.sum())
        share = float(positive[inside].sum() / positive.sum()) if positive.any() else chance
        rows.append({"part": m, "measure": "share", "value": share, "chance": chance})
        pointing = float((best & inside).sum() / best.sum())
        rows.append({"part": m, "measure": "pointing", "value": pointing, "chance": chance})
    return rows


def word_values(sample: Sample, maps: Maps, planted: dict[str, Any]) -> list[dict[str, Any]]:
    """Return each word's `role` ("emotion", "confuser" or "neutral") and `value` per second.

    Empty unless the emotion planted in the speech is the explained class. Words behind the window
    are left out.
    """
    truth = planted["speech"]
    if truth["emotion"] != settings.CLASSES[sample.target]:
        return []
    words = [speech.Word(*word) for word in truth["words"]]
    values = listening.word_values(words, maps.speech)
    roles = dict.fromkeys(truth["confuser_words"], "confuser")
    roles |= dict.fromkeys(truth["emotion_words"], "emotion")
    rows = []
    for place, (word, value) in enumerate(zip(words, values, strict=True)):
        if word.start < word.end <= settings.WINDOW_SECONDS:
            per_second = float(value / (word.end - word.start))
            rows.append({"role": roles.get(place, "neutral"), "value": per_second})
    return rows


def emotion_word_first(words: list[dict[str, Any]]) -> float | None:
    """Return how often a planted emotion word is above another word of its sentence: 1 always, 0.5
    by chance."""
    planted = np.array([word["value"] for word in words if word["role"] == "emotion"])
    others = np.array([word["value"] for word in words if word["role"] != "emotion"])
    if not len(planted) or not len(others):
        return None
    ahead = planted[:, None] - others
    return float(np.mean((ahead > 0) + 0.5 * (ahead == 0)))


def sensitivity(
    subject: Subject, method: str, sample: Sample, maps: Maps, depth: int, seed: int = 0
) -> float:
    """Return how much a map changes, relative to itself, when noise that one can hardly hear or see
    is added."""
    rng = np.random.default_rng([seed, *sample.id.encode()])
    noisy = {}
    for m in settings.MODALITIES:
        noise = rng.uniform(-NOISE, NOISE, sample[m].shape).astype(np.float32)
        noise *= sample[m] > 0  # silence stays silent
        noisy[m] = np.clip(sample[m] + noise, 0, 1)
    noisy_sample = replace(sample, speech=noisy["speech"], image=noisy["image"])
    other = attribute(method, subject, noisy_sample, depth, seed)
    before, after = (sum_over_units(sample, each) for each in (maps, other))
    size = float(np.linalg.norm(before))
    return float(np.linalg.norm(after - before)) / size if size else 0.0


def sum_over_units(sample: Sample, maps: Maps) -> Array:
    """Return the sums of both maps over the units of the grid, (units,), speech first."""
    return np.concatenate([sample.sums(m, maps[m]) for m in settings.MODALITIES])
