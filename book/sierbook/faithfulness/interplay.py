"""What speech and picture say only together, held against what was planted (notebook 09).

References
----------
Wenderoth et al. (2024), "Measuring Cross-Modal Interactions in Multimodal Models": the share of a
data set's effects that is interaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from sierbook import statistics
from sierbook.cases import EVALS, GRID
from sierbook.faithfulness.modalities import score_coalitions
from sierbook.faithfulness.rivals import Array, Sample, Subject
from sierbook.faithfulness.scores import draw_samples
from sierlib import settings
from sierlib.data.speech import Word
from sierlib.experiment.manifest import read_truth, time_planted
from sierlib.experiment.scores import Estimate
from sierlib.run import Run
from sierlib.shapley import explain, interactions
from sierlib.shapley.interactions import Interactions
from sierlib.shapley.partition import Box

#: So many of the strongest pairs are removed, or brought back alone.
STEPS = (0, 1, 2, 4, 8, 16)

#: A region is on what was planted where that covers so much of it, or more of it than of any other.
COVERED = 0.25


def share_of_interaction(f: Array) -> NDArray[np.float64]:
    """Return the share of interaction in what speech and image do to a score, from 0 to 1.

    Parameters
    ----------
    f
        (2, 2, ...) scores at [speech absent or present, image absent or present].

    Returns
    -------
    (...) |interaction| / (|speech alone| + |image alone| + |interaction|); 0 where nothing happens.

    Examples
    --------
    >>> share_of_interaction(np.array([[0.25, 0.25], [0.25, 1]])).item()
    1.0
    >>> share_of_interaction(np.array([[0, 0.25], [0.5, 0.75]])).item()
    0.0
    """
    together = np.abs(f[1, 1] - f[1, 0] - f[0, 1] + f[0, 0])
    total = np.abs(f[1, 0] - f[0, 0]) + np.abs(f[0, 1] - f[0, 0]) + together
    return np.divide(together, total, out=np.zeros_like(total), where=total > 0)


def measure_shares(run: Run, network: str = "fused") -> pd.DataFrame:
    """Return the share of interaction on every test row, for the class that is predicted.

    Returns
    -------
    pandas.DataFrame
        `id`; `relation` of what was planted, "unknown" where nothing was; `share` of interaction in
        the class's probability, and `share of log-odds`; `interaction`, in points of probability.
    """
    rows, f = score_coalitions(run, network)
    truth = read_truth(run)
    odds = logit(np.clip(f, 1e-7, 1 - 1e-7))
    return pd.DataFrame(
        {
            "id": rows["id"].to_numpy(),
            "relation": [truth.get(name, {}).get("relation", "unknown") for name in rows["id"]],
            "share": share_of_interaction(f),
            "share of log-odds": share_of_interaction(odds),
            "interaction": f[1, 1] - f[1, 0] - f[0, 1] + f[0, 0],
        }
    )


def choose_units(planted: dict[str, Any]) -> tuple[list[Word], list[int]]:
    """Return the words that are heard, and which of them carry what was planted."""
    words: list[Word] = []
    carrying: list[int] = []
    for place, (text, start, end) in enumerate(planted["speech"]["words"]):
        if start < min(end, settings.WINDOW_SECONDS):
            if place in planted["speech"]["emotion_words"]:
                carrying.append(len(words))
            words.append(Word(text, start, end))
    return words, carrying


def cover(found: Interactions, planted: dict[str, Any]) -> NDArray[np.bool_]:
    """Return which regions of the picture (rows x columns,) lie on what was planted there."""
    marked = np.zeros((found.boxes["image"][-1][1], found.boxes["image"][-1][3]), bool)
    for left, top, right, bottom in planted["image"]["boxes"]:
        marked[top:bottom, left:right] = True
    covered = np.array([marked[r0:r1, c0:c1].mean() for r0, r1, c0, c1 in found.boxes["image"]])
    return (covered >= min(COVERED, covered.max())) & (covered > 0)


def point(found: Interactions, carrying: Sequence[int], regions: Array) -> dict[str, float]:
    """Play the second-order pointing game: does the strongest pair join what was planted?

    Returns
    -------
    dict
        ``hit``, 1 where the pair of largest magnitude is of a planted word and a planted region,
        else 0; ``word`` and ``region``, whether the one or the other is; ``chance`` of a hit.
    """
    strengths = np.abs(found.values).reshape(len(found.boxes["speech"]), -1)
    unit, region = np.unravel_index(strengths.argmax(), strengths.shape)
    word, box = int(unit) in carrying, bool(regions[region])
    chance = len(carrying) / len(strengths) * regions.mean()
    return {"hit": float(word and box), "word": word, "region": box, "chance": float(chance)}


def follow(
    subject: Subject, sample: Sample, boxes: dict[str, Any], ranking: Array
) -> dict[str, Array]:
    """Return the class's score while the pairs that rank highest are removed, or alone are there.

    Parameters
    ----------
    boxes
        Of units and regions, as `Interactions` has them.
    ranking
        (units, regions), highest first.

    Returns
    -------
    dict
        ``deletion`` and ``insertion``, (steps,) at `STEPS`.
    """
    order = np.argsort(-ranking, axis=None, kind="stable")
    chosen: dict[str, list[Array]] = {m: [] for m in settings.MODALITIES}
    for step in STEPS:
        places = np.unravel_index(order[:step], ranking.shape)
        for m, members in zip(settings.MODALITIES, places, strict=True):
            mark = np.zeros((*sample[m].shape[:2], 1), np.float32)
            for number in np.unique(members):
                r0, r1, c0, c1 = boxes[m][number]
                mark[r0:r1, c0:c1] = 1
            chosen[m].append(mark)
    speech, image = (np.stack(chosen[m]) for m in settings.MODALITIES)
    left = subject(sample.speech * (1 - speech), sample.image * (1 - image))
    alone = subject(sample.speech * speech, sample.image * image)
    return {"deletion": left[:, sample.target], "insertion": alone[:, sample.target]}


def evaluate_pairs(
    subject: Subject, samples: Sequence[Sample], truth: dict[str, Any], seed: int = 0
) -> dict[str, pd.DataFrame]:
    """Find the pairs of word and region that act together in samples, and hold them against truth.

    Returns
    -------
    dict of DataFrame
        ``pointing``: `id`, `relation` and what `point` gives. ``following``: `id`, `ranking`
        ("pairs", by their interaction; "single values", by the sum of both members' Owen values;
        "random"), `kind` ("deletion" or "insertion"), and the mean `score` over `STEPS`.
    """
    rng = np.random.default_rng(seed)
    pointing, following = [], []
    for sample in samples:
        planted = truth[sample.id]
        words, carrying = choose_units(planted)
        given = (subject.model, sample.speech, sample.image)
        found = interactions(
            *given, units=words, grid=GRID, target=sample.target, max_evals=EVALS, seed=seed
        )
        named = {"id": sample.id, "relation": planted["relation"]}
        pointing.append(named | point(found, carrying, cover(found, planted)))
        alone = explain(*given, target=sample.target, depth=4)
        speech = _sum_over(alone.speech_map, found.boxes["speech"])
        image = _sum_over(alone.image_map, found.boxes["image"])
        pairs = found.values.reshape(len(words), -1)
        rankings = {
            "pairs": pairs,
            "single values": speech[:, None] + image,
            "random": rng.random(pairs.shape),
        }
        for name, ranking in rankings.items():
            for kind, scores in follow(subject, sample, found.boxes, ranking).items():
                row = {"ranking": name, "kind": kind, "score": float(scores.mean())}
                following.append({"id": sample.id, **row})
    return {"pointing": pd.DataFrame(pointing), "following": pd.DataFrame(following)}


def _sum_over(values: Array, boxes: Sequence[Box]) -> Array:
    return np.array([values[r0:r1, c0:c1].sum() for r0, r1, c0, c1 in boxes])


def study_network(
    run: Run, network: str = "fused", samples: int = 12, seed: int = 0
) -> dict[str, Any]:
    """Ask a network what speech and picture say only together.

    Parameters
    ----------
    samples
        Test rows, drawn at random, in which pairs of word and region are looked for; those count in
        which something was planted in both.

    Returns
    -------
    dict
        ``shares``, by relation of what was planted and over "all" rows: estimates of `share`,
        `share of log-odds` and `interaction` (`measure_shares`). ``pointing``, estimates of `hit`,
        `word` and `region`, and the mean `chance` (`point`). ``following``, by ranking and kind the
        estimate of the score (`evaluate_pairs`). The last two are empty where nothing is known of
        the words and regions.
    """
    table = measure_shares(run, network)
    columns = ("share", "share of log-odds", "interaction")
    shares = {}
    for name, rows in [("all", table), *table.groupby("relation")]:
        shares[name] = {column: _estimate(rows[column]) for column in columns}
    subject, drawn = draw_samples(run, samples, seed, network)
    known, truth = keep_planted(run, drawn)
    if not known:
        return {"shares": shares, "pointing": {}, "following": {}}
    pairs = evaluate_pairs(subject, known, truth, seed)
    pointing = {name: _estimate(pairs["pointing"][name]) for name in ("hit", "word", "region")}
    following: dict[str, dict[str, Estimate]] = {}
    by_ranking: Any = pairs["following"].groupby(["ranking", "kind"], sort=False)
    for (ranking, kind), rows in by_ranking:
        following.setdefault(str(ranking), {})[str(kind)] = _estimate(rows["score"])
    chance = float(pairs["pointing"]["chance"].mean())
    return {
        "shares": shares,
        "pointing": {**pointing, "chance": chance},
        "following": following,
    }


def study_oracles(run: Run, samples: int = 12, seed: int = 0) -> dict[str, dict[str, Any]]:
    """Ask the same of models that are known, see `make_oracle`, on the same samples.

    Returns
    -------
    dict
        For "jointly" and "side by side" the estimate of the ``share`` of interaction, and of the
        first also that of a ``hit`` and the mean ``chance``; empty where nothing was planted.
    """
    _, drawn = draw_samples(run, samples, seed)
    known, truth = keep_planted(run, drawn)
    if not known:
        return {}
    found: dict[str, dict[str, Any]] = {}
    for name, rows in evaluate_oracles(known, truth, seed).groupby("model", sort=False):
        found[str(name)] = {"share": _estimate(rows["share"])}
        if rows["hit"].notna().all():
            found[str(name)] |= {"hit": _estimate(rows["hit"]), "chance": rows["chance"].mean()}
    return found


def _estimate(values: pd.Series) -> Estimate:
    return statistics.estimate_mean(values.to_numpy(float))


def keep_planted(run: Run, drawn: Sequence[Sample]) -> tuple[list[Sample], dict[str, Any]]:
    """Return the samples of which it is known what was planted in both modalities, and the truth of
    all (`time_planted`)."""
    truth = time_planted(run, [sample.id for sample in drawn])
    return [sample for sample in drawn if is_planted(truth, sample.id)], truth


def is_planted(truth: dict[str, Any], sample: str) -> bool:
    """Tell whether a word that is heard and a place in the picture are known to carry something."""
    planted = truth.get(sample)
    return planted is not None and bool(choose_units(planted)[1] and planted["image"]["boxes"])


def make_oracle(
    sample: Sample, planted: dict[str, Any], jointly: bool
) -> Callable[[dict[str, Array]], Array]:
    """Return a model that is known: it asks how much of what was planted is there, and no more.

    Parameters
    ----------
    jointly
        Whether the class needs both planted words and planted objects, or each adds its part.

    Returns
    -------
    callable
        Takes n inputs by modality, returns (n, 1): from 0.25 to 1.
    """
    times = np.zeros(sample.speech.shape[:2], bool)
    words, carrying = choose_units(planted)
    for number in carrying:
        first, last = (
            round(moment / settings.WINDOW_SECONDS * sample.speech.shape[1])
            for moment in (words[number].start, words[number].end)
        )
        times[:, first:last] = True
    places = np.zeros(sample.image.shape[:2], bool)
    for left, top, right, bottom in planted["image"]["boxes"]:
        places[top:bottom, left:right] = True
    marks = {"speech": times, "image": places}
    whole = {m: max(sample[m][mark].sum(dtype=float), 1e-9) for m, mark in marks.items()}

    def model(x: dict[str, Array]) -> Array:
        speech, image = (
            x[m][:, mark].sum(axis=(1, 2), dtype=float) / whole[m] for m, mark in marks.items()
        )
        both = speech * image if jointly else (speech + image) / 2
        return (0.25 + 0.75 * both)[:, None]

    return model


def evaluate_oracles(
    samples: Sequence[Sample], truth: dict[str, Any], seed: int = 0
) -> pd.DataFrame:
    """Ask the same of models that are known: `jointly` or `side by side`.

    Returns
    -------
    pandas.DataFrame
        `id`, `model`, the `share` of interaction, and the `hit` and its `chance` in the pointing
        game of the first.
    """
    rows = []
    for sample in samples:
        planted = truth[sample.id]
        words, carrying = choose_units(planted)
        for name, jointly in (("jointly", True), ("side by side", False)):
            model = make_oracle(sample, planted, jointly)
            found = interactions(
                model, sample.speech, sample.image, units=words, grid=GRID, target=0,
                max_evals=EVALS, seed=seed,
            )  # fmt: skip
            whole = explain(model, sample.speech, sample.image, target=0, depth=0)
            share = float(share_of_interaction(whole.corners))
            row = {"id": sample.id, "model": name, "share": share}
            game = point(found, carrying, cover(found, planted)) if jointly else {}
            hit, chance = game.get("hit", np.nan), game.get("chance", np.nan)
            rows.append(row | {"hit": hit, "chance": chance})
    return pd.DataFrame(rows)
