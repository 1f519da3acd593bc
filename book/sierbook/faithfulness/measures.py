"""Is it true? Methods of explanation scored on the same samples, by measures that need nobody's eye
(notebook 07).

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

from dataclasses import replace
from typing import Any

import numpy as np
from scipy import stats

from sierbook.faithfulness.rivals import Array, Maps, Sample, Subject, attribute
from sierlib import settings
from sierlib.data import speech
from sierlib.explorer import listening
from sierlib.shapley.partition import divide

PARTS = ("speech", "image", "joint")
FRACTIONS = np.linspace(0, 1, 9)  # of the area, removed or brought back
DRAWS, REMOVED = (
    128,
    0.25,
)  # random removals for the two fidelities, and the share of the units in each
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
    area = {m: sample.areas(m) for m in settings.MODALITIES}
    density = {m: sample.sums(m, getattr(maps, m)) / area[m] for m in settings.MODALITIES}
    found = {}
    for part in PARTS:
        members = [m for m in settings.MODALITIES if part in (m, "joint")]
        values, areas = (np.concatenate([by[m] for m in members]) for by in (density, area))
        order = np.lexsort((rng.random(len(values)), -values))
        reached = np.empty(len(values))
        reached[order] = np.cumsum(areas[order]) / areas.sum()
        first = reached <= FRACTIONS[:, None] + 1e-9
        given, start = (
            {
                m: np.repeat(getattr(sample, m)[None], 2 * len(first), axis=0)
                for m in settings.MODALITIES
            },
            0,
        )
        for m in members:
            own = first[:, start : start + len(area[m])]
            given[m] = sample.masked(m, np.concatenate([~own, own]))
            start += len(area[m])
        scores = subject(given["speech"], given["image"])[:, sample.target]
        found[part] = {"deletion": scores[: len(first)], "insertion": scores[len(first) :]}
    return found


def removals(subject: Subject, sample: Sample, seed: int = 0) -> tuple[Array, Array]:
    """Remove a random quarter of the units again and again: (draws, units) bool, and how far the
    score fell."""
    rng = np.random.default_rng(seed)
    sizes = [len(sample.areas(m)) for m in settings.MODALITIES]
    gone = rng.random((DRAWS, sum(sizes))).argsort(axis=1) < round(REMOVED * sum(sizes))
    masked = [
        sample.masked(m, ~own)
        for m, own in zip(settings.MODALITIES, np.split(gone, sizes[:1], axis=1), strict=True)
    ]
    whole = subject(sample.speech[None], sample.image[None])[0, sample.target]
    return gone, whole - subject(masked[0], masked[1])[:, sample.target]


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
    said = gone @ sums
    scale = said @ fell / max(said @ said, 1e-300)
    total = max(fell @ fell, 1e-300)
    return {
        "MuFidelity": _correlation(stats.pearsonr, said, fell),
        "infidelity": float(np.sum((scale * said - fell) ** 2) / total),
    }


def _correlation(kind: Any, a: Array, b: Array) -> float:
    """Return a correlation, 0 where one side is constant."""
    return 0.0 if np.ptp(a) == 0 or np.ptp(b) == 0 else float(kind(a, b).statistic)


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
    return float(
        np.mean(
            [
                _correlation(
                    stats.spearmanr,
                    *(sample.sums(m, getattr(maps, m)) / sample.areas(m) for maps in (a, b)),
                )
                for m in settings.MODALITIES
            ]
        )
    )


def marks(sample: Sample, planted: dict[str, Any]) -> dict[str, Array]:
    """Return by modality where the explained class was planted, (H, W) bool; only modalities that
    carry it."""
    found = {}
    for m in settings.MODALITIES:
        mark = np.zeros(getattr(sample, m).shape[:2], bool)
        if m == "image":
            for left, top, right, bottom in planted[m]["boxes"]:
                mark[top:bottom, left:right] = True
        else:
            for start, end in (
                np.array(planted[m]["emotion_times"]).reshape(-1, 2) / listening.FRAME_SECONDS
            ):
                mark[:, int(start) : int(np.ceil(end))] = True
        mark &= sample.units[m] >= 0
        if planted[m]["emotion"] == settings.CLASSES[sample.target] and mark.any():
            found[m] = mark
    return found


def at_grain(maps: Maps, depth: int) -> Maps:
    """Return maps as coarse as DnCShap's at some depth: averaged over its finest regions."""
    coarse = {}
    for m, split in (("speech", "time"), ("image", "longest")):
        values = getattr(maps, m)
        regions = divide(values.shape[0], values.shape[1], depth, split).labels()
        coarse[m] = (np.bincount(regions.ravel(), values.ravel()) / np.bincount(regions.ravel()))[
            regions
        ]
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
    for m, inside in marks(sample, planted).items():
        values, possible = getattr(maps, m), sample.units[m] >= 0
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
    if planted["speech"]["emotion"] != settings.CLASSES[sample.target]:
        return []
    words = [speech.Word(*word) for word in planted["speech"]["words"]]
    values = listening.word_values(words, maps.speech)
    roles = np.full(len(words), "neutral", dtype=object)
    for role in ("confuser", "emotion"):
        roles[planted["speech"][f"{role}_words"]] = role
    return [
        {"role": role, "value": float(value / (word.end - word.start))}
        for word, role, value in zip(words, roles, values, strict=True)
        if word.start < word.end <= settings.WINDOW_SECONDS
    ]


def emotion_first(words: list[dict[str, Any]]) -> float | None:
    """Return how often a planted emotion word is above another word of its sentence: 1 always, 0.5
    by chance."""
    planted, others = (
        np.array([word["value"] for word in words if (word["role"] == "emotion") == wanted])
        for wanted in (True, False)
    )
    if not len(planted) or not len(others):
        return None
    over = planted[:, None] - others
    return float(np.mean((over > 0) + 0.5 * (over == 0)))


def sensitivity(
    subject: Subject, method: str, sample: Sample, maps: Maps, depth: int, seed: int = 0
) -> float:
    """Return how much a map changes, relative to itself, when noise that one can hardly hear or see
    is added."""
    rng = np.random.default_rng([seed, *sample.id.encode()])
    noisy = {}
    for m in settings.MODALITIES:
        x = getattr(sample, m)
        noise = rng.uniform(-NOISE, NOISE, x.shape).astype(np.float32) * (
            x > 0
        )  # silence stays silent
        noisy[m] = np.clip(x + noise, 0, 1)
    other = attribute(method, subject, replace(sample, **noisy), depth, seed)
    before, after = (
        np.concatenate([sample.sums(m, getattr(x, m)) for m in settings.MODALITIES])
        for x in (maps, other)
    )
    size = float(np.linalg.norm(before))
    return float(np.linalg.norm(after - before)) / size if size else 0.0
